#include "broker/core/aws_environment.h"

#include "broker/core/credential.h"
#include "tests/unit/lease.h"

/*
 * What grants of keys of AWS come to; the variables themselves are tested with
 * what reads them.
 */
static struct world world;

static int
setup(void **state)
{
	(void)state;
	world_start(&world, NULL);
	lease_add_credential(&world);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

/* session.issue that mints later; mode or network NULL: not said. */
static json_t *
params_of(const char *grant, const char *mode, const char *network)
{
	json_t *params = lease_issue_params(grant);

	(void)json_object_set_new(params, "mint", json_string("later"));
	if (mode != NULL)
		(void)json_object_set_new(params, "aws", json_string(mode));
	if (network != NULL)
		(void)json_object_set_new(
		    params, "network", json_string(network));
	return params;
}

static json_t *
issue(const char *grant, const char *mode, const char *network)
{
	return world_call(
	    &world, "session.issue", params_of(grant, mode, network));
}

static const char *
delivery_of(const json_t *issued)
{
	const json_t *grants = json_object_get(
	    json_object_get(issued, "session"), "grants");

	return json_string_value(
	    json_object_get(json_array_get(grants, 0), "delivery"));
}

static const char *
mode_of(const json_t *issued)
{
	const json_t *aws = json_object_get(
	    json_object_get(issued, "session"), "aws");

	return json_string_value(json_object_get(aws, "mode"));
}

static void
the_network_decides_unless_somebody_does(void **state)
{
	static const struct {
		const char *grant, *mode, *network;
		const char *is, *delivery;
		size_t notes;
	} rows[] = {
		{ GRANT, NULL, NULL, "container", "mint", 0 },
		{ GRANT, NULL, "host", "container", "mint", 0 },
		{ GRANT, NULL, "none", "inject", "inject", 1 },
		{ GRANT, "inject", "host", "inject", "inject", 0 },
		{ GRANT, "container", "none", "container", "mint", 1 },
		{ GRANT, "imds", "host", "imds", "mint", 0 },
		{ GRANT, "process", NULL, "process", "mint", 0 },
		{ INJECTED, NULL, "host", "inject", "inject", 0 },
		{ INJECTED, NULL, "none", "inject", "inject", 1 },
		{ GRANT ",delivery=mint", NULL, "none", "container", "mint",
		    1 },
		/* That is a condition, and no word on the delivery. */
		{ GRANT ",conditions=StringLike(s3:prefix)=delivery=mint", NULL,
		    "none", "inject", "inject", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CRB_AUTO_JSON json_t *issued = issue(
		    rows[i].grant, rows[i].mode, rows[i].network);

		assert_string_equal(mode_of(issued), rows[i].is);
		assert_string_equal(delivery_of(issued), rows[i].delivery);
		assert_int_equal(
		    json_array_size(json_object_get(issued, "notes")),
		    rows[i].notes);
	}
}

static void
what_cannot_be_had_is_refused(void **state)
{
	static const struct {
		const char *grant, *mode, *network, *says;
	} rows[] = {
		{ INJECTED, "container", NULL, "delivery=inject" },
		{ INJECTED, "imds", NULL, "delivery=inject" },
		{ GRANT ",delivery=mint", "inject", NULL, "delivery=mint" },
		{ GRANT, "CONTAINER", NULL, "container" },
		{ GRANT, NULL, "some", "network" },
		{ "gh:repository=acme/api", "container", NULL, "no grant" },
	};

	(void)state;
	world_add_credential(&world, "gh");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		world_call_fails(&world, "session.issue",
		    params_of(rows[i].grant, rows[i].mode, rows[i].network),
		    "invalid_request", rows[i].says);
	assert_int_equal(world.core->sessions.count, 0);
}

static struct crb_session *
session_of(const json_t *issued)
{
	const char *id = json_string_value(
	    json_object_get(json_object_get(issued, "session"), "id"));

	return crb_map_text(&world.core->sessions, id);
}

static void
only_imds_is_told_to_the_gateway(void **state)
{
	static const char *const others[] = { "container", "process", "inject",
		NULL };
	struct crb_aws_imds imds;
	CRB_AUTO_JSON json_t *issued = issue(GRANT, "imds", NULL);

	(void)state;
	assert_true(crb_aws_imds(session_of(issued), &imds));
	assert_string_equal(imds.credential, "aws");
	assert_string_equal(imds.region, "eu-west-1");
	assert_string_equal(imds.account, "123456789012");
	for (size_t i = 0; others[i] != NULL; i++) {
		CRB_AUTO_JSON json_t *other = issue(GRANT, others[i], NULL);

		assert_false(crb_aws_imds(session_of(other), &imds));
	}
}

static struct crb_credential *
credential(void)
{
	return crb_map_text(&world.core->credentials, "aws");
}

static void
set_param(const char *key, const char *value)
{
	assert_int_equal(
	    json_object_set_new(credential()->params, key, json_string(value)),
	    0);
}

static void
an_account_is_what_an_arn_has_in_its_place(void **state)
{
	static const char *const none[] = { "arn:aws:iam:::role/agent",
		"arn:aws:iam::12345678901234567:role/agent",
		"arn:aws:iam::12a:role/agent", "arn:aws:iam", "" };
	CRB_AUTO_JSON json_t *issued = issue(GRANT, "imds", NULL);
	struct crb_aws_imds imds;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		set_param("role-arn", none[i]);
		assert_true(crb_aws_imds(session_of(issued), &imds));
		assert_string_equal(imds.account, "");
	}
}

static void
the_config_is_written_for_its_way_only(void **state)
{
	char text[1024] = "";

	(void)state;
	json_decref(issue(GRANT, NULL, NULL));
	assert_int_equal(world.config_fd, -1);
	json_decref(issue(GRANT, "process", NULL));
	assert_int_not_equal(world.config_fd, -1);
	(void)lseek(world.config_fd, 0, SEEK_SET);
	assert_true(read(world.config_fd, text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "exec credbroker-aws aws'\n"));
	/* Nothing of what is stored is in it. */
	assert_null(strstr(text, LONG_LIVED));
}

/* Whatever let it into the parameters. */
static void
no_parameter_becomes_a_line_of_the_config(void **state)
{
	struct crb_err err = { .msg = "" };
	CRB_AUTO_JSON json_t *issued = issue(GRANT, "process", NULL);
	CRB_AUTO_JSON json_t *environment = json_object();
	char *config = NULL;

	(void)state;
	set_param("region", "x\n[profile evil]");
	assert_int_equal(crb_aws_environment(session_of(issued), "http://a",
			     environment, &config, &err),
	    CRB_ERR_INVALID);
	assert_null(config);
}

static void
the_way_is_the_records(void **state)
{
	struct crb_aws_imds imds;
	CRB_AUTO_JSON json_t *issued = issue(GRANT, "imds", NULL);
	CRB_AUTO_JSON json_t *shown = NULL;
	const char *id = json_string_value(
	    json_object_get(json_object_get(issued, "session"), "id"));

	(void)state;
	world_restart(&world);
	shown = world_call(
	    &world, "session.show", json_pack("{s:s}", "session", id));
	assert_string_equal(mode_of(shown), "imds");
	assert_true(
	    crb_aws_imds(crb_map_text(&world.core->sessions, id), &imds));
	assert_string_equal(imds.credential, "aws");
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(the_network_decides_unless_somebody_does),
		IN_WORLD(what_cannot_be_had_is_refused),
		IN_WORLD(only_imds_is_told_to_the_gateway),
		IN_WORLD(an_account_is_what_an_arn_has_in_its_place),
		IN_WORLD(the_config_is_written_for_its_way_only),
		IN_WORLD(no_parameter_becomes_a_line_of_the_config),
		IN_WORLD(the_way_is_the_records),
	};

	crb_json_use_slab();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
