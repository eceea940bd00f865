#include "broker/cli/binds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "broker/cli/folders.h"
#include "broker/cli/session_request.h"

/* They and all that is in them are the host's own; /run/media are disks. */
static const char *const host_only[] = { "/run", "/var/run", "/proc", "/sys",
	"/dev", NULL };
static const char *const host_allowed[] = { "/run/media", NULL };
/* Only a part of each may be given. */
static const char *const host_wide[] = { "/", "/etc", "/var", "/var/lib",
	"/home", "/tmp", "/usr", NULL };
/* What the sandbox needs as it is. */
static const char *const kept_targets[] = { "/proc", "/dev", "/sys", "/run",
	"/etc", "/usr", NULL };

static enum crb_status
refuse(const char *source, const char *why, struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_USAGE,
	    "%s is not given to a sandbox: %s", source, why);
}

static const char *
one_that_holds(const char *const *folders, const char *path)
{
	for (; *folders != NULL; folders++)
		if (crb_folder_holds(*folders, path))
			return *folders;
	return NULL;
}

static bool
is_one_of(const char *const *folders, const char *path)
{
	for (; *folders != NULL; folders++)
		if (strcmp(*folders, path) == 0)
			return true;
	return false;
}

/*
 * A line of /proc/net/unix ends in the path, if there is one; flag 00010000
 * says that it is listened on.
 */
static const char *
listening_path(char *line)
{
	unsigned long flags;
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%*s %*s %*s %lx %*s %*s %*s %n", &flags, &at) != 1 ||
	    at == 0 || line[at] != '/' || (flags & 0x10000) == 0)
		return NULL;
	return line + at;
}

void
crb_binds_sockets(const char *folder, struct crb_args *out)
{
	CRB_AUTO_FREE char *line = NULL;
	FILE *file = fopen("/proc/net/unix", "re");
	size_t room = 0;

	if (file == NULL)
		return;
	while (getline(&line, &room, file) != -1) {
		const char *path = listening_path(line);
		char real[CRB_PATH_MAX];
		struct crb_err err;

		if (path != NULL &&
		    crb_folder_real(path, real, &err) == CRB_OK &&
		    crb_folder_holds(folder, real))
			crb_args_add(out, real);
	}
	(void)fclose(file);
}

static enum crb_status
judge_sockets(const char *source, struct crb_err *err)
{
	struct crb_args sockets = { .count = 0 };
	struct stat st;
	bool found;

	if (stat(source, &st) == 0 && S_ISSOCK(st.st_mode))
		return refuse(source,
		    "a socket of the host's leads out of the sandbox", err);
	crb_binds_sockets(source, &sockets);
	if ((found = sockets.count > 0))
		(void)crb_err_set(err, CRB_ERR_USAGE,
		    "%s is not given to a sandbox: somebody listens on %s, "
		    "and a read-only mount keeps nobody from connecting",
		    source, sockets.at[0]);
	crb_args_clear(&sockets);
	return found ? err->status : CRB_OK;
}

static enum crb_status
judge_source(
    const struct crb_binds *binds, const char *source, struct crb_err *err)
{
	const char *place;

	if (is_one_of(host_wide, source))
		return refuse(
		    source, "it is too much; name what is needed", err);
	if (crb_folder_holds(source, binds->home))
		return refuse(source, "it is or holds your home", err);
	if (one_that_holds(host_only, source) != NULL &&
	    one_that_holds(host_allowed, source) == NULL)
		return refuse(source,
		    "it is the host's own: sockets of daemons, processes, "
		    "devices",
		    err);
	if ((place = crb_masked_broker_in(binds->masked, source)) != NULL)
		return refuse(
		    source, "it is or holds the broker's own place", err);
	if ((place = crb_masked_over(binds->masked, source)) != NULL)
		return refuse(source,
		    "it is in a place of credentials, or the broker's own",
		    err);
	return judge_sockets(source, err);
}

static enum crb_status
judge_target(
    const struct crb_binds *binds, const char *target, struct crb_err *err)
{
	if (crb_folder_holds(target, binds->home) ||
	    strcmp(target, binds->workspace) == 0 ||
	    crb_folder_holds(target, CRB_SANDBOX_BIN) ||
	    (one_that_holds(kept_targets, target) != NULL &&
		!crb_folder_holds("/usr/local", target) &&
		!crb_folder_holds("/run/media", target)))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "%s: no place in the sandbox to mount something at: it "
		    "would hide what the sandbox needs",
		    target);
	return CRB_OK;
}

/*
 * A second way to the workspace would be one without the protection of its
 * files; and a mount point in it could be a link that an agent has made.
 */
static enum crb_status
judge_workspace(const struct crb_binds *binds, const char *source,
    const char *target, bool read_only, struct crb_err *err)
{
	const char *workspace = binds->workspace;
	char real[CRB_PATH_MAX];
	struct crb_err missing;

	if (crb_folder_holds(workspace, target) &&
	    (crb_folder_real(target, real, &missing) != CRB_OK ||
		strcmp(real, target) != 0))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "%s: a mount in the workspace needs a file or folder "
		    "there, and no link on the way",
		    target);
	if (crb_folder_holds(target, workspace) &&
	    (!read_only || strcmp(target, source) != 0))
		return crb_err_set(
		    err, CRB_ERR_USAGE, "%s: the workspace is there", target);
	if (!read_only &&
	    (crb_folder_holds(workspace, source) ||
		crb_folder_holds(source, workspace)))
		return refuse(source,
		    "it overlaps the workspace, which is writable anyway", err);
	return CRB_OK;
}

enum crb_status
crb_binds_add(const struct crb_binds *binds, const char *source,
    const char *target, bool read_only, struct crb_err *err)
{
	char real[CRB_PATH_MAX], clean[CRB_PATH_MAX];

	if (crb_folder_real(source, real, err) != CRB_OK ||
	    crb_folder_clean(target != NULL ? target : real, clean, err) !=
		CRB_OK ||
	    judge_source(binds, real, err) != CRB_OK ||
	    judge_target(binds, clean, err) != CRB_OK ||
	    judge_workspace(binds, real, clean, read_only, err) != CRB_OK)
		return err->status;
	for (size_t i = 0; i < binds->mounts->count; i++)
		if (strcmp(binds->mounts->at[i].target, clean) == 0)
			return crb_err_set(err, CRB_ERR_USAGE,
			    "%s: two mounts at one place", clean);
	crb_mounts_add(binds->mounts,
	    read_only ? CRB_MOUNT_READ : CRB_MOUNT_WRITE, real, clean);
	binds->mounts->at[binds->mounts->count - 1].asked = true;
	return CRB_OK;
}

enum crb_status
crb_bind_split(const char *item, char source[CRB_PATH_MAX], const char **target,
    struct crb_err *err)
{
	const char *colon = strstr(item, ":/");
	const char *next;
	size_t len;

	while (colon != NULL && (next = strstr(colon + 1, ":/")) != NULL)
		colon = next;
	len = colon != NULL ? (size_t)(colon - item) : strlen(item);
	if (len == 0 || len >= CRB_PATH_MAX)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "\"%s\": give it as PATH or PATH:TARGET", item);
	memcpy(source, item, len);
	source[len] = '\0';
	*target = colon != NULL ? colon + 1 : NULL;
	return CRB_OK;
}

enum crb_status
crb_binds_add_all(const struct crb_binds *binds, const struct crb_list *items,
    bool read_only, struct crb_err *err)
{
	char source[CRB_PATH_MAX];
	const char *target;

	for (size_t i = 0; i < items->count; i++) {
		if (crb_bind_split(items->item[i], source, &target, err) !=
			CRB_OK ||
		    crb_binds_add(binds, source, target, read_only, err) !=
			CRB_OK)
			return crb_err_context(
			    err, read_only ? "--ro-bind" : "--bind");
	}
	return CRB_OK;
}
