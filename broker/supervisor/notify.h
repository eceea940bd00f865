#ifndef CRB_NOTIFY_H
#define CRB_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * Tells who started the broker how it does: sd_notify(3)'s protocol, a
 * datagram of VARIABLE=value lines to a unix socket, without libsystemd.
 */
struct crb_notify {
	int fd; /* -1: nobody listens */
	struct sockaddr_un to;
	socklen_t len;
};

#define CRB_NOTIFY_NONE   \
	{                 \
		.fd = -1, \
	}

/*
 * `address` is NOTIFY_SOCKET's: a path, or "@" and the name of an abstract
 * socket; "" for nobody.  Any other kind is CRB_ERR_INVALID.
 */
CRB_NODISCARD enum crb_status crb_notify_open(
    const char *address, struct crb_notify *out, struct crb_err *err);
void crb_notify_close(struct crb_notify *notify);

/* "READY=1\nSTATUS=...".  What cannot be said is not: nobody may wait. */
void crb_notify_say(const struct crb_notify *notify, const char *fmt, ...)
    CRB_PRINTF(2, 3);
/* RELOADING=1, with the time that its protocol wants. */
void crb_notify_reloading(const struct crb_notify *notify);

/*
 * WATCHDOG=1 while the loop turns, twice as often as `usec` asks for; 0: not
 * at all.  Stays where it is, as `notify` does, until the loop is freed.
 */
struct crb_watchdog {
	struct crb_timer timer;
	struct crb_loop *loop;
	const struct crb_notify *notify;
	int64_t every_ms;
};
void crb_watchdog_start(struct crb_watchdog *watchdog, struct crb_loop *loop,
    const struct crb_notify *notify, int64_t usec);

#endif /* !CRB_NOTIFY_H */
