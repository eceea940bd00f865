#ifndef CRB_BINDS_H
#define CRB_BINDS_H

#include "base/err.h"
#include "base/options.h"
#include "broker/cli/args.h"
#include "broker/cli/masked.h"
#include "broker/cli/mounts.h"

/* Mounts that somebody asks for, and what no mount may give. */
struct crb_binds {
	const char *home;      /* real */
	const char *workspace; /* real */
	const struct crb_masked *masked;
	struct crb_mounts *mounts;
};

/*
 * `source` may be relative and have links; `target` is absolute, or NULL: as
 * the source really is.  Refused with CRB_ERR_USAGE: the home and what holds
 * it, the host's /run, /proc, /sys, /dev, /etc, sockets and folders in which
 * one is listened on, the broker's own places, places of credentials, and a
 * writable one that overlaps the workspace.
 */
CRB_NODISCARD enum crb_status crb_binds_add(const struct crb_binds *binds,
    const char *source, const char *target, bool read_only,
    struct crb_err *err);

/* "PATH" or "PATH:TARGET" items of --bind and --ro-bind. */
CRB_NODISCARD enum crb_status crb_binds_add_all(const struct crb_binds *binds,
    const struct crb_list *items, bool read_only, struct crb_err *err);

/* The two halves of "PATH[:TARGET]"; *target is NULL or in `item`. */
CRB_NODISCARD enum crb_status crb_bind_split(const char *item,
    char source[CRB_PATH_MAX], const char **target, struct crb_err *err);

/* Real paths of sockets in `folder` that somebody listens on. */
void crb_binds_sockets(const char *folder, struct crb_args *out);

#endif /* !CRB_BINDS_H */
