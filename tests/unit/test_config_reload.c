/* A configuration that takes the place of another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/config/config.h"

#define FILE_NAME "/etc/credbroker/credbroker.json"

static enum crb_status
load(const char *text, struct crb_config *out, struct crb_err *err)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	enum crb_status status;

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	status = crb_config_load_fd(fd, FILE_NAME, out, err);
	(void)close(fd);
	return status;
}

static void
a_descriptor_is_read_as_the_file_is(void **state)
{
	struct crb_config config;
	struct crb_err err;

	(void)state;
	assert_int_equal(
	    load("{\"ttl\": \"5m\", \"state\": \"/s\"}", &config, &err),
	    CRB_OK);
	assert_string_equal(config.file, FILE_NAME);
	assert_string_equal(config.state, "/s");
	assert_int_equal(config.ttl, 300);
	assert_int_equal(config.sessions_max, 4096);
	crb_config_clear(&config);
}

static void
what_is_wrong_is_told_with_file_and_line(void **state)
{
	struct crb_config config;
	struct crb_err err;

	(void)state;
	assert_int_equal(
	    load("{\n\"ttl\": \"5m\",\n\"tll\": 1}", &config, &err),
	    CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, FILE_NAME ":3: unknown key \"tll\""));
	assert_int_equal(load("", &config, &err), CRB_ERR_INVALID);
	assert_int_equal(load("[]", &config, &err), CRB_ERR_INVALID);
	/* Nothing is left that would have to be cleared. */
	assert_null(config.json);
}

static void
what_takes_its_place_points_to_nothing_of_its_source(void **state)
{
	struct crb_config to, *from = malloc(sizeof(*from));
	struct crb_err err;

	(void)state;
	assert_non_null(from);
	assert_int_equal(setenv("HOME", "/home/a", 1), 0);
	assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
	assert_int_equal(load("{\"proxy\": \"http://p\"}", &to, &err), CRB_OK);
	assert_int_equal(
	    load("{\"ttl\": \"5m\", \"ca_file\": \"/c\"}", from, &err), CRB_OK);
	crb_config_take(&to, from);
	assert_null(from->json);
	assert_null(from->file);
	memset(from, 'x', sizeof(*from));
	free(from);
	assert_string_equal(to.file, FILE_NAME);
	assert_string_equal(to.ca_file, "/c");
	assert_null(to.proxy);
	assert_int_equal(to.ttl, 300);
	assert_ptr_equal(to.file, to.places[2]);
	assert_true(strlen(to.state) > 0 && to.state[0] == '/');
	crb_config_clear(&to);
}

static void
a_key_differs_by_what_it_says(void **state)
{
	struct crb_config a, b;
	struct crb_err err;

	(void)state;
	assert_int_equal(
	    load("{\"state\": \"/s\", \"ttl\": \"5m\"}", &a, &err), CRB_OK);
	assert_int_equal(
	    load("{\"ttl\": \"6m\", \"state\":   \"/s\"}", &b, &err), CRB_OK);
	assert_false(crb_config_differs(a.json, b.json, "state"));
	assert_true(crb_config_differs(a.json, b.json, "ttl"));
	assert_false(crb_config_differs(a.json, b.json, "runtime"));
	/* Without a file, and with one that says nothing of it. */
	assert_true(crb_config_differs(NULL, b.json, "ttl"));
	assert_false(crb_config_differs(NULL, b.json, "runtime"));
	crb_config_clear(&a);
	crb_config_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_is_read_as_the_file_is),
		cmocka_unit_test(what_is_wrong_is_told_with_file_and_line),
		cmocka_unit_test(
		    what_takes_its_place_points_to_nothing_of_its_source),
		cmocka_unit_test(a_key_differs_by_what_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
