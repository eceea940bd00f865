/*
 * What must hold of every policy and every question, over generated ones.
 * CRB_POLICY_SEED repeats a run, CRB_POLICY_CASES makes it longer.
 */
#include <time.h>

#include "policy.h"
#include "policy/attribute.h"
#include "policy/lint.h"

#define CASES 100000u
#define QUESTIONS 8u /* of each set of policies */
#define RULES_MAX 12u
#define TIERS_MAX 3u
#define SAMPLES 4u

struct rng {
	uint64_t state;
};

static uint32_t
below(struct rng *rng, uint32_t bound)
{
	rng->state ^= rng->state << 13;
	rng->state ^= rng->state >> 7;
	rng->state ^= rng->state << 17;
	return (uint32_t)((rng->state >> 11) % bound);
}

static bool
one_in(struct rng *rng, uint32_t n)
{
	return below(rng, n) == 0;
}

/* Few words, so that much of what is generated meets. */
static const char *const credentials[] = { "github", "aws-dev", "aws-prod",
	"aws-*", "*", "g*b", NULL };
static const char *const repositories[] = { "a/x", "a/y", "b/x", "A/X", "a/*",
	"**/x", "**", "a/x*", "b/**", "*/x", "a/**/x", "b/c/x", NULL };
static const char *const gits[] = { "fetch", "push", "push-options", NULL };
static const char *const refs[] = { "refs/heads/m", "refs/heads/a/1",
	"refs/heads/**", "refs/heads/a/*", "refs/tags/v1", "refs/**", "refs/*",
	NULL };
static const char *const changes[] = { "create", "update", "delete", NULL };
static const char *const hosts[] = { "h.test", "api.h.test", "*.h.test", "**",
	"API.h.test", NULL };
static const char *const methods[] = { "GET", "POST", "DELETE", NULL };
static const char *const paths[] = { "/", "/r/a", "/r/*", "/**", "/r/**",
	"/R/a", "/r/a/", NULL };
static const char *const actions[] = { "s3:Get", "s3:G*", "s3:*", "*", "S3:gEt",
	"iam:P", "?3:G?t", "i*:*", NULL };
static const char *const resources[] = { "arn:a:s3:::b", "arn:a:s3:::b/*",
	"arn:*", "arn:a:s3:::?", "*", "arn:a:iam:::r", NULL };
static const char *const services[] = { "s3", "iam", "*", NULL };
static const char *const regions[] = { "eu-1", "eu-*", "us-1", "?*-1", NULL };
static const char *const users[] = { "ann", "bob", "b*", NULL };
static const char *const groups[] = { "dev", "ops", "*", NULL };
static const char *const tasks[] = { "ci-1", "ci-2", "fix-1", "ci-*", NULL };
static const char *const deliveries[] = { "mint", "inject", NULL };
static const char *const teams[] = { "core", "web/a", "web/*", "**", NULL };

static const struct vocabulary {
	const char *name;
	const char *const *words;
} attributes[] = {
	{ "repository", repositories },
	{ "git", gits },
	{ "ref", refs },
	{ "change", changes },
	{ "hosts", hosts },
	{ "methods", methods },
	{ "paths", paths },
	{ "actions", actions },
	{ "resources", resources },
	{ "service", services },
	{ "region", regions },
};
static const struct vocabulary facts[] = {
	{ "credentials", credentials },
	{ "users", users },
	{ "groups", groups },
	{ "tasks", tasks },
	{ "delivery", deliveries },
};
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *
word(struct rng *rng, const char *const *words)
{
	uint32_t count = 0;

	while (words[count] != NULL)
		count++;
	return words[below(rng, count)];
}

static void
write_list(struct crb_buf *out, struct rng *rng, const struct vocabulary *of)
{
	uint32_t count = one_in(rng, 30) ? 0 : 1 + below(rng, 3);

	crb_buf_printf(out, "\"%s\": [", of->name);
	for (uint32_t i = 0; i < count; i++)
		crb_buf_printf(
		    out, "%s\"%s\"", i > 0 ? ", " : "", word(rng, of->words));
	crb_buf_str(out, "]");
}

static void
write_scope(struct crb_buf *out, struct rng *rng)
{
	bool first = true;

	crb_buf_str(out, ", \"scope\": {");
	for (size_t i = 0; i < COUNT(attributes); i++) {
		if (!one_in(rng, 6))
			continue;
		crb_buf_str(out, first ? "" : ", ");
		write_list(out, rng, &attributes[i]);
		first = false;
	}
	crb_buf_str(out, "}");
}

static void
write_during(struct crb_buf *out, struct rng *rng)
{
	static const char *const zone[] = { "UTC", "Test/East", "Test/Summer",
		NULL };
	uint32_t from = below(rng, 24), to = below(rng, 24);

	crb_buf_printf(out, ", \"during\": {\"zone\": \"%s\"", word(rng, zone));
	if (from != to)
		crb_buf_printf(
		    out, ", \"hours\": [\"%02u:00-%02u:00\"]", from, to);
	if (one_in(rng, 2))
		crb_buf_str(out, ", \"days\": [\"mon-thu\"]");
	crb_buf_str(out, "}");
}

static char *
make_rule(struct rng *rng, const char *effect, uint32_t number)
{
	static const char *const effects[] = { "deny", "ask", "allow", "allow",
		"allow", NULL };
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);

	if (effect == NULL)
		effect = word(rng, effects);
	crb_buf_printf(
	    &out, "{\"id\": \"r%u\", \"effect\": \"%s\"", number, effect);
	for (size_t i = 0; i < COUNT(facts); i++) {
		if (!one_in(rng, 6))
			continue;
		crb_buf_str(&out, ", ");
		write_list(&out, rng, &facts[i]);
	}
	if (one_in(rng, 8))
		crb_buf_printf(&out, ", \"labels\": {\"team\": [\"%s\"]}",
		    word(rng, teams));
	if (!one_in(rng, 4))
		write_scope(&out, rng);
	if (one_in(rng, 10))
		write_during(&out, rng);
	if (strcmp(effect, "ask") == 0 && one_in(rng, 2))
		crb_buf_printf(&out, ", \"approvers\": \"%s\"",
		    one_in(rng, 2) ? "sec" : "lead");
	if (strcmp(effect, "deny") != 0 && one_in(rng, 8))
		crb_buf_str(&out, ", \"durable\": true");
	crb_buf_str(&out, "}");
	assert_false(out.failed);
	return crb_buf_steal(&out);
}

/* A tier as texts of rules, so that it can be made anew with some changed. */
struct draft {
	size_t count;
	char *rule[RULES_MAX + 1];
	bool left_out[RULES_MAX + 1];
	size_t order[RULES_MAX + 1];
};

static void
draft_make(struct draft *draft, struct rng *rng)
{
	*draft = (struct draft){ .count = 1 + below(rng, RULES_MAX) };
	for (uint32_t i = 0; i < draft->count; i++) {
		/* Otherwise nearly all would be denied. */
		draft->rule[i] = i == 0 && !one_in(rng, 4)
		    ? strdup("{\"id\": \"r0\", \"effect\": \"allow\"}")
		    : make_rule(rng, NULL, i);
		draft->order[i] = i;
	}
}

static void
draft_clear(struct draft *draft)
{
	for (size_t i = 0; i < draft->count; i++)
		free(draft->rule[i]);
}

static struct crb_policy *
build(const struct draft *draft, size_t tier)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(1u << 18);
	const char *comma = "";

	crb_buf_str(&out, "");
	for (size_t i = 0; i < draft->count; i++) {
		size_t at = draft->order[i];

		if (draft->left_out[at])
			continue;
		crb_buf_printf(&out, "%s%s", comma, draft->rule[at]);
		comma = ",\n";
	}
	assert_false(out.failed);
	return policy_of(crb_policy_tiers[tier], crb_buf_text(&out));
}

/* A question with room for what it points to. */
struct asking {
	struct crb_question q;
	struct crb_asked_label label;
	const char *group[2];
	const char *value[COUNT(attributes)][3];
	char sample[COUNT(attributes)][64];
	const char *sampled[COUNT(attributes)];
};

static bool
is_literal(const char *text)
{
	return strpbrk(text, "*?") == NULL;
}

static const char *
literal(struct rng *rng, const char *const *words)
{
	const char *text = word(rng, words);

	while (!is_literal(text))
		text = word(rng, words);
	return text;
}

static void
ask_attribute(struct asking *asking, struct rng *rng, size_t i)
{
	struct crb_question *q = &asking->q;
	bool request = q->kind == CRB_QUESTION_REQUEST;
	struct crb_asked asked = { .name = attributes[i].name,
		.fold = one_in(rng, 8),
		.count = request ? 1 : 1 + below(rng, 3),
		.value = asking->value[i] };

	for (size_t k = 0; k < asked.count; k++)
		asking->value[i][k] = request
		    ? literal(rng, attributes[i].words)
		    : word(rng, attributes[i].words);
	if (one_in(rng, 10))
		asked.state = q->kind == CRB_QUESTION_MINT ? CRB_ASKED_ANY
							   : CRB_ASKED_LATER;
	assert_true(crb_question_add(q, &asked));
}

static void
make_question(struct asking *asking, struct rng *rng)
{
	struct crb_question *q = &asking->q;

	*q = (struct crb_question){
		.kind = (enum crb_question_kind)below(rng, 3),
		.credential = literal(rng, credentials),
		.task = literal(rng, tasks),
		.user = literal(rng, users),
		.groups = asking->group,
		.group_count = below(rng, 3),
		.labels = &asking->label,
		.label_count = below(rng, 2),
		.delivery = word(rng, deliveries),
		.now = 500000 + below(rng, 1000000),
		.seconds = one_in(rng, 2) ? 0 : below(rng, 90000),
		.zones = &zones,
	};
	asking->group[0] = literal(rng, groups);
	asking->group[1] = literal(rng, groups);
	asking->label = (struct crb_asked_label){ "team", literal(rng, teams) };
	if (one_in(rng, 10))
		q->user = NULL;
	for (size_t i = 0; i < COUNT(attributes); i++) {
		if (one_in(rng, 3))
			ask_attribute(asking, rng, i);
	}
}

/* A name that a pattern matches. */
static void
sample(struct rng *rng, const char *pattern, char *out)
{
	static const char *const runs[] = { "x", "a", "Q", "xy" };

	for (; *pattern != '\0'; pattern++) {
		if (pattern[0] == '*' && pattern[1] == '*') {
			out = stpcpy(out, one_in(rng, 2) ? "x" : "a/x/q");
			pattern++;
		} else if (*pattern == '*') {
			out = stpcpy(out, runs[below(rng, COUNT(runs))]);
		} else if (*pattern == '?') {
			*out++ = "aGs"[below(rng, 3)];
		} else {
			*out++ = *pattern;
		}
	}
	*out = '\0';
}

/* One request of what a grant asks for, at one of its times. */
static void
make_sample(const struct asking *grant, struct rng *rng, struct asking *request)
{
	struct crb_question *q = &request->q;

	*q = grant->q;
	q->kind = CRB_QUESTION_REQUEST;
	q->now += q->seconds > 0 ? below(rng, (uint32_t)q->seconds) : 0;
	q->seconds = 0;
	for (size_t i = 0; i < q->count; i++) {
		struct crb_asked *asked = &q->at[i];
		size_t k = crb_policy_attribute_find(asked->name);
		const char *from = asked->state == CRB_ASKED_VALUES
		    ? asked->value[below(rng, (uint32_t)asked->count)]
		    : word(rng, attributes[k].words);

		sample(rng, from, request->sample[i]);
		request->sampled[i] = request->sample[i];
		*asked = (struct crb_asked){ .name = asked->name,
			.fold = asked->fold,
			.count = 1,
			.value = &request->sampled[i] };
	}
}

struct tally {
	uint64_t seed;
	size_t cases;
	size_t effects[3];
	size_t durable;
};

static struct crb_verdict
decide(struct crb_policy *const *policies, size_t count,
    const struct crb_question *q)
{
	const struct crb_tiers tiers = {
		(const struct crb_policy *const *)policies, count, NULL
	};
	struct crb_verdict verdict;

	crb_policy_decide(&tiers, q, &verdict);
	return verdict;
}

/* The strictest of what explain tells of each rule is what is decided. */
struct told {
	size_t rules;
	bool matched; /* the rule that decided, as it was told */
	bool durable; /* any of them wants it */
	bool request;
	struct crb_policy *const *policies;
	const struct crb_verdict *verdict;
};

/* Every rule that says so and matches, whether it decides or not. */
static void
hear_durable(struct told *told, const struct crb_explained *explained)
{
	const struct crb_policy *policy;
	size_t tier = 0, rule = 0;

	while (strcmp(crb_policy_tiers[tier], explained->tier) != 0)
		tier++;
	policy = told->policies[tier];
	while (strcmp(crb_policy_rule_about(policy, rule).id,
		   explained->rule) != 0)
		rule++;
	if (crb_policy_rule_about(policy, rule).durable && told->request)
		assert_true(
		    explained->durable || explained->match < CRB_MATCH_SOME);
	else
		assert_false(explained->durable);
	told->durable = told->durable || explained->durable;
}

static void
hear(void *ctx, const struct crb_explained *explained)
{
	struct told *told = ctx;

	told->rules++;
	hear_durable(told, explained);
	if (told->verdict->rule != NULL &&
	    strcmp(explained->tier, told->verdict->tier) == 0 &&
	    strcmp(explained->rule, told->verdict->rule) == 0)
		told->matched = explained->effect == told->verdict->effect
		    ? explained->match >= CRB_MATCH_SOME
		    : explained->effect == CRB_EFFECT_ASK &&
			explained->match == CRB_MATCH_LATER;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Approvers are the same by name, whichever rule has named them first. */
static void
same_verdicts(const struct crb_verdict *a, const struct crb_verdict *b)
{
	struct crb_verdict left = *a, right = *b;

	assert_int_equal(a->approver_count, b->approver_count);
	for (size_t i = 0; i < a->approver_count; i++)
		assert_string_equal(a->approvers[i], b->approvers[i]);
	memset(left.approvers, 0, sizeof(left.approvers));
	memset(right.approvers, 0, sizeof(right.approvers));
	/* Who explains looks at every rule. */
	right.work = left.work;
	assert_memory_equal(&left, &right, sizeof(left));
}

static void
explain_agrees(struct crb_policy *const *policies, size_t count,
    const struct crb_question *q, struct crb_verdict verdict)
{
	const struct crb_tiers tiers = {
		(const struct crb_policy *const *)policies, count, NULL
	};
	struct crb_verdict explained;
	struct told told = { .verdict = &verdict,
		.policies = policies,
		.request = q->kind == CRB_QUESTION_REQUEST };

	crb_policy_closest(&tiers, q, &verdict);
	crb_policy_explain(&tiers, q, &explained, hear, &told);
	same_verdicts(&verdict, &explained);
	assert_true(verdict.rule == NULL || told.matched);
	if (verdict.problem == NULL)
		assert_int_equal(verdict.durable,
		    told.durable && verdict.effect != CRB_EFFECT_DENY);
}

static void
tell_closest(struct crb_policy *const *policies, size_t count,
    const struct crb_question *q, struct crb_verdict *verdict)
{
	const struct crb_tiers tiers = {
		(const struct crb_policy *const *)policies, count, NULL
	};

	crb_policy_closest(&tiers, q, verdict);
}

/* One tier, written otherwise. */
struct variants {
	size_t tier;
	struct crb_policy *shuffled;
	struct crb_policy *one_more_deny;
	struct crb_policy *one_allow_less;
	struct crb_policy *linted; /* without what is said to change nothing */
	struct crb_policy *more_durable; /* one of its rules is, in addition */
};

static void
leave_out(void *ctx, const struct crb_lint *finding)
{
	struct draft *draft = ctx;

	/* Questions are made without regard to what requests have. */
	if (finding->rule != NULL &&
	    strstr(finding->text, "durable for nothing") == NULL &&
	    strstr(finding->text, "no request has") == NULL &&
	    strstr(finding->text, "only a push") == NULL)
		draft->left_out[strtoul(finding->rule + 1, NULL, 10)] = true;
}

/* The rule's text with one member more, where it may have it. */
static struct crb_policy *
build_more_durable(struct draft *draft, size_t tier, size_t at)
{
	char *rule = draft->rule[at], *longer = NULL;
	struct crb_policy *policy;

	if (strstr(rule, "\"deny\"") == NULL &&
	    strstr(rule, "\"durable\"") == NULL) {
		assert_true(asprintf(&longer, "%.*s, \"durable\": true}",
				(int)strlen(rule) - 1, rule) > 0);
		draft->rule[at] = longer;
	}
	policy = build(draft, tier);
	draft->rule[at] = rule;
	free(longer);
	return policy;
}

static void
make_variants(struct variants *out, struct draft *draft, size_t tier,
    const struct crb_policy *policy, struct rng *rng)
{
	size_t extra = draft->count;
	size_t at = below(rng, (uint32_t)draft->count);

	out->tier = tier;
	crb_policy_lint(policy, leave_out, draft);
	out->linted = build(draft, tier);
	memset(draft->left_out, 0, sizeof(draft->left_out));
	/* A deny, or what is no allow, left out may well allow more. */
	draft->left_out[at] = strstr(draft->rule[at], "\"allow\"") != NULL;
	out->one_allow_less = build(draft, tier);
	draft->left_out[at] = false;
	out->more_durable = build_more_durable(draft, tier, at);
	draft->rule[extra] = make_rule(rng, "deny", (uint32_t)extra);
	draft->order[extra] = extra;
	draft->count++;
	out->one_more_deny = build(draft, tier);
	free(draft->rule[extra]);
	draft->count--;
	for (size_t i = draft->count; i > 1; i--) {
		size_t k = below(rng, (uint32_t)i), was = draft->order[i - 1];

		draft->order[i - 1] = draft->order[k];
		draft->order[k] = was;
	}
	out->shuffled = build(draft, tier);
}

static void
variants_clear(struct variants *variants)
{
	crb_policy_free(variants->shuffled);
	crb_policy_free(variants->linted);
	crb_policy_free(variants->more_durable);
	crb_policy_free(variants->one_more_deny);
	crb_policy_free(variants->one_allow_less);
}

static struct crb_verdict
decide_with(struct crb_policy **policies, size_t count, size_t tier,
    struct crb_policy *instead, const struct crb_question *q)
{
	struct crb_policy *kept = policies[tier];
	struct crb_verdict verdict;

	policies[tier] = instead;
	verdict = decide(policies, count, q);
	policies[tier] = kept;
	return verdict;
}

static void
order_never_matters(struct crb_policy **policies, size_t count,
    const struct variants *variants, const struct crb_question *q)
{
	struct crb_verdict before = decide(policies, count, q);
	struct crb_verdict after = decide_with(
	    policies, count, variants->tier, variants->shuffled, q);
	struct crb_policy *kept;

	assert_int_equal(after.effect, before.effect);
	assert_true(same_text(after.rule, before.rule));
	assert_true(same_text(after.tier, before.tier));
	assert_int_equal(after.approver_count, before.approver_count);
	assert_int_equal(after.four_eyes, before.four_eyes);
	assert_int_equal(after.durable, before.durable);
	tell_closest(policies, count, q, &before);
	kept = policies[variants->tier];
	policies[variants->tier] = variants->shuffled;
	tell_closest(policies, count, q, &after);
	policies[variants->tier] = kept;
	assert_true(same_text(after.closest, before.closest));
	assert_true(same_text(after.matcher, before.matcher));
}

/*
 * A rule that another denies first does decide while that one waits: for what
 * is known later, and for the requests of what is injected.  It is asked again
 * then.
 */
static bool
waits(const struct crb_question *q)
{
	for (size_t i = 0; i < q->count; i++) {
		if (q->at[i].state == CRB_ASKED_LATER)
			return true;
	}
	return q->kind == CRB_QUESTION_INJECT;
}

static void
lint_is_right(struct crb_policy **policies, size_t count,
    const struct variants *variants, const struct crb_question *q)
{
	struct crb_verdict before = decide(policies, count, q);
	struct crb_verdict after = decide_with(
	    policies, count, variants->tier, variants->linted, q);

	if (waits(q))
		return;
	assert_int_equal(after.effect, before.effect);
	assert_int_equal(after.approver_count, before.approver_count);
	assert_int_equal(after.four_eyes, before.four_eyes);
	assert_int_equal(after.durable, before.durable);
}

/* A rule that says durable decides as it did, and makes nothing less durable.
 */
static void
durable_only_adds(struct crb_policy **policies, size_t count,
    const struct variants *variants, const struct crb_question *q)
{
	struct crb_verdict before = decide(policies, count, q);
	struct crb_verdict after = decide_with(
	    policies, count, variants->tier, variants->more_durable, q);

	assert_true(after.durable || !before.durable);
	assert_int_equal(after.effect, before.effect);
	assert_true(same_text(after.rule, before.rule));
	assert_true(same_text(after.tier, before.tier));
	assert_int_equal(after.approver_count, before.approver_count);
	assert_int_equal(after.four_eyes, before.four_eyes);
}

static void
never_more(struct crb_policy **policies, size_t count,
    const struct variants *variants, const struct crb_question *q)
{
	enum crb_effect before = decide(policies, count, q).effect;

	assert_true(decide_with(policies, count, variants->tier,
			variants->one_more_deny, q)
			.effect <= before);
	assert_true(decide_with(policies, count, variants->tier,
			variants->one_allow_less, q)
			.effect <= before);
}

/* Each tier alone, and with the ones before it. */
static void
tiers_only_narrow(
    struct crb_policy **policies, size_t count, const struct crb_question *q)
{
	enum crb_effect strictest = CRB_EFFECT_ALLOW;

	for (size_t i = 0; i < count; i++) {
		enum crb_effect alone = decide(&policies[i], 1, q).effect;
		enum crb_effect together = decide(policies, i + 1, q).effect;

		if (alone < strictest)
			strictest = alone;
		assert_int_equal(together, strictest);
		assert_true(alone != CRB_EFFECT_DENY ||
		    decide(policies, count, q).effect == CRB_EFFECT_DENY);
	}
}

/* No request of a grant is judged more strictly than all of it was. */
static void
containment_is_sound(struct crb_policy **policies, size_t count,
    const struct asking *grant, enum crb_effect effect, struct rng *rng)
{
	if (grant->q.kind != CRB_QUESTION_MINT || effect == CRB_EFFECT_DENY)
		return;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct asking request;
		struct crb_verdict verdict;

		make_sample(grant, rng, &request);
		verdict = decide(policies, count, &request.q);
		assert_true(verdict.effect >= effect);
	}
}

static void
one_case(struct crb_policy **policies, size_t count,
    const struct variants *variants, struct rng *rng, struct tally *tally)
{
	struct asking asking = { .q = { .kind = CRB_QUESTION_REQUEST } };
	struct crb_verdict verdict;

	make_question(&asking, rng);
	verdict = decide(policies, count, &asking.q);
	/* Of too many values, for one. */
	assert_true(
	    verdict.problem == NULL || verdict.effect == CRB_EFFECT_DENY);
	tally->effects[verdict.effect]++;
	tally->durable += verdict.durable;
	tally->cases++;
	explain_agrees(policies, count, &asking.q, verdict);
	tiers_only_narrow(policies, count, &asking.q);
	order_never_matters(policies, count, variants, &asking.q);
	lint_is_right(policies, count, variants, &asking.q);
	never_more(policies, count, variants, &asking.q);
	durable_only_adds(policies, count, variants, &asking.q);
	containment_is_sound(policies, count, &asking, verdict.effect, rng);
}

static void
one_set(struct rng *rng, struct tally *tally)
{
	struct draft drafts[TIERS_MAX];
	struct crb_policy *policies[TIERS_MAX];
	struct variants variants;
	size_t count = 1 + below(rng, TIERS_MAX);
	size_t tier = below(rng, (uint32_t)count);

	for (size_t i = 0; i < count; i++) {
		draft_make(&drafts[i], rng);
		policies[i] = build(&drafts[i], i);
	}
	make_variants(&variants, &drafts[tier], tier, policies[tier], rng);
	for (size_t i = 0; i < QUESTIONS; i++)
		one_case(policies, count, &variants, rng, tally);
	variants_clear(&variants);
	for (size_t i = 0; i < count; i++) {
		draft_clear(&drafts[i]);
		crb_policy_free(policies[i]);
	}
}

static uint64_t
number_of(const char *variable, uint64_t preset)
{
	const char *text = getenv(variable);

	return text != NULL ? strtoull(text, NULL, 10) : preset;
}

static void
it_holds_of_all_of_them(void **state)
{
	struct tally tally = { .seed = number_of(
				   "CRB_POLICY_SEED", (uint64_t)time(NULL)) };
	size_t cases = (size_t)number_of("CRB_POLICY_CASES", CASES);
	struct rng rng = { (tally.seed + 1) * UINT64_C(0x9e3779b97f4a7c15) };

	(void)state;
	printf("CRB_POLICY_SEED=%llu\n", (unsigned long long)tally.seed);
	(void)fflush(stdout);
	while (tally.cases < cases)
		one_set(&rng, &tally);
	printf("%zu cases: %zu denied, %zu asked, %zu allowed\n", tally.cases,
	    tally.effects[0], tally.effects[1], tally.effects[2]);
	/* It is about something. */
	for (size_t i = 0; i < 3; i++)
		assert_true(tally.effects[i] > tally.cases / 50);
	assert_true(tally.durable > tally.cases / 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_holds_of_all_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
