/*
 * Derives one key from one passphrase, and ends: Argon2id takes a second and
 * hundreds of megabytes, which the core can neither wait for nor keep.
 */
#include <signal.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "base/slab.h"
#include "broker/kdf/confinement.h"
#include "broker/kdf/wire.h"

#define SOCKET 3
#define SLAB_BYTES (16u << 10)
/* Whoever asked has given up by then. */
#define DEADLINE_S 120

static enum crb_status
serve(struct crb_err *err)
{
	CRB_AUTO_SECRET struct crb_secret *passphrase = NULL;
	CRB_AUTO_KEY struct crb_key *key = NULL;
	struct crb_kdf_request request;

	if (crb_kdf_read(SOCKET, &request, &passphrase, err) != CRB_OK)
		return crb_err_context(err, "request");
	if (crb_vault_kdf(&request, passphrase, &key, err) != CRB_OK)
		return err->status;
	if (crb_kdf_write(SOCKET, key, err) != CRB_OK)
		return crb_err_context(err, "answer");
	return CRB_OK;
}

static void
end(int number)
{
	(void)number;
	_exit(1);
}

static enum crb_status
start(struct crb_err *err)
{
	struct crb_confined confined;

	if (crb_process_harden(SOCKET, err) != CRB_OK ||
	    crb_slab_open(SLAB_BYTES, err) != CRB_OK)
		return err->status;
	if (sodium_init() < 0)
		return crb_err_set(err, CRB_ERR_SYSTEM, "libsodium");
	/* As pid 1 of a namespace it would not die of either by itself. */
	if (signal(SIGALRM, end) == SIG_ERR || signal(SIGTERM, end) == SIG_ERR)
		return crb_err_errno(err, "signals");
	(void)alarm(DEADLINE_S);
	return crb_confine(&crb_kdf_confinement, &confined, err);
}

int
main(void)
{
	struct crb_err err;

	crb_log_open("kdf", CRB_LOG_INFO);
	if (start(&err) == CRB_OK && serve(&err) == CRB_OK)
		return 0;
	crb_log(CRB_LOG_ERROR, "no key derived", CRB_LOG_REASON, err.msg,
	    CRB_LOG_END);
	return 1;
}
