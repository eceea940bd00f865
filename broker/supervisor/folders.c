#include "broker/supervisor/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "broker/bus/messages.h"
#include "broker/supervisor/listen.h"

#define ID_MAX 16
#define ENDPOINT "endpoint.sock"
/* A name is known by its number only. */
static const char *const files[] = {
	[CRB_SESSION_TOKEN] = "token",
	[CRB_SESSION_AWS_CONFIG] = "aws-config",
};
#define FILE_COUNT (sizeof(files) / sizeof(files[0]))

/* Of connections that the gateway has not accepted yet. */
#define BACKLOG 128

/* A session's folder while something is done in it. */
struct folder {
	int sessions;
	char id[ID_MAX + 1];
	int dir;
	bool made;   /* by us, now */
	bool kept;   /* it came out well */
	uid_t owner; /* to whom it is given back */
};

static void
folder_close(const struct folder *folder)
{
	if (folder->dir != -1 && folder->owner != CRB_OWNER_SELF)
		(void)!fchown(folder->dir, folder->owner, (gid_t)-1);
	crb_fd_cleanup(&folder->dir);
	if (folder->made && !folder->kept)
		(void)unlinkat(folder->sessions, folder->id, AT_REMOVEDIR);
}
#define AUTO_FOLDER __attribute__((cleanup(folder_close)))

static enum crb_status
read_id(struct crb_slice slice, char id[ID_MAX + 1], struct crb_err *err)
{
	if (slice.len == 0 || slice.len > ID_MAX)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a session id that is none");
	for (size_t i = 0; i < slice.len; i++) {
		char c = slice.p[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= 'a' && c <= 'z'))
			return crb_err_set(
			    err, CRB_ERR_INVALID, "a session id that is none");
	}
	memcpy(id, slice.p, slice.len);
	id[slice.len] = '\0';
	return CRB_OK;
}

static enum crb_status
read_owner(uint32_t owner, uid_t *out, struct crb_err *err)
{
	if (owner == UINT32_MAX || owner == geteuid()) {
		*out = CRB_OWNER_SELF;
		return CRB_OK;
	}
	if (geteuid() != 0)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "only a broker that runs as root can give a session's "
		    "folder to uid %u",
		    owner);
	*out = owner;
	return CRB_OK;
}

static enum crb_status
open_folder(struct folder *folder, struct crb_err *err)
{
	if ((folder->dir = openat(folder->sessions, folder->id,
		 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) != -1)
		return CRB_OK;
	if (errno == ENOENT)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "session %s has no folder", folder->id);
	return crb_err_errno(err, "the folder of session %s", folder->id);
}

/* As its owner left it, it could change while we work in it. */
static enum crb_status
take_folder(struct folder *folder, struct crb_err *err)
{
	struct stat st;

	if (fstat(folder->dir, &st) != 0)
		return crb_err_errno(
		    err, "the folder of session %s", folder->id);
	if (st.st_uid != geteuid() &&
	    fchown(folder->dir, geteuid(), (gid_t)-1) != 0)
		return crb_err_errno(
		    err, "taking the folder of session %s", folder->id);
	if (fchmod(folder->dir, 0700) != 0)
		return crb_err_errno(
		    err, "the folder of session %s", folder->id);
	return CRB_OK;
}

enum crb_status
crb_folder_open(int sessions, struct crb_slice id, uint32_t owner,
    int *listener, struct crb_err *err)
{
	AUTO_FOLDER struct folder folder = {
		.sessions = sessions, .dir = -1, .owner = CRB_OWNER_SELF
	};
	struct crb_listen how = { .mode = 0600, .backlog = BACKLOG };
	uid_t to;

	if (read_id(id, folder.id, err) != CRB_OK ||
	    read_owner(owner, &to, err) != CRB_OK)
		return err->status;
	folder.made = mkdirat(sessions, folder.id, 0700) == 0;
	if (!folder.made && errno != EEXIST)
		return crb_err_errno(
		    err, "making the folder of session %s", folder.id);
	if (open_folder(&folder, err) != CRB_OK ||
	    take_folder(&folder, err) != CRB_OK)
		return err->status;
	folder.owner = to;
	how.owner = to;
	if (crb_listen(folder.dir, ENDPOINT, &how, listener, err) != CRB_OK)
		return crb_err_context(err, "session %s", folder.id);
	folder.kept = true;
	return CRB_OK;
}

enum crb_status
crb_folder_file(int sessions, struct crb_slice id, uint32_t owner,
    unsigned file, int *fd, struct crb_err *err)
{
	AUTO_FOLDER struct folder folder = {
		.sessions = sessions, .dir = -1, .owner = CRB_OWNER_SELF
	};
	const char *name = file < FILE_COUNT ? files[file] : NULL;
	CRB_AUTO_FD int made = -1;
	uid_t to;

	if (name == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a file that no session has: %u", file);

	if (read_id(id, folder.id, err) != CRB_OK ||
	    read_owner(owner, &to, err) != CRB_OK ||
	    open_folder(&folder, err) != CRB_OK)
		return err->status;
	(void)unlinkat(folder.dir, name, 0);
	if ((made = openat(folder.dir, name,
		 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400)) ==
	    -1)
		return crb_err_errno(
		    err, "%s in the folder of session %s", name, folder.id);
	if (to != CRB_OWNER_SELF && fchown(made, to, (gid_t)-1) != 0)
		return crb_err_errno(
		    err, "%s in the folder of session %s", name, folder.id);
	*fd = CRB_STEAL_FD(made);
	return CRB_OK;
}

static void
remove_one(const struct folder *folder, const char *name,
    enum crb_status *status, struct crb_err *err)
{
	if (unlinkat(folder->dir, name, 0) != 0 && errno != ENOENT)
		*status = crb_err_errno(
		    err, "%s in the folder of session %s", name, folder->id);
}

static enum crb_status
remove_content(const struct folder *folder, struct crb_err *err)
{
	static const char *const sockets[] = { ENDPOINT,
		ENDPOINT CRB_LISTEN_NEW };
	enum crb_status status = CRB_OK;

	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		remove_one(folder, sockets[i], &status, err);
	for (size_t i = 1; i < FILE_COUNT; i++)
		remove_one(folder, files[i], &status, err);
	return status;
}

enum crb_status
crb_folder_remove(int sessions, struct crb_slice id, struct crb_err *err)
{
	AUTO_FOLDER struct folder folder = {
		.sessions = sessions, .dir = -1, .owner = CRB_OWNER_SELF
	};
	enum crb_status status;

	if (read_id(id, folder.id, err) != CRB_OK)
		return err->status;
	if ((status = open_folder(&folder, err)) != CRB_OK)
		return status == CRB_ERR_NOT_FOUND ? CRB_OK : status;
	if (remove_content(&folder, err) != CRB_OK)
		return err->status;
	if (unlinkat(sessions, folder.id, AT_REMOVEDIR) != 0)
		return crb_err_errno(
		    err, "removing the folder of session %s", folder.id);
	return CRB_OK;
}
