/* The threads that mint, with a backend that does what a test says. */
#include "broker/egress/mint.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "../fakes/http_server.h"
#include "base/cleanup.h"
#include "broker/egress/mint_http.h"
#include "unit.h"

#define GUARD_MS 20000
#define SOON_MS 2000 /* a thread that is not there by then is a fault */
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkeys"
#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
#define NO "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
#define TEXTS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define SECRET "AKIDSTORED\nlong/lived+secret="

static const struct http_answer answers[] = {
	{ .target = "/ok", .texts = TEXTS(OK) },
	{ .target = "/no", .texts = TEXTS(NO) },
	{ .target = "/busy", .texts = TEXTS(BUSY) },
	{ .target = "/busy-once", .texts = TEXTS(BUSY, OK) },
	{ .target = "/cut", .texts = TEXTS("") },
	{ .target = "/hang", .texts = TEXTS(""), .hang = true },
	{ NULL, NULL, 0, false },
};

/* Of the backend, which has no context of its own. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool held;        /* "hold": nobody passes */
	unsigned calls;   /* of mint() */
	unsigned inside;  /* mint() at the same time */
	unsigned most;    /* of those, ever */
	pthread_t thread; /* of the last */
} backend = { .mutex = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER };

static void
enter(bool hold)
{
	pthread_mutex_lock(&backend.mutex);
	backend.calls++;
	backend.inside++;
	if (backend.inside > backend.most)
		backend.most = backend.inside;
	backend.thread = pthread_self();
	pthread_cond_broadcast(&backend.changed);
	while (hold && backend.held)
		pthread_cond_wait(&backend.changed, &backend.mutex);
	backend.inside--;
	pthread_mutex_unlock(&backend.mutex);
}

static void
hold_all(bool held)
{
	pthread_mutex_lock(&backend.mutex);
	backend.held = held;
	pthread_cond_broadcast(&backend.changed);
	pthread_mutex_unlock(&backend.mutex);
}

static void
await_calls(unsigned calls)
{
	pthread_mutex_lock(&backend.mutex);
	while (backend.calls < calls)
		pthread_cond_wait(&backend.changed, &backend.mutex);
	pthread_mutex_unlock(&backend.mutex);
}

static unsigned
calls_so_far(void)
{
	unsigned calls;

	pthread_mutex_lock(&backend.mutex);
	calls = backend.calls;
	pthread_mutex_unlock(&backend.mutex);
	return calls;
}

static enum crb_status
fake_route(const json_t *params, struct crb_route *out, struct crb_err *err)
{
	const char *target = json_string_value(json_object_get(params, "no"));

	if (target != NULL)
		return crb_err_set(err, CRB_ERR_INVALID, "no way");
	out->network = CRB_NETWORK_LOOPBACK;
	return CRB_OK;
}

static enum crb_status
keys_of(const char *text, int64_t expires, struct crb_minted *out,
    struct crb_err *err)
{
	out->expires = expires;
	(void)snprintf(out->id, sizeof(out->id), "AKIDNEW");
	(void)snprintf(out->detail, sizeof(out->detail), "keys for %s", text);
	return crb_secret_copy(text, strlen(text), &out->keys, err);
}

static enum crb_status
ask_upstream(const struct crb_mint_world *world, const json_t *params,
    const char *target, struct crb_minted *out, struct crb_err *err)
{
	const json_t *port = json_object_get(params, "port");
	const struct crb_origin origin = { .tls = strcmp(target, "/tls") == 0,
		.host = "127.0.0.1",
		.port = (unsigned)json_integer_value(port) };
	struct crb_http_reply reply;
	enum crb_status status = world->http(world->ctx,
	    &(struct crb_http_request){ .method = "GET",
		.origin = &origin,
		.target = target,
		.headers = "" },
	    &reply, err);

	if (status == CRB_OK) {
		out->status = reply.status;
		status = reply.status == 200
		    ? keys_of(
			  crb_buf_text(&reply.body), world->now + 900, out, err)
		    : crb_err_set(
			  err, CRB_ERR_UPSTREAM, "HTTP %u", reply.status);
	}
	crb_buf_clear(&reply.headers);
	crb_buf_clear(&reply.body);
	return status;
}

/* The order says what is to happen. */
static enum crb_status
fake_mint(const struct crb_mint_world *world, const json_t *params,
    const struct crb_secret *secret, const json_t *order,
    struct crb_minted *out, struct crb_err *err)
{
	const char *what = json_string_value(json_object_get(order, "what"));

	enter(strcmp(what, "hold") == 0);
	if (what[0] == '/')
		return ask_upstream(world, params, what, out, err);
	if (strcmp(what, "throttle") == 0)
		return crb_err_set(err, CRB_ERR_LIMIT, "slow down");
	if (strcmp(what, "babble") == 0) {
		(void)keys_of("half", world->now + 900, out, err);
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "said %s and bG9uZy9saXZlZCtzZWNyZXQ9 and half",
		    crb_secret_bytes(secret));
	}
	if (strcmp(what, "stale") == 0)
		return keys_of("stale-keys", world->now, out, err);
	if (strcmp(what, "none") == 0)
		return keys_of("", world->now + 900, out, err);
	return keys_of("the-keys", world->now + 900, out, err);
}

static const struct crb_backend_ops fake = {
	.kind = "fake", .mints = true, .route = fake_route, .mint = fake_mint
};
static const struct crb_backend_ops injects = { .kind = "injects" };
static const struct crb_backend_ops *const backends[] = { &injects, &fake,
	NULL };

#define ANSWERS_MAX 512
struct answer {
	uint32_t request;
	char outcome[33], detail[513], id[129], keys[64];
	unsigned status;
	uint64_t expires;
};

struct world {
	struct crb_loop *loop;
	struct crb_trust *trust;
	struct crb_mint_limits limits;
	struct crb_mints *mints;
	struct http_server *server;
	struct crb_timer guard;
	size_t count, wanted;
	struct answer answer[ANSWERS_MAX];
	bool elsewhere; /* an answer came in another thread */
	pthread_t thread;
};

static void
minted(void *ctx, const struct crb_msg_minted *msg)
{
	struct world *world = ctx;
	struct answer *answer = &world->answer[world->count++];

	answer->request = msg->request;
	answer->status = msg->status;
	answer->expires = msg->expires;
#define COPY(field)                                                  \
	(void)snprintf(answer->field, sizeof(answer->field), "%.*s", \
	    (int)msg->field.len, msg->field.p)
	COPY(outcome);
	COPY(detail);
	COPY(id);
	COPY(keys);
	if (!pthread_equal(pthread_self(), world->thread))
		world->elsewhere = true;
	if (world->count == world->wanted)
		crb_loop_stop(world->loop);
}

static void
too_late(void *ctx)
{
	(void)ctx;
	fail_msg("no answer came");
}

static int
set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct crb_err err;

	if (world == NULL || crb_trust_new(&world->trust, &err) != CRB_OK ||
	    crb_loop_new(&world->loop, &err) != CRB_OK)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	world->thread = pthread_self();
	world->limits = (struct crb_mint_limits){
		.connect_ms = 14000, .whole_ms = 15000, .pause_ms = { 1, 2 }
	};
	if (crb_mints_new(&(struct crb_mints_options){ .loop = world->loop,
			      .trust = world->trust,
			      .backends = backends,
			      .limits = &world->limits,
			      .minted = minted,
			      .ctx = world },
		&world->mints, &err) != CRB_OK)
		return -1;
	world->server = http_server_start(answers);
	crb_timer_init(&world->guard, too_late, world);
	backend.held = true;
	backend.calls = backend.most = 0;
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	hold_all(false);
	crb_mints_free(world->mints);
	http_server_stop(world->server);
	crb_trust_free(world->trust);
	crb_loop_free(world->loop);
	free(world);
	return 0;
}

static void
start(struct world *world, uint32_t request, const char *session,
    const char *what)
{
	char params[64], order[64];
	/* A session has a credential of its own. */
	const struct crb_msg_mint msg = {
		.request = request,
		.session = CRB_SLICE(session),
		.backend = CRB_SLICE("fake"),
		.params = { params,
		    (size_t)snprintf(params, sizeof(params),
			"{\"port\":%u,\"name\":\"%s\"}",
			http_server_port(world->server), session) },
		.secret = CRB_SLICE(SECRET),
		.order = { order,
		    (size_t)snprintf(
			order, sizeof(order), "{\"what\":\"%s\"}", what) },
		.ca = CRB_SLICE(""),
		.proxy = CRB_SLICE(""),
	};

	crb_mints_start(world->mints, &msg);
}

/* Until so many answers have come in all. */
static void
await(struct world *world, size_t count)
{
	struct crb_err err;

	world->wanted = count;
	if (world->count >= count)
		return;
	assert_ok(crb_timer_set(world->loop, &world->guard, GUARD_MS, &err));
	assert_ok(crb_loop_run(world->loop, &err));
	crb_timer_clear(world->loop, &world->guard);
}

static const struct answer *
mint_one(struct world *world, const char *what)
{
	size_t at = world->count;

	start(world, 7, "s1", what);
	await(world, at + 1);
	return &world->answer[at];
}

static void
test_keys_come_back(void **state)
{
	struct world *world = *state;
	const struct answer *answer = mint_one(world, "keys");

	assert_int_equal(answer->request, 7);
	assert_string_equal(answer->outcome, "ok");
	assert_string_equal(answer->keys, "the-keys");
	assert_string_equal(answer->id, "AKIDNEW");
	assert_true(answer->expires > (uint64_t)time(NULL));
	assert_false(pthread_equal(backend.thread, world->thread));
	assert_false(world->elsewhere);
}

static void
test_keys_of_an_upstream_come_back(void **state)
{
	const struct answer *answer = mint_one(*state, "/ok");

	assert_string_equal(answer->outcome, "ok");
	assert_string_equal(answer->keys, "keys");
	assert_int_equal(answer->status, 200);
}

static void
test_it_is_not_idle_until_all_are_answered(void **state)
{
	struct world *world = *state;

	assert_true(crb_mints_idle(world->mints));
	start(world, 1, "s1", "hold");
	await_calls(1);
	assert_false(crb_mints_idle(world->mints));
	hold_all(false);
	await(world, 1);
	assert_true(crb_mints_idle(world->mints));
}

static void
test_what_may_pass_is_tried_again_twice(void **state)
{
	static const struct {
		const char *what, *outcome;
		unsigned calls, status;
	} rows[] = {
		{ "/busy-once", "ok", 2, 200 },
		{ "/busy", "upstream_failed", 3, 503 },
		{ "/cut", "upstream_failed", 3, 0 },
		{ "throttle", "limit", 3, 0 },
		{ "/no", "upstream_failed", 1, 403 },
		{ "babble", "upstream_failed", 1, 0 },
		{ "stale", "upstream_failed", 1, 0 },
	};
	const struct answer *answer;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		backend.calls = 0;
		answer = mint_one(*state, rows[i].what);
		assert_string_equal(answer->outcome, rows[i].outcome);
		assert_int_equal(answer->status, rows[i].status);
		assert_int_equal(calls_so_far(), rows[i].calls);
	}
}

static void
test_all_tries_have_one_time_limit(void **state)
{
	struct world *world = *state;
	const struct answer *answer;
	int64_t since = crb_mint_clock();

	world->limits.whole_ms = SOON_MS;
	answer = mint_one(world, "/hang");
	assert_string_equal(answer->outcome, "timeout");
	assert_string_not_equal(answer->detail, "");
	/* No try is begun for which there is no time. */
	world->limits.pause_ms[0] = SOON_MS + 100;
	backend.calls = 0;
	(void)mint_one(world, "/busy");
	assert_int_equal(calls_so_far(), 1);
	assert_true(crb_mint_clock() - since < 10000);
}

static void
test_no_secret_in_what_is_said(void **state)
{
	const struct answer *answer = mint_one(*state, "babble");

	assert_string_equal(answer->outcome, "upstream_failed");
	assert_null(strstr(answer->detail, "AKIDSTORED"));
	assert_null(strstr(answer->detail, "lived"));
	assert_null(strstr(answer->detail, "G9uZy9saXZlZCtzZWNyZXQ"));
	assert_non_null(strstr(answer->detail, "said "));
	assert_string_equal(answer->keys, "");
	assert_string_equal(answer->id, "");
	/* Nor new keys. */
	answer = mint_one(*state, "keys");
	assert_null(strstr(answer->detail, "the-keys"));
}

static void
test_keys_of_no_use_are_none(void **state)
{
	const struct answer *answer = mint_one(*state, "stale");

	assert_non_null(strstr(answer->detail, "expired already"));
	assert_string_equal(answer->keys, "");
	answer = mint_one(*state, "none");
	assert_string_equal(answer->outcome, "upstream_failed");
}

static void
ask_wrongly(struct world *world, const char *kind, const char *params,
    const char *order)
{
	size_t at = world->count;
	const struct crb_msg_mint msg = { .session = CRB_SLICE("s1"),
		.backend = CRB_SLICE(kind),
		.params = CRB_SLICE(params),
		.secret = CRB_SLICE(SECRET),
		.order = CRB_SLICE(order),
		.ca = CRB_SLICE(""),
		.proxy = CRB_SLICE("") };

	crb_mints_start(world->mints, &msg);
	await(world, at + 1);
	assert_string_equal(world->answer[at].outcome, "invalid_request");
}

static void
test_what_no_backend_mints(void **state)
{
	ask_wrongly(*state, "other", "{}", "{}");
	ask_wrongly(*state, "injects", "{}", "{}");
	ask_wrongly(*state, "fake", "{", "{}");
	ask_wrongly(*state, "fake", "{}", "{");
	ask_wrongly(*state, "fake", "{\"no\":\"\"}", "{}");
	assert_int_equal(calls_so_far(), 0);
}

static void
test_so_many_at_once_and_so_many_wait(void **state)
{
	struct world *world = *state;
	const uint32_t most = CRB_MINT_THREADS + CRB_MINT_QUEUE_MAX;

	for (uint32_t i = 0; i < CRB_MINT_THREADS; i++)
		start(world, i, i % 2 ? "s1" : "s2", "hold");
	await_calls(CRB_MINT_THREADS);
	for (uint32_t i = CRB_MINT_THREADS; i < most; i++)
		start(world, i, i % 2 ? "s1" : "s2", "hold");
	assert_int_equal(world->count, 0);
	start(world, most, "s1", "hold");
	assert_int_equal(world->count, 1);
	assert_int_equal(world->answer[0].request, most);
	assert_string_equal(world->answer[0].outcome, "limit");
	hold_all(false);
	await(world, most + 1);
	assert_int_equal(backend.most, CRB_MINT_THREADS);
	assert_int_equal(backend.calls, most);
}

static void
test_one_that_takes_long_keeps_nobody_waiting(void **state)
{
	struct world *world = *state;

	for (uint32_t i = 0; i < 2 * CRB_MINT_THREADS; i++)
		start(world, i, "s1", "hold");
	for (uint32_t i = 0; i < 20; i++)
		start(world, 100 + i, "s2", "keys");
	await(world, 20);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(world->answer[i].request, 100 + i);
		assert_string_equal(world->answer[i].outcome, "ok");
	}
	await_calls(20 + CRB_MINT_ALIKE_MAX);
	assert_int_equal(calls_so_far(), 20 + CRB_MINT_ALIKE_MAX);
	hold_all(false);
	await(world, 20 + 2 * CRB_MINT_THREADS);
}

/* Leaks, and worse, if threads read them at the same time. */
static void
test_the_certificates_are_read_once(void **state)
{
	static const char *const sessions[] = { "s1", "s2", "s3", "s4" };
	struct world *world = *state;

	/* The service does not speak TLS, and never answers. */
	world->limits.whole_ms = SOON_MS;
	for (uint32_t i = 0; i < CRB_MINT_THREADS; i++)
		start(world, i, sessions[i], "/tls");
	await(world, CRB_MINT_THREADS);
	for (size_t i = 0; i < CRB_MINT_THREADS; i++)
		assert_string_equal(world->answer[i].outcome, "timeout");
}

static void
test_waiting_takes_of_the_time(void **state)
{
	struct world *world = *state;
	const struct answer *answer;

	world->limits.whole_ms = 0;
	answer = mint_one(world, "keys");
	assert_string_equal(answer->outcome, "limit");
	assert_int_equal(calls_so_far(), 0);
}

static void
test_nothing_is_minted_for_a_dropped_session(void **state)
{
	struct world *world = *state;

	for (uint32_t i = 0; i < CRB_MINT_THREADS; i++)
		start(world, i, i % 2 ? "s1" : "s3", "hold");
	await_calls(CRB_MINT_THREADS);
	start(world, 10, "s1", "keys");
	start(world, 11, "s2", "keys");
	crb_mints_drop(world->mints, CRB_SLICE("s1"));
	await(world, 1);
	assert_int_equal(world->answer[0].request, 10);
	assert_string_equal(world->answer[0].outcome, "not_found");
	hold_all(false);
	await(world, CRB_MINT_THREADS + 2);
	/* What was under way is told, and the other session's is minted. */
	for (size_t i = 1; i < world->count; i++)
		assert_string_equal(world->answer[i].outcome, "ok");
	assert_int_equal(backend.calls, CRB_MINT_THREADS + 1);
}

static void
test_a_dropped_session_is_not_tried_again(void **state)
{
	struct world *world = *state;

	world->limits.pause_ms[0] = 14000;
	start(world, 1, "s1", "/busy");
	http_server_await(world->server, 1);
	crb_mints_drop(world->mints, CRB_SLICE("s1"));
	await(world, 1);
	assert_int_equal(calls_so_far(), 1);
}

static void
start_many(struct world *world, const char *what)
{
	for (uint32_t i = 0; i < 20; i++)
		start(world, i, "s1", what);
	http_server_await(world->server, 1);
}

static void
stop_at_once(struct world *world)
{
	int64_t since = crb_mint_clock();

	crb_mints_free(CRB_STEAL(world->mints));
	assert_true(crb_mint_clock() - since < 10000);
}

static void
test_a_stop_waits_for_no_upstream(void **state)
{
	struct world *world = *state;

	start_many(world, "/hang");
	/* Until libcurl has nothing else that would wake it up. */
	world->limits.pause_ms[0] = 300;
	start(world, 100, "s2", "throttle");
	await(world, 1);
	assert_int_equal(world->answer[0].request, 100);
	stop_at_once(world);
	assert_int_equal(world->count, 1);
}

static void
test_a_stop_waits_for_no_other_try(void **state)
{
	struct world *world = *state;

	world->limits.pause_ms[0] = 14000;
	start_many(world, "/busy");
	stop_at_once(world);
	assert_int_equal(world->count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keys_come_back),
		TEST(test_keys_of_an_upstream_come_back),
		TEST(test_it_is_not_idle_until_all_are_answered),
		TEST(test_what_may_pass_is_tried_again_twice),
		TEST(test_all_tries_have_one_time_limit),
		TEST(test_no_secret_in_what_is_said),
		TEST(test_keys_of_no_use_are_none),
		TEST(test_what_no_backend_mints),
		TEST(test_so_many_at_once_and_so_many_wait),
		TEST(test_one_that_takes_long_keeps_nobody_waiting),
		TEST(test_the_certificates_are_read_once),
		TEST(test_waiting_takes_of_the_time),
		TEST(test_nothing_is_minted_for_a_dropped_session),
		TEST(test_a_dropped_session_is_not_tried_again),
		TEST(test_a_stop_waits_for_no_upstream),
		TEST(test_a_stop_waits_for_no_other_try),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
