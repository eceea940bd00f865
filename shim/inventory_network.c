#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/connect.h"
#include "shim/inventory.h"

/* How long an address may take to answer; they are asked all at once. */
#define ANSWER_MS 1000

#define ADDRESS_MAX 20

/* Where clouds hand out credentials to whoever asks. */
static const struct service {
	char address[ADDRESS_MAX]; /* port 80 */
	const char *what;
} services[] = {
	{ "169.254.169.254",
	    "a machine's credentials: AWS, Azure, metadata.google.internal" },
	{ "fd00:ec2::254", "an AWS machine's credentials" },
	{ "169.254.170.2", "an AWS container's credentials" },
	{ "169.254.170.23", "an AWS pod's credentials" },
	{ "fd00:ec2::23", "an AWS pod's credentials" },
	{ "100.100.100.200", "an Alibaba Cloud machine's credentials" },
	{ "168.63.129.16", "an Azure machine's configuration" },
};

#define SERVICE_COUNT (sizeof(services) / sizeof(*services))

static int
begin_connect(const char *text)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
		.sin6_port = htons(80) };
	struct sockaddr_in four = { .sin_family = AF_INET,
		.sin_port = htons(80) };
	bool is_six = inet_pton(AF_INET6, text, &six.sin6_addr) == 1;
	int fd = socket(is_six ? AF_INET6 : AF_INET,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int result;

	if (fd == -1)
		return -1;
	if (is_six) {
		result = connect(
		    fd, (const struct sockaddr *)&six, sizeof(six));
	} else {
		(void)inet_pton(AF_INET, text, &four.sin_addr);
		result = connect(
		    fd, (const struct sockaddr *)&four, sizeof(four));
	}
	if (result == 0 || errno == EINPROGRESS)
		return fd;
	(void)close(fd);
	return -1;
}

/* Take what poll() says of one; true while it is still to be waited for. */
static bool
take_answer(struct pollfd *asked, bool *answered)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (asked->fd < 0 || asked->revents == 0)
		return asked->fd >= 0;
	*answered = getsockopt(asked->fd, SOL_SOCKET, SO_ERROR, &error, &len) ==
		0 &&
	    error == 0;
	(void)close(asked->fd);
	asked->fd = -1;
	return false;
}

/* Wait until each has answered or failed, or the time is over. */
static void
await(struct pollfd *asked, bool *answered)
{
	long long end = crb_connect_now() + ANSWER_MS, left = ANSWER_MS;
	size_t waiting;

	do {
		waiting = 0;
		for (size_t i = 0; i < SERVICE_COUNT; i++)
			waiting += take_answer(&asked[i], &answered[i]) ? 1 : 0;
		left = end - crb_connect_now();
	} while (waiting > 0 && left > 0 &&
	    (poll(asked, SERVICE_COUNT, (int)left) != -1 || errno == EINTR));
}

void
crb_inventory_network(struct crb_inventory *inventory)
{
	struct pollfd asked[SERVICE_COUNT];
	bool answered[SERVICE_COUNT] = { false };

	if (inventory->no_network)
		return;
	for (size_t i = 0; i < SERVICE_COUNT; i++) {
		asked[i].fd = begin_connect(services[i].address);
		asked[i].events = POLLOUT;
		asked[i].revents = 0;
	}
	await(asked, answered);
	for (size_t i = 0; i < SERVICE_COUNT; i++) {
		if (asked[i].fd >= 0)
			(void)close(asked[i].fd);
		if (answered[i])
			crb_findings_add(&inventory->findings,
			    CRB_KIND_METADATA, CRB_SEVERITY_HIGH,
			    services[i].address, NULL, "%s", services[i].what);
	}
}
