#include "broker/egress/scrub.h"

#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/slab.h"

/* A percent-encoded or \u-escaped secret of the largest size, and some. */
#define FORM_MAX (128u << 10)
#define PATTERNS_MAX 24

/*
 * The search is Wu and Manber's: of a window as long as the shortest pattern,
 * only the last block is looked at, and a table says how far the window can
 * move on.  Almost always that is nearly the whole window, so most of the
 * bytes are never touched, however many patterns there are.
 */
#define BLOCK 4
#define WINDOW_MAX 32
#define TABLE_BITS 13

struct crb_scrub {
	struct crb_slice pattern[PATTERNS_MAX]; /* each in the slab */
	size_t count;
	size_t longest;
	size_t window;
	size_t ahead; /* unsettled bytes that are to be redacted */
	uint32_t places;
	uint8_t shift[1u << TABLE_BITS];
};

typedef void form_fn(struct crb_buf *out, struct crb_slice text);

static void
form_percent(struct crb_buf *out, struct crb_slice text)
{
	crb_text_percent_encode(out, text.p, text.len);
}

static void
form_percent_lower(struct crb_buf *out, struct crb_slice text)
{
	size_t digits = 0;

	crb_text_percent_encode(out, text.p, text.len);
	for (size_t i = 0; i < out->len; i++) {
		char *c = &out->data[i];

		if (digits > 0 && *c >= 'A' && *c <= 'F')
			*c = (char)(*c - 'A' + 'a');
		digits = *c == '%' ? 2 : digits > 0 ? digits - 1 : 0;
	}
}

/* RFC 8259, 7; `also` is escaped as well, in the way its writers do. */
static void
json_escape(struct crb_buf *out, struct crb_slice text, const char *also)
{
	static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		const char *at = NULL;

		for (size_t j = 0; j + 1 < sizeof(named) && at == NULL; j += 2)
			at = named[j] == c ? &named[j] : NULL;
		if (at != NULL)
			crb_buf_printf(out, "\\%c", at[1]);
		else if (c == '/' && strchr(also, c) != NULL)
			crb_buf_str(out, "\\/");
		else if ((unsigned char)c < 0x20 ||
		    (c != '\0' && strchr(also, c) != NULL))
			crb_buf_printf(out, "\\u%04x", (unsigned char)c);
		else
			crb_buf_char(out, c);
	}
}

static void
form_json(struct crb_buf *out, struct crb_slice text)
{
	json_escape(out, text, "");
}

/* PHP's json_encode(). */
static void
form_json_slash(struct crb_buf *out, struct crb_slice text)
{
	json_escape(out, text, "/");
}

/* Go's encoding/json, and others that mean their text for HTML. */
static void
form_json_html(struct crb_buf *out, struct crb_slice text)
{
	json_escape(out, text, "<>&");
}

/* All but the unreserved characters of RFC 3986, 2.3. */
static bool
percent_touches(char c)
{
	return !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
	    !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_' &&
	    c != '~';
}

static bool
json_touches(char c)
{
	return (unsigned char)c < 0x20 || strchr("\"\\/<>&", c) != NULL;
}

/* A text of which they touch nothing has no such form of its own. */
static const struct {
	form_fn *form;
	bool (*touches)(char c);
} escapes[] = {
	{ form_percent, percent_touches },
	{ form_percent_lower, percent_touches },
	{ form_json, json_touches },
	{ form_json_slash, json_touches },
	{ form_json_html, json_touches },
};
#define ESCAPES (sizeof(escapes) / sizeof(escapes[0]))
#define OFFSETS 3u /* of a text in base64's groups of three */
#define FORMS (1 + ESCAPES + 2 * OFFSETS)
_Static_assert(2 * FORMS == PATTERNS_MAX, "the secret, and what it became");

static bool
any_touched(struct crb_slice text, bool (*touches)(char c))
{
	for (size_t i = 0; i < text.len; i++) {
		if (touches(text.p[i]))
			return true;
	}
	return false;
}

/*
 * What is the same in every base64 text that has `text` at this offset from a
 * group's start: the characters whose six bits all come from it.  `text` has
 * two bytes of nothing in front.
 */
static void
form_base64(struct crb_buf *out, struct crb_slice padded, size_t offset)
{
	size_t skip = OFFSETS - 1 - offset, len = padded.len - skip;
	size_t first = (8 * offset + 5) / 6;
	size_t end = 8 * len / 6;

	crb_text_base64(out, padded.p + skip, len);
	if (out->failed)
		return;
	out->len = end;
	crb_buf_consume(out, first);
}

static void
make_url_safe(struct crb_buf *form)
{
	for (size_t i = 0; i < form->len; i++) {
		if (form->data[i] == '+')
			form->data[i] = '-';
		else if (form->data[i] == '/')
			form->data[i] = '_';
	}
}

static bool
is_known(const struct crb_scrub *scrub, const struct crb_buf *form)
{
	for (size_t i = 0; i < scrub->count; i++) {
		if (scrub->pattern[i].len == form->len &&
		    memcmp(scrub->pattern[i].p, form->data, form->len) == 0)
			return true;
	}
	return false;
}

static enum crb_status
add_pattern(
    struct crb_scrub *scrub, const struct crb_buf *form, struct crb_err *err)
{
	char *copy;

	if (crb_buf_check(form, "a form of the secret", err) != CRB_OK)
		return err->status;
	if (is_known(scrub, form))
		return CRB_OK;
	if ((copy = crb_slab_alloc(form->len)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory to scrub");
	memcpy(copy, form->data, form->len);
	scrub->pattern[scrub->count++] = (struct crb_slice){ copy, form->len };
	return CRB_OK;
}

static enum crb_status
add_escapes(struct crb_scrub *scrub, struct crb_slice text,
    struct crb_buf *form, struct crb_err *err)
{
	for (size_t i = 0; i < ESCAPES; i++) {
		if (!any_touched(text, escapes[i].touches))
			continue;
		crb_buf_reset(form);
		escapes[i].form(form, text);
		if (add_pattern(scrub, form, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

static enum crb_status
add_base64(struct crb_scrub *scrub, struct crb_slice text, struct crb_buf *form,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf padded = CRB_BUF_INIT_WIPED(FORM_MAX);
	struct crb_slice bytes;

	crb_buf_add(&padded, "\0\0", OFFSETS - 1);
	crb_buf_add(&padded, text.p, text.len);
	if (crb_buf_check(&padded, "a form of the secret", err) != CRB_OK)
		return err->status;
	bytes = (struct crb_slice){ padded.data, padded.len };
	for (size_t i = 0; i < OFFSETS; i++) {
		crb_buf_reset(form);
		form_base64(form, bytes, i);
		if (add_pattern(scrub, form, err) != CRB_OK)
			return err->status;
		make_url_safe(form);
		if (add_pattern(scrub, form, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

static enum crb_status
add_source(struct crb_scrub *scrub, struct crb_slice text, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf form = CRB_BUF_INIT_WIPED(FORM_MAX);

	crb_buf_add(&form, text.p, text.len);
	if (add_pattern(scrub, &form, err) != CRB_OK ||
	    add_escapes(scrub, text, &form, err) != CRB_OK)
		return err->status;
	return add_base64(scrub, text, &form, err);
}

static uint32_t
hash(const char *block)
{
	uint32_t word;

	memcpy(&word, block, sizeof(word));
	return word * 2654435761u >> (32 - TABLE_BITS);
}

static void
build_table(struct crb_scrub *scrub)
{
	scrub->window = WINDOW_MAX;
	for (size_t i = 0; i < scrub->count; i++) {
		size_t len = scrub->pattern[i].len;

		scrub->longest = len > scrub->longest ? len : scrub->longest;
		scrub->window = len < scrub->window ? len : scrub->window;
	}
	memset(scrub->shift, (int)(scrub->window - BLOCK + 1),
	    sizeof(scrub->shift));
	/* From the front, so that what stays is the smallest shift. */
	for (size_t at = 0; at + BLOCK <= scrub->window; at++) {
		for (size_t i = 0; i < scrub->count; i++)
			scrub->shift[hash(scrub->pattern[i].p + at)] =
			    (uint8_t)(scrub->window - BLOCK - at);
	}
}

static bool
contains(struct crb_slice text, struct crb_slice part)
{
	return memmem(text.p, text.len, part.p, part.len) != NULL;
}

/* "Basic eDp5": what stands behind the scheme, or else all of it. */
static struct crb_slice
credentials_of(struct crb_slice value)
{
	struct crb_slice rest = value, scheme;

	if (crb_slice_cut(&rest, ' ', &scheme) &&
	    rest.len >= CRB_SCRUB_SECRET_MIN)
		return rest;
	return value;
}

enum crb_status
crb_scrub_new(struct crb_slice secret, struct crb_slice value,
    struct crb_scrub **out, struct crb_err *err)
{
	CRB_AUTO_SCRUB struct crb_scrub *scrub = NULL;
	struct crb_slice credentials = credentials_of(value);

	if (secret.len < CRB_SCRUB_SECRET_MIN)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the stored secret is shorter than %d bytes, too short to "
		    "be kept out of answers; store a longer one",
		    CRB_SCRUB_SECRET_MIN);
	if ((scrub = crb_slab_alloc(sizeof(*scrub))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory to scrub");
	/* The table is filled when the patterns are known. */
	memset(scrub, 0, offsetof(struct crb_scrub, shift));

	if (add_source(scrub, secret, err) != CRB_OK)
		return err->status;
	/* What contains the secret as it is, is found by it. */
	if (!contains(credentials, secret) &&
	    credentials.len >= CRB_SCRUB_SECRET_MIN &&
	    add_source(scrub, credentials, err) != CRB_OK)
		return err->status;

	build_table(scrub);
	*out = CRB_STEAL(scrub);
	return CRB_OK;
}

void
crb_scrub_free(struct crb_scrub *scrub)
{
	if (scrub == NULL)
		return;
	for (size_t i = 0; i < scrub->count; i++) {
		char *copy;

		memcpy(&copy, &scrub->pattern[i].p, sizeof(copy));
		crb_slab_free(copy);
	}
	crb_slab_free(scrub);
}

size_t
crb_scrub_longest(const struct crb_scrub *scrub)
{
	return scrub->longest;
}

uint32_t
crb_scrub_count(const struct crb_scrub *scrub)
{
	return scrub->places;
}

/* The longest pattern that stands at the front of these bytes; 0 for none. */
static size_t
match(const struct crb_scrub *scrub, const char *bytes, size_t len)
{
	size_t longest = 0;

	for (size_t i = 0; i < scrub->count; i++) {
		struct crb_slice pattern = scrub->pattern[i];

		if (pattern.len <= len && pattern.len > longest &&
		    memcmp(bytes, pattern.p, pattern.len) == 0)
			longest = pattern.len;
	}
	return longest;
}

/* Where, from `at` on, a pattern stands, and how long; `len` for nowhere. */
static size_t
search(const struct crb_scrub *scrub, const char *bytes, size_t len, size_t at,
    size_t *found)
{
	const size_t window = scrub->window;

	while (len - at >= window) {
		size_t shift = scrub->shift[hash(bytes + at + window - BLOCK)];

		if (shift == 0) {
			*found = match(scrub, bytes + at, len - at);
			if (*found > 0)
				return at;
			shift = 1;
		}
		at += shift;
	}
	return len;
}

bool
crb_scrub_finds(const struct crb_scrub *scrub, const char *bytes, size_t len)
{
	size_t found = 0;

	return search(scrub, bytes, len, 0, &found) < len;
}

/* The longest end of these bytes with which a pattern begins. */
static size_t
unsettled(const struct crb_scrub *scrub, const char *bytes, size_t len)
{
	size_t longest = 0;

	for (size_t i = 0; i < scrub->count; i++) {
		struct crb_slice pattern = scrub->pattern[i];
		size_t tail = pattern.len - 1 < len ? pattern.len - 1 : len;

		for (; tail > longest; tail--) {
			if (memcmp(bytes + len - tail, pattern.p, tail) == 0)
				longest = tail;
		}
	}
	return longest;
}

static void
redact(char *bytes, size_t from, size_t to)
{
	if (to > from)
		memset(bytes + from, '*', to - from);
}

/*
 * Patterns may overlap, so a byte is covered only when no match that starts
 * further on needs it any more: what is due is [from, until).
 */
size_t
crb_scrub_run(struct crb_scrub *scrub, char *bytes, size_t len, bool last)
{
	size_t settled = last ? len : len - unsettled(scrub, bytes, len);
	size_t from = 0, until = scrub->ahead, found = 0;
	size_t at = search(scrub, bytes, len, 0, &found);

	while (at < settled) {
		redact(bytes, from, until < at ? until : at);
		if (at >= until)
			scrub->places++;
		from = at;
		until = at + found > until ? at + found : until;
		at = search(scrub, bytes, len, at + 1, &found);
	}
	redact(bytes, from, until < settled ? until : settled);
	scrub->ahead = until > settled ? until - settled : 0;
	return settled;
}
