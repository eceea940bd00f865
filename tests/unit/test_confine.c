/* Roots, capabilities and Landlock, each in a process of its own. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "broker/confine/landlock.h"
#include "broker/confine/privileges.h"
#include "broker/confine/root.h"

static char folder[UNIT_FOLDER_MAX];

/* 0, or the line of what did not hold. */
typedef int child_fn(void);
#define MUST(what)                       \
	do {                             \
		if (!(what))             \
			return __LINE__; \
	} while (0)

static void
in_a_child(child_fn *fn)
{
	pid_t pid = fork();
	int status, line;

	if (pid == 0) {
		line = fn();
		_exit(line == 0 ? 0 : (line - 1) % 255 + 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 0)
		fail_msg("line %d (modulo 255)", WEXITSTATUS(status));
}

static int
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd == -1)
		return errno;
	(void)close(fd);
	return 0;
}

static int
count(const char *path, const char *except)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int found = 0;

	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL)
		found += entry->d_name[0] != '.' &&
		    strcmp(entry->d_name, except) != 0;
	(void)closedir(dir);
	return found;
}

static int
enter_root(void)
{
	static const char *const files[] = { "/etc/passwd", "/nonexistent/file",
		NULL };
	struct crb_err err;

	MUST(crb_root_enter(files, &err) == CRB_OK);
	/* A build with sanitizers has proc/ besides. */
	MUST(count("/", "proc") == 1);
	MUST(count("/etc", "") == 1);
	MUST(opens("/etc/passwd", O_RDONLY) == 0);
	MUST(opens("/etc/passwd", O_WRONLY) == EROFS);
	MUST(opens("/etc/x", O_WRONLY | O_CREAT) == EROFS);
	MUST(opens("/x", O_WRONLY | O_CREAT) == EROFS);
	MUST(opens("/etc/shadow", O_RDONLY) == ENOENT);
	MUST(opens("../../../../../etc/shadow", O_RDONLY) == ENOENT);
	return 0;
}

static int
lose_privileges(void)
{
	struct crb_err err;

	MUST(crb_privileges_keep(true, &err) == CRB_OK);
	MUST(crb_privileges_mount());
	MUST(crb_privileges_keep(false, &err) == CRB_OK);
	MUST(!crb_privileges_mount());
	MUST(crb_privileges_keep(true, &err) != CRB_OK);
	return 0;
}

static void
test_a_root_holds_what_is_listed_and_cannot_be_written(void **state)
{
	(void)state;
	if (!crb_privileges_mount())
		skip();
	in_a_child(enter_root);
	/* And nobody else noticed. */
	assert_int_equal(opens("/proc/self/status", O_RDONLY), 0);
}

static void
test_privileges_do_not_come_back(void **state)
{
	(void)state;
	if (!crb_privileges_mount())
		skip();
	in_a_child(lose_privileges);
}

static int
landlock(void)
{
	const struct crb_landlock_rule rules[] = { { "/etc", false },
		{ folder, true }, { "/nonexistent", true }, { NULL, false } };
	char inside[UNIT_FOLDER_MAX + 8], other[UNIT_FOLDER_MAX + 8];
	struct crb_err err;

	(void)snprintf(inside, sizeof(inside), "%s/in", folder);
	(void)snprintf(other, sizeof(other), "%s-out", folder);
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	MUST(crb_landlock_confine(rules, false, &err) == CRB_OK);
	MUST(opens(inside, O_WRONLY | O_CREAT) == 0);
	MUST(opens(inside, O_WRONLY | O_TRUNC) == 0);
	MUST(rename(inside, inside) == 0 && unlink(inside) == 0);
	MUST(opens("/etc/passwd", O_RDONLY) == 0);
	MUST(opens(other, O_WRONLY | O_CREAT) == EACCES);
	MUST(opens("/etc/x", O_WRONLY | O_CREAT) == EACCES);
	MUST(opens("/proc/self/status", O_RDONLY) == EACCES);
	MUST(execl("/bin/true", "true", (char *)NULL) == -1 && errno == EACCES);
	return 0;
}

static void
test_landlock_binds_files_to_the_rules(void **state)
{
	(void)state;
	if (crb_landlock_version() == 0) {
		print_message("this kernel has no Landlock\n");
		skip();
	}
	in_a_child(landlock);
}

static int
make_folder(void **state)
{
	(void)state;
	unit_folder_make(folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unit_folder_remove(folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_root_holds_what_is_listed_and_cannot_be_written),
		cmocka_unit_test(test_privileges_do_not_come_back),
		cmocka_unit_test(test_landlock_binds_files_to_the_rules),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
