#ifndef CRB_EXCHANGE_RECORD_H
#define CRB_EXCHANGE_RECORD_H

#include "broker/core/judge.h"

#define CRB_LINE_HASH 32u

/* A line of the audit log about an exchange that was judged. */
struct crb_exchange_line {
	const char *event, *decision, *outcome; /* "deny" is one that is not */
	const char *detail; /* of one that is not refused; or NULL */
	int64_t job;
	uint64_t more; /* refusals before it that were only counted */
	bool durable; /* collected for the commit, instead of written at once */
	uint8_t *hash;  /* CRB_LINE_HASH bytes, of all but the time; or NULL */
	bool only_hash; /* record nothing */
};

CRB_NODISCARD enum crb_status crb_exchange_record(struct crb_core *core,
    const struct crb_msg_exchange *msg, const struct crb_judgement *judgement,
    const struct crb_exchange_line *what, struct crb_err *err);

#endif /* !CRB_EXCHANGE_RECORD_H */
