#ifndef CRB_CLEANUP_H
#define CRB_CLEANUP_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>
#include <sodium.h>

/*
 * The whole set of scope-bound cleanups.  Initialise at the declaration, and
 * hand a value over with CRB_STEAL(), which returns it and leaves NULL, or
 * CRB_STEAL_FD(), which leaves -1.  A type of ours with a _free() declares its
 * own CRB_AUTO_* beside it.
 */
#define CRB_STEAL(p)                         \
	__extension__({                      \
		__typeof__(p) stolen_ = (p); \
		(p) = NULL;                  \
		stolen_;                     \
	})
#define CRB_STEAL_FD(fd)            \
	__extension__({             \
		int stolen_ = (fd); \
		(fd) = -1;          \
		stolen_;            \
	})

struct crb_wipe {
	void *bytes;
	size_t len;
};

#define CRB_AUTO_WIPE __attribute__((cleanup(crb_wipe_cleanup), unused))
static inline void
crb_wipe_cleanup(const struct crb_wipe *wipe)
{
	sodium_memzero(wipe->bytes, wipe->len);
}

#define CRB_AUTO_FD __attribute__((cleanup(crb_fd_cleanup)))
static inline void
crb_fd_cleanup(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

#define CRB_AUTO_FREE __attribute__((cleanup(crb_free_cleanup)))
static inline void
crb_free_cleanup(void *p)
{
	free(*(void **)p);
}

#define CRB_AUTO_FILE __attribute__((cleanup(crb_file_cleanup)))
static inline void
crb_file_cleanup(FILE **file)
{
	if (*file != NULL)
		(void)fclose(*file);
}

#define CRB_AUTO_JSON __attribute__((cleanup(crb_json_cleanup)))
static inline void
crb_json_cleanup(json_t **json)
{
	json_decref(*json);
}

#endif /* !CRB_CLEANUP_H */
