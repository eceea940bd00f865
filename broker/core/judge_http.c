#include <stdio.h>
#include <string.h>

#include "broker/core/judge.h"

static const struct crb_session_grant *
find_grant(const struct crb_session *session, const char *name)
{
	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_session_grant *at = &session->grants[i];

		if (!at->pending && strcmp(at->grant->credential, name) == 0)
			return at;
	}
	return NULL;
}

static bool
refuse(struct crb_judgement *judgement, const struct crb_err *why)
{
	struct crb_denial *denial = &judgement->denial;

	crb_denial_error(denial, why);
	if (why->status != CRB_ERR_DENIED)
		return false;
	(void)snprintf(denial->tier, sizeof(denial->tier), "session");
	(void)snprintf(denial->next, sizeof(denial->next),
	    "ask for it: credbroker session grant %s --grant %s:SCOPE (on the "
	    "host)",
	    judgement->session->id, judgement->aws.credential);
	return false;
}

/* The credential that the path names, as far as the session has it. */
static bool
find_credential(struct crb_core *core, struct crb_judgement *judgement)
{
	const struct crb_session *session = judgement->session;
	const char *name = judgement->aws.credential;
	struct crb_credential *credential = NULL;
	struct crb_err err;

	if (find_grant(session, name) != NULL)
		credential = crb_map_text(&core->credentials, name);
	if (credential == NULL) {
		/* One that is not granted is as good as none. */
		(void)crb_err_set(&err, CRB_ERR_DENIED,
		    "credential %s is not granted to task %s", name,
		    session->task);
		return refuse(judgement, &err);
	}
	judgement->credential = credential;
	if (credential->backend->upstream != NULL &&
	    credential->backend->sign != NULL)
		return true;
	(void)crb_err_set(&err, CRB_ERR_DENIED,
	    "credential %s (backend %s) is not one that signs requests, and so "
	    "not for /http/",
	    name, credential->backend->kind);
	return refuse(judgement, &err);
}

/*
 * Actions and resources are enforced by the service, through what the keys may
 * do; the grant says whether they are used here.
 */
static bool
decide(struct crb_judgement *judgement, const struct crb_msg_exchange *msg)
{
	char method[17];
	const struct crb_request asked = {
		.credential = judgement->credential->name,
		.count = 4,
		.at = { { "delivery", "inject" },
		    { "service", judgement->aws.service },
		    { "region", judgement->aws.region }, { "method", method } },
	};
	struct crb_decision decision;
	struct crb_err err;

	(void)snprintf(method, sizeof(method), "%.*s", (int)msg->method.len,
	    msg->method.p);
	decision = crb_judge_decide(judgement, judgement->credential, &asked);
	if (decision.effect == CRB_EFFECT_ALLOW)
		return true;
	(void)crb_err_set(&err, CRB_ERR_DENIED,
	    "credential %s is granted to task %s with delivery=mint only: its "
	    "keys are fetched, and requests are not signed by the broker",
	    judgement->credential->name, judgement->session->task);
	(void)refuse(judgement, &err);
	(void)snprintf(judgement->denial.next, sizeof(judgement->denial.next),
	    "sign with the keys of /v1/aws/%s; or ask for a grant with "
	    "delivery=inject: credbroker session grant %s (on the host)",
	    judgement->credential->name, judgement->session->id);
	return false;
}

bool
crb_judge_http(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	const struct crb_credential *credential;
	struct crb_err err;

	if (!find_credential(core, judgement) || !decide(judgement, msg))
		return false;
	credential = judgement->credential;
	judgement->origin = &judgement->upstream;
	return credential->backend->upstream(credential->params,
		   judgement->aws.service, judgement->aws.region,
		   &judgement->upstream, &err) == CRB_OK ||
	    refuse(judgement, &err);
}
