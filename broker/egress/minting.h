#ifndef CRB_EGRESS_MINTING_H
#define CRB_EGRESS_MINTING_H

#include <sys/queue.h>

#include <curl/curl.h>

#include "backends/backend.h"
#include "broker/bus/messages.h"
#include "broker/egress/trust.h"

/*
 * One lease that is to be minted: what a MINT said, and after it has run what
 * a MINTED is to say.  It belongs to one thread at a time.
 */
struct crb_minting {
	TAILQ_ENTRY(crb_minting) link;
	int64_t since; /* crb_mint_clock(): when it came */
	uint32_t request;
	char session[CRB_SESSION_ID_MAX + 1];
	char kind[33];
	char *params, *order, *ca; /* owned texts */
	struct crb_secret *proxy;  /* owned: it may have a password in it */
	struct crb_secret *secret; /* owned; NULL when it has run */
	enum crb_status outcome;
	struct crb_err why; /* unless the outcome is CRB_OK */
	struct crb_minted minted;
	bool unsure; /* whether anything else was minted */
};
TAILQ_HEAD(crb_minting_list, crb_minting);

#define CRB_MINT_TRIES 3

struct crb_mint_limits {
	long pause_ms[CRB_MINT_TRIES - 1];
	long connect_ms;
	/* Of waiting, of all tries and of what is between them. */
	long whole_ms;
};

/* What a thread has that runs them. */
struct crb_minting_world {
	const struct crb_backend_ops *const *backends; /* NULL-terminated */
	const struct crb_mint_limits *limits;
	struct crb_trust *trust;
	CURLM *multi;
	/* Nothing more is to be tried. */
	bool (*stopped)(void *ctx);
	/* Sleep; false when `stopped` came first. */
	bool (*pause)(void *ctx, long ms);
	void *ctx;
};

CRB_NODISCARD enum crb_status crb_minting_new(const struct crb_msg_mint *msg,
    struct crb_minting **out, struct crb_err *err);
/* Wipes.  NULL is allowed. */
void crb_minting_free(struct crb_minting *minting);

/* Blocks.  The secret is gone when this returns, and in no text of it. */
void crb_minting_run(
    struct crb_minting *minting, const struct crb_minting_world *world);

/* It has failed without having run. */
void crb_minting_fail(struct crb_minting *minting, const struct crb_err *why);

/* `out` borrows from `minting`. */
void crb_minting_report(
    const struct crb_minting *minting, struct crb_msg_minted *out);

#define CRB_AUTO_MINTING __attribute__((cleanup(crb_minting_cleanup)))
static inline void
crb_minting_cleanup(struct crb_minting **minting)
{
	crb_minting_free(*minting);
}

#endif /* !CRB_EGRESS_MINTING_H */
