#ifndef CRB_POLICY_LOAD_H
#define CRB_POLICY_LOAD_H

#include "base/zone.h"
#include "broker/cli/command.h"
#include "policy/cases.h"
#include "policy/decide.h"
#include "policy/document.h"

/*
 * The policies that a command is about, at most one a tier, read from their
 * files as the broker reads them.  Starts as all zeros.
 */
struct crb_policy_set {
	struct crb_zone_folder *zones;        /* opened when it is needed */
	struct crb_policy *policy[CRB_TIERS]; /* NULL: there is none */
	char *path[CRB_TIERS];                /* as it was named */
	char *problem; /* why the broker allows nothing with them; or NULL */
};

void crb_policy_set_clear(struct crb_policy_set *set);

/* One more file; a tier that is there already is an error. */
CRB_NODISCARD enum crb_status crb_policy_set_add(
    struct crb_policy_set *set, const char *path, struct crb_err *err);

/* The same of what was read from it. */
CRB_NODISCARD enum crb_status crb_policy_set_add_text(
    struct crb_policy_set *set, const char *path, const struct crb_buf *text,
    struct crb_err *err);

/* Borrowed from the set. */
struct crb_tiers crb_policy_set_tiers(const struct crb_policy_set *set);
/*
 * What they say, and what came closest.  Without any of them all is allowed,
 * as far as policies go.
 */
void crb_policy_set_decide(const struct crb_policy_set *set,
    const struct crb_question *question, struct crb_verdict *out);
/* Of a session that asks for everything: what is allowed is asked for. */
void crb_policy_ask_always(struct crb_verdict *verdict);
/* What time it is anywhere; NULL without memory. */
const struct crb_zones *crb_policy_set_zones(struct crb_policy_set *set);

/* Cases, which borrow the set's zones. */
CRB_NODISCARD enum crb_status crb_policy_set_cases(struct crb_policy_set *set,
    const char *path, struct crb_cases **out, struct crb_err *err);

/*
 * The policy that cases are kept beside: "acme.json" of "acme.test.json" and
 * "acme.cases.json".  CRB_ERR_USAGE when the name does not say.
 */
CRB_NODISCARD enum crb_status crb_policy_of_cases(
    const char *path, struct crb_policy_set *set, struct crb_err *err);

/*
 * For commands about several files: one by one, until there is an error, whose
 * exit status then goes before any that `each` has set.  With --json prints
 * {"files": [...]}, to which `each` appends.
 */
typedef enum crb_status crb_policy_file_run(struct crb_cli *cli,
    const void *ctx, const char *path, json_t *files, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_policy_each_file(struct crb_cli *cli,
    const struct crb_operands *operands, crb_policy_file_run *each,
    const void *ctx, struct crb_err *err);

#define CRB_AUTO_POLICY_SET __attribute__((cleanup(crb_policy_set_clear)))

#endif /* !CRB_POLICY_LOAD_H */
