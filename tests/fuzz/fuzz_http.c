/*
 * Bytes of a sandbox, as they come to the gateway by a connection: the server,
 * what is refused at the head, bodies, and answers.  The core is played: it
 * answers every question, refuses some requests and allows others, whose
 * answer comes at once.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/io.h"
#include "base/log.h"
#include "broker/bus/stream.h"
#include "broker/gateway/connection.h"
#include "broker/gateway/gateway.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SESSION "abcdEF12"
/* Turns in which an answer has come, or will not come. */
#define TURNS 8
/* Turns in which every connection has ended. */
#define TURNS_MAX 20000

static struct crb_loop *loop;
static struct crb_gateway *gateway;
static int core = -1; /* our end of its bus */
static struct sockaddr_un address;
static socklen_t address_len;
static uint32_t stream;

/* A macro, so that the trace says which one. */
#define need(ok)                 \
	do {                     \
		if (!(ok))       \
			abort(); \
	} while (0)

static void
stop(void *ctx)
{
	crb_loop_stop(ctx);
}

static void
turn(int64_t ms)
{
	struct crb_timer timer;
	struct crb_err err;

	crb_timer_init(&timer, stop, loop);
	need(crb_timer_set(loop, &timer, ms, &err) == CRB_OK);
	need(crb_loop_run(loop, &err) == CRB_OK);
	need(!gateway->stopping);
}

static void
say(int sock, enum crb_msg_type type, const void *msg, int fd)
{
	static uint8_t packet[CRB_PACKET_MAX];
	struct crb_err err;
	size_t len;

	need(crb_msg_encode(type, msg, packet, sizeof(packet), &len, &err) ==
	    CRB_OK);
	(void)!crb_io_send(sock, packet, len, fd, &err);
}

/* An abstract name of the kernel's choice: nothing is left behind. */
static int
make_listener(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	address_len = sizeof(address);
	address.sun_family = AF_UNIX;
	need(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &address_len) == 0 &&
	    listen(fd, 16) == 0);
	return fd;
}

static void
begin(void)
{
	static const char hash[CRB_TOKEN_HASH_BYTES];
	const struct crb_msg_session_open session = {
		.session = CRB_SLICE(SESSION),
		.task = CRB_SLICE("fuzz"),
		.token_hash = { hash, sizeof(hash) },
		.expires = (uint64_t)time(NULL) + 100000000,
		.connections = 16,
	};
	const struct crb_msg_lease lease = { .session = session.session,
		.name = CRB_SLICE("dev"),
		.form = CRB_SLICE("aws-keys"),
		.expires = session.expires,
		.keys = CRB_SLICE("AKIAQQQQQQQQQQQQQQQQ\nsecret\ntoken") };
	const struct crb_msg_session_imds imds = { .session = session.session,
		.name = lease.name,
		.region = CRB_SLICE("eu-west-1"),
		.account = CRB_SLICE("") };
	struct crb_err err;
	int pair[2], fd = make_listener();

	crb_log_open("fuzz", CRB_LOG_ERROR);
	need(sodium_init() >= 0 && crb_loop_new(&loop, &err) == CRB_OK &&
	    crb_bus_pair(pair, &err) == CRB_OK);
	core = pair[0];
	need(crb_gateway_new(loop, pair[1], &gateway, &err) == CRB_OK);
	say(core, CRB_MSG_SESSION_OPEN, &session, fd);
	say(core, CRB_MSG_LEASE, &lease, -1);
	say(core, CRB_MSG_SESSION_IMDS, &imds, -1);
	(void)close(fd);
	turn(0);
	need(gateway->sessions.count == 1);
}

static void
respond(int fd, uint64_t job)
{
	const struct crb_msg_response_head head = { .job = job,
		.status = 200,
		.headers = CRB_SLICE("content-type: text/plain\n") };
	const struct crb_msg_response_body body = { CRB_SLICE("0008NAK\n0000"),
		0 };
	const struct crb_msg_response_end end = { .clean = 1 };

	say(fd, CRB_MSG_RESPONSE_HEAD, &head, -1);
	say(fd, CRB_MSG_RESPONSE_BODY, &body, -1);
	say(fd, CRB_MSG_RESPONSE_END, &end, -1);
	(void)close(fd);
}

static void
allow(const struct crb_msg_exchange *msg)
{
	struct crb_msg_verdict verdict = { .exchange = msg->exchange,
		.allowed = 1,
		.operation = CRB_GIT_FETCH,
		.job = msg->exchange + 1000,
		.stream = ++stream,
		.origin = CRB_SLICE("https://git.test") };
	struct crb_err err;
	int pair[2];

	need(crb_stream_pair(pair, &err) == CRB_OK);
	say(core, CRB_MSG_VERDICT, &verdict, pair[0]);
	(void)close(pair[0]);
	respond(pair[1], verdict.job);
}

static void
refuse(const struct crb_msg_exchange *msg)
{
	const struct crb_msg_verdict verdict = { .exchange = msg->exchange,
		.status = 403,
		.code = CRB_SLICE("policy_denied"),
		.title = CRB_SLICE("Denied"),
		.detail = CRB_SLICE("no"),
		.rule = CRB_SLICE("none"),
		.tier = CRB_SLICE("session"),
		.operation = CRB_GIT_PUSH };

	say(core, CRB_MSG_VERDICT, &verdict, -1);
}

static void
judge(const struct crb_msg_exchange *msg)
{
	need(crb_slice_is(msg->session, SESSION));
	need(crb_slice_is(msg->method, "GET") ||
	    crb_slice_is(msg->method, "POST") || msg->route == CRB_ROUTE_HTTP);
	need(memchr(msg->target.p, '?', msg->target.len) == NULL);
	for (size_t i = 0; i < msg->target.len; i++)
		need((unsigned char)msg->target.p[i] > ' ');
	if (msg->target.len % 2 == 0)
		allow(msg);
	else
		refuse(msg);
}

static void
answer(const struct crb_msg_query *msg)
{
	const struct crb_msg_answer reply = { .exchange = msg->exchange,
		.status = 200,
		.type = CRB_SLICE("application/json"),
		.body = CRB_SLICE("{}") };

	need(crb_slice_is(msg->session, SESSION));
	say(core, CRB_MSG_ANSWER, &reply, -1);
}

static void
play_core(void)
{
	static uint8_t packet[CRB_PACKET_MAX];
	struct crb_msg msg;
	struct crb_err err;
	int fd = -1, closed = 0;
	size_t len = 0;

	for (;;) {
		need(crb_io_receive(core, packet, sizeof(packet), &len, &fd,
			 &closed, &err) == CRB_OK &&
		    !closed);
		if (len == 0)
			return;
		need(crb_msg_decode(packet, len, fd, CRB_ROLE_GATEWAY,
			 CRB_ROLE_CORE, &msg, &err) == CRB_OK);
		if (msg.type == CRB_MSG_QUERY)
			answer(&msg.query);
		else if (msg.type == CRB_MSG_EXCHANGE)
			judge(&msg.exchange);
		else
			need(msg.type == CRB_MSG_EXCHANGE_DONE ||
			    msg.type == CRB_MSG_LEASE_FETCHED);
	}
}

/* Whatever comes begins as an answer does. */
static bool
hear(int fd, size_t *have)
{
	static char bytes[65536];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		if (*have == 0)
			need(n >= 12 && memcmp(bytes, "HTTP/1.", 7) == 0 &&
			    bytes[9] >= '1' && bytes[9] <= '5');
		*have += (size_t)n;
	}
	return n != 0;
}

static void
one_connection(const uint8_t *data, size_t size)
{
	size_t have = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	need(connect(fd, (struct sockaddr *)&address, address_len) == 0);
	(void)!send(fd, data, size, MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_WR);
	for (int i = 0; i < TURNS; i++) {
		turn(0);
		play_core();
		if (!hear(fd, &have))
			break;
	}
	(void)shutdown(fd, SHUT_RDWR);
	(void)close(fd);
}

static bool
busy(const struct crb_session *session)
{
	return session->connection_count > 0 || session->exchanges != NULL;
}

/* Nothing of it stays: no connection, no exchange. */
static void
all_gone(void)
{
	const struct crb_session *session = crb_sessions_find(
	    &gateway->sessions, CRB_SLICE(SESSION));

	need(session != NULL);
	for (int i = 0; i < TURNS_MAX && busy(session); i++) {
		turn(i < 100 ? 0 : 1);
		play_core();
	}
	need(!busy(session));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;

	if (!begun)
		begin();
	begun = true;
	if (size == 0 || size > 65536)
		return 0;
	one_connection(data, size);
	all_gone();
	return 0;
}
