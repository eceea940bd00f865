/* Started by `credbroker serve`, in the foreground. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "base/path.h"
#include "base/process.h"
#include "base/slab.h"
#include "broker/supervisor/confinement.h"
#include "broker/supervisor/supervisor.h"

/* Messages pass through it, none of them secret. */
#define SLAB_BYTES (512u << 10)

#define AT(member) .offset = offsetof(struct crb_supervisor_options, member)

static const struct crb_option options_table[] = {
	{ .name = "state",
	    .type = CRB_OPTION_TEXT,
	    AT(state),
	    .required = true,
	    .value = "FOLDER",
	    .help = "state folder" },
	{ .name = "runtime",
	    .type = CRB_OPTION_TEXT,
	    AT(runtime),
	    .required = true,
	    .value = "FOLDER",
	    .help = "runtime folder" },
	{ .name = "config",
	    .type = CRB_OPTION_TEXT,
	    AT(config),
	    .preset = "",
	    .value = "FILE",
	    .help = "config file" },
	{ .name = "key-file",
	    .type = CRB_OPTION_TEXT,
	    AT(key_file),
	    .preset = "",
	    .value = "FILE",
	    .help = "unlock with it" },
	{ .name = "libexec",
	    .type = CRB_OPTION_TEXT,
	    AT(libexec),
	    .required = true,
	    .value = "FOLDER",
	    .help = "folder of the other programs" },
	{ .name = "notify",
	    .type = CRB_OPTION_TEXT,
	    AT(notify),
	    .preset = "",
	    .value = "SOCKET",
	    .help = "service manager's NOTIFY_SOCKET" },
	{ .name = "watchdog-usec",
	    .type = CRB_OPTION_NUMBER,
	    AT(watchdog_usec),
	    .min = 0,
	    .max = INT64_MAX,
	    .preset = "0",
	    .value = "MICROSECONDS",
	    .help = "service manager's WATCHDOG_USEC" },
	{ .name = "admin-for-others",
	    .type = CRB_OPTION_FLAG,
	    AT(admin_for_others),
	    .help = "let other users connect to the admin socket" },
	CRB_OPTION_END,
};

/* As far as an ordinary user may: a session costs descriptors. */
static void
raise_limit(int resource)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit((__rlimit_resource_t)resource, &limit);
}

static enum crb_status
check(const struct crb_supervisor_options *options, struct crb_err *err)
{
	const struct {
		const char *name, *path;
	} folders[] = {
		{ "state", options->state },
		{ "runtime", options->runtime },
		{ "libexec", options->libexec },
	};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (folders[i].path[0] != '/')
			return crb_err_set(err, CRB_ERR_USAGE,
			    "--%s must be an absolute path", folders[i].name);
	return crb_path_secure(options->state, geteuid(), err);
}

static enum crb_status
serve(int argc, char **argv, struct crb_err *err)
{
	struct crb_supervisor_options options;
	struct crb_operands operands = { 0 };

	if (crb_process_harden(STDERR_FILENO, err) != CRB_OK ||
	    crb_slab_open(SLAB_BYTES, err) != CRB_OK ||
	    crb_options_argv(options_table, argc, argv, 1, false, &options,
		&operands, err) != CRB_OK)
		return err->status;
	if (operands.count > 0)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "unexpected operand; this program is started by "
		    "credbroker serve");
	if (check(&options, err) != CRB_OK)
		return err->status;
	raise_limit(RLIMIT_NOFILE);
	raise_limit(RLIMIT_MEMLOCK);
	if (crb_confine(&crb_supervisor_confinement, err) != CRB_OK)
		return err->status;
	return crb_supervisor_run(&options, err);
}

int
main(int argc, char **argv)
{
	struct crb_err err;

	crb_log_open("supervisor", CRB_LOG_INFO);
	if (serve(argc, argv, &err) == CRB_OK)
		return 0;
	(void)fprintf(stderr, "credbroker: serve: %s\n", err.msg);
	return crb_status_info(err.status)->exit;
}
