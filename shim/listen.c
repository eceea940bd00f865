#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "shim/cleanup.h"
#include "shim/listen.h"
#include "shim/say.h"

static bool
parse_port(const char *text, uint16_t *port)
{
	unsigned n = 0;

	if (text[0] == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (unsigned)(*text - '0');
		if (n > UINT16_MAX)
			return false;
	}
	*port = (uint16_t)n;
	return true;
}

static bool
parse_address(const char *where, struct sockaddr_in *address)
{
	const char *colon = strrchr(where, ':');
	char host[INET_ADDRSTRLEN] = "";
	uint16_t port;

	if (colon == NULL || (size_t)(colon - where) >= sizeof(host))
		return false;
	memcpy(host, where, (size_t)(colon - where));
	if (!parse_port(colon + 1, &port))
		return false;
	*address = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(port) };
	if (inet_pton(AF_INET, host, &address->sin_addr) != 1)
		return false;
	return ntohl(address->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static bool
open_at(int fd, struct sockaddr_in *address)
{
	const int one = 1;
	socklen_t len = sizeof(*address);

	/* Never SO_REUSEPORT: a second listener could take our connections. */
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ==
	    0 &&
	    setsockopt(fd, IPPROTO_IP, IP_TTL, &one, sizeof(one)) == 0 &&
	    bind(fd, (const struct sockaddr *)address, len) == 0 &&
	    listen(fd, SOMAXCONN) == 0 &&
	    getsockname(fd, (struct sockaddr *)address, &len) == 0;
}

static void
write_text(const struct sockaddr_in *address, char text[CRB_LISTEN_TEXT])
{
	char host[INET_ADDRSTRLEN] = "";

	(void)inet_ntop(AF_INET, &address->sin_addr, host, sizeof(host));
	(void)snprintf(text, CRB_LISTEN_TEXT, "%.15s:%u", host,
	    (unsigned)ntohs(address->sin_port));
}

int
crb_listen_adopt(int fd, char text[CRB_LISTEN_TEXT])
{
	struct sockaddr_in address = { .sin_family = AF_UNSPEC };
	socklen_t len = sizeof(address), size = sizeof(int);
	int listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == -1 ||
	    listens == 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) == -1 ||
	    address.sin_family != AF_INET ||
	    ntohl(address.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return crb_say_fail(CRB_EXIT_USAGE,
		    "--listen-fd %d does not listen on a loopback address", fd);
	write_text(&address, text);
	return CRB_EXIT_DONE;
}

int
crb_listen_open(const char *where, int *fd, char text[CRB_LISTEN_TEXT])
{
	struct sockaddr_in address;
	CRB_AUTO_FD int opened = -1;

	if (!parse_address(where, &address))
		return crb_say_fail(CRB_EXIT_USAGE,
		    "--listen wants an IPv4 loopback address and a port, such "
		    "as 127.0.0.1:9169; not %s",
		    where);
	opened = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (opened == -1 || !open_at(opened, &address))
		return crb_say_fail(CRB_EXIT_OTHER, "cannot listen on %s: %s",
		    where, strerror(errno));
	write_text(&address, text);
	*fd = CRB_STEAL_FD(opened);
	return CRB_EXIT_DONE;
}
