#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "tests/unit/unit.h"

struct pair {
	int a, b;
};

static struct pair
make_pipe(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	return (struct pair){ fds[0], fds[1] };
}

static struct pair
make_sockets(int type)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
	return (struct pair){ fds[0], fds[1] };
}

static void
pair_close(const struct pair *pair)
{
	crb_fd_cleanup(&pair->a);
	crb_fd_cleanup(&pair->b);
}
#define AUTO_PAIR __attribute__((cleanup(pair_close)))

static unsigned
open_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

static void *
write_in_pieces(void *ctx)
{
	const char *at = "one two three";
	int fd = *(int *)ctx;

	for (; *at != '\0'; at++)
		(void)!write(fd, at, 1);
	return NULL;
}

static void
a_read_is_whole_even_when_it_comes_in_pieces(void **state)
{
	AUTO_PAIR struct pair pair = make_pipe();
	char got[14] = { 0 };
	struct crb_err err;
	pthread_t thread;

	(void)state;
	assert_int_equal(
	    pthread_create(&thread, NULL, write_in_pieces, &pair.b), 0);
	assert_ok(crb_io_read(pair.a, got, 13, 10000, &err));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(got, "one two three");
}

static void
a_file_that_ends_early_is_invalid(void **state)
{
	AUTO_PAIR struct pair pair = make_pipe();
	struct crb_err err;
	char got[5];

	(void)state;
	assert_int_equal(write(pair.b, "abc", 3), 3);
	crb_fd_cleanup(&pair.b);
	pair.b = -1;
	assert_fails(
	    crb_io_read(pair.a, got, 5, CRB_FOREVER, &err), CRB_ERR_INVALID);
	assert_says("3 of 5");
}

static void
a_read_gives_up_at_its_deadline(void **state)
{
	AUTO_PAIR struct pair pair = make_pipe();
	struct crb_err err;
	char got[5];

	(void)state;
	assert_int_equal(write(pair.b, "abc", 3), 3);
	assert_fails(crb_io_read(pair.a, got, 5, 20, &err), CRB_ERR_TIMEOUT);
	assert_fails(crb_io_read(pair.a, got, 5, 0, &err), CRB_ERR_TIMEOUT);
}

static void *
drain(void *ctx)
{
	static char got[1 << 20];
	size_t total = 0;
	ssize_t n;

	while ((n = read(*(int *)ctx, got, sizeof(got))) > 0)
		total += (size_t)n;
	return (void *)(uintptr_t)total;
}

static void
whole_write(struct pair pair, int timeout_ms)
{
	static char bytes[3 << 20];
	struct crb_err err;
	pthread_t thread;
	void *total;

	assert_int_equal(pthread_create(&thread, NULL, drain, &pair.a), 0);
	assert_ok(crb_io_write(pair.b, bytes, sizeof(bytes), timeout_ms, &err));
	assert_int_equal(close(pair.b), 0);
	assert_int_equal(pthread_join(thread, &total), 0);
	assert_int_equal((uintptr_t)total, sizeof(bytes));
	assert_int_equal(close(pair.a), 0);
}

static void
a_write_is_whole_on_every_kind_of_descriptor(void **state)
{
	struct pair pair;

	(void)state;
	whole_write(make_pipe(), CRB_FOREVER);
	whole_write(make_pipe(), 60000);
	whole_write(make_sockets(SOCK_STREAM), 60000);
	pair = make_pipe();
	assert_int_equal(fcntl(pair.b, F_SETFL, O_NONBLOCK), 0);
	whole_write(pair, 60000);
}

static void
a_write_gives_up_at_its_deadline_though_the_descriptor_blocks(void **state)
{
	AUTO_PAIR struct pair pipe = make_pipe();
	AUTO_PAIR struct pair sockets = make_sockets(SOCK_STREAM);
	static char bytes[4 << 20];
	struct crb_err err;

	(void)state;
	assert_fails(crb_io_write(pipe.b, bytes, sizeof(bytes), 20, &err),
	    CRB_ERR_TIMEOUT);
	assert_fails(crb_io_write(sockets.b, bytes, sizeof(bytes), 20, &err),
	    CRB_ERR_TIMEOUT);
}

static void
writing_to_nobody_is_an_error_and_no_signal(void **state)
{
	AUTO_PAIR struct pair pair = make_sockets(SOCK_STREAM);
	struct crb_err err;

	(void)state;
	crb_fd_cleanup(&pair.a);
	pair.a = -1;
	assert_fails(
	    crb_io_write(pair.b, "x", 1, CRB_FOREVER, &err), CRB_ERR_SYSTEM);
	assert_fails(crb_io_send(pair.b, "x", 1, -1, &err), CRB_ERR_SYSTEM);
}

static void
a_descriptor_that_is_closed_is_an_error(void **state)
{
	struct crb_err err;
	char c;

	(void)state;
	assert_fails(crb_io_read(1000, &c, 1, 10, &err), CRB_ERR_SYSTEM);
	assert_fails(crb_io_write(1000, "x", 1, 10, &err), CRB_ERR_SYSTEM);
}

static void
reading_all_stops_at_the_end_or_over_the_maximum(void **state)
{
	CRB_AUTO_BUF struct crb_buf fits = CRB_BUF_INIT(5);
	CRB_AUTO_BUF struct crb_buf small = CRB_BUF_INIT_WIPED(4);
	AUTO_PAIR struct pair one = make_pipe(), two = make_pipe();
	struct crb_err err;

	(void)state;
	assert_int_equal(write(one.b, "12345", 5), 5);
	assert_int_equal(write(two.b, "12345", 5), 5);
	crb_fd_cleanup(&one.b);
	one.b = -1;
	assert_ok(crb_io_read_all(one.a, &fits, 1000, &err));
	assert_string_equal(crb_buf_text(&fits), "12345");
	assert_fails(
	    crb_io_read_all(two.a, &small, 1000, &err), CRB_ERR_TOO_LARGE);
}

static void
reading_all_gives_up_at_its_deadline(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(50);
	AUTO_PAIR struct pair pair = make_pipe();
	struct crb_err err;

	(void)state;
	assert_int_equal(write(pair.b, "12345", 5), 5);
	assert_fails(crb_io_read_all(pair.a, &buf, 20, &err), CRB_ERR_TIMEOUT);
	assert_int_equal(buf.len, 5);
}

/* A folder with a file "f". */
struct place {
	char folder[UNIT_FOLDER_MAX];
	char file[UNIT_FOLDER_MAX + 16];
	char other[UNIT_FOLDER_MAX + 16];
};

static int
place_make(void **state)
{
	static struct place place;
	struct crb_err err;

	unit_folder_make(place.folder);
	(void)snprintf(place.file, sizeof(place.file), "%s/f", place.folder);
	(void)snprintf(place.other, sizeof(place.other), "%s/g", place.folder);
	*state = &place;
	assert_ok(crb_io_write_file(place.file, "old", 3, 0600, &err));
	return 0;
}

static int
place_remove(void **state)
{
	struct place *place = *state;

	unit_folder_remove(place->folder);
	return 0;
}

static unsigned
files_in(const char *folder)
{
	char command[128];
	CRB_AUTO_FREE char *line = NULL;
	size_t cap = 0;
	unsigned count = 0;
	FILE *list;

	(void)snprintf(command, sizeof(command), "ls -A %s", folder);
	assert_non_null(list = popen(command, "r"));
	while (getline(&line, &cap, list) != -1)
		count++;
	(void)pclose(list);
	return count;
}

static void
a_file_is_read_whole(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(3);
	struct place *place = *state;
	struct crb_err err;

	assert_ok(crb_io_read_file(place->file, &buf, &err));
	assert_string_equal(crb_buf_text(&buf), "old");
}

static void
a_file_over_the_maximum_is_refused_by_name(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(2);
	struct place *place = *state;
	struct crb_err err;

	assert_fails(
	    crb_io_read_file(place->file, &buf, &err), CRB_ERR_TOO_LARGE);
	assert_says(place->file);
}

static void
only_regular_files_are_read(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(100);
	struct place *place = *state;
	struct crb_err err;

	assert_fails(
	    crb_io_read_file(place->other, &buf, &err), CRB_ERR_NOT_FOUND);
	assert_fails(
	    crb_io_read_file(place->folder, &buf, &err), CRB_ERR_INVALID);
	assert_int_equal(symlink(place->file, place->other), 0);
	assert_fails(
	    crb_io_read_file(place->other, &buf, &err), CRB_ERR_INVALID);
	assert_says("symbolic link");
	assert_int_equal(unlink(place->other), 0);
	/* A pipe without a writer must not hold us. */
	assert_int_equal(mkfifo(place->other, 0600), 0);
	assert_fails(
	    crb_io_read_file(place->other, &buf, &err), CRB_ERR_INVALID);
}

static void
a_file_is_replaced_with_the_mode_asked_for(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(100);
	struct place *place = *state;
	struct crb_err err;
	struct stat st;
	mode_t mask = umask(0777);

	assert_ok(crb_io_write_file(place->file, "new!", 4, 0640, &err));
	(void)umask(mask);
	assert_int_equal(stat(place->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_ok(crb_io_read_file(place->file, &buf, &err));
	assert_string_equal(crb_buf_text(&buf), "new!");
	assert_int_equal(files_in(place->folder), 1);
}

static void
what_is_to_be_fresh_replaces_nothing(void **state)
{
	const struct crb_io_replacement fresh = { .bytes = "new!",
		.len = 4,
		.mode = 0600,
		.group = (gid_t)-1,
		.fresh = true };
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(100);
	struct place *place = *state;
	struct crb_err err;
	struct stat st;

	assert_fails(
	    crb_io_replace_file(place->file, &fresh, &err), CRB_ERR_EXISTS);
	/* Nor does a link that leads nowhere make room. */
	assert_int_equal(symlink("nowhere", place->other), 0);
	assert_fails(
	    crb_io_replace_file(place->other, &fresh, &err), CRB_ERR_EXISTS);
	assert_int_equal(files_in(place->folder), 2);
	assert_ok(crb_io_read_file(place->file, &buf, &err));
	assert_string_equal(crb_buf_text(&buf), "old");
	assert_int_equal(unlink(place->other), 0);
	assert_ok(crb_io_replace_file(place->other, &fresh, &err));
	assert_int_equal(files_in(place->folder), 2);
	crb_buf_reset(&buf);
	assert_ok(crb_io_read_file(place->other, &buf, &err));
	assert_string_equal(crb_buf_text(&buf), "new!");
	assert_int_equal(lstat(place->other, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
}

static void
a_link_is_replaced_not_written_through(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(100);
	struct place *place = *state;
	struct crb_err err;
	struct stat st;

	assert_int_equal(symlink(place->file, place->other), 0);
	assert_ok(crb_io_write_file(place->other, "new!", 4, 0600, &err));
	assert_int_equal(lstat(place->other, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_ok(crb_io_read_file(place->file, &buf, &err));
	assert_string_equal(crb_buf_text(&buf), "old");
}

static void
a_failed_replacement_leaves_no_trace(void **state)
{
	struct place *place = *state;
	struct crb_err err;
	struct rlimit old, none;

	/* A folder cannot be replaced by a file. */
	assert_int_equal(mkdir(place->other, 0700), 0);
	assert_fails(crb_io_write_file(place->other, "new!", 4, 0600, &err),
	    CRB_ERR_SYSTEM);
	assert_int_equal(files_in(place->folder), 2);

	/* A full disk, as far as one process can make one. */
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = (struct rlimit){ 0, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(crb_io_write_file(place->file, "new!", 4, 0600, &err),
	    CRB_ERR_SYSTEM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_says(place->file);
	assert_int_equal(files_in(place->folder), 2);
	{
		CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(100);

		assert_ok(crb_io_read_file(place->file, &buf, &err));
		assert_string_equal(crb_buf_text(&buf), "old");
	}
}

static void
a_place_that_is_none_is_refused(void **state)
{
	char path[5000];
	struct crb_err err;

	(void)state;
	assert_fails(crb_io_write_file("/nowhere/at/all", "x", 1, 0600, &err),
	    CRB_ERR_NOT_FOUND);
	assert_fails(
	    crb_io_write_file("/tmp/", "x", 1, 0600, &err), CRB_ERR_INVALID);
	memset(path, 'a', sizeof(path));
	path[4998] = '/';
	path[4999] = '\0';
	assert_fails(
	    crb_io_write_file(path, "x", 1, 0600, &err), CRB_ERR_INVALID);
	path[4990] = '/';
	path[4998] = 'a';
	assert_fails(
	    crb_io_write_file(path, "x", 1, 0600, &err), CRB_ERR_SYSTEM);
}

static void
a_name_without_a_folder_is_in_the_current_one(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(100);
	struct place *place = *state;
	struct crb_err err;

	assert_int_equal(chdir(place->folder), 0);
	assert_ok(crb_io_write_file("f", "new!", 4, 0600, &err));
	assert_ok(crb_io_read_file(place->file, &buf, &err));
	assert_string_equal(crb_buf_text(&buf), "new!");
	assert_int_equal(chdir("/"), 0);
}

static void
a_packet_arrives_whole_with_its_descriptor(void **state)
{
	AUTO_PAIR struct pair bus = make_sockets(SOCK_SEQPACKET);
	AUTO_PAIR struct pair pipe = make_pipe();
	CRB_AUTO_FD int fd = -1;
	struct crb_err err;
	char got[16];
	size_t len;
	int closed;

	(void)state;
	assert_ok(crb_io_send(bus.a, "hello", 5, pipe.b, &err));
	assert_ok(crb_io_send(bus.a, "you", 3, -1, &err));
	assert_ok(
	    crb_io_receive(bus.b, got, sizeof(got), &len, &fd, &closed, &err));
	assert_int_equal(len, 5);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(closed, 0);
	assert_int_not_equal(fd, -1);
	assert_int_not_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pipe.a, got, 1), 1);
	crb_fd_cleanup(&fd);
	assert_ok(
	    crb_io_receive(bus.b, got, sizeof(got), &len, &fd, &closed, &err));
	assert_int_equal(len, 3);
	assert_int_equal(fd, -1);
}

static void
what_was_sent_before_a_reset_is_received(void **state)
{
	AUTO_PAIR struct pair bus = make_sockets(SOCK_SEQPACKET);
	struct crb_err err;
	char got[16];
	size_t len;
	int fd, closed;

	(void)state;
	assert_ok(crb_io_send(bus.b, "unread", 6, -1, &err));
	assert_ok(crb_io_send(bus.a, "last", 4, -1, &err));
	crb_fd_cleanup(&bus.a);
	bus.a = -1;
	assert_ok(
	    crb_io_receive(bus.b, got, sizeof(got), &len, &fd, &closed, &err));
	assert_int_equal(closed, 0);
	assert_int_equal(len, 4);
	assert_ok(
	    crb_io_receive(bus.b, got, sizeof(got), &len, &fd, &closed, &err));
	assert_int_equal(closed, 1);
}

static void
nothing_waiting_and_nobody_there_are_told_apart(void **state)
{
	AUTO_PAIR struct pair bus = make_sockets(SOCK_SEQPACKET);
	struct crb_err err;
	char got[16];
	size_t len;
	int fd, closed;

	(void)state;
	assert_ok(
	    crb_io_receive(bus.b, got, sizeof(got), &len, &fd, &closed, &err));
	assert_int_equal(len, 0);
	assert_int_equal(closed, 0);
	crb_fd_cleanup(&bus.a);
	bus.a = -1;
	assert_ok(
	    crb_io_receive(bus.b, got, sizeof(got), &len, &fd, &closed, &err));
	assert_int_equal(len, 0);
	assert_int_equal(closed, 1);
}

static void
a_packet_that_does_not_fit_is_refused_and_its_descriptor_closed(void **state)
{
	AUTO_PAIR struct pair bus = make_sockets(SOCK_SEQPACKET);
	unsigned before = open_descriptors();
	struct crb_err err;
	char got[4];
	size_t len;
	int fd, closed;

	(void)state;
	assert_ok(crb_io_send(bus.a, "hello", 5, bus.a, &err));
	assert_fails(
	    crb_io_receive(bus.b, got, sizeof(got), &len, &fd, &closed, &err),
	    CRB_ERR_INVALID);
	assert_int_equal(fd, -1);
	assert_int_equal(len, 0);
	assert_int_equal(open_descriptors(), before);
}

static void
send_descriptors(int sock, size_t count)
{
	_Alignas(
	    struct cmsghdr) char control[CMSG_SPACE(20 * sizeof(int))] = { 0 };
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	assert_non_null(cmsg);
	if (cmsg == NULL)
		return;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
	for (size_t i = 0; i < count; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &sock, sizeof(int));
	assert_int_equal(sendmsg(sock, &msg, 0), 1);
}

static void
more_than_one_descriptor_is_refused_and_all_are_closed(void **state)
{
	AUTO_PAIR struct pair bus = make_sockets(SOCK_SEQPACKET);
	static const size_t counts[] = { 2, 8, 20 };
	unsigned before = open_descriptors();
	struct crb_err err;
	char got[4];
	size_t len;
	int fd, closed;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		send_descriptors(bus.a, counts[i]);
		assert_fails(crb_io_receive(bus.b, got, sizeof(got), &len, &fd,
				 &closed, &err),
		    CRB_ERR_INVALID);
		assert_int_equal(fd, -1);
		assert_int_equal(open_descriptors(), before);
	}
}

/* Its packet is good, and the process lives. */
static void
a_descriptor_without_room_is_lost_alone(void **state)
{
	AUTO_PAIR struct pair bus = make_sockets(SOCK_SEQPACKET);
	int fd = fcntl(bus.a, F_DUPFD_CLOEXEC, 0), closed;
	struct rlimit before, none;
	struct crb_err err;
	char got[8];
	size_t len;

	(void)state;
	(void)close(fd);
	assert_ok(crb_io_send(bus.a, "hello", 5, bus.a, &err));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ (rlim_t)fd, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_ok(
	    crb_io_receive(bus.b, got, sizeof(got), &len, &fd, &closed, &err));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(fd, CRB_FD_LOST);
	assert_int_equal(len, 5);
	assert_memory_equal(got, "hello", 5);
}

static void
sending_never_blocks(void **state)
{
	AUTO_PAIR struct pair bus = make_sockets(SOCK_SEQPACKET);
	static char bytes[1024];
	enum crb_status status = CRB_OK;
	struct crb_err err;

	(void)state;
	for (int i = 0; i < 100000 && status == CRB_OK; i++)
		status = crb_io_send(bus.a, bytes, sizeof(bytes), -1, &err);
	assert_int_equal(status, CRB_ERR_LIMIT);
}

static void
what_no_socket_takes_is_too_large_and_nothing_is_no_packet(void **state)
{
	AUTO_PAIR struct pair bus = make_sockets(SOCK_SEQPACKET);
	static char bytes[16 << 20];
	struct crb_err err;

	(void)state;
	assert_fails(crb_io_send(bus.a, bytes, sizeof(bytes), -1, &err),
	    CRB_ERR_TOO_LARGE);
	assert_fails(crb_io_send(bus.a, "", 0, -1, &err), CRB_ERR_INVALID);
}

#define WITH_PLACE(f) \
	cmocka_unit_test_setup_teardown(f, place_make, place_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_is_whole_even_when_it_comes_in_pieces),
		cmocka_unit_test(a_file_that_ends_early_is_invalid),
		cmocka_unit_test(a_read_gives_up_at_its_deadline),
		cmocka_unit_test(a_write_is_whole_on_every_kind_of_descriptor),
		cmocka_unit_test(
		    a_write_gives_up_at_its_deadline_though_the_descriptor_blocks),
		cmocka_unit_test(writing_to_nobody_is_an_error_and_no_signal),
		cmocka_unit_test(a_descriptor_that_is_closed_is_an_error),
		cmocka_unit_test(
		    reading_all_stops_at_the_end_or_over_the_maximum),
		cmocka_unit_test(reading_all_gives_up_at_its_deadline),
		WITH_PLACE(a_file_is_read_whole),
		WITH_PLACE(a_file_over_the_maximum_is_refused_by_name),
		WITH_PLACE(only_regular_files_are_read),
		WITH_PLACE(a_file_is_replaced_with_the_mode_asked_for),
		WITH_PLACE(what_is_to_be_fresh_replaces_nothing),
		WITH_PLACE(a_link_is_replaced_not_written_through),
		WITH_PLACE(a_failed_replacement_leaves_no_trace),
		cmocka_unit_test(a_place_that_is_none_is_refused),
		WITH_PLACE(a_name_without_a_folder_is_in_the_current_one),
		cmocka_unit_test(a_packet_arrives_whole_with_its_descriptor),
		cmocka_unit_test(
		    nothing_waiting_and_nobody_there_are_told_apart),
		cmocka_unit_test(
		    a_packet_that_does_not_fit_is_refused_and_its_descriptor_closed),
		cmocka_unit_test(
		    more_than_one_descriptor_is_refused_and_all_are_closed),
		cmocka_unit_test(what_was_sent_before_a_reset_is_received),
		cmocka_unit_test(a_descriptor_without_room_is_lost_alone),
		cmocka_unit_test(sending_never_blocks),
		cmocka_unit_test(
		    what_no_socket_takes_is_too_large_and_nothing_is_no_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
