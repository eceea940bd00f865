/* A grant: what is accepted has a canonical text that means the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_scope(const char *text, const struct crb_attribute *table)
{
	CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
	CRB_AUTO_SCOPE struct crb_scope again = { 0 };
	struct crb_err err;
	char *first, *second = NULL;

	if (crb_scope_parse(text, table, &scope, &err) != CRB_OK)
		return;
	first = crb_scope_text(&scope);
	if (first == NULL ||
	    crb_scope_parse(first, table, &again, &err) != CRB_OK ||
	    (second = crb_scope_text(&again)) == NULL ||
	    strcmp(first, second) != 0)
		abort();
	free(first);
	free(second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = crb_slice_dup(
	    (struct crb_slice){ (const char *)data, size });
	char *name = NULL, *scope = NULL;
	struct crb_err err;

	if (text == NULL)
		return 0;
	for (size_t i = 0; crb_backends[i] != NULL; i++)
		check_scope(text, crb_backends[i]->attributes);
	if (crb_grant_split(text, &name, &scope, &err) == CRB_OK) {
		if (!crb_name_ok(name))
			abort();
		check_scope(scope, crb_backends[0]->attributes);
	}
	free(name);
	free(scope);
	free(text);
	return 0;
}
