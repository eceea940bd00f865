/*
 * What aws-sts makes of lines of JSON, for comparison with what an SDK of AWS
 * knows.  {"params", "scopes", "task", "session", "seconds"}: the form that STS
 * would be sent, and the order for it; {"service", "region"}: the host.  A line
 * of JSON answers each, or says why not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "backends/aws_hosts.h"
#include "backends/aws_order.h"
#include "backends/aws_sts.h"
#include "backends/backend.h"
#include "base/cleanup.h"

#define SCOPES_MAX 16

static const char *
text(const json_t *line, const char *key)
{
	return json_string_value(json_object_get(line, key));
}

static json_t *
failed(const struct crb_err *err)
{
	return json_pack("{s:s}", "error", err->msg);
}

static json_t *
answer_host(const json_t *line)
{
	struct crb_origin origin;
	struct crb_err err;

	if (crb_aws_host(text(line, "service"), text(line, "region"), &origin,
		&err) != CRB_OK)
		return failed(&err);
	return json_pack("{s:s}", "host", origin.host);
}

static json_t *
order(
    const json_t *line, struct crb_scope scope[SCOPES_MAX], struct crb_err *err)
{
	const struct crb_backend_ops *ops = &crb_backend_aws_sts;
	const json_t *params = json_object_get(line, "params");
	const struct crb_mint_terms terms = { text(line, "task"),
		text(line, "session"),
		json_integer_value(json_object_get(line, "seconds")) };
	const struct crb_scope *given[SCOPES_MAX];
	json_t *one, *made = NULL;
	size_t i;

	json_array_foreach(json_object_get(line, "scopes"), i, one)
	{
		if (i == SCOPES_MAX ||
		    crb_scope_parse(json_string_value(one), ops->attributes,
			&scope[i], err) != CRB_OK ||
		    ops->check_scope(params, &scope[i], err) != CRB_OK)
			return NULL;
		given[i] = &scope[i];
	}
	return ops->order(params, given, i, &terms, &made, err) == CRB_OK
	    ? made
	    : NULL;
}

static json_t *
answer_order(const json_t *line)
{
	CRB_AUTO_BUF struct crb_buf form = CRB_BUF_INIT(64u << 10);
	CRB_AUTO_JSON json_t *made = NULL;
	struct crb_scope scope[SCOPES_MAX];
	struct crb_err err = { 0 };
	int64_t duration;

	memset(scope, 0, sizeof(scope));
	made = order(line, scope, &err);
	for (size_t i = 0; i < SCOPES_MAX; i++)
		crb_scope_clear(&scope[i]);
	if (made == NULL)
		return failed(&err);
	duration = json_integer_value(json_object_get(made, "duration"));
	if (crb_aws_order_form(made, duration, &form, &err) != CRB_OK)
		return failed(&err);
	return json_pack(
	    "{s:s, s:O}", "form", crb_buf_text(&form), "order", made);
}

int
main(void)
{
	CRB_AUTO_FREE char *bytes = NULL;
	size_t size = 0;

	while (getline(&bytes, &size, stdin) > 0) {
		CRB_AUTO_JSON json_t *line = json_loads(bytes, 0, NULL);
		CRB_AUTO_JSON json_t *said = NULL;

		said = text(line, "service") != NULL ? answer_host(line)
						     : answer_order(line);
		if (said == NULL || json_dumpf(said, stdout, JSON_COMPACT) != 0)
			return 1;
		putchar('\n');
	}
	return 0;
}
