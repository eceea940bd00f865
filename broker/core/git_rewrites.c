#include "broker/core/git_rewrites.h"

#include <string.h>

#define TEXT_MAX 512
#define PORT_TLS 443u

/* Around HOST; the forms of ssh, where a port would be another service's. */
static const struct form {
	const char *before;
	const char *after;
	bool dotted; /* only for hosts with a dot */
} ssh_forms[] = {
	{ "ssh://git@", "/", false },
	{ "ssh://", "/", false },
	{ "git+ssh://git@", "/", false },
	{ "git+ssh://", "/", false },
	{ "git@", ":", false },
	{ "", ":", true },
};

static enum crb_status
rewrite(const struct crb_buf *base, const char *before, const char *name,
    const char *after, crb_git_rewrite_fn *emit, void *ctx, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf prefix = CRB_BUF_INIT(TEXT_MAX);
	enum crb_status status;

	crb_buf_printf(&prefix, "%s%s%s", before, name, after);
	if ((status = crb_buf_check(&prefix, "a URL", err)) != CRB_OK)
		return status;
	return emit(ctx, crb_buf_text(base), crb_buf_text(&prefix), err);
}

enum crb_status
crb_git_rewrites(const char *endpoint, const struct crb_origin *origin,
    crb_git_rewrite_fn *emit, void *ctx, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf authority = CRB_BUF_INIT(TEXT_MAX);
	CRB_AUTO_BUF struct crb_buf base = CRB_BUF_INIT(TEXT_MAX);
	bool dotted = strchr(origin->host, '.') != NULL;
	enum crb_status status;

	crb_origin_authority(origin, &authority);
	crb_buf_printf(&base, "%s/git/%s/", endpoint, crb_buf_text(&authority));
	if ((status = crb_buf_check(&base, "a URL", err)) != CRB_OK)
		return status;
	status = rewrite(&base, origin->tls ? "https://" : "http://",
	    crb_buf_text(&authority), "/", emit, ctx, err);
	if (!origin->tls || origin->port != PORT_TLS)
		return status;
	for (size_t i = 0;
	     status == CRB_OK && i < sizeof(ssh_forms) / sizeof(*ssh_forms);
	     i++) {
		const struct form *form = &ssh_forms[i];

		if (form->dotted && !dotted)
			continue;
		status = rewrite(&base, form->before, origin->host, form->after,
		    emit, ctx, err);
	}
	return status;
}
