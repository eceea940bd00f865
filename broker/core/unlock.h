#ifndef CRB_UNLOCK_H
#define CRB_UNLOCK_H

#include "broker/core/core.h"

/*
 * Unlocking: with a key at hand (a key file), or with a passphrase, which a
 * short-lived child turns into a key.  Then audit log, commit, credentials,
 * profiles and sessions are there.
 */
CRB_NODISCARD enum crb_status crb_unlock_key_file(struct crb_core *core,
    const char *path, unsigned slot, unsigned *used, struct crb_err *err);
/* The same from a key file that was opened for us. */
CRB_NODISCARD enum crb_status crb_unlock_key_fd(
    struct crb_core *core, int fd, const char *path, struct crb_err *err);

typedef void crb_unlock_fn(void *ctx, unsigned slot, const struct crb_err *why);
/*
 * `slot` 0 tries each passphrase slot in turn.  *passphrase is taken.  `fn`
 * is called once unless this fails; one at a time.
 */
CRB_NODISCARD enum crb_status crb_unlock_passphrase(struct crb_core *core,
    struct crb_secret **passphrase, unsigned slot, crb_unlock_fn *fn, void *ctx,
    struct crb_err *err);

/* Give up one that is under way, calling its function. */
void crb_unlock_cancel(struct crb_core *core);

/* Wipe what an unlock made; nothing may be under way. */
void crb_lock(struct crb_core *core);

#endif /* !CRB_UNLOCK_H */
