#ifndef CRB_IMDS_H
#define CRB_IMDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/text.h"
#include "base/token.h"
#include "broker/bus/messages.h"

/*
 * The EC2 instance metadata of one session, version 2 only: its tokens, and
 * what is at which path (docs.aws.amazon.com, "Use the Instance Metadata
 * Service").  Pure: the clock is a parameter, in milliseconds of a clock that
 * is never set.
 */
#define CRB_IMDS_TTL_MAX 21600 /* seconds */
#define CRB_IMDS_TOKENS_MAX 256
#define CRB_IMDS_TOKEN_LEN 43 /* base62: 256 bits */
/* Clients make keys last longer than they do: none with less is handed out. */
#define CRB_IMDS_LEASE_MIN 600 /* seconds */

struct crb_imds_token {
	unsigned char hash[CRB_TOKEN_HASH_BYTES];
	int64_t due;
};

struct crb_imds {
	char name[CRB_TASK_MAX + 1]; /* the role: a credential's */
	char region[CRB_REGION_MAX + 1];
	char account[17];
	char instance[20]; /* "i-0123456789abcdef0" */
	struct crb_imds_token *tokens;
	size_t count, room;
};

/*
 * Fill in all but the tokens, which stay.  False, and nothing is changed, when
 * something of it could not be a part of a path or a document.
 */
bool crb_imds_describe(
    struct crb_imds *imds, const struct crb_msg_session_imds *msg);
/* Wipes. */
void crb_imds_clear(struct crb_imds *imds);

/* The header of a request for a token: 1 to CRB_IMDS_TTL_MAX, in digits. */
bool crb_imds_ttl_parse(struct crb_slice text, uint32_t *seconds);
/*
 * A new token; the one that ends first makes room for it.  Only its hash is
 * kept.  False when out of memory.
 */
bool crb_imds_issue(struct crb_imds *imds, int64_t now, uint32_t seconds,
    char out[CRB_IMDS_TOKEN_LEN + 1]);
/* It was issued and is not over; the hashes are compared in constant time. */
bool crb_imds_accepts(
    const struct crb_imds *imds, struct crb_slice token, int64_t now);

enum crb_imds_kind {
	CRB_IMDS_NOTHING,
	CRB_IMDS_TEXT,
	CRB_IMDS_JSON,
	CRB_IMDS_KEYS, /* a lease of imds->name */
};

/*
 * What is at a target ("/latest/...", a query included), written to `out`;
 * `wall` in seconds.
 */
enum crb_imds_kind crb_imds_find(const struct crb_imds *imds,
    const char *target, int64_t wall, struct crb_buf *out);

#endif /* !CRB_IMDS_H */
