#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/doctor.h"
#include "broker/cli/output.h"
#include "policy/document.h"

static void
check_config(struct crb_doctor *doctor)
{
	const json_t *config = json_object_get(doctor->status, "config");
	const char *problem = crb_member(config, "problem");
	const json_t *restart = json_object_get(config, "restart");
	size_t i;
	json_t *key;

	if (doctor->config.status != CRB_OK)
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "put it right; see man credbroker.json",
		    "configuration: %s", doctor->config.msg);
	else if (doctor->cli->config.file != NULL)
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "configuration %s", doctor->cli->config.file);
	else
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "no configuration file: defaults");
	if (problem != NULL)
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "put it right, and reload again (SIGHUP)",
		    "the broker did not take the configuration: %s", problem);
	json_array_foreach(restart, i, key)
	    crb_doctor_find(doctor, CRB_FINDING_WARN, "restart the broker",
		"configuration: %s has changed and waits for a restart",
		json_string_value(key));
}

static void
check_answer(struct crb_doctor *doctor)
{
	const char *version = crb_member(doctor->status, "version");

	if (doctor->status == NULL)
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    doctor->silent.status == CRB_ERR_UNREACHABLE
			? "credbroker serve, and then doctor again"
			: "run doctor as the broker's user",
		    "what only a running broker can tell is not checked: %s",
		    doctor->silent.msg);
	else if (version == NULL || strcmp(version, CRB_VERSION) != 0)
		crb_doctor_find(doctor, CRB_FINDING_WARN, "restart the broker",
		    "the broker is version %s, this is %s",
		    version != NULL ? version : "?", CRB_VERSION);
	else
		crb_doctor_find(
		    doctor, CRB_FINDING_OK, NULL, "broker %s answers", version);
}

static void
check_vault(struct crb_doctor *doctor)
{
	const char *state = crb_member(doctor->status, "state");
	long long slots = crb_member_number(
	    json_object_get(doctor->status, "vault"), "slots");

	if (state == NULL)
		return;
	if (strcmp(state, "unlocked") != 0)
		crb_doctor_find(doctor, CRB_FINDING_WARN, "credbroker unlock",
		    "vault locked, %lld key slot%s", slots,
		    slots == 1 ? "" : "s");
	else
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "vault unlocked, %lld key slot%s", slots,
		    slots == 1 ? "" : "s");
}

static void
check_processes(struct crb_doctor *doctor)
{
	const json_t *processes = json_object_get(doctor->status, "processes");
	size_t i, down = 0;
	json_t *process;

	json_array_foreach(processes, i, process)
	{
		const char *name = crb_member(process, "name");
		const json_t *up = json_object_get(process, "up");
		long long restarts = crb_member_number(process, "restarts");

		if (up != NULL && !json_is_true(up)) {
			down++;
			crb_doctor_find(doctor, CRB_FINDING_FAIL,
			    "the broker's log says why", "%s is not running",
			    name);
		} else if (restarts > 0) {
			down++;
			crb_doctor_find(doctor, CRB_FINDING_WARN,
			    "the broker's log says why",
			    "%s was restarted %lld times", name, restarts);
		}
	}
	if (json_array_size(processes) > 0 && down == 0)
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "%zu processes run, none was restarted",
		    json_array_size(processes));
}

static void
check_tier(struct crb_doctor *doctor, const char *title, const json_t *tier)
{
	const char *state = crb_member(tier, "state");
	const char *name = crb_member(tier, "name");
	const char *problem = crb_member(tier, "problem");

	if (problem != NULL)
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "put it right: credbroker policy check, policy install",
		    "%s was not taken: %s", title, problem);
	else if (state != NULL && strcmp(state, "run out") == 0)
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "install a newer one: credbroker policy install",
		    "%s %s ran out at %s: nothing is allowed", title, name,
		    crb_member(tier, "expires"));
	else if (name != NULL)
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "%s %s is in force", title, name);
}

static void
check_policies(struct crb_doctor *doctor)
{
	const json_t *policies = json_object_get(doctor->status, "policies");
	const json_t *tiers = json_object_get(policies, "tiers");
	size_t i;
	json_t *tier;

	/* They come in their order. */
	json_array_foreach(tiers, i, tier) if (i < CRB_TIERS)
	    check_tier(doctor, crb_policy_titles[i], tier);
}

/* Whether the answer is about the log at all. */
static bool
is_verdict(enum crb_status status)
{
	static const enum crb_status not_looked[] = { CRB_ERR_ROLE,
		CRB_ERR_OUTSIDE, CRB_ERR_LOCKED, CRB_ERR_UNREACHABLE,
		CRB_ERR_TIMEOUT, CRB_ERR_LIMIT, CRB_ERR_NOMEM };

	for (size_t i = 0; i < sizeof(not_looked) / sizeof(*not_looked); i++)
		if (status == not_looked[i])
			return false;
	return true;
}

static void
verify_audit(struct crb_doctor *doctor)
{
	CRB_AUTO_JSON json_t *verdict = NULL;
	struct crb_err err;

	if (crb_cli_call(doctor->cli, "audit.verify", NULL, &verdict, &err) ==
	    CRB_OK)
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "audit chain intact, %lld lines, %lld checkpoints",
		    crb_member_number(verdict, "lines"),
		    crb_member_number(verdict, "checkpoints"));
	else if (!is_verdict(err.status))
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    err.status == CRB_ERR_ROLE ? "ask as an auditor"
					       : "credbroker audit verify",
		    "audit chain not verified: %s", err.msg);
	else
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "keep the folder as it is, and find out who changed it",
		    "audit chain: %s", err.msg);
}

static void
check_audit(struct crb_doctor *doctor)
{
	const json_t *audit = json_object_get(doctor->status, "audit");
	const char *state = crb_member(doctor->status, "state");

	if (audit == NULL)
		return;
	if (!json_is_true(json_object_get(audit, "healthy")))
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "see to the disk; it goes on by itself", "%s",
		    crb_member(audit, "detail"));
	if (state != NULL && strcmp(state, "unlocked") == 0)
		verify_audit(doctor);
}

/* A note a line, as a list or within an object. */
static void
check_confinement(struct crb_doctor *doctor)
{
	const json_t *said = json_object_get(doctor->status, "confinement");
	const char *process;
	json_t *one;
	size_t i, problems = 0;

	if (said == NULL)
		return;
	json_array_foreach(said, i, one)
	{
		problems++;
		crb_doctor_find(doctor, CRB_FINDING_WARN, NULL, "%s",
		    json_string_value(one));
	}
	json_object_foreach((json_t *)(uintptr_t)said, process, one)
	{
		const json_t *list = json_object_get(one, "problems");
		json_t *problem;

		json_array_foreach(list, i, problem)
		{
			problems++;
			crb_doctor_find(doctor, CRB_FINDING_WARN, NULL,
			    "%s: %s", process, json_string_value(problem));
		}
	}
	if (problems == 0)
		crb_doctor_find(
		    doctor, CRB_FINDING_OK, NULL, "every process is confined");
}

static void
check_memory(struct crb_doctor *doctor)
{
	const json_t *memory = json_object_get(doctor->status, "memory");
	long long arena = crb_member_number(memory, "arena");
	long long locked = crb_member_number(memory, "locked");
	long long spilled = crb_member_number(memory, "spilled");
	char text[CRB_SIZE_TEXT];

	if (memory == NULL)
		return;
	crb_size_text((uint64_t)arena, text);
	if (locked < arena)
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "raise RLIMIT_MEMLOCK (LimitMEMLOCK=64M), and restart",
		    "the core's %s for secrets are not locked in memory", text);
	else
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "the core's %s for secrets are locked in memory", text);
	if (spilled > 0)
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "fewer sessions, or encrypted swap",
		    "%lld bytes of secrets lie outside of locked memory",
		    spilled);
}

static void
check_sessions(struct crb_doctor *doctor)
{
	long long most = crb_member_number(
	    json_object_get(doctor->status, "limits"), "sessions");
	long long live = crb_member_number(doctor->status, "sessions");

	if (most <= 0)
		return;
	if (live >= most - most / 10)
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "raise sessions_max, or end some: credbroker session list",
		    "%lld of %lld sessions are live", live, most);
	else
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "%lld of at most %lld sessions are live", live, most);
}

const struct crb_check crb_checks_broker[] = {
	{ "config", check_config },
	{ "broker", check_answer },
	{ "vault", check_vault },
	{ "policy", check_policies },
	{ "audit", check_audit },
	{ "processes", check_processes },
	{ "confinement", check_confinement },
	{ "memory", check_memory },
	{ "sessions", check_sessions },
	{ NULL, NULL },
};

static void
try_credential(struct crb_doctor *doctor, const char *name)
{
	CRB_AUTO_JSON json_t *result = NULL;
	struct crb_err err;

	if (crb_cli_call(doctor->cli, "credential.test",
		json_pack("{s:s}", "name", name), &result, &err) != CRB_OK)
		crb_doctor_find(doctor, CRB_FINDING_WARN, NULL,
		    "credential %s not tried: %s", name, err.msg);
	else if (json_is_true(json_object_get(result, "reachable")))
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "credential %s: its hosts can be reached, in %lld ms", name,
		    crb_member_number(result, "milliseconds"));
	else
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "see to the network, or: credbroker credential set",
		    "credential %s: %s", name, crb_member(result, "detail"));
}

static void
check_upstreams(struct crb_doctor *doctor)
{
	CRB_AUTO_JSON json_t *result = NULL;
	const json_t *list;
	struct crb_err err;
	json_t *one;
	size_t i;

	if (!doctor->network)
		return;
	if (doctor->status == NULL) {
		crb_doctor_find(doctor, CRB_FINDING_WARN, "credbroker serve",
		    "no credential tried: that takes a running broker");
		return;
	}
	if (crb_cli_call(doctor->cli, "credential.list", NULL, &result, &err) !=
	    CRB_OK) {
		crb_doctor_find(doctor, CRB_FINDING_WARN, NULL,
		    "no credential tried: %s", err.msg);
		return;
	}
	list = json_object_get(result, "credentials");
	json_array_foreach(list, i, one)
	    try_credential(doctor, crb_member(one, "name"));
	if (json_array_size(list) == 0)
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "no credential whose hosts could be tried");
}

const struct crb_check crb_checks_network[] = {
	{ "network", check_upstreams },
	{ NULL, NULL },
};
