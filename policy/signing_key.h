#ifndef CRB_SIGNING_KEY_H
#define CRB_SIGNING_KEY_H

#include "base/secret.h"
#include "policy/signature.h"

/*
 * The other half: a secret key in minisign's file format, and what it signs.
 * It is kept as base/secret.h keeps secrets; what is in between, too.
 */
struct crb_signing_key;

/* At most this many bytes of a passphrase; minisign reads no more. */
#define CRB_SIGNING_PASSPHRASE_MAX 1022
/* ... of a trusted comment that is written. */
#define CRB_SIGNING_COMMENT_MAX 1024

/* What scrypt is to cost, as crypto_pwhash_scryptsalsa208sha256() has it. */
struct crb_scrypt {
	uint64_t operations;
	uint64_t memory; /* bytes */
};
/* minisign's own: 1 GiB, some seconds.  A file that wants more is refused. */
extern const struct crb_scrypt crb_scrypt_usual;

/* A new pair, by libsodium's random bytes. */
CRB_NODISCARD enum crb_status crb_signing_key_new(
    struct crb_signing_key **out, struct crb_err *err);
void crb_signing_key_free(struct crb_signing_key *key);

/* Whether a file's key is encrypted, so that a passphrase is asked for. */
CRB_NODISCARD enum crb_status crb_signing_key_encrypted(
    const char *text, size_t len, bool *out, struct crb_err *err);
/*
 * A file.  `passphrase` is NULL, or not used, for a key that is not encrypted;
 * a wrong one is CRB_ERR_DENIED.  A key whose halves do not belong together is
 * an error, since signing with it would give it away.
 */
CRB_NODISCARD enum crb_status crb_signing_key_parse(const char *text,
    size_t len, const struct crb_secret *passphrase,
    struct crb_signing_key **out, struct crb_err *err);
/* A file, into a wiped buffer; not encrypted when `passphrase` is NULL. */
CRB_NODISCARD enum crb_status crb_signing_key_file(
    const struct crb_signing_key *key, const struct crb_secret *passphrase,
    const struct crb_scrypt *cost, struct crb_buf *out, struct crb_err *err);

void crb_signing_key_public(
    const struct crb_signing_key *key, struct crb_public_key *out);

/* A signature file, prehashed.  It is verified before it is given out. */
CRB_NODISCARD enum crb_status crb_signing_key_sign(
    const struct crb_signing_key *key, struct crb_slice content,
    const char *comment, struct crb_buf *out, struct crb_err *err);

#define CRB_AUTO_SIGNING_KEY __attribute__((cleanup(crb_signing_key_cleanup)))
static inline void
crb_signing_key_cleanup(struct crb_signing_key **key)
{
	crb_signing_key_free(*key);
}

#endif /* !CRB_SIGNING_KEY_H */
