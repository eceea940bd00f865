#ifndef CRB_POLICY_IMPL_H
#define CRB_POLICY_IMPL_H

/* What a policy is, for the files of this folder that read and judge it. */

#include "policy/arena.h"
#include "policy/attribute.h"
#include "policy/document.h"
#include "policy/glob.h"
#include "policy/rule_index.h"

/* The values of a matcher; one of them has to match. */
struct crb_globs {
	bool given; /* the rule has this matcher */
	bool all;   /* one of them has everything in it */
	size_t count;
	struct crb_glob *at;
};

struct crb_policy_label {
	const char *key;
	struct crb_globs values;
};

struct crb_policy_rule {
	const char *id;
	size_t effect; /* enum crb_effect */
	const char *reason;
	const char *approvers;
	bool four_eyes;
	bool durable; /* its requests, before they go upstream */
	unsigned line;
	size_t rank; /* among all ids of the policy, sorted */
	size_t work; /* patterns in it, and one: to hold it against something */
	struct crb_globs credentials, users, groups, tasks, delivery;
	bool labels_given;
	size_t label_count;
	struct crb_policy_label *label;
	bool scope_given;
	struct crb_globs scope[CRB_POLICY_ATTRIBUTES];
	struct crb_during *during; /* NULL: at any time */
};

struct crb_policy {
	struct crb_policy_about about;
	size_t tier; /* enum crb_policy_tier */
	size_t count;
	struct crb_policy_rule *rule;
	struct crb_rule_index *index;
	struct crb_arena arena;
};

/*
 * The one table of what a policy says: what parses it, and what its schema is
 * made of.  `offset` is into the struct that the member's object is read into.
 */
enum crb_member_type {
	CRB_MEMBER_IGNORED, /* text */
	CRB_MEMBER_TEXT,    /* const char *; one line for people */
	CRB_MEMBER_NAME,    /* const char *; crb_name_ok() */
	CRB_MEMBER_WORD,    /* const char *; a group's name */
	CRB_MEMBER_CHOICE,  /* size_t, of `choices` */
	CRB_MEMBER_NUMBER,  /* int64_t, from `least` */
	CRB_MEMBER_TIME,    /* int64_t */
	CRB_MEMBER_FLAG,    /* bool */
	CRB_MEMBER_VALUES,  /* struct crb_globs, of `attribute` */
	CRB_MEMBER_LIMITS,  /* struct crb_limits */
	CRB_MEMBER_LABELS,  /* the rule's labels */
	CRB_MEMBER_SCOPE,   /* the rule's scope */
	CRB_MEMBER_DURING,  /* struct crb_during * */
	CRB_MEMBER_DAYS,    /* of a during: bits */
	CRB_MEMBER_HOURS,   /* of a during */
	CRB_MEMBER_ZONE,    /* const char * */
	CRB_MEMBER_RULES,   /* the policy's rules */
	CRB_MEMBER_OTHER,   /* what `read` reads; not of a policy */
};

struct crb_reading;
struct crb_policy_member;
/* `out` is what the member's object is read into. */
typedef enum crb_status crb_read_member(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err);

struct crb_policy_member {
	const char *name;
	enum crb_member_type type;
	bool required;
	size_t offset;
	int64_t least;
	const char *const *choices;
	const struct crb_policy_attribute *attribute;
	const struct crb_policy_member *members; /* of an object */
	crb_read_member *read;
	const char *help;
};

/* A `during` as it is read. */
struct crb_during_given {
	unsigned days;
	size_t count;
	struct crb_hours hours[CRB_DURING_RANGES];
	const char *zone;
	bool days_given, hours_given;
};

/* Each ends with a name that is NULL. */
extern const struct crb_policy_member crb_policy_members[];
extern const struct crb_policy_member crb_rule_members[];
extern const struct crb_policy_member crb_during_members[];
extern const char *const crb_policy_effects[];

#endif /* !CRB_POLICY_IMPL_H */
