#include "broker/core/audit_key.h"

#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/path.h"
#include "base/text.h"

static const char lead[] = "ed25519 ";
#define LEAD_LEN (sizeof(lead) - 1)
#define FILE_LEN (LEAD_LEN + 2 * CRB_AUDIT_PUBLIC_BYTES + 1)

_Static_assert(CRB_AUDIT_PUBLIC_BYTES == crypto_sign_PUBLICKEYBYTES,
    "the public key is Ed25519's");
_Static_assert(
    CRB_KEY_BYTES == crypto_sign_SEEDBYTES, "a key is an Ed25519 seed");

enum crb_status
crb_audit_public_read(const char *audit_folder,
    uint8_t out[CRB_AUDIT_PUBLIC_BYTES], struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(4096);
	char path[CRB_PATH_MAX];

	if (crb_path_join(path, audit_folder, CRB_AUDIT_PUBLIC_FILE, err) !=
		CRB_OK ||
	    crb_io_read_file(path, &buf, err) != CRB_OK)
		return err->status;
	if (buf.len != FILE_LEN || memcmp(buf.data, lead, LEAD_LEN) != 0 ||
	    buf.data[buf.len - 1] != '\n' ||
	    sodium_hex2bin(out, CRB_AUDIT_PUBLIC_BYTES, buf.data + LEAD_LEN,
		2 * CRB_AUDIT_PUBLIC_BYTES, NULL, NULL, NULL) != 0)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "%s is not a public key", path);
	return CRB_OK;
}

enum crb_status
crb_audit_public_have(const char *audit_folder,
    const uint8_t public[CRB_AUDIT_PUBLIC_BYTES], struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(4096);
	uint8_t there[CRB_AUDIT_PUBLIC_BYTES];
	char path[CRB_PATH_MAX];
	enum crb_status status;

	status = crb_path_join(path, audit_folder, CRB_AUDIT_PUBLIC_FILE, err);
	if (status != CRB_OK)
		return status;
	if (access(path, F_OK) == 0) {
		status = crb_audit_public_read(audit_folder, there, err);
		if (status == CRB_OK &&
		    memcmp(there, public, sizeof(there)) != 0)
			return crb_err_set(err, CRB_ERR_CORRUPT,
			    "%s is not this vault's: the audit log is "
			    "another's, or the file was edited",
			    path);
		return status;
	}
	crb_buf_str(&buf, lead);
	crb_text_hex(&buf, public, CRB_AUDIT_PUBLIC_BYTES);
	crb_buf_char(&buf, '\n');
	if ((status = crb_buf_check(&buf, "the public key", err)) != CRB_OK)
		return status;
	return crb_io_write_file(path, buf.data, buf.len, 0600, err);
}

enum crb_status
crb_audit_key_pair(const struct crb_key *key, uint8_t **secret,
    uint8_t public[CRB_AUDIT_PUBLIC_BYTES], struct crb_err *err)
{
	CRB_AUTO_KEY struct crb_key *seed = NULL;
	enum crb_status status;
	uint8_t *pair;

	if ((status = crb_key_derive(key, 1, "crb-sign", &seed, err)) != CRB_OK)
		return status;
	if ((pair = sodium_malloc(crypto_sign_SECRETKEYBYTES)) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no guarded memory for a key");
	(void)crypto_sign_seed_keypair(public, pair, crb_key_bytes(seed));
	(void)sodium_mprotect_readonly(pair);
	*secret = pair;
	return CRB_OK;
}
