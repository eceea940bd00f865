#include "broker/supervisor/supervisor.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "broker/bus/bus.h"
#include "broker/supervisor/children.h"
#include "broker/supervisor/notify.h"
#include "broker/supervisor/reload.h"
#include "broker/supervisor/requests.h"
#include "broker/supervisor/runtime.h"

/* The core has this long to write what it has, the others to end. */
#define STOP_MS 10000
#define TERM_MS 2000

enum phase { SERVING, STOPPING, TERMINATING, KILLING };

struct supervisor {
	const struct crb_supervisor_options *options;
	struct crb_loop *loop;
	struct crb_runtime runtime;
	struct crb_bus *bus; /* to the core; NULL: it is not there */
	struct crb_child children[CRB_CHILDREN];
	struct crb_requests requests;
	enum phase phase;
	struct crb_timer phase_timer;
	struct crb_notify notify;
	struct crb_watchdog watchdog;
	struct crb_hangup hangup;
	struct crb_reload reload;
	bool served; /* the core came up once */
	bool failed; /* and never will, as it is */
};

static void child_start(void *ctx);
static void terminate(struct supervisor *supervisor);
static void arm_phase(
    struct supervisor *supervisor, enum phase phase, int64_t ms);

static void
kill_all(struct supervisor *supervisor, int signal)
{
	crb_children_kill(supervisor->children, signal);
	crb_requests_kill(&supervisor->requests, signal);
}

static bool
all_gone(const struct supervisor *supervisor)
{
	return crb_children_gone(supervisor->children) &&
	    crb_requests_idle(&supervisor->requests);
}

static void
start_later(struct crb_child *child, int64_t was_up)
{
	struct supervisor *supervisor = child->ctx;
	struct crb_err err;

	child->delay = crb_restart_delay(child->delay, was_up);
	if (crb_timer_set(supervisor->loop, &child->timer, child->delay,
		&err) != CRB_OK) {
		crb_log(CRB_LOG_ERROR, "child cannot be restarted",
		    CRB_LOG_PROCESS, child->name, CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
		terminate(supervisor);
	}
}

static enum crb_status
start_peer(struct crb_child *child, struct crb_err *err)
{
	struct supervisor *supervisor = child->ctx;
	struct crb_msg_peer peer = { .role = (uint8_t)child->role };
	CRB_AUTO_FD int bus = -1;

	if (supervisor->bus == NULL || child->pid != 0)
		return CRB_OK;
	if (crb_child_start(child, crb_loop_now(supervisor->loop), &bus, err) !=
	    CRB_OK)
		return err->status;
	peer.pid = (uint32_t)child->pid;
	peer.namespaces = (uint16_t)child->spawned.namespaces;
	peer.problem = CRB_SLICE(child->spawned.problem);
	return crb_bus_send(supervisor->bus, CRB_MSG_PEER, &peer, bus, err);
}

static void on_message(void *ctx, struct crb_msg *msg);
static void on_gone(void *ctx, const struct crb_err *why);
static void on_drained(void *ctx);

static enum crb_status
start_core(struct crb_child *child, struct crb_err *err)
{
	struct supervisor *supervisor = child->ctx;
	const struct crb_bus_options options = { .loop = supervisor->loop,
		.self = CRB_ROLE_SUPERVISOR,
		.peer = CRB_ROLE_CORE,
		.message = on_message,
		.gone = on_gone,
		.drained = on_drained,
		.ctx = supervisor };
	int bus;

	if (crb_child_start(child, crb_loop_now(supervisor->loop), &bus, err) !=
		CRB_OK ||
	    crb_bus_new(bus, &options, &supervisor->bus, err) != CRB_OK)
		return err->status;
	return crb_bus_send(supervisor->bus, CRB_MSG_ADMIN,
	    &(struct crb_msg_admin){ .restarts = child->starts - 1 },
	    supervisor->runtime.admin, err);
}

/* The core's start takes the others along: they have a bus to it. */
static void
child_start(void *ctx)
{
	struct crb_child *child = ctx;
	struct supervisor *supervisor = child->ctx;
	enum crb_status status;
	struct crb_err err;

	if (supervisor->phase != SERVING)
		return;
	status = child->role == CRB_ROLE_CORE ? start_core(child, &err)
					      : start_peer(child, &err);
	if (status != CRB_OK) {
		crb_log(CRB_LOG_ERROR, "child not started", CRB_LOG_PROCESS,
		    child->name, CRB_LOG_REASON, err.msg, CRB_LOG_END);
		/* One that runs without its bus is started again when reaped.
		 */
		crb_child_kill(child, SIGKILL);
		if (child->pid == 0)
			start_later(child, 0);
	} else if (child->role == CRB_ROLE_CORE) {
		child_start(&supervisor->children[CRB_CHILD_GATEWAY]);
		child_start(&supervisor->children[CRB_CHILD_EGRESS]);
	}
}

/* The bus is of no use any more, whatever the core still does. */
static void
drop_core(struct supervisor *supervisor)
{
	crb_bus_free(supervisor->bus);
	supervisor->bus = NULL;
	/* The next one reads the configuration as it starts. */
	crb_reload_forget(&supervisor->reload);
	for (unsigned i = CRB_CHILD_GATEWAY; i < CRB_CHILDREN; i++) {
		crb_timer_clear(
		    supervisor->loop, &supervisor->children[i].timer);
		crb_child_kill(&supervisor->children[i], SIGKILL);
	}
}

static void
on_gone(void *ctx, const struct crb_err *why)
{
	struct supervisor *supervisor = ctx;

	if (supervisor->phase != SERVING) {
		crb_bus_free(supervisor->bus);
		supervisor->bus = NULL;
		return;
	}
	crb_log(
	    CRB_LOG_WARN, "core lost", CRB_LOG_REASON, why->msg, CRB_LOG_END);
	crb_notify_say(
	    &supervisor->notify, "STATUS=The core is being started again");
	crb_child_kill(&supervisor->children[CRB_CHILD_CORE], SIGKILL);
	drop_core(supervisor);
}

static void
child_ended(struct crb_child *child, int status)
{
	struct supervisor *supervisor = child->ctx;

	crb_child_log_end(
	    child->name, child->pid, status, supervisor->phase != SERVING);
	child->pid = 0;
	/* The others end by themselves, once they see it gone. */
	if (supervisor->phase == STOPPING && child->role == CRB_ROLE_CORE)
		arm_phase(supervisor, STOPPING, TERM_MS);
	if (supervisor->phase != SERVING)
		return;
	if (child->role == CRB_ROLE_CORE)
		drop_core(supervisor);
	/* A damaged vault is not mended by another start. */
	if (child->role == CRB_ROLE_CORE && !supervisor->served &&
	    WIFEXITED(status) && WEXITSTATUS(status) != 0) {
		supervisor->failed = true;
		terminate(supervisor);
		return;
	}
	/* Without a core, the core's next start is theirs. */
	if (child->role == CRB_ROLE_CORE || supervisor->bus != NULL)
		start_later(
		    child, crb_loop_now(supervisor->loop) - child->since);
}

static void
reaped(struct supervisor *supervisor, pid_t pid, int status)
{
	crb_requests_reaped(&supervisor->requests, pid, status);
	for (unsigned i = 0; i < CRB_CHILDREN; i++)
		if (supervisor->children[i].pid == pid)
			child_ended(&supervisor->children[i], status);
}

static void
on_child(void *ctx, int signal)
{
	struct supervisor *supervisor = ctx;
	int status;
	pid_t pid;

	(void)signal;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		reaped(supervisor, pid, status);
	if (supervisor->phase != SERVING && all_gone(supervisor))
		crb_loop_stop(supervisor->loop);
}

static void
on_drained(void *ctx)
{
	struct supervisor *supervisor = ctx;

	crb_bus_pause(supervisor->bus, false);
}

static void
on_ready(struct supervisor *supervisor, const struct crb_msg_ready *ready)
{
	bool locked = ready->locked != 0;

	/* The core's last word may come when we stop already. */
	if (supervisor->phase != SERVING)
		return;
	supervisor->served = true;
	crb_log(CRB_LOG_INFO, locked ? "serving, locked" : "serving, unlocked",
	    CRB_LOG_SESSIONS, (int64_t)ready->sessions, CRB_LOG_END);
	crb_notify_say(&supervisor->notify, "READY=1\nSTATUS=%s",
	    locked ? "Serving, locked: credbroker unlock"
		   : "Serving, unlocked");
	if (supervisor->reload.due)
		crb_reload_ask(&supervisor->reload, supervisor->bus);
}

/* The core has no use for it any more: another takes its place. */
static void
end_lost(struct supervisor *supervisor, pid_t pid)
{
	for (unsigned i = CRB_CHILD_GATEWAY; i < CRB_CHILDREN; i++)
		if (pid != 0 && supervisor->children[i].pid == pid)
			crb_child_kill(&supervisor->children[i], SIGKILL);
}

static void
on_message(void *ctx, struct crb_msg *msg)
{
	struct supervisor *supervisor = ctx;

	if (msg->type == CRB_MSG_READY) {
		on_ready(supervisor, &msg->ready);
	} else if (msg->type == CRB_MSG_PEER_LOST) {
		end_lost(supervisor, (pid_t)msg->peer_lost.pid);
	} else if (msg->type == CRB_MSG_RELOADED) {
		if (supervisor->phase == SERVING)
			crb_reload_answered(&supervisor->reload,
			    supervisor->bus, msg->reloaded.ok != 0);
	} else {
		crb_requests_answer(
		    &supervisor->requests, supervisor->bus, msg);
	}
}

static void
arm_phase(struct supervisor *supervisor, enum phase phase, int64_t ms)
{
	struct crb_err err;

	supervisor->phase = phase;
	if (crb_timer_set(
		supervisor->loop, &supervisor->phase_timer, ms, &err) != CRB_OK)
		kill_all(supervisor, SIGKILL);
}

static void
terminate(struct supervisor *supervisor)
{
	arm_phase(supervisor, TERMINATING, TERM_MS);
	kill_all(supervisor, SIGTERM);
	if (all_gone(supervisor))
		crb_loop_stop(supervisor->loop);
}

static void
stop(struct supervisor *supervisor)
{
	struct crb_err err;

	crb_log(CRB_LOG_INFO, "stopping", CRB_LOG_END);
	crb_notify_say(&supervisor->notify, "STOPPING=1\nSTATUS=Stopping");
	for (unsigned i = 0; i < CRB_CHILDREN; i++)
		crb_timer_clear(
		    supervisor->loop, &supervisor->children[i].timer);
	if (supervisor->bus == NULL ||
	    crb_bus_send(supervisor->bus, CRB_MSG_STOP,
		&(struct crb_msg_stop){ 0 }, -1, &err) != CRB_OK) {
		terminate(supervisor);
		return;
	}
	arm_phase(supervisor, STOPPING, STOP_MS);
}

static void
on_phase_end(void *ctx)
{
	struct supervisor *supervisor = ctx;

	if (supervisor->phase == STOPPING) {
		crb_log(CRB_LOG_WARN, "a process does not stop", CRB_LOG_END);
		terminate(supervisor);
	} else {
		supervisor->phase = KILLING;
		kill_all(supervisor, SIGKILL);
	}
}

/* A second signal means now. */
static void
on_stop_signal(void *ctx, int signal)
{
	struct supervisor *supervisor = ctx;

	(void)signal;
	if (supervisor->phase == SERVING) {
		stop(supervisor);
	} else {
		supervisor->phase = KILLING;
		kill_all(supervisor, SIGKILL);
	}
}

static void
on_hangup_signal(void *ctx, int signal)
{
	struct supervisor *supervisor = ctx;

	if (crb_hangup_stops(&supervisor->hangup))
		on_stop_signal(ctx, signal);
	else if (supervisor->phase != SERVING || supervisor->bus == NULL)
		return; /* the next core reads it as it starts */
	else if (supervisor->served)
		crb_reload_ask(&supervisor->reload, supervisor->bus);
	else
		supervisor->reload.due = true; /* it may have read it before */
}

static enum crb_status
watch_signals(struct supervisor *supervisor, struct crb_err *err)
{
	static const int child[] = { SIGCHLD }, hangup[] = { SIGHUP };
	static const int stops[] = { SIGTERM, SIGINT };

	if (crb_hangup_init(&supervisor->hangup, err) != CRB_OK ||
	    crb_loop_signals(supervisor->loop, child, 1, on_child, supervisor,
		err) != CRB_OK ||
	    crb_loop_signals(supervisor->loop, hangup, 1, on_hangup_signal,
		supervisor, err) != CRB_OK)
		return err->status;
	return crb_loop_signals(
	    supervisor->loop, stops, 2, on_stop_signal, supervisor, err);
}

static void
init(
    struct supervisor *supervisor, const struct crb_supervisor_options *options)
{
	*supervisor = (struct supervisor){ .options = options,
		.runtime = CRB_RUNTIME_NONE,
		.notify = CRB_NOTIFY_NONE };
	crb_children_init(
	    supervisor->children, options, child_start, supervisor);
	crb_timer_init(&supervisor->phase_timer, on_phase_end, supervisor);
	supervisor->reload = (struct crb_reload){ .notify = &supervisor->notify,
		.config = options->config };
}

static void
clear(struct supervisor *supervisor)
{
	crb_bus_free(supervisor->bus);
	crb_loop_free(supervisor->loop);
	crb_runtime_close(&supervisor->runtime);
	crb_notify_close(&supervisor->notify);
}

enum crb_status
crb_supervisor_run(
    const struct crb_supervisor_options *options, struct crb_err *err)
{
	__attribute__((cleanup(clear))) struct supervisor supervisor;

	init(&supervisor, options);
	if (crb_children_check(options, err) != CRB_OK ||
	    crb_notify_open(options->notify, &supervisor.notify, err) !=
		CRB_OK ||
	    crb_runtime_open(options->runtime, options->admin_for_others,
		&supervisor.runtime, err) != CRB_OK ||
	    crb_loop_new(&supervisor.loop, err) != CRB_OK ||
	    watch_signals(&supervisor, err) != CRB_OK)
		return err->status;
	supervisor.requests.libexec = options->libexec;
	supervisor.requests.user = options->core;
	supervisor.requests.sessions = supervisor.runtime.sessions;
	supervisor.requests.hook = options->hook;
	supervisor.requests.policies = (struct crb_policy_folders){
		.organization = options->organization_folder,
		.policy = options->policy_folder,
	};
	child_start(&supervisor.children[CRB_CHILD_CORE]);
	crb_watchdog_start(&supervisor.watchdog, supervisor.loop,
	    &supervisor.notify, options->watchdog_usec);
	if (crb_loop_run(supervisor.loop, err) != CRB_OK)
		return err->status;
	if (supervisor.failed)
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "the core did not start; the reason is above");
	crb_log(CRB_LOG_INFO, "stopped", CRB_LOG_END);
	return CRB_OK;
}
