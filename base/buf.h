#ifndef CRB_BUF_H
#define CRB_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * A growing buffer that declares its maximum.  Appending past it, or running
 * out of memory, sets `failed` and appends nothing more, so that a builder
 * checks once at its end.  What is in it is kept NUL-terminated.
 */
struct crb_buf {
	char *data; /* NULL while empty and never grown */
	size_t len;
	size_t cap;
	size_t max; /* of len */
	bool failed;
	bool wiped; /* from the slab, and wiped: it may hold a secret */
};

#define CRB_BUF_INIT(maximum)    \
	{                        \
		.max = (maximum) \
	}
#define CRB_BUF_INIT_WIPED(maximum)             \
	{                                       \
		.max = (maximum), .wiped = true \
	}

void crb_buf_add(struct crb_buf *buf, const void *bytes, size_t len);
void crb_buf_str(struct crb_buf *buf, const char *s);
void crb_buf_char(struct crb_buf *buf, char c);
/* In decimal digits. */
void crb_buf_number(struct crb_buf *buf, uint64_t number);
void crb_buf_printf(struct crb_buf *buf, const char *fmt, ...) CRB_PRINTF(2, 3);

/* Room for `len` more bytes, at the end; NULL when it cannot be. */
char *crb_buf_room(struct crb_buf *buf, size_t len);
/* `len` bytes of that room were filled. */
void crb_buf_grew(struct crb_buf *buf, size_t len);

/* Drop `len` bytes from the front. */
void crb_buf_consume(struct crb_buf *buf, size_t len);
/* Empty it, keeping the memory. */
void crb_buf_reset(struct crb_buf *buf);
/* Free the memory; the buffer can be used again. */
void crb_buf_clear(struct crb_buf *buf);
/* The text, never NULL. */
const char *crb_buf_text(const struct crb_buf *buf);
/* Hand the memory over, as malloc()ed text; NULL when failed.  Not for wiped.
 */
char *crb_buf_steal(struct crb_buf *buf);

/* CRB_OK, or CRB_ERR_TOO_LARGE naming `what` when the buffer has failed. */
CRB_NODISCARD enum crb_status crb_buf_check(
    const struct crb_buf *buf, const char *what, struct crb_err *err);

#define CRB_AUTO_BUF __attribute__((cleanup(crb_buf_clear)))

#endif /* !CRB_BUF_H */
