#include "backends/aws_scope.h"

#include <string.h>

#include "backends/aws_arn.h"
#include "backends/aws_policy.h"
#include "base/text.h"

#define ACTION_MAX 128u
#define SHOWN_MAX 64u

/* Empty for actions, else " ..." of what is wrong. */
static enum crb_status
check_action(const char *text, struct crb_buf *out, struct crb_err *err)
{
	size_t service = strspn(text, CRB_LOWER CRB_DIGITS "-");
	size_t name = 0;

	if (service > 0 && text[service] == ':')
		name = strspn(
		    &text[service + 1], CRB_LOWER CRB_UPPER CRB_DIGITS "*?");
	if (strcmp(text, "*") != 0 &&
	    (name == 0 || text[service + 1 + name] != '\0' ||
		strlen(text) > ACTION_MAX))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "an action is written service:Action, as in s3:GetObject "
		    "or s3:*, and a bare * stands for all of them");
	crb_buf_str(out, text);
	return CRB_OK;
}

static enum crb_status
check_resource(const char *text, struct crb_buf *out, struct crb_err *err)
{
	if (strcmp(text, "*") != 0 && !crb_aws_arn_ok(text))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a resource is an ARN, as in arn:aws:s3:::bucket/*, or a "
		    "bare * for all of them");
	crb_buf_str(out, text);
	return CRB_OK;
}

static enum crb_status
check_policy_arn(const char *text, struct crb_buf *out, struct crb_err *err)
{
	if (!crb_aws_arn_is(text, "iam", "policy/") ||
	    strpbrk(text, "*?$") != NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a policy's ARN is written arn:aws:iam::ACCOUNT:policy/"
		    "NAME, without a pattern");
	crb_buf_str(out, text);
	return CRB_OK;
}

/* docs.aws.amazon.com/IAM, "IAM JSON policy elements: Condition operators" */
static const char *const operators[] = { "StringEquals", "StringNotEquals",
	"StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike",
	"StringNotLike", "NumericEquals", "NumericNotEquals", "NumericLessThan",
	"NumericLessThanEquals", "NumericGreaterThan",
	"NumericGreaterThanEquals", "DateEquals", "DateNotEquals",
	"DateLessThan", "DateLessThanEquals", "DateGreaterThan",
	"DateGreaterThanEquals", "Bool", "BinaryEquals", "IpAddress",
	"NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike",
	"Null" };
#define OPERATORS (sizeof(operators) / sizeof(*operators))

static enum crb_status
check_operator(struct crb_slice text, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf name = CRB_BUF_INIT(SHOWN_MAX);
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(4 * SHOWN_MAX + 4);
	struct crb_slice rest = text, set;
	const char *nearest;

	(void)crb_slice_cut(&rest, ':', &set);
	if (rest.p != NULL &&
	    (crb_slice_is(set, "ForAnyValue") ||
		crb_slice_is(set, "ForAllValues")))
		text = rest;
	if (crb_slice_ends(text, "IfExists"))
		text.len -= strlen("IfExists");
	crb_buf_add(&name, text.p, text.len);
	for (size_t i = 0; i < OPERATORS; i++) {
		if (crb_slice_is(text, operators[i]))
			return CRB_OK;
	}
	crb_text_escape(&shown, text.p, text.len, SHOWN_MAX);
	nearest = crb_text_nearest(crb_buf_text(&name), operators, OPERATORS);
	return crb_err_set(err, CRB_ERR_INVALID,
	    "\"%s\" is no operator of conditions%s%s%s", crb_buf_text(&shown),
	    nearest != NULL ? "; did you mean \"" : "",
	    nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

enum crb_status
crb_aws_condition_parse(
    const char *text, struct crb_aws_condition *out, struct crb_err *err)
{
	struct crb_aws_condition parsed = { .value = NULL };
	const char *open = strchr(text, '(');
	const char *close = open != NULL ? strstr(open, ")=") : NULL;
	size_t operation = open != NULL ? (size_t)(open - text) : 0;
	size_t key = close != NULL ? (size_t)(close - open - 1) : 0;
	enum crb_status status;

	if (operation == 0 || operation >= sizeof(parsed.operation) ||
	    key == 0 || key >= sizeof(parsed.key) ||
	    memchr(open + 1, ':', key) == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a condition is written Operator(key)=value, as in "
		    "StringLike(s3:prefix)=logs/*");
	status = check_operator((struct crb_slice){ text, operation }, err);
	if (status != CRB_OK)
		return status;
	memcpy(parsed.operation, text, operation);
	memcpy(parsed.key, open + 1, key);
	parsed.value = close + 2;
	*out = parsed;
	return CRB_OK;
}

static enum crb_status
check_condition(const char *text, struct crb_buf *out, struct crb_err *err)
{
	struct crb_aws_condition parsed;
	enum crb_status status;

	if (!crb_aws_printable(text))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a condition must be printable ASCII");
	if ((status = crb_aws_condition_parse(text, &parsed, err)) != CRB_OK)
		return status;
	crb_buf_str(out, text);
	return CRB_OK;
}

static const char *const deliveries[] = { "mint", "inject", NULL };

const struct crb_attribute crb_aws_attributes[] = {
	{ .name = "actions",
	    .type = CRB_ATTRIBUTE_TEXT,
	    .check = check_action,
	    .help = "what may be done, as in s3:GetObject or s3:*" },
	{ .name = "resources",
	    .type = CRB_ATTRIBUTE_TEXT,
	    .check = check_resource,
	    .help = "to what, by ARN, as in arn:aws:s3:::bucket/*" },
	{ .name = "conditions",
	    .type = CRB_ATTRIBUTE_TEXT,
	    .check = check_condition,
	    .help = "when, as in StringLike(s3:prefix)=logs/*" },
	{ .name = "policy",
	    .type = CRB_ATTRIBUTE_TEXT,
	    .check = crb_aws_policy_check,
	    .help = "instead of these, a policy in JSON; @FILE reads it" },
	{ .name = "policy-arns",
	    .type = CRB_ATTRIBUTE_TEXT,
	    .check = check_policy_arn,
	    .help = "or policies that AWS has, by ARN" },
	{ .name = "delivery",
	    .type = CRB_ATTRIBUTE_CHOICE,
	    .choices = deliveries,
	    .preset = "mint",
	    .help = "keys for the sandbox, or requests signed outside" },
	CRB_ATTRIBUTE_END,
};

const struct crb_scope_attribute *
crb_aws_scope_at(const struct crb_scope *scope, const char *attribute)
{
	for (size_t i = 0; i < scope->count; i++) {
		if (strcmp(scope->at[i].attribute->name, attribute) == 0)
			return &scope->at[i];
	}
	return NULL;
}

static bool
is_star(const struct crb_scope_attribute *at)
{
	return at != NULL && at->count == 1 && strcmp(at->value[0], "*") == 0;
}

bool
crb_aws_scope_is_all(const struct crb_scope *scope)
{
	return is_star(crb_aws_scope_at(scope, "actions")) &&
	    is_star(crb_aws_scope_at(scope, "resources")) &&
	    crb_aws_scope_at(scope, "conditions") == NULL &&
	    crb_aws_scope_at(scope, "policy") == NULL &&
	    crb_aws_scope_at(scope, "policy-arns") == NULL;
}

static enum crb_status
check_counts(const struct crb_scope *scope, struct crb_err *err)
{
	static const struct {
		const char *attribute;
		size_t most;
	} bounds[] = { { "policy", 1 }, { "delivery", 1 },
		{ "policy-arns", CRB_AWS_POLICY_ARNS_MAX } };

	for (size_t i = 0; i < sizeof(bounds) / sizeof(*bounds); i++) {
		const struct crb_scope_attribute *at = crb_aws_scope_at(
		    scope, bounds[i].attribute);

		if (at != NULL && at->count > bounds[i].most)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "%s has %zu values, and may have %zu",
			    bounds[i].attribute, at->count, bounds[i].most);
	}
	return CRB_OK;
}

enum crb_status
crb_aws_scope_check(const struct crb_scope *scope, struct crb_err *err)
{
	bool actions = crb_aws_scope_at(scope, "actions") != NULL;
	bool resources = crb_aws_scope_at(scope, "resources") != NULL;
	bool conditions = crb_aws_scope_at(scope, "conditions") != NULL;
	bool policy = crb_aws_scope_at(scope, "policy") != NULL;
	bool arns = crb_aws_scope_at(scope, "policy-arns") != NULL;
	bool written = actions || resources || conditions;

	if (written + policy + arns > 1)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "actions and resources, policy, and policy-arns exclude "
		    "each other: give a grant for each");
	if (policy || arns)
		return check_counts(scope, err);
	if (!actions || !resources)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s missing: an empty list is never \"everything\"; give "
		    "actions=... and resources=..., or policy=..., or "
		    "policy-arns=...",
		    actions         ? "resources are"
			: resources ? "actions are"
				    : "actions and resources are");
	return check_counts(scope, err);
}
