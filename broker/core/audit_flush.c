#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "broker/core/audit_impl.h"

/* Lines of one moment share an fsync; with it, 100 ms are kept. */
#define GATHER_MS 50
#define PENDING_MAX ((size_t)16 << 20)

static void
wait_ms(struct crb_flusher *flusher, int64_t ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	while (!flusher->stop && !flusher->urgent &&
	    pthread_cond_timedwait(&flusher->cond, &flusher->lock, &until) !=
		ETIMEDOUT)
		continue;
}

/* Make the pages dirty again that a failed fsync may have given up. */
static bool
write_again(const struct crb_flusher *flusher)
{
	size_t at = 0;

	while (at < flusher->pending.len) {
		const ssize_t n = pwrite(flusher->fd,
		    flusher->pending.data + at, flusher->pending.len - at,
		    flusher->durable_at + (off_t)at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* Called and left with the lock, which is free while the disk is waited for. */
static void
sync_once(struct crb_flusher *flusher)
{
	const struct crb_audit_mark upto = flusher->written;
	const size_t len = flusher->pending.len;
	const int fd = flusher->fd;
	int failed = 0;

	if (flusher->failed != 0 && !write_again(flusher)) {
		flusher->failed = errno;
		return;
	}
	(void)pthread_mutex_unlock(&flusher->lock);
	if (fdatasync(fd) == -1)
		failed = errno;
	(void)pthread_mutex_lock(&flusher->lock);
	flusher->failed = failed;
	if (failed == 0) {
		flusher->durable = upto;
		flusher->durable_at += (off_t)len;
		crb_buf_consume(&flusher->pending, len);
	}
}

static void *
flush(void *ctx)
{
	struct crb_flusher *flusher = ctx;

	(void)pthread_mutex_lock(&flusher->lock);
	while (!flusher->stop || flusher->pending.len > 0) {
		if (flusher->pending.len == 0 && flusher->failed == 0) {
			(void)pthread_cond_wait(&flusher->cond, &flusher->lock);
			continue;
		}
		wait_ms(flusher,
		    flusher->failed != 0 ? flusher->retry_ms : GATHER_MS);
		sync_once(flusher);
		flusher->urgent = false;
		(void)pthread_cond_broadcast(&flusher->cond);
		if (flusher->stop && flusher->failed != 0)
			break;
	}
	(void)pthread_mutex_unlock(&flusher->lock);
	return NULL;
}

/* Signals are the loop's business: none may land on this thread. */
static int
spawn(struct crb_flusher *flusher)
{
	sigset_t all, before;
	int failed;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&flusher->thread, NULL, flush, flusher);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
}

enum crb_status
crb_flusher_start(struct crb_flusher *flusher, struct crb_err *err)
{
	pthread_condattr_t attr;
	int failed;

	flusher->pending = (struct crb_buf)CRB_BUF_INIT(PENDING_MAX);
	(void)pthread_mutex_init(&flusher->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&flusher->cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	if ((failed = spawn(flusher)) != 0) {
		errno = failed;
		return crb_err_errno(err, "no thread for the audit log");
	}
	flusher->started = true;
	return CRB_OK;
}

void
crb_flusher_stop(struct crb_flusher *flusher)
{
	if (flusher->started) {
		(void)pthread_mutex_lock(&flusher->lock);
		flusher->stop = true;
		(void)pthread_cond_broadcast(&flusher->cond);
		(void)pthread_mutex_unlock(&flusher->lock);
		(void)pthread_join(flusher->thread, NULL);
		(void)pthread_cond_destroy(&flusher->cond);
		(void)pthread_mutex_destroy(&flusher->lock);
		flusher->started = false;
	}
	crb_buf_clear(&flusher->pending);
	if (flusher->fd != -1)
		(void)close(flusher->fd);
	flusher->fd = -1;
}

static enum crb_status
not_durable(int failed, struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_UNRECORDED,
	    "the audit log does not reach the disk: %s", strerror(failed));
}

/* All of it, or the file is as long as it was. */
static enum crb_status
write_whole(struct crb_flusher *flusher, const char *bytes, size_t len,
    struct crb_err *err)
{
	const off_t at = flusher->durable_at + (off_t)flusher->pending.len;
	size_t done = 0;

	while (done < len) {
		const ssize_t n = pwrite(
		    flusher->fd, bytes + done, len - done, at + (off_t)done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			const int why = n == 0 ? ENOSPC : errno;

			/*
			 * Should this fail, the next write covers what is
			 * left, or an open drops it as torn.
			 */
			(void)!ftruncate(flusher->fd, at);
			return crb_err_set(err, CRB_ERR_UNRECORDED,
			    "the audit log cannot be written: %s",
			    strerror(why));
		}
		done += (size_t)n;
	}
	return CRB_OK;
}

enum crb_status
crb_flusher_write(struct crb_flusher *flusher, const char *bytes, size_t len,
    const struct crb_audit_mark *mark, struct crb_err *err)
{
	enum crb_status status = CRB_OK;
	bool waits;

	(void)pthread_mutex_lock(&flusher->lock);
	/* With something to do it looks again by itself. */
	waits = flusher->pending.len == 0;
	if (flusher->failed != 0)
		status = not_durable(flusher->failed, err);
	else if (crb_buf_room(&flusher->pending, len) == NULL) {
		/* The room that there is stays usable. */
		flusher->pending.failed = false;
		status = crb_err_set(err, CRB_ERR_UNRECORDED,
		    "the disk does not keep up with the audit log");
	} else {
		status = write_whole(flusher, bytes, len, err);
	}
	if (status == CRB_OK) {
		crb_buf_add(&flusher->pending, bytes, len);
		flusher->written = *mark;
		if (waits)
			(void)pthread_cond_broadcast(&flusher->cond);
	}
	(void)pthread_mutex_unlock(&flusher->lock);
	return status;
}

enum crb_status
crb_flusher_sync(struct crb_flusher *flusher, struct crb_err *err)
{
	enum crb_status status = CRB_OK;

	(void)pthread_mutex_lock(&flusher->lock);
	while (flusher->pending.len > 0 && flusher->failed == 0) {
		flusher->urgent = true;
		(void)pthread_cond_broadcast(&flusher->cond);
		(void)pthread_cond_wait(&flusher->cond, &flusher->lock);
	}
	if (flusher->failed != 0)
		status = not_durable(flusher->failed, err);
	(void)pthread_mutex_unlock(&flusher->lock);
	return status;
}

void
crb_flusher_turn_to(struct crb_flusher *flusher, int fd, off_t size)
{
	(void)pthread_mutex_lock(&flusher->lock);
	if (flusher->fd != -1)
		(void)close(flusher->fd);
	flusher->fd = fd;
	flusher->durable_at = size;
	(void)pthread_mutex_unlock(&flusher->lock);
}
