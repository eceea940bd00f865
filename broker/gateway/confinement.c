#include "broker/gateway/confinement.h"

#include <netinet/in.h>
#include <sys/socket.h>

/*
 * No file, no socket of its own, nobody to connect to, no other process: what
 * it works with are the listeners and streams that the core passes to it.
 */
static const struct crb_syscall calls[] = {
	CRB_CALL(accept4),
	CRB_CALL(getsockname),
	CRB_CALL(getpeername),
	/* libmicrohttpd's TCP_NODELAY and TCP_CORK, which fail. */
	CRB_CALL_WITH(setsockopt, 1, IPPROTO_TCP),
	CRB_CALLS_END,
};

static const struct crb_syscall *const tables[] = { crb_calls_base, calls,
	NULL };

static const char *const root[] = { NULL };
static const struct crb_landlock_rule files[] = { { NULL, false } };

const struct crb_confinement crb_gateway_confinement = {
	.calls = tables,
	.namespaces = CRB_APART_IPC | CRB_APART_UTS | CRB_APART_NET,
	.root = root,
	.files = files,
};
