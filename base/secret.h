#ifndef CRB_SECRET_H
#define CRB_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * A secret: bytes that must not be logged, swapped, dumped or left behind.
 * They live in the slab (base/slab.h), are immutable once made, so that one
 * may be read from several threads, and are wiped when freed.  There is
 * deliberately no function that prints, hexdumps or formats a secret.
 */
struct crb_secret;

/*
 * Copy `len` bytes into a new secret and wipe the caller's buffer, whether or
 * not the call succeeds.  The caller owns *out.
 */
CRB_NODISCARD enum crb_status crb_secret_take(
    void *bytes, size_t len, struct crb_secret **out, struct crb_err *err);
/* The same, and the caller's bytes stay as they are. */
CRB_NODISCARD enum crb_status crb_secret_copy(const void *bytes, size_t len,
    struct crb_secret **out, struct crb_err *err);

/* Wipe and free.  NULL is allowed. */
void crb_secret_free(struct crb_secret *secret);

/* The bytes, NUL-terminated; borrowed until crb_secret_free(). */
const char *crb_secret_bytes(const struct crb_secret *secret);
size_t crb_secret_len(const struct crb_secret *secret);

#define CRB_AUTO_SECRET __attribute__((cleanup(crb_secret_cleanup)))
static inline void
crb_secret_cleanup(struct crb_secret **secret)
{
	crb_secret_free(*secret);
}

#define CRB_KEY_BYTES 32

/*
 * A key: 256 bits in libsodium's guarded, locked memory, read-only once made.
 */
struct crb_key;

CRB_NODISCARD enum crb_status crb_key_random(
    struct crb_key **out, struct crb_err *err);
/* Copies and wipes `bytes`, whether or not the call succeeds. */
CRB_NODISCARD enum crb_status crb_key_take(
    uint8_t bytes[CRB_KEY_BYTES], struct crb_key **out, struct crb_err *err);
/*
 * Sub-key `id` for the purpose `context`, exactly 8 characters
 * (crypto_kdf_derive_from_key).
 */
CRB_NODISCARD enum crb_status crb_key_derive(const struct crb_key *key,
    uint64_t id, const char *context, struct crb_key **out,
    struct crb_err *err);
void crb_key_free(struct crb_key *key);
const uint8_t *crb_key_bytes(const struct crb_key *key);

#define CRB_AUTO_KEY __attribute__((cleanup(crb_key_cleanup)))
static inline void
crb_key_cleanup(struct crb_key **key)
{
	crb_key_free(*key);
}

#endif /* !CRB_SECRET_H */
