#include "broker/core/policies.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "broker/core/lease.h"
#include "broker/core/policies_impl.h"
#include "policy/signing_key.h"
#include "tests/unit/lease.h"

/* Another organization's key for a vault: when it counts, and what it ends. */
#define TEXT_MAX 1024

/* A key, and a policy that it has signed. */
struct signer {
	char line[CRB_POLICY_PIN_MAX], id[CRB_KEY_ID_TEXT];
	char policy[TEXT_MAX], signature[TEXT_MAX];
};

static struct world world;
static struct signer a, b;
static char session[CRB_SESSION_ID_MAX + 1];

static void
sign(struct signer *signer, int serial)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(TEXT_MAX);
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(TEXT_MAX - 1);
	CRB_AUTO_SIGNING_KEY struct crb_signing_key *key = NULL;
	struct crb_public_key public;
	struct crb_err err;

	assert_ok(crb_signing_key_new(&key, &err));
	crb_signing_key_public(key, &public);
	crb_key_id_text(public.id, signer->id);
	crb_public_key_line(&public, &line);
	(void)snprintf(
	    signer->line, sizeof(signer->line), "%s", crb_buf_text(&line));
	(void)snprintf(signer->policy, sizeof(signer->policy),
	    "{\"tier\": \"organization\", \"name\": \"o\", \"serial\": %d, "
	    "\"rules\": [{\"id\": \"all\", \"effect\": \"allow\"}]}",
	    serial);
	assert_ok(crb_signing_key_sign(
	    key, CRB_SLICE(signer->policy), "c", &text, &err));
	(void)snprintf(signer->signature, sizeof(signer->signature), "%s",
	    crb_buf_text(&text));
}

static void
lay(const struct signer *signer)
{
	world.policy[CRB_POLICY_ORGANIZATION] = signer->policy;
	world.policy[CRB_POLICY_SIGNATURE] = signer->signature;
}

static json_t *
params(const struct signer *signer, const struct signer *replaces)
{
	return json_pack("{s:s, s:s*}", "key", signer->line, "replaces",
	    replaces != NULL ? replaces->id : NULL);
}

static void
trust(const struct signer *signer, const struct signer *replaces)
{
	json_decref(
	    world_call(&world, "policy.trust", params(signer, replaces)));
}

static const struct crb_policies *
policies(void)
{
	return world.core->policies;
}

static int
setup(void **state)
{
	(void)state;
	world_start(&world, NULL);
	lease_add_credential(&world);
	sign(&a, 5);
	sign(&b, 6);
	lay(&a);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

/* No file can grow: nothing is recorded. */
static void
trust_unrecorded(const struct signer *signer, const struct signer *replaces)
{
	CRB_AUTO_JSON json_t *answer = NULL;
	struct rlimit was, small;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 1024;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	answer = world_ask(&world, "policy.trust", params(signer, replaces));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_non_null(json_object_get(answer, "error"));
	/* What failed may be there after all, and is written over. */
	assert_true(policies()->unsure);
	for (int i = 0; i < 20000 && policies()->unsure; i++)
		world_turn(&world);
	assert_false(policies()->unsure);
}

static void
a_key_that_cannot_be_recorded_is_not_sealed(void **state)
{
	CRB_AUTO_JSON json_t *shown = NULL;

	(void)state;
	trust(&a, NULL);
	lay(&b);
	trust_unrecorded(&b, &a);
	assert_string_equal(crb_policies_sealed(policies()), a.line);
	/* What was in force is. */
	shown = world_call(&world, "policy.show", NULL);
	assert_true(json_is_true(json_object_get(shown, "ready")));
	lease_issue(&world, 3600, session);
	/* Nor is it by what is tried again, or after a restart. */
	lay(&a);
	json_decref(world_call(&world, "policy.reload", NULL));
	assert_string_equal(crb_policies_sealed(policies()), a.line);
	world_restart(&world);
	assert_string_equal(crb_policies_sealed(policies()), a.line);
	lay(&b);
	trust(&b, &a);
	assert_string_equal(crb_policies_sealed(policies()), b.line);
}

static void
what_it_ends_has_ended_before_it_is_acknowledged(void **state)
{
	CRB_AUTO_JSON json_t *answer = NULL;
	const struct crb_msg *msg;
	json_t *ready;
	char c;

	(void)state;
	trust(&a, NULL);
	lease_issue(&world, 3600, session);
	world.hold_acks = true;
	world_send(&world, "policy.trust", params(&b, &a));
	msg = world_hear(&world, CRB_MSG_LEASE_DROP);
	assert_true(crb_slice_is(msg->lease_drop.session, session));
	for (int i = 0; i < 50; i++) {
		world_turn(&world);
		assert_int_equal(
		    recv(world.admin, &c, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	}
	world_gateway_says(&world, CRB_MSG_LEASE_DROPPED,
	    &(struct crb_msg_lease_dropped){
		.request = msg->lease_drop.request });
	answer = world_receive(&world);
	ready = json_object_get(json_object_get(answer, "result"), "ready");
	assert_true(json_is_false(ready));
	world_call_fails(&world, "session.issue", lease_issue_params(GRANT),
	    "policy_denied", "organization");
}

/* What was opened before is not what it is judged by. */
static void
it_waits_for_what_is_being_read(void **state)
{
	CRB_AUTO_JSON json_t *shown = NULL;

	(void)state;
	trust(&a, NULL);
	world.hold_policies = true;
	world_supervisor_says(
	    &world, CRB_MSG_RELOAD, &(struct crb_msg_reload){ 0 });
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	world_send(&world, "policy.trust", params(&b, &a));
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	assert_string_equal(crb_policies_sealed(policies()), a.line);
	lay(&b);
	world_release_policies(&world);
	json_decref(world_receive(&world));
	shown = world_call(&world, "policy.show", NULL);
	assert_true(json_is_true(json_object_get(shown, "ready")));
	assert_string_equal(crb_policies_sealed(policies()), b.line);
}

static void
a_lock_gives_up_what_was_not_sealed_yet(void **state)
{
	(void)state;
	trust(&a, NULL);
	world.hold_policies = true;
	world_supervisor_says(
	    &world, CRB_MSG_RELOAD, &(struct crb_msg_reload){ 0 });
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	world_send(&world, "policy.trust", params(&b, &a));
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	crb_policies_lock(world.core->policies);
	json_decref(world_receive(&world));
	world_release_policies(&world);
	world_restart(&world);
	assert_string_equal(crb_policies_sealed(policies()), a.line);
	lay(&b);
	trust(&b, &a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_key_that_cannot_be_recorded_is_not_sealed, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    what_it_ends_has_ended_before_it_is_acknowledged, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    it_waits_for_what_is_being_read, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_lock_gives_up_what_was_not_sealed_yet, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
