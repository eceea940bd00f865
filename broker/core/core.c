#include "broker/core/core.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backends/backend.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/process.h"
#include "broker/core/admin.h"
#include "broker/core/approval.h"
#include "broker/core/core_link.h"
#include "broker/core/exchange.h"
#include "broker/core/exchange_hold.h"
#include "broker/core/keep.h"
#include "broker/core/lease_mint.h"
#include "broker/core/lease_record.h"
#include "broker/core/policies.h"
#include "broker/core/room.h"
#include "broker/core/rpc.h"
#include "broker/core/session_open.h"
#include "broker/core/unlock.h"
#include "broker/core/users.h"

/* Numbers of jobs go on from here, so that none is used again by a restart. */
#define JOBS_PER_SECOND 1000000u
#define RETRY_MS 2000
#define KEEP_MS 60000

bool
crb_core_unlocked(const struct crb_core *core)
{
	return core->commit != NULL && !core->locking;
}

enum crb_status
crb_core_need_unlocked(const struct crb_core *core, struct crb_err *err)
{
	if (crb_core_unlocked(core))
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_LOCKED,
	    "the vault is locked; unlock it: credbroker unlock");
}

enum crb_status
crb_core_need_record(const struct crb_core *core, struct crb_err *err)
{
	struct crb_err why;

	if (core->audit == NULL)
		return crb_core_need_unlocked(core, err);
	if (!crb_audit_healthy(core->audit, &why))
		return crb_err_set(err, CRB_ERR_UNRECORDED,
		    "the audit log cannot be written, so nothing is allowed: %.300s",
		    why.msg);
	if (core->commit_failed)
		return crb_err_set(err, CRB_ERR_UNRECORDED,
		    "the store cannot be written, so nothing is allowed: %.300s",
		    core->commit_why.msg);
	return CRB_OK;
}

static void
retried(void *ctx, const struct crb_err *why)
{
	crb_core_committed(ctx, why);
}

/* A line that says so is what shows that recording works again. */
static void
retry(void *ctx)
{
	const struct crb_audit_event event = {
		.event = "record.resume",
		.who = "broker",
		.outcome = "ok",
	};
	struct crb_core *core = ctx;
	struct crb_err err;

	if (core->commit == NULL)
		return;
	if (crb_commit_event(core->commit, &event, &err) != CRB_OK ||
	    crb_commit_then(core->commit, retried, core, &err) != CRB_OK)
		crb_core_committed(core, &err);
}

void
crb_core_committed(struct crb_core *core, const struct crb_err *why)
{
	struct crb_err err;

	crb_timer_clear(core->loop, &core->retry);
	core->commit_failed = why != NULL;
	if (why == NULL || core->stopping)
		return;
	core->commit_why = *why;
	crb_timer_init(&core->retry, retry, core);
	(void)!crb_timer_set(core->loop, &core->retry, RETRY_MS, &err);
}

void
crb_core_say_ready(struct crb_core *core)
{
	const struct crb_msg_ready ready = {
		.locked = !crb_core_unlocked(core),
		.sessions = (uint32_t)crb_room_most(core),
	};
	struct crb_err err;

	if (core->admin == NULL ||
	    (core->ready_said && core->ready_locked == (ready.locked != 0)))
		return;
	/* Before that nothing would be allowed. */
	if (ready.locked == 0 && !crb_policies_tried(core->policies))
		return;
	core->ready_said = crb_link_send(&core->supervisor, CRB_MSG_READY,
			       &ready, -1, &err) == CRB_OK;
	core->ready_locked = ready.locked != 0;
}

static void
end_of_turn(void *ctx)
{
	struct crb_core *core = ctx;

	if (core->lock_due)
		crb_rpc_lock_due(core);
	if (core->commit != NULL) {
		crb_commit_expect(core->commit, core->issuing);
		crb_commit_turn(core->commit);
	}
	if (core->ready_said)
		crb_core_say_ready(core);
}

/* It travels with each job, whose size bounds it. */
enum crb_status
crb_core_load_ca(
    const struct crb_config *config, char **out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf pem = CRB_BUF_INIT(CRB_CA_MAX);
	enum crb_status status;

	if (config->ca_file == NULL) {
		*out = NULL;
		return CRB_OK;
	}
	status = crb_io_read_file(config->ca_file, &pem, err);
	if (status != CRB_OK)
		return crb_err_context(err, "ca_file");
	if ((*out = crb_buf_steal(&pem)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

static enum crb_status
load_config(struct crb_core *core, const struct crb_core_options *options,
    struct crb_err *err)
{
	const char *path = options->config_file;
	enum crb_status status;

	if (path == NULL || path[0] == '\0')
		return crb_options_defaults(
		    crb_config_options, &core->config, err);
	status = options->config_fd != 0
	    ? crb_config_load_fd(options->config_fd, path, &core->config, err)
	    : crb_config_load(path, &core->config, err);
	if (status != CRB_OK)
		return status;
	core->reload.first = json_incref(core->config.json);
	core->roles = CRB_STEAL(core->config.roles);
	return crb_core_load_ca(&core->config, &core->ca, err);
}

void
crb_core_read_users(struct crb_core *core)
{
	struct crb_users *users;
	struct crb_err err;

	if (crb_users_load("/etc/passwd", "/etc/group", &users, &err) !=
	    CRB_OK) {
		crb_log(CRB_LOG_ERROR, "users and groups not read again",
		    CRB_LOG_REASON, err.msg, CRB_LOG_END);
		return;
	}
	crb_users_free(core->users);
	core->users = users;
}

/* Roles go by numbers that are looked up once; no reload changes them. */
static enum crb_status
load_users(struct crb_core *core, struct crb_err *err)
{
	enum crb_status status = crb_users_load(
	    "/etc/passwd", "/etc/group", &core->users, err);

	if (status == CRB_OK && core->roles != NULL)
		status = crb_roles_resolve(
		    core->roles, core->config.file, NULL, err);
	return status;
}

static void
keep_counts(void *ctx)
{
	struct crb_core *core = ctx;
	struct crb_err err;

	crb_keep_counts(core);
	crb_lease_records_keep(core);
	(void)!crb_timer_set(core->loop, &core->keep, KEEP_MS, &err);
}

static enum crb_status
record_start(struct crb_core *core, struct crb_err *err)
{
	const struct crb_audit_event event = {
		.event = "unlock",
		.who = "broker",
		.decision = "allow",
		.outcome = "ok",
		.detail = "by its key file, at start",
	};

	return crb_commit_event(core->commit, &event, err);
}

/* Where it fails the broker serves, locked, and an `unlock` shows why. */
static void
unlock_at_start(struct crb_core *core, int key_fd)
{
	enum crb_status status;
	struct crb_err err;
	unsigned slot;

	if (core->key_file == NULL || core->key_file[0] == '\0')
		return;
	status = key_fd != 0
	    ? crb_unlock_key_fd(core, key_fd, core->key_file, &err)
	    : crb_unlock_key_file(core, core->key_file, 0, &slot, &err);
	if (status == CRB_OK)
		status = record_start(core, &err);
	if (status != CRB_OK)
		crb_log(CRB_LOG_ERROR, "not unlocked at start", CRB_LOG_PATH,
		    core->key_file, CRB_LOG_REASON, err.msg, CRB_LOG_END);
}

/* Closed once they are read. */
static int
given(int fd)
{
	return fd != 0 ? fd : -1;
}

static enum crb_status
start(struct crb_core *core, const struct crb_core_options *options,
    struct crb_err *err)
{
	CRB_AUTO_FD int supervisor = options->supervisor;
	CRB_AUTO_FD const int config = given(options->config_fd);
	CRB_AUTO_FD const int key = given(options->key_fd);
	enum crb_status status;

	/* Only their scopes matter, which clang does not see. */
	(void)config;
	(void)key;
	if ((status = load_config(core, options, err)) ||
	    (status = load_users(core, err)) ||
	    (status = crb_policies_new(core, &core->policies, err)) ||
	    (status = crb_vault_open(core->state_folder, &core->vault, err)))
		return status;
	status = crb_supervisor_up(core, CRB_STEAL_FD(supervisor), err);
	if (status != CRB_OK)
		return status;
	unlock_at_start(core, options->key_fd);
	crb_loop_each_turn(core->loop, end_of_turn, core);
	return crb_timer_set(core->loop, &core->keep, KEEP_MS, err);
}

static int64_t
limit_of(int resource)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) != 0 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return -1;
	return (int64_t)limit.rlim_cur;
}

enum crb_status
crb_core_new(const struct crb_core_options *options, struct crb_core **out,
    struct crb_err *err)
{
	struct crb_core *core = calloc(1, sizeof(*core));
	enum crb_status status;

	if (core == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	core->loop = options->loop;
	core->state_folder = options->state_folder;
	core->runtime_folder = options->runtime_folder;
	core->organization_folder = options->organization_folder;
	core->policy_folder = options->policy_folder;
	core->key_file = options->key_file;
	core->admin_socket = -1;
	core->owner = options->owner;
	if (options->confined != NULL)
		core->confinement.self = *options->confined;
	core->started = crb_loop_now(core->loop);
	core->reload.loaded = crb_wall_seconds();
	if (crb_approvals_new(core, &core->approvals, err) != CRB_OK) {
		free(core);
		return err->status;
	}
	core->limits.descriptors = limit_of(RLIMIT_NOFILE);
	core->limits.locked_memory = limit_of(RLIMIT_MEMLOCK);
	core->last_job = (uint64_t)crb_wall_seconds() * JOBS_PER_SECOND;
	TAILQ_INIT(&core->list);
	TAILQ_INIT(&core->works);
	TAILQ_INIT(&core->holds);
	crb_turns_init(&core->turns, core->loop);
	TAILQ_INIT(&core->lease_records);
	TAILQ_INIT(&core->mints.list);
	crb_timer_init(&core->mints.timer, crb_mints_start, core);
	crb_timer_init(&core->poll, NULL, core);
	crb_timer_init(&core->retry, retry, core);
	crb_timer_init(&core->keep, keep_counts, core);
	crb_timer_init(&core->missed, crb_session_announce_missed, core);
	crb_timer_init(&core->streams, crb_exchange_streams_due, core);
	crb_link_init(&core->supervisor, "supervisor", core->loop);
	crb_link_init(&core->gateway, "gateway", core->loop);
	crb_link_init(&core->egress, "egress", core->loop);
	if ((status = start(core, options, err)) != CRB_OK) {
		crb_core_free(core);
		return status;
	}
	*out = core;
	return CRB_OK;
}

/* What waits for others ends first, then what waits for the disk. */
void
crb_core_free(struct crb_core *core)
{
	if (core == NULL)
		return;
	core->stopping = true;
	crb_loop_each_turn(core->loop, NULL, NULL);
	crb_unlock_cancel(core);
	crb_link_down(&core->gateway);
	crb_holds_lost(core);
	crb_link_down(&core->egress);
	crb_link_down(&core->supervisor);
	crb_timer_clear(core->loop, &core->poll);
	crb_timer_clear(core->loop, &core->retry);
	crb_timer_clear(core->loop, &core->keep);
	crb_timer_clear(core->loop, &core->missed);
	crb_timer_clear(core->loop, &core->streams);
	crb_keep_counts(core);
	crb_lease_records_keep(core);
	crb_lock(core);
	/* What was asked for, and has become durable only now. */
	if (core->lock_due)
		crb_rpc_lock_due(core);
	crb_policies_free(core->policies);
	crb_approvals_free(core->approvals);
	crb_admin_free(core->admin);
	if (core->admin_socket != -1)
		(void)close(core->admin_socket);
	crb_vault_free(core->vault);
	crb_config_clear(&core->config);
	crb_roles_free(core->roles);
	crb_users_free(core->users);
	json_decref(core->locked_ids);
	json_decref(core->reload.first);
	json_decref(core->reload.restart);
	free(core->ca);
	free(core);
}
