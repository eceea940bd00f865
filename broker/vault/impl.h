#ifndef CRB_VAULT_IMPL_H
#define CRB_VAULT_IMPL_H

#include <stdint.h>

#include "base/path.h"
#include "broker/vault/generation.h"
#include "broker/vault/head.h"
#include "broker/vault/header.h"
#include "broker/vault/index.h"
#include "broker/vault/seal.h"
#include "broker/vault/store.h"

/* Private to the vault's own sources. */

/* The files' names in the vault's folder. */
#define CRB_VAULT_FILE "vault"
#define CRB_STORE_FILE "store.db"
#define CRB_GENERATION_FILE "generation"

/* One record at most, so that no length ever comes near an int's end. */
#define CRB_RECORD_BYTES_MAX ((size_t)16 << 20)

/* What the root key gives, and what was read with it. */
struct crb_unlocked {
	struct crb_key *root;
	struct crb_key *record; /* of head.epoch */
	struct crb_key *sum;
	struct crb_key *generation;
	struct crb_head head;   /* as committed */
	struct crb_index index; /* every record's revision */
};
void crb_unlocked_clear(struct crb_unlocked *unlocked);
/* The three keys from `root`, which is taken over either way. */
CRB_NODISCARD enum crb_status crb_unlocked_derive(struct crb_unlocked *unlocked,
    struct crb_key *root, uint32_t epoch, struct crb_err *err);

struct crb_vault {
	char folder[CRB_PATH_MAX];
	int folder_fd; /* locked: nobody else has the vault open */
	int generation_fd;
	struct crb_header header;
	struct crb_store *store;

	struct crb_unlocked open;     /* .root is NULL while locked */
	uint64_t last_generation;     /* tried, if not committed */
	const struct crb_txn *sealed; /* and not yet written; or NULL */

	/* The writer's alone: when the generation was last fsynced. */
	int64_t synced_ms;
};

const char *crb_kind_name(unsigned kind);

/*
 * The lock on the folder; held until the descriptor is closed.
 * CRB_ERR_EXISTS when another has it.
 */
CRB_NODISCARD enum crb_status crb_vault_lock_folder(
    const char *folder, int *fd, struct crb_err *err);

#endif /* !CRB_VAULT_IMPL_H */
