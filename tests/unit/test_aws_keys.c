#include "backends/aws_keys.h"

#include <stdbool.h>

#include "tests/unit/values.h"

#define CANARY "cAnArY/7f3e+9a51"

/* What people have, and what is stored of it. */
static const struct reading {
	const char *given;
	const char *stored;
} readings[] = {
	{ "AKID\nsecret", "AKID\nsecret" },
	{ "AKID\nsecret\n", "AKID\nsecret" },
	{ "\r\n AKID \r\n secret\r\n\r\n", "AKID\nsecret" },
	{ "AKID\nsecret\ntoken==", "AKID\nsecret\ntoken==" },
	{ "AKID\nse,cr=et", "AKID\nse,cr=et" },
	{ "{\"AccessKeyId\": \"AKID\", \"SecretAccessKey\": \"s/+\"}",
	    "AKID\ns/+" },
	{ "{\"Version\": 1, \"AccessKeyId\": \"AKID\", \"SecretAccessKey\":"
	  " \"s\", \"SessionToken\": \"t\", \"Expiration\": \"x\"}",
	    "AKID\ns\nt" },
	{ "{\"Code\": \"Success\", \"AccessKeyId\": \"AKID\","
	  " \"SecretAccessKey\": \"s\", \"Token\": \"t\"}",
	    "AKID\ns\nt" },
	{ "{\"AccessKey\": {\"UserName\": \"u\", \"AccessKeyId\": \"AKID\","
	  " \"Status\": \"Active\", \"SecretAccessKey\": \"s\"}}",
	    "AKID\ns" },
	{ "{\"Credentials\": {\"AccessKeyId\": \"AKID\","
	  " \"SecretAccessKey\": \"s\", \"SessionToken\": \"t\"},"
	  " \"AssumedRoleUser\": {}}",
	    "AKID\ns\nt" },
	{ "[default]\naws_access_key_id = AKID\naws_secret_access_key=s=\n"
	  "region = eu-west-1\n",
	    "AKID\ns=" },
	{ "# mine\n\n[x y]\nAWS_SECRET_ACCESS_KEY = s\n; c\n"
	  "aws_session_token= t\naws_access_key_id =AKID",
	    "AKID\ns\nt" },
	{ "export AWS_ACCESS_KEY_ID=\"AKID\"\nexport AWS_SECRET_ACCESS_KEY='s'"
	  "\nexport AWS_SESSION_TOKEN=t\n",
	    "AKID\ns\nt" },
	{ "AWS_ACCESS_KEY_ID=AKID\r\nAWS_SECRET_ACCESS_KEY=s\r\n", "AKID\ns" },
	{ "\xef\xbb\xbf"
	  "Access key ID,Secret access key\r\nAKID,s/+\r\n",
	    "AKID\ns/+" },
	{ "User name,Password,Access key ID,Secret access key,"
	  "Console login link\nu,,AKID,\"s\",https://x/console\n",
	    "AKID\ns" },
};

static void
keys_are_read_as_people_have_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(readings) / sizeof(*readings); i++) {
		CRB_AUTO_SECRET struct crb_secret *given = secret_of(
		    readings[i].given);
		CRB_AUTO_SECRET struct crb_secret *stored = NULL;
		struct crb_err err = { 0 };

		if (crb_aws_keys_given(given, &stored, &err) != CRB_OK)
			fail_msg("%s: %s", readings[i].given, err.msg);
		assert_string_equal(
		    crb_secret_bytes(stored), readings[i].stored);
	}
}

static const struct refusal {
	const char *given;
	const char *says;
} refusals[] = {
	{ "", "no keys" },
	{ " \n\t", "no keys" },
	{ "AKID", "no secret access key" },
	{ "AKID " CANARY, "no secret access key" },
	{ CANARY "\nAKID", "access key's id" },
	{ "AK\n" CANARY, "access key's id" },
	{ "AKID\n" CANARY " x", "secret access key must" },
	{ "AKID\n" CANARY "\xc3\xa9", "secret access key must" },
	{ "AKID\n\n" CANARY, "secret access key must" },
	{ "AKID\n" CANARY "\n\x7f", "session token must" },
	{ "AKID\n" CANARY "\nt\nmore", "behind the third line" },
	{ "{\"AccessKeyId\": \"AKID\"}", "no secret access key" },
	{ "{\"SecretAccessKey\": \"" CANARY "\"}", "no access key id" },
	{ "{\"AccessKeyId\": 1, \"SecretAccessKey\": \"" CANARY "\"}",
	    "\"AccessKeyId\" must be a string" },
	{ "{\"AccessKeyId\": \"AKID\", \"SecretAccessKey\": \"" CANARY
	  "\", \"Token\": \"t\", \"SessionToken\": \"t\"}",
	    "more than one session token" },
	{ "{\"" CANARY, "keys:1:" },
	{ "{\"a\": 1, \"a\": \"" CANARY "\"}", "keys:1:" },
	{ "[a]\naws_access_key_id=AKID\naws_secret_access_key=" CANARY
	  "\n[b]\n",
	    "line 4: a second profile" },
	{ "aws_access_key_id=AKID\naws_access_key_id=AKIE",
	    "more than one access key id" },
	{ "aws_access_key_id=AKID\n" CANARY, "line 2 is no NAME=VALUE" },
	{ "aws_access_key_id=AKID\n" CANARY "=x", "line 2: only" },
	{ "role_arn=AKID\nsource_profile=x", "line 1: only" },
	{ "aws_access_key_id=AKID\naws_secret_access_key=\"" CANARY,
	    NULL }, /* a quote is as good a character as any */
	{ "Access key ID,Secret access key\n", "no access key id" },
	{ "Access key ID,Secret access key\nAKID," CANARY "\nAKIE,x",
	    "several rows" },
	{ "Access key ID,Secret access key\nAKID", "different lengths" },
	{ "Access key ID,User name\nAKID," CANARY, "no secret access key" },
	{ "Access key ID,Access key ID\nAKID," CANARY,
	    "more than one access key id" },
};

static void
what_is_wrong_is_named_and_never_repeated(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		CRB_AUTO_SECRET struct crb_secret *given = secret_of(
		    refusals[i].given);
		CRB_AUTO_SECRET struct crb_secret *stored = NULL;
		struct crb_err err = { 0 };
		enum crb_status status = crb_aws_keys_given(
		    given, &stored, &err);

		if ((status == CRB_OK) != (refusals[i].says == NULL))
			fail_msg("%s: %s", refusals[i].given, err.msg);
		if (refusals[i].says != NULL &&
		    strstr(err.msg, refusals[i].says) == NULL)
			fail_msg("%s: %s", refusals[i].given, err.msg);
		assert_null(strstr(err.msg, CANARY));
		assert_null(strstr(err.msg, "AKI"));
	}
}

static char *
filled(size_t id, size_t secret, size_t token)
{
	char *text = malloc(id + secret + token + 3);
	size_t at = 0;

	assert_non_null(text);
	memset(text, 'A', id + secret + token + 2);
	text[at += id] = '\n';
	text[at += secret + 1] = '\n';
	text[at + token + 1] = '\0';
	return text;
}

static void
keys_have_bounds(void **state)
{
	static const struct {
		size_t id, secret, token;
		bool fits;
	} rows[] = { { 3, 1, 1, true }, { 2, 1, 1, false },
		{ 128, 256, 8192, true }, { 129, 256, 8192, false },
		{ 128, 257, 8192, false }, { 128, 256, 8193, false },
		{ 20, 40, 16384, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *text = filled(rows[i].id, rows[i].secret, rows[i].token);
		CRB_AUTO_SECRET struct crb_secret *given = secret_of(text);
		CRB_AUTO_SECRET struct crb_secret *stored = NULL;
		CRB_AUTO_AWS_KEYS struct crb_aws_keys keys = { 0 };
		struct crb_err err;

		assert_true((crb_aws_keys_given(given, &stored, &err) ==
				CRB_OK) == rows[i].fits);
		assert_true((crb_aws_keys_parse(given, &keys, &err) ==
				CRB_OK) == rows[i].fits);
		free(text);
	}
}

static void
stored_keys_are_read_back_in_parts(void **state)
{
	CRB_AUTO_SECRET struct crb_secret *user = secret_of("AKID\nse cret");
	CRB_AUTO_SECRET struct crb_secret *two = secret_of("AKID\nsecret");
	CRB_AUTO_SECRET struct crb_secret *three = secret_of("AKID\ns\ntoken");
	CRB_AUTO_AWS_KEYS struct crb_aws_keys keys = { 0 };
	struct crb_err err = { 0 };

	(void)state;
	assert_int_equal(crb_aws_keys_parse(two, &keys, &err), CRB_OK);
	assert_string_equal(keys.id, "AKID");
	assert_string_equal(keys.secret, "secret");
	assert_null(keys.token);
	crb_aws_keys_clear(&keys);
	assert_int_equal(crb_aws_keys_parse(three, &keys, &err), CRB_OK);
	assert_string_equal(keys.secret, "s");
	assert_string_equal(keys.token, "token");
	crb_aws_keys_clear(&keys);
	assert_int_equal(
	    crb_aws_keys_parse(user, &keys, &err), CRB_ERR_INVALID);
	assert_null(keys.text);
}

/* The strict text is strict: nothing is trimmed or guessed. */
static void
only_the_one_text_is_stored(void **state)
{
	static const char *const bad[] = { "", "AKID", "AKID\n", "AKID\ns\n",
		"AKID\r\ns", " AKID\ns", "AKID\ns\nt\n", "AKID\ns\nt\nu",
		"AKID\n\nt", "{\"AccessKeyId\": \"AKID\"}" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CRB_AUTO_SECRET struct crb_secret *text = secret_of(bad[i]);
		struct crb_aws_keys keys = { 0 };
		struct crb_err err = { 0 };

		if (crb_aws_keys_parse(text, &keys, &err) == CRB_OK)
			fail_msg("accepted: %s", bad[i]);
	}
}

static void
a_nul_is_refused(void **state)
{
	CRB_AUTO_SECRET struct crb_secret *given = NULL;
	CRB_AUTO_SECRET struct crb_secret *stored = NULL;
	struct crb_aws_keys keys = { 0 };
	struct crb_err err;

	(void)state;
	assert_int_equal(
	    crb_secret_copy("AKID\nsec\0ret", 12, &given, &err), CRB_OK);
	assert_int_equal(
	    crb_aws_keys_given(given, &stored, &err), CRB_ERR_INVALID);
	assert_int_equal(
	    crb_aws_keys_parse(given, &keys, &err), CRB_ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_read_as_people_have_them),
		cmocka_unit_test(what_is_wrong_is_named_and_never_repeated),
		cmocka_unit_test(keys_have_bounds),
		cmocka_unit_test(stored_keys_are_read_back_in_parts),
		cmocka_unit_test(only_the_one_text_is_stored),
		cmocka_unit_test(a_nul_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
