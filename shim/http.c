#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/cleanup.h"
#include "shim/connect.h"
#include "shim/http.h"
#include "shim/say.h"

/* A mint may wait for a person's approval; this is longer than any of them. */
#define ANSWER_MAX_MS (15 * 60 * 1000)

/* Printable ASCII from the root on, without what would end or cut it. */
static bool
path_ok(const char *path)
{
	size_t len = 0;

	if (path[0] != '/')
		return false;
	for (; path[len] != '\0'; len++) {
		if (path[len] <= ' ' || path[len] >= 0x7f || path[len] == '#')
			return false;
	}
	return len <= CRB_HTTP_PATH_MAX;
}

static bool
wait_for(int fd, short events, long long deadline)
{
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = events };
		long long left = deadline - crb_connect_now();
		int n;

		if (left <= 0)
			return false;
		n = poll(&pfd, 1, (int)left);
		if (n > 0)
			return true;
		if (n == 0 || errno != EINTR)
			return false;
	}
}

static bool
send_all(int fd, const char *bytes, size_t len, long long deadline)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || !wait_for(fd, POLLOUT, deadline))
			return false;
	}
	return true;
}

/* Read until the broker closes, or there is more than the most. */
static bool
receive_all(int fd, struct crb_http_exchange *exchange, long long deadline)
{
	for (;;) {
		ssize_t n = recv(fd, exchange->bytes + exchange->len,
		    CRB_HTTP_REPLY_MAX - exchange->len, 0);

		if (n > 0)
			exchange->len += (size_t)n;
		else if (n == 0)
			return exchange->len > 0;
		else if (errno == EAGAIN && !wait_for(fd, POLLIN, deadline))
			return false;
		else if (errno != EAGAIN && errno != EINTR)
			/* A reply may be whole though the rest was not read. */
			return errno == ECONNRESET && exchange->len > 0;
	}
}

/* Connection: close, so that a reply ends where the stream does. */
static bool
send_request(int fd, const struct crb_http_request *request, long long deadline)
{
	char head[CRB_HTTP_PATH_MAX + 512];
	bool native = strncmp(request->path, "/v1/", 4) == 0;
	int n;

	n = snprintf(head, sizeof(head),
	    "%s %s HTTP/1.1\r\n"
	    "Host: 127.0.0.1:9169\r\n"
	    "%s"
	    "Accept: %s\r\n"
	    "Connection: close\r\n",
	    request->method, request->path,
	    native ? "Credbroker-Session: 1\r\n" : "", request->accept);
	if (request->body != NULL)
		n += snprintf(head + n, sizeof(head) - (size_t)n,
		    "Content-Type: text/plain\r\nContent-Length: %zu\r\n",
		    request->body_len);
	n += snprintf(head + n, sizeof(head) - (size_t)n, "\r\n");
	return send_all(fd, head, (size_t)n, deadline) &&
	    send_all(fd, request->body, request->body_len, deadline);
}

static int
unreachable(const struct crb_options *options)
{
	return crb_say_fail(CRB_EXIT_UNREACHABLE,
	    "no broker answers at %s (%s): it is not running, it is locked, "
	    "or this session has ended",
	    options->socket, strerror(errno));
}

static int
no_answer(const struct crb_options *options)
{
	return crb_say_fail(CRB_EXIT_UNREACHABLE,
	    "the broker at %s took the request and gave no whole answer",
	    options->socket);
}

int
crb_http_ask(const struct crb_options *options,
    const struct crb_http_request *request, struct crb_http_exchange *exchange)
{
	const struct rlimit none = { 0, 0 };
	CRB_AUTO_FD int fd = -1;
	long long deadline;

	if (!path_ok(request->path))
		return crb_say_fail(CRB_EXIT_USAGE,
		    "a path begins with / and has no blanks: %s",
		    request->path);
	/* The reply may be a credential: it must not end in a core file. */
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	exchange->bytes = malloc(CRB_HTTP_REPLY_MAX);
	if (exchange->bytes == NULL)
		return crb_say_fail(CRB_EXIT_OTHER, "out of memory");
	fd = crb_connect_wait(options->socket, options->retry_ms);
	if (fd == -1)
		return unreachable(options);
	deadline = crb_connect_now() + ANSWER_MAX_MS;
	/* A refusal may come before the body was taken: read it anyway. */
	if (!send_request(fd, request, deadline) && errno != EPIPE)
		return no_answer(options);
	if (!receive_all(fd, exchange, deadline))
		return no_answer(options);
	if (exchange->len == CRB_HTTP_REPLY_MAX)
		return crb_say_fail(
		    CRB_EXIT_OTHER, "the broker's answer is too long");
	if (!crb_http_reply_parse(
		exchange->bytes, exchange->len, &exchange->reply))
		return crb_say_fail(CRB_EXIT_OTHER,
		    "the broker's answer is not well-formed HTTP");
	return CRB_EXIT_DONE;
}

void
crb_http_clear(struct crb_http_exchange *exchange)
{
	if (exchange->bytes == NULL)
		return;
	/* Only what was used: the rest has never been touched. */
	explicit_bzero(exchange->bytes, exchange->len);
	free(exchange->bytes);
	exchange->bytes = NULL;
}

static bool
error_is(const struct crb_http_reply *reply, const char *code)
{
	return reply->error_len == strlen(code) &&
	    memcmp(reply->error, code, reply->error_len) == 0;
}

int
crb_http_exit(const struct crb_http_reply *reply)
{
	if (reply->status >= 200 && reply->status <= 299)
		return CRB_EXIT_DONE;
	if (reply->body_len > 0)
		(void)crb_say_text(STDERR_FILENO, reply->body, reply->body_len);
	else
		(void)crb_say_fail(
		    CRB_EXIT_OTHER, "the broker answered %d", reply->status);
	if (error_is(reply, "broker_locked") || error_is(reply, "unreachable"))
		return CRB_EXIT_UNREACHABLE;
	switch (reply->status) {
	case 403:
		return CRB_EXIT_REFUSED;
	case 502:
	case 504:
		return CRB_EXIT_UPSTREAM;
	default:
		return CRB_EXIT_OTHER;
	}
}

int
crb_http_print(const struct crb_options *options, const char *path,
    const char *accept, bool (*say)(int fd, const char *text, size_t len))
{
	struct crb_http_request request = {
		.method = "GET",
		.path = path,
		.accept = accept,
	};
	CRB_AUTO_EXCHANGE struct crb_http_exchange exchange = { 0 };
	int code = crb_http_ask(options, &request, &exchange);

	if (code == CRB_EXIT_DONE)
		code = crb_http_exit(&exchange.reply);
	if (code != CRB_EXIT_DONE)
		return code;
	if (!say(STDOUT_FILENO, exchange.reply.body, exchange.reply.body_len))
		return crb_say_fail(
		    CRB_EXIT_OTHER, "standard output takes no more");
	return CRB_EXIT_DONE;
}
