#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "base/text.h"
#include "broker/cli/command.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_known.h"
#include "broker/cli/policy_load.h"
#include "policy/lint.h"

#define FINDINGS_MAX 100000 /* of one policy */

struct check_options {
	struct crb_common common;
	bool offline, strict;
};

static const struct crb_option check_options[] = {
	{ .name = "offline",
	    .type = CRB_OPTION_FLAG,
	    .offset = offsetof(struct check_options, offline),
	    .help = "ask no broker for its credentials and profiles" },
	{ .name = "strict",
	    .type = CRB_OPTION_FLAG,
	    .offset = offsetof(struct check_options, strict),
	    .help = "exit with 1 when there are warnings" },
	CRB_COMMON_OPTIONS,
};

/* What lint has found, kept: its number is told first. */
struct findings {
	size_t count;
	struct crb_lint *at;
};

static void
findings_clear(struct findings *findings)
{
	free(findings->at);
}
#define AUTO_FINDINGS __attribute__((cleanup(findings_clear)))

static void
add_finding(void *ctx, const struct crb_lint *finding)
{
	struct findings *findings = ctx;
	size_t count = findings->count;
	struct crb_lint *more;

	if (count == FINDINGS_MAX)
		return;
	if ((count & (count - 1)) == 0) {
		more = reallocarray(
		    findings->at, count > 0 ? 2 * count : 1, sizeof(*more));
		if (more == NULL)
			abort();
		findings->at = more;
	}
	findings->at[findings->count++] = *finding;
}

static void
find_expiry(const struct crb_policy *policy, struct findings *findings)
{
	struct crb_lint finding = { .line = 1 };
	char text[CRB_TIME_TEXT];

	if (crb_policy_about(policy)->expires > crb_wall_seconds())
		return;
	crb_text_time(crb_policy_about(policy)->expires, text);
	(void)snprintf(finding.text, sizeof(finding.text),
	    "it has run out: expires is %s", text);
	add_finding(findings, &finding);
}

static json_t *
findings_json(const char *path, const struct crb_policy *policy,
    const struct findings *findings)
{
	const struct crb_policy_about *about = crb_policy_about(policy);
	json_t *array = json_array();

	for (size_t i = 0; i < findings->count; i++)
		(void)json_array_append_new(array,
		    json_pack("{s:i, s:s*, s:s}", "line",
			(int)findings->at[i].line, "rule", findings->at[i].rule,
			"text", findings->at[i].text));
	return json_pack("{s:o, s:s, s:s, s:I, s:I, s:o}", "file",
	    crb_output_string(path), "tier", about->tier_name, "name",
	    about->name, "serial", (json_int_t)about->serial, "rules",
	    (json_int_t)about->rules, "findings", array);
}

static void
print_findings(const char *path, const struct crb_policy *policy,
    const struct findings *findings)
{
	size_t rules = crb_policy_about(policy)->rules;

	crb_output_text(stdout, path);
	printf(": %zu rule%s, 0 errors, %zu warning%s\n", rules,
	    rules == 1 ? "" : "s", findings->count,
	    findings->count == 1 ? "" : "s");
	for (size_t i = 0; i < findings->count; i++) {
		printf("  line %u: ", findings->at[i].line);
		crb_output_text(stdout, findings->at[i].text);
		putchar('\n');
	}
}

struct check {
	const struct check_options *options;
	const struct crb_policy_known *known; /* NULL: no broker was asked */
};

static enum crb_status
check_file(struct crb_cli *cli, const void *ctx, const char *path,
    json_t *files, struct crb_err *err)
{
	const struct check *check = ctx;
	CRB_AUTO_POLICY_SET struct crb_policy_set set = { 0 };
	AUTO_FINDINGS struct findings findings = { 0 };
	const struct crb_policy *policy;
	size_t tier = 0;

	if (crb_policy_set_add(&set, path, err) != CRB_OK)
		return err->status;
	while (set.policy[tier] == NULL)
		tier++;
	policy = set.policy[tier];
	find_expiry(policy, &findings);
	crb_policy_lint(policy, add_finding, &findings);
	if (check->known != NULL)
		crb_policy_known_lint(
		    check->known, policy, add_finding, &findings);
	if (check->options->strict && findings.count > 0)
		cli->exit = 1;
	if (cli->common->json)
		(void)json_array_append_new(
		    files, findings_json(path, policy, &findings));
	else
		print_findings(path, policy, &findings);
	return CRB_OK;
}

static enum crb_status
check_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	struct check check = { .options = opaque };
	CRB_AUTO_POLICY_KNOWN struct crb_policy_known known = { 0 };

	if (!check.options->offline && crb_policy_known_read(cli, &known))
		check.known = &known;
	return crb_policy_each_file(cli, operands, check_file, &check, err);
}

const struct crb_command crb_command_policy_check = {
	.name = "policy check",
	.operands = "FILE...",
	.least = 1,
	.most = -1,
	.summary = "look for mistakes in policies",
	.details =
	    "What the broker would not read is an error, with file, line and\n"
	    "key: exit status 2. What it reads and cannot be meant, such as a\n"
	    "rule that never decides, is a warning: exit status 0, or 1 with\n"
	    "--strict. A broker that answers is asked for its credentials and\n"
	    "profiles: a name that it does not have, or a grant that the policy\n"
	    "never allows, is a warning, too.\n"
	    "\n"
	    "  credbroker policy check organization.json\n"
	    "  credbroker policy check --strict --offline policies/*.json\n",
	.options = check_options,
	.options_size = sizeof(struct check_options),
	.run = check_run,
};
