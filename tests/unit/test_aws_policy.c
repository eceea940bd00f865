#include "backends/aws_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backends/aws_scope.h"
#include "base/cleanup.h"

#define HEAD "{\"Version\":\"2012-10-17\",\"Statement\":["
#define SCOPES 4

struct scopes {
	struct crb_scope at[SCOPES];
	const struct crb_scope *given[SCOPES];
	size_t count;
};

#define AUTO_SCOPES __attribute__((cleanup(scopes_clear)))
static void
scopes_clear(struct scopes *scopes)
{
	for (size_t i = 0; i < SCOPES; i++)
		crb_scope_clear(&scopes->at[i]);
}

static void
scopes_add(struct scopes *scopes, const char *text)
{
	struct crb_scope *scope = &scopes->at[scopes->count];
	struct crb_err err = { 0 };

	if (crb_scope_parse(text, crb_aws_attributes, scope, &err) != CRB_OK)
		fail_msg("%s: %s", text, err.msg);
	if (crb_aws_scope_check(scope, &err) != CRB_OK)
		fail_msg("%s: %s", text, err.msg);
	scopes->given[scopes->count++] = scope;
}

/* Grants of one session, and the one session policy that they come to. */
static const struct making {
	const char *scope[SCOPES];
	const char *policy;
	const char *arns;
} makings[] = {
	{ { "actions=s3:GetObject,resources=arn:aws:s3:::alpha/*" },
	    HEAD "{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\","
		 "\"Resource\":\"arn:aws:s3:::alpha/*\"}]}",
	    "[]" },
	{ { "actions=s3:ListBucket+s3:GetObject,"
	    "resources=arn:aws:s3:::b+arn:aws:s3:::a" },
	    HEAD "{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\","
		 "\"s3:ListBucket\"],\"Resource\":[\"arn:aws:s3:::a\","
		 "\"arn:aws:s3:::b\"]}]}",
	    "[]" },
	{ { "actions=*,resources=*" },
	    HEAD "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}",
	    "[]" },
	/* A statement a grant, sorted, so that actions of one never meet the
	 * resources of another. */
	{ { "actions=s3:PutObject,resources=arn:aws:s3:::b/*",
	      "actions=s3:GetObject,resources=arn:aws:s3:::a/*",
	      "actions=s3:PutObject,resources=arn:aws:s3:::b/*" },
	    HEAD "{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\","
		 "\"Resource\":\"arn:aws:s3:::a/*\"},"
		 "{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\","
		 "\"Resource\":\"arn:aws:s3:::b/*\"}]}",
	    "[]" },
	{ { "actions=s3:*,resources=*,conditions=StringLike(s3:prefix)=b/*+"
	    "StringLike(s3:prefix)=+Bool(aws:SecureTransport)=true+"
	    "StringLike(s3:delimiter)=/+StringLike(s3:prefix)=a%2Bb" },
	    HEAD "{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\","
		 "\"Condition\":{\"Bool\":{\"aws:SecureTransport\":\"true\"},"
		 "\"StringLike\":{\"s3:delimiter\":\"/\",\"s3:prefix\":[\"\","
		 "\"a+b\",\"b/*\"]}}}]}",
	    "[]" },
	{ { "policy={ \"Statement\": {\"Sid\": \"a\"%2C \"Effect\": \"Deny\"%2C"
	    "\n\t\"NotAction\": [\"s3:*\"]%2C \"NotResource\": \"*\"%2C"
	    " \"Condition\": {\"Null\": {\"aws:x\": true}}}%2C"
	    " \"Id\": \"i\"%2C \"Version\": \"2012-10-17\"}" },
	    HEAD "{\"Effect\":\"Deny\",\"NotAction\":[\"s3:*\"],"
		 "\"NotResource\":\"*\",\"Condition\":{\"Null\":{\"aws:x\":true"
		 "}}}]}",
	    "[]" },
	{ { "policy-arns=arn:aws:iam::aws:policy/B+arn:aws:iam::1:policy/p/A" },
	    "",
	    "[\"arn:aws:iam::1:policy/p/A\",\"arn:aws:iam::aws:policy/B\"]" },
	{ { "policy-arns=arn:aws:iam::aws:policy/B",
	      "actions=*,resources=*,delivery=mint",
	      "policy-arns=arn:aws:iam::aws:policy/B+arn:aws:iam::aws:policy/A" },
	    HEAD "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}",
	    "[\"arn:aws:iam::aws:policy/A\",\"arn:aws:iam::aws:policy/B\"]" },
};

static void
check_making(const struct making *making, bool reversed)
{
	AUTO_SCOPES struct scopes scopes = { .count = 0 };
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(8192);
	CRB_AUTO_JSON json_t *arns = NULL;
	struct crb_err err = { 0 };
	size_t count = 0;
	char *listed;

	while (count < SCOPES && making->scope[count] != NULL)
		count++;
	for (size_t i = 0; i < count; i++)
		scopes_add(
		    &scopes, making->scope[reversed ? count - 1 - i : i]);
	if (crb_aws_policy_make(
		scopes.given, scopes.count, &text, &arns, &err) != CRB_OK)
		fail_msg("%s: %s", making->scope[0], err.msg);
	assert_string_equal(crb_buf_text(&text), making->policy);
	listed = json_dumps(arns, JSON_COMPACT);
	assert_string_equal(listed, making->arns);
	free(listed);
}

static void
grants_become_one_policy_whatever_their_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(makings) / sizeof(*makings); i++) {
		check_making(&makings[i], false);
		check_making(&makings[i], true);
	}
}

/* Scopes that the table takes and that are not enough, or too much. */
static const struct refusal {
	const char *scope;
	const char *says;
} refusals[] = {
	{ "",
	    "actions and resources are missing: an empty list is never "
	    "\"everything\"" },
	{ "delivery=inject", "actions and resources are missing" },
	{ "actions=s3:*", "resources are missing" },
	{ "resources=*", "actions are missing" },
	{ "conditions=Bool(aws:x)=true", "actions and resources are missing" },
	{ "policy-arns=arn:aws:iam::aws:policy/A,actions=*,resources=*",
	    "exclude each other" },
	{ "policy-arns=arn:aws:iam::aws:policy/A,conditions=Bool(a:x)=true",
	    "exclude each other" },
	{ "actions=*,resources=*,delivery=mint+inject",
	    "delivery has 2 values" },
	{ "policy-arns=arn:aws:iam::a:policy/1+arn:aws:iam::a:policy/2+"
	  "arn:aws:iam::a:policy/3+arn:aws:iam::a:policy/4+"
	  "arn:aws:iam::a:policy/5+arn:aws:iam::a:policy/6+"
	  "arn:aws:iam::a:policy/7+arn:aws:iam::a:policy/8+"
	  "arn:aws:iam::a:policy/9+arn:aws:iam::a:policy/10+"
	  "arn:aws:iam::a:policy/11",
	    "policy-arns has 11 values, and may have 10" },
};

static void
an_empty_list_is_never_everything(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
		struct crb_err err = { 0 };

		if (crb_scope_parse(refusals[i].scope, crb_aws_attributes,
			&scope, &err) != CRB_OK)
			fail_msg("%s: %s", refusals[i].scope, err.msg);
		if (crb_aws_scope_check(&scope, &err) == CRB_OK)
			fail_msg("accepted: %s", refusals[i].scope);
		if (strstr(err.msg, refusals[i].says) == NULL)
			fail_msg("%s: %s", refusals[i].scope, err.msg);
	}
}

static const char *const bad_values[] = { "actions=GetObject",
	"actions=s3:", "actions=:x", "actions=s3:Get Object", "actions=S3:x",
	"actions=*:*", "actions=s3*", "actions=**", "actions=s3:a:b",
	"actions=s3:\xc3\xa9", "actions=", "actions=s3:a++", "resources=alpha",
	"resources=arn:aws:s3:::", "resources=arn:aws:s3", "resources=**",
	"resources=arn:aws::::x", "resources=arn::s3:::x",
	"resources=arn:aws:s*:::x", "resources=arn:aws:s3:::a\tb",
	"resources=arn:aws:s3:::a ", "resources=arn:aws:s3:::\x80",
	"resources=urn:aws:s3:::x", "conditions=StringLike",
	"conditions=StringLike()=x", "conditions=StringLike(prefix)=x",
	"conditions=StringLike(s3:prefix)", "conditions=(s3:prefix)=x",
	"conditions=Stringlike(s3:prefix)=x", "conditions=If(s3:prefix)=x",
	"conditions=ForSome:StringLike(s3:prefix)=x",
	"conditions=StringLike(s3:prefix)=\x01", "policy=x", "policy={}",
	"policy=[]", "policy={\"Version\":\"2012-10-17\"}",
	"policy={\"Version\":\"2008-10-17\"%2C\"Statement\":[{\"Effect\":"
	"\"Allow\"%2C\"Action\":\"*\"%2C\"Resource\":\"*\"}]}",
	"policy={\"Version\":\"2012-10-17\"%2C\"Statement\":[]}",
	"policy={\"Version\":\"2012-10-17\"%2C\"Extra\":1%2C\"Statement\":"
	"[{\"Effect\":\"Allow\"%2C\"Action\":\"*\"%2C\"Resource\":\"*\"}]}",
	"policy-arns=*", "policy-arns=arn:aws:iam::aws:policy/*",
	"policy-arns=arn:aws:iam::aws:role/x",
	"policy-arns=arn:aws:iam::aws:policy/", "delivery=both" };

static void
values_that_mean_nothing_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_values) / sizeof(*bad_values); i++) {
		CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
		struct crb_err err = { 0 };

		if (crb_scope_parse(bad_values[i], crb_aws_attributes, &scope,
			&err) == CRB_OK)
			fail_msg("accepted: %s", bad_values[i]);
	}
}

static void
operators_of_conditions_are_known_by_name(void **state)
{
	static const char *const good[] = {
		"conditions=ForAnyValue:StringLikeIfExists(aws:TagKeys)=a",
		"conditions=ForAllValues:StringEquals(aws:TagKeys)=a",
		"conditions=IpAddress(aws:SourceIp)=10.0.0.0/8",
		"conditions=ArnLike(aws:PrincipalTag/a b)=arn:*",
		"conditions=StringEquals(aws:x)=a)=b"
	};
	struct crb_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		CRB_AUTO_SCOPE struct crb_scope scope = { 0 };

		if (crb_scope_parse(
			good[i], crb_aws_attributes, &scope, &err) != CRB_OK)
			fail_msg("%s: %s", good[i], err.msg);
	}
	{
		CRB_AUTO_SCOPE struct crb_scope scope = { 0 };

		assert_int_not_equal(
		    crb_scope_parse("conditions=StringLiek(s3:prefix)=x",
			crb_aws_attributes, &scope, &err),
		    CRB_OK);
		assert_non_null(
		    strstr(err.msg, "did you mean \"StringLike\"?"));
	}
}

/* In a statement of a policy given whole. */
static const struct document {
	const char *statement;
	const char *says;
} documents[] = {
	{ "{\"Action\":\"*\",\"Resource\":\"*\"}", "Effect" },
	{ "{\"Effect\":\"allow\",\"Action\":\"*\",\"Resource\":\"*\"}",
	    "Effect must be" },
	{ "{\"Effect\":\"Allow\",\"Resource\":\"*\"}",
	    "either Action or NotAction" },
	{ "{\"Effect\":\"Allow\",\"Action\":\"*\"}",
	    "either Resource or NotResource" },
	{ "{\"Effect\":\"Allow\",\"Action\":\"*\",\"NotAction\":\"*\","
	  "\"Resource\":\"*\"}",
	    "either Action or NotAction" },
	{ "{\"Effect\":\"Allow\",\"Action\":[],\"Resource\":\"*\"}",
	    "never \"everything\"" },
	{ "{\"Effect\":\"Allow\",\"Action\":\"\",\"Resource\":\"*\"}",
	    "never \"everything\"" },
	{ "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":[\"\"]}",
	    "never \"everything\"" },
	{ "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":{}}",
	    "Resource must be" },
	{ "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\","
	  "\"Principal\":\"*\"}",
	    "Principal" },
	{ "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\","
	  "\"Condition\":[]}",
	    "Condition must be" },
	{ "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\","
	  "\"Condition\":{\"Bool\":{}}}",
	    "needs keys" },
	{ "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\","
	  "\"Condition\":{\"Bool\":{\"a:b\":null}}}",
	    "neither a value" },
	{ "\"Allow\"", "must be an object" },
};

static void
a_policy_given_whole_is_read_strictly(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
		CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(4096);
		struct crb_err err = { 0 };
		char text[1024];

		(void)snprintf(
		    text, sizeof(text), HEAD "%s]}", documents[i].statement);
		if (crb_aws_policy_check(text, &out, &err) == CRB_OK)
			fail_msg("accepted: %s", text);
		if (strstr(err.msg, documents[i].says) == NULL)
			fail_msg("%s: %s", text, err.msg);
	}
}

static void
a_policy_has_one_form(void **state)
{
	static const char text[] =
	    "\n{ \"Id\" : \"i\", \"Version\": \"2012-10-17\",\t"
	    "\"Statement\": { \"Sid\": \"s\", \"Effect\": \"Allow\","
	    " \"Action\": [ \"s3:*\" ], \"Resource\": \"\xc3\xa9/*\" } } ";
	static const char form[] = HEAD
	    "{\"Effect\":\"Allow\",\"Action\":[\"s3:*\"],"
	    "\"Resource\":\"\\u00E9/*\"}]}";
	CRB_AUTO_BUF struct crb_buf once = CRB_BUF_INIT(4096);
	CRB_AUTO_BUF struct crb_buf twice = CRB_BUF_INIT(4096);
	struct crb_err err = { 0 };

	(void)state;
	assert_int_equal(crb_aws_policy_check(text, &once, &err), CRB_OK);
	assert_string_equal(crb_buf_text(&once), form);
	assert_int_equal(crb_aws_policy_check(form, &twice, &err), CRB_OK);
	assert_string_equal(crb_buf_text(&twice), form);
}

/* A scope whose policy has exactly this many characters. */
static void
policy_of(size_t characters, char *scope)
{
	static const char frame[] = HEAD
	    "{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\","
	    "\"Resource\":[]}]}";
	size_t left = characters - (sizeof(frame) - 1);
	unsigned number = 0;

	strcpy(scope, "actions=s3:GetObject,resources=");
	while (left > 0) {
		size_t name = left < 300 ? left - 2 : 100;

		(void)snprintf(scope + strlen(scope), 200,
		    "%sarn:aws:s3:::%02u", number > 0 ? "+" : "", number);
		for (size_t i = strlen("arn:aws:s3:::00"); i < name; i++)
			strcat(scope, "x");
		left -= name + 2;
		left -= left > 0; /* a comma */
		number++;
	}
}

static void
what_sts_takes_is_counted_beforehand(void **state)
{
	static char text[8192];
	static const char arn[] = "policy-arns=arn:aws:iam::aws:policy/Abc";
	size_t arn_len = strlen(strchr(arn, '=') + 1);

	(void)state;
	for (int k = 0; k < 4; k++) {
		AUTO_SCOPES struct scopes scopes = { .count = 0 };
		CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);
		CRB_AUTO_JSON json_t *arns = NULL;
		struct crb_err err = { 0 };
		bool named = k >= 2, over = k % 2 == 1;
		size_t size = CRB_AWS_POLICY_MAX - (named ? arn_len : 0) + over;
		enum crb_status status;

		policy_of(size, text);
		scopes_add(&scopes, text);
		if (named)
			scopes_add(&scopes, arn);
		status = crb_aws_policy_make(
		    scopes.given, scopes.count, &out, &arns, &err);
		if (!over) {
			assert_int_equal(status, CRB_OK);
			assert_int_equal(out.len, size);
			continue;
		}
		assert_int_equal(status, CRB_ERR_TOO_LARGE);
		assert_non_null(strstr(err.msg, "2049 characters"));
		assert_non_null(strstr(err.msg, "STS takes 2048"));
		assert_null(arns);
		assert_int_equal(out.len, 0);
	}
}

static void
policies_by_arn_are_counted_over_all_grants(void **state)
{
	AUTO_SCOPES struct scopes scopes = { .count = 0 };
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);
	CRB_AUTO_JSON json_t *arns = NULL;
	struct crb_err err = { 0 };
	char text[1024];

	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		strcpy(text, "policy-arns=");
		for (unsigned i = 0; i < 6; i++)
			(void)snprintf(text + strlen(text), 64,
			    "%sarn:aws:iam::1:policy/%u", i > 0 ? "+" : "",
			    6 * k + i);
		scopes_add(&scopes, text);
	}
	assert_int_equal(
	    crb_aws_policy_make(scopes.given, scopes.count, &out, &arns, &err),
	    CRB_ERR_TOO_LARGE);
	assert_non_null(strstr(err.msg, "12 policies"));
}

static void
everything_has_to_be_said_in_so_many_words(void **state)
{
	static const struct {
		const char *scope;
		bool all;
	} rows[] = { { "actions=*,resources=*", true },
		{ "actions=*,resources=*,delivery=inject", true },
		{ "actions=s3:*,resources=*", false },
		{ "actions=*,resources=*+arn:aws:s3:::a", false },
		{ "actions=*,resources=*,conditions=Bool(a:b)=true", false },
		{ "policy-arns=arn:aws:iam::aws:policy/A", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
		struct crb_err err = { 0 };

		assert_int_equal(crb_scope_parse(rows[i].scope,
				     crb_aws_attributes, &scope, &err),
		    CRB_OK);
		assert_int_equal(crb_aws_scope_is_all(&scope), rows[i].all);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grants_become_one_policy_whatever_their_order),
		cmocka_unit_test(an_empty_list_is_never_everything),
		cmocka_unit_test(values_that_mean_nothing_are_refused),
		cmocka_unit_test(operators_of_conditions_are_known_by_name),
		cmocka_unit_test(a_policy_given_whole_is_read_strictly),
		cmocka_unit_test(a_policy_has_one_form),
		cmocka_unit_test(what_sts_takes_is_counted_beforehand),
		cmocka_unit_test(policies_by_arn_are_counted_over_all_grants),
		cmocka_unit_test(everything_has_to_be_said_in_so_many_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
