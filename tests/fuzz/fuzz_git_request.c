/* "METHOD TARGET[?QUERY]": what is understood is sent as it was judged. */
#include "broker/core/git_request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct crb_git_request *request, struct crb_slice raw)
{
	CRB_AUTO_BUF struct crb_buf sent = CRB_BUF_INIT(2 * CRB_TARGET_MAX + 2);
	size_t authority = strlen(request->authority);

	crb_git_request_target(request, &sent);
	if (sent.failed || authority + sent.len != raw.len ||
	    memcmp(raw.p, request->authority, authority) != 0 ||
	    memcmp(raw.p + authority, sent.data, sent.len) != 0)
		abort();
	crb_buf_reset(&sent);
	crb_buf_printf(&sent, "/%s/", request->repository);
	if (crb_git_operation_choice(request->operation) == NULL ||
	    strstr(crb_buf_text(&sent), "//") != NULL ||
	    strstr(crb_buf_text(&sent), "/../") != NULL ||
	    strstr(crb_buf_text(&sent), ".git/") != NULL ||
	    strpbrk(crb_buf_text(&sent), "?*;\\") != NULL ||
	    memmem(request->path.p, request->path.len, request->repository,
		strlen(request->repository)) == NULL)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crb_slice rest = { (const char *)data, size };
	struct crb_slice method, raw, target;
	struct crb_git_request request;
	struct crb_err err;

	if (size == 0)
		return 0;
	(void)crb_slice_cut(&rest, ' ', &method);
	if (rest.p == NULL)
		return 0;
	raw = rest;
	(void)crb_slice_cut(&rest, '?', &target);
	if (crb_git_request_parse(method, target, rest.p != NULL ? &rest : NULL,
		&request, &err) == CRB_OK)
		check(&request, raw);
	return 0;
}
