#include "base/zone.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"

#define BUCKETS 256

/* A zone that was asked for. */
struct kept {
	SLIST_ENTRY(kept) next;
	struct crb_zone *zone;
	char name[CRB_ZONE_MAX + 1];
};
SLIST_HEAD(bucket, kept);

struct crb_zone_folder {
	struct crb_zones zones;
	int fd; /* -1: there is no such folder */
	size_t count;
	struct bucket bucket[BUCKETS];
};

bool
crb_zone_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > CRB_ZONE_MAX || name[0] == '/' ||
	    name[len - 1] == '/' || strstr(name, "//") != NULL ||
	    strchr(name, '.') != NULL)
		return false;
	/* No path leaves its folder: there is no dot. */
	return strspn(name,
		   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		   "0123456789_+-/") == len;
}

/* NULL when there is none, or its file is not sound. */
static struct crb_zone *
read_zone(int folder, const char *name)
{
	CRB_AUTO_BUF struct crb_buf content = CRB_BUF_INIT(CRB_ZONE_FILE_MAX);
	CRB_AUTO_FD int fd = openat(
	    folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct crb_zone *zone = NULL;
	struct crb_err err = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    crb_io_read_all(fd, &content, CRB_FOREVER, &err) != CRB_OK ||
	    crb_zone_parse(content.data, content.len, &zone, &err) != CRB_OK)
		return NULL;
	return zone;
}

static struct bucket *
bucket_of(struct crb_zone_folder *folder, const char *name)
{
	size_t hash = 5381;

	for (const char *p = name; *p != '\0'; p++)
		hash = hash * 33 + (unsigned char)*p;
	return &folder->bucket[hash % BUCKETS];
}

static const struct kept *
find_kept(const struct bucket *bucket, const char *name)
{
	const struct kept *kept;

	SLIST_FOREACH(kept, bucket, next)
	if (strcmp(kept->name, name) == 0)
		return kept;
	return NULL;
}

static const struct kept *
keep_zone(
    struct crb_zone_folder *folder, struct bucket *bucket, const char *name)
{
	CRB_AUTO_ZONE struct crb_zone *zone = NULL;
	struct kept *kept;

	if (folder->fd < 0 || folder->count == CRB_ZONES_KEPT ||
	    !crb_zone_name_ok(name))
		return NULL;
	zone = read_zone(folder->fd, name);
	kept = zone != NULL ? calloc(1, sizeof(*kept)) : NULL;
	if (kept == NULL)
		return NULL;
	(void)memcpy(kept->name, name, strlen(name));
	kept->zone = CRB_STEAL(zone);
	SLIST_INSERT_HEAD(bucket, kept, next);
	folder->count++;
	return kept;
}

static bool
zone_at(void *ctx, const char *name, int64_t seconds, struct crb_zone_time *out)
{
	struct crb_zone_folder *folder = ctx;
	struct bucket *bucket = bucket_of(folder, name);
	const struct kept *kept = find_kept(bucket, name);

	if (kept == NULL)
		kept = keep_zone(folder, bucket, name);
	return kept != NULL && crb_zone_at(kept->zone, seconds, out);
}

struct crb_zone_folder *
crb_zone_folder_open(const char *path)
{
	struct crb_zone_folder *folder = calloc(1, sizeof(*folder));

	if (folder == NULL)
		return NULL;
	folder->zones = (struct crb_zones){ zone_at, folder };
	folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder;
}

void
crb_zone_folder_forget(struct crb_zone_folder *folder)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct kept *kept;

		while ((kept = SLIST_FIRST(&folder->bucket[i])) != NULL) {
			SLIST_REMOVE_HEAD(&folder->bucket[i], next);
			crb_zone_free(kept->zone);
			free(kept);
		}
	}
	folder->count = 0;
}

void
crb_zone_folder_close(struct crb_zone_folder *folder)
{
	if (folder == NULL)
		return;
	crb_zone_folder_forget(folder);
	if (folder->fd >= 0)
		(void)close(folder->fd);
	free(folder);
}

const struct crb_zones *
crb_zone_folder_zones(const struct crb_zone_folder *folder)
{
	return &folder->zones;
}
