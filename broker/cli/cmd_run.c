#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"
#include "broker/cli/sandbox.h"
#include "broker/cli/session_request.h"

struct run_options {
	struct crb_common common;
	struct crb_session_request session;
	const char *workspace;
	bool quiet;
};

static const struct crb_option run_options[] = {
	CRB_SESSION_OPTIONS(struct run_options, session),
	{ .name = "workspace",
	    .letter = 'w',
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct run_options, workspace),
	    .value = "FOLDER",
	    .help = "the one writable folder (default: the current one)" },
	{ .name = "quiet",
	    .letter = 'q',
	    .type = CRB_OPTION_FLAG,
	    .offset = offsetof(struct run_options, quiet),
	    .help = "no lines of its own on standard error" },
	CRB_COMMON_OPTIONS,
};

static void
announce(const json_t *session)
{
	size_t grants = json_array_size(json_object_get(session, "grants"));
	char left[CRB_DURATION_TEXT];

	crb_output_left(crb_member(session, "expires"), left);
	fprintf(stderr,
	    "session %s · task %s · %zu grant%s · ends with the command or in "
	    "%s · network: none but the broker\n",
	    crb_member(session, "id"), crb_member(session, "task"), grants,
	    grants == 1 ? "" : "s", left);
}

static void
conclude(const struct crb_cli *cli, const struct run_options *options,
    const json_t *session, const char *how)
{
	const char *id = crb_member(session, "id");

	if (cli->common->json) {
		(void)json_dumpf(session, stderr, JSON_INDENT(2));
		fputc('\n', stderr);
	} else if (!options->quiet) {
		fprintf(stderr,
		    "session %s %s · %lld requests, %lld refused · "
		    "credbroker audit show --session %s\n",
		    id, how, crb_member_number(session, "requests"),
		    crb_member_number(session, "refused"), id);
	}
}

/*
 * The command is over: so is its session.  The broker may have been restarted
 * meanwhile, so the call is made on a new connection; should it fail, the
 * session ends all the same, with this process that it is bound to.  Somebody
 * may have revoked it before.
 */
static void
end_session(
    struct crb_cli *cli, const struct run_options *options, const char *id)
{
	CRB_AUTO_JSON json_t *revoked = NULL;
	CRB_AUTO_JSON json_t *shown = NULL;
	const json_t *session;
	struct crb_err err;
	bool ended;

	if (cli->admin != -1)
		(void)close(cli->admin);
	cli->admin = -1;
	ended = crb_cli_call(cli, "revoke", json_pack("{s:s}", "session", id),
		    &revoked, &err) == CRB_OK ||
	    err.status == CRB_ERR_NOT_FOUND || err.status == CRB_ERR_EXISTS;
	if (ended &&
	    crb_cli_call(cli, "session.show", json_pack("{s:s}", "session", id),
		&shown, &err) == CRB_OK) {
		session = json_object_get(shown, "session");
		conclude(cli, options, session,
		    revoked != NULL ? "ended" : crb_member(session, "state"));
		return;
	}
	fprintf(stderr, "credbroker: ending session %s: ", id);
	crb_output_text(stderr, err.msg);
	fputs("; it ends with this process\n", stderr);
}

static enum crb_status
run_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct run_options *options = opaque;
	const struct crb_sandbox_forbidden forbidden = {
		.state = cli->config.state,
		.runtime = cli->config.runtime,
	};
	CRB_AUTO_JSON json_t *issued = NULL;
	struct crb_sandbox sandbox;
	const json_t *session;
	json_t *request = NULL;
	enum crb_status status;

	if (crb_sandbox_prepare(
		options->workspace, &forbidden, &sandbox, err) != CRB_OK ||
	    crb_session_request_json(
		&options->session, getpid(), &request, err) != CRB_OK ||
	    crb_cli_call(cli, "session.issue", request, &issued, err) != CRB_OK)
		return err->status;
	session = json_object_get(issued, "session");
	if (!options->quiet)
		announce(session);
	status = crb_sandbox_run(&sandbox, crb_member(session, "folder"),
	    json_object_get(issued, "environment"), operands->at, &cli->exit,
	    err);
	end_session(cli, options, crb_member(session, "id"));
	return status;
}

const struct crb_command crb_command_run = {
	.name = "run",
	.operands = "-- COMMAND [ARGUMENT...]",
	.least = 1,
	.most = -1,
	.stop_at_operand = true,
	.summary = "run a command in a sandbox, with a session of its own",
	.details =
	    "The command sees the system read-only, an empty home, this folder\n"
	    "writable, no network but the broker's endpoint, and none of your\n"
	    "environment. The session ends with it; its exit status is run's.\n"
	    "\n"
	    "  credbroker run --task fix-123 \\\n"
	    "      -g github:repository=acme/api,git=fetch+push -- claude\n",
	.options = run_options,
	.options_size = sizeof(struct run_options),
	.run = run_run,
};
