#include <stdio.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"

static const struct crb_option test_options[] = { CRB_COMMON_OPTIONS };

static void
print_origins(const json_t *origins)
{
	static const char *const heads[] = { "ORIGIN", "REACHABLE", "TIME",
		"DETAIL", NULL };
	struct crb_output *output = crb_output_new(stdout, heads);
	size_t i;
	json_t *origin;

	json_array_foreach(origins, i, origin)
	{
		const json_t *reachable = json_object_get(origin, "reachable");
		char took[32];

		(void)snprintf(took, sizeof(took), "%lld ms",
		    crb_member_number(origin, "milliseconds"));
		crb_output_row(output,
		    (const char *const[]){ crb_member(origin, "origin"),
			json_is_true(reachable) ? "yes" : "no", took,
			crb_member(origin, "detail") });
	}
	crb_output_end(output);
}

static enum crb_status
test_run(struct crb_cli *cli, const void *options,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;
	bool reachable;

	(void)options;
	if (crb_cli_call(cli, "credential.test",
		json_pack("{s:s}", "name", operands->at[0]), &result,
		err) != CRB_OK)
		return err->status;
	reachable = json_is_true(json_object_get(result, "reachable"));
	if (cli->common->json)
		crb_output_json(result);
	else
		print_origins(json_object_get(result, "origins"));
	if (reachable)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_UPSTREAM, "%s cannot be used: %s",
	    operands->at[0], crb_member(result, "detail"));
}

const struct crb_command crb_command_credential_test = {
	.name = "credential test",
	.operands = "NAME",
	.least = 1,
	.most = 1,
	.summary = "whether a credential's hosts can be reached",
	.details =
	    "Each host is resolved, its address judged, connected to, and its\n"
	    "certificate verified, by the process that would send requests.\n"
	    "Nothing is sent and the secret is not used, so this does not tell\n"
	    "whether the service accepts it.\n",
	.options = test_options,
	.options_size = sizeof(struct crb_common),
	.run = test_run,
};
