#include "backends/aws_params.h"

#include <string.h>

#include "backends/aws_arn.h"
#include "backends/aws_hosts.h"
#include "backends/route.h"
#include "base/text.h"

#define HOUR 3600
#define WORD CRB_LOWER CRB_UPPER CRB_DIGITS "_+=,.@-"
#define EXTERNAL_ID_MAX 1224u
#define SOURCE_MAX 64u
#define ROLE_MAX 1024u

const struct crb_aws_call_info crb_aws_calls[CRB_AWS_CALLS] = {
	[CRB_AWS_ASSUME_ROLE] = { "assume-role", "AssumeRole", 12 * HOUR, 64,
	    true },
	[CRB_AWS_FEDERATION] = { "federation", "GetFederationToken", 36 * HOUR,
	    32, true },
	[CRB_AWS_SESSION_TOKEN] = { "session-token", "GetSessionToken",
	    36 * HOUR, 0, false },
};

static const char *const call_choices[] = { "assume-role", "federation",
	"session-token", NULL };
static const char *const tags_choices[] = { "yes", "no", NULL };

#define AT(member) offsetof(struct crb_aws_params, member)

const struct crb_option crb_aws_param_table[] = {
	{ .name = "role-arn",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(role_arn),
	    .value = "ARN",
	    .help = "the role that sessions assume" },
	{ .name = "call",
	    .type = CRB_OPTION_CHOICE,
	    .offset = AT(call_name),
	    .choices = call_choices,
	    .value = "CALL",
	    .help = "how keys are made; assume-role where there is a role, "
		    "else federation" },
	{ .name = "region",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(region),
	    .value = "REGION",
	    .help = "whose STS is asked; also the sandbox's" },
	{ .name = "endpoint-url",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(endpoint_url),
	    .value = "URL",
	    .help = "another provider's, for STS and for injected requests" },
	{ .name = "external-id",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(external_id),
	    .value = "ID",
	    .help = "what the role's trust policy asks for (assume-role)" },
	{ .name = "duration",
	    .type = CRB_OPTION_DURATION,
	    .offset = AT(duration),
	    .min = CRB_AWS_DURATION_MIN,
	    .max = 36 * HOUR,
	    .preset = "1h",
	    .value = "DURATION",
	    .help = "how long keys work, at most" },
	{ .name = "source-identity",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(source_identity),
	    .value = "TEXT",
	    .help = "who it was, for AWS's logs; task names the task "
		    "(assume-role)" },
	{ .name = "tags",
	    .type = CRB_OPTION_CHOICE,
	    .offset = AT(tags),
	    .preset = "yes",
	    .choices = tags_choices,
	    .value = "YES|NO",
	    .help = "whether keys carry task and session as tags" },
	{ .name = "services",
	    .type = CRB_OPTION_LIST,
	    .offset = AT(services),
	    .preset = "s3",
	    .value = "SERVICE,...",
	    .help = "services whose requests may be signed outside the "
		    "sandbox" },
	CRB_ROUTE_OPTIONS(struct crb_aws_params, network, ca),
	CRB_OPTION_END,
};

void
crb_aws_params_clear(struct crb_aws_params *params)
{
	crb_options_clear(crb_aws_param_table, params);
}

static enum crb_status
choose_call(struct crb_aws_params *params, struct crb_err *err)
{
	const char *name = params->call_name;
	bool role = params->role_arn != NULL;

	params->call = role ? CRB_AWS_ASSUME_ROLE : CRB_AWS_FEDERATION;
	for (unsigned i = 0; name != NULL && i < CRB_AWS_CALLS; i++) {
		if (strcmp(crb_aws_calls[i].name, name) == 0)
			params->call = (enum crb_aws_call)i;
	}
	if (!role && params->call == CRB_AWS_ASSUME_ROLE)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "call=assume-role needs role-arn");
	return CRB_OK;
}

/* What only AssumeRole takes. */
static enum crb_status
check_belongings(const struct crb_aws_params *params, struct crb_err *err)
{
	const struct {
		const char *name, *value;
	} rows[] = { { "role-arn", params->role_arn },
		{ "external-id", params->external_id },
		{ "source-identity", params->source_identity } };

	if (params->call == CRB_AWS_ASSUME_ROLE)
		return CRB_OK;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].value != NULL)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "%s is only for call=assume-role", rows[i].name);
	}
	return CRB_OK;
}

static enum crb_status
check_role(const struct crb_aws_params *params, struct crb_err *err)
{
	const char *external = params->external_id;
	const char *source = params->source_identity;

	if (params->call != CRB_AWS_ASSUME_ROLE)
		return CRB_OK;
	if (!crb_aws_arn_is(params->role_arn, "iam", "role/") ||
	    strlen(params->role_arn) > ROLE_MAX ||
	    strpbrk(params->role_arn, "*?$ ") != NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "role-arn must be a role's ARN, as in "
		    "arn:aws:iam::123456789012:role/NAME");
	if (external != NULL &&
	    (strlen(external) < 2 || strlen(external) > EXTERNAL_ID_MAX ||
		strspn(external, WORD ":/") != strlen(external)))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "external-id must be 2 to %u letters, digits and "
		    "\"_+=,.@:/-\"",
		    EXTERNAL_ID_MAX);
	if (source != NULL &&
	    (strlen(source) < 2 || strlen(source) > SOURCE_MAX ||
		strspn(source, WORD) != strlen(source)))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "source-identity must be task, or 2 to %u letters, digits "
		    "and \"_+=,.@-\"",
		    SOURCE_MAX);
	return CRB_OK;
}

static enum crb_status
check_duration(const struct crb_aws_params *params, struct crb_err *err)
{
	const struct crb_aws_call_info *call = &crb_aws_calls[params->call];

	if (params->duration > call->most)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "duration must be from 15m to %lldh for call=%s",
		    (long long)(call->most / HOUR), call->name);
	return CRB_OK;
}

static enum crb_status
check_services(const struct crb_aws_params *params, struct crb_err *err)
{
	for (size_t i = 0; i < params->services.count; i++) {
		struct crb_origin origin;
		const char *service = params->services.item[i];

		if (crb_aws_service_check(service, err) != CRB_OK ||
		    (params->endpoint_url == NULL &&
			crb_aws_host(service, params->region, &origin, err) !=
			    CRB_OK))
			return crb_err_context(
			    err, "services, item %zu", i + 1);
	}
	return CRB_OK;
}

/* The region is needed where it says which STS; others have one name for it. */
static enum crb_status
make_route(struct crb_aws_params *params, struct crb_err *err)
{
	const char *region = params->region;
	enum crb_status status;

	status = crb_route_begin(
	    params->network, params->ca, &params->route, err);
	if (status != CRB_OK)
		return status;
	if (params->endpoint_url == NULL) {
		if (region == NULL || !crb_aws_region_ok(region))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "region must be one of AWS's, as in eu-west-1; "
			    "without endpoint-url it says whose STS is asked");
		params->route.count = 1;
		return crb_aws_host("sts", region, params->route.origin, err);
	}
	if (region != NULL && !crb_aws_name_ok(region))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "region must be 1 to %d letters, digits and \"-\"",
		    CRB_AWS_NAME_MAX);
	if (region == NULL)
		params->region = "us-east-1";
	if (crb_route_add(&params->route, params->endpoint_url, err) != CRB_OK)
		return crb_err_context(err, "endpoint-url");
	return CRB_OK;
}

static enum crb_status
check(struct crb_aws_params *params, struct crb_err *err)
{
	enum crb_status status;

	if ((status = choose_call(params, err)) != CRB_OK ||
	    (status = check_belongings(params, err)) != CRB_OK ||
	    (status = check_role(params, err)) != CRB_OK ||
	    (status = check_duration(params, err)) != CRB_OK ||
	    (status = make_route(params, err)) != CRB_OK)
		return status;
	return check_services(params, err);
}

enum crb_status
crb_aws_params_read(
    const json_t *json, struct crb_aws_params *out, struct crb_err *err)
{
	CRB_AUTO_AWS_PARAMS struct crb_aws_params params = { 0 };

	if (crb_options_json(crb_aws_param_table, json, CRB_AWS_WHERE, &params,
		err) != CRB_OK)
		return err->status;
	if (check(&params, err) != CRB_OK)
		return crb_err_context(err, CRB_AWS_WHERE);
	*out = params;
	memset(&params, 0, sizeof(params));
	return CRB_OK;
}
