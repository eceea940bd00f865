#include "shim/http.h"
#include "shim/say.h"

int
crb_get_run(const struct crb_options *options)
{
	return crb_http_print(options, options->args[0], "*/*", crb_say_bytes);
}
