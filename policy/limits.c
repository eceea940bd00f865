#include "policy/limits.h"

const struct crb_limit_info crb_limit_infos[CRB_LIMITS] = {
	[CRB_LIMIT_SESSION_LIFETIME] = { "session_lifetime", CRB_LIMIT_SECONDS,
	    1, "how long a session may live" },
	[CRB_LIMIT_CREDENTIAL_LIFETIME] = { "credential_lifetime",
	    CRB_LIMIT_SECONDS, 1, "how long what is minted may live" },
	[CRB_LIMIT_SESSIONS_PER_USER] = { "sessions_per_user", CRB_LIMIT_COUNT,
	    0, "live sessions that one user has issued" },
	[CRB_LIMIT_SESSIONS_PER_TASK] = { "sessions_per_task", CRB_LIMIT_COUNT,
	    0, "live sessions of one task" },
	[CRB_LIMIT_MINTS] = { "mints_per_session", CRB_LIMIT_COUNT, 0,
	    "mints of one session" },
	[CRB_LIMIT_REQUESTS] = { "requests_per_session", CRB_LIMIT_COUNT, 0,
	    "injected requests of one session" },
	[CRB_LIMIT_BYTES] = { "bytes_per_session", CRB_LIMIT_BYTES_UNIT, 0,
	    "bytes of bodies that one session sends and receives" },
	[CRB_LIMIT_REQUESTS_PER_MINUTE] = { "requests_per_minute",
	    CRB_LIMIT_COUNT, 1, "injected requests of one session a minute" },
	[CRB_LIMIT_CONCURRENT_REQUESTS] = { "concurrent_requests",
	    CRB_LIMIT_COUNT, 1, "injected requests of one session at once" },
};

void
crb_limits_init(struct crb_limits *limits)
{
	for (size_t i = 0; i < CRB_LIMITS; i++) {
		limits->most[i] = CRB_UNLIMITED;
		limits->tier[i] = NULL;
	}
}

void
crb_limits_narrow(
    struct crb_limits *limits, const struct crb_limits *by, const char *tier)
{
	for (size_t i = 0; i < CRB_LIMITS; i++) {
		if (by->most[i] >= limits->most[i])
			continue;
		limits->most[i] = by->most[i];
		limits->tier[i] = tier;
	}
}
