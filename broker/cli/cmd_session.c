#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "broker/cli/client.h"
#include "broker/cli/grant_text.h"
#include "broker/cli/leases.h"
#include "broker/cli/output.h"

struct session_options {
	struct crb_common common;
	const char *task;
	bool all;
	const char *grant;
	int64_t ttl;
};

#define AT(member) offsetof(struct session_options, member)

static const struct crb_option list_options[] = {
	{ .name = "task",
	    .letter = 't',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(task),
	    .value = "TASK",
	    .help = "only the sessions of this task" },
	{ .name = "all",
	    .letter = 'a',
	    .type = CRB_OPTION_FLAG,
	    .offset = AT(all),
	    .help = "those that have just ended, too" },
	CRB_COMMON_OPTIONS,
};

static const struct crb_option show_options[] = { CRB_COMMON_OPTIONS };

static const struct crb_option grant_options[] = {
	{ .name = "grant",
	    .letter = 'g',
	    .type = CRB_OPTION_TEXT,
	    .required = true,
	    .offset = AT(grant),
	    .value = "NAME[:KEY=VALUE,...]",
	    .help = "a credential and its scope" },
	CRB_COMMON_OPTIONS,
};

static const struct crb_option drop_options[] = {
	{ .name = "grant",
	    .letter = 'g',
	    .type = CRB_OPTION_TEXT,
	    .required = true,
	    .offset = AT(grant),
	    .value = "NAME|NUMBER",
	    .help = "as session show lists it" },
	CRB_COMMON_OPTIONS,
};

static const struct crb_option extend_options[] = {
	{ .name = "ttl",
	    .type = CRB_OPTION_DURATION,
	    .required = true,
	    .offset = AT(ttl),
	    .value = "DURATION",
	    .min = 1,
	    .max = 315360000,
	    .help = "from now on" },
	CRB_COMMON_OPTIONS,
};

static enum crb_status
list_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	static const char *const heads[] = { "SESSION", "TASK", "STATE", "LEFT",
		"GRANTS", "REQUESTS", "REFUSED", NULL };
	const struct session_options *options = opaque;
	CRB_AUTO_JSON json_t *result = NULL;
	struct crb_output *output;
	size_t i;
	json_t *s;

	(void)operands;
	if (crb_cli_call(cli, "session.list",
		json_pack(
		    "{s:s*, s:b}", "task", options->task, "all", options->all),
		&result, err) != CRB_OK)
		return err->status;
	if (cli->common->json) {
		crb_output_json(result);
		return CRB_OK;
	}
	output = crb_output_new(stdout, heads);
	json_array_foreach(json_object_get(result, "sessions"), i, s)
	{
		char left[CRB_DURATION_TEXT], grants[24], requests[24],
		    refused[24];
		const char *const cells[] = { crb_member(s, "id"),
			crb_member(s, "task"), crb_member(s, "state"), left,
			grants, requests, refused };

		crb_output_left(crb_member(s, "expires"), left);
		(void)snprintf(grants, sizeof(grants), "%zu",
		    json_array_size(json_object_get(s, "grants")));
		(void)snprintf(requests, sizeof(requests), "%lld",
		    crb_member_number(s, "requests"));
		(void)snprintf(refused, sizeof(refused), "%lld",
		    crb_member_number(s, "refused"));
		crb_output_row(output, cells);
	}
	crb_output_end(output);
	return CRB_OK;
}

static void
print_grants(const json_t *session)
{
	size_t i;
	json_t *grant;

	json_array_foreach(json_object_get(session, "grants"), i, grant)
	{
		char text[4096];

		(void)snprintf(text, sizeof(text), "%lld  %s  %s  (%s)",
		    crb_member_number(grant, "number"),
		    crb_member(grant, "credential"), crb_member(grant, "scope"),
		    crb_member(grant, "delivery"));
		crb_output_pair("grant", text);
	}
}

static void
print_aws(const json_t *session)
{
	const json_t *aws = json_object_get(session, "aws");
	char text[256];

	if (aws == NULL)
		return;
	(void)snprintf(text, sizeof(text), "%s  %s", crb_member(aws, "mode"),
	    crb_member(aws, "credential"));
	crb_output_pair("aws", text);
}

/* Nothing is left of one that has ended. */
static void
print_expiry(const json_t *session)
{
	const char *expires = crb_member(session, "expires");
	char left[CRB_DURATION_TEXT], text[128];

	crb_output_left(expires, left);
	(void)snprintf(text, sizeof(text), "%s (%s left)", expires, left);
	crb_output_pair("expires",
	    strcmp(crb_member(session, "state"), "live") == 0 ? text : expires);
}

/* Some are durations, some bytes. */
static void
limit_text(const char *name, long long amount, char out[CRB_DURATION_TEXT])
{
	size_t len = strlen(name);

	if (len > 9 && strcmp(name + len - 9, "_lifetime") == 0)
		crb_duration_text(amount, out);
	else if (strncmp(name, "bytes_", 6) == 0)
		crb_size_text((uint64_t)amount, out);
	else
		(void)snprintf(out, CRB_DURATION_TEXT, "%lld", amount);
}

static void
print_limits(const json_t *session)
{
	json_t *limits = json_object_get(session, "limits"), *limit;
	const char *name, *tier;

	json_object_foreach(limits, name, limit)
	{
		char most[CRB_DURATION_TEXT], left[CRB_DURATION_TEXT];
		bool counted = json_object_get(limit, "left") != NULL;
		char text[256];

		tier = crb_member(limit, "tier");
		limit_text(name, crb_member_number(limit, "most"), most);
		limit_text(name, crb_member_number(limit, "left"), left);
		(void)snprintf(text, sizeof(text), "%.64s  %s%s%s (tier %.32s)",
		    name, counted ? left : "",
		    counted ? " left of " : "at most ", most,
		    tier != NULL ? tier : "-");
		crb_output_pair("limit", text);
	}
}

static void
print_session(const json_t *session)
{
	char text[128];

	crb_output_pair("session", crb_member(session, "id"));
	crb_output_pair("task", crb_member(session, "task"));
	crb_output_pair("state", crb_member(session, "state"));
	crb_output_pair("profile", crb_member(session, "profile"));
	print_grants(session);
	print_aws(session);
	crb_leases_print(json_object_get(session, "leases"));
	crb_output_pair("created", crb_member(session, "created"));
	print_expiry(session);
	if (crb_member_number(session, "pid") > 0) {
		(void)snprintf(text, sizeof(text), "%lld",
		    crb_member_number(session, "pid"));
		crb_output_pair("bound to pid", text);
	}
	(void)snprintf(text, sizeof(text), "%lld, %lld refused",
	    crb_member_number(session, "requests"),
	    crb_member_number(session, "refused"));
	crb_output_pair("requests", text);
	print_limits(session);
	crb_output_pair("folder", crb_member(session, "folder"));
}

static enum crb_status
finish(const struct crb_cli *cli, const json_t *result)
{
	if (cli->common->json)
		crb_output_json(result);
	else
		print_session(json_object_get(result, "session"));
	return CRB_OK;
}

static enum crb_status
call_and_show(struct crb_cli *cli, const char *method, json_t *params,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;

	if (crb_cli_call(cli, method, params, &result, err) != CRB_OK)
		return err->status;
	return finish(cli, result);
}

static enum crb_status
show_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	(void)opaque;
	return call_and_show(cli, "session.show",
	    json_pack("{s:s}", "session", operands->at[0]), err);
}

static enum crb_status
grant_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct session_options *options = opaque;
	CRB_AUTO_FREE char *text = NULL;

	if (crb_grant_text(options->grant, &text, err) != CRB_OK)
		return err->status;
	return call_and_show(cli, "session.grant",
	    json_pack("{s:s, s:s}", "session", operands->at[0], "grant", text),
	    err);
}

static enum crb_status
drop_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct session_options *options = opaque;

	return call_and_show(cli, "session.drop",
	    json_pack("{s:s, s:s}", "session", operands->at[0], "grant",
		options->grant),
	    err);
}

static enum crb_status
extend_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct session_options *options = opaque;

	return call_and_show(cli, "session.extend",
	    json_pack("{s:s, s:I}", "session", operands->at[0], "ttl",
		(json_int_t)options->ttl),
	    err);
}

#define SESSION_COMMAND(verb, args, text, more)                 \
	const struct crb_command crb_command_session_##verb = { \
		.name = "session " #verb,                       \
		.operands = args,                               \
		.least = (args) != NULL,                        \
		.most = (args) != NULL,                         \
		.summary = text,                                \
		.details = more,                                \
		.options = verb##_options,                      \
		.options_size = sizeof(struct session_options), \
		.run = verb##_run,                              \
	}

SESSION_COMMAND(list, NULL, "list sessions", NULL);
SESSION_COMMAND(show, "SESSION", "show a session and its grants", NULL);
SESSION_COMMAND(grant, "SESSION", "add a grant to a live session",
    "  credbroker session grant 7Kq2 -g github:repository=acme/web\n");
SESSION_COMMAND(drop, "SESSION", "take a grant from a live session", NULL);
SESSION_COMMAND(
    extend, "SESSION", "let a session live longer, or shorter", NULL);
