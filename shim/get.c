#include <unistd.h>

#include "shim/http.h"
#include "shim/say.h"

int
crb_get_run(const struct crb_options *options)
{
	struct crb_http_request request = {
		.method = "GET",
		.path = options->args[0],
		.accept = "*/*",
	};
	CRB_AUTO_EXCHANGE struct crb_http_exchange exchange = { 0 };
	int code = crb_http_ask(options, &request, &exchange);

	if (code == CRB_EXIT_DONE)
		code = crb_http_exit(&exchange.reply);
	if (code != CRB_EXIT_DONE)
		return code;
	if (!crb_say_bytes(
		STDOUT_FILENO, exchange.reply.body, exchange.reply.body_len))
		return crb_say_fail(
		    CRB_EXIT_OTHER, "standard output takes no more");
	return CRB_EXIT_DONE;
}
