#include "broker/egress/address.h"

#include <netinet/in.h>

#include "tests/unit/unit.h"

static const struct {
	const char *text;
	enum crb_address_class class;
} addresses[] = {
	{ "140.82.121.4", CRB_ADDRESS_PUBLIC },
	{ "1.1.1.1", CRB_ADDRESS_PUBLIC },
	{ "100.63.255.255", CRB_ADDRESS_PUBLIC },
	{ "100.128.0.0", CRB_ADDRESS_PUBLIC },
	{ "172.15.255.255", CRB_ADDRESS_PUBLIC },
	{ "172.32.0.0", CRB_ADDRESS_PUBLIC },
	{ "192.167.255.255", CRB_ADDRESS_PUBLIC },
	{ "192.169.0.0", CRB_ADDRESS_PUBLIC },
	{ "11.0.0.0", CRB_ADDRESS_PUBLIC },
	{ "128.0.0.1", CRB_ADDRESS_PUBLIC },
	{ "223.255.255.255", CRB_ADDRESS_PUBLIC },

	{ "10.0.0.0", CRB_ADDRESS_PRIVATE },
	{ "10.255.255.255", CRB_ADDRESS_PRIVATE },
	{ "172.16.0.1", CRB_ADDRESS_PRIVATE },
	{ "172.31.255.255", CRB_ADDRESS_PRIVATE },
	{ "192.168.0.1", CRB_ADDRESS_PRIVATE },
	{ "100.64.0.1", CRB_ADDRESS_PRIVATE },
	{ "100.127.255.255", CRB_ADDRESS_PRIVATE },

	{ "127.0.0.1", CRB_ADDRESS_LOOPBACK },
	{ "127.255.255.255", CRB_ADDRESS_LOOPBACK },

	{ "169.254.169.254", CRB_ADDRESS_METADATA },
	{ "169.254.170.2", CRB_ADDRESS_METADATA },
	{ "169.254.170.23", CRB_ADDRESS_METADATA },
	{ "168.63.129.16", CRB_ADDRESS_METADATA },
	{ "100.100.100.200", CRB_ADDRESS_METADATA },
	{ "192.0.0.192", CRB_ADDRESS_METADATA },

	{ "169.254.0.1", CRB_ADDRESS_LINK_LOCAL },
	{ "224.0.0.1", CRB_ADDRESS_MULTICAST },
	{ "239.255.255.255", CRB_ADDRESS_MULTICAST },

	{ "0.0.0.0", CRB_ADDRESS_RESERVED },
	{ "0.1.2.3", CRB_ADDRESS_RESERVED },
	{ "192.0.0.1", CRB_ADDRESS_RESERVED },
	{ "192.0.2.1", CRB_ADDRESS_RESERVED },
	{ "192.88.99.1", CRB_ADDRESS_RESERVED },
	{ "198.18.0.1", CRB_ADDRESS_RESERVED },
	{ "198.19.255.255", CRB_ADDRESS_RESERVED },
	{ "198.51.100.1", CRB_ADDRESS_RESERVED },
	{ "203.0.113.1", CRB_ADDRESS_RESERVED },
	{ "240.0.0.1", CRB_ADDRESS_RESERVED },
	{ "255.255.255.255", CRB_ADDRESS_RESERVED },

	{ "2606:50c0:8000::153", CRB_ADDRESS_PUBLIC },
	{ "2a00::1", CRB_ADDRESS_PUBLIC },
	{ "2001:200::1", CRB_ADDRESS_PUBLIC },
	{ "fc00::1", CRB_ADDRESS_PRIVATE },
	{ "fdff::1", CRB_ADDRESS_PRIVATE },
	{ "::1", CRB_ADDRESS_LOOPBACK },
	{ "fd00:ec2::254", CRB_ADDRESS_METADATA },
	{ "fd20:ce::254", CRB_ADDRESS_METADATA },
	{ "fe80::1", CRB_ADDRESS_LINK_LOCAL },
	{ "febf::1", CRB_ADDRESS_LINK_LOCAL },
	{ "ff02::1", CRB_ADDRESS_MULTICAST },
	{ "::", CRB_ADDRESS_RESERVED },
	{ "::2", CRB_ADDRESS_RESERVED },
	{ "::127.0.0.1", CRB_ADDRESS_RESERVED },
	{ "fec0::1", CRB_ADDRESS_RESERVED },
	{ "100::1", CRB_ADDRESS_RESERVED },
	{ "2001::1", CRB_ADDRESS_RESERVED },
	{ "2001:db8::1", CRB_ADDRESS_RESERVED },
	{ "3fff:fff::1", CRB_ADDRESS_RESERVED },
	{ "4000::1", CRB_ADDRESS_RESERVED },

	/* Addresses within addresses. */
	{ "::ffff:140.82.121.4", CRB_ADDRESS_PUBLIC },
	{ "::ffff:127.0.0.1", CRB_ADDRESS_LOOPBACK },
	{ "::ffff:10.0.0.1", CRB_ADDRESS_PRIVATE },
	{ "::ffff:169.254.169.254", CRB_ADDRESS_METADATA },
	{ "::ffff:0.0.0.0", CRB_ADDRESS_RESERVED },
	{ "::ffff:0:127.0.0.1", CRB_ADDRESS_RESERVED },
	{ "64:ff9b::8c52:7904", CRB_ADDRESS_PUBLIC },
	{ "64:ff9b::10.0.0.1", CRB_ADDRESS_PRIVATE },
	{ "64:ff9b::169.254.169.254", CRB_ADDRESS_METADATA },
	{ "64:ff9b::127.0.0.1", CRB_ADDRESS_RESERVED },
	{ "64:ff9b:1::10.0.0.1", CRB_ADDRESS_RESERVED },
	{ "2002:8c52:7904::1", CRB_ADDRESS_PUBLIC },
	{ "2002:a00:1::1", CRB_ADDRESS_PRIVATE },
	{ "2002:7f00:1::1", CRB_ADDRESS_RESERVED },
	{ "2002:a9fe:a9fe::1", CRB_ADDRESS_METADATA },
};

static void
an_address_has_its_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct sockaddr_storage address;
		socklen_t len;

		assert_true(
		    crb_address_parse(addresses[i].text, &address, &len));
		if (crb_address_classify((const struct sockaddr *)&address,
			len) != addresses[i].class)
			fail_msg("%s", addresses[i].text);
	}
}

static void
what_is_no_ip_address_is_reserved(void **state)
{
	struct sockaddr_storage address = { .ss_family = AF_UNIX };
	const struct sockaddr *any = (const struct sockaddr *)&address;
	socklen_t len;

	(void)state;
	assert_int_equal(
	    crb_address_classify(any, sizeof(address)), CRB_ADDRESS_RESERVED);
	address.ss_family = AF_INET;
	assert_int_equal(
	    crb_address_classify(any, sizeof(struct sockaddr_in) - 1),
	    CRB_ADDRESS_RESERVED);
	assert_false(crb_address_parse("localhost", &address, &len));
	assert_false(crb_address_parse("127.1", &address, &len));
	assert_false(crb_address_parse("fe80::1%lo", &address, &len));
}

static void
a_network_allows_its_classes_and_no_other(void **state)
{
	enum { PUBLIC = 1, PRIVATE = 2, LOOPBACK = 4 };
	static const unsigned allowed[] = {
		[CRB_ADDRESS_PUBLIC] = PUBLIC | PRIVATE,
		[CRB_ADDRESS_PRIVATE] = PRIVATE,
		[CRB_ADDRESS_LOOPBACK] = LOOPBACK,
		[CRB_ADDRESS_METADATA] = 0,
		[CRB_ADDRESS_LINK_LOCAL] = 0,
		[CRB_ADDRESS_MULTICAST] = 0,
		[CRB_ADDRESS_RESERVED] = 0,
	};

	(void)state;
	for (unsigned c = 0; c < sizeof(allowed) / sizeof(allowed[0]); c++) {
		enum crb_address_class class = (enum crb_address_class)c;

		for (unsigned n = CRB_NETWORK_PUBLIC; n <= CRB_NETWORK_LOOPBACK;
		     n++) {
			enum crb_network network = (enum crb_network)n;
			bool ok = (allowed[c] & 1u << n) != 0;

			assert_int_equal(
			    crb_address_ok(class, network, true), ok);
			assert_int_equal(crb_address_ok(class, network, false),
			    ok && class == CRB_ADDRESS_LOOPBACK);
		}
	}
	assert_false(
	    crb_address_ok(CRB_ADDRESS_PUBLIC, (enum crb_network)9, true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_its_class),
		cmocka_unit_test(what_is_no_ip_address_is_reserved),
		cmocka_unit_test(a_network_allows_its_classes_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
