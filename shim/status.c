#include <unistd.h>

#include "shim/http.h"
#include "shim/say.h"

/* The broker writes the summary; there is no JSON parser here. */
int
crb_status_run(const struct crb_options *options)
{
	struct crb_http_request request = {
		.method = "GET",
		.path = "/v1/session",
		.accept = "text/plain",
	};
	CRB_AUTO_EXCHANGE struct crb_http_exchange exchange = { 0 };
	int code = crb_http_ask(options, &request, &exchange);

	if (code == CRB_EXIT_DONE)
		code = crb_http_exit(&exchange.reply);
	if (code != CRB_EXIT_DONE)
		return code;
	if (!crb_say_text(
		STDOUT_FILENO, exchange.reply.body, exchange.reply.body_len))
		return crb_say_fail(
		    CRB_EXIT_OTHER, "standard output takes no more");
	return CRB_EXIT_DONE;
}
