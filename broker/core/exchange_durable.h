#ifndef CRB_EXCHANGE_DURABLE_H
#define CRB_EXCHANGE_DURABLE_H

#include "broker/core/approval.h"
#include "broker/core/exchange_record.h"

/*
 * An exchange that a policy wants on the disk before it goes upstream.  The
 * line that begins it is committed as what an admin changes is, so that those
 * of one moment share an fsync.  Then it is judged again, and goes upstream
 * when that comes to what the line says.
 */
struct crb_recording;

/*
 * Collect the line.  `asked` is NULL where nobody had to approve; otherwise it
 * was taken as `approval`, which is given back when nothing goes upstream.
 * fn(ctx) is told once, later, that it is durable (why is NULL) or has failed.
 */
CRB_NODISCARD enum crb_status crb_recording_new(
    const struct crb_msg_exchange *msg, const struct crb_judgement *judgement,
    const struct crb_approval_asked *asked, const char *approval,
    crb_commit_fn *fn, void *ctx, struct crb_recording **out,
    struct crb_err *err);
/* It is durable: what is judged now still comes to what it says. */
CRB_NODISCARD enum crb_status crb_recording_check(
    const struct crb_recording *recording, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement,
    const struct crb_approval_asked *asked, struct crb_err *err);
/* The exchange's number in the line. */
uint64_t crb_recording_job(const struct crb_recording *recording);
/* Its end is the exchange's to record from now on. */
void crb_recording_take(struct crb_recording *recording);
/* The approval that it was taken with, or "". */
const char *crb_recording_approval(const struct crb_recording *recording);
/*
 * Nobody waits for it any more.  Unless it was taken its end is recorded, as
 * soon as its beginning is durable.
 */
void crb_recording_free(struct crb_recording *recording);

/* The line itself, with room for its detail. */
#define CRB_BEGIN_DETAIL 32
struct crb_exchange_line crb_begin_line(
    uint64_t job, const char *approval, char detail[CRB_BEGIN_DETAIL]);

#endif /* !CRB_EXCHANGE_DURABLE_H */
