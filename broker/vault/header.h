#ifndef CRB_VAULT_HEADER_H
#define CRB_VAULT_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "broker/vault/vault.h"

/*
 * The vault's header, the file "vault": which vault this is, and the slots
 * that wrap its root key.  All integers little-endian:
 *
 *	magic "CRBVAULT", format u32, vault id 16, number of slots u32,
 *	slots of 120 bytes: kind u32, number u32, created u64 (wall seconds),
 *	    operations u64, memory u64, salt 16, nonce 24, wrapped key 48,
 *	checksum 32: BLAKE2b-256 of all before it.
 *
 * A key is wrapped with XChaCha20-Poly1305; magic, format, vault id and the
 * slot's own fields before the nonce are its associated data.  The checksum
 * keeps nobody from editing: it tells a damaged file from a wrong passphrase.
 */
#define CRB_HEADER_FORMAT 1u
#define CRB_HEADER_SLOTS_MAX 16u
#define CRB_VAULT_ID_BYTES 16
#define CRB_WRAP_NONCE_BYTES 24
#define CRB_WRAPPED_BYTES (CRB_KEY_BYTES + 16)
#define CRB_HEADER_BYTES_MAX (32u + CRB_HEADER_SLOTS_MAX * 120u + 32u)

struct crb_header {
	uint8_t vault_id[CRB_VAULT_ID_BYTES];
	size_t count;
	struct crb_slot slot[CRB_HEADER_SLOTS_MAX];
	struct crb_wrapped_key {
		uint64_t created; /* wall seconds */
		uint8_t nonce[CRB_WRAP_NONCE_BYTES];
		uint8_t bytes[CRB_WRAPPED_BYTES];
	} wrapped[CRB_HEADER_SLOTS_MAX];
};

/* Append the encoding. */
void crb_header_encode(const struct crb_header *header, struct crb_buf *out);
/*
 * CRB_ERR_CORRUPT says whether it is no header at all, of another format,
 * truncated, edited, or holds what this program would not have written.
 */
CRB_NODISCARD enum crb_status crb_header_decode(
    const void *bytes, size_t len, struct crb_header *out, struct crb_err *err);

/* Wrap `root` in slot `i`, whose fields are filled in, with its key. */
void crb_header_wrap(struct crb_header *header, size_t i,
    const struct crb_key *key, const struct crb_key *root);
/* CRB_ERR_DENIED when `key` is not the slot's. */
CRB_NODISCARD enum crb_status crb_header_unwrap(const struct crb_header *header,
    size_t i, const struct crb_key *key, struct crb_key **root,
    struct crb_err *err);

/* Read the file; errors begin with its path. */
CRB_NODISCARD enum crb_status crb_header_read(
    const char *path, struct crb_header *out, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_header_write(
    const char *path, const struct crb_header *header, struct crb_err *err);

#endif /* !CRB_VAULT_HEADER_H */
