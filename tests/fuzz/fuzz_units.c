/* Durations, sizes, numbers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_duration(const char *text)
{
	char shown[CRB_DURATION_TEXT];
	int64_t seconds, again;
	struct crb_err err;

	if (crb_duration_parse(text, &seconds, &err) != CRB_OK)
		return;
	if (seconds < 0 || seconds > INT64_C(315360000))
		abort();
	/* What is shown leaves only small units out. */
	crb_duration_text(seconds, shown);
	if (crb_duration_parse(shown, &again, &err) != CRB_OK ||
	    again > seconds || seconds - again >= 3600)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CRB_AUTO_FREE char *text = crb_slice_dup(
	    (struct crb_slice){ (const char *)data, size });
	char shown[CRB_SIZE_TEXT];
	uint64_t number;
	struct crb_err err;

	if (text == NULL)
		return 0;
	check_duration(text);
	if (crb_size_parse(text, &number, &err) == CRB_OK)
		crb_size_text(number, shown);
	if (crb_number_parse((const char *)data, size, 65535, &number, &err) ==
		CRB_OK &&
	    number > 65535)
		abort();
	return 0;
}
