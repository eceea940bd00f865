#include "base/path.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "tests/unit/unit.h"

static char root[UNIT_FOLDER_MAX];

static int
make_root(void **state)
{
	(void)state;
	unit_folder_make(root);
	return 0;
}

static int
remove_root(void **state)
{
	(void)state;
	unit_folder_remove(root);
	return 0;
}

/* The path of `name` in the test's folder; one of a few. */
static const char *
in_root(const char *name)
{
	static char paths[4][CRB_PATH_MAX];
	static unsigned next;
	struct crb_err err;
	char *path = paths[next++ % 4];

	assert_ok(crb_path_join(path, root, name, &err));
	return path;
}

static void
make_file(const char *path, mode_t mode)
{
	CRB_AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(fchmod(fd, mode), 0);
}

static void
make_folder(const char *path, mode_t mode)
{
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
joining_puts_one_slash_between(void **state)
{
	char out[CRB_PATH_MAX];
	struct crb_err err;

	(void)state;
	assert_ok(crb_path_join(out, "/a", "b", &err));
	assert_string_equal(out, "/a/b");
	assert_ok(crb_path_join(out, "/", "b", &err));
	assert_string_equal(out, "/b");
	assert_ok(crb_path_join(out, "", "b", &err));
	assert_string_equal(out, "b");
}

static void
a_path_that_is_too_long_is_refused(void **state)
{
	char out[CRB_PATH_MAX], name[CRB_PATH_MAX + 1];
	struct crb_err err;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[CRB_PATH_MAX - 3] = '\0';
	assert_ok(crb_path_join(out, "/", name, &err));
	assert_fails(crb_path_join(out, "/aa", name, &err), CRB_ERR_TOO_LARGE);
	memset(name, 'a', sizeof(name));
	name[0] = '/';
	name[CRB_PATH_MAX] = '\0';
	assert_fails(crb_path_secure(name, getuid(), &err), CRB_ERR_TOO_LARGE);
	assert_fails(crb_path_make(name, &err), CRB_ERR_INVALID);
	assert_fails(crb_path_make("", &err), CRB_ERR_INVALID);
}

static void
a_folder_of_ours_below_tmp_is_secure(void **state)
{
	struct crb_err err;

	(void)state;
	make_folder(in_root("a"), 0755);
	make_file(in_root("a/f"), 0644);
	assert_ok(crb_path_secure(root, getuid(), &err));
	assert_ok(crb_path_secure(in_root("a/"), getuid(), &err));
	assert_ok(crb_path_secure(in_root("a//./../a/f"), getuid(), &err));
	assert_ok(crb_path_secure("/", getuid(), &err));
	assert_ok(crb_path_secure("/..", getuid(), &err));
}

static void
a_relative_path_is_judged_from_the_root_on(void **state)
{
	struct crb_err err;

	(void)state;
	make_folder(in_root("a"), 0700);
	make_folder(in_root("a/b"), 0700);
	assert_int_equal(chdir(in_root("a")), 0);
	assert_ok(crb_path_secure("b", getuid(), &err));
	assert_int_equal(chmod(in_root("a"), 0770), 0);
	assert_fails(crb_path_secure("b", getuid(), &err), CRB_ERR_INVALID);
	assert_int_equal(chdir("/"), 0);
	assert_fails(crb_path_secure("", getuid(), &err), CRB_ERR_INVALID);
}

static void
a_parent_that_others_can_write_is_named(void **state)
{
	static const mode_t modes[] = { 0770, 0707, 0777 };
	struct crb_err err;

	(void)state;
	make_folder(in_root("open"), 0700);
	make_folder(in_root("open/inner"), 0700);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(chmod(in_root("open"), modes[i]), 0);
		assert_fails(
		    crb_path_secure(in_root("open/inner"), getuid(), &err),
		    CRB_ERR_INVALID);
		assert_says(in_root("open:"));
		assert_says("chmod go-w");
	}
}

static void
a_sticky_folder_is_secure_as_a_parent_only(void **state)
{
	struct crb_err err;

	(void)state;
	make_folder(in_root("tmp"), 01777);
	make_folder(in_root("tmp/mine"), 0700);
	make_file(in_root("tmp/f"), 0600);
	assert_ok(crb_path_secure(in_root("tmp/mine"), getuid(), &err));
	assert_ok(crb_path_private(in_root("tmp/f"), getuid(), &err));
	assert_fails(
	    crb_path_secure(in_root("tmp"), getuid(), &err), CRB_ERR_INVALID);
}

static void
another_users_folder_or_file_is_refused(void **state)
{
	struct crb_err err;
	uid_t other = 4242;

	(void)state;
	if (getuid() != 0)
		skip();
	make_folder(in_root("a"), 0755);
	make_folder(in_root("a/b"), 0755);
	make_file(in_root("a/b/f"), 0600);
	assert_int_equal(chown(in_root("a/b/f"), other, other), 0);
	assert_ok(crb_path_private(in_root("a/b/f"), other, &err));
	assert_fails(
	    crb_path_private(in_root("a/b/f"), 4343, &err), CRB_ERR_INVALID);
	assert_says("belongs to uid 4242");
	assert_int_equal(chown(in_root("a"), other, other), 0);
	assert_ok(crb_path_secure(in_root("a/b"), other, &err));
	assert_fails(
	    crb_path_secure(in_root("a/b"), 4343, &err), CRB_ERR_INVALID);
	assert_says("belongs to uid 4242");
}

static void
a_link_is_followed_and_where_it_leads_is_judged(void **state)
{
	struct crb_err err;

	(void)state;
	make_folder(in_root("good"), 0700);
	make_folder(in_root("good/deep"), 0700);
	make_folder(in_root("open"), 0777);
	make_folder(in_root("open/inner"), 0700);
	assert_int_equal(symlink("good", in_root("relative")), 0);
	assert_int_equal(symlink(in_root("open"), in_root("absolute")), 0);
	assert_int_equal(symlink("../open/inner", in_root("good/back")), 0);
	assert_ok(crb_path_secure(in_root("relative/deep"), getuid(), &err));
	assert_ok(crb_path_secure(in_root("relative"), getuid(), &err));
	assert_fails(crb_path_secure(in_root("absolute"), getuid(), &err),
	    CRB_ERR_INVALID);
	assert_says(in_root("open:"));
	assert_fails(crb_path_secure(in_root("good/back"), getuid(), &err),
	    CRB_ERR_INVALID);
	assert_says(in_root("open:"));
}

/* Who can write to where the link is can turn it elsewhere. */
static void
a_link_in_an_open_folder_is_refused_wherever_it_leads(void **state)
{
	struct crb_err err;

	(void)state;
	make_folder(in_root("good"), 0700);
	make_folder(in_root("open"), 0777);
	assert_int_equal(symlink("../good", in_root("open/link")), 0);
	assert_fails(crb_path_secure(in_root("open/link"), getuid(), &err),
	    CRB_ERR_INVALID);
	assert_int_equal(chmod(in_root("open"), 01777), 0);
	assert_ok(crb_path_secure(in_root("open/link"), getuid(), &err));
	if (getuid() != 0)
		return;
	assert_int_equal(lchown(in_root("open/link"), 4242, 4242), 0);
	assert_fails(crb_path_secure(in_root("open/link"), getuid(), &err),
	    CRB_ERR_INVALID);
	assert_says("a symbolic link that belongs to uid 4242");
}

static void
links_in_a_circle_come_to_an_end(void **state)
{
	struct crb_err err;

	(void)state;
	assert_int_equal(symlink("b", in_root("a")), 0);
	assert_int_equal(symlink("a", in_root("b")), 0);
	assert_fails(
	    crb_path_secure(in_root("a"), getuid(), &err), CRB_ERR_INVALID);
	assert_says("too many symbolic links");
}

static void
links_that_make_a_path_too_long_are_refused(void **state)
{
	char target[CRB_PATH_MAX - 100], path[CRB_PATH_MAX];
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(target); i += 2)
		memcpy(target + i, "./", 2);
	target[sizeof(target) - 1] = '\0';
	assert_int_equal(symlink(target, in_root("long")), 0);
	(void)snprintf(path, sizeof(path), "%s/long/%0200d", root, 1);
	assert_fails(crb_path_secure(path, getuid(), &err), CRB_ERR_TOO_LARGE);
}

static void
what_is_not_there_is_not_found(void **state)
{
	struct crb_err err;

	(void)state;
	make_file(in_root("f"), 0600);
	assert_fails(crb_path_secure(in_root("no/where"), getuid(), &err),
	    CRB_ERR_NOT_FOUND);
	assert_says(in_root("no:"));
	assert_fails(
	    crb_path_secure(in_root("f/x"), getuid(), &err), CRB_ERR_INVALID);
	assert_says("not a folder");
	assert_fails(
	    crb_path_secure(in_root("f/.."), getuid(), &err), CRB_ERR_INVALID);
	assert_fails(
	    crb_path_secure(in_root("f/."), getuid(), &err), CRB_ERR_INVALID);
}

static void
a_private_file_is_regular_and_for_its_owner_only(void **state)
{
	static const mode_t modes[] = { 0640, 0610, 0604, 0601 };
	struct crb_err err;

	(void)state;
	make_file(in_root("key"), 0600);
	assert_ok(crb_path_private(in_root("key"), getuid(), &err));
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(chmod(in_root("key"), modes[i]), 0);
		assert_fails(crb_path_private(in_root("key"), getuid(), &err),
		    CRB_ERR_INVALID);
		assert_says("chmod 600");
	}
	assert_int_equal(chmod(in_root("key"), 0400), 0);
	assert_ok(crb_path_private(in_root("key"), getuid(), &err));
	assert_int_equal(symlink("key", in_root("link")), 0);
	assert_fails(
	    crb_path_private(in_root("link"), getuid(), &err), CRB_ERR_INVALID);
	assert_says("symbolic link");
	assert_fails(crb_path_private(root, getuid(), &err), CRB_ERR_INVALID);
	assert_says("not a regular file");
	assert_int_equal(chmod(root, 0770), 0);
	assert_fails(
	    crb_path_private(in_root("key"), getuid(), &err), CRB_ERR_INVALID);
	assert_int_equal(chmod(root, 0700), 0);
}

static void
missing_folders_are_made_for_us_alone(void **state)
{
	struct crb_err err;
	struct stat st;
	mode_t mask = umask(0);

	(void)state;
	assert_ok(crb_path_make(in_root("a/b//c/"), &err));
	(void)umask(mask);
	assert_int_equal(stat(in_root("a/b/c"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(in_root("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_ok(crb_path_make(in_root("a/b"), &err));
	make_file(in_root("f"), 0600);
	assert_fails(crb_path_make(in_root("f"), &err), CRB_ERR_EXISTS);
	assert_fails(crb_path_make(in_root("f/g"), &err), CRB_ERR_SYSTEM);
}

#define IN_ROOT(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joining_puts_one_slash_between),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
		IN_ROOT(a_folder_of_ours_below_tmp_is_secure),
		IN_ROOT(a_relative_path_is_judged_from_the_root_on),
		IN_ROOT(a_parent_that_others_can_write_is_named),
		IN_ROOT(a_sticky_folder_is_secure_as_a_parent_only),
		IN_ROOT(another_users_folder_or_file_is_refused),
		IN_ROOT(a_link_is_followed_and_where_it_leads_is_judged),
		IN_ROOT(a_link_in_an_open_folder_is_refused_wherever_it_leads),
		IN_ROOT(links_in_a_circle_come_to_an_end),
		IN_ROOT(links_that_make_a_path_too_long_are_refused),
		IN_ROOT(what_is_not_there_is_not_found),
		IN_ROOT(a_private_file_is_regular_and_for_its_owner_only),
		IN_ROOT(missing_folders_are_made_for_us_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
