#ifndef CRB_CONFIG_ROLES_H
#define CRB_CONFIG_ROLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"

/*
 * The key `roles` of the configuration: who may use the admin socket for what.
 *
 *	"roles": {
 *	  "admin": ["user:alice", "group:ops"],
 *	  "issuer": [{"who": ["group:dev"], "profiles": ["web"],
 *	              "credentials": ["github"]}],
 *	  "approver": ["uid:1004"],
 *	  "auditor": ["gid:300"]
 *	}
 */
#define CRB_ROLES_MEMBERS_MAX 256
#define CRB_ROLES_ISSUERS_MAX 64
#define CRB_ROLES_NAMES_MAX 256

struct crb_member {
	bool group;
	char *name;    /* "alice"; NULL: `id` was given as a number */
	uint32_t id;   /* uid or gid, once resolved */
	unsigned line; /* of the file; 0: not known */
};

struct crb_members {
	size_t count;
	struct crb_member *at;
};

/* Names of profiles or credentials. */
struct crb_names {
	bool all; /* "*" is among them */
	size_t count;
	char **at;
};

/* Who may issue sessions, and with what. */
struct crb_issuer {
	struct crb_members who;
	struct crb_names profiles, credentials;
};

struct crb_roles {
	struct crb_members admin, approver, auditor;
	size_t issuer_count;
	struct crb_issuer *issuer;
};

/*
 * Read the key's value.  `text` is the whole file, in which lines are found;
 * an error says file, line and key, never the value.  No name is looked up.
 */
struct crb_roles_source {
	const char *file;
	const char *text;
	size_t len;
};
CRB_NODISCARD enum crb_status crb_roles_parse(const json_t *value,
    const struct crb_roles_source *source, struct crb_roles **out,
    struct crb_err *err);
void crb_roles_free(struct crb_roles *roles);

/*
 * Numbers for names, from /etc/passwd and /etc/group, or, in tests, from
 * `lookup`.  CRB_ERR_INVALID names file and line of one that is not there.
 */
typedef bool crb_lookup_fn(bool group, const char *name, uint32_t *id);
CRB_NODISCARD enum crb_status crb_roles_resolve(struct crb_roles *roles,
    const char *file, crb_lookup_fn *lookup, struct crb_err *err);

/* Whether anybody but root and this user has a role, once names are resolved.
 * NULL gives nobody one. */
bool crb_roles_name_others(const struct crb_roles *roles, uid_t owner);

#endif /* !CRB_CONFIG_ROLES_H */
