#include "broker/core/exchange_hold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/core/lease.h"
#include "broker/core/limits.h"

/* What it waits for. */
enum awaits {
	AWAITS_NOTHING,
	AWAITS_COMMANDS, /* enum crb_need, by its numbers */
	AWAITS_BODY,
	AWAITS_APPROVAL,
	AWAITS_LEASE,
	AWAITS_TURN,
	AWAITS_RECORD,
};
_Static_assert(AWAITS_COMMANDS == (int)CRB_NEED_COMMANDS &&
	AWAITS_BODY == (int)CRB_NEED_BODY,
    "a need is what is awaited");

struct crb_hold {
	TAILQ_ENTRY(crb_hold) link;
	struct crb_core *core;
	char session[CRB_SESSION_ID_MAX + 1];
	uint64_t exchange;
	bool lost; /* nobody is left to be told */
	enum awaits awaits;
	crb_hold_fn *fn;
	struct crb_shown shown;
	struct crb_judge_progress progress;
	struct crb_turn turn;
	bool left;
	bool has_why;
	struct crb_err why;              /* that it is told at its turn */
	struct crb_recording *recording; /* or NULL */
	size_t len;
	uint8_t packet[]; /* the message */
};

static void
hold_cleanup(struct crb_hold **hold)
{
	free(*hold);
}
#define AUTO_HOLD __attribute__((cleanup(hold_cleanup)))

enum crb_status
crb_hold_new(struct crb_session *session, const struct crb_msg_exchange *msg,
    crb_hold_fn *fn, struct crb_hold **out, struct crb_err *err)
{
	size_t size = crb_msg_size(CRB_MSG_EXCHANGE, msg);
	AUTO_HOLD struct crb_hold *hold = malloc(sizeof(*hold) + size);
	struct crb_core *core = session->core;

	if (hold == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*hold = (struct crb_hold){ .core = core,
		.exchange = msg->exchange,
		.fn = fn,
		.progress = CRB_JUDGE_PROGRESS_INIT,
		.shown.text = CRB_BUF_INIT(CRB_COMMANDS_MAX) };
	memcpy(hold->session, session->id, sizeof(hold->session));
	if (crb_msg_encode(CRB_MSG_EXCHANGE, msg, hold->packet, size,
		&hold->len, err) != CRB_OK)
		return err->status;
	TAILQ_INSERT_TAIL(&core->holds, hold, link);
	session->waiting++;
	*out = CRB_STEAL(hold);
	return CRB_OK;
}

/* The session may have ended, and even be gone. */
void
crb_hold_free(struct crb_hold *hold)
{
	struct crb_core *core = hold->core;
	struct crb_session *session = crb_session_get(
	    core, CRB_SLICE(hold->session));

	/* After a lock it is another one of the same id, of which none waits.
	 */
	if (session != NULL && session->waiting > 0)
		session->waiting--;
	TAILQ_REMOVE(&core->holds, hold, link);
	crb_turns_leave(&core->turns, &hold->turn);
	crb_judge_progress_clear(&hold->progress);
	crb_recording_free(hold->recording);
	core->held_bytes -= hold->shown.text.len;
	crb_push_commands_clear(&hold->shown.commands);
	crb_buf_clear(&hold->shown.text);
	free(hold->shown.headers);
	free(hold);
}

bool
crb_hold_waits(const struct crb_hold *hold)
{
	return hold->awaits != AWAITS_NOTHING;
}

const struct crb_shown *
crb_hold_shown(const struct crb_hold *hold)
{
	return &hold->shown;
}

/* Tell whoever holds it, and let it go unless it waits again. */
static void
go_on(struct crb_hold *hold, const struct crb_err *why)
{
	struct crb_msg msg;
	struct crb_err err;

	/* Anything else took its time, and all of it is judged again. */
	if (hold->awaits != AWAITS_TURN || hold->left)
		crb_judge_progress_clear(&hold->progress);
	hold->awaits = AWAITS_NOTHING;
	if (!hold->lost) {
		if (crb_msg_decode(hold->packet, hold->len, -1,
			CRB_ROLE_GATEWAY, CRB_ROLE_CORE, &msg, &err) == CRB_OK)
			hold->fn(hold->core, hold, &msg.exchange, why);
		else
			crb_log(CRB_LOG_ERROR, "an exchange is lost",
			    CRB_LOG_REASON, err.msg, CRB_LOG_END);
	}
	if (hold->awaits == AWAITS_NOTHING)
		crb_hold_free(hold);
	else if (hold->awaits != AWAITS_TURN)
		crb_turns_leave(&hold->core->turns, &hold->turn);
}

struct crb_judge_progress *
crb_hold_progress(struct crb_hold *hold)
{
	return &hold->progress;
}

bool
crb_hold_queues(const struct crb_hold *hold)
{
	return !hold->turn.in &&
	    crb_turns_has(&hold->core->turns, hold->session);
}

bool
crb_hold_is_left(const struct crb_hold *hold)
{
	return hold->left;
}

static void
take_turn(void *ctx)
{
	struct crb_hold *hold = ctx;
	struct crb_err why = hold->why;

	go_on(hold, hold->has_why ? &why : NULL);
}

enum crb_status
crb_hold_turn(
    struct crb_hold *hold, const struct crb_err *why, struct crb_err *err)
{
	enum crb_status status;

	hold->turn.owner = hold->session;
	hold->turn.fn = take_turn;
	hold->turn.ctx = hold;
	status = crb_turns_join(&hold->core->turns, &hold->turn, err);
	if (status != CRB_OK)
		return status;
	hold->awaits = AWAITS_TURN;
	if ((hold->has_why = why != NULL))
		hold->why = *why;
	return CRB_OK;
}

enum crb_status
crb_hold_need(struct crb_hold *hold, enum crb_need what, struct crb_err *err)
{
	const struct crb_msg_need need = {
		.exchange = hold->exchange,
		.what = (uint8_t)what,
		.most = what == CRB_NEED_COMMANDS ? CRB_COMMANDS_MAX
						  : CRB_HELD_MAX,
	};
	enum crb_status status;

	status = crb_link_send(
	    &hold->core->gateway, CRB_MSG_NEED, &need, -1, err);
	if (status == CRB_OK)
		hold->awaits = (enum awaits)what;
	return status;
}

static void
have(void *ctx, const struct crb_err *why)
{
	go_on(ctx, why);
}

enum crb_status
crb_hold_ask(struct crb_hold *hold, const struct crb_approval_asked *asked,
    struct crb_err *err)
{
	enum crb_status status = crb_approval_hold(asked, have, hold, err);

	if (status == CRB_OK)
		hold->awaits = AWAITS_APPROVAL;
	return status;
}

enum crb_status
crb_hold_lease(struct crb_hold *hold, struct crb_session *session,
    const char *credential, struct crb_err *err)
{
	enum crb_status status = crb_lease_want(
	    session, credential, have, hold, err);

	if (status == CRB_OK)
		hold->awaits = AWAITS_LEASE;
	return status;
}

enum crb_status
crb_hold_record(struct crb_hold *hold, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement,
    const struct crb_approval_asked *asked, const char *approval,
    struct crb_err *err)
{
	enum crb_status status = crb_recording_new(
	    msg, judgement, asked, approval, have, hold, &hold->recording, err);

	if (status == CRB_OK)
		hold->awaits = AWAITS_RECORD;
	return status;
}

struct crb_recording *
crb_hold_recording(const struct crb_hold *hold)
{
	return hold->recording;
}

static struct crb_hold *
find(struct crb_core *core, uint64_t exchange)
{
	struct crb_hold *hold;

	TAILQ_FOREACH(hold, &core->holds, link)
	{
		if (!hold->lost && hold->exchange == exchange)
			return hold;
	}
	return NULL;
}

static void
count_refs(const struct crb_hold *hold)
{
	struct crb_session *session = crb_session_get(
	    hold->core, CRB_SLICE(hold->session));

	if (session != NULL)
		crb_limits_refs(session, hold->shown.commands.count);
}

static enum crb_status
add_commands(
    struct crb_hold *hold, const struct crb_msg_shown *msg, struct crb_err *err)
{
	struct crb_shown *shown = &hold->shown;
	struct crb_core *core = hold->core;
	enum crb_status status;

	if (msg->data.len > CRB_HOLDS_BYTES_MAX - core->held_bytes)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "the broker holds too many pushes; try again in a moment");
	crb_buf_add(&shown->text, msg->data.p, msg->data.len);
	status = crb_buf_check(&shown->text, "the commands of the push", err);
	if (status != CRB_OK)
		return status;
	core->held_bytes += msg->data.len;
	if (msg->last == 0)
		return CRB_OK;
	status = crb_push_commands_parse(
	    (struct crb_slice){ shown->text.data, shown->text.len },
	    &shown->commands, err);
	shown->has_commands = status == CRB_OK;
	if (status == CRB_OK)
		count_refs(hold);
	return status;
}

static enum crb_status
set_body(struct crb_shown *shown, const struct crb_msg_shown *msg,
    struct crb_err *err)
{
	if (msg->last == 0 || msg->hash.len != sizeof(shown->hash) ||
	    msg->length > CRB_HELD_MAX ||
	    !crb_slice_copy(msg->type, shown->type, sizeof(shown->type)))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the gateway does not say what the body is");
	free(shown->headers);
	if ((shown->headers = crb_slice_dup(msg->headers)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	memcpy(shown->hash, msg->hash.p, sizeof(shown->hash));
	shown->length = msg->length;
	shown->has_body = true;
	return CRB_OK;
}

void
crb_holds_shown(struct crb_core *core, const struct crb_msg_shown *msg)
{
	struct crb_hold *hold = find(core, msg->exchange);
	enum crb_status status;
	struct crb_err err;

	/* Nobody waits any more, as after a session's end. */
	if (hold == NULL || (int)hold->awaits != (int)msg->what ||
	    (hold->awaits != AWAITS_COMMANDS && hold->awaits != AWAITS_BODY))
		return;
	status = hold->awaits == AWAITS_COMMANDS
	    ? add_commands(hold, msg, &err)
	    : set_body(&hold->shown, msg, &err);
	if (status != CRB_OK)
		go_on(hold, &err);
	else if (msg->last != 0)
		go_on(hold, NULL);
}

/* Its own codes are known here, too; the others are said as they are. */
static void
withdrawn(const struct crb_msg_withdrawn *msg, struct crb_err *why)
{
	char code[65] = "", detail[CRB_ERR_MSG_MAX] = "";
	enum crb_status status;

	(void)crb_slice_copy(msg->code, code, sizeof(code));
	(void)crb_slice_copy(msg->detail, detail, sizeof(detail));
	status = crb_status_from_code(code);
	/* Nothing that is refused is "ok" in the log. */
	if (status == CRB_OK)
		status = CRB_ERR_SYSTEM;
	if (code[0] == '\0')
		(void)crb_err_set(why, CRB_ERR_TIMEOUT,
		    "the client has gone before there was an answer");
	else
		(void)crb_err_set(why, status, "%s", detail);
}

static void
leave_lease(const struct crb_hold *hold)
{
	struct crb_session *session = crb_session_get(
	    hold->core, CRB_SLICE(hold->session));

	if (session != NULL)
		crb_lease_leave(session, hold);
}

void
crb_holds_withdrawn(struct crb_core *core, const struct crb_msg_withdrawn *msg)
{
	struct crb_hold *hold = find(core, msg->exchange);
	struct crb_err why;

	if (hold == NULL)
		return;
	withdrawn(msg, &why);
	hold->left = hold->awaits == AWAITS_TURN;
	/* The disk has it, and finds nobody. */
	if (hold->awaits == AWAITS_RECORD) {
		crb_recording_free(hold->recording);
		hold->recording = NULL;
	}
	if (hold->awaits == AWAITS_APPROVAL)
		crb_approval_leave(core, hold);
	/* A lease is minted all the same. */
	if (hold->awaits == AWAITS_LEASE)
		leave_lease(hold);
	go_on(hold, &why);
}

void
crb_holds_lost(struct crb_core *core)
{
	struct crb_hold *hold, *next;

	for (hold = TAILQ_FIRST(&core->holds); hold != NULL; hold = next) {
		next = TAILQ_NEXT(hold, link);
		hold->lost = true;
		if (hold->awaits == AWAITS_APPROVAL)
			crb_approval_leave(core, hold);
		/* Its lease will come, or not, and finds nobody. */
		if (hold->awaits != AWAITS_LEASE)
			crb_hold_free(hold);
	}
}
