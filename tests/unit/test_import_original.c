/* Cutting entries out of a file while somebody moves folders about. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "broker/cli/import/original.h"

#define TEXT                                                \
	"machine a.example.com login a password canary-a\n" \
	"machine b.example.com login b password canary-b\n"

/* "ours", "theirs", and "way", a symbolic link to one of them. */
static struct {
	char root[32];
	const char *at_parse; /* where "way" leads from then on; or NULL */
	const char *at_sync;
} fixture;

static void
path_of(const char *name, char out[64])
{
	(void)snprintf(out, 64, "%s/%s", fixture.root, name);
}

static void
lead(const char *where)
{
	char way[64];

	if (where == NULL)
		return;
	path_of("way", way);
	(void)unlink(way);
	assert_int_equal(symlink(where, way), 0);
}

/* The last thing that is done to the new file; the library's own is asked. */
int
fsync(int fd)
{
	lead(fixture.at_sync);
	fixture.at_sync = NULL;
	return fdatasync(fd);
}

static enum crb_status
parse(const char *text, size_t len, struct crb_found_list *out,
    struct crb_err *err)
{
	lead(fixture.at_parse);
	return crb_import_netrc(text, len, out, err);
}

static void
fill(const char *name, const char *text)
{
	char path[64];
	struct crb_err err;

	path_of(name, path);
	assert_int_equal(
	    crb_io_write_file(path, text, strlen(text), 0600, &err), CRB_OK);
}

static void
holds(const char *name, const char *text)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(4096);
	char path[64];
	struct crb_err err;

	path_of(name, path);
	assert_int_equal(crb_io_read_file(path, &buf, &err), CRB_OK);
	assert_string_equal(crb_buf_text(&buf), text);
}

static int
set_up(void **state)
{
	static const char *const folders[] = { "ours", "theirs" };
	char path[64];

	(void)state;
	(void)snprintf(
	    fixture.root, sizeof(fixture.root), "/tmp/crb-unit-XXXXXX");
	if (mkdtemp(fixture.root) == NULL)
		return -1;
	fixture.at_parse = fixture.at_sync = NULL;
	for (size_t i = 0; i < 2; i++) {
		path_of(folders[i], path);
		if (mkdir(path, 0700) != 0)
			return -1;
	}
	lead("theirs");
	fill("ours/netrc", "machine c.example.com login c password canary-c\n");
	fill("theirs/netrc", TEXT);
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const names[] = { "ours/netrc", "theirs/netrc",
		"way", "ours", "theirs", "." };
	char path[64];
	int failed = 0;

	(void)state;
	/* Which also shows that nothing else was left behind. */
	for (size_t i = 0; i < 6; i++) {
		path_of(names[i], path);
		failed |= i == 5 ? rmdir(fixture.root) : remove(path);
	}
	return failed;
}

static const struct crb_source source = { .name = "netrc", .parse = parse };

static enum crb_status
cut_first(struct crb_original *original, struct crb_found_list *list)
{
	const size_t first = 0;
	struct crb_err err = { .msg = "" };

	return crb_original_cut(original, list, &first, 1, &err);
}

static void
read_it(struct crb_original *original, struct crb_found_list *list)
{
	char path[64];
	struct crb_err err = { .msg = "" };

	path_of("way/netrc", path);
	if (crb_original_read(original, &source, path, 0, list, &err) != CRB_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(list->count, 2);
}

static void
one_is_cut_and_the_other_stays(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };
	struct crb_original original;

	(void)state;
	read_it(&original, &list);
	assert_int_equal(cut_first(&original, &list), CRB_OK);
	holds("theirs/netrc",
	    "machine b.example.com login b password canary-b\n");
}

/*
 * Whoever can change a folder on the way must not have what he wrote put in
 * the place of a file of ours elsewhere.
 */
static void
a_folder_that_is_swapped_leads_nowhere_else(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };
	struct crb_original original;

	(void)state;
	read_it(&original, &list);
	fixture.at_parse = "ours";
	fixture.at_sync = "theirs";
	assert_int_not_equal(cut_first(&original, &list), CRB_OK);
	holds(
	    "ours/netrc", "machine c.example.com login c password canary-c\n");
	holds("theirs/netrc", TEXT);
}

/* There new files get the folder's group, for which the mode was not meant. */
static void
the_group_stays_in_a_setgid_folder(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };
	struct crb_original original;
	char folder[64], path[64];
	struct stat st;

	(void)state;
	path_of("theirs", folder);
	path_of("theirs/netrc", path);
	if (chown(folder, (uid_t)-1, 12345) != 0)
		skip();
	assert_int_equal(chmod(folder, 02700), 0);
	assert_int_equal(chmod(path, 0640), 0);
	read_it(&original, &list);
	assert_int_equal(cut_first(&original, &list), CRB_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, getegid());
	assert_int_equal(st.st_mode & 07777, 0640);
}

/* What is said to come from a file must be there to be cut. */
static void
a_file_with_an_error_yields_nothing(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };
	struct crb_original original;
	struct crb_err err = { .msg = "" };
	char path[64];

	(void)state;
	read_it(&original, &list);
	fill("theirs/netrc", TEXT "machine d.example.com bogus\n");
	path_of("way/netrc", path);
	assert_int_not_equal(
	    crb_original_read(&original, &source, path, 1, &list, &err),
	    CRB_OK);
	assert_non_null(strstr(err.msg, "line 3"));
	assert_int_equal(list.count, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    one_is_cut_and_the_other_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_folder_that_is_swapped_leads_nowhere_else, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    the_group_stays_in_a_setgid_folder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_file_with_an_error_yields_nothing, set_up, tear_down),
	};

	crb_json_use_slab();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
