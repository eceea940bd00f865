#include "broker/egress/mint.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"

/* TLS and its certificates take some. */
#define STACK_BYTES (1u << 20)

const struct crb_mint_limits crb_mint_limits = {
	.connect_ms = 10000,
	.whole_ms = 30000,
	.pause_ms = { 300, 1000 },
};

struct worker {
	struct crb_mints *mints;
	pthread_t thread;
	CURLM *multi;
	struct crb_minting *minting; /* NULL: it waits for one */
	bool dropped;                /* its session was */
};

struct crb_mints {
	struct crb_mints_options options;
	size_t open; /* not answered yet; the loop's alone */
	int wake;    /* an eventfd: something is done */

	/* What follows is under the mutex, but for what a worker runs. */
	pthread_mutex_t mutex;
	pthread_cond_t work; /* one may be run, or stopped */
	pthread_cond_t stop; /* stopped, or a session was dropped */
	struct crb_minting_list queue;
	struct crb_minting_list done;
	size_t queued;
	size_t idle; /* workers that wait */
	size_t workers;
	struct worker worker[CRB_MINT_THREADS];
	bool stopped;
};

#define AUTO_MINTS __attribute__((cleanup(mints_cleanup)))
static void
mints_cleanup(struct crb_mints **mints)
{
	crb_mints_free(*mints);
}

/* A worker's side. */

static bool
stopped(void *ctx)
{
	const struct worker *worker = ctx;
	struct crb_mints *mints = worker->mints;
	bool is;

	pthread_mutex_lock(&mints->mutex);
	is = mints->stopped;
	pthread_mutex_unlock(&mints->mutex);
	return is;
}

static struct timespec
due_in(long ms)
{
	struct timespec due;

	(void)clock_gettime(CLOCK_MONOTONIC, &due);
	due.tv_sec += ms / 1000;
	due.tv_nsec += ms % 1000 * 1000000;
	due.tv_sec += due.tv_nsec / 1000000000;
	due.tv_nsec %= 1000000000;
	return due;
}

static bool
pause_for(void *ctx, long ms)
{
	const struct worker *worker = ctx;
	struct crb_mints *mints = worker->mints;
	const struct timespec due = due_in(ms);
	bool go_on;
	int rc = 0;

	pthread_mutex_lock(&mints->mutex);
	while (rc == 0 && !mints->stopped && !worker->dropped)
		rc = pthread_cond_timedwait(&mints->stop, &mints->mutex, &due);
	go_on = !mints->stopped && !worker->dropped;
	pthread_mutex_unlock(&mints->mutex);
	return go_on;
}

/* Credentials have names in the core; here they are what they say. */
static bool
has_turn(const struct crb_mints *mints, const struct crb_minting *minting)
{
	unsigned alike = 0;

	for (size_t i = 0; i < mints->workers; i++) {
		const struct crb_minting *other = mints->worker[i].minting;

		alike += other != NULL &&
		    strcmp(other->kind, minting->kind) == 0 &&
		    strcmp(other->params, minting->params) == 0;
	}
	return alike < CRB_MINT_ALIKE_MAX;
}

static struct crb_minting *
first(const struct crb_mints *mints)
{
	struct crb_minting *at = TAILQ_FIRST(&mints->queue);

	while (at != NULL && !has_turn(mints, at))
		at = TAILQ_NEXT(at, link);
	return at;
}

/* The next one to run, under the mutex; NULL: none, ever. */
static struct crb_minting *
next(struct worker *worker)
{
	struct crb_mints *mints = worker->mints;
	struct crb_minting *found = NULL;

	mints->idle++;
	while (!mints->stopped && (found = first(mints)) == NULL)
		pthread_cond_wait(&mints->work, &mints->mutex);
	mints->idle--;
	if (mints->stopped)
		return NULL;
	worker->minting = found;
	worker->dropped = false;
	TAILQ_REMOVE(&mints->queue, worker->minting, link);
	mints->queued--;
	return worker->minting;
}

static void
run(struct worker *worker, struct crb_minting *minting)
{
	const struct crb_mints_options *options = &worker->mints->options;

	crb_minting_run(minting,
	    &(struct crb_minting_world){ .backends = options->backends,
		.limits = options->limits,
		.trust = options->trust,
		.multi = worker->multi,
		.stopped = stopped,
		.pause = pause_for,
		.ctx = worker });
}

static void *
work(void *ctx)
{
	struct worker *worker = ctx;
	struct crb_mints *mints = worker->mints;
	struct crb_minting *minting;

	pthread_mutex_lock(&mints->mutex);
	while ((minting = next(worker)) != NULL) {
		pthread_mutex_unlock(&mints->mutex);
		run(worker, minting);
		pthread_mutex_lock(&mints->mutex);
		worker->minting = NULL;
		TAILQ_INSERT_TAIL(&mints->done, minting, link);
		(void)eventfd_write(mints->wake, 1);
	}
	pthread_mutex_unlock(&mints->mutex);
	return NULL;
}

/* The loop's side. */

static void
answer(struct crb_mints *mints, struct crb_minting *minting)
{
	struct crb_msg_minted msg;

	crb_minting_report(minting, &msg);
	mints->open--;
	mints->options.minted(mints->options.ctx, &msg);
	crb_minting_free(minting);
}

static void
woken(void *ctx, int fd, unsigned events)
{
	struct crb_minting_list done = TAILQ_HEAD_INITIALIZER(done);
	struct crb_mints *mints = ctx;
	struct crb_minting *minting;
	eventfd_t count;

	(void)events;
	(void)eventfd_read(fd, &count);
	pthread_mutex_lock(&mints->mutex);
	TAILQ_CONCAT(&done, &mints->done, link);
	pthread_mutex_unlock(&mints->mutex);
	while ((minting = TAILQ_FIRST(&done)) != NULL) {
		TAILQ_REMOVE(&done, minting, link);
		answer(mints, minting);
	}
}

static int
start_thread(struct worker *worker)
{
	pthread_attr_t attr;
	int rc;

	if ((rc = pthread_attr_init(&attr)) != 0)
		return rc;
	if ((rc = pthread_attr_setstacksize(&attr, STACK_BYTES)) == 0)
		rc = pthread_create(&worker->thread, &attr, work, worker);
	(void)pthread_attr_destroy(&attr);
	return rc;
}

/* Under the mutex.  With one thread the queue moves on. */
static enum crb_status
add_worker(struct crb_mints *mints, struct crb_err *err)
{
	struct worker *worker = &mints->worker[mints->workers];

	if (mints->workers == CRB_MINT_THREADS || mints->idle > mints->queued)
		return CRB_OK;
	*worker = (struct worker){ .mints = mints, .multi = curl_multi_init() };
	if (worker->multi != NULL && start_thread(worker) == 0) {
		mints->workers++;
		return CRB_OK;
	}
	(void)curl_multi_cleanup(worker->multi);
	if (mints->workers > 0)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_SYSTEM, "no thread to mint in");
}

static enum crb_status
enqueue(
    struct crb_mints *mints, struct crb_minting *minting, struct crb_err *err)
{
	enum crb_status status;

	pthread_mutex_lock(&mints->mutex);
	if (mints->queued >= CRB_MINT_QUEUE_MAX)
		status = crb_err_set(err, CRB_ERR_LIMIT,
		    "the broker is asked for too many credentials at once");
	else if ((status = add_worker(mints, err)) == CRB_OK) {
		TAILQ_INSERT_TAIL(&mints->queue, minting, link);
		mints->queued++;
		pthread_cond_signal(&mints->work);
	}
	pthread_mutex_unlock(&mints->mutex);
	return status;
}

static void
refuse(
    const struct crb_mints *mints, uint32_t request, const struct crb_err *why)
{
	const struct crb_msg_minted msg = {
		.request = request,
		.outcome = CRB_SLICE(crb_status_info(why->status)->code),
		.detail = CRB_SLICE(why->msg),
		.id = CRB_SLICE(""),
		.keys = CRB_SLICE(""),
	};

	mints->options.minted(mints->options.ctx, &msg);
}

void
crb_mints_start(struct crb_mints *mints, const struct crb_msg_mint *msg)
{
	CRB_AUTO_MINTING struct crb_minting *minting = NULL;
	struct crb_err err;

	if (crb_minting_new(msg, &minting, &err) != CRB_OK ||
	    enqueue(mints, minting, &err) != CRB_OK) {
		refuse(mints, msg->request, &err);
		return;
	}
	mints->open++;
	minting = NULL;
}

static void
drop_queued(struct crb_mints *mints, struct crb_slice session)
{
	struct crb_minting *at, *following;
	struct crb_err err;

	(void)crb_err_set(&err, CRB_ERR_NOT_FOUND, "the session has ended");
	for (at = TAILQ_FIRST(&mints->queue); at != NULL; at = following) {
		following = TAILQ_NEXT(at, link);
		if (!crb_slice_is(session, at->session))
			continue;
		TAILQ_REMOVE(&mints->queue, at, link);
		mints->queued--;
		crb_minting_fail(at, &err);
		TAILQ_INSERT_TAIL(&mints->done, at, link);
		(void)eventfd_write(mints->wake, 1);
	}
}

void
crb_mints_drop(struct crb_mints *mints, struct crb_slice session)
{
	pthread_mutex_lock(&mints->mutex);
	drop_queued(mints, session);
	for (size_t i = 0; i < mints->workers; i++) {
		struct worker *worker = &mints->worker[i];

		if (worker->minting != NULL &&
		    crb_slice_is(session, worker->minting->session))
			worker->dropped = true;
	}
	pthread_cond_broadcast(&mints->stop);
	pthread_mutex_unlock(&mints->mutex);
}

bool
crb_mints_idle(const struct crb_mints *mints)
{
	return mints->open == 0;
}

static int
init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int rc;

	if ((rc = pthread_condattr_init(&attr)) != 0)
		return rc;
	if ((rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC)) == 0)
		rc = pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	return rc;
}

static struct crb_mints *
make(const struct crb_mints_options *options)
{
	struct crb_mints *mints;

	if ((mints = calloc(1, sizeof(*mints))) == NULL)
		return NULL;
	mints->options = *options;
	mints->wake = -1;
	TAILQ_INIT(&mints->queue);
	TAILQ_INIT(&mints->done);
	/* None of them allocates. */
	(void)pthread_mutex_init(&mints->mutex, NULL);
	(void)init_cond(&mints->work);
	(void)init_cond(&mints->stop);
	return mints;
}

enum crb_status
crb_mints_new(const struct crb_mints_options *options, struct crb_mints **out,
    struct crb_err *err)
{
	AUTO_MINTS struct crb_mints *mints = make(options);

	if (mints == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if ((mints->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		return crb_err_errno(err, "eventfd");
	if (crb_loop_watch(options->loop, mints->wake, CRB_READABLE, woken,
		mints, err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(mints);
	return CRB_OK;
}

static void
stop_workers(struct crb_mints *mints)
{
	pthread_mutex_lock(&mints->mutex);
	mints->stopped = true;
	pthread_cond_broadcast(&mints->work);
	pthread_cond_broadcast(&mints->stop);
	pthread_mutex_unlock(&mints->mutex);
	for (size_t i = 0; i < mints->workers; i++)
		(void)curl_multi_wakeup(mints->worker[i].multi);
	for (size_t i = 0; i < mints->workers; i++) {
		(void)pthread_join(mints->worker[i].thread, NULL);
		(void)curl_multi_cleanup(mints->worker[i].multi);
	}
}

static void
free_list(struct crb_minting_list *list)
{
	struct crb_minting *minting;

	while ((minting = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, minting, link);
		crb_minting_free(minting);
	}
}

void
crb_mints_free(struct crb_mints *mints)
{
	if (mints == NULL)
		return;
	stop_workers(mints);
	free_list(&mints->queue);
	free_list(&mints->done);
	if (mints->wake != -1)
		crb_loop_unwatch(mints->options.loop, mints->wake);
	crb_fd_cleanup(&mints->wake);
	(void)pthread_cond_destroy(&mints->work);
	(void)pthread_cond_destroy(&mints->stop);
	(void)pthread_mutex_destroy(&mints->mutex);
	free(mints);
}
