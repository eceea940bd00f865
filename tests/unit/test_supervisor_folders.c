#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/bus/messages.h"
#include "broker/supervisor/folders.h"
#include "broker/supervisor/listen.h"

#define SELF UINT32_MAX
#define ID ((struct crb_slice){ "abcDEF12", 8 })

static char root[64];
static int sessions;
static struct crb_err err;

static int
make_root(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(root, sizeof(root), "%s/crb-folders-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(root) == NULL)
		return -1;
	sessions = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return sessions == -1 ? -1 : 0;
}

static int
remove_root(void **state)
{
	(void)state;
	(void)unlinkat(sessions, "abcDEF12/foreign", 0);
	(void)unlinkat(sessions, "outside", 0);
	(void)unlinkat(sessions, "abcDEF12", 0);
	if (crb_folder_remove(sessions, ID, &err) != CRB_OK)
		return -1;
	(void)close(sessions);
	return rmdir(root);
}

static bool
is_there(const char *path)
{
	struct stat st;

	return fstatat(sessions, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(sessions, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

static uid_t
owner_of(const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(sessions, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_uid;
}

/* Whether a client of the session's socket arrives at `listener`. */
static bool
reaches(int listener)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CRB_AUTO_FD int client = socket(AF_UNIX, SOCK_STREAM, 0);
	CRB_AUTO_FD int served = -1;

	(void)snprintf(address.sun_path, sizeof(address.sun_path),
	    "%s/abcDEF12/endpoint.sock", root);
	assert_int_equal(
	    connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	served = accept(listener, NULL, NULL);
	assert_true(served != -1 || errno == EAGAIN);
	return served != -1;
}

static void
a_folder_has_a_socket_that_listens(void **state)
{
	CRB_AUTO_FD int listener = -1;

	(void)state;
	assert_int_equal(
	    crb_folder_open(sessions, ID, SELF, &listener, &err), CRB_OK);
	assert_int_equal(mode_of("abcDEF12"), 0700);
	assert_int_equal(mode_of("abcDEF12/endpoint.sock"), 0600);
	assert_false(is_there("abcDEF12/endpoint.sock.new"));
	assert_true(reaches(listener));
}

static void
opening_again_replaces_the_socket(void **state)
{
	CRB_AUTO_FD int first = -1, second = -1;

	(void)state;
	assert_int_equal(
	    crb_folder_open(sessions, ID, SELF, &first, &err), CRB_OK);
	/* As left behind by one that was killed half-way. */
	assert_int_equal(
	    symlinkat("/nowhere", sessions, "abcDEF12/endpoint.sock.new"), 0);
	assert_int_equal(
	    crb_folder_open(sessions, ID, SELF, &second, &err), CRB_OK);
	assert_true(reaches(second));
	assert_false(reaches(first));
}

static void
a_token_file_is_fresh_and_only_we_can_write_it(void **state)
{
	CRB_AUTO_FD int listener = -1, first = -1, second = -1;
	char text[8] = "";
	int read_back;

	(void)state;
	assert_int_equal(crb_folder_file(sessions, ID, SELF, CRB_SESSION_TOKEN,
			     &first, &err),
	    CRB_ERR_NOT_FOUND);
	assert_int_equal(
	    crb_folder_open(sessions, ID, SELF, &listener, &err), CRB_OK);
	assert_int_equal(crb_folder_file(sessions, ID, SELF, CRB_SESSION_TOKEN,
			     &first, &err),
	    CRB_OK);
	assert_int_equal(mode_of("abcDEF12/token"), 0400);
	assert_int_equal(write(first, "one", 3), 3);
	assert_int_equal(crb_folder_file(sessions, ID, SELF, CRB_SESSION_TOKEN,
			     &second, &err),
	    CRB_OK);
	assert_int_equal(write(second, "2", 1), 1);
	read_back = openat(sessions, "abcDEF12/token", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(read_back, text, sizeof(text)), 1);
	assert_string_equal(text, "2");
	(void)close(read_back);
}

static void
removing_leaves_nothing_and_can_be_repeated(void **state)
{
	CRB_AUTO_FD int listener = -1, token = -1;

	(void)state;
	assert_int_equal(
	    crb_folder_open(sessions, ID, SELF, &listener, &err), CRB_OK);
	assert_int_equal(crb_folder_file(sessions, ID, SELF, CRB_SESSION_TOKEN,
			     &token, &err),
	    CRB_OK);
	assert_int_equal(crb_folder_remove(sessions, ID, &err), CRB_OK);
	assert_false(is_there("abcDEF12"));
	assert_int_equal(crb_folder_remove(sessions, ID, &err), CRB_OK);
}

static void
a_file_is_known_by_its_number_and_no_other_is_made(void **state)
{
	static const unsigned none[] = { 0, 3, 255, 256, UINT_MAX };
	CRB_AUTO_FD int listener = -1, config = -1;

	(void)state;
	assert_int_equal(
	    crb_folder_open(sessions, ID, SELF, &listener, &err), CRB_OK);
	assert_int_equal(crb_folder_file(sessions, ID, SELF,
			     CRB_SESSION_AWS_CONFIG, &config, &err),
	    CRB_OK);
	assert_int_equal(mode_of("abcDEF12/aws-config"), 0400);
	assert_false(is_there("abcDEF12/token"));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		int fd = -1;

		assert_int_equal(
		    crb_folder_file(sessions, ID, SELF, none[i], &fd, &err),
		    CRB_ERR_INVALID);
		assert_int_equal(fd, -1);
	}
	assert_int_equal(crb_folder_remove(sessions, ID, &err), CRB_OK);
	assert_false(is_there("abcDEF12"));
}

static void
what_others_put_into_a_folder_is_not_ours_to_remove(void **state)
{
	CRB_AUTO_FD int listener = -1;
	int foreign;

	(void)state;
	assert_int_equal(
	    crb_folder_open(sessions, ID, SELF, &listener, &err), CRB_OK);
	foreign = openat(
	    sessions, "abcDEF12/foreign", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)close(foreign);
	assert_int_equal(crb_folder_remove(sessions, ID, &err), CRB_ERR_SYSTEM);
	assert_true(is_there("abcDEF12/foreign"));
	/* The way to the broker is gone all the same. */
	assert_false(is_there("abcDEF12/endpoint.sock"));
}

static void
an_id_that_is_a_path_is_refused(void **state)
{
	static const struct crb_slice ids[] = { { "", 0 }, { ".", 1 },
		{ "..", 2 }, { "../x", 4 }, { "/tmp", 4 }, { "a/b", 3 },
		{ "a\0b", 3 }, { "a.b", 3 }, { "a_b", 3 }, { "a-b", 3 },
		{ "abcdefghijklmnopq", 17 }, { "\xc3\xa9", 2 }, { " a", 2 } };
	int fd = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_int_equal(
		    crb_folder_open(sessions, ids[i], SELF, &fd, &err),
		    CRB_ERR_INVALID);
		assert_int_equal(crb_folder_file(sessions, ids[i], SELF,
				     CRB_SESSION_TOKEN, &fd, &err),
		    CRB_ERR_INVALID);
		assert_int_equal(
		    crb_folder_remove(sessions, ids[i], &err), CRB_ERR_INVALID);
	}
	assert_int_equal(fd, -1);
}

static void
a_link_in_a_folders_place_is_not_followed(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(symlinkat("/tmp", sessions, "abcDEF12"), 0);
	assert_int_equal(
	    crb_folder_open(sessions, ID, SELF, &fd, &err), CRB_ERR_SYSTEM);
	assert_int_equal(
	    crb_folder_file(sessions, ID, SELF, CRB_SESSION_TOKEN, &fd, &err),
	    CRB_ERR_SYSTEM);
	assert_int_equal(crb_folder_remove(sessions, ID, &err), CRB_ERR_SYSTEM);
	assert_true(is_there("abcDEF12"));
}

/* The owner of a folder may put links into it. */
static void
links_in_a_folder_are_replaced_not_followed(void **state)
{
	CRB_AUTO_FD int listener = -1, token = -1;
	char target[128];
	int outside;

	(void)state;
	outside = openat(
	    sessions, "outside", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(fchmod(outside, 0644), 0);
	(void)close(outside);
	(void)snprintf(target, sizeof(target), "%s/outside", root);
	assert_int_equal(mkdirat(sessions, "abcDEF12", 0700), 0);
	assert_int_equal(symlinkat(target, sessions, "abcDEF12/token"), 0);
	assert_int_equal(
	    symlinkat(target, sessions, "abcDEF12/endpoint.sock"), 0);
	assert_int_equal(
	    crb_folder_open(sessions, ID, SELF, &listener, &err), CRB_OK);
	assert_int_equal(crb_folder_file(sessions, ID, SELF, CRB_SESSION_TOKEN,
			     &token, &err),
	    CRB_OK);
	assert_int_equal(write(token, "secret", 6), 6);
	assert_int_equal(mode_of("abcDEF12/token"), 0400);
	assert_true(reaches(listener));
	assert_int_equal(mode_of("outside"), 0644);
	outside = openat(sessions, "outside", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(outside, target, 1), 0);
	(void)close(outside);
}

struct swapper {
	pthread_t thread;
	atomic_bool stop;
	const char *target;
};

/* As one does who has the folder writable in his container, and its uid. */
static void *
swap(void *ctx)
{
	struct swapper *swapper = ctx;

	while (!atomic_load(&swapper->stop)) {
		(void)!symlinkat(swapper->target, sessions, "abcDEF12/draft");
		(void)!renameat(sessions, "abcDEF12/draft", sessions,
		    "abcDEF12/endpoint.sock" CRB_LISTEN_NEW);
	}
	return NULL;
}

static void
a_socket_that_becomes_a_link_is_not_followed(void **state)
{
	struct swapper swapper = { .stop = false };
	CRB_AUTO_FD int outside = -1;
	char target[128];

	(void)state;
	(void)snprintf(target, sizeof(target), "%s/outside", root);
	swapper.target = target;
	outside = openat(
	    sessions, "outside", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(fchmod(outside, 0644), 0);
	assert_int_equal(mkdirat(sessions, "abcDEF12", 0700), 0);
	assert_int_equal(
	    pthread_create(&swapper.thread, NULL, swap, &swapper), 0);
	for (int i = 0; i < 5000 && mode_of("outside") == 0644; i++) {
		CRB_AUTO_FD int listener = -1;

		(void)!crb_folder_open(sessions, ID, SELF, &listener, &err);
	}
	atomic_store(&swapper.stop, true);
	assert_int_equal(pthread_join(swapper.thread, NULL), 0);
	assert_int_equal(mode_of("outside"), 0644);
}

#define OTHER 4711

static void
only_root_gives_a_folder_to_somebody_else(void **state)
{
	CRB_AUTO_FD int first = -1, second = -1, token = -1;

	(void)state;
	if (geteuid() != 0) {
		assert_int_equal(
		    crb_folder_open(sessions, ID, geteuid() + 1, &first, &err),
		    CRB_ERR_DENIED);
		assert_false(is_there("abcDEF12"));
		return;
	}
	assert_int_equal(
	    crb_folder_open(sessions, ID, OTHER, &first, &err), CRB_OK);
	assert_int_equal(crb_folder_file(sessions, ID, OTHER, CRB_SESSION_TOKEN,
			     &token, &err),
	    CRB_OK);
	assert_int_equal(owner_of("abcDEF12"), OTHER);
	assert_int_equal(owner_of("abcDEF12/endpoint.sock"), OTHER);
	assert_int_equal(owner_of("abcDEF12/token"), OTHER);
	assert_int_equal(mode_of("abcDEF12"), 0700);
	/* After a restart, and with other rights meanwhile. */
	assert_int_equal(fchmodat(sessions, "abcDEF12", 0777, 0), 0);
	assert_int_equal(
	    crb_folder_open(sessions, ID, OTHER, &second, &err), CRB_OK);
	assert_int_equal(owner_of("abcDEF12"), OTHER);
	assert_int_equal(mode_of("abcDEF12"), 0700);
	assert_true(reaches(second));
}

#define IN_ROOT(test) \
	cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(a_folder_has_a_socket_that_listens),
		IN_ROOT(opening_again_replaces_the_socket),
		IN_ROOT(a_token_file_is_fresh_and_only_we_can_write_it),
		IN_ROOT(a_file_is_known_by_its_number_and_no_other_is_made),
		IN_ROOT(removing_leaves_nothing_and_can_be_repeated),
		IN_ROOT(what_others_put_into_a_folder_is_not_ours_to_remove),
		IN_ROOT(an_id_that_is_a_path_is_refused),
		IN_ROOT(a_link_in_a_folders_place_is_not_followed),
		IN_ROOT(links_in_a_folder_are_replaced_not_followed),
		IN_ROOT(a_socket_that_becomes_a_link_is_not_followed),
		IN_ROOT(only_root_gives_a_folder_to_somebody_else),
	};

	(void)umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
