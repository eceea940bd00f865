#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <sodium.h>

#include "base/cleanup.h"

#define NAME_MAX_LEN 64u
#define TASK_MAX_LEN 128u
#define WORD_MAX 64u /* longer words have no neighbours */
#define EDITS_MAX 2u

bool
crb_slice_is(struct crb_slice slice, const char *s)
{
	size_t len = strlen(s);

	return slice.len == len && (len == 0 || memcmp(slice.p, s, len) == 0);
}

bool
crb_slice_is_nocase(struct crb_slice slice, const char *s)
{
	size_t len = strlen(s);

	return slice.len == len &&
	    (len == 0 || strncasecmp(slice.p, s, len) == 0);
}

bool
crb_slice_starts(struct crb_slice slice, const char *prefix)
{
	size_t len = strlen(prefix);

	return slice.len >= len &&
	    (len == 0 || memcmp(slice.p, prefix, len) == 0);
}

bool
crb_slice_starts_nocase(struct crb_slice slice, const char *prefix)
{
	size_t len = strlen(prefix);

	return slice.len >= len &&
	    (len == 0 || strncasecmp(slice.p, prefix, len) == 0);
}

bool
crb_slice_ends(struct crb_slice slice, const char *suffix)
{
	size_t len = strlen(suffix);

	return slice.len >= len &&
	    (len == 0 || memcmp(slice.p + slice.len - len, suffix, len) == 0);
}

/* strchr() finds a NUL in every text. */
static bool
is_among(char c, const char *characters)
{
	return c != '\0' && strchr(characters, c) != NULL;
}

bool
crb_slice_consists(struct crb_slice slice, const char *characters)
{
	for (size_t i = 0; i < slice.len; i++) {
		if (!is_among(slice.p[i], characters))
			return false;
	}
	return true;
}

struct crb_slice
crb_slice_trim(struct crb_slice slice, const char *blanks)
{
	while (slice.len > 0 && is_among(slice.p[0], blanks)) {
		slice.p++;
		slice.len--;
	}
	while (slice.len > 0 && is_among(slice.p[slice.len - 1], blanks))
		slice.len--;
	return slice;
}

bool
crb_slice_copy(struct crb_slice slice, char *out, size_t size)
{
	if (slice.len >= size)
		return false;
	if (slice.len > 0)
		memcpy(out, slice.p, slice.len);
	out[slice.len] = '\0';
	return true;
}

char *
crb_slice_dup(struct crb_slice slice)
{
	char *copy;

	if ((copy = malloc(slice.len + 1)) == NULL)
		return NULL;
	if (slice.len > 0)
		memcpy(copy, slice.p, slice.len);
	copy[slice.len] = '\0';
	return copy;
}

bool
crb_slice_cut(struct crb_slice *rest, char separator, struct crb_slice *piece)
{
	const char *at;

	if (rest->p == NULL)
		return false;
	at = rest->len > 0 ? memchr(rest->p, separator, rest->len) : NULL;
	piece->p = rest->p;
	if (at == NULL) {
		piece->len = rest->len;
		*rest = (struct crb_slice){ NULL, 0 };
		return true;
	}
	piece->len = (size_t)(at - rest->p);
	rest->p = at + 1;
	rest->len -= piece->len + 1;
	return true;
}

static bool
is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_name(const char *name, size_t most, bool capitals)
{
	size_t len = strnlen(name, most + 1);
	bool inside;
	char c;

	if (len == 0 || len > most)
		return false;
	for (size_t i = 0; i < len; i++) {
		c = name[i];
		inside = i > 0 && i + 1 < len;
		if (is_lower_or_digit(c) ||
		    (capitals && c >= 'A' && c <= 'Z') ||
		    (inside && (c == '.' || c == '_' || c == '-')))
			continue;
		return false;
	}
	return true;
}

bool
crb_name_ok(const char *name)
{
	return is_name(name, NAME_MAX_LEN, false);
}

bool
crb_task_ok(const char *task)
{
	return is_name(task, TASK_MAX_LEN, true);
}

/* How many bytes from here on. */
static size_t
shown_as_it_is(const unsigned char *at, size_t len)
{
	size_t run = 0;

	while (
	    run < len && at[run] >= 0x20 && at[run] < 0x7f && at[run] != '\\')
		run++;
	return run;
}

void
crb_text_escape(struct crb_buf *out, const void *bytes, size_t len, size_t most)
{
	const unsigned char *at = bytes;
	size_t shown = len < most ? len : most;

	for (size_t i = 0; i < shown && !out->failed;) {
		size_t run = shown_as_it_is(&at[i], shown - i);

		crb_buf_add(out, &at[i], run);
		if ((i += run) == shown)
			break;
		if (at[i] == '\\')
			crb_buf_str(out, "\\\\");
		else
			crb_buf_printf(out, "\\x%02x", at[i]);
		i++;
	}
	if (shown < len)
		crb_buf_str(out, "...");
}

void
crb_text_base64(struct crb_buf *out, const void *bytes, size_t len)
{
	size_t need;
	char *room;

	if (len > out->max) {
		out->failed = true;
		return;
	}
	need = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
	if ((room = crb_buf_room(out, need - 1)) == NULL)
		return;
	(void)sodium_bin2base64(
	    room, need, bytes, len, sodium_base64_VARIANT_ORIGINAL);
	crb_buf_grew(out, need - 1);
}

void
crb_text_hex(struct crb_buf *out, const void *bytes, size_t len)
{
	char *room;

	if (len > out->max / 2) {
		out->failed = true;
		return;
	}
	if ((room = crb_buf_room(out, len * 2)) == NULL)
		return;
	(void)sodium_bin2hex(room, len * 2 + 1, bytes, len);
	crb_buf_grew(out, len * 2);
}

char
crb_text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int
crb_text_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

void
crb_text_percent_encode(struct crb_buf *out, const void *bytes, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	const unsigned char *at = bytes;
	char code[3] = "%";

	for (size_t i = 0; i < len && !out->failed; i++) {
		if (is_unreserved(at[i])) {
			crb_buf_char(out, (char)at[i]);
			continue;
		}
		code[1] = hex[at[i] >> 4];
		code[2] = hex[at[i] & 15];
		crb_buf_add(out, code, sizeof(code));
	}
}

void
crb_text_random(char *out, size_t count)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz";
	uint8_t pool[64];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { pool, sizeof(pool) };
	size_t done = 0;

	while (done < count) {
		randombytes_buf(pool, sizeof(pool));
		/* 248 is the greatest multiple of 62; above it would bias. */
		for (size_t i = 0; i < sizeof(pool) && done < count; i++) {
			if (pool[i] < 248)
				out[done++] = digits[pool[i] % 62];
		}
	}
	out[count] = '\0';
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours count one. */
static unsigned
edits(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *above = rows[0], *before = rows[1], *row = rows[2], *spare;
	size_t a_len = strlen(a), b_len = strlen(b);

	for (unsigned j = 0; j <= b_len; j++)
		before[j] = j;
	memcpy(above, before, sizeof(rows[0]));
	for (unsigned i = 1; i <= a_len; i++) {
		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			row[j] = least(row[j - 1], before[j]) + 1;
			row[j] = least(
			    row[j], before[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = least(row[j], above[j - 2] + 1);
		}
		spare = above;
		above = before;
		before = row;
		row = spare;
	}
	return before[b_len];
}

/* The only one that begins with the word. */
static const char *
begun(const char *word, size_t len, const char *const *candidates, size_t count)
{
	const char *found = NULL;

	for (size_t i = 0; len > 2 && i < count; i++) {
		if (strncmp(candidates[i], word, len) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = candidates[i];
	}
	return found;
}

const char *
crb_text_nearest(const char *word, const char *const *candidates, size_t count)
{
	size_t len = strnlen(word, WORD_MAX + 1);
	unsigned best = EDITS_MAX + 1, distance;
	const char *nearest = NULL, *whole;

	if (len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (strlen(candidates[i]) > WORD_MAX)
			continue;
		distance = edits(word, candidates[i]);
		/* Two edits make anything of a word of two. */
		if (distance < best && distance < len) {
			best = distance;
			nearest = candidates[i];
		}
	}
	whole = best > 1 ? begun(word, len, candidates, count) : NULL;
	return whole != NULL ? whole : nearest;
}

static void
set_digits(char *out, size_t count, int number)
{
	while (count-- > 0) {
		out[count] = (char)('0' + number % 10);
		number /= 10;
	}
}

/* strftime() reads its format anew for each line of the audit log. */
void
crb_text_time(long long seconds, char out[CRB_TIME_TEXT])
{
	static const char latest[CRB_TIME_TEXT] = "9999-12-31T23:59:59Z";
	time_t at = (time_t)seconds;
	struct tm tm;

	if (seconds < 0)
		at = 0;
	memcpy(out, latest, sizeof(latest));
	if (gmtime_r(&at, &tm) == NULL || tm.tm_year > 9999 - 1900)
		return;
	set_digits(out, 4, tm.tm_year + 1900);
	set_digits(&out[5], 2, tm.tm_mon + 1);
	set_digits(&out[8], 2, tm.tm_mday);
	set_digits(&out[11], 2, tm.tm_hour);
	set_digits(&out[14], 2, tm.tm_min);
	set_digits(&out[17], 2, tm.tm_sec);
}
