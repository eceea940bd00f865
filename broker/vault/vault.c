#include "broker/vault/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "broker/vault/impl.h"

const char *
crb_kind_name(unsigned kind)
{
	static const char *const names[] = {
		[CRB_KIND_HEAD] = "head",
		[CRB_KIND_CREDENTIAL] = "credential",
		[CRB_KIND_PROFILE] = "profile",
		[CRB_KIND_SESSION] = "session",
		[CRB_KIND_OUTBOX] = "outbox",
		[CRB_KIND_SETTING] = "setting",
		[CRB_KIND_LEASE] = "lease",
		[CRB_KIND_POLICY] = "policy",
	};

	if (kind < sizeof(names) / sizeof(names[0]) && names[kind] != NULL)
		return names[kind];
	return "unknown";
}

void
crb_record_id_random(struct crb_record_id *out)
{
	randombytes_buf(out->bytes, sizeof(out->bytes));
}

enum crb_status
crb_vault_lock_folder(const char *folder, int *fd, struct crb_err *err)
{
	CRB_AUTO_FD int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir == -1)
		return crb_err_errno(err, "%s", folder);
	if (flock(dir, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK)
			return crb_err_errno(err, "%s: flock", folder);
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "%s: another credbroker has this vault open", folder);
	}
	*fd = CRB_STEAL_FD(dir);
	return CRB_OK;
}

static enum crb_status
open_header(struct crb_vault *vault, struct crb_err *err)
{
	char path[CRB_PATH_MAX], store[CRB_PATH_MAX];

	if (crb_path_join(path, vault->folder, CRB_VAULT_FILE, err) != CRB_OK ||
	    crb_path_join(store, vault->folder, CRB_STORE_FILE, err) != CRB_OK)
		return err->status;
	if (crb_header_read(path, &vault->header, err) == CRB_OK)
		return CRB_OK;
	if (err->status == CRB_ERR_NOT_FOUND && access(store, F_OK) == 0)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "%s is missing, but store.db is there: restore the whole "
		    "folder from one backup",
		    path);
	if (err->status == CRB_ERR_NOT_FOUND)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "%s: there is no vault here yet: make one with "
		    "'credbroker init'",
		    vault->folder);
	return err->status;
}

static enum crb_status
missing(const char *path, struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_CORRUPT,
	    "%s is missing: restore the whole folder from one backup", path);
}

static enum crb_status
open_store(struct crb_vault *vault, struct crb_err *err)
{
	char path[CRB_PATH_MAX];
	enum crb_status status;

	/* SQLite calls it an I/O error. */
	if (faccessat(vault->folder_fd, ".", W_OK | X_OK, AT_EACCESS) == -1)
		return crb_err_errno(
		    err, "%s: cannot be written", vault->folder);
	status = crb_path_join(path, vault->folder, CRB_STORE_FILE, err);
	if (status == CRB_OK)
		status = crb_store_sqlite_open(path, &vault->store, err);
	return status == CRB_ERR_NOT_FOUND ? missing(path, err) : status;
}

static enum crb_status
open_generation(struct crb_vault *vault, struct crb_err *err)
{
	char path[CRB_PATH_MAX];
	enum crb_status status;

	status = crb_path_join(path, vault->folder, CRB_GENERATION_FILE, err);
	if (status != CRB_OK)
		return status;
	vault->generation_fd = open(
	    path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (vault->generation_fd == -1 && errno == ENOENT)
		return missing(path, err);
	if (vault->generation_fd == -1)
		return crb_err_errno(err, "%s", path);
	return CRB_OK;
}

enum crb_status
crb_vault_open(const char *folder, struct crb_vault **out, struct crb_err *err)
{
	CRB_AUTO_VAULT struct crb_vault *vault = NULL;
	enum crb_status status;

	if (sodium_init() < 0)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libsodium does not start");
	if ((vault = calloc(1, sizeof(*vault))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory for a vault");
	vault->folder_fd = vault->generation_fd = -1;
	/* SQLite is told to follow no link, so there is to be none. */
	if (realpath(folder, vault->folder) == NULL)
		return errno == ENOENT
		    ? crb_err_set(err, CRB_ERR_NOT_FOUND,
			  "%s: there is no vault here yet: make one with "
			  "'credbroker init'",
			  folder)
		    : crb_err_errno(err, "%s", folder);
	status = crb_vault_lock_folder(vault->folder, &vault->folder_fd, err);
	if (status != CRB_OK || (status = open_header(vault, err)) != CRB_OK ||
	    (status = open_store(vault, err)) != CRB_OK ||
	    (status = open_generation(vault, err)) != CRB_OK)
		return status;
	*out = CRB_STEAL(vault);
	return CRB_OK;
}

void
crb_vault_free(struct crb_vault *vault)
{
	if (vault == NULL)
		return;
	crb_vault_lock(vault);
	crb_store_close(vault->store);
	if (vault->generation_fd != -1) {
		(void)fdatasync(vault->generation_fd);
		(void)close(vault->generation_fd);
	}
	if (vault->folder_fd != -1)
		(void)close(vault->folder_fd);
	free(vault);
}

size_t
crb_vault_slots(const struct crb_vault *vault, const struct crb_slot **out)
{
	*out = vault->header.slot;
	return vault->header.count;
}

void
crb_unlocked_clear(struct crb_unlocked *unlocked)
{
	crb_key_free(unlocked->root);
	crb_key_free(unlocked->record);
	crb_key_free(unlocked->sum);
	crb_key_free(unlocked->generation);
	crb_index_clear(&unlocked->index);
	*unlocked = (struct crb_unlocked){ 0 };
}

enum crb_status
crb_unlocked_derive(struct crb_unlocked *unlocked, struct crb_key *root,
    uint32_t epoch, struct crb_err *err)
{
	enum crb_status status;

	unlocked->root = root;
	if ((status = crb_key_derive(
		 root, epoch, "crb-seal", &unlocked->record, err)) != CRB_OK ||
	    (status = crb_key_derive(
		 root, 0, "crb-sums", &unlocked->sum, err)) != CRB_OK)
		return status;
	return crb_key_derive(root, 0, "crb-gene", &unlocked->generation, err);
}

void
crb_vault_lock(struct crb_vault *vault)
{
	crb_unlocked_clear(&vault->open);
	vault->last_generation = 0;
}

bool
crb_vault_unlocked(const struct crb_vault *vault)
{
	return vault->open.root != NULL;
}

enum crb_status
crb_vault_subkey(const struct crb_vault *vault, const char context[8],
    struct crb_key **out, struct crb_err *err)
{
	if (!crb_vault_unlocked(vault))
		return crb_err_set(err, CRB_ERR_LOCKED, "the vault is locked");
	return crb_key_derive(vault->open.root, 0, context, out, err);
}
