#include "broker/core/judge.h"

#include <stdio.h>
#include <string.h>

#include "broker/core/session_end.h"

static bool
refuse_error(struct crb_judgement *judgement, const struct crb_err *why)
{
	crb_denial_error(&judgement->denial, why);
	return false;
}

bool
crb_judge_session(struct crb_core *core, struct crb_slice id,
    struct crb_session **out, struct crb_denial *denial)
{
	struct crb_session *session;

	if (!crb_core_unlocked(core)) {
		crb_denial_locked(denial);
		return false;
	}
	*out = session = crb_session_get(core, id);
	/* The timer may be late, or the clock have been set. */
	if (session != NULL && session->state == CRB_SESSION_LIVE &&
	    crb_wall_seconds() >= session->expires)
		crb_session_end(session, CRB_SESSION_EXPIRED, "broker", NULL);
	if (session == NULL || session->state != CRB_SESSION_LIVE) {
		crb_denial_ended(denial, session);
		return false;
	}
	return true;
}

static bool
live(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	return crb_judge_session(
	    core, msg->session, &judgement->session, &judgement->denial);
}

static bool
recordable(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	struct crb_err err;

	(void)msg;
	return crb_core_need_record(core, &err) == CRB_OK ||
	    refuse_error(judgement, &err);
}

static bool
within_limits(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	unsigned most = (unsigned)core->config.exchanges_max;
	int64_t a_minute = core->config.requests_per_minute;
	struct crb_err err;

	(void)msg;
	if (judgement->session->exchange_count + judgement->session->waiting >=
	    most) {
		crb_denial_busy(&judgement->denial, most);
		return false;
	}
	if (!crb_rate_take(&judgement->session->rate, crb_loop_now(core->loop),
		60000000 / a_minute, a_minute)) {
		crb_denial_rate(&judgement->denial, a_minute);
		return false;
	}
	if (crb_link_open(&core->egress))
		return true;
	(void)crb_err_set(&err, CRB_ERR_LIMIT,
	    "the broker is busy or starting; try again in a moment");
	return refuse_error(judgement, &err);
}

static bool
understood_git(
    const struct crb_msg_exchange *msg, struct crb_judgement *judgement)
{
	struct crb_err err;

	if (crb_git_request_parse(msg->method, msg->target,
		msg->has_query != 0 ? &msg->query : NULL, &judgement->request,
		&err) != CRB_OK)
		return refuse_error(judgement, &err);
	if (msg->body > CRB_BODY_CHUNKED ||
	    (crb_slice_is(msg->method, "GET") && msg->body != CRB_BODY_NONE)) {
		(void)crb_err_set(
		    &err, CRB_ERR_INVALID, "a GET of git's has no body");
		return refuse_error(judgement, &err);
	}
	return true;
}

static bool
understood(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	struct crb_err err;

	(void)core;
	if (msg->route == CRB_ROUTE_GIT)
		return understood_git(msg, judgement);
	if (msg->route != CRB_ROUTE_HTTP) {
		(void)crb_err_set(&err, CRB_ERR_INVALID, "no such route");
		return refuse_error(judgement, &err);
	}
	return crb_aws_request_parse(msg, &judgement->aws, &err) == CRB_OK ||
	    refuse_error(judgement, &err);
}

/* The session's grants as a tier; from[i] is the grant that rule i is of. */
static size_t
make_rules(const struct crb_session *session,
    const struct crb_credential *credential, struct crb_rule *rules,
    char (*ids)[CRB_RULE_ID_MAX], size_t *from)
{
	size_t count = 0;

	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_session_grant *at = &session->grants[i];

		/* Made for another kind: the credential was replaced. */
		if (at->pending || at->grant->backend != credential->backend)
			continue;
		(void)snprintf(
		    ids[count], sizeof(ids[count]), "grant %u", at->number);
		from[count] = i;
		rules[count] = (struct crb_rule){
			.id = ids[count],
			.effect = CRB_EFFECT_ALLOW,
			.credential = at->grant->credential,
			.scope = &at->grant->scope,
		};
		count++;
	}
	return count;
}

/* The rule's id is copied to the judgement. */
struct crb_decision
crb_judge_decide(struct crb_judgement *judgement,
    const struct crb_credential *credential, const struct crb_request *asked)
{
	struct crb_rule rules[CRB_SESSION_GRANTS_MAX];
	char ids[CRB_SESSION_GRANTS_MAX][CRB_RULE_ID_MAX];
	size_t from[CRB_SESSION_GRANTS_MAX];
	struct crb_tier tier = { .name = "session", .rule = rules };
	struct crb_decision decision;

	tier.count = make_rules(
	    judgement->session, credential, rules, ids, from);
	decision = crb_decide(asked, &tier, 1);
	for (size_t i = 0; i < tier.count; i++) {
		if (decision.rule != ids[i])
			continue;
		judgement->grant = &judgement->session->grants[from[i]];
		memcpy(judgement->rule, ids[i], sizeof(ids[i]));
	}
	if (decision.rule != NULL)
		decision.rule = judgement->rule;
	return decision;
}

/* Try one granted credential: the first refusal is the one that is told. */
static bool
try_credential(struct crb_judgement *judgement,
    struct crb_credential *credential, const struct crb_origin *origin,
    bool *told)
{
	const struct crb_git_request *request = &judgement->request;
	const struct crb_request asked = {
		.credential = credential->name,
		.count = 2,
		.at = { { "repository", request->repository },
		    { "git", crb_git_operation_choice(request->operation) } },
	};
	struct crb_decision decision = crb_judge_decide(
	    judgement, credential, &asked);

	if (decision.effect == CRB_EFFECT_ALLOW) {
		judgement->credential = credential;
		judgement->origin = origin;
		return true;
	}
	if (!*told) {
		judgement->credential = credential;
		crb_denial_git(&judgement->denial, judgement->session,
		    credential->name,
		    crb_git_operation_choice(request->operation),
		    request->repository, &decision);
	}
	*told = true;
	return false;
}

static bool
granted(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	struct crb_session *session = judgement->session;
	const char *authority = judgement->request.authority;
	bool told = false;

	if (msg->route == CRB_ROUTE_HTTP)
		return crb_judge_http(core, msg, judgement);
	for (size_t i = 0; i < session->grant_count; i++) {
		struct crb_credential *credential = crb_map_text(
		    &core->credentials, session->grants[i].grant->credential);
		const struct crb_origin *origin = credential != NULL
		    ? crb_credential_origin(credential, authority)
		    : NULL;

		if (origin == NULL)
			continue;
		if (try_credential(judgement, credential, origin, &told))
			return true;
	}
	if (!told)
		crb_denial_host(&judgement->denial, session, authority);
	return false;
}

typedef bool judge_step(struct crb_core *core,
    const struct crb_msg_exchange *msg, struct crb_judgement *judgement);

bool
crb_judge(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *out)
{
	static judge_step *const steps[] = { live, recordable, within_limits,
		understood, granted };

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!steps[i](core, msg, out))
			return false;
	return true;
}

bool
crb_judge_again(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *out)
{
	memset(out, 0, sizeof(*out));
	return live(core, msg, out) && recordable(core, msg, out) &&
	    understood(core, msg, out) && granted(core, msg, out);
}
