#include "broker/egress/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct range4 {
	uint8_t prefix[4];
	unsigned bits;
	enum crb_address_class class;
};

/* The first that matches counts; none is public. */
static const struct range4 ranges4[] = {
	/* Clouds' metadata outside of link-local: Azure, Alibaba, Oracle. */
	{ { 168, 63, 129, 16 }, 32, CRB_ADDRESS_METADATA },
	{ { 100, 100, 100, 200 }, 32, CRB_ADDRESS_METADATA },
	{ { 192, 0, 0, 192 }, 32, CRB_ADDRESS_METADATA },
	{ { 169, 254, 169, 254 }, 32, CRB_ADDRESS_METADATA },
	{ { 169, 254, 170, 0 }, 24, CRB_ADDRESS_METADATA },
	{ { 0, 0, 0, 0 }, 8, CRB_ADDRESS_RESERVED },
	{ { 10, 0, 0, 0 }, 8, CRB_ADDRESS_PRIVATE },
	{ { 100, 64, 0, 0 }, 10, CRB_ADDRESS_PRIVATE },
	{ { 127, 0, 0, 0 }, 8, CRB_ADDRESS_LOOPBACK },
	{ { 169, 254, 0, 0 }, 16, CRB_ADDRESS_LINK_LOCAL },
	{ { 172, 16, 0, 0 }, 12, CRB_ADDRESS_PRIVATE },
	{ { 192, 0, 0, 0 }, 24, CRB_ADDRESS_RESERVED },
	{ { 192, 0, 2, 0 }, 24, CRB_ADDRESS_RESERVED },
	{ { 192, 88, 99, 0 }, 24, CRB_ADDRESS_RESERVED },
	{ { 192, 168, 0, 0 }, 16, CRB_ADDRESS_PRIVATE },
	{ { 198, 18, 0, 0 }, 15, CRB_ADDRESS_RESERVED },
	{ { 198, 51, 100, 0 }, 24, CRB_ADDRESS_RESERVED },
	{ { 203, 0, 113, 0 }, 24, CRB_ADDRESS_RESERVED },
	{ { 224, 0, 0, 0 }, 4, CRB_ADDRESS_MULTICAST },
	{ { 240, 0, 0, 0 }, 4, CRB_ADDRESS_RESERVED },
};

struct range6 {
	uint8_t prefix[16];
	unsigned bits;
	enum crb_address_class class;
};

/* The first that matches counts; none is reserved. */
static const struct range6 ranges6[] = {
	/* fd00:ec2::/32 AWS, fd20:ce::/32 Google, fd00:c1::/32 Oracle */
	{ { 0xfd, 0x00, 0x0e, 0xc2 }, 32, CRB_ADDRESS_METADATA },
	{ { 0xfd, 0x20, 0x00, 0xce }, 32, CRB_ADDRESS_METADATA },
	{ { 0xfd, 0x00, 0x00, 0xc1 }, 32, CRB_ADDRESS_METADATA },
	{ { [15] = 1 }, 128, CRB_ADDRESS_LOOPBACK },
	{ { 0xfc }, 7, CRB_ADDRESS_PRIVATE },
	{ { 0xfe, 0x80 }, 10, CRB_ADDRESS_LINK_LOCAL },
	{ { 0xff }, 8, CRB_ADDRESS_MULTICAST },
	/* Teredo and other protocol assignments, documentation */
	{ { 0x20, 0x01 }, 23, CRB_ADDRESS_RESERVED },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, CRB_ADDRESS_RESERVED },
	{ { 0x3f, 0xff }, 20, CRB_ADDRESS_RESERVED },
	{ { 0x20 }, 3, CRB_ADDRESS_PUBLIC },
};

/* Where an IPv6 address carries an IPv4 one. */
struct carrier {
	uint8_t prefix[16];
	unsigned bits;
	size_t offset;
	bool tunnel; /* somebody else's host ends it, not ours */
};

static const struct carrier carriers[] = {
	{ { [10] = 0xff, [11] = 0xff }, 96, 12, false },
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, 12, true },
	{ { 0x20, 0x02 }, 16, 2, true },
};

static bool
has_prefix(const uint8_t *bytes, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	unsigned mask = (0xff00u >> rest) & 0xff;

	if (memcmp(bytes, prefix, whole) != 0)
		return false;
	return rest == 0 || ((bytes[whole] ^ prefix[whole]) & mask) == 0;
}

static enum crb_address_class
classify4(const uint8_t bytes[4])
{
	for (size_t i = 0; i < COUNT(ranges4); i++) {
		if (has_prefix(bytes, ranges4[i].prefix, ranges4[i].bits))
			return ranges4[i].class;
	}
	return CRB_ADDRESS_PUBLIC;
}

static enum crb_address_class
classify6(const uint8_t bytes[16])
{
	enum crb_address_class inner;

	for (size_t i = 0; i < COUNT(carriers); i++) {
		const struct carrier *carrier = &carriers[i];

		if (!has_prefix(bytes, carrier->prefix, carrier->bits))
			continue;
		inner = classify4(bytes + carrier->offset);
		/* Through a tunnel, 127.0.0.1 is not this host. */
		return carrier->tunnel && inner == CRB_ADDRESS_LOOPBACK
		    ? CRB_ADDRESS_RESERVED
		    : inner;
	}
	for (size_t i = 0; i < COUNT(ranges6); i++) {
		if (has_prefix(bytes, ranges6[i].prefix, ranges6[i].bits))
			return ranges6[i].class;
	}
	return CRB_ADDRESS_RESERVED;
}

enum crb_address_class
crb_address_classify(const struct sockaddr *address, socklen_t len)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	uint8_t bytes[4];

	/* Copied, since the address may lie anywhere in a larger struct. */
	if (len >= sizeof(in) && address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		memcpy(bytes, &in.sin_addr, sizeof(bytes));
		return classify4(bytes);
	}
	if (len >= sizeof(in6) && address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		return classify6(in6.sin6_addr.s6_addr);
	}
	return CRB_ADDRESS_RESERVED;
}

const char *crb_address_class_name(enum crb_address_class class)
{
	static const char *const names[] = {
		[CRB_ADDRESS_PUBLIC] = "a public address",
		[CRB_ADDRESS_PRIVATE] = "a private address",
		[CRB_ADDRESS_LOOPBACK] = "a loopback address",
		[CRB_ADDRESS_METADATA] = "a cloud metadata address",
		[CRB_ADDRESS_LINK_LOCAL] = "a link-local address",
		[CRB_ADDRESS_MULTICAST] = "a multicast address",
		[CRB_ADDRESS_RESERVED] = "a reserved address",
	};

	return names[class];
}

bool
crb_address_ok(enum crb_address_class class, enum crb_network network, bool tls)
{
	if (!tls && class != CRB_ADDRESS_LOOPBACK)
		return false;
	switch (network) {
	case CRB_NETWORK_PUBLIC:
		return class == CRB_ADDRESS_PUBLIC;
	case CRB_NETWORK_PRIVATE:
		return class == CRB_ADDRESS_PUBLIC ||
		    class == CRB_ADDRESS_PRIVATE;
	case CRB_NETWORK_LOOPBACK:
		return class == CRB_ADDRESS_LOOPBACK;
	}
	return false;
}

bool
crb_address_parse(
    const char *text, struct sockaddr_storage *out, socklen_t *len)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		memcpy(out, &in, sizeof(in));
		*len = sizeof(in);
		return true;
	}
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
		memcpy(out, &in6, sizeof(in6));
		*len = sizeof(in6);
		return true;
	}
	return false;
}
