#ifndef CRB_ADMIN_H
#define CRB_ADMIN_H

#include <stdbool.h>
#include <sys/types.h>

#include <jansson.h>

#include "broker/core/core.h"
#include "broker/core/denial.h"

/*
 * The admin socket's server: JSON-RPC 2.0, a line an object, one call of a
 * connection at a time (docs/admin-api.md).
 */
#define CRB_ADMIN_LINE_MAX (1u << 20)
#define CRB_ADMIN_CLIENTS_MAX 64

/* Who may call a method. */
enum crb_permission {
	CRB_PERMIT_ADMIN, /* changes credentials, profiles, the vault */
	CRB_PERMIT_ISSUE, /* sessions */
	CRB_PERMIT_READ,  /* looks only */
	CRB_PERMIT_AUDIT, /* reads the audit log */
};

/* A call under way.  Ended once, by _reply, _fail or _refuse. */
struct crb_call {
	struct crb_core *core;
	const struct crb_method *method;
	json_t *params; /* an object, only known members */
	uid_t uid;
	char who[24]; /* "uid 1000" */
	json_t *id;
	struct crb_admin_client *client; /* NULL: it went away */
};

typedef void crb_method_fn(struct crb_call *call);
struct crb_method {
	const char *name;
	enum crb_permission permission;
	bool unlocked;             /* needs the vault unlocked */
	const char *const *params; /* NULL-terminated */
	crb_method_fn *fn;
};

/* `result` is taken; NULL is an empty object. */
void crb_call_reply(struct crb_call *call, json_t *result);
void crb_call_fail(struct crb_call *call, const struct crb_err *why);
/* The same, with what to do next. */
void crb_call_fail_next(
    struct crb_call *call, const struct crb_err *why, const char *next);

/* Members of params; *out stays as it is when there is none. */
CRB_NODISCARD enum crb_status crb_call_text(const struct crb_call *call,
    const char *key, const char **out, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_call_number(const struct crb_call *call,
    const char *key, int64_t min, int64_t max, int64_t *out,
    struct crb_err *err);
CRB_NODISCARD enum crb_status crb_call_flag(const struct crb_call *call,
    const char *key, bool *out, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_call_object(const struct crb_call *call,
    const char *key, json_t **out, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_call_array(const struct crb_call *call,
    const char *key, json_t **out, struct crb_err *err);
/* The same, and it must be there. */
CRB_NODISCARD enum crb_status crb_call_need_text(const struct crb_call *call,
    const char *key, const char **out, struct crb_err *err);
/* Taken out of the params, which are wiped of it; NULL when not there. */
CRB_NODISCARD enum crb_status crb_call_secret(struct crb_call *call,
    const char *key, struct crb_secret **out, struct crb_err *err);

/* Root, and the user whose broker it is. */
bool crb_admin_admits(uid_t uid);

/* `listener` is taken. */
CRB_NODISCARD enum crb_status crb_admin_new(struct crb_core *core, int listener,
    struct crb_admin **out, struct crb_err *err);
/* Closes every connection; calls under way end without a reply. */
void crb_admin_free(struct crb_admin *admin);

/* Serve a connection, whose peer has this uid; taken. */
CRB_NODISCARD enum crb_status crb_admin_serve(
    struct crb_admin *admin, int fd, uid_t uid, struct crb_err *err);

/*
 * One line: decoded, checked against the table, called.  Called back through
 * client == NULL it is what the fuzzer drives.
 */
void crb_admin_line(struct crb_admin *admin, struct crb_admin_client *client,
    uid_t uid, const char *line, size_t len);

/* rpc.c: NULL-named at its end. */
extern const struct crb_method crb_methods[];

#endif /* !CRB_ADMIN_H */
