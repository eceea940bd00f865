#include <unistd.h>

#include "base/slab.h"
#include "broker/core/lease_record.h"
#include "broker/core/policies.h"
#include "broker/core/reload.h"
#include "broker/core/room.h"
#include "broker/core/rpc.h"
#include "broker/core/session.h"

static json_t *
processes(const struct crb_core *core)
{
	const struct crb_link *links[] = { &core->gateway, &core->egress };
	json_t *list = json_array();

	(void)json_array_append_new(list,
	    json_pack("{s:s, s:I}", "name", "supervisor", "pid",
		(json_int_t)getppid()));
	(void)json_array_append_new(list,
	    json_pack("{s:s, s:I, s:i}", "name", "core", "pid",
		(json_int_t)getpid(), "restarts",
		(int)core->confinement.restarts));
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		const struct crb_link *link = links[i];

		(void)json_array_append_new(list,
		    json_pack("{s:s, s:I, s:i, s:b}", "name", link->name, "pid",
			(json_int_t)link->pid, "restarts",
			link->started > 0 ? (int)link->started - 1 : 0, "up",
			link->bus != NULL));
	}
	return list;
}

static json_t *
audit(const struct crb_core *core)
{
	struct crb_err why = { .msg = "" };

	if (core->audit == NULL)
		return json_pack("{s:b, s:s, s:i}", "healthy", 1, "detail",
		    "locked", "lines", 0);
	if (crb_core_need_record(core, &why) == CRB_OK)
		why.msg[0] = '\0';
	return json_pack("{s:b, s:s, s:I}", "healthy", why.msg[0] == '\0',
	    "detail", why.msg, "lines",
	    (json_int_t)crb_audit_durable(core->audit));
}

static json_t *
memory(void)
{
	struct crb_slab_stats stats = crb_slab_stats();

	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "arena",
	    (json_int_t)stats.arena, "locked", (json_int_t)stats.locked,
	    "spilled", (json_int_t)stats.spilled, "used",
	    (json_int_t)stats.used, "peak", (json_int_t)stats.peak);
}

/* Counts only: what a slot is called is for `key list`. */
static json_t *
vault(const struct crb_core *core)
{
	const struct crb_slot *slots;

	return json_pack(
	    "{s:I}", "slots", (json_int_t)crb_vault_slots(core->vault, &slots));
}

static json_t *
limits(const struct crb_core *core)
{
	return json_pack("{s:I, s:I, s:I}", "descriptors",
	    (json_int_t)core->limits.descriptors, "locked_memory",
	    (json_int_t)core->limits.locked_memory, "sessions",
	    (json_int_t)crb_room_most(core));
}

static size_t
live_sessions(const struct crb_core *core)
{
	const struct crb_session *session;
	size_t count = 0;

	TAILQ_FOREACH(session, &core->list, link)
	if (session->state == CRB_SESSION_LIVE)
		count++;
	return count;
}

static size_t
live_leases(const struct crb_core *core)
{
	const struct crb_lease_record *record;
	const struct crb_session *session;
	size_t count = 0;

	TAILQ_FOREACH(session, &core->list, link)
	TAILQ_FOREACH(record, &session->lease_records, link)
	if (record->live)
		count++;
	return count;
}

void
crb_rpc_status(struct crb_call *call)
{
	const struct crb_core *core = call->core;

	crb_call_reply(call,
	    json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:s, "
		      "s:s, s:o, s:o, s:o, s:o}",
		"version", CRB_VERSION, "state",
		crb_core_unlocked(core) ? "unlocked" : "locked", "uptime",
		(json_int_t)((crb_loop_now(core->loop) - core->started) / 1000),
		"sessions", (json_int_t)live_sessions(core), "leases",
		(json_int_t)live_leases(core), "credentials",
		(json_int_t)core->credentials.count, "processes",
		processes(core), "audit", audit(core), "memory", memory(),
		"confinement", crb_confined_shown(core), "state_folder",
		core->state_folder, "runtime_folder", core->runtime_folder,
		"config", crb_reload_shown(core), "vault", vault(core),
		"limits", limits(core), "policies",
		crb_policies_shown(core->policies)));
}
