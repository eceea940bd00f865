#include "broker/core/lease_gateway.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "broker/core/aws_environment.h"
#include "broker/core/lease_impl.h"

/* Lines about fetches: so many of a session at once, and one each so often. */
#define FETCHES_MOST 20
#define FETCHES_US 2000000

bool
crb_lease_handed_out(const struct crb_session *session, const char *credential)
{
	for (size_t i = 0; i < session->grant_count; i++)
		if (strcmp(session->grants[i].grant->credential, credential) ==
		    0)
			return crb_grant_mints(session->grants[i].grant);
	return false;
}

/* A gateway that is not there is told when it comes up. */
void
crb_lease_tell(struct crb_lease *lease)
{
	const struct crb_msg_lease msg = {
		.session = CRB_SLICE(lease->session->id),
		.name = CRB_SLICE(lease->credential),
		.form = CRB_SLICE(lease->form),
		.expires = (uint64_t)lease->expires,
		.keys = { crb_secret_bytes(lease->keys),
		    crb_secret_len(lease->keys) },
	};
	struct crb_err err;

	if (!lease->session->announced ||
	    !crb_lease_handed_out(lease->session, lease->credential))
		return;
	if (crb_link_send(&lease->session->core->gateway, CRB_MSG_LEASE, &msg,
		-1, &err) == CRB_OK)
		lease->told = true;
	else
		crb_log(CRB_LOG_WARN, "lease not told", CRB_LOG_SESSION,
		    lease->session->id, CRB_LOG_REASON, err.msg, CRB_LOG_END);
}

void
crb_lease_tell_drop(struct crb_lease *lease, struct crb_ending *ending)
{
	struct crb_msg_lease_drop drop = {
		.session = CRB_SLICE(lease->session->id),
		.name = CRB_SLICE(lease->credential),
	};
	struct crb_err err;

	lease->told = false;
	crb_ending_expect(ending);
	if (crb_link_request(&lease->session->core->gateway, CRB_MSG_LEASE_DROP,
		&drop, &drop.request, crb_ending_acknowledged, ending,
		&err) != CRB_OK)
		crb_ending_settle(ending, NULL);
}

static void
tell_imds(const struct crb_session *session)
{
	struct crb_msg_session_imds msg;
	struct crb_aws_imds imds;
	struct crb_err err;

	if (!crb_aws_imds(session, &imds))
		return;
	msg = (struct crb_msg_session_imds){
		.session = CRB_SLICE(session->id),
		.name = CRB_SLICE(imds.credential),
		.region = CRB_SLICE(imds.region),
		.account = CRB_SLICE(imds.account),
	};
	if (crb_link_send(&session->core->gateway, CRB_MSG_SESSION_IMDS, &msg,
		-1, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "session without metadata",
		    CRB_LOG_SESSION, session->id, CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
}

void
crb_lease_announce(struct crb_session *session)
{
	struct crb_lease *lease;

	tell_imds(session);
	TAILQ_FOREACH(lease, &session->leases, link)
	{
		lease->told = false;
		if (lease->keys != NULL)
			crb_lease_tell(lease);
	}
}

void
crb_lease_say_fetches(struct crb_core *core, struct crb_lease_record *record)
{
	char count[64], who[CRB_SESSION_ID_MAX + 16];
	const struct crb_audit_event event = {
		.event = "lease.fetch",
		.who = who,
		.task = record->task,
		.session = record->session,
		.credential = record->credential,
		.decision = "allow",
		.outcome = "ok",
		.tier = "session",
		.detail = count,
	};
	struct crb_err err;

	(void)snprintf(who, sizeof(who), "session %s", record->session);
	(void)snprintf(count, sizeof(count),
	    "%" PRIu64 " times, %" PRIu64 " in all", record->unsaid,
	    record->fetched);
	if (crb_audit_record(core->audit, &event, &err) == CRB_OK)
		record->unsaid = 0;
}

/* Counted already; said at once, or with later ones. */
static void
note_fetches(struct crb_session *session, struct crb_lease_record *record,
    uint64_t count)
{
	struct crb_core *core = session->core;

	record->unsaid += count;
	if (crb_rate_take(&session->fetches, crb_loop_now(core->loop),
		FETCHES_US, FETCHES_MOST))
		crb_lease_say_fetches(core, record);
}

void
crb_lease_given(struct crb_session *session, const char *credential)
{
	struct crb_lease_record *record = crb_lease_record_newest(
	    session, credential);

	if (record != NULL && session->core->audit != NULL)
		note_fetches(session, record, 1);
}

void
crb_lease_fetched(
    struct crb_core *core, const struct crb_msg_lease_fetched *msg)
{
	struct crb_session *session = crb_session_get(core, msg->session);
	char name[CRB_NAME_MAX + 1];
	struct crb_lease_record *record;
	struct crb_lease *lease;

	if (session == NULL || core->audit == NULL || msg->count == 0)
		return;
	(void)snprintf(
	    name, sizeof(name), "%.*s", (int)msg->name.len, msg->name.p);
	if ((record = crb_lease_record_newest(session, name)) == NULL)
		return;
	record->fetched += msg->count;
	if ((lease = crb_lease_find(session, name)) != NULL)
		crb_lease_used(lease);
	note_fetches(session, record, msg->count);
}
