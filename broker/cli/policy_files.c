#include "broker/cli/policy_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"

enum crb_status
crb_policy_signature_path(char out[CRB_PATH_MAX], const char *file,
    const char *given, struct crb_err *err)
{
	int len = given != NULL
	    ? snprintf(out, CRB_PATH_MAX, "%s", given)
	    : snprintf(out, CRB_PATH_MAX, "%s%s", file, CRB_SIGNATURE_ENDING);

	if (len < 0 || len >= CRB_PATH_MAX)
		return crb_err_set(
		    err, CRB_ERR_TOO_LARGE, "the path is too long");
	return CRB_OK;
}

enum crb_status
crb_policy_public_key_read(
    const char *path, struct crb_public_key *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(
	    CRB_SIGNATURE_FILE_MAX);

	if (crb_io_read_file(path, &text, err) != CRB_OK)
		return err->status;
	if (crb_public_key_parse(text.data, text.len, out, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	return CRB_OK;
}

/*
 * The file alone is judged, and not its folders: whoever can put another key
 * there makes signatures that the public key does not fit.
 */
static enum crb_status
check_private(int fd, struct crb_err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return crb_err_errno(err, "stat");
	if (!S_ISREG(st.st_mode))
		return crb_err_set(err, CRB_ERR_INVALID, "not a regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the secret key belongs to another user");
	if ((st.st_mode & 077) != 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "others can get at the secret key: chmod 600");
	return CRB_OK;
}

static enum crb_status
read_private(const char *path, struct crb_buf *text, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;

	fd = open(
	    path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 && errno == ENOENT)
		return crb_err_set(err, CRB_ERR_NOT_FOUND, "no such file");
	if (fd == -1 && errno == ELOOP)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a symbolic link, which is not followed");
	if (fd == -1)
		return crb_err_errno(err, "open");
	if (check_private(fd, err) != CRB_OK)
		return err->status;
	return crb_io_read_all(fd, text, CRB_FOREVER, err);
}

static enum crb_status
read_key(const char *path, const struct crb_secret_source *source,
    struct crb_signing_key **out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(
	    CRB_SIGNATURE_FILE_MAX);
	CRB_AUTO_SECRET struct crb_secret *passphrase = NULL;
	bool encrypted = false;

	if (read_private(path, &text, err) != CRB_OK ||
	    crb_signing_key_encrypted(text.data, text.len, &encrypted, err) !=
		CRB_OK)
		return err->status;
	if (encrypted &&
	    crb_secret_input(source, "Passphrase of the secret key", false,
		&passphrase, err) != CRB_OK)
		return err->status;
	return crb_signing_key_parse(text.data, text.len, passphrase, out, err);
}

enum crb_status
crb_policy_signing_key_read(const char *path,
    const struct crb_secret_source *source, struct crb_signing_key **out,
    struct crb_err *err)
{
	if (read_key(path, source, out, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	return CRB_OK;
}
