#include "broker/vault/file_start.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

enum crb_status
crb_file_start(const char *path, uint8_t *bytes, size_t cap, size_t *len,
    off_t *size, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;
	struct stat st;
	ssize_t n;

	/* O_NONBLOCK: a named pipe must not hold us before it is seen as one.
	 */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1 && errno == ENOENT)
		return crb_err_set(err, CRB_ERR_NOT_FOUND, "there is none");
	if (fd == -1 || fstat(fd, &st) == -1)
		return crb_err_errno(err, "cannot be read");
	if (!S_ISREG(st.st_mode))
		return crb_err_set(err, CRB_ERR_CORRUPT, "not a regular file");
	/* This little is read at once or not at all. */
	if ((n = pread(fd, bytes, cap, 0)) == -1)
		return crb_err_errno(err, "cannot be read");
	*len = (size_t)n;
	*size = st.st_size;
	return CRB_OK;
}
