#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/bus/messages.h"
#include "broker/gateway/aws_authorization.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What goes on a bus, and to a list of services, is a plain word. */
static void
check_word(struct crb_slice word, size_t most)
{
	if (word.len == 0 || word.len > most)
		abort();
	for (size_t i = 0; i < word.len; i++) {
		char c = word.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr("-._", c) == NULL))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crb_slice value = { (const char *)data, size };
	struct crb_aws_authorization out;
	struct crb_err err = { .status = CRB_OK };

	if (crb_aws_authorization_parse(value, &out, &err) != CRB_OK) {
		if (err.status == CRB_OK || err.msg[0] == '\0')
			abort();
		return 0;
	}
	if (!crb_aws_authorization_is(value))
		abort();
	check_word(out.region, CRB_REGION_MAX);
	check_word(out.service, CRB_SERVICE_MAX);
	return 0;
}
