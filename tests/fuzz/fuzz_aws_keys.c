/* Keys as people have them: what is stored is its own input. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/aws_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_stored(const struct crb_secret *stored)
{
	CRB_AUTO_SECRET struct crb_secret *again = NULL;
	CRB_AUTO_SECRET struct crb_secret *joined = NULL;
	CRB_AUTO_AWS_KEYS struct crb_aws_keys keys = { 0 };
	struct crb_err err;

	if (crb_aws_keys_given(stored, &again, &err) != CRB_OK ||
	    crb_aws_keys_parse(stored, &keys, &err) != CRB_OK ||
	    crb_aws_keys_text(
		keys.id, keys.secret, keys.token, &joined, &err) != CRB_OK ||
	    strcmp(crb_secret_bytes(again), crb_secret_bytes(stored)) != 0 ||
	    strcmp(crb_secret_bytes(joined), crb_secret_bytes(stored)) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CRB_AUTO_SECRET struct crb_secret *given = NULL;
	CRB_AUTO_SECRET struct crb_secret *stored = NULL;
	CRB_AUTO_AWS_KEYS struct crb_aws_keys keys = { 0 };
	struct crb_err err;

	if (crb_secret_copy(data, size, &given, &err) != CRB_OK)
		return 0;
	if (crb_aws_keys_given(given, &stored, &err) == CRB_OK)
		check_stored(stored);
	if (crb_aws_keys_parse(given, &keys, &err) == CRB_OK)
		check_stored(given);
	return 0;
}
