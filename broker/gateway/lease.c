#include "broker/gateway/lease.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "base/slab.h"
#include "broker/gateway/connection.h"
#include "broker/gateway/exchange.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/query.h"
#include "broker/gateway/response.h"

/* At most so often the core is told how many fetches there were. */
#define COUNTS_MS 10000
/* Escaped, at worst, and what stands around it. */
#define BODY_MAX (2u * CRB_KEYS_MAX + 1024u)

/* Ready to be sent: the response is libmicrohttpd's, the body is ours. */
struct ready {
	struct MHD_Response *response; /* NULL: not asked for yet */
	char *body;
	size_t len;
};

struct crb_lease {
	struct crb_session *session;
	struct crb_lease *next; /* of the session */
	char name[CRB_TASK_MAX + 1];
	struct crb_lease_terms terms;
	char *text; /* the keys, from the slab */
	struct crb_lease_keys keys;
	struct ready ready[CRB_LEASE_FORMATS];
	uint32_t fetched; /* since the core was told */
	TAILQ_ENTRY(crb_lease) waiting;
};

static void
say_count(struct crb_lease *lease)
{
	struct crb_gateway *gateway = lease->session->gateway;

	if (lease->fetched == 0)
		return;
	TAILQ_REMOVE(&gateway->counts.waiting, lease, waiting);
	crb_gateway_send(gateway, CRB_MSG_LEASE_FETCHED,
	    &(struct crb_msg_lease_fetched){
		.session = CRB_SLICE(lease->session->id),
		.name = CRB_SLICE(lease->name),
		.count = lease->fetched });
	lease->fetched = 0;
}

static void
say_counts(void *ctx)
{
	struct crb_gateway *gateway = ctx;
	struct crb_lease *lease;

	while ((lease = TAILQ_FIRST(&gateway->counts.waiting)) != NULL)
		say_count(lease);
}

void
crb_lease_counts_init(struct crb_gateway *gateway)
{
	TAILQ_INIT(&gateway->counts.waiting);
	crb_timer_init(&gateway->counts.timer, say_counts, gateway);
}

void
crb_lease_counts_clear(struct crb_gateway *gateway)
{
	crb_timer_clear(gateway->loop, &gateway->counts.timer);
}

/* The first of many sets the timer; the others cost nothing. */
static void
count(struct crb_lease *lease)
{
	struct crb_gateway *gateway = lease->session->gateway;
	struct crb_err err;

	if (lease->fetched == UINT32_MAX)
		return;
	if (lease->fetched++ > 0)
		return;
	if (TAILQ_EMPTY(&gateway->counts.waiting) &&
	    crb_timer_set(gateway->loop, &gateway->counts.timer, COUNTS_MS,
		&err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "no timer", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
	TAILQ_INSERT_TAIL(&gateway->counts.waiting, lease, waiting);
}

/* Who is being answered with it still has its response, and then frees it. */
static void
clear_keys(struct crb_lease *lease)
{
	for (size_t i = 0; i < CRB_LEASE_FORMATS; i++) {
		if (lease->ready[i].response != NULL)
			MHD_destroy_response(lease->ready[i].response);
		lease->ready[i] = (struct ready){ .len = 0 };
	}
	crb_slab_free(lease->text);
	lease->text = NULL;
	lease->keys = (struct crb_lease_keys){ .id = { NULL, 0 } };
}

/* Its keys are in what the core has answered. */
static bool
is_answered(const struct crb_lease *lease, const struct crb_exchange *exchange)
{
	const struct crb_slice name = { exchange->match.rest,
		exchange->match.rest_len };

	return (exchange->phase == CRB_PHASE_ANSWER ||
		   exchange->phase == CRB_PHASE_REPLY) &&
	    crb_query_has_keys(exchange) && crb_slice_is(name, lease->name);
}

/* Nothing more of it goes out, though somebody be in the midst of reading. */
static void
cut(struct crb_lease *lease)
{
	struct crb_exchange *exchange;

	for (exchange = lease->session->exchanges; exchange != NULL;
	     exchange = exchange->next) {
		if (exchange->lease != lease && !is_answered(lease, exchange))
			continue;
		exchange->lease = NULL;
		if (exchange->connection != NULL)
			crb_connection_shut(exchange->connection);
	}
	for (size_t i = 0; i < CRB_LEASE_FORMATS; i++) {
		if (lease->ready[i].response != NULL)
			sodium_memzero(
			    lease->ready[i].body, lease->ready[i].len);
	}
}

static void
free_lease(struct crb_lease *lease)
{
	say_count(lease);
	cut(lease);
	clear_keys(lease);
	free(lease);
}

static struct crb_lease **
place_of(struct crb_session *session, struct crb_slice name)
{
	struct crb_lease **at = &session->leases;

	while (*at != NULL && !crb_slice_is(name, (*at)->name))
		at = &(*at)->next;
	return at;
}

static void
drop(struct crb_session *session, struct crb_slice name)
{
	struct crb_lease **at = place_of(session, name);
	struct crb_lease *lease = *at;

	if (lease == NULL)
		return;
	*at = lease->next;
	free_lease(lease);
}

/* Keeps no part of it when it fails. */
static bool
set_keys(struct crb_lease *lease, const struct crb_msg_lease *msg)
{
	char *text;

	if (!crb_slice_is(msg->form, "aws-keys") || msg->keys.len == 0 ||
	    (text = crb_slab_alloc(msg->keys.len)) == NULL)
		return false;
	memcpy(text, msg->keys.p, msg->keys.len);
	clear_keys(lease);
	lease->text = text;
	lease->terms = (struct crb_lease_terms){
		.updated = crb_wall_seconds(),
		.expires = msg->expires < INT64_MAX ? (int64_t)msg->expires
						    : INT64_MAX,
	};
	return crb_lease_keys_split(
	    (struct crb_slice){ text, msg->keys.len }, &lease->keys);
}

static struct crb_lease *
new_lease(struct crb_session *session, struct crb_slice name)
{
	struct crb_lease *lease = calloc(1, sizeof(*lease));

	if (lease == NULL)
		return NULL;
	lease->session = session;
	memcpy(lease->name, name.p, name.len);
	return lease;
}

void
crb_lease_take(struct crb_gateway *gateway, const struct crb_msg_lease *msg)
{
	struct crb_session *session = crb_sessions_find(
	    &gateway->sessions, msg->session);
	struct crb_lease **at;

	/* One that has ended meanwhile has no use for it. */
	if (session == NULL || session->end != NULL || session->expires == 0)
		return;
	at = place_of(session, msg->name);
	if (*at == NULL)
		*at = new_lease(session, msg->name);
	if (*at != NULL && set_keys(*at, msg))
		return;
	crb_log(CRB_LOG_ERROR, "a lease cannot be kept", CRB_LOG_SESSION,
	    session->id, CRB_LOG_END);
	drop(session, msg->name);
}

void
crb_lease_drop(
    struct crb_gateway *gateway, const struct crb_msg_lease_drop *msg)
{
	struct crb_session *session = crb_sessions_find(
	    &gateway->sessions, msg->session);

	if (session != NULL)
		drop(session, msg->name);
	crb_gateway_send(gateway, CRB_MSG_LEASE_DROPPED,
	    &(struct crb_msg_lease_dropped){ .request = msg->request });
}

void
crb_leases_clear(struct crb_session *session)
{
	struct crb_lease *lease;

	while ((lease = session->leases) != NULL) {
		session->leases = lease->next;
		free_lease(lease);
	}
}

struct crb_lease *
crb_lease_find(const struct crb_session *session, struct crb_slice name,
    int64_t now, int64_t least)
{
	struct crb_lease *lease = session->leases;

	while (lease != NULL && !crb_slice_is(name, lease->name))
		lease = lease->next;
	if (lease == NULL || lease->terms.expires < now ||
	    lease->terms.expires - now < least)
		return NULL;
	return lease;
}

static struct MHD_Response *
make(const struct crb_lease *lease, enum crb_lease_format format,
    struct ready *ready)
{
	CRB_AUTO_BUF struct crb_buf body = CRB_BUF_INIT_WIPED(BODY_MAX);

	crb_lease_write(format, &lease->keys, &lease->terms, &body);
	if (body.failed)
		return NULL;
	ready->len = body.len;
	ready->response = crb_response_secret(
	    crb_buf_text(&body), body.len, "application/json", &ready->body);
	return ready->response;
}

struct MHD_Response *
crb_lease_fetch(struct crb_lease *lease, enum crb_lease_format format)
{
	struct ready *ready = &lease->ready[format];

	if (ready->response == NULL && make(lease, format, ready) == NULL)
		return NULL;
	count(lease);
	return ready->response;
}

struct MHD_Response *
crb_lease_fetch_alone(struct crb_lease *lease, enum crb_lease_format format)
{
	struct ready ready;

	count(lease);
	return make(lease, format, &ready);
}
