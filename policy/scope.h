#ifndef CRB_SCOPE_H
#define CRB_SCOPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * A backend's scope attributes, in a table: what a grant may be narrowed by.
 * "repository" takes patterns, "git" takes choices, "actions" takes texts.
 */
enum crb_attribute_type {
	CRB_ATTRIBUTE_PATTERN, /* segments split by `separator` */
	CRB_ATTRIBUTE_CHOICE,  /* one of `choices` */
	/*
	 * What `check` takes: said to the upstream, which enforces it on what
	 * it mints, and which alone knows what it means.
	 */
	CRB_ATTRIBUTE_TEXT,
};

struct crb_attribute {
	const char *name;
	enum crb_attribute_type type;
	char separator;
	const char *const *choices; /* NULL-terminated */
	/* A text is sound; written to `out` in the one form that it has. */
	enum crb_status (*check)(
	    const char *text, struct crb_buf *out, struct crb_err *err);
	bool required;      /* a grant without it is an error */
	const char *preset; /* what a grant without it means; NULL: nothing */
	const char *strip;  /* an ending that says nothing: ".git"; or NULL */
	const char *help;
};

#define CRB_ATTRIBUTE_END    \
	{                    \
		.name = NULL \
	}
#define CRB_SCOPE_MAX 16        /* attributes of one scope */
#define CRB_SCOPE_VALUES_MAX 32 /* values of one attribute */
#define CRB_SCOPE_TEXT_MAX 6144 /* characters of a text, as it is given */

/* One attribute of a scope: it holds when any of its values does. */
struct crb_scope_attribute {
	const struct crb_attribute *attribute; /* of the backend's table */
	size_t count;
	char *value[CRB_SCOPE_VALUES_MAX]; /* owned */
};

/* All of its attributes must hold. */
struct crb_scope {
	size_t count;
	struct crb_scope_attribute at[CRB_SCOPE_MAX];
};

/*
 * "repository=acme/api+acme/web,git=fetch+push": attributes of `table`, each
 * once, values split at "+"; %2B, %2C and %25 stand for the characters.  An
 * empty or repeated value, an unknown or missing attribute, or a bad pattern is
 * an error that names it and the nearest known one.  Presets are filled in;
 * attributes come out in the table's order, values sorted.  *out borrows from
 * `table`.
 */
CRB_NODISCARD enum crb_status crb_scope_parse(const char *text,
    const struct crb_attribute *table, struct crb_scope *out,
    struct crb_err *err);
void crb_scope_clear(struct crb_scope *scope);
/* The same in canonical form, presets included; malloc()ed, NULL without
 * memory. */
char *crb_scope_text(const struct crb_scope *scope);
/* One value as it stands in such a text. */
void crb_scope_encode(struct crb_buf *out, const char *value);

/* "NAME[:SCOPE]" cut in two; *scope is "" when there is no ":".  malloc()ed. */
CRB_NODISCARD enum crb_status crb_grant_split(
    const char *text, char **name, char **scope, struct crb_err *err);

#define CRB_AUTO_SCOPE __attribute__((cleanup(crb_scope_clear)))

#endif /* !CRB_SCOPE_H */
