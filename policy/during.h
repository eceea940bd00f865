#ifndef CRB_DURING_H
#define CRB_DURING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/zone.h"

/*
 * Days and hours of a time zone, as parts of a week.  What a zone's clock says
 * is asked of the caller.
 */
#define CRB_WEEK_MINUTES (7 * 24 * 60)
#define CRB_DURING_RANGES 16 /* of hours */
#define CRB_DURING_PARTS (2 * 7 * CRB_DURING_RANGES)

/* Minutes of the week from Monday 00:00, apart from each other, in order. */
struct crb_during_part {
	uint16_t from, to;
};
struct crb_during {
	const char *zone;
	size_t count;
	struct crb_during_part *part;
};

/* Minutes of a day; to <= from is over midnight, into the next day. */
struct crb_hours {
	uint16_t from, to;
};

/* "mon" or "mon-fri" (or "fri-mon"): adds to *days, bit 0 being Monday. */
CRB_NODISCARD enum crb_status crb_days_parse(
    const char *text, unsigned *days, struct crb_err *err);
/* "09:00-17:30"; up to 24:00. */
CRB_NODISCARD enum crb_status crb_hours_parse(
    const char *text, struct crb_hours *out, struct crb_err *err);
/*
 * Into *part, of CRB_DURING_PARTS; returns their number.  Hours that go over
 * midnight belong to the day on which they start.
 */
size_t crb_during_parts(unsigned days, const struct crb_hours *hours,
    size_t count, struct crb_during_part *part);

/* How much of [from, from + seconds] lies inside; 0 seconds are a moment. */
enum crb_during_share {
	CRB_DURING_NONE,
	CRB_DURING_SOME, /* also: nobody knows */
	CRB_DURING_ALL,
};
enum crb_during_share crb_during_share(const struct crb_during *during,
    const struct crb_zones *zones, int64_t from, int64_t seconds);

/* All of `inner` is in `outer`. */
bool crb_during_contains(
    const struct crb_during *outer, const struct crb_during *inner);

#endif /* !CRB_DURING_H */
