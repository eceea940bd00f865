#ifndef CRB_ERR_H
#define CRB_ERR_H

/*
 * Errors.  A fallible function returns enum crb_status and takes a final
 * `struct crb_err *err`.  On success *err is untouched; on failure it is
 * filled exactly once, where it failed, and callers may only add context in
 * front of it.  A crb_err owns no memory, so it can report out-of-memory, and
 * it never holds secret bytes.
 */

#define CRB_NODISCARD __attribute__((warn_unused_result))
#define CRB_PRINTF(f, a) __attribute__((format(printf, f, a)))

enum crb_status {
	CRB_OK = 0,
	CRB_ERR_INVALID, /* the input is malformed */
	CRB_ERR_USAGE,   /* the command line is */
	CRB_ERR_DENIED,  /* policy says no */
	CRB_ERR_ROLE,    /* this user may not do that */
	CRB_ERR_OUTSIDE, /* the client is not on the broker's host */
	CRB_ERR_NOT_FOUND,
	CRB_ERR_EXISTS,      /* there is one already, or it has changed */
	CRB_ERR_LOCKED,      /* the vault is locked */
	CRB_ERR_UNREACHABLE, /* no broker answers */
	CRB_ERR_UPSTREAM, /* the service behind a credential failed or lied */
	CRB_ERR_TIMEOUT,
	CRB_ERR_LIMIT,      /* a bound was reached; later may work */
	CRB_ERR_TOO_LARGE,  /* one input is over its bound */
	CRB_ERR_CORRUPT,    /* data at rest is not what was written */
	CRB_ERR_UNRECORDED, /* the audit record could not be made durable */
	CRB_ERR_PENDING,    /* somebody has to approve it, and has not yet */
	CRB_ERR_DECLINED,   /* somebody was asked to approve it, and denied */
	CRB_ERR_UNASKABLE,  /* nobody can be shown all of it to approve it */
	CRB_ERR_NOMEM,
	CRB_ERR_SYSTEM, /* a system call failed */
	CRB_STATUS_COUNT
};

#define CRB_ERR_MSG_MAX 512

struct crb_err {
	enum crb_status status;
	char msg[CRB_ERR_MSG_MAX];
};

/* Fill *err and return `status`, so that a failure is one statement. */
enum crb_status crb_err_set(struct crb_err *err, enum crb_status status,
    const char *fmt, ...) CRB_PRINTF(3, 4);

/* As crb_err_set(CRB_ERR_SYSTEM), with ": " and strerror(errno) behind. */
enum crb_status crb_err_errno(struct crb_err *err, const char *fmt, ...)
    CRB_PRINTF(2, 3);

/* Put "context: " in front of the message; returns err->status. */
enum crb_status crb_err_context(struct crb_err *err, const char *fmt, ...)
    CRB_PRINTF(2, 3);

/*
 * None of the three returns CRB_OK, and the compiler is told so: what the
 * caller would do after a success needs no thought after a failure.
 */
#define CRB_FAILURE(call)                          \
	__extension__({                            \
		enum crb_status failure_ = (call); \
		if (failure_ == CRB_OK)            \
			__builtin_unreachable();   \
		failure_;                          \
	})
#define crb_err_set(...) CRB_FAILURE(crb_err_set(__VA_ARGS__))
#define crb_err_errno(...) CRB_FAILURE(crb_err_errno(__VA_ARGS__))
#define crb_err_context(...) CRB_FAILURE(crb_err_context(__VA_ARGS__))

/* What a status is called where people and programs meet it: one table. */
struct crb_status_info {
	const char *code;  /* "policy_denied": JSON, Credbroker-Error */
	const char *title; /* "Denied by policy" */
	unsigned http;     /* 403 */
	int exit;          /* DESIGN 8: 0 done, 1 refused, 2 usage, ... */
};
const struct crb_status_info *crb_status_info(enum crb_status status);

/* The status that has this code; CRB_ERR_SYSTEM when none has. */
enum crb_status crb_status_from_code(const char *code);

#endif /* !CRB_ERR_H */
