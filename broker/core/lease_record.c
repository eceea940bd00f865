#include "broker/core/lease_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "broker/core/lease_impl.h"

#define WHERE "stored lease"
#define VERSION 1
/* No upstream makes keys that last longer, and none asks for more time. */
#define LONGEST_S (36 * 60 * 60)
#define ASKING_S 60

static const char *const names[CRB_LEASE_STATE_COUNT] = {
	[CRB_LEASE_ASKED] = "asked",
	[CRB_LEASE_UNKNOWN] = "unknown",
	[CRB_LEASE_MINTED] = "minted",
};

static void
record_cleanup(struct crb_lease_record **record)
{
	crb_lease_record_free(*record);
}
#define AUTO_RECORD __attribute__((cleanup(record_cleanup)))

static void
enter(struct crb_lease_record *record, struct crb_lease_records *list)
{
	TAILQ_INSERT_TAIL(list, record, link);
	record->list = list;
}

void
crb_lease_record_free(struct crb_lease_record *record)
{
	if (record == NULL)
		return;
	if (record->mint != NULL)
		crb_mint_unrecord(record->mint);
	if (record->list != NULL) {
		TAILQ_REMOVE(record->list, record, link);
		--*record->total;
	}
	free(record->task);
	free(record->order);
	free(record);
}

/* One more, and not one that only moves. */
static void
enter_first(struct crb_lease_record *record, struct crb_core *core,
    struct crb_lease_records *list)
{
	record->total = &core->lease_record_count;
	++*record->total;
	enter(record, list);
}

static size_t
count(const struct crb_session *session)
{
	const struct crb_lease_record *at;
	size_t number = 0;

	TAILQ_FOREACH(at, &session->lease_records, link)
	number++;
	return number;
}

/* jansson's memory is the slab's, which this is no secret for. */
static char *
plain_text(const json_t *json)
{
	char *text = crb_json_text(json);
	char *copy = text != NULL ? strdup(text) : NULL;

	crb_json_text_free(text);
	return copy;
}

/* When what was asked for is over, whenever it was minted. */
static int64_t
bound(int64_t asked, const json_t *order)
{
	const json_t *duration = json_object_get(order, "duration");
	int64_t seconds = json_integer_value(duration);

	if (seconds <= 0 || seconds > LONGEST_S)
		seconds = LONGEST_S;
	return asked + ASKING_S + seconds;
}

enum crb_status
crb_lease_record_new(struct crb_session *session,
    const struct crb_credential *credential, const json_t *order,
    struct crb_lease_record **out, struct crb_err *err)
{
	AUTO_RECORD struct crb_lease_record *record = NULL;

	if (count(session) >= CRB_LEASE_RECORDS_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "session %s has %d leases that have not expired; no more "
		    "are minted for it",
		    session->id, CRB_LEASE_RECORDS_MAX);
	/* None of them can be forgotten: their keys work. */
	if (session->core->lease_record_count >= CRB_LEASE_RECORDS_ALL)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "the broker has %d leases that have not expired; no more "
		    "are minted until one has",
		    CRB_LEASE_RECORDS_ALL);
	if ((record = calloc(1, sizeof(*record))) == NULL ||
	    (record->task = strdup(session->task)) == NULL ||
	    (record->order = plain_text(order)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_record_id_random(&record->record);
	memcpy(record->session, session->id, sizeof(record->session));
	record->issuer = session->issuer;
	memcpy(
	    record->credential, credential->name, sizeof(record->credential));
	(void)snprintf(record->backend, sizeof(record->backend), "%s",
	    credential->backend->kind);
	record->injected = !crb_lease_handed_out(session, credential->name);
	record->asked = crb_wall_seconds();
	record->expires = bound(record->asked, order);
	enter_first(record, session->core, &session->lease_records);
	*out = CRB_STEAL(record);
	return CRB_OK;
}

static json_t *
order_json(const struct crb_lease_record *record)
{
	json_t *order = NULL;
	struct crb_err err;

	(void)!crb_json_parse(
	    record->order, strlen(record->order), "order", &order, &err);
	return order;
}

static const char *
delivery(const struct crb_lease_record *record)
{
	return record->injected ? "inject" : "mint";
}

static json_t *
to_json(const struct crb_lease_record *record)
{
	return json_pack("{s:i, s:s, s:s, s:I, s:s, s:s, s:s, s:I, s:I, s:I, "
			 "s:s, s:I, s:s, s:o}",
	    "version", VERSION, "session", record->session, "task",
	    record->task, "issuer", (json_int_t)record->issuer, "credential",
	    record->credential, "backend", record->backend, "state",
	    names[record->state], "asked", (json_int_t)record->asked, "minted",
	    (json_int_t)record->minted, "expires", (json_int_t)record->expires,
	    "id", record->id, "fetched", (json_int_t)record->fetched,
	    "delivery", delivery(record), "order", order_json(record));
}

enum crb_status
crb_lease_record_put(struct crb_core *core,
    const struct crb_lease_record *record, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = to_json(record);

	if (json == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return crb_commit_put(
	    core->commit, CRB_KIND_LEASE, &record->record, json, err);
}

enum crb_status
crb_lease_record_delete(
    struct crb_core *core, struct crb_lease_record *record, struct crb_err *err)
{
	enum crb_status status = crb_commit_delete(
	    core->commit, CRB_KIND_LEASE, &record->record, err);

	if (status == CRB_OK)
		crb_lease_record_free(record);
	return status;
}

static struct crb_lease_record *
other_unknown(const struct crb_lease_record *record)
{
	struct crb_lease_record *at;

	TAILQ_FOREACH(at, record->list, link)
	if (at != record && at->state == CRB_LEASE_UNKNOWN &&
	    strcmp(at->session, record->session) == 0 &&
	    strcmp(at->credential, record->credential) == 0)
		return at;
	return NULL;
}

/* What asks in vain for hours must not add up. */
enum crb_status
crb_lease_record_unknown(
    struct crb_core *core, struct crb_lease_record *record, struct crb_err *err)
{
	struct crb_lease_record *other = other_unknown(record);
	enum crb_status status = CRB_OK;

	record->state = CRB_LEASE_UNKNOWN;
	if (other != NULL && other->expires > record->expires)
		record->expires = other->expires;
	if (other != NULL)
		status = crb_lease_record_delete(core, other, err);
	return status == CRB_OK ? crb_lease_record_put(core, record, err)
				: status;
}

static enum crb_status
load_text(const json_t *json, const char *key, char *out, size_t size,
    struct crb_err *err)
{
	enum crb_status status;
	const char *text;

	if ((status = crb_json_string(json, key, WHERE, &text, err)) != CRB_OK)
		return status;
	if (strlen(text) >= size)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, WHERE ": %s is too long", key);
	memcpy(out, text, strlen(text) + 1);
	return CRB_OK;
}

static enum crb_status
load_texts(
    struct crb_lease_record *record, const json_t *json, struct crb_err *err)
{
	enum crb_status status;
	/* Not in the first ones that were written. */
	const char *how = json_string_value(json_object_get(json, "delivery"));
	const char *task;
	json_t *order;

	if ((status = load_text(json, "session", record->session,
		 sizeof(record->session), err)) ||
	    (status = load_text(json, "credential", record->credential,
		 sizeof(record->credential), err)) ||
	    (status = load_text(json, "backend", record->backend,
		 sizeof(record->backend), err)) ||
	    (status = load_text(
		 json, "id", record->id, sizeof(record->id), err)) ||
	    (status = crb_json_string(json, "task", WHERE, &task, err)) ||
	    (status = crb_json_object(json, "order", WHERE, &order, err)))
		return status;
	record->injected = how != NULL && strcmp(how, "inject") == 0;
	record->task = strdup(task);
	record->order = plain_text(order);
	if (record->task == NULL || record->order == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

/* What was asked for when the broker stopped is not known any more. */
static enum crb_status
load_state(
    struct crb_lease_record *record, const json_t *json, struct crb_err *err)
{
	enum crb_status status;
	const char *name;

	if ((status = crb_json_string(json, "state", WHERE, &name, err)))
		return status;
	if (strcmp(name, names[CRB_LEASE_MINTED]) == 0)
		record->state = CRB_LEASE_MINTED;
	else if (strcmp(name, names[CRB_LEASE_ASKED]) == 0 ||
	    strcmp(name, names[CRB_LEASE_UNKNOWN]) == 0)
		record->state = CRB_LEASE_UNKNOWN;
	else
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, WHERE ": unknown state");
	return CRB_OK;
}

static enum crb_status
load(struct crb_lease_record *record, const json_t *json, struct crb_err *err)
{
	int64_t version, issuer, fetched;
	enum crb_status status;

	if ((status = crb_json_integer(
		 json, "version", WHERE, VERSION, VERSION, &version, err)) ||
	    (status = load_texts(record, json, err)) ||
	    (status = load_state(record, json, err)) ||
	    (status = crb_json_integer(
		 json, "issuer", WHERE, 0, UINT32_MAX, &issuer, err)) ||
	    (status = crb_json_integer(
		 json, "asked", WHERE, 0, INT64_MAX, &record->asked, err)) ||
	    (status = crb_json_integer(
		 json, "minted", WHERE, 0, INT64_MAX, &record->minted, err)) ||
	    (status = crb_json_integer(json, "expires", WHERE, 0, INT64_MAX,
		 &record->expires, err)) ||
	    (status = crb_json_integer(
		 json, "fetched", WHERE, 0, INT64_MAX, &fetched, err)))
		return status;
	record->issuer = (uid_t)issuer;
	record->fetched = record->kept = (uint64_t)fetched;
	return CRB_OK;
}

enum crb_status
crb_lease_record_load(struct crb_core *core, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err)
{
	AUTO_RECORD struct crb_lease_record *record = NULL;
	CRB_AUTO_JSON json_t *json = NULL;
	struct crb_session *session;
	enum crb_status status;

	if ((record = calloc(1, sizeof(*record))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	status = crb_json_parse(
	    crb_secret_bytes(plain), crb_secret_len(plain), WHERE, &json, err);
	if (status == CRB_OK)
		status = load(record, json, err);
	if (status != CRB_OK)
		return status;
	record->record = *id;
	session = crb_map_text(&core->sessions, record->session);
	enter_first(record, core,
	    session != NULL ? &session->lease_records : &core->lease_records);
	record = NULL;
	return CRB_OK;
}

static struct crb_lease_record *
find_in(const struct crb_lease_records *list, const struct crb_record_id *id)
{
	struct crb_lease_record *at;

	TAILQ_FOREACH(at, list, link)
	if (memcmp(&at->record, id, sizeof(*id)) == 0)
		return at;
	return NULL;
}

struct crb_lease_record *
crb_lease_record_find(
    const struct crb_core *core, const struct crb_record_id *id)
{
	struct crb_lease_record *found = find_in(&core->lease_records, id);
	const struct crb_session *session = TAILQ_FIRST(&core->list);

	for (; found == NULL && session != NULL;
	     session = TAILQ_NEXT(session, link))
		found = find_in(&session->lease_records, id);
	return found;
}

struct crb_lease_record *
crb_lease_record_newest(
    const struct crb_session *session, const char *credential)
{
	struct crb_lease_record *at;

	TAILQ_FOREACH_REVERSE(
	    at, &session->lease_records, crb_lease_records, link)
	if (at->state == CRB_LEASE_MINTED &&
	    strcmp(at->credential, credential) == 0)
		return at;
	return NULL;
}

void
crb_lease_records_leave(struct crb_session *session)
{
	struct crb_lease_record *at;

	while ((at = TAILQ_FIRST(&session->lease_records)) != NULL) {
		TAILQ_REMOVE(&session->lease_records, at, link);
		enter(at, &session->core->lease_records);
	}
}

void
crb_lease_records_clear(struct crb_lease_records *list)
{
	struct crb_lease_record *at;

	while ((at = TAILQ_FIRST(list)) != NULL)
		crb_lease_record_free(at);
}

bool
crb_lease_record_works(const struct crb_lease_record *record, int64_t now)
{
	return record->expires > now;
}

static enum crb_status
keep(struct crb_core *core, struct crb_lease_record *record, int64_t now,
    struct crb_err *err)
{
	enum crb_status status;

	if (record->unsaid > 0)
		crb_lease_say_fetches(core, record);
	if (record->mint != NULL)
		return CRB_OK;
	if (!crb_lease_record_works(record, now) && !record->live)
		return crb_lease_record_delete(core, record, err);
	if (record->kept == record->fetched)
		return CRB_OK;
	if ((status = crb_lease_record_put(core, record, err)) == CRB_OK)
		record->kept = record->fetched;
	return status;
}

static enum crb_status
keep_list(struct crb_core *core, struct crb_lease_records *list, int64_t now,
    struct crb_err *err)
{
	struct crb_lease_record *at, *next;
	enum crb_status status = CRB_OK;

	for (at = TAILQ_FIRST(list); status == CRB_OK && at != NULL;
	     at = next) {
		next = TAILQ_NEXT(at, link);
		status = keep(core, at, now, err);
	}
	return status;
}

void
crb_lease_records_keep(struct crb_core *core)
{
	int64_t now = crb_wall_seconds();
	struct crb_session *session;
	enum crb_status status;
	struct crb_err err;

	if (core->commit == NULL || core->commit_failed)
		return;
	status = keep_list(core, &core->lease_records, now, &err);
	TAILQ_FOREACH(session, &core->list, link)
	if (status == CRB_OK)
		status = keep_list(core, &session->lease_records, now, &err);
	if (status != CRB_OK)
		crb_log(CRB_LOG_WARN, "records of leases kept", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

static const char *
shown_state(const struct crb_lease_record *record)
{
	if (record->mint != NULL)
		return "minting";
	if (record->state != CRB_LEASE_MINTED)
		return "unknown";
	return record->live ? "live" : "issued";
}

json_t *
crb_lease_record_shown(const struct crb_lease_record *record)
{
	char minted[CRB_TIME_TEXT] = "", expires[CRB_TIME_TEXT];

	if (record->minted != 0)
		crb_text_time(record->minted, minted);
	crb_text_time(record->expires, expires);
	return json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s, s:I, s:o}",
	    "credential", record->credential, "delivery", delivery(record),
	    "state", shown_state(record), "id",
	    record->id[0] != '\0' ? record->id : NULL, "minted",
	    record->minted != 0 ? minted : NULL, "expires", expires, "fetched",
	    (json_int_t)record->fetched, "order", order_json(record));
}
