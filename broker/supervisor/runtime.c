#include "broker/supervisor/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "broker/supervisor/listen.h"

#define ADMIN "admin.sock"
#define SESSIONS "sessions"
#define LOCK "lock"
#define ADMIN_BACKLOG 64

/*
 * Root's sessions may belong to other users, who have to get to their folder,
 * whose name they know, without seeing the others'.  What else is here has a
 * mode of its own.
 */
static mode_t
for_others(void)
{
	return geteuid() == 0 ? S_IXGRP | S_IXOTH : 0;
}

static enum crb_status
let_others_pass(int dir, const char *path, struct crb_err *err)
{
	struct stat st;

	if (fstat(dir, &st) != 0 ||
	    fchmod(dir, (st.st_mode & 07777) | for_others()) != 0)
		return crb_err_errno(err, "%s", path);
	return CRB_OK;
}

static enum crb_status
open_dir(const char *path, struct crb_runtime *out, struct crb_err *err)
{
	if (crb_path_make(path, err) != CRB_OK ||
	    crb_path_secure(path, geteuid(), err) != CRB_OK)
		return err->status;
	if ((out->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return crb_err_errno(err, "%s", path);
	if (faccessat(out->dir, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return crb_err_errno(err, "%s: cannot be written", path);
	return let_others_pass(out->dir, path, err);
}

static enum crb_status
refuse_second(int lock, const char *path, struct crb_err *err)
{
	char pid[24] = "";
	ssize_t n = pread(lock, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	return crb_err_set(err, CRB_ERR_EXISTS,
	    "%s: another broker serves here%s%s", path,
	    pid[0] != '\0' ? ", process " : "", pid);
}

static enum crb_status
take_lock(const char *path, struct crb_runtime *out, struct crb_err *err)
{
	if ((out->lock = openat(out->dir, LOCK,
		 O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) == -1)
		return crb_err_errno(err, "%s/" LOCK, path);
	if (flock(out->lock, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return refuse_second(out->lock, path, err);
		return crb_err_errno(err, "%s/" LOCK, path);
	}
	/* For people only: what counts is the lock. */
	if (ftruncate(out->lock, 0) != 0 ||
	    dprintf(out->lock, "%ld\n", (long)getpid()) < 0)
		return crb_err_errno(err, "%s/" LOCK, path);
	return CRB_OK;
}

static enum crb_status
open_sessions(const char *path, struct crb_runtime *out, struct crb_err *err)
{
	struct stat st;

	if (mkdirat(out->dir, SESSIONS, 0700) != 0 && errno != EEXIST)
		return crb_err_errno(err, "%s/" SESSIONS, path);
	if ((out->sessions = openat(out->dir, SESSIONS,
		 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1 ||
	    fstat(out->sessions, &st) != 0)
		return crb_err_errno(err, "%s/" SESSIONS, path);
	if (st.st_uid != geteuid())
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s/" SESSIONS ": belongs to uid %u; remove it", path,
		    (unsigned)st.st_uid);
	if (fchmod(out->sessions, 0700 | for_others()) != 0)
		return crb_err_errno(err, "%s/" SESSIONS, path);
	return CRB_OK;
}

static void
let_go(struct crb_runtime *runtime)
{
	crb_fd_cleanup(&runtime->admin);
	crb_fd_cleanup(&runtime->sessions);
	crb_fd_cleanup(&runtime->dir);
	crb_fd_cleanup(&runtime->lock);
	*runtime = (struct crb_runtime)CRB_RUNTIME_NONE;
}

enum crb_status
crb_runtime_open(const char *path, bool admin_for_others,
    struct crb_runtime *out, struct crb_err *err)
{
	const struct crb_listen how = { .owner = CRB_OWNER_SELF,
		.mode = admin_for_others && geteuid() == 0 ? 0666 : 0600,
		.backlog = ADMIN_BACKLOG,
		.descriptors = true };
	__attribute__((
	    cleanup(let_go))) struct crb_runtime runtime = CRB_RUNTIME_NONE;

	if (open_dir(path, &runtime, err) != CRB_OK ||
	    take_lock(path, &runtime, err) != CRB_OK ||
	    open_sessions(path, &runtime, err) != CRB_OK)
		return err->status;
	if (crb_listen(runtime.dir, ADMIN, &how, &runtime.admin, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	*out = runtime;
	runtime = (struct crb_runtime)CRB_RUNTIME_NONE;
	return CRB_OK;
}

void
crb_runtime_close(struct crb_runtime *runtime)
{
	if (runtime->admin != -1)
		(void)unlinkat(runtime->dir, ADMIN, 0);
	let_go(runtime);
}
