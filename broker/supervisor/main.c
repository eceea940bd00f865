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
#include "base/text.h"
#include "base/units.h"
#include "broker/supervisor/confinement.h"
#include "broker/supervisor/places.h"
#include "broker/supervisor/supervisor.h"

/* Messages pass through it, none of them secret. */
#define SLAB_BYTES (512u << 10)
#define HOOK_MAX 32 /* words */

struct arguments {
	struct crb_supervisor_options options;
	const char *core_user, *gateway_user, *egress_user, *hook_user;
	struct crb_list hook;
};

#define AT(member) .offset = offsetof(struct arguments, options.member)
#define USER(option, member)                                                  \
	{                                                                     \
		.name = option, .type = CRB_OPTION_TEXT,                      \
		.offset = offsetof(struct arguments, member), .preset = "",   \
		.value = "UID:GID", .help = "as whom it runs, if not as root" \
	}

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
	{ .name = "organization-folder",
	    .type = CRB_OPTION_TEXT,
	    AT(organization_folder),
	    .preset = "",
	    .value = "FOLDER",
	    .help = "folder of the organization's policy" },
	{ .name = "policy-folder",
	    .type = CRB_OPTION_TEXT,
	    AT(policy_folder),
	    .preset = "",
	    .value = "FOLDER",
	    .help = "folder of the other policies" },
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
	USER("core-user", core_user),
	USER("gateway-user", gateway_user),
	USER("egress-user", egress_user),
	{ .name = "hook",
	    .type = CRB_OPTION_REPEAT,
	    .offset = offsetof(struct arguments, hook),
	    .value = "PROGRAM",
	    .help = "run for each approval, and what it is given" },
	USER("hook-user", hook_user),
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

/* Root needs none to lock memory; those that it starts are not root. */
static void
raise_locked(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &all) != 0)
		raise_limit(RLIMIT_MEMLOCK);
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
		/* These may be "". */
		{ "organization-folder", options->organization_folder },
		{ "policy-folder", options->policy_folder },
	};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (folders[i].path[0] != '/' &&
		    (i < 3 || folders[i].path[0] != '\0'))
			return crb_err_set(err, CRB_ERR_USAGE,
			    "--%s must be an absolute path", folders[i].name);
	return crb_state_hand_over(options->state, &options->core, err);
}

static enum crb_status
read_user(const char *text, struct crb_user *out, struct crb_err *err)
{
	struct crb_slice gid = CRB_SLICE(text), uid;
	uint64_t numbers[2];

	if (text[0] == '\0')
		return CRB_OK;
	if (!crb_slice_cut(&gid, ':', &uid) ||
	    crb_number_parse(
		uid.p, uid.len, UINT32_MAX - 1, &numbers[0], err) != CRB_OK ||
	    crb_number_parse(
		gid.p, gid.len, UINT32_MAX - 1, &numbers[1], err) != CRB_OK)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "a user is two numbers, UID:GID");
	if (geteuid() != 0)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "only root can start processes of other users");
	/* Who is root is not set apart. */
	*out = (struct crb_user){ .set = numbers[0] != 0,
		.uid = (uid_t)numbers[0],
		.gid = (gid_t)numbers[1] };
	return CRB_OK;
}

static enum crb_status
read_users(struct arguments *arguments, struct crb_err *err)
{
	struct crb_supervisor_options *options = &arguments->options;

	if (read_user(arguments->core_user, &options->core, err) != CRB_OK ||
	    read_user(arguments->gateway_user, &options->gateway, err) !=
		CRB_OK ||
	    read_user(arguments->egress_user, &options->egress, err) != CRB_OK)
		return err->status;
	return CRB_OK;
}

/* Before the filter, which it would inherit. */
static enum crb_status
start_hook(struct arguments *arguments, struct crb_err *err)
{
	struct crb_hook_options hook = { .most_ms = CRB_HOOK_MS };
	const char *argv[HOOK_MAX + 1] = { NULL };

	if (read_user(arguments->hook_user, &hook.user, err) != CRB_OK)
		return err->status;
	if (arguments->hook.count == 0)
		return CRB_OK;
	if (arguments->hook.count > HOOK_MAX)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "approval_hook: more than %d words", HOOK_MAX);
	for (size_t i = 0; i < arguments->hook.count; i++)
		argv[i] = arguments->hook.item[i];
	hook.argv = argv;
	return crb_hook_start(&hook, &arguments->options.hook, err);
}

static enum crb_status
serve(int argc, char **argv, struct crb_err *err)
{
	struct arguments arguments = { .options.hook = CRB_HOOK_NONE };
	const struct crb_supervisor_options *options = &arguments.options;
	struct crb_operands operands = { 0 };
	struct crb_confined confined;

	if (crb_process_harden(STDERR_FILENO, err) != CRB_OK ||
	    crb_slab_open(SLAB_BYTES, err) != CRB_OK ||
	    crb_options_argv(options_table, argc, argv, 1, false, &arguments,
		&operands, err) != CRB_OK ||
	    read_users(&arguments, err) != CRB_OK)
		return err->status;
	if (operands.count > 0)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "unexpected operand; this program is started by "
		    "credbroker serve");
	if (check(options, err) != CRB_OK ||
	    start_hook(&arguments, err) != CRB_OK)
		return err->status;
	raise_limit(RLIMIT_NOFILE);
	raise_locked();
	if (crb_confine(&crb_supervisor_confinement, &confined, err) != CRB_OK)
		return err->status;
	return crb_supervisor_run(options, err);
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
