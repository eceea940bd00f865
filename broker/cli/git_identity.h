#ifndef CRB_GIT_IDENTITY_H
#define CRB_GIT_IDENTITY_H

/*
 * A configuration file for git with the name and the address that the files of
 * this home have, and nothing else of them; malloc()ed, NULL: they have none.
 */
char *crb_git_identity(const char *home);

#endif /* !CRB_GIT_IDENTITY_H */
