#include "broker/cli/output.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/process.h"
#include "base/text.h"

#define ROWS_MAX 100000
#define CELL_MAX 4096

struct crb_output {
	FILE *to;
	bool terminal;
	size_t columns;
	size_t rows;
	size_t cap;
	char **cells; /* rows * columns, the heads first */
	size_t width[CRB_COLUMNS_MAX];
};

static char *
escaped(const char *text)
{
	struct crb_buf buf = CRB_BUF_INIT(4 * CELL_MAX + 16);

	crb_text_escape(&buf, text, strlen(text), CELL_MAX);
	return crb_buf_steal(&buf);
}

static void
add_row(struct crb_output *output, const char *const *cells)
{
	char **grown, *cell;
	size_t at = output->rows * output->columns, len;

	if (output->rows == output->cap) {
		if (output->cap >= ROWS_MAX)
			return;
		output->cap = output->cap == 0 ? 32 : output->cap * 2;
		grown = reallocarray(output->cells,
		    output->cap * output->columns, sizeof(*grown));
		if (grown == NULL)
			abort();
		output->cells = grown;
	}
	for (size_t i = 0; i < output->columns; i++) {
		if ((cell = escaped(cells[i] != NULL ? cells[i] : "-")) == NULL)
			abort();
		output->cells[at + i] = cell;
		len = strlen(cell);
		if (len > output->width[i])
			output->width[i] = len;
	}
	output->rows++;
}

struct crb_output *
crb_output_new(FILE *to, const char *const *heads)
{
	struct crb_output *output;

	if ((output = calloc(1, sizeof(*output))) == NULL)
		abort();
	output->to = to;
	output->terminal = isatty(fileno(to)) == 1;
	while (
	    heads[output->columns] != NULL && output->columns < CRB_COLUMNS_MAX)
		output->columns++;
	add_row(output, heads);
	return output;
}

void
crb_output_row(struct crb_output *output, const char *const *cells)
{
	add_row(output, cells);
}

static void
print_row(const struct crb_output *output, char *const *cells)
{
	for (size_t i = 0; i < output->columns; i++) {
		bool last = i + 1 == output->columns;

		if (output->terminal && !last)
			fprintf(output->to, "%-*s  ", (int)output->width[i],
			    cells[i]);
		else
			fprintf(output->to, "%s%s", cells[i], last ? "" : "\t");
	}
	fputc('\n', output->to);
}

void
crb_output_end(struct crb_output *output)
{
	size_t count = output->rows * output->columns;

	for (size_t row = output->terminal ? 0 : 1; row < output->rows; row++)
		print_row(output, output->cells + row * output->columns);
	for (size_t i = 0; i < count; i++)
		free(output->cells[i]);
	free(output->cells);
	free(output);
}

void
crb_output_text(FILE *to, const char *text)
{
	char *copy = escaped(text);

	if (copy != NULL)
		fputs(copy, to);
	free(copy);
}

json_t *
crb_output_string(const char *text)
{
	json_t *string = json_string(text);
	char *copy;

	if (string != NULL || (copy = escaped(text)) == NULL)
		return string;
	string = json_string(copy);
	free(copy);
	return string;
}

void
crb_output_pair(const char *label, const char *value)
{
	if (value == NULL)
		return;
	printf("%-12s ", label);
	crb_output_text(stdout, value);
	putchar('\n');
}

void
crb_output_json(const json_t *json)
{
	(void)json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	putchar('\n');
}

static bool
read_time(const char *text, time_t *out)
{
	struct tm tm = { .tm_isdst = 0 };

	if (text == NULL || strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) == NULL)
		return false;
	*out = timegm(&tm);
	return true;
}

void
crb_output_left(const char *until, char out[CRB_DURATION_TEXT])
{
	int64_t left = 0;
	time_t time;

	if (read_time(until, &time))
		left = (int64_t)time - crb_wall_seconds();
	crb_duration_text(left > 0 ? left : 0, out);
}

void
crb_output_clock(const char *text, char out[CRB_CLOCK_TEXT])
{
	struct tm tm, today;
	time_t time, now = (time_t)crb_wall_seconds();

	out[0] = '\0';
	if (!read_time(text, &time) || localtime_r(&time, &tm) == NULL ||
	    localtime_r(&now, &today) == NULL)
		return;
	(void)strftime(out, CRB_CLOCK_TEXT,
	    tm.tm_yday == today.tm_yday && tm.tm_year == today.tm_year
		? "%H:%M"
		: "%Y-%m-%d %H:%M",
	    &tm);
}

const char *
crb_member(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

long long
crb_member_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}
