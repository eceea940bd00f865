#include "broker/cli/mounts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/cli/folders.h"

void
crb_mounts_clear(struct crb_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++) {
		free(mounts->at[i].source);
		free(mounts->at[i].target);
	}
	free(mounts->at);
	*mounts = (struct crb_mounts){ .count = 0 };
}

static char *
copy(const char *text)
{
	char *made;

	if (text == NULL)
		return NULL;
	if ((made = strdup(text)) == NULL)
		abort();
	return made;
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void
crb_mounts_add(struct crb_mounts *mounts, enum crb_mount_kind kind,
    const char *source, const char *target)
{
	struct crb_mount *made;
	struct stat st;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct crb_mount *at = &mounts->at[i];

		if (at->kind == kind && same(at->source, source) &&
		    same(at->target, target))
			return;
	}
	mounts->at = reallocarray(
	    mounts->at, mounts->count + 1, sizeof(*mounts->at));
	if (mounts->at == NULL)
		abort();
	made = &mounts->at[mounts->count];
	*made = (struct crb_mount){ .kind = kind,
		.source = copy(source),
		.target = copy(target),
		.number = mounts->count++ };
	if (crb_mount_shows(made) && lstat(source, &st) == 0) {
		made->dev = st.st_dev;
		made->ino = st.st_ino;
	}
}

/* A slash sorts before any other byte, so a folder before its content. */
static int
compare(const void *left, const void *right)
{
	const struct crb_mount *a = left, *b = right;
	const unsigned char *p = (const unsigned char *)a->target;
	const unsigned char *q = (const unsigned char *)b->target;

	while (*p != '\0' && *p == *q)
		p++, q++;
	if (*p == *q)
		return a->number < b->number ? -1 : 1;
	if (*p == '\0' || *q == '\0')
		return *p == '\0' ? -1 : 1;
	if (*p == '/' || *q == '/')
		return *p == '/' ? -1 : 1;
	return *p < *q ? -1 : 1;
}

void
crb_mounts_sort(struct crb_mounts *mounts)
{
	if (mounts->count > 0)
		qsort(mounts->at, mounts->count, sizeof(*mounts->at), compare);
}

const struct crb_mount *
crb_mounts_over(const struct crb_mounts *mounts, const char *target)
{
	const struct crb_mount *over = NULL;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct crb_mount *at = &mounts->at[i];

		if (crb_folder_holds(at->target, target) &&
		    (over == NULL ||
			strlen(at->target) >= strlen(over->target)))
			over = at;
	}
	return over;
}

bool
crb_mount_shows(const struct crb_mount *mount)
{
	return mount->kind == CRB_MOUNT_READ ||
	    mount->kind == CRB_MOUNT_WRITE || mount->kind == CRB_MOUNT_PIN;
}
