#ifndef CRB_EGRESS_PROBE_H
#define CRB_EGRESS_PROBE_H

#include "base/err.h"
#include "base/loop.h"
#include "broker/bus/messages.h"
#include "broker/egress/trust.h"

/*
 * Whether an upstream can be reached: its name resolves, its address is one
 * that the credential may go to, it takes a connection, and its certificate
 * is trusted.  Nothing is sent over the connection, and no secret is known
 * here.  So many at once, each for so long at most.
 */
#define CRB_PROBES_MAX 64
/* Less than the core waits for an answer. */
#define CRB_PROBE_MS 8000

struct crb_probes;

struct crb_probes_options {
	struct crb_loop *loop;
	struct crb_trust *trust; /* borrowed */
	/* A probe has come to its end. */
	void (*probed)(void *ctx, const struct crb_msg_probed *probed);
	void *ctx;
};

CRB_NODISCARD enum crb_status crb_probes_new(
    const struct crb_probes_options *options, struct crb_probes **out,
    struct crb_err *err);
/* Breaks off what is under way, silently.  NULL is allowed. */
void crb_probes_free(struct crb_probes *probes);

/* Ends with a call of `probed`, from here if it cannot even start. */
void crb_probes_start(
    struct crb_probes *probes, const struct crb_msg_probe *msg);

#endif /* !CRB_EGRESS_PROBE_H */
