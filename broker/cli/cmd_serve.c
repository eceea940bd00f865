#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/cli/command.h"
#include "broker/cli/libexec.h"
#include "broker/cli/service_user.h"

/* Of the supervisor: those that it always has, and the hook's. */
#define ARGUMENTS_MAX (40 + 2 * CRB_LIST_MAX)

struct serve_options {
	struct crb_common common;
	const char *key_file;
};

static const struct crb_option serve_options[] = {
	{ .name = "key-file",
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct serve_options, key_file),
	    .value = "FILE",
	    .help = "unlock at start with this key file" },
	CRB_COMMON_OPTIONS,
};

static enum crb_status
need_vault(const char *state, struct crb_err *err)
{
	char path[CRB_PATH_MAX];

	if (crb_path_join(path, state, "vault", err) != CRB_OK)
		return err->status;
	if (access(path, F_OK) == 0)
		return CRB_OK;
	if (errno == ENOENT)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "no vault in %s. Make one: credbroker init", state);
	return crb_err_errno(err, "%s", path);
}

/* What a service manager says in the environment, which we clear. */
static const char *
variable(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : otherwise;
}

/* The watchdog may be meant for another process of the service. */
static const char *
watchdog(void)
{
	char self[24];

	(void)snprintf(self, sizeof(self), "%ld", (long)getpid());
	if (strcmp(variable("WATCHDOG_PID", self), self) != 0)
		return "0";
	return variable("WATCHDOG_USEC", "0");
}

struct users {
	struct crb_service_user core, gateway, egress, hook;
};

static enum crb_status
find_users(
    const struct crb_config *config, struct users *out, struct crb_err *err)
{
	if (crb_service_user("core_user", config->core_user, "credbroker",
		&out->core, err) != CRB_OK ||
	    crb_service_user("gateway_user", config->gateway_user,
		"credbroker-gateway", &out->gateway, err) != CRB_OK ||
	    crb_service_user("egress_user", config->egress_user,
		"credbroker-egress", &out->egress, err) != CRB_OK ||
	    crb_service_user("approval_hook_user", config->approval_hook_user,
		"nobody", &out->hook, err) != CRB_OK)
		return err->status;
	return CRB_OK;
}

/* What may be missing, or be several. */
static void
add_arguments(const char **argv, const struct crb_config *config)
{
	while (*argv != NULL)
		argv++;
	for (size_t i = 0; i < config->approval_hook.count; i++) {
		*argv++ = "--hook";
		*argv++ = config->approval_hook.item[i];
	}
	if (crb_roles_name_others(config->roles, geteuid()))
		*argv++ = "--admin-for-others";
}

static enum crb_status
exec_supervisor(const struct crb_config *config, const char *key_file,
    const struct users *users, const struct crb_policy_places *policies,
    struct crb_err *err)
{
	char libexec[CRB_PATH_MAX], program[CRB_PATH_MAX];
	const char *argv[ARGUMENTS_MAX] = { "credbroker-supervisor", "--state",
		config->state, "--runtime", config->runtime, "--config",
		config->file != NULL ? config->file : "", "--libexec", libexec,
		"--key-file", key_file, "--organization-folder",
		policies->organization, "--policy-folder", policies->policy,
		"--notify", variable("NOTIFY_SOCKET", ""), "--watchdog-usec",
		watchdog(), "--core-user", users->core.text, "--gateway-user",
		users->gateway.text, "--egress-user", users->egress.text,
		"--hook-user", users->hook.text };
	const char *const envp[] = { "LANG=C", NULL };

	if (crb_libexec_find(libexec, err) != CRB_OK ||
	    crb_path_join(program, libexec, "credbroker-supervisor", err) !=
		CRB_OK)
		return err->status;
	add_arguments(argv, config);
	(void)execve(program, (char *const *)(uintptr_t)argv,
	    (char *const *)(uintptr_t)envp);
	return crb_err_errno(err, "%s", program);
}

static enum crb_status
serve_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct serve_options *options = opaque;
	const struct crb_config *config = &cli->config;
	const char *key_file = options->key_file;
	struct crb_policy_places policies;
	struct users users;

	(void)operands;
	if (key_file == NULL)
		key_file = config->key_file;
	if (config->roles != NULL &&
	    crb_roles_resolve(config->roles, config->file, NULL, err) != CRB_OK)
		return err->status;
	if (find_users(config, &users, err) != CRB_OK ||
	    crb_config_policy_places(config, &policies, err) != CRB_OK ||
	    need_vault(config->state, err) != CRB_OK ||
	    crb_path_secure(config->state, users.core.uid, err) != CRB_OK ||
	    crb_path_make(config->runtime, err) != CRB_OK ||
	    crb_path_secure(config->runtime, geteuid(), err) != CRB_OK)
		return err->status;
	if (key_file != NULL && *key_file != '\0' &&
	    crb_path_private(key_file, geteuid(), err) != CRB_OK)
		return err->status;
	return exec_supervisor(
	    config, key_file != NULL ? key_file : "", &users, &policies, err);
}

const struct crb_command crb_command_serve = {
	.name = "serve",
	.summary = "run the broker, in the foreground",
	.details =
	    "Starts the broker's four processes and stays. The vault is locked\n"
	    "until credbroker unlock, or a key file, opens it. Stop it with\n"
	    "SIGTERM or Ctrl-C; sessions come back at the next start. SIGHUP\n"
	    "lets it read the configuration again. Tells a service manager\n"
	    "(NOTIFY_SOCKET) when it is ready.\n",
	.options = serve_options,
	.options_size = sizeof(struct serve_options),
	.run = serve_run,
};
