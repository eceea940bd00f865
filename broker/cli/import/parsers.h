#ifndef CRB_IMPORT_PARSERS_H
#define CRB_IMPORT_PARSERS_H

#include "broker/cli/import/found.h"

/*
 * One a format.  Pure: they read a text, which is in wiped memory, and append
 * to the list.  An error says the line and never shows the text.
 */
typedef enum crb_status crb_import_fn(const char *text, size_t len,
    struct crb_found_list *out, struct crb_err *err);

/* machine, default, login, password, macdef, as ftp(1), curl and git read it.
 */
crb_import_fn crb_import_netrc;
/* git-credential-store(1): one URL with user and password a line. */
crb_import_fn crb_import_git_credentials;
/* ~/.aws/credentials: profiles with access keys. */
crb_import_fn crb_import_aws;
/*
 * ~/.aws/config: adds regions to what that found, and roles that take keys from
 * it.
 */
crb_import_fn crb_import_aws_config;
/* gh's hosts.yml, in exactly the form in which gh writes it. */
crb_import_fn crb_import_gh;
/* npm's ini file: //registry/:_authToken, _auth, username and _password. */
crb_import_fn crb_import_npmrc;
/* Docker's config.json: auths, credsStore and credHelpers. */
crb_import_fn crb_import_docker;

/* The environment: through `get`, which is getenv() but in tests. */
typedef char *crb_import_getenv_fn(const char *name);
CRB_NODISCARD enum crb_status crb_import_environment(
    crb_import_getenv_fn *get, struct crb_found_list *out, struct crb_err *err);

#endif /* !CRB_IMPORT_PARSERS_H */
