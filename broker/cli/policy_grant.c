#include "broker/cli/policy_grant.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"
#include "policy/attribute.h"

json_t *
crb_policy_credentials(struct crb_cli *cli, json_t *notes)
{
	CRB_AUTO_JSON json_t *result = NULL;
	struct crb_err err;

	if (crb_cli_call(cli, "credential.list", NULL, &result, &err) == CRB_OK)
		return json_incref(json_object_get(result, "credentials"));
	if (notes != NULL)
		(void)json_array_append_new(notes,
		    json_string(
			"the broker does not say which credentials there are"));
	return NULL;
}

const struct crb_backend_ops *
crb_policy_backend(
    const json_t *credentials, const char *name, const json_t **shown)
{
	const struct crb_backend_ops *backend = NULL;
	const json_t *credential;
	struct crb_err ignored;
	const char *is;
	size_t i;

	json_array_foreach(credentials, i, credential)
	{
		is = crb_member(credential, "name");
		if (is == NULL || strcmp(is, name) != 0)
			continue;
		*shown = credential;
		is = crb_member(credential, "backend");
		if (is != NULL &&
		    crb_backend_find(is, &backend, &ignored) == CRB_OK)
			return backend;
	}
	return NULL;
}

static bool
is_known(const char *name)
{
	return crb_policy_attribute_find(name) < CRB_POLICY_ATTRIBUTES;
}

static json_t *
list_of(json_t *members, const char *key)
{
	json_t *list = json_object_get(members, key);

	if (list == NULL) {
		list = json_array();
		(void)json_object_set_new(members, key, list);
	}
	return list;
}

/* Unless there is something about it already. */
static void
add_name(json_t *members, const char *key, const char *name)
{
	static const char *const lists[] = { "open", "later" };
	const json_t *there;
	size_t k;

	if (!is_known(name) ||
	    json_object_get(json_object_get(members, "scope"), name) != NULL)
		return;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		json_array_foreach(json_object_get(members, lists[i]), k, there)
		{
			if (strcmp(json_string_value(there), name) == 0)
				return;
		}
	}
	(void)json_array_append_new(list_of(members, key), json_string(name));
}

/* GitHub takes either letter case of a repository for the same. */
static bool
folds(const char *host)
{
	struct crb_slice name = CRB_SLICE(host);

	return strcmp(host, "github.com") == 0 ||
	    strcmp(host, "ghe.com") == 0 ||
	    crb_slice_ends(name, ".github.com") ||
	    crb_slice_ends(name, ".ghe.com");
}

/* Where its secret may be sent.  A CA is not shown, and not needed. */
static void
add_hosts(const struct crb_backend_ops *backend, const json_t *shown,
    size_t most, json_t *members)
{
	CRB_AUTO_JSON json_t *params = json_deep_copy(
	    json_object_get(shown, "params"));
	json_t *hosts = json_array();
	struct crb_route route = { 0 };
	struct crb_err ignored;
	bool fold = true;

	(void)json_object_del(params, "ca");
	if (backend->route == NULL ||
	    backend->route(params, &route, &ignored) != CRB_OK)
		route.count = 0;
	for (size_t i = 0; i < route.count; i++) {
		fold = fold && folds(route.origin[i].host);
		(void)json_array_append_new(
		    hosts, json_string(route.origin[i].host));
	}
	if (route.count > 0 && route.count <= most) {
		(void)json_object_set(
		    json_object_get(members, "scope"), "hosts", hosts);
		if (fold)
			(void)json_array_append_new(list_of(members, "fold"),
			    json_string("repository"));
	}
	json_decref(hosts);
}

static void
add_scope(json_t *members, const struct crb_scope *scope)
{
	json_t *into = json_object_get(members, "scope");

	for (size_t i = 0; i < scope->count; i++) {
		const struct crb_scope_attribute *at = &scope->at[i];
		json_t *values;

		if (!is_known(at->attribute->name))
			continue;
		values = json_array();
		for (size_t k = 0; k < at->count; k++)
			(void)json_array_append_new(
			    values, crb_output_string(at->value[k]));
		(void)json_object_set_new(into, at->attribute->name, values);
	}
}

/* As the core does it: broker/core/tiers.c. */
static void
add_unsaid(const struct crb_backend_ops *backend, bool mint, json_t *members)
{
	static const char *const git[] = { "ref", "change", NULL };
	static const char *const http[] = { "hosts", "methods", "paths",
		"service", "region", NULL };
	const char *const *later = backend->sign != NULL ? http : git;
	const char *key = mint || backend->sign != NULL ? "open" : "later";

	for (const struct crb_attribute *a = backend->attributes;
	     a->name != NULL; a++)
		add_name(members, key, a->name);
	for (; !mint && *later != NULL; later++)
		add_name(members, "later", *later);
}

enum crb_status
crb_policy_grant_members(const struct crb_backend_ops *backend,
    const json_t *shown, bool mint, const char *scope, json_t *members,
    struct crb_err *err)
{
	CRB_AUTO_SCOPE struct crb_scope parsed = { 0 };

	(void)json_object_set_new(members, "scope", json_object());
	if (scope != NULL) {
		if (crb_scope_parse(scope, backend->attributes, &parsed, err) !=
		    CRB_OK)
			return crb_err_context(err, "--scope");
		add_scope(members, &parsed);
	}
	if (!mint && backend->sign == NULL)
		add_hosts(backend, shown, CRB_ORIGINS_MAX, members);
	add_unsaid(backend, mint, members);
	return CRB_OK;
}

void
crb_policy_request_members(
    const struct crb_backend_ops *backend, const json_t *shown, json_t *members)
{
	const json_t *scope = json_object_get(members, "scope");

	if (backend->sign == NULL && json_object_get(scope, "hosts") == NULL)
		add_hosts(backend, shown, 1, members);
}

void
crb_policy_any_members(bool mint, json_t *members)
{
	for (size_t i = 0; i < CRB_POLICY_ATTRIBUTES; i++) {
		const struct crb_policy_attribute *is =
		    &crb_policy_attributes[i];

		if (!mint || is->families == CRB_FAMILY_AWS)
			add_name(members, mint ? "open" : "later", is->name);
	}
}
