#include <string.h>

#include "backends/aws_sts.h"
#include "backends/backend.h"
#include "backends/static.h"

const struct crb_backend_ops *const crb_backends[] = {
	&crb_backend_aws_sts,
	&crb_backend_static,
	NULL,
};

enum crb_status
crb_backend_find(
    const char *kind, const struct crb_backend_ops **out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf known = CRB_BUF_INIT(256);

	for (size_t i = 0; crb_backends[i] != NULL; i++) {
		if (strcmp(crb_backends[i]->kind, kind) == 0) {
			*out = crb_backends[i];
			return CRB_OK;
		}
		crb_buf_printf(
		    &known, "%s%s", i > 0 ? ", " : "", crb_backends[i]->kind);
	}
	return crb_err_set(err, CRB_ERR_NOT_FOUND,
	    "there is no such backend; known: %s", crb_buf_text(&known));
}

void
crb_injection_clear(struct crb_injection *injection)
{
	crb_secret_free(injection->value);
	memset(injection, 0, sizeof(*injection));
}

void
crb_minted_clear(struct crb_minted *minted)
{
	crb_secret_free(minted->keys);
	memset(minted, 0, sizeof(*minted));
}
