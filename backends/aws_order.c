#include "backends/aws_order.h"

#include <stdio.h>
#include <string.h>

#include "backends/aws_policy.h"
#include "backends/aws_scope.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "base/units.h"

#define WHERE "order"
#define NAME_SIZE 65u /* of the longest session name, with its NUL */
#define NAME_MIN 2u
#define POLICY_TEXT_MAX (CRB_AWS_POLICY_MAX + 1)

/* What STS takes in names; a task has nothing else but may be short. */
static char
name_char(char c)
{
	bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("_+=,.@-", c));

	return ok ? c : '-';
}

static void
write_name(const char *text, size_t most, char out[NAME_SIZE])
{
	size_t len = strnlen(text, most);

	for (size_t i = 0; i < len; i++)
		out[i] = name_char(text[i]);
	while (len < NAME_MIN)
		out[len++] = '-';
	out[len] = '\0';
}

/* "fix-123-7Kq2a9Zx": the task, as far as it fits, and the session. */
static enum crb_status
session_name(const struct crb_mint_terms *terms, size_t most,
    char out[NAME_SIZE], struct crb_err *err)
{
	size_t id = strlen(terms->session);
	size_t len;

	if (id + NAME_MIN > most || most >= NAME_SIZE)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the session's id is too long");
	write_name(terms->task, most - id - 1, out);
	len = strlen(out);
	out[len++] = '-';
	for (size_t i = 0; i < id; i++)
		out[len++] = name_char(terms->session[i]);
	out[len] = '\0';
	return CRB_OK;
}

static enum crb_status
set(json_t *order, const char *key, json_t *value, struct crb_err *err)
{
	if (json_object_set_new(order, key, value) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

/* At least what STS forces, and otherwise not longer than the session. */
static enum crb_status
set_duration(const struct crb_aws_params *params,
    const struct crb_mint_terms *terms, json_t *order, struct crb_err *err)
{
	int64_t rest = terms->seconds > 0 ? terms->seconds : 0;
	int64_t duration = rest > CRB_AWS_DURATION_MIN ? rest
						       : CRB_AWS_DURATION_MIN;
	char left[CRB_DURATION_TEXT];
	json_t *note;

	if (duration > params->duration)
		duration = params->duration;
	if (rest < duration) {
		crb_duration_text(rest, left);
		note = json_sprintf("the keys work for 15m, the shortest that "
				    "STS gives, and the session ends in %s",
		    left);
		if (set(order, "notes", json_pack("[o]", note), err) != CRB_OK)
			return err->status;
	}
	return set(order, "duration", json_integer(duration), err);
}

static enum crb_status
set_names(const struct crb_aws_params *params,
    const struct crb_mint_terms *terms, json_t *order, struct crb_err *err)
{
	size_t most = crb_aws_calls[params->call].name_max;
	const char *source = params->source_identity;
	enum crb_status status;
	char name[NAME_SIZE];

	if (most == 0)
		return CRB_OK;
	if ((status = session_name(terms, most, name, err)) != CRB_OK ||
	    (status = set(order, "session_name", json_string(name), err)) !=
		CRB_OK)
		return status;
	if (params->external_id != NULL &&
	    (status = set(order, "external_id",
		 json_string(params->external_id), err)) != CRB_OK)
		return status;
	if (source == NULL)
		return CRB_OK;
	if (strcmp(source, "task") == 0) {
		write_name(terms->task, NAME_SIZE - 1, name);
		source = name;
	}
	return set(order, "source_identity", json_string(source), err);
}

static enum crb_status
set_policy(const struct crb_scope *const *scopes, size_t count, json_t *order,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(POLICY_TEXT_MAX);
	CRB_AUTO_JSON json_t *arns = NULL;
	enum crb_status status;

	status = crb_aws_policy_make(scopes, count, &text, &arns, err);
	if (status != CRB_OK)
		return status;
	if (text.len > 0 &&
	    (status = set(order, "policy", json_string(crb_buf_text(&text)),
		 err)) != CRB_OK)
		return status;
	if (json_array_size(arns) == 0)
		return CRB_OK;
	return set(order, "policy_arns", json_incref(arns), err);
}

/*
 * All of the session's scopes of a credential come to one pair of keys, so what
 * is only to be injected must not be in keys that the sandbox is given.
 */
static enum crb_status
check_scopes(const struct crb_aws_params *params,
    const struct crb_scope *const *scopes, size_t count, struct crb_err *err)
{
	const char *first = NULL;

	if (count == 0)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "there is nothing to ask STS for");
	for (size_t i = 0; i < count; i++) {
		const struct crb_scope_attribute *at = crb_aws_scope_at(
		    scopes[i], "delivery");
		const char *delivery = at != NULL ? at->value[0] : "mint";

		if (crb_aws_scope_check(scopes[i], err) != CRB_OK)
			return err->status;
		if (!crb_aws_calls[params->call].narrows &&
		    !crb_aws_scope_is_all(scopes[i]))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "call=session-token cannot narrow what keys may "
			    "do: only actions=*,resources=* says what it gives");
		if (first != NULL && strcmp(first, delivery) != 0)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "grants of one credential to a session must have "
			    "the same delivery, for they share their keys");
		first = delivery;
	}
	return CRB_OK;
}

enum crb_status
crb_aws_order_make(const struct crb_aws_params *params,
    const struct crb_scope *const *scopes, size_t count,
    const struct crb_mint_terms *terms, json_t **out, struct crb_err *err)
{
	const struct crb_aws_call_info *call = &crb_aws_calls[params->call];
	CRB_AUTO_JSON json_t *order = NULL;
	enum crb_status status;

	if ((status = check_scopes(params, scopes, count, err)) != CRB_OK)
		return status;
	order = json_pack(
	    "{s:s, s:s*}", "call", call->name, "role_arn", params->role_arn);
	if ((status = set_duration(params, terms, order, err)) != CRB_OK ||
	    (status = set_names(params, terms, order, err)) != CRB_OK)
		return status;
	if (call->narrows &&
	    (status = set_policy(scopes, count, order, err)) != CRB_OK)
		return status;
	if (call->narrows && strcmp(params->tags, "yes") == 0 &&
	    (status = set(order, "tags",
		 json_pack("{s:s, s:s}", "credbroker:task", terms->task,
		     "credbroker:session", terms->session),
		 err)) != CRB_OK)
		return status;
	*out = CRB_STEAL(order);
	return CRB_OK;
}
