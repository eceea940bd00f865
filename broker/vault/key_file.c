#include "broker/vault/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/path.h"
#include "broker/vault/vault.h"

enum crb_status
crb_vault_read_key_fd(
    int fd, const char *path, struct crb_key **out, struct crb_err *err)
{
	uint8_t bytes[CRB_KEY_BYTES + 1];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { bytes, sizeof(bytes) };
	struct stat st;

	if (fstat(fd, &st) == -1)
		return crb_err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size != CRB_KEY_BYTES)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: a key file is exactly %d bytes", path, CRB_KEY_BYTES);
	if (crb_io_read(fd, bytes, CRB_KEY_BYTES, CRB_FOREVER, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	return crb_key_take(bytes, out, err);
}

enum crb_status
crb_vault_read_key_file(
    const char *path, struct crb_key **out, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;
	enum crb_status status;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1 && errno == ENOENT)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "%s: there is no such key file", path);
	if (fd == -1)
		return crb_err_errno(err, "%s", path);
	if ((status = crb_path_private(path, geteuid(), err)) != CRB_OK)
		return status;
	return crb_vault_read_key_fd(fd, path, out, err);
}

static enum crb_status
make(int fd, struct crb_key **out, struct crb_err *err)
{
	CRB_AUTO_KEY struct crb_key *key = NULL;
	enum crb_status status;

	if ((status = crb_key_random(&key, err)) != CRB_OK ||
	    (status = crb_io_write(fd, crb_key_bytes(key), CRB_KEY_BYTES,
		 CRB_FOREVER, err)) != CRB_OK)
		return status;
	if (fchmod(fd, 0400) == -1 || fsync(fd) == -1)
		return crb_err_errno(err, "cannot be written");
	*out = CRB_STEAL(key);
	return CRB_OK;
}

enum crb_status
crb_key_file_have(
    const char *path, bool *made, struct crb_key **out, struct crb_err *err)
{
	CRB_AUTO_KEY struct crb_key *key = NULL;
	CRB_AUTO_FD int fd = -1;

	*made = false;
	fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1 && errno == EEXIST)
		return crb_vault_read_key_file(path, out, err);
	if (fd == -1)
		return crb_err_errno(err, "%s", path);
	/* Its folders are judged as those of one that was found. */
	if (crb_path_private(path, geteuid(), err) != CRB_OK ||
	    make(fd, &key, err) != CRB_OK) {
		(void)unlink(path);
		return crb_err_context(err, "%s", path);
	}
	*made = true;
	*out = CRB_STEAL(key);
	return CRB_OK;
}
