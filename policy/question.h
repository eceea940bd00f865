#ifndef CRB_QUESTION_H
#define CRB_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/during.h"
#include "policy/scope.h"

/*
 * What is asked of the tiers.  Everything in it is borrowed.
 *
 * A request is one exchange: each attribute has one value, or one that is known
 * later.  A grant is a scope: all that lies in it has to be allowed.  It is
 * taken apart into every combination of its values, and each of them has to lie
 * inside one rule that allows; so "fetch and push" may be allowed by two rules.
 */
enum crb_asked_state {
	CRB_ASKED_VALUES, /* any of these; no value at all matches nothing */
	CRB_ASKED_ANY,    /* not narrowed: all values that there are */
	/*
	 * Not known yet, and the same is asked again with a value before
	 * anything is done: allow rules match, deny and ask rules wait.  Not
	 * for CRB_QUESTION_MINT.
	 */
	CRB_ASKED_LATER,
};

struct crb_asked {
	const char *name;
	enum crb_asked_state state;
	bool fold; /* its upstream takes either letter case for the same */
	size_t count;
	const char *const *value;
};

struct crb_asked_label {
	const char *key;
	const char *value;
};

/*
 * Allow rules match what lies wholly inside them.  Deny rules match what may
 * have anything in common with them; of CRB_QUESTION_INJECT only what lies
 * wholly inside them, and otherwise they wait for the requests.  Ask rules
 * permit as allow rules do and ask as deny rules deny.
 */
enum crb_question_kind {
	CRB_QUESTION_REQUEST,
	CRB_QUESTION_MINT,   /* a grant that is handed out: it is asked once */
	CRB_QUESTION_INJECT, /* a grant whose every request is asked about */
};

struct crb_question {
	enum crb_question_kind kind;
	const char *credential;
	const char *task;
	const char *user; /* NULL: not known; also groups, delivery */
	const char *const *groups;
	size_t group_count;
	const struct crb_asked_label *labels;
	size_t label_count;
	const char *delivery;          /* "mint", "inject" */
	int64_t now;                   /* wall seconds */
	int64_t seconds;               /* that it is good for; 0: a moment */
	const struct crb_zones *zones; /* NULL: nobody knows the time */
	/*
	 * Attributes that it has.  A rule about one that it does not have is
	 * not about it, whatever its effect.
	 */
	size_t count;
	struct crb_asked at[CRB_SCOPE_MAX];
};

/*
 * The attributes of a scope, for a grant.  Those of the backend's table that
 * the scope does not have are `unsaid`: CRB_ASKED_ANY when it is minted,
 * CRB_ASKED_LATER when requests are asked about.
 */
void crb_question_scope(struct crb_question *question,
    const struct crb_scope *scope, const struct crb_attribute *table,
    enum crb_asked_state unsaid);
/* One attribute; the last of that name holds.  False: there are too many. */
bool crb_question_add(
    struct crb_question *question, const struct crb_asked *asked);
const struct crb_asked *crb_question_find(
    const struct crb_question *question, const char *name);

#endif /* !CRB_QUESTION_H */
