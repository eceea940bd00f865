#include "broker/core/session_end.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/core/approval.h"
#include "broker/core/denial.h"
#include "broker/core/exchange.h"
#include "broker/core/lease.h"

#define TOMBSTONE_MS (10 * 60 * 1000)
#define POLL_MS 1000
/* Timers are set no further ahead, and then again. */
#define TIMER_MOST_S (24 * 60 * 60)

static void
recorded(void *ctx, const struct crb_err *why)
{
	crb_ending_settle(ctx, why);
}

/* Nobody waits, but the failure counts. */
static void
recorded_alone(void *ctx, const struct crb_err *why)
{
	crb_core_committed(ctx, why);
}

void
crb_session_send_end(struct crb_session *session, struct crb_ending *ending)
{
	struct crb_msg_session_end end = { .session = CRB_SLICE(session->id) };
	struct crb_denial denial;
	struct crb_err err;

	crb_denial_ended(&denial, session);
	end.code = CRB_SLICE(denial.code);
	end.detail = CRB_SLICE(denial.detail);
	if (end.detail.len > 512)
		end.detail.len = 512;
	crb_ending_expect(ending);
	if (crb_link_request(&session->core->gateway, CRB_MSG_SESSION_END, &end,
		&end.request, crb_ending_acknowledged, ending, &err) != CRB_OK)
		crb_ending_settle(ending, NULL);
}

static void
send_drop(struct crb_session *session, struct crb_ending *ending)
{
	struct crb_msg_session_drop drop = { .session = CRB_SLICE(
						 session->id) };
	struct crb_err err;

	crb_ending_expect(ending);
	if (crb_link_request(&session->core->egress, CRB_MSG_SESSION_DROP,
		&drop, &drop.request, crb_ending_acknowledged, ending,
		&err) != CRB_OK)
		crb_ending_settle(ending, NULL);
}

static enum crb_status
collect(struct crb_session *session, const char *who, struct crb_err *err)
{
	const struct crb_session_state_info *info = crb_session_state_info(
	    session->state);
	CRB_AUTO_JSON json_t *record = crb_session_record(session);
	const struct crb_audit_event event = {
		.event = info->event,
		.who = who,
		.task = session->task,
		.session = session->id,
		.decision = "allow",
		.outcome = "ok",
		.detail = info->name,
		.up = (int64_t)session->up,
		.down = (int64_t)session->down,
		.bytes = true,
	};
	struct crb_commit *commit = session->core->commit;
	enum crb_status status;

	if (record == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	status = crb_commit_event(commit, &event, err);
	if (status == CRB_OK)
		status = crb_commit_put(
		    commit, CRB_KIND_SESSION, &session->record, record, err);
	return status;
}

/* The end stands, recorded or not: a failure is told, never undone. */
static void
record_end(
    struct crb_session *session, const char *who, struct crb_ending *ending)
{
	struct crb_core *core = session->core;
	enum crb_status status;
	struct crb_err err;

	crb_ending_expect(ending);
	status = collect(session, who, &err);
	if (status == CRB_OK)
		status = crb_commit_then(
		    core->commit, recorded_alone, core, &err);
	if (status == CRB_OK && ending != NULL)
		status = crb_commit_then(core->commit, recorded, ending, &err);
	if (status != CRB_OK) {
		crb_log(CRB_LOG_ERROR, "end of session not recorded",
		    CRB_LOG_SESSION, session->id, CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
		crb_ending_settle(ending, &err);
	}
}

static void
unwatch_process(struct crb_session *session)
{
	if (session->pidfd == -1)
		return;
	crb_loop_unwatch(session->core->loop, session->pidfd);
	(void)close(session->pidfd);
	session->pidfd = -1;
}

static void
retire(void *ctx)
{
	crb_session_retire(ctx);
}

static void
end_leases(struct crb_session *session, const char *detail)
{
	struct crb_err why;

	(void)crb_err_set(&why, CRB_ERR_DENIED, "%s", detail);
	crb_approvals_end(session, &why);
	crb_leases_end(session, &why);
}

unsigned
crb_session_end(struct crb_session *session, enum crb_session_state state,
    const char *who, struct crb_ending *ending)
{
	struct crb_loop *loop = session->core->loop;
	struct crb_err err;
	struct crb_denial denial;
	unsigned cut;

	if (session->state != CRB_SESSION_LIVE)
		return 0;
	session->state = state;
	session->ended = crb_wall_seconds();
	unwatch_process(session);
	crb_denial_ended(&denial, session);
	crb_session_send_end(session, ending);
	end_leases(session, denial.detail);
	cut = crb_exchange_cut(session, 0, NULL, denial.detail);
	session->idle_count = 0;
	send_drop(session, ending);
	record_end(session, who, ending);
	crb_timer_clear(loop, &session->timer);
	crb_timer_init(&session->timer, retire, session);
	(void)!crb_timer_set(loop, &session->timer, TOMBSTONE_MS, &err);
	crb_log(CRB_LOG_INFO, "session ended", CRB_LOG_SESSION, session->id,
	    CRB_LOG_TASK, session->task, CRB_LOG_CODE,
	    crb_session_state_info(state)->code, CRB_LOG_END);
	return cut;
}

static void
expire(void *ctx)
{
	struct crb_session *session = ctx;
	struct crb_err err;

	if (crb_session_left(session) == 0)
		(void)crb_session_end(
		    session, CRB_SESSION_EXPIRED, "broker", NULL);
	else
		(void)!crb_session_rearm(session, &err);
}

enum crb_status
crb_session_rearm(struct crb_session *session, struct crb_err *err)
{
	int64_t left = crb_session_left(session);

	/* One that is set must not be initialised. */
	crb_timer_clear(session->core->loop, &session->timer);
	crb_timer_init(&session->timer, expire, session);
	if (left > TIMER_MOST_S)
		left = TIMER_MOST_S;
	return crb_timer_set(
	    session->core->loop, &session->timer, left * 1000, err);
}

static void
process_ended(void *ctx, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	(void)crb_session_end(ctx, CRB_SESSION_PROCESS_ENDED, "broker", NULL);
}

static int
open_pidfd(int64_t pid)
{
	return (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
}

static void
poll_processes(void *ctx)
{
	struct crb_core *core = ctx;
	struct crb_session *session;
	struct crb_err err;
	unsigned polled = 0;

	TAILQ_FOREACH(session, &core->list, link)
	{
		if (session->state != CRB_SESSION_LIVE || !session->bound ||
		    session->pidfd != -1)
			continue;
		if (crb_process_lives(&session->process))
			polled++;
		else
			(void)crb_session_end(
			    session, CRB_SESSION_PROCESS_ENDED, "broker", NULL);
	}
	core->polled = polled;
	if (polled > 0)
		(void)!crb_timer_set(core->loop, &core->poll, POLL_MS, &err);
}

/*
 * A descriptor of the process where the kernel has them: opened first, and
 * the identity compared after, so it cannot be of a later process with the
 * same number.
 */
static enum crb_status
watch_process(struct crb_session *session, struct crb_err *err)
{
	struct crb_core *core = session->core;

	session->pidfd = open_pidfd(session->process.pid);
	if (!crb_process_lives(&session->process)) {
		if (session->pidfd != -1)
			(void)close(session->pidfd);
		session->pidfd = -1;
		(void)crb_session_end(
		    session, CRB_SESSION_PROCESS_ENDED, "broker", NULL);
		return CRB_OK;
	}
	if (session->pidfd != -1)
		return crb_loop_watch(core->loop, session->pidfd, CRB_READABLE,
		    process_ended, session, err);
	if (core->polled++ > 0)
		return CRB_OK;
	crb_timer_clear(core->loop, &core->poll);
	crb_timer_init(&core->poll, poll_processes, core);
	return crb_timer_set(core->loop, &core->poll, POLL_MS, err);
}

enum crb_status
crb_session_watch(struct crb_session *session, struct crb_err *err)
{
	enum crb_status status = crb_session_rearm(session, err);

	if (status == CRB_OK && session->bound)
		status = watch_process(session, err);
	return status;
}

static void
folder_removed(void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	(void)ctx;
	if (msg != NULL && msg->folder_removed.ok != 0)
		return;
	crb_log(CRB_LOG_WARN, "session folder not removed", CRB_LOG_REASON,
	    why != NULL ? why->msg : "the supervisor could not", CRB_LOG_END);
}

/* Nobody is told anything by it any more. */
static void
close_endpoint(struct crb_session *session)
{
	struct crb_core *core = session->core;
	const struct crb_msg_session_close close_it = { .session = CRB_SLICE(
							    session->id) };
	struct crb_msg_folder_remove folder = { .session = CRB_SLICE(
						    session->id) };
	struct crb_err err;

	if (session->closed)
		return;
	session->closed = true;
	if (session->announced)
		(void)!crb_link_send(
		    &core->gateway, CRB_MSG_SESSION_CLOSE, &close_it, -1, &err);
	session->announced = false;
	if (session->listener != -1)
		(void)close(CRB_STEAL_FD(session->listener));
	if (crb_link_request(&core->supervisor, CRB_MSG_FOLDER_REMOVE, &folder,
		&folder.request, folder_removed, NULL, &err) != CRB_OK)
		folder_removed(NULL, NULL, &err);
}

void
crb_session_bury(struct crb_session *session)
{
	struct crb_core *core = session->core;
	struct crb_err err;

	close_endpoint(session);
	if (core->commit != NULL &&
	    crb_commit_delete(core->commit, CRB_KIND_SESSION, &session->record,
		&err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "record of a session kept",
		    CRB_LOG_SESSION, session->id, CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
	crb_session_free(session);
}

void
crb_session_retire(struct crb_session *session)
{
	int64_t left = crb_leases_until(session) - crb_wall_seconds();
	struct crb_loop *loop = session->core->loop;
	struct crb_err err;

	if (left <= 0) {
		crb_session_bury(session);
		return;
	}
	close_endpoint(session);
	if (left > TIMER_MOST_S)
		left = TIMER_MOST_S;
	crb_timer_clear(loop, &session->timer);
	crb_timer_init(&session->timer, retire, session);
	(void)!crb_timer_set(loop, &session->timer, left * 1000, &err);
}
