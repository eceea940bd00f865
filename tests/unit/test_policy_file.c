#include "broker/supervisor/policy_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "broker/bus/messages.h"
#include "tests/unit/unit.h"

static char folder[UNIT_FOLDER_MAX];
static char team[UNIT_FOLDER_MAX + 16];
static struct crb_policy_folders places;

static int
setup(void **state)
{
	(void)state;
	unit_folder_make(folder);
	(void)snprintf(team, sizeof(team), "%s/team.json", folder);
	places = (struct crb_policy_folders){ .organization = folder,
		.policy = folder };
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unit_folder_remove(folder);
	return 0;
}

static void
write_team(mode_t mode)
{
	struct crb_err err;

	assert_ok(crb_io_write_file(team, "{}", 2, mode, &err));
}

static void
refused(const char *says)
{
	struct crb_err err;
	int fd = -1;

	assert_int_not_equal(
	    crb_policy_file_open(&places, CRB_POLICY_TEAM, &fd, &err), CRB_OK);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(err.msg, "/team.json"));
	assert_non_null(strstr(err.msg, says));
}

static void
one_that_is_there_is_opened_to_be_read(void **state)
{
	CRB_AUTO_FD int fd = -1;
	struct crb_err err;
	char text[3] = "";

	(void)state;
	write_team(0644);
	assert_ok(crb_policy_file_open(&places, CRB_POLICY_TEAM, &fd, &err));
	assert_int_equal(read(fd, text, 2), 2);
	assert_string_equal(text, "{}");
	assert_int_equal(write(fd, "x", 1), -1);
}

static void
one_that_is_not_there_is_no_error(void **state)
{
	struct crb_err err;
	int fd = 7;

	(void)state;
	assert_ok(crb_policy_file_open(&places, CRB_POLICY_LOCAL, &fd, &err));
	assert_int_equal(fd, -1);
	fd = 7;
	places.policy = "/nonexistent/policy";
	assert_ok(crb_policy_file_open(&places, CRB_POLICY_LOCAL, &fd, &err));
	assert_int_equal(fd, -1);
	fd = 7;
	places.policy = "";
	assert_ok(crb_policy_file_open(&places, CRB_POLICY_LOCAL, &fd, &err));
	assert_int_equal(fd, -1);
}

static void
what_others_can_write_is_refused(void **state)
{
	(void)state;
	write_team(0666);
	assert_int_equal(chmod(team, 0666), 0);
	refused("others can write it");
	assert_int_equal(chmod(team, 0664), 0);
	refused("others can write it");
}

static void
what_is_no_plain_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(team, 0755), 0);
	refused("not a regular file");
	assert_int_equal(rmdir(team), 0);
	assert_int_equal(mkfifo(team, 0644), 0);
	refused("not a regular file");
}

static void
a_link_that_leads_nowhere_is_not_no_file(void **state)
{
	(void)state;
	assert_int_equal(symlink("nowhere", team), 0);
	refused("a link");
}

static void
a_file_that_there_is_not_among_them_is_refused(void **state)
{
	static const unsigned numbers[] = { 0, CRB_POLICY_FILES, 255,
		UINT32_MAX };
	struct crb_err err;
	int fd = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(
		    crb_policy_file_open(&places, numbers[i], &fd, &err),
		    CRB_ERR_INVALID);
}

/* An ordinary user's own file does not become the machine's. */
static void
the_organization_s_is_root_s(void **state)
{
	char path[UNIT_FOLDER_MAX + 32];
	struct crb_err err;
	int fd = -1;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/organization.json", folder);
	assert_ok(crb_io_write_file(path, "{}", 2, 0644, &err));
	if (geteuid() == 0) {
		/* Nor a file of somebody else for root's broker. */
		assert_int_equal(chown(path, 5, 5), 0);
	}
	assert_int_not_equal(
	    crb_policy_file_open(&places, CRB_POLICY_ORGANIZATION, &fd, &err),
	    CRB_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    one_that_is_there_is_opened_to_be_read, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    one_that_is_not_there_is_no_error, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_others_can_write_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_no_plain_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_link_that_leads_nowhere_is_not_no_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_file_that_there_is_not_among_them_is_refused, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    the_organization_s_is_root_s, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
