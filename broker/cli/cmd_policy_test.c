#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/cli/command.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_load.h"
#include "broker/cli/policy_words.h"

#define WORDS_MAX 8192

struct test_options {
	struct crb_common common;
	struct crb_list policies;
};

static const struct crb_option test_options[] = {
	{ .name = "policy",
	    .letter = 'p',
	    .type = CRB_OPTION_REPEAT,
	    .offset = offsetof(struct test_options, policies),
	    .value = "FILE",
	    .help = "a policy to ask; one for each tier that there is" },
	CRB_COMMON_OPTIONS,
};

static json_t *
case_json(const struct crb_case *one, const struct crb_verdict *verdict,
    bool expected)
{
	return json_pack("{s:s, s:i, s:s, s:s*, s:b, s:o}", "name", one->name,
	    "line", (int)one->line, "expect", crb_effect_word(one->expect),
	    "rule", one->rule, "as_expected", (int)expected, "verdict",
	    crb_verdict_json(verdict));
}

static void
print_case(const struct crb_case *one, const struct crb_verdict *verdict)
{
	CRB_AUTO_BUF struct crb_buf words = CRB_BUF_INIT(WORDS_MAX);

	crb_verdict_words(verdict, &one->question, &words);
	printf("  line %u: ", one->line);
	crb_output_text(stdout, one->name);
	printf(": expected %s%s%s, is ", crb_effect_word(one->expect),
	    one->rule != NULL ? " by rule " : "",
	    one->rule != NULL ? one->rule : "");
	crb_output_text(stdout, crb_buf_text(&words));
	putchar('\n');
}

/* Those that are not as expected are told behind their number. */
static size_t
run_cases(const struct crb_cases *cases, const struct crb_tiers *tiers,
    json_t *told, bool print)
{
	size_t good = 0;

	for (size_t i = 0; i < crb_cases_count(cases); i++) {
		const struct crb_case *one = crb_cases_at(cases, i);
		struct crb_verdict verdict;
		bool expected = crb_case_run(one, tiers, &verdict);

		good += expected;
		if (!expected)
			crb_policy_closest(tiers, &one->question, &verdict);
		if (told != NULL)
			(void)json_array_append_new(
			    told, case_json(one, &verdict, expected));
		else if (print && !expected)
			print_case(one, &verdict);
	}
	return good;
}

static enum crb_status
load(struct crb_policy_set *set, const struct test_options *options,
    const char *path, struct crb_cases **cases, struct crb_err *err)
{
	for (size_t i = 0; i < options->policies.count; i++) {
		if (crb_policy_set_add(set, options->policies.item[i], err) !=
		    CRB_OK)
			return err->status;
	}
	if (options->policies.count == 0 &&
	    crb_policy_of_cases(path, set, err) != CRB_OK)
		return err->status;
	return crb_policy_set_cases(set, path, cases, err);
}

static enum crb_status
test_file(struct crb_cli *cli, const void *options, const char *path,
    json_t *files, struct crb_err *err)
{
	CRB_AUTO_POLICY_SET struct crb_policy_set set = { 0 };
	CRB_AUTO_CASES struct crb_cases *cases = NULL;
	CRB_AUTO_JSON json_t *told = NULL;
	struct crb_tiers tiers;
	size_t good, count;

	if (load(&set, options, path, &cases, err) != CRB_OK)
		return err->status;
	tiers = crb_policy_set_tiers(&set);
	if (cli->common->json)
		told = json_array();
	good = run_cases(cases, &tiers, told, false);
	count = crb_cases_count(cases);
	if (good < count)
		cli->exit = 1;
	if (told != NULL) {
		(void)json_array_append_new(files,
		    json_pack("{s:o, s:I, s:O}", "file",
			crb_output_string(path), "as_expected",
			(json_int_t)good, "cases", told));
		return CRB_OK;
	}
	crb_output_text(stdout, path);
	printf(": %zu case%s, %zu as expected\n", count, count == 1 ? "" : "s",
	    good);
	(void)run_cases(cases, &tiers, NULL, true);
	return CRB_OK;
}

static enum crb_status
test_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	return crb_policy_each_file(cli, operands, test_file, opaque, err);
}

const struct crb_command crb_command_policy_test = {
	.name = "policy test",
	.operands = "FILE...",
	.least = 1,
	.most = -1,
	.no_config = true,
	.summary = "hold policies against the cases that are kept beside them",
	.details =
	    "Each case is a question with the verdict that is expected, and\n"
	    "maybe the rule. Cases in acme.test.json or acme.cases.json are of\n"
	    "acme.json, unless --policy says otherwise. Exit status 1 when a\n"
	    "verdict is another one.\n"
	    "\n"
	    "  credbroker policy test organization.test.json\n"
	    "  credbroker policy test cases.json -p organization.json -p "
	    "team.json\n",
	.options = test_options,
	.options_size = sizeof(struct test_options),
	.run = test_run,
};
