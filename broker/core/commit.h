#ifndef CRB_COMMIT_H
#define CRB_COMMIT_H

#include "base/loop.h"
#include "broker/core/audit.h"
#include "broker/vault/vault.h"

/*
 * One commit, one fsync.  What a turn of the loop decides is collected here,
 * together with its audit events (sealed in the outbox of the same
 * transaction), and written by a writer thread at the end of the turn; while
 * one transaction is being written the next collects.  After it, its audit
 * lines are appended to the log and its outbox records deleted by a later
 * transaction.
 *
 * A put, delete, event or then that fails spoils what was collected with it in
 * the same turn: nothing of it is written, and every `then` of it is told so.
 *
 * Everything is called from the loop's thread.
 */
struct crb_commit;

/* `vault` is unlocked; replays its outbox into `audit`.  Both borrowed. */
CRB_NODISCARD enum crb_status crb_commit_new(struct crb_loop *loop,
    struct crb_vault *vault, struct crb_audit *audit, struct crb_commit **out,
    struct crb_err *err);
/* Waits for what is under way, writes what was collected, and tells. */
void crb_commit_free(struct crb_commit *commit);

/* Collect a change.  `json` is encoded at once (borrowed). */
CRB_NODISCARD enum crb_status crb_commit_put(struct crb_commit *commit,
    enum crb_kind kind, const struct crb_record_id *id, const json_t *json,
    struct crb_err *err);
CRB_NODISCARD enum crb_status crb_commit_delete(struct crb_commit *commit,
    enum crb_kind kind, const struct crb_record_id *id, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_commit_event(struct crb_commit *commit,
    const struct crb_audit_event *event, struct crb_err *err);

/*
 * Call `fn` once all that was collected so far is durable (why is NULL), or
 * has failed as a whole (why says how; CRB_ERR_UNRECORDED): then the caller
 * undoes what it did in memory.  What was collected while the failed
 * transaction was being written fails with it.  Several may be registered;
 * never called from crb_commit_then() itself.
 */
typedef void crb_commit_fn(void *ctx, const struct crb_err *why);
CRB_NODISCARD enum crb_status crb_commit_then(struct crb_commit *commit,
    crb_commit_fn *fn, void *ctx, struct crb_err *err);

/*
 * So much is collected already that events of those who may wait had better:
 * one event too many spoils the whole.
 */
bool crb_commit_crowded(const struct crb_commit *commit);

/*
 * So many callers of crb_commit_then() are under way: a transaction waits a
 * moment for those that have not come yet, so that they share its fsync.
 */
void crb_commit_expect(struct crb_commit *commit, size_t callers);

/* At the end of a turn: hand what was collected to the writer, if it idles. */
void crb_commit_turn(struct crb_commit *commit);

#endif /* !CRB_COMMIT_H */
