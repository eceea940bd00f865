#include "broker/cli/sandbox_args.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static const char *const shown_folders[] = { "/usr", "/opt", NULL };
static const char *const root_folders[] = { "/bin", "/sbin", "/lib", "/lib32",
	"/lib64", "/libx32", NULL };

/* LANG and TZ and the like change how programs speak, not what they may do. */
static const char *const kept_variables[] = { "TERM", "LANG", "TZ", NULL };

void
crb_args_add(struct crb_args *args, const char *text)
{
	args->at = reallocarray(args->at, args->count + 2, sizeof(*args->at));
	if (args->at == NULL || (args->at[args->count] = strdup(text)) == NULL)
		abort();
	args->at[++args->count] = NULL;
}

void
crb_args_clear(struct crb_args *args)
{
	for (size_t i = 0; i < args->count; i++)
		free(args->at[i]);
	free(args->at);
	*args = (struct crb_args){ .count = 0 };
}

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
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", number);
	add2(args, option, text);
}

static void
add_namespaces(struct crb_args *args)
{
	static const char *const options[] = { "--unshare-user",
		"--unshare-pid", "--unshare-ipc", "--unshare-uts",
		"--unshare-net", "--unshare-cgroup-try", "--disable-userns",
		"--die-with-parent", "--as-pid-1", NULL };

	for (size_t i = 0; options[i] != NULL; i++)
		crb_args_add(args, options[i]);
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
add_system(struct crb_args *args)
{
	char path[CRB_PATH_MAX];

	for (size_t i = 0; shown_folders[i] != NULL; i++)
		add3(args, "--ro-bind-try", shown_folders[i], shown_folders[i]);
	for (size_t i = 0; root_folders[i] != NULL; i++)
		add_root_folder(args, root_folders[i]);
	for (size_t i = 0; etc_files[i] != NULL; i++) {
		(void)snprintf(path, sizeof(path), "/etc/%s", etc_files[i]);
		add3(args, "--ro-bind-try", path, path);
	}
	add2(args, "--dev", "/dev");
	add_proc(args);
	add2(args, "--tmpfs", "/tmp");
	add2(args, "--tmpfs", "/run");
	add2(args, "--tmpfs", "/var/tmp");
	add3(args, "--symlink", "../run", "/var/run");
}

bool
crb_sandbox_shows(const char *path)
{
	size_t len;

	for (size_t i = 0; shown_folders[i] != NULL; i++) {
		len = strlen(shown_folders[i]);
		if (strncmp(path, shown_folders[i], len) == 0 &&
		    path[len] == '/')
			return true;
	}
	return false;
}

static void
add_broker(const struct crb_sandbox *sandbox, const char *folder,
    struct crb_args *args)
{
	add3(args, "--ro-bind", folder, "/run/credbroker");
	add3(args, "--ro-bind", sandbox->shim,
	    CRB_SANDBOX_BIN "/credbroker-shim");
	add3(args, "--symlink", "credbroker-shim",
	    CRB_SANDBOX_BIN "/git-credential-credbroker");
}

/* As nohup and background jobs have it; then the command keeps it so. */
static bool
interrupts_ignored(void)
{
	struct sigaction now;

	return sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void
crb_sandbox_args(const struct crb_sandbox *sandbox, const char *folder,
    int seccomp_fd, int info_fd, struct crb_args *args)
{
	crb_args_add(args, "bwrap");
	add_namespaces(args);
	add_number(args, "--seccomp", seccomp_fd);
	add_number(args, "--info-fd", info_fd);
	add_system(args);
	for (size_t i = 0; i < CRB_SANDBOX_HIDDEN; i++)
		if (sandbox->hidden[i][0] != '\0')
			add2(args, "--tmpfs", sandbox->hidden[i]);
	add2(args, "--perms", "0700");
	add2(args, "--tmpfs", sandbox->home);
	add3(args, "--bind", sandbox->workspace, sandbox->workspace);
	add_broker(sandbox, folder, args);
	add2(args, "--chdir", sandbox->workspace);
	add3(args, "--", CRB_SANDBOX_BIN "/credbroker-shim", "exec");
	if (!interrupts_ignored())
		add2(args, "--interrupts", "default");
	crb_args_add(args, "--");
}

static void
add_variable(struct crb_args *args, const char *name, const char *value)
{
	char *text;

	if (asprintf(&text, "%s=%s", name, value) == -1)
		abort();
	crb_args_add(args, text);
	free(text);
}

void
crb_sandbox_environment(const struct crb_sandbox *sandbox,
    const json_t *environment, struct crb_args *args)
{
	const char *path = getenv("PATH"), *key;
	char *full;
	json_t *value;

	if (asprintf(&full, "%s:%s",
		path != NULL && *path != '\0' ? path : "/usr/bin:/bin",
		CRB_SANDBOX_BIN) == -1)
		abort();
	add_variable(args, "PATH", full);
	free(full);
	add_variable(args, "HOME", sandbox->home);
	for (size_t i = 0; kept_variables[i] != NULL; i++)
		if (getenv(kept_variables[i]) != NULL)
			add_variable(
			    args, kept_variables[i], getenv(kept_variables[i]));
	json_object_foreach((json_t *)(uintptr_t)environment, key, value)
	    add_variable(args, key, json_string_value(value));
}
