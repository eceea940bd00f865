#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/core/admin_client.h"

/* JSON-RPC 2.0, section 5.1. */
enum {
	RPC_PARSE = -32700,
	RPC_REQUEST = -32600,
	RPC_METHOD = -32601,
	RPC_PARAMS = -32602,
	RPC_FAILED = -32000,
};

static void
call_free(struct crb_call *call)
{
	if (call->client != NULL)
		call->client->call = NULL;
	json_decref(call->params);
	json_decref(call->groups);
	json_decref(call->id);
	free(call);
}

/* Takes `answer`. */
static void
send_answer(struct crb_admin_client *client, json_t *answer)
{
	char *text = answer != NULL ? crb_json_text(answer) : NULL;

	json_decref(answer);
	if (client == NULL) {
		crb_json_text_free(text);
		return;
	}
	if (text != NULL) {
		crb_buf_str(&client->out, text);
		crb_buf_char(&client->out, '\n');
	}
	crb_json_text_free(text);
	if (text == NULL || client->out.failed) {
		crb_buf_clear(&client->out);
		client->failed = true;
	}
	crb_admin_answered(client);
}

static json_t *
make_error(
    const json_t *id, int code, const struct crb_err *why, const char *next)
{
	const struct crb_status_info *info = crb_status_info(why->status);
	json_t *data = json_pack("{s:s, s:i, s:[]}", "code", info->code, "exit",
	    info->exit, "next_steps");

	if (next != NULL)
		(void)json_array_append_new(
		    json_object_get(data, "next_steps"), json_string(next));
	return json_pack("{s:s, s:o, s:{s:i, s:s, s:o}}", "jsonrpc", "2.0",
	    "id", id != NULL ? json_deep_copy(id) : json_null(), "error",
	    "code", code, "message", why->msg, "data", data);
}

void
crb_call_reply(struct crb_call *call, json_t *result)
{
	struct crb_admin_client *client = call->client;
	json_t *answer;

	answer = json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", call->id,
	    "result", result != NULL ? result : json_object());
	call_free(call);
	send_answer(client, answer);
}

static const char *
usual_next(enum crb_status status)
{
	return status == CRB_ERR_LOCKED ? "credbroker unlock" : NULL;
}

void
crb_call_fail_next(
    struct crb_call *call, const struct crb_err *why, const char *next)
{
	struct crb_admin_client *client = call->client;
	json_t *answer;

	if (why->status == CRB_ERR_ROLE)
		crb_call_refused(call, NULL, why);

	crb_log(CRB_LOG_INFO, call->method->name, CRB_LOG_UID,
	    (int64_t)call->uid, CRB_LOG_CODE,
	    crb_status_info(why->status)->code, CRB_LOG_REASON, why->msg,
	    CRB_LOG_END);
	answer = make_error(call->id, RPC_FAILED, why, next);
	call_free(call);
	send_answer(client, answer);
}

void
crb_call_fail(struct crb_call *call, const struct crb_err *why)
{
	crb_call_fail_next(call, why, usual_next(why->status));
}

void
crb_admin_refusal(int fd, const struct crb_err *why, const char *next)
{
	json_t *answer = make_error(NULL, RPC_FAILED, why, next);
	char *text = answer != NULL ? crb_json_text(answer) : NULL;
	struct iovec line[2] = { { text, text != NULL ? strlen(text) : 0 },
		{ (char[]){ '\n' }, 1 } };
	const struct msghdr msg = { .msg_iov = line, .msg_iovlen = 2 };

	json_decref(answer);
	/* Nothing was sent before, so there is room for all of it. */
	if (text != NULL)
		(void)!sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	crb_json_text_free(text);
}

static void
refuse(struct crb_admin_client *client, const json_t *id, int code,
    const struct crb_err *why)
{
	send_answer(client, make_error(id, code, why, NULL));
}

void
crb_admin_too_long(struct crb_admin_client *client)
{
	struct crb_err why;

	(void)crb_err_set(&why, CRB_ERR_TOO_LARGE,
	    "a request has more than %u bytes", CRB_ADMIN_LINE_MAX);
	client->failed = true;
	crb_buf_clear(&client->in);
	client->serving = true;
	refuse(client, NULL, RPC_REQUEST, &why);
	client->serving = false;
}

static enum crb_status
find_method(
    const char *name, const struct crb_method **out, struct crb_err *err)
{
	const char *names[64], *nearest;
	size_t count = 0;

	for (const struct crb_method *at = crb_methods; at->name != NULL;
	     at++) {
		if (strcmp(at->name, name) == 0) {
			*out = at;
			return CRB_OK;
		}
		if (count < sizeof(names) / sizeof(names[0]))
			names[count++] = at->name;
	}
	nearest = crb_text_nearest(name, names, count);
	return crb_err_set(err, CRB_ERR_INVALID,
	    nearest != NULL ? "no such method; did you mean %s?"
			    : "no such method%s",
	    nearest != NULL ? nearest : "");
}

/* The envelope: whose errors are JSON-RPC's own. */
static int
check_request(const json_t *request, const struct crb_method **method,
    struct crb_err *err)
{
	static const char *const keys[] = { "jsonrpc", "id", "method", "params",
		NULL };
	const json_t *id = json_object_get(request, "id");
	const json_t *params = json_object_get(request, "params");
	const char *version, *name;

	if (!json_is_object(request)) {
		(void)crb_err_set(
		    err, CRB_ERR_INVALID, "a request is one object");
		return RPC_REQUEST;
	}
	if (crb_json_only(request, keys, "request", err) != CRB_OK ||
	    crb_json_string(request, "jsonrpc", "request", &version, err) !=
		CRB_OK ||
	    crb_json_string(request, "method", "request", &name, err) != CRB_OK)
		return RPC_REQUEST;
	if (strcmp(version, "2.0") != 0 ||
	    !(json_is_string(id) || json_is_integer(id))) {
		(void)crb_err_set(err, CRB_ERR_INVALID,
		    "a request has jsonrpc \"2.0\" and an id, a text or a whole number");
		return RPC_REQUEST;
	}
	if (find_method(name, method, err) != CRB_OK)
		return RPC_METHOD;
	if (params != NULL && !json_is_object(params)) {
		(void)crb_err_set(
		    err, CRB_ERR_INVALID, "params is not an object");
		return RPC_PARAMS;
	}
	if (params != NULL &&
	    crb_json_only(params, (*method)->params, name, err) != CRB_OK)
		return RPC_PARAMS;
	return 0;
}

static enum crb_status
make_call(struct crb_admin *admin, const struct crb_method *method,
    const struct crb_peer *peer, json_t *request, struct crb_call **out,
    struct crb_err *err)
{
	struct crb_call *call = calloc(1, sizeof(*call));
	json_t *params = json_object_get(request, "params");

	if (call == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	call->core = admin->core;
	call->method = method;
	call->uid = peer->uid;
	memcpy(call->who, peer->who, sizeof(call->who));
	call->access = peer->access;
	call->groups = json_incref(peer->groups);
	call->id = json_incref(json_object_get(request, "id"));
	call->params = params != NULL ? json_incref(params) : json_object();
	*out = call;
	return CRB_OK;
}

static enum crb_status
check_role(const struct crb_call *call, struct crb_err *err)
{
	char needed[CRB_ROLES_TEXT], has[CRB_ROLES_TEXT];

	if ((call->access.may & (call->method->may | CRB_MAY_ADMIN)) != 0)
		return CRB_OK;
	crb_roles_text(call->method->may, needed);
	crb_roles_text(call->access.may, has);
	return crb_err_set(err, CRB_ERR_ROLE,
	    "%s needs the role %s; %s has %s (\"roles\" in the broker's config file)",
	    call->method->name, needed, call->who, has);
}

static void
start(struct crb_call *call)
{
	struct crb_err err;

	if (check_role(call, &err) != CRB_OK) {
		crb_call_fail(call, &err);
		return;
	}
	if (call->method->unlocked &&
	    crb_core_need_unlocked(call->core, &err) != CRB_OK) {
		crb_call_fail(call, &err);
		return;
	}
	call->method->fn(call);
}

void
crb_admin_line(struct crb_admin *admin, struct crb_admin_client *client,
    uid_t uid, const char *line, size_t len)
{
	CRB_AUTO_JSON json_t *request = NULL;
	const struct crb_method *method;
	struct crb_peer peer;
	struct crb_call *call;
	struct crb_err err;
	int code = RPC_PARSE;

	if (client != NULL)
		peer = client->peer;
	else
		crb_peer_of(admin->core, uid, &peer);

	if (crb_json_parse(line, len, "request", &request, &err) == CRB_OK)
		code = check_request(request, &method, &err);
	if (code == 0 &&
	    make_call(admin, method, &peer, request, &call, &err) != CRB_OK)
		code = RPC_FAILED;
	if (code != 0) {
		refuse(client, json_object_get(request, "id"), code, &err);
		return;
	}
	call->client = client;
	if (client != NULL)
		client->call = call;
	start(call);
}

static enum crb_status
wrong(const struct crb_call *call, const char *key, const char *what,
    struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_INVALID, "%s: %s is not %s",
	    call->method->name, key, what);
}

enum crb_status
crb_call_text(const struct crb_call *call, const char *key, const char **out,
    struct crb_err *err)
{
	const json_t *value = json_object_get(call->params, key);

	if (value == NULL || json_is_null(value))
		return CRB_OK;
	if (!json_is_string(value))
		return wrong(call, key, "a text", err);
	*out = json_string_value(value);
	return CRB_OK;
}

enum crb_status
crb_call_need_text(const struct crb_call *call, const char *key,
    const char **out, struct crb_err *err)
{
	enum crb_status status;

	*out = NULL;
	if ((status = crb_call_text(call, key, out, err)) != CRB_OK)
		return status;
	if (*out == NULL)
		return crb_err_set(err, CRB_ERR_INVALID, "%s: %s is missing",
		    call->method->name, key);
	return CRB_OK;
}

enum crb_status
crb_call_number(const struct crb_call *call, const char *key, int64_t min,
    int64_t max, int64_t *out, struct crb_err *err)
{
	const json_t *value = json_object_get(call->params, key);

	if (value == NULL || json_is_null(value))
		return CRB_OK;
	return crb_json_integer(
	    call->params, key, call->method->name, min, max, out, err);
}

enum crb_status
crb_call_flag(const struct crb_call *call, const char *key, bool *out,
    struct crb_err *err)
{
	const json_t *value = json_object_get(call->params, key);

	if (value == NULL || json_is_null(value))
		return CRB_OK;
	if (!json_is_boolean(value))
		return wrong(call, key, "true or false", err);
	*out = json_is_true(value);
	return CRB_OK;
}

enum crb_status
crb_call_object(const struct crb_call *call, const char *key, json_t **out,
    struct crb_err *err)
{
	json_t *value = json_object_get(call->params, key);

	if (value == NULL || json_is_null(value))
		return CRB_OK;
	if (!json_is_object(value))
		return wrong(call, key, "an object", err);
	*out = value;
	return CRB_OK;
}

enum crb_status
crb_call_array(const struct crb_call *call, const char *key, json_t **out,
    struct crb_err *err)
{
	json_t *value = json_object_get(call->params, key);

	if (value == NULL || json_is_null(value))
		return CRB_OK;
	if (!json_is_array(value))
		return wrong(call, key, "a list", err);
	*out = value;
	return CRB_OK;
}

enum crb_status
crb_call_secret(struct crb_call *call, const char *key, struct crb_secret **out,
    struct crb_err *err)
{
	const char *text = NULL;
	enum crb_status status;

	if ((status = crb_call_text(call, key, &text, err)) != CRB_OK ||
	    text == NULL)
		return status;
	status = crb_secret_copy(text, strlen(text), out, err);
	/* The params' memory is wiped as it is freed. */
	(void)json_object_del(call->params, key);
	return status;
}
