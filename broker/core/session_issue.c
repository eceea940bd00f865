#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "broker/core/environment.h"
#include "broker/core/profile.h"
#include "broker/core/room.h"
#include "broker/core/rpc.h"
#include "broker/core/session_end.h"
#include "broker/core/session_open.h"

#define TOKEN_WRITE_MS 1000

/*
 * session.issue, in steps: everything is checked, the supervisor makes folder
 * and token, the record is made durable, the gateway is told, the caller is
 * answered.  After a failure nothing is left.
 */
struct issue {
	struct crb_core *core;
	struct crb_call *call;
	struct crb_session *session;
	json_t *environment, *mounts;
	json_t *profile_mounts; /* or NULL */
	bool folder;            /* asked for: may be there */
};

static void
issue_end(struct issue *issue)
{
	issue->core->issuing--;
	json_decref(issue->environment);
	json_decref(issue->mounts);
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

	if (issue->session != NULL && issue->folder) {
		folder.session = CRB_SLICE(issue->session->id);
		(void)!crb_link_request(&core->supervisor,
		    CRB_MSG_FOLDER_REMOVE, &folder, &folder.request, ignore,
		    NULL, &err);
	}
	crb_session_free(issue->session);
	issue_end(issue);
	crb_call_fail(call, &failure);
}

static void
issue_reply(struct issue *issue)
{
	struct crb_call *call = issue->call;
	json_t *result;

	result = json_pack("{s:o, s:O, s:O}", "session",
	    crb_session_shown(issue->session), "environment",
	    issue->environment, "mounts", issue->mounts);
	issue_end(issue);
	crb_call_reply(call, result);
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
	issue_reply(issue);
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
	return crb_io_write(fd, token, CRB_TOKEN_LEN, TOKEN_WRITE_MS, err);
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
	if (status == CRB_OK)
		status = record(issue, err);
	return status;
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

/* `call` is NULL when who asks has a right to all of them. */
static enum crb_status
add_grants(struct crb_session *session, const json_t *texts,
    const struct crb_call *call, struct crb_err *err)
{
	struct crb_core *core = session->core;
	struct crb_grant *grant;
	enum crb_status status;
	const json_t *text;
	size_t i;

	json_array_foreach(texts, i, text)
	{
		if (!json_is_string(text))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "grants: item %zu is not a text", i + 1);
		if (call != NULL &&
		    crb_call_may_grant(call, json_string_value(text), err) !=
			CRB_OK)
			return err->status;
		status = crb_grant_resolve(&core->grants, &core->credentials,
		    json_string_value(text), &grant, err);
		if (status != CRB_OK)
			return status;
		status = crb_session_add_grant(
		    session, session->last_grant + 1, grant, err);
		if (status != CRB_OK) {
			crb_grant_release(grant);
			return status;
		}
	}
	return CRB_OK;
}

static enum crb_status
use_profile(struct issue *issue, int64_t *ttl, struct crb_err *err)
{
	struct crb_session *session = issue->session;
	struct crb_profile *profile;
	const char *name = NULL;
	enum crb_status status;

	status = crb_call_text(issue->call, "profile", &name, err);
	if (status != CRB_OK || name == NULL)
		return status;
	status = crb_call_may_profile(issue->call, name, err);
	if (status == CRB_OK)
		status = crb_profile_find(
		    &issue->core->profiles, name, &profile, err);
	if (status != CRB_OK)
		return status;
	if ((session->profile = strdup(name)) == NULL ||
	    json_object_update(session->labels, profile->labels) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (profile->ttl != 0)
		*ttl = profile->ttl;
	issue->profile_mounts = json_incref(profile->mounts);
	status = add_grants(session, profile->grants, NULL, err);
	if (status != CRB_OK)
		return crb_err_context(err, "profile %s", name);
	return CRB_OK;
}

enum crb_status
crb_rpc_ttl(const struct crb_call *call, int64_t *ttl, struct crb_err *err)
{
	int64_t most = call->core->config.ttl_max;
	char text[CRB_DURATION_TEXT];
	enum crb_status status;

	status = crb_call_number(call, "ttl", 1, INT32_MAX, ttl, err);
	if (status != CRB_OK || *ttl <= most)
		return status;
	crb_duration_text(most, text);
	return crb_err_set(err, CRB_ERR_LIMIT,
	    "a session lasts at most %s here (ttl_max in the config file)",
	    text);
}

/* That it is his, and still the same after that was read. */
static enum crb_status
check_process(const struct crb_call *call, const struct crb_process_id *id,
    struct crb_err *err)
{
	enum crb_status status;
	uid_t uid;

	if ((call->access.may & CRB_MAY_ADMIN) != 0)
		return CRB_OK;
	if ((status = crb_process_user((pid_t)id->pid, &uid, err)) != CRB_OK)
		return status;
	if (uid != call->uid || !crb_process_lives(id))
		return crb_err_set(err, CRB_ERR_ROLE,
		    "only the role admin binds a session to a process of another user");
	return CRB_OK;
}

static enum crb_status
set_process(struct issue *issue, struct crb_err *err)
{
	struct crb_session *session = issue->session;
	enum crb_status status;
	int64_t pid = 0;

	status = crb_call_number(
	    issue->call, "bind_pid", 1, INT32_MAX, &pid, err);
	if (status != CRB_OK || pid == 0)
		return status;
	status = crb_process_identify((pid_t)pid, &session->process, err);
	if (status == CRB_OK)
		status = check_process(issue->call, &session->process, err);
	if (status != CRB_OK)
		return crb_err_context(err, "bind_pid");
	session->bound = true;
	return CRB_OK;
}

/*
 * An admin gives a session to whom he likes, by default to the user whose
 * broker it is; anybody else has his own.
 */
static enum crb_status
set_owner(struct issue *issue, struct crb_err *err)
{
	const struct crb_call *call = issue->call;
	uid_t self = issue->core->owner;
	bool admin = (call->access.may & CRB_MAY_ADMIN) != 0;
	int64_t owner = admin ? self : call->uid;
	enum crb_status status;

	status = crb_call_number(call, "owner", 0, UINT32_MAX - 1, &owner, err);
	if (status != CRB_OK)
		return status;
	if (!admin && owner != call->uid)
		return crb_err_set(err, CRB_ERR_ROLE,
		    "only the role admin gives a session to another user");
	if (owner != self && self != 0)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "only a broker that runs as root can give a session to another user");
	issue->session->owner = (uid_t)owner;
	issue->session->issuer = call->uid;
	return CRB_OK;
}

static enum crb_status
set_workspace(struct issue *issue, struct crb_err *err)
{
	const char *path = NULL;
	enum crb_status status;

	status = crb_call_text(issue->call, "workspace", &path, err);
	if (status != CRB_OK || path == NULL)
		return status;
	if (path[0] != '/' || strlen(path) >= CRB_PATH_MAX)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "workspace: not an absolute path");
	if ((issue->session->workspace = strdup(path)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

/* Where the sandbox's forwarder listens when it has the host's network. */
static enum crb_status
set_port(struct issue *issue, struct crb_err *err)
{
	enum crb_status status;
	int64_t port = 0;

	status = crb_call_number(
	    issue->call, "port", 1, UINT16_MAX, &port, err);
	issue->session->port = (uint16_t)port;
	return status;
}

static enum crb_status
set_labels(struct issue *issue, struct crb_err *err)
{
	json_t *labels = NULL;
	enum crb_status status;

	status = crb_call_object(issue->call, "labels", &labels, err);
	if (status == CRB_OK && labels != NULL &&
	    json_object_update(issue->session->labels, labels) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (status == CRB_OK)
		status = crb_labels_check(issue->session->labels, err);
	return status;
}

static enum crb_status
set_grants(struct issue *issue, struct crb_err *err)
{
	json_t *texts = NULL;
	enum crb_status status;

	status = crb_call_array(issue->call, "grants", &texts, err);
	if (status == CRB_OK && texts != NULL)
		status = add_grants(issue->session, texts, issue->call, err);
	if (status == CRB_OK && issue->session->grant_count == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a session needs a grant: --grant NAME[:SCOPE] or --profile NAME");
	return status;
}

static void
set_id(struct crb_session *session)
{
	do {
		crb_text_random(session->id, CRB_SESSION_ID_LEN);
	} while (crb_map_text(&session->core->sessions, session->id) != NULL);
	crb_record_id_random(&session->record);
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
	int64_t ttl = issue->core->config.ttl;
	struct crb_session *session;
	enum crb_status status;
	const char *task;

	if ((status = check_room(issue->core, err)) ||
	    (status = crb_call_need_text(issue->call, "task", &task, err)) ||
	    (status = crb_session_new(
		 issue->core, task, &issue->session, err)) ||
	    (status = use_profile(issue, &ttl, err)) ||
	    (status = crb_rpc_ttl(issue->call, &ttl, err)) ||
	    (status = set_grants(issue, err)) ||
	    (status = set_labels(issue, err)) ||
	    (status = set_process(issue, err)) ||
	    (status = set_owner(issue, err)) ||
	    (status = set_workspace(issue, err)) ||
	    (status = set_port(issue, err)))
		return status;
	session = issue->session;
	session->created = crb_wall_seconds();
	session->expires = session->created + ttl;
	set_id(session);
	if ((status = crb_environment(session, &issue->environment, err)) ||
	    (status = crb_mounts(
		 session, issue->profile_mounts, &issue->mounts, err)))
		return status;
	return crb_session_enter(session, err);
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
