#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backends/backend.h"
#include "base/cleanup.h"
#include "base/json.h"

static const struct crb_preset *
find(const char *name)
{
	for (size_t i = 0; crb_presets[i].name != NULL; i++) {
		if (strcmp(crb_presets[i].name, name) == 0)
			return &crb_presets[i];
	}
	fail_msg("no preset %s", name);
	return NULL;
}

static const struct expectation {
	const char *name;
	const char *host;
	const char *username;
} expectations[] = {
	{ "github", "github.com", "x-access-token" },
	{ "gitlab", "gitlab.com", "oauth2" },
	{ "bitbucket", "bitbucket.org", "x-token-auth" },
	{ "codeberg", "codeberg.org", "oauth2" },
};

static void
well_known_services_need_only_their_token(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(expectations) / sizeof(*expectations);
	     i++) {
		const struct expectation *e = &expectations[i];
		const struct crb_preset *preset = find(e->name);
		const struct crb_backend_ops *ops = NULL;
		CRB_AUTO_JSON json_t *params = NULL;
		struct crb_route route;
		struct crb_err err = { 0 };

		assert_non_null(preset);
		if (preset == NULL)
			return;
		assert_int_equal(
		    crb_json_parse(preset->params, strlen(preset->params),
			e->name, &params, &err),
		    CRB_OK);
		assert_int_equal(
		    crb_backend_find(preset->kind, &ops, &err), CRB_OK);
		assert_int_equal(ops->route(params, &route, &err), CRB_OK);
		assert_string_equal(route.origin[0].host, e->host);
		assert_true(route.origin[0].tls);
		assert_int_equal(route.network, CRB_NETWORK_PUBLIC);
		assert_string_equal(
		    json_string_value(json_object_get(params, "username")),
		    e->username);
	}
}

static void
names_of_presets_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; crb_presets[i].name != NULL; i++)
		assert_ptr_equal(find(crb_presets[i].name), &crb_presets[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_known_services_need_only_their_token),
		cmocka_unit_test(names_of_presets_are_unique),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
