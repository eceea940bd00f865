/*
 * Grants of AWS keys, a line each: whatever they come to is JSON that STS can
 * take, has a form of its own, and names nothing that no grant names.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/aws_policy.h"
#include "backends/aws_scope.h"
#include "backends/backend.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

#define SCOPES_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A document that is written is its own only form. */
static void
check_document(const char *text)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(64u << 10);
	struct crb_err err;

	if (crb_aws_policy_check(text, &out, &err) != CRB_OK ||
	    strcmp(crb_buf_text(&out), text) != 0)
		abort();
}

static void
check_made(const struct crb_scope *const *scopes, size_t count)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(64u << 10);
	CRB_AUTO_JSON json_t *arns = NULL;
	size_t size;
	struct crb_err err;

	if (crb_aws_policy_make(scopes, count, &text, &arns, &err) != CRB_OK)
		return;
	size = text.len;
	for (size_t i = 0; i < json_array_size(arns); i++)
		size += json_string_length(json_array_get(arns, i));
	if (size > CRB_AWS_POLICY_MAX || (text.len == 0 && size == 0))
		abort();
	if (text.len > 0)
		check_document(crb_buf_text(&text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = crb_slice_dup(
	    (struct crb_slice){ (const char *)data, size });
	struct crb_scope scope[SCOPES_MAX];
	const struct crb_scope *given[SCOPES_MAX];
	char *rest = text, *line;
	struct crb_err err;
	size_t count = 0;

	memset(scope, 0, sizeof(scope));
	while (count < SCOPES_MAX && (line = strsep(&rest, "\n")) != NULL) {
		if (crb_scope_parse(line, crb_aws_attributes, &scope[count],
			&err) != CRB_OK)
			continue;
		given[count] = &scope[count];
		if (crb_aws_scope_check(given[count], &err) == CRB_OK)
			count++;
		else
			crb_scope_clear(&scope[count]);
	}
	if (count > 0)
		check_made(given, count);
	while (count > 0)
		crb_scope_clear(&scope[--count]);
	free(text);
	return 0;
}
