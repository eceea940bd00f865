#include "broker/cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"

#define REPLY_MAX (64u << 20)
/* Unlocking takes an Argon2id; revoking waits for upstream. */
#define REPLY_TIMEOUT_MS (120 * 1000)
#define SEND_TIMEOUT_MS (10 * 1000)

static enum crb_status
no_broker(const char *path, int why, struct crb_err *err)
{
	if (why == EACCES || why == EPERM)
		return crb_err_set(err, CRB_ERR_UNREACHABLE,
		    "%s: no permission: this is another user's broker", path);
	return crb_err_set(err, CRB_ERR_UNREACHABLE,
	    "no broker at %s. Start it: credbroker serve "
	    "(or systemctl --user start credbroker)",
	    path);
}

static enum crb_status
open_namespaces(int fd[2], struct crb_err *err)
{
	static const char *const path[2] = { "/proc/self/ns/user",
		"/proc/self/ns/pid" };

	for (unsigned i = 0; i < 2; i++)
		if ((fd[i] = open(path[i], O_RDONLY | O_CLOEXEC)) == -1)
			return crb_err_errno(err,
			    "%s, which shows the broker that this is its host",
			    path[i]);
	return CRB_OK;
}

/*
 * The first byte of a connection brings our namespaces, by which the broker
 * knows that we sit on its host and not in a sandbox.  A blank: the line
 * starts behind it.
 */
static enum crb_status
send_proof(int sock, struct crb_err *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec byte = { (char[]){ ' ' }, 1 };
	const struct msghdr msg = { .msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	CRB_AUTO_FD int user = -1;
	CRB_AUTO_FD int pid = -1;
	int fd[2] = { -1, -1 };
	enum crb_status status = open_namespaces(fd, err);

	user = fd[0];
	pid = fd[1];
	if (status != CRB_OK)
		return status;
	control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(fd)) };
	memcpy(CMSG_DATA(&control.align), fd, sizeof(fd));
	/* A broker that hangs up on us may have said why before. */
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) != 1)
		return crb_err_set(err, CRB_ERR_UNREACHABLE,
		    "the broker closed the connection");
	return CRB_OK;
}

static enum crb_status
client_connect(struct crb_cli *cli, struct crb_err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char path[CRB_PATH_MAX];
	CRB_AUTO_FD int fd = -1;

	if (cli->admin != -1)
		return CRB_OK;
	if (crb_config_admin_socket(&cli->config, path, err) != CRB_OK)
		return err->status;
	if (strlen(path) >= sizeof(at.sun_path))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: too long for a socket's path (107 bytes)", path);
	memcpy(at.sun_path, path, strlen(path));

	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return crb_err_errno(err, "socket");
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == -1)
		return no_broker(path, errno, err);
	if (send_proof(fd, err) != CRB_OK && err->status != CRB_ERR_UNREACHABLE)
		return err->status;
	cli->admin = CRB_STEAL_FD(fd);
	return CRB_OK;
}

/* One line: the request may hold a secret, so its text is wiped. */
static enum crb_status
send_request(struct crb_cli *cli, const char *method, json_t *params,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *request = NULL;
	enum crb_status status;
	size_t len;
	char *text;

	request = json_pack("{s:s, s:I, s:s, s:o*}", "jsonrpc", "2.0", "id",
	    ++cli->calls, "method", method, "params", params);
	if (request == NULL || (text = crb_json_text(request)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "request");
	len = strlen(text);
	text[len] = '\n'; /* in the NUL's place; put back below */
	status = crb_io_write(cli->admin, text, len + 1, SEND_TIMEOUT_MS, err);
	text[len] = '\0';
	crb_json_text_free(text);
	return status;
}

static enum crb_status
read_reply(int fd, struct crb_buf *line, struct crb_err *err)
{
	char *room;
	ssize_t n;

	for (;;) {
		if ((room = crb_buf_room(line, 65536)) == NULL)
			return crb_err_set(err, CRB_ERR_TOO_LARGE,
			    "the broker's answer is longer than 64 MiB");
		n = recv(fd, room, 65536, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return crb_err_set(err, CRB_ERR_TIMEOUT,
			    "the broker did not answer within 2 minutes");
		if (n <= 0)
			return crb_err_set(err, CRB_ERR_UNREACHABLE,
			    "the broker closed the connection: it stopped, or "
			    "this user may not use it");
		crb_buf_grew(line, (size_t)n);
		if (line->data[line->len - 1] == '\n')
			return CRB_OK;
	}
}

/* The broker's error becomes ours: same code, same exit status. */
static enum crb_status
take_error(struct crb_cli *cli, const json_t *error, struct crb_err *err)
{
	const char *message = json_string_value(
	    json_object_get(error, "message"));
	json_t *data = json_object_get(error, "data");
	const char *code = json_string_value(json_object_get(data, "code"));

	json_decref(cli->failure);
	cli->failure = json_incref(data);
	return crb_err_set(err,
	    code != NULL ? crb_status_from_code(code) : CRB_ERR_INVALID, "%s",
	    message != NULL ? message : "the broker refused without a reason");
}

/* One that came too late answers a request that was given up. */
static enum crb_status
check_id(const struct crb_cli *cli, const json_t *reply, struct crb_err *err)
{
	const json_t *id = json_object_get(reply, "id");

	if (json_is_integer(id) && json_integer_value(id) == cli->calls)
		return CRB_OK;
	/* What could not be read, or is not heard at all, has none. */
	if (json_is_null(id) && json_object_get(reply, "error") != NULL)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_SYSTEM,
	    "the broker's answer is one to another request");
}

static enum crb_status
exchange(struct crb_cli *cli, const char *method, json_t *params,
    json_t **reply, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(REPLY_MAX);
	const struct timeval limit = { .tv_sec = REPLY_TIMEOUT_MS / 1000 };
	CRB_AUTO_JSON json_t *json = NULL;

	/* A broker that hangs up on us may have said why before. */
	if (send_request(cli, method, params, err) != CRB_OK &&
	    err->status != CRB_ERR_SYSTEM)
		return err->status;
	(void)setsockopt(
	    cli->admin, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (read_reply(cli->admin, &line, err) != CRB_OK ||
	    crb_json_parse(line.data, line.len, "the broker's answer", &json,
		err) != CRB_OK ||
	    check_id(cli, json, err) != CRB_OK)
		return err->status;
	*reply = CRB_STEAL(json);
	return CRB_OK;
}

enum crb_status
crb_cli_call(struct crb_cli *cli, const char *method, json_t *params,
    json_t **result, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *reply = NULL;
	json_t *value;

	if (client_connect(cli, err) != CRB_OK) {
		json_decref(params);
		return err->status;
	}
	if (exchange(cli, method, params, &reply, err) != CRB_OK) {
		/* Whatever may still come on it is not for the next call. */
		(void)close(cli->admin);
		cli->admin = -1;
		return err->status;
	}
	if ((value = json_object_get(reply, "error")) != NULL)
		return take_error(cli, value, err);
	if ((value = json_object_get(reply, "result")) == NULL)
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "the broker's answer has neither result nor error");
	*result = json_incref(value);
	return CRB_OK;
}
