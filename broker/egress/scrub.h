#ifndef CRB_EGRESS_SCRUB_H
#define CRB_EGRESS_SCRUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/*
 * Finds a secret in what an upstream answers, and puts '*' over it, byte for
 * byte, so that lengths stay true.  Looked for are the secret and the value
 * that was injected, each as it is, in base64 (both alphabets, at any offset),
 * percent-encoded and as JSON text.  Of base64, characters that also hold bits
 * of a neighbour stay: up to four bits of the first and of the last byte.
 *
 * A stream is searched in pieces without copying: crb_scrub_run() works in the
 * caller's buffer and says how much of it is settled; the rest might be the
 * beginning of the secret and is given again in front of the next piece.
 */
struct crb_scrub;

/*
 * Shorter secrets are refused: they would be found in ordinary text and spoil
 * it, and one that is not looked for could come back.
 */
#define CRB_SCRUB_SECRET_MIN 6

/* `value` is the injected header's value; both are copied into the slab. */
CRB_NODISCARD enum crb_status crb_scrub_new(struct crb_slice secret,
    struct crb_slice value, struct crb_scrub **out, struct crb_err *err);
/* Wipes.  NULL is allowed. */
void crb_scrub_free(struct crb_scrub *scrub);

/* The most bytes that can stay unsettled, and one. */
size_t crb_scrub_longest(const struct crb_scrub *scrub);

/*
 * Redact in bytes[0..len); returns how many of them are settled.  With `last`
 * all are.
 */
size_t crb_scrub_run(
    struct crb_scrub *scrub, char *bytes, size_t len, bool last);

/* The secret is in there, in one of its forms. */
bool crb_scrub_finds(
    const struct crb_scrub *scrub, const char *bytes, size_t len);

/* Places redacted by crb_scrub_run() so far. */
uint32_t crb_scrub_count(const struct crb_scrub *scrub);

#define CRB_AUTO_SCRUB __attribute__((cleanup(crb_scrub_cleanup)))
static inline void
crb_scrub_cleanup(struct crb_scrub **scrub)
{
	crb_scrub_free(*scrub);
}

#endif /* !CRB_EGRESS_SCRUB_H */
