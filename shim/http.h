#ifndef CRB_SHIM_HTTP_H
#define CRB_SHIM_HTTP_H

#include "shim/command.h"
#include "shim/http_reply.h"

#define CRB_HTTP_PATH_MAX 4096
/* The longest reply that is read, head and body. */
#define CRB_HTTP_REPLY_MAX (1024 * 1024)

struct crb_http_request {
	const char *method;
	const char *path;
	const char *accept;
	const char *body; /* NULL: none */
	size_t body_len;
};

struct crb_http_exchange {
	char *bytes;
	size_t len;
	struct crb_http_reply reply;
};

/*
 * Send the request to the endpoint and read the whole reply.  Gives
 * CRB_EXIT_DONE whatever the reply's status is; otherwise it has said what
 * went wrong.  Either way crb_http_clear() ends the exchange.  Blocks.
 */
int crb_http_ask(const struct crb_options *options,
    const struct crb_http_request *request, struct crb_http_exchange *exchange);

/* Wipe and free. */
void crb_http_clear(struct crb_http_exchange *exchange);
#define CRB_AUTO_EXCHANGE __attribute__((cleanup(crb_http_clear)))

/*
 * What a reply means for the exit status: 2xx is CRB_EXIT_DONE.  For any
 * other the body is said on standard error.
 */
int crb_http_exit(const struct crb_http_reply *reply);

/*
 * GET a path and print what comes, with crb_say_bytes() or crb_say_text(): all
 * of it, to the exit status.
 */
int crb_http_print(const struct crb_options *options, const char *path,
    const char *accept, bool (*say)(int fd, const char *text, size_t len));

#endif /* !CRB_SHIM_HTTP_H */
