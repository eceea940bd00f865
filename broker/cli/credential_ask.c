#include "broker/cli/credential_ask.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"
#include "broker/cli/looks_secret.h"

#define ANSWER_MAX 2100
#define TRIES 3

bool
crb_can_ask(void)
{
	return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
}

bool
crb_ask_yes(const char *question)
{
	char line[64];

	printf("%s [y/N] ", question);
	(void)fflush(stdout);
	return fgets(line, sizeof(line), stdin) != NULL &&
	    (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0 ||
		strcmp(line, "Y\n") == 0);
}

static enum crb_status
ask(const char *question, const char *preset, bool secret,
    struct crb_buf *answer, struct crb_err *err)
{
	char line[ANSWER_MAX];
	const struct crb_wipe wipe CRB_AUTO_WIPE = { line, sizeof(line) };

	printf(preset != NULL ? "%s [%s]: " : "%s: ", question, preset);
	(void)fflush(stdout);
	crb_buf_reset(answer);
	if (fgets(line, sizeof(line), stdin) == NULL)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "no answer; nothing was stored");
	line[strcspn(line, "\r\n")] = '\0';
	if (!secret && crb_looks_secret(line))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "that looks like a secret (not shown), which is asked for "
		    "later, without echo; nothing was stored");
	crb_buf_str(answer, line[0] == '\0' && preset != NULL ? preset : line);
	return CRB_OK;
}

enum crb_status
crb_ask(const char *question, const char *preset, struct crb_buf *answer,
    struct crb_err *err)
{
	return ask(question, preset, false, answer, err);
}

enum crb_status
crb_ask_shown(const char *question, const char *preset, struct crb_buf *answer,
    struct crb_err *err)
{
	return ask(question, preset, true, answer, err);
}

/* Presets, then backends that mint, then the rest; `at` counts from 0. */
struct service {
	const struct crb_preset *preset;
	const char *name, *summary, *kind;
};

static bool
service_at(size_t at, struct service *out)
{
	const struct crb_preset *preset = crb_presets;

	for (; preset->name != NULL; preset++)
		if (at-- == 0) {
			*out = (struct service){ preset, preset->name,
				preset->summary, NULL };
			return true;
		}
	for (size_t i = 0; crb_backends[i] != NULL; i++)
		if (crb_backends[i]->mints && at-- == 0) {
			*out = (struct service){ NULL, crb_backends[i]->kind,
				crb_backends[i]->summary,
				crb_backends[i]->kind };
			return true;
		}
	*out = (struct service){ NULL, "other", "any other host", NULL };
	return at == 0;
}

/* By number or by name. */
static bool
pick_service(const char *answer, struct service *out)
{
	struct crb_err ignored;
	uint64_t number = 0;

	(void)!crb_number_parse(
	    answer, strlen(answer), 1000, &number, &ignored);
	for (size_t i = 0; service_at(i, out); i++)
		if (i + 1 == number || strcmp(answer, out->name) == 0)
			return true;
	return false;
}

enum crb_status
crb_ask_service(
    const struct crb_preset **preset, const char **kind, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf answer = CRB_BUF_INIT(ANSWER_MAX);
	struct service service;

	puts("For which service?");
	for (size_t i = 0; service_at(i, &service); i++)
		printf(
		    "  %zu  %-12s %s\n", i + 1, service.name, service.summary);
	for (int i = 0; i < TRIES; i++) {
		if (crb_ask("Service", "other", &answer, err) != CRB_OK)
			return err->status;
		if (pick_service(crb_buf_text(&answer), &service)) {
			*preset = service.preset;
			*kind = service.kind;
			return CRB_OK;
		}
		puts("A number or a name of the list, please.");
	}
	return crb_err_set(err, CRB_ERR_USAGE, "no such service");
}

static enum crb_status
ask_param(const struct crb_option *option, json_t *params, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf question = CRB_BUF_INIT(512);
	CRB_AUTO_BUF struct crb_buf answer = CRB_BUF_INIT(ANSWER_MAX);

	crb_buf_printf(&question, "%s: %s", option->name, option->help);
	for (size_t i = 0;
	     option->choices != NULL && option->choices[i] != NULL; i++)
		crb_buf_printf(&question, "%s%s", i == 0 ? " (" : ", ",
		    option->choices[i]);
	if (option->choices != NULL)
		crb_buf_char(&question, ')');
	if (crb_ask(crb_buf_text(&question), option->preset, &answer, err) !=
	    CRB_OK)
		return err->status;
	if (answer.len > 0 &&
	    json_object_set_new(
		params, option->name, json_string(answer.data)) == -1)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "%s: not UTF-8 text", option->name);
	return CRB_OK;
}

/* The parameter that a message ends with: "auth=basic needs username". */
static const struct crb_option *
needed(const struct crb_backend_ops *backend, const json_t *params,
    const char *message)
{
	struct crb_slice text = CRB_SLICE(message);

	for (const struct crb_option *o = backend->params; o->name != NULL;
	     o++) {
		size_t len = strlen(o->name);

		if (json_object_get(params, o->name) == NULL &&
		    crb_slice_ends(text, o->name) && text.len > len &&
		    message[text.len - len - 1] == ' ')
			return o;
	}
	return NULL;
}

static enum crb_status
ask_round(const struct crb_backend_ops *backend, json_t *params,
    struct crb_err *why, struct crb_err *err)
{
	const struct crb_option *option = backend->params;

	for (; option->name != NULL; option++) {
		if ((option->required || option->choices != NULL) &&
		    json_object_get(params, option->name) == NULL &&
		    ask_param(option, params, err) != CRB_OK)
			return err->status;
	}
	while (backend->check(params, why) != CRB_OK) {
		option = needed(backend, params, why->msg);
		if (option == NULL)
			return CRB_OK;
		if (ask_param(option, params, err) != CRB_OK)
			return err->status;
		if (json_object_get(params, option->name) == NULL)
			return CRB_OK;
	}
	why->status = CRB_OK;
	return CRB_OK;
}

enum crb_status
crb_ask_params(
    const struct crb_backend_ops *backend, json_t *params, struct crb_err *err)
{
	for (int i = 0; i < TRIES; i++) {
		CRB_AUTO_JSON json_t *tried = json_copy(params);
		struct crb_err why = { .status = CRB_OK };

		if (tried == NULL)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
		if (ask_round(backend, tried, &why, err) != CRB_OK)
			return err->status;
		if (why.status == CRB_OK)
			return json_object_update(params, tried) == 0
			    ? CRB_OK
			    : crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
		printf("%s. Once more:\n", why.msg);
	}
	return crb_err_set(err, CRB_ERR_USAGE, "nothing was stored");
}
