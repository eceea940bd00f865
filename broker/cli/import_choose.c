#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "broker/cli/import_run.h"

#define TRIES 3

static bool
is_offered(const struct crb_import *import, size_t at)
{
	return import->found.at[at].secret != NULL &&
	    import->found.at[at].same == at;
}

static void
take_all(struct crb_import *import)
{
	for (size_t i = 0; i < import->found.count; i++)
		import->fate[i].taken = is_offered(import, i);
}

static void
take_none(struct crb_import *import)
{
	for (size_t i = 0; i < import->found.count; i++)
		import->fate[i].taken = false;
}

/* The new name must not be another's that is taken, too. */
static enum crb_status
take(struct crb_import *import, size_t at, const char *new_name,
    struct crb_err *err)
{
	struct crb_found *found = &import->found.at[at];
	char *copy;

	import->fate[at].taken = true;
	if (new_name == NULL)
		return CRB_OK;
	if (!crb_name_ok(new_name))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "a name has 1 to 64 of a-z, 0-9 and, inside, . _ -");
	if ((copy = strdup(new_name)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	free(found->name);
	found->name = copy;
	return CRB_OK;
}

static enum crb_status
check_names(const struct crb_import *import, struct crb_err *err)
{
	for (size_t i = 0; i < import->found.count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (import->fate[i].taken && import->fate[j].taken &&
			    strcmp(import->found.at[i].name,
				import->found.at[j].name) == 0)
				return crb_err_set(err, CRB_ERR_USAGE,
				    "two of the name %s",
				    import->found.at[i].name);
		}
	}
	return CRB_OK;
}

/* "3", or "3=work". */
static enum crb_status
take_number(struct crb_import *import, const char *word, struct crb_err *err)
{
	size_t len = strcspn(word, "=");
	struct crb_err ignored;
	uint64_t number = 0;

	if (crb_number_parse(
		word, len, import->found.count, &number, &ignored) != CRB_OK ||
	    number == 0 || !is_offered(import, (size_t)number - 1))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "%.16s is not one of the numbers", word);
	return take(import, (size_t)number - 1,
	    word[len] == '=' ? word + len + 1 : NULL, err);
}

enum crb_status
crb_import_answer(
    struct crb_import *import, const char *answer, struct crb_err *err)
{
	CRB_AUTO_FREE char *copy = strdup(answer);
	char *rest = copy, *word;

	if (copy == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	take_none(import);
	while ((word = strsep(&rest, " ,\t\r\n")) != NULL) {
		if (word[0] == '\0' || strcmp(word, "none") == 0)
			continue;
		if (strcmp(word, "all") == 0)
			take_all(import);
		else if (take_number(import, word, err) != CRB_OK)
			return err->status;
	}
	return check_names(import, err);
}

static enum crb_status
ask_which(struct crb_import *import, struct crb_err *err)
{
	struct crb_err why;

	for (int i = 0; i < TRIES; i++) {
		char line[1024];

		fputs(
		    "Take which? (1 3, 2=NEW-NAME, all; Enter: none) ", stdout);
		(void)fflush(stdout);
		if (fgets(line, sizeof(line), stdin) == NULL) {
			take_none(import);
			return CRB_OK;
		}
		if (crb_import_answer(import, line, &why) == CRB_OK)
			return CRB_OK;
		printf("%s\n", why.msg);
	}
	return crb_err_set(err, CRB_ERR_USAGE, "%s", why.msg);
}

/* --take NAME[=NEW] */
static enum crb_status
take_named(struct crb_import *import, const char *item, struct crb_err *err)
{
	size_t len = strcspn(item, "=");

	for (size_t i = 0; i < import->found.count; i++) {
		const struct crb_found *found = &import->found.at[i];

		if (strncmp(found->name, item, len) != 0 ||
		    found->name[len] != '\0' || import->fate[i].taken)
			continue;
		if (!is_offered(import, i))
			return crb_err_set(err, CRB_ERR_USAGE,
			    "--take %s: it cannot be stored: %s", found->name,
			    found->why_not);
		return take(
		    import, i, item[len] == '=' ? item + len + 1 : NULL, err);
	}
	return crb_err_set(err, CRB_ERR_NOT_FOUND,
	    "--take: nothing of that name was found (--dry-run shows the "
	    "names)");
}

enum crb_status
crb_import_choose(struct crb_import *import, struct crb_err *err)
{
	const struct crb_list *named = &import->options->take;

	if (import->options->all) {
		take_all(import);
		return CRB_OK;
	}
	for (size_t i = 0; i < named->count; i++) {
		if (take_named(import, named->item[i], err) != CRB_OK)
			return err->status;
	}
	if (named->count > 0)
		return check_names(import, err);
	if (import->ask)
		return ask_which(import, err);
	return crb_err_set(err, CRB_ERR_USAGE,
	    "nothing was taken: say --all, --take NAME, or --dry-run");
}
