#include "broker/core/profile_mounts.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"

#define WHERE "mounts"

/* What no sandbox is given whole. */
static const char *const too_wide[] = { "/", "/run", "/var/run", "/proc",
	"/sys", "/dev", "/etc", NULL };

static bool
is_plain(const char *path)
{
	struct crb_slice rest, name;

	if (path[0] != '/' || strlen(path) >= CRB_PATH_MAX)
		return false;
	if (path[1] == '\0')
		return true;
	rest = CRB_SLICE(path + 1);
	while (crb_slice_cut(&rest, '/', &name))
		if (name.len == 0 || crb_slice_is(name, ".") ||
		    crb_slice_is(name, ".."))
			return false;
	return true;
}

static bool
holds(const char *folder, const char *inner)
{
	size_t len = strlen(folder);

	return strncmp(folder, inner, len) == 0 &&
	    (inner[len] == '\0' || inner[len] == '/');
}

static enum crb_status
judge(const char *source, const char *const *kept, struct crb_err *err)
{
	for (size_t i = 0; too_wide[i] != NULL; i++)
		if (strcmp(too_wide[i], source) == 0)
			return crb_err_set(err, CRB_ERR_INVALID,
			    WHERE ": %s is too much; name what is needed",
			    source);
	for (; *kept != NULL; kept++)
		if (**kept != '\0' &&
		    (holds(*kept, source) || holds(source, *kept)))
			return crb_err_set(err, CRB_ERR_INVALID,
			    WHERE ": %s is, holds, or is in a folder of the "
				  "broker's own",
			    source);
	return CRB_OK;
}

static enum crb_status
read_one(const json_t *given, const char *const *kept, json_t *out,
    struct crb_err *err)
{
	static const char *const keys[] = { "source", "target", "read_only",
		NULL };
	const json_t *target = json_object_get(given, "target");
	const json_t *read_only = json_object_get(given, "read_only");
	const char *source, *at;
	enum crb_status status;

	if (!json_is_object(given))
		return crb_err_set(
		    err, CRB_ERR_INVALID, WHERE ": an item is no object");
	if ((status = crb_json_only(given, keys, WHERE, err)) ||
	    (status = crb_json_string(given, "source", WHERE, &source, err)))
		return status;
	at = target != NULL ? json_string_value(target) : source;
	if (at == NULL || !is_plain(source) || !is_plain(at) ||
	    (read_only != NULL && !json_is_boolean(read_only)))
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": source and target are absolute paths without "
			  "\".\" and \"..\", read_only is true or false");
	if ((status = judge(source, kept, err)) != CRB_OK)
		return status;
	if (json_array_append_new(out,
		json_pack("{s:s, s:s, s:b}", "source", source, "target", at,
		    "read_only", json_is_true(read_only))) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

enum crb_status
crb_profile_mounts_read(const json_t *given, const char *const *kept,
    json_t **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *mounts = json_array();
	const json_t *item;
	enum crb_status status;
	size_t i;

	if (json_array_size(given) > CRB_PROFILE_MOUNTS_MAX)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a profile has at most %d mounts", CRB_PROFILE_MOUNTS_MAX);
	json_array_foreach(given, i, item)
	{
		status = read_one(item, kept, mounts, err);
		if (status != CRB_OK)
			return status;
	}
	*out = CRB_STEAL(mounts);
	return CRB_OK;
}
