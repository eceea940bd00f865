#include "broker/core/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/core/exchange.h"
#include "broker/core/lease.h"
#include "broker/core/lease_record.h"
#include "broker/core/limits.h"

#define PREFIX_LEAST 3
#define LABEL_MAX 256

static const struct crb_session_state_info infos[CRB_SESSION_STATE_COUNT] = {
	[CRB_SESSION_OPENING] = { "opening", "session_opening",
	    "Session not open yet", "session.issue" },
	[CRB_SESSION_LIVE] = { "live", "ok", "Session live", "session.issue" },
	[CRB_SESSION_EXPIRED] = { "expired", "session_expired",
	    "Session expired", "session.expire" },
	[CRB_SESSION_REVOKED] = { "revoked", "session_revoked",
	    "Session revoked", "revoke" },
	[CRB_SESSION_PROCESS_ENDED] = { "process ended", "session_ended",
	    "Session ended with its process", "session.end" },
	[CRB_SESSION_FAILED] = { "failed", "session_failed",
	    "Session could not be opened", "session.fail" },
};

const struct crb_session_state_info *
crb_session_state_info(enum crb_session_state state)
{
	return &infos[state];
}

static void
session_cleanup(struct crb_session **session)
{
	crb_session_free(*session);
}
#define AUTO_SESSION __attribute__((cleanup(session_cleanup)))

enum crb_status
crb_session_new(struct crb_core *core, const char *task,
    struct crb_session **out, struct crb_err *err)
{
	AUTO_SESSION struct crb_session *session = NULL;

	if (!crb_task_ok(task))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a task's id has 1 to %d of A-Z, a-z, 0-9 and, inside, . _ -",
		    CRB_TASK_MAX);
	if ((session = calloc(1, sizeof(*session))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	session->core = core;
	session->pidfd = session->listener = -1;
	TAILQ_INIT(&session->exchanges);
	TAILQ_INIT(&session->leases);
	TAILQ_INIT(&session->lease_records);
	crb_timer_init(&session->timer, NULL, session);
	session->labels = json_object();
	session->task = strdup(task);
	if (session->labels == NULL || session->task == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*out = CRB_STEAL(session);
	return CRB_OK;
}

static void
leave(struct crb_session *session)
{
	struct crb_core *core = session->core;

	if (session->id[0] == '\0' ||
	    crb_map_text(&core->sessions, session->id) != session)
		return;
	if (core->reopen == session)
		core->reopen = TAILQ_NEXT(session, link);
	if (core->announce == session)
		core->announce = TAILQ_NEXT(session, link);
	(void)crb_map_take(&core->sessions, session->id, strlen(session->id));
	TAILQ_REMOVE(&core->list, session, link);
}

static void
end_leases(struct crb_session *session)
{
	struct crb_err why;

	(void)crb_err_set(
	    &why, CRB_ERR_DENIED, "session %s is gone", session->id);
	crb_leases_end(session, &why);
	crb_lease_records_leave(session);
}

void
crb_session_free(struct crb_session *session)
{
	if (session == NULL)
		return;
	crb_exchange_forget(session);
	end_leases(session);
	leave(session);
	crb_timer_clear(session->core->loop, &session->timer);
	if (session->pidfd != -1) {
		crb_loop_unwatch(session->core->loop, session->pidfd);
		(void)close(session->pidfd);
	}
	if (session->listener != -1)
		(void)close(session->listener);
	for (size_t i = 0; i < session->grant_count; i++)
		crb_grant_release(session->grants[i].grant);
	free(session->grants);
	free(session->idle);
	json_decref(session->labels);
	free(session->workspace);
	free(session->aws_credential);
	free(session->profile);
	json_decref(session->groups);
	free(session->user);
	free(session->task);
	free(session);
}

enum crb_status
crb_session_enter(struct crb_session *session, struct crb_err *err)
{
	struct crb_core *core = session->core;
	enum crb_status status;

	status = crb_map_put(
	    &core->sessions, session->id, strlen(session->id), session, err);
	if (status == CRB_OK)
		TAILQ_INSERT_TAIL(&core->list, session, link);
	return status;
}

struct crb_session *
crb_session_get(const struct crb_core *core, struct crb_slice id)
{
	return crb_map_get(&core->sessions, id.p, id.len);
}

/* `issuer` NULL: anybody's. */
static bool
visible(const struct crb_session *session, const uid_t *issuer)
{
	return session != NULL && session->state != CRB_SESSION_OPENING &&
	    (issuer == NULL || session->issuer == *issuer);
}

static enum crb_status
find_prefix(const struct crb_core *core, const uid_t *issuer,
    const char *prefix, struct crb_session **out, struct crb_err *err)
{
	struct crb_session *session, *found = NULL;
	size_t len = strlen(prefix), matches = 0;

	TAILQ_FOREACH(session, &core->list, link)
	{
		if (!visible(session, issuer) ||
		    strncmp(session->id, prefix, len) != 0)
			continue;
		found = session;
		matches++;
	}
	if (matches == 1) {
		*out = found;
		return CRB_OK;
	}
	if (matches > 1)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%zu sessions start with \"%s\"; give more of the id",
		    matches, prefix);
	return crb_err_set(err, CRB_ERR_NOT_FOUND,
	    "there is no session \"%s\" (see: credbroker session list)",
	    prefix);
}

static bool
id_like(const char *id)
{
	size_t len = strlen(id);

	return len >= PREFIX_LEAST && len <= CRB_SESSION_ID_MAX &&
	    strspn(id, CRB_LOWER CRB_UPPER CRB_DIGITS) == len;
}

static enum crb_status
find(const struct crb_core *core, const uid_t *issuer, const char *id,
    struct crb_session **out, struct crb_err *err)
{
	struct crb_session *session;

	if (!id_like(id))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a session is named by its id, or by at least %d characters of its start",
		    PREFIX_LEAST);
	session = crb_map_text(&core->sessions, id);
	if (visible(session, issuer)) {
		*out = session;
		return CRB_OK;
	}
	return find_prefix(core, issuer, id, out, err);
}

enum crb_status
crb_session_find(const struct crb_core *core, const char *id,
    struct crb_session **out, struct crb_err *err)
{
	return find(core, NULL, id, out, err);
}

enum crb_status
crb_session_find_of(const struct crb_core *core, uid_t issuer, const char *id,
    struct crb_session **out, struct crb_err *err)
{
	return find(core, &issuer, id, out, err);
}

uint64_t
crb_session_counted(const struct crb_session *session)
{
	return session->requests + session->mints + session->up + session->down;
}

int64_t
crb_session_left(const struct crb_session *session)
{
	int64_t left = crb_limits_end(session) - crb_wall_seconds();

	return left > 0 ? left : 0;
}

enum crb_status
crb_session_add_grant(struct crb_session *session, unsigned number,
    struct crb_grant *grant, struct crb_err *err)
{
	struct crb_session_grant *bigger;

	if (session->grant_count >= CRB_SESSION_GRANTS_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "a session has at most %d grants", CRB_SESSION_GRANTS_MAX);
	bigger = reallocarray(
	    session->grants, session->grant_count + 1, sizeof(*bigger));
	if (bigger == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	session->grants = bigger;
	bigger[session->grant_count++] = (struct crb_session_grant){
		.number = number, .grant = grant
	};
	if (number > session->last_grant)
		session->last_grant = number;
	session->terms++;
	return CRB_OK;
}

static bool
label_text_ok(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return len <= LABEL_MAX;
}

enum crb_status
crb_labels_check(const json_t *labels, struct crb_err *err)
{
	const char *key;
	json_t *value;

	if (json_object_size(labels) > CRB_LABELS_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "there are at most %d labels", CRB_LABELS_MAX);
	/* jansson has no const iterator. */
	json_object_foreach((json_t *)(uintptr_t)labels, key, value)
	{
		if (!crb_name_ok(key))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "a label's name has 1 to 64 of a-z, 0-9 and, inside, . _ -");
		if (!json_is_string(value) ||
		    !label_text_ok(json_string_value(value)))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "label %s: not a text of at most %d bytes on one line",
			    key, LABEL_MAX);
	}
	return CRB_OK;
}

enum crb_status
crb_session_folder(const struct crb_session *session, char out[CRB_PATH_MAX],
    struct crb_err *err)
{
	char sessions[CRB_PATH_MAX];
	enum crb_status status;

	status = crb_path_join(
	    sessions, session->core->runtime_folder, "sessions", err);
	if (status == CRB_OK)
		status = crb_path_join(out, sessions, session->id, err);
	return status;
}
