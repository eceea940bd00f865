#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "shim/flow.h"

/* How often one flow may fill its buffer before the others have a turn. */
#define FILLS_A_TURN 16

static size_t
room(const struct crb_flow *flow)
{
	return sizeof(flow->bytes) - flow->start - flow->len;
}

bool
crb_flow_wants(const struct crb_flow *flow)
{
	return !flow->ended && room(flow) > 0;
}

/* True when there may be more to read. */
static bool
fill(struct crb_flow *flow, int source)
{
	size_t most = room(flow);
	ssize_t n = recv(
	    source, flow->bytes + flow->start + flow->len, most, 0);

	if (n > 0) {
		flow->begun = true;
		if (!flow->broken)
			flow->len += (size_t)n;
		return (size_t)n == most;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	flow->ended = true;
	flow->failed = n == -1;
	return false;
}

/* True when everything was written. */
static bool
drain(struct crb_flow *flow, int sink)
{
	while (flow->len > 0) {
		ssize_t n = send(
		    sink, flow->bytes + flow->start, flow->len, MSG_NOSIGNAL);

		if (n > 0) {
			flow->start += (size_t)n;
			flow->len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return false;
		crb_flow_break(flow);
	}
	flow->start = 0;
	return true;
}

void
crb_flow_move(struct crb_flow *flow, int source, int sink, bool readable)
{
	for (int i = 0; i < FILLS_A_TURN; i++) {
		bool more = false;

		if (readable && crb_flow_wants(flow))
			more = fill(flow, source);
		if (!drain(flow, sink) || !more)
			break;
	}
	if (!flow->ended || flow->len > 0 || flow->closed)
		return;
	if (!flow->broken)
		(void)shutdown(sink, SHUT_WR);
	flow->closed = true;
}

void
crb_flow_break(struct crb_flow *flow)
{
	flow->broken = true;
	flow->start = 0;
	flow->len = 0;
}

void
crb_flow_finish_with(struct crb_flow *flow, const char *text, size_t len)
{
	memcpy(flow->bytes, text, len);
	flow->start = 0;
	flow->len = len;
	flow->ended = true;
}
