#ifndef CRB_SHIM_CLEANUP_H
#define CRB_SHIM_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/*
 * The part of base/cleanup.h that the shim needs.  That header wants libsodium
 * and jansson, which a program of libc alone does not have.
 */
#define CRB_STEAL_FD(fd)            \
	__extension__({             \
		int stolen_ = (fd); \
		(fd) = -1;          \
		stolen_;            \
	})

#define CRB_AUTO_FD __attribute__((cleanup(crb_fd_cleanup)))
static inline void
crb_fd_cleanup(const int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
}

#define CRB_AUTO_FREE __attribute__((cleanup(crb_free_cleanup)))
static inline void
crb_free_cleanup(void *p)
{
	free(*(void **)p);
}

#endif /* !CRB_SHIM_CLEANUP_H */
