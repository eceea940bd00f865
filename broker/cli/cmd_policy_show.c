#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_installed.h"
#include "broker/cli/policy_words.h"

struct show_options {
	struct crb_common common;
};

static const struct crb_option show_options[] = { CRB_COMMON_OPTIONS };

static void
print_tier(struct crb_output *output, const json_t *tier)
{
	char serial[24] = "-", rules[24] = "-";
	const char *cells[8];

	if (json_object_get(tier, "serial") != NULL)
		(void)snprintf(serial, sizeof(serial), "%lld",
		    crb_member_number(tier, "serial"));
	if (json_object_get(tier, "rules") != NULL)
		(void)snprintf(rules, sizeof(rules), "%lld",
		    crb_member_number(tier, "rules"));
	cells[0] = crb_member(tier, "tier");
	cells[1] = crb_member(tier, "state");
	cells[2] = crb_member(tier, "name");
	cells[3] = serial;
	cells[4] = crb_member(tier, "expires");
	cells[5] = rules;
	cells[6] = crb_member(tier, "key");
	cells[7] = crb_member(tier, "path");
	crb_output_row(output, cells);
}

static void
print_tiers(const json_t *tiers)
{
	static const char *const heads[] = { "TIER", "STATE", "NAME", "SERIAL",
		"EXPIRES", "RULES", "SIGNED BY", "FILE", NULL };
	struct crb_output *output = crb_output_new(stdout, heads);
	const json_t *tier;
	size_t i;

	json_array_foreach(tiers, i, tier) print_tier(output, tier);
	crb_output_end(output);
	json_array_foreach(tiers, i, tier)
	{
		if (crb_member(tier, "problem") == NULL)
			continue;
		fflush(stdout);
		fprintf(stderr, "note: %s: ", crb_member(tier, "tier"));
		crb_output_text(stderr, crb_member(tier, "problem"));
		fputc('\n', stderr);
	}
}

static void
print_limits(json_t *limits)
{
	char text[CRB_POLICY_LIMIT_TEXT];

	for (size_t i = 0; i < CRB_LIMITS; i++) {
		CRB_AUTO_BUF struct crb_buf value = CRB_BUF_INIT(256);
		const json_t *limit = json_object_get(
		    limits, crb_limit_infos[i].name);

		if (limit == NULL)
			continue;
		crb_policy_limit_text(
		    i, crb_member_number(limit, "most"), text);
		crb_buf_printf(&value, "%s at most %s, tier %s",
		    crb_limit_infos[i].name, text,
		    crb_member(limit, "tier") != NULL
			? crb_member(limit, "tier")
			: "-");
		crb_output_pair("limit", crb_buf_text(&value));
	}
}

static void
print_pin(const json_t *result)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(512);
	const json_t *pin = json_object_get(result, "pin");
	const json_t *seen = json_object_get(result, "seen");
	const char *from = crb_member(pin, "from");

	if (pin == NULL || from == NULL)
		return;
	crb_buf_printf(&text, "%s, %s",
	    crb_member(pin, "key") != NULL ? crb_member(pin, "key") : "-",
	    strcmp(from, "file") == 0        ? "in its file"
		: strcmp(from, "vault") == 0 ? "in the vault"
					     : "in its file and the vault");
	crb_output_pair("pinned key", crb_buf_text(&text));
	crb_buf_reset(&text);
	crb_buf_printf(&text, "%lld", crb_member_number(seen, "serial"));
	if (seen != NULL)
		crb_output_pair("last serial", crb_buf_text(&text));
}

/* The rules of one tier, from its file. */
static enum crb_status
show_rules(struct crb_cli *cli, enum crb_policy_tier tier, struct crb_err *err)
{
	static const char *const heads[] = { "LINE", "RULE", "EFFECT",
		"DURABLE", "REASON", NULL };
	CRB_AUTO_POLICY_SET struct crb_policy_set set = { 0 };
	CRB_AUTO_JSON json_t *notes = json_array();
	struct crb_output *output;

	if (crb_policy_set_installed(cli, &set, notes, err) != CRB_OK)
		return err->status;
	if (set.policy[tier] == NULL)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "there is no policy of tier %s", crb_policy_tiers[tier]);
	crb_policy_notes_print(notes);
	output = crb_output_new(stdout, heads);
	for (size_t i = 0; i < crb_policy_about(set.policy[tier])->rules; i++) {
		struct crb_policy_rule_about rule = crb_policy_rule_about(
		    set.policy[tier], i);
		char line[16];
		const char *const cells[] = { line, rule.id,
			crb_effect_word(rule.effect), rule.reason,
			rule.durable ? "yes" : NULL };

		(void)snprintf(line, sizeof(line), "%u", rule.line);
		crb_output_row(output, cells);
	}
	crb_output_end(output);
	return CRB_OK;
}

static enum crb_status
show_one(struct crb_cli *cli, const char *name, const json_t *result,
    struct crb_err *err)
{
	enum crb_policy_tier tier = 0;
	const json_t *shown;
	size_t i;

	while (tier < CRB_TIERS && strcmp(crb_policy_tiers[tier], name) != 0)
		tier++;
	if (tier == CRB_TIERS)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "a tier is organization, team or local");
	if (!cli->common->json)
		return show_rules(cli, tier, err);
	json_array_foreach(json_object_get(result, "tiers"), i, shown)
	{
		if (crb_member(shown, "tier") != NULL &&
		    strcmp(crb_member(shown, "tier"), name) == 0)
			crb_output_json(shown);
	}
	return CRB_OK;
}

static enum crb_status
show_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;

	(void)opaque;
	if (crb_cli_call(cli, "policy.show", NULL, &result, err) != CRB_OK)
		return err->status;
	if (operands->count > 0)
		return show_one(cli, operands->at[0], result, err);
	if (cli->common->json) {
		crb_output_json(result);
		return CRB_OK;
	}
	print_tiers(json_object_get(result, "tiers"));
	print_pin(result);
	print_limits(json_object_get(result, "limits"));
	return CRB_OK;
}

const struct crb_command crb_command_policy_show = {
	.name = "policy show",
	.operands = "[organization|team|local]",
	.least = 0,
	.most = 1,
	.summary = "show the policies in force",
	.details =
	    "Each tier with its file and state, the key that is pinned, and\n"
	    "the limits; of one tier, its rules.\n"
	    "\n"
	    "  credbroker policy show\n"
	    "  credbroker policy show team\n",
	.options = show_options,
	.options_size = sizeof(struct show_options),
	.run = show_run,
};
