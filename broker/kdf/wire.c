#include "broker/kdf/wire.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

#define HEAD_BYTES (8 + 8 + CRB_KDF_SALT_BYTES + 4)
#define TIMEOUT_MS 5000

static void
put(uint8_t *at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t
get(const uint8_t *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

enum crb_status
crb_kdf_ask(int sock, const struct crb_kdf_request *request,
    const struct crb_secret *passphrase, struct crb_err *err)
{
	size_t len = crb_secret_len(passphrase);
	uint8_t bytes[HEAD_BYTES + CRB_PASSPHRASE_MAX];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { bytes, sizeof(bytes) };

	if (len > CRB_PASSPHRASE_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "a passphrase of more than %d bytes", CRB_PASSPHRASE_MAX);
	put(bytes, request->cost.operations, 8);
	put(bytes + 8, request->cost.memory, 8);
	memcpy(bytes + 16, request->salt, CRB_KDF_SALT_BYTES);
	put(bytes + 16 + CRB_KDF_SALT_BYTES, len, 4);
	memcpy(bytes + HEAD_BYTES, crb_secret_bytes(passphrase), len);
	return crb_io_write(sock, bytes, HEAD_BYTES + len, TIMEOUT_MS, err);
}

enum crb_status
crb_kdf_read(int sock, struct crb_kdf_request *request,
    struct crb_secret **passphrase, struct crb_err *err)
{
	char bytes[CRB_PASSPHRASE_MAX];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { bytes, sizeof(bytes) };
	uint8_t head[HEAD_BYTES];
	size_t len;

	if (crb_io_read(sock, head, sizeof(head), TIMEOUT_MS, err) != CRB_OK)
		return err->status;
	len = (size_t)get(head + 16 + CRB_KDF_SALT_BYTES, 4);
	if (len > sizeof(bytes))
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "a passphrase of more than %zu bytes", sizeof(bytes));
	if (crb_io_read(sock, bytes, len, TIMEOUT_MS, err) != CRB_OK)
		return err->status;
	request->cost.operations = get(head, 8);
	request->cost.memory = get(head + 8, 8);
	memcpy(request->salt, head + 16, CRB_KDF_SALT_BYTES);
	return crb_secret_take(bytes, len, passphrase, err);
}

enum crb_status
crb_kdf_write(int sock, const struct crb_key *key, struct crb_err *err)
{
	return crb_io_write(
	    sock, crb_key_bytes(key), CRB_KEY_BYTES, TIMEOUT_MS, err);
}

enum crb_status
crb_kdf_answer(
    int sock, int timeout_ms, struct crb_key **out, struct crb_err *err)
{
	uint8_t bytes[CRB_KEY_BYTES];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { bytes, sizeof(bytes) };

	if (crb_io_read(sock, bytes, sizeof(bytes), timeout_ms, err) != CRB_OK)
		return crb_err_context(err,
		    "deriving a key from the passphrase failed; "
		    "the broker's log says why");
	return crb_key_take(bytes, out, err);
}
