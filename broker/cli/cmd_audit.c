#include <stdio.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"

struct audit_options {
	struct crb_common common;
	const char *session, *task, *credential, *event, *decision;
	int64_t since;
	int64_t most;
};

#define AT(member) offsetof(struct audit_options, member)

static const char *const decisions[] = { "allow", "deny", NULL };

static const struct crb_option show_options[] = {
	{ .name = "session",
	    .letter = 's',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(session),
	    .value = "SESSION",
	    .help = "only what concerns this session" },
	{ .name = "task",
	    .letter = 't',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(task),
	    .value = "TASK",
	    .help = "... this task" },
	{ .name = "credential",
	    .letter = 'c',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(credential),
	    .value = "NAME",
	    .help = "... this credential" },
	{ .name = "event",
	    .letter = 'e',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(event),
	    .value = "EVENT",
	    .help = "... this event, such as session.issue" },
	{ .name = "decision",
	    .type = CRB_OPTION_CHOICE,
	    .offset = AT(decision),
	    .choices = decisions,
	    .value = "DECISION",
	    .help = "allow or deny" },
	{ .name = "since",
	    .type = CRB_OPTION_DURATION,
	    .offset = AT(since),
	    .value = "DURATION",
	    .preset = "0s",
	    .unset = true,
	    .help = "of the last 2h, 7d, ...; 0s: all" },
	{ .name = "most",
	    .letter = 'n',
	    .type = CRB_OPTION_NUMBER,
	    .offset = AT(most),
	    .value = "N",
	    .min = 1,
	    .max = 10000,
	    .preset = "200",
	    .help = "the last N of them" },
	CRB_COMMON_OPTIONS,
};

static const struct crb_option verify_options[] = { CRB_COMMON_OPTIONS };

/* What an upstream answered is told of the end of an exchange. */
static const char *
what_of(const json_t *e, char *room, size_t size)
{
	static const char *const keys[] = { "request", "scope", "detail" };
	long long status = crb_member_number(e, "status");

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (crb_member(e, keys[i]) != NULL)
			return crb_member(e, keys[i]);
	if (status <= 0)
		return NULL;
	(void)snprintf(room, size, "%lld, %lld bytes up, %lld down", status,
	    crb_member_number(e, "up"), crb_member_number(e, "down"));
	return room;
}

static void
print_event(struct crb_output *output, const json_t *e)
{
	char number[24], outcome[64], what[96];
	const char *cells[8];

	(void)snprintf(
	    number, sizeof(number), "%lld", crb_member_number(e, "n"));
	(void)snprintf(outcome, sizeof(outcome), "%s",
	    crb_member(e, "decision") != NULL      ? crb_member(e, "decision")
		: crb_member(e, "outcome") != NULL ? crb_member(e, "outcome")
						   : "-");
	cells[0] = number;
	cells[1] = crb_member(e, "time");
	cells[2] = crb_member(e, "event");
	cells[3] = crb_member(e, "task");
	cells[4] = crb_member(e, "session");
	cells[5] = crb_member(e, "credential");
	cells[6] = outcome;
	cells[7] = what_of(e, what, sizeof(what));
	crb_output_row(output, cells);
}

static enum crb_status
show_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	static const char *const heads[] = { "N", "TIME", "EVENT", "TASK",
		"SESSION", "CREDENTIAL", "OUTCOME", "WHAT", NULL };
	const struct audit_options *options = opaque;
	CRB_AUTO_JSON json_t *result = NULL;
	struct crb_output *output;
	json_t *params, *event;
	size_t i;

	(void)operands;
	params = json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*, s:I, s:b}",
	    "session", options->session, "task", options->task, "credential",
	    options->credential, "event", options->event, "decision",
	    options->decision, "most", (json_int_t)options->most, "newest", 1);
	if (options->since > 0)
		(void)json_object_set_new(params, "since",
		    json_integer(crb_wall_seconds() - options->since));
	if (crb_cli_call(cli, "audit.show", params, &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json) {
		crb_output_json(result);
		return CRB_OK;
	}
	output = crb_output_new(stdout, heads);
	json_array_foreach(json_object_get(result, "events"), i, event)
	    print_event(output, event);
	crb_output_end(output);
	return CRB_OK;
}

static enum crb_status
verify_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;

	(void)opaque;
	(void)operands;
	if (crb_cli_call(cli, "audit.verify", NULL, &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		printf("Intact: %lld lines, %lld signed checkpoints, %lld "
		       "lines since the last one.\n",
		    crb_member_number(result, "lines"),
		    crb_member_number(result, "checkpoints"),
		    crb_member_number(result, "unsigned"));
	return CRB_OK;
}

const struct crb_command crb_command_audit_show = {
	.name = "audit show",
	.summary = "what happened, newest last",
	.details =
	    "  credbroker audit show --session 7Kq2\n"
	    "  credbroker audit show --decision deny --since 1d --json\n",
	.options = show_options,
	.options_size = sizeof(struct audit_options),
	.run = show_run,
};

const struct crb_command crb_command_audit_verify = {
	.name = "audit verify",
	.summary = "check the audit log's chain and signatures",
	.options = verify_options,
	.options_size = sizeof(struct audit_options),
	.run = verify_run,
};
