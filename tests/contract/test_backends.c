/* One suite over every backend of the table: what all of them promise. */
#include "backends/backend.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/slab.h"
#include "base/text.h"
#include "tests/contract/watch.h"
#include "tests/unit/values.h"

/* Parameters of every way to use each backend.  A new backend adds its own. */
static const struct sample {
	const char *kind;
	const char *params;
} samples[] = {
	{ "aws-sts",
	    "{\"role-arn\": \"arn:aws:iam::123456789012:role/agent\","
	    " \"region\": \"eu-west-1\", \"external-id\": \"x1\","
	    " \"source-identity\": \"task\", \"duration\": \"2h\"}" },
	{ "aws-sts",
	    "{\"call\": \"federation\", \"region\": \"cn-north-1\","
	    " \"tags\": \"no\", \"services\": [\"s3\", \"ecr\"]}" },
	{ "aws-sts",
	    "{\"call\": \"session-token\", \"network\": \"loopback\","
	    " \"endpoint-url\": \"http://127.0.0.1:8000\"}" },
	{ "static", "{\"hosts\": \"git.example.com\"}" },
	{ "static",
	    "{\"hosts\": [\"a.example\", \"b.example:8443\"],"
	    " \"auth\": \"basic\", \"username\": \"git\"}" },
	{ "static",
	    "{\"hosts\": \"a.example\", \"auth\": \"header\","
	    " \"header\": \"X-Api-Key\", \"prefix\": \"Token \"}" },
	{ "static",
	    "{\"hosts\": \"http://127.0.0.1:8080\", \"network\": "
	    "\"loopback\", \"auth\": \"query\", \"parameter\": \"key\"}" },
};
#define SAMPLES (sizeof(samples) / sizeof(*samples))

static const struct crb_backend_ops *
ops_of(const struct sample *sample)
{
	const struct crb_backend_ops *ops = NULL;
	struct crb_err err;

	assert_int_equal(crb_backend_find(sample->kind, &ops, &err), CRB_OK);
	return ops;
}

static bool
is_kebab(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= 32 && name[0] != '-' && name[len - 1] != '-' &&
	    strstr(name, "--") == NULL &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool
is_a_line(const char *text)
{
	return text != NULL && text[0] != '\0' && strlen(text) <= 120 &&
	    strpbrk(text, "\n\t") == NULL && text[strlen(text) - 1] != '.';
}

static void
every_backend_says_what_it_is(void **state)
{
	(void)state;
	assert_non_null(crb_backends[0]);
	for (size_t i = 0; crb_backends[i] != NULL; i++) {
		const struct crb_backend_ops *ops = crb_backends[i];
		const struct crb_backend_ops *found = NULL;
		size_t sampled = 0;
		struct crb_err err;

		assert_true(is_kebab(ops->kind));
		assert_true(is_a_line(ops->summary));
		assert_non_null(ops->form);
		assert_non_null(ops->check);
		assert_non_null(ops->route);
		assert_true(ops->mints || ops->inject != NULL);
		assert_int_equal(
		    crb_backend_find(ops->kind, &found, &err), CRB_OK);
		assert_ptr_equal(found, ops);
		for (size_t k = 0; k < SAMPLES; k++)
			sampled += strcmp(samples[k].kind, ops->kind) == 0;
		if (sampled == 0)
			fail_msg("no sample for %s", ops->kind);
	}
}

static void
an_unknown_kind_is_an_error_that_names_the_known(void **state)
{
	const struct crb_backend_ops *found = NULL;
	struct crb_err err = { 0 };

	(void)state;
	assert_int_equal(
	    crb_backend_find("no-such", &found, &err), CRB_ERR_NOT_FOUND);
	assert_null(found);
	for (size_t i = 0; crb_backends[i] != NULL; i++)
		assert_non_null(strstr(err.msg, crb_backends[i]->kind));
	assert_int_equal(crb_backend_find("", &found, &err), CRB_ERR_NOT_FOUND);
}

static void
tables_are_well_formed(void **state)
{
	(void)state;
	for (size_t i = 0; crb_backends[i] != NULL; i++) {
		const struct crb_backend_ops *ops = crb_backends[i];

		for (size_t k = 0; ops->params[k].name != NULL; k++) {
			const struct crb_option *option = &ops->params[k];

			assert_true(is_kebab(option->name));
			assert_true(is_a_line(option->help));
			assert_true(option->type == CRB_OPTION_FLAG ||
			    option->value != NULL);
			assert_false(
			    option->required && option->preset != NULL);
			assert_true(option->type != CRB_OPTION_CHOICE ||
			    option->choices != NULL);
			assert_ptr_equal(
			    crb_options_find(ops->params, option->name),
			    option);
		}
		for (size_t k = 0; ops->attributes[k].name != NULL; k++) {
			const struct crb_attribute *at = &ops->attributes[k];

			assert_true(k < CRB_SCOPE_MAX);
			assert_true(is_kebab(at->name));
			assert_true(is_a_line(at->help));
			switch (at->type) {
			case CRB_ATTRIBUTE_PATTERN:
				assert_true(at->separator != '\0');
				break;
			case CRB_ATTRIBUTE_CHOICE:
				assert_non_null(at->choices);
				break;
			case CRB_ATTRIBUTE_TEXT:
				assert_non_null(at->check);
				break;
			}
			assert_false(at->required && at->preset != NULL);
		}
	}
}

/* A scope with only what is required takes the presets of the rest. */
static void
presets_of_attributes_are_values_of_theirs(void **state)
{
	(void)state;
	for (size_t i = 0; crb_backends[i] != NULL; i++) {
		const struct crb_attribute *table = crb_backends[i]->attributes;
		CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
		CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4096);
		struct crb_err err = { 0 };

		crb_buf_str(&text, "");
		for (size_t k = 0; table[k].name != NULL; k++) {
			if (table[k].required)
				crb_buf_printf(&text, "%s%s=%s",
				    text.len > 0 ? "," : "", table[k].name,
				    table[k].choices != NULL
					? table[k].choices[0]
					: "x");
		}
		if (crb_scope_parse(crb_buf_text(&text), table, &scope, &err) !=
		    CRB_OK)
			fail_msg("%s: %s", crb_buf_text(&text), err.msg);
	}
}

static void
samples_pass_their_check(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		CRB_AUTO_JSON json_t *params = json_of(samples[i].params);
		struct crb_err err = { 0 };

		if (ops_of(&samples[i])->check(params, &err) != CRB_OK)
			fail_msg("%s: %s", samples[i].params, err.msg);
	}
}

static void
an_unknown_parameter_is_refused_by_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		CRB_AUTO_JSON json_t *params = json_of(samples[i].params);
		struct crb_err err = { 0 };

		json_object_set_new(
		    params, "no-such-thing", json_string(CANARY));
		assert_int_not_equal(
		    ops_of(&samples[i])->check(params, &err), CRB_OK);
		assert_non_null(strstr(err.msg, "no-such-thing"));
		assert_null(strstr(err.msg, CANARY));
	}
}

static void
a_missing_parameter_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		const struct crb_backend_ops *ops = ops_of(&samples[i]);

		for (size_t k = 0; ops->params[k].name != NULL; k++) {
			CRB_AUTO_JSON json_t *params = json_of(
			    samples[i].params);
			struct crb_err err = { 0 };

			if (!ops->params[k].required)
				continue;
			json_object_del(params, ops->params[k].name);
			assert_int_not_equal(ops->check(params, &err), CRB_OK);
			assert_non_null(strstr(err.msg, ops->params[k].name));
		}
	}
}

/* Who puts the secret into the wrong parameter must not find it in a log. */
static void
no_message_repeats_a_parameters_value(void **state)
{
	static const char *const values[] = { CANARY, "https://u:" CANARY "@h",
		CANARY "\n", CANARY " " CANARY, "http://" CANARY, ":" CANARY };

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		const struct crb_backend_ops *ops = ops_of(&samples[i]);

		for (size_t k = 0; ops->params[k].name != NULL; k++) {
			for (size_t v = 0; v < sizeof(values) / sizeof(*values);
			     v++) {
				CRB_AUTO_JSON json_t *params = json_of(
				    samples[i].params);
				struct crb_err err = { 0 };

				json_object_set_new(params, ops->params[k].name,
				    json_string(values[v]));
				(void)ops->check(params, &err);
				if (strstr(err.msg, CANARY) != NULL)
					fail_msg("%s", err.msg);
			}
		}
	}
}

static void
values_of_the_wrong_type_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		const struct crb_backend_ops *ops = ops_of(&samples[i]);

		for (size_t k = 0; ops->params[k].name != NULL; k++) {
			CRB_AUTO_JSON json_t *params = json_of(
			    samples[i].params);
			struct crb_err err = { 0 };

			json_object_set_new(
			    params, ops->params[k].name, json_object());
			assert_int_not_equal(ops->check(params, &err), CRB_OK);
			assert_non_null(strstr(err.msg, ops->params[k].name));
		}
	}
}

static void
routes_are_within_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		CRB_AUTO_JSON json_t *params = json_of(samples[i].params);
		struct crb_route route = { 0 };
		struct crb_err err = { 0 };

		assert_int_equal(
		    ops_of(&samples[i])->route(params, &route, &err), CRB_OK);
		assert_true(route.count >= 1 && route.count <= CRB_ORIGINS_MAX);
		assert_true(route.network <= CRB_NETWORK_LOOPBACK);
		for (size_t k = 0; k < route.count; k++) {
			const struct crb_origin *origin = &route.origin[k];

			assert_true(origin->port >= 1 && origin->port <= 65535);
			assert_true(origin->host[0] != '\0');
			assert_true(origin->tls ||
			    route.network == CRB_NETWORK_LOOPBACK);
		}
	}
}

static void
a_route_of_bad_parameters_leaves_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; crb_backends[i] != NULL; i++) {
		CRB_AUTO_JSON json_t *params = json_of("{\"no-such\": 1}");
		CRB_AUTO_SECRET struct crb_secret *secret = secret_of(CANARY);
		struct crb_route route, before;
		struct crb_injection injection = { .query = true };
		struct crb_err err = { 0 };

		memset(&route, 0x5a, sizeof(route));
		memset(&before, 0x5a, sizeof(before));
		assert_int_not_equal(
		    crb_backends[i]->route(params, &route, &err), CRB_OK);
		assert_memory_equal(&route, &before, sizeof(route));
		if (crb_backends[i]->inject == NULL)
			continue;
		assert_int_not_equal(
		    crb_backends[i]->inject(params, secret, &injection, &err),
		    CRB_OK);
		assert_null(injection.value);
		assert_true(injection.query);
		assert_null(strstr(err.msg, CANARY));
	}
}

static bool
is_name(const struct crb_injection *injection)
{
	const char *token = injection->query
	    ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	      "-._~"
	    : "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
	size_t len = strnlen(injection->name, sizeof(injection->name));

	return len > 0 && len < sizeof(injection->name) &&
	    strspn(injection->name, token) == len;
}

static void
injections_are_well_formed_and_in_the_slab(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		const struct crb_backend_ops *ops = ops_of(&samples[i]);
		CRB_AUTO_JSON json_t *params = json_of(samples[i].params);
		CRB_AUTO_SECRET struct crb_secret *secret = secret_of(CANARY);
		struct crb_injection injection = { .value = NULL };
		size_t before = crb_slab_stats().used;
		struct crb_err err = { 0 };

		if (ops->inject == NULL)
			continue;
		if (ops->inject(params, secret, &injection, &err) != CRB_OK)
			fail_msg("%s: %s", samples[i].params, err.msg);
		assert_true(is_name(&injection));
		assert_non_null(injection.value);
		assert_true(crb_secret_len(injection.value) >= strlen(CANARY));
		for (size_t k = 0; k < crb_secret_len(injection.value); k++) {
			char c = crb_secret_bytes(injection.value)[k];

			assert_true(c >= ' ' && c <= '~');
			assert_false(
			    injection.query && strchr(" &#+", c) != NULL);
		}
		assert_true(crb_slab_stats().used > before);
		assert_int_equal(crb_slab_stats().spilled, 0);
		crb_injection_clear(&injection);
		assert_null(injection.value);
		assert_int_equal(crb_slab_stats().used, before);
	}
}

static void
no_memory_is_handed_back_with_the_secret_in_it(void **state)
{
	char *planted = strdup("x" CANARY);
	char text[4000] = CANARY; /* long, so that buffers grow */

	(void)state;
	assert_non_null(planted);
	memset(&text[strlen(CANARY)], 'x', sizeof(text) - strlen(CANARY) - 1);
	watch.armed = true;
	(void)snprintf(watch.encoded, sizeof(watch.encoded), "%s", CANARY);
	free(planted);
	assert_int_equal(watch.found, 1);
	for (size_t i = 0; i < SAMPLES; i++) {
		const struct crb_backend_ops *ops = ops_of(&samples[i]);
		CRB_AUTO_JSON json_t *params = json_of(samples[i].params);
		CRB_AUTO_SECRET struct crb_secret *secret = secret_of(text);

		/* The second time it is known what the encoded one is. */
		for (int k = 0; ops->inject != NULL && k < 2; k++) {
			struct crb_injection out = { .value = NULL };
			struct crb_err err;

			watch.found = 0;
			assert_int_equal(
			    ops->inject(params, secret, &out, &err), CRB_OK);
			(void)snprintf(watch.encoded, sizeof(watch.encoded),
			    "%.48s", crb_secret_bytes(out.value));
			crb_injection_clear(&out);
			assert_int_equal(watch.found, 0);
		}
	}
	watch.armed = false;
}

/* A secret that cannot be used is refused without a word about its content. */
static void
bad_secrets_are_refused_in_silence(void **state)
{
	static const char *const bad[] = { "", CANARY "\n", "\r" CANARY,
		CANARY "\r\nx-evil: " CANARY };
	char *longest = malloc((16u << 10) + 2);

	(void)state;
	assert_non_null(longest);
	memset(longest, 'x', (16u << 10) + 1);
	longest[(16u << 10) + 1] = '\0';
	memcpy(longest, CANARY, strlen(CANARY));
	for (size_t i = 0; i < SAMPLES; i++) {
		const struct crb_backend_ops *ops = ops_of(&samples[i]);
		CRB_AUTO_JSON json_t *params = json_of(samples[i].params);

		for (size_t k = 0; ops->inject != NULL && k <= 4; k++) {
			const char *text = k < 4 ? bad[k] : longest;
			CRB_AUTO_SECRET struct crb_secret *secret = secret_of(
			    text);
			struct crb_injection injection = { .value = NULL };
			struct crb_err err = { 0 };

			assert_int_not_equal(
			    ops->inject(params, secret, &injection, &err),
			    CRB_OK);
			assert_null(injection.value);
			assert_true(err.msg[0] != '\0');
			assert_null(strstr(err.msg, CANARY));
		}
	}
	free(longest);
}

static void
the_longest_secret_can_be_injected(void **state)
{
	char *longest = malloc((16u << 10) + 1);

	(void)state;
	assert_non_null(longest);
	memset(longest, 'x', 16u << 10);
	longest[16u << 10] = '\0';
	for (size_t i = 0; i < SAMPLES; i++) {
		const struct crb_backend_ops *ops = ops_of(&samples[i]);
		CRB_AUTO_JSON json_t *params = json_of(samples[i].params);
		CRB_AUTO_SECRET struct crb_secret *secret = secret_of(longest);
		struct crb_injection injection = { .value = NULL };
		struct crb_err err = { 0 };

		if (ops->inject == NULL)
			continue;
		if (ops->inject(params, secret, &injection, &err) != CRB_OK)
			fail_msg("%s", err.msg);
		crb_injection_clear(&injection);
	}
	free(longest);
}

static void
presets_are_complete_parameters(void **state)
{
	(void)state;
	for (size_t i = 0; crb_presets[i].name != NULL; i++) {
		const struct crb_preset *preset = &crb_presets[i];
		CRB_AUTO_JSON json_t *params = json_of(preset->params);
		const struct crb_backend_ops *ops = NULL;
		struct crb_err err = { 0 };

		assert_true(is_kebab(preset->name));
		assert_true(is_a_line(preset->summary));
		assert_true(is_a_line(preset->secret));
		assert_int_equal(
		    crb_backend_find(preset->kind, &ops, &err), CRB_OK);
		if (ops->check(params, &err) != CRB_OK)
			fail_msg("%s: %s", preset->name, err.msg);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_backend_says_what_it_is),
		cmocka_unit_test(
		    an_unknown_kind_is_an_error_that_names_the_known),
		cmocka_unit_test(tables_are_well_formed),
		cmocka_unit_test(presets_of_attributes_are_values_of_theirs),
		cmocka_unit_test(samples_pass_their_check),
		cmocka_unit_test(an_unknown_parameter_is_refused_by_its_name),
		cmocka_unit_test(a_missing_parameter_is_named),
		cmocka_unit_test(no_message_repeats_a_parameters_value),
		cmocka_unit_test(values_of_the_wrong_type_are_refused),
		cmocka_unit_test(routes_are_within_bounds),
		cmocka_unit_test(a_route_of_bad_parameters_leaves_nothing),
		cmocka_unit_test(injections_are_well_formed_and_in_the_slab),
		cmocka_unit_test(
		    no_memory_is_handed_back_with_the_secret_in_it),
		cmocka_unit_test(bad_secrets_are_refused_in_silence),
		cmocka_unit_test(the_longest_secret_can_be_injected),
		cmocka_unit_test(presets_are_complete_parameters),
	};
	struct crb_err err;

	if (sodium_init() < 0 || crb_slab_open(8u << 20, &err) != CRB_OK)
		return 1;
	crb_json_use_slab();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
