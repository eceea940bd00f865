#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/core/judge.h"
#include "policy/attribute.h"

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
 * What a policy's patterns for paths are held against: one spelling for each
 * path.  What may stand in a pattern as itself is decoded; what may not, and
 * "/", "%" and "*", stay escapes.  With `slashes` a "/" is decoded, too.  One
 * that is too long for any pattern stays too long.
 */
static void
path_text(struct crb_slice path, bool slashes, char out[CRB_GLOB_MAX + 1])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t len = 0;

	for (size_t i = 0; i < path.len && len + 3 <= CRB_GLOB_MAX; i++) {
		unsigned char c = (unsigned char)path.p[i];
		bool escaped = c == '%' && path.len - i >= 3;

		if (escaped) {
			c = (unsigned char)(crb_text_hex_value(path.p[i + 1]) *
				16 +
			    crb_text_hex_value(path.p[i + 2]));
			i += 2;
		}
		if (c == '/' ? escaped && !slashes : crb_path_escapes(c)) {
			out[len++] = '%';
			out[len++] = hex[c >> 4];
			out[len++] = hex[c & 15];
		} else {
			out[len++] = (char)c;
		}
	}
	while (len + 3 > CRB_GLOB_MAX && len < CRB_GLOB_MAX)
		out[len++] = '%';
	out[len] = '\0';
}

/* "GET s3.eu-west-1.amazonaws.com/alpha/key", cut and without controls. */
static bool
refuse_verdict(struct crb_judgement *judgement)
{
	const struct crb_judge_asking *asking = &judgement->asking;
	CRB_AUTO_BUF struct crb_buf what = CRB_BUF_INIT(2048);

	crb_text_escape(&what, asking->method, strlen(asking->method), 16);
	crb_buf_char(&what, ' ');
	crb_origin_authority(&judgement->upstream, &what);
	crb_text_escape(&what, asking->path, strlen(asking->path), 200);
	return crb_judge_refuse(judgement, crb_buf_text(&what));
}

/*
 * Actions and resources are enforced by the service, through what the keys may
 * do; the grant says whether they are used here.
 */
static bool
own(struct crb_judgement *judgement)
{
	struct crb_err err;

	if (crb_judge_own(judgement) == CRB_EFFECT_ALLOW)
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

/*
 * A service may look at a path before it decodes a "%2F" in it, or behind that:
 * both have to be allowed.
 */
static void
add_paths(struct crb_judgement *judgement)
{
	struct crb_judge_asking *asking = &judgement->asking;
	struct crb_asked asked = { .name = "paths",
		.state = CRB_ASKED_VALUES,
		.count = 1,
		.value = asking->paths };

	path_text(judgement->aws.path, false, asking->path);
	path_text(judgement->aws.path, true, asking->unescaped);
	asking->paths[0] = asking->path;
	if (strcmp(asking->path, asking->unescaped) != 0)
		asking->paths[asked.count++] = asking->unescaped;
	(void)crb_question_add(&asking->question, &asked);
}

static void
ask(struct crb_judgement *judgement, const struct crb_msg_exchange *msg)
{
	struct crb_judge_asking *asking = &judgement->asking;

	(void)snprintf(asking->method, sizeof(asking->method), "%.*s",
	    (int)msg->method.len, msg->method.p);
	crb_judge_question(judgement, judgement->credential, "inject");
	crb_judge_add(judgement, "delivery", "inject");
	crb_judge_add(judgement, "service", judgement->aws.service);
	crb_judge_add(judgement, "region", judgement->aws.region);
	crb_judge_add(judgement, "methods", asking->method);
	add_paths(judgement);
}

/* What the keys that sign it may do, by one of the grants. */
static void
ask_actions(struct crb_judgement *judgement, const struct crb_grant *grant)
{
	static const char *const names[] = { "actions", "resources" };
	struct crb_question *question = &judgement->asking.question;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct crb_asked asked = { .name = names[i],
			.state = CRB_ASKED_ANY };

		for (size_t k = 0; k < grant->scope.count; k++) {
			const struct crb_scope_attribute *at =
			    &grant->scope.at[k];

			if (strcmp(at->attribute->name, names[i]) != 0)
				continue;
			asked.state = CRB_ASKED_VALUES;
			asked.count = at->count;
			asked.value = (const char *const *)at->value;
		}
		(void)crb_question_add(question, &asked);
	}
}

/*
 * The keys are for all grants of the credential together, so each of them has
 * to be allowed; the strictest is told.
 */
static bool
tiers(struct crb_judgement *judgement)
{
	const struct crb_session *session = judgement->session;
	const struct crb_judge_asking *asking = &judgement->asking;
	const struct crb_grant *asks = NULL;
	struct crb_verdict all = { .effect = CRB_EFFECT_ALLOW };

	for (size_t i = 0; i < asking->grants.count; i++) {
		const struct crb_grant *grant =
		    session->grants[asking->from[i]].grant;

		if (strcmp(grant->credential, judgement->credential->name) != 0)
			continue;
		ask_actions(judgement, grant);
		if (crb_judge_tiers(judgement) == CRB_EFFECT_DENY)
			return refuse_verdict(judgement);
		crb_tiers_join(&all, &judgement->verdict);
		if (asks == NULL && all.effect == CRB_EFFECT_ASK)
			asks = grant;
	}
	if (asks == NULL)
		return true;
	/* The question that is written down is the first that asks. */
	ask_actions(judgement, asks);
	(void)crb_judge_tiers(judgement);
	judgement->verdict = all;
	return refuse_verdict(judgement);
}

bool
crb_judge_http(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	const struct crb_credential *credential;
	struct crb_err err;

	if (!find_credential(core, judgement))
		return false;
	credential = judgement->credential;
	ask(judgement, msg);
	if (!own(judgement))
		return false;
	if (credential->backend->upstream(credential->params,
		judgement->aws.service, judgement->aws.region,
		&judgement->upstream, &err) != CRB_OK)
		return refuse(judgement, &err);
	judgement->origin = &judgement->upstream;
	crb_judge_add(judgement, "hosts", judgement->upstream.host);
	return tiers(judgement);
}
