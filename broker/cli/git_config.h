#ifndef CRB_GIT_CONFIG_H
#define CRB_GIT_CONFIG_H

#include <stddef.h>

/*
 * git's configuration format (git-config(1), "Syntax"), read leniently: what
 * is malformed is passed over.  `key` is "section.name" in lower case, without
 * the subsection; a variable without "=" has the value "true".  Includes are
 * not followed.  Text is cut at 4095 bytes a value.
 */
typedef void crb_git_config_fn(void *ctx, const char *key, const char *value);
void crb_git_config_read(
    const char *text, size_t len, crb_git_config_fn *fn, void *ctx);

#endif /* !CRB_GIT_CONFIG_H */
