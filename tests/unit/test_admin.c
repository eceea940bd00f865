#include "broker/core/admin.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/process.h"
#include "broker/core/discard.h"
#include "tests/fakes/world.h"

static struct world world;

static int
setup(void **state)
{
	(void)state;
	world_start(&world, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

static json_t *
read_answer(void)
{
	CRB_AUTO_FREE char *line = world_read_line(&world);
	struct crb_err err;
	json_t *answer;

	assert_non_null(line);
	assert_ok(crb_json_parse(line, strlen(line), "answer", &answer, &err));
	return answer;
}

static void
answers_with_error(const char *line, int code)
{
	CRB_AUTO_JSON json_t *answer = NULL;
	const json_t *error;

	world_write(&world, line, strlen(line));
	world_write(&world, "\n", 1);
	answer = read_answer();
	error = json_object_get(answer, "error");
	assert_non_null(error);
	assert_int_equal(
	    json_integer_value(json_object_get(error, "code")), code);
}

static void
a_bad_line_is_answered_and_the_next_one_is_served(void **state)
{
	static const struct {
		const char *line;
		int code;
	} bad[] = {
		{ "", -32700 },
		{ "{", -32700 },
		{ "{\"id\":1,\"id\":2}", -32700 },
		{ "\xff", -32700 },
		{ "[]", -32600 },
		{ "7", -32700 },
		{ "{}", -32600 },
		{ "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"status\"}",
		    -32600 },
		{ "{\"jsonrpc\":\"2.0\",\"method\":\"status\"}", -32600 },
		{ "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"status\"}",
		    -32600 },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\","
		  "\"more\":1}",
		    -32600 },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", -32600 },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"statsu\"}",
		    -32601 },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\","
		  "\"params\":[]}",
		    -32602 },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\","
		  "\"params\":{\"x\":1}}",
		    -32602 },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.show\","
		  "\"params\":{\"session\":7}}",
		    -32000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		answers_with_error(bad[i].line, bad[i].code);
	json_decref(world_call(&world, "status", NULL));
}

static void
two_requests_in_one_packet_are_two(void **state)
{
	static const char both[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"audit.verify\"}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":\"b\",\"method\":\"status\"}\n";
	CRB_AUTO_JSON json_t *first = NULL;
	CRB_AUTO_JSON json_t *second = NULL;

	(void)state;
	world_write(&world, both, sizeof(both) - 1);
	first = read_answer();
	second = read_answer();
	assert_int_equal(json_integer_value(json_object_get(first, "id")), 1);
	assert_string_equal(
	    json_string_value(json_object_get(second, "id")), "b");
}

static void
a_request_may_come_in_pieces(void **state)
{
	static const char line[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n";

	(void)state;
	for (size_t i = 0; i < sizeof(line) - 1; i++) {
		world_write(&world, line + i, 1);
		world_turn(&world);
	}
	json_decref(read_answer());
}

static void
a_line_beyond_the_bound_is_refused_and_the_connection_closed(void **state)
{
	char *line = malloc(2 * CRB_ADMIN_LINE_MAX);
	CRB_AUTO_JSON json_t *answer = NULL;

	(void)state;
	assert_non_null(line);
	memset(line, 'x', 2 * CRB_ADMIN_LINE_MAX);
	for (size_t sent = 0; sent <= CRB_ADMIN_LINE_MAX; sent += 65536) {
		(void)!send(world.admin, line + sent, 65536,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		world_turn(&world);
	}
	answer = read_answer();
	assert_string_equal(
	    json_string_value(json_object_get(
		json_object_get(json_object_get(answer, "error"), "data"),
		"code")),
	    "too_large");
	assert_null(world_read_line(&world));
	free(line);
}

static void
one_that_goes_away_in_the_middle_of_its_call_harms_nobody(void **state)
{
	static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
				   "\"audit.verify\"}\n";
	int fd;

	(void)state;
	for (int i = 0; i < 50; i++) {
		fd = world_connect_proven(&world);
		assert_int_equal(send(fd, line, sizeof(line) - 1, 0),
		    (ssize_t)sizeof(line) - 1);
		if (i % 2 == 0)
			world_turn(&world);
		(void)close(fd);
	}
	world_turn(&world);
	json_decref(world_call(&world, "status", NULL));
}

/* What a connection is told before it is closed; "" when it is open. */
static void
last_words(int fd, char *code, size_t size)
{
	char line[2048];
	ssize_t n = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);
	CRB_AUTO_JSON json_t *answer = NULL;
	struct crb_err err;

	code[0] = '\0';
	if (n <= 0)
		return;
	line[n] = '\0';
	assert_ok(crb_json_parse(line, (size_t)n, "answer", &answer, &err));
	(void)snprintf(code, size, "%s",
	    json_string_value(json_object_get(
		json_object_get(json_object_get(answer, "error"), "data"),
		"code")));
	n = recv(fd, line, 1, MSG_DONTWAIT);
	if (n != 0)
		fail_msg("%s: then %zd, errno %d", code, n, errno);
}

static void
the_sixty_fifth_connection_is_told_and_closed(void **state)
{
	int fds[CRB_ADMIN_CLIENTS_MAX], closed = 0;
	char code[64];

	(void)state;
	for (int i = 0; i < CRB_ADMIN_CLIENTS_MAX; i++) {
		fds[i] = world_connect(&world);
		world_turn(&world);
	}
	for (int i = 0; i < CRB_ADMIN_CLIENTS_MAX; i++) {
		last_words(fds[i], code, sizeof(code));
		closed += strcmp(code, "limit") == 0;
		(void)close(fds[i]);
	}
	assert_int_equal(closed, 1);
	world_turn(&world);
	json_decref(world_call(&world, "status", NULL));
}

/* What comes with the first byte, and whether that shows the host. */
static const struct proof {
	const char *what;
	size_t count;
	const char *path[16];
	const char *code;
} proofs[] = {
	{ "nothing", 0, { NULL }, "outside_host" },
	{ "both", 2, { "/proc/self/ns/user", "/proc/self/ns/pid" }, "" },
	{ "in the wrong order", 2,
	    { "/proc/self/ns/pid", "/proc/self/ns/user" }, "outside_host" },
	{ "one of them", 1, { "/proc/self/ns/user" }, "outside_host" },
	{ "one of them twice", 2, { "/proc/self/ns/pid", "/proc/self/ns/pid" },
	    "outside_host" },
	{ "one more", 3,
	    { "/proc/self/ns/user", "/proc/self/ns/pid", "/proc/self/ns/pid" },
	    "outside_host" },
	{ "another kind", 2, { "/proc/self/ns/user", "/proc/self/ns/mnt" },
	    "outside_host" },
	{ "another file", 2, { "/proc/self/ns/user", "/dev/null" },
	    "outside_host" },
	{ "a folder", 2, { "/proc/self/ns", "/proc/self/ns/pid" },
	    "outside_host" },
};

static void
only_the_hosts_own_namespaces_let_a_client_in(void **state)
{
	static const char line[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n";
	char code[64];
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
		const struct proof *proof = &proofs[i];

		fd = world_connect(&world);
		if (proof->count > 0)
			world_send_files(fd, ' ', proof->path, proof->count);
		if (strcmp(proof->code, "") != 0)
			(void)!send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL);
		world_turn(&world);
		world_turn(&world);
		last_words(fd, code, sizeof(code));
		if (strcmp(code, proof->code) != 0)
			fail_msg("%s: \"%s\"", proof->what, code);
		(void)close(fd);
	}
	json_decref(world_call(&world, "status", NULL));
}

static void
descriptors_that_come_later_end_the_connection(void **state)
{
	static const char *const path[] = { "/proc/self/ns/user",
		"/proc/self/ns/pid" };
	static const char half[] = "{\"jsonrpc\":";
	int fd = world_connect(&world), without = world_connect(&world);
	char code[64];

	(void)state;
	/* Before the core has looked, so that the kernel lets them through. */
	world_send_files(fd, ' ', path, 2);
	assert_int_equal(send(fd, half, sizeof(half) - 1, 0), sizeof(half) - 1);
	world_send_files(fd, ' ', path, 2);
	/* The first byte brings none, the second does. */
	assert_int_equal(send(without, "{", 1, 0), 1);
	world_send_files(without, ' ', path, 2);
	for (int i = 0; i < 4; i++)
		world_turn(&world);
	last_words(fd, code, sizeof(code));
	assert_string_equal(code, "invalid_request");
	last_words(without, code, sizeof(code));
	assert_string_equal(code, "invalid_request");
	(void)close(fd);
	(void)close(without);
	json_decref(world_call(&world, "status", NULL));
}

/* A socket whose close waits for what its other end does not read. */
static int
make_lingering(int *listener, int *other)
{
	const struct linger linger = { 1, 20 };
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	static char block[65536];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(*listener, 1), 0);
	assert_int_equal(
	    getsockname(*listener, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, len), 0);
	*other = accept(*listener, NULL, NULL);
	while (send(fd, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

/* Some other program of the same user, in a sandbox say, with the socket. */
static void
who_shows_nothing_keeps_nobody_out(void **state)
{
	int fds[CRB_ADMIN_CLIENTS_MAX], before = world.admin;

	(void)state;
	for (int i = 0; i < CRB_ADMIN_CLIENTS_MAX; i++) {
		fds[i] = world_connect(&world);
		world_turn(&world);
	}
	world.admin = world_connect_proven(&world);
	json_decref(world_call(&world, "status", NULL));
	(void)close(before);
	for (int i = 0; i < CRB_ADMIN_CLIENTS_MAX; i++)
		(void)close(fds[i]);
}

/* `sock` has a descriptor to take, with each of `count` bytes. */
static void
send_lingering(int sock, unsigned count, int *listener, int *other)
{
	for (unsigned i = 0; i < count; i++) {
		int fd = make_lingering(&listener[i], &other[i]);
		char control[CMSG_SPACE(sizeof(int))] = { 0 };
		struct iovec byte = { (char[]){ ' ' }, 1 };
		struct msghdr msg = { .msg_iov = &byte,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control) };
		struct cmsghdr *at = CMSG_FIRSTHDR(&msg);

		at->cmsg_level = SOL_SOCKET;
		at->cmsg_type = SCM_RIGHTS;
		at->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(at), &fd, sizeof(int));
		assert_int_equal(sendmsg(sock, &msg, 0), 1);
		(void)close(fd);
	}
}

static void
what_does_not_close_at_once_holds_up_nobody(void **state)
{
	int listener[3], other[3], clients[3];
	int64_t before;

	(void)state;
	for (int i = 0; i < 3; i++) {
		clients[i] = i == 1 ? world_connect_proven(&world)
				    : world_connect(&world);
		send_lingering(clients[i], 1, &listener[i], &other[i]);
	}
	before = crb_clock_ms(CLOCK_MONOTONIC);
	/* One is gone before it was looked at. */
	(void)close(clients[2]);
	for (int i = 0; i < 6; i++)
		world_turn(&world);
	json_decref(world_call(&world, "status", NULL));
	assert_true(crb_clock_ms(CLOCK_MONOTONIC) - before < 10000);
	/* A reset lets the threads go. */
	for (int i = 0; i < 3; i++) {
		const struct linger now = { 1, 0 };

		(void)setsockopt(
		    other[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		(void)close(other[i]);
		(void)close(listener[i]);
		if (i < 2)
			(void)close(clients[i]);
	}
}

/* Or who sends 256 of them is the last who connects. */
static void
what_does_not_close_at_once_can_be_hurried(void **state)
{
	enum { CLIENTS = 3, EACH = 4 };
	int listener[CLIENTS * EACH], other[CLIENTS * EACH], pair[2];
	struct crb_discards *discards;
	int64_t before;
	struct crb_err err;

	(void)state;
	assert_int_equal(crb_discards_new(&discards, &err), CRB_OK);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		send_lingering(
		    pair[0], EACH, &listener[i * EACH], &other[i * EACH]);
		crb_discard(discards, pair[1], NULL);
		(void)close(pair[0]);
	}
	(void)poll(NULL, 0, 50);
	assert_int_equal(crb_discards_waiting(discards), CLIENTS);
	before = crb_clock_ms(CLOCK_MONOTONIC);
	while (crb_discards_waiting(discards) > 0 &&
	    crb_clock_ms(CLOCK_MONOTONIC) - before < 10000) {
		crb_discards_hurry(discards);
		(void)poll(NULL, 0, 20);
	}
	assert_int_equal(crb_discards_waiting(discards), 0);
	crb_discards_free(discards);
	for (int i = 0; i < CLIENTS * EACH; i++) {
		(void)close(other[i]);
		(void)close(listener[i]);
	}
}

/* One client that does not read what it asked for, and one that works. */
static void
a_client_that_does_not_read_holds_up_nobody(void **state)
{
	static const char line[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n";
	int fd = world_connect_proven(&world);

	(void)state;
	for (int i = 0; i < 2000; i++) {
		(void)!send(
		    fd, line, sizeof(line) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (i % 50 == 0)
			world_turn(&world);
	}
	json_decref(world_call(&world, "status", NULL));
	(void)close(fd);
}

static void
a_secret_is_not_repeated_when_it_is_refused(void **state)
{
	static const char line[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"credential.add\","
	    "\"params\":{\"name\":\"x\",\"backend\":\"nosuch\","
	    "\"secret\":\"hunter2-hunter2\"}}\n";
	CRB_AUTO_FREE char *answer = NULL;

	(void)state;
	world_write(&world, line, sizeof(line) - 1);
	answer = world_read_line(&world);
	assert_non_null(strstr(answer, "error"));
	assert_null(strstr(answer, "hunter2"));
}

static void
status_says_how_it_is(void **state)
{
	CRB_AUTO_JSON json_t *status = world_call(&world, "status", NULL);

	(void)state;
	assert_string_equal(
	    json_string_value(json_object_get(status, "state")), "unlocked");
	assert_true(json_is_true(
	    json_object_get(json_object_get(status, "audit"), "healthy")));
	assert_int_equal(
	    json_array_size(json_object_get(status, "processes")), 4);
}

static void
a_wrong_key_file_is_refused_and_the_right_one_is_not(void **state)
{
	char wrong[128];
	FILE *file;

	(void)state;
	(void)snprintf(wrong, sizeof(wrong), "%s/wrong", world.folder);
	file = fopen(wrong, "w");
	assert_non_null(file);
	(void)fputs("0123456789abcdef0123456789abcdef", file);
	(void)fclose(file);
	assert_int_equal(chmod(wrong, 0400), 0);
	json_decref(world_call(&world, "lock", NULL));
	world_call_fails(&world, "unlock",
	    json_pack("{s:s}", "key_file", wrong), "policy_denied", "");
	world_call_fails(&world, "unlock", NULL, "invalid_request", "one of");
	world_call_fails(
	    &world, "credential.list", NULL, "broker_locked", "unlock");
	json_decref(world_call(
	    &world, "unlock", json_pack("{s:s}", "key_file", world.key)));
	json_decref(world_call(&world, "credential.list", NULL));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_bad_line_is_answered_and_the_next_one_is_served),
		TEST(two_requests_in_one_packet_are_two),
		TEST(a_request_may_come_in_pieces),
		TEST(
		    a_line_beyond_the_bound_is_refused_and_the_connection_closed),
		TEST(one_that_goes_away_in_the_middle_of_its_call_harms_nobody),
		TEST(the_sixty_fifth_connection_is_told_and_closed),
		TEST(only_the_hosts_own_namespaces_let_a_client_in),
		TEST(descriptors_that_come_later_end_the_connection),
		TEST(what_does_not_close_at_once_holds_up_nobody),
		TEST(what_does_not_close_at_once_can_be_hurried),
		TEST(who_shows_nothing_keeps_nobody_out),
		TEST(a_client_that_does_not_read_holds_up_nobody),
		TEST(a_secret_is_not_repeated_when_it_is_refused),
		TEST(status_says_how_it_is),
		TEST(a_wrong_key_file_is_refused_and_the_right_one_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
