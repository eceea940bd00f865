#ifndef CRB_ROUTE_H
#define CRB_ROUTE_H

#include "backends/backend.h"

/*
 * The parameters by which a backend's requests are routed: which addresses its
 * hosts may have, and whose certificates count.
 */
extern const char *const crb_network_choices[]; /* as enum crb_network */

/* Rows of a table of parameters; both fields are const char *. */
/* clang-format off */
#define CRB_ROUTE_OPTIONS(into, network_field, ca_field)                 \
	{ .name = "network",                                             \
	    .type = CRB_OPTION_CHOICE,                                   \
	    .offset = offsetof(into, network_field),                     \
	    .preset = "public",                                          \
	    .choices = crb_network_choices,                              \
	    .value = "KIND",                                             \
	    .help = "which addresses the hosts may have" },              \
	{ .name = "ca",                                                  \
	    .type = CRB_OPTION_TEXT,                                     \
	    .offset = offsetof(into, ca_field),                          \
	    .value = "PEM",                                              \
	    .help = "certificates to trust instead of the system's" }
/* clang-format on */

/*
 * A route without origins.  `ca` may be NULL and is borrowed; it must hold
 * certificates, and no private key, since parameters are shown to people.
 */
CRB_NODISCARD enum crb_status crb_route_begin(const char *network,
    const char *ca, struct crb_route *out, struct crb_err *err);

/*
 * One more: none without TLS, but on loopback, and none that is written in a
 * URL as another one is.  route->count must be under CRB_ORIGINS_MAX.
 */
CRB_NODISCARD enum crb_status crb_route_add(
    struct crb_route *route, const char *origin, struct crb_err *err);

#endif /* !CRB_ROUTE_H */
