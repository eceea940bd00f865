#ifndef CRB_DOCUMENT_H
#define CRB_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "policy/decide.h"
#include "policy/during.h"
#include "policy/limits.h"

/*
 * A policy: one tier's document, read once and never changed.  Reading is
 * strict: an unknown key, an id that was there, a pattern that nothing can
 * match are errors, which say file, line and key.  Safe to use from several
 * threads at once.
 */
#define CRB_POLICY_BYTES_MAX (4u << 20)
#define CRB_POLICY_RULES_MAX 10000
#define CRB_POLICY_VALUES_MAX 1024 /* of one list */
#define CRB_POLICY_LABELS_MAX 32   /* of one rule */
#define CRB_POLICY_TEXT_MAX 512    /* bytes of a reason */

/* From the widest to the narrowest. */
enum crb_policy_tier {
	CRB_TIER_ORGANIZATION,
	CRB_TIER_TEAM,
	CRB_TIER_LOCAL,
	CRB_TIERS
};
/* NULL-terminated, in that order. */
extern const char *const crb_policy_tiers[];
/* For people, in that order: "the organization's policy". */
extern const char *const crb_policy_titles[];

struct crb_policy;

/*
 * `where` starts every message.  With `zones`, a time zone that it does not
 * know is an error; NULL: only a name that none can have is.  The text may be
 * freed afterwards.
 */
CRB_NODISCARD enum crb_status crb_policy_parse(const char *text, size_t len,
    const char *where, const struct crb_zones *zones, struct crb_policy **out,
    struct crb_err *err);
void crb_policy_free(struct crb_policy *policy);

struct crb_policy_about {
	enum crb_policy_tier tier;
	const char *tier_name;
	const char *name;
	int64_t serial;  /* 0: it says none */
	int64_t expires; /* wall seconds; INT64_MAX: never */
	size_t rules;
	struct crb_limits limits;
};
/* Borrowed from the policy. */
const struct crb_policy_about *crb_policy_about(
    const struct crb_policy *policy);

/* A rule, by its place in the document. */
struct crb_policy_rule_about {
	const char *id;
	enum crb_effect effect;
	const char *reason; /* NULL: it says none */
	unsigned line;
	const char *approvers; /* the group; NULL: anyone who may approve */
	bool four_eyes;
	bool durable;
};
struct crb_policy_rule_about crb_policy_rule_about(
    const struct crb_policy *policy, size_t index);

/* The JSON Schema of a policy (draft 2020-12), from the table that parses. */
void crb_policy_schema(struct crb_buf *out);

static inline void
crb_policy_cleanup(struct crb_policy **policy)
{
	crb_policy_free(*policy);
}
#define CRB_AUTO_POLICY __attribute__((cleanup(crb_policy_cleanup)))

#endif /* !CRB_DOCUMENT_H */
