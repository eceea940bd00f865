#include "broker/gateway/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "broker/gateway/connection.h"
#include "broker/gateway/exchange.h"
#include "broker/gateway/flow.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/imds.h"
#include "broker/gateway/lease.h"
#include "broker/gateway/listener.h"

/* FNV-1a: the ids are random, and the broker's own. */
static size_t
bucket_of(const struct crb_sessions *sessions, struct crb_slice id)
{
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < id.len; i++)
		hash = (hash ^ (unsigned char)id.p[i]) * 1099511628211u;
	return (size_t)(hash & (sessions->bucket_count - 1));
}

struct crb_session *
crb_sessions_find(const struct crb_sessions *sessions, struct crb_slice id)
{
	struct crb_session *session;

	if (sessions->bucket_count == 0)
		return NULL;
	session = sessions->buckets[bucket_of(sessions, id)];
	while (session != NULL && !crb_slice_is(id, session->id))
		session = session->next;
	return session;
}

static void
enter(struct crb_sessions *sessions, struct crb_session *session)
{
	size_t bucket = bucket_of(sessions, CRB_SLICE(session->id));

	session->next = sessions->buckets[bucket];
	sessions->buckets[bucket] = session;
	sessions->count++;
}

static void
leave(struct crb_sessions *sessions, struct crb_session *session)
{
	struct crb_session **at =
	    &sessions->buckets[bucket_of(sessions, CRB_SLICE(session->id))];

	while (*at != NULL && *at != session)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = session->next;
	sessions->count--;
}

static bool
grow(struct crb_sessions *sessions)
{
	struct crb_sessions larger = { .bucket_count = sessions->bucket_count *
		    2 };
	struct crb_session *session, *next;

	if (sessions->count < sessions->bucket_count)
		return true;
	if (larger.bucket_count == 0)
		larger.bucket_count = 64;
	larger.buckets = calloc(
	    larger.bucket_count, sizeof(struct crb_session *));
	if (larger.buckets == NULL)
		return false;
	for (size_t i = 0; i < sessions->bucket_count; i++) {
		for (session = sessions->buckets[i]; session != NULL;
		     session = next) {
			next = session->next;
			enter(&larger, session);
		}
	}
	free(sessions->buckets);
	*sessions = larger;
	return true;
}

static void
clear_metadata(struct crb_session *session)
{
	if (session->imds != NULL)
		crb_imds_clear(session->imds);
	free(session->imds);
	session->imds = NULL;
}

/* It has left the table, and has no connection. */
static void
free_session(struct crb_session *session)
{
	while (session->exchanges != NULL)
		crb_exchange_orphan(session->exchanges);
	crb_flow_close_all(session);
	crb_leases_clear(session);
	clear_metadata(session);
	crb_listener_close(session);
	free(session->end);
	sodium_memzero(session->token_hash, sizeof(session->token_hash));
	free(session);
}

static struct crb_session *
new_session(struct crb_gateway *gateway, struct crb_msg *msg)
{
	const struct crb_msg_session_open *open = &msg->session_open;
	struct crb_session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return NULL;
	session->gateway = gateway;
	memcpy(session->id, open->session.p, open->session.len);
	memcpy(session->token_hash, open->token_hash.p,
	    sizeof(session->token_hash));
	session->expires = open->expires < INT64_MAX ? (int64_t)open->expires
						     : INT64_MAX;
	session->port = open->port;
	session->connection_max = open->connections > 0 ? open->connections : 1;
	session->listener = CRB_STEAL_FD(msg->fd);
	return session;
}

enum crb_status
crb_session_open(
    struct crb_gateway *gateway, struct crb_msg *msg, struct crb_err *err)
{
	const struct crb_msg_session_open *open = &msg->session_open;
	struct crb_session *session;

	if (open->session.len == 0 ||
	    open->token_hash.len != CRB_TOKEN_HASH_BYTES)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the session is malformed");
	if (crb_sessions_find(&gateway->sessions, open->session) != NULL)
		return crb_err_set(
		    err, CRB_ERR_EXISTS, "the session is open already");
	if (msg->fd == CRB_FD_LOST)
		return crb_err_set(
		    err, CRB_ERR_LIMIT, "the gateway has no descriptors left");
	if (!grow(&gateway->sessions) ||
	    (session = new_session(gateway, msg)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (crb_listener_open(session, err) != CRB_OK) {
		free_session(session);
		return err->status;
	}
	enter(&gateway->sessions, session);
	return CRB_OK;
}

void
crb_session_renew(
    struct crb_gateway *gateway, const struct crb_msg_session_renew *msg)
{
	struct crb_session *session = crb_sessions_find(
	    &gateway->sessions, msg->session);

	if (session != NULL)
		session->expires = msg->expires < INT64_MAX
		    ? (int64_t)msg->expires
		    : INT64_MAX;
}

static struct crb_refusal *
refusal_of(const struct crb_msg_session_end *msg)
{
	struct crb_refusal *refusal = calloc(1, sizeof(*refusal));

	if (refusal == NULL)
		return NULL;
	crb_refusal_make(refusal, CRB_PROBLEM_SESSION, "%.*s",
	    (int)msg->detail.len, msg->detail.p);
	crb_refusal_set_code(refusal, msg->code);
	return refusal;
}

/* Without memory for the reason it is refused by its expiry. */
static void
purge(struct crb_session *session, struct crb_refusal *end)
{
	struct crb_exchange *exchange, *next;
	struct crb_refusal expired;

	session->expires = 0;
	free(session->end);
	session->end = end;
	if (end == NULL) {
		crb_refusal_make(
		    &expired, CRB_PROBLEM_SESSION, "the session has ended");
		end = &expired;
	}
	for (exchange = session->exchanges; exchange != NULL; exchange = next) {
		next = exchange->next;
		crb_exchange_cut(exchange, end);
	}
	crb_leases_clear(session);
	clear_metadata(session);
	crb_flow_close_all(session);
}

void
crb_session_end(
    struct crb_gateway *gateway, const struct crb_msg_session_end *msg)
{
	struct crb_session *session = crb_sessions_find(
	    &gateway->sessions, msg->session);

	if (session != NULL)
		purge(session, refusal_of(msg));
	crb_gateway_send(gateway, CRB_MSG_SESSION_ENDED,
	    &(struct crb_msg_session_ended){
		.request = msg->request, .session = msg->session });
}

static void
close_session(struct crb_session *session)
{
	struct crb_connection *connection, *next;

	leave(&session->gateway->sessions, session);
	crb_listener_close(session);
	session->closing = true;
	/* A copy of the end's reason would be of no use to anybody. */
	purge(session, NULL);
	for (connection = session->connections; connection != NULL;
	     connection = next) {
		next = connection->next;
		crb_connection_shut(connection);
	}
	if (session->connections == NULL)
		free_session(session);
}

void
crb_session_close(
    struct crb_gateway *gateway, const struct crb_msg_session_close *msg)
{
	struct crb_session *session = crb_sessions_find(
	    &gateway->sessions, msg->session);

	if (session != NULL)
		close_session(session);
}

void
crb_sessions_clear(struct crb_gateway *gateway)
{
	struct crb_sessions *sessions = &gateway->sessions;

	for (size_t i = 0; i < sessions->bucket_count; i++) {
		while (sessions->buckets[i] != NULL)
			close_session(sessions->buckets[i]);
	}
	free(sessions->buckets);
	*sessions = (struct crb_sessions){ .count = 0 };
}

void
crb_session_connection_gone(struct crb_session *session)
{
	if (!session->closing)
		crb_listener_room(session);
	else if (session->connections == NULL)
		free_session(session);
}

bool
crb_session_refuses(
    const struct crb_session *session, struct crb_refusal *refusal)
{
	if (session->end != NULL) {
		*refusal = *session->end;
		return true;
	}
	if (session->gateway->wall < session->expires)
		return false;
	crb_refusal_make(refusal, CRB_PROBLEM_EXPIRED, "session %s has expired",
	    session->id);
	return true;
}

bool
crb_session_accepts(const struct crb_session *session,
    struct crb_slice authorization, bool bare)
{
	static const char scheme[] = "Bearer ";
	size_t skip = sizeof(scheme) - 1;
	unsigned char hash[CRB_TOKEN_HASH_BYTES];

	if (authorization.len <= skip ||
	    strncasecmp(authorization.p, scheme, skip) != 0) {
		if (!bare)
			return false;
		if (crb_slice_is(authorization, CRB_TOKEN_NONE))
			return true;
		skip = 0;
	}
	crb_token_hash(authorization.p + skip, authorization.len - skip, hash);
	return sodium_memcmp(hash, session->token_hash, sizeof(hash)) == 0;
}

void
crb_session_imds(
    struct crb_gateway *gateway, const struct crb_msg_session_imds *msg)
{
	struct crb_session *session = crb_sessions_find(
	    &gateway->sessions, msg->session);

	if (session == NULL || session->end != NULL || session->expires == 0)
		return;
	if (session->imds == NULL)
		session->imds = calloc(1, sizeof(*session->imds));
	if (session->imds != NULL && crb_imds_describe(session->imds, msg))
		return;
	crb_log(CRB_LOG_ERROR, "no instance metadata", CRB_LOG_SESSION,
	    session->id, CRB_LOG_END);
	clear_metadata(session);
}
