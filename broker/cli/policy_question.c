#include "broker/cli/policy_question.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

#define VALUE_MAX 8192

/* %2B, %2C and %25, as in a grant. */
static enum crb_status
add_value(json_t *values, struct crb_slice text, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf value = CRB_BUF_INIT(VALUE_MAX);

	for (size_t i = 0; i < text.len; i++) {
		int high = -1, low = -1;

		if (text.p[i] == '%' && i + 2 < text.len) {
			high = crb_text_hex_value(text.p[i + 1]);
			low = crb_text_hex_value(text.p[i + 2]);
		}
		if (high < 0 || low < 0) {
			crb_buf_char(&value, text.p[i]);
			continue;
		}
		crb_buf_char(&value, (char)(high << 4 | low));
		i += 2;
	}
	if (crb_buf_check(&value, "a value", err) != CRB_OK)
		return err->status;
	if (json_array_append_new(
		values, json_stringn(crb_buf_text(&value), value.len)) != 0)
		return crb_err_set(err, CRB_ERR_USAGE, "not UTF-8 text");
	return CRB_OK;
}

static enum crb_status
add_attribute(json_t *into, struct crb_slice piece, struct crb_err *err)
{
	CRB_AUTO_FREE char *name = NULL;
	struct crb_slice key, value;
	json_t *values = json_array();

	if (!crb_slice_cut(&piece, '=', &key) || piece.p == NULL ||
	    (name = crb_slice_dup(key)) == NULL ||
	    json_object_get(into, name) != NULL ||
	    json_object_set_new(into, name, values) != 0) {
		json_decref(values);
		return crb_err_set(err, CRB_ERR_USAGE,
		    "wants KEY=VALUE[+VALUE],..., each key once");
	}
	while (crb_slice_cut(&piece, '+', &value)) {
		if (add_value(values, value, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

enum crb_status
crb_question_scope_json(const char *text, json_t *into, struct crb_err *err)
{
	struct crb_slice rest = CRB_SLICE(text), piece;

	while (crb_slice_cut(&rest, ',', &piece)) {
		if (add_attribute(into, piece, err) != CRB_OK)
			return crb_err_context(err, "--scope");
	}
	return CRB_OK;
}

/* "question:1: cases[0].scope.git: WHY" is "scope.git: WHY" to who typed it. */
static enum crb_status
shorten(struct crb_err *err)
{
	static const char place[] = "cases[0]";
	const char *at = strstr(err->msg, place);

	if (at == NULL)
		return err->status;
	at += strlen(place);
	at += strspn(at, ".: ");
	memmove(err->msg, at, strlen(at) + 1);
	return err->status;
}

void
crb_question_set_folds(struct crb_question *question, const json_t *names)
{
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		for (size_t k = 0; k < question->count; k++) {
			if (json_is_string(name) &&
			    strcmp(question->at[k].name,
				json_string_value(name)) == 0)
				question->at[k].fold = true;
		}
	}
}

enum crb_status
crb_question_read(json_t *members, const struct crb_zones *zones,
    struct crb_cases **out, struct crb_question *question, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *folds = json_incref(
	    json_object_get(members, "fold"));
	CRB_AUTO_JSON json_t *json = NULL;
	enum crb_status status;
	char *text;

	(void)json_object_del(members, "fold");
	(void)json_object_set_new(members, "name", json_string("asked"));
	(void)json_object_set_new(members, "expect", json_string("deny"));
	json = json_pack("{s:[O]}", "cases", members);
	if (json == NULL || (text = crb_json_text(json)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	status = crb_cases_parse(
	    text, strlen(text), "question", zones, out, err);
	crb_json_text_free(text);
	if (status != CRB_OK)
		return shorten(err);
	*question = crb_cases_at(*out, 0)->question;
	crb_question_set_folds(question, folds);
	return CRB_OK;
}
