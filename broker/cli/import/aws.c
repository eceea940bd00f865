#include "broker/cli/import/aws.h"

#include <string.h>

#include "backends/aws_keys.h"
#include "backends/backend.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "broker/cli/import/aws_profile.h"
#include "broker/cli/import/parsers.h"

#define KEYS_MAX 16384u
#define REGION "us-east-1" /* what AWS's tools ask when nothing is said */

static enum crb_status
make_keys(const struct crb_aws_finding *finding, struct crb_secret **out,
    struct crb_err *why)
{
	CRB_AUTO_BUF struct crb_buf id = CRB_BUF_INIT_WIPED(KEYS_MAX);
	CRB_AUTO_BUF struct crb_buf secret = CRB_BUF_INIT_WIPED(KEYS_MAX);

	crb_buf_add(&id, finding->id.p, finding->id.len);
	crb_buf_add(&secret, finding->secret.p, finding->secret.len);
	return crb_aws_keys_text(
	    crb_buf_text(&id), crb_buf_text(&secret), NULL, out, why);
}

enum crb_status
crb_aws_found_set(struct crb_found *found, const char *key,
    struct crb_slice value, struct crb_err *err)
{
	json_t *text;

	if (found->params == NULL)
		return CRB_OK;
	if (value.len == 0) {
		(void)json_object_del(found->params, key);
		return CRB_OK;
	}
	if ((text = json_stringn(value.p, value.len)) == NULL) {
		crb_found_refuse(found, "a setting of it is not UTF-8");
		return CRB_OK;
	}
	if (json_object_set_new(found->params, key, text) == -1)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

enum crb_status
crb_aws_found_check(struct crb_found *found, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf host = CRB_BUF_INIT(300);
	const struct crb_backend_ops *backend;
	struct crb_route route;
	struct crb_err why;

	if (found->params == NULL)
		return CRB_OK;
	if (crb_backend_find(found->backend, &backend, err) != CRB_OK)
		return err->status;
	if (backend->route(found->params, &route, &why) != CRB_OK) {
		crb_found_refuse(found, why.msg);
		return CRB_OK;
	}
	crb_origin_authority(&route.origin[0], &host);
	free(found->host);
	if ((found->host = crb_buf_steal(&host)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

enum crb_status
crb_aws_found_add(struct crb_found_list *list,
    const struct crb_aws_finding *finding, struct crb_found **added,
    struct crb_err *err)
{
	struct crb_finding where = finding->where;
	struct crb_err why = { .msg = "" };
	struct crb_found *found;

	where.kind = CRB_AWS_FOUND_KIND;
	if (crb_found_add_other(list, &where, "", &found, err) != CRB_OK)
		return err->status;
	*added = found;
	found->backend = "aws-sts";
	if ((found->account = crb_slice_dup(finding->account)) == NULL ||
	    (found->params = json_pack("{s:s}", "region", REGION)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (finding->token.len > 0)
		crb_found_refuse(
		    found, "keys of a session: they end by themselves");
	else if (finding->id.len == 0)
		crb_found_refuse(found, "has no aws_access_key_id");
	else if (make_keys(finding, &found->secret, &why) != CRB_OK)
		crb_found_refuse(found, why.msg);
	if (finding->region.len > 0 &&
	    crb_aws_found_set(found, "region", finding->region, err) != CRB_OK)
		return err->status;
	return crb_aws_found_check(found, err);
}

enum crb_status
crb_import_aws(const char *text, size_t len, struct crb_found_list *out,
    struct crb_err *err)
{
	struct crb_aws_profiles profiles = { .text = text, .len = len };
	struct crb_aws_profile profile;
	struct crb_found *added;

	while (crb_aws_profile_next(&profiles, &profile)) {
		const struct crb_aws_finding finding = {
			.account = profile.name,
			.id = profile.value[CRB_AWS_KEY_ID],
			.secret = profile.value[CRB_AWS_KEY_SECRET],
			.token = profile.value[CRB_AWS_KEY_TOKEN],
			.region = profile.value[CRB_AWS_KEY_REGION],
			.where = { .line = profile.line,
			    .from = profile.from,
			    .to = profile.to },
		};

		if (finding.secret.len == 0)
			continue;
		if (crb_aws_found_add(out, &finding, &added, err) != CRB_OK)
			return err->status;
		if (profile.apart)
			(void)snprintf(added->sticks, sizeof(added->sticks),
			    "other settings stand between its keys");
	}
	return CRB_OK;
}
