#ifndef CRB_EGRESS_CHECKSUM_H
#define CRB_EGRESS_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/text.h"

/*
 * The checksum that a body to S3 brings along behind it (docs.aws.amazon.com/
 * AmazonS3, "Checking object integrity"): CRC-32, CRC-32C, SHA-1, SHA-256.
 */
struct crb_checksum;

/*
 * By the name of its header, "x-amz-checksum-crc32", in lower case.  Any other
 * is CRB_ERR_INVALID, which names it when it is one of Amazon's.
 */
CRB_NODISCARD enum crb_status crb_checksum_new(
    const char *header, struct crb_checksum **out, struct crb_err *err);
void crb_checksum_free(struct crb_checksum *checksum);
void crb_checksum_add(
    struct crb_checksum *checksum, const void *bytes, size_t len);
/* Whether `base64` is the checksum of what was added; once, at the end. */
bool crb_checksum_is(struct crb_checksum *checksum, struct crb_slice base64);

#define CRB_AUTO_CHECKSUM __attribute__((cleanup(crb_checksum_cleanup)))
static inline void
crb_checksum_cleanup(struct crb_checksum **checksum)
{
	crb_checksum_free(*checksum);
}

#endif /* !CRB_EGRESS_CHECKSUM_H */
