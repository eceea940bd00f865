#ifndef CRB_TIER_FILES_H
#define CRB_TIER_FILES_H

#include <stdbool.h>

#include "broker/bus/messages.h"

/* Where the files of the policies are; the supervisor opens them, by number. */
struct crb_tier_file {
	bool machine; /* in the machine's folder, or in the broker's */
	const char *name;
};
/* By enum crb_policy_file; the first is none, and has no name. */
extern const struct crb_tier_file crb_tier_files[CRB_POLICY_FILES];

#endif /* !CRB_TIER_FILES_H */
