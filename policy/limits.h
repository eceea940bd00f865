#ifndef CRB_LIMITS_H
#define CRB_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* What a policy bounds beside what is done; each by a row of the table. */
enum crb_limit {
	CRB_LIMIT_SESSION_LIFETIME,    /* seconds */
	CRB_LIMIT_CREDENTIAL_LIFETIME, /* seconds, of what is minted */
	CRB_LIMIT_SESSIONS_PER_USER,
	CRB_LIMIT_SESSIONS_PER_TASK,
	CRB_LIMIT_MINTS,    /* of a session */
	CRB_LIMIT_REQUESTS, /* of a session */
	CRB_LIMIT_BYTES,    /* of a session, both ways */
	CRB_LIMIT_REQUESTS_PER_MINUTE,
	CRB_LIMIT_CONCURRENT_REQUESTS,
	CRB_LIMITS
};

#define CRB_UNLIMITED INT64_MAX

/* crb_limits_init() first. */
struct crb_limits {
	int64_t most[CRB_LIMITS]; /* CRB_UNLIMITED: not bounded */
	/* The tier whose bound it is; borrowed; NULL when there is none. */
	const char *tier[CRB_LIMITS];
};

enum crb_limit_unit {
	CRB_LIMIT_COUNT,
	CRB_LIMIT_SECONDS,
	CRB_LIMIT_BYTES_UNIT,
};

struct crb_limit_info {
	const char *name; /* "session_lifetime": the key in a policy */
	enum crb_limit_unit unit;
	int64_t least; /* that may be given */
	const char *help;
};
extern const struct crb_limit_info crb_limit_infos[CRB_LIMITS];

void crb_limits_init(struct crb_limits *limits);

/* Bounds of one more tier: the least wins, and of two alike the one that was
 * there. */
void crb_limits_narrow(
    struct crb_limits *limits, const struct crb_limits *by, const char *tier);

#endif /* !CRB_LIMITS_H */
