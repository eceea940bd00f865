#include "broker/core/users.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define USERS_MAX 4096u
#define NAME_MAX_ 32

struct user {
	uid_t uid;
	char name[NAME_MAX_ + 1];
};

struct crb_users {
	size_t count, room;
	struct user *at;
};

/* One that could steer a terminal or fake another's name is left out. */
static bool
name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX_)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '(' ||
		    name[i] == ')')
			return false;
	return true;
}

static bool
add(struct crb_users *users, const struct passwd *entry)
{
	struct user *more;

	if (!name_ok(entry->pw_name))
		return true;
	if (users->count == users->room) {
		users->room = users->room * 2 + 32;
		more = realloc(users->at, users->room * sizeof(*more));
		if (more == NULL)
			return false;
		users->at = more;
	}
	users->at[users->count].uid = entry->pw_uid;
	memcpy(users->at[users->count].name, entry->pw_name,
	    strlen(entry->pw_name) + 1);
	users->count++;
	return true;
}

enum crb_status
crb_users_load(const char *path, struct crb_users **out, struct crb_err *err)
{
	CRB_AUTO_FILE FILE *file = fopen(path, "re");
	struct crb_users *users = calloc(1, sizeof(*users));
	const struct passwd *entry;

	if (users == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	while (file != NULL && users->count < USERS_MAX &&
	    (entry = fgetpwent(file)) != NULL)
		if (!add(users, entry)) {
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
	free(users->at);
	free(users);
}

void
crb_users_who(const struct crb_users *users, uid_t uid, char out[CRB_WHO_TEXT])
{
	for (size_t i = 0; users != NULL && i < users->count; i++)
		if (users->at[i].uid == uid) {
			(void)snprintf(out, CRB_WHO_TEXT, "uid %u (%s)",
			    (unsigned)uid, users->at[i].name);
			return;
		}
	(void)snprintf(out, CRB_WHO_TEXT, "uid %u", (unsigned)uid);
}
