#ifndef CRB_CLI_LEASES_H
#define CRB_CLI_LEASES_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/*
 * What the broker says of leases, an array (session.show, revoke): keys that
 * were handed out cannot be taken back, so people are told until when they
 * work.
 */

/* A line for each. */
void crb_leases_print(const json_t *leases);

/*
 * "1 AWS lease cannot be revoked upstream: its keys work until 14:32", without
 * a line's end; nothing and false when no issued keys can still work.
 */
bool crb_leases_remain(FILE *to, const json_t *leases);

#endif /* !CRB_CLI_LEASES_H */
