#ifndef CRB_IMPORT_SOURCES_H
#define CRB_IMPORT_SOURCES_H

#include "base/path.h"
#include "broker/cli/import/parsers.h"

/* Where one of the usual files is: $variable, else $folder_variable/name, else
 * ~/home. */
struct crb_source_place {
	const char *variable; /* names the file; or NULL */
	const char *folder_variable;
	const char *name; /* in that folder */
	const char *home; /* below the home; or NULL */
};

#define CRB_SOURCE_PLACES 2
struct crb_source {
	const char *name;     /* "netrc" */
	const char *summary;  /* "~/.netrc" */
	crb_import_fn *parse; /* NULL: the environment */
	struct crb_source_place places[CRB_SOURCE_PLACES];
	/* A file that says more of what the one in `places` holds; or NULL. */
	const struct crb_source *beside;
};

/* Every source; ends with name NULL. */
extern const struct crb_source crb_sources[];

/* "netrc", or "netrc:FILE": *file is then behind the colon, else NULL. */
CRB_NODISCARD enum crb_status crb_source_find(const char *text,
    const struct crb_source **out, const char **file, struct crb_err *err);

/*
 * The file beside one of the source's: where its variable says, or else in the
 * same folder.
 */
CRB_NODISCARD enum crb_status crb_source_beside(const struct crb_source *source,
    const char *path, crb_import_getenv_fn *get, char out[CRB_PATH_MAX],
    struct crb_err *err);

/*
 * The source's file number `which`; CRB_ERR_NOT_FOUND when it has no such
 * place, or the environment does not say where it is.
 */
CRB_NODISCARD enum crb_status crb_source_path(const struct crb_source *source,
    size_t which, crb_import_getenv_fn *get, char out[CRB_PATH_MAX],
    struct crb_err *err);

#endif /* !CRB_IMPORT_SOURCES_H */
