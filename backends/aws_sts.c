#include "backends/aws_sts.h"

#include <string.h>

#include "backends/aws_hosts.h"
#include "backends/aws_keys.h"
#include "backends/aws_mint.h"
#include "backends/aws_order.h"
#include "backends/aws_params.h"
#include "backends/aws_scope.h"
#include "backends/backend.h"
#include "backends/sigv4.h"

static enum crb_status
aws_route(const json_t *json, struct crb_route *out, struct crb_err *err)
{
	CRB_AUTO_AWS_PARAMS struct crb_aws_params params = { 0 };
	enum crb_status status;

	if ((status = crb_aws_params_read(json, &params, err)) == CRB_OK)
		*out = params.route;
	return status;
}

static enum crb_status
aws_check(const json_t *json, struct crb_err *err)
{
	struct crb_route route;

	return aws_route(json, &route, err);
}

static enum crb_status
aws_order(const json_t *json, const struct crb_scope *const *scopes,
    size_t count, const struct crb_mint_terms *terms, json_t **out,
    struct crb_err *err)
{
	CRB_AUTO_AWS_PARAMS struct crb_aws_params params = { 0 };
	enum crb_status status;

	if ((status = crb_aws_params_read(json, &params, err)) != CRB_OK)
		return status;
	return crb_aws_order_make(&params, scopes, count, terms, out, err);
}

/* By an order for it alone: whatever is wrong with one is said at once. */
static enum crb_status
aws_check_scope(
    const json_t *json, const struct crb_scope *scope, struct crb_err *err)
{
	static const struct crb_mint_terms terms = { .task = "task",
		.session = "session",
		.seconds = CRB_AWS_DURATION_MIN };
	json_t *order = NULL;
	enum crb_status status;

	status = aws_order(json, &scope, 1, &terms, &order, err);
	json_decref(order);
	return status;
}

static enum crb_status
aws_mint(const struct crb_mint_world *world, const json_t *json,
    const struct crb_secret *secret, const json_t *order,
    struct crb_minted *out, struct crb_err *err)
{
	CRB_AUTO_AWS_PARAMS struct crb_aws_params params = { 0 };
	CRB_AUTO_AWS_KEYS struct crb_aws_keys keys = { 0 };
	enum crb_status status;

	if ((status = crb_aws_params_read(json, &params, err)) != CRB_OK ||
	    (status = crb_aws_keys_parse(secret, &keys, err)) != CRB_OK)
		return status;
	return crb_aws_mint(world, &params, &keys, order, out, err);
}

static bool
is_listed(const struct crb_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->item[i], text) == 0)
			return true;
	}
	return false;
}

static enum crb_status
aws_upstream(const json_t *json, const char *service, const char *region,
    struct crb_origin *out, struct crb_err *err)
{
	CRB_AUTO_AWS_PARAMS struct crb_aws_params params = { 0 };
	enum crb_status status;

	if ((status = crb_aws_params_read(json, &params, err)) != CRB_OK)
		return status;
	if (!crb_aws_name_ok(service) || !crb_aws_name_ok(region))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the request is signed for no service and region of AWS");
	if (!is_listed(&params.services, service))
		return crb_err_set(err, CRB_ERR_DENIED,
		    "requests of the service %s are not signed for this "
		    "credential (its parameter services)",
		    service);
	if (params.endpoint_url != NULL) {
		*out = params.route.origin[0];
		return CRB_OK;
	}
	if (!crb_aws_regions_related(region, params.region))
		return crb_err_set(err, CRB_ERR_DENIED,
		    "the region %s is of another partition than %s", region,
		    params.region);
	return crb_aws_host(service, region, out, err);
}

static enum crb_status
aws_sign(const struct crb_secret *text, const struct crb_sign_request *request,
    struct crb_buf *out, struct crb_err *err)
{
	CRB_AUTO_AWS_KEYS struct crb_aws_keys keys = { 0 };
	enum crb_status status;

	if ((status = crb_aws_keys_parse(text, &keys, err)) != CRB_OK)
		return status;
	return crb_sigv4_sign(
	    &(struct crb_sigv4_keys){ keys.id, keys.secret, keys.token },
	    request, out, err);
}

const struct crb_backend_ops crb_backend_aws_sts = {
	.kind = "aws-sts",
	.summary = "keys of AWS for a session, made by its token service",
	.form = "aws-keys",
	.mints = true,
	.params = crb_aws_param_table,
	.attributes = crb_aws_attributes,
	.check = aws_check,
	.route = aws_route,
	.secret = crb_aws_keys_given,
	.check_scope = aws_check_scope,
	.order = aws_order,
	.mint = aws_mint,
	.upstream = aws_upstream,
	.sign = aws_sign,
};
