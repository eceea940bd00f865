#include "broker/core/credential.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/process.h"
#include "base/text.h"

#define SECRET_MAX 16384
/* A parameter beyond this is shown by its length. */
#define SHOWN_MAX 256
#define AUTHORITY_MAX 300

void
crb_credential_free(struct crb_credential *credential)
{
	if (credential == NULL)
		return;
	for (size_t i = 0; i < CRB_ORIGINS_MAX; i++)
		free(credential->authority[i]);
	crb_json_text_free(credential->job_params);
	crb_secret_free(credential->secret);
	json_decref(credential->params);
	free(credential);
}

/* The CA travels in a field of its own: leave it out of the parameters. */
static enum crb_status
make_job_params(struct crb_credential *credential, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *params = json_object();
	const char *key;
	json_t *value;

	json_object_foreach(credential->params, key, value)
	{
		if (json_is_string(value) &&
		    json_string_value(value) == credential->route.ca)
			continue;
		if (json_object_set(params, key, value) != 0)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	}
	credential->job_params = crb_json_text(params);
	if (credential->job_params == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

static enum crb_status
make_route(struct crb_credential *credential, struct crb_err *err)
{
	struct crb_route *route = &credential->route;
	enum crb_status status;

	status = credential->backend->route(credential->params, route, err);
	if (status != CRB_OK)
		return status;
	for (size_t i = 0; i < route->count; i++) {
		CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(AUTHORITY_MAX);

		crb_origin_authority(&route->origin[i], &text);
		if ((credential->authority[i] = crb_buf_steal(&text)) == NULL)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	}
	return make_job_params(credential, err);
}

/* Whether it can be injected is seen by doing so. */
static enum crb_status
check_secret(const struct crb_credential *credential,
    const struct crb_secret *secret, struct crb_err *err)
{
	struct crb_injection injection = { 0 };
	enum crb_status status;

	if (crb_secret_len(secret) == 0)
		return crb_err_set(err, CRB_ERR_INVALID, "the secret is empty");
	if (crb_secret_len(secret) > SECRET_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "the secret has more than %d bytes", SECRET_MAX);
	if (credential->backend->inject == NULL)
		return CRB_OK;
	status = credential->backend->inject(
	    credential->params, secret, &injection, err);
	crb_injection_clear(&injection);
	return status;
}

enum crb_status
crb_credential_secret(
    const char *backend, struct crb_secret **secret, struct crb_err *err)
{
	const struct crb_backend_ops *ops;
	struct crb_secret *stored;
	enum crb_status status;

	if ((status = crb_backend_find(backend, &ops, err)) != CRB_OK ||
	    ops->secret == NULL)
		return status;
	if ((status = ops->secret(*secret, &stored, err)) != CRB_OK)
		return status;
	crb_secret_free(*secret);
	*secret = stored;
	return CRB_OK;
}

/* A backend of this kind, its parameters checked, and nothing else. */
static enum crb_status
make(const char *kind, json_t *params, struct crb_credential **out,
    struct crb_err *err)
{
	CRB_AUTO_CREDENTIAL struct crb_credential *credential = NULL;
	enum crb_status status;

	if ((credential = calloc(1, sizeof(*credential))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	status = crb_backend_find(kind, &credential->backend, err);
	if (status != CRB_OK)
		return status;
	credential->params = params != NULL ? json_deep_copy(params)
					    : json_object();
	if (credential->params == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	status = credential->backend->check(credential->params, err);
	if (status == CRB_OK)
		status = make_route(credential, err);
	if (status != CRB_OK)
		return status;
	*out = CRB_STEAL(credential);
	return CRB_OK;
}

enum crb_status
crb_credential_new(const char *name, const char *backend, json_t *params,
    struct crb_secret **secret, struct crb_credential **out,
    struct crb_err *err)
{
	CRB_AUTO_CREDENTIAL struct crb_credential *credential = NULL;
	enum crb_status status;

	if (!crb_name_ok(name))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a credential's name has 1 to %d of a-z, 0-9 and, inside, . _ -",
		    CRB_NAME_MAX);
	if ((status = make(backend, params, &credential, err)) != CRB_OK ||
	    (status = check_secret(credential, *secret, err)) != CRB_OK)
		return status;
	memcpy(credential->name, name, strlen(name) + 1);
	credential->secret = CRB_STEAL(*secret);
	credential->created = credential->changed = crb_wall_seconds();
	crb_record_id_random(&credential->record);
	*out = CRB_STEAL(credential);
	return CRB_OK;
}

json_t *
crb_credential_record(const struct crb_credential *credential)
{
	return json_pack("{s:s, s:s, s:O, s:s%, s:I, s:I, s:I}", "name",
	    credential->name, "backend", credential->backend->kind, "params",
	    credential->params, "secret", crb_secret_bytes(credential->secret),
	    crb_secret_len(credential->secret), "created",
	    (json_int_t)credential->created, "changed",
	    (json_int_t)credential->changed, "used",
	    (json_int_t)credential->used);
}

static enum crb_status
load(const json_t *json, struct crb_credential **out, struct crb_err *err)
{
	CRB_AUTO_SECRET struct crb_secret *copy = NULL;
	const char *name, *backend, *secret, *where = "stored credential";
	struct crb_credential *credential;
	int64_t created, changed, used;
	enum crb_status status;
	json_t *params;

	if ((status = crb_json_string(json, "name", where, &name, err)) ||
	    (status = crb_json_string(json, "backend", where, &backend, err)) ||
	    (status = crb_json_object(json, "params", where, &params, err)) ||
	    (status = crb_json_string(json, "secret", where, &secret, err)) ||
	    (status = crb_json_integer(
		 json, "created", where, 0, INT64_MAX, &created, err)) ||
	    (status = crb_json_integer(
		 json, "changed", where, 0, INT64_MAX, &changed, err)) ||
	    (status = crb_json_integer(
		 json, "used", where, 0, INT64_MAX, &used, err)) ||
	    (status = crb_secret_copy(secret, strlen(secret), &copy, err)) ||
	    (status = crb_credential_new(
		 name, backend, params, &copy, &credential, err)))
		return status;
	credential->created = created;
	credential->changed = changed;
	credential->used = credential->kept = used;
	*out = credential;
	return CRB_OK;
}

enum crb_status
crb_credential_load(const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_credential **out,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = NULL;
	enum crb_status status;

	status = crb_json_parse(crb_secret_bytes(plain), crb_secret_len(plain),
	    "stored credential", &json, err);
	if (status == CRB_OK)
		status = load(json, out, err);
	if (status == CRB_OK)
		(*out)->record = *id;
	return status;
}

static json_t *
shown_params(const struct crb_credential *credential)
{
	json_t *shown = json_object();
	const char *key;
	json_t *value;

	json_object_foreach(credential->params, key, value)
	{
		if (json_is_string(value) &&
		    json_string_length(value) > SHOWN_MAX)
			(void)json_object_set_new(shown, key,
			    json_sprintf(
				"(%zu bytes)", json_string_length(value)));
		else
			(void)json_object_set(shown, key, value);
	}
	return shown;
}

static void
set_time(json_t *object, const char *key, int64_t seconds)
{
	char text[CRB_TIME_TEXT];

	crb_text_time(seconds, text);
	(void)json_object_set_new(object, key, json_string(text));
}

json_t *
crb_credential_shown(const struct crb_credential *credential)
{
	json_t *shown;

	shown = json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", credential->name,
	    "backend", credential->backend->kind, "form",
	    credential->backend->form, "params", shown_params(credential),
	    "delivery",
	    credential->backend->mints ? json_pack("[s, s]", "mint", "inject")
				       : json_pack("[s]", "inject"));
	if (shown == NULL)
		return NULL;
	set_time(shown, "created", credential->created);
	set_time(shown, "changed", credential->changed);
	if (credential->used != 0)
		set_time(shown, "used", credential->used);
	return shown;
}

const struct crb_origin *
crb_credential_origin(
    const struct crb_credential *credential, const char *authority)
{
	for (size_t i = 0; i < credential->route.count; i++)
		if (strcmp(credential->authority[i], authority) == 0)
			return &credential->route.origin[i];
	return NULL;
}

/* The names in the map, for a guess at what was meant; free() it. */
static const char **
names(const struct crb_map *map, size_t *count)
{
	const char **list = calloc(map->count + 1, sizeof(*list));

	*count = 0;
	for (size_t i = 0; list != NULL && i < map->capacity; i++) {
		const struct crb_credential *entry = map->slot[i].value;

		if (entry != NULL)
			list[(*count)++] = entry->name;
	}
	return list;
}

enum crb_status
crb_credential_find(const struct crb_map *map, const char *name,
    struct crb_credential **out, struct crb_err *err)
{
	CRB_AUTO_FREE const char **list = NULL;
	struct crb_credential *found;
	const char *nearest = NULL;
	size_t count;

	if ((found = crb_map_text(map, name)) != NULL) {
		*out = found;
		return CRB_OK;
	}
	if (!crb_name_ok(name))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "that is no name of a credential");
	if ((list = names(map, &count)) != NULL)
		nearest = crb_text_nearest(name, list, count);
	if (nearest != NULL)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "there is no credential \"%s\"; did you mean \"%s\"?", name,
		    nearest);
	return crb_err_set(err, CRB_ERR_NOT_FOUND,
	    "there is no credential \"%s\" (see: credbroker credential list)",
	    name);
}
