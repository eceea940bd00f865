#include "broker/core/judge.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "broker/core/lease.h"
#include "broker/core/limits.h"
#include "broker/core/policies.h"
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
	    crb_session_left(session) == 0)
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

/* A policy that has to be there and is not in order says so to everybody. */
static bool
in_order(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	struct crb_denial *denial = &judgement->denial;
	const char *tier = NULL;
	struct crb_err err;

	(void)msg;
	if (core->policies == NULL)
		(void)crb_err_set(&err, CRB_ERR_LIMIT,
		    "the policies have not been read yet; try again");
	else if (crb_policies_ready(core->policies, &tier, &err) == CRB_OK)
		return true;
	crb_denial_error(denial, &err);
	(void)snprintf(
	    denial->tier, sizeof(denial->tier), "%s", tier != NULL ? tier : "");
	return false;
}

static bool
within_limits(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	uint64_t body = msg->body == CRB_BODY_LENGTH ? msg->length : 0;
	struct crb_err err;

	if (!crb_limits_request(judgement->session, body, &judgement->denial))
		return false;
	if (crb_link_open(&core->egress))
		return true;
	(void)crb_err_set(&err, CRB_ERR_LIMIT,
	    "the broker is busy or starting; try again in a moment");
	return refuse_error(judgement, &err);
}

/* It was counted before it had to wait, which others did not. */
static bool
within_total(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	(void)core;
	(void)msg;
	return crb_limits_total(judgement->session, &judgement->denial);
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

/*
 * Try one granted credential.  The first refusal is the one that is told; one
 * that asks only where none allows.
 */
static bool
try_credential(struct crb_judgement *judgement,
    struct crb_credential *credential, const struct crb_origin *origin)
{
	const struct crb_git_request *request = &judgement->request;
	const char *choice = crb_git_operation_choice(request->operation);
	const struct crb_push_commands *commands = judgement->commands;
	char what[CRB_REPOSITORY_MAX + 32];

	judgement->credential = credential;
	judgement->origin = origin;
	crb_judge_question(judgement, credential, "inject");
	crb_judge_add(judgement, "repository", request->repository);
	judgement->asking.question.at[0].fold = crb_tiers_folds(origin->host);
	crb_judge_add(judgement, "git", choice);
	crb_judge_add(judgement, "hosts", origin->host);
	if (strcmp(choice, "push") == 0) {
		crb_judge_add(judgement, "ref", NULL);
		crb_judge_add(judgement, "change", NULL);
	}
	if (crb_judge_own(judgement) != CRB_EFFECT_ALLOW) {
		crb_denial_git(&judgement->denial, judgement->session,
		    credential->name, choice, request->repository,
		    &judgement->verdict);
		return false;
	}
	crb_judge_tiers(judgement);
	if (commands != NULL && commands->count > 0 &&
	    judgement->verdict.effect != CRB_EFFECT_DENY)
		return crb_judge_push(judgement);
	if (judgement->verdict.effect == CRB_EFFECT_ALLOW)
		return true;
	(void)snprintf(what, sizeof(what), "%s %s %s", choice,
	    strcmp(choice, "push") == 0 ? "to" : "of", request->repository);
	return crb_judge_refuse(judgement, what);
}

/* The credential of a grant, where it is for the host that is asked for. */
static struct crb_credential *
candidate(const struct crb_judgement *judgement, size_t index,
    const struct crb_origin **origin)
{
	const struct crb_session *session = judgement->session;
	struct crb_credential *credential = crb_map_text(
	    &session->core->credentials,
	    session->grants[index].grant->credential);

	*origin = credential != NULL
	    ? crb_credential_origin(credential, judgement->request.authority)
	    : NULL;
	return *origin != NULL ? credential : NULL;
}

/* Of several that do not allow it, the one that is told was not the last. */
static bool
told_again(struct crb_judgement *judgement, size_t index)
{
	const struct crb_origin *origin;
	struct crb_credential *credential = candidate(
	    judgement, index, &origin);

	judgement->grant = NULL;
	return try_credential(judgement, credential, origin);
}

static bool
granted_git(struct crb_judgement *judgement)
{
	size_t count = judgement->session->grant_count;
	size_t first = count, asks = count;

	for (size_t i = 0; i < count; i++) {
		const struct crb_origin *origin;
		struct crb_credential *credential = candidate(
		    judgement, i, &origin);

		if (credential == NULL ||
		    !crb_lease_first_grant(judgement->session, i))
			continue;
		if (try_credential(judgement, credential, origin))
			return true;
		if (asks == count &&
		    judgement->verdict.effect == CRB_EFFECT_ASK)
			asks = i;
		if (first == count)
			first = i;
	}
	if (first == count) {
		crb_denial_host(&judgement->denial, judgement->session,
		    judgement->request.authority);
		return false;
	}
	return told_again(judgement, asks < count ? asks : first);
}

static bool
granted(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	return msg->route == CRB_ROUTE_HTTP
	    ? crb_judge_http(core, msg, judgement)
	    : granted_git(judgement);
}

typedef bool judge_step(struct crb_core *core,
    const struct crb_msg_exchange *msg, struct crb_judgement *judgement);

/* What was asked is written before it is read. */
static void
clear(struct crb_judgement *judgement)
{
	memset(judgement, 0, offsetof(struct crb_judgement, asking));
	judgement->rule = "";
	judgement->asking.question = (struct crb_question){ 0 };
}

bool
crb_judge(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *out)
{
	static judge_step *const steps[] = { live, recordable, in_order,
		within_limits, understood, granted };

	clear(out);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!steps[i](core, msg, out))
			return false;
	return true;
}

bool
crb_judge_commands(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_push_commands *commands, struct crb_buf *refs,
    struct crb_judgement *out)
{
	clear(out);
	out->commands = commands;
	out->refs = refs;
	return live(core, msg, out) && recordable(core, msg, out) &&
	    in_order(core, msg, out) && within_total(core, msg, out) &&
	    understood(core, msg, out) && granted(core, msg, out);
}
