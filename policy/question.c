#include "policy/question.h"

#include <string.h>

const struct crb_asked *
crb_question_find(const struct crb_question *question, const char *name)
{
	for (size_t i = 0; i < question->count; i++) {
		if (strcmp(question->at[i].name, name) == 0)
			return &question->at[i];
	}
	return NULL;
}

bool
crb_question_add(struct crb_question *question, const struct crb_asked *asked)
{
	for (size_t i = 0; i < question->count; i++) {
		if (strcmp(question->at[i].name, asked->name) == 0) {
			question->at[i] = *asked;
			return true;
		}
	}
	if (question->count == CRB_SCOPE_MAX)
		return false;
	question->at[question->count++] = *asked;
	return true;
}

static const struct crb_scope_attribute *
scope_at(const struct crb_scope *scope, const char *name)
{
	for (size_t i = 0; i < scope->count; i++) {
		if (strcmp(scope->at[i].attribute->name, name) == 0)
			return &scope->at[i];
	}
	return NULL;
}

void
crb_question_scope(struct crb_question *question, const struct crb_scope *scope,
    const struct crb_attribute *table, enum crb_asked_state unsaid)
{
	/* A table has at most as many rows as there is room. */
	for (; table->name != NULL; table++) {
		const struct crb_scope_attribute *at = scope_at(
		    scope, table->name);
		struct crb_asked asked = { .name = table->name,
			.state = at != NULL ? CRB_ASKED_VALUES : unsaid };

		if (at != NULL) {
			asked.count = at->count;
			asked.value = (const char *const *)at->value;
		}
		(void)crb_question_add(question, &asked);
	}
}
