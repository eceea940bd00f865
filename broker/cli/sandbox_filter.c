#include "broker/cli/sandbox_filter.h"

#include <errno.h>
#include <linux/tiocl.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CRB_AUTO_FILTER __attribute__((cleanup(filter_cleanup)))
static void
filter_cleanup(scmp_filter_ctx *filter)
{
	if (*filter != NULL)
		seccomp_release(*filter);
}

/* The kernel looks at the low 32 bits of the request, so this does too. */
static int
deny_ioctl(scmp_filter_ctx filter, uint64_t request)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl),
	    1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, request));
}

/*
 * Families that a network namespace holds.  Others reach past it: vsock the
 * host of a virtual machine, Bluetooth what is near.
 */
static int
deny_families(scmp_filter_ctx filter)
{
	static const uint64_t allowed[] = { AF_UNIX, AF_INET, AF_INET6,
		AF_NETLINK };
	uint64_t next = 0;
	int failed = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
		for (; next < allowed[i]; next++)
			failed |= seccomp_rule_add(filter,
			    SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
			    SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffffu, next));
		next = allowed[i] + 1;
	}
	return failed |
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT),
		SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_NETLINK, 0));
}

static int
add_rules(scmp_filter_ctx filter)
{
	static const int keyrings[] = { SCMP_SYS(add_key),
		SCMP_SYS(request_key), SCMP_SYS(keyctl) };
	int failed = 0;

	if (seccomp_arch_native() == SCMP_ARCH_X86_64) {
		failed |= seccomp_arch_add(filter, SCMP_ARCH_X86);
		failed |= seccomp_arch_add(filter, SCMP_ARCH_X32);
	}
	failed |= deny_ioctl(filter, TIOCSTI);
	failed |= deny_ioctl(filter, TIOCLINUX);
	failed |= deny_families(filter);
	/* It makes sockets past this program; who wants it does without. */
	failed |= seccomp_rule_add(
	    filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);
	for (size_t i = 0; i < sizeof(keyrings) / sizeof(*keyrings); i++)
		failed |= seccomp_rule_add(
		    filter, SCMP_ACT_ERRNO(EPERM), keyrings[i], 0);
	return failed;
}

enum crb_status
crb_sandbox_filter(int *fd, struct crb_err *err)
{
	CRB_AUTO_FILTER scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	CRB_AUTO_FD int file = memfd_create("sandbox-filter", 0);

	if (file == -1)
		return crb_err_errno(err, "memfd_create");
	if (filter == NULL || add_rules(filter) != 0 ||
	    seccomp_export_bpf(filter, file) != 0 ||
	    lseek(file, 0, SEEK_SET) == -1)
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "the sandbox's seccomp program could not be made");
	*fd = CRB_STEAL_FD(file);
	return CRB_OK;
}
