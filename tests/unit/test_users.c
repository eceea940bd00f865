#include "broker/core/users.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/unit/unit.h"

static char folder[UNIT_FOLDER_MAX];
static struct crb_users *users;

static const char *
put(const char *name, const char *text)
{
	static char path[2][UNIT_FOLDER_MAX + 32];
	static unsigned next;
	char *out = path[next++ % 2];
	FILE *file;

	(void)snprintf(out, sizeof(path[0]), "%s/%s", folder, name);
	assert_non_null(file = fopen(out, "w"));
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	return out;
}

static int
begin(void **state)
{
	struct crb_err err;

	(void)state;
	unit_folder_make(folder);
	assert_ok(crb_users_load(put("passwd",
				     "root:x:0:0:root:/root:/bin/sh\n"
				     "alice:x:1000:1000::/home/alice:/bin/sh\n"
				     "a*:x:1001:1000::/:/bin/sh\n"),
	    put("group",
		"root:x:0:\n"
		"dev:x:50:alice\n"
		"developers:x:50:alice\n"
		"+nis:x:53:alice\n"
		"a b:x:51:alice\n"
		"*:x:52:alice\n"),
	    &users, &err));
	return 0;
}

static int
end(void **state)
{
	(void)state;
	crb_users_free(users);
	unit_folder_remove(folder);
	return 0;
}

static void
groups_are(const gid_t *gids, size_t count, const char *text)
{
	CRB_AUTO_JSON json_t *list = crb_users_groups(users, gids, count);
	CRB_AUTO_FREE char *is = json_dumps(list, JSON_COMPACT);

	assert_string_equal(is, text);
}

static void
users_have_the_names_that_the_file_says(void **state)
{
	char who[CRB_WHO_TEXT];

	(void)state;
	assert_string_equal(crb_users_name(users, 1000), "alice");
	assert_null(crb_users_name(users, 4711));
	assert_null(crb_users_name(NULL, 0));
	crb_users_who(users, 1000, who);
	assert_string_equal(who, "uid 1000 (alice)");
	crb_users_who(users, 4711, who);
	assert_string_equal(who, "uid 4711");
}

/* A rule about one would be about all of them. */
static void
a_name_that_means_several_is_none(void **state)
{
	static const gid_t gids[] = { 51, 52, 53 };

	(void)state;
	assert_null(crb_users_name(users, 1001));
	groups_are(gids, 3, "[\"gid 51\",\"gid 52\",\"gid 53\"]");
}

static void
groups_are_there_once_and_without_a_name_by_their_number(void **state)
{
	static const gid_t gids[] = { 50, 0, 50, 4711 };

	(void)state;
	groups_are(gids, 4, "[\"dev\",\"developers\",\"root\",\"gid 4711\"]");
	groups_are(NULL, 0, "[]");
}

static void
without_the_files_nobody_has_a_name(void **state)
{
	static const gid_t gid;
	struct crb_users *none;
	struct crb_err err;

	(void)state;
	assert_ok(crb_users_load("/nonexistent", "/nonexistent", &none, &err));
	assert_null(crb_users_name(none, 0));
	json_decref(crb_users_groups(none, &gid, 1));
	crb_users_free(none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_have_the_names_that_the_file_says),
		cmocka_unit_test(a_name_that_means_several_is_none),
		cmocka_unit_test(
		    groups_are_there_once_and_without_a_name_by_their_number),
		cmocka_unit_test(without_the_files_nobody_has_a_name),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
