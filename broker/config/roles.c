#include "broker/config/roles.h"

#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "base/units.h"

#define PATH_MAX_ 96 /* of "roles.issuer[63].credentials[255]" */
#define NAME_MAX_ 256

static void
at_item(char out[PATH_MAX_], const char *path, size_t i)
{
	(void)snprintf(out, PATH_MAX_, "%.70s[%u]", path, (unsigned)i);
}

static void
at_key(char out[PATH_MAX_], const char *path, const char *key)
{
	(void)snprintf(out, PATH_MAX_, "%.70s.%.20s", path, key);
}

struct reader {
	const struct crb_roles_source *source;
	struct crb_roles *roles;
};

__attribute__((format(printf, 4, 5))) static enum crb_status
refuse(const struct reader *reader, const char *path, struct crb_err *err,
    const char *fmt, ...)
{
	CRB_AUTO_BUF struct crb_buf where = CRB_BUF_INIT(8192);
	unsigned line = crb_json_line(
	    reader->source->text, reader->source->len, path);
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	crb_buf_str(&where, reader->source->file);
	if (line > 0)
		crb_buf_printf(&where, ":%u", line);
	return crb_err_set(err, CRB_ERR_INVALID, "%s: %s: %s",
	    crb_buf_text(&where), path, what);
}

static void
members_clear(const struct crb_members *members)
{
	for (size_t i = 0; i < members->count; i++)
		free(members->at[i].name);
	free(members->at);
}

static void
names_clear(const struct crb_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->at[i]);
	free(names->at);
}

void
crb_roles_free(struct crb_roles *roles)
{
	if (roles == NULL)
		return;
	members_clear(&roles->admin);
	members_clear(&roles->approver);
	members_clear(&roles->auditor);
	for (size_t i = 0; i < roles->issuer_count; i++) {
		members_clear(&roles->issuer[i].who);
		names_clear(&roles->issuer[i].profiles);
		names_clear(&roles->issuer[i].credentials);
	}
	free(roles->issuer);
	free(roles);
}

static void
roles_cleanup(struct crb_roles **roles)
{
	crb_roles_free(*roles);
}

/* Room for the items of a list that has been checked; NULL with no memory. */
static enum crb_status
read_list(const struct reader *reader, const json_t *value, const char *path,
    size_t most, struct crb_err *err)
{
	if (!json_is_array(value))
		return refuse(reader, path, err, "must be a list");
	if (json_array_size(value) > most)
		return refuse(
		    reader, path, err, "has more than %zu items", most);
	return CRB_OK;
}

/* What follows the colon of a kind of member. */
static const struct member_kind {
	const char *prefix;
	bool group, number;
} member_kinds[] = {
	{ "uid:", false, true },
	{ "gid:", true, true },
	{ "user:", false, false },
	{ "group:", true, false },
};

/* As the system's own tools have them, roughly: what cannot be one is. */
static bool
name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX_)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == ':' ||
		    name[i] == ',' || name[i] == '/')
			return false;
	return true;
}

static enum crb_status
read_number(const struct reader *reader, const char *text, const char *path,
    struct crb_member *out, struct crb_err *err)
{
	struct crb_err ignored;
	uint64_t id;

	/* The last number stands for "none" where uids are passed. */
	if (crb_number_parse(
		text, strlen(text), UINT32_MAX - 1, &id, &ignored) != CRB_OK)
		return refuse(
		    reader, path, err, "not a number of a user or group");
	out->id = (uint32_t)id;
	return CRB_OK;
}

static enum crb_status
read_member(const struct reader *reader, const json_t *value, const char *path,
    struct crb_member *out, struct crb_err *err)
{
	const char *text = json_string_value(value);

	for (size_t i = 0;
	     text != NULL && i < sizeof(member_kinds) / sizeof(member_kinds[0]);
	     i++) {
		const struct member_kind *kind = &member_kinds[i];

		if (strncmp(text, kind->prefix, strlen(kind->prefix)) != 0)
			continue;
		text += strlen(kind->prefix);
		out->group = kind->group;
		out->line = crb_json_line(
		    reader->source->text, reader->source->len, path);
		if (kind->number)
			return read_number(reader, text, path, out, err);
		if (!name_ok(text))
			return refuse(
			    reader, path, err, "not a name of a user or group");
		if ((out->name = strdup(text)) == NULL)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
		return CRB_OK;
	}
	return refuse(reader, path, err,
	    "must be \"user:NAME\", \"group:NAME\", \"uid:N\" or \"gid:N\"");
}

static enum crb_status
read_members(const struct reader *reader, const json_t *value, const char *path,
    struct crb_members *out, struct crb_err *err)
{
	char at[PATH_MAX_];
	const json_t *item;
	size_t i;

	if (read_list(reader, value, path, CRB_ROLES_MEMBERS_MAX, err) !=
	    CRB_OK)
		return err->status;
	out->at = calloc(json_array_size(value) + 1, sizeof(*out->at));
	if (out->at == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	json_array_foreach(value, i, item)
	{
		at_item(at, path, i);
		out->count = i + 1;
		if (read_member(reader, item, at, &out->at[i], err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

static enum crb_status
read_name(const struct reader *reader, const json_t *value, const char *path,
    struct crb_names *out, struct crb_err *err)
{
	const char *name = json_string_value(value);

	if (name == NULL || (strcmp(name, "*") != 0 && !crb_name_ok(name)))
		return refuse(reader, path, err,
		    "must be a name of 1 to 64 of a-z, 0-9 and, inside, . _ -; "
		    "or \"*\" for all");
	if (strcmp(name, "*") == 0)
		out->all = true;
	if ((out->at[out->count] = strdup(name)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	out->count++;
	return CRB_OK;
}

static enum crb_status
read_names(const struct reader *reader, const json_t *value, const char *path,
    struct crb_names *out, struct crb_err *err)
{
	char at[PATH_MAX_];
	const json_t *item;
	size_t i;

	if (read_list(reader, value, path, CRB_ROLES_NAMES_MAX, err) != CRB_OK)
		return err->status;
	out->at = calloc(json_array_size(value) + 1, sizeof(*out->at));
	if (out->at == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	json_array_foreach(value, i, item)
	{
		at_item(at, path, i);
		if (read_name(reader, item, at, out, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

/* No key of `object` but these; its name is somebody's typing, so escaped. */
static enum crb_status
only(const struct reader *reader, const json_t *object, const char *path,
    const char *const *keys, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(512);
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		for (i = 0; keys[i] != NULL && strcmp(keys[i], key) != 0; i++)
			;
		if (keys[i] != NULL)
			continue;
		crb_text_escape(&shown, key, strlen(key), 64);
		return refuse(reader, path, err, "unknown key \"%s\"",
		    crb_buf_text(&shown));
	}
	return CRB_OK;
}

static enum crb_status
read_issuer(const struct reader *reader, const json_t *value, const char *path,
    struct crb_issuer *out, struct crb_err *err)
{
	static const char *const keys[] = { "who", "profiles", "credentials",
		NULL };
	const json_t *member[3];
	char at[PATH_MAX_];
	enum crb_status status = CRB_OK;

	if (!json_is_object(value))
		return refuse(reader, path, err,
		    "must be an object with who, profiles and credentials");
	if (only(reader, value, path, keys, err) != CRB_OK)
		return err->status;
	for (size_t i = 0; i < 3 && status == CRB_OK; i++) {
		if ((member[i] = json_object_get(value, keys[i])) == NULL)
			continue;
		at_key(at, path, keys[i]);
		status = i == 0
		    ? read_members(reader, member[i], at, &out->who, err)
		    : read_names(reader, member[i], at,
			  i == 1 ? &out->profiles : &out->credentials, err);
	}
	if (status == CRB_OK && out->who.count == 0)
		return refuse(reader, path, err, "who is missing or empty");
	if (status == CRB_OK &&
	    out->profiles.count + out->credentials.count == 0)
		return refuse(reader, path, err,
		    "neither profiles nor credentials are listed");
	return status;
}

static enum crb_status
read_issuers(const struct reader *reader, const json_t *value, const char *path,
    struct crb_err *err)
{
	struct crb_roles *roles = reader->roles;
	char at[PATH_MAX_];
	const json_t *item;
	size_t i;

	if (read_list(reader, value, path, CRB_ROLES_ISSUERS_MAX, err) !=
	    CRB_OK)
		return err->status;
	roles->issuer = calloc(
	    json_array_size(value) + 1, sizeof(*roles->issuer));
	if (roles->issuer == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	json_array_foreach(value, i, item)
	{
		at_item(at, path, i);
		roles->issuer_count = i + 1;
		if (read_issuer(reader, item, at, &roles->issuer[i], err) !=
		    CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

static enum crb_status
read_roles(
    const struct reader *reader, const json_t *value, struct crb_err *err)
{
	static const char *const keys[] = { "admin", "issuer", "approver",
		"auditor", NULL };
	struct crb_roles *roles = reader->roles;
	struct crb_members *const lists[] = { &roles->admin, NULL,
		&roles->approver, &roles->auditor };
	enum crb_status status = CRB_OK;
	const json_t *member;
	char at[PATH_MAX_];

	if (!json_is_object(value))
		return refuse(reader, "roles", err, "must be an object");
	if (only(reader, value, "roles", keys, err) != CRB_OK)
		return err->status;
	for (size_t i = 0; keys[i] != NULL && status == CRB_OK; i++) {
		if ((member = json_object_get(value, keys[i])) == NULL)
			continue;
		at_key(at, "roles", keys[i]);
		status = lists[i] != NULL
		    ? read_members(reader, member, at, lists[i], err)
		    : read_issuers(reader, member, at, err);
	}
	return status;
}

enum crb_status
crb_roles_parse(const json_t *value, const struct crb_roles_source *source,
    struct crb_roles **out, struct crb_err *err)
{
	__attribute__((
	    cleanup(roles_cleanup))) struct crb_roles *roles = calloc(1,
	    sizeof(*roles));
	const struct reader reader = { source, roles };

	if (roles == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (read_roles(&reader, value, err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(roles);
	return CRB_OK;
}

/*
 * From the files alone: what asks for the names of a directory service loads
 * and calls much that has no place beside keys.
 */
static bool
find_user(const char *name, uint32_t *id)
{
	CRB_AUTO_FILE FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry;

	while (file != NULL && (entry = fgetpwent(file)) != NULL)
		if (strcmp(entry->pw_name, name) == 0) {
			*id = entry->pw_uid;
			return true;
		}
	return false;
}

static bool
find_group(const char *name, uint32_t *id)
{
	CRB_AUTO_FILE FILE *file = fopen("/etc/group", "re");
	const struct group *entry;

	while (file != NULL && (entry = fgetgrent(file)) != NULL)
		if (strcmp(entry->gr_name, name) == 0) {
			*id = entry->gr_gid;
			return true;
		}
	return false;
}

static bool
look_up(bool group, const char *name, uint32_t *id)
{
	return group ? find_group(name, id) : find_user(name, id);
}

static enum crb_status
resolve(const struct crb_members *members, const char *file, const char *role,
    crb_lookup_fn *lookup, struct crb_err *err)
{
	for (size_t i = 0; i < members->count; i++) {
		struct crb_member *member = &members->at[i];

		if (member->name == NULL ||
		    lookup(member->group, member->name, &member->id))
			continue;
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s:%u: roles.%s: no %s has this name in /etc/%s; one of a "
		    "directory service is named by its number: %s:N",
		    file, member->line, role, member->group ? "group" : "user",
		    member->group ? "group" : "passwd",
		    member->group ? "gid" : "uid");
	}
	return CRB_OK;
}

enum crb_status
crb_roles_resolve(struct crb_roles *roles, const char *file,
    crb_lookup_fn *lookup, struct crb_err *err)
{
	enum crb_status status;

	if (lookup == NULL)
		lookup = look_up;
	if ((status = resolve(&roles->admin, file, "admin", lookup, err)) ||
	    (status = resolve(
		 &roles->approver, file, "approver", lookup, err)) ||
	    (status = resolve(&roles->auditor, file, "auditor", lookup, err)))
		return status;
	for (size_t i = 0; i < roles->issuer_count && status == CRB_OK; i++)
		status = resolve(
		    &roles->issuer[i].who, file, "issuer", lookup, err);
	return status;
}

static bool
has_others(const struct crb_members *members, uid_t owner)
{
	for (size_t i = 0; i < members->count; i++)
		if (members->at[i].group ||
		    (members->at[i].id != 0 && members->at[i].id != owner))
			return true;
	return false;
}

bool
crb_roles_name_others(const struct crb_roles *roles, uid_t owner)
{
	if (roles == NULL)
		return false;
	for (size_t i = 0; i < roles->issuer_count; i++)
		if (has_others(&roles->issuer[i].who, owner))
			return true;
	return has_others(&roles->admin, owner) ||
	    has_others(&roles->approver, owner) ||
	    has_others(&roles->auditor, owner);
}
