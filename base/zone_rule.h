#ifndef CRB_ZONE_RULE_H
#define CRB_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "base/zone.h"

/*
 * What a zone does year after year, for zone_file.c: the footer of its file, as
 * POSIX has it in TZ ("CET-1CEST,M3.5.0,M10.5.0/3") with what RFC 9636 adds:
 * hours of a change from -167 to 167.
 */
enum crb_zone_day_kind {
	CRB_ZONE_MONTH_DAY,  /* the nth weekday of a month: "M10.5.0" */
	CRB_ZONE_JULIAN_DAY, /* 1 to 365, February 29 never counted: "J60" */
	CRB_ZONE_YEAR_DAY,   /* 0 to 365, with it: "59" */
};

/* A day of each year, and a time of it. */
struct crb_zone_change {
	enum crb_zone_day_kind kind;
	int month, week, day;
	int32_t time; /* seconds from midnight, by the clock before it */
};

struct crb_zone_rule {
	int32_t standard, daylight; /* seconds ahead of UTC */
	bool changes;               /* or it is standard time always */
	struct crb_zone_change start, end;
};

/* False: it is not one. */
bool crb_zone_rule_parse(struct crb_slice text, struct crb_zone_rule *out);
/* False: that time is out of reach. */
bool crb_zone_rule_at(const struct crb_zone_rule *rule, int64_t seconds,
    struct crb_zone_time *out);

#endif /* !CRB_ZONE_RULE_H */
