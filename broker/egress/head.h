#ifndef CRB_EGRESS_HEAD_H
#define CRB_EGRESS_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "broker/bus/headers.h"

/*
 * The head of an upstream's answer, line by line as libcurl gives it, read
 * strictly and within bounds: interim ones first, then the final one, then
 * trailers, of which nothing is taken.
 */
struct crb_head {
	const char *host; /* for messages, borrowed */
	unsigned status;  /* of the head that is being read, or was */
	bool inside;      /* a head has begun and not ended */
	bool final;       /* the final one has ended */
	bool has_length;
	bool chunked;
	bool packed_ok; /* a Content-Encoding may be: it is never undone */
	uint64_t length;
	size_t bytes; /* of all heads and trailers so far */
	size_t count; /* of this head's headers */
};

/* What a line was. */
enum crb_head_line {
	CRB_HEAD_OTHER,  /* nothing that matters */
	CRB_HEAD_START,  /* what was read of an interim head is void */
	CRB_HEAD_HEADER, /* see *header: value trimmed, bytes unchecked */
	CRB_HEAD_END,    /* of the final head */
};

/* `header` points into `bytes`.  CRB_ERR_UPSTREAM names the host. */
CRB_NODISCARD enum crb_status crb_head_read(struct crb_head *head,
    const char *bytes, size_t len, enum crb_head_line *what,
    struct crb_header *header, struct crb_err *err);

#endif /* !CRB_EGRESS_HEAD_H */
