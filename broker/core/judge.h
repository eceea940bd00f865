#ifndef CRB_JUDGE_H
#define CRB_JUDGE_H

#include "broker/bus/push_commands.h"
#include "broker/core/aws_request.h"
#include "broker/core/denial.h"
#include "broker/core/git_request.h"
#include "broker/core/tiers.h"
#include "policy/glob.h"

#define CRB_GRANT_ID_MAX 24

/*
 * What was asked of the tiers about an exchange, with all that it borrows, so
 * that the same can be asked again with more in it.
 */
struct crb_judge_asking {
	struct crb_asking_room room;
	struct crb_question question;
	struct crb_tier grants; /* the session's, of the credential */
	struct crb_rule rule[CRB_SESSION_GRANTS_MAX];
	char id[CRB_SESSION_GRANTS_MAX][CRB_GRANT_ID_MAX]; /* "grant 2" */
	size_t from[CRB_SESSION_GRANTS_MAX]; /* rule i is of this grant */
	const char *value[CRB_SCOPE_MAX];
	char method[17];
	char path[CRB_GLOB_MAX + 1];
	char unescaped[CRB_GLOB_MAX + 1]; /* with "%2F" as "/" */
	const char *paths[2];             /* both, where they differ */
	char ref[CRB_REF_MAX + 1];
};

/*
 * A push may have thousands of refs, and policies thousands of rules, so it is
 * judged in slices: about so much work each, in patterns that are compared.
 */
#define CRB_JUDGE_SLICE 32768u
#define CRB_JUDGE_REFS_MAX 65536u /* of what is said ref by ref */

/* Which of the session's grants of a host's credentials goes with it. */
struct crb_judge_search {
	size_t at;          /* that is tried now */
	size_t last;        /* that was */
	size_t first, asks; /* the first of those, and that asks */
	bool again;         /* the one that is told was not the last */
};
#define CRB_JUDGE_SEARCH_INIT                       \
	{                                           \
		.first = SIZE_MAX, .asks = SIZE_MAX \
	}

/*
 * How far a push has come, kept from one slice to the next.  It begins anew
 * when what it is judged by is not the same any more.  Its texts are borrowed
 * from policies, and not looked at then.
 */
struct crb_judge_progress {
	bool begun;
	uint64_t core_terms, session_terms;
	int64_t now; /* the time that decides of all of it */
	struct crb_judge_search search;
	size_t next;            /* command, with the credential that is tried */
	struct crb_verdict all; /* joined */
	size_t refused;         /* commands */
	enum crb_effect strictest;
	size_t command; /* that the strictest is about */
	unsigned part;  /* and which question of it */
	struct crb_buf refs;
};
#define CRB_JUDGE_PROGRESS_INIT                                        \
	((struct crb_judge_progress){ .search = CRB_JUDGE_SEARCH_INIT, \
	    .refs = CRB_BUF_INIT(CRB_JUDGE_REFS_MAX) })
void crb_judge_progress_clear(struct crb_judge_progress *progress);

/*
 * What is made of a request of a sandbox: the grant and the credential that it
 * goes with, or why not.
 */
struct crb_judgement {
	struct crb_session *session;    /* NULL: none of that id */
	struct crb_git_request request; /* of CRB_ROUTE_GIT */
	struct crb_aws_request aws;     /* of CRB_ROUTE_HTTP */
	struct crb_origin upstream;     /* likewise: what `origin` is */
	struct crb_credential *credential;
	const struct crb_origin *origin;
	const struct crb_session_grant *grant;
	const struct crb_push_commands *commands; /* NULL: not known yet */
	/* Of a push whose commands are known; NULL otherwise. */
	struct crb_judge_progress *progress;
	size_t work;                /* of this slice */
	bool unfinished;            /* another one has to follow */
	const struct crb_buf *refs; /* that were refused; or NULL */
	/*
	 * Of all tiers; its texts are borrowed until the loop's next turn.
	 * Deny until they were asked.
	 */
	struct crb_verdict verdict;
	bool durable; /* some of what was asked wants its record on the disk */
	const char *rule;                /* as long: "grant 2"; or "" */
	const struct crb_secret *secret; /* for the loop's turn; or NULL */
	struct crb_denial denial;        /* when refused */
	struct crb_judge_asking asking;  /* set when the tiers were asked */
};

/*
 * True when it is allowed.  Otherwise `denial` is what is said; where the
 * verdict is CRB_EFFECT_ASK it has to be approved first, and grant, credential
 * and origin are set as if it were allowed.  Changes nothing but the state of
 * an expired session.  `out` stays where it is, since it points into itself.
 */
bool crb_judge(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *out);
/*
 * The same of a push whose commands are known: each of them is asked about, and
 * all must be allowed.  One that asks makes the whole push ask, of whoever has
 * to approve any part of it.
 *
 * False and `unfinished`: this was a slice of it.  Call it again with the same
 * progress, and serve others before; nothing else in *out is to be used.
 */
bool crb_judge_commands(struct crb_core *core,
    const struct crb_msg_exchange *msg,
    const struct crb_push_commands *commands,
    struct crb_judge_progress *progress, struct crb_judgement *out);

/*
 * What was asked, for the audit log: crb_tiers_text() of it.  Nothing where the
 * tiers were not asked.
 */
void crb_judge_asked(
    const struct crb_judgement *judgement, struct crb_buf *out);

/* judge_ask.c, for judge.c and judge_http.c. */

/* The question about a credential of the session's; no attributes yet. */
void crb_judge_question(struct crb_judgement *judgement,
    const struct crb_credential *credential, const char *delivery);
/* An attribute of it with one value; NULL: known later. */
void crb_judge_add(
    struct crb_judgement *judgement, const char *name, const char *value);
/*
 * What the session's grants say of it alone; with the grant in *judgement when
 * it is allow.
 */
enum crb_effect crb_judge_own(struct crb_judgement *judgement);
/* What all tiers say. */
enum crb_effect crb_judge_tiers(struct crb_judgement *judgement);
/* What they said of "push to acme/api" as a denial; false. */
bool crb_judge_refuse(struct crb_judgement *judgement, const char *what);

/*
 * judge_push.c: the commands, with a credential that may push at all, from
 * where its progress is.
 */
bool crb_judge_push(struct crb_judgement *judgement);

/* The last step for CRB_ROUTE_HTTP: is it granted, and where does it go? */
bool crb_judge_http(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement);

/* The session is live: true; otherwise why not. */
bool crb_judge_session(struct crb_core *core, struct crb_slice id,
    struct crb_session **out, struct crb_denial *denial);

#endif /* !CRB_JUDGE_H */
