#ifndef CRB_TURNS_H
#define CRB_TURNS_H

#include <sys/queue.h>

#include "base/loop.h"

/*
 * Work that takes long, done a slice at a time: one in each turn of the loop,
 * so that others are served in between.  Owners take turns, however much each
 * of them has there; of one owner's it is the first that goes on, to its end.
 */
struct crb_turn {
	TAILQ_ENTRY(crb_turn) link;
	const char *owner; /* by its name; borrowed while it is in */
	crb_timer_fn *fn;  /* does a slice, or leaves */
	void *ctx;
	bool in;
};
TAILQ_HEAD(crb_turn_list, crb_turn);

struct crb_turns {
	struct crb_loop *loop;
	struct crb_turn_list list;
	struct crb_timer timer;
};
void crb_turns_init(struct crb_turns *turns, struct crb_loop *loop);

/*
 * From the next turn of the loop on, again and again until it leaves.  One that
 * is in stays where it is.
 */
CRB_NODISCARD enum crb_status crb_turns_join(
    struct crb_turns *turns, struct crb_turn *turn, struct crb_err *err);
/* One that is not in: nothing. */
void crb_turns_leave(struct crb_turns *turns, struct crb_turn *turn);
bool crb_turns_has(const struct crb_turns *turns, const char *owner);

#endif /* !CRB_TURNS_H */
