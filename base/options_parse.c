#include "base/options_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"

#define SHOWN 48u /* of a name that somebody else chose */

static size_t
count_of(const struct crb_option *table)
{
	size_t count = 0;

	while (table[count].name != NULL)
		count++;
	return count;
}

void *
crb_parse_field(const struct crb_option *option, void *out)
{
	return (char *)out + option->offset;
}

bool
crb_parse_is_list(const struct crb_option *option)
{
	return option->type == CRB_OPTION_LIST ||
	    option->type == CRB_OPTION_REPEAT;
}

enum crb_status
crb_parse_fail(const struct crb_parse *parse, const struct crb_option *option,
    const char *fmt, ...)
{
	char why[CRB_ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(why, sizeof(why), fmt, ap) < 0)
		why[0] = '\0';
	va_end(ap);
	if (parse->where == NULL)
		return crb_err_set(
		    parse->err, CRB_ERR_USAGE, "--%s %s", option->name, why);
	return crb_err_set(parse->err, CRB_ERR_INVALID, "%s: \"%s\" %s",
	    parse->where, option->name, why);
}

void
crb_parse_list_clear(struct crb_list *list)
{
	for (size_t i = 0; i < CRB_LIST_MAX; i++)
		free(list->copy[i]);
	memset(list, 0, sizeof(*list));
}

enum crb_status
crb_parse_item(const struct crb_parse *parse, const struct crb_option *option,
    const char *item)
{
	struct crb_list *list = crb_parse_field(option, parse->out);

	if (item[0] == '\0')
		return crb_parse_fail(parse, option, "has an empty item");
	if (list->count == CRB_LIST_MAX)
		return crb_parse_fail(
		    parse, option, "has more than %d items", CRB_LIST_MAX);
	list->item[list->count++] = item;
	return CRB_OK;
}

static char *
list_keep(struct crb_list *list, const char *text)
{
	size_t i = 0;

	/* Each copy makes an item at least, so there is always a place. */
	while (i < CRB_LIST_MAX - 1 && list->copy[i] != NULL)
		i++;
	if (list->copy[i] != NULL)
		return NULL;
	return list->copy[i] = strdup(text);
}

static enum crb_status
set_list(const struct crb_parse *parse, const struct crb_option *option,
    const char *text)
{
	char *next, *item;

	if (option->type == CRB_OPTION_REPEAT || strchr(text, ',') == NULL)
		return crb_parse_item(parse, option, text);
	if ((next = list_keep(crb_parse_field(option, parse->out), text)) ==
	    NULL)
		return crb_parse_fail(parse, option, "has too many items");
	while ((item = strsep(&next, ",")) != NULL) {
		if (crb_parse_item(parse, option, item) != CRB_OK)
			return parse->err->status;
	}
	return CRB_OK;
}

static enum crb_status
set_choice(const struct crb_parse *parse, const struct crb_option *option,
    const char *text)
{
	CRB_AUTO_BUF struct crb_buf known = CRB_BUF_INIT(256);

	for (const char *const *at = option->choices; *at != NULL; at++) {
		if (strcmp(*at, text) == 0) {
			*(const char **)crb_parse_field(
			    option, parse->out) = *at;
			return CRB_OK;
		}
		if (at != option->choices)
			crb_buf_str(&known, ", ");
		crb_buf_str(&known, *at);
	}
	return crb_parse_fail(
	    parse, option, "must be one of: %s", crb_buf_text(&known));
}

/* A value as the option's own syntax writes it. */
static void
value_text(const struct crb_option *option, int64_t value, char out[32])
{
	if (option->type == CRB_OPTION_DURATION && value >= 0)
		crb_duration_text(value, out);
	else if (option->type == CRB_OPTION_SIZE && value >= 0)
		crb_size_text((uint64_t)value, out);
	else
		(void)snprintf(out, 32, "%lld", (long long)value);
}

enum crb_status
crb_parse_value(const struct crb_parse *parse, const struct crb_option *option,
    int64_t value)
{
	bool bounded = option->min != 0 || option->max != 0;
	char min[32], max[32];

	if (bounded && (value < option->min || value > option->max)) {
		value_text(option, option->min, min);
		value_text(option, option->max, max);
		return crb_parse_fail(
		    parse, option, "must be from %s to %s", min, max);
	}
	*(int64_t *)crb_parse_field(option, parse->out) = value;
	return CRB_OK;
}

static enum crb_status
number_from(const char *text, int64_t *value, struct crb_err *err)
{
	bool negative = text[0] == '-';
	uint64_t number = 0;

	text += negative;
	if (crb_number_parse(text, strlen(text), INT64_MAX, &number, err) !=
	    CRB_OK)
		return crb_err_set(err, CRB_ERR_INVALID, "not a whole number");
	*value = negative ? -(int64_t)number : (int64_t)number;
	return CRB_OK;
}

static enum crb_status
size_from(const char *text, int64_t *value, struct crb_err *err)
{
	uint64_t bytes;

	if (crb_size_parse(text, &bytes, err) != CRB_OK)
		return err->status;
	if (bytes > INT64_MAX)
		return crb_err_set(err, CRB_ERR_INVALID, "too large");
	*value = (int64_t)bytes;
	return CRB_OK;
}

static enum crb_status
set_measure(const struct crb_parse *parse, const struct crb_option *option,
    const char *text)
{
	enum crb_status status;
	struct crb_err why;
	int64_t value = 0;

	if (option->type == CRB_OPTION_DURATION)
		status = crb_duration_parse(text, &value, &why);
	else if (option->type == CRB_OPTION_SIZE)
		status = size_from(text, &value, &why);
	else
		status = number_from(text, &value, &why);
	if (status != CRB_OK)
		return crb_parse_fail(parse, option, "is %s", why.msg);
	return crb_parse_value(parse, option, value);
}

enum crb_status
crb_parse_text(const struct crb_parse *parse, const struct crb_option *option,
    const char *text)
{
	switch (option->type) {
	case CRB_OPTION_FLAG:
		return crb_parse_fail(parse, option, "takes no value");
	case CRB_OPTION_TEXT:
		*(const char **)crb_parse_field(option, parse->out) = text;
		return CRB_OK;
	case CRB_OPTION_CHOICE:
		return set_choice(parse, option, text);
	case CRB_OPTION_LIST:
	case CRB_OPTION_REPEAT:
		return set_list(parse, option, text);
	case CRB_OPTION_NUMBER:
	case CRB_OPTION_DURATION:
	case CRB_OPTION_SIZE:
		return set_measure(parse, option, text);
	}
	return crb_parse_fail(parse, option, "has no known type");
}

static void
set_empty(const struct crb_option *option, void *out)
{
	switch (option->type) {
	case CRB_OPTION_FLAG:
		*(bool *)crb_parse_field(option, out) = false;
		break;
	case CRB_OPTION_TEXT:
	case CRB_OPTION_CHOICE:
		*(const char **)crb_parse_field(option, out) = NULL;
		break;
	case CRB_OPTION_LIST:
	case CRB_OPTION_REPEAT:
		memset(
		    crb_parse_field(option, out), 0, sizeof(struct crb_list));
		break;
	case CRB_OPTION_NUMBER:
	case CRB_OPTION_DURATION:
	case CRB_OPTION_SIZE:
		*(int64_t *)crb_parse_field(option, out) = 0;
		break;
	}
}

enum crb_status
crb_parse_defaults(struct crb_parse *parse)
{
	const struct crb_option *option;

	/* All of them before the first that can fail, for clear(). */
	for (option = parse->table; option->name != NULL; option++)
		set_empty(option, parse->out);
	if (count_of(parse->table) > CRB_PARSE_OPTIONS_MAX)
		return crb_err_set(parse->err, CRB_ERR_SYSTEM,
		    "a table of more than %u options", CRB_PARSE_OPTIONS_MAX);
	for (option = parse->table; option->name != NULL; option++) {
		if (option->preset != NULL &&
		    crb_parse_text(parse, option, option->preset) != CRB_OK)
			return parse->err->status;
	}
	return CRB_OK;
}

enum crb_status
crb_parse_mark(struct crb_parse *parse, const struct crb_option *option)
{
	bool *seen = &parse->seen[option - parse->table];

	if (*seen && !crb_parse_is_list(option))
		return crb_parse_fail(parse, option, "is given twice");
	if (!*seen && crb_parse_is_list(option))
		crb_parse_list_clear(crb_parse_field(option, parse->out));
	*seen = true;
	return CRB_OK;
}

/* Who asks for help need not give what is required. */
static bool
wants_help(const struct crb_parse *parse)
{
	const struct crb_option *help = crb_options_find(parse->table, "help");

	return help != NULL && help->type == CRB_OPTION_FLAG &&
	    parse->seen[help - parse->table];
}

enum crb_status
crb_parse_required(const struct crb_parse *parse)
{
	const struct crb_option *option = parse->table;

	if (wants_help(parse))
		return CRB_OK;
	for (; option->name != NULL; option++) {
		if (!option->required || parse->seen[option - parse->table])
			continue;
		return crb_parse_fail(parse, option,
		    parse->where == NULL ? "is required" : "is missing");
	}
	return CRB_OK;
}

enum crb_status
crb_parse_unknown(const struct crb_parse *parse, struct crb_slice name)
{
	const char *names[CRB_PARSE_OPTIONS_MAX], *near = NULL;
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(4 * SHOWN + 3);
	CRB_AUTO_FREE char *word = crb_slice_dup(name);
	const char *dashes = parse->where == NULL ? "--" : "\"";
	const char *behind = parse->where == NULL ? "" : "\"";
	size_t count = 0;

	for (; parse->table[count].name != NULL; count++)
		names[count] = parse->table[count].name;
	if (word != NULL)
		near = crb_text_nearest(word, names, count);
	crb_text_escape(&shown, name.p, name.len, SHOWN);
	crb_err_set(parse->err,
	    parse->where == NULL ? CRB_ERR_USAGE : CRB_ERR_INVALID,
	    "unknown %s %s%s%s%s%s%s%s%s",
	    parse->where == NULL ? "option" : "key", dashes,
	    crb_buf_text(&shown), behind, near != NULL ? "; did you mean " : "",
	    near != NULL ? dashes : "", near != NULL ? near : "",
	    near != NULL ? behind : "", near != NULL ? "?" : "");
	if (parse->where != NULL)
		return crb_err_context(parse->err, "%s", parse->where);
	return parse->err->status;
}
