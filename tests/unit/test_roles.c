#include "broker/core/roles.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "tests/unit/unit.h"

static struct crb_roles *roles;
static struct crb_err err;

static bool
look_up(bool group, const char *name, uint32_t *id)
{
	static const struct {
		bool group;
		const char *name;
		uint32_t id;
	} all[] = {
		{ false, "alice", 1001 },
		{ false, "bob", 1002 },
		{ true, "ops", 2001 },
		{ true, "dev", 2002 },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].group == group && strcmp(all[i].name, name) == 0) {
			*id = all[i].id;
			return true;
		}
	return false;
}

/* The value of "roles" in a file of its own. */
static enum crb_status
read_roles(const char *text)
{
	const struct crb_roles_source source = { "c.json", text, strlen(text) };
	CRB_AUTO_JSON json_t *json = NULL;
	enum crb_status status;

	assert_ok(crb_json_parse(text, strlen(text), "c.json", &json, &err));
	status = crb_roles_parse(
	    json_object_get(json, "roles"), &source, &roles, &err);
	if (status == CRB_OK)
		status = crb_roles_resolve(roles, "c.json", look_up, &err);
	return status;
}

static int
clear(void **state)
{
	(void)state;
	crb_roles_free(roles);
	roles = NULL;
	return 0;
}

static const char all_roles[] =
    "{\"roles\": {\"admin\": [\"user:alice\", \"group:ops\"],\n"
    " \"issuer\": [{\"who\": [\"group:dev\"], \"profiles\": [\"web\"],"
    " \"credentials\": [\"github\", \"gitlab\"]},\n"
    "  {\"who\": [\"uid:1002\"], \"profiles\": [\"*\"]},\n"
    "  {\"who\": [\"uid:1005\"], \"credentials\": [\"*\"]}],\n"
    " \"approver\": [\"gid:3001\"], \"auditor\": [\"uid:1003\"]}}";

#define ALL (CRB_MAY_ADMIN | CRB_MAY_ANY)
#define NO_GROUP ((gid_t)9999)

static void
a_role_is_by_uid_or_group(void **state)
{
	static const struct {
		const char *who;
		uid_t uid;
		gid_t gid[2];
		unsigned may;
		uint64_t issuers;
	} peers[] = {
		{ "root", 0, { NO_GROUP, NO_GROUP }, ALL, 0 },
		{ "the owner", 500, { NO_GROUP, NO_GROUP }, ALL, 0 },
		{ "alice", 1001, { NO_GROUP, NO_GROUP }, ALL, 0 },
		{ "one of ops", 1111, { NO_GROUP, 2001 }, ALL, 0 },
		{ "one of dev", 1111, { 2002, NO_GROUP }, CRB_MAY_ISSUE, 1 },
		{ "bob", 1002, { NO_GROUP, NO_GROUP }, CRB_MAY_ISSUE, 2 },
		{ "bob in dev", 1002, { 2002, NO_GROUP }, CRB_MAY_ISSUE, 3 },
		{ "an approver", 1111, { 3001, NO_GROUP }, CRB_MAY_APPROVE, 0 },
		{ "an auditor", 1003, { NO_GROUP, NO_GROUP }, CRB_MAY_AUDIT,
		    0 },
		{ "an auditor of dev", 1003, { 2002, 3001 },
		    CRB_MAY_AUDIT | CRB_MAY_ISSUE | CRB_MAY_APPROVE, 1 },
		{ "nobody", 65534, { 65534, NO_GROUP }, 0, 0 },
		/* A uid is no gid, nor the other way. */
		{ "uid of ops", 2001, { NO_GROUP, NO_GROUP }, 0, 0 },
		{ "gid of alice", 1111, { 1001, 1003 }, 0, 0 },
		{ "gid of root", 1111, { 0, 500 }, 0, 0 },
	};

	(void)state;
	assert_int_equal(read_roles(all_roles), CRB_OK);
	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		const struct crb_identity peer = { peers[i].uid, peers[i].gid,
			2 };
		struct crb_access access;

		crb_roles_judge(roles, 500, &peer, &access);
		if (access.may != peers[i].may ||
		    access.issuers != peers[i].issuers)
			fail_msg("%s: may %u, issuers %llu", peers[i].who,
			    access.may, (unsigned long long)access.issuers);
	}
}

static void
without_roles_there_is_root_and_the_owner(void **state)
{
	static const uid_t uids[] = { 0, 500, 501, 65534 };

	(void)state;
	for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
		const gid_t gid = 0;
		const struct crb_identity peer = { uids[i], &gid, 1 };
		struct crb_access access;

		crb_roles_judge(NULL, 500, &peer, &access);
		assert_int_equal(access.may, i < 2 ? ALL : 0);
		assert_int_equal(crb_access_profile(&access, "web"), i < 2);
		assert_int_equal(crb_access_credential(&access, "x"), i < 2);
	}
}

static void
an_issuer_has_what_is_listed_for_it(void **state)
{
	static const struct {
		uid_t uid;
		gid_t gid;
		const char *profiles, *credentials; /* "web infra" */
	} cases[] = {
		{ 1111, 2002, " web ", " github gitlab " },
		{ 1002, NO_GROUP, " web infra ", " " },
		{ 1002, 2002, " web infra ", " github gitlab " },
		{ 1005, NO_GROUP, " ", " github gitlab aws " },
		{ 1003, NO_GROUP, " ", " " },
		{ 1001, NO_GROUP, " web infra ", " github gitlab aws " },
		{ 0, NO_GROUP, " web infra ", " github gitlab aws " },
	};
	static const char *const profiles[] = { "web", "infra" };
	static const char *const credentials[] = { "github", "gitlab", "aws" };

	(void)state;
	assert_int_equal(read_roles(all_roles), CRB_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct crb_identity peer = { cases[i].uid, &cases[i].gid,
			1 };
		struct crb_access access;
		char word[32];

		crb_roles_judge(roles, 0, &peer, &access);
		for (size_t k = 0; k < 2; k++) {
			(void)snprintf(word, sizeof(word), " %s ", profiles[k]);
			assert_int_equal(
			    crb_access_profile(&access, profiles[k]),
			    strstr(cases[i].profiles, word) != NULL);
		}
		for (size_t k = 0; k < 3; k++) {
			(void)snprintf(
			    word, sizeof(word), " %s ", credentials[k]);
			assert_int_equal(
			    crb_access_credential(&access, credentials[k]),
			    strstr(cases[i].credentials, word) != NULL);
		}
	}
}

static void
roles_are_named_as_people_do(void **state)
{
	char text[CRB_ROLES_TEXT];

	(void)state;
	crb_roles_text(ALL, text);
	assert_string_equal(text, "admin");
	crb_roles_text(CRB_MAY_ISSUE, text);
	assert_string_equal(text, "issuer");
	crb_roles_text(CRB_MAY_ISSUE | CRB_MAY_AUDIT, text);
	assert_string_equal(text, "issuer or auditor");
	crb_roles_text(CRB_MAY_ANY, text);
	assert_string_equal(text, "issuer, approver or auditor");
	crb_roles_text(0, text);
	assert_string_equal(text, "none");
}

/* What is wrong, on which line, and which words the message must have. */
static const struct {
	const char *text, *where, *word;
} bad[] = {
	{ "{\n\"roles\": []}", "c.json:2: roles:", "object" },
	{ "{\n\"roles\": null}", "c.json:2: roles:", "object" },
	{ "{\"roles\":\n {\"admins\": []}}", "c.json:2: roles:", "admins" },
	{ "{\"roles\":\n {\"\\u001b[2J\": []}}", "c.json:2", "\\x1b" },
	{ "{\"roles\": {\n\"admin\": \"user:alice\"}}",
	    "c.json:2: roles.admin:", "list" },
	{ "{\"roles\": {\"admin\": [\n\"alice\"]}}",
	    "c.json:2: roles.admin[0]:", "user:NAME" },
	{ "{\"roles\": {\"admin\": [\"uid:0\",\n7]}}",
	    "c.json:2: roles.admin[1]:", "user:NAME" },
	{ "{\"roles\": {\"admin\": [\n\"uid:\"]}}", "c.json:2", "number" },
	{ "{\"roles\": {\"admin\": [\n\"uid:-1\"]}}", "c.json:2", "number" },
	{ "{\"roles\": {\"admin\": [\n\"uid:4294967295\"]}}", "c.json:2",
	    "number" },
	{ "{\"roles\": {\"admin\": [\n\"gid:1x\"]}}", "c.json:2", "number" },
	{ "{\"roles\": {\"admin\": [\n\"user:\"]}}", "c.json:2", "name" },
	{ "{\"roles\": {\"admin\": [\n\"user:a:b\"]}}", "c.json:2", "name" },
	{ "{\"roles\": {\"admin\": [\n\"user:a b\"]}}", "c.json:2", "name" },
	{ "{\"roles\": {\"admin\": [\n\"group:a\\n\"]}}", "c.json:2", "name" },
	{ "{\"roles\": {\"admin\": [\n\"user:carol\"]}}", "c.json:2",
	    "/etc/passwd" },
	{ "{\"roles\": {\"auditor\": [\n\"group:alice\"]}}", "c.json:2",
	    "/etc/group" },
	{ "{\"roles\": {\"issuer\": [\n{\"who\": [\"user:carol\"],"
	  "\"profiles\": [\"web\"]}]}}",
	    "c.json:2", "/etc/passwd" },
	{ "{\"roles\": {\n\"issuer\": [\"uid:1\"]}}", "c.json:2: roles.issuer",
	    "object" },
	{ "{\"roles\": {\"issuer\": [\n{\"profiles\": [\"web\"]}]}}",
	    "c.json:2: roles.issuer[0]:", "who" },
	{ "{\"roles\": {\"issuer\": [\n{\"who\": [],"
	  "\"profiles\": [\"web\"]}]}}",
	    "c.json:2: roles.issuer[0]:", "who" },
	{ "{\"roles\": {\"issuer\": [\n{\"who\": [\"uid:1\"]}]}}",
	    "c.json:2: roles.issuer[0]:", "neither" },
	{ "{\"roles\": {\"issuer\": [\n{\"who\": [\"uid:1\"],"
	  "\"profiles\": [], \"credentials\": []}]}}",
	    "c.json:2: roles.issuer[0]:", "neither" },
	{ "{\"roles\": {\"issuer\": [{\"who\": [\"uid:1\"],"
	  "\n\"profiles\": [\"Web\"]}]}}",
	    "c.json:2: roles.issuer[0].profiles[0]:", "a-z" },
	{ "{\"roles\": {\"issuer\": [{\"who\": [\"uid:1\"],"
	  "\n\"credentials\": [\"a\", \"../b\"]}]}}",
	    "c.json:2: roles.issuer[0].credentials[1]:", "a-z" },
	{ "{\"roles\": {\"issuer\": [\n{\"who\": [\"uid:1\"],"
	  "\"grants\": [\"web\"]}]}}",
	    "c.json:2: roles.issuer[0]:", "grants" },
};

static void
what_is_wrong_is_named_by_file_line_and_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(read_roles(bad[i].text), CRB_ERR_INVALID);
		if (strncmp(err.msg, bad[i].where, strlen(bad[i].where)) != 0 ||
		    strstr(err.msg, bad[i].word) == NULL)
			fail_msg("%s: %s", bad[i].text, err.msg);
		/* The value is not repeated. */
		assert_null(strstr(err.msg, "carol"));
		(void)clear(NULL);
	}
}

static void
lists_have_a_bound(void **state)
{
	static char text[16384];
	size_t len;

	(void)state;
	len = (size_t)snprintf(text, sizeof(text), "{\"roles\":{\"admin\":[");
	for (int i = 0; i <= CRB_ROLES_MEMBERS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s\"uid:%d\"", i > 0 ? "," : "", i);
	(void)snprintf(text + len, sizeof(text) - len, "]}}");
	assert_int_equal(read_roles(text), CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, "more than 256"));
}

static void
others_are_whom_the_owner_is_not(void **state)
{
	static const struct {
		const char *text;
		bool others;
	} cases[] = {
		{ "{\"roles\": {}}", false },
		{ "{\"roles\": {\"admin\": [\"uid:0\", \"uid:500\"]}}", false },
		{ "{\"roles\": {\"admin\": [\"uid:501\"]}}", true },
		{ "{\"roles\": {\"auditor\": [\"user:alice\"]}}", true },
		{ "{\"roles\": {\"approver\": [\"gid:0\"]}}", true },
		{ "{\"roles\": {\"issuer\": [{\"who\": [\"uid:7\"], "
		  "\"profiles\": [\"web\"]}]}}",
		    true },
	};

	(void)state;
	assert_false(crb_roles_name_others(NULL, 500));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(read_roles(cases[i].text), CRB_OK);
		assert_int_equal(
		    crb_roles_name_others(roles, 500), cases[i].others);
		(void)clear(NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_role_is_by_uid_or_group, clear),
		cmocka_unit_test(without_roles_there_is_root_and_the_owner),
		cmocka_unit_test_teardown(
		    an_issuer_has_what_is_listed_for_it, clear),
		cmocka_unit_test(roles_are_named_as_people_do),
		cmocka_unit_test_teardown(
		    what_is_wrong_is_named_by_file_line_and_key, clear),
		cmocka_unit_test_teardown(lists_have_a_bound, clear),
		cmocka_unit_test_teardown(
		    others_are_whom_the_owner_is_not, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
