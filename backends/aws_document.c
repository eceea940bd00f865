#include <stdbool.h>
#include <string.h>

#include "backends/aws_policy.h"
#include "base/cleanup.h"
#include "base/json.h"

#define WHERE "document"
#define VERSION "2012-10-17"

/* A string, or an array of such; never empty. */
static bool
is_list(const json_t *json)
{
	const json_t *item;
	size_t i;

	if (json_is_string(json))
		return json_string_length(json) > 0;
	json_array_foreach(json, i, item)
	{
		if (!json_is_string(item) || json_string_length(item) == 0)
			return false;
	}
	return json_array_size(json) > 0;
}

/* "Action" or "NotAction", and not both. */
static enum crb_status
check_either(const json_t *statement, const char *name, const char *negated,
    struct crb_err *err)
{
	const json_t *list = json_object_get(statement, name);
	const json_t *other = json_object_get(statement, negated);

	if ((list == NULL) == (other == NULL))
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": each statement needs either %s or %s", name,
		    negated);
	if (!is_list(list != NULL ? list : other))
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": %s must be a text or a list of texts, and an "
			  "empty one is never \"everything\"",
		    list != NULL ? name : negated);
	return CRB_OK;
}

/* {"StringLike": {"s3:prefix": ["logs/", 5, true]}} */
static enum crb_status
check_condition(const json_t *condition, struct crb_err *err)
{
	const char *operator, * key;
	json_t *keys, *value;

	if (condition == NULL)
		return CRB_OK;
	if (!json_is_object(condition))
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": Condition must be an object");
	json_object_foreach((json_t *)(uintptr_t)condition, operator, keys)
	{
		if (json_object_size(keys) == 0)
			return crb_err_set(err, CRB_ERR_INVALID,
			    WHERE ": each operator of a Condition needs keys");
		json_object_foreach(keys, key, value)
		{
			if (json_is_object(value) || json_is_null(value))
				return crb_err_set(err, CRB_ERR_INVALID,
				    WHERE ": a key of a Condition has neither "
					  "a value nor a list");
		}
	}
	return CRB_OK;
}

static enum crb_status
check_statement(const json_t *statement, struct crb_err *err)
{
	static const char *const known[] = { "Sid", "Effect", "Action",
		"NotAction", "Resource", "NotResource", "Condition", NULL };
	enum crb_status status;
	const char *effect;

	if (!json_is_object(statement))
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": a statement must be an object");
	if ((status = crb_json_only(statement, known, WHERE, err)) != CRB_OK ||
	    (status = crb_json_string(
		 statement, "Effect", WHERE, &effect, err)) != CRB_OK)
		return status;
	if (strcmp(effect, "Allow") != 0 && strcmp(effect, "Deny") != 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": Effect must be Allow or Deny");
	if ((status = check_either(statement, "Action", "NotAction", err)) !=
		CRB_OK ||
	    (status = check_either(
		 statement, "Resource", "NotResource", err)) != CRB_OK)
		return status;
	return check_condition(json_object_get(statement, "Condition"), err);
}

static enum crb_status
check_version(const json_t *policy, struct crb_err *err)
{
	const char *version = json_string_value(
	    json_object_get(policy, "Version"));

	if (version == NULL || strcmp(version, VERSION) != 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": \"Version\" must be \"" VERSION "\"");
	return CRB_OK;
}

/* An array, of the one statement that may stand for it. */
static json_t *
statements_of(const json_t *policy)
{
	json_t *statements = json_object_get(policy, "Statement");
	json_t *array;

	if (!json_is_object(statements))
		return json_incref(statements);
	array = json_array();
	(void)json_array_append(array, statements);
	return array;
}

static enum crb_status
write_document(json_t *statements, struct crb_buf *out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *policy = json_pack(
	    "{s:s, s:O}", "Version", VERSION, "Statement", statements);
	char *text = json_dumps(policy, JSON_COMPACT | JSON_ENSURE_ASCII);

	if (text == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_buf_str(out, text);
	crb_json_text_free(text);
	return CRB_OK;
}

enum crb_status
crb_aws_policy_check(const char *text, struct crb_buf *out, struct crb_err *err)
{
	static const char *const known[] = { "Version", "Id", "Statement",
		NULL };
	CRB_AUTO_JSON json_t *policy = NULL;
	CRB_AUTO_JSON json_t *statements = NULL;
	enum crb_status status;
	json_t *statement;
	size_t i;

	status = crb_json_parse(text, strlen(text), WHERE, &policy, err);
	if (status != CRB_OK)
		return status;
	if (!json_is_object(policy))
		return crb_err_set(
		    err, CRB_ERR_INVALID, WHERE ": it must be a JSON object");
	if ((status = crb_json_only(policy, known, WHERE, err)) != CRB_OK ||
	    (status = check_version(policy, err)) != CRB_OK)
		return status;
	if (json_array_size(statements = statements_of(policy)) == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": it needs a Statement, and an empty list is never "
			  "\"everything\"");
	json_array_foreach(statements, i, statement)
	{
		if ((status = check_statement(statement, err)) != CRB_OK)
			return status;
		(void)json_object_del(statement, "Sid");
	}
	return write_document(statements, out, err);
}
