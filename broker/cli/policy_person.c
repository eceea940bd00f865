#include "broker/cli/policy_person.h"

#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define GROUPS_MAX 256
#define NAME_MAX_ 32

struct person {
	char name[NAME_MAX_ + 1];
	gid_t primary;
	bool self; /* whose groups the kernel says */
	gid_t gid[GROUPS_MAX + 1];
	int count;
};

static bool
name_ok(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++) {
		if (name[i] <= ' ' || name[i] > '~' ||
		    strchr("()*:/", name[i]) != NULL)
			return false;
	}
	return len > 0 && len <= NAME_MAX_;
}

static bool
find_person(const char *user, struct person *out)
{
	CRB_AUTO_FILE FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry;

	while (file != NULL && (entry = fgetpwent(file)) != NULL) {
		if (!name_ok(entry->pw_name) ||
		    (user != NULL ? strcmp(entry->pw_name, user) != 0
				  : entry->pw_uid != getuid()))
			continue;
		memcpy(out->name, entry->pw_name, strlen(entry->pw_name) + 1);
		out->primary = entry->pw_gid;
		out->self = entry->pw_uid == getuid();
		return true;
	}
	return false;
}

static bool
is_member(const struct person *person, const struct group *group)
{
	for (int i = 0; i < person->count; i++) {
		if (person->gid[i] == group->gr_gid)
			return true;
	}
	if (person->self)
		return false;
	if (person->primary == group->gr_gid)
		return true;
	for (char *const *member = group->gr_mem; *member != NULL; member++) {
		if (strcmp(*member, person->name) == 0)
			return true;
	}
	return false;
}

static json_t *
groups_of(struct person *person)
{
	CRB_AUTO_FILE FILE *file = fopen("/etc/group", "re");
	json_t *groups = json_array();
	const struct group *entry;
	int more;

	if (person->self) {
		person->gid[0] = getgid();
		more = getgroups(GROUPS_MAX, person->gid + 1);
		person->count = 1 + (more > 0 ? more : 0);
	}
	while (file != NULL && (entry = fgetgrent(file)) != NULL) {
		if (name_ok(entry->gr_name) && is_member(person, entry))
			(void)json_array_append_new(
			    groups, json_string(entry->gr_name));
	}
	return groups;
}

void
crb_policy_person(const char *user, json_t *members)
{
	struct person person = { .count = 0 };
	bool known = find_person(user, &person);

	if (user == NULL && known)
		user = person.name;
	if (user != NULL && json_object_get(members, "user") == NULL)
		(void)json_object_set_new(members, "user", json_string(user));
	if (known && json_object_get(members, "groups") == NULL)
		(void)json_object_set_new(
		    members, "groups", groups_of(&person));
}
