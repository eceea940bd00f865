#include <stdio.h>
#include <unistd.h>

#include "base/path.h"
#include "broker/cli/command.h"
#include "broker/cli/libexec.h"

/* The words before and behind the options, and the options with values. */
#define ARGS_MAX 12

struct inventory_options {
	struct crb_common common;
	int64_t pid;
	const char *only;
	bool no_network;
	bool quiet;
};

static const char *const kinds[] = { "environment", "process", "file",
	"history", "dotenv", "git", "mounted", "system", "socket", "keyring",
	"metadata", NULL };

static const struct crb_option inventory_options[] = {
	{ .name = "pid",
	    .letter = 'p',
	    .type = CRB_OPTION_NUMBER,
	    .offset = offsetof(struct inventory_options, pid),
	    .min = 1,
	    .max = 999999999,
	    .value = "PID",
	    .help = "what that process could read, and not this one" },
	{ .name = "only",
	    .type = CRB_OPTION_CHOICE,
	    .offset = offsetof(struct inventory_options, only),
	    .choices = kinds,
	    .value = "KIND",
	    .help = "only one kind of things" },
	{ .name = "no-network",
	    .type = CRB_OPTION_FLAG,
	    .offset = offsetof(struct inventory_options, no_network),
	    .help = "do not connect to cloud metadata addresses" },
	{ .name = "quiet",
	    .letter = 'q',
	    .type = CRB_OPTION_FLAG,
	    .offset = offsetof(struct inventory_options, quiet),
	    .help = "only the exit status" },
	CRB_COMMON_OPTIONS,
};

/* The shim has the code, since it is what runs inside a sandbox. */
static enum crb_status
inventory_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct inventory_options *options = opaque;
	char libexec[CRB_PATH_MAX], shim[CRB_PATH_MAX], pid[24];
	const char *args[ARGS_MAX] = { "credbroker-shim", "inventory" };
	size_t count = 2;

	(void)operands;
	(void)snprintf(pid, sizeof(pid), "%lld", (long long)options->pid);
	if (crb_libexec_find(libexec, err) != CRB_OK ||
	    crb_path_join(shim, libexec, "credbroker-shim", err) != CRB_OK)
		return err->status;
	if (options->pid != 0) {
		args[count++] = "--pid";
		args[count++] = pid;
	}
	if (options->only != NULL) {
		args[count++] = "--only";
		args[count++] = options->only;
	}
	if (options->no_network)
		args[count++] = "--no-network";
	if (options->quiet)
		args[count++] = "--quiet";
	if (cli->common->json)
		args[count++] = "--json";
	(void)execv(shim, (char *const *)(uintptr_t)args);
	return crb_err_errno(err, "%s", shim);
}

const struct crb_command crb_command_inventory = {
	.name = "inventory",
	.no_config = true,
	.summary = "list the secrets that an agent could read here",
	.details =
	    "Names and kinds, never values; what each is, how bad it is, and\n"
	    "what to do. Exit status 1 when anything is found. Inside a\n"
	    "sandbox it is credbroker-shim inventory.\n"
	    "\n"
	    "  credbroker inventory\n"
	    "  credbroker inventory --pid 4711 --json\n",
	.options = inventory_options,
	.options_size = sizeof(struct inventory_options),
	.run = inventory_run,
};
