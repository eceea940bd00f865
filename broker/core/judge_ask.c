#include <stdio.h>
#include <string.h>

#include "broker/core/judge.h"
#include "broker/core/policies.h"

/* The session's grants as a tier; from[i] is the grant that rule i is of. */
static void
make_grants(
    struct crb_judgement *judgement, const struct crb_credential *credential)
{
	const struct crb_session *session = judgement->session;
	struct crb_judge_asking *asking = &judgement->asking;
	size_t count = 0;

	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_session_grant *at = &session->grants[i];

		/* Made for another kind: the credential was replaced. */
		if (at->pending || at->grant->backend != credential->backend ||
		    strcmp(at->grant->credential, credential->name) != 0)
			continue;
		(void)snprintf(asking->id[count], sizeof(asking->id[count]),
		    "grant %u", at->number);
		asking->from[count] = i;
		asking->rule[count] = (struct crb_rule){
			.id = asking->id[count],
			.effect = CRB_EFFECT_ALLOW,
			.credential = at->grant->credential,
			.scope = &at->grant->scope,
		};
		count++;
	}
	asking->grants = (struct crb_tier){ "session", count, asking->rule };
}

void
crb_judge_question(struct crb_judgement *judgement,
    const struct crb_credential *credential, const char *delivery)
{
	struct crb_judge_asking *asking = &judgement->asking;

	crb_tiers_question(judgement->session, credential->name,
	    CRB_QUESTION_REQUEST, &asking->room, &asking->question);
	asking->question.delivery = delivery;
	judgement->durable = false;
	make_grants(judgement, credential);
}

void
crb_judge_add(
    struct crb_judgement *judgement, const char *name, const char *value)
{
	struct crb_judge_asking *asking = &judgement->asking;
	struct crb_question *question = &asking->question;
	struct crb_asked asked = { .name = name, .state = CRB_ASKED_LATER };
	size_t place = 0;

	while (place < question->count &&
	    strcmp(question->at[place].name, name) != 0)
		place++;
	if (place == CRB_SCOPE_MAX)
		return;
	if (value != NULL) {
		asking->value[place] = value;
		asked.state = CRB_ASKED_VALUES;
		asked.count = 1;
		asked.value = &asking->value[place];
	}
	if (place < question->count)
		asked.fold = question->at[place].fold;
	(void)crb_question_add(question, &asked);
}

static void
set_rule(struct crb_judgement *judgement)
{
	const char *rule = judgement->verdict.rule;

	judgement->rule = rule != NULL ? rule : "";
}

/* The grant that a rule of the session's tier is of. */
static void
set_grant(struct crb_judgement *judgement)
{
	const struct crb_judge_asking *asking = &judgement->asking;

	for (size_t i = 0; i < asking->grants.count; i++)
		if (judgement->verdict.rule == asking->id[i])
			judgement->grant =
			    &judgement->session->grants[asking->from[i]];
}

enum crb_effect
crb_judge_own(struct crb_judgement *judgement)
{
	struct crb_judge_asking *asking = &judgement->asking;
	const struct crb_tiers tiers = { .session = &asking->grants };

	crb_policy_decide(&tiers, &asking->question, &judgement->verdict);
	set_rule(judgement);
	if (judgement->verdict.effect == CRB_EFFECT_ALLOW)
		set_grant(judgement);
	return judgement->verdict.effect;
}

enum crb_effect
crb_judge_tiers(struct crb_judgement *judgement)
{
	struct crb_judge_asking *asking = &judgement->asking;

	crb_tiers_decide(judgement->session, &asking->question, &asking->grants,
	    &judgement->verdict);
	judgement->durable = judgement->durable || judgement->verdict.durable;
	set_rule(judgement);
	return judgement->verdict.effect;
}

bool
crb_judge_refuse(struct crb_judgement *judgement, const char *what)
{
	crb_denial_verdict(&judgement->denial, judgement->session,
	    &judgement->asking.question, what, &judgement->verdict);
	return false;
}

void
crb_judge_asked(const struct crb_judgement *judgement, struct crb_buf *out)
{
	if (judgement->asking.question.credential != NULL)
		crb_tiers_text(&judgement->asking.question, 1, out);
}
