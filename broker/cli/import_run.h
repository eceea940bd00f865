#ifndef CRB_IMPORT_RUN_H
#define CRB_IMPORT_RUN_H

#include "base/options.h"
#include "broker/cli/command.h"
#include "broker/cli/import/original.h"

struct crb_import_options {
	struct crb_common common;
	struct crb_list take;
	struct crb_list params;
	bool all;
	bool dry_run;
	bool replace;
	bool remove_original;
};

#define CRB_IMPORT_FILES 16

/* One run of `credential import`. */
struct crb_import {
	struct crb_cli *cli;
	const struct crb_import_options *options;
	bool ask;       /* on a terminal, and nothing was chosen beforehand */
	json_t *params; /* --param, over what was found */
	struct crb_found_list found;
	struct {
		bool taken, stored, removed;
		json_t *error; /* why it was not stored, or not removed */
	} fate[CRB_FOUND_MAX];
	size_t file_count;
	struct crb_original file[CRB_IMPORT_FILES];
	json_t *problems;       /* files that could not be read */
	enum crb_status failed; /* the first failure that did not end the run */
};

/* What was found: a table. */
void crb_import_show(const struct crb_import *import);
/* All of the run as JSON; the caller's. */
json_t *crb_import_json(const struct crb_import *import);
/* What was stored, and what still lies around. */
void crb_import_summary(const struct crb_import *import);
/* "~/.netrc:3", "$GITHUB_TOKEN". */
void crb_import_where(const struct crb_import *import,
    const struct crb_found *found, struct crb_buf *out);
/* A path as people write it, with "~". */
void crb_import_path(const char *path, struct crb_buf *out);

/* Sets `taken`, by options or by asking; may rename. */
CRB_NODISCARD enum crb_status crb_import_choose(
    struct crb_import *import, struct crb_err *err);
/* One answer to the question which to take: "1 3=work", "all", "none". */
CRB_NODISCARD enum crb_status crb_import_answer(
    struct crb_import *import, const char *answer, struct crb_err *err);

/*
 * Store what is taken; what fails is noted in its fate.  False when the rest
 * need not be tried, since there is no broker any more that takes them.
 */
bool crb_import_store(struct crb_import *import);
/* Cut what is stored out of its file, as far as that is wanted. */
void crb_import_remove(struct crb_import *import);

#endif /* !CRB_IMPORT_RUN_H */
