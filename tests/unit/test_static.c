#include "backends/static.h"

#include "backends/backend.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "tests/unit/values.h"

#define CERTIFICATE \
	"-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n"

static const struct refusal {
	const char *params;
	const char *says;
} refusals[] = {
	{ "{}", "hosts" },
	{ "{\"hosts\": []}", "hosts" },
	{ "{\"hosts\": \"a b\"}", "hosts, item 1" },
	{ "{\"hosts\": [\"a\", \"b/c\"]}", "hosts, item 2" },
	{ "{\"hosts\": [\"a\", \"A:443\"]}", "hosts, item 2: the same" },
	{ "{\"hosts\": [\"http://a\", \"a\"], \"network\": \"loopback\"}",
	    "item 2: the same" },
	{ "{\"hosts\": \"http://a\"}", "network=loopback" },
	{ "{\"hosts\": \"http://a\", \"network\": \"private\"}",
	    "network=loopback" },
	{ "{\"hosts\": \"a\", \"network\": \"any\"}", "network" },
	{ "{\"hosts\": \"a\", \"auth\": \"digest\"}", "auth" },
	{ "{\"hosts\": \"a\", \"auth\": \"basic\"}", "needs username" },
	{ "{\"hosts\": \"a\", \"username\": \"u\"}",
	    "username is only for auth=basic" },
	{ "{\"hosts\": \"a\", \"auth\": \"basic\", \"username\": \"\"}",
	    "username" },
	{ "{\"hosts\": \"a\", \"auth\": \"basic\", \"username\": \"u:p\"}",
	    "username" },
	{ "{\"hosts\": \"a\", \"auth\": \"basic\", \"username\": \"u\\r\\n\"}",
	    "username" },
	{ "{\"hosts\": \"a\", \"auth\": \"header\"}", "needs header" },
	{ "{\"hosts\": \"a\", \"header\": \"x-key\"}",
	    "header is only for auth=header" },
	{ "{\"hosts\": \"a\", \"prefix\": \"Token \"}",
	    "prefix is only for auth=header" },
	{ "{\"hosts\": \"a\", \"auth\": \"header\", \"header\": \"x-key\","
	  " \"prefix\": \"a\\r\\nb: c\"}",
	    "prefix" },
	{ "{\"hosts\": \"a\", \"auth\": \"header\", \"header\": \"x-key\","
	  " \"prefix\": \" \"}",
	    "prefix" },
	{ "{\"hosts\": \"a\", \"auth\": \"query\"}", "needs parameter" },
	{ "{\"hosts\": \"a\", \"parameter\": \"p\"}",
	    "parameter is only for auth=query" },
	{ "{\"hosts\": \"a\", \"auth\": \"query\", \"parameter\": \"a&b\"}",
	    "parameter" },
	{ "{\"hosts\": \"a\", \"auth\": \"query\", \"parameter\": \"\"}",
	    "parameter" },
	{ "{\"hosts\": \"a\", \"ca\": \"nonsense\"}", "ca has no certificate" },
	{ "{\"hosts\": \"a\", \"ca\": \"" CERTIFICATE
	  "-----BEGIN PRIVATE KEY-----\"}",
	    "private key" },
};

/* Longer than any header that can be injected. */
#define LONG_NAME                                                         \
	"a12345678901234567890123456789012345678901234567890123456789012" \
	"3"

static void
bad_parameters_are_refused_with_their_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		CRB_AUTO_JSON json_t *params = json_of(refusals[i].params);
		struct crb_err err = { 0 };

		if (crb_backend_static.check(params, &err) == CRB_OK)
			fail_msg("accepted: %s", refusals[i].params);
		if (strstr(err.msg, refusals[i].says) == NULL)
			fail_msg("%s: %s", refusals[i].params, err.msg);
	}
}

static void
headers_that_frame_or_route_cannot_carry_a_secret(void **state)
{
	static const char *const names[] = { "Host", "Content-Length",
		"content_length", "Transfer-Encoding", "Transfer_Encoding",
		"Connection", "TE", "Trailer", "Upgrade", "Keep-Alive",
		"Proxy-Authorization", "proxy-x", "Expect", "Via", "Forwarded",
		"X-Forwarded-For", "x_forwarded_for", "Git-Protocol", "Accept",
		"User-Agent", "Sec-Fetch-Site", "X-HTTP-Method-Override", "",
		"a b", "a:", "a\\r\\nb", "\xc3\xbc", "a/b", LONG_NAME };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		CRB_AUTO_JSON json_t *params = NULL;
		char text[256];
		struct crb_err err = { 0 };

		(void)snprintf(text, sizeof(text),
		    "{\"hosts\": \"a\", \"auth\": \"header\", \"header\": "
		    "\"%s\"}",
		    names[i]);
		params = json_of(text);
		if (crb_backend_static.check(params, &err) == CRB_OK)
			fail_msg("accepted: %s", names[i]);
		assert_non_null(strstr(err.msg, "header must"));
	}
}

static const struct injecting {
	const char *params;
	const char *secret;
	const char *name;
	const char *value;
	bool query;
} injectings[] = {
	{ "{\"hosts\": \"a\", \"auth\": \"basic\", \"username\": \"Aladdin\"}",
	    "open sesame", "authorization",
	    "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", false },
	{ "{\"hosts\": \"a\"}", "tok-123", "authorization", "Bearer tok-123",
	    false },
	{ "{\"hosts\": \"a\", \"auth\": \"header\", \"header\": "
	  "\"PRIVATE-Token\"}",
	    "tok", "private-token", "tok", false },
	{ "{\"hosts\": \"a\", \"auth\": \"header\", \"header\": "
	  "\"authorization\", \"prefix\": \"token \"}",
	    "tok", "authorization", "token tok", false },
	{ "{\"hosts\": \"a\", \"auth\": \"query\", \"parameter\": \"Key\"}",
	    "a b&c=\xc3\xbc+%", "Key", "a%20b%26c%3D%C3%BC%2B%25", true },
};

static void
the_secret_goes_in_as_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(injectings) / sizeof(*injectings); i++) {
		const struct injecting *in = &injectings[i];
		CRB_AUTO_JSON json_t *params = json_of(in->params);
		CRB_AUTO_SECRET struct crb_secret *secret = NULL;
		struct crb_injection out = { .value = NULL };
		struct crb_err err = { 0 };

		assert_int_equal(crb_secret_copy(in->secret, strlen(in->secret),
				     &secret, &err),
		    CRB_OK);
		if (crb_backend_static.inject(params, secret, &out, &err) !=
		    CRB_OK)
			fail_msg("%s: %s", in->params, err.msg);
		assert_string_equal(out.name, in->name);
		assert_string_equal(crb_secret_bytes(out.value), in->value);
		assert_int_equal(out.query, in->query);
		crb_injection_clear(&out);
	}
}

static void
inject(const char *params_text, const void *bytes, size_t len,
    enum crb_status expected)
{
	CRB_AUTO_JSON json_t *params = json_of(params_text);
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	struct crb_injection out = { .value = NULL };
	struct crb_err err = { 0 };

	assert_int_equal(crb_secret_copy(bytes, len, &secret, &err), CRB_OK);
	assert_int_equal(
	    crb_backend_static.inject(params, secret, &out, &err), expected);
	crb_injection_clear(&out);
}

static void
what_a_header_cannot_carry_needs_an_encoding(void **state)
{
	const char *bearer = "{\"hosts\": \"a\"}";
	const char *basic = "{\"hosts\": \"a\", \"auth\": \"basic\","
			    " \"username\": \"u\"}";

	(void)state;
	inject(bearer, "p\xc3\xa4ss", 5, CRB_ERR_INVALID);
	inject(basic, "p\xc3\xa4ss", 5, CRB_OK);
	inject(bearer, " pass", 5, CRB_ERR_INVALID);
	inject(bearer, "pass ", 5, CRB_ERR_INVALID);
	inject(basic, " pass ", 6, CRB_OK);
	inject(bearer, "pa\tss", 5, CRB_ERR_INVALID);
	inject(basic, "pa\0ss", 5, CRB_ERR_INVALID);
	inject(bearer, "pa\0ss", 5, CRB_ERR_INVALID);
}

static void
a_route_has_the_hosts_the_network_and_the_ca(void **state)
{
	CRB_AUTO_JSON json_t *params = json_of(
	    "{\"hosts\": [\"Git.Example\", \"http://localhost:8080\"],"
	    " \"network\": \"loopback\", \"ca\": \"" CERTIFICATE "\"}");
	struct crb_route route;
	struct crb_err err = { 0 };

	(void)state;
	assert_int_equal(
	    crb_backend_static.route(params, &route, &err), CRB_OK);
	assert_int_equal(route.count, 2);
	assert_string_equal(route.origin[0].host, "git.example");
	assert_true(route.origin[0].tls);
	assert_int_equal(route.origin[0].port, 443);
	assert_false(route.origin[1].tls);
	assert_int_equal(route.origin[1].port, 8080);
	assert_int_equal(route.network, CRB_NETWORK_LOOPBACK);
	assert_non_null(strstr(route.ca, "BEGIN CERTIFICATE"));
}

static void
hosts_are_bounded(void **state)
{
	CRB_AUTO_JSON json_t *params = json_object();
	json_t *hosts = json_array();
	struct crb_err err = { 0 };

	(void)state;
	json_object_set_new(params, "hosts", hosts);
	for (int i = 0; i <= CRB_ORIGINS_MAX; i++) {
		char host[32];

		if (i == CRB_ORIGINS_MAX)
			assert_int_equal(
			    crb_backend_static.check(params, &err), CRB_OK);
		(void)snprintf(host, sizeof(host), "h%d.example", i);
		json_array_append_new(hosts, json_string(host));
	}
	assert_int_equal(
	    crb_backend_static.check(params, &err), CRB_ERR_INVALID);
}

static void
a_scope_that_is_about_refs_is_about_pushes(void **state)
{
	static const struct {
		const char *scope;
		const char *says; /* NULL: sound */
	} scopes[] = {
		{ "repository=a/b", NULL },
		{ "repository=a/b,git=fetch+push+push-options", NULL },
		{ "repository=a/b,git=push,ref=refs/heads/agent/**", NULL },
		{ "repository=a/b,git=push+push-signed,ref=**,change=create",
		    NULL },
		{ "repository=a/b,ref=refs/heads/x", "ref is about pushes" },
		{ "repository=a/b,git=fetch+push,change=create",
		    "change is about pushes" },
		{ "repository=a/b,git=push,ref=agent/*",
		    "ref: \"agent/*\" can never match" },
		{ "repository=a/b,git=push,ref=refs/heads/a~1",
		    "can never match" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
		CRB_AUTO_SCOPE struct crb_scope scope = { .count = 0 };
		struct crb_err err;
		enum crb_status status;

		assert_int_equal(
		    crb_scope_parse(scopes[i].scope,
			crb_backend_static.attributes, &scope, &err),
		    CRB_OK);
		status = crb_backend_static.check_scope(NULL, &scope, &err);
		if (scopes[i].says == NULL) {
			assert_int_equal(status, CRB_OK);
			continue;
		}
		assert_int_equal(status, CRB_ERR_INVALID);
		if (strstr(err.msg, scopes[i].says) == NULL)
			fail_msg("%s", err.msg);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scope_that_is_about_refs_is_about_pushes),
		cmocka_unit_test(bad_parameters_are_refused_with_their_reason),
		cmocka_unit_test(
		    headers_that_frame_or_route_cannot_carry_a_secret),
		cmocka_unit_test(the_secret_goes_in_as_asked),
		cmocka_unit_test(what_a_header_cannot_carry_needs_an_encoding),
		cmocka_unit_test(a_route_has_the_hosts_the_network_and_the_ca),
		cmocka_unit_test(hosts_are_bounded),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
