#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/core/limits.h"
#include "broker/core/session.h"

#define WHERE "stored session"

static json_t *
record_grants(const struct crb_session *session)
{
	json_t *list = json_array();

	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_session_grant *at = &session->grants[i];

		if (json_array_append_new(list,
			json_pack("{s:i, s:s, s:s}", "number", (int)at->number,
			    "backend", at->grant->backend->kind, "grant",
			    at->grant->text)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *
record_process(const struct crb_session *session)
{
	return session->bound ? json_pack("{s:I, s:I, s:s}", "pid",
				    (json_int_t)session->process.pid, "start",
				    (json_int_t)session->process.start, "boot",
				    session->process.boot)
			      : NULL;
}

static json_t *
port_json(const struct crb_session *session)
{
	return session->port != 0 ? json_integer(session->port) : NULL;
}

json_t *
crb_session_record(const struct crb_session *session)
{
	char token[2 * CRB_TOKEN_HASH_BYTES + 1];

	(void)sodium_bin2hex(token, sizeof(token), session->token_hash,
	    sizeof(session->token_hash));
	return json_pack(
	    "{s:s, s:s, s:O, s:s*, s:s*, s:s, s:I, s:I, s:I, s:I, s:I, s:s, "
	    "s:o, s:o*, s:o*, s:s*, s:s*, s:s*, s:O*, s:o*, s:I, s:I, s:I, s:I, s:I, s:i}",
	    "id", session->id, "task", session->task, "labels", session->labels,
	    "profile", session->profile, "workspace", session->workspace,
	    "state", crb_session_state_info(session->state)->name, "created",
	    (json_int_t)session->created, "expires",
	    (json_int_t)session->expires, "ended", (json_int_t)session->ended,
	    "owner", (json_int_t)session->owner, "issuer",
	    (json_int_t)session->issuer, "token", token, "grants",
	    record_grants(session), "process", record_process(session), "port",
	    port_json(session), "aws", crb_aws_mode_name(session->aws),
	    "aws_credential", session->aws_credential, "user", session->user,
	    "groups", session->groups, "ask_always",
	    session->ask_always ? json_true() : NULL, "mints",
	    (json_int_t)session->mints, "requests",
	    (json_int_t)session->requests, "refused",
	    (json_int_t)session->refused, "up", (json_int_t)session->up, "down",
	    (json_int_t)session->down, "last_grant", (int)session->last_grant);
}

static enum crb_status
load_numbers(
    struct crb_session *session, const json_t *json, struct crb_err *err)
{
	static const char *const key[5] = { "requests", "refused", "up", "down",
		"last_grant" };
	int64_t owner, issuer, number[5];
	enum crb_status status;

	if ((status = crb_json_integer(json, "created", WHERE, 0, INT64_MAX,
		 &session->created, err)) ||
	    (status = crb_json_integer(json, "expires", WHERE, 0, INT64_MAX,
		 &session->expires, err)) ||
	    (status = crb_json_integer(
		 json, "ended", WHERE, 0, INT64_MAX, &session->ended, err)) ||
	    (status = crb_json_integer(
		 json, "owner", WHERE, 0, UINT32_MAX, &owner, err)))
		return status;
	/* One that an older version made is its owner's. */
	issuer = owner;
	if (json_object_get(json, "issuer") != NULL &&
	    (status = crb_json_integer(
		 json, "issuer", WHERE, 0, UINT32_MAX, &issuer, err)))
		return status;
	session->owner = (uid_t)owner;
	session->issuer = (uid_t)issuer;
	for (size_t i = 0; i < 5; i++)
		if ((status = crb_json_integer(json, key[i], WHERE, 0,
			 i == 4 ? INT32_MAX : INT64_MAX, &number[i], err)) !=
		    CRB_OK)
			return status;
	session->requests = (uint64_t)number[0];
	session->refused = (uint64_t)number[1];
	session->up = (uint64_t)number[2];
	session->down = (uint64_t)number[3];
	session->last_grant = (unsigned)number[4];
	session->mints = (uint64_t)json_integer_value(
	    json_object_get(json, "mints"));
	session->kept = crb_session_counted(session);
	return CRB_OK;
}

static enum crb_status
load_state(struct crb_session *session, const json_t *json, struct crb_err *err)
{
	enum crb_status status;
	const char *name;

	if ((status = crb_json_string(json, "state", WHERE, &name, err)))
		return status;
	for (unsigned i = 0; i < CRB_SESSION_STATE_COUNT; i++) {
		enum crb_session_state state = (enum crb_session_state)i;

		if (strcmp(crb_session_state_info(state)->name, name) != 0)
			continue;
		session->state = state;
		return CRB_OK;
	}
	return crb_err_set(err, CRB_ERR_CORRUPT, WHERE ": unknown state");
}

static enum crb_status
load_token(struct crb_session *session, const json_t *json, struct crb_err *err)
{
	enum crb_status status;
	const char *token;
	size_t len;

	if ((status = crb_json_string(json, "token", WHERE, &token, err)))
		return status;
	if (sodium_hex2bin(session->token_hash, sizeof(session->token_hash),
		token, strlen(token), NULL, &len, NULL) != 0 ||
	    len != sizeof(session->token_hash))
		return crb_err_set(err, CRB_ERR_CORRUPT, WHERE ": bad hash");
	return CRB_OK;
}

static enum crb_status
load_process(
    struct crb_session *session, const json_t *json, struct crb_err *err)
{
	const json_t *process = json_object_get(json, "process");
	enum crb_status status;
	const char *boot;
	int64_t start;

	if (process == NULL)
		return CRB_OK;
	if ((status = crb_json_integer(process, "pid", WHERE, 1, INT32_MAX,
		 &session->process.pid, err)) ||
	    (status = crb_json_integer(
		 process, "start", WHERE, 0, INT64_MAX, &start, err)) ||
	    (status = crb_json_string(process, "boot", WHERE, &boot, err)))
		return status;
	if (strlen(boot) >= sizeof(session->process.boot))
		return crb_err_set(err, CRB_ERR_CORRUPT, WHERE ": bad boot id");
	memcpy(session->process.boot, boot, strlen(boot) + 1);
	session->process.start = (uint64_t)start;
	session->bound = true;
	return CRB_OK;
}

static enum crb_status
load_grant(struct crb_session *session, const json_t *json, struct crb_err *err)
{
	const struct crb_backend_ops *backend;
	struct crb_grant *grant;
	const char *kind, *text;
	enum crb_status status;
	int64_t number;

	if ((status = crb_json_integer(
		 json, "number", WHERE, 1, INT32_MAX, &number, err)) ||
	    (status = crb_json_string(json, "backend", WHERE, &kind, err)) ||
	    (status = crb_json_string(json, "grant", WHERE, &text, err)) ||
	    (status = crb_backend_find(kind, &backend, err)) ||
	    (status = crb_grant_get(
		 &session->core->grants, backend, text, &grant, err)))
		return status;
	status = crb_session_add_grant(session, (unsigned)number, grant, err);
	if (status != CRB_OK)
		crb_grant_release(grant);
	return status;
}

static enum crb_status
load_grants(
    struct crb_session *session, const json_t *json, struct crb_err *err)
{
	enum crb_status status;
	struct crb_err why;
	json_t *list, *at;
	size_t i;

	if ((status = crb_json_array(json, "grants", WHERE, &list, err)))
		return status;
	/* One that this version does not understand gives nothing. */
	json_array_foreach(list, i, at) if (load_grant(session, at, &why) !=
	    CRB_OK) crb_log(CRB_LOG_WARN, "grant left out", CRB_LOG_SESSION,
	    session->id, CRB_LOG_REASON, why.msg, CRB_LOG_END);
	return CRB_OK;
}

static enum crb_status
load_aws(struct crb_session *session, const json_t *json, struct crb_err *err)
{
	const char *mode = json_string_value(json_object_get(json, "aws"));
	const char *name = json_string_value(
	    json_object_get(json, "aws_credential"));

	if (mode == NULL || name == NULL)
		return CRB_OK;
	if ((session->aws_credential = strdup(name)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return crb_aws_mode_parse(mode, &session->aws, err);
}

/* Of one that an older version made they are not known. */
static enum crb_status
load_issuer(
    struct crb_session *session, const json_t *json, struct crb_err *err)
{
	const char *user = json_string_value(json_object_get(json, "user"));
	json_t *groups = json_object_get(json, "groups");

	if (user != NULL && (session->user = strdup(user)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	session->groups = json_is_array(groups) ? json_incref(groups) : NULL;
	session->ask_always = json_object_get(json, "ask_always") != NULL;
	return CRB_OK;
}

static enum crb_status
load_texts(struct crb_session *session, const json_t *json, struct crb_err *err)
{
	const char *profile = json_string_value(
	    json_object_get(json, "profile"));
	const char *workspace = json_string_value(
	    json_object_get(json, "workspace"));
	enum crb_status status;
	const char *id;
	json_t *labels;

	if ((status = crb_json_string(json, "id", WHERE, &id, err)) ||
	    (status = crb_json_object(json, "labels", WHERE, &labels, err)))
		return status;
	if (strlen(id) != CRB_SESSION_ID_LEN)
		return crb_err_set(err, CRB_ERR_CORRUPT, WHERE ": bad id");
	memcpy(session->id, id, CRB_SESSION_ID_LEN + 1);
	json_decref(session->labels);
	session->labels = json_incref(labels);
	if (profile != NULL)
		session->profile = strdup(profile);
	if (workspace != NULL)
		session->workspace = strdup(workspace);
	session->port = (uint16_t)json_integer_value(
	    json_object_get(json, "port"));
	return load_aws(session, json, err);
}

static enum crb_status
load(struct crb_session *session, const json_t *json, struct crb_err *err)
{
	enum crb_status status;

	(void)((status = load_texts(session, json, err)) ||
	    (status = load_state(session, json, err)) ||
	    (status = load_numbers(session, json, err)) ||
	    (status = load_token(session, json, err)) ||
	    (status = load_process(session, json, err)) ||
	    (status = load_issuer(session, json, err)) ||
	    (status = load_grants(session, json, err)));
	return status;
}

enum crb_status
crb_session_load(struct crb_core *core, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_session **out,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = NULL;
	struct crb_session *session;
	enum crb_status status;
	const char *task;

	status = crb_json_parse(
	    crb_secret_bytes(plain), crb_secret_len(plain), WHERE, &json, err);
	if (status == CRB_OK)
		status = crb_json_string(json, "task", WHERE, &task, err);
	if (status == CRB_OK)
		status = crb_session_new(core, task, &session, err);
	if (status != CRB_OK)
		return status;
	if ((status = load(session, json, err)) != CRB_OK) {
		session->id[0] = '\0';
		crb_session_free(session);
		return status;
	}
	session->record = *id;
	*out = session;
	return CRB_OK;
}

static void
set_time(json_t *object, const char *key, int64_t seconds)
{
	char text[CRB_TIME_TEXT];

	crb_text_time(seconds, text);
	(void)json_object_set_new(object, key, json_string(text));
}

static json_t *
shown_grants(const struct crb_session *session)
{
	json_t *list = json_array();

	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_session_grant *at = &session->grants[i];

		(void)json_array_append_new(list,
		    json_pack("{s:i, s:s, s:s, s:s}", "number", (int)at->number,
			"credential", at->grant->credential, "scope",
			at->grant->scope_text, "delivery",
			crb_grant_delivery(at->grant)));
	}
	return list;
}

json_t *
crb_session_shown(const struct crb_session *session)
{
	char folder[CRB_PATH_MAX] = "";
	struct crb_err err;
	json_t *shown;

	(void)!crb_session_folder(session, folder, &err);
	shown = json_pack("{s:s, s:s, s:O, s:s*, s:s*, s:s, s:o, s:s, s:I, "
			  "s:I, s:I, s:I, s:I, s:I}",
	    "id", session->id, "task", session->task, "labels", session->labels,
	    "profile", session->profile, "workspace", session->workspace,
	    "state", crb_session_state_info(session->state)->name, "grants",
	    shown_grants(session), "folder", folder, "owner",
	    (json_int_t)session->owner, "issuer", (json_int_t)session->issuer,
	    "requests", (json_int_t)session->requests, "refused",
	    (json_int_t)session->refused, "up", (json_int_t)session->up, "down",
	    (json_int_t)session->down);
	if (shown == NULL)
		return NULL;
	set_time(shown, "created", session->created);
	set_time(shown, "expires", crb_limits_end(session));
	if (session->ended != 0)
		set_time(shown, "ended", session->ended);
	if (session->port != 0)
		(void)json_object_set_new(shown, "port", port_json(session));
	if (session->user != NULL)
		(void)json_object_set_new(
		    shown, "user", json_string(session->user));
	if (session->aws != CRB_AWS_NONE)
		(void)json_object_set_new(shown, "aws",
		    json_pack("{s:s, s:s}", "mode",
			crb_aws_mode_name(session->aws), "credential",
			session->aws_credential));
	if (session->ask_always)
		(void)json_object_set_new(shown, "ask_always", json_true());
	if (session->bound)
		(void)json_object_set_new(
		    shown, "pid", json_integer(session->process.pid));
	return shown;
}
