#include "broker/cli/service_user.h"

#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"

/* A number need not be in the list of users; its group is the same then. */
static enum crb_status
look_up(const char *key, const char *said, uid_t *uid, gid_t *gid,
    struct crb_err *err)
{
	const struct passwd *entry;
	struct crb_err ignored;
	uint64_t number;

	if (crb_number_parse(said, strlen(said), UINT32_MAX - 1, &number,
		&ignored) == CRB_OK) {
		entry = getpwuid((uid_t)number);
		*uid = (uid_t)number;
		*gid = entry != NULL ? entry->pw_gid : (gid_t)number;
		return CRB_OK;
	}
	if ((entry = getpwnam(said)) == NULL)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "%s: there is no user %.64s", key, said);
	*uid = entry->pw_uid;
	*gid = entry->pw_gid;
	return CRB_OK;
}

enum crb_status
crb_service_user(const char *key, const char *said, const char *preset,
    struct crb_service_user *out, struct crb_err *err)
{
	struct crb_service_user user = { .uid = geteuid() };
	gid_t gid;

	if (said == NULL && getpwnam(preset) != NULL)
		said = preset;
	if (said != NULL && geteuid() == 0) {
		if (look_up(key, said, &user.uid, &gid, err) != CRB_OK)
			return err->status;
		(void)snprintf(user.text, sizeof(user.text), "%u:%u",
		    (unsigned)user.uid, (unsigned)gid);
	}
	*out = user;
	return CRB_OK;
}
