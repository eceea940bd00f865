/* "PATTERN\nNAME": what is accepted is matched within bounds and anchored. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policy/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const char *pattern, const char *name)
{
	struct crb_err err;

	if (crb_pattern_check(pattern, '/', &err) != CRB_OK)
		return;
	if (strchr(pattern, '*') == NULL &&
	    crb_pattern_match(pattern, name, '/') !=
		(strcmp(pattern, name) == 0))
		abort();
	if (strchr(name, '*') != NULL && crb_pattern_match(pattern, name, '/'))
		abort();
	(void)crb_pattern_match(pattern, name, '.');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crb_slice rest = { (const char *)data, size };
	struct crb_slice head;
	char *pattern, *name;

	if (size == 0 || size > 4096)
		return 0;
	(void)crb_slice_cut(&rest, '\n', &head);
	pattern = crb_slice_dup(head);
	name = crb_slice_dup(rest);
	if (pattern != NULL && name != NULL)
		check(pattern, name);
	free(pattern);
	free(name);
	return 0;
}
