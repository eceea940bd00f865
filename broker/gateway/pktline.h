#ifndef CRB_PKTLINE_H
#define CRB_PKTLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * git's pkt-lines (gitprotocol-common(5), gitprotocol-pack(5),
 * gitprotocol-v2(5)): four hex digits of length, which counts itself, and the
 * payload; 0000 is a flush, 0001 a delimiter, 0002 the end of a response.
 */
#define CRB_PKTLINE_MAX 65520

/* Where the first payload byte says so, it names a side band. */
enum crb_band {
	CRB_BAND_NONE,
	CRB_BAND_DATA,
	CRB_BAND_PROGRESS,
	CRB_BAND_ERROR,
};

/* Append a line with this payload; in a band, its byte comes first. */
void crb_pktline_add(
    struct crb_buf *out, enum crb_band band, const void *payload, size_t len);
void crb_pktline_flush(struct crb_buf *out);

/*
 * Follows the framing of a response as it passes, so that a response which is
 * cut short can still end with a message that git shows.  Constant memory.
 */
struct crb_pktline {
	char head[4];
	uint8_t head_len;
	uint8_t start_len; /* of `start`, the payload's first bytes */
	char start[9];
	uint16_t size; /* of the payload */
	uint16_t left; /* of it, still to come */
	bool banded;   /* side bands are in use */
	bool ended;    /* nothing more is due */
	bool lost;     /* these are no pkt-lines */
};

#define CRB_PKTLINE_INIT      \
	{                     \
		.head_len = 0 \
	}

void crb_pktline_feed(struct crb_pktline *line, const void *bytes, size_t len);

/* How many bytes of a line that is not yet whole were fed. */
size_t crb_pktline_under_way(const struct crb_pktline *line);
/* How many of these bytes, which come next, end the line that is under way. */
size_t crb_pktline_rest(
    const struct crb_pktline *line, const void *bytes, size_t len);

/*
 * Append what ends the response from here: the rest of the line that is under
 * way, and `message` as an error.  False, with nothing appended, when that
 * cannot be.  Nothing is appended behind a response that was complete.
 */
bool crb_pktline_cut(
    const struct crb_pktline *line, const char *message, struct crb_buf *out);

#endif /* !CRB_PKTLINE_H */
