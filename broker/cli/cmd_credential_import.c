#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/import_run.h"
#include "broker/cli/output.h"
#include "broker/cli/params.h"

#define AT(member) offsetof(struct crb_import_options, member)

static const struct crb_option import_options[] = {
	{ .name = "all",
	    .letter = 'a',
	    .type = CRB_OPTION_FLAG,
	    .offset = AT(all),
	    .help = "take all that can be stored, without asking" },
	{ .name = "take",
	    .letter = 't',
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(take),
	    .value = "NAME[=NEW-NAME]",
	    .help = "take this one, without asking" },
	{ .name = "param",
	    .letter = 'p',
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(params),
	    .value = "KEY=VALUE",
	    .help = "a parameter of the backend, for each that is taken" },
	{ .name = "replace",
	    .type = CRB_OPTION_FLAG,
	    .offset = AT(replace),
	    .help = "overwrite credentials that have these names" },
	{ .name = "remove-original",
	    .type = CRB_OPTION_FLAG,
	    .offset = AT(remove_original),
	    .help = "cut what was stored out of its file, without asking" },
	{ .name = "dry-run",
	    .letter = 'n',
	    .type = CRB_OPTION_FLAG,
	    .offset = AT(dry_run),
	    .help = "only show what there is; no broker is needed" },
	CRB_COMMON_OPTIONS,
};

static void
import_clear(struct crb_import *import)
{
	for (size_t i = 0; i < import->found.count; i++)
		json_decref(import->fate[i].error);
	crb_found_list_clear(&import->found);
	json_decref(import->params);
	json_decref(import->problems);
}

/* A file that we cannot read is said, and does not stop the others. */
static void
note_problem(struct crb_import *import, const char *what)
{
	(void)json_array_append_new(import->problems, crb_output_string(what));
	if (import->cli->common->json)
		return;
	fputs("credbroker: passed over: ", stderr);
	crb_output_text(stderr, what);
	fputc('\n', stderr);
}

/* Two places may be one, as may two operands: its entries count once. */
static bool
is_read(const struct crb_import *import, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	for (size_t i = 0; i < import->file_count; i++) {
		const struct stat *seen = &import->file[i].seen;

		if (seen->st_dev == st.st_dev && seen->st_ino == st.st_ino)
			return true;
	}
	return false;
}

static enum crb_status read_file(struct crb_import *import,
    const struct crb_source *source, const char *path, struct crb_err *err);

static enum crb_status
read_beside(struct crb_import *import, const struct crb_source *source,
    const char *path, struct crb_err *err)
{
	char beside[CRB_PATH_MAX];

	if (source->beside == NULL)
		return CRB_OK;
	if (crb_source_beside(source, path, getenv, beside, err) == CRB_OK &&
	    read_file(import, source->beside, beside, err) != CRB_OK &&
	    err->status != CRB_ERR_NOT_FOUND)
		note_problem(import, err->msg);
	return CRB_OK;
}

static enum crb_status
read_file(struct crb_import *import, const struct crb_source *source,
    const char *path, struct crb_err *err)
{
	size_t number = import->file_count;

	if (is_read(import, path))
		return CRB_OK;
	if (number == CRB_IMPORT_FILES)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "more than %d files; import them in parts",
		    CRB_IMPORT_FILES);
	if (crb_original_read(&import->file[number], source, path, number,
		&import->found, err) != CRB_OK)
		return err->status;
	import->file_count++;
	return read_beside(import, source, path, err);
}

static enum crb_status
read_places(struct crb_import *import, const struct crb_source *source,
    struct crb_err *err)
{
	char path[CRB_PATH_MAX];

	if (source->parse == NULL)
		return crb_import_environment(getenv, &import->found, err);
	for (size_t i = 0; i < CRB_SOURCE_PLACES; i++) {
		if (crb_source_path(source, i, getenv, path, err) != CRB_OK ||
		    read_file(import, source, path, err) == CRB_OK ||
		    err->status == CRB_ERR_NOT_FOUND)
			continue;
		note_problem(import, err->msg);
	}
	return CRB_OK;
}

static enum crb_status
gather(struct crb_import *import, const struct crb_operands *operands,
    struct crb_err *err)
{
	const struct crb_source *source;
	enum crb_status status = CRB_OK;
	const char *file;

	if (operands->count == 0) {
		for (source = crb_sources; source->name != NULL; source++) {
			if (read_places(import, source, err) != CRB_OK)
				return err->status;
		}
	}
	for (int i = 0; i < operands->count && status == CRB_OK; i++) {
		status = crb_source_find(operands->at[i], &source, &file, err);
		if (status == CRB_OK)
			status = file != NULL
			    ? read_file(import, source, file, err)
			    : read_places(import, source, err);
	}
	return status != CRB_OK ? status : crb_found_names(&import->found, err);
}

/* The first call only shows that there is a broker, before anybody chooses. */
static enum crb_status
store(struct crb_import *import, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *credentials = NULL;

	if (crb_cli_call(import->cli, "credential.list", NULL, &credentials,
		err) != CRB_OK ||
	    crb_import_choose(import, err) != CRB_OK)
		return err->status;
	if (crb_import_store(import))
		crb_import_remove(import);
	return CRB_OK;
}

static enum crb_status
finish(const struct crb_import *import, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = NULL;

	if (import->cli->common->json) {
		json = crb_import_json(import);
		crb_output_json(json);
	} else if (!import->options->dry_run) {
		crb_import_summary(import);
	}
	if (import->failed != CRB_OK)
		return crb_err_set(err, import->failed,
		    "not everything was done as asked; see above");
	return CRB_OK;
}

static bool
may_ask(const struct crb_import_options *options)
{
	return !options->all && options->take.count == 0 &&
	    !options->common.json && !options->dry_run &&
	    isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
}

static enum crb_status
check_options(const struct crb_import_options *options, struct crb_err *err)
{
	if (options->all && options->take.count > 0)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "--all and --take: one of them");
	if (options->dry_run && options->remove_original)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--dry-run and --remove-original: one of them");
	return CRB_OK;
}

static enum crb_status
import_all(struct crb_import *import, const struct crb_operands *operands,
    struct crb_err *err)
{
	const struct crb_import_options *options = import->options;

	if (check_options(options, err) != CRB_OK ||
	    crb_params_read(&options->params, import->params, err) != CRB_OK ||
	    gather(import, operands, err) != CRB_OK)
		return err->status;
	if (!import->cli->common->json)
		crb_import_show(import);
	if (!options->dry_run &&
	    (import->found.count > 0 || options->take.count > 0) &&
	    store(import, err) != CRB_OK)
		return err->status;
	return finish(import, err);
}

static enum crb_status
import_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_FREE struct crb_import *import = calloc(1, sizeof(*import));
	enum crb_status status;

	if (import == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	import->cli = cli;
	import->options = opaque;
	import->ask = may_ask(opaque);
	import->params = json_object();
	import->problems = json_array();
	status = import_all(import, operands, err);
	import_clear(import);
	return status;
}

const struct crb_command crb_command_credential_import = {
	.name = "credential import",
	.operands = "[SOURCE...]",
	.least = 0,
	.most = -1,
	.summary = "store credentials that lie about in files and variables",
	.details =
	    "A SOURCE is aws, docker, env, gh, git-credentials, netrc or npmrc,\n"
	    "or one of them and a file: netrc:FILE. Without any: all of them.\n"
	    "It shows what there is, never a value; what you choose is stored;\n"
	    "then it offers to cut that out of its file. No backup is made:\n"
	    "it would hold the secret.\n"
	    "\n"
	    "  credbroker credential import --dry-run\n"
	    "  credbroker credential import netrc --take github "
	    "--remove-original\n",
	.options = import_options,
	.options_size = sizeof(struct crb_import_options),
	.run = import_run,
};
