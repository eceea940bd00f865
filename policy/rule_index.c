#include "policy/rule_index.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/asking.h"
#include "policy/impl.h"

/*
 * Matchers by which a rule can be filed: three facts, and the attributes that
 * have patterns.
 */
#define KIND_CREDENTIAL 0u
#define KIND_TASK 1u
#define KIND_USER 2u
#define KIND_SCOPE 3u
#define KINDS (KIND_SCOPE + CRB_POLICY_ATTRIBUTES)

#define SEGMENTS_MAX 6u /* that a key goes deep */
#define KEY_SEED UINT64_C(14695981039346656037)

/* Keys are hashes: two that collide only cost a look. */
struct bucket {
	uint64_t key; /* 0: free */
	uint32_t uses;
	uint32_t start, count; /* in `filed` */
};

struct list {
	uint32_t *at;
	uint32_t count;
};

struct crb_rule_index {
	struct bucket *bucket;
	size_t mask;
	uint32_t *filed;
	struct list kind[KINDS]; /* rules that are filed by it */
	struct list rest;        /* rules that are filed by nothing */
};

static const struct crb_policy_attribute *
kind_attribute(size_t kind)
{
	static const enum crb_policy_fact facts[] = { CRB_FACT_CREDENTIAL,
		CRB_FACT_TASK, CRB_FACT_USER };

	return kind < KIND_SCOPE ? &crb_policy_facts[facts[kind]]
				 : &crb_policy_attributes[kind - KIND_SCOPE];
}

static const struct crb_globs *
kind_globs(const struct crb_policy_rule *rule, size_t kind)
{
	switch (kind) {
	case KIND_CREDENTIAL:
		return &rule->credentials;
	case KIND_TASK:
		return &rule->tasks;
	case KIND_USER:
		return &rule->users;
	default:
		return &rule->scope[kind - KIND_SCOPE];
	}
}

/* FNV-1a, letters folded: a rule has to be found in any case. */
static uint64_t
hash_add(uint64_t hash, char c)
{
	unsigned char byte = (unsigned char)c;

	if (byte >= 'A' && byte <= 'Z')
		byte = (unsigned char)(byte + 32);
	return (hash ^ byte) * UINT64_C(1099511628211);
}

static uint64_t
hash_end(uint64_t hash)
{
	hash ^= hash >> 29;
	return hash != 0 ? hash : 1;
}

/*
 * Keys of all beginnings of a value that end with a segment, up to the first
 * wildcard: "refs", "refs/heads", ...  `whole` is set when there is none.
 */
static size_t
prefix_keys(
    size_t kind, const char *value, uint64_t keys[SEGMENTS_MAX], bool *whole)
{
	const struct crb_policy_attribute *is = kind_attribute(kind);
	bool text = is->style == CRB_GLOB_TEXT;
	uint64_t hash = hash_add(KEY_SEED, (char)(kind + 1));
	size_t count = 0;

	*whole = true;
	for (; *value != '\0'; value++) {
		if (*value == '*' ||
		    (text && (*value == '?' || *value == '$'))) {
			*whole = false;
			return count;
		}
		if (*value == is->separator && count < SEGMENTS_MAX)
			keys[count++] = hash_end(hash);
		if (count == SEGMENTS_MAX)
			continue;
		hash = hash_add(hash, *value);
	}
	if (count < SEGMENTS_MAX)
		keys[count++] = hash_end(hash);
	return count;
}

/* What a value of a rule is filed under; 0: nothing. */
static uint64_t
file_key(size_t kind, const char *value)
{
	uint64_t keys[SEGMENTS_MAX];
	bool whole;
	size_t count = prefix_keys(kind, value, keys, &whole);

	return count > 0 ? keys[count - 1] : 0;
}

static struct bucket *
find_bucket(const struct crb_rule_index *index, uint64_t key)
{
	size_t at = (size_t)key & index->mask;

	while (index->bucket[at].key != 0 && index->bucket[at].key != key)
		at = (at + 1) & index->mask;
	return &index->bucket[at];
}

static bool
never_matches(const struct crb_policy_rule *rule)
{
	for (size_t kind = 0; kind < KINDS; kind++) {
		const struct crb_globs *globs = kind_globs(rule, kind);

		if (globs->given && globs->count == 0)
			return true;
	}
	return false;
}

/* How many rules would be found with it, at most; UINT32_MAX: it has no key. */
static uint32_t
kind_cost(const struct crb_rule_index *index,
    const struct crb_policy_rule *rule, size_t kind)
{
	const struct crb_globs *globs = kind_globs(rule, kind);
	uint32_t most = 0;

	if (!globs->given || kind_attribute(kind)->choices != NULL)
		return UINT32_MAX;
	for (size_t i = 0; i < globs->count; i++) {
		uint64_t key = file_key(kind, globs->at[i].text);
		uint32_t uses = key != 0 ? find_bucket(index, key)->uses
					 : UINT32_MAX;

		most = uses > most ? uses : most;
	}
	return most;
}

static size_t
cheapest_kind(
    const struct crb_rule_index *index, const struct crb_policy_rule *rule)
{
	uint32_t least = UINT32_MAX;
	size_t best = KINDS;

	for (size_t kind = 0; kind < KINDS; kind++) {
		uint32_t cost = kind_cost(index, rule, kind);

		if (cost < least) {
			least = cost;
			best = kind;
		}
	}
	return best;
}

/* Count how many values have each key. */
static void
count_keys(struct crb_rule_index *index, const struct crb_policy_rule *rule)
{
	for (size_t kind = 0; kind < KINDS; kind++) {
		const struct crb_globs *globs = kind_globs(rule, kind);

		if (kind_attribute(kind)->choices != NULL)
			continue;
		for (size_t i = 0; i < globs->count; i++) {
			uint64_t key = file_key(kind, globs->at[i].text);
			struct bucket *bucket;

			if (key == 0)
				continue;
			bucket = find_bucket(index, key);
			bucket->key = key;
			bucket->uses++;
		}
	}
}

/* Of all rules, and as the work that each of them is. */
static size_t
count_values(struct crb_policy *policy)
{
	size_t values = 0;

	for (size_t i = 0; i < policy->count; i++) {
		struct crb_policy_rule *rule = &policy->rule[i];

		rule->work = 1;
		for (size_t kind = 0; kind < KINDS; kind++)
			rule->work += kind_globs(rule, kind)->count;
		values += rule->work - 1;
	}
	return values;
}

/* One pass counts, with `filed` NULL, and one fills. */
static uint32_t
file_rules(struct crb_rule_index *index, const struct crb_policy *policy,
    const size_t *kinds, bool fill)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < policy->count; i++) {
		const struct crb_policy_rule *rule = &policy->rule[i];
		const struct crb_globs *globs;
		struct list *list;

		if (never_matches(rule))
			continue;
		list = kinds[i] < KINDS ? &index->kind[kinds[i]] : &index->rest;
		if (fill)
			list->at[list->count] = i;
		list->count++;
		if (kinds[i] == KINDS)
			continue;
		globs = kind_globs(rule, kinds[i]);
		for (size_t k = 0; k < globs->count; k++) {
			struct bucket *bucket = find_bucket(
			    index, file_key(kinds[i], globs->at[k].text));

			if (fill)
				index->filed[bucket->start + bucket->count] = i;
			bucket->count++;
			total++;
		}
	}
	return total;
}

static bool
make_room(struct crb_rule_index *index, struct crb_arena *arena, uint32_t total)
{
	uint32_t start = 0;

	index->filed = crb_arena_array(arena, total + 1, sizeof(*index->filed));
	for (size_t i = 0; i <= index->mask; i++) {
		index->bucket[i].start = start;
		start += index->bucket[i].count;
		index->bucket[i].count = 0;
	}
	for (size_t kind = 0; kind <= KINDS; kind++) {
		struct list *list = kind < KINDS ? &index->kind[kind]
						 : &index->rest;

		list->at = crb_arena_array(
		    arena, list->count + 1, sizeof(*list->at));
		if (list->at == NULL)
			return false;
		list->count = 0;
	}
	return index->filed != NULL;
}

bool
crb_rule_index_build(struct crb_policy *policy)
{
	struct crb_arena *arena = &policy->arena;
	CRB_AUTO_FREE size_t *kinds = calloc(policy->count + 1, sizeof(*kinds));
	struct crb_rule_index *index = crb_arena_alloc(arena, sizeof(*index));
	size_t size = 16, values = count_values(policy);

	while (size < 2 * values)
		size *= 2;
	if (kinds == NULL || index == NULL ||
	    (index->bucket = crb_arena_array(
		 arena, size, sizeof(*index->bucket))) == NULL)
		return false;
	index->mask = size - 1;
	for (size_t i = 0; i < policy->count; i++)
		count_keys(index, &policy->rule[i]);
	for (size_t i = 0; i < policy->count; i++)
		kinds[i] = cheapest_kind(index, &policy->rule[i]);
	if (!make_room(index, arena, file_rules(index, policy, kinds, false)))
		return false;
	(void)file_rules(index, policy, kinds, true);
	policy->index = index;
	return true;
}

typedef void each_rule(void *ctx, size_t rule);

static void
search_list(const struct list *list, each_rule *each, void *ctx)
{
	for (uint32_t i = 0; i < list->count; i++)
		each(ctx, list->at[i]);
}

/*
 * Rules that are filed under any beginning of a literal.  What is no literal,
 * or not known, may begin with anything: all that are filed by its kind.
 */
static void
search_value(const struct crb_rule_index *index, size_t kind,
    const struct crb_glob *value, each_rule *each, void *ctx)
{
	uint64_t keys[SEGMENTS_MAX];
	bool whole;
	size_t count;

	if (index->kind[kind].count == 0)
		return;
	if (value->text == NULL || value->wild || value->broken) {
		search_list(&index->kind[kind], each, ctx);
		return;
	}
	count = prefix_keys(kind, value->text, keys, &whole);
	for (size_t i = 0; i < count; i++) {
		const struct bucket *bucket = find_bucket(index, keys[i]);

		for (uint32_t k = 0; k < bucket->count; k++)
			each(ctx, index->filed[bucket->start + k]);
	}
}

static void
search_axis(const struct crb_rule_index *index, size_t kind,
    const struct crb_axis *axis, each_rule *each, void *ctx)
{
	bool literal = axis->glob != NULL;

	if (axis->asked == NULL)
		return;
	for (size_t i = 0; literal && i < axis->count; i++)
		literal = !axis->glob[i].wild && !axis->glob[i].broken;
	if (!literal) {
		search_list(&index->kind[kind], each, ctx);
		return;
	}
	for (size_t i = 0; i < axis->count; i++)
		search_value(index, kind, &axis->glob[i], each, ctx);
}

void
crb_rule_index_search(const struct crb_policy *policy,
    const struct crb_asking *asking, void (*each)(void *ctx, size_t rule),
    void *ctx)
{
	const struct crb_rule_index *index = policy->index;

	search_list(&index->rest, each, ctx);
	search_value(index, KIND_CREDENTIAL, &asking->credential, each, ctx);
	search_value(index, KIND_TASK, &asking->task, each, ctx);
	search_value(index, KIND_USER, &asking->user, each, ctx);
	for (size_t i = 0; i < CRB_POLICY_ATTRIBUTES; i++)
		search_axis(index, KIND_SCOPE + i, &asking->axis[i], each, ctx);
}
