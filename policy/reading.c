#include <string.h>
#include <time.h>

#include "base/text.h"
#include "policy/reading.h"

#define SHOWN_MAX 64u

enum crb_status
crb_reading_no_memory(struct crb_err *err)
{
	return crb_err_set(
	    err, CRB_ERR_NOMEM, "no memory for a policy of this size");
}

void *
crb_reading_place(const struct crb_policy_member *member, void *out)
{
	return (char *)out + member->offset;
}

enum crb_status
crb_reading_invalid(struct crb_reading *reading, const char *value,
    const char *why, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(4 * SHOWN_MAX + 8);

	crb_text_escape(&shown, value, strlen(value), SHOWN_MAX);
	return crb_reader_fail(&reading->reader, reading->reader.value_line,
	    err, CRB_ERR_INVALID, "\"%s\" %s", crb_buf_text(&shown), why);
}

/* What a parser of base/ has said, with the place in front. */
enum crb_status
crb_reading_here(struct crb_reading *reading, struct crb_err *err)
{
	return crb_reader_context(
	    &reading->reader, reading->reader.value_line, err);
}

enum crb_status
crb_reading_unknown(struct crb_reading *reading, const char *what,
    const char *given, const char *const *known, size_t count,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(4 * SHOWN_MAX + 8);
	const char *near = crb_text_nearest(given, known, count);

	crb_text_escape(&shown, given, strlen(given), SHOWN_MAX);
	return crb_reader_fail(&reading->reader, reading->reader.value_line,
	    err, CRB_ERR_INVALID, "unknown %s \"%s\"%s%s%s", what,
	    crb_buf_text(&shown), near != NULL ? "; did you mean \"" : "",
	    near != NULL ? near : "", near != NULL ? "\"?" : "");
}

enum crb_status
crb_read_ignored(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	const char *text;

	(void)member;
	(void)out;
	return crb_reader_text(
	    &reading->reader, CRB_READ_VALUE_BYTES, &text, err);
}

enum crb_status
crb_read_text(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	return crb_reader_text(&reading->reader, CRB_POLICY_TEXT_MAX,
	    crb_reading_place(member, out), err);
}

enum crb_status
crb_read_name(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	const char **name = crb_reading_place(member, out);
	enum crb_status status;

	status = crb_reader_text(
	    &reading->reader, CRB_READ_NAME_BYTES, name, err);
	if (status == CRB_OK && !crb_name_ok(*name))
		return crb_reading_invalid(reading, *name,
		    "is no name: 1 to 64 of a-z, 0-9 and, inside, . _ -", err);
	return status;
}

enum crb_status
crb_read_word(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	const char **word = crb_reading_place(member, out);
	enum crb_status status;

	status = crb_reader_text(
	    &reading->reader, CRB_READ_NAME_BYTES, word, err);
	if (status != CRB_OK)
		return status;
	if (**word == '\0' || strpbrk(*word, " *:/") != NULL)
		return crb_reading_invalid(reading, *word,
		    "is no name: it is empty, or has a "
		    "space or one of * : / in it",
		    err);
	return CRB_OK;
}

enum crb_status
crb_read_choice(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf known = CRB_BUF_INIT(256);
	const char *text;
	enum crb_status status;

	status = crb_reader_text(
	    &reading->reader, CRB_READ_NAME_BYTES, &text, err);
	if (status != CRB_OK)
		return status;
	crb_buf_str(&known, "is not one of ");
	for (size_t i = 0; member->choices[i] != NULL; i++) {
		if (strcmp(member->choices[i], text) == 0) {
			*(size_t *)crb_reading_place(member, out) = i;
			return CRB_OK;
		}
		crb_buf_printf(
		    &known, "%s%s", i > 0 ? ", " : "", member->choices[i]);
	}
	return crb_reading_invalid(reading, text, crb_buf_text(&known), err);
}

enum crb_status
crb_read_number(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	int64_t *number = crb_reading_place(member, out);
	enum crb_status status;

	status = crb_reader_integer(&reading->reader, number, err);
	if (status == CRB_OK && *number < member->least)
		return crb_reader_fail(&reading->reader,
		    reading->reader.value_line, err, CRB_ERR_INVALID,
		    "must be %lld or more", (long long)member->least);
	return status;
}

/* Digits of an RFC 3339 time at a fixed place. */
static int
digits(const char *text, size_t at, size_t count)
{
	int number = 0;

	for (size_t i = at; i < at + count; i++)
		number = number * 10 + (text[i] - '0');
	return number;
}

static bool
parse_time(const char *text, int64_t *out)
{
	static const char shape[] = "0000-00-00T00:00:00Z";
	char again[CRB_TIME_TEXT];
	struct tm tm = { .tm_isdst = 0 };

	if (strlen(text) != strlen(shape))
		return false;
	for (size_t i = 0; shape[i] != '\0'; i++) {
		if (shape[i] == '0' ? text[i] < '0' || text[i] > '9'
				    : text[i] != shape[i])
			return false;
	}
	tm.tm_year = digits(text, 0, 4) - 1900;
	tm.tm_mon = digits(text, 5, 2) - 1;
	tm.tm_mday = digits(text, 8, 2);
	tm.tm_hour = digits(text, 11, 2);
	tm.tm_min = digits(text, 14, 2);
	tm.tm_sec = digits(text, 17, 2);
	if (tm.tm_year < 70)
		return false;
	*out = timegm(&tm);
	/* A day or an hour that there is not has become another. */
	crb_text_time(*out, again);
	return strcmp(again, text) == 0;
}

enum crb_status
crb_read_time(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	const char *text;
	enum crb_status status;

	status = crb_reader_text(
	    &reading->reader, CRB_READ_NAME_BYTES, &text, err);
	if (status == CRB_OK &&
	    !parse_time(text, crb_reading_place(member, out)))
		return crb_reading_invalid(reading, text,
		    "is no time in UTC, as in 2027-01-31T00:00:00Z", err);
	return status;
}

enum crb_status
crb_read_flag(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	return crb_reader_flag(
	    &reading->reader, crb_reading_place(member, out), err);
}

enum crb_status
crb_read_texts(struct crb_reading *reading,
    enum crb_status (*add)(struct crb_reading *reading, const char *text,
	void *out, struct crb_err *err),
    void *out, struct crb_err *err)
{
	struct crb_reader *reader = &reading->reader;
	const char *text;
	enum crb_status status;
	bool more;

	status = crb_reader_enter(reader, '[', "a list", err);
	for (size_t i = 0; status == CRB_OK; i++) {
		status = crb_reader_element(reader, i, &more, err);
		if (status != CRB_OK || !more)
			break;
		status = crb_reader_text(
		    reader, CRB_READ_NAME_BYTES, &text, err);
		if (status == CRB_OK)
			status = add(reading, text, out, err);
	}
	return status;
}

static enum crb_status
add_days(struct crb_reading *reading, const char *text, void *out,
    struct crb_err *err)
{
	struct crb_during_given *given = out;

	if (crb_days_parse(text, &given->days, err) != CRB_OK)
		return crb_reading_here(reading, err);
	return CRB_OK;
}

static enum crb_status
add_hours(struct crb_reading *reading, const char *text, void *out,
    struct crb_err *err)
{
	struct crb_during_given *given = out;

	if (given->count == CRB_DURING_RANGES)
		return crb_reader_fail(&reading->reader, reading->reader.line,
		    err, CRB_ERR_LIMIT, "more than %d ranges",
		    CRB_DURING_RANGES);
	if (crb_hours_parse(text, &given->hours[given->count], err) != CRB_OK)
		return crb_reading_here(reading, err);
	given->count++;
	return CRB_OK;
}

enum crb_status
crb_read_days(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	struct crb_during_given *given = out;

	(void)member;
	given->days_given = true;
	given->days = 0;
	return crb_read_texts(reading, add_days, given, err);
}

enum crb_status
crb_read_hours(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	struct crb_during_given *given = out;

	(void)member;
	given->hours_given = true;
	given->count = 0;
	return crb_read_texts(reading, add_hours, given, err);
}

enum crb_status
crb_read_zone(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	const char **zone = crb_reading_place(member, out);
	const struct crb_zones *zones = reading->zones;
	struct crb_zone_time time;
	enum crb_status status;

	status = crb_reader_text(&reading->reader, CRB_ZONE_MAX, zone, err);
	if (status != CRB_OK)
		return status;
	if (!crb_zone_name_ok(*zone) ||
	    (zones != NULL && !zones->at(zones->ctx, *zone, 0, &time)))
		return crb_reading_invalid(reading, *zone,
		    "is no time zone, as Europe/Berlin is", err);
	return CRB_OK;
}
