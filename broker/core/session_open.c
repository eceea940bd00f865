#include "broker/core/session_open.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "broker/core/lease_gateway.h"
#include "broker/core/limits.h"
#include "broker/core/session_end.h"

/* Folders asked for at once while sessions are opened again. */
#define REOPEN_WINDOW 32
/* When those that the gateway could not open are told to it again. */
#define MISSED_MS 1000
#define MISSED_AT_ONCE 16

static uint32_t
owner_field(const struct crb_session *session)
{
	return session->owner == session->core->owner ? UINT32_MAX
						      : session->owner;
}

enum crb_status
crb_session_ask_folder(struct crb_session *session, crb_pending_fn *fn,
    void *ctx, struct crb_err *err)
{
	struct crb_msg_folder_open folder = {
		.session = CRB_SLICE(session->id),
		.owner = owner_field(session),
	};

	return crb_link_request(&session->core->supervisor, CRB_MSG_FOLDER_OPEN,
	    &folder, &folder.request, fn, ctx, err);
}

enum crb_status
crb_session_ask_file(struct crb_session *session, enum crb_session_file which,
    crb_pending_fn *fn, void *ctx, struct crb_err *err)
{
	struct crb_msg_file_open file = {
		.session = CRB_SLICE(session->id),
		.owner = owner_field(session),
		.file = (uint8_t)which,
	};

	return crb_link_request(&session->core->supervisor, CRB_MSG_FILE_OPEN,
	    &file, &file.request, fn, ctx, err);
}

enum crb_status
crb_session_reply_fd(struct crb_msg *msg, const struct crb_err *why, int *fd,
    struct crb_err *err)
{
	if (msg == NULL) {
		*err = *why;
		return crb_err_context(err, "session folder");
	}
	if (msg->fd == CRB_FD_LOST)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "session folder: the core has no descriptors left");
	/* The replies share their fields. */
	if (msg->folder_opened.ok == 0 || msg->fd == -1)
		return crb_err_set(err, CRB_ERR_SYSTEM, "session folder: %.*s",
		    (int)msg->folder_opened.error.len,
		    msg->folder_opened.error.p);
	*fd = CRB_STEAL_FD(msg->fd);
	return CRB_OK;
}

enum crb_status
crb_session_announce(struct crb_session *session, struct crb_err *err)
{
	struct crb_core *core = session->core;
	const struct crb_msg_session_open open_it = {
		.session = CRB_SLICE(session->id),
		.task = CRB_SLICE(session->task),
		.token_hash = { (const char *)session->token_hash,
		    sizeof(session->token_hash) },
		.expires = (uint64_t)crb_limits_end(session),
		.connections = (uint16_t)core->config.connections_max,
		.port = session->port,
	};
	enum crb_status status;

	if (session->listener == -1)
		return CRB_OK;
	status = crb_link_send(&core->gateway, CRB_MSG_SESSION_OPEN, &open_it,
	    session->listener, err);
	if (status != CRB_OK)
		return status;
	session->announced = true;
	if (session->state != CRB_SESSION_LIVE)
		crb_session_send_end(session, NULL);
	else
		crb_lease_announce(session);
	return CRB_OK;
}

static void
announce_later(struct crb_core *core)
{
	struct crb_err err;

	if (crb_timer_set(core->loop, &core->missed, MISSED_MS, &err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "no timer", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
}

/* A few at a time: the gateway may be as short of descriptors as it was. */
void
crb_session_announce_missed(void *ctx)
{
	struct crb_core *core = ctx;
	struct crb_session *session;
	unsigned count = 0;
	struct crb_err err;

	if (!crb_link_open(&core->gateway))
		return;
	TAILQ_FOREACH(session, &core->list, link)
	{
		if (session->state == CRB_SESSION_OPENING ||
		    session->announced || session->listener == -1)
			continue;
		if (count++ == MISSED_AT_ONCE ||
		    crb_session_announce(session, &err) != CRB_OK) {
			announce_later(core);
			return;
		}
	}
}

void
crb_session_missed(struct crb_core *core, struct crb_slice id)
{
	struct crb_session *session = crb_session_get(core, id);

	if (session == NULL)
		return;
	session->announced = false;
	announce_later(core);
}

void
crb_session_announce_more(struct crb_core *core)
{
	struct crb_session *session;
	struct crb_err err;

	while ((session = core->announce) != NULL &&
	    crb_link_open(&core->gateway)) {
		core->announce = TAILQ_NEXT(session, link);
		if (session->state != CRB_SESSION_OPENING &&
		    !session->announced &&
		    crb_session_announce(session, &err) != CRB_OK) {
			crb_log(CRB_LOG_WARN, "session not announced",
			    CRB_LOG_SESSION, session->id, CRB_LOG_REASON,
			    err.msg, CRB_LOG_END);
			announce_later(core);
		}
	}
}

void
crb_session_announce_all(struct crb_core *core)
{
	struct crb_session *session;

	TAILQ_FOREACH(session, &core->list, link)
	session->announced = false;
	core->announce = TAILQ_FIRST(&core->list);
	crb_session_announce_more(core);
}

static void reopen_more(struct crb_core *core);

struct reopening {
	struct crb_core *core;
	char id[CRB_SESSION_ID_MAX + 1];
};

static enum crb_status
reopened(struct crb_session *session, struct crb_msg *msg,
    const struct crb_err *why, struct crb_err *err)
{
	enum crb_status status;

	status = crb_session_reply_fd(msg, why, &session->listener, err);
	if (status == CRB_OK && session->core->gateway.bus != NULL)
		status = crb_session_announce(session, err);
	return status;
}

static void
on_folder(void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	struct reopening *reopening = ctx;
	struct crb_core *core = reopening->core;
	struct crb_session *session = crb_map_text(
	    &core->sessions, reopening->id);
	struct crb_err err;

	/* It may have ended meanwhile, and even be gone. */
	if (session != NULL && session->listener == -1 &&
	    reopened(session, msg, why, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "session not reopened", CRB_LOG_SESSION,
		    session->id, CRB_LOG_REASON, err.msg, CRB_LOG_END);
	free(reopening);
	core->reopening--;
	reopen_more(core);
}

static enum crb_status
reopen(struct crb_session *session, struct crb_err *err)
{
	CRB_AUTO_FREE struct reopening *reopening = calloc(
	    1, sizeof(*reopening));
	enum crb_status status;

	if (reopening == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	reopening->core = session->core;
	memcpy(reopening->id, session->id, sizeof(reopening->id));
	status = crb_session_ask_folder(session, on_folder, reopening, err);
	if (status == CRB_OK) {
		session->core->reopening++;
		reopening = NULL;
	}
	return status;
}

static void
reopen_more(struct crb_core *core)
{
	struct crb_session *session;
	struct crb_err err;

	while (core->reopening < REOPEN_WINDOW &&
	    (session = core->reopen) != NULL) {
		core->reopen = TAILQ_NEXT(session, link);
		if (session->state == CRB_SESSION_LIVE &&
		    session->listener == -1 && reopen(session, &err) != CRB_OK)
			crb_log(CRB_LOG_WARN, "session not reopened",
			    CRB_LOG_SESSION, session->id, CRB_LOG_REASON,
			    err.msg, CRB_LOG_END);
	}
	if (core->reopening == 0 && core->reopen == NULL)
		crb_core_say_ready(core);
}

/*
 * What ended is buried, since its tombstone has been down; what should have
 * ended while nobody watched ends now; what lives is opened.
 */
void
crb_session_reopen_all(struct crb_core *core)
{
	struct crb_session *session, *next;
	struct crb_err err;

	for (session = TAILQ_FIRST(&core->list); session != NULL;
	     session = next) {
		next = TAILQ_NEXT(session, link);
		if (session->state != CRB_SESSION_LIVE)
			crb_session_retire(session);
		else if (crb_session_watch(session, &err) != CRB_OK)
			crb_log(CRB_LOG_ERROR, "session not watched",
			    CRB_LOG_SESSION, session->id, CRB_LOG_REASON,
			    err.msg, CRB_LOG_END);
	}
	core->reopen = TAILQ_FIRST(&core->list);
	reopen_more(core);
}
