#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"

static const struct crb_option status_options[] = { CRB_COMMON_OPTIONS };

static void
print_processes(const json_t *processes)
{
	size_t i;
	json_t *process;

	json_array_foreach(processes, i, process)
	{
		const json_t *restarts = json_object_get(process, "restarts");
		char text[64];

		(void)snprintf(text, sizeof(text), "pid %lld",
		    crb_member_number(process, "pid"));
		/* Who restarts the others is not itself restarted. */
		if (restarts != NULL)
			(void)snprintf(text, sizeof(text),
			    "pid %lld, %lld restarts",
			    crb_member_number(process, "pid"),
			    json_integer_value(restarts));
		crb_output_pair(crb_member(process, "name"), text);
	}
}

static void
print_memory(const json_t *memory)
{
	char locked[CRB_SIZE_TEXT], arena[CRB_SIZE_TEXT], text[96];

	crb_size_text((uint64_t)crb_member_number(memory, "locked"), locked);
	crb_size_text((uint64_t)crb_member_number(memory, "arena"), arena);
	(void)snprintf(text, sizeof(text), "%s of %s locked%s", locked, arena,
	    crb_member_number(memory, "locked") == 0 ? " (raise RLIMIT_MEMLOCK)"
						     : "");
	crb_output_pair("memory", text);
}

/* Nothing, while the file is what the broker goes by. */
static void
print_config(const json_t *config)
{
	const json_t *restart = json_object_get(config, "restart");
	char text[96];
	size_t i;
	json_t *key;

	crb_output_pair("config", crb_member(config, "problem"));
	json_array_foreach(restart, i, key)
	{
		(void)snprintf(text, sizeof(text), "%s waits for a restart",
		    json_string_value(key));
		crb_output_pair("config", text);
	}
}

/* Only an organization's is ever signed. */
static const char *
signed_by(const char *tier, const char *key)
{
	if (key != NULL)
		return ", signed by ";
	return strcmp(tier, "organization") == 0 ? ", not signed" : "";
}

/* "organization: acme, serial 7, signed by 5153CA215988AE0F" */
static void
print_policy(const json_t *tier)
{
	const char *name = crb_member(tier, "name");
	const char *state = crb_member(tier, "state");
	const char *key = crb_member(tier, "key");
	const char *label = crb_member(tier, "tier");
	const char *problem = crb_member(tier, "problem");
	char text[700], serial[48] = "";

	if (json_object_get(tier, "serial") != NULL)
		(void)snprintf(serial, sizeof(serial), ", serial %lld",
		    crb_member_number(tier, "serial"));
	if (name != NULL) {
		(void)snprintf(text, sizeof(text), "%s: %s%s%s%s%s", label,
		    name, serial, signed_by(label, key), key != NULL ? key : "",
		    strcmp(state, "in force") != 0 ? ", and has run out" : "");
		crb_output_pair("policy", text);
	}
	if (problem == NULL)
		return;
	(void)snprintf(text, sizeof(text), "%s %s: %s", label,
	    name != NULL ? "not taken" : "REFUSED", problem);
	crb_output_pair("policy", text);
}

static void
print_policies(const json_t *policies)
{
	const json_t *tiers = json_object_get(policies, "tiers");
	const char *problem = crb_member(policies, "problem");
	bool told = false; /* beside its tier */
	size_t i;
	json_t *tier;

	json_array_foreach(tiers, i, tier)
	{
		print_policy(tier);
		told = told || json_object_get(tier, "problem") != NULL;
	}
	if (problem == NULL)
		return;
	crb_output_pair("policy",
	    told ? "nothing is allowed until that is put right: credbroker "
		   "policy check, policy install"
		 : problem);
}

/* "core: seccomp; gateway: seccomp, own root, namespaces user pid ..." */
static void
print_confined(const char *name, const json_t *process)
{
	const json_t *names = json_object_get(process, "namespaces");
	char text[160] = "";
	size_t i, len = 0;
	json_t *one;

	(void)snprintf(text, sizeof(text), "%s: uid %lld, %s%s%s", name,
	    crb_member_number(process, "user"),
	    json_is_true(json_object_get(process, "seccomp")) ? "seccomp"
							      : "no seccomp",
	    crb_member_number(process, "landlock") > 0 ? ", Landlock" : "",
	    json_is_true(json_object_get(process, "root")) ? ", own root" : "");
	json_array_foreach(names, i, one)
	{
		len = strlen(text);
		(void)snprintf(text + len, sizeof(text) - len, "%s%s",
		    i == 0 ? ", namespaces " : " ", json_string_value(one));
	}
	crb_output_pair("confined", text);
}

static void
print_confinement(json_t *confinement)
{
	const char *name;
	json_t *process, *problem;
	size_t i;

	json_object_foreach(confinement, name, process)
	    print_confined(name, process);
	json_object_foreach(confinement, name, process)
	{
		json_array_foreach(
		    json_object_get(process, "problems"), i, problem)
		{
			char text[600];

			(void)snprintf(text, sizeof(text), "%s: %s", name,
			    json_string_value(problem));
			crb_output_pair("not confined", text);
		}
	}
}

static void
print_status(const json_t *status)
{
	const json_t *audit = json_object_get(status, "audit");
	char up[CRB_DURATION_TEXT], text[64];

	crb_duration_text(crb_member_number(status, "uptime"), up);
	(void)snprintf(
	    text, sizeof(text), "%s, up %s", crb_member(status, "state"), up);
	crb_output_pair("broker", text);
	crb_output_pair("version", crb_member(status, "version"));
	print_processes(json_object_get(status, "processes"));
	(void)snprintf(
	    text, sizeof(text), "%lld", crb_member_number(status, "sessions"));
	crb_output_pair("sessions", text);
	(void)snprintf(
	    text, sizeof(text), "%lld", crb_member_number(status, "leases"));
	crb_output_pair("leases", text);
	(void)snprintf(text, sizeof(text), "%lld",
	    crb_member_number(status, "credentials"));
	crb_output_pair("credentials", text);
	crb_output_pair("audit",
	    json_is_true(json_object_get(audit, "healthy"))
		? "healthy"
		: crb_member(audit, "detail"));
	print_memory(json_object_get(status, "memory"));
	print_confinement(json_object_get(status, "confinement"));
	print_config(json_object_get(status, "config"));
	print_policies(json_object_get(status, "policies"));
	crb_output_pair("state in", crb_member(status, "state_folder"));
	crb_output_pair("runtime in", crb_member(status, "runtime_folder"));
}

static enum crb_status
status_run(struct crb_cli *cli, const void *options,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;

	(void)options;
	(void)operands;
	if (crb_cli_call(cli, "status", NULL, &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		print_status(result);
	return CRB_OK;
}

const struct crb_command crb_command_status = {
	.name = "status",
	.summary = "what the broker is doing, and whether it is healthy",
	.options = status_options,
	.options_size = sizeof(struct crb_common),
	.run = status_run,
};
