#ifndef CRB_OUTPUT_H
#define CRB_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "base/err.h"
#include "base/units.h"

/*
 * Tables: aligned and headed on a terminal, tab-separated lines without a head
 * in a pipe.  Every cell is escaped, for somebody else may have chosen it.
 */
#define CRB_COLUMNS_MAX 10
struct crb_output;

struct crb_output *crb_output_new(FILE *to, const char *const *heads);
/* `cells` as many as there are heads; NULL is shown as "-". */
void crb_output_row(struct crb_output *output, const char *const *cells);
/* Print and free. */
void crb_output_end(struct crb_output *output);

/* One "label   value" line; value escaped, NULL skipped. */
void crb_output_pair(const char *label, const char *value);

/* Pretty JSON and a newline on standard output. */
void crb_output_json(const json_t *json);

/*
 * Text that somebody else may have chosen, such as a path, for JSON: as it is,
 * or escaped when it is not UTF-8.  The caller's; NULL without memory.
 */
json_t *crb_output_string(const char *text);

/* Escaped text, no newline. */
void crb_output_text(FILE *to, const char *text);

/* "6h12m" until an RFC 3339 time in UTC; "0s" when it is past. */
void crb_output_left(const char *until, char out[CRB_DURATION_TEXT]);

/* "14:32", or with the day when that is not today, where the user is. */
#define CRB_CLOCK_TEXT 24
void crb_output_clock(const char *text, char out[CRB_CLOCK_TEXT]);

/* A member that is text, or NULL. */
const char *crb_member(const json_t *object, const char *key);
long long crb_member_number(const json_t *object, const char *key);

#endif /* !CRB_OUTPUT_H */
