#ifndef CRB_EGRESS_DOWNLOAD_H
#define CRB_EGRESS_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "broker/egress/head.h"
#include "broker/egress/scrub.h"

/*
 * The response on its way from libcurl to a stream: the final head, reduced to
 * what is on the list, then the body without the secret.  What the stream does
 * not take stays here, bounded, and libcurl is paused.
 */
struct crb_download {
	int fd; /* of the stream, borrowed */
	uint64_t job;
	enum crb_route_kind route; /* whose list the headers pass */
	struct crb_scrub *scrub;   /* borrowed */

	struct crb_head head;
	bool head_read; /* and it may be passed on */
	bool head_sent;
	struct crb_buf headers;
	uint32_t dropped; /* headers with the secret in them */

	char *body; /* from the slab: it may hold the secret */
	size_t cap;
	size_t sent;     /* body[0..sent) is gone */
	size_t settled;  /* body[sent..settled) can go */
	size_t len;      /* body[settled..len) is not searched */
	uint64_t passed; /* bytes sent */
	bool fresh;      /* bytes came since the last search */
	bool paused;     /* libcurl waits for room */
	bool blocked;    /* the stream is full */
};

void crb_download_init(struct crb_download *download, int fd, uint64_t job,
    const char *host, enum crb_route_kind route, struct crb_scrub *scrub);
void crb_download_clear(struct crb_download *download);

/* One line of a head, as libcurl gives it. */
CRB_NODISCARD enum crb_status crb_download_line(struct crb_download *download,
    const char *line, size_t len, struct crb_err *err);

/* A piece of the body: all of it is taken, or `paused` is set. */
CRB_NODISCARD enum crb_status crb_download_body(struct crb_download *download,
    const char *bytes, size_t len, struct crb_err *err);

/*
 * Send what can be sent; `blocked` tells whether there is more.  With `last`
 * nothing is held back any more.
 */
CRB_NODISCARD enum crb_status crb_download_flush(
    struct crb_download *download, bool last, struct crb_err *err);

/*
 * All of an answer that has come to its end, in one message: *sent.  Not of a
 * long one, nor when something has been sent of it.
 */
CRB_NODISCARD enum crb_status crb_download_whole(
    struct crb_download *download, bool *sent, struct crb_err *err);

/* Places where the secret came back. */
uint32_t crb_download_scrubbed(const struct crb_download *download);

#endif /* !CRB_EGRESS_DOWNLOAD_H */
