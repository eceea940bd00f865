#ifndef CRB_OUTBOX_QUEUE_H
#define CRB_OUTBOX_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "broker/core/audit.h"
#include "broker/vault/vault.h"

/*
 * The outbox records that are in the store, oldest first: each waits for its
 * lines to be in the audit log, then for the disk to have them, then for a
 * transaction to delete it.  The newest stays, whatever happens, for its mark.
 */
struct crb_outbox_queue {
	struct crb_outbox_entry {
		struct crb_record_id id;
		struct crb_buf lines; /* empty once appended */
		uint64_t upto;        /* the log's last line by then */
		bool appended, deleting;
	} * entry;
	size_t count, cap;
};

void crb_outbox_queue_clear(struct crb_outbox_queue *queue);

/*
 * Read the vault's outbox, check that the log still has what is marked there,
 * and append what the log does not have.
 */
CRB_NODISCARD enum crb_status crb_outbox_queue_replay(
    struct crb_outbox_queue *queue, struct crb_vault *vault,
    struct crb_audit *audit, struct crb_err *err);

/*
 * Room for one more, before its transaction: a record that was forgotten could
 * not be appended later, behind younger ones.
 */
CRB_NODISCARD enum crb_status crb_outbox_queue_reserve(
    struct crb_outbox_queue *queue, struct crb_err *err);
/* A record was committed; takes the lines.  There is room. */
void crb_outbox_queue_add(struct crb_outbox_queue *queue,
    const struct crb_record_id *id, struct crb_buf *lines);
/* Append what waits, as far as the log takes it. */
void crb_outbox_queue_append(
    struct crb_outbox_queue *queue, struct crb_audit *audit);

/* Delete in `txn` what is durable up to line `n`; and how that ended. */
CRB_NODISCARD enum crb_status crb_outbox_queue_delete(
    struct crb_outbox_queue *queue, struct crb_txn *txn, uint64_t n,
    struct crb_err *err);
void crb_outbox_queue_deleted(struct crb_outbox_queue *queue, bool ok);

#endif /* !CRB_OUTBOX_QUEUE_H */
