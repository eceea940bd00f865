#ifndef CRB_SHIM_INVENTORY_FORMATS_H
#define CRB_SHIM_INVENTORY_FORMATS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What a piece of text gives away.  Pure: no text is kept, and none of it is
 * in what is answered.  Texts need no NUL at their end, and may hold any.
 */

enum crb_severity {
	CRB_SEVERITY_LOW,
	CRB_SEVERITY_MEDIUM,
	CRB_SEVERITY_HIGH,
};

/*
 * The kind of the first secret in `text` whose form is known: a token by its
 * prefix, a private key, a JSON web token, a URL with a password, an
 * Authorization header.  NULL when there is none.
 */
const char *crb_format_find(const char *text, size_t len);

enum crb_format_key {
	CRB_FORMAT_KEY_NONE,
	CRB_FORMAT_KEY_ENCRYPTED, /* each is, as far as its form tells */
	CRB_FORMAT_KEY_PLAIN,     /* at least one can be used as it is */
};

/* What private keys are in `text`: PEM, OpenSSH or PuTTY. */
enum crb_format_key crb_format_key(const char *text, size_t len);

/* Whether one of `needles`, divided by '|', is in `text`, in any case. */
bool crb_format_has(const char *text, size_t len, const char *needles);

/* Whether a file in the form of shadow(5) has an account with a hash. */
bool crb_format_shadow(const char *text, size_t len);

/*
 * A session token of credbroker's, of no use away from its endpoint, or one of
 * the words that it gives in place of secrets.
 */
bool crb_format_own_token(const char *text, size_t len);

#endif /* !CRB_SHIM_INVENTORY_FORMATS_H */
