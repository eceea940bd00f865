#ifndef CRB_MOUNTS_H
#define CRB_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * What a sandbox is to see besides the system: a list of mounts, each at an
 * absolute path without "." and "..".
 */
enum crb_mount_kind {
	CRB_MOUNT_READ,   /* the source, read-only */
	CRB_MOUNT_WRITE,  /* the source */
	CRB_MOUNT_PIN,    /* the source on itself, so that it cannot be moved */
	CRB_MOUNT_FOLDER, /* an empty folder, in memory */
	CRB_MOUNT_MASK,   /* the same, read-only */
	CRB_MOUNT_FILE,   /* an empty file, read-only */
	CRB_MOUNT_LINK,   /* a symbolic link whose text is the source */
};

struct crb_mount {
	enum crb_mount_kind kind;
	char *source; /* real; NULL where there is none */
	char *target;
	size_t number; /* order of arrival */
	bool asked;    /* somebody asked for it */
	/* What a source was when it was judged; 0: not there, or none. */
	dev_t dev;
	ino_t ino;
};

/* Starts as all zeros; owns its strings.  Out of memory aborts. */
struct crb_mounts {
	size_t count;
	struct crb_mount *at;
};
void crb_mounts_clear(struct crb_mounts *mounts);

/* `source` may be NULL.  One of the same kind, source, target is not added
 * twice. */
void crb_mounts_add(struct crb_mounts *mounts, enum crb_mount_kind kind,
    const char *source, const char *target);

/* Each folder before what lies in it; else in the order of arrival. */
void crb_mounts_sort(struct crb_mounts *mounts);

/* The last mount at or above `target`, sorted or not; NULL: none. */
const struct crb_mount *crb_mounts_over(
    const struct crb_mounts *mounts, const char *target);

/* A file of the host's is seen through this one. */
bool crb_mount_shows(const struct crb_mount *mount);

#endif /* !CRB_MOUNTS_H */
