#ifndef CRB_CORE_H
#define CRB_CORE_H

#include <sys/queue.h>

#include "base/loop.h"
#include "broker/config/config.h"
#include "broker/core/audit.h"
#include "broker/core/commit.h"
#include "broker/core/confined.h"
#include "broker/core/link.h"
#include "broker/core/map.h"
#include "broker/core/turns.h"
#include "broker/vault/vault.h"

/*
 * The core: what holds the keys, the store, the sessions and the audit log,
 * and decides.  One thread, one loop.  The maps of credentials, profiles and
 * sessions, the audit log and the commit are there only while it is unlocked.
 */
struct crb_session;
struct crb_admin;
struct crb_users;
struct crb_unlocking;
struct crb_ending;
TAILQ_HEAD(crb_session_list, crb_session);
struct crb_lease_record;
TAILQ_HEAD(crb_lease_records, crb_lease_record);
struct crb_mint;
TAILQ_HEAD(crb_mint_list, crb_mint);
struct crb_policies;
struct crb_approvals;
struct crb_hold;
TAILQ_HEAD(crb_hold_list, crb_hold);
struct crb_work;
TAILQ_HEAD(crb_work_list, crb_work);

/* What the last look at the configuration came to. */
struct crb_reload_state {
	int64_t loaded;                /* wall seconds */
	char problem[CRB_ERR_MSG_MAX]; /* why the last one was not taken, or ""
					*/
	json_t *first;   /* the file, as it was at start; or NULL */
	json_t *restart; /* keys that wait for a restart; NULL: none */
};

struct crb_core {
	struct crb_loop *loop;
	struct crb_config config;
	uid_t owner; /* whose broker it is; the core may run as another */
	struct crb_roles *roles; /* as at start; NULL: the default */
	struct crb_users *users;
	const char *state_folder; /* borrowed for good */
	const char *runtime_folder;
	/* Of the policies: the organization's, and the others'; or NULL. */
	const char *organization_folder, *policy_folder;
	const char *key_file; /* or NULL */
	int64_t started;      /* the loop's clock, ms */

	struct crb_link supervisor, gateway, egress;
	struct crb_core_confinement confinement;
	struct crb_admin *admin; /* NULL until policies were read */
	int admin_socket;        /* until then; -1: not there */

	struct crb_vault *vault;
	struct crb_audit *audit;   /* NULL: locked */
	struct crb_commit *commit; /* NULL: locked */
	bool commit_failed;        /* the last one did: nothing happens */
	struct crb_err commit_why; /* of that */
	struct crb_timer retry;    /* then: whether one works again */
	struct crb_timer keep;     /* writes down what sessions counted */
	char *ca;                  /* of the config's ca_file, PEM; or NULL */
	bool locking;              /* no more changes */
	bool lock_due;             /* at the end of this turn */
	struct crb_ending *lock_ending;  /* then: what waits for it; or NULL */
	struct crb_unlocking *unlocking; /* by passphrase, under way */

	struct crb_policies *policies; /* that are in force */
	struct crb_err policies_why;   /* why they allow nothing, when asked */
	struct crb_approvals *approvals; /* that are asked for */
	struct crb_hold_list holds;      /* exchanges that wait */
	size_t held_bytes;               /* that were shown of them */
	struct crb_turns turns;          /* of pushes that take long */
	/* Other policies or credentials than before: so often. */
	uint64_t terms;

	struct crb_map credentials;             /* by name */
	struct crb_map profiles;                /* by name */
	struct crb_map grants;                  /* by key */
	struct crb_map sessions;                /* by id */
	struct crb_session_list list;           /* oldest first */
	struct crb_map exchanges;               /* by the gateway's number */
	struct crb_map jobs;                    /* the same, by the egress's */
	struct crb_lease_records lease_records; /* of sessions that are gone */
	size_t lease_record_count;              /* and of all others */
	struct crb_mints {
		struct crb_mint_list list;
		unsigned count, running;
		struct crb_timer timer; /* starts more of them */
	} mints;
	unsigned issuing;         /* calls of session.issue under way */
	unsigned testing;         /* calls of credential.test under way */
	struct crb_timer poll;    /* for processes without a pidfd */
	struct crb_timer missed;  /* announces sessions once more */
	struct crb_timer streams; /* closes those that wait for long */
	bool streams_due;
	unsigned polled;
	size_t reopening;             /* folders asked for and not there yet */
	struct crb_session *reopen;   /* the next one to reopen */
	struct crb_session *announce; /* the next one to announce */
	json_t *locked_ids;           /* told the gateway that it is locked */

	struct crb_work_list works; /* on threads of their own */
	unsigned work_count;

	uint64_t last_job;
	uint32_t last_stream;
	bool ready_said, ready_locked;
	struct crb_reload_state reload; /* of the configuration */
	struct {
		int64_t descriptors, locked_memory; /* -1: none */
	} limits; /* of every process, as the supervisor raised them */
	bool stopping;
};

struct crb_core_options {
	struct crb_loop *loop;
	const char *state_folder, *runtime_folder;
	/* What files of policies are called; the supervisor opens them. */
	const char *organization_folder, *policy_folder;
	const char *config_file; /* NULL: defaults */
	const char *key_file;    /* NULL: stay locked */
	uid_t owner;             /* the user whose broker it is */
	int supervisor;          /* taken, also on failure */
	/* The two files, when whoever started us has opened them; or 0. */
	int config_fd, key_fd;               /* taken */
	const struct crb_confined *confined; /* NULL: not at all */
};

/* The vault is opened and, with a key file, unlocked. */
CRB_NODISCARD enum crb_status crb_core_new(
    const struct crb_core_options *options, struct crb_core **out,
    struct crb_err *err);
/* Everything collected is written; sessions stay in the store. */
void crb_core_free(struct crb_core *core);

bool crb_core_unlocked(const struct crb_core *core);
/* CRB_ERR_LOCKED says what to do about it. */
CRB_NODISCARD enum crb_status crb_core_need_unlocked(
    const struct crb_core *core, struct crb_err *err);
/* CRB_ERR_UNRECORDED: nothing may happen, since it could not be recorded. */
CRB_NODISCARD enum crb_status crb_core_need_record(
    const struct crb_core *core, struct crb_err *err);

/* How a commit went: a failure stops everything until one works again. */
void crb_core_committed(struct crb_core *core, const struct crb_err *why);

/*
 * Tell the supervisor that requests can be served: once, and again whenever
 * the vault is locked or unlocked.
 */
void crb_core_say_ready(struct crb_core *core);

/* The names of the host's users and groups, as they are now. */
void crb_core_read_users(struct crb_core *core);

/* The certificates of a configuration's ca_file; NULL for none. */
CRB_NODISCARD enum crb_status crb_core_load_ca(
    const struct crb_config *config, char **out, struct crb_err *err);

#endif /* !CRB_CORE_H */
