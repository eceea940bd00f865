#include "broker/cli/policy_place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#define FORMER_MAX (4u << 20)

void
crb_placed_clear(struct crb_placed *placed)
{
	crb_buf_clear(&placed->former);
}

static enum crb_status
write_bytes(const char *path, const struct crb_buf *bytes, struct crb_err *err)
{
	const struct crb_io_replacement file = { .bytes = crb_buf_text(bytes),
		.len = bytes->len,
		.mode = 0644,
		.group = (gid_t)-1 };

	return crb_io_replace_file(path, &file, err);
}

/* Others may look into it: their brokers read the organization's policy. */
static enum crb_status
make_folder(const char *path, struct crb_err *err)
{
	char folder[CRB_PATH_MAX];
	char *slash;

	(void)snprintf(folder, sizeof(folder), "%s", path);
	if ((slash = strrchr(folder, '/')) == NULL || slash == folder)
		return CRB_OK;
	*slash = '\0';
	if (access(folder, F_OK) == 0)
		return CRB_OK;
	if (make_folder(folder, err) != CRB_OK)
		return err->status;
	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return crb_err_errno(err, "%s", folder);
	return CRB_OK;
}

static enum crb_status
remove_file(const char *path, struct crb_err *err)
{
	if (unlink(path) != 0 && errno != ENOENT)
		return crb_err_errno(err, "%s", path);
	return CRB_OK;
}

enum crb_status
crb_placed_put(struct crb_placed *placed, const char *path,
    const struct crb_buf *bytes, struct crb_err *err)
{
	enum crb_status status;

	if (strlen(path) >= sizeof(placed->path))
		return crb_err_set(
		    err, CRB_ERR_TOO_LARGE, "the path is too long");
	memcpy(placed->path, path, strlen(path) + 1);
	placed->former = (struct crb_buf)CRB_BUF_INIT(FORMER_MAX);
	status = crb_io_read_file(path, &placed->former, err);
	placed->was = status == CRB_OK;
	if (status != CRB_OK && status != CRB_ERR_NOT_FOUND)
		return status;
	if (bytes == NULL && !placed->was)
		return CRB_OK;
	if (make_folder(path, err) != CRB_OK)
		return err->status;
	status = bytes != NULL ? write_bytes(path, bytes, err)
			       : remove_file(path, err);
	placed->changed = status == CRB_OK;
	return status;
}

enum crb_status
crb_placed_undo(struct crb_placed *placed, struct crb_err *err)
{
	if (!placed->changed)
		return CRB_OK;
	placed->changed = false;
	return placed->was ? write_bytes(placed->path, &placed->former, err)
			   : remove_file(placed->path, err);
}
