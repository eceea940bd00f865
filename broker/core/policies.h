#ifndef CRB_POLICIES_H
#define CRB_POLICIES_H

#include <jansson.h>

#include "base/err.h"
#include "base/secret.h"
#include "broker/core/ending.h"
#include "broker/vault/vault.h"
#include "policy/decide.h"
#include "policy/document.h"

/*
 * The policies that are in force, one a tier, and why one is not.  The files
 * are opened by the supervisor and read here, at start, at SIGHUP and on
 * policy.reload.  Each tier stands by itself: a bad new version does not
 * replace a good one.
 *
 * Nothing is decided before all of them were read once.  With an
 * organization's key pinned its policy has to be there, signed with it, not
 * run out, and not older than one that was seen.
 */
struct crb_core;
struct crb_policies;

CRB_NODISCARD enum crb_status crb_policies_new(
    struct crb_core *core, struct crb_policies **out, struct crb_err *err);
void crb_policies_free(struct crb_policies *policies);

/*
 * Read the files again.  `ending` (or NULL) ends when what is in force by then
 * also binds what was handed out.  The vault has been unlocked: the same, since
 * what was seen before is in there.
 */
void crb_policies_read(
    struct crb_policies *policies, struct crb_ending *ending);
/* The same for somebody, whom the audit log then names. */
void crb_policies_read_for(
    struct crb_policies *policies, const char *who, struct crb_ending *ending);

/*
 * Seal this key (its line) in the vault, in place of the one of the id
 * `replaces`, or, with NULL, where there is none, and read the files again by
 * it: both are one record, durable before either counts.  `ending` as for
 * crb_policies_read_for(); whether the key was sealed crb_policies_sealed()
 * tells then, since a policy that it has not signed is an error, too.
 */
CRB_NODISCARD enum crb_status crb_policies_trust(struct crb_policies *policies,
    const char *key, const char *replaces, const char *who,
    struct crb_ending *ending, struct crb_err *err);
/* The sealed key's line; "": there is none. */
const char *crb_policies_sealed(const struct crb_policies *policies);

/* The wall clock was set: policies and sessions that have ended by it end. */
void crb_policies_clock_set(struct crb_policies *policies);

/* Wait for what is being read already, however that ends. */
void crb_policies_await(
    struct crb_policies *policies, struct crb_ending *ending);
/* They were read since the vault was unlocked, well or not. */
bool crb_policies_tried(const struct crb_policies *policies);
/* The vault is locked: nothing is in force, and who waits hears so. */
void crb_policies_lock(struct crb_policies *policies);
/* What the vault has about them; before the first reading. */
CRB_NODISCARD enum crb_status crb_policies_load(struct crb_policies *policies,
    const struct crb_record_id *id, const struct crb_secret *plain,
    struct crb_err *err);

/*
 * Nothing may be issued, minted or injected unless this is CRB_OK; otherwise
 * which tier's policy is why (CRB_ERR_DENIED, or CRB_ERR_LIMIT while they are
 * being read).  *tier, when not NULL, is its name, or NULL.
 */
CRB_NODISCARD enum crb_status crb_policies_ready(
    const struct crb_policies *policies, const char **tier,
    struct crb_err *err);

/*
 * The documents in force, for crb_tiers.policy and .count: borrowed until
 * the loop's next turn.
 */
const struct crb_policy *const *crb_policies_tiers(
    const struct crb_policies *policies);
/* Of all of them; of none nothing is bounded.  Borrowed likewise. */
const struct crb_limits *crb_policies_limits(
    const struct crb_policies *policies);
/* What time it is anywhere; of the tz database. */
const struct crb_zones *crb_policies_zones(const struct crb_policies *policies);

/* For status and policy.show. */
json_t *crb_policies_shown(const struct crb_policies *policies);

#endif /* !CRB_POLICIES_H */
