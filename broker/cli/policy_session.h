#ifndef CRB_POLICY_SESSION_H
#define CRB_POLICY_SESSION_H

#include "broker/cli/command.h"
#include "policy/decide.h"
#include "policy/scope.h"

/*
 * The grants of a session as the last tier, as the broker asks it about a
 * request.  Starts as all zeros.
 */
#define CRB_POLICY_GRANTS_MAX 64
struct crb_policy_session {
	json_t *shown; /* as session.show has it */
	struct crb_tier tier;
	struct crb_rule rule[CRB_POLICY_GRANTS_MAX];
	struct crb_scope scope[CRB_POLICY_GRANTS_MAX];
	char id[CRB_POLICY_GRANTS_MAX][24];
};
void crb_policy_session_clear(struct crb_policy_session *session);

/* `credentials` as crb_policy_credentials() has them. */
CRB_NODISCARD enum crb_status crb_policy_session_read(struct crb_cli *cli,
    const char *id, const json_t *credentials, struct crb_policy_session *out,
    struct crb_err *err);

/*
 * As it was at line `number` of the audit log: with the grants that it had
 * then, by what the log says of its issue and of each change.  Where nothing
 * has changed since, it is asked itself.  What cannot be known becomes a note.
 */
CRB_NODISCARD enum crb_status crb_policy_session_at(struct crb_cli *cli,
    const char *id, json_int_t number, const json_t *credentials, json_t *notes,
    struct crb_policy_session *out, struct crb_err *err);
/* A line of session.issue: everything that the session does is asked for. */
bool crb_policy_asks_always(const json_t *issue);

#define CRB_AUTO_POLICY_SESSION \
	__attribute__((cleanup(crb_policy_session_clear)))

#endif /* !CRB_POLICY_SESSION_H */
