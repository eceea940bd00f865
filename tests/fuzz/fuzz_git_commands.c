/* A push's body, and the report that is made of its command list. */
#include "broker/gateway/git_reply.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is said of its refs. */
static void
check_reply(const struct crb_git_commands *commands, const char *refs)
{
	static const struct crb_refusal refusal = {
		.status = 403, .code = "policy_denied", .detail = "no"
	};
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(256 << 10);
	struct crb_git_reply reply = crb_git_reply(
	    &refusal, CRB_GIT_PUSH, commands, refs, &out);

	if (out.failed || reply.status == 401)
		abort();
	for (size_t i = 0; i < out.len; i++) {
		if (out.data[i] == '\0' || out.data[i] == '\x1b')
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CRB_AUTO_GIT_COMMANDS struct crb_git_commands whole;
	CRB_AUTO_GIT_COMMANDS struct crb_git_commands pieces;
	CRB_AUTO_BUF struct crb_buf refs = CRB_BUF_INIT(size);

	crb_git_commands_init(&whole);
	crb_git_commands_init(&pieces);
	crb_git_commands_feed(&whole, data, size);
	for (size_t i = 0; i < size; i++)
		crb_git_commands_feed(&pieces, data + i, 1);
	if (whole.state != pieces.state || whole.count != pieces.count ||
	    whole.refs.len != pieces.refs.len ||
	    whole.report_status != pieces.report_status ||
	    whole.side_band != pieces.side_band)
		abort();
	if (whole.refs.len > 0 &&
	    memcmp(whole.refs.data, pieces.refs.data, whole.refs.len) != 0)
		abort();
	check_reply(&whole, NULL);
	crb_buf_add(&refs, data, size);
	check_reply(&whole, crb_buf_text(&refs));
	return 0;
}
