#ifndef CRB_TOKEN_H
#define CRB_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Session tokens: "crbs_", 43 base62 characters chosen at random (256 bits),
 * and 6 base62 characters of checksum (CRC-32 of all before them, as GitHub's
 * tokens have), so that a secret scanner can find a leaked one without false
 * alarms.
 */
#define CRB_TOKEN_PREFIX "crbs_"
#define CRB_TOKEN_LEN (5 + 43 + 6)
#define CRB_TOKEN_HASH_BYTES 32
/*
 * For tools that read a token from their environment and not from a file: no
 * secret, and worth what the header Credbroker-Session is.  A browser sends
 * neither unasked.
 */
#define CRB_TOKEN_NONE "Credbroker-Session"

/* Writes CRB_TOKEN_LEN characters and a NUL. */
void crb_token_make(char out[CRB_TOKEN_LEN + 1]);
/* Prefix, alphabet, length and checksum are right. */
bool crb_token_ok(const char *token, size_t len);
/* BLAKE2b-256; a token has 256 bits of entropy, so no key is needed. */
void crb_token_hash(
    const char *token, size_t len, unsigned char out[CRB_TOKEN_HASH_BYTES]);

#endif /* !CRB_TOKEN_H */
