#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shim/http_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is accepted lies inside the bytes that were given. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as long, so that a read behind the end is seen. */
	char *bytes = malloc(size == 0 ? 1 : size);
	struct crb_http_reply reply;

	if (bytes == NULL)
		return 0;
	memcpy(bytes, data, size);
	if (crb_http_reply_parse(bytes, size, &reply)) {
		if (reply.status < 200 || reply.status > 599)
			abort();
		if (reply.body_len > size ||
		    (reply.body_len > 0 &&
			(reply.body < bytes ||
			    reply.body + reply.body_len > bytes + size)))
			abort();
		if (reply.error_len > 0 &&
		    (reply.error < bytes ||
			reply.error + reply.error_len > bytes + size))
			abort();
	}
	free(bytes);
	return 0;
}
