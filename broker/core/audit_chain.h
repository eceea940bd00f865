#ifndef CRB_AUDIT_CHAIN_H
#define CRB_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "broker/core/audit_line.h"

/* Where a log stands after some of its lines. */
struct crb_audit_chain {
	uint64_t n;   /* of the last line; 0 before the first */
	uint64_t seq; /* the outbox's last */
	uint8_t hash[CRB_AUDIT_HASH_BYTES];
	uint64_t lines, checkpoints, unsigned_lines;
	bool anywhere; /* the next line may have any n and prev */
};

/*
 * One line further.  Checkpoints are verified when `public` is not NULL.
 * CRB_ERR_CORRUPT says what does not follow.
 */
CRB_NODISCARD enum crb_status crb_audit_chain_step(
    struct crb_audit_chain *chain, const char *line, size_t len,
    const uint8_t *public, struct crb_err *err);

/* The files of a log: "000001.jsonl" and so on, in `audit` itself. */
#define CRB_AUDIT_NAME_MAX 16u
void crb_audit_file_name(unsigned number, char out[CRB_AUDIT_NAME_MAX]);
struct crb_audit_files {
	unsigned *number; /* ascending; malloc()ed */
	size_t count;
};
void crb_audit_files_clear(struct crb_audit_files *files);
/* None when the folder is not there. */
CRB_NODISCARD enum crb_status crb_audit_files_list(
    const char *folder, struct crb_audit_files *out, struct crb_err *err);

#define CRB_AUTO_AUDIT_FILES __attribute__((cleanup(crb_audit_files_clear)))

/*
 * Every whole line from `from` to `to` (or the end) of an open file, without
 * its newline.  *torn: bytes behind the last newline.  A line that is longer
 * than may be is CRB_ERR_CORRUPT.  Stops when fn fails.
 */
typedef enum crb_status crb_audit_line_fn(
    void *ctx, const char *line, size_t len, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_audit_lines(int fd, off_t from, off_t to,
    crb_audit_line_fn *fn, void *ctx, off_t *torn, struct crb_err *err);

/* Walk file `number` of the log in `folder` along the chain. */
CRB_NODISCARD enum crb_status crb_audit_chain_file(const char *folder,
    unsigned number, struct crb_audit_chain *chain, const uint8_t *public,
    off_t *good, off_t *torn, struct crb_err *err);

#endif /* !CRB_AUDIT_CHAIN_H */
