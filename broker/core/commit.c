#include "broker/core/commit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "broker/core/outbox.h"
#include "broker/core/outbox_queue.h"

/* As long as the others of one moment are waited for, at most. */
#define GATHER_MS 2

/* What is committed together. */
struct batch {
	int64_t opened; /* on the loop's clock */
	struct crb_txn *txn;
	struct crb_buf lines;    /* rendered events, a newline each */
	struct crb_record_id id; /* of its outbox record */
	struct then {
		crb_commit_fn *fn;
		void *ctx;
	} * then;
	size_t count, cap;
	/* Something could not be collected, so nothing of it may happen. */
	bool spoilt;
	struct crb_err why;
};

struct crb_commit {
	struct crb_loop *loop;
	struct crb_vault *vault;
	struct crb_audit *audit;
	struct batch *open;    /* collects; NULL while there is nothing */
	struct batch *writing; /* with the writer; or NULL */
	struct crb_outbox_queue queue;
	size_t expected; /* callers under way */
	struct crb_timer gather;

	int done_fd; /* the writer wakes the loop */
	pthread_t writer;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	/* under the lock: */
	struct batch *job; /* to be written */
	struct batch *done;
	enum crb_status status;
	struct crb_err why;
	bool stop;
};

static void
batch_free(struct batch *batch)
{
	if (batch == NULL)
		return;
	crb_txn_free(batch->txn);
	crb_buf_clear(&batch->lines);
	free(batch->then);
	free(batch);
}

static enum crb_status
open_batch(struct crb_commit *commit, struct crb_err *err)
{
	struct batch *batch;

	if (commit->open != NULL)
		return CRB_OK;
	if ((batch = calloc(1, sizeof(*batch))) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for a transaction");
	batch->opened = crb_loop_now(commit->loop);
	batch->lines = (struct crb_buf)CRB_BUF_INIT(CRB_OUTBOX_BYTES_MAX);
	if (crb_txn_new(commit->vault, &batch->txn, err) != CRB_OK) {
		batch_free(batch);
		return err->status;
	}
	crb_record_id_random(&batch->id);
	commit->open = batch;
	return CRB_OK;
}

/* Half of something must not be written: then all of it fails. */
static enum crb_status
spoil(struct crb_commit *commit, const struct crb_err *err)
{
	struct batch *batch = commit->open;

	if (batch != NULL && !batch->spoilt) {
		batch->spoilt = true;
		batch->why = *err;
	}
	return err->status;
}

enum crb_status
crb_commit_put(struct crb_commit *commit, enum crb_kind kind,
    const struct crb_record_id *id, const json_t *json, struct crb_err *err)
{
	enum crb_status status;
	char *text;

	if ((status = open_batch(commit, err)) != CRB_OK)
		return status;
	if ((text = crb_json_text(json)) == NULL) {
		(void)crb_err_set(err, CRB_ERR_NOMEM, "no memory for a record");
		return spoil(commit, err);
	}
	status = crb_txn_put(
	    commit->open->txn, kind, id, text, strlen(text), err);
	crb_json_text_free(text);
	return status == CRB_OK ? CRB_OK : spoil(commit, err);
}

enum crb_status
crb_commit_delete(struct crb_commit *commit, enum crb_kind kind,
    const struct crb_record_id *id, struct crb_err *err)
{
	enum crb_status status;

	if ((status = open_batch(commit, err)) != CRB_OK)
		return status;
	status = crb_txn_delete(commit->open->txn, kind, id, err);
	return status == CRB_OK ? CRB_OK : spoil(commit, err);
}

enum crb_status
crb_commit_event(struct crb_commit *commit, const struct crb_audit_event *event,
    struct crb_err *err)
{
	CRB_AUTO_FREE char *line = NULL;
	enum crb_status status;

	if (!crb_audit_healthy(commit->audit, err))
		return spoil(commit, err);
	if ((status = open_batch(commit, err)) != CRB_OK)
		return status;
	if (crb_audit_render(commit->audit, event, &line, err) != CRB_OK)
		return spoil(commit, err);
	crb_buf_str(&commit->open->lines, line);
	crb_buf_char(&commit->open->lines, '\n');
	if (crb_buf_check(&commit->open->lines,
		"the audit events of a transaction", err) != CRB_OK)
		return spoil(commit, err);
	return CRB_OK;
}

static enum crb_status
add_then(struct batch *batch, crb_commit_fn *fn, void *ctx, struct crb_err *err)
{
	if (batch->count == batch->cap) {
		const size_t cap = batch->cap == 0 ? 4 : batch->cap * 2;
		struct then *then = reallocarray(
		    batch->then, cap, sizeof(*then));

		if (then == NULL)
			return crb_err_set(
			    err, CRB_ERR_NOMEM, "no memory for a transaction");
		batch->then = then;
		batch->cap = cap;
	}
	batch->then[batch->count++] = (struct then){ fn, ctx };
	return CRB_OK;
}

enum crb_status
crb_commit_then(struct crb_commit *commit, crb_commit_fn *fn, void *ctx,
    struct crb_err *err)
{
	struct batch *batch = commit->open;
	enum crb_status status;

	/* Nothing collected since: it is the one under way that counts. */
	if (batch == NULL && commit->writing != NULL)
		batch = commit->writing;
	if (batch == NULL) {
		if ((status = open_batch(commit, err)) != CRB_OK)
			return status;
		batch = commit->open;
	}
	status = add_then(batch, fn, ctx, err);
	if (status != CRB_OK && batch == commit->open)
		return spoil(commit, err);
	return status;
}

/* Tell, and free.  What is told may collect again, in a new batch. */
static void
finish(struct batch *batch, const struct crb_err *why)
{
	for (size_t i = 0; i < batch->count; i++)
		batch->then[i].fn(batch->then[i].ctx, why);
	batch_free(batch);
}

static void
fail(struct batch *batch, const struct crb_err *cause)
{
	struct crb_err why;

	(void)crb_err_set(&why, CRB_ERR_UNRECORDED,
	    "it could not be recorded, so it was not done: %s", cause->msg);
	crb_log(CRB_LOG_ERROR, "commit failed", CRB_LOG_REASON, cause->msg,
	    CRB_LOG_END);
	finish(batch, &why);
}

/* The outbox record, and the end of those whose lines are durable. */
static enum crb_status
add_outbox(struct crb_commit *commit, struct batch *batch, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(
	    CRB_OUTBOX_BYTES_MAX + 4096);
	struct crb_audit_mark mark;
	enum crb_status status;

	crb_audit_mark(commit->audit, &mark);
	crb_outbox_encode(&buf, &mark,
	    (struct crb_slice){
		crb_buf_text(&batch->lines), batch->lines.len });
	if ((status = crb_buf_check(&buf, "an outbox record", err)) != CRB_OK ||
	    (status = crb_txn_put(batch->txn, CRB_KIND_OUTBOX, &batch->id,
		 buf.data, buf.len, err)) != CRB_OK ||
	    (status = crb_outbox_queue_reserve(&commit->queue, err)) != CRB_OK)
		return status;
	return crb_outbox_queue_delete(&commit->queue, batch->txn, mark.n, err);
}

/* False when it failed, and was told so. */
static bool
hand_over(struct crb_commit *commit, struct batch *batch)
{
	struct crb_err err;

	if (batch->spoilt) {
		fail(batch, &batch->why);
		return false;
	}
	if (add_outbox(commit, batch, &err) != CRB_OK ||
	    crb_txn_seal(batch->txn, &err) != CRB_OK) {
		crb_outbox_queue_deleted(&commit->queue, false);
		fail(batch, &err);
		return false;
	}
	commit->writing = batch;
	(void)pthread_mutex_lock(&commit->lock);
	commit->job = batch;
	(void)pthread_cond_broadcast(&commit->cond);
	(void)pthread_mutex_unlock(&commit->lock);
	return true;
}

bool
crb_commit_crowded(const struct crb_commit *commit)
{
	return commit->open != NULL &&
	    commit->open->lines.len > CRB_OUTBOX_BYTES_MAX / 2;
}

void
crb_commit_expect(struct crb_commit *commit, size_t callers)
{
	commit->expected = callers;
}

/* The turn that this timer makes is all that it is for. */
static void
gathered(void *ctx)
{
	(void)ctx;
}

static bool
gathers(struct crb_commit *commit, const struct batch *batch)
{
	int64_t left = batch->opened + GATHER_MS - crb_loop_now(commit->loop);
	struct crb_err err;

	return commit->expected > batch->count && !batch->spoilt && left > 0 &&
	    crb_timer_set(commit->loop, &commit->gather, left, &err) == CRB_OK;
}

void
crb_commit_turn(struct crb_commit *commit)
{
	struct batch *batch = commit->open;

	crb_outbox_queue_append(&commit->queue, commit->audit);
	if (batch == NULL || commit->writing != NULL || gathers(commit, batch))
		return;
	crb_timer_clear(commit->loop, &commit->gather);
	commit->open = NULL;
	if (crb_txn_empty(batch->txn) && batch->lines.len == 0 &&
	    !batch->spoilt)
		finish(batch, NULL);
	else
		(void)hand_over(commit, batch);
}

/*
 * One that was collected while the failed one was being written was decided
 * upon what that would have changed: it fails too.
 */
static void
failed(
    struct crb_commit *commit, struct batch *batch, const struct crb_err *why)
{
	struct batch *next = commit->open;

	commit->open = NULL;
	crb_outbox_queue_deleted(&commit->queue, false);
	fail(batch, why);
	if (next != NULL)
		fail(next, why);
}

static void
written(struct crb_commit *commit, enum crb_status status,
    const struct crb_err *why)
{
	struct batch *batch = commit->writing;

	commit->writing = NULL;
	crb_vault_written(commit->vault, batch->txn, status == CRB_OK);
	if (status != CRB_OK) {
		failed(commit, batch, why);
		return;
	}
	crb_outbox_queue_deleted(&commit->queue, true);
	crb_outbox_queue_add(&commit->queue, &batch->id, &batch->lines);
	crb_outbox_queue_append(&commit->queue, commit->audit);
	finish(batch, NULL);
}

/* Take the writer's result, if there is one. */
static bool
collect(struct crb_commit *commit)
{
	struct crb_err why;
	enum crb_status status;
	bool done;

	(void)pthread_mutex_lock(&commit->lock);
	done = commit->done != NULL;
	commit->done = NULL;
	status = commit->status;
	why = commit->why;
	(void)pthread_mutex_unlock(&commit->lock);
	if (done)
		written(commit, status, &why);
	return done;
}

static void
woken(void *ctx, int fd, unsigned events)
{
	uint64_t count;

	(void)events;
	(void)!read(fd, &count, sizeof(count));
	(void)collect(ctx);
}

static void *
write_all(void *ctx)
{
	struct crb_commit *commit = ctx;
	const uint64_t one = 1;

	(void)pthread_mutex_lock(&commit->lock);
	for (;;) {
		struct batch *batch;
		enum crb_status status;
		struct crb_err why = { 0 };

		while (commit->job == NULL && !commit->stop)
			(void)pthread_cond_wait(&commit->cond, &commit->lock);
		if ((batch = commit->job) == NULL)
			break;
		(void)pthread_mutex_unlock(&commit->lock);
		status = crb_vault_write(commit->vault, batch->txn, &why);
		(void)pthread_mutex_lock(&commit->lock);
		commit->job = NULL;
		commit->done = batch;
		commit->status = status;
		commit->why = why;
		(void)pthread_cond_broadcast(&commit->cond);
		(void)!write(commit->done_fd, &one, sizeof(one));
	}
	(void)pthread_mutex_unlock(&commit->lock);
	return NULL;
}

/* Signals are the loop's business: none may land on this thread. */
static enum crb_status
start_writer(struct crb_commit *commit, struct crb_err *err)
{
	sigset_t all, before;
	int code;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&commit->writer, NULL, write_all, commit);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code != 0) {
		errno = code;
		return crb_err_errno(err, "no thread to write with");
	}
	commit->started = true;
	return CRB_OK;
}

static enum crb_status
set_up(struct crb_commit *commit, struct crb_err *err)
{
	enum crb_status status;

	if ((status = crb_outbox_queue_replay(
		 &commit->queue, commit->vault, commit->audit, err)) != CRB_OK)
		return crb_err_context(err, "the outbox cannot be replayed");
	commit->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (commit->done_fd == -1)
		return crb_err_errno(err, "eventfd");
	if ((status = crb_loop_watch(commit->loop, commit->done_fd,
		 CRB_READABLE, woken, commit, err)) != CRB_OK)
		return status;
	return start_writer(commit, err);
}

enum crb_status
crb_commit_new(struct crb_loop *loop, struct crb_vault *vault,
    struct crb_audit *audit, struct crb_commit **out, struct crb_err *err)
{
	struct crb_commit *commit = calloc(1, sizeof(*commit));

	if (commit == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for the commits");
	commit->loop = loop;
	commit->vault = vault;
	commit->audit = audit;
	commit->done_fd = -1;
	crb_timer_init(&commit->gather, gathered, commit);
	(void)pthread_mutex_init(&commit->lock, NULL);
	(void)pthread_cond_init(&commit->cond, NULL);
	if (set_up(commit, err) != CRB_OK) {
		crb_commit_free(commit);
		return err->status;
	}
	*out = commit;
	return CRB_OK;
}

static void
wait_for_writer(struct crb_commit *commit)
{
	if (commit->writing == NULL)
		return;
	(void)pthread_mutex_lock(&commit->lock);
	while (commit->done == NULL)
		(void)pthread_cond_wait(&commit->cond, &commit->lock);
	(void)pthread_mutex_unlock(&commit->lock);
	(void)collect(commit);
}

static void
stop_writer(struct crb_commit *commit)
{
	if (!commit->started)
		return;
	(void)pthread_mutex_lock(&commit->lock);
	commit->stop = true;
	(void)pthread_cond_broadcast(&commit->cond);
	(void)pthread_mutex_unlock(&commit->lock);
	(void)pthread_join(commit->writer, NULL);
}

void
crb_commit_free(struct crb_commit *commit)
{
	/* What is told of an end may collect more, but not for ever. */
	enum { ROUNDS = 8 };

	if (commit == NULL)
		return;
	commit->expected = 0;
	for (int i = 0; i < ROUNDS && commit->started; i++) {
		wait_for_writer(commit);
		crb_commit_turn(commit);
		if (commit->writing == NULL && commit->open == NULL)
			break;
	}
	wait_for_writer(commit);
	stop_writer(commit);
	if (commit->done_fd != -1) {
		crb_loop_unwatch(commit->loop, commit->done_fd);
		(void)close(commit->done_fd);
	}
	crb_timer_clear(commit->loop, &commit->gather);
	batch_free(commit->open);
	crb_outbox_queue_clear(&commit->queue);
	(void)pthread_cond_destroy(&commit->cond);
	(void)pthread_mutex_destroy(&commit->lock);
	free(commit);
}
