#include "unit.h"

#include "shim/format.h"
#include "shim/inventory_findings.h"
#include "shim/inventory_formats.h"
#include "shim/inventory_git.h"
#include "shim/inventory_settings.h"
#include "shim/inventory_view.h"
#include "shim/lines.h"

#include <fcntl.h>
#include <limits.h>

#define TAIL36 "0123456789abcdefghijklmnopqrstuvwxyz"

static const char *
find(const char *text)
{
	return crb_format_find(text, strlen(text));
}

static void
test_tokens_are_found_wherever_a_word_begins(void **state)
{
	static const char *const texts[] = {
		"ghp_" TAIL36,
		"x=ghp_" TAIL36,
		"my_ghp_" TAIL36 "\n",
		"\"github_pat_" TAIL36 "\"",
		"AKIAIOSFODNN7EXAMPLE",
		"xoxb-1234567890-abc",
		"sk-proj-" TAIL36,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (find(texts[i]) == NULL)
			fail_msg("%s", texts[i]);
	assert_string_equal(find("ghp_" TAIL36), "a GitHub token");
	assert_string_equal(find("sk-ant-" TAIL36), "an Anthropic token");
}

static void
test_words_are_not_tokens(void **state)
{
	static const char *const texts[] = {
		"",
		"ghp_",
		"ghp_short",
		("xghp_" TAIL36),
		"risk-of-a-long-word-with-1-digit",
		"sk-a-name-of-nothing-but-words",
		"AKIASHORT",
		"eyJhbGciOiJIUzI1NiJ9",
		"eyJhbGciOiJIUzI1NiJ9.x.y",
		"-----BEGIN CERTIFICATE-----",
		"-----BEGIN PUBLIC KEY-----",
		"https://example.org/",
		"https://user@example.org/",
		"https://user:@example.org/",
		"https://user:$PASS@example.org/",
		"https://example.org/a:b@c",
		"git@github.com:a/b.git",
		"Authorization: Bearer $TOKEN",
		"Authorization: Basic x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (find(texts[i]) != NULL)
			fail_msg("%s: %s", texts[i], find(texts[i]));
}

static void
test_other_forms(void **state)
{
	(void)state;
	assert_string_equal(find("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0."
				 "dozjgNryP4J3jVmNHl0w5N"),
	    "a JSON web token");
	assert_string_equal(find("http://u:p@h/"), "a URL with a password");
	assert_string_equal(find("redis://:p@h/"), "a URL with a password");
	assert_string_equal(find("https://0123456789abcdef0123456789abcdef@h/"),
	    "a URL with a password");
	assert_string_equal(
	    find("-----BEGIN EC PRIVATE KEY-----"), "a private key");
	assert_string_equal(find("curl -H 'authorization:  bearer abcdef12'"),
	    "an Authorization header");
}

/* Exactly as long as it is, so that the sanitizer sees a read behind it. */
static void
test_a_text_may_end_anywhere(void **state)
{
	static const char *const texts[] = {
		"ghp_" TAIL36,
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3",
		"https://user:password@host",
		"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED",
		"-----BEGIN OPENSSH PRIVATE KEY-----\\n"
		"b3BlbnNzaC1rZXktdjEAAAAABG5vbmU",
		"PuTTY-User-Key-File-2: x\nEncryption: none",
		"Authorization: Basic abcdefgh",
		"[a \"b\\\"c\"] url = \"x\\\ny\" ; c",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		for (size_t len = 0; len <= strlen(texts[i]); len++) {
			char *exact = malloc(len + 1);
			unsigned line;

			assert_non_null(exact);
			/* Behind a byte, so that the end is the end. */
			memcpy(exact + 1, texts[i], len);
			(void)crb_format_find(exact + 1, len);
			(void)crb_format_key(exact + 1, len);
			(void)crb_format_shadow(exact + 1, len);
			(void)crb_format_has(exact + 1, len, "none|host");
			(void)crb_git_config_find(
			    (struct crb_span){ exact + 1, len }, &line, NULL,
			    NULL);
			free(exact);
		}
	}
}

static enum crb_format_key
key(const char *text)
{
	return crb_format_key(text, strlen(text));
}

static void
test_encrypted_keys_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(
	    key("-----BEGIN RSA PRIVATE KEY-----\nMII"), CRB_FORMAT_KEY_PLAIN);
	assert_int_equal(key("-----BEGIN RSA PRIVATE KEY-----\r\n"
			     "Proc-Type: 4,ENCRYPTED\r\n"),
	    CRB_FORMAT_KEY_ENCRYPTED);
	assert_int_equal(key("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII"),
	    CRB_FORMAT_KEY_ENCRYPTED);
	/* "none", then "aes256-ctr". */
	assert_int_equal(
	    key("-----BEGIN OPENSSH PRIVATE KEY-----\n"
		"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB"),
	    CRB_FORMAT_KEY_PLAIN);
	assert_int_equal(
	    key("-----BEGIN OPENSSH PRIVATE KEY-----\n"
		"b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0"),
	    CRB_FORMAT_KEY_ENCRYPTED);
	assert_int_equal(key("PuTTY-User-Key-File-3: ssh-rsa\n"
			     "Encryption: aes256-cbc\n"),
	    CRB_FORMAT_KEY_ENCRYPTED);
	assert_int_equal(key("ssh-rsa AAAAB3NzaC1yc2E"), CRB_FORMAT_KEY_NONE);
	/* One that is plain is enough. */
	assert_int_equal(key("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII\n"
			     "-----BEGIN PRIVATE KEY-----\nMII"),
	    CRB_FORMAT_KEY_PLAIN);
}

static void
test_shadow_with_and_without_hashes(void **state)
{
	static const char none[] = "root:*:19:0::::\nu:!:19\nv:!!:1\nw::1\n\n:";
	static const char hash[] = "root:*:1\nu:$6$salt$hash:1\n";
	static const char locked[] = "u:!$y$j9T$x:1\n";
	static const char des[] = "u:abJnggxhB/yWI:1\n";

	(void)state;
	assert_false(crb_format_shadow(none, sizeof(none) - 1));
	assert_true(crb_format_shadow(hash, sizeof(hash) - 1));
	assert_true(crb_format_shadow(locked, sizeof(locked) - 1));
	assert_true(crb_format_shadow(des, sizeof(des) - 1));
}

static enum crb_setting
judge(const char *name, const char *value, enum crb_severity *severity)
{
	const char *reason;

	return crb_setting_judge((struct crb_span){ name, strlen(name) },
	    (struct crb_span){ value, strlen(value) }, severity, &reason);
}

static void
test_names_of_settings(void **state)
{
	enum crb_severity severity = CRB_SEVERITY_LOW;

	(void)state;
	assert_int_equal(
	    judge("DB_PASSWORD", "hunter2", &severity), CRB_SETTING_SECRET);
	assert_int_equal(severity, CRB_SEVERITY_HIGH);
	assert_int_equal(
	    judge("STRIPE_KEY", "hunter2", &severity), CRB_SETTING_SECRET);
	assert_int_equal(severity, CRB_SEVERITY_MEDIUM);
	assert_int_equal(
	    judge("A_SECRET", "/run/x", &severity), CRB_SETTING_EITHER);
	assert_int_equal(
	    judge("A_SECRET_FILE", "/run/x", &severity), CRB_SETTING_PATH);
	assert_int_equal(judge("A_SECRET", "", &severity), CRB_SETTING_PLAIN);
	assert_int_equal(
	    judge("USE_TOKEN", "false", &severity), CRB_SETTING_PLAIN);
	assert_int_equal(
	    judge("KEY_MAP", "hunter2", &severity), CRB_SETTING_PLAIN);
	assert_int_equal(
	    judge("PUBLIC_KEY", "hunter2", &severity), CRB_SETTING_PLAIN);
	assert_int_equal(judge("", "hunter2", &severity), CRB_SETTING_PLAIN);
	assert_int_equal(
	    judge("X", "ghp_" TAIL36, &severity), CRB_SETTING_SECRET);
	assert_int_equal(severity, CRB_SEVERITY_HIGH);
}

static size_t
count(const char *text, enum crb_severity *severity)
{
	const char *reason = NULL;

	return crb_settings_count(
	    (struct crb_span){ text, strlen(text) }, severity, &reason);
}

static void
test_settings_of_a_file(void **state)
{
	enum crb_severity severity;

	(void)state;
	assert_int_equal(count("", &severity), 0);
	assert_int_equal(count("#PASSWORD=x\nDEBUG=1\n\n=\nA\n", &severity), 0);
	assert_int_equal(count("A=1\nexport PASSWORD='ab cd'\r\nAPI_KEY=\"x\"\n"
			       " TOKEN = y",
			     &severity),
	    3);
	assert_int_equal(severity, CRB_SEVERITY_HIGH);
	assert_int_equal(count("API_KEY=xyz", &severity), 1);
	assert_int_equal(severity, CRB_SEVERITY_MEDIUM);
	/* In quotes over several lines. */
	assert_int_equal(
	    count("A=\"\n-----BEGIN PRIVATE KEY-----\nMII\n\"\n", &severity),
	    1);
}

static void
note_include(void *ctx, struct crb_span path)
{
	char *out = ctx;

	(void)snprintf(out + strlen(out), 64, "%.*s|", (int)path.len, path.p);
}

static const char *
git(const char *text, unsigned *line)
{
	*line = 0;
	return crb_git_config_find(
	    (struct crb_span){ text, strlen(text) }, line, NULL, NULL);
}

static void
test_git_configuration(void **state)
{
	unsigned line;

	(void)state;
	assert_null(git("[remote \"o\"]\n\turl = https://h/a\n", &line));
	assert_null(git("# url = https://u:p@h/\n; x\n[a]\nb\n", &line));
	assert_null(git("[a]\n b = c # https://u:p@h/\n", &line));
	assert_non_null(git("[a]\n\n b = \"x # https://u:p@h/\"\n", &line));
	assert_int_equal(line, 3);
	assert_non_null(git("[a]\n b = https://u:\\\np@h/\n c = d", &line));
	assert_int_equal(line, 2);
	assert_non_null(git("[url \"https://u:p@h/\"]\n", &line));
	assert_int_equal(line, 1);
	assert_non_null(git(
	    "[http]\nextraheader = Authorization: Bearer abcdef1\n", &line));
	assert_non_null(
	    git("[http]\nextraheader = X-Api-Key: abcdef1\n", &line));
	assert_null(git("[http]\nextraheader = X-Trace: abcdef1\n", &line));
}

static void
test_git_includes(void **state)
{
	static const char text[] =
	    "[include]\n path = a b \n[includeIf \"gitdir:/x/\"]\n"
	    "path=\"c\"\n[other]\npath = d\n[INCLUDE]\nPATH = e";
	char paths[512] = "";
	unsigned line;

	(void)state;
	assert_null(
	    crb_git_config_find((struct crb_span){ text, sizeof(text) - 1 },
		&line, note_include, paths));
	assert_string_equal(paths, "a b|c|e|");
}

static void
add(struct crb_findings *findings, enum crb_severity severity, const char *name,
    const struct stat *st)
{
	crb_findings_add(
	    findings, CRB_KIND_FILE, severity, name, st, "%s", "why");
}

static void
test_findings_are_sorted_and_each_is_there_once(void **state)
{
	struct crb_findings findings = { .at = NULL };
	const struct stat one = { .st_dev = 1, .st_ino = 7 };

	(void)state;
	add(&findings, CRB_SEVERITY_LOW, "b", NULL);
	add(&findings, CRB_SEVERITY_HIGH, "z", &one);
	add(&findings, CRB_SEVERITY_LOW, "a", NULL);
	add(&findings, CRB_SEVERITY_LOW, "a", NULL);
	add(&findings, CRB_SEVERITY_HIGH, "linked", &one);
	add(&findings, CRB_SEVERITY_LOW, "ghp_" TAIL36, NULL);
	assert_int_equal(findings.count, 4);
	assert_string_equal(findings.at[0].name, "z");
	assert_string_equal(findings.at[2].name, "a");
	assert_string_equal(findings.at[3].name, "b");
	assert_null(strstr(findings.at[1].name, "ghp"));
	crb_findings_clear(&findings);
}

static void
test_patterns(void **state)
{
	(void)state;
	assert_true(crb_view_matches("a", 1, "a"));
	assert_true(crb_view_matches("a*", 2, "a"));
	assert_true(crb_view_matches("a*c", 3, "abc"));
	assert_true(crb_view_matches("*", 1, "x"));
	assert_true(crb_view_matches(".env.*", 6, ".env.x"));
	assert_false(crb_view_matches("*", 1, ".x"));
	assert_false(crb_view_matches("a*a", 3, "a"));
	assert_false(crb_view_matches("a", 1, "ab"));
	assert_false(crb_view_matches("ab", 2, "a"));
}

static void __attribute__((format(printf, 1, 2)))
assert_format_is_libcs(const char *fmt, ...)
{
	char ours[96], theirs[96];
	va_list ap, again;
	int a, b;

	va_start(ap, fmt);
	for (size_t size = 0; size <= sizeof(ours); size += 8) {
		memset(ours, '#', sizeof(ours));
		memset(theirs, '#', sizeof(theirs));
		va_copy(again, ap);
		a = crb_format_into(ours, size, fmt, again);
		va_end(again);
		va_copy(again, ap);
		b = vsnprintf(theirs, size, fmt, again);
		va_end(again);
		assert_int_equal(a, b);
		assert_memory_equal(ours, theirs, sizeof(ours));
	}
	va_end(ap);
}

static void
test_format_is_as_libc_has_it(void **state)
{
	(void)state;
	assert_format_is_libcs("nothing %% at all");
	assert_format_is_libcs("%s|%.3s|%.*s|%8s|%-8s|", "text", "text", 2,
	    "text", "text", "text");
	assert_format_is_libcs("%.*s|%.0s|", 0, "x", "x");
	assert_format_is_libcs("%d %d %i %u", 0, -1, INT_MIN, UINT_MAX);
	assert_format_is_libcs("%ld %lu %lld %llu %zu", LONG_MIN, ULONG_MAX,
	    LLONG_MIN, ULLONG_MAX, SIZE_MAX);
	assert_format_is_libcs("%x %X %08X:%04X %lx", 0xbeefU, 0xbeefU,
	    0x7f000001U, 80U, ULONG_MAX);
	assert_format_is_libcs("%c|%5d|%-5d|%05u", 'c', 42, 42, 42U);
}

static bool
collect(void *ctx, char *line)
{
	char *out = ctx;
	size_t len = strlen(out);

	(void)snprintf(out + len, 64, "%.20s;", line);
	return strcmp(line, "stop") != 0;
}

static void
test_lines_are_whole_and_long_ones_cut(void **state)
{
	char out[512] = "", lines[8192] = "";
	int ends[2];

	(void)state;
	memset(lines, 'x', 5000);
	(void)strcat(lines, "\nb\nstop\nc\n");
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "a\n\n", 3), 3);
	assert_int_equal(
	    write(ends[1], lines, strlen(lines)), (ssize_t)strlen(lines));
	(void)close(ends[1]);
	crb_lines_each(ends[0], collect, out);
	(void)close(ends[0]);
	assert_string_equal(out, "a;;xxxxxxxxxxxxxxxxxxxx;b;stop;");
}

static void
test_numbers_of_lines(void **state)
{
	const char *end, text[] = "12ab";

	(void)state;
	assert_int_equal(crb_lines_number(text, 10, &end), 12);
	assert_ptr_equal(end, text + 2);
	assert_int_equal(crb_lines_number(text, 16, &end), 0x12ab);
	assert_int_equal(crb_lines_number("x", 16, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens_are_found_wherever_a_word_begins),
		cmocka_unit_test(test_words_are_not_tokens),
		cmocka_unit_test(test_other_forms),
		cmocka_unit_test(test_a_text_may_end_anywhere),
		cmocka_unit_test(test_encrypted_keys_are_told_apart),
		cmocka_unit_test(test_shadow_with_and_without_hashes),
		cmocka_unit_test(test_names_of_settings),
		cmocka_unit_test(test_settings_of_a_file),
		cmocka_unit_test(test_git_configuration),
		cmocka_unit_test(test_git_includes),
		cmocka_unit_test(
		    test_findings_are_sorted_and_each_is_there_once),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_format_is_as_libc_has_it),
		cmocka_unit_test(test_lines_are_whole_and_long_ones_cut),
		cmocka_unit_test(test_numbers_of_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
