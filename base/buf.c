#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/slab.h"

#define BUF_LEAST 64u
#define DIGITS_MAX 20u /* of a uint64_t */

static char *
resize(const struct crb_buf *buf, size_t cap)
{
	return buf->wiped ? crb_slab_realloc(buf->data, cap)
			  : realloc(buf->data, cap);
}

char *
crb_buf_room(struct crb_buf *buf, size_t len)
{
	size_t need, cap;
	char *data;

	if (buf->failed)
		return NULL;
	if (buf->max == SIZE_MAX || len > buf->max - buf->len) {
		buf->failed = true;
		return NULL;
	}

	need = buf->len + len + 1; /* and the NUL */
	if (need > buf->cap) {
		cap = buf->cap > SIZE_MAX / 2 ? need : buf->cap * 2;
		cap = cap < BUF_LEAST ? BUF_LEAST : cap;
		cap = cap > buf->max + 1 ? buf->max + 1 : cap;
		cap = cap < need ? need : cap;
		if ((data = resize(buf, cap)) == NULL) {
			buf->failed = true;
			return NULL;
		}
		buf->data = data;
		buf->cap = cap;
		buf->data[buf->len] = '\0';
	}
	return buf->data + buf->len;
}

void
crb_buf_grew(struct crb_buf *buf, size_t len)
{
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void
crb_buf_add(struct crb_buf *buf, const void *bytes, size_t len)
{
	char *room;

	if ((room = crb_buf_room(buf, len)) == NULL)
		return;
	if (len > 0)
		memcpy(room, bytes, len);
	crb_buf_grew(buf, len);
}

void
crb_buf_str(struct crb_buf *buf, const char *s)
{
	crb_buf_add(buf, s, strlen(s));
}

void
crb_buf_char(struct crb_buf *buf, char c)
{
	crb_buf_add(buf, &c, 1);
}

void
crb_buf_number(struct crb_buf *buf, uint64_t number)
{
	char digits[DIGITS_MAX];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	crb_buf_add(buf, &digits[at], sizeof(digits) - at);
}

/* What is there and not used, with the NUL. */
static size_t
spare(const struct crb_buf *buf)
{
	return buf->data != NULL ? buf->cap - buf->len : 0;
}

/* Most texts fit where they are to be, and are made once. */
void
crb_buf_printf(struct crb_buf *buf, const char *fmt, ...)
{
	size_t room = spare(buf);
	va_list ap;
	int len;

	if (buf->failed)
		return;
	va_start(ap, fmt);
	len = vsnprintf(room > 0 ? buf->data + buf->len : NULL, room, fmt, ap);
	va_end(ap);
	if (room > 0 && (len < 0 || (size_t)len >= room))
		buf->data[buf->len] = '\0';
	if (len < 0) {
		buf->failed = true;
		return;
	}
	if ((size_t)len >= room) {
		char *more = crb_buf_room(buf, (size_t)len);

		if (more == NULL)
			return;
		va_start(ap, fmt);
		(void)vsnprintf(more, (size_t)len + 1, fmt, ap);
		va_end(ap);
	}
	crb_buf_grew(buf, (size_t)len);
}

void
crb_buf_consume(struct crb_buf *buf, size_t len)
{
	size_t left;

	len = len > buf->len ? buf->len : len;
	if (len == 0)
		return;
	left = buf->len - len;
	memmove(buf->data, buf->data + len, left);
	if (buf->wiped)
		sodium_memzero(buf->data + left, len);
	buf->len = left;
	buf->data[left] = '\0';
}

void
crb_buf_reset(struct crb_buf *buf)
{
	/* All of it: crb_buf_room() may have been filled further than len. */
	if (buf->wiped && buf->data != NULL)
		sodium_memzero(buf->data, buf->cap);
	else if (buf->data != NULL)
		buf->data[0] = '\0';
	buf->len = 0;
	buf->failed = false;
}

void
crb_buf_clear(struct crb_buf *buf)
{
	if (buf->wiped)
		crb_slab_free(buf->data);
	else
		free(buf->data);
	buf->data = NULL;
	buf->len = 0;
	buf->cap = 0;
	buf->failed = false;
}

const char *
crb_buf_text(const struct crb_buf *buf)
{
	return buf->data != NULL ? buf->data : "";
}

char *
crb_buf_steal(struct crb_buf *buf)
{
	char *data;

	if (buf->wiped || crb_buf_room(buf, 0) == NULL)
		return NULL;
	data = buf->data;
	buf->data = NULL;
	crb_buf_clear(buf);
	return data;
}

enum crb_status
crb_buf_check(const struct crb_buf *buf, const char *what, struct crb_err *err)
{
	if (!buf->failed)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_TOO_LARGE,
	    "%s: over %zu bytes, or out of memory", what, buf->max);
}
