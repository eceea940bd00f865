#ifndef CRB_SHIM_FLOW_H
#define CRB_SHIM_FLOW_H

#include <stdbool.h>
#include <stddef.h>

#define CRB_FLOW_MAX (64 * 1024)

/* One direction of a relay: what was read and is not yet written. */
struct crb_flow {
	size_t start;
	size_t len;
	bool begun;  /* at least one byte was read */
	bool ended;  /* the source gives no more */
	bool failed; /* ... because it broke */
	bool broken; /* the sink takes no more: what comes is thrown away */
	bool closed; /* the end was passed on to the sink */
	char bytes[CRB_FLOW_MAX];
};

/* The source should be read when it can be. */
bool crb_flow_wants(const struct crb_flow *flow);

/*
 * Move bytes between two non-blocking sockets until one of them would block,
 * or for a fair while.  `readable` says that the source may have something.
 * The end of the source is passed on once everything before it is.
 */
void crb_flow_move(struct crb_flow *flow, int source, int sink, bool readable);

/* From now on the sink takes nothing. */
void crb_flow_break(struct crb_flow *flow);

/* Give the sink `text` and then the end, whatever the source may say. */
void crb_flow_finish_with(struct crb_flow *flow, const char *text, size_t len);

#endif /* !CRB_SHIM_FLOW_H */
