#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "broker/cli/approval_text.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"

/* How long the broker waits for something new before it answers, seconds. */
#define WAIT_S 30

struct approvals_options {
	struct crb_common common;
	bool follow;
	const char *session;
};

static const struct crb_option approvals_options[] = {
	{ .name = "follow",
	    .letter = 'f',
	    .type = CRB_OPTION_FLAG,
	    .offset = offsetof(struct approvals_options, follow),
	    .help = "stay, and show each that comes, and what becomes of it" },
	{ .name = "session",
	    .letter = 's',
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct approvals_options, session),
	    .value = "SESSION",
	    .help = "only what this session asks for" },
	CRB_COMMON_OPTIONS,
};

/* What has been shown: id -> approval, as it was then. */
struct shown {
	bool json, terminal;
	bool any;
	json_t *seen;
};

static void
show(struct shown *shown, const json_t *approval)
{
	if (shown->json) {
		(void)json_dumpf(
		    approval, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
	} else if (!shown->terminal)
		crb_approval_line(approval);
	else {
		if (shown->any)
			putchar('\n');
		crb_approval_print(approval);
	}
	shown->any = true;
}

/* The state of what the broker has forgotten. */
static const char gone[] = "gone";

/* Of one that was shown before a word is enough. */
static void
show_state(struct shown *shown, const json_t *approval, const char *state)
{
	CRB_AUTO_JSON json_t *copy = json_deep_copy(approval);

	(void)json_object_set_new(copy, "state", json_string(state));
	if (!shown->terminal || shown->json) {
		show(shown, copy);
		return;
	}
	putchar('\n');
	crb_output_text(stdout, crb_member(approval, "id"));
	fputs(": ", stdout);
	crb_output_text(stdout, state);
	if (strcmp(state, gone) == 0)
		fputs(": it was used, its time is over, or its session ended",
		    stdout);
	putchar('\n');
}

static bool
same_state(const json_t *a, const json_t *b)
{
	return json_equal(
	    json_object_get(a, "state"), json_object_get(b, "state"));
}

/* Used, run out, or its session has ended: the broker has forgotten it. */
static void
show_gone(struct shown *shown, const json_t *now)
{
	const json_t *approval;
	const char *id;

	json_object_foreach(shown->seen, id, approval)
	{
		if (json_object_get(now, id) == NULL)
			show_state(shown, approval, gone);
	}
}

static void
show_changes(struct shown *shown, const json_t *list)
{
	json_t *now = json_object(), *approval;
	size_t i;

	json_array_foreach(list, i, approval)
	{
		const char *id = crb_member(approval, "id");
		const json_t *before;

		if (id == NULL || json_object_set(now, id, approval) != 0)
			continue;
		before = json_object_get(shown->seen, id);
		if (before == NULL)
			show(shown, approval);
		else if (!same_state(before, approval))
			show_state(
			    shown, approval, crb_member(approval, "state"));
	}
	show_gone(shown, now);
	json_decref(shown->seen);
	shown->seen = now;
	(void)fflush(stdout);
}

/* Until somebody ends it, or the broker does. */
static enum crb_status
follow(struct crb_cli *cli, const struct approvals_options *options,
    struct shown *shown, struct crb_err *err)
{
	json_t *after = NULL;

	do {
		CRB_AUTO_JSON json_t *result = NULL;
		json_t *params = json_pack("{s:s*, s:o*}", "session",
		    options->session, "after", after);

		if (after != NULL)
			(void)json_object_set_new(
			    params, "wait", json_integer(WAIT_S));
		if (crb_cli_call(cli, "approval.list", params, &result, err) !=
		    CRB_OK)
			return err->status;
		after = json_copy(json_object_get(result, "version"));
		show_changes(shown, json_object_get(result, "approvals"));
	} while (after != NULL && ferror(stdout) == 0);
	return crb_err_set(err, CRB_ERR_SYSTEM,
	    "nobody takes what is shown, or the broker's answer is another one's");
}

static enum crb_status
show_one(struct crb_cli *cli, const char *id, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;

	if (crb_cli_call(cli, "approval.show",
		json_pack("{s:s}", "approval", id), &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		crb_approval_print(json_object_get(result, "approval"));
	return CRB_OK;
}

static enum crb_status
show_all(struct crb_cli *cli, const struct approvals_options *options,
    struct shown *shown, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;

	if (crb_cli_call(cli, "approval.list",
		json_pack("{s:s*}", "session", options->session), &result,
		err) != CRB_OK)
		return err->status;
	if (shown->json) {
		crb_output_json(result);
		return CRB_OK;
	}
	show_changes(shown, json_object_get(result, "approvals"));
	if (shown->terminal && !shown->any)
		puts("Nothing waits to be approved.");
	return CRB_OK;
}

static enum crb_status
approvals_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct approvals_options *options = opaque;
	struct shown shown = { .json = cli->common->json,
		.terminal = isatty(STDOUT_FILENO) == 1 };
	enum crb_status status;

	if (operands->count == 1 &&
	    (options->follow || options->session != NULL))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "approvals: give one of ID, --session and --follow");
	if (operands->count == 1)
		return show_one(cli, operands->at[0], err);
	shown.seen = json_object();
	status = options->follow ? follow(cli, options, &shown, err)
				 : show_all(cli, options, &shown, err);
	json_decref(shown.seen);
	return status;
}

const struct crb_command crb_command_approvals = {
	.name = "approvals",
	.operands = "[ID]",
	.least = 0,
	.most = 1,
	.summary = "what waits to be approved",
	.details =
	    "A rule of a policy whose effect is ask holds a request, a push "
	    "or a mint until\n"
	    "somebody approves exactly that one. In a pipe each is one line: "
	    "ID, STATE, TASK,\n"
	    "SESSION, USER, CREDENTIAL, WHAT, TIER, RULE, EXPIRES.\n"
	    "\n"
	    "  credbroker approvals --follow\n"
	    "  credbroker approve 7Kq2Ab\n",
	.options = approvals_options,
	.options_size = sizeof(struct approvals_options),
	.run = approvals_run,
};
