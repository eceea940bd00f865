#ifndef CRB_EGRESS_ADDRESS_H
#define CRB_EGRESS_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "backends/backend.h"

/*
 * What kind of place an address is, from the IANA special-purpose registries
 * (RFC 6890 and what came after).  An address that carries another one
 * (IPv4-mapped, NAT64, 6to4) is judged by the one inside.
 */
enum crb_address_class {
	CRB_ADDRESS_PUBLIC,
	CRB_ADDRESS_PRIVATE, /* RFC 1918, unique local, carrier-grade NAT */
	CRB_ADDRESS_LOOPBACK,
	CRB_ADDRESS_METADATA, /* where clouds keep credentials */
	CRB_ADDRESS_LINK_LOCAL,
	CRB_ADDRESS_MULTICAST,
	CRB_ADDRESS_RESERVED, /* unspecified, documentation, unassigned */
};

/* Anything but IPv4 and IPv6 is reserved. */
enum crb_address_class crb_address_classify(
    const struct sockaddr *address, socklen_t len);

/* "a private address" */
const char *crb_address_class_name(enum crb_address_class class);

/*
 * Whether a request may go there.  Clear text goes to loopback only: on any
 * network the secret could be read on its way.
 */
bool crb_address_ok(
    enum crb_address_class class, enum crb_network network, bool tls);

/* "192.0.2.1", "2001:db8::1" to an address; false when it is not one. */
bool crb_address_parse(
    const char *text, struct sockaddr_storage *out, socklen_t *len);

#endif /* !CRB_EGRESS_ADDRESS_H */
