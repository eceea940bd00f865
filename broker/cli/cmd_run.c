#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"
#include "broker/cli/run_report.h"
#include "broker/cli/sandbox.h"
#include "broker/cli/session_request.h"

struct run_options {
	struct crb_common common;
	struct crb_session_request session;
	const char *workspace;
	struct crb_list binds, ro_binds, env, open;
	const char *network;
	bool no_sandbox;
	bool quiet;
};

#define AT(member) .offset = offsetof(struct run_options, member)

static const char *const networks[] = { "none", "host", NULL };

static const struct crb_option run_options[] = {
	CRB_SESSION_OPTIONS(struct run_options, session),
	{ .name = "workspace",
	    .letter = 'w',
	    .type = CRB_OPTION_TEXT,
	    AT(workspace),
	    .value = "FOLDER",
	    .help = "the one writable folder (default: the current one)" },
	{ .name = "bind",
	    .type = CRB_OPTION_REPEAT,
	    AT(binds),
	    .value = "PATH[:TARGET]",
	    .help = "a file or folder that is seen, too, and writable" },
	{ .name = "ro-bind",
	    .type = CRB_OPTION_REPEAT,
	    AT(ro_binds),
	    .value = "PATH[:TARGET]",
	    .help = "the same, read-only" },
	{ .name = "env",
	    .letter = 'e',
	    .type = CRB_OPTION_REPEAT,
	    AT(env),
	    .value = "NAME[=VALUE]",
	    .help = "a variable of yours, or a new one; no secrets" },
	{ .name = "open",
	    .type = CRB_OPTION_REPEAT,
	    AT(open),
	    .value = "FILE",
	    .help = "leave this one writable, such as .vscode" },
	{ .name = "network",
	    .type = CRB_OPTION_CHOICE,
	    AT(network),
	    .choices = networks,
	    .preset = "none",
	    .value = "WHICH",
	    .help = "none (but the broker), or the host's" },
	{ .name = "no-sandbox",
	    .type = CRB_OPTION_FLAG,
	    AT(no_sandbox),
	    .help = "only a clean environment: the command runs as you" },
	{ .name = "quiet",
	    .letter = 'q',
	    .type = CRB_OPTION_FLAG,
	    AT(quiet),
	    .help = "no lines of its own on standard error" },
	CRB_COMMON_OPTIONS,
};

/* A run under way: what is cleared at its end, whatever happened. */
struct run {
	struct crb_cli *cli;
	const struct run_options *options;
	struct crb_sandbox_request request;
	struct crb_sandbox sandbox;
	json_t *issued;
	int status;
};

static void
run_cleanup(struct run *run)
{
	crb_sandbox_clear(&run->sandbox);
	json_decref(run->issued);
}

/* The last request that was refused; NULL when it cannot be told. */
static json_t *
last_denied(struct crb_cli *cli, const json_t *session)
{
	CRB_AUTO_JSON json_t *shown = NULL;
	struct crb_err err;

	if (crb_member_number(session, "refused") == 0 ||
	    crb_cli_call(cli, "audit.show",
		json_pack("{s:s, s:s, s:i, s:b}", "session",
		    crb_member(session, "id"), "decision", "deny", "most", 1,
		    "newest", 1),
		&shown, &err) != CRB_OK)
		return NULL;
	return json_incref(json_array_get(json_object_get(shown, "events"), 0));
}

static void
conclude(struct run *run, const json_t *session, const char *how,
    const struct crb_args *appeared)
{
	CRB_AUTO_JSON json_t *denied = last_denied(run->cli, session);

	crb_run_end(
	    &(const struct crb_run_end){
		.session = session,
		.how = how,
		.denied = denied,
		.appeared = appeared,
		.exit = run->status,
	    },
	    run->cli->common->json, run->options->quiet);
}

/*
 * The command is over: so is its session.  The broker may have been restarted
 * meanwhile, so the call is made on a new connection; should it fail, the
 * session ends all the same, with this process that it is bound to.  Somebody
 * may have revoked it before.
 */
static void
end_session(struct run *run, const struct crb_args *appeared)
{
	const char *id = crb_member(
	    json_object_get(run->issued, "session"), "id");
	struct crb_cli *cli = run->cli;
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
		conclude(run, session,
		    revoked != NULL ? "ended" : crb_member(session, "state"),
		    appeared);
		return;
	}
	fprintf(stderr, "credbroker: ending session %s: ", id);
	crb_output_text(stderr, err.msg);
	fputs("; it ends with this process\n", stderr);
}

/* Whose broker it is, as the kernel says: its supervisor made the socket. */
static enum crb_status
find_broker(struct crb_cli *cli, uid_t *uid, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *status = NULL;
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);

	if (crb_cli_call(cli, "status", NULL, &status, err) != CRB_OK)
		return err->status;
	if (getsockopt(cli->admin, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return crb_err_errno(err, "the broker's user");
	*uid = peer.uid;
	return CRB_OK;
}

/*
 * A command without a sandbox that has the broker's own uid can administer the
 * broker; that is for the broker's owner to allow.
 */
static enum crb_status
judge_bare(struct run *run, struct crb_err *err)
{
	uid_t broker = 0;

	if (!run->options->no_sandbox)
		return CRB_OK;
	if (find_broker(run->cli, &broker, err) != CRB_OK)
		return err->status;
	if (broker != getuid() || run->cli->config.allow_no_sandbox)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_DENIED,
	    "--no-sandbox: this broker is your own, so a command without a "
	    "sandbox could administer it and read what it reads. Leave the "
	    "option out; or, if that is what you want, set allow_no_sandbox "
	    "to true in the configuration");
}

static enum crb_status
issue(struct run *run, struct crb_err *err)
{
	json_t *request = NULL;

	if (crb_session_request_json(
		&run->options->session, getpid(), &request, err) != CRB_OK)
		return err->status;
	(void)json_object_set_new(
	    request, "workspace", json_string(run->sandbox.workspace));
	/* Of a broker of root's; one's own gives it to oneself anyway. */
	if (getuid() != 0)
		(void)json_object_set_new(
		    request, "owner", json_integer(getuid()));
	(void)json_object_set_new(request, "network",
	    json_string(run->request.host_network || run->request.bare
		    ? "host"
		    : "none"));
	if (run->sandbox.port != 0)
		(void)json_object_set_new(
		    request, "port", json_integer(run->sandbox.port));
	return crb_cli_call(
	    run->cli, "session.issue", request, &run->issued, err);
}

static enum crb_status
run_command(
    struct run *run, const struct crb_operands *operands, struct crb_err *err)
{
	const json_t *session = json_object_get(run->issued, "session");

	if (crb_sandbox_settle(&run->sandbox,
		json_object_get(run->issued, "mounts"), err) != CRB_OK)
		return err->status;
	if (!run->options->quiet || run->cli->common->json)
		crb_run_begin(
		    &run->sandbox, run->issued, run->cli->common->json);
	return crb_sandbox_run(&run->sandbox, crb_member(session, "folder"),
	    json_object_get(run->issued, "environment"), operands->at,
	    &run->status, err);
}

static enum crb_status
run_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct run_options *options = opaque;
	__attribute__((cleanup(run_cleanup))) struct run run = {
		.cli = cli,
		.options = options,
		.request = { .config = &cli->config,
		    .workspace = options->workspace,
		    .command = operands->at[0],
		    .binds = &options->binds,
		    .ro_binds = &options->ro_binds,
		    .open = &options->open,
		    .env = &options->env,
		    .host_network = strcmp(options->network, "host") == 0,
		    .bare = options->no_sandbox },
		.sandbox = { .listener = -1 },
		.status = -1,
	};
	struct crb_args appeared = { .count = 0 };
	enum crb_status status;

	if (crb_sandbox_prepare(&run.request, &run.sandbox, &cli->exit, err) !=
		CRB_OK ||
	    judge_bare(&run, err) != CRB_OK || issue(&run, err) != CRB_OK)
		return err->status;
	status = run_command(&run, operands, err);
	if (status == CRB_OK)
		cli->exit = run.status;
	crb_protected_end(
	    &run.sandbox.protect, &run.sandbox.protected, &appeared);
	end_session(&run, &appeared);
	crb_args_clear(&appeared);
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
	    "The command sees the system read-only, what it is installed "
	    "in, an empty\n"
	    "home, this folder writable, no network but the broker's "
	    "endpoint, and none\n"
	    "of your environment. The session ends with it; its exit status "
	    "is run's.\n"
	    "\n"
	    "  credbroker run --task fix-123 \\\n"
	    "      -g github:repository=acme/api,git=fetch+push -- claude\n"
	    "  credbroker run --task fix-123 --profile web --bind ~/.claude \\\n"
	    "      --ro-bind ~/notes:/notes -- claude\n",
	.options = run_options,
	.options_size = sizeof(struct run_options),
	.run = run_run,
};
