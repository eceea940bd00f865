#include <stdio.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "base/text.h"
#include "broker/cli/client.h"
#include "broker/cli/deny.h"
#include "broker/cli/leases.h"
#include "broker/cli/output.h"

struct revoke_options {
	struct crb_common common;
	const char *task;
	bool all;
	bool print_deny;
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
	{ .name = "print-deny",
	    .type = CRB_OPTION_FLAG,
	    .offset = offsetof(struct revoke_options, print_deny),
	    .help = "end nothing; print the policy that ends issued AWS keys" },
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

/* A session's tag has its whole id. */
static enum crb_status
find_session(struct crb_cli *cli, const char *typed, json_t **shown,
    const char **id, struct crb_err *err)
{
	if (crb_cli_call(cli, "session.show",
		json_pack("{s:s}", "session", typed), shown, err) != CRB_OK)
		return err->status;
	*id = crb_member(json_object_get(*shown, "session"), "id");
	return CRB_OK;
}

/* With a task's name it works without a broker, too. */
static enum crb_status
print_deny(struct crb_cli *cli, const struct revoke_options *options,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *shown = NULL;
	CRB_AUTO_JSON json_t *policy = NULL;
	const char *id = NULL;

	if (operands->count + (options->task != NULL) + options->all > 1)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "revoke --print-deny: give at most one of SESSION, --task "
		    "TASK, --all");
	if (options->task != NULL && !crb_task_ok(options->task))
		return crb_err_set(
		    err, CRB_ERR_USAGE, "--task: no task is called so");
	if (operands->count == 1 &&
	    find_session(cli, operands->at[0], &shown, &id, err) != CRB_OK)
		return err->status;
	policy = crb_deny_policy(options->task, id, crb_wall_seconds());
	if (policy == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_output_json(policy);
	if (cli->common->json)
		return CRB_OK;
	fprintf(stderr, "Nothing was revoked. It denies %s.\n",
	    id != NULL ? "the keys of that session"
		: options->task != NULL
		? "the keys of that task, those that are issued later, too"
		: "all keys that were issued before now, whoever has them");
	fputs("To end the keys, attach it to their role (or user):\n"
	      "  aws iam put-role-policy --role-name ROLE --policy-name "
	      "credbroker-revoked \\\n"
	      "      --policy-document file://FILE\n",
	    stderr);
	return CRB_OK;
}

static void
print_leases(const struct revoke_options *options, const json_t *result)
{
	const json_t *revoked = json_object_get(result, "revoked");

	if (!crb_leases_remain(stdout, json_object_get(result, "leases")))
		return;
	printf(".\nA deny on the role ends them sooner: credbroker revoke "
	       "--print-deny ");
	if (options->task != NULL)
		printf("--task %s\n", options->task);
	else if (json_array_size(revoked) == 1)
		printf("%s\n", json_string_value(json_array_get(revoked, 0)));
	else
		puts("--all");
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
	const struct revoke_options *options = opaque;
	CRB_AUTO_JSON json_t *result = NULL;
	json_t *params = NULL;

	if (options->print_deny)
		return print_deny(cli, options, operands, err);
	if (build(opaque, operands, &params, err) != CRB_OK ||
	    crb_cli_call(cli, "revoke", params, &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else {
		print_result(result);
		print_leases(options, result);
	}
	return nothing_revoked(options, result, err);
}

const struct crb_command crb_command_revoke = {
	.name = "revoke",
	.operands = "[SESSION]",
	.least = 0,
	.most = 1,
	.summary = "end sessions now",
	.details =
	    "Keys of AWS that were handed out work until they expire. A policy "
	    "on their\n"
	    "role ends them sooner: --print-deny prints one for a task, a "
	    "session, or for\n"
	    "all keys from before now.\n"
	    "\n"
	    "  credbroker revoke 7Kq2\n"
	    "  credbroker revoke --task fix-123\n"
	    "  credbroker revoke --print-deny --task fix-123 > deny.json\n",
	.options = revoke_options,
	.options_size = sizeof(struct revoke_options),
	.run = revoke_run,
};
