#include "broker/core/exchange_wait.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/core/lease.h"

struct waiting {
	struct crb_core *core;
	crb_exchange_wait_fn *fn;
	char session[CRB_SESSION_ID_MAX + 1];
	unsigned gateway; /* the one that asked */
	size_t len;
	uint8_t packet[]; /* the message */
};

/* The session may have ended, and even be gone. */
static void
have(void *ctx, const struct crb_err *why)
{
	CRB_AUTO_FREE struct waiting *waiting = ctx;
	struct crb_core *core = waiting->core;
	struct crb_session *session = crb_session_get(
	    core, CRB_SLICE(waiting->session));
	struct crb_msg msg;
	struct crb_err err;

	if (session != NULL)
		session->waiting--;
	if (core->gateway.bus == NULL ||
	    core->gateway.started != waiting->gateway)
		return;
	if (crb_msg_decode(waiting->packet, waiting->len, -1, CRB_ROLE_GATEWAY,
		CRB_ROLE_CORE, &msg, &err) != CRB_OK) {
		crb_log(CRB_LOG_ERROR, "an exchange is lost", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
		return;
	}
	waiting->fn(core, &msg.exchange, why);
}

enum crb_status
crb_exchange_wait(struct crb_session *session, const char *credential,
    const struct crb_msg_exchange *msg, crb_exchange_wait_fn *fn,
    struct crb_err *err)
{
	size_t size = crb_msg_size(CRB_MSG_EXCHANGE, msg);
	CRB_AUTO_FREE struct waiting *waiting = malloc(sizeof(*waiting) + size);
	enum crb_status status;

	if (waiting == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*waiting = (struct waiting){ .core = session->core,
		.fn = fn,
		.gateway = session->core->gateway.started };
	memcpy(waiting->session, session->id, sizeof(waiting->session));
	status = crb_msg_encode(
	    CRB_MSG_EXCHANGE, msg, waiting->packet, size, &waiting->len, err);
	if (status == CRB_OK)
		status = crb_lease_want(
		    session, credential, have, waiting, err);
	if (status != CRB_OK)
		return status;
	session->waiting++;
	(void)CRB_STEAL(waiting);
	return CRB_OK;
}
