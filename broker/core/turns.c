#include "broker/core/turns.h"

#include <string.h>

#include "base/log.h"

/* With 0 it would be due again before the loop has looked at its sockets. */
#define NEXT_TURN_MS 1

static bool
is_of(const struct crb_turn *turn, const char *owner)
{
	return strcmp(turn->owner, owner) == 0;
}

/* All that is an owner's, behind all that is others'. */
static void
move_back(struct crb_turns *turns, const char *owner)
{
	struct crb_turn *last = TAILQ_LAST(&turns->list, crb_turn_list);
	struct crb_turn *turn = TAILQ_FIRST(&turns->list), *next;

	for (bool more = true; more; turn = next) {
		next = TAILQ_NEXT(turn, link);
		more = turn != last;
		if (!is_of(turn, owner))
			continue;
		TAILQ_REMOVE(&turns->list, turn, link);
		TAILQ_INSERT_TAIL(&turns->list, turn, link);
	}
}

static void
take_turn(void *ctx)
{
	struct crb_turns *turns = ctx;
	struct crb_turn *turn = TAILQ_FIRST(&turns->list);
	struct crb_err err;

	if (turn == NULL)
		return;
	/* First, since there is room for it: it has just been taken out. */
	if (crb_timer_set(turns->loop, &turns->timer, NEXT_TURN_MS, &err) !=
	    CRB_OK)
		crb_log(CRB_LOG_ERROR, "no timer", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
	move_back(turns, turn->owner);
	turn->fn(turn->ctx);
}

void
crb_turns_init(struct crb_turns *turns, struct crb_loop *loop)
{
	turns->loop = loop;
	TAILQ_INIT(&turns->list);
	crb_timer_init(&turns->timer, take_turn, turns);
}

enum crb_status
crb_turns_join(
    struct crb_turns *turns, struct crb_turn *turn, struct crb_err *err)
{
	if (turn->in)
		return CRB_OK;
	if (TAILQ_EMPTY(&turns->list) &&
	    crb_timer_set(turns->loop, &turns->timer, NEXT_TURN_MS, err) !=
		CRB_OK)
		return err->status;
	TAILQ_INSERT_TAIL(&turns->list, turn, link);
	turn->in = true;
	return CRB_OK;
}

void
crb_turns_leave(struct crb_turns *turns, struct crb_turn *turn)
{
	if (!turn->in)
		return;
	TAILQ_REMOVE(&turns->list, turn, link);
	turn->in = false;
	if (TAILQ_EMPTY(&turns->list))
		crb_timer_clear(turns->loop, &turns->timer);
}

bool
crb_turns_has(const struct crb_turns *turns, const char *owner)
{
	const struct crb_turn *turn;

	TAILQ_FOREACH(turn, &turns->list, link)
	if (is_of(turn, owner))
		return true;
	return false;
}
