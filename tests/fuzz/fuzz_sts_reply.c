/* What STS answers: keys that are taken are sound, and errors can be shown. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/aws_keys.h"
#include "backends/sts_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_shown(const char *text, size_t most)
{
	if (strlen(text) >= most)
		abort();
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~')
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct crb_aws_keys ours = { "AKID", "sEcReT-51a9",
		"tOkEn-51a9", NULL };
	const char *text = (const char *)data;
	struct crb_sts_reply reply = { .keys = NULL };
	struct crb_aws_keys keys = { 0 };
	struct crb_sts_error error;
	struct crb_err err;

	if (crb_sts_reply_read("AssumeRole", text, size, &reply, &err) ==
	    CRB_OK) {
		if (crb_aws_keys_parse(reply.keys, &keys, &err) != CRB_OK ||
		    keys.token == NULL || strcmp(keys.id, reply.id) != 0)
			abort();
		crb_aws_keys_clear(&keys);
		crb_sts_reply_clear(&reply);
	}
	crb_sts_error_read(text, size, &ours, &error);
	check_shown(error.code, sizeof(error.code));
	check_shown(error.message, sizeof(error.message));
	check_shown(error.request, sizeof(error.request));
	if (strstr(error.message, ours.secret) != NULL ||
	    strstr(error.code, ours.secret) != NULL ||
	    strstr(error.request, ours.token) != NULL)
		abort();
	return 0;
}
