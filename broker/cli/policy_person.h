#ifndef CRB_POLICY_PERSON_H
#define CRB_POLICY_PERSON_H

#include <jansson.h>

/*
 * Set the members "user" and "groups" of a question, where they are not there:
 * of `user`, or, when it is NULL, of whoever runs this, as the kernel knows
 * him.  Names are /etc/passwd's and /etc/group's, as for the broker; one that
 * no policy can name is left out.  Of a user who is not there nothing is known
 * but his name.
 */
void crb_policy_person(const char *user, json_t *members);

#endif /* !CRB_POLICY_PERSON_H */
