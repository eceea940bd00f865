#ifndef CRB_DECIDE_H
#define CRB_DECIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/scope.h"

/*
 * The decision.  Pure: no I/O, no clock, no globals.  Inside a tier the
 * strictest matching rule wins (deny, ask, allow) and no match is deny; across
 * tiers all must agree.  First the last of them, "session": its grants.
 */
enum crb_effect { CRB_EFFECT_DENY, CRB_EFFECT_ASK, CRB_EFFECT_ALLOW };

/* What is asked: one value an attribute. */
struct crb_request_attribute {
	const char *name;
	const char *value;
};
/*
 * As a value, by its address: it is not known yet, and the same is asked again
 * with one before anything is done.  Every scope accepts it.
 */
extern const char crb_value_later[];
struct crb_request {
	const char *credential;
	size_t count;
	struct crb_request_attribute at[CRB_SCOPE_MAX];
};

struct crb_rule {
	const char *id;
	enum crb_effect effect;
	const char *credential; /* the name, exactly */
	const struct crb_scope *scope;
};

struct crb_tier {
	const char *name; /* "session" */
	size_t count;
	const struct crb_rule *rule;
};

struct crb_decision {
	enum crb_effect effect;
	const char *tier; /* that decided; borrowed */
	const char *rule; /* its id, or NULL when no rule matched */
	/*
	 * When no rule matched: the request's attribute at which the rule that
	 * came closest failed, in the order of the request; NULL when no rule
	 * is about this credential.
	 */
	const char *attribute;
};

/*
 * A rule matches when its credential is the request's and each attribute of
 * its scope is asked for and accepted; a text need not be asked for, since the
 * upstream enforces it.  An attribute that is asked for and that the scope does
 * not name is not restricted by it.  No tier at all is
 * deny, and so is a request that names an attribute twice.
 */
struct crb_decision crb_decide(const struct crb_request *request,
    const struct crb_tier *tiers, size_t count);

/*
 * Policies.  Several tiers decide about a question (policy/question.h): the
 * documents that there are, and the session's grants as the last one.
 */
struct crb_policy;
struct crb_question;

#define CRB_ASKS_MAX 8
#define CRB_TAKES_MAX 3
#define CRB_COMBINATIONS_MAX 1024     /* of the values of a grant */
#define CRB_GRANT_CHARACTERS_MAX 4096 /* of all of them together */

struct crb_verdict {
	enum crb_effect effect;
	/*
	 * Of the strictest tier: "organization", "team", "local" or "session",
	 * its policy's name, the rule and its reason; borrowed from the policy
	 * or the question.  NULL: there is none; no rule when none matched.
	 * An allow by a rule that asks: it will ask when more is known.
	 */
	const char *tier;
	const char *policy;
	const char *rule;
	const char *reason;
	/*
	 * When no rule matched: the one that came closest, and its matcher that
	 * failed, as it is called in a document ("credentials", "ref",
	 * "during"); of the session's tier the attribute, and no rule.
	 */
	const char *closest;
	const char *matcher;
	bool unproved; /* what is asked could not be shown to lie inside it */
	/*
	 * What that matcher does take, where it is of a scope: how many values,
	 * and the first of them; borrowed as the rest is.
	 */
	size_t takes_count;
	const char *takes[CRB_TAKES_MAX];
	/* Why there is no answer at all; NULL when there is. */
	const char *problem;
	/* The values that it is about, in the order of the question's at[];
	 * NULL: any, or not known yet. */
	const char *value[CRB_SCOPE_MAX];
	/*
	 * Effect ask: whoever approves is in each of these groups, and with
	 * `four_eyes` is not the issuing user.
	 */
	size_t approver_count;
	const char *approvers[CRB_ASKS_MAX];
	bool four_eyes;
	/* What it took to find out, in patterns of the rules looked at. */
	size_t work;
	/*
	 * A request that is not denied: some rule of some tier wants its record
	 * on the disk before it goes upstream.
	 */
	bool durable;
};

struct crb_tiers {
	/* In their order; NULL entries are absent, and do not constrain. */
	const struct crb_policy *const *policy;
	size_t count;
	/* The session's grants, for a request; NULL for a grant. */
	const struct crb_tier *session;
};

/*
 * All tiers must agree.  No tier at all denies a request; a grant it allows
 * (asked of the session that is to be, nothing else narrows it).  A tier whose
 * policy has run out is the caller's to notice.  `closest` and `matcher` of a
 * document are left to crb_policy_closest(), which looks at every rule.
 */
void crb_policy_decide(const struct crb_tiers *tiers,
    const struct crb_question *question, struct crb_verdict *out);
/* For people: fill in what came closest, when no rule matched. */
void crb_policy_closest(const struct crb_tiers *tiers,
    const struct crb_question *question, struct crb_verdict *verdict);
/*
 * For who holds documents that are not in force: a tier that has run out by the
 * time of the question denies.  False, and *out as it was, when none has, or
 * when nobody knows the time.
 */
bool crb_policy_run_out(const struct crb_tiers *tiers,
    const struct crb_question *question, struct crb_verdict *out);

/* What became of one rule. */
enum crb_match {
	CRB_MATCH_NO,
	CRB_MATCH_UNPROVED, /* it may not lie wholly inside */
	CRB_MATCH_LATER,    /* a deny or ask: it is asked about again */
	CRB_MATCH_SOME,     /* some of a grant's combinations */
	CRB_MATCH_ALL,
};
struct crb_explained {
	const char *tier;
	const char *policy;
	const char *rule;
	enum crb_effect effect;
	const char *reason;
	unsigned line; /* of the policy; 0: of the session */
	enum crb_match match;
	const char *matcher; /* where it failed; NULL when it matched */
	bool durable;        /* a request that it wants on the disk first */
};
/*
 * The same decision, with every rule of every tier told to `each` in the order
 * of the documents.
 */
void crb_policy_explain(const struct crb_tiers *tiers,
    const struct crb_question *question, struct crb_verdict *out,
    void (*each)(void *ctx, const struct crb_explained *explained), void *ctx);

#endif /* !CRB_DECIDE_H */
