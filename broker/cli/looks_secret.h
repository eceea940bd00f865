#ifndef CRB_LOOKS_SECRET_H
#define CRB_LOOKS_SECRET_H

#include <stdbool.h>

/*
 * Text on a command line that is, or may well be, a secret: a known token
 * prefix, a private key, or long random-looking characters.
 */
bool crb_looks_secret(const char *text);

#endif /* !CRB_LOOKS_SECRET_H */
