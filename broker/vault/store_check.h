#ifndef CRB_VAULT_STORE_CHECK_H
#define CRB_VAULT_STORE_CHECK_H

#include <stdbool.h>

#include "base/err.h"

/* "CRBS", in SQLite's application_id; the format is its user_version. */
#define CRB_STORE_APPLICATION 0x43524253
#define CRB_STORE_FORMAT 1
#define CRB_STORE_PAGE 4096

/*
 * Look at a database file without SQLite, which may repair what it opens:
 * CRB_ERR_NOT_FOUND, or CRB_ERR_CORRUPT when it is truncated, not ours, of
 * another format, or has a rollback journal (ours never has one).
 * *has_log: there are changes in its write-ahead log.
 */
CRB_NODISCARD enum crb_status crb_store_check_file(
    const char *path, bool *has_log, struct crb_err *err);

#endif /* !CRB_VAULT_STORE_CHECK_H */
