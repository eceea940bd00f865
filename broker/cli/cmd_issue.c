#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/libexec.h"
#include "broker/cli/output.h"
#include "broker/cli/session_request.h"

struct issue_options {
	struct crb_common common;
	struct crb_session_request session;
	int64_t bind_pid;
	int64_t owner;
	const char *format;
};

#define AT(member) offsetof(struct issue_options, member)

static const char *const formats[] = { "text", "shell", "json", "docker",
	NULL };

static const struct crb_option issue_options[] = {
	CRB_SESSION_OPTIONS(struct issue_options, session),
	{ .name = "bind-pid",
	    .type = CRB_OPTION_NUMBER,
	    .offset = AT(bind_pid),
	    .value = "PID",
	    .min = 0,
	    .max = 4194304,
	    .preset = "0",
	    .unset = true,
	    .help = "end the session with this process" },
	{ .name = "owner",
	    .type = CRB_OPTION_NUMBER,
	    .offset = AT(owner),
	    .value = "UID",
	    .min = -1,
	    .max = 4294967294,
	    .preset = "-1",
	    .unset = true,
	    .help = "the user who owns the session's folder (root's broker)" },
	{ .name = "format",
	    .type = CRB_OPTION_CHOICE,
	    .offset = AT(format),
	    .choices = formats,
	    .preset = "text",
	    .value = "FORMAT",
	    .help = "text, shell (to eval), json, docker (arguments)" },
	CRB_COMMON_OPTIONS,
};

/* In single quotes, so that a shell takes it as it is. */
static void
print_quoted(const char *text)
{
	putchar('\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
	}
	putchar('\'');
}

static bool
has_aws(const json_t *result)
{
	return json_object_get(json_object_get(result, "environment"),
		   "AWS_CONFIG_FILE") != NULL;
}

static void
print_shell(const json_t *result)
{
	json_t *environment = json_object_get(result, "environment");
	const char *key;
	json_t *value;

	/* Each of them would win over what the session offers. */
	if (has_aws(result))
		puts("unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY "
		     "AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_PROFILE "
		     "AWS_DEFAULT_PROFILE AWS_CREDENTIAL_FILE AWS_ROLE_ARN "
		     "AWS_WEB_IDENTITY_TOKEN_FILE AWS_ENDPOINT_URL "
		     "AWS_ENDPOINT_URL_S3 AWS_ENDPOINT_URL_STS "
		     "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS "
		     "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI "
		     "AWS_CONTAINER_CREDENTIALS_FULL_URI "
		     "AWS_CONTAINER_AUTHORIZATION_TOKEN "
		     "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE "
		     "AWS_EC2_METADATA_DISABLED "
		     "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	json_object_foreach(environment, key, value)
	{
		printf("export %s=", key);
		print_quoted(json_string_value(value));
		putchar('\n');
	}
	printf("CREDBROKER_SESSION=");
	print_quoted(crb_member(json_object_get(result, "session"), "id"));
	printf("\nCREDBROKER_SESSION_FOLDER=");
	print_quoted(crb_member(json_object_get(result, "session"), "folder"));
	putchar('\n');
}

static void
print_docker(const json_t *result)
{
	json_t *environment = json_object_get(result, "environment");
	const char *key;
	size_t i;
	json_t *value;
	char mount[2 * CRB_PATH_MAX];

	json_array_foreach(json_object_get(result, "mounts"), i, value)
	{
		(void)snprintf(mount, sizeof(mount),
		    "type=bind,source=%s,target=%s%s",
		    crb_member(value, "source"), crb_member(value, "target"),
		    json_is_true(json_object_get(value, "read_only"))
			? ",readonly"
			: "");
		printf("--mount ");
		print_quoted(mount);
		putchar('\n');
	}
	json_object_foreach(environment, key, value)
	{
		char text[8192];

		(void)snprintf(
		    text, sizeof(text), "%s=%s", key, json_string_value(value));
		printf("--env ");
		print_quoted(text);
		putchar('\n');
	}
}

static void
print_text(const json_t *result)
{
	const json_t *session = json_object_get(result, "session");

	printf("Session %s for task %s, until %s.\n", crb_member(session, "id"),
	    crb_member(session, "task"), crb_member(session, "expires"));
	printf("Bind %s at /run/credbroker in the sandbox; --format shell, "
	       "json or docker prints the rest.\n",
	    crb_member(session, "folder"));
}

/*
 * Where the shim is, so that a caller can bind it beside the session, under
 * each name that something in the sandbox calls it by.
 */
static enum crb_status
add_shim_mounts(json_t *result, struct crb_err *err)
{
	static const char *const names[] = { "credbroker-shim",
		"credbroker-aws" };
	char libexec[CRB_PATH_MAX], shim[CRB_PATH_MAX];
	json_t *mounts = json_object_get(result, "mounts");
	size_t count = has_aws(result) ? 2 : 1;

	if (crb_libexec_find(libexec, err) != CRB_OK ||
	    crb_path_join(shim, libexec, "credbroker-shim", err) != CRB_OK)
		return err->status;
	for (size_t i = 0; i < count; i++) {
		json_t *target = json_sprintf(
		    "%s/%s", CRB_SANDBOX_BIN, names[i]);

		if (json_array_append_new(mounts,
			json_pack("{s:s, s:o, s:b}", "source", shim, "target",
			    target, "read_only", 1)) == -1)
			return crb_err_set(err, CRB_ERR_SYSTEM,
			    "the broker's answer has no mounts");
	}
	return CRB_OK;
}

static enum crb_status
issue_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct issue_options *options = opaque;
	const char *format = cli->common->json ? "json" : options->format;
	CRB_AUTO_JSON json_t *result = NULL;
	json_t *request = NULL;

	(void)operands;
	if (crb_session_request_json(&options->session,
		(pid_t)options->bind_pid, &request, err) != CRB_OK)
		return err->status;
	if (options->owner != -1)
		(void)json_object_set_new(
		    request, "owner", json_integer(options->owner));
	if (crb_cli_call(cli, "session.issue", request, &result, err) !=
		CRB_OK ||
	    add_shim_mounts(result, err) != CRB_OK)
		return err->status;
	crb_session_notes(result);
	if (strcmp(format, "json") == 0)
		crb_output_json(result);
	else if (strcmp(format, "shell") == 0)
		print_shell(result);
	else if (strcmp(format, "docker") == 0)
		print_docker(result);
	else
		print_text(result);
	return CRB_OK;
}

const struct crb_command crb_command_issue = {
	.name = "issue",
	.summary = "open a session for a sandbox that you start yourself",
	.details =
	    "  eval \"$(credbroker issue --task ci-991 --profile web --ttl 30m "
	    "\\\n      --bind-pid $$ --format shell)\"\n"
	    "  credbroker issue --task ci-992 -g github:repository=acme/api "
	    "\\\n      --format json\n",
	.options = issue_options,
	.options_size = sizeof(struct issue_options),
	.run = issue_run,
};
