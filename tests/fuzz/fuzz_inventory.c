#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shim/inventory_formats.h"
#include "shim/inventory_git.h"
#include "shim/inventory_settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is told about a text must not be in the text's own memory. */
static void
check_reason(const char *reason, const char *bytes, size_t size)
{
	if ((uintptr_t)reason >= (uintptr_t)bytes &&
	    (uintptr_t)reason < (uintptr_t)bytes + size)
		abort();
	if (reason[0] == '\0' || strlen(reason) > 64)
		abort();
}

static void
check_include(void *ctx, struct crb_span path)
{
	size_t *total = ctx;

	/* Read every byte, so that the sanitizer judges each. */
	for (size_t i = 0; i < path.len; i++)
		*total += (unsigned char)path.p[i];
}

static void
check_settings(const char *bytes, size_t size)
{
	const struct crb_span text = { bytes, size };
	enum crb_severity severity = CRB_SEVERITY_LOW;
	const char *reason = NULL;
	size_t count = crb_settings_count(text, &severity, &reason);
	const char *equals = memchr(bytes, '=', size);

	if (count > 0)
		check_reason(reason, bytes, size);
	if (count == 0 && crb_format_find(bytes, size) != NULL)
		abort();
	if (equals == NULL)
		return;
	reason = NULL;
	if (crb_setting_judge(
		(struct crb_span){ bytes, (size_t)(equals - bytes) },
		(struct crb_span){
		    equals + 1, size - (size_t)(equals - bytes) - 1 },
		&severity, &reason) != CRB_SETTING_PLAIN)
		check_reason(reason, bytes, size);
}

static void
check_git(const char *bytes, size_t size)
{
	unsigned line = 0;
	size_t total = 0, newlines = 1;
	const char *reason = crb_git_config_find(
	    (struct crb_span){ bytes, size }, &line, check_include, &total);

	if (reason == NULL)
		return;
	check_reason(reason, bytes, size);
	for (size_t i = 0; i < size; i++)
		newlines += bytes[i] == '\n' ? 1 : 0;
	if (line < 1 || line > newlines)
		abort();
}

/*
 * Everything that reads a file's text.  A secret that is found is found again
 * behind another line: where it stands does not hide it.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	const char *found = crb_format_find(bytes, size);
	enum crb_format_key key = crb_format_key(bytes, size);
	char *more = malloc(size + 4);

	if (more == NULL)
		return 0;
	memcpy(more, "ls\n", 3);
	memcpy(more + 3, bytes, size);
	if (found != NULL) {
		check_reason(found, bytes, size);
		if (crb_format_find(more, size + 3) == NULL)
			abort();
	}
	if (crb_format_key(more, size + 3) != key)
		abort();
	if (crb_format_shadow(bytes, size) &&
	    !crb_format_shadow(more, size + 3))
		abort();
	free(more);
	(void)crb_format_has(bytes, size, "password|token:|\"auth\"");
	(void)crb_format_own_token(bytes, size);
	check_settings(bytes, size);
	check_git(bytes, size);
	return 0;
}
