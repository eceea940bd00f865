#ifndef CRB_MINISIGN_H
#define CRB_MINISIGN_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

/*
 * The lines that minisign's files are made of, for signature.c and
 * signing_key.c.  The format is described at
 * https://jedisct1.github.io/minisign/ ("Signature format" and below).
 */
#define CRB_MINISIGN_ALGORITHM "Ed"
#define CRB_MINISIGN_HASHED "ED"
#define CRB_MINISIGN_UNTRUSTED "untrusted comment: "
#define CRB_MINISIGN_TRUSTED "trusted comment: "

/* What minisign has room for, without the line's end. */
#define CRB_MINISIGN_UNTRUSTED_MAX 1022
#define CRB_MINISIGN_TRUSTED_MAX 8190

/* Bytes of what stands there in base64. */
#define CRB_MINISIGN_PUBLIC 42
#define CRB_MINISIGN_SIGNATURE 74
#define CRB_MINISIGN_GLOBAL 64
#define CRB_MINISIGN_SECRET 158

struct crb_minisign {
	struct crb_slice rest;
	unsigned line; /* that was read last */
};

void crb_minisign_start(
    struct crb_minisign *lines, const char *text, size_t len);
/*
 * A line of `prefix` and a comment, at most `most` bytes together, without
 * control characters other than tabs; *out, if not NULL, borrows the comment.
 */
CRB_NODISCARD enum crb_status crb_minisign_comment(struct crb_minisign *lines,
    const char *prefix, size_t most, struct crb_slice *out,
    struct crb_err *err);
/* A line that is exactly `len` bytes (a size of above) in base64. */
CRB_NODISCARD enum crb_status crb_minisign_bytes(
    struct crb_minisign *lines, void *out, size_t len, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_minisign_end(
    struct crb_minisign *lines, struct crb_err *err);

/* No control characters other than tabs. */
bool crb_minisign_comment_ok(struct crb_slice comment);

#endif /* !CRB_MINISIGN_H */
