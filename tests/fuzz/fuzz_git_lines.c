#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shim/git_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * What is relayed after a check is whole lines without NUL or CR, and is
 * judged the same when it comes alone.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	size_t used = 0, again = 0;

	(void)crb_git_lines_ended(bytes, size);
	if (crb_git_lines_check_answer(bytes, size, &used) != NULL) {
		if (crb_git_lines_check_question(bytes, size, &used) == NULL)
			abort();
		return 0;
	}
	if (used > size || (used > 0 && bytes[used - 1] != '\n') ||
	    memchr(bytes, '\0', used) != NULL ||
	    memchr(bytes, '\r', used) != NULL)
		abort();
	if (crb_git_lines_check_answer(bytes, used, &again) != NULL ||
	    again != used)
		abort();
	if (crb_git_lines_check_question(bytes, size, &used) == NULL &&
	    (memmem(bytes, used, "protocol=", 9) == NULL ||
		memmem(bytes, used, "host=", 5) == NULL))
		abort();
	return 0;
}
