#include "broker/supervisor/children.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"
#include "broker/bus/bus.h"
#include "broker/supervisor/places.h"
#include "broker/supervisor/reload.h"

/* Every file is opened here: a core of its own user may not be able to. */
static enum crb_status
open_core_files(const struct crb_supervisor_options *options, int *config,
    int *key_file, struct crb_err *err)
{
	if (options->config[0] != '\0' &&
	    crb_reload_open(options->config, config, err) != CRB_OK)
		return err->status;
	if (options->key_file[0] == '\0' ||
	    crb_key_file_open(options->key_file, key_file, err) == CRB_OK)
		return CRB_OK;
	/* Then it serves, locked, and says why when it is unlocked. */
	crb_log(CRB_LOG_ERROR, "key file not opened", CRB_LOG_REASON, err->msg,
	    CRB_LOG_END);
	return CRB_OK;
}

static enum crb_status
spawn_core(struct crb_child *child, int bus, struct crb_err *err)
{
	const struct crb_supervisor_options *options = child->options;
	CRB_AUTO_FD int config = -1, key_file = -1;
	char owner[24];
	const char *argv[] = { child->program, "--state", options->state,
		"--runtime", options->runtime, "--config", options->config,
		"--key-file", options->key_file, "--organization-folder",
		options->organization_folder, "--policy-folder",
		options->policy_folder, "--owner", owner, NULL };

	(void)snprintf(owner, sizeof(owner), "%u", (unsigned)geteuid());
	if (open_core_files(options, &config, &key_file, err) != CRB_OK)
		return err->status;
	const struct crb_spawn how = { .libexec = options->libexec,
		.name = child->program,
		.argv = argv,
		.fds = { bus, config, key_file },
		.user = child->user };
	return crb_spawn(&how, &child->spawned, err);
}

static enum crb_status
spawn_other(struct crb_child *child, int bus, struct crb_err *err)
{
	const char *argv[] = { child->program, NULL };
	const struct crb_spawn how = { .libexec = child->options->libexec,
		.name = child->program,
		.argv = argv,
		.fds = { bus, -1, -1 },
		.user = child->user,
		.namespaces = child->namespaces };

	return crb_spawn(&how, &child->spawned, err);
}

enum crb_status
crb_child_start(
    struct crb_child *child, int64_t now, int *bus, struct crb_err *err)
{
	enum crb_status status;
	int pair[2];

	if (crb_bus_pair(pair, err) != CRB_OK)
		return err->status;
	CRB_AUTO_FD int ours = pair[0], theirs = pair[1];
	status = child->role == CRB_ROLE_CORE ? spawn_core(child, theirs, err)
					      : spawn_other(child, theirs, err);
	if (status != CRB_OK)
		return status;
	child->pid = child->spawned.pid;
	child->starts++;
	child->since = now;
	crb_log(CRB_LOG_INFO, "child started", CRB_LOG_PROCESS, child->name,
	    CRB_LOG_PID, (int64_t)child->pid, CRB_LOG_END);
	*bus = CRB_STEAL_FD(ours);
	return CRB_OK;
}

enum crb_status
crb_children_check(
    const struct crb_supervisor_options *options, struct crb_err *err)
{
	static const char *const names[] = { "credbroker-core",
		"credbroker-gateway", "credbroker-egress", "credbroker-kdf" };
	char path[CRB_PATH_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (crb_path_join(path, options->libexec, names[i], err) !=
		    CRB_OK)
			return err->status;
		if (access(path, X_OK) != 0)
			return crb_err_errno(err, "%s", path);
	}
	return CRB_OK;
}

void
crb_children_init(struct crb_child children[CRB_CHILDREN],
    const struct crb_supervisor_options *options, crb_timer_fn *start,
    void *ctx)
{
	static const struct crb_child table[CRB_CHILDREN] = {
		[CRB_CHILD_CORE] = { .name = "core",
		    .program = "credbroker-core",
		    .role = CRB_ROLE_CORE },
		[CRB_CHILD_GATEWAY] = { .name = "gateway",
		    .program = "credbroker-gateway",
		    .namespaces = CRB_APART_ALL,
		    .role = CRB_ROLE_GATEWAY },
		[CRB_CHILD_EGRESS] = { .name = "egress",
		    .program = "credbroker-egress",
		    /* It keeps the network. */
		    .namespaces = CRB_APART_ALL & ~(unsigned)CRB_APART_NET,
		    .role = CRB_ROLE_EGRESS },
	};
	const struct crb_user *users[CRB_CHILDREN] = {
		[CRB_CHILD_CORE] = &options->core,
		[CRB_CHILD_GATEWAY] = &options->gateway,
		[CRB_CHILD_EGRESS] = &options->egress
	};

	for (unsigned i = 0; i < CRB_CHILDREN; i++) {
		children[i] = table[i];
		children[i].options = options;
		children[i].user = *users[i];
		children[i].ctx = ctx;
		crb_timer_init(&children[i].timer, start, &children[i]);
	}
}

void
crb_child_kill(const struct crb_child *child, int signal)
{
	if (child->pid != 0)
		(void)kill(child->pid, signal);
}

void
crb_children_kill(const struct crb_child children[CRB_CHILDREN], int signal)
{
	for (unsigned i = 0; i < CRB_CHILDREN; i++)
		crb_child_kill(&children[i], signal);
}

bool
crb_children_gone(const struct crb_child children[CRB_CHILDREN])
{
	for (unsigned i = 0; i < CRB_CHILDREN; i++)
		if (children[i].pid != 0)
			return false;
	return true;
}
