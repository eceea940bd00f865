#ifndef CRB_LOG_H
#define CRB_LOG_H

#include <stdint.h>

/*
 * Logging to standard error, one line an event: time, level, process, event,
 * key=value pairs.  The keys are an enum, so a value that nobody put on the
 * list cannot be logged; text is escaped and cut (base/text.h).
 */
enum crb_log_level { CRB_LOG_DEBUG, CRB_LOG_INFO, CRB_LOG_WARN, CRB_LOG_ERROR };

enum crb_log_key {
	CRB_LOG_END = 0,
	CRB_LOG_SESSION,      /* const char * */
	CRB_LOG_TASK,         /* const char * */
	CRB_LOG_CREDENTIAL,   /* const char *, the name */
	CRB_LOG_PROCESS,      /* const char *, "gateway" */
	CRB_LOG_PATH,         /* const char *, of a file of ours */
	CRB_LOG_REASON,       /* const char *, a crb_err's message */
	CRB_LOG_CODE,         /* const char *, of a status */
	CRB_LOG_HOST,         /* const char *, of an upstream */
	CRB_LOG_PID,          /* int64_t */
	CRB_LOG_UID,          /* int64_t */
	CRB_LOG_COUNT,        /* int64_t */
	CRB_LOG_STATUS,       /* int64_t, HTTP or exit */
	CRB_LOG_SIGNAL,       /* int64_t */
	CRB_LOG_MILLISECONDS, /* int64_t */
	CRB_LOG_BYTES,        /* int64_t */
	CRB_LOG_SESSIONS,     /* int64_t, at most at a time */
};

/* `process` is borrowed for good.  Before this, "credbroker". */
void crb_log_open(const char *process, enum crb_log_level least);

/*
 * crb_log(CRB_LOG_INFO, "session opened", CRB_LOG_SESSION, id,
 *     CRB_LOG_COUNT, (int64_t)n, CRB_LOG_END);
 */
void crb_log(enum crb_log_level level, const char *event, ...);

#endif /* !CRB_LOG_H */
