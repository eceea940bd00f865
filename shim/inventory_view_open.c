#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/cleanup.h"
#include "shim/inventory_view.h"
#include "shim/lines.h"

#define BLOCK_MAX (2 * 1024 * 1024)
#define ENV_MAX 8192
#define GROUPS_MAX 256

/* linux/capability.h */
#define CAP_DAC_OVERRIDE_BIT (1UL << 1)
#define CAPABILITY_VERSION_3 0x20080522

/* Of one thread: musl's own bring along what is needed for many. */
#ifdef SYS_setresuid32
#define CALL_SETGROUPS SYS_setgroups32
#define CALL_SETRESGID SYS_setresgid32
#define CALL_SETRESUID SYS_setresuid32
#else
#define CALL_SETGROUPS SYS_setgroups
#define CALL_SETRESGID SYS_setresgid
#define CALL_SETRESUID SYS_setresuid
#endif

/* Whose rights another process has. */
struct rights {
	uid_t uid;
	gid_t gid;
	gid_t groups[GROUPS_MAX];
	size_t group_count;
	unsigned long capabilities; /* the lower ones, on 32 bits */
	bool complete;
};

static void
add_home(void *ctx, const char *path)
{
	struct crb_view *view = ctx;

	for (size_t i = 0; i < view->home_count; i++) {
		if (strcmp(view->homes[i], path) == 0)
			return;
	}
	if (view->home_count < CRB_VIEW_HOMES_MAX &&
	    (view->homes[view->home_count] = strdup(path)) != NULL)
		view->home_count++;
}

/* Not only what HOME says: an agent looks wherever it may. */
static void
find_homes(struct crb_view *view)
{
	(void)crb_view_each(view, "$HOME", add_home, view);
	add_home(view, "/root");
	(void)crb_view_each(view, "/home/*", add_home, view);
}

bool
crb_view_open_own(struct crb_view *view)
{
	*view = (struct crb_view){
		.proc = -1, .root = AT_FDCWD, .env = environ
	};
	if (getcwd(view->cwd, sizeof(view->cwd)) == NULL || view->cwd[0] != '/')
		view->cwd[0] = '\0';
	find_homes(view);
	return true;
}

/* Its whole environment; NULL with errno.  Two NUL are behind *len. */
static char *
read_environ(int proc, size_t *len)
{
	CRB_AUTO_FD int fd = openat(proc, "environ", O_RDONLY | O_CLOEXEC);
	const size_t max = BLOCK_MAX;
	char *block;

	if (fd == -1 || (block = malloc(max + 2)) == NULL)
		return NULL;
	*len = 0;
	while (*len < max) {
		ssize_t n = read(fd, block + *len, max - *len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		*len += (size_t)n;
	}
	memset(block + *len, 0, 2);
	return block;
}

/* Point env at the strings of the block, which each have a NUL. */
static bool
split_env(struct crb_view *view)
{
	size_t count = 0;

	view->env = calloc(ENV_MAX + 1, sizeof(*view->env));
	if (view->env == NULL)
		return false;
	for (size_t i = 0; i < view->block_len && count < ENV_MAX;
	     i += strlen(view->block + i) + 1)
		view->env[count++] = view->block + i;
	view->env_cut = count == ENV_MAX || view->block_len == BLOCK_MAX;
	return true;
}

/* A piece of proc_pid_status(5). */
static bool
read_status(void *ctx, char *line)
{
	struct rights *rights = ctx;
	const char *at = strchr(line, ':');
	unsigned long numbers[4] = { 0 };
	bool groups = strncmp(line, "Groups:", 7) == 0;

	if (at == NULL)
		return true;
	if (strncmp(line, "CapEff:", 7) == 0) {
		rights->capabilities = crb_lines_number(at + 2, 16, NULL);
		rights->complete = true;
		return false;
	}
	for (size_t i = 0; *++at != '\0';) {
		const char *end;
		unsigned long number = crb_lines_number(at, 10, &end);

		if (end == at)
			continue;
		if (groups && rights->group_count < GROUPS_MAX)
			rights->groups[rights->group_count++] = (gid_t)number;
		else if (i < 4)
			numbers[i++] = number;
		at = end - 1;
	}
	/* Real, effective, saved, and the file system's, which counts. */
	if (strncmp(line, "Uid:", 4) == 0)
		rights->uid = (uid_t)numbers[3];
	else if (strncmp(line, "Gid:", 4) == 0)
		rights->gid = (gid_t)numbers[3];
	return true;
}

/* No library of ours has capset(2): a header and two sets of three words. */
static bool
drop_capabilities(void)
{
	struct {
		unsigned version;
		int pid;
	} header = { CAPABILITY_VERSION_3, 0 };
	unsigned sets[6] = { 0 };

	return syscall(SYS_capset, &header, sets) == 0;
}

/*
 * Root would read what that process cannot.  One that may itself read any
 * file (a container's root) is looked at as root.
 */
static bool
take_on(const struct rights *rights)
{
	if (geteuid() != 0 ||
	    (rights->capabilities & CAP_DAC_OVERRIDE_BIT) != 0)
		return true;
	return syscall(CALL_SETGROUPS, rights->group_count, rights->groups) ==
	    0 &&
	    syscall(CALL_SETRESGID, rights->gid, rights->gid, rights->gid) ==
	    0 &&
	    syscall(CALL_SETRESUID, rights->uid, rights->uid, rights->uid) ==
	    0 &&
	    drop_capabilities();
}

static void
find_cwd(struct crb_view *view)
{
	ssize_t len = readlinkat(
	    view->proc, "cwd", view->cwd, sizeof(view->cwd) - 1);

	view->cwd[len > 0 && view->cwd[0] == '/' ? len : 0] = '\0';
}

bool
crb_view_open_other(struct crb_view *view, pid_t pid)
{
	CRB_AUTO_FD int status = -1;
	struct rights rights = { .group_count = 0 };
	char path[32];

	*view = (struct crb_view){ .foreign = true, .proc = -1, .root = -1 };
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	/* One descriptor: the number may be another's in a moment. */
	view->proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	view->root = openat(
	    view->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (view->proc == -1 || view->root == -1)
		return false;
	view->block = read_environ(view->proc, &view->block_len);
	if (view->block == NULL || !split_env(view))
		return false;
	status = openat(view->proc, "status", O_RDONLY | O_CLOEXEC);
	crb_lines_each(status, read_status, &rights);
	if (!rights.complete) {
		errno = ESRCH;
		return false;
	}
	find_cwd(view);
	if (!take_on(&rights))
		return false;
	find_homes(view);
	return true;
}

void
crb_view_close(struct crb_view *view)
{
	for (size_t i = 0; i < view->home_count; i++)
		free(view->homes[i]);
	if (view->block != NULL) {
		explicit_bzero(view->block, view->block_len);
		free(view->block);
		free(view->env);
	}
	if (view->foreign && view->root != -1)
		(void)close(view->root);
	if (view->proc != -1)
		(void)close(view->proc);
	*view = (struct crb_view){ .proc = -1, .root = -1 };
}
