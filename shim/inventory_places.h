#ifndef CRB_SHIM_INVENTORY_PLACES_H
#define CRB_SHIM_INVENTORY_PLACES_H

#include <stddef.h>

#include "shim/inventory_findings.h"

/* Well-known places: what may lie there, and how one sees that it does. */

enum crb_check {
	CRB_CHECK_ANY,      /* anything in it */
	CRB_CHECK_TEXT,     /* one of the row's texts */
	CRB_CHECK_FORMAT,   /* a secret whose form is known */
	CRB_CHECK_KEY,      /* a private key; encrypted counts for less */
	CRB_CHECK_HISTORY,  /* anything; a secret of a known form for more */
	CRB_CHECK_SETTINGS, /* NAME=VALUE lines with a secret */
	CRB_CHECK_GIT,      /* git's configuration */
	CRB_CHECK_SHADOW,   /* an account with a hash */
};

/* One string a row, since a pointer costs a relocation: see CRB_PLACE(). */
struct crb_place {
	const char *strings;
	unsigned char kind;     /* enum crb_kind */
	unsigned char severity; /* enum crb_severity */
	unsigned char check;    /* enum crb_check; of files only */
};

/*
 * What is there, for people; for CRB_CHECK_TEXT the texts, divided by '|'; and
 * the places, patterns of crb_view_each() divided by blanks.
 */
#define CRB_PLACE(what, texts, patterns) what "\0" texts "\0" patterns
#define CRB_PATTERN_MAX 96

enum crb_places {
	CRB_PLACES_FILES,
	CRB_PLACES_TREE, /* names, anywhere below the current folder */
	CRB_PLACES_SOCKETS,
	CRB_PLACES_ABSTRACT,  /* sockets' names without the first byte */
	CRB_PLACES_VARIABLES, /* whose values name a socket in some way */
};

/* Call `fn` with each pattern of each place of a table. */
typedef void crb_place_fn(
    void *ctx, const struct crb_place *place, const char *pattern);
void crb_places_each(enum crb_places which, crb_place_fn *fn, void *ctx);

const char *crb_place_what(const struct crb_place *place);
const char *crb_place_texts(const struct crb_place *place);

#endif /* !CRB_SHIM_INVENTORY_PLACES_H */
