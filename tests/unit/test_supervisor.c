/* The test is the core: the stand-in for it relays its bus to here. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "broker/bus/messages.h"
#include "broker/supervisor/child.h"

#define PATIENCE_MS 20000

static struct {
	char root[64];
	int control; /* listens for cores */
	pid_t pid;   /* of the supervisor */
	int core;    /* where its core's bus arrives */
	pid_t core_pid;
	char core_info[2048];
	int admin;   /* listens */
	int peer[4]; /* by role: our end of its bus */
	pid_t peer_pid[4];
	int log; /* what it says on standard error */
} s;

static uint8_t packet[CRB_PACKET_MAX];

static void
path_to(char *to, size_t cap, const char *name)
{
	int n = snprintf(to, cap, "%s/%s", s.root, name);

	assert_true(n > 0 && (size_t)n < cap);
}

static const char *
path(const char *name)
{
	static char text[256];

	path_to(text, sizeof(text), name);
	return text;
}

static void
drop(int *fd)
{
	crb_fd_cleanup(fd);
	*fd = -1;
}

static void
wait_readable(int fd)
{
	struct pollfd poll_fd = { fd, POLLIN, 0 };

	if (poll(&poll_fd, 1, PATIENCE_MS) != 1)
		fail_msg("nothing arrived");
}

/* The next message of the supervisor; NONE when it has hung up. */
static void
receive(struct crb_msg *msg)
{
	int fd, closed;
	struct crb_err err;
	size_t len;

	wait_readable(s.core);
	assert_int_equal(crb_io_receive(s.core, packet, sizeof(packet), &len,
			     &fd, &closed, &err),
	    CRB_OK);
	if (closed) {
		*msg = (struct crb_msg){ .type = CRB_MSG_NONE_, .fd = -1 };
		return;
	}
	if (crb_msg_decode(packet, len, fd, CRB_ROLE_SUPERVISOR, CRB_ROLE_CORE,
		msg, &err) != CRB_OK)
		fail_msg("%s", err.msg);
}

static void
say(enum crb_msg_type type, const void *body)
{
	uint8_t bytes[128];
	struct crb_err err;
	size_t len;

	assert_int_equal(
	    crb_msg_encode(type, body, bytes, sizeof(bytes), &len, &err),
	    CRB_OK);
	assert_int_equal(send(s.core, bytes, len, 0), (ssize_t)len);
}

static void
expect_admin(void)
{
	struct crb_msg msg;

	receive(&msg);
	assert_int_equal(msg.type, CRB_MSG_ADMIN);
	drop(&s.admin);
	s.admin = msg.fd;
}

static enum crb_role
expect_peer(void)
{
	struct crb_msg msg;
	enum crb_role role;

	receive(&msg);
	assert_int_equal(msg.type, CRB_MSG_PEER);
	role = msg.peer.role;
	assert_true(role == CRB_ROLE_GATEWAY || role == CRB_ROLE_EGRESS);
	drop(&s.peer[role]);
	s.peer[role] = msg.fd;
	s.peer_pid[role] = (pid_t)msg.peer.pid;
	return role;
}

/* A core comes up, and is given everything. */
static void
expect_start(void)
{
	enum crb_role first;
	ssize_t n;

	wait_readable(s.control);
	drop(&s.core);
	s.core = accept4(s.control, NULL, NULL, SOCK_CLOEXEC);
	assert_int_not_equal(s.core, -1);
	wait_readable(s.core);
	n = recv(s.core, s.core_info, sizeof(s.core_info) - 1, 0);
	assert_true(n > 0);
	s.core_info[n] = '\0';
	assert_int_equal(sscanf(s.core_info, "pid %d ", &s.core_pid), 1);
	expect_admin();
	/* Whichever of the old ones has gone first comes first. */
	first = expect_peer();
	assert_int_not_equal(expect_peer(), first);
}

static pid_t
start_supervisor(void)
{
	char state[128], runtime[128], libexec[128];
	/* So few that it shows when it lets replies pile up. */
	const struct rlimit few = { 512, 512 };
	pid_t pid;

	path_to(state, sizeof(state), "state");
	path_to(runtime, sizeof(runtime), "run");
	path_to(libexec, sizeof(libexec), "libexec");
	if ((pid = fork()) == 0) {
		(void)dup2(s.log, STDERR_FILENO);
		(void)setrlimit(RLIMIT_NOFILE, &few);
		(void)execl(CRB_SUPERVISOR, "credbroker-supervisor", "--state",
		    state, "--runtime", runtime, "--libexec", libexec,
		    "--config", "", "--key-file", "/k", (char *)NULL);
		_exit(125);
	}
	assert_int_not_equal(pid, -1);
	return pid;
}

static int
wait_exit(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : 1000 + WTERMSIG(status);
}

static bool
log_has(const char *text)
{
	static char bytes[1 << 16];
	ssize_t n = pread(s.log, bytes, sizeof(bytes) - 1, 0);

	assert_true(n >= 0);
	bytes[n] = '\0';
	return strstr(bytes, text) != NULL;
}

static int
make_root(void **state)
{
	static const char *const programs[] = { "core", "gateway", "egress",
		"kdf" };
	const char *tmp = getenv("TMPDIR");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];

	(void)state;
	memset(&s, 0, sizeof(s));
	s.control = s.core = s.admin = -1;
	for (unsigned i = 0; i < 4; i++)
		s.peer[i] = -1;
	(void)snprintf(s.root, sizeof(s.root), "%s/crb-super-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(s.root) == NULL || mkdir(path("state"), 0700) != 0 ||
	    mkdir(path("libexec"), 0700) != 0)
		return -1;
	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(
		    name, sizeof(name), "libexec/credbroker-%s", programs[i]);
		if (symlink(CRB_FAKE_CHILD, path(name)) != 0)
			return -1;
	}
	s.log = open(
	    path("log"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	s.control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	path_to(address.sun_path, sizeof(address.sun_path), "state/control");
	if (bind(s.control, (struct sockaddr *)&address, sizeof(address)) != 0)
		return -1;
	return listen(s.control, 8);
}

static int
remove_one(const char *name, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(name);
}

static int
remove_root(void **state)
{
	(void)state;
	if (s.pid > 0) {
		(void)kill(s.pid, SIGKILL);
		(void)waitpid(s.pid, NULL, 0);
	}
	drop(&s.control);
	drop(&s.core);
	drop(&s.admin);
	drop(&s.log);
	for (unsigned i = 0; i < 4; i++)
		drop(&s.peer[i]);
	return nftw(s.root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int
start(void **state)
{
	if (make_root(state) != 0)
		return -1;
	s.pid = start_supervisor();
	expect_start();
	return 0;
}

/* As a client of the admin socket; true when we are who serves it. */
static bool
admin_reaches(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CRB_AUTO_FD int client = socket(AF_UNIX, SOCK_STREAM, 0);
	CRB_AUTO_FD int served = -1;

	path_to(address.sun_path, sizeof(address.sun_path), "run/admin.sock");
	if (connect(client, (struct sockaddr *)&address, sizeof(address)) != 0)
		return false;
	served = accept(s.admin, NULL, NULL);
	return served != -1;
}

static mode_t
mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(path(name), &st), 0);
	return st.st_mode & 07777;
}

/* What a gateway or an egress says about itself. */
static const char *
peer_info(enum crb_role role)
{
	static char text[2048];
	ssize_t n;

	assert_int_equal(send(s.peer[role], "i", 1, 0), 1);
	wait_readable(s.peer[role]);
	n = recv(s.peer[role], text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	return text;
}

/* Nobody has the other end of our bus to it any more. */
static void
expect_peer_gone(enum crb_role role)
{
	char byte;

	wait_readable(s.peer[role]);
	assert_int_equal(recv(s.peer[role], &byte, 1, 0), 0);
}

static void
children_start_with_nothing_but_their_bus(void **state)
{
	char argv[512];
	const char *info;

	(void)state;
	(void)snprintf(argv, sizeof(argv),
	    "argv credbroker-core|--state|%s/state|--runtime|%s/run|"
	    "--config||--key-file|/k|--organization-folder||"
	    "--policy-folder||--owner|%u| ",
	    s.root, s.root, (unsigned)geteuid());
	assert_non_null(strstr(s.core_info, argv));
	assert_non_null(strstr(s.core_info, " env LANG=C|LD_BIND_NOW=1| fds "));
	/* What describing itself takes is closed again. */
	assert_non_null(strstr(s.core_info, " fds 0 1 2 3 "));
	info = peer_info(CRB_ROLE_GATEWAY);
	assert_non_null(strstr(
	    info, "argv credbroker-gateway| env LANG=C|LD_BIND_NOW=1| "));
	assert_non_null(strstr(info, " fds 0 1 2 3 "));
	info = peer_info(CRB_ROLE_EGRESS);
	assert_non_null(
	    strstr(info, "argv credbroker-egress| env LANG=C|LD_BIND_NOW=1| "));
	assert_non_null(strstr(info, " fds 0 1 2 3 "));
}

static void
the_runtime_folder_is_made_and_the_admin_socket_served(void **state)
{
	(void)state;
	assert_true(admin_reaches());
	assert_int_equal(mode_of("run/admin.sock"), 0600);
	assert_int_equal(mode_of("run/lock"), 0600);
	/* Others may pass where root gives folders to them, but not look. */
	assert_int_equal(mode_of("run"), geteuid() == 0 ? 0711 : 0700);
	assert_int_equal(mode_of("run/sessions"), geteuid() == 0 ? 0711 : 0700);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
expect_reload(void)
{
	struct crb_msg msg;

	receive(&msg);
	assert_int_equal(msg.type, CRB_MSG_RELOAD);
	/* There is no file, and so nothing to pass. */
	assert_int_equal(msg.fd, -1);
}

static void
say_reloaded(void)
{
	say(CRB_MSG_RELOADED, &(struct crb_msg_reloaded){ .ok = 1 });
}

static bool
nothing_comes(void)
{
	struct pollfd poll_fd = { s.core, POLLIN, 0 };

	return poll(&poll_fd, 1, 200) == 0;
}

static void
a_hangup_before_the_core_is_ready_is_not_lost(void **state)
{
	(void)state;
	assert_int_equal(kill(s.pid, SIGHUP), 0);
	assert_true(nothing_comes());
	say(CRB_MSG_READY, &(struct crb_msg_ready){ .locked = 1 });
	expect_reload();
	say_reloaded();
	assert_true(nothing_comes());
}

static void
reloads_come_one_after_the_other(void **state)
{
	(void)state;
	say(CRB_MSG_READY,
	    &(struct crb_msg_ready){ .locked = 1, .sessions = 9 });
	while (!log_has("serving, locked sessions=9"))
		(void)poll(NULL, 0, 5);
	assert_int_equal(kill(s.pid, SIGHUP), 0);
	expect_reload();
	/* However many ask meanwhile, one more will do. */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(kill(s.pid, SIGHUP), 0);
		assert_true(nothing_comes());
	}
	say_reloaded();
	expect_reload();
	say_reloaded();
	assert_true(nothing_comes());
}

static void
a_core_that_dies_while_it_reloads_is_asked_again_later(void **state)
{
	(void)state;
	say(CRB_MSG_READY, &(struct crb_msg_ready){ .locked = 1 });
	while (!log_has("serving, locked"))
		(void)poll(NULL, 0, 5);
	assert_int_equal(kill(s.pid, SIGHUP), 0);
	expect_reload();
	assert_int_equal(kill(s.core_pid, SIGKILL), 0);
	expect_start();
	assert_int_equal(kill(s.pid, SIGHUP), 0);
	expect_reload();
}

static void
a_dead_gateway_is_started_again_later_each_time(void **state)
{
	pid_t old, core = s.core_pid, egress = s.peer_pid[CRB_ROLE_EGRESS];
	int64_t began;

	(void)state;
	for (int64_t delay = 100; delay <= 400; delay *= 2) {
		old = s.peer_pid[CRB_ROLE_GATEWAY];
		began = now_ms();
		assert_int_equal(kill(old, SIGKILL), 0);
		assert_int_equal(expect_peer(), CRB_ROLE_GATEWAY);
		assert_true(now_ms() - began >= delay - 10);
		assert_int_not_equal(s.peer_pid[CRB_ROLE_GATEWAY], old);
		(void)peer_info(CRB_ROLE_GATEWAY);
	}
	/* The others were left alone. */
	(void)peer_info(CRB_ROLE_EGRESS);
	assert_int_equal(kill(core, 0), 0);
	assert_int_equal(kill(egress, 0), 0);
	assert_true(log_has("signal=9"));
}

static void
an_egress_that_ends_is_started_again(void **state)
{
	(void)state;
	assert_int_equal(send(s.peer[CRB_ROLE_EGRESS], "q", 1, 0), 1);
	assert_int_equal(expect_peer(), CRB_ROLE_EGRESS);
	(void)peer_info(CRB_ROLE_EGRESS);
	assert_true(log_has("status=3"));
}

static void
a_dead_core_takes_all_along_and_all_come_back(void **state)
{
	int gateway = s.peer[CRB_ROLE_GATEWAY];
	pid_t old = s.core_pid;

	(void)state;
	assert_int_equal(kill(old, SIGKILL), 0);
	expect_peer_gone(CRB_ROLE_GATEWAY);
	expect_peer_gone(CRB_ROLE_EGRESS);
	(void)gateway;
	expect_start();
	assert_int_not_equal(s.core_pid, old);
	(void)peer_info(CRB_ROLE_GATEWAY);
	(void)peer_info(CRB_ROLE_EGRESS);
	/* Who connected meanwhile waits in the same socket. */
	assert_true(admin_reaches());
}

static void
a_core_that_talks_nonsense_is_replaced(void **state)
{
	pid_t old = s.core_pid;

	(void)state;
	assert_int_equal(send(s.core, "nonsense", 8, 0), 8);
	expect_start();
	assert_int_not_equal(s.core_pid, old);
}

static struct crb_msg
answered(uint32_t request)
{
	struct crb_msg msg;

	receive(&msg);
	assert_int_equal(msg.folder_opened.request, request);
	return msg;
}

static struct crb_msg
ask_folder(uint32_t request, const char *session)
{
	say(CRB_MSG_FOLDER_OPEN,
	    &(const struct crb_msg_folder_open){ .request = request,
		.session = CRB_SLICE(session),
		.owner = UINT32_MAX });
	return answered(request);
}

static struct crb_msg
ask_file(uint32_t request, const char *session, unsigned file)
{
	say(CRB_MSG_FILE_OPEN,
	    &(const struct crb_msg_file_open){ .request = request,
		.session = CRB_SLICE(session),
		.owner = UINT32_MAX,
		.file = (uint8_t)file });
	return answered(request);
}

static void
folders_are_made_and_removed_for_the_core(void **state)
{
	const struct crb_msg_folder_remove remove_body = { .request = 9,
		.session = { "abcDEF12", 8 } };
	struct crb_msg msg;

	(void)state;
	msg = ask_folder(7, "abcDEF12");
	assert_int_equal(msg.type, CRB_MSG_FOLDER_OPENED);
	assert_int_equal(msg.folder_opened.ok, 1);
	assert_int_not_equal(msg.fd, -1);
	(void)close(msg.fd);
	assert_int_equal(mode_of("run/sessions/abcDEF12/endpoint.sock"), 0600);
	msg = ask_file(8, "abcDEF12", CRB_SESSION_TOKEN);
	assert_int_equal(msg.type, CRB_MSG_FILE_OPENED);
	assert_int_equal(write(msg.fd, "crbs_x", 6), 6);
	(void)close(msg.fd);
	assert_int_equal(mode_of("run/sessions/abcDEF12/token"), 0400);
	say(CRB_MSG_FOLDER_REMOVE, &remove_body);
	receive(&msg);
	assert_int_equal(msg.type, CRB_MSG_FOLDER_REMOVED);
	assert_int_equal(msg.folder_removed.ok, 1);
	assert_int_equal(access(path("run/sessions/abcDEF12"), F_OK), -1);
}

static void
a_session_that_is_a_path_is_refused_with_a_reason(void **state)
{
	struct crb_msg msg;

	(void)state;
	msg = ask_folder(3, "../x");
	assert_int_equal(msg.folder_opened.ok, 0);
	assert_int_equal(msg.fd, -1);
	assert_true(msg.folder_opened.error.len > 0);
	assert_int_equal(access(path("run/x"), F_OK), -1);
}

/* Within a time in which a supervisor that reads would have read. */
static bool
can_send(void)
{
	struct pollfd poll_fd = { s.core, POLLOUT, 0 };
	static bool stuck;

	stuck = poll(&poll_fd, 1, stuck ? 0 : 500) != 1;
	return !stuck;
}

/* More replies, each with a descriptor, than the bus and our limit hold. */
static void
a_core_that_asks_a_lot_is_answered_in_order(void **state)
{
	enum { MANY = 3000 };
	struct crb_msg_folder_open body = { .session = { "abcDEF12", 8 },
		.owner = UINT32_MAX };
	uint32_t answered = 0;
	uint8_t bytes[64];
	struct crb_err err;
	struct crb_msg msg;
	size_t len;

	(void)state;
	while (answered < MANY) {
		assert_int_equal(crb_msg_encode(CRB_MSG_FOLDER_OPEN, &body,
				     bytes, sizeof(bytes), &len, &err),
		    CRB_OK);
		if (body.request < MANY && can_send() &&
		    send(s.core, bytes, len, MSG_DONTWAIT) == (ssize_t)len) {
			body.request++;
			continue;
		}
		receive(&msg);
		assert_int_equal(msg.type, CRB_MSG_FOLDER_OPENED);
		assert_int_equal(msg.folder_opened.request, answered);
		assert_int_equal(msg.folder_opened.ok, 1);
		(void)close(msg.fd);
		answered++;
	}
	assert_false(log_has("not sent"));
	assert_false(log_has("core lost"));
}

static int
start_kdf(uint32_t request, uint8_t ok)
{
	const struct crb_msg_kdf_start body = { .request = request };
	struct crb_msg msg;

	say(CRB_MSG_KDF_START, &body);
	receive(&msg);
	assert_int_equal(msg.type, CRB_MSG_KDF_STARTED);
	assert_int_equal(msg.kdf_started.request, request);
	assert_int_equal(msg.kdf_started.ok, ok);
	return msg.fd;
}

static void
a_few_processes_derive_keys_at_once(void **state)
{
	int first = start_kdf(1, 1), second = start_kdf(2, 1);
	char byte = 0;

	(void)state;
	assert_int_equal(start_kdf(3, 0), -1);
	assert_int_equal(send(first, "x", 1, 0), 1);
	wait_readable(first);
	assert_int_equal(recv(first, &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
	/* Closing is the end of one, and makes room for the next. */
	assert_int_equal(shutdown(second, SHUT_WR), 0);
	wait_readable(second);
	assert_int_equal(recv(second, &byte, 1, 0), 0);
	(void)close(second);
	(void)close(first);
}

static void
a_second_start_is_refused_and_the_first_serves_on(void **state)
{
	char text[64];

	(void)state;
	assert_int_equal(wait_exit(start_supervisor()), 5);
	(void)snprintf(text, sizeof(text),
	    "another broker serves here, process %d\n", s.pid);
	assert_true(log_has(text));
	assert_true(admin_reaches());
	(void)peer_info(CRB_ROLE_GATEWAY);
}

static void
after_a_kill_the_next_one_takes_over(void **state)
{
	struct crb_msg msg;
	struct stat st;

	(void)state;
	msg = ask_folder(7, "abcDEF12");
	(void)close(msg.fd);
	assert_int_equal(kill(s.pid, SIGKILL), 0);
	assert_int_equal(wait_exit(s.pid), 1000 + SIGKILL);
	/* Its children do not outlive it. */
	expect_peer_gone(CRB_ROLE_GATEWAY);
	expect_peer_gone(CRB_ROLE_EGRESS);
	assert_int_equal(lstat(path("run/admin.sock"), &st), 0);
	s.pid = start_supervisor();
	expect_start();
	assert_true(admin_reaches());
	assert_int_equal(
	    lstat(path("run/sessions/abcDEF12/endpoint.sock"), &st), 0);
}

static void
stopping_lets_the_core_finish_first(void **state)
{
	struct crb_msg msg;
	struct stat st;

	(void)state;
	msg = ask_folder(7, "abcDEF12");
	(void)close(msg.fd);
	assert_int_equal(kill(s.pid, SIGTERM), 0);
	receive(&msg);
	assert_int_equal(msg.type, CRB_MSG_STOP);
	/* It may still need the others, and may still ask. */
	(void)peer_info(CRB_ROLE_GATEWAY);
	(void)peer_info(CRB_ROLE_EGRESS);
	msg = ask_file(8, "abcDEF12", CRB_SESSION_TOKEN);
	assert_int_equal(msg.folder_opened.ok, 1);
	(void)close(msg.fd);
	/* The core ends. */
	drop(&s.core);
	assert_int_equal(wait_exit(s.pid), 0);
	s.pid = 0;
	expect_peer_gone(CRB_ROLE_GATEWAY);
	expect_peer_gone(CRB_ROLE_EGRESS);
	assert_int_equal(lstat(path("run/admin.sock"), &st), -1);
	assert_int_equal(
	    lstat(path("run/sessions/abcDEF12/endpoint.sock"), &st), 0);
}

static void
a_second_signal_stops_at_once(void **state)
{
	struct crb_msg msg;

	(void)state;
	assert_int_equal(kill(s.pid, SIGINT), 0);
	receive(&msg);
	assert_int_equal(msg.type, CRB_MSG_STOP);
	assert_int_equal(kill(s.pid, SIGINT), 0);
	assert_int_equal(wait_exit(s.pid), 0);
	s.pid = 0;
	receive(&msg);
	assert_int_equal(msg.type, CRB_MSG_NONE_);
}

static void
a_gateway_that_dies_while_stopping_stays_dead(void **state)
{
	struct crb_msg msg;

	(void)state;
	assert_int_equal(kill(s.pid, SIGTERM), 0);
	receive(&msg);
	assert_int_equal(msg.type, CRB_MSG_STOP);
	assert_int_equal(kill(s.peer_pid[CRB_ROLE_GATEWAY], SIGKILL), 0);
	expect_peer_gone(CRB_ROLE_GATEWAY);
	drop(&s.core);
	assert_int_equal(wait_exit(s.pid), 0);
	s.pid = 0;
}

static void
a_runtime_folder_that_others_can_write_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path("run"), 0700), 0);
	assert_int_equal(chmod(path("run"), 0777), 0);
	assert_int_equal(wait_exit(start_supervisor()), 2);
	assert_true(log_has("chmod go-w"));
	assert_int_equal(access(path("run/lock"), F_OK), -1);
}

static void
a_runtime_folder_that_is_there_is_used(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path("run"), 0700), 0);
	s.pid = start_supervisor();
	expect_start();
	assert_int_equal(mode_of("run"), geteuid() == 0 ? 0711 : 0700);
}

static void
a_runtime_folder_that_cannot_be_made_is_named(void **state)
{
	int fd = open(path("run"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	(void)close(fd);
	assert_int_not_equal(wait_exit(start_supervisor()), 0);
	assert_true(log_has("/run: not a folder"));
}

static void
a_runtime_folder_that_cannot_be_written_is_refused(void **state)
{
	(void)state;
	/* Root can write everywhere. */
	if (geteuid() == 0)
		skip();
	assert_int_equal(mkdir(path("run"), 0500), 0);
	assert_int_equal(wait_exit(start_supervisor()), 5);
	assert_true(log_has("/run: cannot be written"));
}

static void
a_missing_program_is_named(void **state)
{
	(void)state;
	assert_int_equal(unlink(path("libexec/credbroker-egress")), 0);
	assert_int_equal(wait_exit(start_supervisor()), 5);
	assert_true(log_has("/credbroker-egress: No such file"));
}

static void
delays_double_to_a_maximum_and_start_over(void **state)
{
	static const int64_t delays[] = { 100, 200, 400, 800, 1600, 3200, 6400,
		10000, 10000 };
	int64_t delay = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		delay = crb_restart_delay(delay, 59999);
		assert_int_equal(delay, delays[i]);
	}
	assert_int_equal(crb_restart_delay(delay, 60000), 100);
}

#define SERVING(test) cmocka_unit_test_setup_teardown(test, start, remove_root)
#define FOUND(test) \
	cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SERVING(children_start_with_nothing_but_their_bus),
		SERVING(the_runtime_folder_is_made_and_the_admin_socket_served),
		SERVING(a_hangup_before_the_core_is_ready_is_not_lost),
		SERVING(reloads_come_one_after_the_other),
		SERVING(a_core_that_dies_while_it_reloads_is_asked_again_later),
		SERVING(a_dead_gateway_is_started_again_later_each_time),
		SERVING(an_egress_that_ends_is_started_again),
		SERVING(a_dead_core_takes_all_along_and_all_come_back),
		SERVING(a_core_that_talks_nonsense_is_replaced),
		SERVING(folders_are_made_and_removed_for_the_core),
		SERVING(a_session_that_is_a_path_is_refused_with_a_reason),
		SERVING(a_core_that_asks_a_lot_is_answered_in_order),
		SERVING(a_few_processes_derive_keys_at_once),
		SERVING(a_second_start_is_refused_and_the_first_serves_on),
		SERVING(after_a_kill_the_next_one_takes_over),
		SERVING(stopping_lets_the_core_finish_first),
		SERVING(a_second_signal_stops_at_once),
		SERVING(a_gateway_that_dies_while_stopping_stays_dead),
		FOUND(a_runtime_folder_that_others_can_write_is_refused),
		FOUND(a_runtime_folder_that_is_there_is_used),
		FOUND(a_runtime_folder_that_cannot_be_made_is_named),
		FOUND(a_runtime_folder_that_cannot_be_written_is_refused),
		FOUND(a_missing_program_is_named),
		cmocka_unit_test(delays_double_to_a_maximum_and_start_over),
	};

	(void)umask(077);
	/* What never comes is a failure, not a hang. */
	(void)alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
