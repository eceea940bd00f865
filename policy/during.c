#include "policy/during.h"

#include <stdlib.h>
#include <string.h>

#define DAY_MINUTES (24 * 60)
#define DAY_SECONDS 86400
#define WEEK_SECONDS ((int64_t)7 * DAY_SECONDS)
/* 1970-01-01 was a Thursday: seconds from the Monday before. */
#define EPOCH_SECONDS ((int64_t)3 * DAY_SECONDS)

static const char *const day_names[7] = { "mon", "tue", "wed", "thu", "fri",
	"sat", "sun" };

static unsigned
day_of(const char *text)
{
	unsigned day = 0;

	while (day < 7 && strncmp(day_names[day], text, 3) != 0)
		day++;
	return day;
}

enum crb_status
crb_days_parse(const char *text, unsigned *days, struct crb_err *err)
{
	size_t len = strlen(text);
	bool range = len == 7 && text[3] == '-';
	unsigned first = day_of(text);
	unsigned last = range ? day_of(text + 4) : first;

	if ((len != 3 && !range) || first == 7 || last == 7)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "days are mon, tue, wed, thu, fri, sat, sun, or from one "
		    "to another, as in mon-fri");
	for (unsigned day = first;; day = (day + 1) % 7) {
		*days |= 1u << day;
		if (day == last)
			return CRB_OK;
	}
}

/* "09:30" in minutes, or -1. */
static int
minute_of(const char *text)
{
	int hour, minute;

	for (size_t i = 0; i < 5; i++) {
		if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
			return -1;
	}
	hour = (text[0] - '0') * 10 + text[1] - '0';
	minute = (text[3] - '0') * 10 + text[4] - '0';
	return minute < 60 && hour * 60 + minute <= DAY_MINUTES
	    ? hour * 60 + minute
	    : -1;
}

enum crb_status
crb_hours_parse(const char *text, struct crb_hours *out, struct crb_err *err)
{
	int from = -1, to = -1;

	if (strlen(text) == 11 && text[5] == '-') {
		from = minute_of(text);
		to = minute_of(text + 6);
	}
	if (from < 0 || to < 0 || from == DAY_MINUTES)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "hours are written HH:MM-HH:MM, as in 09:00-17:30, the "
		    "last 24:00");
	if (from == to)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "from a time to the same is no time at all");
	*out = (struct crb_hours){ (uint16_t)from, (uint16_t)to };
	return CRB_OK;
}

static int
compare_parts(const void *left, const void *right)
{
	const struct crb_during_part *a = left, *b = right;

	return (a->from > b->from) - (a->from < b->from);
}

/* One range of one day, in two parts where the week ends between. */
static size_t
add_part(struct crb_during_part *part, int from, int to)
{
	if (to <= CRB_WEEK_MINUTES) {
		*part = (struct crb_during_part){ (uint16_t)from,
			(uint16_t)to };
		return 1;
	}
	part[0] = (struct crb_during_part){ (uint16_t)from, CRB_WEEK_MINUTES };
	part[1] = (struct crb_during_part){ 0,
		(uint16_t)(to - CRB_WEEK_MINUTES) };
	return 2;
}

/* Sort them, and make one of those that touch. */
static size_t
join_parts(struct crb_during_part *part, size_t count)
{
	size_t kept = 0;

	qsort(part, count, sizeof(*part), compare_parts);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && part[i].from <= part[kept - 1].to) {
			if (part[i].to > part[kept - 1].to)
				part[kept - 1].to = part[i].to;
		} else {
			part[kept++] = part[i];
		}
	}
	return kept;
}

size_t
crb_during_parts(unsigned days, const struct crb_hours *hours, size_t count,
    struct crb_during_part *part)
{
	size_t made = 0;

	for (int day = 0; day < 7; day++) {
		int start = day * DAY_MINUTES;

		if ((days >> day & 1) == 0)
			continue;
		for (size_t i = 0; i < count; i++) {
			int over = hours[i].to <= hours[i].from ? DAY_MINUTES
								: 0;

			made += add_part(&part[made], start + hours[i].from,
			    start + hours[i].to + over);
		}
	}
	return made > 0 ? join_parts(part, made) : 0;
}

/* Seconds of the week [from, to), within one week: how many are inside. */
static int64_t
seconds_inside(const struct crb_during *during, int64_t from, int64_t to)
{
	int64_t inside = 0;

	for (size_t i = 0; i < during->count; i++) {
		int64_t start = (int64_t)during->part[i].from * 60;
		int64_t end = (int64_t)during->part[i].to * 60;

		if (start < from)
			start = from;
		if (end > to)
			end = to;
		if (end > start)
			inside += end - start;
	}
	return inside;
}

/* The same for a length of at most a week from a time on the zone's clock. */
static int64_t
clock_inside(const struct crb_during *during, int64_t clock, int64_t length)
{
	int64_t from = (clock + EPOCH_SECONDS) % WEEK_SECONDS;
	int64_t over;

	if (from < 0)
		from += WEEK_SECONDS;
	over = from + length - WEEK_SECONDS;
	if (over <= 0)
		return seconds_inside(during, from, from + length);
	return seconds_inside(during, from, WEEK_SECONDS) +
	    seconds_inside(during, 0, over);
}

/* Times that a clock can be asked about; what is beyond nobody knows. */
#define TIME_MAX ((int64_t)1 << 40)

enum crb_during_share
crb_during_share(const struct crb_during *during, const struct crb_zones *zones,
    int64_t from, int64_t seconds)
{
	int64_t length = seconds > 0 ? seconds : 1;
	int64_t at = from, inside = 0, end;

	if (zones == NULL || from < 0 || from > TIME_MAX || length > TIME_MAX)
		return CRB_DURING_SOME;
	/* A week and what a clock is set by say as much as a year. */
	if (length > WEEK_SECONDS + DAY_SECONDS)
		length = WEEK_SECONDS + DAY_SECONDS;
	for (end = from + length; at < end;) {
		struct crb_zone_time time;
		int64_t stop = end - at > WEEK_SECONDS ? at + WEEK_SECONDS
						       : end;

		if (!zones->at(zones->ctx, during->zone, at, &time) ||
		    time.until <= at || time.east > DAY_SECONDS ||
		    time.east < -DAY_SECONDS)
			return CRB_DURING_SOME;
		if (stop > time.until)
			stop = time.until;
		inside += clock_inside(during, at + time.east, stop - at);
		at = stop;
	}
	return inside == length ? CRB_DURING_ALL
	    : inside > 0        ? CRB_DURING_SOME
				: CRB_DURING_NONE;
}

bool
crb_during_contains(
    const struct crb_during *outer, const struct crb_during *inner)
{
	if (strcmp(outer->zone, inner->zone) != 0)
		return false;
	for (size_t i = 0; i < inner->count; i++) {
		int64_t from = (int64_t)inner->part[i].from * 60;
		int64_t to = (int64_t)inner->part[i].to * 60;

		if (seconds_inside(outer, from, to) != to - from)
			return false;
	}
	return true;
}
