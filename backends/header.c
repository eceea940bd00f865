#include "backends/header.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

/*
 * Headers that frame a message, belong to one hop, say where it goes, or that
 * the request brings along itself.  A "-" at the end stands for all that start
 * so.
 */
static const char *const reserved_headers[] = { "accept", "accept-",
	"connection", "content-", "date", "expect", "forwarded", "git-protocol",
	"host", "http2-settings", "if-", "keep-alive", "origin", "proxy-",
	"range", "referer", "sec-", "te", "trailer", "transfer-encoding",
	"upgrade", "user-agent", "via", "x-forwarded-",
	"x-http-method-override", NULL };

static bool
is_reserved(const char *folded)
{
	for (size_t i = 0; reserved_headers[i] != NULL; i++) {
		const char *reserved = reserved_headers[i];
		size_t len = strlen(reserved);

		if (strcmp(folded, reserved) == 0 ||
		    (reserved[len - 1] == '-' &&
			strncmp(folded, reserved, len) == 0))
			return true;
	}
	return false;
}

/* Servers that read headers as variables take "_" for "-". */
static bool
is_reserved_to_some(const char *lowered)
{
	char folded[CRB_HEADER_NAME_MAX + 1];
	size_t i = 0;

	for (; i < CRB_HEADER_NAME_MAX && lowered[i] != '\0'; i++)
		folded[i] = lowered[i] == '_' ? '-' : lowered[i];
	folded[i] = '\0';
	return is_reserved(folded);
}

enum crb_status
crb_header_name(const char *name, char *out, size_t size, struct crb_err *err)
{
	static const char token[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "!#$%&'*+-.^_`|~";
	char lowered[CRB_HEADER_NAME_MAX + 1];
	size_t len = strlen(name);

	if (len == 0 || len > CRB_HEADER_NAME_MAX || len >= size ||
	    strspn(name, token) != len)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "header must be a header's name of at most %d characters",
		    CRB_HEADER_NAME_MAX);
	for (size_t i = 0; i <= len; i++)
		lowered[i] = crb_text_lower(name[i]);
	if (is_reserved_to_some(lowered))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "header must not be one that frames, routes or describes "
		    "a request");
	memcpy(out, lowered, len + 1);
	return CRB_OK;
}
