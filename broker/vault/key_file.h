#ifndef CRB_VAULT_KEY_FILE_H
#define CRB_VAULT_KEY_FILE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"

/*
 * The key in a key file; with `*made` set, a random one was written there
 * because there was none.
 */
CRB_NODISCARD enum crb_status crb_key_file_have(
    const char *path, bool *made, struct crb_key **out, struct crb_err *err);

#endif /* !CRB_VAULT_KEY_FILE_H */
