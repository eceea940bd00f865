#include "policy/signature.h"

#include <sodium.h>
#include <string.h>

#include "policy/minisign.h"

#define ALGORITHM 2 /* bytes */

_Static_assert(ALGORITHM + CRB_KEY_ID_BYTES + crypto_sign_PUBLICKEYBYTES ==
	CRB_MINISIGN_PUBLIC,
    "a public key");
_Static_assert(
    ALGORITHM + CRB_KEY_ID_BYTES + crypto_sign_BYTES == CRB_MINISIGN_SIGNATURE,
    "a signature");

void
crb_key_id_text(const uint8_t id[CRB_KEY_ID_BYTES], char out[CRB_KEY_ID_TEXT])
{
	/* A little-endian number. */
	for (size_t i = 0; i < CRB_KEY_ID_BYTES; i++)
		(void)snprintf(out + 2 * i, 3, "%02X",
		    (unsigned)id[CRB_KEY_ID_BYTES - 1 - i]);
}

bool
crb_public_key_same(
    const struct crb_public_key *a, const struct crb_public_key *b)
{
	return memcmp(a->id, b->id, sizeof(a->id)) == 0 &&
	    memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

enum crb_status
crb_public_key_parse(const char *text, size_t len, struct crb_public_key *out,
    struct crb_err *err)
{
	uint8_t record[CRB_MINISIGN_PUBLIC];
	struct crb_minisign lines;
	bool alone;

	crb_minisign_start(&lines, text, len);
	/* How every key in base64 starts, for its algorithm. */
	alone = crb_slice_starts(lines.rest, "RW");
	if ((!alone &&
		crb_minisign_comment(&lines, CRB_MINISIGN_UNTRUSTED,
		    CRB_MINISIGN_UNTRUSTED_MAX, NULL, err) != CRB_OK) ||
	    crb_minisign_bytes(&lines, record, sizeof(record), err) != CRB_OK ||
	    crb_minisign_end(&lines, err) != CRB_OK)
		return err->status;
	if (memcmp(record, CRB_MINISIGN_ALGORITHM, ALGORITHM) != 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "line %u is a public key of an algorithm that is not known",
		    lines.line);
	memcpy(out->id, record + ALGORITHM, sizeof(out->id));
	memcpy(
	    out->key, record + ALGORITHM + sizeof(out->id), sizeof(out->key));
	return CRB_OK;
}

void
crb_public_key_line(const struct crb_public_key *key, struct crb_buf *out)
{
	uint8_t record[CRB_MINISIGN_PUBLIC];

	memcpy(record, CRB_MINISIGN_ALGORITHM, ALGORITHM);
	memcpy(record + ALGORITHM, key->id, sizeof(key->id));
	memcpy(
	    record + ALGORITHM + sizeof(key->id), key->key, sizeof(key->key));
	crb_text_base64(out, record, sizeof(record));
}

void
crb_public_key_file(const struct crb_public_key *key, struct crb_buf *out)
{
	char id[CRB_KEY_ID_TEXT];

	crb_key_id_text(key->id, id);
	crb_buf_printf(
	    out, CRB_MINISIGN_UNTRUSTED "minisign public key %s\n", id);
	crb_public_key_line(key, out);
	crb_buf_char(out, '\n');
}

enum crb_status
crb_signature_parse(const char *text, size_t len, struct crb_signature *out,
    struct crb_err *err)
{
	uint8_t record[CRB_MINISIGN_SIGNATURE];
	struct crb_signature found = { .prehashed = false };
	struct crb_minisign lines;

	crb_minisign_start(&lines, text, len);
	if (crb_minisign_comment(&lines, CRB_MINISIGN_UNTRUSTED,
		CRB_MINISIGN_UNTRUSTED_MAX, NULL, err) != CRB_OK ||
	    crb_minisign_bytes(&lines, record, sizeof(record), err) != CRB_OK ||
	    crb_minisign_comment(&lines, CRB_MINISIGN_TRUSTED,
		CRB_MINISIGN_TRUSTED_MAX, &found.comment, err) != CRB_OK ||
	    crb_minisign_bytes(
		&lines, found.global, sizeof(found.global), err) != CRB_OK ||
	    crb_minisign_end(&lines, err) != CRB_OK)
		return err->status;
	found.prehashed = memcmp(record, CRB_MINISIGN_HASHED, ALGORITHM) == 0;
	if (!found.prehashed &&
	    memcmp(record, CRB_MINISIGN_ALGORITHM, ALGORITHM) != 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "line 2 is a signature of an algorithm that is not known");
	memcpy(found.id, record + ALGORITHM, sizeof(found.id));
	memcpy(found.bytes, record + ALGORITHM + sizeof(found.id),
	    sizeof(found.bytes));
	*out = found;
	return CRB_OK;
}

static bool
verify_content(const struct crb_signature *signature,
    const struct crb_public_key *key, const void *content, size_t len)
{
	uint8_t hash[crypto_generichash_BYTES_MAX];

	if (!signature->prehashed)
		return crypto_sign_verify_detached(
			   signature->bytes, content, len, key->key) == 0;
	(void)crypto_generichash(hash, sizeof(hash), content, len, NULL, 0);
	return crypto_sign_verify_detached(
		   signature->bytes, hash, sizeof(hash), key->key) == 0;
}

static enum crb_status
verify_comment(const struct crb_signature *signature,
    const struct crb_public_key *key, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf signed_bytes = CRB_BUF_INIT(
	    sizeof(signature->bytes) + CRB_MINISIGN_TRUSTED_MAX);

	crb_buf_add(&signed_bytes, signature->bytes, sizeof(signature->bytes));
	crb_buf_add(
	    &signed_bytes, signature->comment.p, signature->comment.len);
	if (crb_buf_check(&signed_bytes, "the trusted comment", err) != CRB_OK)
		return err->status;
	if (crypto_sign_verify_detached(signature->global,
		(const uint8_t *)signed_bytes.data, signed_bytes.len,
		key->key) != 0)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "the trusted comment is not the one that was signed");
	return CRB_OK;
}

enum crb_status
crb_signature_verify(const struct crb_signature *signature,
    const struct crb_public_key *key, const void *content, size_t len,
    struct crb_err *err)
{
	char its[CRB_KEY_ID_TEXT], wanted[CRB_KEY_ID_TEXT];

	if (memcmp(signature->id, key->id, sizeof(key->id)) != 0) {
		crb_key_id_text(signature->id, its);
		crb_key_id_text(key->id, wanted);
		return crb_err_set(err, CRB_ERR_DENIED,
		    "signed with key %s, and not with key %s", its, wanted);
	}
	if (!verify_content(signature, key, content, len))
		return crb_err_set(err, CRB_ERR_DENIED,
		    "the signature does not fit: the content is not what was "
		    "signed, or another key has signed it");
	return verify_comment(signature, key, err);
}
