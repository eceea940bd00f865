#include "broker/core/users.h"

#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define NAMES_MAX 4096u
#define NAME_MAX_ 32

struct name {
	unsigned id;
	char text[NAME_MAX_ + 1];
};

struct names {
	size_t count, room;
	struct name *at;
};

struct crb_users {
	struct names users, groups;
};

/*
 * One that could steer a terminal, fake another's name or mean several in a
 * policy is left out.
 */
static bool
name_ok(const char *name)
{
	size_t len = strlen(name);

	/* "+" and "-" are not names but entries of NIS. */
	if (len == 0 || len > NAME_MAX_ || name[0] == '+' || name[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' ||
		    strchr("()*:", name[i]) != NULL)
			return false;
	return true;
}

static bool
add(struct names *names, unsigned id, const char *text)
{
	struct name *more;

	if (!name_ok(text))
		return true;
	if (names->count == names->room) {
		names->room = names->room * 2 + 32;
		more = realloc(names->at, names->room * sizeof(*more));
		if (more == NULL)
			return false;
		names->at = more;
	}
	names->at[names->count].id = id;
	memcpy(names->at[names->count].text, text, strlen(text) + 1);
	names->count++;
	return true;
}

static bool
load_users(struct names *names, const char *path)
{
	CRB_AUTO_FILE FILE *file = fopen(path, "re");
	const struct passwd *entry;

	while (file != NULL && names->count < NAMES_MAX &&
	    (entry = fgetpwent(file)) != NULL)
		if (!add(names, entry->pw_uid, entry->pw_name))
			return false;
	return true;
}

static bool
load_groups(struct names *names, const char *path)
{
	CRB_AUTO_FILE FILE *file = fopen(path, "re");
	const struct group *entry;

	while (file != NULL && names->count < NAMES_MAX &&
	    (entry = fgetgrent(file)) != NULL)
		if (!add(names, entry->gr_gid, entry->gr_name))
			return false;
	return true;
}

enum crb_status
crb_users_load(const char *passwd, const char *group, struct crb_users **out,
    struct crb_err *err)
{
	struct crb_users *users = calloc(1, sizeof(*users));

	if (users == NULL || !load_users(&users->users, passwd) ||
	    !load_groups(&users->groups, group)) {
		crb_users_free(users);
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	}
	*out = users;
	return CRB_OK;
}

void
crb_users_free(struct crb_users *users)
{
	if (users == NULL)
		return;
	free(users->users.at);
	free(users->groups.at);
	free(users);
}

static const char *
find(const struct names *names, unsigned id)
{
	for (size_t i = 0; i < names->count; i++)
		if (names->at[i].id == id)
			return names->at[i].text;
	return NULL;
}

const char *
crb_users_name(const struct crb_users *users, uid_t uid)
{
	return users != NULL ? find(&users->users, uid) : NULL;
}

static bool
seen(const gid_t *gids, size_t count, gid_t gid)
{
	for (size_t i = 0; i < count; i++)
		if (gids[i] == gid)
			return true;
	return false;
}

/* All of its names: a rule may be about any of them. */
static bool
add_group(const struct names *names, gid_t gid, json_t *list)
{
	bool named = false;

	for (size_t i = 0; i < names->count; i++) {
		if (names->at[i].id != gid)
			continue;
		if (json_array_append_new(
			list, json_string(names->at[i].text)) != 0)
			return false;
		named = true;
	}
	return named ||
	    json_array_append_new(
		list, json_sprintf("gid %u", (unsigned)gid)) == 0;
}

json_t *
crb_users_groups(const struct crb_users *users, const gid_t *gids, size_t count)
{
	static const struct names none;
	const struct names *names = users != NULL ? &users->groups : &none;
	json_t *list = json_array();

	for (size_t i = 0; list != NULL && i < count; i++) {
		if (seen(gids, i, gids[i]) || add_group(names, gids[i], list))
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}

void
crb_users_who(const struct crb_users *users, uid_t uid, char out[CRB_WHO_TEXT])
{
	const char *name = crb_users_name(users, uid);

	if (name != NULL)
		(void)snprintf(
		    out, CRB_WHO_TEXT, "uid %u (%s)", (unsigned)uid, name);
	else
		(void)snprintf(out, CRB_WHO_TEXT, "uid %u", (unsigned)uid);
}
