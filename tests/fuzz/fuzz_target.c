/* A path, or behind a first "?" a query: what passes is canonical. */
#include "broker/core/target.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
has(struct crb_slice text, const char *part)
{
	return memmem(text.p, text.len, part, strlen(part)) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const never[] = { "//", "/./", "/../", "\\", "#",
		"?", ";", "%2E", "%2F", "%5C", "%25", "%00", " ", "\n" };
	struct crb_slice text = { (const char *)data, size };
	struct crb_err err;

	if (size > 0 && data[0] == '?') {
		text = (struct crb_slice){ text.p + 1, size - 1 };
		if (crb_target_check_query(text, &err) == CRB_OK &&
		    (has(text, "%00") || has(text, "%25")))
			abort();
		return 0;
	}
	if (crb_target_check_path(text, &err) != CRB_OK)
		return 0;
	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++) {
		if (has(text, never[i]))
			abort();
	}
	for (size_t i = 0; i < size; i++) {
		if (data[i] <= ' ' || data[i] >= 0x7f)
			abort();
	}
	return 0;
}
