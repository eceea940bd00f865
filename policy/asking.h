#ifndef CRB_ASKING_H
#define CRB_ASKING_H

#include "policy/impl.h"
#include "policy/question.h"

/*
 * A question made ready to be held against rules, for the files of this folder:
 * its values as sets, and the combinations of them counted.
 */
struct crb_axis {
	const struct crb_asked *asked; /* NULL: the question has none */
	size_t place;                  /* in the question's at[] */
	size_t count;                  /* of values; 1 without values */
	size_t stride;                 /* of the combinations */
	bool literal;                  /* each value is one */
	struct crb_glob *glob;         /* of each value */
};

struct crb_asking {
	const struct crb_question *question;
	bool bare; /* without patterns, for no rule of a policy */
	struct crb_glob credential, task;
	struct crb_glob user, delivery; /* .text NULL: not known */
	struct crb_glob *group, *label;
	struct crb_axis axis[CRB_POLICY_ATTRIBUTES];
	size_t combinations;
};

/*
 * NULL, or why it cannot be decided.  Where no policy is asked it is `bare`:
 * its values are checked and counted, and not made ready.
 */
const char *crb_asking_make(struct crb_asking *out,
    const struct crb_question *question, bool bare, struct crb_arena *arena);

/* The value of an axis in a combination: an index of its values. */
static inline size_t
crb_axis_value(const struct crb_axis *axis, size_t combination)
{
	return combination / axis->stride % axis->count;
}

/* What became of a rule. */
struct crb_outcome {
	enum crb_match match;
	const char *matcher;                  /* where it failed */
	unsigned held;                        /* matchers, before it failed */
	unsigned steps;                       /* how far it came */
	uint32_t mask[CRB_POLICY_ATTRIBUTES]; /* values that match, by bit */
};

/*
 * The one evaluation: what decides, and what is explained.  To permit, a rule
 * has to have all that is asked in it; to restrict, it is enough that it may
 * have something in common.  An allow permits, a deny restricts, an ask does
 * both.
 */
enum crb_way { CRB_WAY_PERMIT, CRB_WAY_RESTRICT };
void crb_asking_match(const struct crb_asking *asking,
    const struct crb_policy_rule *rule, enum crb_way way,
    struct crb_outcome *out);
/* A combination of a question whose rule matched some or all of them. */
bool crb_asking_covers(const struct crb_asking *asking,
    const struct crb_policy_rule *rule, const struct crb_outcome *outcome,
    size_t combination);

#endif /* !CRB_ASKING_H */
