#ifndef CRB_DECIDE_H
#define CRB_DECIDE_H

#include <stddef.h>

#include "policy/scope.h"

/*
 * The decision.  Pure: no I/O, no clock, no globals.  Inside a tier the
 * strictest matching rule wins (deny, ask, allow) and no match is deny; across
 * tiers all must agree.  So far the one tier is "session": its grants.
 */
enum crb_effect { CRB_EFFECT_DENY, CRB_EFFECT_ASK, CRB_EFFECT_ALLOW };

/* What is asked: one value an attribute. */
struct crb_request_attribute {
	const char *name;
	const char *value;
};
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

#endif /* !CRB_DECIDE_H */
