#include <stdio.h>
#include <string.h>

#include "backends/backend.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "broker/cli/client.h"
#include "broker/cli/credential_ask.h"
#include "broker/cli/credential_aws.h"
#include "broker/cli/output.h"
#include "broker/cli/params.h"
#include "broker/cli/secret_input.h"

struct credential_options {
	struct crb_common common;
	struct crb_secret_source secret;
	const char *backend;
	const char *preset;
	struct crb_list params;
	bool params_only;
	bool force;
};

#define AT(member) offsetof(struct credential_options, member)
#define PARAM_OPTION                                                         \
	{                                                                    \
		.name = "param", .letter = 'p', .type = CRB_OPTION_REPEAT,   \
		.offset = AT(params), .value = "KEY=VALUE",                  \
		.help = "a parameter of the backend; KEY=@FILE reads a file" \
	}

static const struct crb_option add_options[] = {
	{ .name = "backend",
	    .letter = 'b',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(backend),
	    .value = "KIND",
	    .help = "how it is used (credbroker backend list)" },
	{ .name = "preset",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(preset),
	    .value = "NAME",
	    .help = "parameters of a well-known service" },
	PARAM_OPTION,
	CRB_SECRET_OPTIONS(struct credential_options, secret),
	CRB_COMMON_OPTIONS,
};

static const struct crb_option set_options[] = {
	PARAM_OPTION,
	{ .name = "params-only",
	    .type = CRB_OPTION_FLAG,
	    .offset = AT(params_only),
	    .help = "keep the secret as it is" },
	CRB_SECRET_OPTIONS(struct credential_options, secret),
	CRB_COMMON_OPTIONS,
};

static const struct crb_option remove_options[] = {
	{ .name = "force",
	    .letter = 'f',
	    .type = CRB_OPTION_FLAG,
	    .offset = AT(force),
	    .help = "even while live sessions have it granted" },
	CRB_COMMON_OPTIONS,
};

static enum crb_status
find_preset(
    const char *name, const struct crb_preset **out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf known = CRB_BUF_INIT(1024);

	for (const struct crb_preset *p = crb_presets; p->name != NULL; p++) {
		if (strcmp(p->name, name) == 0) {
			*out = p;
			return CRB_OK;
		}
		crb_buf_printf(
		    &known, "%s%s", known.len > 0 ? ", " : "", p->name);
	}
	return crb_err_set(err, CRB_ERR_USAGE,
	    "--preset: there is no preset of that name; there are %s",
	    crb_buf_text(&known));
}

static bool
is_prompted(const struct crb_secret_source *source)
{
	return source->file == NULL && source->fd == -1 && crb_can_ask();
}

/* `backend` may be NULL: then it is one line. */
static enum crb_status
add_secret(const struct crb_secret_source *source, const char *what,
    const struct crb_backend_ops *backend, json_t *params, struct crb_err *err)
{
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	enum crb_status status;

	if (backend != NULL && crb_aws_is(backend) && is_prompted(source))
		status = crb_aws_ask_keys(&secret, err);
	else
		status = crb_secret_input(source, what, false, &secret, err);
	if (status != CRB_OK)
		return status;
	if (json_object_set_new(params, "secret",
		json_stringn(
		    crb_secret_bytes(secret), crb_secret_len(secret))) == -1)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the secret is not UTF-8 text");
	return CRB_OK;
}

/* What to try: with git, of a host that it was stored for. */
static void
print_example(const char *name, const json_t *hosts)
{
	const char *host = json_is_string(hosts)
	    ? json_string_value(hosts)
	    : json_string_value(json_array_get(hosts, 0));

	printf("It will never be handed out. Try: credbroker run --task "
	       "hello --grant %s:repository=OWNER/REPO -- git ls-remote ",
	    name);
	if (host == NULL || strchr(host, ',') != NULL)
		puts("URL");
	else if (strncmp(host, "http", 4) == 0)
		printf("%s/OWNER/REPO\n", host);
	else
		printf("https://%s/OWNER/REPO\n", host);
}

static void
print_stored(const json_t *credential, const char *verb)
{
	const json_t *params = json_object_get(credential, "params");
	const json_t *hosts = json_object_get(params, "hosts");
	const char *name = crb_member(credential, "name");
	size_t i;
	json_t *host;

	printf("%s %s: ", verb, name);
	if (strcmp(crb_member(credential, "form"), "aws-keys") == 0) {
		crb_aws_print_stored(name, params);
		return;
	}
	printf("%s, only ever injected on the way out",
	    crb_member(credential, "backend"));
	if (json_is_string(hosts))
		printf(" to %s", json_string_value(hosts));
	json_array_foreach(hosts, i, host)
	    printf("%s%s", i == 0 ? " to " : ", ", json_string_value(host));
	puts(".");
	print_example(name, hosts);
}

static enum crb_status
check_name(const char *name, struct crb_err *err)
{
	if (!crb_name_ok(name))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "NAME: a to z, 0 to 9 and inside . _ - only, 64 at most "
		    "(not shown)");
	return CRB_OK;
}

/* What is added, by options and by asking. */
struct addition {
	const char *name;
	const struct crb_preset *preset;
	const char *kind;
	const struct crb_backend_ops *backend;
	struct crb_buf answer; /* the name, when it was asked for */
	bool ask;
};

#define AUTO_ADDITION __attribute__((cleanup(addition_clear)))
static void
addition_clear(struct addition *addition)
{
	crb_buf_clear(&addition->answer);
}

static bool
has_hosts(const struct crb_list *params)
{
	for (size_t i = 0; i < params->count; i++) {
		if (strncmp(params->item[i], "hosts=", 6) == 0)
			return true;
	}
	return false;
}

/* Only what is missing is asked for, and only on a terminal. */
static enum crb_status
ask_missing(const struct crb_cli *cli, const struct credential_options *options,
    struct addition *addition, struct crb_err *err)
{
	bool terminal = !cli->common->json && crb_can_ask();

	if (addition->name == NULL && !terminal)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "credential add: NAME is missing. See: credbroker "
		    "credential add --help");
	addition->ask = terminal && options->preset == NULL &&
	    !has_hosts(&options->params);
	if (addition->ask && options->backend == NULL &&
	    crb_ask_service(&addition->preset, &addition->kind, err) != CRB_OK)
		return err->status;
	if (addition->name != NULL)
		return CRB_OK;
	if (crb_ask("Name",
		addition->preset != NULL ? addition->preset->name
					 : addition->kind,
		&addition->answer, err) != CRB_OK)
		return err->status;
	addition->name = crb_buf_text(&addition->answer);
	return CRB_OK;
}

static enum crb_status
prepare(const struct crb_cli *cli, const struct credential_options *options,
    struct addition *addition, struct crb_err *err)
{
	if (addition->name != NULL && check_name(addition->name, err) != CRB_OK)
		return err->status;
	if (options->preset != NULL &&
	    find_preset(options->preset, &addition->preset, err) != CRB_OK)
		return err->status;
	if (ask_missing(cli, options, addition, err) != CRB_OK)
		return err->status;
	if (options->backend != NULL)
		addition->kind = options->backend;
	if (addition->kind == NULL)
		addition->kind = addition->preset != NULL
		    ? addition->preset->kind
		    : "static";
	if (crb_backend_find(addition->kind, &addition->backend, err) != CRB_OK)
		return err->status;
	return check_name(addition->name, err);
}

static enum crb_status
ask_params(const struct addition *addition, json_t *params, struct crb_err *err)
{
	if (!addition->ask || addition->preset != NULL)
		return CRB_OK;
	if (crb_aws_is(addition->backend))
		return crb_aws_ask_params(params, err);
	return crb_ask_params(addition->backend, params, err);
}

/* The preset's parameters, with --param over them, checked by the backend. */
static enum crb_status
gather_params(const struct credential_options *options,
    const struct addition *addition, json_t **out, struct crb_err *err)
{
	const struct crb_preset *preset = addition->preset;
	CRB_AUTO_JSON json_t *base = NULL;
	CRB_AUTO_JSON json_t *given = json_object();

	if (preset == NULL)
		base = json_object();
	else if (crb_json_parse(preset->params, strlen(preset->params),
		     preset->name, &base, err) != CRB_OK)
		return err->status;
	if (base == NULL || given == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "parameters");
	if (crb_params_read(&options->params, given, err) != CRB_OK)
		return err->status;
	if (json_object_update(base, given) == -1)
		return crb_err_set(err, CRB_ERR_NOMEM, "parameters");
	if (ask_params(addition, base, err) != CRB_OK ||
	    addition->backend->check(base, err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(base);
	return CRB_OK;
}

static enum crb_status
add_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct credential_options *options = opaque;
	AUTO_ADDITION struct addition addition = {
		.name = operands->count > 0 ? operands->at[0] : NULL,
		.answer = CRB_BUF_INIT(1024),
	};
	CRB_AUTO_JSON json_t *request = NULL;
	CRB_AUTO_JSON json_t *result = NULL;
	json_t *params = NULL;

	if (prepare(cli, options, &addition, err) != CRB_OK ||
	    gather_params(options, &addition, &params, err) != CRB_OK)
		return err->status;
	request = json_pack("{s:s, s:s, s:o}", "name", addition.name, "backend",
	    addition.kind, "params", params);
	if (request == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "request");
	if (add_secret(&options->secret,
		addition.preset != NULL ? addition.preset->secret
					: "Secret (not shown)",
		addition.backend, request, err) != CRB_OK ||
	    crb_cli_call(cli, "credential.add", json_incref(request), &result,
		err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		print_stored(json_object_get(result, "credential"), "Stored");
	return CRB_OK;
}

/* Of what is stored: how to ask for its secret. */
static enum crb_status
find_backend(struct crb_cli *cli, const char *name,
    const struct crb_backend_ops **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *shown = NULL;

	if (crb_cli_call(cli, "credential.show",
		json_pack("{s:s}", "name", name), &shown, err) != CRB_OK)
		return err->status;
	return crb_backend_find(
	    crb_member(json_object_get(shown, "credential"), "backend"), out,
	    err);
}

static enum crb_status
set_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct credential_options *options = opaque;
	CRB_AUTO_JSON json_t *request = json_pack(
	    "{s:s}", "name", operands->at[0]);
	CRB_AUTO_JSON json_t *result = NULL;
	const struct crb_backend_ops *backend = NULL;
	json_t *params;

	if (request == NULL)
		return crb_err_set(err, CRB_ERR_USAGE, "NAME is not UTF-8");
	if (options->params.count > 0) {
		if ((params = json_object()) == NULL ||
		    json_object_set_new(request, "params", params) == -1)
			return crb_err_set(err, CRB_ERR_NOMEM, "request");
		if (crb_params_read(&options->params, params, err) != CRB_OK)
			return err->status;
	}
	if (!options->params_only &&
	    ((is_prompted(&options->secret) &&
		 find_backend(cli, operands->at[0], &backend, err) != CRB_OK) ||
		add_secret(&options->secret, "New secret (not shown)", backend,
		    request, err) != CRB_OK))
		return err->status;
	if (crb_cli_call(cli, "credential.set", json_incref(request), &result,
		err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		printf("Changed %s. Live sessions use it from their next "
		       "request.\n",
		    operands->at[0]);
	return CRB_OK;
}

static enum crb_status
remove_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct credential_options *options = opaque;
	CRB_AUTO_JSON json_t *result = NULL;

	if (crb_cli_call(cli, "credential.remove",
		json_pack("{s:s, s:b}", "name", operands->at[0], "force",
		    options->force),
		&result, err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		printf("Removed %s.\n", operands->at[0]);
	return CRB_OK;
}

#define CREDENTIAL_COMMAND(verb, args, asks, text, more, table)    \
	const struct crb_command crb_command_credential_##verb = { \
		.name = "credential " #verb,                       \
		.operands = args,                                  \
		.least = (args) != NULL && !(asks),                \
		.most = (args) != NULL,                            \
		.summary = text,                                   \
		.details = more,                                   \
		.options = table,                                  \
		.options_size = sizeof(struct credential_options), \
		.run = verb##_run,                                 \
	}

CREDENTIAL_COMMAND(add, "NAME", true, "store a credential",
    "The secret is prompted for, or read from standard input, a file or a\n"
    "descriptor; it is never an argument and never shown again.\n"
    "On a terminal, what is missing is asked for: the service, or the hosts\n"
    "and how the secret goes to them; and the name.\n"
    "\n"
    "  credbroker credential add github --preset github\n"
    "  credbroker credential add aws-dev --backend aws-sts \\\n"
    "      -p role-arn=arn:aws:iam::123456789012:role/agent \\\n"
    "      -p region=eu-west-1 < accessKeys.csv\n"
    "  credbroker credential add forge -p hosts=git.example.com \\\n"
    "      -p auth=basic -p username=robot -p ca=@/etc/ssl/own-ca.pem "
    "< password\n",
    add_options);
CREDENTIAL_COMMAND(set, "NAME", false,
    "replace a credential's secret or parameters", NULL, set_options);
CREDENTIAL_COMMAND(
    remove, "NAME", false, "remove a credential", NULL, remove_options);
