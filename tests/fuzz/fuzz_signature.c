/*
 * Files of minisign's format: what is read as a key is written to a file that
 * is read as the same; what a secret key signs is verified; and of what is
 * read as a signature nothing is verified but what the key's owner signed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/signing_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONTENT "hello\n"

/* Its secret half signed CONTENT twice, with these comments. */
static const char known[] =
    "RWQProhZIcpTUc5aYOKqnScnZFO1op8YtZHdLOvzcguxV00/BkJc6SO6";
static const char *const comments[] = {
	"timestamp:1795287960\tfile:f\thashed",
	"timestamp:1795287960\tfile:f",
};

static void
try_public(const char *text, size_t len)
{
	CRB_AUTO_BUF struct crb_buf file = CRB_BUF_INIT(CRB_SIGNATURE_FILE_MAX);
	struct crb_public_key key, again;
	struct crb_err err;

	if (crb_public_key_parse(text, len, &key, &err) != CRB_OK)
		return;
	crb_public_key_file(&key, &file);
	if (crb_public_key_parse(file.data, file.len, &again, &err) != CRB_OK ||
	    memcmp(&key, &again, sizeof(key)) != 0)
		abort();
}

static void
try_signature(const char *text, size_t len)
{
	struct crb_signature signature;
	struct crb_public_key key;
	struct crb_err err;

	if (crb_signature_parse(text, len, &signature, &err) != CRB_OK)
		return;
	if (crb_public_key_parse(known, strlen(known), &key, &err) != CRB_OK)
		abort();
	/* Past the comparison of ids, too. */
	memcpy(signature.id, key.id, sizeof(key.id));
	if (crb_signature_verify(
		&signature, &key, CONTENT, strlen(CONTENT), &err) == CRB_OK &&
	    !crb_slice_is(
		signature.comment, comments[signature.prehashed ? 0 : 1]))
		abort();
}

static void
try_secret(const char *text, size_t len)
{
	CRB_AUTO_SIGNING_KEY struct crb_signing_key *key = NULL, *again = NULL;
	CRB_AUTO_BUF struct crb_buf file = CRB_BUF_INIT_WIPED(
	    CRB_SIGNATURE_FILE_MAX);
	CRB_AUTO_BUF struct crb_buf made = CRB_BUF_INIT(CRB_SIGNATURE_FILE_MAX);
	struct crb_public_key first, second;
	bool encrypted = false;
	struct crb_err err;

	if (crb_signing_key_encrypted(text, len, &encrypted, &err) != CRB_OK)
		return;
	/* Without a passphrase no encrypted one is read. */
	if (crb_signing_key_parse(text, len, NULL, &key, &err) != CRB_OK)
		return;
	if (encrypted ||
	    crb_signing_key_file(key, NULL, NULL, &file, &err) != CRB_OK ||
	    crb_signing_key_parse(file.data, file.len, NULL, &again, &err) !=
		CRB_OK ||
	    crb_signing_key_sign(
		key, CRB_SLICE(CONTENT), "comment", &made, &err) != CRB_OK)
		abort();
	crb_signing_key_public(key, &first);
	crb_signing_key_public(again, &second);
	if (memcmp(&first, &second, sizeof(first)) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	if (size > CRB_SIGNATURE_FILE_MAX)
		return 0;
	try_public(text, size);
	try_signature(text, size);
	try_secret(text, size);
	return 0;
}
