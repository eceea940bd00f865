#include "broker/core/exchange.h"

#include "tests/unit/lease.h"

#define HOST "s3.eu-west-1.amazonaws.com"

static char session[CRB_SESSION_ID_MAX + 1];
static uint64_t last_exchange;

static void
begin(struct world *world, const char *grant, const char *config)
{
	world_start(world, config);
	lease_add_credential(world);
	lease_issue_later(world, grant, session);
}

/* "METHOD", "aws/alpha/key"; the number of the exchange. */
static uint64_t
ask_with(struct world *world, const char *method, const char *target,
    const char *query, const char *service)
{
	const struct crb_msg_exchange exchange = {
		.exchange = ++last_exchange,
		.session = CRB_SLICE(session),
		.route = CRB_ROUTE_HTTP,
		.method = CRB_SLICE(method),
		.target = CRB_SLICE(target),
		.query = CRB_SLICE(query),
		.has_query = 1,
		.service = CRB_SLICE(service),
		.region = CRB_SLICE("eu-west-1"),
	};

	world_gateway_says(world, CRB_MSG_EXCHANGE, &exchange);
	return last_exchange;
}

static uint64_t
ask(struct world *world, const char *method, const char *target,
    const char *service)
{
	return ask_with(world, method, target, "versionId=1", service);
}

static void
hear_allowed(struct world *world, uint64_t exchange)
{
	const struct crb_msg *msg = world_hear(world, CRB_MSG_VERDICT);

	assert_true(msg->verdict.exchange == exchange);
	if (!msg->verdict.allowed)
		fail_msg("%.*s", (int)msg->verdict.detail.len,
		    msg->verdict.detail.p);
	slice_equal(msg->verdict.origin, "https://" HOST);
}

static void
hear_refused(
    struct world *world, uint64_t exchange, unsigned status, const char *says)
{
	const struct crb_msg *msg = world_hear(world, CRB_MSG_VERDICT);

	assert_true(msg->verdict.exchange == exchange);
	assert_int_equal(msg->verdict.allowed, 0);
	if (msg->verdict.status != status ||
	    memmem(msg->verdict.detail.p, msg->verdict.detail.len, says,
		strlen(says)) == NULL)
		fail_msg("%u %.*s", msg->verdict.status,
		    (int)msg->verdict.detail.len, msg->verdict.detail.p);
	assert_true(world_hears_no(world, CRB_MSG_JOB));
}

/* What goes to the egress are the session's keys, never the credential's. */
static void
a_request_waits_for_its_lease_and_goes_out_with_it(void **state)
{
	const struct crb_msg *msg;
	struct world world;
	uint64_t exchange;
	uint32_t mint;

	(void)state;
	begin(&world, INJECTED, NULL);
	exchange = ask(&world, "GET", "aws/alpha/a%20key", "s3");
	mint = lease_asked(&world);
	assert_true(world_hears_no(&world, CRB_MSG_VERDICT));
	lease_minted(&world, mint, KEYS, 3600);
	msg = world_hear(&world, CRB_MSG_JOB);
	slice_equal(msg->job.secret, KEYS);
	slice_equal(msg->job.host, HOST);
	slice_equal(msg->job.target, "/alpha/a%20key?versionId=1");
	slice_equal(msg->job.method, "GET");
	slice_equal(msg->job.service, "s3");
	slice_equal(msg->job.region, "eu-west-1");
	slice_equal(msg->job.content_type, "");
	assert_int_equal(msg->job.route, CRB_ROUTE_HTTP);
	assert_int_equal(msg->job.tls, 1);
	assert_int_equal(msg->job.port, 443);
	hear_allowed(&world, exchange);

	/* The next one has it already. */
	exchange = ask(&world, "PUT", "aws/alpha/b", "s3");
	slice_equal(world_hear(&world, CRB_MSG_JOB)->job.secret, KEYS);
	hear_allowed(&world, exchange);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	world_stop(&world);
}

static void
it_is_in_the_audit_log_with_host_service_and_region(void **state)
{
	CRB_AUTO_JSON json_t *events = NULL;
	struct world world;

	(void)state;
	begin(&world, INJECTED, NULL);
	(void)ask(&world, "GET", "aws/alpha/a%20key", "s3");
	lease_minted(&world, lease_asked(&world), KEYS, 3600);
	(void)world_hear(&world, CRB_MSG_JOB);
	events = lease_events(&world, "exchange.begin");
	assert_int_equal(json_array_size(events), 1);
	assert_string_equal(lease_text(events, 0, "request"),
	    "GET " HOST "/alpha/a%20key?versionId=1 (s3 eu-west-1)");
	assert_string_equal(lease_text(events, 0, "rule"), "grant 1");
	assert_string_equal(lease_text(events, 0, "credential"), "aws");
	world_stop(&world);
}

/* "...&policy" is another request than "...". */
static void
no_parameter_is_hidden_from_the_audit_log_behind_others(void **state)
{
	CRB_AUTO_JSON json_t *events = NULL;
	char query[600] = "x=";
	struct world world;

	(void)state;
	memset(query + 2, 'a', 500);
	memcpy(query + 502, "&policy&tagging=1", sizeof("&policy&tagging=1"));
	begin(&world, INJECTED, NULL);
	(void)ask_with(&world, "PUT", "aws/alpha", query, "s3");
	lease_minted(&world, lease_asked(&world), KEYS, 3600);
	(void)world_hear(&world, CRB_MSG_JOB);
	events = lease_events(&world, "exchange.begin");
	assert_string_equal(lease_text(events, 0, "request"),
	    "PUT " HOST "/alpha?x=aaaaaaaa...&policy&tagging=1 "
	    "[sha256 a9a2afaeae61a5e2] (s3 eu-west-1)");
	world_stop(&world);
}

/* A key of 1024 bytes has 3072 where each is encoded. */
static void
two_long_keys_differ_in_the_audit_log(void **state)
{
	CRB_AUTO_JSON json_t *events = NULL;
	char target[2048] = "aws/alpha/";
	struct world world;

	(void)state;
	memset(target + 10, 'k', 1500);
	begin(&world, INJECTED, NULL);
	(void)ask_with(&world, "GET", target, "", "s3");
	lease_minted(&world, lease_asked(&world), KEYS, 3600);
	(void)world_hear(&world, CRB_MSG_JOB);
	target[10 + 1499] = 'l';
	(void)ask_with(&world, "GET", target, "", "s3");
	(void)world_hear(&world, CRB_MSG_JOB);
	events = lease_events(&world, "exchange.begin");
	assert_int_equal(json_array_size(events), 2);
	assert_non_null(strstr(lease_text(events, 0, "request"), "kkk...?"));
	assert_string_not_equal(
	    lease_text(events, 0, "request"), lease_text(events, 1, "request"));
	world_stop(&world);
}

/* What was sent with the old secret, or to the old place, is not to go on. */
static void
a_changed_credential_ends_its_requests(void **state)
{
	struct world world;
	uint64_t exchange, job;

	(void)state;
	begin(&world, INJECTED, NULL);
	exchange = ask(&world, "GET", "aws/alpha/key", "s3");
	lease_minted(&world, lease_asked(&world), KEYS, 3600);
	job = world_hear(&world, CRB_MSG_JOB)->job.job;
	hear_allowed(&world, exchange);
	json_decref(world_call(&world, "credential.set",
	    json_pack("{s:s, s:{s:s}}", "name", "aws", "params", "region",
		"eu-central-1")));
	assert_true(
	    world_hear(&world, CRB_MSG_JOB_CANCEL)->job_cancel.job == job);
	world_stop(&world);
}

static void
without_a_lease_it_is_refused_with_the_reason(void **state)
{
	struct world world;
	uint64_t exchange;

	(void)state;
	begin(&world, INJECTED, NULL);
	exchange = ask(&world, "GET", "aws/alpha/key", "s3");
	lease_refused(&world, lease_asked(&world), "upstream_failed", 403,
	    "AccessDenied: no such role");
	hear_refused(&world, exchange, 502, "AccessDenied: no such role");
	/* The upstream was asked in vain a moment ago. */
	exchange = ask(&world, "GET", "aws/alpha/key", "s3");
	hear_refused(&world, exchange, 502, "AccessDenied: no such role");
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	world_stop(&world);
}

static void
only_what_is_granted_for_injection_is_injected(void **state)
{
	static const struct {
		const char *target, *service, *says;
		unsigned status;
	} cases[] = {
		{ "other/alpha/key", "s3", "other is not granted", 403 },
		{ "aws/alpha/key", "ec2", "ec2", 403 },
		{ "aws/alpha/key", "", "has to be signed", 400 },
		{ "aws/alpha/../key", "s3", "segment", 400 },
		{ "gh/alpha/key", "s3", "not one that signs", 403 },
	};
	struct world world;

	(void)state;
	begin(&world, INJECTED, NULL);
	world_add_credential(&world, "gh");
	json_decref(world_call(&world, "session.grant",
	    json_pack("{s:s, s:s}", "session", session, "grant",
		"gh:repository=acme/api")));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		hear_refused(&world,
		    ask(&world, "GET", cases[i].target, cases[i].service),
		    cases[i].status, cases[i].says);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	world_stop(&world);
}

static void
what_is_minted_is_not_injected(void **state)
{
	struct world world;

	(void)state;
	begin(&world, GRANT, NULL);
	hear_refused(&world, ask(&world, "GET", "aws/alpha/key", "s3"), 403,
	    "delivery=mint only");
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	world_stop(&world);
}

/* Its keys allow what any of the grants does, and it is told by the first. */
static void
a_dropped_grant_ends_requests_that_only_it_may_allow(void **state)
{
	struct world world;
	uint64_t exchange, job;

	(void)state;
	begin(&world, INJECTED, NULL);
	json_decref(world_call(&world, "session.grant",
	    json_pack("{s:s, s:s}", "session", session, "grant",
		"aws:actions=s3:GetObject,resources=arn:aws:s3:::beta/*,"
		"delivery=inject")));
	exchange = ask(&world, "GET", "aws/beta/key", "s3");
	lease_minted(&world, lease_asked(&world), KEYS, 3600);
	job = world_hear(&world, CRB_MSG_JOB)->job.job;
	hear_allowed(&world, exchange);
	json_decref(world_call(&world, "session.drop",
	    json_pack("{s:s, s:s}", "session", session, "grant", "2")));
	assert_true(
	    world_hear(&world, CRB_MSG_JOB_CANCEL)->job_cancel.job == job);
	world_stop(&world);
}

static void
one_whose_session_ends_meanwhile_is_not_sent(void **state)
{
	struct world world;
	uint64_t exchange;

	(void)state;
	begin(&world, INJECTED, NULL);
	exchange = ask(&world, "GET", "aws/alpha/key", "s3");
	(void)lease_asked(&world);
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	hear_refused(&world, exchange, 403, "revoked");
	world_stop(&world);
}

/* The number would be that of another's request. */
static void
one_whose_gateway_is_gone_is_forgotten(void **state)
{
	struct world world;
	uint32_t mint;

	(void)state;
	begin(&world, INJECTED, NULL);
	(void)ask(&world, "GET", "aws/alpha/key", "s3");
	mint = lease_asked(&world);
	world_lose_gateway(&world);
	lease_minted(&world, mint, KEYS, 3600);
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
	assert_true(world_hears_no(&world, CRB_MSG_VERDICT));
	/* Nothing is left of it that would count. */
	hear_allowed(&world, ask(&world, "GET", "aws/alpha/key", "s3"));
	world_stop(&world);
}

static void
those_that_wait_count_as_under_way(void **state)
{
	struct world world;
	uint64_t one, two, three;
	uint32_t mint;

	(void)state;
	begin(&world, INJECTED, "{\"exchanges_max\": 2}");
	one = ask(&world, "GET", "aws/alpha/1", "s3");
	mint = lease_asked(&world);
	two = ask(&world, "GET", "aws/alpha/2", "s3");
	three = ask(&world, "GET", "aws/alpha/3", "s3");
	hear_refused(&world, three, 429, "2 requests under way");
	lease_minted(&world, mint, KEYS, 3600);
	hear_allowed(&world, one);
	hear_allowed(&world, two);
	world_stop(&world);
}

static void
a_lock_refuses_what_waits(void **state)
{
	struct world world;
	uint64_t exchange;

	(void)state;
	begin(&world, INJECTED, NULL);
	exchange = ask(&world, "GET", "aws/alpha/key", "s3");
	(void)lease_asked(&world);
	json_decref(world_call(&world, "lock", json_object()));
	hear_refused(&world, exchange, 503, "locked");
	world_stop(&world);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_request_waits_for_its_lease_and_goes_out_with_it),
		cmocka_unit_test(
		    it_is_in_the_audit_log_with_host_service_and_region),
		cmocka_unit_test(
		    no_parameter_is_hidden_from_the_audit_log_behind_others),
		cmocka_unit_test(without_a_lease_it_is_refused_with_the_reason),
		cmocka_unit_test(
		    only_what_is_granted_for_injection_is_injected),
		cmocka_unit_test(what_is_minted_is_not_injected),
		cmocka_unit_test(two_long_keys_differ_in_the_audit_log),
		cmocka_unit_test(a_changed_credential_ends_its_requests),
		cmocka_unit_test(
		    a_dropped_grant_ends_requests_that_only_it_may_allow),
		cmocka_unit_test(one_whose_session_ends_meanwhile_is_not_sent),
		cmocka_unit_test(one_whose_gateway_is_gone_is_forgotten),
		cmocka_unit_test(those_that_wait_count_as_under_way),
		cmocka_unit_test(a_lock_refuses_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
