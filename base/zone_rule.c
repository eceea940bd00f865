#include "base/zone_rule.h"

#include <stddef.h>
#include <string.h>

#define DAY_SECONDS 86400
#define HOUR_SECONDS 3600
#define WEEK_HOURS 167 /* the most of a change's time */
/* Years as long as the calendar's arithmetic is far from its end. */
#define TIME_MAX ((int64_t)1 << 44)

static bool
is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
take_char(struct crb_slice *text, char c)
{
	if (text->len == 0 || text->p[0] != c)
		return false;
	text->p++;
	text->len--;
	return true;
}

/* "CET" or "<+03>": at least three characters. */
static bool
take_name(struct crb_slice *text)
{
	bool quoted = take_char(text, '<');
	size_t len = 0;

	while (len < text->len &&
	    (is_letter(text->p[len]) ||
		(quoted &&
		    (is_digit(text->p[len]) || text->p[len] == '+' ||
			text->p[len] == '-'))))
		len++;
	text->p += len;
	text->len -= len;
	return len >= 3 && (!quoted || take_char(text, '>'));
}

/* Digits, up to `most`. */
static bool
take_number(struct crb_slice *text, int most, int *out)
{
	size_t len = 0;

	*out = 0;
	while (len < text->len && is_digit(text->p[len]) && *out <= most)
		*out = *out * 10 + text->p[len++] - '0';
	text->p += len;
	text->len -= len;
	return len > 0 && *out <= most;
}

/* "[+-]hh[:mm[:ss]]" in seconds. */
static bool
take_time(struct crb_slice *text, int hours, int32_t *out)
{
	bool minus = take_char(text, '-');
	int hour, minute = 0, second = 0;

	if (!minus)
		(void)take_char(text, '+');
	if (!take_number(text, hours, &hour))
		return false;
	if (take_char(text, ':')) {
		if (!take_number(text, 59, &minute) ||
		    (take_char(text, ':') && !take_number(text, 59, &second)))
			return false;
	}
	*out = hour * HOUR_SECONDS + minute * 60 + second;
	if (minus)
		*out = -*out;
	return true;
}

/* "M10.5.0", "J60" or "59". */
static bool
take_day(struct crb_slice *text, struct crb_zone_change *out)
{
	if (take_char(text, 'J')) {
		out->kind = CRB_ZONE_JULIAN_DAY;
		return take_number(text, 365, &out->day) && out->day > 0;
	}
	if (!take_char(text, 'M')) {
		out->kind = CRB_ZONE_YEAR_DAY;
		return take_number(text, 365, &out->day);
	}
	out->kind = CRB_ZONE_MONTH_DAY;
	return take_number(text, 12, &out->month) && out->month > 0 &&
	    take_char(text, '.') && take_number(text, 5, &out->week) &&
	    out->week > 0 && take_char(text, '.') &&
	    take_number(text, 6, &out->day);
}

/* ",DAY[/TIME]" */
static bool
take_change(struct crb_slice *text, struct crb_zone_change *out)
{
	*out = (struct crb_zone_change){ .time = 2 * HOUR_SECONDS };
	return take_char(text, ',') && take_day(text, out) &&
	    (!take_char(text, '/') || take_time(text, WEEK_HOURS, &out->time));
}

/* POSIX counts west of Greenwich. */
static bool
take_offset(struct crb_slice *text, int32_t *east)
{
	int32_t west;

	if (!take_time(text, 24, &west))
		return false;
	*east = -west;
	return true;
}

bool
crb_zone_rule_parse(struct crb_slice text, struct crb_zone_rule *out)
{
	*out = (struct crb_zone_rule){ .changes = false };
	if (!take_name(&text) || !take_offset(&text, &out->standard))
		return false;
	if (text.len == 0)
		return true;
	out->changes = true;
	out->daylight = out->standard + HOUR_SECONDS;
	if (!take_name(&text))
		return false;
	if (text.len > 0 && text.p[0] != ',' &&
	    !take_offset(&text, &out->daylight))
		return false;
	return take_change(&text, &out->start) &&
	    take_change(&text, &out->end) && text.len == 0;
}

static bool
is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days from 1970-01-01 to January 1 of a year. */
static int64_t
year_start(int64_t year)
{
	int64_t before = year - 1;

	return 365 * (year - 1970) + floor_div(before, 4) -
	    floor_div(before, 100) + floor_div(before, 400) - 477;
}

static int64_t
year_of(int64_t seconds)
{
	int64_t days = floor_div(seconds, DAY_SECONDS);
	int64_t year = 1970 + floor_div(days * 400, 146097);

	while (year_start(year) > days)
		year--;
	while (year_start(year + 1) <= days)
		year++;
	return year;
}

static const int month_start[13] = { 0, 31, 59, 90, 120, 151, 181, 212, 243,
	273, 304, 334, 365 };

/* Days from January 1 to the first of a month; 13 is the next January. */
static int
days_before(int month, bool leap)
{
	return month_start[month - 1] + (leap && month > 2);
}

/* Days from January 1 of the year. */
static int64_t
day_of_year(const struct crb_zone_change *change, int64_t year)
{
	bool leap = is_leap(year);
	int first, weekday, day;

	if (change->kind == CRB_ZONE_YEAR_DAY)
		return change->day;
	if (change->kind == CRB_ZONE_JULIAN_DAY)
		return change->day - 1 + (leap && change->day >= 60);
	first = days_before(change->month, leap);
	/* 1970-01-01 was a Thursday, and Sunday is 0. */
	weekday = (int)((year_start(year) + first + 4) % 7);
	if (weekday < 0)
		weekday += 7;
	day = first + (change->day - weekday + 7) % 7 + 7 * (change->week - 1);
	return day < days_before(change->month + 1, leap) ? day : day - 7;
}

static int64_t
change_at(const struct crb_zone_change *change, int64_t year, int32_t east)
{
	return (year_start(year) + day_of_year(change, year)) * DAY_SECONDS +
	    change->time - east;
}

/* The changes around a time: the last that has been, and the next. */
struct around {
	int64_t seconds;
	int64_t last, next;
	int32_t east; /* since the last */
};

/* Of two at one time the one that is told last holds. */
static void
look_at(struct around *around, int64_t at, int32_t east)
{
	if (at > around->seconds) {
		if (at < around->next)
			around->next = at;
	} else if (at >= around->last) {
		around->last = at;
		around->east = east;
	}
}

bool
crb_zone_rule_at(const struct crb_zone_rule *rule, int64_t seconds,
    struct crb_zone_time *out)
{
	struct around around = { seconds, INT64_MIN, INT64_MAX, 0 };
	int64_t year;

	if (seconds > TIME_MAX || seconds < -TIME_MAX)
		return false;
	if (!rule->changes) {
		*out = (struct crb_zone_time){ rule->standard, INT64_MAX };
		return true;
	}
	year = year_of(seconds + rule->standard);
	/*
	 * A year of nothing but summer time ends when the next one starts: the
	 * end is told first.
	 */
	for (int64_t y = year - 2; y <= year + 2; y++) {
		look_at(&around, change_at(&rule->end, y - 1, rule->daylight),
		    rule->standard);
		look_at(&around, change_at(&rule->start, y, rule->standard),
		    rule->daylight);
	}
	*out = (struct crb_zone_time){ around.east, around.next };
	return true;
}
