#include <stdio.h>

#include "shim/http.h"
#include "shim/say.h"

/*
 * credential_process of an AWS profile: what the broker answers is printed as
 * it is, and the reason of a refusal goes to standard error, which the tool
 * shows.
 */
int
crb_aws_run(const struct crb_options *options)
{
	/* One that is cut is too long to be asked for. */
	char path[CRB_HTTP_PATH_MAX + 2];

	(void)snprintf(
	    path, sizeof(path), "/v1/helper/aws/%s", options->args[0]);
	return crb_http_print(options, path, "application/json", crb_say_bytes);
}
