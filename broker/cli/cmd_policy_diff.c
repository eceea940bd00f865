#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_installed.h"
#include "broker/cli/policy_past.h"
#include "broker/cli/policy_session.h"
#include "broker/cli/policy_words.h"

#define WORDS_MAX 8192
#define EVENTS_MOST 10000

struct diff_options {
	struct crb_common common;
	struct crb_list cases, others;
	int64_t events;
};

#define AT(member) offsetof(struct diff_options, member)

static const struct crb_option diff_options[] = {
	{ .name = "cases",
	    .letter = 'c',
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(cases),
	    .value = "FILE",
	    .help = "cases to ask about, if not those beside NEW" },
	{ .name = "events",
	    .letter = 'n',
	    .type = CRB_OPTION_NUMBER,
	    .offset = AT(events),
	    .value = "N",
	    .max = EVENTS_MOST,
	    .preset = "5000",
	    .help = "the last N lines of the audit log; 0: none" },
	{ .name = "policy",
	    .letter = 'p',
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(others),
	    .value = "FILE",
	    .help = "a policy of another tier, the same before and after" },
	CRB_COMMON_OPTIONS,
};

/* Both sides, and what has been counted. */
struct diffing {
	struct crb_cli *cli;
	const struct diff_options *options;
	struct crb_policy_set old, new;
	json_t *notes;   /* owned */
	json_t *changes; /* owned; the same change of events once, counted */
	json_t *index;   /* owned; of changes, by their text */
	size_t cases, changed_cases;
	size_t events, changed_events;
};

static void
diffing_clear(struct diffing *diffing)
{
	crb_policy_set_clear(&diffing->old);
	crb_policy_set_clear(&diffing->new);
	json_decref(diffing->notes);
	json_decref(diffing->changes);
	json_decref(diffing->index);
}
#define AUTO_DIFFING __attribute__((cleanup(diffing_clear)))

/* "github repository=acme/api git=push", what is asked in short. */
static void
add_summary(const struct crb_question *question, struct crb_buf *out)
{
	crb_buf_str(
	    out, question->credential != NULL ? question->credential : "-");
	if (question->kind != CRB_QUESTION_REQUEST)
		crb_buf_printf(out, " %s",
		    question->kind == CRB_QUESTION_MINT ? "mint" : "inject");
	for (size_t i = 0; i < question->count; i++) {
		const struct crb_asked *asked = &question->at[i];

		if (asked->state != CRB_ASKED_VALUES)
			continue;
		crb_buf_printf(out, " %s=", asked->name);
		crb_question_value(question, asked->name, out);
	}
}

/* As many of the same kind are one change. */
static void
add_change(struct diffing *diffing, const char *of, const char *what,
    json_int_t first, const struct crb_verdict *before,
    const struct crb_verdict *after)
{
	CRB_AUTO_BUF struct crb_buf key = CRB_BUF_INIT(2 * WORDS_MAX);
	const char *rule = after->rule != NULL ? after->rule : "-";
	json_t *change;

	crb_buf_printf(&key, "%s %s %d %d %s", of, what, (int)before->effect,
	    (int)after->effect, rule);
	change = json_object_get(diffing->index, crb_buf_text(&key));
	if (change != NULL) {
		(void)json_object_set_new(change, "count",
		    json_integer(crb_member_number(change, "count") + 1));
		return;
	}
	change = json_pack("{s:s, s:o, s:s, s:s, s:I, s:I, s:o, s:o}", "of", of,
	    "what", crb_output_string(what), "old",
	    crb_effect_word(before->effect), "new",
	    crb_effect_word(after->effect), "count", (json_int_t)1, "first",
	    first, "old_verdict", crb_verdict_json(before), "new_verdict",
	    crb_verdict_json(after));
	(void)json_object_set(diffing->index, crb_buf_text(&key), change);
	(void)json_array_append_new(diffing->changes, change);
}

/* True when the two sides differ. */
static bool
hold(struct diffing *diffing, const struct crb_question *question,
    const char *of, const char *name, json_int_t first, bool ask_always)
{
	CRB_AUTO_BUF struct crb_buf summary = CRB_BUF_INIT(WORDS_MAX);
	struct crb_verdict before, after;

	crb_policy_set_decide(&diffing->old, question, &before);
	crb_policy_set_decide(&diffing->new, question, &after);
	if (ask_always) {
		crb_policy_ask_always(&before);
		crb_policy_ask_always(&after);
	}
	if (before.effect == after.effect)
		return false;
	if (name == NULL)
		add_summary(question, &summary);
	add_change(diffing, of, name != NULL ? name : crb_buf_text(&summary),
	    first, &before, &after);
	return true;
}

static enum crb_status
diff_cases(struct diffing *diffing, const char *path, struct crb_err *err)
{
	CRB_AUTO_CASES struct crb_cases *cases = NULL;

	if (crb_policy_set_cases(&diffing->new, path, &cases, err) != CRB_OK)
		return err->status;
	for (size_t i = 0; i < crb_cases_count(cases); i++) {
		const struct crb_case *one = crb_cases_at(cases, i);

		diffing->changed_cases += hold(diffing, &one->question, "case",
		    one->name, (json_int_t)one->line, false);
	}
	diffing->cases += crb_cases_count(cases);
	return CRB_OK;
}

/* Those beside the new one, by either name. */
static enum crb_status
diff_usual_cases(
    struct diffing *diffing, const char *policy, struct crb_err *err)
{
	static const char *const endings[] = { "test", "cases" };
	struct crb_slice name = CRB_SLICE(policy);
	char path[CRB_PATH_MAX];
	int len;

	if (!crb_slice_ends(name, ".json"))
		return CRB_OK;
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		len = snprintf(path, sizeof(path), "%.*s.%s.json",
		    (int)(name.len - strlen(".json")), policy, endings[i]);
		if (len < CRB_PATH_MAX && access(path, F_OK) == 0 &&
		    diff_cases(diffing, path, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

/* What session.issue said of each session, by its id. */
static enum crb_status
read_facts(struct crb_cli *cli, json_t **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;
	json_t *facts = json_object(), *line, *one;
	const char *id, *asked;
	size_t i;

	*out = facts;
	if (crb_cli_call(cli, "audit.show",
		json_pack("{s:s, s:i, s:b}", "event", "session.issue", "most",
		    EVENTS_MOST, "newest", 1),
		&result, err) != CRB_OK)
		return err->status;
	json_array_foreach(json_object_get(result, "events"), i, line)
	{
		id = crb_member(line, "session");
		asked = crb_member(line, "asked");
		if (id == NULL || asked == NULL ||
		    (one = json_loads(asked, JSON_REJECT_DUPLICATES, NULL)) ==
			NULL)
			continue;
		if (crb_policy_asks_always(line))
			(void)json_object_set_new(
			    one, "ask_always", json_true());
		(void)json_object_set_new(facts, id, one);
	}
	return CRB_OK;
}

/* What the session's own grants refused stays refused. */
static bool
is_of_tiers(const json_t *line)
{
	const char *tier = crb_member(line, "tier");
	const char *decision = crb_member(line, "decision");

	return tier == NULL || decision == NULL ||
	    strcmp(tier, "session") != 0 || strcmp(decision, "deny") != 0;
}

static void
diff_event(struct diffing *diffing, json_t *line, json_t *facts)
{
	CRB_AUTO_PAST struct crb_policy_past past = { 0 };
	const char *session = crb_member(line, "session");
	json_t *of = session != NULL ? json_object_get(facts, session) : NULL;
	bool always = json_is_true(json_object_get(of, "ask_always"));
	struct crb_err ignored;
	bool changed = false;

	if (!is_of_tiers(line) ||
	    crb_policy_past_make(line, of, crb_policy_set_zones(&diffing->new),
		&past, &ignored) != CRB_OK)
		return;
	for (size_t i = 0; i < past.count; i++)
		changed |= hold(diffing, &past.at[i].question, "event", NULL,
		    crb_member_number(line, "n"), always);
	diffing->events++;
	diffing->changed_events += changed;
}

static enum crb_status
diff_events(struct diffing *diffing, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;
	CRB_AUTO_JSON json_t *facts = NULL;
	json_t *line;
	size_t i;

	if (crb_cli_call(diffing->cli, "audit.show",
		json_pack("{s:I, s:b}", "most",
		    (json_int_t)diffing->options->events, "newest", 1),
		&result, err) != CRB_OK ||
	    read_facts(diffing->cli, &facts, err) != CRB_OK)
		return err->status;
	json_array_foreach(json_object_get(result, "events"), i, line)
	    diff_event(diffing, line, facts);
	return CRB_OK;
}

/* Without a broker there are the cases. */
static void
try_events(struct diffing *diffing)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(CRB_ERR_MSG_MAX + 64);
	struct crb_err why;

	if (diffing->options->events == 0 ||
	    diff_events(diffing, &why) == CRB_OK)
		return;
	crb_buf_printf(&text, "no event of the audit log: %s", why.msg);
	(void)json_array_append_new(
	    diffing->notes, crb_output_string(crb_buf_text(&text)));
}

static void
diff_limits(struct diffing *diffing)
{
	struct crb_limits limits[2];
	const struct crb_policy_set *const sets[2] = { &diffing->old,
		&diffing->new };
	char was[CRB_POLICY_LIMIT_TEXT], is[CRB_POLICY_LIMIT_TEXT];

	for (size_t side = 0; side < 2; side++) {
		crb_limits_init(&limits[side]);
		for (size_t i = 0; i < CRB_TIERS; i++) {
			const struct crb_policy *policy = sets[side]->policy[i];

			if (policy != NULL)
				crb_limits_narrow(&limits[side],
				    &crb_policy_about(policy)->limits,
				    crb_policy_tiers[i]);
		}
	}
	for (size_t i = 0; i < CRB_LIMITS; i++) {
		if (limits[0].most[i] == limits[1].most[i])
			continue;
		crb_policy_limit_text(i, limits[0].most[i], was);
		crb_policy_limit_text(i, limits[1].most[i], is);
		(void)json_array_append_new(diffing->changes,
		    json_pack("{s:s, s:s, s:s, s:s}", "of", "limit", "what",
			crb_limit_infos[i].name, "old", was, "new", is));
	}
}

/* OLD stands for the tiers that are there; NEW replaces the one of its tier. */
static enum crb_status
load(struct diffing *diffing, const char *old, const char *new,
    struct crb_err *err)
{
	struct crb_policy_set *sets[] = { &diffing->old, &diffing->new };
	bool installed = strcmp(old, CRB_POLICY_INSTALLED) == 0;
	const struct crb_list *others = &diffing->options->others;

	if (crb_policy_set_add(&diffing->new, new, err) != CRB_OK ||
	    (!installed &&
		crb_policy_set_add(&diffing->old, old, err) != CRB_OK))
		return err->status;
	for (size_t tier = 0; !installed && tier < CRB_TIERS; tier++) {
		if ((diffing->new.policy[tier] == NULL) !=
		    (diffing->old.policy[tier] == NULL))
			return crb_err_set(err, CRB_ERR_USAGE,
			    "%s and %s are not of the same tier", old, new);
	}
	for (size_t i = 0; i < others->count; i++) {
		for (size_t side = 0; side < 2; side++) {
			if (crb_policy_set_add(
				sets[side], others->item[i], err) != CRB_OK)
				return err->status;
		}
	}
	return installed ? crb_policy_set_beside(diffing->cli, &diffing->old,
			       &diffing->new, diffing->notes, err)
			 : CRB_OK;
}

static void
print_change(struct crb_output *output, const json_t *change)
{
	const json_t *verdict = json_object_get(change, "new_verdict");
	char of[48];
	const char *const cells[] = { of, crb_member(change, "what"),
		crb_member(change, "old"), crb_member(change, "new"),
		crb_member(verdict, "rule"), crb_member(verdict, "tier") };
	long long count = crb_member_number(change, "count");

	if (json_object_get(change, "first") == NULL)
		(void)snprintf(of, sizeof(of), "%s", crb_member(change, "of"));
	else
		(void)snprintf(of, sizeof(of), "%s %lld%s",
		    strcmp(crb_member(change, "of"), "case") == 0 ? "line"
								  : "event",
		    crb_member_number(change, "first"),
		    count > 1 ? " and more" : "");
	crb_output_row(output, cells);
}

static void
print_changes(const struct diffing *diffing)
{
	static const char *const heads[] = { "OF", "WHAT", "OLD", "NEW",
		"BY RULE", "TIER", NULL };
	struct crb_output *output;
	const json_t *change;
	size_t i;

	crb_policy_notes_print(diffing->notes);
	printf("%zu of %zu cases", diffing->changed_cases, diffing->cases);
	if (diffing->events > 0)
		printf(" and %zu of the last %zu audited decisions",
		    diffing->changed_events, diffing->events);
	printf(" would change%s\n",
	    json_array_size(diffing->changes) > 0 ? ":" : ".");
	if (json_array_size(diffing->changes) == 0)
		return;
	output = crb_output_new(stdout, heads);
	json_array_foreach(diffing->changes, i, change)
	    print_change(output, change);
	crb_output_end(output);
}

static enum crb_status
print_json(const struct diffing *diffing, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = json_pack("{s:I, s:I, s:I, s:I, s:O, s:O}",
	    "cases", (json_int_t)diffing->cases, "changed_cases",
	    (json_int_t)diffing->changed_cases, "events",
	    (json_int_t)diffing->events, "changed_events",
	    (json_int_t)diffing->changed_events, "changes", diffing->changes,
	    "notes", diffing->notes);

	if (json == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_output_json(json);
	return CRB_OK;
}

static enum crb_status
diff_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct diff_options *options = opaque;
	AUTO_DIFFING struct diffing diffing = { .cli = cli,
		.options = options,
		.notes = json_array(),
		.changes = json_array(),
		.index = json_object() };

	if (load(&diffing, operands->at[0], operands->at[1], err) != CRB_OK)
		return err->status;
	for (size_t i = 0; i < options->cases.count; i++) {
		if (diff_cases(&diffing, options->cases.item[i], err) != CRB_OK)
			return err->status;
	}
	if (options->cases.count == 0 &&
	    diff_usual_cases(&diffing, operands->at[1], err) != CRB_OK)
		return err->status;
	try_events(&diffing);
	diff_limits(&diffing);
	if (cli->common->json)
		return print_json(&diffing, err);
	print_changes(&diffing);
	return CRB_OK;
}

const struct crb_command crb_command_policy_diff = {
	.name = "policy diff",
	.operands = "OLD NEW",
	.least = 2,
	.most = 2,
	.summary = "what would be decided otherwise by another policy",
	.details =
	    "Both are files, or OLD is \"installed\": the policies in force, of\n"
	    "which NEW replaces the one of its tier. They are asked about the\n"
	    "cases beside NEW, and about what the audit log says was asked.\n"
	    "\n"
	    "  credbroker policy diff installed organization.json\n"
	    "  credbroker policy diff old.json new.json --cases "
	    "cases.json --events 0\n",
	.options = diff_options,
	.options_size = sizeof(struct diff_options),
	.run = diff_run,
};
