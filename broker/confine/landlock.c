#include "broker/confine/landlock.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/* Of our own: the headers may be older than the kernel. */
struct ruleset {
	uint64_t fs, net, scoped;
};
struct path_rule {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

#define VERSION_FLAG 1u
#define RULE_PATH 1
#define READS (1u << 2 | 1u << 3) /* read a file, list a folder */
/* Write, truncate, remove and make files and folders, move within them. */
#define WRITES \
	(1u << 1 | 1u << 4 | 1u << 5 | 1u << 7 | 1u << 8 | 1u << 13 | 1u << 14)
#define BIND_TCP 1u
#define CONNECT_TCP 2u
/* Abstract unix sockets and signals, of and to others. */
#define SCOPES 3u

/* How many file rights, from bit 0, each version knows. */
static const unsigned fs_bits[] = { 0, 13, 14, 15, 15, 16 };
#define LAST (sizeof(fs_bits) / sizeof(fs_bits[0]) - 1)
#define NET_SINCE 4
#define SCOPED_SINCE 6

int
crb_landlock_version(void)
{
	long version = syscall(
	    SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);

	return version > 0 ? (int)version : 0;
}

static uint64_t
known_fs(int version)
{
	unsigned bits =
	    fs_bits[(size_t)version < LAST ? (size_t)version : LAST];

	return ((uint64_t)1 << bits) - 1;
}

static size_t
ruleset_size(int version)
{
	if (version >= SCOPED_SINCE)
		return sizeof(struct ruleset);
	return version >= NET_SINCE ? offsetof(struct ruleset, scoped)
				    : offsetof(struct ruleset, net);
}

static enum crb_status
add_rule(int ruleset, const struct crb_landlock_rule *rule, uint64_t known,
    struct crb_err *err)
{
	CRB_AUTO_FD int fd = open(rule->path, O_PATH | O_CLOEXEC);
	const struct path_rule path = {
		.allowed = (READS | (rule->write ? WRITES : 0)) & known,
		.parent = fd,
	};

	if (fd == -1)
		return CRB_OK;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &path, 0) != 0)
		return crb_err_errno(err, "Landlock's rule for %s", rule->path);
	return CRB_OK;
}

enum crb_status
crb_landlock_confine(
    const struct crb_landlock_rule *rules, bool connect, struct crb_err *err)
{
	int version = crb_landlock_version();
	const struct ruleset handled = {
		.fs = known_fs(version),
		.net = BIND_TCP | (connect ? 0 : CONNECT_TCP),
		.scoped = SCOPES,
	};
	CRB_AUTO_FD int ruleset = (int)syscall(
	    SYS_landlock_create_ruleset, &handled, ruleset_size(version), 0);

	if (ruleset == -1)
		return crb_err_errno(err, "Landlock");
	for (; rules->path != NULL; rules++)
		if (add_rule(ruleset, rules, handled.fs, err) != CRB_OK)
			return err->status;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		return crb_err_errno(err, "Landlock");
	return CRB_OK;
}
