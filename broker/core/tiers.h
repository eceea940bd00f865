#ifndef CRB_CORE_TIERS_H
#define CRB_CORE_TIERS_H

#include "base/buf.h"
#include "broker/core/session.h"
#include "policy/decide.h"
#include "policy/question.h"

/*
 * What the core asks the tiers, and what they say.  A session's facts are the
 * user who has issued it, his groups as they were then, task and labels.
 */
#define CRB_GROUPS_MAX 256

/* What a question borrows from; it stays where it is. */
struct crb_asking_room {
	const char *group[CRB_GROUPS_MAX];
	struct crb_asked_label label[CRB_LABELS_MAX];
	const char *host[CRB_ORIGINS_MAX];
};

/*
 * The session's facts, the time and the credential; no attributes yet.  A group
 * whose name is not known may be any: a deny about any group matches.
 */
void crb_tiers_question(const struct crb_session *session,
    const char *credential, enum crb_question_kind kind,
    struct crb_asking_room *room, struct crb_question *out);

/*
 * Decide.  `grants` is the session's own tier, of a request; NULL of a grant.
 * Where the policies are not in order the verdict is deny, with `problem`.  A
 * session that asks for everything turns allow into ask (tier "session", rule
 * "ask-always").  The texts are borrowed until the loop's next turn.
 */
void crb_tiers_decide(const struct crb_session *session,
    const struct crb_question *question, const struct crb_tier *grants,
    struct crb_verdict *out);

/*
 * Whether a grant may be had at all: by a session that is issued, or that is
 * given one more.  CRB_ERR_DENIED names tier, policy and rule, and what it was
 * that did not match; *verdict is set also then.  One that asks: keys of it
 * are minted, or its requests sent, when somebody has approved, each time.
 */
CRB_NODISCARD enum crb_status crb_tiers_grant(const struct crb_session *session,
    const struct crb_grant *grant, struct crb_verdict *verdict,
    struct crb_err *err);

/*
 * Whether keys of a credential may be minted for the session now, for so many
 * seconds: all of its grants of it together, those that are not recorded yet
 * left out.  The strictest verdict.
 */
void crb_tiers_mint(const struct crb_session *session, const char *credential,
    int64_t seconds, struct crb_verdict *out);

/*
 * Of two things that are done as one: the stricter verdict, the first of two
 * alike; durable if either of them is.  Where both ask, whoever has to approve
 * one of them has to approve both.
 */
void crb_tiers_join(struct crb_verdict *into, const struct crb_verdict *one);

/* Whether repositories of a host are the same in either letter case. */
bool crb_tiers_folds(const char *host);

/*
 * "denied by rule no-prod of the organization's policy acme: REASON", "not
 * allowed by ...", "to be approved, says rule ...".
 */
void crb_tiers_words(const struct crb_verdict *verdict, struct crb_buf *out);
/*
 * The same as an error, CRB_ERR_DENIED, of a verdict that is not allow; where
 * the policies are not in order, the one that says so.
 */
CRB_NODISCARD enum crb_status crb_tiers_refuse(const struct crb_core *core,
    const struct crb_verdict *verdict, struct crb_err *err);

/*
 * What somebody on the host types to look into it: "see: credbroker policy
 * explain --task fix-1 --credential github --scope
 * repository=acme/api,git=push". `question` is the request; of a grant it is
 * NULL, and `grant` is it.  Where the policies are not in order, what shows
 * that.
 */
void crb_tiers_see(const struct crb_session *session,
    const struct crb_verdict *verdict, const struct crb_question *question,
    const struct crb_grant *grant, struct crb_buf *out);

/*
 * What was asked, for the audit log's field "asked": an array of questions in
 * JSON, of what is not in the line of the session's issue.
 *
 *	[{"kind":"request","delivery":"inject",
 *	  "at":{"git":["push"],"ref":"later","actions":"any"},
 *	  "fold":["repository"]}]
 *
 * "kind" is request, mint or inject; a mint has "seconds".  Nothing when it is
 * longer than the log takes.
 */
void crb_tiers_text(
    const struct crb_question *questions, size_t count, struct crb_buf *out);
/* That of crb_tiers_mint(). */
void crb_tiers_mint_text(const struct crb_session *session,
    const char *credential, int64_t seconds, struct crb_buf *out);
/* {"user":"alice","groups":["dev"],"labels":{"team":"web"}} */
void crb_tiers_facts_text(
    const struct crb_session *session, struct crb_buf *out);
/*
 * That of crb_tiers_grant(), with the facts, since a session that is refused
 * has no line of its own: {"user":..., "labels":..., "asked":[...]}.  Without
 * the questions when it would be longer than the log takes.
 */
void crb_tiers_grant_text(const struct crb_session *session,
    const struct crb_grant *grant, struct crb_buf *out);

#endif /* !CRB_CORE_TIERS_H */
