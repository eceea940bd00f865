#ifndef CRB_AWS_HOSTS_H
#define CRB_AWS_HOSTS_H

#include <stdbool.h>

#include "backends/backend.h"

/*
 * Where AWS's services are (docs.aws.amazon.com/general, "Service endpoints and
 * quotas"): SERVICE.REGION.amazonaws.com, but for a few.
 */
#define CRB_AWS_NAME_MAX 63

/* "eu-west-1": a region of AWS itself. */
bool crb_aws_region_ok(const char *region);

/* A service's or a region's name as it stands in a signature. */
bool crb_aws_name_ok(const char *name);

/*
 * Requests of a service may be signed for a sandbox: it is none whose answers
 * are credentials.  The error says why not.
 */
CRB_NODISCARD enum crb_status crb_aws_service_check(
    const char *service, struct crb_err *err);

/* Both regions are of one partition, with the same keys. */
bool crb_aws_regions_related(const char *one, const char *other);

/* Where a service is, by its name in signatures. */
CRB_NODISCARD enum crb_status crb_aws_host(const char *service,
    const char *region, struct crb_origin *out, struct crb_err *err);

#endif /* !CRB_AWS_HOSTS_H */
