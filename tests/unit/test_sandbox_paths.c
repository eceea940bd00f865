#include <sys/stat.h>

#include "broker/cli/binds.h"
#include "broker/cli/folders.h"
#include "broker/cli/git_config.h"
#include "broker/cli/install_root.h"
#include "broker/cli/masked.h"
#include "broker/cli/mounts.h"
#include "broker/cli/program.h"
#include "tests/unit/unit.h"

static char root[UNIT_FOLDER_MAX];

static int
setup(void **state)
{
	(void)state;
	unit_folder_make(root);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unit_folder_remove(root);
	return 0;
}

/* A file, or with a slash at the end a folder, and the folders above. */
static void
make(const char *name)
{
	char path[CRB_PATH_MAX];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')) != NULL;
	     *at++ = '/') {
		*at = '\0';
		(void)mkdir(path, 0700);
	}
	if (path[strlen(path) - 1] == '/')
		return;
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fclose(file);
}

static void
test_a_folder_holds_what_lies_in_it_and_itself(void **state)
{
	(void)state;
	assert_true(crb_folder_holds("/a", "/a"));
	assert_true(crb_folder_holds("/a", "/a/b/c"));
	assert_true(crb_folder_holds("/", "/a"));
	assert_false(crb_folder_holds("/a", "/ab"));
	assert_false(crb_folder_holds("/a/b", "/a"));
	assert_string_equal(crb_folder_rest("/a", "/a/b"), "/b");
	assert_string_equal(crb_folder_rest("/a", "/a"), "");
	assert_string_equal(crb_folder_rest("/", "/a"), "/a");
}

static void
test_paths_are_cleaned_and_none_climbs(void **state)
{
	static const char *const bad[] = { "", "a", "./a", "/a/..", "/../a",
		"/a/../b" };
	char out[CRB_PATH_MAX];
	struct crb_err err;

	(void)state;
	assert_int_equal(crb_folder_clean("//a/./b//", out, &err), CRB_OK);
	assert_string_equal(out, "/a/b");
	assert_int_equal(crb_folder_clean("/", out, &err), CRB_OK);
	assert_string_equal(out, "/");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(
		    crb_folder_clean(bad[i], out, &err), CRB_ERR_USAGE);
}

static void
count_link(void *ctx, const char *at, const char *text)
{
	(void)at;
	(void)text;
	++*(int *)ctx;
}

static void
test_a_walk_tells_of_each_link(void **state)
{
	char from[CRB_PATH_MAX], real[CRB_PATH_MAX], wanted[CRB_PATH_MAX];
	struct crb_err err;
	int links = 0;

	(void)state;
	make("disk/nvm/bin/node");
	(void)snprintf(from, sizeof(from), "%s/link", root);
	assert_int_equal(symlink("disk/nvm", from), 0);
	(void)snprintf(from, sizeof(from), "%s/disk/nvm/bin/npm", root);
	assert_int_equal(symlink("../bin/./node", from), 0);
	(void)snprintf(from, sizeof(from), "%s/link/bin/npm", root);
	(void)snprintf(wanted, sizeof(wanted), "%s/disk/nvm/bin/node", root);
	assert_int_equal(
	    crb_folder_walk(from, count_link, &links, real, &err), CRB_OK);
	assert_string_equal(real, wanted);
	assert_int_equal(links, 2);
}

static void
test_links_in_a_circle_end(void **state)
{
	char path[CRB_PATH_MAX], real[CRB_PATH_MAX];
	struct crb_err err;
	int links = 0;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/circle", root);
	assert_int_equal(symlink("circle", path), 0);
	assert_int_not_equal(
	    crb_folder_walk(path, count_link, &links, real, &err), CRB_OK);
	assert_true(links <= 41);
}

/* What is shown for a program, without the root, joined by blanks. */
static void
show(void *ctx, const char *path)
{
	char *out = ctx;

	(void)strcat(out, out[0] == '\0' ? "" : " ");
	(void)strcat(out, path + strlen(root) + 1);
}

static void
test_install_roots(void **state)
{
	static const struct {
		const char *program, *shown;
	} cases[] = {
		{ "home/.local/bin/x", "home/.local/bin home/.local/lib" },
		{ "home/.local/share/claude/versions/1/claude",
		    "home/.local/share/claude" },
		{ "home/.local/share/pipx/venvs/x/bin/x",
		    "home/.local/share/pipx" },
		{ "home/.local/lib/node_modules/a/cli.js",
		    "home/.local/bin home/.local/lib" },
		{ "home/.pyenv/shims/python", "home/.pyenv" },
		{ "home/.cargo/bin/cargo", "home/.cargo/bin home/.rustup" },
		{ "home/.nvm/versions/node/v1/bin/node",
		    "home/.nvm/versions/node/v1/bin "
		    "home/.nvm/versions/node/v1/lib" },
		{ "home/.nvm/versions/node/v1/lib/node_modules/a/cli.js",
		    "home/.nvm/versions/node/v1/bin "
		    "home/.nvm/versions/node/v1/lib" },
		{ "home/p/node_modules/.bin/x", "home/p/node_modules" },
		{ "home/p/node_modules/a/cli.js", "home/p/node_modules" },
		{ "home/bin/tool", "home/bin" },
		{ "home/tool", "home/tool" },
		{ "bin/tool", "bin" },
		{ "data/venv/bin/python",
		    "data/venv/bin data/venv/lib data/venv/pyvenv.cfg" },
		{ "home/src/run.sh", "home/src/run.sh" },
		{ "home/app/run", "home/app" },
		{ "asdf/shims/x", "asdf" },
	};
	char home[CRB_PATH_MAX], path[CRB_PATH_MAX];

	(void)state;
	make("home/.rustup/");
	make("home/src/.git/");
	make("home/.local/state/credbroker/");
	make("data/venv/pyvenv.cfg");
	make("data/venv/lib/");
	make("data/venv/.env");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		make(cases[i].program);
	(void)snprintf(home, sizeof(home), "%s/home", root);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char shown[8192] = "";

		(void)snprintf(
		    path, sizeof(path), "%s/%s", root, cases[i].program);
		crb_install_root(home, path, show, shown);
		assert_string_equal(shown, cases[i].shown);
	}
}

static void
test_interpreter_lines(void **state)
{
	static const struct {
		const char *line, *interpreter, *program;
	} cases[] = {
		{ "#!/bin/sh\nexit", "/bin/sh", "" },
		{ "#! /bin/sh -e\n", "/bin/sh", "" },
		{ "#!/usr/bin/env node\n", "/usr/bin/env", "node" },
		{ "#!/usr/bin/env -S node --flag\n", "/usr/bin/env", "node" },
		{ "#!/usr/bin/env -Snode --flag\n", "/usr/bin/env", "node" },
		{ "#!/usr/bin/env -i A=b python3\n", "/usr/bin/env",
		    "python3" },
		{ "#!/usr/bin/env\n", "/usr/bin/env", "" },
		{ "#!/opt/x", "/opt/x", "" },
	};
	char interpreter[CRB_PATH_MAX], program[CRB_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(crb_program_interpreter(
		    cases[i].line, interpreter, program));
		assert_string_equal(interpreter, cases[i].interpreter);
		assert_string_equal(program, cases[i].program);
	}
	assert_false(crb_program_interpreter("#!\n", interpreter, program));
	assert_false(crb_program_interpreter("\x7f"
					     "ELF",
	    interpreter, program));
	assert_false(crb_program_interpreter("", interpreter, program));
}

static void
test_mounts_come_parents_first(void **state)
{
	static const char *const wanted[] = { "/a", "/a/b", "/a/b/c", "/a-b",
		"/ab" };
	struct crb_mounts mounts = { .count = 0 };

	(void)state;
	crb_mounts_add(&mounts, CRB_MOUNT_FOLDER, NULL, "/ab");
	crb_mounts_add(&mounts, CRB_MOUNT_READ, "/x", "/a/b/c");
	crb_mounts_add(&mounts, CRB_MOUNT_FOLDER, NULL, "/a-b");
	crb_mounts_add(&mounts, CRB_MOUNT_READ, "/x", "/a/b");
	crb_mounts_add(&mounts, CRB_MOUNT_FOLDER, NULL, "/a");
	crb_mounts_add(&mounts, CRB_MOUNT_FOLDER, NULL, "/a");
	crb_mounts_sort(&mounts);
	assert_int_equal(mounts.count, 5);
	for (size_t i = 0; i < mounts.count; i++)
		assert_string_equal(mounts.at[i].target, wanted[i]);
	assert_string_equal(crb_mounts_over(&mounts, "/a/b/x")->target, "/a/b");
	assert_null(crb_mounts_over(&mounts, "/c"));
	crb_mounts_clear(&mounts);
}

/* At one place the later one is on top. */
static void
test_of_two_at_one_place_the_later_comes_later(void **state)
{
	struct crb_mounts mounts = { .count = 0 };

	(void)state;
	crb_mounts_add(&mounts, CRB_MOUNT_PIN, "/a", "/a");
	crb_mounts_add(&mounts, CRB_MOUNT_READ, "/a", "/a");
	crb_mounts_sort(&mounts);
	assert_int_equal(mounts.at[1].kind, CRB_MOUNT_READ);
	crb_mounts_clear(&mounts);
}

static char kube[2 * CRB_PATH_MAX];

static char *
variable(const char *name)
{
	return strcmp(name, "KUBECONFIG") == 0 ? kube : NULL;
}

/* What hides a place, or -1. */
static int
hidden_by(const struct crb_mounts *mounts, const char *target)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->at[i].kind >= CRB_MOUNT_MASK &&
		    strcmp(mounts->at[i].target, target) == 0)
			return (int)mounts->at[i].kind;
	return -1;
}

static void
test_masks_follow_their_places_through_mounts(void **state)
{
	struct crb_mounts mounts = { .count = 0 };
	char home[1024], path[CRB_PATH_MAX], own[CRB_PATH_MAX];
	const char *const mine[] = { own, "", NULL };
	struct crb_masked masked;

	(void)state;
	make("masked/.ssh/id");
	make("masked/.config/gh/hosts.yml");
	make("masked/.npmrc");
	make("masked/dots/netrc");
	make("masked/broker/sock");
	make("cloud/kube");
	(void)snprintf(home, sizeof(home), "%s/masked", root);
	(void)snprintf(own, sizeof(own), "%s/masked/broker", root);
	(void)snprintf(path, sizeof(path), "%s/.netrc", home);
	assert_int_equal(symlink("dots/netrc", path), 0);
	(void)snprintf(kube, sizeof(kube), "/nowhere:%s/cloud/kube", root);
	crb_masked_init(&masked, home, mine, variable);

	(void)snprintf(path, sizeof(path), "%s/.config", home);
	crb_mounts_add(&mounts, CRB_MOUNT_WRITE, path, "/c");
	(void)snprintf(path, sizeof(path), "%s/dots", home);
	crb_mounts_add(&mounts, CRB_MOUNT_READ, path, path);
	(void)snprintf(path, sizeof(path), "%s/cloud", root);
	crb_mounts_add(&mounts, CRB_MOUNT_READ, path, "/k");
	crb_masked_apply(&masked, &mounts);
	assert_int_equal(mounts.count, 6);
	assert_int_equal(hidden_by(&mounts, "/c/gh"), CRB_MOUNT_MASK);
	assert_int_equal(hidden_by(&mounts, "/k/kube"), CRB_MOUNT_FILE);
	(void)snprintf(path, sizeof(path), "%s/dots/netrc", home);
	assert_int_equal(hidden_by(&mounts, path), CRB_MOUNT_FILE);

	(void)snprintf(path, sizeof(path), "%s/.ssh/id", home);
	assert_non_null(crb_masked_over(&masked, path));
	(void)snprintf(path, sizeof(path), "%s/.sshx", home);
	assert_null(crb_masked_over(&masked, path));
	assert_non_null(crb_masked_broker_in(&masked, home));
	(void)snprintf(path, sizeof(path), "%s/.config", home);
	assert_null(crb_masked_broker_in(&masked, path));
	crb_mounts_clear(&mounts);
	crb_masked_clear(&masked);
}

static void
test_mounts_are_split_at_the_last_colon_before_a_path(void **state)
{
	static const struct {
		const char *item, *source, *target;
	} cases[] = {
		{ "a", "a", NULL },
		{ "/a:/b", "/a", "/b" },
		{ "/a:b", "/a:b", NULL },
		{ "/a:/b:/c", "/a:/b", "/c" },
	};
	char source[CRB_PATH_MAX];
	const char *target;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(
		    crb_bind_split(cases[i].item, source, &target, &err),
		    CRB_OK);
		assert_string_equal(source, cases[i].source);
		if (cases[i].target == NULL)
			assert_null(target);
		else
			assert_string_equal(target, cases[i].target);
	}
	assert_int_equal(
	    crb_bind_split(":/a", source, &target, &err), CRB_ERR_USAGE);
	assert_int_equal(
	    crb_bind_split("", source, &target, &err), CRB_ERR_USAGE);
}

/* "key=value;" for each variable. */
static void
note(void *ctx, const char *key, const char *value)
{
	char *out = ctx;

	(void)strcat(strcat(strcat(strcat(out, key), "="), value), ";");
}

static void
test_git_configurations(void **state)
{
	static const struct {
		const char *text, *variables;
	} cases[] = {
		{ "[core]\n\thooksPath = .husky\n", "core.hookspath=.husky;" },
		{ "[Core] HooksPath=a # c\n", "core.hookspath=a;" },
		{ "[include]\npath = \"a b\" ; c\n", "include.path=a b;" },
		{ "[includeIf \"gitdir:~/x]/\"]\n path=p\n",
		    "includeif.path=p;" },
		{ "[a \"]\"] b = c\n", "a.b=c;" },
		{ "[a \"\\\"]\"] b = c\n", "a.b=c;" },
		{ "[a.sub]\nb\n[c]\nd=\n", "a.b=true;c.d=;" },
		{ "[a]\nb = x\\\ny\n", "a.b=xy;" },
		{ "[a]\nb = \"x # y\"z\n", "a.b=x # yz;" },
		{ "[a]\nb = x \t\r\n", "a.b=x;" },
		{ "[a]\nb = \\t\\\\\\q\n", "a.b=\t\\q;" },
		{ "; x\n# y\n[a\n b=c\n", "a.b=c;" },
		{ "!!\n[a]\n=x\n\\\nb=1", "a.b=1;" },
		{ "\xef\xbb\xbf[a]\nb=c\n", "a.b=c;" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char out[1024] = "";

		crb_git_config_read(
		    cases[i].text, strlen(cases[i].text), note, out);
		assert_string_equal(out, cases[i].variables);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_folder_holds_what_lies_in_it_and_itself),
		cmocka_unit_test(test_paths_are_cleaned_and_none_climbs),
		cmocka_unit_test(test_a_walk_tells_of_each_link),
		cmocka_unit_test(test_links_in_a_circle_end),
		cmocka_unit_test(test_install_roots),
		cmocka_unit_test(test_interpreter_lines),
		cmocka_unit_test(test_mounts_come_parents_first),
		cmocka_unit_test(
		    test_of_two_at_one_place_the_later_comes_later),
		cmocka_unit_test(test_masks_follow_their_places_through_mounts),
		cmocka_unit_test(
		    test_mounts_are_split_at_the_last_colon_before_a_path),
		cmocka_unit_test(test_git_configurations),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
