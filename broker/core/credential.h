#ifndef CRB_CREDENTIAL_H
#define CRB_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "backends/backend.h"
#include "base/secret.h"
#include "broker/core/map.h"
#include "broker/vault/vault.h"

/*
 * A credential: a named entry with its backend, parameters and secret, and
 * what routing needs of it, worked out once.
 */
#define CRB_NAME_MAX 64
struct crb_credential {
	struct crb_record_id record;
	char name[CRB_NAME_MAX + 1];
	const struct crb_backend_ops *backend;
	json_t *params;
	struct crb_secret *secret;
	int64_t created, changed, used; /* wall seconds; used 0: never */
	int64_t kept;                   /* used, as the record has it */
	struct crb_route route;
	char *authority[CRB_ORIGINS_MAX]; /* as it stands in URLs */
	char *job_params;                 /* JSON, without the CA; jansson's */
	bool busy;                        /* a change is being committed */
};

/* What was typed or piped in becomes what is stored: *secret is replaced. */
CRB_NODISCARD enum crb_status crb_credential_secret(
    const char *backend, struct crb_secret **secret, struct crb_err *err);

/*
 * Name, parameters and secret are checked.  `params` (NULL: none) is
 * borrowed; *secret is taken on success.
 */
CRB_NODISCARD enum crb_status crb_credential_new(const char *name,
    const char *backend, json_t *params, struct crb_secret **secret,
    struct crb_credential **out, struct crb_err *err);
void crb_credential_free(struct crb_credential *credential);

/* The record, secret included, and back. */
json_t *crb_credential_record(const struct crb_credential *credential);
CRB_NODISCARD enum crb_status crb_credential_load(
    const struct crb_record_id *id, const struct crb_secret *plain,
    struct crb_credential **out, struct crb_err *err);

/* What people may see; NULL without memory. */
json_t *crb_credential_shown(const struct crb_credential *credential);

/* The origin that a URL's authority names, exactly; or NULL. */
const struct crb_origin *crb_credential_origin(
    const struct crb_credential *credential, const char *authority);

/* CRB_ERR_NOT_FOUND names the nearest one there is. */
CRB_NODISCARD enum crb_status crb_credential_find(const struct crb_map *map,
    const char *name, struct crb_credential **out, struct crb_err *err);

#define CRB_AUTO_CREDENTIAL __attribute__((cleanup(crb_credential_cleanup)))
static inline void
crb_credential_cleanup(struct crb_credential **credential)
{
	crb_credential_free(*credential);
}

#endif /* !CRB_CREDENTIAL_H */
