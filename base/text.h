#ifndef CRB_TEXT_H
#define CRB_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Bytes with a length: borrowed, not NUL-terminated, may be empty. */
struct crb_slice {
	const char *p;
	size_t len;
};

#define CRB_SLICE(s) ((struct crb_slice){ (s), strlen(s) })

/* For crb_slice_consists() and strspn(). */
#define CRB_LOWER "abcdefghijklmnopqrstuvwxyz"
#define CRB_UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define CRB_DIGITS "0123456789"

bool crb_slice_is(struct crb_slice slice, const char *s);
bool crb_slice_is_nocase(struct crb_slice slice, const char *s);
bool crb_slice_starts(struct crb_slice slice, const char *prefix);
bool crb_slice_starts_nocase(struct crb_slice slice, const char *prefix);
bool crb_slice_ends(struct crb_slice slice, const char *suffix);
/* All of its bytes are among `characters`; true of none, false of a NUL. */
bool crb_slice_consists(struct crb_slice slice, const char *characters);
/* Without the `blanks` on either side. */
struct crb_slice crb_slice_trim(struct crb_slice slice, const char *blanks);
/* A malloc()ed, NUL-terminated copy, or NULL. */
char *crb_slice_dup(struct crb_slice slice);
/* NUL-terminated.  False, and nothing is written, where it has no room. */
bool crb_slice_copy(struct crb_slice slice, char *out, size_t size);
/*
 * Cut the next piece up to `separator` off the front of *rest.  False when
 * *rest is used up; "a," gives "a" and then "".  Start with .p not NULL.
 */
bool crb_slice_cut(
    struct crb_slice *rest, char separator, struct crb_slice *piece);

/*
 * Names of credentials, profiles, tasks: 1 to 64 of [a-z0-9] and, inside,
 * [._-].  Tasks may have capitals too and run to 128.
 */
bool crb_name_ok(const char *name);
bool crb_task_ok(const char *task);

/*
 * Append bytes that somebody else chose, so that they can be shown on a
 * terminal or in a log line: printable ASCII as it is, "\\" doubled, all else
 * as \xNN, at most `most` bytes of input and "..." behind when cut.
 */
void crb_text_escape(
    struct crb_buf *out, const void *bytes, size_t len, size_t most);

/* RFC 4648 base64, with padding. */
void crb_text_base64(struct crb_buf *out, const void *bytes, size_t len);
void crb_text_hex(struct crb_buf *out, const void *bytes, size_t len);
/* Of ASCII alone, whatever the locale. */
char crb_text_lower(char c);
/* Of a hexadecimal digit in either case, or -1. */
int crb_text_hex_value(char c);
/* RFC 3986: all but unreserved characters are encoded, upper-case hex. */
void crb_text_percent_encode(
    struct crb_buf *out, const void *bytes, size_t len);

/* `count` characters of base62, chosen at random without bias; NUL follows. */
void crb_text_random(char *out, size_t count);

/*
 * The candidate nearest to `word`, within two edits, or NULL.  What is more
 * than one edit away is not as near as the only one that begins with it.
 */
const char *crb_text_nearest(
    const char *word, const char *const *candidates, size_t count);

/* Wall clock as "2026-11-21T09:30:00Z"; 21 bytes. */
#define CRB_TIME_TEXT 21
void crb_text_time(long long seconds, char out[CRB_TIME_TEXT]);

#endif /* !CRB_TEXT_H */
