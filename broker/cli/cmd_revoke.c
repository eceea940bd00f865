#include <stdio.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"

struct revoke_options {
	struct crb_common common;
	const char *task;
	bool all;
};

static const struct crb_option revoke_options[] = {
	{ .name = "task",
	    .letter = 't',
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct revoke_options, task),
	    .value = "TASK",
	    .help = "every session of this task" },
	{ .name = "all",
	    .type = CRB_OPTION_FLAG,
	    .offset = offsetof(struct revoke_options, all),
	    .help = "every session" },
	CRB_COMMON_OPTIONS,
};

static enum crb_status
build(const struct revoke_options *options, const struct crb_operands *operands,
    json_t **out, struct crb_err *err)
{
	int given = operands->count + (options->task != NULL) + options->all;

	if (given != 1)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "revoke: give one of SESSION, --task TASK, --all");
	if (options->all)
		*out = json_pack("{s:b}", "all", 1);
	else if (options->task != NULL)
		*out = json_pack("{s:s}", "task", options->task);
	else
		*out = json_pack("{s:s}", "session", operands->at[0]);
	return CRB_OK;
}

static void
print_result(const json_t *result)
{
	const json_t *revoked = json_object_get(result, "revoked");
	size_t count = json_array_size(revoked), i;
	json_t *id;

	printf("Revoked %zu session%s", count, count == 1 ? "" : "s");
	json_array_foreach(revoked, i, id)
	    printf("%s%s", i == 0 ? ": " : ", ", json_string_value(id));
	printf("; %lld request%s cut off. The next one is refused.\n",
	    crb_member_number(result, "cancelled"),
	    crb_member_number(result, "cancelled") == 1 ? "" : "s");
}

/* A mistyped task must not look like one that was revoked. */
static enum crb_status
nothing_revoked(const struct revoke_options *options, const json_t *result,
    struct crb_err *err)
{
	if (options->task == NULL ||
	    json_array_size(json_object_get(result, "revoked")) > 0)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_NOT_FOUND,
	    "task %s has no live session. See: credbroker session list",
	    options->task);
}

static enum crb_status
revoke_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;
	json_t *params = NULL;

	if (build(opaque, operands, &params, err) != CRB_OK ||
	    crb_cli_call(cli, "revoke", params, &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		print_result(result);
	return nothing_revoked(opaque, result, err);
}

const struct crb_command crb_command_revoke = {
	.name = "revoke",
	.operands = "[SESSION]",
	.least = 0,
	.most = 1,
	.summary = "end sessions now",
	.details = "  credbroker revoke 7Kq2\n"
		   "  credbroker revoke --task fix-123\n",
	.options = revoke_options,
	.options_size = sizeof(struct revoke_options),
	.run = revoke_run,
};
