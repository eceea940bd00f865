#ifndef CRB_OPTIONS_PARSE_H
#define CRB_OPTIONS_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/options.h"
#include "base/text.h"

/*
 * How values become fields, whatever they are read from: the inside of
 * base/options.h, for nobody else.
 */
#define CRB_PARSE_OPTIONS_MAX 96u

/* One parse: where values come from decides how messages name an option. */
struct crb_parse {
	const struct crb_option *table;
	const char *where; /* NULL: a command line */
	void *out;
	struct crb_err *err;
	bool seen[CRB_PARSE_OPTIONS_MAX];
};

/* "--ttl WHY", or "config.json: \"ttl\" WHY"; CRB_ERR_USAGE or _INVALID. */
enum crb_status crb_parse_fail(const struct crb_parse *parse,
    const struct crb_option *option, const char *fmt, ...) CRB_PRINTF(3, 4);
/* There is no option `name`, which somebody else chose. */
enum crb_status crb_parse_unknown(
    const struct crb_parse *parse, struct crb_slice name);

/* Where the option's value lives in `out`. */
void *crb_parse_field(const struct crb_option *option, void *out);
bool crb_parse_is_list(const struct crb_option *option);
void crb_parse_list_clear(struct crb_list *list);

/* Set every option to its default. */
CRB_NODISCARD enum crb_status crb_parse_defaults(struct crb_parse *parse);
/* It is given: a default gives way, and only lists are given twice. */
CRB_NODISCARD enum crb_status crb_parse_mark(
    struct crb_parse *parse, const struct crb_option *option);
/* From the option's own syntax; text is borrowed. */
CRB_NODISCARD enum crb_status crb_parse_text(const struct crb_parse *parse,
    const struct crb_option *option, const char *text);
/* A number, duration or size, within its bounds. */
CRB_NODISCARD enum crb_status crb_parse_value(const struct crb_parse *parse,
    const struct crb_option *option, int64_t value);
/* One more item of a list, taken whole and borrowed. */
CRB_NODISCARD enum crb_status crb_parse_item(const struct crb_parse *parse,
    const struct crb_option *option, const char *item);
/* All that is required was given. */
CRB_NODISCARD enum crb_status crb_parse_required(const struct crb_parse *parse);

#endif /* !CRB_OPTIONS_PARSE_H */
