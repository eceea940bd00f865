#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "broker/core/approval_impl.h"

/* Keys in order and no blanks: one text for one value. */
#define CANONICAL (JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII)
#define SUMMARY_MAX 480
#define DEPTH_MAX 32

_Static_assert(
    CRB_APPROVAL_DIGEST == crypto_hash_sha256_BYTES, "the digest is SHA-256");

static const char *const states[] = { "waiting", "approved", "denied" };

static json_t *
approvers_of(const struct crb_verdict *verdict)
{
	json_t *list = json_array();

	for (size_t i = 0; list != NULL && i < verdict->approver_count; i++)
		if (json_array_append_new(
			list, json_string(verdict->approvers[i])) != 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/*
 * How long keys last goes by the time that is left, and what is said about it
 * too: a shorter life than was approved is as good, and is looked at apart.
 */
static json_t *
lasting(json_t *order)
{
	json_t *copy = json_copy(order);

	(void)json_object_del(copy, "duration");
	(void)json_object_del(copy, "notes");
	return copy;
}

static json_t *
details_of(const struct crb_approval_asked *asked)
{
	json_t *order = json_object_get(asked->details, "order");
	json_t *copy = json_copy(asked->details);

	if (copy == NULL || order == NULL ||
	    json_object_set_new(copy, "order", lasting(order)) == 0)
		return copy;
	json_decref(copy);
	return NULL;
}

/* All that is bound, as one value. */
static json_t *
bound_of(const struct crb_approval_asked *asked)
{
	const struct crb_verdict *verdict = asked->verdict;

	return json_pack(
	    "{s:s, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:o, s:b, s:o}", "bound",
	    "credbroker approval 1", "kind", asked->kind, "session",
	    asked->session->id, "credential", asked->credential, "tier",
	    verdict->tier, "policy", verdict->policy, "rule", verdict->rule,
	    "approvers", approvers_of(verdict), "four_eyes",
	    (int)verdict->four_eyes, "details", details_of(asked));
}

enum crb_status
crb_approval_bind(struct crb_approval_asked *asked, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *bound = bound_of(asked);
	char *text = bound != NULL ? json_dumps(bound, CANONICAL) : NULL;

	if (text == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "what is asked cannot be written down");
	(void)crypto_hash_sha256(
	    asked->digest, (const unsigned char *)text, strlen(text));
	if (strlen(text) > CRB_APPROVAL_DETAILS_MAX)
		(void)crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "what is asked is too long to be shown to anybody, so it "
		    "cannot be approved");
	else
		err = NULL;
	crb_json_text_free(text);
	return err != NULL ? err->status : CRB_OK;
}

/* A sandbox may have chosen it: nothing in it steers a terminal. */
static json_t *
escaped_text(const char *text, size_t len, size_t most)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(4 * most + 8);

	crb_text_escape(&out, text, len, most);
	return out.failed ? NULL : json_string(crb_buf_text(&out));
}

static json_t *escaped(json_t *value, unsigned depth);

static json_t *
escaped_array(json_t *value, unsigned depth)
{
	json_t *out = json_array();
	json_t *at;
	size_t i;

	json_array_foreach(value, i, at)
	{
		if (json_array_append_new(out, escaped(at, depth)) == 0)
			continue;
		json_decref(out);
		return NULL;
	}
	return out;
}

/* Keys are ours. */
static json_t *
escaped_object(json_t *value, unsigned depth)
{
	json_t *out = json_object();
	const char *key;
	json_t *at;

	json_object_foreach(value, key, at)
	{
		if (json_object_set_new(out, key, escaped(at, depth)) == 0)
			continue;
		json_decref(out);
		return NULL;
	}
	return out;
}

static json_t *
escaped(json_t *value, unsigned depth)
{
	if (depth == 0)
		return NULL;
	if (json_is_object(value))
		return escaped_object(value, depth - 1);
	if (json_is_array(value))
		return escaped_array(value, depth - 1);
	if (json_is_string(value))
		return escaped_text(json_string_value(value),
		    json_string_length(value), CRB_APPROVAL_DETAILS_MAX);
	return json_deep_copy(value);
}

static json_t *
user_of(const struct crb_session *session)
{
	char who[CRB_WHO_TEXT];

	if (session->user != NULL)
		return json_string(session->user);
	crb_users_who(session->core->users, session->issuer, who);
	return json_string(who);
}

/* Outside of the slab, which is for secrets. */
static enum crb_status
keep_details(
    struct crb_approval *approval, json_t *details, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *safe = escaped(details, DEPTH_MAX);
	char *text = safe != NULL ? json_dumps(safe, CANONICAL) : NULL;

	approval->details = text != NULL ? strdup(text) : NULL;
	crb_json_text_free(text);
	if (approval->details == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	approval->details_len = strlen(approval->details);
	return CRB_OK;
}

enum crb_status
crb_approval_describe(struct crb_approval *approval,
    const struct crb_approval_asked *asked, struct crb_err *err)
{
	const struct crb_verdict *verdict = asked->verdict;
	const struct crb_session *session = asked->session;
	enum crb_status status;

	memcpy(approval->session, session->id, sizeof(approval->session));
	approval->issuer = session->issuer;
	memcpy(approval->digest, asked->digest, sizeof(approval->digest));
	approval->seconds = asked->seconds;
	approval->four_eyes = verdict->four_eyes;
	if ((status = keep_details(approval, asked->details, err)) != CRB_OK)
		return status;
	approval->shown = json_pack(
	    "{s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:s?, s:s?, s:s?, s:s?, s:o, s:b}",
	    "id", approval->id, "kind", asked->kind, "session", session->id,
	    "task", session->task, "user", user_of(session), "credential",
	    asked->credential, "summary",
	    escaped_text(asked->summary, strlen(asked->summary), SUMMARY_MAX),
	    "tier", verdict->tier, "policy", verdict->policy, "rule",
	    verdict->rule, "reason", verdict->reason, "approvers",
	    approvers_of(verdict), "four_eyes", (int)verdict->four_eyes);
	if (approval->shown != NULL)
		return CRB_OK;
	free(approval->details);
	return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
}

json_t *
crb_approval_shown(const struct crb_approval *approval, bool details)
{
	char asked[CRB_TIME_TEXT], expires[CRB_TIME_TEXT];
	json_t *shown = json_copy(approval->shown);
	struct crb_err err;
	json_t *parsed;

	crb_text_time(approval->asked, asked);
	crb_text_time(approval->expires, expires);
	if (shown == NULL ||
	    json_object_update_new(shown,
		json_pack("{s:s, s:s, s:s, s:i}", "state",
		    states[approval->state], "asked", asked, "expires", expires,
		    "held", (int)approval->held)) != 0) {
		json_decref(shown);
		return NULL;
	}
	if (approval->reason[0] != '\0')
		(void)json_object_set_new(
		    shown, "denied", json_string(approval->reason));
	if (details &&
	    crb_json_parse(approval->details, approval->details_len, "details",
		&parsed, &err) == CRB_OK)
		(void)json_object_set_new(shown, "details", parsed);
	return shown;
}

const char *
crb_approval_text(const struct crb_approval *approval, const char *key)
{
	const char *text = json_string_value(
	    json_object_get(approval->shown, key));

	return text != NULL ? text : "";
}
