#include <stdio.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"

struct decide_options {
	struct crb_common common;
	const char *reason;
};

static const struct crb_option approve_options[] = { CRB_COMMON_OPTIONS };

static const struct crb_option deny_options[] = {
	{ .name = "reason",
	    .letter = 'r',
	    .type = CRB_OPTION_TEXT,
	    .required = true,
	    .offset = offsetof(struct decide_options, reason),
	    .value = "TEXT",
	    .help = "why; the sandbox is told" },
	CRB_COMMON_OPTIONS,
};

static void
print_what(const char *done, const json_t *result)
{
	const char *what = crb_member(
	    json_object_get(result, "approval"), "summary");

	fputs(done, stdout);
	if (what != NULL) {
		fputs(": ", stdout);
		crb_output_text(stdout, what);
	}
	fputs(".\n", stdout);
}

static enum crb_status
approve_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;

	(void)opaque;
	if (crb_cli_call(cli, "approval.approve",
		json_pack("{s:s}", "approval", operands->at[0]), &result,
		err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		print_what("Approved once, exactly this", result);
	return CRB_OK;
}

static enum crb_status
deny_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct decide_options *options = opaque;
	CRB_AUTO_JSON json_t *result = NULL;
	json_t *params = json_pack("{s:s, s:s}", "approval", operands->at[0],
	    "reason", options->reason);

	if (params == NULL)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "--reason: not UTF-8 text");
	if (crb_cli_call(cli, "approval.deny", params, &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		print_what("Denied", result);
	return CRB_OK;
}

const struct crb_command crb_command_approve = {
	.name = "approve",
	.operands = "ID",
	.least = 1,
	.most = 1,
	.summary = "let through once what waits to be approved",
	.details =
	    "Only exactly what credbroker approvals ID shows: the next one has "
	    "to be approved\n"
	    "again. It needs the role approver, and to be who the rule wants.\n",
	.options = approve_options,
	.options_size = sizeof(struct decide_options),
	.run = approve_run,
};

const struct crb_command crb_command_deny = {
	.name = "deny",
	.operands = "ID",
	.least = 1,
	.most = 1,
	.summary = "refuse what waits to be approved",
	.details =
	    "  credbroker deny 7Kq2Ab --reason 'that branch is still needed'\n",
	.options = deny_options,
	.options_size = sizeof(struct decide_options),
	.run = deny_run,
};
