#ifndef CRB_JUDGED_BODY_H
#define CRB_JUDGED_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "broker/bus/messages.h"

/*
 * What of a body the core has judged, by its length and hash: its beginning,
 * or all of it.  Nothing of the request goes upstream before exactly that has
 * come, so that who shows one thing to the core cannot send another.  It is
 * kept until then, in about CRB_JUDGED_MAX bytes at most.
 *
 * A beginning is the commands of a push.  Behind them comes a pack, which says
 * so itself, or nothing: a server that went on reading commands would find some
 * that nobody has seen.
 */
#define CRB_JUDGED_MAX (1u << 20)

struct crb_judged_body {
	enum crb_judged part; /* nothing: the rest is not used */
	bool found;           /* it has come, and is right */
	uint32_t length;
	uint8_t hash[32];
	struct crb_buf bytes; /* of a beginning, with the next few */
};

/*
 * As the job says.  CRB_ERR_INVALID: it says what cannot be; CRB_ERR_DENIED:
 * no body of the length that it announces can be the one.
 */
CRB_NODISCARD enum crb_status crb_judged_body_init(
    struct crb_judged_body *judged, const struct crb_msg_job *job,
    struct crb_err *err);
void crb_judged_body_clear(struct crb_judged_body *judged);

/* It is still to come. */
bool crb_judged_body_due(const struct crb_judged_body *judged);
/* Take what it lacks, a pack's first bytes too, from the front of *bytes. */
CRB_NODISCARD enum crb_status crb_judged_body_take(
    struct crb_judged_body *judged, struct crb_slice *bytes,
    struct crb_err *err);
/* No more bytes are needed; unless it `ends` here, those of a pack are. */
bool crb_judged_body_full(const struct crb_judged_body *judged, bool ends);
/* CRB_ERR_DENIED: it is not what was judged. */
CRB_NODISCARD enum crb_status crb_judged_body_check(
    struct crb_judged_body *judged, struct crb_err *err);
enum crb_status crb_judged_body_differs(struct crb_err *err);

#endif /* !CRB_JUDGED_BODY_H */
