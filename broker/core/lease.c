#include "broker/core/lease.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/log.h"
#include "base/process.h"
#include "broker/core/lease_impl.h"
#include "broker/core/limits.h"

/* One with less left is minted anew when somebody asks the core for it. */
#define FRESH_S 660
/* Upstreams whose keys last no time are not asked all the time. */
#define OFTEN_S 30
#define WAITS_MAX 256
#define REST_MOST_S 60
/* Timers are set no further ahead, and then again. */
#define TIMER_MOST_S (24 * 60 * 60)
/* A lease is minted anew so long before its end; never in its first minute. */
#define AHEAD_LEAST_S FRESH_S
#define AHEAD_MOST_S 1200
#define JITTER_S 30

struct crb_lease *
crb_lease_find(const struct crb_session *session, const char *credential)
{
	struct crb_lease *lease;

	TAILQ_FOREACH(lease, &session->leases, link)
	if (strcmp(lease->credential, credential) == 0)
		return lease;
	return NULL;
}

static int64_t
left(const struct crb_lease *lease)
{
	return lease->keys != NULL ? lease->expires - crb_wall_seconds() : 0;
}

static bool
resting(const struct crb_lease *lease)
{
	return lease->failures > 0 &&
	    crb_loop_now(lease->session->core->loop) < lease->again;
}

/* Who waits is called outside of the lease, which may be gone by then. */
static void
tell_all(struct crb_lease_waits *waits, const struct crb_err *why)
{
	struct crb_lease_wait *wait;

	while ((wait = TAILQ_FIRST(waits)) != NULL) {
		TAILQ_REMOVE(waits, wait, link);
		wait->fn(wait->ctx, why);
		free(wait);
	}
}

static void
take_waits(struct crb_lease *lease, struct crb_lease_waits *out)
{
	TAILQ_CONCAT(out, &lease->waits, link);
	lease->waiting = 0;
}

static void
settle(struct crb_lease *lease, const struct crb_err *why)
{
	struct crb_lease_waits waits = TAILQ_HEAD_INITIALIZER(waits);

	take_waits(lease, &waits);
	tell_all(&waits, why);
}

static void
wipe(struct crb_lease *lease)
{
	struct crb_lease_record *record;

	crb_secret_free(lease->keys);
	lease->keys = NULL;
	TAILQ_FOREACH(record, &lease->session->lease_records, link)
	if (strcmp(record->credential, lease->credential) == 0)
		record->live = false;
}

/* Out of its session; who waited is in `waits`. */
static void
lease_close(struct crb_lease *lease, struct crb_lease_waits *waits)
{
	struct crb_loop *loop = lease->session->core->loop;

	if (lease->mint != NULL)
		crb_mint_orphan(lease->mint);
	take_waits(lease, waits);
	crb_timer_clear(loop, &lease->timer);
	crb_timer_clear(loop, &lease->wake);
	wipe(lease);
	TAILQ_REMOVE(&lease->session->leases, lease, link);
	free(lease);
}

int64_t
crb_lease_ahead(int64_t seconds)
{
	int64_t ahead = seconds / 2;

	if (ahead < AHEAD_LEAST_S)
		ahead = AHEAD_LEAST_S;
	if (ahead > AHEAD_MOST_S)
		ahead = AHEAD_MOST_S;
	if (ahead > seconds - CRB_LEASE_LEAST_S)
		ahead = seconds - CRB_LEASE_LEAST_S;
	return ahead > 0 ? ahead : 0;
}

/* Worth another mint: somebody uses it, and the session outlives it. */
static bool
wanted(const struct crb_lease *lease)
{
	return lease->due && lease->fetched && lease->mint == NULL &&
	    lease->session->expires > lease->expires;
}

static void
renew(struct crb_lease *lease)
{
	struct crb_err err;

	/* Nobody is asked to approve what is only minted ahead of need. */
	if (wanted(lease) && !resting(lease) &&
	    !crb_mint_unapproved(lease->session, lease->credential) &&
	    crb_mint_begin(lease, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "lease not renewed", CRB_LOG_SESSION,
		    lease->session->id, CRB_LOG_REASON, err.msg, CRB_LOG_END);
}

/* Until it is to be minted anew, is tried again, or ends. */
static void
rearm(struct crb_lease *lease)
{
	struct crb_loop *loop = lease->session->core->loop;
	int64_t seconds = left(lease), rest;
	struct crb_err err;

	if (lease->keys == NULL)
		return;
	if (!lease->due)
		seconds -= lease->ahead;
	else if (wanted(lease) && resting(lease)) {
		rest = (lease->again - crb_loop_now(loop)) / 1000 + 1;
		seconds = seconds < rest ? seconds : rest;
	}
	if (seconds < 0)
		seconds = 0;
	if (seconds > TIMER_MOST_S)
		seconds = TIMER_MOST_S;
	if (crb_timer_set(loop, &lease->timer, seconds * 1000, &err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "no timer", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
}

static void
tick(void *ctx)
{
	struct crb_lease *lease = ctx;

	if (left(lease) <= 0) {
		wipe(lease);
		return;
	}
	lease->due = left(lease) <= lease->ahead;
	renew(lease);
	rearm(lease);
}

/* It lives, and the gateway may not have it. */
static void
woken(void *ctx)
{
	struct crb_lease *lease = ctx;

	/* It ended just now. */
	if (lease->keys == NULL && lease->mint == NULL) {
		struct crb_err why;

		(void)crb_err_set(&why, CRB_ERR_LIMIT,
		    "the lease of %s has just ended; try again",
		    lease->credential);
		settle(lease, &why);
		return;
	}
	if (lease->keys == NULL)
		return;
	crb_lease_tell(lease);
	settle(lease, NULL);
}

static enum crb_status
lease_new(struct crb_session *session, const char *credential, const char *form,
    struct crb_lease **out, struct crb_err *err)
{
	struct crb_lease *lease = calloc(1, sizeof(*lease));

	if (lease == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	lease->session = session;
	lease->form = form;
	memcpy(lease->credential, credential, strlen(credential) + 1);
	TAILQ_INIT(&lease->waits);
	crb_timer_init(&lease->timer, tick, lease);
	crb_timer_init(&lease->wake, woken, lease);
	TAILQ_INSERT_TAIL(&session->leases, lease, link);
	*out = lease;
	return CRB_OK;
}

/* A recorded grant of it, for as long as both are of the same kind. */
static const struct crb_credential *
granted(const struct crb_session *session, const char *name)
{
	const struct crb_credential *credential = crb_map_text(
	    &session->core->credentials, name);

	for (size_t i = 0; credential != NULL && i < session->grant_count;
	     i++) {
		const struct crb_session_grant *at = &session->grants[i];

		if (!at->pending && at->grant->backend == credential->backend &&
		    strcmp(at->grant->credential, name) == 0)
			return credential;
	}
	return NULL;
}

static enum crb_status
get(struct crb_session *session, const char *name, struct crb_lease **out,
    struct crb_err *err)
{
	const struct crb_credential *credential = granted(session, name);

	if (session->state != CRB_SESSION_LIVE)
		return crb_err_set(
		    err, CRB_ERR_DENIED, "session %s is not live", session->id);
	if (credential == NULL)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "no credential \"%.64s\" is granted to task %s", name,
		    session->task);
	if (credential->backend->mint == NULL)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "credential %s is only injected: nothing is minted of it",
		    name);
	if ((*out = crb_lease_find(session, name)) != NULL)
		return CRB_OK;
	return lease_new(session, name, credential->backend->form, out, err);
}

/* There is something to wait for, from here on. */
static enum crb_status
have(struct crb_lease *lease, struct crb_err *err)
{
	int64_t now = crb_wall_seconds();
	bool new = lease->keys != NULL &&now - lease->minted < OFTEN_S;

	if (left(lease) >= FRESH_S || (new &&left(lease) > 0) ||
	    (left(lease) >= CRB_LEASE_LEAST_S &&
		crb_mint_unapproved(lease->session, lease->credential)))
		return crb_timer_set(
		    lease->session->core->loop, &lease->wake, 0, err);
	if (lease->mint != NULL)
		return CRB_OK;
	if (!resting(lease))
		return crb_mint_begin(lease, err);
	*err = lease->why;
	return err->status;
}

enum crb_status
crb_lease_want(struct crb_session *session, const char *credential,
    crb_lease_fn *fn, void *ctx, struct crb_err *err)
{
	struct crb_lease_wait *wait;
	struct crb_lease *lease;
	enum crb_status status;

	if ((status = get(session, credential, &lease, err)) != CRB_OK)
		return status;
	if (lease->waiting >= WAITS_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "%d requests wait for a lease of %s already", WAITS_MAX,
		    credential);
	if ((status = have(lease, err)) != CRB_OK)
		return status;
	if ((wait = malloc(sizeof(*wait))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*wait = (struct crb_lease_wait){ .fn = fn, .ctx = ctx };
	TAILQ_INSERT_TAIL(&lease->waits, wait, link);
	lease->waiting++;
	return CRB_OK;
}

void
crb_lease_leave(struct crb_session *session, const void *ctx)
{
	struct crb_lease_wait *wait, *next;
	struct crb_lease *lease;

	TAILQ_FOREACH(lease, &session->leases, link)
	for (wait = TAILQ_FIRST(&lease->waits); wait != NULL; wait = next) {
		next = TAILQ_NEXT(wait, link);
		if (wait->ctx != ctx)
			continue;
		TAILQ_REMOVE(&lease->waits, wait, link);
		lease->waiting--;
		free(wait);
	}
}

void
crb_lease_used(struct crb_lease *lease)
{
	lease->fetched = true;
	renew(lease);
	if (lease->due)
		rearm(lease);
}

const struct crb_secret *
crb_lease_keys(struct crb_session *session, const char *credential)
{
	struct crb_lease *lease = crb_lease_find(session, credential);
	struct crb_lease_record *record;

	if (session->state != CRB_SESSION_LIVE || lease == NULL ||
	    left(lease) < CRB_LEASE_LEAST_S)
		return NULL;
	if ((record = crb_lease_record_newest(session, credential)) != NULL)
		record->fetched++;
	crb_lease_used(lease);
	return lease->keys;
}

int64_t
crb_lease_expires(const struct crb_session *session, const char *credential)
{
	const struct crb_lease *lease = crb_lease_find(session, credential);

	return lease != NULL && lease->keys != NULL ? lease->expires : 0;
}

unsigned
crb_lease_rest(const struct crb_session *session, const char *credential)
{
	const struct crb_lease *lease = crb_lease_find(session, credential);
	int64_t ms;

	if (lease == NULL || !lease->passes || !resting(lease))
		return 0;
	ms = lease->again - crb_loop_now(session->core->loop);
	return (unsigned)((ms + 999) / 1000);
}

static int64_t
jittered(int64_t ahead)
{
	int64_t jitter = (int64_t)randombytes_uniform(JITTER_S + 1);

	return ahead > jitter ? ahead - jitter : ahead;
}

void
crb_lease_minted(
    struct crb_lease *lease, struct crb_secret *keys, int64_t expires)
{
	struct crb_lease_record *record;

	wipe(lease);
	lease->keys = keys;
	lease->minted = crb_wall_seconds();
	lease->expires = expires;
	lease->ahead = jittered(crb_lease_ahead(expires - lease->minted));
	lease->failures = 0;
	lease->due = lease->fetched = false;
	record = crb_lease_record_newest(lease->session, lease->credential);
	if (record != NULL)
		record->live = true;
	crb_lease_tell(lease);
	rearm(lease);
	settle(lease, NULL);
}

void
crb_lease_failed(
    struct crb_lease *lease, const struct crb_err *why, bool passes)
{
	struct crb_loop *loop = lease->session->core->loop;
	struct crb_err named =
	    *why; /* the lease may be gone before it is read */
	int64_t rest = REST_MOST_S;

	/* 1, 2, 4 ... 60 s */
	if (lease->failures < 6)
		rest = (int64_t)1 << lease->failures;
	if (rest > REST_MOST_S)
		rest = REST_MOST_S;
	lease->failures++;
	lease->again = crb_loop_now(loop) + rest * 1000;
	lease->passes = passes;
	(void)crb_err_context(&named, "credential %s", lease->credential);
	lease->why = named;
	rearm(lease);
	settle(lease, &named);
}

void
crb_lease_refused(struct crb_lease *lease, const struct crb_err *why)
{
	struct crb_err named = *why;

	if (left(lease) >= CRB_LEASE_LEAST_S) {
		crb_lease_tell(lease);
		settle(lease, NULL);
		return;
	}
	(void)crb_err_context(&named, "credential %s", lease->credential);
	settle(lease, &named);
}

void
crb_lease_drop(struct crb_session *session, const char *credential,
    struct crb_ending *ending)
{
	struct crb_lease_waits waits = TAILQ_HEAD_INITIALIZER(waits);
	struct crb_lease *lease = crb_lease_find(session, credential);
	struct crb_err why;

	if (lease == NULL)
		return;
	(void)crb_err_set(&why, CRB_ERR_LIMIT,
	    "what is granted of %s has just changed; try again", credential);
	if (lease->told)
		crb_lease_tell_drop(lease, ending);
	lease_close(lease, &waits);
	tell_all(&waits, &why);
}

void
crb_lease_drop_each(
    struct crb_core *core, const char *credential, struct crb_ending *ending)
{
	struct crb_session *session;

	TAILQ_FOREACH(session, &core->list, link)
	crb_lease_drop(session, credential, ending);
}

void
crb_leases_end(struct crb_session *session, const struct crb_err *why)
{
	struct crb_lease_waits waits = TAILQ_HEAD_INITIALIZER(waits);
	struct crb_lease *lease;

	while ((lease = TAILQ_FIRST(&session->leases)) != NULL)
		lease_close(lease, &waits);
	tell_all(&waits, why);
}

/* Of those whose keys still work, until when. */
static json_t *
show_records(const struct crb_session *session)
{
	int64_t now = crb_wall_seconds();
	const struct crb_lease_record *at;
	json_t *list = json_array();

	TAILQ_FOREACH(at, &session->lease_records, link)
	if (crb_lease_record_works(at, now))
		(void)json_array_append_new(list, crb_lease_record_shown(at));
	return list;
}

int64_t
crb_leases_until(const struct crb_session *session)
{
	const struct crb_lease_record *at;
	int64_t until = 0;

	TAILQ_FOREACH(at, &session->lease_records, link)
	if (at->expires > until)
		until = at->expires;
	return until;
}

json_t *
crb_leases_session_shown(const struct crb_session *session)
{
	json_t *shown = crb_session_shown(session);
	json_t *limits;

	if (shown == NULL)
		return NULL;
	(void)json_object_set_new(shown, "leases", show_records(session));
	if ((limits = crb_limits_shown(session)) != NULL)
		(void)json_object_set_new(shown, "limits", limits);
	return shown;
}
