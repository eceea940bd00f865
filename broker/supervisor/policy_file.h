#ifndef CRB_POLICY_FILE_H
#define CRB_POLICY_FILE_H

#include "base/err.h"

/*
 * Files of policies, for the core, which may not be allowed to open them.
 * Nothing of them is read here: only that nobody else could have written them.
 * The organization's are the machine's, and so root's alone; the others are in
 * the broker's folder, root's or its user's.
 */
struct crb_policy_folders {
	const char *organization;
	const char *policy;
};

/*
 * `file` is an enum crb_policy_file.  The caller owns *out; -1: there is no
 * such file, nor folder.
 */
CRB_NODISCARD enum crb_status crb_policy_file_open(
    const struct crb_policy_folders *folders, unsigned file, int *out,
    struct crb_err *err);

#endif /* !CRB_POLICY_FILE_H */
