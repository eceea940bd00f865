#include "broker/core/aws_mode.h"

#include <string.h>

#include "broker/core/session.h"

static const char *const names[CRB_AWS_MODE_COUNT] = {
	[CRB_AWS_CONTAINER] = "container",
	[CRB_AWS_IMDS] = "imds",
	[CRB_AWS_PROCESS] = "process",
	[CRB_AWS_INJECT] = "inject",
};

const char *
crb_aws_mode_name(enum crb_aws_mode mode)
{
	return names[mode];
}

enum crb_status
crb_aws_mode_parse(
    const char *name, enum crb_aws_mode *out, struct crb_err *err)
{
	for (unsigned i = 0; i < CRB_AWS_MODE_COUNT; i++) {
		if (names[i] == NULL || strcmp(names[i], name) != 0)
			continue;
		*out = (enum crb_aws_mode)i;
		return CRB_OK;
	}
	return crb_err_set(err, CRB_ERR_INVALID,
	    "aws: one of container, imds, process and inject");
}

const struct crb_grant *
crb_aws_grant(const struct crb_session *session, bool minted)
{
	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_grant *grant = session->grants[i].grant;

		if (strcmp(grant->backend->form, CRB_AWS_FORM) == 0 &&
		    crb_grant_mints(grant) == minted)
			return grant;
	}
	return NULL;
}
