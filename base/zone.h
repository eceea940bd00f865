#ifndef CRB_ZONE_H
#define CRB_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * What the clocks of a time zone say.
 */
struct crb_zone_time {
	int32_t east;  /* seconds ahead of UTC */
	int64_t until; /* it holds up to here, not included; INT64_MAX: always
			*/
};

/* Who knows it: what decides asks, and opens no file itself. */
struct crb_zones {
	/* False: there is no such zone, or nothing is known about it. */
	bool (*at)(void *ctx, const char *zone, int64_t seconds,
	    struct crb_zone_time *out);
	void *ctx;
};

#define CRB_ZONE_MAX 64 /* characters of a zone's name */

/* It is written as IANA's names are: "Europe/Berlin", "UTC". */
bool crb_zone_name_ok(const char *name);

/*
 * One zone's file: TZif, versions 1 to 4 (RFC 9636), read strictly.  Zones
 * that count leap seconds are refused.
 */
#define CRB_ZONE_FILE_MAX 65536 /* bytes */

struct crb_zone;

/* The bytes may be freed afterwards. */
CRB_NODISCARD enum crb_status crb_zone_parse(
    const void *bytes, size_t len, struct crb_zone **out, struct crb_err *err);
void crb_zone_free(struct crb_zone *zone);
/* False: the file says nothing about that time. */
bool crb_zone_at(
    const struct crb_zone *zone, int64_t seconds, struct crb_zone_time *out);

/*
 * The zones of a folder, each read when it is first asked for and then kept.
 * For one thread.
 */
#define CRB_ZONE_FOLDER "/usr/share/zoneinfo"
#define CRB_ZONES_KEPT 1024

struct crb_zone_folder;

/*
 * The folder is opened here and stays open.  Where there is none, no zone is
 * known; NULL without memory.
 */
struct crb_zone_folder *crb_zone_folder_open(const char *path);
void crb_zone_folder_close(struct crb_zone_folder *folder);
/* Forget what was read: a new version of the files is seen. */
void crb_zone_folder_forget(struct crb_zone_folder *folder);
/* Borrowed, as long as the folder is open. */
const struct crb_zones *crb_zone_folder_zones(
    const struct crb_zone_folder *folder);

static inline void
crb_zone_cleanup(struct crb_zone **zone)
{
	crb_zone_free(*zone);
}
#define CRB_AUTO_ZONE __attribute__((cleanup(crb_zone_cleanup)))

static inline void
crb_zone_folder_cleanup(struct crb_zone_folder **folder)
{
	crb_zone_folder_close(*folder);
}
#define CRB_AUTO_ZONE_FOLDER __attribute__((cleanup(crb_zone_folder_cleanup)))

#endif /* !CRB_ZONE_H */
