#ifndef CRB_IMPORT_FOUND_H
#define CRB_IMPORT_FOUND_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/text.h"

/*
 * What an import finds: credentials that lie about in files and in the
 * environment.  Everything but the secret may be shown; so nothing that could
 * be one is put anywhere else.
 */
#define CRB_FOUND_MAX 64
#define CRB_FOUND_WHY 160

struct crb_found {
	const char *kind;    /* "password", "token": static text */
	char *host;          /* "github.com", "localhost:8443"; or NULL */
	char *variable;      /* the environment's name for it; or NULL */
	char *account;       /* of several alike: an AWS profile; or NULL */
	const char *backend; /* static text: what would keep it */
	char *name;          /* what it would be stored as; crb_found_names() */
	unsigned line;       /* from 1; 0 in the environment */
	size_t from, to;     /* the bytes of the text that removing it cuts */
	bool later;          /* its requests are not injected in this version */
	json_t *params;      /* of the backend; NULL: it cannot be stored */
	struct crb_secret *secret;   /* NULL: it cannot be stored */
	char why_not[CRB_FOUND_WHY]; /* why it cannot be stored, or "" */
	char sticks[CRB_FOUND_WHY];  /* why it cannot be cut, or "" */
	size_t origin;               /* the reader's number of the file */
	bool elsewhere; /* in the file of another, whose keys it takes */
	size_t same;    /* the first that would be stored alike; or itself */
};

struct crb_found_list {
	size_t count;
	struct crb_found at[CRB_FOUND_MAX];
};

void crb_found_clear(struct crb_found *found);
void crb_found_list_clear(struct crb_found_list *list);
#define CRB_AUTO_FOUND __attribute__((cleanup(crb_found_list_clear)))

/* One finding of a parser, borrowed. */
struct crb_finding {
	const char *kind;
	struct crb_slice host; /* "https://" before it and a path are cut off */
	const char *username;  /* auth=basic with it; or NULL */
	const char *header;    /* auth=header in it; or NULL */
	bool bare;             /* only for this host, preset or not */
	bool later;
	struct crb_slice secret;
	unsigned line;
	size_t from, to;
};

/*
 * Add one that backend static can keep: bearer, or as `username` or `header`
 * say.  What it cannot keep is added all the same, without its secret and with
 * the reason.  *added may be NULL.  CRB_ERR_TOO_LARGE when the list is full.
 */
CRB_NODISCARD enum crb_status crb_found_add(struct crb_found_list *list,
    const struct crb_finding *finding, struct crb_found **added,
    struct crb_err *err);

/* Add one that this version cannot keep. */
CRB_NODISCARD enum crb_status crb_found_add_other(struct crb_found_list *list,
    const struct crb_finding *finding, const char *why_not,
    struct crb_found **added, struct crb_err *err);

/* It cannot be stored: this is why. */
void crb_found_refuse(struct crb_found *found, const char *why);

/* Whether two have one secret; neither, when one has none. */
bool crb_found_same_secret(
    const struct crb_found *a, const struct crb_found *b);
/* Whether two would be stored alike: parameters and secret. */
bool crb_found_alike(const struct crb_found *a, const struct crb_found *b);

/* Sets `same`, and gives each a name of its own: valid, by its host. */
CRB_NODISCARD enum crb_status crb_found_names(
    struct crb_found_list *list, struct crb_err *err);

/* For parsers: lines of a text, without their ends. */
struct crb_line {
	struct crb_slice text;
	unsigned number; /* from 1 */
	size_t from, to; /* in the whole text, the line's end included */
};
/* The next line; start with all zero.  False at the end. */
bool crb_line_next(const char *text, size_t len, struct crb_line *line);
/* What crb_slice_trim() takes off there. */
#define CRB_LINE_BLANKS " \t\r"

/* Wiped buffers; `out` is appended to.  False when it is malformed. */
bool crb_import_percent(struct crb_slice text, struct crb_buf *out);
bool crb_import_base64(struct crb_slice text, struct crb_buf *out);

#endif /* !CRB_IMPORT_FOUND_H */
