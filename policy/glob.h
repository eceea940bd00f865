#ifndef CRB_GLOB_H
#define CRB_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/arena.h"

/*
 * Patterns as sets of names, so that one can be held against another.  What
 * they match is what crb_pattern_match() says, and in texts what IAM says: "*"
 * is any run of characters, "?" any one.  A name is a pattern without
 * wildcards.
 *
 * The answers err to one side only: "contains" is said when it is certain, and
 * "overlaps" is denied when that is certain.
 */
enum crb_glob_style {
	CRB_GLOB_NAMES,  /* segments, none of them empty */
	CRB_GLOB_PATHS,  /* "/" first; the last segment may be empty */
	CRB_GLOB_LABELS, /* any segment may be empty */
	CRB_GLOB_TEXT,   /* no segments */
};

struct crb_glob_segment {
	const uint16_t *symbol;
	uint16_t count;
	bool gap; /* any number of segments, none included */
};

struct crb_glob {
	const char *text; /* as it was given */
	const struct crb_glob_segment *segment;
	uint16_t count;
	uint16_t len;  /* of `text` */
	uint16_t head; /* characters before its wildcards: all of a literal */
	uint16_t tail; /* and behind them, or fewer: none of a literal */
	bool wild;     /* it is no literal */
	bool all;      /* everything is in it */
	bool broken;   /* nobody can say what is in it */
};

#define CRB_GLOB_MAX 2048 /* characters; as many are broken */

/*
 * In what is asked, `asked` says, a "${...}" of IAM's stands for something that
 * only the upstream knows: for anything.  False: without memory.  Borrows
 * `text`; the rest is the arena's.
 */
bool crb_glob_compile(struct crb_glob *out, const char *text,
    enum crb_glob_style style, char separator, bool asked,
    struct crb_arena *arena);

/* `fold`: letters of ASCII are the same in either case. */
bool crb_glob_contains(
    const struct crb_glob *outer, const struct crb_glob *inner, bool fold);
bool crb_glob_overlaps(
    const struct crb_glob *a, const struct crb_glob *b, bool fold);

#endif /* !CRB_GLOB_H */
