#include "shim/http.h"

int
crb_get_run(const struct crb_options *options)
{
	return crb_http_print(options, options->args[0], "*/*");
}
