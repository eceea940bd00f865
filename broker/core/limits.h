#ifndef CRB_CORE_LIMITS_H
#define CRB_CORE_LIMITS_H

#include <jansson.h>

#include "broker/core/admin.h"
#include "broker/core/denial.h"
#include "broker/core/session.h"
#include "policy/limits.h"

/*
 * What the policies in force bound of sessions, beside what they allow, and
 * what the configuration does.  Looked at when a session is issued or extended,
 * when keys are minted for it, and at each of its requests; so another policy
 * binds the sessions that are there.
 */

/*
 * How long the call's session may last, in *seconds: what was `wished`, or what
 * is usual here, of which a policy may leave less, with a note (NULL: none).
 * A refusal is in the audit log; so it is for the next two.
 */
CRB_NODISCARD enum crb_status crb_limits_life(const struct crb_call *call,
    const struct crb_session *session, bool wished, int64_t *seconds,
    json_t *notes, struct crb_err *err);
/* There may be one more, which is not in the maps yet. */
CRB_NODISCARD enum crb_status crb_limits_issue(const struct crb_call *call,
    const struct crb_session *session, struct crb_err *err);
/* It may last until then. */
CRB_NODISCARD enum crb_status crb_limits_extend(const struct crb_call *call,
    const struct crb_session *session, int64_t expires, struct crb_err *err);

/* When it ends at the latest, in wall seconds: not after it expires. */
int64_t crb_limits_end(const struct crb_session *session);
/* Other limits are in force: live sessions end when these say. */
void crb_limits_apply(struct crb_core *core);

/*
 * Keys may be minted once more: CRB_ERR_DENIED, since that does not pass, with
 * who says so in *verdict (or NULL).
 */
CRB_NODISCARD enum crb_status crb_limits_mint(const struct crb_session *session,
    struct crb_verdict *verdict, struct crb_err *err);
/* How long what is minted now may last, in seconds. */
int64_t crb_limits_lease(const struct crb_session *session);
/* That an order does not ask for more: there is a least that services give. */
CRB_NODISCARD enum crb_status crb_limits_order(const struct crb_core *core,
    const char *credential, const json_t *order, struct crb_err *err);
/* That keys which end then do not last longer; some clocks are not right. */
bool crb_limits_lasts(const struct crb_core *core, int64_t expires);

/*
 * One more request, with a body of so many bytes as far as that is known, which
 * is counted against the rate: 429 and when to come again where that passes by
 * itself, 403 where it does not.
 */
bool crb_limits_request(
    struct crb_session *session, uint64_t body, struct crb_denial *denial);
/*
 * A push changes so many refs, each of which has to be decided on: what it
 * costs counts against the rate, so that later requests wait.
 */
void crb_limits_refs(struct crb_session *session, size_t count);
/* Only what is bounded for the whole session: of one that had to wait. */
bool crb_limits_total(
    const struct crb_session *session, struct crb_denial *denial);
/*
 * How many bytes of bodies are left, with what is under way, and in *bound of
 * how many: CRB_UNLIMITED is a number, too.
 */
uint64_t crb_limits_bytes(const struct crb_session *session, uint64_t *bound);

/* {"requests_per_session": {"most", "used", "left", "tier"}, ...}; or NULL. */
json_t *crb_limits_shown(const struct crb_session *session);

#endif /* !CRB_CORE_LIMITS_H */
