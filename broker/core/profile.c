#include "broker/core/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/process.h"
#include "base/text.h"

#define WHERE "stored profile"
/* Of the record.  1 had no mounts, and did not say its version. */
#define VERSION 2

void
crb_profile_free(struct crb_profile *profile)
{
	if (profile == NULL)
		return;
	json_decref(profile->grants);
	json_decref(profile->labels);
	json_decref(profile->mounts);
	free(profile);
}

enum crb_status
crb_profile_new(const char *name, json_t *grants, json_t *labels, int64_t ttl,
    struct crb_profile **out, struct crb_err *err)
{
	struct crb_profile *profile;

	if (!crb_name_ok(name))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a profile's name has 1 to %d of a-z, 0-9 and, inside, . _ -",
		    CRB_NAME_MAX);
	if ((profile = calloc(1, sizeof(*profile))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	memcpy(profile->name, name, strlen(name) + 1);
	profile->grants = json_incref(grants);
	profile->labels = labels != NULL ? json_incref(labels) : json_object();
	profile->mounts = json_array();
	profile->ttl = ttl;
	profile->created = crb_wall_seconds();
	crb_record_id_random(&profile->record);
	*out = profile;
	return CRB_OK;
}

json_t *
crb_profile_record(const struct crb_profile *profile)
{
	return json_pack("{s:i, s:s, s:O, s:O, s:O, s:I, s:I}", "version",
	    VERSION, "name", profile->name, "grants", profile->grants, "labels",
	    profile->labels, "mounts", profile->mounts, "ttl",
	    (json_int_t)profile->ttl, "created", (json_int_t)profile->created);
}

static enum crb_status
load_mounts(const json_t *json, json_t **out, struct crb_err *err)
{
	enum crb_status status;
	int64_t version;

	if (json_object_get(json, "version") == NULL) {
		*out = NULL;
		return CRB_OK;
	}
	if ((status = crb_json_integer(
		 json, "version", WHERE, VERSION, VERSION, &version, err)))
		return status;
	return crb_json_array(json, "mounts", WHERE, out, err);
}

enum crb_status
crb_profile_load(const struct crb_record_id *id, const struct crb_secret *plain,
    struct crb_profile **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = NULL;
	json_t *grants, *labels, *mounts;
	enum crb_status status;
	int64_t ttl, created;
	const char *name;

	if ((status = crb_json_parse(crb_secret_bytes(plain),
		 crb_secret_len(plain), WHERE, &json, err)) ||
	    (status = crb_json_string(json, "name", WHERE, &name, err)) ||
	    (status = crb_json_array(json, "grants", WHERE, &grants, err)) ||
	    (status = crb_json_object(json, "labels", WHERE, &labels, err)) ||
	    (status = crb_json_integer(
		 json, "ttl", WHERE, 0, INT64_MAX, &ttl, err)) ||
	    (status = crb_json_integer(
		 json, "created", WHERE, 0, INT64_MAX, &created, err)) ||
	    (status = load_mounts(json, &mounts, err)) ||
	    (status = crb_profile_new(name, grants, labels, ttl, out, err)))
		return status;
	if (mounts != NULL)
		(void)json_array_extend((*out)->mounts, mounts);
	(*out)->record = *id;
	(*out)->created = created;
	return CRB_OK;
}

json_t *
crb_profile_shown(const struct crb_profile *profile)
{
	char created[CRB_TIME_TEXT];
	json_t *shown;

	crb_text_time(profile->created, created);
	shown = json_pack("{s:s, s:O, s:O, s:s}", "name", profile->name,
	    "grants", profile->grants, "labels", profile->labels, "created",
	    created);
	if (shown != NULL && json_array_size(profile->mounts) > 0)
		(void)json_object_set(shown, "mounts", profile->mounts);
	if (shown != NULL && profile->ttl != 0)
		(void)json_object_set_new(
		    shown, "ttl", json_integer(profile->ttl));
	return shown;
}

enum crb_status
crb_profile_find(const struct crb_map *map, const char *name,
    struct crb_profile **out, struct crb_err *err)
{
	struct crb_profile *found = crb_map_text(map, name);

	if (found == NULL && !crb_name_ok(name))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "that is no name of a profile");
	if (found == NULL)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "there is no profile \"%s\" (see: credbroker profile list)",
		    name);
	*out = found;
	return CRB_OK;
}
