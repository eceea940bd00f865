/* Option tables: a command line, one word a line, and the same as JSON. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/options.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
	bool flag;
	const char *text, *choice;
	struct crb_list list, repeat;
	int64_t number, duration, size;
};

static const char *const choices[] = { "one", "two", NULL };

#define AT(member) offsetof(struct values, member)
static const struct crb_option table[] = { { .name = "flag",
					       .letter = 'f',
					       .type = CRB_OPTION_FLAG,
					       .offset = AT(flag) },
	{ .name = "text",
	    .letter = 't',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(text) },
	{ .name = "choice",
	    .type = CRB_OPTION_CHOICE,
	    .offset = AT(choice),
	    .preset = "one",
	    .choices = choices },
	{ .name = "list",
	    .letter = 'l',
	    .type = CRB_OPTION_LIST,
	    .offset = AT(list),
	    .preset = "a,b" },
	{ .name = "repeat", .type = CRB_OPTION_REPEAT, .offset = AT(repeat) },
	{ .name = "number",
	    .letter = 'n',
	    .type = CRB_OPTION_NUMBER,
	    .offset = AT(number),
	    .min = -5,
	    .max = 5 },
	{ .name = "duration",
	    .type = CRB_OPTION_DURATION,
	    .offset = AT(duration),
	    .max = 86400 },
	{ .name = "size", .type = CRB_OPTION_SIZE, .offset = AT(size) },
	CRB_OPTION_END };

static void
check(const struct values *values)
{
	size_t touched = strlen(values->choice);

	if (values->number < -5 || values->number > 5 || values->duration < 0 ||
	    values->duration > 86400 || values->list.count > CRB_LIST_MAX ||
	    values->repeat.count > CRB_LIST_MAX)
		abort();
	for (size_t i = 0; i < values->list.count; i++)
		touched += strlen(values->list.item[i]);
	for (size_t i = 0; i < values->repeat.count; i++)
		touched += strlen(values->repeat.item[i]);
	if (values->text != NULL)
		touched += strlen(values->text);
	if (touched == 0)
		abort();
}

#define WORDS_MAX 200

static void
try_argv(const char *data, size_t size, bool stop_at_operand)
{
	CRB_AUTO_FREE char *text = crb_slice_dup(
	    (struct crb_slice){ data, size });
	char *argv[WORDS_MAX] = { NULL }, *rest = text;
	struct crb_operands operands;
	struct values values;
	struct crb_err err;
	int argc = 0;

	while (rest != NULL && argc < WORDS_MAX)
		argv[argc++] = strsep(&rest, "\n");
	if (crb_options_argv(table, argc, argv, 0, stop_at_operand, &values,
		&operands, &err) != CRB_OK)
		return;
	check(&values);
	for (int i = 0; i < operands.count; i++) {
		if (operands.at[i] == NULL)
			abort();
	}
	crb_options_clear(table, &values);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CRB_AUTO_JSON json_t *json = NULL;
	struct values values;
	struct crb_err err;

	if (size == 0)
		return 0;
	try_argv((const char *)data, size, false);
	try_argv((const char *)data, size, true);
	if (crb_json_parse((const char *)data, size, "fuzz", &json, &err) !=
		CRB_OK ||
	    crb_options_json(table, json, "fuzz", &values, &err) != CRB_OK)
		return 0;
	check(&values);
	crb_options_clear(table, &values);
	return 0;
}
