#ifndef CRB_PLACES_H
#define CRB_PLACES_H

#include "base/path.h"

/*
 * The usual places of the user `uid`: root's, or those that the environment
 * (XDG_*, HOME) says.  The environment is asked through `get`, which is
 * getenv() but in tests.
 */
enum crb_place {
	CRB_PLACE_STATE,
	CRB_PLACE_RUNTIME, /* within `state` without XDG_RUNTIME_DIR */
	CRB_PLACE_CONFIG,  /* the file */
	CRB_PLACE_POLICY,  /* folder of the policies */
};

typedef char *crb_getenv_fn(const char *name);

/*
 * out = the place.  CRB_ERR_NOT_FOUND when the environment does not say, as in
 * a process whose environment was cleared.
 */
CRB_NODISCARD enum crb_status crb_place(enum crb_place place, uid_t uid,
    crb_getenv_fn *get, char out[CRB_PATH_MAX], struct crb_err *err);

#endif /* !CRB_PLACES_H */
