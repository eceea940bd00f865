#ifndef CRB_GATEWAY_SESSION_H
#define CRB_GATEWAY_SESSION_H

#include <stdbool.h>

#include "base/loop.h"
#include "base/text.h"
#include "base/token.h"
#include "broker/bus/messages.h"
#include "broker/gateway/problem.h"

struct crb_connection;
struct crb_exchange;
struct crb_flow;
struct crb_gateway;
struct crb_imds;
struct crb_lease;

/* A session as the gateway knows it: its socket, and how to refuse it. */
struct crb_session {
	struct crb_gateway *gateway;
	char id[CRB_SESSION_ID_MAX + 1];
	unsigned char token_hash[CRB_TOKEN_HASH_BYTES];
	int64_t expires; /* wall clock, seconds */
	uint16_t port;   /* of the host's, that Host may name, too; 0: none */
	int listener;    /* -1: closed */
	bool full;       /* accepts nothing for now */
	bool closing;    /* freed with its last connection */
	unsigned connection_count, connection_max;
	size_t asking; /* bytes of questions that the core has not answered */
	size_t held;   /* of bodies that wait for the core's verdict */
	struct crb_timer pause;
	struct crb_refusal *end; /* NULL while it lives */
	struct crb_connection *connections;
	struct crb_exchange *exchanges;
	struct crb_flow *flows;
	struct crb_lease *leases;
	struct crb_imds *imds;    /* NULL: it has none */
	struct crb_session *next; /* of its bucket */
};

/* All of them, by id. */
struct crb_sessions {
	struct crb_session **buckets;
	size_t bucket_count, count;
};

void crb_sessions_clear(struct crb_gateway *gateway);
struct crb_session *crb_sessions_find(
    const struct crb_sessions *sessions, struct crb_slice id);

/* What the core says of them; a descriptor that is used is taken. */
CRB_NODISCARD enum crb_status crb_session_open(
    struct crb_gateway *gateway, struct crb_msg *msg, struct crb_err *err);
void crb_session_renew(
    struct crb_gateway *gateway, const struct crb_msg_session_renew *msg);
/*
 * From when this returns nothing of the session goes upstream or comes from
 * there, and every request is refused.
 */
void crb_session_end(
    struct crb_gateway *gateway, const struct crb_msg_session_end *msg);
void crb_session_close(
    struct crb_gateway *gateway, const struct crb_msg_session_close *msg);

/* One of its connections was freed; may free the session. */
void crb_session_connection_gone(struct crb_session *session);

/* It has ended or expired; *refusal says how. */
bool crb_session_refuses(
    const struct crb_session *session, struct crb_refusal *refusal);
/*
 * "Bearer TOKEN" of this very session, in constant time; or TOKEN as it is, or
 * CRB_TOKEN_NONE, where that will do.
 */
bool crb_session_accepts(const struct crb_session *session,
    struct crb_slice authorization, bool bare);

/* It has instance metadata, from now on or in other words. */
void crb_session_imds(
    struct crb_gateway *gateway, const struct crb_msg_session_imds *msg);

#endif /* !CRB_GATEWAY_SESSION_H */
