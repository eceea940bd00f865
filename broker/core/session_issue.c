#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/core/environment.h"
#include "broker/core/lease.h"
#include "broker/core/room.h"
#include "broker/core/rpc.h"
#include "broker/core/session_decide.h"
#include "broker/core/session_end.h"
#include "broker/core/session_mint.h"
#include "broker/core/session_open.h"
#include "broker/core/session_terms.h"
#include "broker/core/tiers.h"

#define FILE_WRITE_MS 1000

/*
 * session.issue, in steps: everything is checked, the supervisor makes folder
 * and token, the record is made durable, the gateway is told, leases are
 * minted, the caller is answered.  After a failure nothing is left, or, if it
 * was recorded by then, an ended session.
 */
struct issue {
	struct crb_core *core;
	struct crb_call *call;
	struct crb_session *session;
	json_t *environment, *mounts;
	json_t *notes;          /* for people: an array of texts */
	char *aws_config;       /* what goes into that file; or NULL */
	json_t *profile_mounts; /* or NULL */
	bool folder;            /* asked for: may be there */
	bool mint_later;
	bool minting;               /* recorded, and waiting for leases */
	char next[CRB_DECIDE_NEXT]; /* what to do after a refusal; or "" */
};

static void
issue_end(struct issue *issue)
{
	if (!issue->minting)
		issue->core->issuing--;
	json_decref(issue->environment);
	json_decref(issue->mounts);
	json_decref(issue->notes);
	free(issue->aws_config);
	json_decref(issue->profile_mounts);
	free(issue);
}

static void
ignore(void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	(void)ctx;
	(void)msg;
	(void)why;
}

static void
issue_fail(struct issue *issue, const struct crb_err *why)
{
	struct crb_core *core = issue->core;
	struct crb_msg_folder_remove folder = { 0 };
	struct crb_call *call = issue->call;
	struct crb_err failure = *why, err;
	char next[CRB_DECIDE_NEXT];

	if (issue->session != NULL && issue->folder) {
		folder.session = CRB_SLICE(issue->session->id);
		(void)!crb_link_request(&core->supervisor,
		    CRB_MSG_FOLDER_REMOVE, &folder, &folder.request, ignore,
		    NULL, &err);
	}
	crb_session_free(issue->session);
	memcpy(next, issue->next, sizeof(next));
	issue_end(issue);
	if (next[0] != '\0')
		crb_call_fail_next(call, &failure, next);
	else
		crb_call_fail(call, &failure);
}

static void
issue_reply(struct issue *issue)
{
	struct crb_call *call = issue->call;
	json_t *result;

	result = json_pack("{s:o, s:O, s:O, s:O}", "session",
	    crb_leases_session_shown(issue->session), "environment",
	    issue->environment, "mounts", issue->mounts, "notes", issue->notes);
	issue_end(issue);
	crb_call_reply(call, result);
}

/* After a failure the session has ended, and says so for a while. */
static void
on_minted(void *ctx, const struct crb_err *why)
{
	struct issue *issue = ctx;

	if (why == NULL) {
		issue_reply(issue);
		return;
	}
	issue->session = NULL;
	issue_fail(issue, why);
}

static void
mint(struct issue *issue)
{
	struct crb_session *session = issue->session;
	struct crb_err err;

	/* A commit does not wait for what waits for an upstream. */
	issue->minting = true;
	issue->core->issuing--;
	if (crb_session_mint(session, on_minted, issue, &err) == CRB_OK)
		return;
	(void)crb_session_end(session, CRB_SESSION_FAILED, "broker", NULL);
	on_minted(issue, &err);
}

/* Recorded: from here on the session is there, whatever else happens. */
static void
on_recorded(void *ctx, const struct crb_err *why)
{
	struct issue *issue = ctx;
	struct crb_session *session = issue->session;
	struct crb_err err;

	crb_core_committed(issue->core, why);
	if (why != NULL) {
		issue_fail(issue, why);
		return;
	}
	session->state = CRB_SESSION_LIVE;
	if (crb_session_announce(session, &err) != CRB_OK ||
	    crb_session_watch(session, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "session opened late", CRB_LOG_SESSION,
		    session->id, CRB_LOG_REASON, err.msg, CRB_LOG_END);
	crb_log(CRB_LOG_INFO, "session opened", CRB_LOG_SESSION, session->id,
	    CRB_LOG_TASK, session->task, CRB_LOG_END);
	if (issue->mint_later)
		issue_reply(issue);
	else
		mint(issue);
}

/* The scopes of all grants, for the log: "github:..., other:...". */
static void
grants_text(const struct crb_session *session, struct crb_buf *out)
{
	for (size_t i = 0; i < session->grant_count; i++) {
		if (i > 0)
			crb_buf_str(out, "; ");
		crb_buf_str(out, session->grants[i].grant->text);
	}
}

/* "until 2026-11-21T20:37:12Z, profile web, with process 4711" */
static void
terms_text(const struct crb_session *session, struct crb_buf *out)
{
	char until[CRB_TIME_TEXT];

	crb_text_time(session->expires, until);
	crb_buf_printf(out, "until %s", until);
	if (session->profile != NULL)
		crb_buf_printf(out, ", profile %s", session->profile);
	if (session->ask_always)
		crb_buf_str(out, ", asking always");
	if (session->bound)
		crb_buf_printf(
		    out, ", with process %" PRId64, session->process.pid);
}

static enum crb_status
record(struct issue *issue, struct crb_err *err)
{
	struct crb_session *session = issue->session;
	struct crb_core *core = issue->core;
	CRB_AUTO_JSON json_t *json = NULL;
	CRB_AUTO_BUF struct crb_buf grants = CRB_BUF_INIT(65536);
	CRB_AUTO_BUF struct crb_buf terms = CRB_BUF_INIT(256);
	CRB_AUTO_BUF struct crb_buf facts = CRB_BUF_INIT(CRB_AUDIT_ASKED_MAX);
	struct crb_audit_event event = {
		.event = "session.issue",
		.who = issue->call->who,
		.task = session->task,
		.session = session->id,
		.decision = "allow",
		.outcome = "ok",
		.tier = "session",
	};
	enum crb_status status;

	/* It is live as it is recorded, and to nobody before. */
	session->state = CRB_SESSION_LIVE;
	json = crb_session_record(session);
	session->state = CRB_SESSION_OPENING;
	if (json == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	grants_text(session, &grants);
	terms_text(session, &terms);
	event.scope = crb_buf_text(&grants);
	event.detail = crb_buf_text(&terms);
	crb_tiers_facts_text(session, &facts);
	event.asked = facts.len > 0 ? crb_buf_text(&facts) : NULL;
	if ((status = crb_core_need_record(core, err)) != CRB_OK ||
	    (status = crb_commit_event(core->commit, &event, err)) != CRB_OK)
		return status;
	status = crb_commit_put(
	    core->commit, CRB_KIND_SESSION, &session->record, json, err);
	if (status == CRB_OK)
		status = crb_commit_then(core->commit, on_recorded, issue, err);
	return status;
}

static enum crb_status
write_token(struct crb_session *session, int fd, struct crb_err *err)
{
	char token[CRB_TOKEN_LEN + 1];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { token, sizeof(token) };

	crb_token_make(token);
	crb_token_hash(token, CRB_TOKEN_LEN, session->token_hash);
	return crb_io_write(fd, token, CRB_TOKEN_LEN, FILE_WRITE_MS, err);
}

static enum crb_status
got_config(struct issue *issue, struct crb_msg *msg, const struct crb_err *why,
    struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;
	enum crb_status status;

	status = crb_session_reply_fd(msg, why, &fd, err);
	if (status == CRB_OK)
		status = crb_io_write(fd, issue->aws_config,
		    strlen(issue->aws_config), FILE_WRITE_MS, err);
	if (status == CRB_OK)
		status = record(issue, err);
	return status;
}

static void
on_config(void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	struct issue *issue = ctx;
	struct crb_err err;

	if (got_config(issue, msg, why, &err) != CRB_OK)
		issue_fail(issue, &err);
}

static enum crb_status
got_token(struct issue *issue, struct crb_msg *msg, const struct crb_err *why,
    struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;
	enum crb_status status;

	status = crb_session_reply_fd(msg, why, &fd, err);
	if (status == CRB_OK)
		status = write_token(issue->session, fd, err);
	if (status != CRB_OK)
		return status;
	if (issue->aws_config == NULL)
		return record(issue, err);
	return crb_session_ask_file(
	    issue->session, CRB_SESSION_AWS_CONFIG, on_config, issue, err);
}

static void
on_token(void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	struct issue *issue = ctx;
	struct crb_err err;

	if (got_token(issue, msg, why, &err) != CRB_OK)
		issue_fail(issue, &err);
}

static void
on_folder(void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	struct issue *issue = ctx;
	struct crb_err err;

	if (crb_session_reply_fd(msg, why, &issue->session->listener, &err) !=
		CRB_OK ||
	    crb_session_ask_file(issue->session, CRB_SESSION_TOKEN, on_token,
		issue, &err) != CRB_OK)
		issue_fail(issue, &err);
}

static enum crb_status
check_room(struct crb_core *core, struct crb_err *err)
{
	if (crb_room_make(core, err) != CRB_OK)
		return err->status;
	if (core->gateway.bus == NULL || core->egress.bus == NULL)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "the broker is starting; try again in a moment");
	return crb_core_need_record(core, err);
}

static enum crb_status
check(struct issue *issue, struct crb_err *err)
{
	struct crb_session_terms terms;
	enum crb_status status;

	if ((status = check_room(issue->core, err)) ||
	    (status = crb_session_terms(issue->call, &terms, err)))
		return status;
	issue->session = terms.session;
	issue->profile_mounts = terms.mounts;
	issue->mint_later = terms.mint_later;
	issue->notes = terms.notes;
	if ((status = crb_lease_check(issue->session, issue->notes, err)) ||
	    (status = crb_session_decide(issue->call, issue->session, 0,
		 issue->notes, issue->next, err)) ||
	    (status = crb_environment(issue->session, &issue->environment,
		 &issue->aws_config, err)) ||
	    (status = crb_mounts(
		 issue->session, issue->profile_mounts, &issue->mounts, err)))
		return status;
	return crb_session_enter(issue->session, err);
}

static enum crb_status
start(struct issue *issue, struct crb_err *err)
{
	enum crb_status status;

	if ((status = check(issue, err)) != CRB_OK)
		return status;
	issue->folder = true;
	return crb_session_ask_folder(issue->session, on_folder, issue, err);
}

void
crb_rpc_session_issue(struct crb_call *call)
{
	struct issue *issue = calloc(1, sizeof(*issue));
	struct crb_err err;

	if (issue == NULL) {
		(void)crb_err_set(&err, CRB_ERR_NOMEM, "out of memory");
		crb_call_fail(call, &err);
		return;
	}
	issue->core = call->core;
	issue->call = call;
	call->core->issuing++;
	if (start(issue, &err) != CRB_OK)
		issue_fail(issue, &err);
}
