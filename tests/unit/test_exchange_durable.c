/*
 * Requests that a policy wants on the disk before they go upstream: what waits
 * for the disk, what becomes of it meanwhile, and when the disk fails.
 */
#include <stdatomic.h>

#include "base/cleanup.h"
#include "broker/core/exchange_hold.h"
#include "broker/vault/vault.h"
#include "tests/fakes/world.h"

enum crb_status __real_crb_vault_write(
    struct crb_vault *vault, struct crb_txn *txn, struct crb_err *err);
enum crb_status __wrap_crb_vault_write(
    struct crb_vault *vault, struct crb_txn *txn, struct crb_err *err);

/* The disk: it may take its time, and it may fail. */
static atomic_bool disk_holds, disk_fails;
static atomic_int disk_lets; /* so many through, before it holds */
static atomic_uint disk_writes;

enum crb_status
__wrap_crb_vault_write(
    struct crb_vault *vault, struct crb_txn *txn, struct crb_err *err)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	(void)atomic_fetch_add(&disk_writes, 1);
	if (!atomic_load(&disk_holds) || atomic_fetch_sub(&disk_lets, 1) <= 0)
		while (atomic_load(&disk_holds))
			(void)nanosleep(&moment, NULL);
	if (atomic_load(&disk_fails))
		return crb_err_set(err, CRB_ERR_SYSTEM, "the disk is broken");
	return __real_crb_vault_write(vault, txn, err);
}

#define FETCH "service=git-upload-pack"
#define TEAM(rules) \
	"{\"tier\": \"team\", \"name\": \"web\", \"rules\": [" rules "]}"
#define RULE(id, effect, more) \
	"{\"id\": \"" id "\", \"effect\": \"" effect "\"" more "}"
#define ALL RULE("all", "allow", "")
#define API ", \"scope\": {\"repository\": [\"acme/api\"]}"
#define DURABLE API ", \"durable\": true"
#define MAIN ", \"scope\": {\"ref\": [\"refs/heads/main\"]}, \"durable\": true"

static struct world world;
static char session[CRB_SESSION_ID_MAX + 1];

static void
enforce(const char *team)
{
	world.policy[CRB_POLICY_TEAM] = team;
	json_decref(world_call(&world, "policy.reload", NULL));
}

static int
start(void **state)
{
	(void)state;
	world_start(&world, "{\"approval_wait\": \"60s\"}");
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/*,git=fetch+push", session);
	enforce(TEAM(ALL ", " RULE("api", "allow", DURABLE)));
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	atomic_store(&disk_holds, false);
	atomic_store(&disk_fails, false);
	atomic_store(&disk_lets, 0);
	world_stop(&world);
	return 0;
}

static uint64_t
fetch(const char *repository)
{
	char target[128];

	(void)snprintf(
	    target, sizeof(target), "git.test/acme/%s/info/refs", repository);
	return world_git(&world, session, "GET", target, FETCH);
}

static json_t *
events(const char *event)
{
	CRB_AUTO_JSON json_t *result = world_call(
	    &world, "audit.show", json_pack("{s:s}", "event", event));

	return json_incref(json_object_get(result, "events"));
}

static size_t
count(const char *event)
{
	CRB_AUTO_JSON json_t *list = events(event);

	return json_array_size(list);
}

/* Of the only event of this name. */
static void
event_says(const char *event, const char *key, const char *text)
{
	CRB_AUTO_JSON json_t *list = events(event);
	const char *value = json_string_value(
	    json_object_get(json_array_get(list, 0), key));

	assert_int_equal(json_array_size(list), 1);
	assert_non_null(value);
	assert_string_equal(value, text);
}

/* It is with the disk, and nothing of it has gone anywhere. */
static void
waits_for_the_disk(unsigned writes)
{
	for (int i = 0; i < 20000 && atomic_load(&disk_writes) == writes; i++)
		world_turn(&world);
	assert_int_not_equal(atomic_load(&disk_writes), writes);
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
	assert_true(world_hears_no(&world, CRB_MSG_VERDICT));
	assert_int_equal(count("exchange.begin"), 0);
	assert_false(TAILQ_EMPTY(&world.core->holds));
}

/* One that waits for the disk, which takes its time. */
static uint64_t
held_fetch(void)
{
	unsigned writes = atomic_load(&disk_writes);
	uint64_t exchange;

	atomic_store(&disk_holds, true);
	exchange = fetch("api");
	waits_for_the_disk(writes);
	return exchange;
}

static void
is_refused(const char *code)
{
	const struct crb_msg *msg = world_hear(&world, CRB_MSG_VERDICT);

	assert_int_equal(msg->verdict.allowed, 0);
	slice_equal(msg->verdict.code, code);
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
	assert_true(TAILQ_EMPTY(&world.core->holds));
}

static void
it_goes_upstream_when_its_line_is_on_the_disk(void **state)
{
	CRB_AUTO_JSON json_t *list = NULL;
	const struct crb_msg *msg;
	uint64_t exchange, job;

	(void)state;
	exchange = held_fetch();
	atomic_store(&disk_holds, false);
	job = world_hear(&world, CRB_MSG_JOB)->job.job;
	msg = world_hear(&world, CRB_MSG_VERDICT);
	assert_int_equal(msg->verdict.allowed, 1);
	assert_true(msg->verdict.exchange == exchange);
	assert_true(msg->verdict.job == job);
	list = events("exchange.begin");
	assert_int_equal(json_array_size(list), 1);
	assert_true((uint64_t)json_integer_value(json_object_get(
			json_array_get(list, 0), "exchange")) == job);
	event_says("exchange.begin", "request",
	    "GET git.test/acme/api/info/refs?" FETCH);
	assert_int_equal(count("exchange.end"), 0);
	assert_true(TAILQ_EMPTY(&world.core->holds));
}

static void
what_no_rule_wants_there_does_not_wait(void **state)
{
	(void)state;
	atomic_store(&disk_holds, true);
	(void)fetch("web");
	(void)world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_VERDICT)->verdict.allowed, 1);
}

/* One is with the disk; the others are together in the one after it. */
static void
those_of_one_moment_share_a_commit(void **state)
{
	unsigned before;

	(void)state;
	(void)held_fetch();
	before = atomic_load(&disk_writes);
	for (unsigned i = 0; i < 8; i++)
		(void)fetch("api");
	for (unsigned i = 0; i < 100; i++)
		world_turn(&world);
	atomic_store(&disk_holds, false);
	for (unsigned i = 0; i < 9; i++)
		(void)world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(atomic_load(&disk_writes), before + 1);
	assert_int_equal(count("exchange.begin"), 9);
}

static void
when_the_disk_fails_nothing_goes_upstream(void **state)
{
	(void)state;
	(void)held_fetch();
	atomic_store(&disk_fails, true);
	atomic_store(&disk_holds, false);
	is_refused("audit_unavailable");
	/* And nothing does until a commit works again. */
	(void)fetch("web");
	is_refused("audit_unavailable");
	assert_int_equal(count("exchange.begin"), 0);
	assert_int_equal(count("exchange.end"), 0);
	atomic_store(&disk_fails, false);
	for (int i = 0; i < 20000 && world.core->commit_failed; i++)
		world_turn(&world);
	(void)fetch("api");
	(void)world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(count("exchange.begin"), 1);
}

static void
a_session_that_ends_meanwhile_sends_nothing(void **state)
{
	(void)state;
	(void)held_fetch();
	world_send(&world, "revoke", json_pack("{s:s}", "session", session));
	for (unsigned i = 0; i < 100; i++)
		world_turn(&world);
	atomic_store(&disk_holds, false);
	is_refused("session_revoked");
	json_decref(world_receive(&world));
	assert_int_equal(count("exchange.begin"), 1);
	event_says("exchange.end", "outcome", "cancelled");
	event_says("exchange.end", "task", "fix-1");
}

/*
 * A policy and then a request are in one transaction, so that the policy is in
 * force when the request's line is durable; `code` says what comes of it.
 */
static void
changes_to(const char *team, const char *code)
{
	(void)held_fetch();
	world.policy[CRB_POLICY_TEAM] = team;
	world_send(&world, "policy.reload", NULL);
	for (unsigned i = 0; i < 100; i++)
		world_turn(&world);
	(void)fetch("api");
	for (unsigned i = 0; i < 100; i++)
		world_turn(&world);
	atomic_store(&disk_holds, false);
	(void)world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_VERDICT)->verdict.allowed, 1);
	is_refused(code);
	json_decref(world_receive(&world));
	assert_int_equal(count("exchange.begin"), 2);
	event_says("exchange.end", "outcome", "cancelled");
}

static void
a_policy_that_denies_by_then_denies(void **state)
{
	(void)state;
	changes_to(TEAM(RULE("none", "deny", "")), "policy_denied");
}

/* What the line says would not be so. */
static void
another_rule_by_then_is_another_line(void **state)
{
	(void)state;
	changes_to(TEAM(RULE("some", "allow", DURABLE)), "exists");
}

/* The disk is done with it, and both lines are there. */
static void
was_for_nothing(void)
{
	atomic_store(&disk_holds, false);
	for (int i = 0; i < 20000 && count("exchange.end") == 0; i++)
		world_turn(&world);
	assert_int_equal(count("exchange.begin"), 1);
	event_says("exchange.end", "outcome", "cancelled");
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
}

static void
a_gateway_that_is_gone_is_sent_nothing(void **state)
{
	(void)state;
	(void)held_fetch();
	world_lose_gateway(&world);
	assert_true(TAILQ_EMPTY(&world.core->holds));
	was_for_nothing();
}

static void
a_client_that_leaves_meanwhile_sends_nothing(void **state)
{
	const struct crb_msg_withdrawn msg = { .exchange = held_fetch(),
		.code = CRB_SLICE(""),
		.detail = CRB_SLICE("") };

	(void)state;
	world_gateway_says(&world, CRB_MSG_WITHDRAWN, &msg);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_VERDICT)->verdict.allowed, 0);
	assert_true(TAILQ_EMPTY(&world.core->holds));
	was_for_nothing();
}

/* The core ends while the disk has it: the log has both, and no job was sent.
 */
static void
a_core_that_ends_leaves_both_lines(void **state)
{
	(void)state;
	(void)held_fetch();
	atomic_store(&disk_holds, false);
	world_restart(&world);
	assert_int_equal(count("exchange.begin"), count("exchange.end"));
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
}

static void
the_id(char out[CRB_APPROVAL_ID_LEN + 1])
{
	CRB_AUTO_JSON json_t *list = NULL;
	const char *id = NULL;

	for (int i = 0; i < 20000 && id == NULL; i++) {
		json_decref(list);
		list = world_call(&world, "approval.list", NULL);
		id = json_string_value(json_object_get(
		    json_array_get(json_object_get(list, "approvals"), 0),
		    "id"));
	}
	assert_non_null(id);
	(void)snprintf(out, CRB_APPROVAL_ID_LEN + 1, "%s", id);
}

/* One that somebody approves, once that is on the disk. */
static void
held_approved(char id[CRB_APPROVAL_ID_LEN + 1])
{
	unsigned writes;

	enforce(TEAM(RULE("api", "ask", DURABLE)));
	(void)fetch("api");
	the_id(id);
	writes = atomic_load(&disk_writes) + 1;
	atomic_store(&disk_lets, 1);
	atomic_store(&disk_holds, true);
	json_decref(world_call(
	    &world, "approval.approve", json_pack("{s:s}", "approval", id)));
	waits_for_the_disk(writes);
	assert_int_equal(count("approval.use"), 1);
}

static void
what_was_approved_waits_too(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1], detail[32];

	(void)state;
	held_approved(id);
	atomic_store(&disk_holds, false);
	(void)world_hear(&world, CRB_MSG_JOB);
	(void)snprintf(detail, sizeof(detail), "approval %s", id);
	event_says("exchange.begin", "detail", detail);
	assert_int_equal(count("approval.use"), 1);
	assert_int_equal(count("approval.return"), 0);
	/* Once. */
	(void)fetch("api");
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
}

static void
an_approval_for_nothing_is_given_back(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];

	(void)state;
	held_approved(id);
	world_lose_gateway(&world);
	atomic_store(&disk_holds, false);
	for (int i = 0; i < 20000 && count("approval.return") == 0; i++)
		world_turn(&world);
	assert_int_equal(count("approval.return"), 1);
	event_says("exchange.end", "outcome", "cancelled");
	(void)fetch("api");
	(void)world_hear(&world, CRB_MSG_JOB);
}

#define OID "0123456789012345678901234567890123456789"

static void
push(const char *ref)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(1024);
	uint64_t exchange = world_git(&world, session, "POST",
	    "git.test/acme/web.git/git-receive-pack", NULL);

	crb_buf_printf(&text, "%04zx" OID " " OID " %s",
	    4 + 2 * strlen(OID) + 2 + strlen(ref) + 1 +
		strlen(" report-status"),
	    ref);
	crb_buf_char(&text, '\0');
	crb_buf_str(&text, " report-status0000");
	(void)world_hear(&world, CRB_MSG_NEED);
	world_gateway_says(&world, CRB_MSG_SHOWN,
	    &(struct crb_msg_shown){ .exchange = exchange,
		.what = CRB_NEED_COMMANDS,
		.last = 1,
		.data = { text.data, text.len },
		.hash = CRB_SLICE(""),
		.type = CRB_SLICE("") });
}

/* By its refs, and not by those of another push. */
static void
a_push_waits_when_one_of_its_refs_is_wanted_there(void **state)
{
	unsigned writes;

	(void)state;
	enforce(TEAM(ALL ", " RULE("main", "allow", MAIN)));
	atomic_store(&disk_holds, true);
	push("refs/heads/agent/x");
	(void)world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_VERDICT)->verdict.allowed, 1);
	assert_int_equal(count("exchange.begin"), 1);
	writes = atomic_load(&disk_writes);
	push("refs/heads/main");
	for (int i = 0; i < 20000 && atomic_load(&disk_writes) == writes; i++)
		world_turn(&world);
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
	assert_int_equal(count("exchange.begin"), 1);
	atomic_store(&disk_holds, false);
	(void)world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(count("exchange.begin"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_goes_upstream_when_its_line_is_on_the_disk),
		TEST(what_no_rule_wants_there_does_not_wait),
		TEST(those_of_one_moment_share_a_commit),
		TEST(when_the_disk_fails_nothing_goes_upstream),
		TEST(a_session_that_ends_meanwhile_sends_nothing),
		TEST(a_policy_that_denies_by_then_denies),
		TEST(another_rule_by_then_is_another_line),
		TEST(a_gateway_that_is_gone_is_sent_nothing),
		TEST(a_client_that_leaves_meanwhile_sends_nothing),
		TEST(a_core_that_ends_leaves_both_lines),
		TEST(what_was_approved_waits_too),
		TEST(an_approval_for_nothing_is_given_back),
		TEST(a_push_waits_when_one_of_its_refs_is_wanted_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
