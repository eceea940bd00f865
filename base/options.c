#include "base/options.h"

#include <string.h>

#include "base/options_parse.h"
#include "base/text.h"

const struct crb_option *
crb_options_find(const struct crb_option *table, const char *name)
{
	for (; table->name != NULL; table++) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

void
crb_options_clear(const struct crb_option *table, void *out)
{
	for (; table->name != NULL; table++) {
		if (crb_parse_is_list(table))
			crb_parse_list_clear(crb_parse_field(table, out));
	}
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

/* What one argument (or two) of a command line says. */
struct argument {
	const struct crb_option *option;
	const char *value; /* behind '='; or NULL */
};

static enum crb_status
read_long(const struct crb_parse *parse, const char *text, struct argument *out)
{
	const char *equals = strchr(text, '=');
	struct crb_slice name = { text, strlen(text) };

	if (equals != NULL)
		name.len = (size_t)(equals - text);
	if ((out->option = find_slice(parse->table, name)) == NULL)
		return crb_parse_unknown(parse, name);
	out->value = equals != NULL ? equals + 1 : NULL;
	return CRB_OK;
}

static enum crb_status
read_letter(
    const struct crb_parse *parse, const char *text, struct argument *out)
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
take_option(struct crb_parse *parse, int argc, char **argv, int *taken)
{
	const char *text = argv[0];
	struct argument argument = { 0 };
	enum crb_status status;

	status = text[1] == '-' ? read_long(parse, text + 2, &argument)
				: read_letter(parse, text + 1, &argument);
	if (status != CRB_OK ||
	    crb_parse_mark(parse, argument.option) != CRB_OK)
		return parse->err->status;
	*taken = 1;
	if (argument.option->type == CRB_OPTION_FLAG &&
	    argument.value == NULL) {
		*(bool *)crb_parse_field(argument.option, parse->out) = true;
		return CRB_OK;
	}
	if (argument.value == NULL) {
		/* A forgotten value must not swallow the next option. */
		if (argc < 2 || strncmp(argv[1], "--", 2) == 0)
			return crb_parse_fail(parse, argument.option,
			    "wants a value%s%s",
			    argument.option->value != NULL ? ": " : "",
			    argument.option->value != NULL
				? argument.option->value
				: "");
		argument.value = argv[1];
		*taken = 2;
	}
	return crb_parse_text(parse, argument.option, argument.value);
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
parse_argv(struct crb_parse *parse, int argc, char **argv, int first,
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
	return crb_parse_required(parse);
}

enum crb_status
crb_options_argv(const struct crb_option *table, int argc, char **argv,
    int first, bool stop_at_operand, void *out, struct crb_operands *operands,
    struct crb_err *err)
{
	struct crb_parse parse = { .table = table, .out = out, .err = err };

	if (crb_parse_defaults(&parse) == CRB_OK &&
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
set_array(const struct crb_parse *parse, const struct crb_option *option,
    const json_t *array)
{
	const json_t *item;

	for (size_t i = 0; i < json_array_size(array); i++) {
		item = json_array_get(array, i);
		if (!json_is_string(item))
			return crb_parse_fail(
			    parse, option, "must be %s", json_wanted(option));
		if (crb_parse_item(parse, option, json_string_value(item)) !=
		    CRB_OK)
			return parse->err->status;
	}
	return CRB_OK;
}

static enum crb_status
set_json(const struct crb_parse *parse, const struct crb_option *option,
    const json_t *value)
{
	bool is_measure = option->type == CRB_OPTION_NUMBER ||
	    option->type == CRB_OPTION_DURATION ||
	    option->type == CRB_OPTION_SIZE;

	if (option->type == CRB_OPTION_FLAG && json_is_boolean(value)) {
		*(bool *)crb_parse_field(option, parse->out) = json_is_true(
		    value);
		return CRB_OK;
	}
	if (is_measure && json_is_integer(value))
		return crb_parse_value(
		    parse, option, json_integer_value(value));
	if (crb_parse_is_list(option) && json_is_array(value))
		return set_array(parse, option, value);
	if (option->type != CRB_OPTION_FLAG && json_is_string(value))
		return crb_parse_text(parse, option, json_string_value(value));
	return crb_parse_fail(parse, option, "must be %s", json_wanted(option));
}

static enum crb_status
parse_json(struct crb_parse *parse, json_t *object)
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
			return crb_parse_unknown(parse, CRB_SLICE(key));
		if (crb_parse_mark(parse, option) != CRB_OK ||
		    set_json(parse, option, value) != CRB_OK)
			return parse->err->status;
	}
	return crb_parse_required(parse);
}

enum crb_status
crb_options_json(const struct crb_option *table, const json_t *object,
    const char *where, void *out, struct crb_err *err)
{
	struct crb_parse parse = {
		.table = table, .where = where, .out = out, .err = err
	};

	/* Iterating takes no const, and changes nothing. */
	if (crb_parse_defaults(&parse) == CRB_OK &&
	    parse_json(&parse, (json_t *)(uintptr_t)object) == CRB_OK)
		return CRB_OK;
	crb_options_clear(table, out);
	return err->status;
}

enum crb_status
crb_options_defaults(
    const struct crb_option *table, void *out, struct crb_err *err)
{
	struct crb_parse parse = { .table = table, .out = out, .err = err };

	if (crb_parse_defaults(&parse) == CRB_OK)
		return CRB_OK;
	crb_options_clear(table, out);
	return err->status;
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
		if (option->preset != NULL && !option->unset)
			(void)fprintf(to, " (default %s)", option->preset);
		(void)fputc('\n', to);
	}
}
