#include "broker/core/judge.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/process.h"
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

	judgement->grant = NULL;
	judgement->credential = credential;
	judgement->origin = origin;
	crb_judge_question(judgement, credential, "inject");
	if (judgement->progress != NULL)
		judgement->asking.question.now = judgement->progress->now;
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

/* With one of the session's grants. */
static bool
try_grant(struct crb_judgement *judgement, struct crb_judge_search *search)
{
	const struct crb_origin *origin;
	struct crb_credential *credential = candidate(
	    judgement, search->at, &origin);
	bool allowed;

	if (credential == NULL ||
	    !crb_lease_first_grant(judgement->session, search->at))
		return false;
	allowed = try_credential(judgement, credential, origin);
	if (allowed || judgement->unfinished)
		return allowed;
	if (judgement->progress != NULL)
		judgement->progress->next = 0;
	search->last = search->at;
	if (search->asks == SIZE_MAX &&
	    judgement->verdict.effect == CRB_EFFECT_ASK)
		search->asks = search->at;
	if (search->first == SIZE_MAX)
		search->first = search->at;
	return false;
}

/* Up to one that allows it; where there is none, the one that is told. */
static bool
search_grants(struct crb_judgement *judgement, struct crb_judge_search *search)
{
	size_t count = judgement->session->grant_count;

	for (; !search->again && search->at < count; search->at++)
		if (try_grant(judgement, search) || judgement->unfinished)
			return !judgement->unfinished;
	if (search->first == SIZE_MAX) {
		crb_denial_host(&judgement->denial, judgement->session,
		    judgement->request.authority);
		return false;
	}
	search->again = true;
	search->at = search->asks != SIZE_MAX ? search->asks : search->first;
	/* As it nearly always is. */
	return search->at != search->last && try_grant(judgement, search);
}

static bool
granted_git(struct crb_judgement *judgement)
{
	struct crb_judge_search whole = CRB_JUDGE_SEARCH_INIT;

	return search_grants(judgement,
	    judgement->progress != NULL ? &judgement->progress->search
					: &whole);
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

void
crb_judge_progress_clear(struct crb_judge_progress *progress)
{
	crb_buf_clear(&progress->refs);
	*progress = CRB_JUDGE_PROGRESS_INIT;
}

/* The same policies, credentials and grants decide of all of it. */
static bool
same_terms(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	struct crb_judge_progress *progress = judgement->progress;
	const struct crb_session *session = judgement->session;

	(void)msg;
	if (progress->begun && progress->core_terms == core->terms &&
	    progress->session_terms == session->terms)
		return true;
	crb_judge_progress_clear(progress);
	progress->begun = true;
	progress->core_terms = core->terms;
	progress->session_terms = session->terms;
	progress->now = crb_wall_seconds();
	return true;
}

bool
crb_judge_commands(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_push_commands *commands,
    struct crb_judge_progress *progress, struct crb_judgement *out)
{
	clear(out);
	out->commands = commands;
	out->progress = progress;
	return live(core, msg, out) && same_terms(core, msg, out) &&
	    recordable(core, msg, out) && in_order(core, msg, out) &&
	    within_total(core, msg, out) && understood(core, msg, out) &&
	    granted(core, msg, out);
}
