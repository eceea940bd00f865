#ifndef CRB_RELOAD_H
#define CRB_RELOAD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "broker/bus/bus.h"
#include "broker/supervisor/notify.h"

/*
 * The core is asked to read the configuration again, one time after the other,
 * and the service manager told.
 */
struct crb_reload {
	const struct crb_notify *notify;
	const char *config;  /* a file, or "" */
	bool under_way, due; /* once more after this one */
};
void crb_reload_ask(struct crb_reload *reload, struct crb_bus *bus);
/* RELOADED came. */
void crb_reload_answered(
    struct crb_reload *reload, struct crb_bus *bus, bool ok);
/* The core is gone; the next one reads the file as it starts. */
void crb_reload_forget(struct crb_reload *reload);

/*
 * The configuration file as it is now, for the core, which may not be allowed
 * to open it.  Nothing of it is read here: only that nobody else could have
 * written it.  The caller owns *out.
 */
CRB_NODISCARD enum crb_status crb_reload_open(
    const char *config, int *out, struct crb_err *err);

/* The same of any file that is root's or `owner`'s. */
CRB_NODISCARD enum crb_status crb_vetted_open(
    const char *path, uid_t owner, int *out, struct crb_err *err);

/*
 * SIGHUP has two meanings: from a terminal that was closed, and from somebody
 * who wants the configuration read again.
 */
struct crb_hangup {
	bool terminal; /* there was one at start, and its end is to stop us */
};
CRB_NODISCARD enum crb_status crb_hangup_init(
    struct crb_hangup *hangup, struct crb_err *err);
/* The terminal is gone. */
bool crb_hangup_stops(const struct crb_hangup *hangup);

#endif /* !CRB_RELOAD_H */
