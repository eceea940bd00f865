#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct crb_status_info infos[CRB_STATUS_COUNT] = {
	[CRB_OK] = { "ok", "Done", 200, 0 },
	[CRB_ERR_INVALID] = { "invalid_request", "Invalid request", 400, 2 },
	[CRB_ERR_USAGE] = { "usage", "Wrong usage", 400, 2 },
	[CRB_ERR_DENIED] = { "policy_denied", "Denied by policy", 403, 1 },
	[CRB_ERR_ROLE] = { "denied", "Not for this user", 403, 1 },
	[CRB_ERR_OUTSIDE] = { "outside_host", "Not on the broker's host", 403,
	    1 },
	[CRB_ERR_NOT_FOUND] = { "not_found", "Not found", 404, 5 },
	[CRB_ERR_EXISTS] = { "exists", "Exists already, or has changed", 409,
	    5 },
	[CRB_ERR_LOCKED] = { "broker_locked", "The broker is locked", 503, 3 },
	[CRB_ERR_UNREACHABLE] = { "unreachable", "The broker is not reachable",
	    503, 3 },
	[CRB_ERR_UPSTREAM] = { "upstream_failed", "Upstream failed", 502, 4 },
	[CRB_ERR_TIMEOUT] = { "timeout", "Timed out", 504, 4 },
	[CRB_ERR_LIMIT] = { "limit", "A limit is reached", 429, 5 },
	[CRB_ERR_TOO_LARGE] = { "too_large", "Too large", 413, 5 },
	[CRB_ERR_CORRUPT] = { "corrupt", "Stored data is damaged", 500, 5 },
	[CRB_ERR_UNRECORDED] = { "audit_unavailable",
	    "The audit record cannot be written", 503, 5 },
	[CRB_ERR_PENDING] = { "approval_pending", "Approval pending", 403, 1 },
	[CRB_ERR_DECLINED] = { "approval_denied", "Approval denied", 403, 1 },
	[CRB_ERR_UNASKABLE] = { "approval_too_large",
	    "Too large to be approved", 403, 1 },
	[CRB_ERR_NOMEM] = { "no_memory", "Out of memory", 503, 5 },
	[CRB_ERR_SYSTEM] = { "internal_error", "Internal error", 500, 5 },
};

static void format(struct crb_err *err, const char *behind, const char *fmt,
    va_list ap) CRB_PRINTF(3, 0);

/* Formatted aside, since the arguments may point into err->msg. */
static void
format(struct crb_err *err, const char *behind, const char *fmt, va_list ap)
{
	char msg[CRB_ERR_MSG_MAX];
	size_t len;

	if (vsnprintf(msg, sizeof(msg), fmt, ap) < 0)
		msg[0] = '\0';
	len = strlen(msg);
	if (behind != NULL)
		(void)snprintf(msg + len, sizeof(msg) - len, ": %s", behind);
	memcpy(err->msg, msg, sizeof(msg));
}

enum crb_status(crb_err_set)(
    struct crb_err *err, enum crb_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format(err, NULL, fmt, ap);
	va_end(ap);
	err->status = status;
	return status;
}

enum crb_status(crb_err_errno)(struct crb_err *err, const char *fmt, ...)
{
	const char *why = strerrordesc_np(errno);
	va_list ap;

	va_start(ap, fmt);
	format(err, why != NULL ? why : "unknown error", fmt, ap);
	va_end(ap);
	err->status = CRB_ERR_SYSTEM;
	return CRB_ERR_SYSTEM;
}

enum crb_status(crb_err_context)(struct crb_err *err, const char *fmt, ...)
{
	char behind[CRB_ERR_MSG_MAX];
	va_list ap;

	memcpy(behind, err->msg, sizeof(behind));
	va_start(ap, fmt);
	format(err, behind, fmt, ap);
	va_end(ap);
	return err->status;
}

const struct crb_status_info *
crb_status_info(enum crb_status status)
{
	if ((unsigned)status >= CRB_STATUS_COUNT)
		return &infos[CRB_ERR_SYSTEM];
	return &infos[status];
}

enum crb_status
crb_status_from_code(const char *code)
{
	for (unsigned i = 0; i < CRB_STATUS_COUNT; i++) {
		if (strcmp(infos[i].code, code) == 0)
			return (enum crb_status)i;
	}
	return CRB_ERR_SYSTEM;
}
