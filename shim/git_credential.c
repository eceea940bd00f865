#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/git_lines.h"
#include "shim/http.h"
#include "shim/say.h"

/* One message from git, which may hold a password that it was given. */
struct message {
	char bytes[CRB_GIT_LINES_MAX];
	size_t len;
};

#define AUTO_MESSAGE __attribute__((cleanup(message_clear)))
static void
message_clear(struct message *message)
{
	explicit_bzero(message->bytes, message->len);
}

/* Read up to the empty line or the end; says what is wrong, or NULL. */
static const char *
message_read(struct message *message)
{
	while (!crb_git_lines_ended(message->bytes, message->len)) {
		ssize_t n = read(STDIN_FILENO, message->bytes + message->len,
		    sizeof(message->bytes) - message->len);

		if (n == 0 && message->len == sizeof(message->bytes))
			return "it is over 64 KiB";
		if (n == 0)
			return NULL;
		if (n == -1 && errno != EINTR)
			return "standard input cannot be read";
		if (n > 0)
			message->len += (size_t)n;
	}
	return NULL;
}

/*
 * git goes on to its next helper and then asks a person, unless it is told
 * to stop; and it uses whatever was printed before a failure.  So this line
 * stands alone.
 */
static int
stop(int code)
{
	(void)crb_say_bytes(STDOUT_FILENO, "quit=1\n", 7);
	return code;
}

static int
malformed(const char *whose, const char *wrong)
{
	return crb_say_fail(CRB_EXIT_OTHER, "%s is refused: %s", whose, wrong);
}

/* The broker has nothing for this host: let git look elsewhere. */
static bool
nothing_here(const struct crb_http_reply *reply)
{
	return reply->status == 404 || reply->status == 204;
}

static int
print_answer(const struct crb_http_reply *reply)
{
	size_t used = 0;
	const char *wrong = crb_git_lines_check_answer(
	    reply->body, reply->body_len, &used);

	if (wrong != NULL)
		return stop(malformed("the broker's answer", wrong));
	if (!crb_say_bytes(STDOUT_FILENO, reply->body, used))
		return CRB_EXIT_OTHER;
	return CRB_EXIT_DONE;
}

static int
op_get(const struct crb_options *options, const struct message *message,
    size_t len)
{
	struct crb_http_request request = {
		.method = "POST",
		.path = "/v1/helper/git/get",
		.accept = "text/plain",
		.body = message->bytes,
		.body_len = len,
	};
	CRB_AUTO_EXCHANGE struct crb_http_exchange exchange = { 0 };
	int code = crb_http_ask(options, &request, &exchange);

	if (code != CRB_EXIT_DONE)
		return stop(code);
	if (nothing_here(&exchange.reply))
		return CRB_EXIT_DONE;
	code = crb_http_exit(&exchange.reply);
	if (code != CRB_EXIT_DONE)
		return stop(code);
	return print_answer(&exchange.reply);
}

static int
op_erase(const struct crb_options *options, const struct message *message,
    size_t len)
{
	struct crb_http_request request = {
		.method = "POST",
		.path = "/v1/helper/git/erase",
		.accept = "text/plain",
		.body = message->bytes,
		.body_len = len,
	};
	CRB_AUTO_EXCHANGE struct crb_http_exchange exchange = { 0 };
	int code = crb_http_ask(options, &request, &exchange);

	if (code != CRB_EXIT_DONE || nothing_here(&exchange.reply))
		return code;
	return crb_http_exit(&exchange.reply);
}

static int
no_stop(int code)
{
	return code;
}

/* Nothing is to be stored: `store` is a name we know and has no `run`. */
static const struct op {
	const char *name;
	int (*run)(const struct crb_options *options,
	    const struct message *message, size_t len);
	int (*refuse)(int code);
} op_table[] = {
	{ "get", op_get, stop },
	{ "store", NULL, no_stop },
	{ "erase", op_erase, no_stop },
};

static const struct op *
op_find(const char *name)
{
	for (size_t i = 0; i < sizeof(op_table) / sizeof(*op_table); i++) {
		if (strcmp(op_table[i].name, name) == 0)
			return &op_table[i];
	}
	return NULL;
}

int
crb_git_credential_run(const struct crb_options *options)
{
	AUTO_MESSAGE struct message message = { .len = 0 };
	const struct op *op = op_find(options->args[0]);
	const char *wrong;
	size_t used = 0;

	/* git-credential(1): an unknown operation is ignored in silence. */
	if (op == NULL)
		return CRB_EXIT_DONE;
	/* Read even what is not used, or git would meet a broken pipe. */
	wrong = message_read(&message);
	if (op->run == NULL)
		return CRB_EXIT_DONE;
	if (wrong == NULL)
		wrong = crb_git_lines_check_question(
		    message.bytes, message.len, &used);
	if (wrong != NULL)
		return op->refuse(malformed("git's question", wrong));
	return op->run(options, &message, used);
}
