#include "broker/config/places.h"

#include <string.h>

struct place {
	const char *system; /* root's */
	const char *variable;
	const char *below_home; /* or NULL: within the state folder */
	const char *name;
};

static const struct place places[] = {
	[CRB_PLACE_STATE] = { "/var/lib/credbroker", "XDG_STATE_HOME",
	    ".local/state", "credbroker" },
	[CRB_PLACE_RUNTIME] = { "/run/credbroker", "XDG_RUNTIME_DIR", NULL,
	    "credbroker" },
	[CRB_PLACE_CONFIG] = { "/etc/credbroker/credbroker.json",
	    "XDG_CONFIG_HOME", ".config", "credbroker/credbroker.json" },
	[CRB_PLACE_POLICY] = { "/etc/credbroker/policy", "XDG_CONFIG_HOME",
	    ".config", "credbroker/policy" },
};

/* The XDG specification: a path that is not absolute is to be ignored. */
static const char *
get_absolute(crb_getenv_fn *get, const char *name)
{
	const char *value = get(name);

	return value != NULL && value[0] == '/' ? value : NULL;
}

static enum crb_status
below_home(const struct place *place, crb_getenv_fn *get,
    char out[CRB_PATH_MAX], struct crb_err *err)
{
	const char *home = get_absolute(get, "HOME");
	char base[CRB_PATH_MAX];

	if (home == NULL)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "neither %s nor HOME is set to a folder", place->variable);
	if (crb_path_join(base, home, place->below_home, err) != CRB_OK)
		return err->status;
	return crb_path_join(out, base, place->name, err);
}

enum crb_status
crb_place(enum crb_place which, uid_t uid, crb_getenv_fn *get,
    char out[CRB_PATH_MAX], struct crb_err *err)
{
	const struct place *place = &places[which];
	const char *base = get_absolute(get, place->variable);
	char state[CRB_PATH_MAX];

	if (uid == 0)
		return crb_path_join(out, "", place->system, err);
	if (base != NULL)
		return crb_path_join(out, base, place->name, err);
	if (place->below_home != NULL)
		return below_home(place, get, out, err);
	if (crb_place(CRB_PLACE_STATE, uid, get, state, err) != CRB_OK)
		return err->status;
	return crb_path_join(out, state, "run", err);
}
