#include "broker/supervisor/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"

#define MESSAGE_MAX 1024
/* A listener that takes nothing must not hold up the supervisor. */
#define SEND_SECONDS 1

static enum crb_status
read_address(
    const char *address, struct crb_notify *notify, struct crb_err *err)
{
	size_t len = strlen(address);

	if (address[0] != '/' && address[0] != '@')
		return crb_err_set(err, CRB_ERR_INVALID,
		    "NOTIFY_SOCKET is neither a path nor an abstract socket");
	if (len < 2 || len >= sizeof(notify->to.sun_path))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "NOTIFY_SOCKET is empty or too long");
	notify->to.sun_family = AF_UNIX;
	memcpy(notify->to.sun_path, address, len);
	notify->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (address[0] == '@')
		notify->to.sun_path[0] = '\0';
	else
		notify->len++; /* a path's NUL belongs to it */
	return CRB_OK;
}

enum crb_status
crb_notify_open(
    const char *address, struct crb_notify *out, struct crb_err *err)
{
	const struct timeval most = { .tv_sec = SEND_SECONDS };
	struct crb_notify notify = CRB_NOTIFY_NONE;

	if (address[0] == '\0') {
		*out = notify;
		return CRB_OK;
	}
	if (read_address(address, &notify, err) != CRB_OK)
		return err->status;
	CRB_AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)) != 0)
		return crb_err_errno(err, "a socket for NOTIFY_SOCKET");
	notify.fd = CRB_STEAL_FD(fd);
	*out = notify;
	return CRB_OK;
}

void
crb_notify_close(struct crb_notify *notify)
{
	crb_fd_cleanup(&notify->fd);
	*notify = (struct crb_notify)CRB_NOTIFY_NONE;
}

void
crb_notify_say(const struct crb_notify *notify, const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;
	int n;

	if (notify->fd == -1)
		return;
	va_start(ap, fmt);
	n = vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(message))
		return;
	(void)!sendto(notify->fd, message, (size_t)n, MSG_NOSIGNAL,
	    (const struct sockaddr *)&notify->to, notify->len);
}

void
crb_notify_reloading(const struct crb_notify *notify)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	crb_notify_say(notify,
	    "RELOADING=1\nMONOTONIC_USEC=%" PRId64
	    "\nSTATUS=Reading the configuration again",
	    (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

static void
feed(void *ctx)
{
	struct crb_watchdog *watchdog = ctx;
	struct crb_err err;

	crb_notify_say(watchdog->notify, "WATCHDOG=1");
	if (crb_timer_set(watchdog->loop, &watchdog->timer, watchdog->every_ms,
		&err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "watchdog", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
}

void
crb_watchdog_start(struct crb_watchdog *watchdog, struct crb_loop *loop,
    const struct crb_notify *notify, int64_t usec)
{
	*watchdog = (struct crb_watchdog){
		.loop = loop, .notify = notify, .every_ms = usec / 2000
	};
	crb_timer_init(&watchdog->timer, feed, watchdog);
	if (watchdog->every_ms > 0)
		feed(watchdog);
}
