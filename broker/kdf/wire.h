#ifndef CRB_KDF_WIRE_H
#define CRB_KDF_WIRE_H

#include "base/secret.h"
#include "broker/vault/vault.h"

/*
 * What the core and its short-lived child credbroker-kdf say to each other on
 * a stream socket.  The request: operations and memory (u64, little-endian),
 * salt, length of the passphrase (u32), passphrase.  The answer: the key, or
 * the end of the file when there is none, for which the child's log says why.
 */
#define CRB_PASSPHRASE_MAX 1024

/* Never blocks: a request fits into the socket. */
CRB_NODISCARD enum crb_status crb_kdf_ask(int sock,
    const struct crb_kdf_request *request, const struct crb_secret *passphrase,
    struct crb_err *err);
/* Once the socket is readable, or with a deadline. */
CRB_NODISCARD enum crb_status crb_kdf_answer(
    int sock, int timeout_ms, struct crb_key **out, struct crb_err *err);

/* The child's side. */
CRB_NODISCARD enum crb_status crb_kdf_read(int sock,
    struct crb_kdf_request *request, struct crb_secret **passphrase,
    struct crb_err *err);
CRB_NODISCARD enum crb_status crb_kdf_write(
    int sock, const struct crb_key *key, struct crb_err *err);

#endif /* !CRB_KDF_WIRE_H */
