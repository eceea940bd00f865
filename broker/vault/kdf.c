#include "broker/vault/kdf.h"

#include <sodium.h>

#include "base/cleanup.h"
#include "base/process.h"

#define OPERATIONS_MAX 64u
#define MEMORY_MAX ((uint64_t)4 << 30)
#define TUNE_GOAL_MS 1000

_Static_assert(CRB_KDF_SALT_BYTES == crypto_pwhash_argon2id_SALTBYTES,
    "the salt is Argon2id's");

enum crb_status
crb_kdf_cost_check(const struct crb_kdf_cost *cost, struct crb_err *err)
{
	if (cost->operations < crypto_pwhash_argon2id_OPSLIMIT_MODERATE ||
	    cost->memory < crypto_pwhash_argon2id_MEMLIMIT_MODERATE)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the cost of a guess is below %u operations in %u MiB",
		    crypto_pwhash_argon2id_OPSLIMIT_MODERATE,
		    crypto_pwhash_argon2id_MEMLIMIT_MODERATE >> 20);
	if (cost->operations > OPERATIONS_MAX || cost->memory > MEMORY_MAX)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the cost of a guess is over %u operations in %u MiB",
		    OPERATIONS_MAX, (unsigned)(MEMORY_MAX >> 20));
	return CRB_OK;
}

enum crb_status
crb_vault_kdf(const struct crb_kdf_request *request,
    const struct crb_secret *passphrase, struct crb_key **out,
    struct crb_err *err)
{
	uint8_t bytes[CRB_KEY_BYTES];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { bytes, sizeof(bytes) };
	enum crb_status status;

	if ((status = crb_kdf_cost_check(&request->cost, err)) != CRB_OK)
		return status;
	if (crb_secret_len(passphrase) == 0)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the passphrase is empty");
	if (sodium_init() < 0)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libsodium does not start");
	if (crypto_pwhash(bytes, sizeof(bytes), crb_secret_bytes(passphrase),
		crb_secret_len(passphrase), request->salt,
		request->cost.operations, (size_t)request->cost.memory,
		crypto_pwhash_ALG_ARGON2ID13) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM,
		    "a passphrase takes %u MiB of memory, which are not there",
		    (unsigned)(request->cost.memory >> 20));
	return crb_key_take(bytes, out, err);
}

enum crb_status
crb_vault_kdf_tune(struct crb_kdf_cost *out, struct crb_err *err)
{
	struct crb_kdf_request request = {
		.cost = { crypto_pwhash_argon2id_OPSLIMIT_MODERATE,
		    crypto_pwhash_argon2id_MEMLIMIT_MODERATE },
	};
	CRB_AUTO_SECRET struct crb_secret *probe = NULL;
	CRB_AUTO_KEY struct crb_key *key = NULL;
	enum crb_status status;
	int64_t took;

	if ((status = crb_secret_copy("probe", 5, &probe, err)) != CRB_OK)
		return status;
	took = crb_clock_ms(CLOCK_MONOTONIC);
	if ((status = crb_vault_kdf(&request, probe, &key, err)) != CRB_OK)
		return status;
	took = crb_clock_ms(CLOCK_MONOTONIC) - took;
	if (took < 1)
		took = 1;
	/* Time is proportional to the operations; more memory is not asked. */
	if (took < TUNE_GOAL_MS)
		request.cost.operations = request.cost.operations *
		    TUNE_GOAL_MS / (uint64_t)took;
	if (request.cost.operations > OPERATIONS_MAX)
		request.cost.operations = OPERATIONS_MAX;
	*out = request.cost;
	return CRB_OK;
}
