#ifndef CRB_ADMIN_H
#define CRB_ADMIN_H

#include <stdbool.h>
#include <sys/types.h>

#include <jansson.h>

#include "broker/core/core.h"
#include "broker/core/denial.h"
#include "broker/core/roles.h"
#include "broker/core/users.h"

/*
 * The admin socket's server: JSON-RPC 2.0, a line an object, one call of a
 * connection at a time (docs/admin-api.md).
 */
#define CRB_ADMIN_LINE_MAX (1u << 20)
#define CRB_ADMIN_CLIENTS_MAX 64
/* Of these for all who are no admins, and for one of them. */
#define CRB_ADMIN_OTHERS_MAX 48
#define CRB_ADMIN_EACH_MAX 16

/* Who is at the other end: the kernel's word, and what follows from it. */
struct crb_peer {
	uid_t uid;
	pid_t pid; /* of who connected; it may be gone, and its number reused */
	char who[CRB_WHO_TEXT]; /* "uid 1000 (alice)" */
	struct crb_access access;
	json_t *groups; /* crb_users_groups() of his; NULL: not known; owned */
};

/* A call under way.  Ended once, by _reply, _fail or _refuse. */
struct crb_call {
	struct crb_core *core;
	const struct crb_method *method;
	json_t *params; /* an object, only known members */
	uid_t uid;
	char who[CRB_WHO_TEXT]; /* "uid 1000 (alice)" */
	struct crb_access access;
	json_t *groups; /* of crb_peer; NULL: not known */
	json_t *id;
	struct crb_admin_client *client; /* NULL: it went away */
};

typedef void crb_method_fn(struct crb_call *call);
struct crb_method {
	const char *name;
	unsigned may;  /* CRB_MAY_*: any of these may call it, and admins */
	bool unlocked; /* needs the vault unlocked */
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

/*
 * Whether the caller may see a session, or change it: an admin all, an issuer
 * its own.  Who only looks sees all.
 */
bool crb_call_sees(
    const struct crb_call *call, const struct crb_session *session);
bool crb_call_owns(
    const struct crb_call *call, const struct crb_session *session);
/*
 * The session of this id, or of a prefix of it, among those that the caller
 * sees: others are not there for him.
 */
CRB_NODISCARD enum crb_status crb_call_session(const struct crb_call *call,
    const char *id, struct crb_session **out, struct crb_err *err);
/*
 * CRB_ERR_ROLE unless the caller may issue from it, or grant it.  Asked before
 * it is looked up: what there is besides is nothing to him.  One that could be
 * nobody's name is left to that.
 */
CRB_NODISCARD enum crb_status crb_call_may_profile(
    const struct crb_call *call, const char *profile, struct crb_err *err);
/* `grant` is "NAME[:SCOPE]". */
CRB_NODISCARD enum crb_status crb_call_may_grant(
    const struct crb_call *call, const char *grant, struct crb_err *err);
/* Log and audit that a call was refused; `session` may be NULL. */
void crb_call_refused(const struct crb_call *call, const char *session,
    const struct crb_err *why);

/* `listener` is taken. */
CRB_NODISCARD enum crb_status crb_admin_new(struct crb_core *core, int listener,
    struct crb_admin **out, struct crb_err *err);
/* Closes every connection; calls under way end without a reply. */
void crb_admin_free(struct crb_admin *admin);

/*
 * One line: decoded, checked against the table, called.  With client == NULL
 * it is what the fuzzer drives, as `uid`, of which no groups are known.
 */
void crb_admin_line(struct crb_admin *admin, struct crb_admin_client *client,
    uid_t uid, const char *line, size_t len);

/* rpc.c: NULL-named at its end. */
extern const struct crb_method crb_methods[];

#endif /* !CRB_ADMIN_H */
