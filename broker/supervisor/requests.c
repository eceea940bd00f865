#include "broker/supervisor/requests.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/supervisor/child.h"
#include "broker/supervisor/folders.h"

#define ERROR_MAX 256 /* of the messages' `error` */

static void
reply(struct crb_bus *bus, enum crb_msg_type type, uint32_t request,
    enum crb_status status, const struct crb_err *why, int fd)
{
	/* The five replies have the same fields. */
	struct crb_msg_folder_opened msg = { .request = request,
		.ok = status == CRB_OK };
	struct crb_err err;

	if (status != CRB_OK)
		msg.error = (struct crb_slice){ why->msg,
			strnlen(why->msg, ERROR_MAX) };
	if (crb_bus_send(bus, type, &msg, fd, &err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "reply not sent", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
	/* The core asks faster than it listens: until `drained` it waits. */
	if (crb_bus_crowded(bus))
		crb_bus_pause(bus, true);
}

static void
on_folder_open(struct crb_requests *requests, struct crb_bus *bus,
    const struct crb_msg *msg)
{
	const struct crb_msg_folder_open *m = &msg->folder_open;
	CRB_AUTO_FD int listener = -1;
	enum crb_status status;
	struct crb_err err;

	status = crb_folder_open(
	    requests->sessions, m->session, m->owner, &listener, &err);
	reply(bus, CRB_MSG_FOLDER_OPENED, m->request, status, &err, listener);
}

static void
on_file_open(struct crb_requests *requests, struct crb_bus *bus,
    const struct crb_msg *msg)
{
	const struct crb_msg_file_open *m = &msg->file_open;
	CRB_AUTO_FD int file = -1;
	enum crb_status status;
	struct crb_err err;

	status = crb_folder_file(
	    requests->sessions, m->session, m->owner, m->file, &file, &err);
	reply(bus, CRB_MSG_FILE_OPENED, m->request, status, &err, file);
}

static void
on_policy_open(struct crb_requests *requests, struct crb_bus *bus,
    const struct crb_msg *msg)
{
	const struct crb_msg_policy_open *m = &msg->policy_open;
	CRB_AUTO_FD int file = -1;
	enum crb_status status;
	struct crb_err err;

	status = crb_policy_file_open(
	    &requests->policies, m->file, &file, &err);
	reply(bus, CRB_MSG_POLICY_OPENED, m->request, status, &err, file);
}

static void
on_folder_remove(struct crb_requests *requests, struct crb_bus *bus,
    const struct crb_msg *msg)
{
	const struct crb_msg_folder_remove *m = &msg->folder_remove;
	enum crb_status status;
	struct crb_err err;

	status = crb_folder_remove(requests->sessions, m->session, &err);
	reply(bus, CRB_MSG_FOLDER_REMOVED, m->request, status, &err, -1);
}

static enum crb_status
start_kdf(struct crb_requests *requests, int *out, struct crb_err *err)
{
	static const char *const argv[] = { "credbroker-kdf", NULL };
	unsigned slot = 0;
	int pair[2];

	while (slot < CRB_KDF_MAX && requests->kdf[slot] != 0)
		slot++;
	if (slot == CRB_KDF_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "%d passphrases are being tried already", CRB_KDF_MAX);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return crb_err_errno(err, "a socket");
	CRB_AUTO_FD int ours = pair[0], theirs = pair[1];
	const struct crb_spawn how = { .libexec = requests->libexec,
		.name = argv[0],
		.argv = argv,
		.fds = { theirs, -1, -1 },
		.user = requests->user,
		.namespaces = CRB_APART_ALL };
	struct crb_spawned spawned;
	if (crb_spawn(&how, &spawned, err) != CRB_OK)
		return err->status;
	requests->kdf[slot] = spawned.pid;
	*out = CRB_STEAL_FD(ours);
	return CRB_OK;
}

static void
on_kdf_start(struct crb_requests *requests, struct crb_bus *bus,
    const struct crb_msg *msg)
{
	CRB_AUTO_FD int sock = -1;
	enum crb_status status;
	struct crb_err err;

	status = start_kdf(requests, &sock, &err);
	reply(bus, CRB_MSG_KDF_STARTED, msg->kdf_start.request, status, &err,
	    sock);
}

/* A notification that is lost is no harm: approvals are listed all the same. */
static void
on_hook(struct crb_requests *requests, struct crb_bus *bus,
    const struct crb_msg *msg)
{
	struct crb_err err;

	(void)bus;
	if (crb_hook_run(&requests->hook, msg->fd, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "the approval hook is not run",
		    CRB_LOG_REASON, err.msg, CRB_LOG_END);
}

void
crb_requests_answer(struct crb_requests *requests, struct crb_bus *bus,
    const struct crb_msg *msg)
{
	static void (*const handlers[CRB_MSG_COUNT_])(
	    struct crb_requests *, struct crb_bus *, const struct crb_msg *) = {
		[CRB_MSG_FOLDER_OPEN] = on_folder_open,
		[CRB_MSG_FILE_OPEN] = on_file_open,
		[CRB_MSG_FOLDER_REMOVE] = on_folder_remove,
		[CRB_MSG_KDF_START] = on_kdf_start,
		[CRB_MSG_POLICY_OPEN] = on_policy_open,
		[CRB_MSG_HOOK] = on_hook,
	};

	/* The bus lets through only what the core may say. */
	if (handlers[msg->type] != NULL)
		handlers[msg->type](requests, bus, msg);
}

void
crb_requests_reaped(struct crb_requests *requests, pid_t pid, int status)
{
	if (pid == requests->hook.pid) {
		crb_child_log_end("hook", pid, status, false);
		requests->hook = (struct crb_hook)CRB_HOOK_NONE;
	}
	for (unsigned i = 0; i < CRB_KDF_MAX; i++) {
		if (requests->kdf[i] != pid)
			continue;
		requests->kdf[i] = 0;
		if (status != 0)
			crb_child_log_end("kdf", pid, status, false);
	}
}

void
crb_requests_kill(const struct crb_requests *requests, int signal)
{
	for (unsigned i = 0; i < CRB_KDF_MAX; i++)
		if (requests->kdf[i] != 0)
			(void)kill(requests->kdf[i], signal);
}

bool
crb_requests_idle(const struct crb_requests *requests)
{
	for (unsigned i = 0; i < CRB_KDF_MAX; i++)
		if (requests->kdf[i] != 0)
			return false;
	return true;
}
