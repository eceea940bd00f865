#ifndef CRB_SHIM_INVENTORY_SETTINGS_H
#define CRB_SHIM_INVENTORY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "shim/inventory_formats.h"

/*
 * Settings: environment variables, and the lines of .env files.  Pure; see
 * inventory_formats.h.
 */

/* A piece of text that belongs to somebody else. */
struct crb_span {
	const char *p;
	size_t len;
};

enum crb_setting {
	CRB_SETTING_PLAIN,
	CRB_SETTING_SECRET,
	CRB_SETTING_EITHER, /* ... or the place of one */
	CRB_SETTING_PATH,   /* the place of a secret, as the name says */
};

/*
 * What NAME=VALUE is.  Unless it is plain, *severity and *reason
 * (static) say why.
 */
enum crb_setting crb_setting_judge(struct crb_span name, struct crb_span value,
    enum crb_severity *severity, const char **reason);

/*
 * Read the lines of a .env file ("export " and quotes allowed).  Gives how
 * many of the settings are secrets, the worst severity of them in *severity,
 * and that one's reason.  A secret that is in no setting counts as one.
 */
size_t crb_settings_count(
    struct crb_span text, enum crb_severity *severity, const char **reason);

#endif /* !CRB_SHIM_INVENTORY_SETTINGS_H */
