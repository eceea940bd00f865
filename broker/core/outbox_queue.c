#include "broker/core/outbox_queue.h"

#include <stdlib.h>
#include <string.h>

#include "broker/core/outbox.h"

void
crb_outbox_queue_clear(struct crb_outbox_queue *queue)
{
	for (size_t i = 0; i < queue->count; i++)
		crb_buf_clear(&queue->entry[i].lines);
	free(queue->entry);
	*queue = (struct crb_outbox_queue){ 0 };
}

enum crb_status
crb_outbox_queue_reserve(struct crb_outbox_queue *queue, struct crb_err *err)
{
	const size_t cap = queue->cap == 0 ? 8 : queue->cap * 2;
	struct crb_outbox_entry *entry;

	if (queue->count < queue->cap)
		return CRB_OK;
	entry = reallocarray(queue->entry, cap, sizeof(*entry));
	if (entry == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for the outbox");
	queue->entry = entry;
	queue->cap = cap;
	return CRB_OK;
}

static struct crb_outbox_entry *
push(struct crb_outbox_queue *queue, const struct crb_record_id *id)
{
	struct crb_outbox_entry *entry = &queue->entry[queue->count++];

	*entry = (struct crb_outbox_entry){
		.id = *id,
		.lines = CRB_BUF_INIT(CRB_OUTBOX_BYTES_MAX),
	};
	return entry;
}

/* What replay reads, to be put in order. */
struct replay {
	struct crb_outbox_queue *queue;
	struct crb_audit_mark mark; /* the latest */
};

static enum crb_status
read_record(void *ctx, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err)
{
	struct replay *replay = ctx;
	struct crb_outbox_queue *queue = replay->queue;
	struct crb_outbox_entry *entry;
	struct crb_outbox box;
	enum crb_status status;

	if ((status = crb_outbox_decode(crb_secret_bytes(plain),
		 crb_secret_len(plain), &box, err)) != CRB_OK ||
	    (status = crb_outbox_queue_reserve(queue, err)) != CRB_OK)
		return status;
	entry = push(queue, id);
	crb_buf_add(&entry->lines, box.lines.p, box.lines.len);
	if ((status = crb_buf_check(&entry->lines, "an outbox record", err)) !=
	    CRB_OK)
		return status;
	/* Until the lines are appended: what they are put in order by. */
	entry->upto = box.first;
	if (box.mark.n > replay->mark.n)
		replay->mark = box.mark;
	return CRB_OK;
}

static int
by_first(const void *a, const void *b)
{
	const struct crb_outbox_entry *x = a, *y = b;

	return (x->upto > y->upto) - (x->upto < y->upto);
}

/* Whole lines; what was appended is gone from the front. */
static enum crb_status
append_entry(struct crb_outbox_entry *entry, struct crb_audit *audit,
    struct crb_err *err)
{
	enum crb_status status = CRB_OK;
	size_t at = 0;

	while (at < entry->lines.len && status == CRB_OK) {
		char *line = entry->lines.data + at;
		char *end = strchr(line, '\n');

		if (end == NULL)
			break;
		*end = '\0';
		status = crb_audit_append(audit, line, err);
		*end = '\n';
		if (status == CRB_OK)
			at += (size_t)(end - line) + 1;
	}
	crb_buf_consume(&entry->lines, at);
	if (status != CRB_OK)
		return status;
	crb_buf_clear(&entry->lines);
	entry->upto = crb_audit_last(audit);
	entry->appended = true;
	return CRB_OK;
}

static enum crb_status
append_all(struct crb_outbox_queue *queue, struct crb_audit *audit,
    struct crb_err *err)
{
	enum crb_status status = CRB_OK;

	for (size_t i = 0; i < queue->count && status == CRB_OK; i++)
		if (!queue->entry[i].appended)
			status = append_entry(&queue->entry[i], audit, err);
	return status;
}

enum crb_status
crb_outbox_queue_replay(struct crb_outbox_queue *queue, struct crb_vault *vault,
    struct crb_audit *audit, struct crb_err *err)
{
	struct replay replay = { .queue = queue };
	enum crb_status status;

	if ((status = crb_vault_each(vault, CRB_KIND_OUTBOX, read_record,
		 &replay, err)) != CRB_OK ||
	    (status = crb_audit_has_mark(audit, &replay.mark, err)) != CRB_OK)
		return status;
	if (queue->count > 0)
		qsort(queue->entry, queue->count, sizeof(*queue->entry),
		    by_first);
	return append_all(queue, audit, err);
}

void
crb_outbox_queue_add(struct crb_outbox_queue *queue,
    const struct crb_record_id *id, struct crb_buf *lines)
{
	struct crb_outbox_entry *entry = push(queue, id);

	entry->lines = *lines;
	*lines = (struct crb_buf){ .max = lines->max };
}

void
crb_outbox_queue_append(struct crb_outbox_queue *queue, struct crb_audit *audit)
{
	struct crb_err err;

	/* The log says itself that it failed, and when it is well again. */
	(void)!append_all(queue, audit, &err);
}

enum crb_status
crb_outbox_queue_delete(struct crb_outbox_queue *queue, struct crb_txn *txn,
    uint64_t n, struct crb_err *err)
{
	enum crb_status status;

	for (size_t i = 0; i < queue->count; i++) {
		struct crb_outbox_entry *entry = &queue->entry[i];

		if (!entry->appended || entry->upto > n)
			break;
		status = crb_txn_delete(txn, CRB_KIND_OUTBOX, &entry->id, err);
		if (status != CRB_OK)
			return status;
		entry->deleting = true;
	}
	return CRB_OK;
}

void
crb_outbox_queue_deleted(struct crb_outbox_queue *queue, bool ok)
{
	size_t kept = 0;

	for (size_t i = 0; i < queue->count; i++) {
		struct crb_outbox_entry *entry = &queue->entry[i];

		if (entry->deleting && ok)
			continue;
		entry->deleting = false;
		queue->entry[kept++] = *entry;
	}
	queue->count = kept;
}
