#include "broker/core/grant.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/core/credential.h"

#define GRANT_TEXT_MAX 8192

static void
grant_free(struct crb_grant *grant)
{
	crb_scope_clear(&grant->scope);
	free(grant->scope_text);
	free(grant->credential);
	free(grant->key);
	free(grant);
}

static void
grant_cleanup(struct crb_grant **grant)
{
	if (*grant != NULL)
		grant_free(*grant);
}

void
crb_grant_release(struct crb_grant *grant)
{
	if (grant == NULL || --grant->references > 0)
		return;
	(void)crb_map_take(grant->map, grant->key, strlen(grant->key));
	grant_free(grant);
}

static enum crb_status
make_key(struct crb_grant *grant, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf key = CRB_BUF_INIT(GRANT_TEXT_MAX);
	size_t start;

	crb_buf_str(&key, grant->backend->kind);
	crb_buf_char(&key, ' ');
	start = key.len;
	crb_buf_str(&key, grant->credential);
	if (grant->scope_text[0] != '\0')
		crb_buf_char(&key, ':');
	crb_buf_str(&key, grant->scope_text);
	if ((grant->key = crb_buf_steal(&key)) == NULL)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "grant of %s: the scope is too long", grant->credential);
	grant->text = grant->key + start;
	return CRB_OK;
}

static enum crb_status
make(const struct crb_backend_ops *backend, const char *text,
    struct crb_grant **out, struct crb_err *err)
{
	__attribute__((cleanup(grant_cleanup))) struct crb_grant *grant = NULL;
	CRB_AUTO_FREE char *scope = NULL;
	enum crb_status status;

	if ((grant = calloc(1, sizeof(*grant))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	grant->backend = backend;
	status = crb_grant_split(text, &grant->credential, &scope, err);
	if (status != CRB_OK)
		return status;
	status = crb_scope_parse(
	    scope, backend->attributes, &grant->scope, err);
	if (status != CRB_OK)
		return crb_err_context(err, "grant %s: backend %s",
		    grant->credential, backend->kind);
	if ((grant->scope_text = crb_scope_text(&grant->scope)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if ((status = make_key(grant, err)) != CRB_OK)
		return status;
	*out = CRB_STEAL(grant);
	return CRB_OK;
}

enum crb_status
crb_grant_get(struct crb_map *map, const struct crb_backend_ops *backend,
    const char *text, struct crb_grant **out, struct crb_err *err)
{
	__attribute__((cleanup(grant_cleanup))) struct crb_grant *grant = NULL;
	struct crb_grant *found;
	enum crb_status status;

	if ((status = make(backend, text, &grant, err)) != CRB_OK)
		return status;
	if ((found = crb_map_text(map, grant->key)) != NULL) {
		found->references++;
		*out = found;
		return CRB_OK;
	}
	status = crb_map_put(map, grant->key, strlen(grant->key), grant, err);
	if (status != CRB_OK)
		return status;
	grant->map = map;
	grant->references = 1;
	*out = CRB_STEAL(grant);
	return CRB_OK;
}

bool
crb_grant_mints(const struct crb_grant *grant)
{
	for (size_t i = 0; i < grant->scope.count; i++) {
		const struct crb_scope_attribute *at = &grant->scope.at[i];

		if (strcmp(at->attribute->name, "delivery") != 0)
			continue;
		for (size_t k = 0; k < at->count; k++)
			if (strcmp(at->value[k], "inject") == 0)
				return false;
	}
	return grant->backend->mints;
}

const char *
crb_grant_delivery(const struct crb_grant *grant)
{
	return crb_grant_mints(grant) ? "mint" : "inject";
}

/* What its table cannot say of a scope may depend on the parameters. */
static enum crb_status
check_scope(const struct crb_credential *credential,
    const struct crb_grant *grant, struct crb_err *err)
{
	enum crb_status status;

	if (credential->backend->check_scope == NULL)
		return CRB_OK;
	status = credential->backend->check_scope(
	    credential->params, &grant->scope, err);
	return status == CRB_OK
	    ? CRB_OK
	    : crb_err_context(err, "grant %s", credential->name);
}

enum crb_status
crb_grant_resolve(struct crb_map *map, const struct crb_map *credentials,
    const char *text, struct crb_grant **out, struct crb_err *err)
{
	CRB_AUTO_FREE char *name = NULL, *scope = NULL;
	struct crb_credential *credential;
	struct crb_grant *grant;
	enum crb_status status;

	if ((status = crb_grant_split(text, &name, &scope, err)) != CRB_OK)
		return status;
	status = crb_credential_find(credentials, name, &credential, err);
	if (status != CRB_OK)
		return crb_err_context(err, "grant");
	status = crb_grant_get(map, credential->backend, text, &grant, err);
	if (status != CRB_OK)
		return status;
	status = check_scope(credential, grant, err);
	if (status == CRB_OK)
		*out = grant;
	else
		crb_grant_release(grant);
	return status;
}
