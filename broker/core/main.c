/*
 * credbroker-core: keys, store, policy, sessions and audit.  Started by the
 * supervisor, with its bus as descriptor 3.
 */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process.h"
#include "base/slab.h"
#include "broker/core/confinement.h"
#include "broker/core/core.h"

/* The last two only where the arguments name the files. */
enum { SUPERVISOR_FD = 3, CONFIG_FD, KEY_FD };
#define SLAB_BYTES (4u << 20)

struct arguments {
	const char *state, *runtime, *config, *key_file;
	const char *organization, *policy;
	int64_t owner;
};

#define TEXT(option, member, must)                            \
	{                                                     \
		.name = option, .type = CRB_OPTION_TEXT,      \
		.offset = offsetof(struct arguments, member), \
		.required = must, .value = "PATH"             \
	}
static const struct crb_option options[] = {
	TEXT("state", state, true),
	TEXT("runtime", runtime, true),
	TEXT("config", config, false),
	TEXT("key-file", key_file, false),
	TEXT("organization-folder", organization, false),
	TEXT("policy-folder", policy, false),
	/* Whose broker it is: we may run as a user of our own. */
	{ .name = "owner",
	    .type = CRB_OPTION_NUMBER,
	    .offset = offsetof(struct arguments, owner),
	    .required = true,
	    .min = 0,
	    .max = UINT32_MAX - 1,
	    .value = "UID" },
	CRB_OPTION_END,
};

static enum crb_status
harden(struct crb_err *err)
{
	enum crb_status status;

	status = crb_process_harden(KEY_FD, err);
	if (status == CRB_OK)
		status = crb_slab_open(SLAB_BYTES, err);
	if (status != CRB_OK)
		return status;
	crb_json_use_slab();
	/* A descriptor a session, and more. */
	crb_process_raise_files();
	if (sodium_init() < 0)
		return crb_err_set(err, CRB_ERR_SYSTEM, "libsodium failed");
	return CRB_OK;
}

/* 0 when the supervisor had none to give. */
static int
inherited(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : 0;
}

/* Files are written in the state folder only. */
static enum crb_status
confine(const struct arguments *arguments, struct crb_confined *out,
    struct crb_err *err)
{
	const struct crb_landlock_rule files[] = { { "/", false },
		{ arguments->state, true }, { NULL, false } };
	struct crb_confinement confinement = crb_core_confinement;

	confinement.files = files;
	return crb_confine(&confinement, out, err);
}

static enum crb_status
serve(const struct arguments *arguments, const int files[2],
    const struct crb_confined *confined, struct crb_loop *loop,
    struct crb_err *err)
{
	const struct crb_core_options core_options = {
		.loop = loop,
		.state_folder = arguments->state,
		.runtime_folder = arguments->runtime,
		.config_file = arguments->config,
		.key_file = arguments->key_file,
		.organization_folder = arguments->organization,
		.policy_folder = arguments->policy,
		.owner = (uid_t)arguments->owner,
		.supervisor = SUPERVISOR_FD,
		.config_fd = files[0],
		.key_fd = files[1],
		.confined = confined,
	};
	/* Open until we are gone: when it closes the supervisor kills us. */
	int last = fcntl(SUPERVISOR_FD, F_DUPFD_CLOEXEC, SUPERVISOR_FD);
	struct crb_core *core;
	enum crb_status status;

	if (last == -1)
		return crb_err_errno(err, "bus to the supervisor");
	status = crb_core_new(&core_options, &core, err);
	if (status != CRB_OK)
		return status;
	status = crb_loop_run(loop, err);
	crb_core_free(core);
	return status;
}

static enum crb_status
run(int argc, char **argv, struct crb_err *err)
{
	/* Before anything else is opened. */
	const int files[2] = { inherited(CONFIG_FD), inherited(KEY_FD) };
	struct arguments arguments = { 0 };
	struct crb_operands operands;
	struct crb_confined confined;
	struct crb_loop *loop;
	enum crb_status status;

	if ((status = harden(err)) != CRB_OK ||
	    (status = crb_options_argv(options, argc, argv, 1, false,
		 &arguments, &operands, err)) != CRB_OK ||
	    (status = crb_loop_new(&loop, err)) != CRB_OK ||
	    (status = confine(&arguments, &confined, err)) != CRB_OK)
		return status;
	status = serve(&arguments, files, &confined, loop, err);
	crb_loop_free(loop);
	return status;
}

int
main(int argc, char **argv)
{
	struct crb_err err;

	crb_log_open("core", CRB_LOG_INFO);
	if (run(argc, argv, &err) == CRB_OK)
		return 0;
	crb_log(CRB_LOG_ERROR, "core ends", CRB_LOG_REASON, err.msg,
	    CRB_LOG_CODE, crb_status_info(err.status)->code, CRB_LOG_END);
	return crb_status_info(err.status)->exit;
}
