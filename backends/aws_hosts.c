#include "backends/aws_hosts.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define PORT 443u

/* The first row whose prefix fits. */
static const struct partition {
	const char *prefix;
	const char *suffix;
	bool main; /* the one that has the services without a region */
} partitions[] = {
	{ "cn-", "amazonaws.com.cn", false },
	{ "us-gov-", "amazonaws.com", false },
	{ "us-iso-", "c2s.ic.gov", false },
	{ "us-isob-", "sc2s.sgov.gov", false },
	{ "us-isof-", "csp.hci.ic.gov", false },
	{ "eu-isoe-", "cloud.adc-e.uk", false },
	{ "eusc-", "amazonaws.eu", false },
	{ "", "amazonaws.com", true },
};

/* Hosts that are not SERVICE.REGION; global ones have no region. */
static const struct exception {
	const char *service;
	const char *host;
	bool global;
} exceptions[] = {
	{ "account", "account.us-east-1", true },
	{ "appstream", "appstream2", false },
	{ "budgets", "budgets", true },
	{ "ce", "ce.us-east-1", true },
	{ "cloudfront", "cloudfront", true },
	{ "detective", "api.detective", false },
	{ "ecr", "api.ecr", false },
	{ "ecr-public", "api.ecr-public", false },
	{ "elastic-inference", "api.elastic-inference", false },
	{ "health", "global.health", true },
	{ "importexport", "importexport", true },
	{ "memorydb", "memory-db", false },
	{ "organizations", "organizations.us-east-1", true },
	{ "pricing", "api.pricing", false },
	{ "route53", "route53", true },
	{ "sagemaker", "api.sagemaker", false },
	{ "savingsplans", "savingsplans", true },
	{ "ses", "email", false },
	{ "shield", "shield.us-east-1", true },
	{ "waf", "waf", true },
};

static const struct refused {
	const char *service;
	const char *why;
} refused[] = {
	{ "cognito-identity", "its answers are credentials" },
	{ "datazone", "its answers are credentials" },
	{ "deadline", "its answers are credentials" },
	{ "eks-auth", "its answers are credentials" },
	{ "finspace-api", "its answers are credentials" },
	{ "gamelift", "its answers are credentials" },
	{ "iam", "it makes keys that last" },
	{ "lakeformation", "its answers are credentials" },
	{ "rolesanywhere", "its answers are credentials" },
	{ "s3express", "its sessions have keys of their own" },
	{ "signin", "its answers are credentials" },
	{ "sso", "its answers are credentials" },
	{ "awsssoportal", "its answers are credentials" },
	{ "awsssooidc", "its answers are credentials" },
	{ "sts", "its answers are credentials" },
};

bool
crb_aws_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= CRB_AWS_NAME_MAX && name[0] != '-' &&
	    name[len - 1] != '-' &&
	    strspn(name, CRB_LOWER CRB_DIGITS "-") == len;
}

/*
 * Letters, a name or two, and a number: "us-gov-west-1".  What is no region may
 * be a part of the names of other hosts: "s3-eu-west-1" is one for buckets.
 */
bool
crb_aws_region_ok(const char *region)
{
	size_t letters = strspn(region, CRB_LOWER);
	const char *last = strrchr(region, '-');

	return crb_aws_name_ok(region) && last != NULL && last[1] != '\0' &&
	    strspn(last + 1, CRB_DIGITS) == strlen(last + 1) && letters > 0 &&
	    region[letters] == '-' && &region[letters] != last;
}

enum crb_status
crb_aws_service_check(const char *service, struct crb_err *err)
{
	if (!crb_aws_name_ok(service))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a service is named as in signatures: s3, dynamodb");
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		if (strcmp(refused[i].service, service) == 0)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "requests of %s are never signed for a sandbox: %s",
			    service, refused[i].why);
	}
	return CRB_OK;
}

static const struct partition *
partition_of(const char *region)
{
	const struct partition *at = partitions;

	while (strncmp(region, at->prefix, strlen(at->prefix)) != 0)
		at++;
	return at;
}

bool
crb_aws_regions_related(const char *one, const char *other)
{
	return partition_of(one) == partition_of(other);
}

static const struct exception *
exception_of(const char *service)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(*exceptions); i++) {
		if (strcmp(exceptions[i].service, service) == 0)
			return &exceptions[i];
	}
	return NULL;
}

enum crb_status
crb_aws_host(const char *service, const char *region, struct crb_origin *out,
    struct crb_err *err)
{
	struct crb_origin origin = { .tls = true, .port = PORT };
	const struct partition *partition = partition_of(region);
	const struct exception *other = exception_of(service);
	const char *host = other != NULL ? other->host : service;
	bool global = other != NULL && other->global;

	if (!crb_aws_name_ok(service) || !crb_aws_region_ok(region))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "not a service and a region of AWS");
	if (global && !partition->main)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "where %s is for %s is not known here", service, region);
	(void)snprintf(origin.host, sizeof(origin.host), "%s%s%s.%s", host,
	    global ? "" : ".", global ? "" : region, partition->suffix);
	*out = origin;
	return CRB_OK;
}
