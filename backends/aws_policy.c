#include "backends/aws_policy.h"

#include <stdlib.h>
#include <string.h>

#include "backends/aws_scope.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

#define STATEMENTS_MAX 1024u
#define TEXT_MAX (1u << 20)

/* "*", or ["a","b"]: each character counts. */
static json_t *
list_json(const struct crb_scope_attribute *at)
{
	json_t *list;

	if (at->count == 1)
		return json_string(at->value[0]);
	list = json_array();
	for (size_t i = 0; i < at->count; i++)
		(void)json_array_append_new(list, json_string(at->value[i]));
	return list;
}

/* The member `key`, which is made when it is not there; borrowed. */
static json_t *
member(json_t *object, const char *key)
{
	json_t *found = json_object_get(object, key);

	if (found != NULL)
		return found;
	found = json_object();
	return json_object_set_new(object, key, found) == 0 ? found : NULL;
}

/* A second value of a key makes a list of it. */
static int
add_value(json_t *keys, const char *key, const char *value)
{
	json_t *found = json_object_get(keys, key);

	if (found == NULL)
		return json_object_set_new(keys, key, json_string(value));
	if (json_is_array(found))
		return json_array_append_new(found, json_string(value));
	return json_object_set_new(
	    keys, key, json_pack("[O, s]", found, value));
}

static enum crb_status
add_conditions(json_t *statement, const struct crb_scope_attribute *at,
    struct crb_err *err)
{
	json_t *conditions;

	if (at == NULL)
		return CRB_OK;
	conditions = member(statement, "Condition");
	for (size_t i = 0; i < at->count; i++) {
		struct crb_aws_condition condition;
		enum crb_status status;

		status = crb_aws_condition_parse(at->value[i], &condition, err);
		if (status != CRB_OK)
			return status;
		if (add_value(member(conditions, condition.operation),
			condition.key, condition.value) != 0)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	}
	return CRB_OK;
}

/* Statements are the keys of an object, so that each is there once. */
static enum crb_status
add_statement(json_t *all, const json_t *statement, struct crb_err *err)
{
	char *text = json_dumps(statement, JSON_COMPACT | JSON_ENSURE_ASCII);
	int failed = text == NULL ||
	    json_object_set_new(all, text, json_true()) != 0;

	crb_json_text_free(text);
	if (failed)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (json_object_size(all) > STATEMENTS_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "a session policy of more than %u statements",
		    STATEMENTS_MAX);
	return CRB_OK;
}

static enum crb_status
add_written(json_t *all, const struct crb_scope *scope, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *statement = json_pack("{s:s, s:o, s:o}", "Effect",
	    "Allow", "Action", list_json(crb_aws_scope_at(scope, "actions")),
	    "Resource", list_json(crb_aws_scope_at(scope, "resources")));
	enum crb_status status;

	if (statement == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	status = add_conditions(
	    statement, crb_aws_scope_at(scope, "conditions"), err);
	return status == CRB_OK ? add_statement(all, statement, err) : status;
}

static enum crb_status
add_document(json_t *all, const char *text, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *policy = NULL;
	json_t *statement;
	size_t i;

	if (crb_json_parse(text, strlen(text), "policy", &policy, err) !=
	    CRB_OK)
		return err->status;
	json_array_foreach(json_object_get(policy, "Statement"), i, statement)
	{
		if (add_statement(all, statement, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

/* The same array is a set: an ARN is looked for before it is added. */
static enum crb_status
add_arns(
    json_t *arns, const struct crb_scope_attribute *at, struct crb_err *err)
{
	for (size_t i = 0; i < at->count; i++)
		if (json_object_set_new(arns, at->value[i], json_true()) != 0)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (json_object_size(arns) > CRB_AWS_POLICY_ARNS_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "the session's grants name %zu policies by ARN, and STS "
		    "takes %d",
		    json_object_size(arns), CRB_AWS_POLICY_ARNS_MAX);
	return CRB_OK;
}

static enum crb_status
add_scope(json_t *all, json_t *arns, const struct crb_scope *scope,
    struct crb_err *err)
{
	const struct crb_scope_attribute *at;

	if ((at = crb_aws_scope_at(scope, "policy-arns")) != NULL)
		return add_arns(arns, at, err);
	if ((at = crb_aws_scope_at(scope, "policy")) != NULL)
		return add_document(all, at->value[0], err);
	return add_written(all, scope, err);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The object's keys, sorted; malloc()ed, borrowing from it. */
static const char **
sorted_keys(json_t *object)
{
	const char **keys = calloc(json_object_size(object) + 1, sizeof(*keys));
	const char *key;
	size_t count = 0;
	json_t *value;

	if (keys == NULL)
		return NULL;
	json_object_foreach(object, key, value) keys[count++] = key;
	qsort(keys, count, sizeof(*keys), compare);
	return keys;
}

static void
write_policy(const char *const *statements, struct crb_buf *out)
{
	if (statements[0] == NULL)
		return;
	crb_buf_str(out, "{\"Version\":\"2012-10-17\",\"Statement\":[");
	for (size_t i = 0; statements[i] != NULL; i++) {
		if (i > 0)
			crb_buf_char(out, ',');
		crb_buf_str(out, statements[i]);
	}
	crb_buf_str(out, "]}");
}

static enum crb_status
check_size(size_t policy, const char *const *arns, struct crb_err *err)
{
	size_t size = policy;

	for (size_t i = 0; arns[i] != NULL; i++)
		size += strlen(arns[i]);
	if (size > CRB_AWS_POLICY_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "the session policy%s comes to %zu characters, and STS "
		    "takes %d: name fewer resources and actions, use patterns "
		    "such as s3:Get*, or give a policy that AWS has by "
		    "policy-arns",
		    arns[0] != NULL ? " with its policy-arns" : "", size,
		    CRB_AWS_POLICY_MAX);
	return CRB_OK;
}

enum crb_status
crb_aws_policy_make(const struct crb_scope *const *scopes, size_t count,
    struct crb_buf *text, json_t **arns, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf made = CRB_BUF_INIT(TEXT_MAX);
	CRB_AUTO_JSON json_t *all = json_object();
	CRB_AUTO_JSON json_t *named = json_object();
	CRB_AUTO_JSON json_t *list = json_array();
	CRB_AUTO_FREE const char **statements = NULL;
	CRB_AUTO_FREE const char **names = NULL;
	enum crb_status status = CRB_OK;

	for (size_t i = 0; status == CRB_OK && i < count; i++)
		status = add_scope(all, named, scopes[i], err);
	if (status != CRB_OK)
		return status;
	if ((statements = sorted_keys(all)) == NULL ||
	    (names = sorted_keys(named)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	write_policy(statements, &made);
	if ((status = crb_buf_check(&made, "a session policy", err)) !=
		CRB_OK ||
	    (status = check_size(made.len, names, err)) != CRB_OK)
		return status;
	for (size_t i = 0; names[i] != NULL; i++)
		(void)json_array_append_new(list, json_string(names[i]));
	crb_buf_str(text, crb_buf_text(&made));
	*arns = CRB_STEAL(list);
	return CRB_OK;
}
