#include <stdio.h>
#include <string.h>

#include "backends/aws_order.h"
#include "backends/aws_scope.h"
#include "base/json.h"
#include "base/text.h"

#define WHERE "order"
#define API "2011-06-15"
#define KEY_SIZE 48u

static void
add(struct crb_buf *out, const char *key, const char *value)
{
	crb_buf_char(out, '&');
	crb_buf_str(out, key);
	crb_buf_char(out, '=');
	crb_text_percent_encode(out, value, strlen(value));
}

/* What goes from the order into the form as it stands. */
static const struct text_member {
	const char *member;
	const char *parameter;
} text_members[] = {
	{ "role_arn", "RoleArn" },
	{ "session_name", NULL }, /* as the call has it */
	{ "external_id", "ExternalId" },
	{ "source_identity", "SourceIdentity" },
	{ "policy", "Policy" },
};

static enum crb_status
add_texts(const json_t *order, enum crb_aws_call call, struct crb_buf *out,
    struct crb_err *err)
{
	const char *name = call == CRB_AWS_ASSUME_ROLE ? "RoleSessionName"
						       : "Name";

	for (size_t i = 0; i < sizeof(text_members) / sizeof(*text_members);
	     i++) {
		const struct text_member *at = &text_members[i];
		enum crb_status status;
		const char *value;

		if (json_object_get(order, at->member) == NULL)
			continue;
		if ((status = crb_json_string(
			 order, at->member, WHERE, &value, err)) != CRB_OK)
			return status;
		add(out, at->parameter != NULL ? at->parameter : name, value);
	}
	return CRB_OK;
}

static enum crb_status
add_arns(const json_t *order, struct crb_buf *out, struct crb_err *err)
{
	const json_t *arns = json_object_get(order, "policy_arns");

	if (arns == NULL)
		return CRB_OK;
	if (json_array_size(arns) == 0 ||
	    json_array_size(arns) > CRB_AWS_POLICY_ARNS_MAX)
		return crb_err_set(
		    err, CRB_ERR_INVALID, WHERE ": bad policy_arns");
	for (size_t i = 0; i < json_array_size(arns); i++) {
		const char *arn = json_string_value(json_array_get(arns, i));
		char key[KEY_SIZE];

		if (arn == NULL)
			return crb_err_set(
			    err, CRB_ERR_INVALID, WHERE ": bad policy_arns");
		(void)snprintf(
		    key, sizeof(key), "PolicyArns.member.%zu.arn", i + 1);
		add(out, key, arn);
	}
	return CRB_OK;
}

static enum crb_status
add_tags(const json_t *order, struct crb_buf *out, struct crb_err *err)
{
	json_t *tags = json_object_get(order, "tags");
	const char *tag;
	json_t *value;
	unsigned i = 0;

	json_object_foreach(tags, tag, value)
	{
		char key[KEY_SIZE];

		if (!json_is_string(value))
			return crb_err_set(
			    err, CRB_ERR_INVALID, WHERE ": bad tags");
		(void)snprintf(key, sizeof(key), "Tags.member.%u.Key", ++i);
		add(out, key, tag);
		(void)snprintf(key, sizeof(key), "Tags.member.%u.Value", i);
		add(out, key, json_string_value(value));
	}
	return CRB_OK;
}

enum crb_status
crb_aws_order_call(
    const json_t *order, enum crb_aws_call *out, struct crb_err *err)
{
	const char *name;

	if (crb_json_string(order, "call", WHERE, &name, err) != CRB_OK)
		return err->status;
	for (unsigned i = 0; i < CRB_AWS_CALLS; i++) {
		if (strcmp(crb_aws_calls[i].name, name) == 0) {
			*out = (enum crb_aws_call)i;
			return CRB_OK;
		}
	}
	return crb_err_set(
	    err, CRB_ERR_INVALID, WHERE ": there is no such call");
}

enum crb_status
crb_aws_order_form(const json_t *order, int64_t duration, struct crb_buf *out,
    struct crb_err *err)
{
	enum crb_aws_call call;
	enum crb_status status;

	if ((status = crb_aws_order_call(order, &call, err)) != CRB_OK)
		return status;
	crb_buf_printf(out, "Action=%s&Version=" API "&DurationSeconds=%lld",
	    crb_aws_calls[call].action, (long long)duration);
	if ((status = add_texts(order, call, out, err)) != CRB_OK ||
	    (status = add_arns(order, out, err)) != CRB_OK ||
	    (status = add_tags(order, out, err)) != CRB_OK)
		return status;
	return crb_buf_check(out, "a request to STS", err);
}
