#ifndef CRB_POLICY_PAST_H
#define CRB_POLICY_PAST_H

#include "broker/cli/command.h"
#include "policy/question.h"

/*
 * Decisions that the audit log has: what was asked of the tiers, put together
 * again from a line's "asked" and from what session.issue said of the session.
 * Starts as all zeros.
 */
struct crb_policy_past {
	json_t *line;  /* of the audit log */
	json_t *asked; /* its questions; they are borrowed from here */
	json_t *facts; /* of the session */
	size_t count;
	struct crb_past_question *at;
};

#define CRB_PAST_LIST_MAX 256 /* groups, labels */
struct crb_past_question {
	struct crb_question question;
	const char *value[CRB_SCOPE_MAX][CRB_SCOPE_VALUES_MAX];
	const char *group[CRB_PAST_LIST_MAX];
	struct crb_asked_label label[CRB_PAST_LIST_MAX];
};

void crb_policy_past_clear(struct crb_policy_past *past);

/*
 * One line of the audit log, asked about again.  `facts` is the session's, or
 * NULL, by which nothing is known of its user.  CRB_ERR_NOT_FOUND: no decision
 * of policies is in it.  All is shared with `line` and `facts`, which may be
 * released.
 */
CRB_NODISCARD enum crb_status crb_policy_past_make(json_t *line, json_t *facts,
    const struct crb_zones *zones, struct crb_policy_past *out,
    struct crb_err *err);

/* The line of this number. */
CRB_NODISCARD enum crb_status crb_policy_past_line(
    struct crb_cli *cli, json_int_t number, json_t **out, struct crb_err *err);
/*
 * What session.issue said of a session: {"user", "groups", "labels"}; NULL when
 * the log does not have it any more.
 */
CRB_NODISCARD enum crb_status crb_policy_past_facts(struct crb_cli *cli,
    const char *session, json_t **out, struct crb_err *err);

#define CRB_AUTO_PAST __attribute__((cleanup(crb_policy_past_clear)))

#endif /* !CRB_POLICY_PAST_H */
