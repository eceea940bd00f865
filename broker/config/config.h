#ifndef CRB_CONFIG_H
#define CRB_CONFIG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/options.h"
#include "base/path.h"
#include "broker/config/roles.h"

/*
 * Places and settings.  /etc/credbroker/credbroker.json, /var/lib/credbroker
 * and /run/credbroker for root; the XDG directories for anybody else.
 */
struct crb_config {
	const char *file;     /* that was read; NULL: there is none */
	const char *state;    /* folder of vault, store, audit log */
	const char *runtime;  /* folder of admin.sock and sessions/ */
	const char *key_file; /* unlock with it at start; or NULL */
	/* Of policies; NULL: the usual one */
	const char *policy_folder;
	const char *ca_file; /* the system's certificates; NULL: OpenSSL's */
	const char *proxy;   /* outbound proxy's URL; or NULL */
	/* As whom root's broker runs them, name or number; or NULL */
	const char *core_user, *gateway_user, *egress_user;
	/* Run for each approval that is asked for: a program and what it is
	 * given; and as whom, for root's broker, or NULL */
	struct crb_list approval_hook;
	const char *approval_hook_user;
	int64_t ttl; /* of a session, seconds: default */
	int64_t ttl_max;
	int64_t sessions_max;
	int64_t connections_max;     /* a session */
	int64_t exchanges_max;       /* a session, at once */
	int64_t requests_per_minute; /* a session; each leaves audit lines */
	int64_t approval_wait;       /* seconds that a request is held */
	int64_t approval_ttl;        /* seconds to approve it, and to use it */
	struct crb_roles *roles;     /* NULL: the key is not there */
	struct crb_list
	    read_only;         /* more names that `run` does not let write */
	bool allow_no_sandbox; /* `run --no-sandbox`, for one's own broker */
	json_t *json;          /* owns the strings */
	char places[4][CRB_PATH_MAX];
};

extern const struct crb_option crb_config_options[];
/* The one key that is no option: it has a structure. */
#define CRB_CONFIG_ROLES "roles"

/*
 * Read `path`, or the usual file when it is NULL (which need not exist); ""
 * is none, only defaults.  A file that others can write, an unknown key, or a
 * bad value is an error that says file, line and key.  Strings point into
 * *out, which is not to be moved.
 *
 * Places that neither the file nor the environment tells are "", but with a
 * NULL `path` that is an error.  So a process whose environment was cleared
 * can read the file whose path it was given.
 */
CRB_NODISCARD enum crb_status crb_config_load(
    const char *path, struct crb_config *out, struct crb_err *err);
/*
 * The same from `fd`, which whoever opened `path` has vetted: for a process
 * that may not open it.
 */
CRB_NODISCARD enum crb_status crb_config_load_fd(
    int fd, const char *path, struct crb_config *out, struct crb_err *err);
void crb_config_clear(struct crb_config *config);
/* *to is cleared and becomes *from, which is empty then. */
void crb_config_take(struct crb_config *to, struct crb_config *from);

/*
 * The keys that a running broker does not read again; ends with NULL.  All
 * others take effect at a reload.
 */
extern const char *const crb_config_at_start[];
/* Whether two files (their JSON, or NULL) say something else of a key. */
bool crb_config_differs(const json_t *a, const json_t *b, const char *key);

/* What a file says; `file` is what errors call it.  Places stay NULL. */
CRB_NODISCARD enum crb_status crb_config_parse(const char *text, size_t len,
    const char *file, struct crb_config *out, struct crb_err *err);

/* $CREDBROKER_ADMIN_SOCKET, or runtime/admin.sock. */
CRB_NODISCARD enum crb_status crb_config_admin_socket(
    const struct crb_config *config, char out[CRB_PATH_MAX],
    struct crb_err *err);

/*
 * Where policies are: the organization's in the machine's folder, those of the
 * other tiers in the broker's.  Both are the same for root's broker, and only
 * there does `policy_folder` move the organization's: no user has a say in it.
 */
struct crb_policy_places {
	char organization[CRB_PATH_MAX];
	char policy[CRB_PATH_MAX];
};
CRB_NODISCARD enum crb_status crb_config_policy_places(
    const struct crb_config *config, struct crb_policy_places *out,
    struct crb_err *err);

#endif /* !CRB_CONFIG_H */
