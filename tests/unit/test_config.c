#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "broker/config/config.h"
#include "broker/config/places.h"

static struct crb_config config;
static struct crb_err err;

static enum crb_status
parse(const char *text)
{
	crb_config_clear(&config);
	return crb_config_parse(text, strlen(text), "c.json", &config, &err);
}

static int
clear(void **state)
{
	(void)state;
	crb_config_clear(&config);
	return 0;
}

static void
an_empty_object_gives_the_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse("{}"), CRB_OK);
	assert_null(config.state);
	assert_null(config.key_file);
	assert_null(config.proxy);
	assert_int_equal(config.ttl, 8 * 3600);
	assert_int_equal(config.ttl_max, 7 * 24 * 3600);
	assert_int_equal(config.sessions_max, 4096);
	assert_int_equal(config.connections_max, 64);
	assert_int_equal(config.exchanges_max, 32);
	assert_int_equal(config.requests_per_minute, 3000);
}

static void
every_key_is_read(void **state)
{
	(void)state;
	assert_int_equal(
	    parse("{\"state\": \"/s\", \"runtime\": \"/r\", "
		  "\"key_file\": \"/k\", \"ca_file\": \"/c\", "
		  "\"proxy\": \"http://127.0.0.1:3128\", \"ttl\": \"1h30m\", "
		  "\"ttl_max\": \"2d\", \"sessions_max\": 10, "
		  "\"connections_max\": 11, \"exchanges_max\": 12, "
		  "\"requests_per_minute\": 13}"),
	    CRB_OK);
	assert_string_equal(config.state, "/s");
	assert_string_equal(config.runtime, "/r");
	assert_string_equal(config.key_file, "/k");
	assert_string_equal(config.ca_file, "/c");
	assert_string_equal(config.proxy, "http://127.0.0.1:3128");
	assert_int_equal(config.ttl, 5400);
	assert_int_equal(config.ttl_max, 2 * 24 * 3600);
	assert_int_equal(config.sessions_max, 10);
	assert_int_equal(config.connections_max, 11);
	assert_int_equal(config.exchanges_max, 12);
	assert_int_equal(config.requests_per_minute, 13);
}

/* What is wrong, where it is, and which words the message must have. */
static const struct {
	const char *text, *where, *key, *word;
} bad[] = {
	{ "", "c.json:1", "", "" },
	{ "[]", "c.json:1", "", "object" },
	{ "{\"ttl\": \"1h\",\n \"ttl\": \"2h\"}", "c.json:2", "", "" },
	{ "{}x", "c.json:1", "", "" },
	{ "{\n\n \"tll\": \"1h\"}", "c.json:3", "tll", "\"ttl\"" },
	{ "{\n \"frobnicate\": 1}", "c.json:2", "frobnicate", "unknown" },
	{ "{\n \"ttl\": \"fast\"}", "c.json:2", "ttl", "" },
	{ "{\n \"ttl\": \"0s\"}", "c.json:2", "ttl", "" },
	{ "{\n \"ttl\": \"366d\"}", "c.json:2", "ttl", "" },
	{ "{\n \"ttl\": true}", "c.json:2", "ttl", "" },
	{ "{\n \"ttl\": \"8d\"}", "c.json:2", "ttl", "ttl_max" },
	{ "{\"ttl\": \"2h\",\n \"ttl_max\": \"1h\"}", "c.json:1", "ttl",
	    "ttl_max" },
	{ "{\n \"ttl_max\": \"1h\"}", "c.json:2", "ttl_max", "longer" },
	{ "{\n \"sessions_max\": 0}", "c.json:2", "sessions_max", "" },
	{ "{\n \"sessions_max\": 1000001}", "c.json:2", "sessions_max", "" },
	{ "{\n \"sessions_max\": 1.5}", "c.json:2", "sessions_max", "" },
	{ "{\n \"sessions_max\": -1}", "c.json:2", "sessions_max", "" },
	{ "{\n \"connections_max\": 1025}", "c.json:2", "connections_max", "" },
	{ "{\n \"exchanges_max\": []}", "c.json:2", "exchanges_max", "" },
	{ "{\n \"state\": \"relative\"}", "c.json:2", "state", "absolute" },
	{ "{\n \"state\": \"\"}", "c.json:2", "state", "absolute" },
	{ "{\n \"runtime\": \"./r\"}", "c.json:2", "runtime", "absolute" },
	{ "{\n \"key_file\": \"k\"}", "c.json:2", "key_file", "absolute" },
	{ "{\n \"ca_file\": \"k\"}", "c.json:2", "ca_file", "absolute" },
	{ "{\n \"ca_file\": null}", "c.json:2", "ca_file", "" },
	{ "{\n \"state\": \"/a\\u0000b\"}", "c.json:2", "", "" },
	{ "{\n \"proxy\": \"socks5://h\"}", "c.json:2", "proxy", "http" },
	{ "{\n \"proxy\": \"http://u:hunter2@h\"}", "c.json:2", "proxy",
	    "password" },
	{ "{\n \"a.b\\u001b[31m\": 1}", "c.json", "\\x1b", "unknown" },
};

static void
what_is_wrong_is_named_by_file_line_and_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i].text), CRB_ERR_INVALID);
		if (strncmp(err.msg, bad[i].where, strlen(bad[i].where)) != 0 ||
		    strstr(err.msg, bad[i].key) == NULL ||
		    strstr(err.msg, bad[i].word) == NULL)
			fail_msg("%s: %s", bad[i].text, err.msg);
		/* Never the value: it could be a secret in the wrong place. */
		assert_null(strstr(err.msg, "hunter2"));
		assert_null(config.json);
	}
}

static void
a_file_that_is_too_large_is_refused(void **state)
{
	static char text[(64 << 10) + 2];

	(void)state;
	memset(text, ' ', sizeof(text) - 1);
	assert_int_equal(parse(text), CRB_ERR_TOO_LARGE);
}

/* An environment of the test's own. */
static const char *xdg_state, *xdg_runtime, *xdg_config, *home;

static char *
get(const char *name)
{
	const char *value = strcmp(name, "XDG_STATE_HOME") == 0 ? xdg_state
	    : strcmp(name, "XDG_RUNTIME_DIR") == 0              ? xdg_runtime
	    : strcmp(name, "XDG_CONFIG_HOME") == 0              ? xdg_config
	    : strcmp(name, "HOME") == 0                         ? home
								: NULL;

	return (char *)(uintptr_t)value;
}

static const char *
place(enum crb_place which, uid_t uid)
{
	static char out[CRB_PATH_MAX];

	if (crb_place(which, uid, get, out, &err) != CRB_OK)
		return "none";
	return out;
}

static void
places_follow_the_environment(void **state)
{
	(void)state;
	home = "/home/u";
	xdg_state = xdg_runtime = xdg_config = NULL;
	assert_string_equal(
	    place(CRB_PLACE_STATE, 1000), "/home/u/.local/state/credbroker");
	assert_string_equal(place(CRB_PLACE_RUNTIME, 1000),
	    "/home/u/.local/state/credbroker/run");
	assert_string_equal(place(CRB_PLACE_CONFIG, 1000),
	    "/home/u/.config/credbroker/credbroker.json");
	xdg_state = "/xs";
	xdg_runtime = "/run/user/1000";
	xdg_config = "/xc";
	assert_string_equal(place(CRB_PLACE_STATE, 1000), "/xs/credbroker");
	assert_string_equal(
	    place(CRB_PLACE_RUNTIME, 1000), "/run/user/1000/credbroker");
	assert_string_equal(
	    place(CRB_PLACE_CONFIG, 1000), "/xc/credbroker/credbroker.json");
	xdg_runtime = NULL;
	assert_string_equal(
	    place(CRB_PLACE_RUNTIME, 1000), "/xs/credbroker/run");
	/* A relative one counts for nothing. */
	xdg_state = "xs";
	assert_string_equal(
	    place(CRB_PLACE_STATE, 1000), "/home/u/.local/state/credbroker");
	home = NULL;
	assert_string_equal(place(CRB_PLACE_STATE, 1000), "none");
	assert_string_equal(place(CRB_PLACE_RUNTIME, 1000), "none");
}

static void
root_has_the_systems_places(void **state)
{
	(void)state;
	home = "/root";
	xdg_state = xdg_runtime = xdg_config = "/x";
	assert_string_equal(place(CRB_PLACE_STATE, 0), "/var/lib/credbroker");
	assert_string_equal(place(CRB_PLACE_RUNTIME, 0), "/run/credbroker");
	assert_string_equal(
	    place(CRB_PLACE_CONFIG, 0), "/etc/credbroker/credbroker.json");
}

static char folder[64], file[128];

static int
make_folder(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(folder, sizeof(folder), "%s/crb-config-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(file, sizeof(file), "%s/c.json", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)unlink(file);
	(void)rmdir(folder);
	return clear(state);
}

static void
write_file(const char *text, mode_t mode)
{
	assert_int_equal(
	    crb_io_write_file(file, text, strlen(text), mode, &err), CRB_OK);
}

static void
a_file_is_read_and_its_path_kept(void **state)
{
	char path[CRB_PATH_MAX];

	(void)state;
	write_file("{\"ttl\": \"2h\", \"state\": \"/s\", "
		   "\"runtime\": \"/r\"}",
	    0644);
	assert_int_equal(crb_config_load(file, &config, &err), CRB_OK);
	assert_int_equal(config.ttl, 7200);
	assert_string_equal(config.file, file);
	assert_string_equal(config.state, "/s");
	assert_int_equal(unsetenv("CREDBROKER_ADMIN_SOCKET"), 0);
	assert_int_equal(crb_config_admin_socket(&config, path, &err), CRB_OK);
	assert_string_equal(path, "/r/admin.sock");
	assert_int_equal(setenv("CREDBROKER_ADMIN_SOCKET", "/other", 1), 0);
	assert_int_equal(crb_config_admin_socket(&config, path, &err), CRB_OK);
	assert_string_equal(path, "/other");
	assert_int_equal(unsetenv("CREDBROKER_ADMIN_SOCKET"), 0);
}

static void
a_file_that_others_can_write_is_refused(void **state)
{
	(void)state;
	write_file("{}", 0646);
	assert_int_equal(crb_config_load(file, &config, &err), CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, "chmod go-w"));
	write_file("{}", 0644);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(crb_config_load(file, &config, &err), CRB_ERR_INVALID);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(crb_config_load(file, &config, &err), CRB_OK);
}

static void
a_file_that_is_named_must_be_there(void **state)
{
	(void)state;
	assert_int_not_equal(crb_config_load(file, &config, &err), CRB_OK);
	assert_non_null(strstr(err.msg, file));
}

static void
no_file_is_asked_for_with_an_empty_name(void **state)
{
	(void)state;
	assert_int_equal(crb_config_load("", &config, &err), CRB_OK);
	assert_null(config.file);
	assert_int_equal(config.ttl, 8 * 3600);
	assert_non_null(config.state);
	assert_non_null(config.runtime);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
		    an_empty_object_gives_the_defaults, clear),
		cmocka_unit_test_teardown(every_key_is_read, clear),
		cmocka_unit_test_teardown(
		    what_is_wrong_is_named_by_file_line_and_key, clear),
		cmocka_unit_test_teardown(
		    a_file_that_is_too_large_is_refused, clear),
		cmocka_unit_test(places_follow_the_environment),
		cmocka_unit_test(root_has_the_systems_places),
		cmocka_unit_test_setup_teardown(
		    a_file_is_read_and_its_path_kept, make_folder,
		    remove_folder),
		cmocka_unit_test_setup_teardown(
		    a_file_that_others_can_write_is_refused, make_folder,
		    remove_folder),
		cmocka_unit_test_setup_teardown(
		    a_file_that_is_named_must_be_there, make_folder,
		    remove_folder),
		cmocka_unit_test_teardown(
		    no_file_is_asked_for_with_an_empty_name, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
