#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/zone.h"
#include "base/zone_rule.h"

/*
 * RFC 9636.  A file of version 2 and later has everything twice: with times of
 * 4 bytes, which is skipped, and of 8.  Behind them is a line with what comes
 * after the last change.
 */
#define HEADER_BYTES 44
#define TYPES_MAX 256
/* What an offset can be, by section 3.2. */
#define EAST_MIN (-89999)
#define EAST_MAX 93599

/* From this time on. */
struct step {
	int64_t from;
	int32_t east;
};

struct crb_zone {
	int32_t first; /* before any step */
	int64_t end;   /* without a rule: what the steps say holds up to here */
	bool ruled;
	struct crb_zone_rule rule; /* from the last step on */
	size_t count;
	struct step step[];
};

struct counts {
	uint32_t utc, standard, leaps, times, types, characters;
};

struct block {
	struct counts counts;
	size_t time_bytes;      /* 4 or 8 */
	const uint8_t *content; /* borrowed */
	size_t len;
};

static uint32_t
big_endian_32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static int64_t
read_time(const uint8_t *p, size_t bytes)
{
	if (bytes == 4)
		return (int32_t)big_endian_32(p);
	return (
	    int64_t)((uint64_t)big_endian_32(p) << 32 | big_endian_32(p + 4));
}

static enum crb_status
malformed(struct crb_err *err, const char *what)
{
	return crb_err_set(
	    err, CRB_ERR_INVALID, "not a time zone's file: %s", what);
}

/* A header, and the length of what is behind it. */
static enum crb_status
take_block(struct crb_slice *rest, size_t time_bytes, struct block *out,
    struct crb_err *err)
{
	const uint8_t *p = (const uint8_t *)rest->p;
	struct counts *n = &out->counts;
	uint64_t len;

	if (rest->len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
		return malformed(err, "no header");
	*n = (struct counts){ big_endian_32(p + 20), big_endian_32(p + 24),
		big_endian_32(p + 28), big_endian_32(p + 32),
		big_endian_32(p + 36), big_endian_32(p + 40) };
	len = n->times * (uint64_t)(time_bytes + 1) + n->types * (uint64_t)6 +
	    n->characters + n->leaps * (uint64_t)(time_bytes + 4) +
	    n->standard + n->utc;
	if (len > rest->len - HEADER_BYTES)
		return malformed(err, "it ends early");
	out->time_bytes = time_bytes;
	out->content = p + HEADER_BYTES;
	out->len = (size_t)len;
	rest->p += HEADER_BYTES + out->len;
	rest->len -= HEADER_BYTES + out->len;
	return CRB_OK;
}

static enum crb_status
check_counts(const struct counts *n, struct crb_err *err)
{
	if (n->types == 0 || n->types > TYPES_MAX || n->characters == 0 ||
	    (n->standard != 0 && n->standard != n->types) ||
	    (n->utc != 0 && n->utc != n->types))
		return malformed(err, "numbers that cannot be");
	if (n->leaps != 0)
		return malformed(err, "it counts leap seconds");
	return CRB_OK;
}

static bool
take_east(const struct block *block, size_t type, int32_t *out)
{
	const uint8_t *p = block->content +
	    block->counts.times * (block->time_bytes + 1) + type * 6;

	*out = (int32_t)big_endian_32(p);
	return *out >= EAST_MIN && *out <= EAST_MAX && p[4] <= 1 &&
	    p[5] < block->counts.characters;
}

static bool
take_steps(const struct block *block, struct crb_zone *zone)
{
	const uint8_t *times = block->content;
	const uint8_t *types = times + block->counts.times * block->time_bytes;
	int32_t east;

	/* Types that nothing uses are checked too. */
	for (size_t i = 0; i < block->counts.types; i++)
		if (!take_east(block, i, &east))
			return false;
	(void)take_east(block, 0, &zone->first);
	for (size_t i = 0; i < block->counts.times; i++) {
		struct step *step = &zone->step[i];

		step->from = read_time(
		    times + i * block->time_bytes, block->time_bytes);
		if (types[i] >= block->counts.types ||
		    !take_east(block, types[i], &step->east) ||
		    (i > 0 && step->from <= step[-1].from))
			return false;
	}
	return true;
}

/* "\nTZ\n", and nothing behind; TZ may be empty. */
static enum crb_status
take_footer(struct crb_slice rest, struct crb_zone *zone, struct crb_err *err)
{
	if (rest.len < 2 || rest.p[0] != '\n' || rest.p[rest.len - 1] != '\n')
		return malformed(err, "no footer");
	rest.p++;
	rest.len -= 2;
	if (rest.len == 0) {
		/* What comes after the last change is not said. */
		zone->end = zone->count > 0 ? zone->step[zone->count - 1].from
					    : INT64_MAX;
		return CRB_OK;
	}
	zone->ruled = crb_zone_rule_parse(rest, &zone->rule);
	return zone->ruled ? CRB_OK : malformed(err, "a footer that is none");
}

static enum crb_status
make_zone(const struct block *block, struct crb_zone **out, struct crb_err *err)
{
	CRB_AUTO_ZONE struct crb_zone *zone = NULL;

	if (check_counts(&block->counts, err) != CRB_OK)
		return err->status;
	zone = calloc(
	    1, sizeof(*zone) + block->counts.times * sizeof(*zone->step));
	if (zone == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	zone->count = block->counts.times;
	if (!take_steps(block, zone))
		return malformed(err, "changes that cannot be");
	*out = CRB_STEAL(zone);
	return CRB_OK;
}

static enum crb_status
parse_first(struct crb_slice rest, struct crb_zone **out, struct crb_err *err)
{
	struct block block;

	if (take_block(&rest, 4, &block, err) != CRB_OK)
		return err->status;
	if (rest.len != 0)
		return malformed(err, "something behind its end");
	if (make_zone(&block, out, err) != CRB_OK)
		return err->status;
	/* It reaches no further than its times can. */
	(*out)->end = (*out)->count > 0 ? INT32_MAX : INT64_MAX;
	return CRB_OK;
}

static enum crb_status
parse_second(struct crb_slice rest, struct crb_zone **out, struct crb_err *err)
{
	CRB_AUTO_ZONE struct crb_zone *zone = NULL;
	struct block block;

	if (take_block(&rest, 4, &block, err) != CRB_OK ||
	    take_block(&rest, 8, &block, err) != CRB_OK ||
	    make_zone(&block, &zone, err) != CRB_OK ||
	    take_footer(rest, zone, err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(zone);
	return CRB_OK;
}

enum crb_status
crb_zone_parse(
    const void *bytes, size_t len, struct crb_zone **out, struct crb_err *err)
{
	struct crb_slice rest = { bytes, len };

	if (len > CRB_ZONE_FILE_MAX)
		return malformed(err, "it is too large");
	if (len < HEADER_BYTES)
		return malformed(err, "no header");
	switch (rest.p[4]) {
	case '\0':
		return parse_first(rest, out, err);
	case '2':
	case '3':
	case '4':
		return parse_second(rest, out, err);
	default:
		return malformed(err, "a version that is not known");
	}
}

void
crb_zone_free(struct crb_zone *zone)
{
	free(zone);
}

/* How many steps there are up to a time. */
static size_t
steps_until(const struct crb_zone *zone, int64_t seconds)
{
	size_t low = 0, high = zone->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zone->step[middle].from <= seconds)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
crb_zone_at(
    const struct crb_zone *zone, int64_t seconds, struct crb_zone_time *out)
{
	size_t steps = steps_until(zone, seconds);

	if (steps == zone->count && zone->ruled)
		return crb_zone_rule_at(&zone->rule, seconds, out);
	out->east = steps > 0 ? zone->step[steps - 1].east : zone->first;
	out->until = steps < zone->count ? zone->step[steps].from : zone->end;
	return seconds < out->until;
}
