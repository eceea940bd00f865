#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/cli/git_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Keys have a section and a name of few characters; values are bounded. */
static void
check(void *ctx, const char *key, const char *value)
{
	const char *dot = strchr(key, '.');

	(void)ctx;
	if (dot == NULL || dot[1] == '\0' ||
	    strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-.") !=
		strlen(key) ||
	    strlen(value) >= 4096 || strlen(key) >= 256)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	crb_git_config_read((const char *)data, size, check, NULL);
	return 0;
}
