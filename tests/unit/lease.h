#ifndef UNIT_LEASE_H
#define UNIT_LEASE_H

#include "base/cleanup.h"
#include "base/json.h"
#include "base/process.h"
#include "tests/fakes/world.h"

/* What tests of leases share: a world with a credential that is minted. */
#define KEYS "AKIDLEASEDLEASED1\nleased/secret+1\nleased-token-1"
#define LONG_LIVED "long/lived+secret/which/stays/in/the/core"
#define GRANT "aws:actions=s3:GetObject,resources=arn:aws:s3:::alpha/*"
#define INJECTED GRANT ",delivery=inject"

static inline void
lease_add_credential(struct world *world)
{
	json_decref(world_call(world, "credential.add",
	    json_pack("{s:s, s:s, s:{s:s, s:s}, s:s}", "name", "aws", "backend",
		"aws-sts", "params", "role-arn",
		"arn:aws:iam::123456789012:role/agent", "region", "eu-west-1",
		"secret", "AKIDLONGLIVED0001\n" LONG_LIVED)));
}

static inline json_t *
lease_issue_params(const char *grant)
{
	return json_pack("{s:s, s:[s]}", "task", "fix-1", "grants", grant);
}

/* The egress answers the next MINT; its number is `request`. */
static inline void
lease_minted(
    struct world *world, uint32_t request, const char *keys, int64_t seconds)
{
	const struct crb_msg_minted minted = { .request = request,
		.outcome = CRB_SLICE("ok"),
		.status = 200,
		.detail = CRB_SLICE(""),
		.id = CRB_SLICE("AKIDLEASEDLEASED1"),
		.expires = (uint64_t)(crb_wall_seconds() + seconds),
		.keys = CRB_SLICE(keys) };

	world_egress_says(world, CRB_MSG_MINTED, &minted);
}

static inline void
lease_refused(struct world *world, uint32_t request, const char *outcome,
    unsigned status, const char *detail)
{
	const struct crb_msg_minted minted = { .request = request,
		.outcome = CRB_SLICE(outcome),
		.status = (uint16_t)status,
		.detail = CRB_SLICE(detail),
		.id = CRB_SLICE(""),
		.keys = CRB_SLICE("") };

	world_egress_says(world, CRB_MSG_MINTED, &minted);
}

static inline uint32_t
lease_asked(struct world *world)
{
	return world_hear(world, CRB_MSG_MINT)->mint.request;
}

/* The id in the answer to session.issue, which is taken. */
static inline void
lease_session_of(json_t *answer, char id[CRB_SESSION_ID_MAX + 1])
{
	const json_t *session = json_object_get(
	    json_object_get(answer, "result"), "session");

	assert_non_null(session);
	(void)snprintf(id, CRB_SESSION_ID_MAX + 1, "%s",
	    json_string_value(json_object_get(session, "id")));
	json_decref(answer);
}

/* A session whose lease waits until somebody asks for it. */
static inline void
lease_issue_later(
    struct world *world, const char *grant, char id[CRB_SESSION_ID_MAX + 1])
{
	json_t *params = lease_issue_params(grant);

	(void)json_object_set_new(params, "mint", json_string("later"));
	lease_session_of(world_ask(world, "session.issue", params), id);
}

/* A session with a live lease that lasts so long. */
static inline void
lease_issue(
    struct world *world, int64_t seconds, char id[CRB_SESSION_ID_MAX + 1])
{
	world_send(world, "session.issue", lease_issue_params(GRANT));
	lease_minted(world, lease_asked(world), KEYS, seconds);
	lease_session_of(world_receive(world), id);
	(void)world_hear(world, CRB_MSG_LEASE);
}

static inline void
lease_ask_as(struct world *world, const char *session, enum crb_query what,
    uint64_t exchange)
{
	const struct crb_msg_query query = { .exchange = exchange,
		.session = CRB_SLICE(session),
		.what = (uint8_t)what,
		.name = CRB_SLICE("aws"),
		.body = CRB_SLICE("") };

	world_gateway_says(world, CRB_MSG_QUERY, &query);
}

/* session.show's `leases`, which is the caller's. */
static inline json_t *
lease_shown(struct world *world, const char *session)
{
	CRB_AUTO_JSON json_t *result = world_call(
	    world, "session.show", json_pack("{s:s}", "session", session));

	return json_incref(
	    json_object_get(json_object_get(result, "session"), "leases"));
}

static inline const char *
lease_text(const json_t *leases, size_t index, const char *key)
{
	return json_string_value(
	    json_object_get(json_array_get(leases, index), key));
}

/* Events of the audit log of this name; the caller's. */
static inline json_t *
lease_events(struct world *world, const char *event)
{
	CRB_AUTO_JSON json_t *result = world_call(
	    world, "audit.show", json_pack("{s:s}", "event", event));

	return json_incref(json_object_get(result, "events"));
}

#endif /* !UNIT_LEASE_H */
