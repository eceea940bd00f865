#include "broker/core/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"

struct crb_work {
	TAILQ_ENTRY(crb_work) link;
	struct crb_core *core;
	pthread_t thread;
	int ready; /* an eventfd */
	crb_work_fn *work, *done;
	void *ctx;
};

static void *
run(void *ctx)
{
	struct crb_work *work = ctx;
	const uint64_t one = 1;

	work->work(work->ctx);
	(void)!write(work->ready, &one, sizeof(one));
	return NULL;
}

static void
finish(struct crb_work *work)
{
	struct crb_core *core = work->core;

	(void)pthread_join(work->thread, NULL);
	crb_loop_unwatch(core->loop, work->ready);
	(void)close(work->ready);
	TAILQ_REMOVE(&core->works, work, link);
	core->work_count--;
	work->done(work->ctx);
	free(work);
}

static void
on_ready(void *ctx, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	finish(ctx);
}

/* Signals are the loop's business. */
static enum crb_status
start_thread(struct crb_work *work, struct crb_err *err)
{
	sigset_t all, before;
	int code;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&work->thread, NULL, run, work);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code == 0)
		return CRB_OK;
	errno = code;
	return crb_err_errno(err, "a thread");
}

enum crb_status
crb_work_start(struct crb_core *core, crb_work_fn *fn, crb_work_fn *done,
    void *ctx, struct crb_err *err)
{
	CRB_AUTO_FREE struct crb_work *work = calloc(1, sizeof(*work));
	CRB_AUTO_FD int ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	enum crb_status status;

	if (core->work_count >= CRB_WORKS_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "%d long requests run already; try again", CRB_WORKS_MAX);
	if (work == NULL || ready == -1)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	work->core = core;
	work->ready = ready;
	work->work = fn;
	work->done = done;
	work->ctx = ctx;
	status = crb_loop_watch(
	    core->loop, ready, CRB_READABLE, on_ready, work, err);
	if (status != CRB_OK)
		return status;
	if ((status = start_thread(work, err)) != CRB_OK) {
		crb_loop_unwatch(core->loop, ready);
		return status;
	}
	TAILQ_INSERT_TAIL(&core->works, work, link);
	core->work_count++;
	ready = -1;
	work = NULL;
	return CRB_OK;
}

void
crb_work_finish(struct crb_core *core)
{
	struct crb_work *work;

	while ((work = TAILQ_FIRST(&core->works)) != NULL)
		finish(work);
}
