#ifndef CRB_DISCARD_H
#define CRB_DISCARD_H

#include <stdbool.h>

#include "broker/core/namespace.h"

/*
 * Closing a connection that somebody else fills.  Descriptors that wait in it
 * are closed with it, and closing those may block for as long as their maker
 * likes: that is left to a thread, never to the loop.
 */
#define CRB_DISCARDS_MAX 256

struct crb_discards;

CRB_NODISCARD enum crb_status crb_discards_new(
    struct crb_discards **out, struct crb_err *err);
/* Threads that wait go on with what they have. */
void crb_discards_free(struct crb_discards *discards);

/* How many threads wait. */
unsigned crb_discards_waiting(const struct crb_discards *discards);
/* Too many threads wait: accept nothing that would have to be closed. */
bool crb_discards_full(const struct crb_discards *discards);
/*
 * Let those that wait for sockets which linger wait no longer: what they close
 * is closed behind them.  One that was not waiting yet is for the next time.
 */
void crb_discards_hurry(struct crb_discards *discards);

/*
 * `sock` is taken, and `junk` (-1: none), which came over it; NULL is fine.
 * What was sent to the peer still reaches it.
 */
void crb_discard(
    struct crb_discards *discards, int sock, const int junk[CRB_NAMESPACES]);

#endif /* !CRB_DISCARD_H */
