#ifndef CRB_POLICY_INSTALLED_H
#define CRB_POLICY_INSTALLED_H

#include "broker/cli/command.h"
#include "broker/cli/policy_load.h"

/* As a file: the policies in force. */
#define CRB_POLICY_INSTALLED "installed"

/*
 * The policies in force, from the files that the broker has read; where no
 * broker answers, from those that it would read.  What differs from what is in
 * force is told in `notes`, an array of text.
 */
CRB_NODISCARD enum crb_status crb_policy_set_installed(struct crb_cli *cli,
    struct crb_policy_set *set, json_t *notes, struct crb_err *err);

/* Those that are named, "installed" among them; without any, the installed. */
CRB_NODISCARD enum crb_status crb_policy_set_named(struct crb_cli *cli,
    const struct crb_list *files, struct crb_policy_set *set, json_t *notes,
    struct crb_err *err);

/*
 * `old` becomes the policies in force, and `new`, in which there are some
 * already, those of its other tiers.
 */
CRB_NODISCARD enum crb_status crb_policy_set_beside(struct crb_cli *cli,
    struct crb_policy_set *old, struct crb_policy_set *new, json_t *notes,
    struct crb_err *err);

/* On standard error, a line each. */
void crb_policy_notes_print(const json_t *notes);

#endif /* !CRB_POLICY_INSTALLED_H */
