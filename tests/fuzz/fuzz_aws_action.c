/*
 * What is sent to a service, whatever it is: an action whose answer is
 * credentials is found before and behind it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "backends/aws_action.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_found(struct crb_slice text, bool form)
{
	static const char first[] = "Action=%41ssumeRole&";
	static const char last[] = "&aCTION=GetSessionToken";
	CRB_AUTO_BUF struct crb_buf both = CRB_BUF_INIT(1u << 20);
	struct crb_slice whole;
	struct crb_err err;

	crb_buf_str(&both, first);
	crb_buf_add(&both, text.p, text.len);
	crb_buf_str(&both, last);
	if (both.failed)
		return;
	whole = (struct crb_slice){ both.data, both.len };
	if (crb_aws_action_check_text(whole, form, &err) != CRB_ERR_DENIED)
		abort();
	whole.p += sizeof(first) - 1;
	whole.len -= sizeof(first) - 1;
	if (crb_aws_action_check_text(whole, form, &err) == CRB_OK)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crb_slice text = { (const char *)data, size };
	struct crb_err err;

	if (size == 0)
		return 0;
	(void)!crb_aws_action_check_target(text, &err);
	/* A form is judged more strictly than other bodies. */
	if (crb_aws_action_check_text(text, true, &err) == CRB_OK &&
	    crb_aws_action_check_text(text, false, &err) != CRB_OK)
		abort();
	check_found(text, true);
	check_found(text, false);
	return 0;
}
