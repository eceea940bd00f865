#include "broker/supervisor/reload.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"

enum crb_status
crb_vetted_open(const char *path, uid_t owner, int *out, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;
	struct stat st;

	if (crb_path_secure(path, owner, err) != CRB_OK)
		return err->status;
	/* Not to wait for the writer of a pipe. */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) ==
		-1 ||
	    fstat(fd, &st) != 0)
		return crb_err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "%s: not a regular file", path);
	if (st.st_uid != 0 && st.st_uid != owner)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: belongs to uid %u; it must be %sroot's", path,
		    (unsigned)st.st_uid, owner != 0 ? "yours or " : "");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: others can write it; chmod go-w %s", path, path);
	*out = CRB_STEAL_FD(fd);
	return CRB_OK;
}

enum crb_status
crb_reload_open(const char *config, int *out, struct crb_err *err)
{
	return crb_vetted_open(config, geteuid(), out, err);
}

static enum crb_status
send_reload(
    const struct crb_reload *reload, struct crb_bus *bus, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;

	/* The core hears of it all the same, and shows it in its status. */
	if (reload->config[0] != '\0' &&
	    crb_reload_open(reload->config, &fd, err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "configuration not opened",
		    CRB_LOG_REASON, err->msg, CRB_LOG_END);
	return crb_bus_send(
	    bus, CRB_MSG_RELOAD, &(struct crb_msg_reload){ 0 }, fd, err);
}

static void
say(const struct crb_reload *reload, bool ok)
{
	crb_notify_say(reload->notify, "READY=1\nSTATUS=%s",
	    ok ? "Serving, with the configuration read again"
	       : "Serving; the new configuration was not taken");
}

void
crb_reload_ask(struct crb_reload *reload, struct crb_bus *bus)
{
	struct crb_err err;

	reload->due = reload->under_way;
	if (reload->under_way)
		return;
	crb_notify_reloading(reload->notify);
	reload->under_way = send_reload(reload, bus, &err) == CRB_OK;
	if (reload->under_way)
		return;
	crb_log(CRB_LOG_ERROR, "configuration not taken", CRB_LOG_REASON,
	    err.msg, CRB_LOG_END);
	say(reload, false);
}

void
crb_reload_answered(struct crb_reload *reload, struct crb_bus *bus, bool ok)
{
	bool again = reload->due;

	crb_reload_forget(reload);
	say(reload, ok);
	if (again)
		crb_reload_ask(reload, bus);
}

void
crb_reload_forget(struct crb_reload *reload)
{
	reload->under_way = reload->due = false;
}

static bool
have_terminal(void)
{
	CRB_AUTO_FD int fd = open(
	    "/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd != -1;
}

enum crb_status
crb_hangup_init(struct crb_hangup *hangup, struct crb_err *err)
{
	struct sigaction action;

	if (sigaction(SIGHUP, NULL, &action) != 0)
		return crb_err_errno(err, "signals");
	/* nohup ignores it. */
	hangup->terminal = action.sa_handler != SIG_IGN && have_terminal();
	return CRB_OK;
}

bool
crb_hangup_stops(const struct crb_hangup *hangup)
{
	return hangup->terminal && !have_terminal();
}
