#include "broker/core/exchange.h"

#include "base/cleanup.h"
#include "tests/fakes/world.h"

#define FETCH "service=git-upload-pack"
#define PUSH "service=git-receive-pack"

static char session[CRB_SESSION_ID_MAX + 1];

static void
begin(struct world *world, const char *grant)
{
	world_start(world, NULL);
	world_add_credential(world, "gh");
	world_issue(world, grant, session);
}

static void
slice_says(struct crb_slice slice, const char *text)
{
	if (slice.len < strlen(text) ||
	    memmem(slice.p, slice.len, text, strlen(text)) == NULL)
		fail_msg("\"%.*s\" does not say \"%s\"", (int)slice.len,
		    slice.p, text);
}

static json_t *
events(struct world *world, const char *event)
{
	CRB_AUTO_JSON json_t *result = world_call(
	    world, "audit.show", json_pack("{s:s}", "event", event));

	return json_incref(json_object_get(result, "events"));
}

static const char *
member(const json_t *list, size_t at, const char *key)
{
	const char *text = json_string_value(
	    json_object_get(json_array_get(list, at), key));

	return text != NULL ? text : "";
}

static void
done(struct world *world, uint64_t exchange, uint64_t job, bool clean)
{
	world_egress_says(world, CRB_MSG_JOB_DONE,
	    &(struct crb_msg_job_done){ .job = job,
		.clean = clean,
		.outcome = CRB_SLICE("ok"),
		.status = 200,
		.up = 10,
		.down = 2000,
		.detail = CRB_SLICE("") });
	world_gateway_says(world, CRB_MSG_EXCHANGE_DONE,
	    &(struct crb_msg_exchange_done){ .exchange = exchange,
		.job = job,
		.clean = clean,
		.status = 200 });
}

/* The egress is told by the core what to send, and never by the gateway. */
static void
a_granted_fetch_goes_upstream_as_it_was_judged(void **state)
{
	const struct crb_msg *msg;
	struct world world;
	uint64_t exchange, job;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	exchange = world_git(
	    &world, session, "GET", "git.test/acme/api.git/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_JOB);
	job = msg->job.job;
	slice_equal(msg->job.method, "GET");
	slice_equal(msg->job.host, "git.test");
	slice_equal(msg->job.target, "/acme/api.git/info/refs?" FETCH);
	slice_equal(msg->job.secret, "hunter2-hunter2");
	slice_equal(msg->job.session, session);
	assert_int_equal(msg->job.port, 443);
	assert_int_equal(msg->job.tls, 1);
	assert_int_not_equal(msg->fd, -1);
	msg = world_hear(&world, CRB_MSG_VERDICT);
	assert_int_equal(msg->verdict.allowed, 1);
	assert_true(msg->verdict.exchange == exchange);
	assert_true(msg->verdict.job == job);
	slice_equal(msg->verdict.origin, "https://git.test");
	assert_int_not_equal(msg->fd, -1);
	world_stop(&world);
}

static void
it_is_in_the_audit_log_from_its_beginning_to_its_end(void **state)
{
	CRB_AUTO_JSON json_t *first = NULL;
	CRB_AUTO_JSON json_t *last = NULL;
	struct world world;
	uint64_t exchange, job;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	exchange = world_git(
	    &world, session, "GET", "git.test/acme/api.git/info/refs", FETCH);
	job = world_hear(&world, CRB_MSG_JOB)->job.job;
	first = events(&world, "exchange.begin");
	assert_int_equal(json_array_size(first), 1);
	assert_string_equal(member(first, 0, "request"),
	    "GET git.test/acme/api.git/info/refs?" FETCH);
	assert_string_equal(member(first, 0, "rule"), "grant 1");
	assert_string_equal(member(first, 0, "credential"), "gh");
	assert_string_equal(member(first, 0, "session"), session);
	done(&world, exchange, job, true);
	for (int i = 0; i < 1000; i++) {
		json_decref(last);
		last = events(&world, "exchange.end");
		if (json_array_size(last) > 0)
			break;
	}
	assert_int_equal(json_array_size(last), 1);
	assert_int_equal(json_integer_value(
			     json_object_get(json_array_get(last, 0), "down")),
	    2000);
	world_stop(&world);
}

/* The gateway may say so late, or be made to. */
static void
what_has_passed_is_counted_when_the_egress_says_so(void **state)
{
	const struct crb_msg *msg;
	struct world world;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	world.policy[CRB_POLICY_LOCAL] =
	    "{\"tier\": \"local\", \"name\": \"mine\", \"limits\": "
	    "{\"bytes_per_session\": \"64KiB\"}, \"rules\": "
	    "[{\"id\": \"all\", \"effect\": \"allow\"}]}";
	json_decref(world_call(&world, "policy.reload", json_object()));
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api.git/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(msg->job.bound, 65536);
	assert_int_equal(msg->job.most, 65536);
	world_egress_says(&world, CRB_MSG_JOB_DONE,
	    &(struct crb_msg_job_done){ .job = msg->job.job,
		.clean = 1,
		.outcome = CRB_SLICE("ok"),
		.status = 200,
		.up = 10,
		.down = 2000,
		.detail = CRB_SLICE("") });
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api.git/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(msg->job.bound, 65536);
	assert_int_equal(msg->job.most, 65536 - 2010);
	world_stop(&world);
}

static void
refused_with(struct world *world, const char *target, const char *query,
    const char *code, const char *says)
{
	const struct crb_msg *msg;

	(void)world_git(
	    world, session, query != NULL ? "GET" : "POST", target, query);
	msg = world_hear(world, CRB_MSG_VERDICT);
	assert_int_equal(msg->verdict.allowed, 0);
	slice_equal(msg->verdict.code, code);
	slice_says(msg->verdict.detail, says);
	assert_true(world_hears_no(world, CRB_MSG_JOB));
}

static void
what_is_not_granted_is_refused_and_says_what_is(void **state)
{
	struct world world;

	(void)state;
	begin(&world, "gh:repository=acme/api,git=fetch");
	refused_with(&world, "git.test/acme/web.git/info/refs", FETCH,
	    "policy_denied", "fetch of acme/web is not granted to task fix-1");
	refused_with(&world, "git.test/acme/web.git/info/refs", FETCH,
	    "policy_denied", "fetch on acme/api");
	refused_with(&world, "git.test/acme/api.git/info/refs", PUSH,
	    "policy_denied", "push to acme/api");
	refused_with(&world, "git.test/acme/api.git/git-receive-pack", NULL,
	    "policy_denied", "push to acme/api");
	refused_with(&world, "evil.test/acme/api.git/info/refs", FETCH,
	    "policy_denied", "granted hosts: git.test, localhost:8443");
	/* The authority is compared whole. */
	refused_with(&world, "git.test:444/acme/api.git/info/refs", FETCH,
	    "policy_denied", "is not granted");
	refused_with(&world, "localhost/acme/api.git/info/refs", FETCH,
	    "policy_denied", "is not granted");
	world_stop(&world);
}

static void
a_refusal_is_counted_and_in_the_audit_log(void **state)
{
	CRB_AUTO_JSON json_t *list = NULL;
	CRB_AUTO_JSON json_t *shown = NULL;
	struct world world;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	refused_with(&world, "git.test/acme/web.git/info/refs", FETCH,
	    "policy_denied", "");
	list = events(&world, "exchange.refused");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(member(list, 0, "decision"), "deny");
	assert_string_equal(member(list, 0, "tier"), "session");
	shown = world_call(
	    &world, "session.show", json_pack("{s:s}", "session", session));
	assert_int_equal(json_integer_value(json_object_get(
			     json_object_get(shown, "session"), "refused")),
	    1);
	json_decref(shown);
	world_restart(&world);
	shown = world_call(
	    &world, "session.show", json_pack("{s:s}", "session", session));
	assert_int_equal(json_integer_value(json_object_get(
			     json_object_get(shown, "session"), "refused")),
	    1);
	world_stop(&world);
}

static void
the_first_grant_that_allows_decides(void **state)
{
	const struct crb_msg *msg;
	struct world world;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	world_add_credential(&world, "other");
	json_decref(world_call(&world, "session.grant",
	    json_pack("{s:s, s:s}", "session", session, "grant",
		"other:repository=acme/web")));
	(void)world_git(
	    &world, session, "GET", "git.test/acme/web/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_VERDICT);
	assert_int_equal(msg->verdict.allowed, 1);
	slice_equal(msg->verdict.rule, "grant 2");
	world_stop(&world);
}

static void
a_clean_stream_is_used_again_and_another_is_not(void **state)
{
	const struct crb_msg *msg;
	struct world world;
	uint64_t exchange;
	uint32_t stream;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	exchange = world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_JOB);
	stream = msg->job.stream;
	done(&world, exchange, msg->job.job, true);
	world_turn(&world);
	exchange = world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(msg->job.stream, stream);
	assert_int_equal(msg->fd, -1);
	done(&world, exchange, msg->job.job, false);
	world_turn(&world);
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_JOB);
	assert_int_not_equal(msg->job.stream, stream);
	assert_int_not_equal(msg->fd, -1);
	world_stop(&world);
}

/* An API's path may end like git's; a body of this type is git's only. */
/* What a gateway shows of a push, in one piece. */
static void
show(struct world *world, uint64_t exchange, const char *text)
{
	assert_int_equal(
	    world_hear(world, CRB_MSG_NEED)->need.what, CRB_NEED_COMMANDS);
	world_gateway_says(world, CRB_MSG_SHOWN,
	    &(struct crb_msg_shown){ .exchange = exchange,
		.what = CRB_NEED_COMMANDS,
		.last = 1,
		.data = CRB_SLICE(text),
		.hash = CRB_SLICE(""),
		.type = CRB_SLICE("") });
}

static void
a_job_says_what_the_body_is(void **state)
{
	struct world world;
	uint64_t exchange;

	(void)state;
	begin(&world, "gh:repository=acme/api,git=fetch+push");
	(void)world_git(
	    &world, session, "POST", "git.test/acme/api/git-upload-pack", NULL);
	slice_equal(world_hear(&world, CRB_MSG_JOB)->job.content_type,
	    "application/x-git-upload-pack-request");
	exchange = world_git(&world, session, "POST",
	    "git.test/acme/api/git-receive-pack", NULL);
	show(&world, exchange, "0000");
	slice_equal(world_hear(&world, CRB_MSG_JOB)->job.content_type,
	    "application/x-git-receive-pack-request");
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	slice_equal(world_hear(&world, CRB_MSG_JOB)->job.content_type, "");
	world_stop(&world);
}

static void
a_session_has_so_many_at_once_and_no_more(void **state)
{
	const struct crb_msg *msg;
	struct world world;
	uint64_t first;

	(void)state;
	world_start(&world, "{\"exchanges_max\": 2}");
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/api", session);
	first = world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_VERDICT)->verdict.allowed, 1);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_VERDICT)->verdict.allowed, 1);
	msg = world_hear(&world, CRB_MSG_VERDICT);
	assert_int_equal(msg->verdict.allowed, 0);
	assert_int_equal(msg->verdict.status, 429);
	done(&world, first, world_hear(&world, CRB_MSG_JOB)->job.job, true);
	world_turn(&world);
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_VERDICT)->verdict.allowed, 1);
	world_stop(&world);
}

/* Each leaves lines in the audit log: one sandbox must not fill the disk. */
static void
a_session_has_so_many_a_minute_and_no_more(void **state)
{
	const struct crb_msg *msg;
	struct world world;

	(void)state;
	world_start(&world, "{\"requests_per_minute\": 2}");
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/api", session);
	for (unsigned i = 0; i < 2; i++) {
		(void)world_git(&world, session, "GET",
		    "git.test/acme/api/info/refs", FETCH);
		assert_int_equal(
		    world_hear(&world, CRB_MSG_VERDICT)->verdict.allowed, 1);
	}
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_VERDICT);
	assert_int_equal(msg->verdict.allowed, 0);
	assert_int_equal(msg->verdict.status, 429);
	world_stop(&world);
}

static void
a_revoke_cuts_off_what_is_under_way(void **state)
{
	CRB_AUTO_JSON json_t *result = NULL;
	struct world world;
	uint64_t job;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	job = world_hear(&world, CRB_MSG_JOB)->job.job;
	result = world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session));
	assert_int_equal(
	    json_integer_value(json_object_get(result, "cancelled")), 1);
	assert_true(
	    world_hear(&world, CRB_MSG_JOB_CANCEL)->job_cancel.job == job);
	slice_equal(world_hear(&world, CRB_MSG_SESSION_END)->session_end.code,
	    "session_revoked");
	(void)world_hear(&world, CRB_MSG_VERDICT);
	refused_with(&world, "git.test/acme/api/info/refs", FETCH,
	    "session_revoked", "was revoked");
	world_stop(&world);
}

static void
a_dropped_grant_gives_nothing_any_more(void **state)
{
	struct world world;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	(void)world_hear(&world, CRB_MSG_VERDICT);
	json_decref(world_call(&world, "session.drop",
	    json_pack("{s:s, s:s}", "session", session, "grant", "gh")));
	(void)world_hear(&world, CRB_MSG_JOB_CANCEL);
	(void)world_hear(&world, CRB_MSG_JOB);
	refused_with(&world, "git.test/acme/api/info/refs", FETCH,
	    "policy_denied", "granted hosts: none");
	world_stop(&world);
}

/* Asked for in the very turn in which it is granted, before it is recorded. */
static void
a_grant_gives_nothing_before_it_is_recorded(void **state)
{
	const struct crb_msg *msg;
	struct world world;
	char line[256];

	(void)state;
	begin(&world, "gh:repository=acme/api");
	(void)snprintf(line, sizeof(line),
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.grant\","
	    "\"params\":{\"session\":\"%s\","
	    "\"grant\":\"gh:repository=acme/web\"}}\n",
	    session);
	world_write(&world, line, strlen(line));
	(void)world_git(
	    &world, session, "GET", "git.test/acme/web/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_VERDICT);
	assert_int_equal(msg->verdict.allowed, 0);
	free(world_read_line(&world));
	(void)world_git(
	    &world, session, "GET", "git.test/acme/web/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_VERDICT);
	assert_int_equal(msg->verdict.allowed, 1);
	world_stop(&world);
}

static void
another_sessions_grant_is_of_no_use(void **state)
{
	char other[CRB_SESSION_ID_MAX + 1];
	struct world world;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	world_issue(&world, "gh:repository=acme/web", other);
	refused_with(&world, "git.test/acme/web/info/refs", FETCH,
	    "policy_denied", "fetch on acme/api");
	world_stop(&world);
}

static void
a_lost_egress_ends_what_was_under_way(void **state)
{
	CRB_AUTO_JSON json_t *list = NULL;
	const struct crb_msg *msg;
	struct world world;
	uint64_t exchange, job;
	uint32_t stream;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	exchange = world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_JOB);
	job = msg->job.job;
	stream = msg->job.stream;
	world_lose_egress(&world);
	world_gateway_says(&world, CRB_MSG_EXCHANGE_DONE,
	    &(struct crb_msg_exchange_done){
		.exchange = exchange, .job = job, .clean = 1, .status = 502 });
	world_turn(&world);
	list = events(&world, "exchange.end");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(member(list, 0, "outcome"), "egress_lost");
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_JOB);
	assert_int_not_equal(msg->job.stream, stream);
	world_stop(&world);
}

/* Its other end went with the egress. */
static void
a_stream_is_not_used_again_after_a_lost_egress(void **state)
{
	const struct crb_msg *msg;
	struct world world;
	uint64_t exchange;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	exchange = world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	done(&world, exchange, world_hear(&world, CRB_MSG_JOB)->job.job, true);
	world_turn(&world);
	world_lose_egress(&world);
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	msg = world_hear(&world, CRB_MSG_JOB);
	assert_int_not_equal(msg->fd, -1);
	world_stop(&world);
}

static void
a_get_with_a_body_is_refused(void **state)
{
	const struct crb_msg *msg;
	struct world world;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	for (uint8_t body = CRB_BODY_LENGTH; body < 5; body++) {
		world_gateway_says(&world, CRB_MSG_EXCHANGE,
		    &(struct crb_msg_exchange){ .exchange = body,
			.session = CRB_SLICE(session),
			.route = CRB_ROUTE_GIT,
			.method = CRB_SLICE("GET"),
			.target = CRB_SLICE("git.test/acme/api/info/refs"),
			.query = CRB_SLICE(FETCH),
			.has_query = 1,
			.body = body });
		msg = world_hear(&world, CRB_MSG_VERDICT);
		assert_int_equal(msg->verdict.allowed, 0);
	}
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
	world_stop(&world);
}

/* A sandbox must not be able to fill the disk by asking. */
static void
many_refusals_are_counted_in_the_log_and_not_written_each(void **state)
{
	enum { ASKED = 400 };
	CRB_AUTO_JSON json_t *list = NULL;
	CRB_AUTO_JSON json_t *result = NULL;
	struct world world;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	for (int i = 0; i < ASKED; i++) {
		(void)world_git(&world, session, "GET",
		    "git.test/acme/web/info/refs", FETCH);
		assert_int_equal(
		    world_hear(&world, CRB_MSG_VERDICT)->verdict.allowed, 0);
	}
	result = world_call(&world, "audit.show",
	    json_pack(
		"{s:s, s:i}", "event", "exchange.refused", "most", ASKED));
	list = json_incref(json_object_get(result, "events"));
	assert_in_range(json_array_size(list), 100, ASKED - 1);
	world_stop(&world);
}

static void
a_new_gateway_is_told_of_every_session(void **state)
{
	struct world world;
	uint64_t job;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	(void)world_hear(&world, CRB_MSG_SESSION_OPEN);
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	job = world_hear(&world, CRB_MSG_JOB)->job.job;
	world_lose_gateway(&world);
	slice_equal(
	    world_hear(&world, CRB_MSG_SESSION_OPEN)->session_open.session,
	    session);
	assert_true(
	    world_hear(&world, CRB_MSG_JOB_CANCEL)->job_cancel.job == job);
	world_stop(&world);
}

static void
a_new_gateway_is_told_of_what_has_ended(void **state)
{
	struct world world;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	(void)world_hear(&world, CRB_MSG_SESSION_OPEN);
	(void)world_hear(&world, CRB_MSG_SESSION_END);
	world_lose_gateway(&world);
	(void)world_hear(&world, CRB_MSG_SESSION_OPEN);
	slice_equal(world_hear(&world, CRB_MSG_SESSION_END)->session_end.code,
	    "session_revoked");
	world_stop(&world);
}

static void
nothing_is_asked_of_the_core_before_it_knows_the_session(void **state)
{
	struct world world;

	(void)state;
	world_start(&world, NULL);
	(void)snprintf(session, sizeof(session), "nosuch00");
	refused_with(&world, "git.test/acme/api/info/refs", FETCH,
	    "session_unknown", "no such session");
	world_stop(&world);
}

static void
a_target_with_two_readings_is_refused(void **state)
{
	struct world world;

	(void)state;
	begin(&world, "gh:repository=acme/*");
	refused_with(&world, "git.test/acme/api/../web/info/refs", FETCH,
	    "invalid_request", "");
	refused_with(&world, "git.test/acme/api/info/refs", FETCH "&" PUSH,
	    "invalid_request", "more than once");
	world_stop(&world);
}

static void
a_lock_refuses_and_an_unlock_brings_the_session_back(void **state)
{
	struct world world;

	(void)state;
	begin(&world, "gh:repository=acme/api");
	(void)world_hear(&world, CRB_MSG_SESSION_OPEN);
	json_decref(world_call(&world, "lock", NULL));
	slice_equal(world_hear(&world, CRB_MSG_SESSION_END)->session_end.code,
	    "broker_locked");
	refused_with(&world, "git.test/acme/api/info/refs", FETCH,
	    "broker_locked", "locked");
	world_call_fails(
	    &world, "session.list", NULL, "broker_locked", "unlock");
	json_decref(world_call(
	    &world, "unlock", json_pack("{s:s}", "key_file", world.key)));
	(void)world_hear(&world, CRB_MSG_SESSION_CLOSE);
	(void)world_hear(&world, CRB_MSG_SESSION_OPEN);
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_VERDICT)->verdict.allowed, 1);
	world_stop(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_granted_fetch_goes_upstream_as_it_was_judged),
		cmocka_unit_test(
		    it_is_in_the_audit_log_from_its_beginning_to_its_end),
		cmocka_unit_test(
		    what_has_passed_is_counted_when_the_egress_says_so),
		cmocka_unit_test(
		    what_is_not_granted_is_refused_and_says_what_is),
		cmocka_unit_test(a_refusal_is_counted_and_in_the_audit_log),
		cmocka_unit_test(the_first_grant_that_allows_decides),
		cmocka_unit_test(
		    a_clean_stream_is_used_again_and_another_is_not),
		cmocka_unit_test(a_job_says_what_the_body_is),
		cmocka_unit_test(a_session_has_so_many_a_minute_and_no_more),
		cmocka_unit_test(a_session_has_so_many_at_once_and_no_more),
		cmocka_unit_test(a_revoke_cuts_off_what_is_under_way),
		cmocka_unit_test(a_dropped_grant_gives_nothing_any_more),
		cmocka_unit_test(a_grant_gives_nothing_before_it_is_recorded),
		cmocka_unit_test(another_sessions_grant_is_of_no_use),
		cmocka_unit_test(a_lost_egress_ends_what_was_under_way),
		cmocka_unit_test(
		    a_stream_is_not_used_again_after_a_lost_egress),
		cmocka_unit_test(a_get_with_a_body_is_refused),
		cmocka_unit_test(
		    many_refusals_are_counted_in_the_log_and_not_written_each),
		cmocka_unit_test(a_new_gateway_is_told_of_every_session),
		cmocka_unit_test(a_new_gateway_is_told_of_what_has_ended),
		cmocka_unit_test(
		    nothing_is_asked_of_the_core_before_it_knows_the_session),
		cmocka_unit_test(a_target_with_two_readings_is_refused),
		cmocka_unit_test(
		    a_lock_refuses_and_an_unlock_brings_the_session_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
