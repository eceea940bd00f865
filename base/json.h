#ifndef CRB_JSON_H
#define CRB_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "base/text.h"

/* Make jansson draw its memory from the slab.  Before its first use. */
void crb_json_use_slab(void);

/*
 * Strict reading: one value and nothing behind it, no duplicate keys, no NUL
 * in strings, valid UTF-8, integers within 64 bits, at most 32 levels.  Errors
 * say `where` (a file's name, or "request"), line and column, never the text.
 */
CRB_NODISCARD enum crb_status crb_json_parse(const char *text, size_t len,
    const char *where, json_t **out, struct crb_err *err);

/*
 * The line, from 1, on which the value at `path` ("egress.proxy",
 * "rules[3].scope") starts in a text that parses; 0 when it is not there.
 */
unsigned crb_json_line(const char *text, size_t len, const char *path);

/* It can be a string: valid UTF-8. */
bool crb_json_is_string(struct crb_slice text);

/* One line, sorted keys are not promised; malloc()ed from jansson's memory. */
char *crb_json_text(const json_t *json);
void crb_json_text_free(char *text);

/* Members that must be there: an error says `where` and the key. */
CRB_NODISCARD enum crb_status crb_json_string(const json_t *object,
    const char *key, const char *where, const char **out, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_json_integer(const json_t *object,
    const char *key, const char *where, int64_t min, int64_t max, int64_t *out,
    struct crb_err *err);
CRB_NODISCARD enum crb_status crb_json_object(const json_t *object,
    const char *key, const char *where, json_t **out, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_json_array(const json_t *object,
    const char *key, const char *where, json_t **out, struct crb_err *err);
/* Every key of `object` is one of `keys` (NULL-terminated). */
CRB_NODISCARD enum crb_status crb_json_only(const json_t *object,
    const char *const *keys, const char *where, struct crb_err *err);

#endif /* !CRB_JSON_H */
