#include "broker/egress/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND)

/*
 * Connections to upstreams, made and resolved by libcurl; files only to be
 * read: the resolver's, and certificates.  libcurl resolves names in threads.
 */
static const struct crb_syscall calls[] = {
	CRB_CALL_WITH(socket, 0, AF_INET),
	CRB_CALL_WITH(socket, 0, AF_INET6),
	/* getaddrinfo() asks which addresses the host has; for nothing else. */
	CRB_CALL_WITH2(socket, 0, AF_NETLINK, 2, 0),
	/* A daemon that caches names: done without. */
	CRB_CALL_FAILS_WITH(socket, EACCES, 0, AF_UNIX),
	/* libcurl wakes its own poll(). */
	CRB_CALL_PAIR(SOCK_STREAM),
	CRB_CALL(connect),
	CRB_CALL(bind),
	CRB_CALL(getsockname),
	CRB_CALL(getpeername),
	CRB_CALL_WITH(setsockopt, 1, SOL_SOCKET),
	CRB_CALL_WITH(setsockopt, 1, IPPROTO_TCP),
	CRB_CALL_WITH(setsockopt, 1, IPPROTO_IP),
	CRB_CALL_WITH(setsockopt, 1, IPPROTO_IPV6),
	CRB_CALL(sendmmsg),
	CRB_CALL_WITH(ioctl, 1, FIONREAD),
	CRB_CALL_WITHOUT(openat, 2, WRITES),
	CRB_CALL_WITHOUT(open, 1, WRITES),
	CRB_CALL(newfstatat),
	CRB_CALL(statx),
	CRB_CALL(access),
	CRB_CALL(faccessat),
	CRB_CALL(faccessat2),
	CRB_CALL(readlink),
	CRB_CALL(pread64),
	/* The host's own name, for names without a dot. */
	CRB_CALL(uname),
	CRB_CALL(sysinfo),
	CRB_CALLS_END,
};

static const struct crb_syscall *const tables[] = { crb_calls_base,
	crb_calls_threads, calls, NULL };

/* Of the resolver, and where distributions have their certificates. */
static const char *const root[] = {
	CRB_RESOLV_CONF,
	"/etc/hosts",
	"/etc/host.conf",
	"/etc/nsswitch.conf",
	"/etc/gai.conf",
	"/etc/services",
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/ssl/cert.pem",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/usr/lib/ssl/cert.pem",
	NULL,
};

/* Where the above are, or lead to. */
static const struct crb_landlock_rule files[] = {
	{ "/etc", false },
	{ "/run/NetworkManager", false },
	{ "/run/connman", false },
	{ "/run/resolvconf", false },
	{ "/run/systemd/resolve", false },
	{ "/usr/lib/ssl", false },
	{ "/usr/share", false },
	{ NULL, false },
};

const struct crb_confinement crb_egress_confinement = {
	.calls = tables,
	.namespaces = CRB_APART_IPC | CRB_APART_UTS,
	.root = root,
	.files = files,
	.connects = true,
};
