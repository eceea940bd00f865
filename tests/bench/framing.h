#ifndef CRB_BENCH_FRAMING_H
#define CRB_BENCH_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Just enough of HTTP/1.1 (RFC 9112) to know where a message ends, whose
 * sender is trusted: no more than a benchmark needs.
 */
#define FRAMING_HEAD_MAX 8192

struct framing {
	char head[FRAMING_HEAD_MAX];
	size_t head_len;
	bool head_done, done, failed;
	bool chunked, last_chunk;
	bool close;      /* the connection is of no more use */
	unsigned status; /* of a response */
	uint64_t left;   /* of the body, or of the chunk */
	uint64_t body;   /* bytes of body so far */
	size_t line;     /* bytes of the line between chunks */
	uint64_t size;   /* that this line says */
};

void framing_init(struct framing *framing);

/* Take bytes, until `done` or `failed`; returns how many were taken. */
size_t framing_feed(struct framing *framing, const char *bytes, size_t len);

#endif /* !CRB_BENCH_FRAMING_H */
