#include "broker/core/tiers.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "broker/core/credential.h"
#include "broker/core/lease.h"
#include "broker/core/policies.h"

/* What a group stands for whose name nobody knows. */
static const char any[] = "*";

static void
set_groups(const struct crb_session *session, struct crb_asking_room *room,
    struct crb_question *out)
{
	size_t count = json_array_size(session->groups);

	/* Not known: denies hold, and allows do not. */
	if (session->groups == NULL || count > CRB_GROUPS_MAX)
		return;
	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(
		    json_array_get(session->groups, i));

		room->group[i] = name == NULL || strchr(name, ' ') != NULL
		    ? any
		    : name;
	}
	out->groups = room->group;
	out->group_count = count;
}

static void
set_labels(const struct crb_session *session, struct crb_asking_room *room,
    struct crb_question *out)
{
	json_t *labels = session->labels, *value;
	const char *key;

	json_object_foreach(labels, key, value)
	{
		if (out->label_count == CRB_LABELS_MAX ||
		    !json_is_string(value))
			continue;
		room->label[out->label_count++] = (struct crb_asked_label){ key,
			json_string_value(value) };
	}
	out->labels = room->label;
}

void
crb_tiers_question(const struct crb_session *session, const char *credential,
    enum crb_question_kind kind, struct crb_asking_room *room,
    struct crb_question *out)
{
	const struct crb_core *core = session->core;

	*out = (struct crb_question){
		.kind = kind,
		.credential = credential,
		.task = session->task,
		.user = session->user,
		.now = crb_wall_seconds(),
		.zones = core->policies != NULL
		    ? crb_policies_zones(core->policies)
		    : NULL,
	};
	set_groups(session, room, out);
	set_labels(session, room, out);
}

/* Until the policies were read, nothing is allowed. */
static bool
in_order(const struct crb_session *session, struct crb_verdict *out)
{
	struct crb_core *core = session->core;
	struct crb_err *why = &core->policies_why;

	*out = (struct crb_verdict){ .effect = CRB_EFFECT_DENY };
	if (core->policies == NULL)
		(void)crb_err_set(why, CRB_ERR_LIMIT,
		    "the policies have not been read yet; try again");
	else if (crb_policies_ready(core->policies, &out->tier, why) == CRB_OK)
		return true;
	out->problem = why->msg;
	return false;
}

static struct crb_tiers
tiers_of(const struct crb_session *session, const struct crb_tier *grants)
{
	return (struct crb_tiers){
		.policy = crb_policies_tiers(session->core->policies),
		.count = CRB_TIERS,
		.session = grants,
	};
}

void
crb_tiers_decide(const struct crb_session *session,
    const struct crb_question *question, const struct crb_tier *grants,
    struct crb_verdict *out)
{
	struct crb_tiers tiers;

	if (!in_order(session, out))
		return;
	tiers = tiers_of(session, grants);
	crb_policy_decide(&tiers, question, out);
	if (out->effect == CRB_EFFECT_DENY) {
		crb_policy_closest(&tiers, question, out);
	} else if (out->effect == CRB_EFFECT_ALLOW && session->ask_always) {
		out->effect = CRB_EFFECT_ASK;
		out->tier = "session";
		out->policy = NULL;
		out->rule = "ask-always";
		out->reason = "everything that this session does is asked for";
	}
}

/*
 * Of what is injected each request is asked about again, so that what only a
 * request has comes later.
 */
static void
add_later(struct crb_question *question, const struct crb_grant *grant)
{
	static const char *const git[] = { "ref", "change", NULL };
	static const char *const http[] = { "hosts", "methods", "paths",
		"service", "region", NULL };
	const char *const *names = grant->backend->sign != NULL ? http : git;

	for (; *names != NULL; names++) {
		const struct crb_asked asked = { .name = *names,
			.state = CRB_ASKED_LATER };

		if (crb_question_find(question, *names) == NULL)
			(void)crb_question_add(question, &asked);
	}
}

/* GitHub takes either letter case of a repository for the same. */
bool
crb_tiers_folds(const char *host)
{
	static const char *const folding[] = { "github.com", "ghe.com" };
	size_t len = strlen(host);

	for (size_t i = 0; i < sizeof(folding) / sizeof(*folding); i++) {
		size_t cut = strlen(folding[i]);

		if (len >= cut && strcmp(&host[len - cut], folding[i]) == 0 &&
		    (len == cut || host[len - cut - 1] == '.'))
			return true;
	}
	return false;
}

/* Where the secret may be sent is what a grant of it is about. */
static void
add_hosts(struct crb_question *question, const struct crb_credential *of,
    struct crb_asking_room *room)
{
	struct crb_asked hosts = { .name = "hosts",
		.state = CRB_ASKED_VALUES,
		.count = of->route.count,
		.value = room->host };
	bool fold = of->route.count > 0;

	for (size_t i = 0; i < of->route.count; i++) {
		room->host[i] = of->route.origin[i].host;
		fold = fold && crb_tiers_folds(room->host[i]);
	}
	if (hosts.count > 0)
		(void)crb_question_add(question, &hosts);
	for (size_t i = 0; i < question->count; i++)
		if (strcmp(question->at[i].name, "repository") == 0)
			question->at[i].fold = fold;
}

/* What is asked of a grant; keys of it would be good for `seconds`. */
static void
ask_grant(const struct crb_session *session, const struct crb_grant *grant,
    int64_t seconds, struct crb_asking_room *room, struct crb_question *out)
{
	bool mints = crb_grant_mints(grant);
	const struct crb_credential *credential = crb_map_text(
	    &session->core->credentials, grant->credential);

	crb_tiers_question(session, grant->credential,
	    mints ? CRB_QUESTION_MINT : CRB_QUESTION_INJECT, room, out);
	out->delivery = crb_grant_delivery(grant);
	out->seconds = mints ? seconds : 0;
	crb_question_scope(out, &grant->scope, grant->backend->attributes,
	    mints || grant->backend->sign != NULL ? CRB_ASKED_ANY
						  : CRB_ASKED_LATER);
	if (mints)
		return;
	if (grant->backend->sign == NULL && credential != NULL)
		add_hosts(out, credential, room);
	add_later(out, grant);
}

/* Of what keys are minted now: how long the upstream is asked to make them. */
static enum crb_status
life(const struct crb_session *session, const struct crb_grant *grant,
    int64_t *seconds, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *order = NULL;
	enum crb_status status;

	*seconds = 0;
	if (!crb_grant_mints(grant))
		return CRB_OK;
	status = crb_lease_order(session, grant->credential, true, &order, err);
	if (status == CRB_OK)
		*seconds = json_integer_value(
		    json_object_get(order, "duration"));
	return status;
}

/* They are borrowed from a question that is gone. */
static void
forget_values(struct crb_verdict *verdict)
{
	memset(verdict->value, 0, sizeof(verdict->value));
}

enum crb_status
crb_tiers_grant(const struct crb_session *session,
    const struct crb_grant *grant, struct crb_verdict *verdict,
    struct crb_err *err)
{
	struct crb_asking_room room;
	struct crb_question question;
	int64_t seconds;

	*verdict = (struct crb_verdict){ .effect = CRB_EFFECT_DENY };
	if (life(session, grant, &seconds, err) != CRB_OK)
		return err->status;
	ask_grant(session, grant, seconds, &room, &question);
	crb_tiers_decide(session, &question, NULL, verdict);
	if (verdict->effect != CRB_EFFECT_DENY) {
		forget_values(verdict);
		return CRB_OK;
	}
	(void)!crb_tiers_refuse(session->core, verdict, err);
	/* What was written in one list may be allowed in part. */
	for (size_t i = question.count; i-- > 0;)
		if (question.at[i].count > 1 && verdict->value[i] != NULL &&
		    question.at[i].value != room.host)
			(void)crb_err_context(err, "%s=%s", question.at[i].name,
			    verdict->value[i]);
	forget_values(verdict);
	return crb_err_context(err, "grant %s", grant->credential);
}

void
crb_tiers_grant_text(const struct crb_session *session,
    const struct crb_grant *grant, struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf asked = CRB_BUF_INIT(CRB_AUDIT_ASKED_MAX);
	struct crb_asking_room room;
	struct crb_question question;
	struct crb_err ignored;
	int64_t seconds;

	crb_tiers_facts_text(session, out);
	(void)!life(session, grant, &seconds, &ignored);
	ask_grant(session, grant, seconds, &room, &question);
	crb_tiers_text(&question, 1, &asked);
	if (out->len == 0 || asked.len == 0 ||
	    out->len + asked.len + strlen(",\"asked\":") > CRB_AUDIT_ASKED_MAX)
		return;
	/* Instead of the brace at the end of the facts. */
	out->len--;
	crb_buf_printf(out, ",\"asked\":%s}", crb_buf_text(&asked));
}

static bool
is_of(const struct crb_session_grant *at, const char *credential)
{
	return !at->pending && strcmp(at->grant->credential, credential) == 0;
}

static void
add_approvers(struct crb_verdict *out, const struct crb_verdict *more)
{
	out->four_eyes |= more->four_eyes;
	for (size_t i = 0; i < more->approver_count; i++) {
		size_t k = 0;

		while (k < out->approver_count &&
		    strcmp(out->approvers[k], more->approvers[i]) != 0)
			k++;
		if (k == CRB_ASKS_MAX) {
			out->effect = CRB_EFFECT_DENY;
			out->problem = "too many groups have to approve it";
			return;
		}
		out->approvers[k] = more->approvers[i];
		if (k == out->approver_count)
			out->approver_count++;
	}
}

void
crb_tiers_join(struct crb_verdict *into, const struct crb_verdict *one)
{
	bool durable = into->durable || one->durable;

	if (one->effect < into->effect)
		*into = *one;
	else if (one->effect == CRB_EFFECT_ASK &&
	    into->effect == CRB_EFFECT_ASK)
		add_approvers(into, one);
	into->durable = durable && into->effect != CRB_EFFECT_DENY;
}

void
crb_tiers_mint(const struct crb_session *session, const char *credential,
    int64_t seconds, struct crb_verdict *out)
{
	struct crb_asking_room room;
	struct crb_question question;
	struct crb_verdict one;
	bool first = true;

	*out = (struct crb_verdict){ .effect = CRB_EFFECT_DENY,
		.problem = "nothing of it is granted" };
	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_session_grant *at = &session->grants[i];

		if (!is_of(at, credential))
			continue;
		ask_grant(session, at->grant, seconds, &room, &question);
		crb_tiers_decide(session, &question, NULL, &one);
		if (first)
			*out = one;
		else
			crb_tiers_join(out, &one);
		first = false;
	}
	forget_values(out);
}

void
crb_tiers_mint_text(const struct crb_session *session, const char *credential,
    int64_t seconds, struct crb_buf *out)
{
	struct crb_asking_room room;
	struct crb_question question[CRB_SESSION_GRANTS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < session->grant_count; i++)
		if (is_of(&session->grants[i], credential))
			ask_grant(session, session->grants[i].grant, seconds,
			    &room, &question[count++]);
	crb_tiers_text(question, count, out);
}
