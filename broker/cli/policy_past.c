#include "broker/cli/policy_past.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_question.h"

#define ASKED_WHERE "what the audit log has of the question"

void
crb_policy_past_clear(struct crb_policy_past *past)
{
	free(past->at);
	json_decref(past->line);
	json_decref(past->asked);
	json_decref(past->facts);
	*past = (struct crb_policy_past){ 0 };
}

static enum crb_status
malformed(const char *what, struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_INVALID, "%s: %s", ASKED_WHERE, what);
}

static enum crb_status
set_asked(struct crb_past_question *past, const char *name, const json_t *json,
    struct crb_err *err)
{
	struct crb_question *q = &past->question;
	const char **value = past->value[q->count];
	const char *word = json_string_value(json);
	struct crb_asked asked = { .name = name, .value = value };
	const json_t *text;
	size_t i;

	if (q->count == CRB_SCOPE_MAX ||
	    json_array_size(json) > CRB_SCOPE_VALUES_MAX)
		return malformed("too many values", err);
	if (word != NULL && strcmp(word, "any") == 0)
		asked.state = CRB_ASKED_ANY;
	else if (word != NULL && strcmp(word, "later") == 0)
		asked.state = CRB_ASKED_LATER;
	else if (!json_is_array(json))
		return malformed("a value that is none", err);
	json_array_foreach(json, i, text)
	{
		if ((value[asked.count++] = json_string_value(text)) == NULL)
			return malformed("a value that is none", err);
	}
	q->at[q->count++] = asked;
	return CRB_OK;
}

static enum crb_status
set_kind(struct crb_question *question, const json_t *json, struct crb_err *err)
{
	static const char *const kinds[] = { [CRB_QUESTION_REQUEST] = "request",
		[CRB_QUESTION_MINT] = "mint",
		[CRB_QUESTION_INJECT] = "inject" };
	const char *kind = crb_member(json, "kind");

	for (size_t i = 0; kind != NULL && i < sizeof(kinds) / sizeof(*kinds);
	     i++) {
		if (strcmp(kind, kinds[i]) != 0)
			continue;
		question->kind = (enum crb_question_kind)i;
		return CRB_OK;
	}
	return malformed("its kind is not known", err);
}

/* A group that has no name on the host may be any. */
static void
set_facts(struct crb_past_question *past, json_t *facts)
{
	struct crb_question *q = &past->question;
	const json_t *groups = json_object_get(facts, "groups"), *group;
	json_t *labels = json_object_get(facts, "labels"), *value;
	const char *key, *name;
	size_t i;

	q->user = crb_member(facts, "user");
	q->labels = past->label;
	json_object_foreach(labels, key, value)
	{
		if (q->label_count < CRB_PAST_LIST_MAX && json_is_string(value))
			past->label[q->label_count++] =
			    (struct crb_asked_label){ key,
				    json_string_value(value) };
	}
	if (!json_is_array(groups) ||
	    json_array_size(groups) > CRB_PAST_LIST_MAX)
		return;
	q->groups = past->group;
	json_array_foreach(groups, i, group)
	{
		name = json_string_value(group);
		past->group[q->group_count++] = name == NULL ||
			strchr(name, ' ') != NULL
		    ? "*"
		    : name;
	}
}

static void
set_time(struct crb_question *question, const char *text,
    const struct crb_zones *zones)
{
	struct tm tm = { .tm_isdst = 0 };

	/* "2026-11-21T09:30:00.123Z" */
	if (text == NULL || strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
		return;
	question->now = (int64_t)timegm(&tm);
	question->zones = zones;
}

static enum crb_status
make_one(const struct crb_policy_past *from, json_t *json,
    const struct crb_zones *zones, struct crb_past_question *past,
    struct crb_err *err)
{
	struct crb_question *q = &past->question;
	json_t *at = json_object_get(json, "at"), *value;
	const char *name;

	if (set_kind(q, json, err) != CRB_OK)
		return err->status;
	q->credential = crb_member(from->line, "credential");
	q->task = crb_member(from->line, "task");
	q->delivery = crb_member(json, "delivery");
	q->seconds = crb_member_number(json, "seconds");
	set_time(q, crb_member(from->line, "time"), zones);
	set_facts(past, from->facts);
	json_object_foreach(at, name, value)
	{
		if (set_asked(past, name, value, err) != CRB_OK)
			return err->status;
	}
	crb_question_set_folds(q, json_object_get(json, "fold"));
	return CRB_OK;
}

/* Of a grant that was refused the facts stand beside the questions. */
static enum crb_status
read_asked(const json_t *line, struct crb_policy_past *out, struct crb_err *err)
{
	const char *text = crb_member(line, "asked");
	CRB_AUTO_JSON json_t *asked = NULL;

	if (text == NULL)
		return CRB_OK;
	if (crb_json_parse(text, strlen(text), ASKED_WHERE, &asked, err) !=
	    CRB_OK)
		return err->status;
	if (json_is_array(asked)) {
		out->asked = CRB_STEAL(asked);
		return CRB_OK;
	}
	out->asked = json_incref(json_object_get(asked, "asked"));
	out->facts = CRB_STEAL(asked);
	return CRB_OK;
}

enum crb_status
crb_policy_past_make(json_t *line, json_t *facts, const struct crb_zones *zones,
    struct crb_policy_past *out, struct crb_err *err)
{
	json_t *json;
	size_t i;

	if (read_asked(line, out, err) != CRB_OK)
		return err->status;
	if (!json_is_array(out->asked))
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "line %lld of the audit log, %s, has no question to the "
		    "policies in it",
		    crb_member_number(line, "n"),
		    crb_member(line, "event") != NULL
			? crb_member(line, "event")
			: "of no event");
	out->line = json_incref(line);
	if (out->facts == NULL)
		out->facts = json_incref(facts);
	out->at = calloc(json_array_size(out->asked) + 1, sizeof(*out->at));
	if (out->at == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	json_array_foreach(out->asked, i, json)
	{
		if (make_one(out, json, zones, &out->at[out->count++], err) !=
		    CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

enum crb_status
crb_policy_past_line(
    struct crb_cli *cli, json_int_t number, json_t **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;
	json_t *line;

	if (crb_cli_call(cli, "audit.show",
		json_pack("{s:I, s:i}", "after", number - 1, "most", 1),
		&result, err) != CRB_OK)
		return err->status;
	line = json_array_get(json_object_get(result, "events"), 0);
	if (line == NULL || crb_member_number(line, "n") != number)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "the audit log has no event %lld. See: credbroker audit "
		    "show",
		    (long long)number);
	*out = json_incref(line);
	return CRB_OK;
}

enum crb_status
crb_policy_past_facts(
    struct crb_cli *cli, const char *session, json_t **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;
	const char *asked;

	*out = NULL;
	if (crb_cli_call(cli, "audit.show",
		json_pack("{s:s, s:s, s:i}", "session", session, "event",
		    "session.issue", "most", 1),
		&result, err) != CRB_OK)
		return err->status;
	asked = crb_member(
	    json_array_get(json_object_get(result, "events"), 0), "asked");
	if (asked == NULL || asked[0] != '{')
		return CRB_OK;
	return crb_json_parse(asked, strlen(asked), ASKED_WHERE, out, err);
}
