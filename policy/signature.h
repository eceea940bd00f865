#ifndef CRB_SIGNATURE_H
#define CRB_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

/*
 * Signatures and public keys in minisign's file format, which minisign reads
 * and writes (https://jedisct1.github.io/minisign/).  Ed25519, over the content
 * ("Ed", older) or over its BLAKE2b-512 ("ED").  A second signature, over the
 * first and the trusted comment, is always there and always checked.
 *
 * Read strictly: nothing but the lines that belong there.  An error tells the
 * line and never shows it, for it may be a secret key's.
 */
#define CRB_SIGNATURE_FILE_MAX 16384 /* bytes of a signature or key file */
#define CRB_KEY_ID_BYTES 8
#define CRB_KEY_ID_TEXT 17

struct crb_public_key {
	uint8_t id[CRB_KEY_ID_BYTES];
	uint8_t key[32];
};

struct crb_signature {
	bool prehashed;
	uint8_t id[CRB_KEY_ID_BYTES]; /* of the key that is said to be it */
	uint8_t bytes[64];
	uint8_t global[64];
	/* Borrowed from the text; nobody's word until it is verified. */
	struct crb_slice comment;
};

/* As minisign shows it: "5153CA215988AE0F". */
void crb_key_id_text(
    const uint8_t id[CRB_KEY_ID_BYTES], char out[CRB_KEY_ID_TEXT]);

/* A whole file, or only the line of the key ("RW..."). */
CRB_NODISCARD enum crb_status crb_public_key_parse(const char *text, size_t len,
    struct crb_public_key *out, struct crb_err *err);
/* The same key by the same id. */
bool crb_public_key_same(
    const struct crb_public_key *a, const struct crb_public_key *b);
/* The line of the key, without its end. */
void crb_public_key_line(const struct crb_public_key *key, struct crb_buf *out);
/* A file. */
void crb_public_key_file(const struct crb_public_key *key, struct crb_buf *out);

CRB_NODISCARD enum crb_status crb_signature_parse(const char *text, size_t len,
    struct crb_signature *out, struct crb_err *err);

/*
 * `key` has signed this content and this trusted comment; if not, or if it was
 * another key, CRB_ERR_DENIED.
 */
CRB_NODISCARD enum crb_status crb_signature_verify(
    const struct crb_signature *signature, const struct crb_public_key *key,
    const void *content, size_t len, struct crb_err *err);

#endif /* !CRB_SIGNATURE_H */
