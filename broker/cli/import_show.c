#include <string.h>

#include "base/cleanup.h"
#include "broker/cli/credential_aws.h"
#include "broker/cli/import/shell_files.h"
#include "broker/cli/import_run.h"
#include "broker/cli/output.h"

#define LATER "kept for later: this version injects git and AWS only"

void
crb_import_path(const char *path, struct crb_buf *out)
{
	const char *home = getenv("HOME");
	size_t len = home != NULL ? strlen(home) : 0;

	if (len > 1 && strncmp(path, home, len) == 0 && path[len] == '/')
		crb_buf_printf(out, "~%s", path + len);
	else
		crb_buf_str(out, path);
}

void
crb_import_where(const struct crb_import *import, const struct crb_found *found,
    struct crb_buf *out)
{
	if (found->variable != NULL) {
		crb_buf_printf(out, "$%s", found->variable);
		return;
	}
	crb_import_path(import->file[found->origin].path, out);
	crb_buf_printf(out, ":%u", found->line);
}

static void
note(const struct crb_import *import, size_t at, struct crb_buf *out)
{
	const struct crb_found *found = &import->found.at[at];

	if (found->why_not[0] != '\0')
		crb_buf_str(out, found->why_not);
	else if (found->same != at)
		crb_buf_printf(out, "the same as %zu", found->same + 1);
	else if (found->later)
		crb_buf_str(out, LATER);
}

static void
show_row(const struct crb_import *import, size_t at, struct crb_output *output)
{
	CRB_AUTO_BUF struct crb_buf where = CRB_BUF_INIT(CRB_PATH_MAX + 32);
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(256);
	const struct crb_found *found = &import->found.at[at];
	bool offered = found->secret != NULL && found->same == at;
	char number[24] = "-";

	if (offered)
		(void)snprintf(number, sizeof(number), "%zu", at + 1);
	crb_import_where(import, found, &where);
	note(import, at, &text);

	const char *const cells[] = { number, found->name, found->kind,
		found->host, crb_buf_text(&where),
		text.len > 0 ? text.data : NULL };

	crb_output_row(output, cells);
}

void
crb_import_show(const struct crb_import *import)
{
	static const char *const heads[] = { "#", "NAME", "KIND", "HOST",
		"WHERE", "NOTE", NULL };
	struct crb_output *output;

	if (import->found.count == 0) {
		puts("No credentials were found.");
		return;
	}
	output = crb_output_new(stdout, heads);
	for (size_t i = 0; i < import->found.count; i++)
		show_row(import, i, output);
	crb_output_end(output);
	(void)fflush(stdout);
}

static json_t *
found_json(const struct crb_import *import, size_t at)
{
	const struct crb_found *found = &import->found.at[at];
	bool file = found->variable == NULL;
	const struct crb_original *original = file
	    ? &import->file[found->origin]
	    : NULL;

	return json_pack("{s:s, s:s, s:s*, s:s*, s:o*, s:o*, s:s*, s:b, s:s*, "
			 "s:b, s:b, s:b, s:o*, s:O*}",
	    "name", found->name, "kind", found->kind, "host", found->host,
	    "source", file ? original->source->name : "env", "file",
	    file ? crb_output_string(original->path) : NULL, "line",
	    file ? json_integer(found->line) : NULL, "variable",
	    found->variable, "storable", found->secret != NULL, "reason",
	    found->why_not[0] != '\0' ? found->why_not : NULL, "later",
	    found->later, "stored", import->fate[found->same].stored, "removed",
	    import->fate[at].removed, "same_as",
	    found->same != at ? json_string(found->name) : NULL, "error",
	    import->fate[at].error);
}

json_t *
crb_import_json(const struct crb_import *import)
{
	json_t *array = json_array();

	for (size_t i = 0; i < import->found.count; i++)
		(void)json_array_append_new(array, found_json(import, i));
	return json_pack(
	    "{s:o, s:O}", "found", array, "problems", import->problems);
}

/* What only a person can do. */
static void
say_variable(const struct crb_found *found)
{
	CRB_AUTO_BUF struct crb_buf where = CRB_BUF_INIT(CRB_PATH_MAX + 32);
	char path[CRB_PATH_MAX];
	unsigned line;

	printf("  $%s is still set here; ", found->variable);
	if (!crb_shell_files_find(found->variable, getenv, path, &line)) {
		puts("no start-up file of a shell was found to set it");
		return;
	}
	crb_import_path(path, &where);
	printf("line %u of ", line);
	crb_output_text(stdout, crb_buf_text(&where));
	puts(" seems to set it: remove it there");
}

static void
say_left(const struct crb_import *import)
{
	bool said = false;

	for (size_t i = 0; i < import->found.count; i++) {
		const struct crb_found *found = &import->found.at[i];
		CRB_AUTO_BUF struct crb_buf where = CRB_BUF_INIT(
		    CRB_PATH_MAX + 32);

		if (found->secret == NULL || import->fate[i].removed ||
		    !import->fate[found->same].stored)
			continue;
		if (!said)
			puts("Only copied; what still lies around:");
		said = true;
		if (found->variable != NULL) {
			say_variable(found);
			continue;
		}
		crb_import_where(import, found, &where);
		fputs("  ", stdout);
		crb_output_text(stdout, crb_buf_text(&where));
		printf(" (%s)\n", found->name);
	}
}

void
crb_import_summary(const struct crb_import *import)
{
	const struct crb_found *example = NULL;
	size_t stored = 0;

	for (size_t i = 0; i < import->found.count; i++) {
		const struct crb_found *found = &import->found.at[i];

		stored += import->fate[i].stored;
		if (import->fate[i].stored && !found->later && example == NULL)
			example = found;
	}
	if (stored == 0)
		return;
	say_left(import);
	puts("Until now every program of yours could read them: where you can, "
	     "make new ones and store these (credbroker credential set NAME).");
	if (example != NULL && strcmp(example->backend, "static") != 0)
		crb_aws_print_try(example->name);
	else if (example != NULL)
		printf("Try: credbroker run --task hello --grant "
		       "%s:repository=OWNER/REPO -- git ls-remote URL\n",
		    example->name);
}
