#ifndef CRB_CASES_H
#define CRB_CASES_H

#include "policy/decide.h"
#include "policy/document.h"
#include "policy/question.h"

/*
 * What an admin expects of policies: questions with their verdicts, kept beside
 * a policy and read as strictly.
 *
 *   {"cases": [{"name": "agents push to branches of their own",
 *     "credential": "github", "task": "fix-1", "user": "ann",
 *     "scope": {"repository": ["acme/api"], "git": ["push"],
 *               "ref": ["refs/heads/agent/x"]},
 *     "expect": "allow", "rule": "push-agent-branches"}]}
 */
#define CRB_CASES_MAX 10000

struct crb_cases;

struct crb_case {
	const char *name;
	unsigned line;
	/* Without a time nobody knows the time, `zones` is NULL; and so it is
	 * with the user and with his groups. */
	struct crb_question question;
	enum crb_effect expect;
	const char *rule; /* that has to have decided; NULL: any */
};

/* `zones` is borrowed as long as the cases are. */
CRB_NODISCARD enum crb_status crb_cases_parse(const char *text, size_t len,
    const char *where, const struct crb_zones *zones, struct crb_cases **out,
    struct crb_err *err);
void crb_cases_free(struct crb_cases *cases);

size_t crb_cases_count(const struct crb_cases *cases);
/* In the order of the document; borrowed. */
const struct crb_case *crb_cases_at(const struct crb_cases *cases, size_t i);

/* Decide it; false when that is not what is expected. */
bool crb_case_run(const struct crb_case *one, const struct crb_tiers *tiers,
    struct crb_verdict *verdict);

static inline void
crb_cases_cleanup(struct crb_cases **cases)
{
	crb_cases_free(*cases);
}
#define CRB_AUTO_CASES __attribute__((cleanup(crb_cases_cleanup)))

#endif /* !CRB_CASES_H */
