/*
 * Stands in for the supervisor's children, by the name it is started as.
 *
 * core: connects to STATE/control, tells there how it was started, and relays
 * packets between that and its bus, so that the test is the core.
 * gateway, egress: answer 'i' on their bus with how they were started, end
 * with status 3 at 'q', and with 0 when the bus is closed.
 * kdf: sends back what it is sent.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUS 3
#define PACKET_MAX (160u << 10)

struct relay {
	int from, to;
};

static void
die(const char *what)
{
	perror(what);
	_exit(9);
}

/* "pid 12 ppid 11 argv a|b| env LANG=C| fds 0 1 2 3 " */
static size_t
describe(char *out, size_t cap, char **argv)
{
	FILE *text = fmemopen(out, cap, "w");
	const struct dirent *entry;
	DIR *fds;

	if (text == NULL)
		die("fmemopen");
	fprintf(text, "pid %d ppid %d argv ", getpid(), getppid());
	for (; *argv != NULL; argv++)
		fprintf(text, "%s|", *argv);
	fprintf(text, " env ");
	for (char **env = environ; *env != NULL; env++)
		fprintf(text, "%s|", *env);
	fprintf(text, " fds ");
	if ((fds = opendir("/proc/self/fd")) == NULL)
		die("fds");
	while ((entry = readdir(fds)) != NULL)
		if (entry->d_name[0] != '.' &&
		    atoi(entry->d_name) != dirfd(fds))
			fprintf(text, "%s ", entry->d_name);
	closedir(fds);
	fclose(text);
	return strlen(out);
}

/* Blocking, whatever the socket is. */
static ssize_t
pass(int sock, struct msghdr *msg, int receiving)
{
	struct pollfd fd = { sock, receiving ? POLLIN : POLLOUT, 0 };
	ssize_t n;

	for (;;) {
		n = receiving ? recvmsg(sock, msg, MSG_DONTWAIT)
			      : sendmsg(sock, msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		/* Root too, without capabilities, may have only so many
		 * descriptors on their way: then the message counts. */
		if (n == -1 && errno == ETOOMANYREFS) {
			struct msghdr bare = { .msg_iov = msg->msg_iov,
				.msg_iovlen = msg->msg_iovlen };

			return pass(sock, &bare, 0);
		}
		if (n != -1 || (errno != EAGAIN && errno != EINTR))
			return n;
		(void)poll(&fd, 1, -1);
	}
}

static void
close_passed(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int fd;

	if (cmsg == NULL)
		return;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	close(fd);
}

static void *
relay(void *ctx)
{
	const struct relay *way = ctx;
	char *bytes = malloc(PACKET_MAX);
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	ssize_t n;

	for (;;) {
		struct iovec iov = { bytes, PACKET_MAX };
		struct msghdr msg = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes) };

		if ((n = pass(way->from, &msg, 1)) <= 0)
			_exit(0);
		iov.iov_len = (size_t)n;
		if (pass(way->to, &msg, 0) != n)
			_exit(0);
		close_passed(&msg);
	}
	return NULL;
}

static int
connect_control(const char *state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(
	    address.sun_path, sizeof(address.sun_path), "%s/control", state);
	if (sock == -1 ||
	    connect(sock, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("control");
	return sock;
}

static int
be_core(char **argv)
{
	struct relay out = { BUS, -1 }, in = { -1, BUS };
	pthread_t thread;
	char text[2048];
	size_t len = describe(text, sizeof(text), argv);

	/* argv[1] is --state. */
	out.to = in.from = connect_control(argv[2]);
	if (send(out.to, text, len, 0) != (ssize_t)len)
		die("send");
	if (pthread_create(&thread, NULL, relay, &out) != 0)
		die("thread");
	(void)relay(&in);
	return 0;
}

static int
be_peer(char **argv)
{
	char byte, text[2048];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	while (pass(BUS, &msg, 1) > 0) {
		if (byte == 'q')
			return 3;
		struct iovec answer = { text,
			describe(text, sizeof(text), argv) };
		struct msghdr reply = { .msg_iov = &answer, .msg_iovlen = 1 };
		if (pass(BUS, &reply, 0) <= 0)
			return 1;
	}
	return 0;
}

static int
be_kdf(void)
{
	char bytes[64];
	ssize_t n;

	while ((n = read(BUS, bytes, sizeof(bytes))) > 0)
		if (write(BUS, bytes, (size_t)n) != n)
			return 1;
	return 0;
}

int
main(int argc, char **argv)
{
	if (strcmp(argv[0], "credbroker-core") == 0 && argc > 2)
		return be_core(argv);
	if (strcmp(argv[0], "credbroker-kdf") == 0)
		return be_kdf();
	return be_peer(argv);
}
