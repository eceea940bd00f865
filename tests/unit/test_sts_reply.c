#include "backends/sts_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backends/aws_keys.h"
#include "backends/xml.h"

#define CANARY "cAnArY-7f3e9a51"
#define CREDENTIALS                                     \
	"<Credentials><AccessKeyId>ASIA</AccessKeyId>"  \
	"<SecretAccessKey>s/+</SecretAccessKey>"        \
	"<SessionToken>t==</SessionToken>"              \
	"<Expiration>2026-11-21T18:00:00Z</Expiration>" \
	"</Credentials>"
#define REPLY(inside)                                   \
	"<AssumeRoleResponse><AssumeRoleResult>" inside \
	"</AssumeRoleResult></AssumeRoleResponse>"

static enum crb_status
read_reply(const char *text, struct crb_sts_reply *out, struct crb_err *err)
{
	return crb_sts_reply_read("AssumeRole", text, strlen(text), out, err);
}

/* As AWS writes it, and as Ceph does. */
static const char aws[] =
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
    "  <AssumeRoleResult>\n"
    "    <SourceIdentity>fix-123</SourceIdentity>\n"
    "    <AssumedRoleUser>\n"
    "      <Arn>arn:aws:sts::1:assumed-role/agent/fix-123</Arn>\n"
    "      <AssumedRoleId>ARO1:fix-123</AssumedRoleId>\n"
    "    </AssumedRoleUser>\n"
    "    <Credentials>\n"
    "      <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>\n"
    "      <SecretAccessKey>wJalr/K7+E&amp;&#65;&#x42;</SecretAccessKey>\n"
    "      <SessionToken>AQoDYXdz==</SessionToken>\n"
    "      <Expiration>2026-11-21T18:00:00Z</Expiration>\n"
    "    </Credentials>\n"
    "    <PackedPolicySize>6</PackedPolicySize>\n"
    "  </AssumeRoleResult>\n"
    "  <ResponseMetadata>\n"
    "    <RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId>\n"
    "  </ResponseMetadata>\n"
    "</AssumeRoleResponse>\n";

static void
a_reply_of_aws_is_read(void **state)
{
	struct crb_sts_reply reply = { .keys = NULL };
	struct crb_err err = { 0 };

	(void)state;
	if (read_reply(aws, &reply, &err) != CRB_OK)
		fail_msg("%s", err.msg);
	assert_string_equal(crb_secret_bytes(reply.keys),
	    "ASIAIOSFODNN7EXAMPLE\nwJalr/K7+E&AB\nAQoDYXdz==");
	assert_string_equal(reply.id, "ASIAIOSFODNN7EXAMPLE");
	assert_int_equal(reply.expires, 1795284000);
	assert_int_equal(reply.packed, 6);
	crb_sts_reply_clear(&reply);
	assert_null(reply.keys);
}

static void
a_reply_of_ceph_is_read(void **state)
{
	static const char text[] =
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
	    "<GetSessionTokenResponse><GetSessionTokenResult><Credentials>"
	    "<AccessKeyId>sV8rzkJHPNqT8hZtpyy</AccessKeyId>"
	    "<Expiration>2026-11-21T19:28:03.313959770Z</Expiration>"
	    "<SecretAccessKey>38QPQH</SecretAccessKey>"
	    "<SessionToken>McTiXo9W/+==</SessionToken></Credentials>"
	    "</GetSessionTokenResult></GetSessionTokenResponse>";
	struct crb_sts_reply reply = { .keys = NULL };
	struct crb_err err = { 0 };

	(void)state;
	if (crb_sts_reply_read(
		"GetSessionToken", text, strlen(text), &reply, &err) != CRB_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(reply.expires, 1795289283);
	assert_int_equal(reply.packed, 0);
	crb_sts_reply_clear(&reply);
	/* It is no answer to another question. */
	assert_int_equal(
	    crb_sts_reply_read("AssumeRole", text, strlen(text), &reply, &err),
	    CRB_ERR_INVALID);
	assert_null(reply.keys);
}

/* Whatever is cut off, or put in, it is no reply then. */
static void
a_reply_that_ends_too_early_is_none(void **state)
{
	struct crb_sts_reply reply = { .keys = NULL };
	struct crb_err err;
	size_t len = strlen(aws) - 1; /* of the line feed it is not missed */

	(void)state;
	for (size_t i = 0; i < len; i++) {
		if (crb_sts_reply_read("AssumeRole", aws, i, &reply, &err) ==
		    CRB_OK)
			fail_msg("accepted the first %zu bytes", i);
		assert_null(reply.keys);
	}
}

static const struct refusal {
	const char *text;
	const char *says;
} refusals[] = {
	{ "", "no element" },
	{ "{}", "no element" },
	{ "<AssumeRoleResponse/>", "no result" },
	{ REPLY(""), "no Credentials" },
	{ REPLY("<Credentials/>"), "no AccessKeyId" },
	{ REPLY(CREDENTIALS CREDENTIALS), "twice" },
	{ REPLY("<Credentials><AccessKeyId>A</AccessKeyId></Credentials>"
		"<Credentials/>"),
	    "twice" },
	{ REPLY(CREDENTIALS) REPLY(CREDENTIALS), "something behind" },
	{ REPLY(CREDENTIALS) "x", "something behind" },
	{ "x" REPLY(CREDENTIALS), "no element" },
	{ "<!DOCTYPE a [<!ENTITY x \"y\">]>" REPLY(CREDENTIALS), "name" },
	{ REPLY("<!-- -->" CREDENTIALS), "name" },
	{ REPLY("<![CDATA[x]]>" CREDENTIALS), "name" },
	{ REPLY("<?php x ?>" CREDENTIALS), "name" },
	{ REPLY("&x;" CREDENTIALS), "reference" },
	{ REPLY("&#0;" CREDENTIALS), "reference" },
	{ REPLY("&#xD800;" CREDENTIALS), "reference" },
	{ REPLY("&#x110000;" CREDENTIALS), "reference" },
	{ REPLY("&#;" CREDENTIALS), "reference" },
	{ REPLY("&#x;" CREDENTIALS), "reference" },
	{ REPLY("&#1 2;" CREDENTIALS), "reference" },
	{ REPLY("&amp" CREDENTIALS), "reference" },
	{ REPLY("& " CREDENTIALS), "reference" },
	{ REPLY("\x01" CREDENTIALS), "control character" },
	{ REPLY("<a b>" CREDENTIALS), "without a value" },
	{ REPLY("<a b=c/>" CREDENTIALS), "without quotes" },
	{ REPLY("<a b='<'/>" CREDENTIALS), "\"<\"" },
	{ REPLY("<a b='x'c='y'/>" CREDENTIALS), "does not end" },
	{ REPLY("<a b='x" CREDENTIALS), "\"<\"" },
	{ REPLY("<a><b></a></b>" CREDENTIALS), "do not match" },
	{ REPLY("<1/>" CREDENTIALS), "name" },
	{ REPLY("<a.b-c_d:e>" CREDENTIALS "</a.b-c_d:e>"), "no Credentials" },
	{ "<AssumeRoleResponse><AssumeRoleResult>" CREDENTIALS, "too early" },
	{ "<x>" REPLY(CREDENTIALS) "</x>", "no result" },
	{ REPLY("<Credentials><AccessKeyId>A<b/>SIA</AccessKeyId>"
		"</Credentials>"),
	    "elements where a text" },
	{ REPLY("<Credentials><AccessKeyId>A B</AccessKeyId>"
		"<SecretAccessKey>s</SecretAccessKey>"
		"<SessionToken>t</SessionToken>"
		"<Expiration>2026-11-21T18:00:00Z</Expiration></Credentials>"),
	    "access key's id" },
	{ REPLY("<Credentials><AccessKeyId>ASIA</AccessKeyId>"
		"<SecretAccessKey>" CANARY "&#10;x</SecretAccessKey>"
		"<SessionToken>t</SessionToken>"
		"<Expiration>2026-11-21T18:00:00Z</Expiration></Credentials>"),
	    "secret access key" },
	{ REPLY("<Credentials><AccessKeyId>ASIA</AccessKeyId>"
		"<SecretAccessKey>" CANARY "</SecretAccessKey>"
		"<SessionToken/>"
		"<Expiration>2026-11-21T18:00:00Z</Expiration></Credentials>"),
	    "session token" },
	{ REPLY("<Credentials><AccessKeyId>ASIA</AccessKeyId>"
		"<SecretAccessKey>" CANARY "</SecretAccessKey>"
		"<SessionToken>t</SessionToken></Credentials>"),
	    "no Expiration" },
	{ REPLY("<Credentials><AccessKeyId>ASIA</AccessKeyId>"
		"<SecretAccessKey>" CANARY "</SecretAccessKey>"
		"<SessionToken>t</SessionToken>"
		"<Expiration>" CANARY "</Expiration></Credentials>"),
	    "not written as UTC" },
	{ REPLY(CREDENTIALS "<PackedPolicySize>many</PackedPolicySize>"), "" },
};

static void
whatever_is_no_reply_is_refused_in_silence(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		struct crb_sts_reply reply = { .keys = NULL };
		struct crb_err err = { 0 };

		if (read_reply(refusals[i].text, &reply, &err) == CRB_OK)
			fail_msg("accepted: %s", refusals[i].text);
		if (strstr(err.msg, refusals[i].says) == NULL)
			fail_msg("%s: %s", refusals[i].text, err.msg);
		assert_null(strstr(err.msg, CANARY));
		assert_null(reply.keys);
	}
}

static void
other_elements_and_attributes_are_passed_over(void **state)
{
	static const char *const good[] = {
		REPLY(CREDENTIALS),
		"\r\n\t " REPLY(CREDENTIALS) " \n",
		REPLY("<Other a=\"1\" b = '>'\n><SessionToken>x</SessionToken>"
		      "</Other >" CREDENTIALS),
		REPLY(CREDENTIALS "text &lt;&gt;&quot;&apos; \xc3\xa9"),
		REPLY(CREDENTIALS "<AccessKeyId>elsewhere</AccessKeyId>"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct crb_sts_reply reply = { .keys = NULL };
		struct crb_err err = { 0 };

		if (read_reply(good[i], &reply, &err) != CRB_OK)
			fail_msg("%s: %s", good[i], err.msg);
		assert_string_equal(
		    crb_secret_bytes(reply.keys), "ASIA\ns/+\nt==");
		crb_sts_reply_clear(&reply);
	}
}

static void
repeat(char *out, const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		strcat(out, text);
}

/* Depth, elements, names, attributes and texts all end somewhere. */
static void
xml_is_bounded(void **state)
{
	static char text[200000];

	(void)state;
	for (int over = 0; over < 2; over++) {
		struct crb_err err = { 0 };
		size_t depth = CRB_XML_DEPTH_MAX + (size_t)over;

		text[0] = '\0';
		repeat(text, "<a>", depth);
		repeat(text, "</a>", depth);
		assert_int_equal(crb_xml_extract(text, strlen(text), NULL, 0,
				     &err) == CRB_OK,
		    !over);
		strcpy(text, "<a>");
		repeat(text, "<b/>", CRB_XML_ELEMENTS_MAX - 1 + (size_t)over);
		strcat(text, "</a>");
		assert_int_equal(crb_xml_extract(text, strlen(text), NULL, 0,
				     &err) == CRB_OK,
		    !over);
		strcpy(text, "<");
		repeat(text, "a", CRB_XML_NAME_MAX + (size_t)over);
		strcat(text, "/>");
		assert_int_equal(crb_xml_extract(text, strlen(text), NULL, 0,
				     &err) == CRB_OK,
		    !over);
		strcpy(text, "<a");
		repeat(text, " b='c'", 16 + (size_t)over);
		strcat(text, "/>");
		assert_int_equal(crb_xml_extract(text, strlen(text), NULL, 0,
				     &err) == CRB_OK,
		    !over);
	}
	strcpy(text,
	    "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
	    "<SessionToken>");
	repeat(text, "t", CRB_AWS_TOKEN_MAX + 1);
	strcat(text,
	    "</SessionToken></Credentials></AssumeRoleResult>"
	    "</AssumeRoleResponse>");
	{
		struct crb_sts_reply reply;
		struct crb_err err;

		assert_int_equal(
		    read_reply(text, &reply, &err), CRB_ERR_TOO_LARGE);
	}
}

static const struct time_row {
	const char *text;
	int64_t seconds; /* -1: refused */
} times[] = {
	{ "1970-01-01T00:00:00Z", 0 },
	{ "2000-02-29T23:59:59Z", 951868799 },
	{ "2024-02-29T00:00:00Z", 1709164800 },
	{ "2026-11-21T18:00:00Z", 1795284000 },
	{ "2026-11-21T18:00:00.5Z", 1795284000 },
	{ "2026-11-21T18:00:00.123456789Z", 1795284000 },
	{ "2100-03-01T00:00:00Z", 4107542400 },
	{ "9999-12-31T23:59:59Z", 253402300799 },
	{ "", -1 },
	{ "2026-11-21", -1 },
	{ "2026-11-21T18:00:00", -1 },
	{ "2026-11-21T18:00:00+00:00", -1 },
	{ "2026-11-21T18:00:00z", -1 },
	{ "2026-11-21t18:00:00Z", -1 },
	{ "2026-11-21T18:00:00.Z", -1 },
	{ "2026-11-21T18:00:00.1234567890Z", -1 },
	{ "2026-11-21T18:00:00Zx", -1 },
	{ " 2026-11-21T18:00:00Z", -1 },
	{ "2026-00-21T18:00:00Z", -1 },
	{ "2026-13-21T18:00:00Z", -1 },
	{ "2026-11-31T18:00:00Z", -1 },
	{ "2026-11-00T18:00:00Z", -1 },
	{ "2025-02-29T18:00:00Z", -1 },
	{ "2100-02-29T18:00:00Z", -1 },
	{ "2026-11-21T24:00:00Z", -1 },
	{ "2026-11-21T18:60:00Z", -1 },
	{ "2026-11-21T18:00:60Z", -1 },
	{ "1969-12-31T23:59:59Z", -1 },
	{ "-026-11-21T18:00:00Z", -1 },
};

static void
times_are_utc_and_exist(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		struct crb_err err;
		int64_t seconds = -1;

		if ((crb_sts_time(times[i].text, &seconds, &err) == CRB_OK) !=
			(times[i].seconds >= 0) ||
		    seconds != times[i].seconds)
			fail_msg("%s: %lld", times[i].text, (long long)seconds);
	}
}

static const struct crb_aws_keys keys = { "AKID", CANARY, "tOkEn-canary",
	NULL };

static void
errors_are_read_as_both_write_them(void **state)
{
	static const char *const texts[] = {
		"<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/"
		"2011-06-15/\"><Error><Type>Sender</Type><Code>AccessDenied"
		"</Code><Message>no\nway &amp; \x1b[31m</Message></Error>"
		"<RequestId>9f3c</RequestId></ErrorResponse>",
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>"
		"AccessDenied</Code><Message>no\nway &amp; \x1b[31m</Message>"
		"<RequestId>9f3c</RequestId><HostId>x</HostId></Error>",
	};
	struct crb_sts_error error;

	(void)state;
	/* An escape is no character of XML at all. */
	crb_sts_error_read(texts[0], strlen(texts[0]), &keys, &error);
	assert_string_equal(error.code, "");
	for (size_t i = 0; i < 2; i++) {
		char *text = strdup(texts[i]);

		assert_non_null(text);
		*strchr(text, '\x1b') = '\x7f';
		crb_sts_error_read(text, strlen(text), &keys, &error);
		assert_string_equal(error.code, "AccessDenied");
		assert_string_equal(error.message, "no\\x0away & \\x7f[31m");
		assert_string_equal(error.request, "9f3c");
		free(text);
	}
}

static void
what_cannot_be_read_tells_nothing(void **state)
{
	static const char *const texts[] = { "", "<html><body>502</body>",
		"{\"Error\": {\"Code\": \"x\"}}", "<Error/>",
		"<Error><Code>a</Code><Code>b</Code></Error>",
		"<Error><Message>m</Message></Error>" };
	struct crb_sts_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		memset(&error, 'x', sizeof(error));
		crb_sts_error_read(texts[i], strlen(texts[i]), &keys, &error);
		assert_string_equal(error.code, "");
		assert_string_equal(error.message, "");
		assert_string_equal(error.request, "");
	}
}

static void
an_error_that_repeats_the_secret_tells_nothing(void **state)
{
	static const char *const formats[] = {
		"<Error><Code>A</Code><Message>x%sy</Message></Error>",
		"<Error><Code>A%s</Code><Message>m</Message></Error>",
		("<ErrorResponse><Error><Code>A</Code></Error><RequestId>%s"
		 "</RequestId></ErrorResponse>"),
	};
	static const char *const words[] = { CANARY, "tOkEn-canary",
		"c&#65;nArY-7f3e9a51" };
	struct crb_sts_error error;
	char text[512];

	(void)state;
	for (size_t i = 0; i < 9; i++) {
		const char *percent = strstr(formats[i / 3], "%s");

		(void)snprintf(text, sizeof(text), "%.*s%s%s",
		    (int)(percent - formats[i / 3]), formats[i / 3],
		    words[i % 3], percent + 2);
		crb_sts_error_read(text, strlen(text), &keys, &error);
		assert_string_equal(error.code, "");
		assert_string_equal(error.message, "");
		assert_string_equal(error.request, "");
	}
}

static void
a_long_error_is_cut(void **state)
{
	static char text[20000] = "<Error><Code>A</Code><Message>";
	struct crb_sts_error error;

	(void)state;
	repeat(text, "m\n", 3000);
	strcat(text, "</Message></Error>");
	crb_sts_error_read(text, strlen(text), &keys, &error);
	assert_string_equal(error.code, "A");
	assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
	assert_string_equal(&error.message[sizeof(error.message) - 4], "...");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_of_aws_is_read),
		cmocka_unit_test(a_reply_of_ceph_is_read),
		cmocka_unit_test(a_reply_that_ends_too_early_is_none),
		cmocka_unit_test(whatever_is_no_reply_is_refused_in_silence),
		cmocka_unit_test(other_elements_and_attributes_are_passed_over),
		cmocka_unit_test(xml_is_bounded),
		cmocka_unit_test(times_are_utc_and_exist),
		cmocka_unit_test(errors_are_read_as_both_write_them),
		cmocka_unit_test(what_cannot_be_read_tells_nothing),
		cmocka_unit_test(
		    an_error_that_repeats_the_secret_tells_nothing),
		cmocka_unit_test(a_long_error_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
