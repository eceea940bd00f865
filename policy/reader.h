#ifndef CRB_READER_H
#define CRB_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "policy/arena.h"

/*
 * JSON (RFC 8259), read strictly and in order, so that every error says file,
 * line and key, and that a document of megabytes needs no tree of them:
 * UTF-8 without control characters, integers without fraction or exponent, one
 * value and nothing behind it.  How deep it goes is the caller's, who enters
 * what he knows; nothing is skipped.
 */
#define CRB_READER_PATH_MAX 160

struct crb_reader {
	const char *where; /* "organization.json" */
	const char *p, *end;
	unsigned line;
	unsigned value_line;            /* of the value that was read last */
	char path[CRB_READER_PATH_MAX]; /* "rules[3].scope.git" */
	struct crb_arena *arena;        /* texts are put there */
};

enum crb_reader_kind {
	CRB_READER_TEXT,
	CRB_READER_NUMBER,
	CRB_READER_OBJECT,
	CRB_READER_ARRAY,
	CRB_READER_FLAG,
	CRB_READER_OTHER, /* null, or nothing that JSON has */
};

void crb_reader_init(struct crb_reader *reader, const char *where,
    const char *text, size_t len, struct crb_arena *arena);

/* What the next value is; sets value_line to its line. */
enum crb_reader_kind crb_reader_kind(struct crb_reader *reader);

/* `open` is '{' or '['; `what` is wanted, as in "an object". */
CRB_NODISCARD enum crb_status crb_reader_enter(struct crb_reader *reader,
    char open, const char *what, struct crb_err *err);
/* The next element of the array that was entered, or its end. */
CRB_NODISCARD enum crb_status crb_reader_element(
    struct crb_reader *reader, size_t index, bool *more, struct crb_err *err);
/* The next key of the object that was entered, its colon behind, or its end. */
CRB_NODISCARD enum crb_status crb_reader_key(struct crb_reader *reader,
    size_t index, const char **key, bool *more, struct crb_err *err);

/* `most` bytes of UTF-8. */
CRB_NODISCARD enum crb_status crb_reader_text(struct crb_reader *reader,
    size_t most, const char **out, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_reader_integer(
    struct crb_reader *reader, int64_t *out, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_reader_flag(
    struct crb_reader *reader, bool *out, struct crb_err *err);
/* Only white space is left. */
CRB_NODISCARD enum crb_status crb_reader_end(
    struct crb_reader *reader, struct crb_err *err);

/*
 * Where in the document it is: append ".key" or "[index]", and cut back to what
 * it was, which they return.
 */
size_t crb_reader_push(struct crb_reader *reader, const char *key);
size_t crb_reader_push_index(struct crb_reader *reader, size_t index);
void crb_reader_pop(struct crb_reader *reader, size_t length);

/* "organization.json:17: rules[3].scope.git: " in front of the message. */
enum crb_status crb_reader_fail(struct crb_reader *reader, unsigned line,
    struct crb_err *err, enum crb_status status, const char *fmt, ...)
    CRB_PRINTF(5, 6);
/* The same in front of what `err` says already. */
enum crb_status crb_reader_context(
    struct crb_reader *reader, unsigned line, struct crb_err *err);

#define crb_reader_fail(...) CRB_FAILURE(crb_reader_fail(__VA_ARGS__))
#define crb_reader_context(...) CRB_FAILURE(crb_reader_context(__VA_ARGS__))

#endif /* !CRB_READER_H */
