#ifndef CRB_OUTBOX_H
#define CRB_OUTBOX_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "broker/core/audit.h"

/*
 * An outbox record, before it is sealed: the audit log's last durable line at
 * the time, and the rendered lines of one transaction.
 *
 *	outbox 1 57 HEX
 *	{"seq":12,...}
 *	{"seq":13,...}
 */
#define CRB_OUTBOX_BYTES_MAX ((size_t)8 << 20)

/* `lines` have a newline each. */
void crb_outbox_encode(struct crb_buf *out, const struct crb_audit_mark *mark,
    struct crb_slice lines);

/*
 * Into `bytes`, borrowed.  CRB_ERR_CORRUPT when it is anything else.  *first
 * is the first line's number, 0 when there is no line.
 */
struct crb_outbox {
	struct crb_audit_mark mark;
	struct crb_slice lines;
	uint64_t first;
};
CRB_NODISCARD enum crb_status crb_outbox_decode(
    const char *bytes, size_t len, struct crb_outbox *out, struct crb_err *err);

#endif /* !CRB_OUTBOX_H */
