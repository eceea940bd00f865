/* The JSON Schema of a policy, as it belongs into docs/policy.schema.json. */
#include <stdio.h>

#include "policy/document.h"

int
main(void)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(1u << 20);

	crb_policy_schema(&text);
	return text.failed || fputs(crb_buf_text(&text), stdout) == EOF;
}
