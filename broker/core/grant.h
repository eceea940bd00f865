#ifndef CRB_GRANT_H
#define CRB_GRANT_H

#include "backends/backend.h"
#include "broker/core/map.h"

/*
 * A grant: a credential, by name, narrowed by a scope.  Sessions that were
 * given the same share one.
 */
struct crb_grant {
	char *key;        /* "static github:git=fetch,..." */
	const char *text; /* behind the blank of the key: canonical */
	char *credential;
	char *scope_text;
	const struct crb_backend_ops *backend;
	struct crb_scope scope;
	struct crb_map *map;
	unsigned references;
};

/* "NAME[:SCOPE]" for a credential of this backend; release it. */
CRB_NODISCARD enum crb_status crb_grant_get(struct crb_map *map,
    const struct crb_backend_ops *backend, const char *text,
    struct crb_grant **out, struct crb_err *err);
void crb_grant_release(struct crb_grant *grant);

/* It is handed out, since its backend mints and its scope says nothing else.
 */
bool crb_grant_mints(const struct crb_grant *grant);
/* "mint" or "inject" */
const char *crb_grant_delivery(const struct crb_grant *grant);

/* The same, the backend being that of the credential that it names. */
CRB_NODISCARD enum crb_status crb_grant_resolve(struct crb_map *map,
    const struct crb_map *credentials, const char *text, struct crb_grant **out,
    struct crb_err *err);

#endif /* !CRB_GRANT_H */
