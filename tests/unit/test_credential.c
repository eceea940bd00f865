#include "broker/core/credential.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "tests/fakes/world.h"

static struct crb_credential *
make(void)
{
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	CRB_AUTO_JSON json_t *params = json_pack("{s:[s,s], s:s, s:s}", "hosts",
	    "git.test", "git.test:8443", "auth", "bearer", "network",
	    "private");
	struct crb_credential *credential;
	struct crb_err err;

	assert_ok(crb_secret_copy("s3cret", 6, &secret, &err));
	assert_ok(crb_credential_new(
	    "gh", "static", params, &secret, &credential, &err));
	assert_null(secret);
	return credential;
}

static void
a_record_gives_back_what_was_stored(void **state)
{
	CRB_AUTO_CREDENTIAL struct crb_credential *credential = make();
	CRB_AUTO_CREDENTIAL struct crb_credential *loaded = NULL;
	CRB_AUTO_JSON json_t *record = crb_credential_record(credential);
	CRB_AUTO_SECRET struct crb_secret *plain = NULL;
	char *text = crb_json_text(record);
	struct crb_err err;

	(void)state;
	credential->used = 77;
	assert_ok(crb_secret_copy(text, strlen(text), &plain, &err));
	crb_json_text_free(text);
	assert_ok(
	    crb_credential_load(&credential->record, plain, &loaded, &err));
	assert_string_equal(loaded->name, "gh");
	assert_ptr_equal(loaded->backend, credential->backend);
	assert_true(json_equal(loaded->params, credential->params));
	assert_string_equal(crb_secret_bytes(loaded->secret), "s3cret");
	assert_true(loaded->created == credential->created);
	assert_memory_equal(
	    &loaded->record, &credential->record, sizeof(loaded->record));
	assert_int_equal(loaded->route.count, 2);
}

static void
what_is_shown_has_no_secret(void **state)
{
	CRB_AUTO_CREDENTIAL struct crb_credential *credential = make();
	CRB_AUTO_JSON json_t *shown = crb_credential_shown(credential);
	char *text = crb_json_text(shown);

	(void)state;
	assert_null(strstr(text, "s3cret"));
	assert_non_null(strstr(text, "git.test:8443"));
	crb_json_text_free(text);
}

static void
an_origin_is_found_by_the_whole_authority(void **state)
{
	CRB_AUTO_CREDENTIAL struct crb_credential *credential = make();

	(void)state;
	assert_int_equal(
	    crb_credential_origin(credential, "git.test")->port, 443);
	assert_int_equal(
	    crb_credential_origin(credential, "git.test:8443")->port, 8443);
	assert_null(crb_credential_origin(credential, "git.test:443"));
	assert_null(crb_credential_origin(credential, "git.tes"));
	assert_null(crb_credential_origin(credential, "git.test.evil"));
	assert_null(crb_credential_origin(credential, "GIT.test"));
	assert_null(crb_credential_origin(credential, ""));
}

static void
refused(const char *name, const char *backend, const char *params,
    const char *text, enum crb_status status)
{
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	CRB_AUTO_JSON json_t *json = json_loads(params, 0, NULL);
	struct crb_credential *credential = NULL;
	struct crb_err err;

	assert_ok(crb_secret_copy(text, strlen(text), &secret, &err));
	assert_fails(
	    crb_credential_new(name, backend, json, &secret, &credential, &err),
	    status);
	assert_null(credential);
	assert_non_null(secret);
	if (text[0] != '\0')
		assert_null(strstr(err.msg, text));
}

static void
bad_ones_are_refused_without_repeating_the_secret(void **state)
{
	static const char good[] = "{\"hosts\":\"git.test\"}";

	(void)state;
	refused("Bad Name", "static", good, "s3cret", CRB_ERR_INVALID);
	refused("", "static", good, "s3cret", CRB_ERR_INVALID);
	refused("x", "nosuch", good, "s3cret", CRB_ERR_NOT_FOUND);
	refused("x", "static", "{}", "s3cret", CRB_ERR_INVALID);
	refused("x", "static", "{\"hosts\":\"a\",\"more\":1}", "s3cret",
	    CRB_ERR_INVALID);
	refused("x", "static", good, "", CRB_ERR_INVALID);
	refused("x", "static", good, "two\nlines", CRB_ERR_INVALID);
}

static void
a_long_parameter_is_shown_by_its_length(void **state)
{
	CRB_AUTO_CREDENTIAL struct crb_credential *credential = make();
	char ca[2000];

	(void)state;
	memset(ca, 'A', sizeof(ca) - 1);
	ca[sizeof(ca) - 1] = '\0';
	(void)json_object_set_new(credential->params, "ca", json_string(ca));
	CRB_AUTO_JSON json_t *shown = crb_credential_shown(credential);

	assert_string_equal(json_string_value(json_object_get(
				json_object_get(shown, "params"), "ca")),
	    "(1999 bytes)");
}

static void
set(struct world *world, json_t *change)
{
	(void)json_object_set_new(change, "name", json_string("gh"));
	json_decref(world_call(world, "credential.set", change));
}

static json_t *
job_params(struct world *world, const char *session, const char *secret)
{
	const struct crb_msg *msg;
	json_t *params;

	(void)world_git(world, session, "GET", "git.test/acme/api/info/refs",
	    "service=git-upload-pack");
	msg = world_hear(world, CRB_MSG_JOB);
	assert_true(crb_slice_is(msg->job.secret, secret));
	params = json_loadb(msg->job.params.p, msg->job.params.len, 0, NULL);
	assert_non_null(params);
	return params;
}

static void
a_changed_secret_is_the_next_requests(void **state)
{
	char session[CRB_SESSION_ID_MAX + 1];
	struct world world;
	json_t *params;

	(void)state;
	world_start(&world, NULL);
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/api", session);
	json_decref(job_params(&world, session, "hunter2-hunter2"));
	set(&world, json_pack("{s:s}", "secret", "another"));
	params = job_params(&world, session, "another");
	assert_string_equal(
	    json_string_value(json_object_get(params, "username")), "robot");
	json_decref(params);
	set(&world,
	    json_pack(
		"{s:{s:s, s:n}}", "params", "auth", "bearer", "username"));
	params = job_params(&world, session, "another");
	assert_string_equal(
	    json_string_value(json_object_get(params, "auth")), "bearer");
	assert_null(json_object_get(params, "username"));
	assert_non_null(json_object_get(params, "hosts"));
	json_decref(params);
	world_restart(&world);
	json_decref(job_params(&world, session, "another"));
	world_call_fails(&world, "credential.set",
	    json_pack("{s:s}", "name", "gh"), "invalid_request", "nothing");
	world_call_fails(&world, "credential.add",
	    json_pack("{s:s, s:s, s:s, s:{s:s}}", "name", "gh", "backend",
		"static", "secret", "x", "params", "hosts", "h.test"),
	    "exists", "credential set");
	world_stop(&world);
}

static void
one_in_use_is_removed_by_force_only(void **state)
{
	char session[CRB_SESSION_ID_MAX + 1];
	const struct crb_msg *msg;
	struct world world;

	(void)state;
	world_start(&world, NULL);
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/api", session);
	world_call_fails(&world, "credential.remove",
	    json_pack("{s:s}", "name", "gh"), "exists", "1 live sessions");
	json_decref(world_call(&world, "credential.remove",
	    json_pack("{s:s, s:b}", "name", "gh", "force", 1)));
	(void)world_git(&world, session, "GET", "git.test/acme/api/info/refs",
	    "service=git-upload-pack");
	msg = world_hear(&world, CRB_MSG_VERDICT);
	assert_int_equal(msg->verdict.allowed, 0);
	world_call_fails(&world, "credential.show",
	    json_pack("{s:s}", "name", "gh"), "not_found", "");
	world_restart(&world);
	world_call_fails(&world, "credential.show",
	    json_pack("{s:s}", "name", "gh"), "not_found", "");
	world_stop(&world);
}

/* Else what it was granted of one would become a grant of another. */
static void
a_name_that_sessions_still_have_is_not_given_to_another(void **state)
{
	char session[CRB_SESSION_ID_MAX + 1];
	struct world world;

	(void)state;
	world_start(&world, NULL);
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/api", session);
	json_decref(world_call(&world, "credential.remove",
	    json_pack("{s:s, s:b}", "name", "gh", "force", 1)));
	for (int i = 0; i < 2; i++) {
		world_call_fails(&world, "credential.add",
		    json_pack("{s:s, s:s, s:s, s:{s:s}}", "name", "gh",
			"backend", "static", "secret", "x", "params", "hosts",
			"h.test"),
		    "exists", "1 live sessions");
		world_restart(&world);
	}
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	world_add_credential(&world, "gh");
	world_stop(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_gives_back_what_was_stored),
		cmocka_unit_test(what_is_shown_has_no_secret),
		cmocka_unit_test(an_origin_is_found_by_the_whole_authority),
		cmocka_unit_test(
		    bad_ones_are_refused_without_repeating_the_secret),
		cmocka_unit_test(a_long_parameter_is_shown_by_its_length),
		cmocka_unit_test(a_changed_secret_is_the_next_requests),
		cmocka_unit_test(one_in_use_is_removed_by_force_only),
		cmocka_unit_test(
		    a_name_that_sessions_still_have_is_not_given_to_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
