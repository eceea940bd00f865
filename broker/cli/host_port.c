#include "broker/cli/host_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

enum crb_status
crb_host_port_open(int *fd, uint16_t *port, struct crb_err *err)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	CRB_AUTO_FD int made = socket(
	    AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int one = 1;

	/* No farther than this host; never SO_REUSEPORT. */
	if (made == -1 ||
	    setsockopt(made, IPPROTO_IP, IP_TTL, &one, sizeof(one)) == -1 ||
	    bind(made, (const struct sockaddr *)&at, sizeof(at)) == -1 ||
	    listen(made, SOMAXCONN) == -1 ||
	    getsockname(made, (struct sockaddr *)&at, &len) == -1)
		return crb_err_errno(err, "a port of the loopback address");
	*port = ntohs(at.sin_port);
	*fd = CRB_STEAL_FD(made);
	return CRB_OK;
}
