#include "base/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"

#define OPTIONS_MAX 96u
#define SHOWN 48u /* of a name that somebody else chose */

/* One parse: where values come from decides how messages name an option. */
struct parse {
	const struct crb_option *table;
	const char *where; /* NULL: a command line */
	void *out;
	struct crb_err *err;
	bool seen[OPTIONS_MAX];
};

static size_t
count_of(const struct crb_option *table)
{
	size_t count = 0;

	while (table[count].name != NULL)
		count++;
	return count;
}

static void *
field(const struct crb_option *option, void *out)
{
	return (char *)out + option->offset;
}

static bool
is_list(const struct crb_option *option)
{
	return option->type == CRB_OPTION_LIST ||
	    option->type == CRB_OPTION_REPEAT;
}

static enum crb_status fail(const struct parse *parse,
    const struct crb_option *option, const char *fmt, ...) CRB_PRINTF(3, 4);

/* "--ttl WHY", or "config.json: \"ttl\" WHY". */
static enum crb_status
fail(const struct parse *parse, const struct crb_option *option,
    const char *fmt, ...)
{
	CRB_AUTO_BUF struct crb_buf why = CRB_BUF_INIT(CRB_ERR_MSG_MAX);
	char text[CRB_ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	crb_buf_str(&why, text);
	if (parse->where == NULL)
		return crb_err_set(parse->err, CRB_ERR_USAGE, "--%s %s",
		    option->name, crb_buf_text(&why));
	return crb_err_set(parse->err, CRB_ERR_INVALID, "%s: \"%s\" %s",
	    parse->where, option->name, crb_buf_text(&why));
}

static void
list_clear(struct crb_list *list)
{
	for (size_t i = 0; i < CRB_LIST_MAX; i++)
		free(list->copy[i]);
	memset(list, 0, sizeof(*list));
}

void
crb_options_clear(const struct crb_option *table, void *out)
{
	for (; table->name != NULL; table++) {
		if (is_list(table))
			list_clear(field(table, out));
	}
}

static enum crb_status
list_add(const struct parse *parse, const struct crb_option *option,
    const char *item)
{
	struct crb_list *list = field(option, parse->out);

	if (item[0] == '\0')
		return fail(parse, option, "has an empty item");
	if (list->count == CRB_LIST_MAX)
		return fail(
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
set_list(const struct parse *parse, const struct crb_option *option,
    const char *text)
{
	char *next, *item;

	if (option->type == CRB_OPTION_REPEAT || strchr(text, ',') == NULL)
		return list_add(parse, option, text);
	if ((next = list_keep(field(option, parse->out), text)) == NULL)
		return fail(parse, option, "has too many items");
	while ((item = strsep(&next, ",")) != NULL) {
		if (list_add(parse, option, item) != CRB_OK)
			return parse->err->status;
	}
	return CRB_OK;
}

static enum crb_status
set_choice(const struct parse *parse, const struct crb_option *option,
    const char *text)
{
	CRB_AUTO_BUF struct crb_buf known = CRB_BUF_INIT(256);

	for (const char *const *at = option->choices; *at != NULL; at++) {
		if (strcmp(*at, text) == 0) {
			*(const char **)field(option, parse->out) = *at;
			return CRB_OK;
		}
		if (at != option->choices)
			crb_buf_str(&known, ", ");
		crb_buf_str(&known, *at);
	}
	return fail(parse, option, "must be one of: %s", crb_buf_text(&known));
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

static enum crb_status
set_value(
    const struct parse *parse, const struct crb_option *option, int64_t value)
{
	bool bounded = option->min != 0 || option->max != 0;
	char min[32], max[32];

	if (bounded && (value < option->min || value > option->max)) {
		value_text(option, option->min, min);
		value_text(option, option->max, max);
		return fail(parse, option, "must be from %s to %s", min, max);
	}
	*(int64_t *)field(option, parse->out) = value;
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
set_measure(const struct parse *parse, const struct crb_option *option,
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
		return fail(parse, option, "is %s", why.msg);
	return set_value(parse, option, value);
}

static enum crb_status
set_text(const struct parse *parse, const struct crb_option *option,
    const char *text)
{
	switch (option->type) {
	case CRB_OPTION_FLAG:
		return fail(parse, option, "takes no value");
	case CRB_OPTION_TEXT:
		*(const char **)field(option, parse->out) = text;
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
	return fail(parse, option, "has no known type");
}

static void
set_empty(const struct crb_option *option, void *out)
{
	switch (option->type) {
	case CRB_OPTION_FLAG:
		*(bool *)field(option, out) = false;
		break;
	case CRB_OPTION_TEXT:
	case CRB_OPTION_CHOICE:
		*(const char **)field(option, out) = NULL;
		break;
	case CRB_OPTION_LIST:
	case CRB_OPTION_REPEAT:
		memset(field(option, out), 0, sizeof(struct crb_list));
		break;
	case CRB_OPTION_NUMBER:
	case CRB_OPTION_DURATION:
	case CRB_OPTION_SIZE:
		*(int64_t *)field(option, out) = 0;
		break;
	}
}

static enum crb_status
set_defaults(struct parse *parse)
{
	const struct crb_option *option;

	if (count_of(parse->table) > OPTIONS_MAX)
		return crb_err_set(parse->err, CRB_ERR_SYSTEM,
		    "a table of more than %u options", OPTIONS_MAX);
	/* All of them before the first that can fail, for clear(). */
	for (option = parse->table; option->name != NULL; option++)
		set_empty(option, parse->out);
	for (option = parse->table; option->name != NULL; option++) {
		if (option->preset != NULL &&
		    set_text(parse, option, option->preset) != CRB_OK)
			return parse->err->status;
	}
	return CRB_OK;
}

/* It is given: a default gives way, and only lists are given twice. */
static enum crb_status
mark(struct parse *parse, const struct crb_option *option)
{
	bool *seen = &parse->seen[option - parse->table];

	if (*seen && !is_list(option))
		return fail(parse, option, "is given twice");
	if (!*seen && is_list(option))
		list_clear(field(option, parse->out));
	*seen = true;
	return CRB_OK;
}

/* Who asks for help need not give what is required. */
static bool
wants_help(const struct parse *parse)
{
	const struct crb_option *help = crb_options_find(parse->table, "help");

	return help != NULL && help->type == CRB_OPTION_FLAG &&
	    parse->seen[help - parse->table];
}

static enum crb_status
check_required(const struct parse *parse)
{
	const struct crb_option *option = parse->table;

	if (wants_help(parse))
		return CRB_OK;
	for (; option->name != NULL; option++) {
		if (!option->required || parse->seen[option - parse->table])
			continue;
		return fail(parse, option,
		    parse->where == NULL ? "is required" : "is missing");
	}
	return CRB_OK;
}

const struct crb_option *
crb_options_find(const struct crb_option *table, const char *name)
{
	for (; table->name != NULL; table++) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

static const struct crb_option *
find_slice(const struct crb_option *table, struct crb_slice name)
{
	for (; table->name != NULL; table++) {
		if (crb_slice_is(name, table->name))
			return table;
	}
	return NULL;
}

static enum crb_status
fail_unknown(const struct parse *parse, struct crb_slice name)
{
	const char *names[OPTIONS_MAX], *near = NULL;
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

/* What one argument (or two) of a command line says. */
struct argument {
	const struct crb_option *option;
	const char *value; /* behind '='; or NULL */
};

static enum crb_status
read_long(const struct parse *parse, const char *text, struct argument *out)
{
	const char *equals = strchr(text, '=');
	struct crb_slice name = { text, strlen(text) };

	if (equals != NULL)
		name.len = (size_t)(equals - text);
	if ((out->option = find_slice(parse->table, name)) == NULL)
		return fail_unknown(parse, name);
	out->value = equals != NULL ? equals + 1 : NULL;
	return CRB_OK;
}

static enum crb_status
read_letter(const struct parse *parse, const char *text, struct argument *out)
{
	const struct crb_option *option = parse->table;
	bool is_one = text[1] == '\0';

	while (option->name != NULL &&
	    (!is_one || option->letter == 0 || option->letter != text[0]))
		option++;
	if (option->name == NULL)
		return crb_err_set(parse->err, CRB_ERR_USAGE,
		    is_one && text[0] > ' ' && text[0] < 0x7f
			? "unknown option -%c"
			: "unknown option -%c...; letters cannot be joined",
		    text[0] > ' ' && text[0] < 0x7f ? text[0] : '?');
	out->option = option;
	out->value = NULL;
	return CRB_OK;
}

/* Returns in *taken how many arguments it used: 1 or 2. */
static enum crb_status
take_option(struct parse *parse, int argc, char **argv, int *taken)
{
	const char *text = argv[0];
	struct argument argument = { 0 };
	enum crb_status status;

	status = text[1] == '-' ? read_long(parse, text + 2, &argument)
				: read_letter(parse, text + 1, &argument);
	if (status != CRB_OK || mark(parse, argument.option) != CRB_OK)
		return parse->err->status;
	*taken = 1;
	if (argument.option->type == CRB_OPTION_FLAG &&
	    argument.value == NULL) {
		*(bool *)field(argument.option, parse->out) = true;
		return CRB_OK;
	}
	if (argument.value == NULL) {
		/* A forgotten value must not swallow the next option. */
		if (argc < 2 || strncmp(argv[1], "--", 2) == 0)
			return fail(parse, argument.option, "wants a value%s%s",
			    argument.option->value != NULL ? ": " : "",
			    argument.option->value != NULL
				? argument.option->value
				: "");
		argument.value = argv[1];
		*taken = 2;
	}
	return set_text(parse, argument.option, argument.value);
}

/* Move `count` arguments at `at` down to `to`, and those between them up. */
static void
rotate(char **argv, int to, int at, int count)
{
	char *moved;

	for (int i = 0; i < count; i++) {
		moved = argv[at + i];
		memmove(&argv[to + i + 1], &argv[to + i],
		    (size_t)(at - to) * sizeof(*argv));
		argv[to + i] = moved;
	}
}

static enum crb_status
parse_argv(struct parse *parse, int argc, char **argv, int first,
    bool stop_at_operand, struct crb_operands *operands)
{
	int start = first; /* of the operands so far */
	int taken = 1, i = first;

	while (i < argc) {
		if (strcmp(argv[i], "--") == 0) {
			rotate(argv, start++, i, 1);
			break;
		}
		if (argv[i][0] != '-' || argv[i][1] == '\0') {
			if (stop_at_operand)
				break;
			i++;
			continue;
		}
		if (take_option(parse, argc - i, argv + i, &taken) != CRB_OK)
			return parse->err->status;
		rotate(argv, start, i, taken);
		start += taken;
		i += taken;
	}
	operands->count = argc - start;
	operands->at = argv + start;
	return check_required(parse);
}

enum crb_status
crb_options_argv(const struct crb_option *table, int argc, char **argv,
    int first, bool stop_at_operand, void *out, struct crb_operands *operands,
    struct crb_err *err)
{
	struct parse parse = { .table = table, .out = out, .err = err };

	if (set_defaults(&parse) == CRB_OK &&
	    parse_argv(&parse, argc, argv, first, stop_at_operand, operands) ==
		CRB_OK)
		return CRB_OK;
	crb_options_clear(table, out);
	return err->status;
}

static const char *
json_wanted(const struct crb_option *option)
{
	switch (option->type) {
	case CRB_OPTION_FLAG:
		return "true or false";
	case CRB_OPTION_LIST:
	case CRB_OPTION_REPEAT:
		return "an array of text";
	case CRB_OPTION_NUMBER:
		return "a whole number";
	case CRB_OPTION_DURATION:
		return "a duration, such as \"8h\"";
	case CRB_OPTION_SIZE:
		return "a size, such as \"10MiB\"";
	case CRB_OPTION_TEXT:
	case CRB_OPTION_CHOICE:
		break;
	}
	return "text";
}

static enum crb_status
set_array(const struct parse *parse, const struct crb_option *option,
    const json_t *array)
{
	const json_t *item;

	for (size_t i = 0; i < json_array_size(array); i++) {
		item = json_array_get(array, i);
		if (!json_is_string(item))
			return fail(
			    parse, option, "must be %s", json_wanted(option));
		if (list_add(parse, option, json_string_value(item)) != CRB_OK)
			return parse->err->status;
	}
	return CRB_OK;
}

static enum crb_status
set_json(const struct parse *parse, const struct crb_option *option,
    const json_t *value)
{
	bool is_measure = option->type == CRB_OPTION_NUMBER ||
	    option->type == CRB_OPTION_DURATION ||
	    option->type == CRB_OPTION_SIZE;

	if (option->type == CRB_OPTION_FLAG && json_is_boolean(value)) {
		*(bool *)field(option, parse->out) = json_is_true(value);
		return CRB_OK;
	}
	if (is_measure && json_is_integer(value))
		return set_value(parse, option, json_integer_value(value));
	if (is_list(option) && json_is_array(value))
		return set_array(parse, option, value);
	if (option->type != CRB_OPTION_FLAG && json_is_string(value))
		return set_text(parse, option, json_string_value(value));
	return fail(parse, option, "must be %s", json_wanted(option));
}

static enum crb_status
parse_json(struct parse *parse, json_t *object)
{
	const struct crb_option *option;
	const char *key;
	json_t *value;

	if (object != NULL && !json_is_null(object) && !json_is_object(object))
		return crb_err_set(parse->err, CRB_ERR_INVALID,
		    "%s: must be an object", parse->where);
	json_object_foreach(object, key, value)
	{
		if ((option = crb_options_find(parse->table, key)) == NULL)
			return fail_unknown(parse, CRB_SLICE(key));
		if (mark(parse, option) != CRB_OK ||
		    set_json(parse, option, value) != CRB_OK)
			return parse->err->status;
	}
	return check_required(parse);
}

enum crb_status
crb_options_json(const struct crb_option *table, const json_t *object,
    const char *where, void *out, struct crb_err *err)
{
	struct parse parse = {
		.table = table, .where = where, .out = out, .err = err
	};

	/* Iterating takes no const, and changes nothing. */
	if (set_defaults(&parse) == CRB_OK &&
	    parse_json(&parse, (json_t *)(uintptr_t)object) == CRB_OK)
		return CRB_OK;
	crb_options_clear(table, out);
	return err->status;
}

enum crb_status
crb_options_defaults(
    const struct crb_option *table, void *out, struct crb_err *err)
{
	struct parse parse = { .table = table, .out = out, .err = err };

	return set_defaults(&parse);
}

#define HELP_COLUMN_MAX 30

static int
help_head(const struct crb_option *option, char *out, size_t len)
{
	bool has_value = option->type != CRB_OPTION_FLAG &&
	    option->value != NULL;
	char letter[] = "-k, ";

	letter[1] = option->letter;
	return snprintf(out, len, "  %s--%s%s%s",
	    option->letter != 0 ? letter : "", option->name,
	    has_value ? " " : "", has_value ? option->value : "");
}

void
crb_options_help(const struct crb_option *table, FILE *to)
{
	const struct crb_option *option;
	char head[128];
	int width = 0, len;

	for (option = table; option->name != NULL; option++) {
		len = help_head(option, head, sizeof(head));
		if (len > width && len <= HELP_COLUMN_MAX)
			width = len;
	}
	for (option = table; option->name != NULL; option++) {
		len = help_head(option, head, sizeof(head));
		(void)fprintf(to, "%s%s%*s  %s", head, len > width ? "\n" : "",
		    len > width ? width : width - len, "",
		    option->help != NULL ? option->help : "");
		if (option->preset != NULL)
			(void)fprintf(to, " (default %s)", option->preset);
		(void)fputc('\n', to);
	}
}
