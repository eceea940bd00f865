#include "policy/glob.h"

#include <string.h>

/* Symbols beside the characters. */
#define ANY_RUN 256u /* any characters, none included */
#define ANY_ONE 257u

static uint16_t
lower(uint16_t symbol)
{
	return symbol >= 'A' && symbol <= 'Z' ? (uint16_t)(symbol + 32)
					      : symbol;
}

static bool
same(uint16_t a, uint16_t b, bool fold)
{
	return a == b || (fold && lower(a) == lower(b));
}

/* `outer` takes the one symbol `inner`, whatever that stands for. */
static bool
takes(uint16_t outer, uint16_t inner, bool fold)
{
	if (outer == ANY_ONE)
		return inner != ANY_RUN;
	return inner < ANY_RUN && same(outer, inner, fold);
}

/*
 * Segment in segment.  The symbols of the inner one are read as if each were a
 * character, so that this is a match; only the last ANY_RUN that was passed can
 * have to take more.
 */
static bool
segment_contains(const struct crb_glob_segment *outer,
    const struct crb_glob_segment *inner, bool fold)
{
	size_t o = 0, i = 0, star = SIZE_MAX, taken = 0;

	while (i < inner->count) {
		if (o < outer->count && outer->symbol[o] == ANY_RUN) {
			star = ++o;
			taken = i;
		} else if (o < outer->count &&
		    takes(outer->symbol[o], inner->symbol[i], fold)) {
			o++;
			i++;
		} else if (star != SIZE_MAX) {
			o = star;
			i = ++taken;
		} else {
			return false;
		}
	}
	while (o < outer->count && outer->symbol[o] == ANY_RUN)
		o++;
	return o == outer->count;
}

/* The same over segments, where a gap takes any number of them. */
static bool
segments_contain(
    const struct crb_glob *outer, const struct crb_glob *inner, bool fold)
{
	size_t o = 0, i = 0, gap = SIZE_MAX, taken = 0;

	while (i < inner->count) {
		if (o < outer->count && outer->segment[o].gap) {
			gap = ++o;
			taken = i;
		} else if (o < outer->count && !inner->segment[i].gap &&
		    segment_contains(
			&outer->segment[o], &inner->segment[i], fold)) {
			o++;
			i++;
		} else if (gap != SIZE_MAX) {
			o = gap;
			i = ++taken;
		} else {
			return false;
		}
	}
	while (o < outer->count && outer->segment[o].gap)
		o++;
	return o == outer->count;
}

static bool
same_text(const char *a, const char *b, size_t len, bool fold)
{
	if (!fold)
		return memcmp(a, b, len) == 0;
	for (size_t i = 0; i < len; i++) {
		if (!same((unsigned char)a[i], (unsigned char)b[i], true))
			return false;
	}
	return true;
}

/* A literal begins and ends as all do that are in it; most do not. */
static bool
same_ends(
    const struct crb_glob *outer, const struct crb_glob *literal, bool fold)
{
	size_t tail = outer->tail;

	if (literal->len < outer->head + tail)
		return false;
	return same_text(outer->text, literal->text, outer->head, fold) &&
	    same_text(outer->text + outer->len - tail,
		literal->text + literal->len - tail, tail, fold);
}

bool
crb_glob_contains(
    const struct crb_glob *outer, const struct crb_glob *inner, bool fold)
{
	if (outer->broken || inner->broken)
		return false;
	if (!inner->wild && !same_ends(outer, inner, fold))
		return false;
	if (!inner->wild && !outer->wild)
		return outer->len == inner->len;
	return segments_contain(outer, inner, fold);
}

static bool
meet(uint16_t a, uint16_t b, bool fold)
{
	return a == ANY_ONE || b == ANY_ONE || same(a, b, fold);
}

/* What is left of two segments between what they begin and end with. */
struct rest {
	const uint16_t *symbol;
	size_t count;
};

/*
 * Drop what both begin and end with, up to a wildcard for any number; false
 * when that is apart already, as it nearly always is.
 */
static bool
trim(struct rest *a, struct rest *b, bool fold)
{
	while (a->count > 0 && b->count > 0 && *a->symbol != ANY_RUN &&
	    *b->symbol != ANY_RUN) {
		if (!meet(*a->symbol, *b->symbol, fold))
			return false;
		a->symbol++;
		b->symbol++;
		a->count--;
		b->count--;
	}
	while (a->count > 0 && b->count > 0 &&
	    a->symbol[a->count - 1] != ANY_RUN &&
	    b->symbol[b->count - 1] != ANY_RUN) {
		if (!meet(
			a->symbol[a->count - 1], b->symbol[b->count - 1], fold))
			return false;
		a->count--;
		b->count--;
	}
	return true;
}

/*
 * There is a text that both match: for each pair of ends, from the back, in one
 * row of b's symbols.
 */
static bool
segment_overlaps(const struct crb_glob_segment *left,
    const struct crb_glob_segment *right, bool fold)
{
	struct rest a = { left->symbol, left->count };
	struct rest b = { right->symbol, right->count };
	bool row[CRB_GLOB_MAX + 1];

	if (!trim(&a, &b, fold))
		return false;
	for (size_t j = b.count + 1; j-- > 0;)
		row[j] = j == b.count || (row[j + 1] && b.symbol[j] == ANY_RUN);
	for (size_t i = a.count; i-- > 0;) {
		bool run = a.symbol[i] == ANY_RUN;
		bool diagonal = row[b.count];

		row[b.count] = run && diagonal;
		for (size_t j = b.count; j-- > 0;) {
			bool down = row[j];

			if (run || b.symbol[j] == ANY_RUN)
				row[j] = down || row[j + 1];
			else
				row[j] = diagonal &&
				    meet(a.symbol[i], b.symbol[j], fold);
			diagonal = down;
		}
	}
	return row[0];
}

/* The same over segments. */
static bool
segments_overlap(const struct crb_glob *a, const struct crb_glob *b, bool fold)
{
	bool row[CRB_GLOB_MAX + 1];

	for (size_t j = b->count + 1u; j-- > 0;)
		row[j] = j == b->count || (row[j + 1] && b->segment[j].gap);
	for (size_t i = a->count; i-- > 0;) {
		bool gap = a->segment[i].gap;
		bool diagonal = row[b->count];

		row[b->count] = gap && diagonal;
		for (size_t j = b->count; j-- > 0;) {
			bool down = row[j];

			if (gap || b->segment[j].gap)
				row[j] = down || row[j + 1];
			else
				row[j] = diagonal &&
				    segment_overlaps(
					&a->segment[i], &b->segment[j], fold);
			diagonal = down;
		}
	}
	return row[0];
}

bool
crb_glob_overlaps(const struct crb_glob *a, const struct crb_glob *b, bool fold)
{
	if (a->broken || b->broken || a->all || b->all)
		return true;
	if (!a->wild)
		return crb_glob_contains(b, a, fold);
	if (!b->wild)
		return crb_glob_contains(a, b, fold);
	return segments_overlap(a, b, fold);
}

/* Reads a pattern into symbols and segments. */
struct compiler {
	enum crb_glob_style style;
	bool asked;
	struct crb_glob *glob;
	struct crb_glob_segment *segment;
	uint16_t *symbol; /* the next free one */
};

/*
 * Wildcards that stand side by side in one order, so that patterns which mean
 * the same are the same: each "?" first, then one "*".
 */
static void
add_wildcards(struct compiler *to, size_t ones, bool run)
{
	for (; ones > 0; ones--)
		*to->symbol++ = ANY_ONE;
	if (run)
		*to->symbol++ = ANY_RUN;
}

/* IAM's "${aws:username}": how long it is at `p`, or 0. */
static size_t
variable_length(const struct compiler *to, const char *p, const char *end)
{
	const char *close;

	if (to->style != CRB_GLOB_TEXT || !to->asked || end - p < 2 ||
	    p[0] != '$' || p[1] != '{')
		return 0;
	close = memchr(p, '}', (size_t)(end - p));
	return close != NULL ? (size_t)(close - p) + 1 : (size_t)(end - p);
}

static void
add_symbols(struct compiler *to, const char *p, const char *end)
{
	size_t ones = 0, variable;
	bool run = false;

	while (p < end) {
		variable = variable_length(to, p, end);
		if (*p == '*' || variable > 0) {
			run = true;
		} else if (*p == '?' && to->style == CRB_GLOB_TEXT) {
			ones++;
		} else {
			add_wildcards(to, ones, run);
			ones = 0;
			run = false;
			*to->symbol++ = (unsigned char)*p;
		}
		to->glob->wild |= run || ones > 0;
		p += variable > 0 ? variable : 1;
	}
	add_wildcards(to, ones, run);
}

static void
add_segment(struct compiler *to, const char *p, const char *end)
{
	struct crb_glob_segment *segment = &to->segment[to->glob->count++];

	segment->symbol = to->symbol;
	add_symbols(to, p, end);
	segment->count = (uint16_t)(to->symbol - segment->symbol);
}

static void
add_gap(struct compiler *to)
{
	to->segment[to->glob->count++].gap = true;
	to->glob->wild = true;
}

/* Whether an empty segment may be here. */
static bool
may_be_empty(enum crb_glob_style style, bool last)
{
	return style == CRB_GLOB_LABELS || style == CRB_GLOB_TEXT ||
	    (style == CRB_GLOB_PATHS && last);
}

/*
 * "**" is one segment of any kind and a gap, and the gap comes behind all such
 * segments that stand side by side: again one order for one meaning.
 */
static void
add_segments(
    struct compiler *to, const char *p, const char *end, char separator)
{
	bool gap = false;

	for (;;) {
		const char *cut = to->style == CRB_GLOB_TEXT
		    ? NULL
		    : memchr(p, separator, (size_t)(end - p));
		const char *stop = cut != NULL ? cut : end;
		bool two = stop - p == 2 && p[0] == '*' && p[1] == '*' &&
		    to->style != CRB_GLOB_TEXT;
		bool any = two || (stop - p == 1 && *p == '*');

		if (!any && gap)
			add_gap(to);
		gap = any && (gap || two);
		if (stop == p && !may_be_empty(to->style, cut == NULL))
			to->glob->broken = true;
		add_segment(to, p, two ? p + 1 : stop);
		if (cut == NULL)
			break;
		p = cut + 1;
	}
	if (gap)
		add_gap(to);
}

/* What a set must be to have everything in it. */
static bool
is_all(const struct crb_glob *glob)
{
	const struct crb_glob_segment *first = glob->segment;

	return glob->count > 0 && first->count == 1 &&
	    first->symbol[0] == ANY_RUN &&
	    (glob->count == 1 || (glob->count == 2 && first[1].gap));
}

/* What stands before and behind all that could be a wildcard. */
static void
find_ends(struct crb_glob *glob, enum crb_glob_style style)
{
	const char *wild = style == CRB_GLOB_TEXT ? "*?$" : "*";
	size_t tail = 0;

	glob->head = (uint16_t)(glob->wild ? strcspn(glob->text, wild)
					   : glob->len);
	/* Where a variable of IAM's ends is left to who reads it. */
	if (!glob->wild ||
	    (style == CRB_GLOB_TEXT && strchr(glob->text, '$') != NULL))
		return;
	while (strchr(wild, glob->text[glob->len - tail - 1]) == NULL)
		tail++;
	glob->tail = (uint16_t)tail;
}

bool
crb_glob_compile(struct crb_glob *out, const char *text,
    enum crb_glob_style style, char separator, bool asked,
    struct crb_arena *arena)
{
	size_t len = strlen(text), segments = 2;
	const char *start = text;
	uint16_t *symbols;
	struct compiler to = { .style = style, .asked = asked, .glob = out };

	*out = (struct crb_glob){ .text = text };
	if (len >= CRB_GLOB_MAX || (len == 0 && style != CRB_GLOB_LABELS) ||
	    (style == CRB_GLOB_PATHS && *text != '/')) {
		out->broken = true;
		return true;
	}
	out->len = (uint16_t)len;
	start += style == CRB_GLOB_PATHS;
	for (const char *p = text; *p != '\0'; p++)
		segments += *p == separator ? 2 : 0;
	symbols = crb_arena_array(arena, len, sizeof(*symbols));
	to.segment = crb_arena_array(arena, segments, sizeof(*to.segment));
	if (symbols == NULL || to.segment == NULL)
		return false;
	to.symbol = symbols;
	out->segment = to.segment;
	add_segments(&to, start, text + len, separator);
	find_ends(out, style);
	out->all = is_all(out) && (style == CRB_GLOB_TEXT || out->count == 2);
	return true;
}
