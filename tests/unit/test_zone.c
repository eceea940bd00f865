#include "base/zone.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "tests/unit/unit.h"

/*
 * The system's own zones, held against what the C library makes of them: it
 * has a reader of its own.
 */
#define YEAR ((int64_t)31556952)
#define FIRST ((int64_t)0)
#define LAST (130 * YEAR) /* 2100 */

static const struct crb_zones *all;

static int32_t
library_east(int64_t seconds)
{
	time_t at = (time_t)seconds;
	struct tm tm;

	assert_non_null(localtime_r(&at, &tm));
	return (int32_t)tm.tm_gmtoff;
}

static struct crb_zone_time
ask(const char *zone, int64_t seconds)
{
	struct crb_zone_time time = { 0 };

	if (!all->at(all->ctx, zone, seconds, &time))
		fail_msg("%s is not known at %lld", zone, (long long)seconds);
	return time;
}

static void
agree_at(const char *zone, int64_t seconds)
{
	int32_t ours = ask(zone, seconds).east;
	int32_t theirs = library_east(seconds);

	if (ours != theirs)
		fail_msg("%s at %lld: %d, not %d", zone, (long long)seconds,
		    ours, theirs);
}

/* At each change, before it, and in between. */
static unsigned
agree(const char *zone)
{
	unsigned steps = 0;
	int64_t at = FIRST;

	assert_int_equal(setenv("TZ", zone, 1), 0);
	tzset();
	while (at < LAST) {
		struct crb_zone_time time = ask(zone, at);

		agree_at(zone, at);
		assert_true(time.until > at);
		if (time.until > LAST)
			time.until = LAST;
		agree_at(zone, at + (time.until - at) / 2);
		agree_at(zone, time.until - 1);
		/* A change that nobody was told of would lie in between. */
		for (int64_t t = at; t < time.until; t += 7 * 86400 + 3600)
			agree_at(zone, t);
		at = time.until;
		steps++;
	}
	return steps;
}

static unsigned zones_seen, steps_seen;

static int
each_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + strlen(CRB_ZONE_FOLDER) + 1;
	char magic[4] = "";
	CRB_AUTO_FILE FILE *file = NULL;

	(void)st;
	(void)ftw;
	if (type != FTW_F || !crb_zone_name_ok(name) ||
	    strncmp(name, "right/", 6) == 0)
		return 0;
	file = fopen(path, "re");
	if (file == NULL || fread(magic, 4, 1, file) != 1 ||
	    memcmp(magic, "TZif", 4) != 0)
		return 0;
	zones_seen++;
	steps_seen += agree(name);
	return 0;
}

static void
every_zone_of_the_system_is_as_the_c_library_reads_it(void **state)
{
	(void)state;
	assert_int_equal(nftw(CRB_ZONE_FOLDER, each_file, 16, 0), 0);
	print_message("%u zones, %u changes\n", zones_seen, steps_seen);
	assert_true(zones_seen > 300);
	assert_true(steps_seen > 20000);
}

static void
names_that_leave_the_folder_are_not_zones(void **state)
{
	static const char *const names[] = { "", "/etc/localtime",
		"../zoneinfo/UTC", "Europe/../UTC", "Europe//Berlin", "UTC/",
		"Europe/Ber lin", "Europe/Berlin\n", "tzdata.zi", "." };
	struct crb_zone_time time;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_false(crb_zone_name_ok(names[i]));
		assert_false(all->at(all->ctx, names[i], 0, &time));
	}
	assert_false(all->at(all->ctx, "Europe", 0, &time));
	assert_false(all->at(all->ctx, "Europe/Atlantis", 0, &time));
}

static void
a_folder_that_is_not_there_knows_no_zone(void **state)
{
	CRB_AUTO_ZONE_FOLDER struct crb_zone_folder *none =
	    crb_zone_folder_open("/nonexistent/zoneinfo");
	const struct crb_zones *zones = crb_zone_folder_zones(none);
	struct crb_zone_time time;

	(void)state;
	assert_false(zones->at(zones->ctx, "UTC", 0, &time));
}

/* A file by hand: one change at second 100, and a footer. */
static void
put_32(struct crb_buf *out, uint32_t n)
{
	const uint8_t bytes[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };

	crb_buf_add(out, bytes, sizeof(bytes));
}

static uint32_t change_count = 1; /* all of them at once */

struct made {
	char version;
	uint32_t leaps, types;
	int32_t east;
	uint8_t type;
	const char *footer; /* NULL: no second block */
};

static void
put_block(struct crb_buf *out, const struct made *made, bool wide)
{
	const uint32_t counts[] = { 0, 0, made->leaps, change_count,
		made->types, 4 };

	crb_buf_str(out, "TZif");
	crb_buf_char(out, made->version);
	crb_buf_add(out, (const char[15]){ 0 }, 15);
	for (size_t i = 0; i < 6; i++)
		put_32(out, counts[i]);
	for (uint32_t i = 0; i < change_count; i++) {
		if (wide)
			put_32(out, 0);
		put_32(out, 100);
	}
	for (uint32_t i = 0; i < change_count; i++)
		crb_buf_add(out, &made->type, 1);
	for (uint32_t i = 0; i < made->types; i++) {
		put_32(out, i == 0 ? 0 : (uint32_t)made->east);
		crb_buf_add(out, "\0\0", 2);
	}
	crb_buf_add(out, "ABC\0", 4);
	for (uint32_t i = 0; i < made->leaps; i++) {
		if (wide)
			put_32(out, 0);
		put_32(out, 78796800);
		put_32(out, 1);
	}
}

static enum crb_status
parse(const struct made *made, struct crb_zone **out)
{
	CRB_AUTO_BUF struct crb_buf bytes = CRB_BUF_INIT(4096);
	struct crb_err err = { 0 };

	put_block(&bytes, made, false);
	if (made->footer != NULL) {
		put_block(&bytes, made, true);
		crb_buf_str(&bytes, made->footer);
	}
	return crb_zone_parse(bytes.data, bytes.len, out, &err);
}

static const struct made sound = { '2', 0, 2, 3600, 1, "\nABC-2\n" };

static void
a_file_says_steps_and_then_a_rule(void **state)
{
	CRB_AUTO_ZONE struct crb_zone *zone = NULL;
	struct crb_zone_time time;

	(void)state;
	assert_int_equal(parse(&sound, &zone), CRB_OK);
	assert_true(crb_zone_at(zone, 99, &time));
	assert_int_equal(time.east, 0);
	assert_int_equal(time.until, 100);
	assert_true(crb_zone_at(zone, 100, &time));
	assert_int_equal(time.east, 7200);
	assert_true(time.until == INT64_MAX);
}

static void
what_a_file_does_not_say_is_not_known(void **state)
{
	CRB_AUTO_ZONE struct crb_zone *silent = NULL, *old = NULL;
	struct made made = sound;
	struct crb_zone_time time;

	(void)state;
	made.footer = "\n\n";
	assert_int_equal(parse(&made, &silent), CRB_OK);
	assert_true(crb_zone_at(silent, 99, &time));
	assert_false(crb_zone_at(silent, 100, &time));
	made.version = '\0';
	made.footer = NULL;
	assert_int_equal(parse(&made, &old), CRB_OK);
	assert_true(crb_zone_at(old, 100, &time));
	assert_int_equal(time.east, 3600);
	assert_int_equal(time.until, INT32_MAX);
	assert_false(crb_zone_at(old, INT32_MAX, &time));
}

static void
files_that_are_not_sound_are_refused(void **state)
{
	static const struct made bad[] = {
		{ '5', 0, 2, 3600, 1, "\nABC-2\n" },  /* version */
		{ '2', 1, 2, 3600, 1, "\nABC-2\n" },  /* leap seconds */
		{ '2', 0, 0, 3600, 1, "\nABC-2\n" },  /* no types */
		{ '2', 0, 2, 99999, 1, "\nABC-2\n" }, /* offset */
		{ '2', 0, 2, INT32_MIN, 1, "\nABC-2\n" },
		{ '2', 0, 2, 3600, 2, "\nABC-2\n" }, /* type's index */
		{ '2', 0, 2, 3600, 1, NULL }, { '2', 0, 2, 3600, 1, "" },
		{ '2', 0, 2, 3600, 1, "\n" }, { '2', 0, 2, 3600, 1, "\nABC-2" },
		{ '2', 0, 2, 3600, 1, "\nABC-2\nx" },
		{ '2', 0, 2, 3600, 1, "\nABC-2,x\n" },
		{ '2', 0, 2, 3600, 1, "\nAB-2\n" },
		{ '2', 0, 2, 3600, 1, "\n<AB\n" },
		{ '2', 0, 2, 3600, 1, "\nABC-25\n" },
		{ '2', 0, 2, 3600, 1, "\nABC-2DEF\n" },
		{ '2', 0, 2, 3600, 1, "\nABC-2DEF,M3.5.0\n" },
		{ '2', 0, 2, 3600, 1, "\nABC-2DEF,M13.5.0,M1.1.0\n" },
		{ '2', 0, 2, 3600, 1, "\nABC-2DEF,M3.6.0,M1.1.0\n" },
		{ '2', 0, 2, 3600, 1, "\nABC-2DEF,M3.5.7,M1.1.0\n" },
		{ '2', 0, 2, 3600, 1, "\nABC-2DEF,J0,J365\n" },
		{ '2', 0, 2, 3600, 1, "\nABC-2DEF,0/168,J365\n" },
		{ '2', 0, 2, 3600, 1, "\nABC-2DEF,0,366\n" },
		{ '\0', 0, 2, 3600, 1, "\nABC-2\n" }, /* something behind */
	};
	struct crb_zone *zone = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(&bad[i], &zone) != CRB_ERR_INVALID)
			fail_msg("number %zu is taken", i);
	change_count = 2;
	assert_int_equal(parse(&sound, &zone), CRB_ERR_INVALID);
	change_count = 1;
	assert_null(zone);
}

/* Every beginning of a sound file is none. */
static void
a_file_that_is_cut_off_is_refused(void **state)
{
	CRB_AUTO_BUF struct crb_buf bytes = CRB_BUF_INIT(4096);
	struct crb_zone *zone = NULL;
	struct crb_err err = { 0 };

	(void)state;
	put_block(&bytes, &sound, false);
	put_block(&bytes, &sound, true);
	crb_buf_str(&bytes, sound.footer);
	for (size_t len = 0; len < bytes.len; len++) {
		CRB_AUTO_FREE char *exact = malloc(len > 0 ? len : 1);

		assert_non_null(exact);
		(void)memcpy(exact, bytes.data, len);
		assert_int_equal(
		    crb_zone_parse(exact, len, &zone, &err), CRB_ERR_INVALID);
	}
}

/* Rules that no zone of today has, by the C library's TZ. */
static void
rules_are_as_the_c_library_reads_them(void **state)
{
	static const char *const rules[] = { "IST-1GMT0,M10.5.0,M3.5.0/1",
		"<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
		"AAA-5:30:15BBB-7,J59/2,J60/3", "AAA5BBB,59/2,300/26",
		"AAA5BBB,M10.1.0/2,M4.1.6/167", "AAA0BBB-2,M1.1.1/0,M12.5.3" };

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		CRB_AUTO_ZONE struct crb_zone *zone = NULL;
		struct made made = sound;
		char footer[64];

		(void)snprintf(footer, sizeof(footer), "\n%s\n", rules[i]);
		made.footer = footer;
		assert_int_equal(parse(&made, &zone), CRB_OK);
		assert_int_equal(setenv("TZ", rules[i], 1), 0);
		tzset();
		for (int64_t at = YEAR; at < LAST; at += 12347) {
			struct crb_zone_time time;

			assert_true(crb_zone_at(zone, at, &time));
			assert_true(time.until > at);
			if (time.east != library_east(at))
				fail_msg("%s at %lld: %d", rules[i],
				    (long long)at, time.east);
		}
	}
}

/* RFC 9636, section 3.3.1. */
static void
a_year_of_summer_time_only_has_no_gap(void **state)
{
	CRB_AUTO_ZONE struct crb_zone *zone = NULL;
	struct made made = sound;
	struct crb_zone_time time;

	(void)state;
	made.footer = "\nXXX3EDT4,0/0,J365/23\n";
	assert_int_equal(parse(&made, &zone), CRB_OK);
	for (int64_t at = YEAR; at < LAST; at += 1800) {
		assert_true(crb_zone_at(zone, at, &time));
		assert_int_equal(time.east, -4 * 3600);
		assert_true(time.until > at);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    every_zone_of_the_system_is_as_the_c_library_reads_it),
		cmocka_unit_test(names_that_leave_the_folder_are_not_zones),
		cmocka_unit_test(a_folder_that_is_not_there_knows_no_zone),
		cmocka_unit_test(a_file_says_steps_and_then_a_rule),
		cmocka_unit_test(what_a_file_does_not_say_is_not_known),
		cmocka_unit_test(files_that_are_not_sound_are_refused),
		cmocka_unit_test(a_file_that_is_cut_off_is_refused),
		cmocka_unit_test(rules_are_as_the_c_library_reads_them),
		cmocka_unit_test(a_year_of_summer_time_only_has_no_gap),
	};
	CRB_AUTO_ZONE_FOLDER struct crb_zone_folder *folder =
	    crb_zone_folder_open(CRB_ZONE_FOLDER);

	if (folder == NULL)
		return 1;
	all = crb_zone_folder_zones(folder);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
