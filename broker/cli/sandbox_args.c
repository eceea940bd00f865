#include "broker/cli/sandbox_args.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "broker/cli/folders.h"
#include "broker/cli/git_identity.h"
#include "broker/cli/session_request.h"

/*
 * What of /etc a program needs.  Not all of it: a file that only its owner may
 * read (shadow, a machine's keys) could be read by a sandbox of that owner.
 */
static const char *const etc_files[] = { "alternatives", "bash.bashrc",
	"ca-certificates", "ca-certificates.conf", "fonts", "group",
	"host.conf", "inputrc", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
	"locale.alias", "locale.conf", "localtime", "magic", "mime.types",
	"nsswitch.conf", "os-release", "passwd", "pki/ca-trust/extracted",
	"pki/tls/cert.pem", "pki/tls/certs", "profile", "protocols", "services",
	"shells", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone",
	NULL };

/* With the host's network only: who is called what there. */
static const char *const network_files[] = { "hosts", "resolv.conf", "gai.conf",
	NULL };

static const char *const shown_folders[] = { "/usr", "/opt", NULL };
static const char *const root_folders[] = { "/bin", "/sbin", "/lib", "/lib32",
	"/lib64", "/libx32", NULL };

static void
add2(struct crb_args *args, const char *a, const char *b)
{
	crb_args_add(args, a);
	crb_args_add(args, b);
}

static void
add3(struct crb_args *args, const char *a, const char *b, const char *c)
{
	add2(args, a, b);
	crb_args_add(args, c);
}

static void
add_number(struct crb_args *args, const char *option, int number)
{
	crb_args_add(args, option);
	crb_args_printf(args, "%d", number);
}

static void
add_namespaces(const struct crb_sandbox *sandbox, struct crb_args *args)
{
	static const char *const options[] = { "--unshare-user",
		"--unshare-pid", "--unshare-ipc", "--unshare-uts",
		"--unshare-cgroup-try", "--disable-userns", "--die-with-parent",
		"--as-pid-1", NULL };

	for (size_t i = 0; options[i] != NULL; i++)
		crb_args_add(args, options[i]);
	if (!sandbox->request->host_network)
		crb_args_add(args, "--unshare-net");
	add2(args, "--cap-drop", "ALL");
	add2(args, "--hostname", "sandbox");
}

/* /bin is a link into /usr on merged systems, a folder on others. */
static void
add_root_folder(struct crb_args *args, const char *path)
{
	char target[CRB_PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len > 0) {
		target[len] = '\0';
		add3(args, "--symlink", target, path);
	} else {
		add3(args, "--ro-bind-try", path, path);
	}
}

/*
 * A sandbox of root's is root to the kernel's settings too, without any
 * capability: core_pattern alone would give it the host.
 */
static void
add_proc(struct crb_args *args)
{
	add2(args, "--proc", "/proc");
	add3(args, "--ro-bind", "/proc/sys", "/proc/sys");
	add3(args, "--ro-bind-try", "/proc/sysrq-trigger",
	    "/proc/sysrq-trigger");
}

static void
add_etc(struct crb_args *args, const char *const *names)
{
	char path[CRB_PATH_MAX];

	for (; *names != NULL; names++) {
		(void)snprintf(path, sizeof(path), "/etc/%s", *names);
		add3(args, "--ro-bind-try", path, path);
	}
}

static void
add_system(const struct crb_sandbox *sandbox, struct crb_args *args)
{
	for (size_t i = 0; shown_folders[i] != NULL; i++)
		add3(args, "--ro-bind-try", shown_folders[i], shown_folders[i]);
	for (size_t i = 0; root_folders[i] != NULL; i++)
		add_root_folder(args, root_folders[i]);
	add_etc(args, etc_files);
	if (sandbox->request->host_network)
		add_etc(args, network_files);
	add2(args, "--dev", "/dev");
	add_proc(args);
	add2(args, "--tmpfs", "/tmp");
	add2(args, "--tmpfs", "/run");
	add2(args, "--tmpfs", "/var/tmp");
	add3(args, "--symlink", "../run", "/var/run");
}

static bool
in_one_of(const char *const *folders, const char *above, const char *path)
{
	char folder[CRB_PATH_MAX];

	for (; *folders != NULL; folders++) {
		(void)snprintf(folder, sizeof(folder), "%s%s", above, *folders);
		if (crb_folder_holds(folder, path))
			return true;
	}
	return false;
}

bool
crb_sandbox_shows(const char *path)
{
	return in_one_of(shown_folders, "", path) ||
	    in_one_of(root_folders, "", path) ||
	    in_one_of(etc_files, "/etc/", path);
}

/* A file in memory for bubblewrap to copy; it closes it. */
static int
add_file(struct crb_sandbox_files *files, const char *text)
{
	int fd;

	if (files->count == CRB_SANDBOX_FILES_MAX ||
	    (fd = memfd_create("sandbox-file", MFD_CLOEXEC)) == -1)
		return -1;
	files->at[files->count++] = fd;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    lseek(fd, 0, SEEK_SET) == -1)
		return -1;
	return fd;
}

void
crb_sandbox_files_clear(struct crb_sandbox_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		(void)close(files->at[i]);
	files->count = 0;
}

static enum crb_status
add_empty(struct crb_args *args, struct crb_sandbox_files *files,
    const char *target, struct crb_err *err)
{
	int fd = add_file(files, "");

	if (fd == -1)
		return crb_err_set(
		    err, CRB_ERR_LIMIT, "%s: too many files to hide", target);
	add_number(args, "--ro-bind-data", fd);
	crb_args_add(args, target);
	return CRB_OK;
}

static enum crb_status
add_mount(struct crb_args *args, const struct crb_mount *mount,
    struct crb_sandbox_files *files, struct crb_err *err)
{
	switch (mount->kind) {
	case CRB_MOUNT_READ:
		add3(args, "--ro-bind", mount->source, mount->target);
		return CRB_OK;
	case CRB_MOUNT_WRITE:
	case CRB_MOUNT_PIN:
		add3(args, "--bind", mount->source, mount->target);
		return CRB_OK;
	case CRB_MOUNT_FOLDER:
		add2(args, "--perms", "0700");
		add2(args, "--tmpfs", mount->target);
		return CRB_OK;
	case CRB_MOUNT_MASK:
		add2(args, "--tmpfs", mount->target);
		add2(args, "--remount-ro", mount->target);
		return CRB_OK;
	case CRB_MOUNT_FILE:
		return add_empty(args, files, mount->target, err);
	case CRB_MOUNT_LINK:
	default:
		add3(args, "--symlink", mount->source, mount->target);
		return CRB_OK;
	}
}

/* So that git knows whose commits they are: name and address, nothing else. */
static void
add_identity(const struct crb_sandbox *sandbox, struct crb_args *args,
    struct crb_sandbox_files *files)
{
	char path[CRB_PATH_MAX];
	CRB_AUTO_FREE char *text = crb_git_identity(sandbox->home);
	struct crb_err err;
	int fd;

	if (text == NULL ||
	    crb_path_join(path, sandbox->home, ".gitconfig", &err) != CRB_OK ||
	    crb_mounts_over(&sandbox->mounts, path)->kind != CRB_MOUNT_FOLDER ||
	    (fd = add_file(files, text)) == -1)
		return;
	add_number(args, "--file", fd);
	crb_args_add(args, path);
}

static void
add_broker(const struct crb_sandbox_launch *launch, struct crb_args *args)
{
	add3(args, "--ro-bind", launch->folder, "/run/credbroker");
	add3(args, "--ro-bind", launch->sandbox->shim,
	    CRB_SANDBOX_BIN "/credbroker-shim");
	add3(args, "--symlink", "credbroker-shim",
	    CRB_SANDBOX_BIN "/git-credential-credbroker");
	add3(args, "--symlink", "credbroker-shim",
	    CRB_SANDBOX_BIN "/credbroker-aws");
}

/* As nohup and background jobs have it; then the command keeps it so. */
static bool
interrupts_ignored(void)
{
	struct sigaction now;

	return sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void
crb_sandbox_shim_args(
    const struct crb_sandbox_launch *launch, struct crb_args *args)
{
	const struct crb_sandbox *sandbox = launch->sandbox;

	crb_args_add(args, "exec");
	if (!interrupts_ignored())
		add2(args, "--interrupts", "default");
	if (sandbox->listener != -1)
		add_number(args, "--listen-fd", sandbox->listener);
	if (sandbox->request->bare) {
		crb_args_add(args, "--socket");
		crb_args_printf(args, "%s/endpoint.sock", launch->folder);
	}
	crb_args_add(args, "--");
	crb_args_add(args, sandbox->program.path);
	for (size_t i = 1; launch->command[i] != NULL; i++)
		crb_args_add(args, launch->command[i]);
}

enum crb_status
crb_sandbox_args(const struct crb_sandbox_launch *launch,
    struct crb_sandbox_files *files, struct crb_args *args, struct crb_err *err)
{
	const struct crb_sandbox *sandbox = launch->sandbox;
	const char *key;
	json_t *value;

	add_namespaces(sandbox, args);
	add_number(args, "--seccomp", files->seccomp);
	add_number(args, "--info-fd", files->info);
	add_number(args, "--block-fd", files->block);
	json_object_foreach((json_t *)(uintptr_t)launch->variables, key, value)
	    add3(args, "--setenv", key, json_string_value(value));
	add_system(sandbox, args);
	for (size_t i = 0; i < sandbox->mounts.count; i++)
		if (add_mount(args, &sandbox->mounts.at[i], files, err) !=
		    CRB_OK)
			return err->status;
	add_identity(sandbox, args, files);
	add_broker(launch, args);
	add2(args, "--chdir", sandbox->workspace);
	return CRB_OK;
}
