#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "broker/cli/client.h"
#include "broker/cli/credential_ask.h"
#include "broker/cli/import_run.h"
#include "broker/cli/output.h"

/* It concerns this one only, or a file only: said, and on with the others. */
static void
note_failure(struct crb_import *import, size_t at, const struct crb_err *err)
{
	if (import->failed == CRB_OK)
		import->failed = err->status;
	json_decref(import->fate[at].error);
	import->fate[at].error = crb_output_string(err->msg);
	if (import->cli->common->json)
		return;
	fputs("credbroker: ", stderr);
	crb_output_text(stderr, err->msg);
	fputc('\n', stderr);
}

static json_t *
request_for(const struct crb_import *import, const struct crb_found *found,
    bool with_backend)
{
	json_t *params = json_copy(found->params);
	json_t *secret = json_stringn(
	    crb_secret_bytes(found->secret), crb_secret_len(found->secret));

	if (params == NULL || json_object_update(params, import->params) != 0) {
		json_decref(params);
		json_decref(secret);
		return NULL;
	}
	return json_pack("{s:s, s:s*, s:o, s:o}", "name", found->name,
	    "backend", with_backend ? found->backend : NULL, "params", params,
	    "secret", secret);
}

/* A parameter of the old one that the new one has not goes away. */
static enum crb_status
drop_others(struct crb_import *import, json_t *request, const char *backend,
    struct crb_err *err)
{
	json_t *params = json_object_get(request, "params");
	CRB_AUTO_JSON json_t *shown = NULL;
	const json_t *before;
	const char *key;
	json_t *value;

	if (crb_cli_call(import->cli, "credential.show",
		json_pack("{s:O}", "name", json_object_get(request, "name")),
		&shown, err) != CRB_OK)
		return err->status;
	before = json_object_get(shown, "credential");
	if (strcmp(crb_member(before, "backend"), backend) != 0)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "credential %s has another backend: remove it first",
		    crb_member(before, "name"));
	json_object_foreach(json_object_get(before, "params"), key, value)
	{
		if (json_object_get(params, key) == NULL &&
		    json_object_set_new(params, key, json_null()) == -1)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	}
	return CRB_OK;
}

static enum crb_status
replace(struct crb_import *import, const struct crb_found *found,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *request = request_for(import, found, false);
	CRB_AUTO_JSON json_t *result = NULL;

	if (request == NULL)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the secret is not UTF-8 text");
	if (drop_others(import, request, found->backend, err) != CRB_OK)
		return err->status;
	return crb_cli_call(
	    import->cli, "credential.set", json_incref(request), &result, err);
}

static enum crb_status
store_one(struct crb_import *import, const struct crb_found *found,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *request = request_for(import, found, true);
	CRB_AUTO_JSON json_t *result = NULL;

	if (request == NULL)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the secret is not UTF-8 text");
	if (crb_cli_call(import->cli, "credential.add", json_incref(request),
		&result, err) == CRB_OK)
		return CRB_OK;
	if (err->status != CRB_ERR_EXISTS)
		return crb_err_context(err, "%s", found->name);
	if (import->options->replace)
		return replace(import, found, err);
	return crb_err_set(err, CRB_ERR_EXISTS,
	    "there is a credential %s already, and it was left as it is: take "
	    "this one under another name, or say --replace",
	    found->name);
}

/* Without a broker that takes them, the others need not be tried. */
static bool
ends_it(enum crb_status status)
{
	return status == CRB_ERR_UNREACHABLE || status == CRB_ERR_LOCKED ||
	    status == CRB_ERR_ROLE || status == CRB_ERR_UNRECORDED ||
	    status == CRB_ERR_TIMEOUT;
}

bool
crb_import_store(struct crb_import *import)
{
	for (size_t i = 0; i < import->found.count; i++) {
		const struct crb_found *found = &import->found.at[i];
		struct crb_err why;

		if (!import->fate[i].taken)
			continue;
		if (store_one(import, found, &why) == CRB_OK) {
			import->fate[i].stored = true;
			if (!import->cli->common->json)
				printf("Stored %s, for %s.\n", found->name,
				    found->host);
			continue;
		}
		note_failure(import, i, &why);
		if (ends_it(why.status)) {
			import->failed = why.status;
			return false;
		}
	}
	(void)fflush(stdout);
	return true;
}

/* The entries of one file that are stored; those to cut it by. */
struct cuts {
	size_t count;
	size_t of_file[CRB_FOUND_MAX]; /* every one that stands in it */
	size_t which[CRB_FOUND_MAX];   /* the stored one that is alike */
};

/* Or another that lies there with the same keys, as roles of AWS do, is not. */
static bool
is_needed(const struct crb_import *import, size_t at)
{
	for (size_t i = 0; i < import->found.count; i++) {
		const struct crb_found *found = &import->found.at[i];

		if (!import->fate[found->same].stored &&
		    (i == at ||
			(strcmp(found->backend, "static") != 0 &&
			    crb_found_same_secret(
				found, &import->found.at[at]))))
			return true;
	}
	return false;
}

static void
gather_cuts(const struct crb_import *import, size_t file, struct cuts *out)
{
	out->count = 0;
	for (size_t i = 0; i < import->found.count; i++) {
		const struct crb_found *found = &import->found.at[i];

		if (found->secret == NULL || found->variable != NULL ||
		    found->origin != file || is_needed(import, i))
			continue;
		out->of_file[out->count] = i;
		out->which[out->count++] = found->same;
	}
}

static bool
wants_cut(const struct crb_import *import, const char *path, size_t count)
{
	CRB_AUTO_BUF struct crb_buf question = CRB_BUF_INIT(
	    4 * CRB_PATH_MAX + 256);
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(CRB_PATH_MAX);

	if (import->options->remove_original)
		return true;
	if (!import->ask)
		return false;
	crb_import_path(path, &shown);
	crb_buf_printf(&question, "Remove %zu stored %s from ", count,
	    count == 1 ? "entry" : "entries");
	crb_text_escape(&question, crb_buf_text(&shown), shown.len, shown.len);
	crb_buf_str(
	    &question, "? There is no backup: it would hold the secret.");
	return crb_ask_yes(crb_buf_text(&question));
}

static void
cut(struct crb_import *import, const struct crb_original *original,
    const struct cuts *cuts)
{
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(CRB_PATH_MAX);
	struct crb_err err;

	if (crb_original_cut(original, &import->found, cuts->which, cuts->count,
		&err) != CRB_OK) {
		note_failure(import, cuts->of_file[0], &err);
		return;
	}
	for (size_t i = 0; i < cuts->count; i++)
		import->fate[cuts->of_file[i]].removed = true;
	if (import->cli->common->json)
		return;
	crb_import_path(original->path, &shown);
	printf("Removed %zu from ", cuts->count);
	crb_output_text(stdout, crb_buf_text(&shown));
	puts("; no backup was made.");
}

void
crb_import_remove(struct crb_import *import)
{
	for (size_t i = 0; i < import->file_count; i++) {
		const struct crb_original *original = &import->file[i];
		struct cuts cuts;

		gather_cuts(import, i, &cuts);
		if (cuts.count > 0 &&
		    wants_cut(import, original->path, cuts.count))
			cut(import, original, &cuts);
	}
}
