/*
 * A load generator, for sockets with a path as well as for TCP: keep-alive
 * connections in one thread, so many requests under way at once.
 *
 * load [options] TARGET		HTTP/1.1
 * load [options] --line TEXT		a line there, a line back
 *
 * The connections take turns: with more of them than requests under way, each
 * request goes to the one that has rested longest.  What it prints is JSON.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/framing.h"
#include "tests/bench/sample.h"

#define EVENTS 64
#define BUFFER (256u << 10)
#define REQUEST_MAX (64u << 10)

struct connection {
	int fd; /* -1: closed */
	size_t index;
	uint64_t started;
	size_t head_sent; /* of the request */
	uint64_t pad_sent;
	uint32_t events;
	struct framing framing;
	struct connection *next; /* in the row of those that rest */
};

static struct {
	/* what was asked for */
	size_t connections, under_way;
	double seconds;
	uint64_t count, pad;
	const char *method, *line;
	int port;
	bool proof;
	char **sockets;
	size_t socket_count;
	/* what comes of it */
	char request[REQUEST_MAX];
	size_t request_len;
	char *buffer, *padding;
	int epoll;
	uint64_t begun, until, started, bytes;
	struct sample sample;
	struct connection *first, **last;
} load;

static void
add_text(const char *bytes, size_t len)
{
	if (len > sizeof(load.request) - load.request_len)
		errx(2, "the request is too long");
	memcpy(load.request + load.request_len, bytes, len);
	load.request_len += len;
}

static void
add_string(const char *text)
{
	add_text(text, strlen(text));
}

static int
dial_path(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		errx(2, "%s: too long a path", path);
	strcpy(addr.sun_path, path);
	if (fd == -1 ||
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == -1)
		err(1, "%s", path);
	return fd;
}

static int
dial_port(int port)
{
	const struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd == -1 ||
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == -1)
		err(1, "port %d", port);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* Where the client sits: its namespaces, with the first byte of a line. */
static size_t
send_proof(int fd)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec part = { load.request, 1 };
	struct msghdr msg = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	int fds[2] = { open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC),
		open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC) };

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(head), fds, sizeof(fds));
	if (sendmsg(fd, &msg, 0) != 1)
		err(1, "proof");
	(void)close(fds[0]);
	(void)close(fds[1]);
	return 1;
}

static void
open_connection(struct connection *connection)
{
	struct epoll_event event = { .data.ptr = connection };
	int fd = load.port != 0
	    ? dial_port(load.port)
	    : dial_path(load.sockets[connection->index % load.socket_count]);

	connection->fd = fd;
	connection->events = 0;
	if (load.proof)
		connection->head_sent = send_proof(fd);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &event) == -1)
		err(1, "epoll");
}

static void
want(struct connection *connection, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = connection };

	if (connection->events == events)
		return;
	connection->events = events;
	if (epoll_ctl(load.epoll, EPOLL_CTL_MOD, connection->fd, &event) == -1)
		err(1, "epoll");
}

/* Returns false when the socket takes no more for now. */
static bool
send_some(
    struct connection *connection, const char *bytes, size_t len, size_t *sent)
{
	ssize_t n = send(connection->fd, bytes, len, MSG_NOSIGNAL);

	*sent = n > 0 ? (size_t)n : 0;
	if (n == -1 && errno != EAGAIN)
		err(1, "send");
	return n > 0;
}

static void
send_more(struct connection *connection)
{
	size_t sent = 0;

	while (connection->head_sent < load.request_len) {
		if (!send_some(connection, load.request + connection->head_sent,
			load.request_len - connection->head_sent, &sent)) {
			want(connection, EPOLLIN | EPOLLOUT);
			return;
		}
		connection->head_sent += sent;
	}
	while (connection->pad_sent < load.pad) {
		uint64_t left = load.pad - connection->pad_sent;

		if (!send_some(connection, load.padding,
			left < BUFFER ? (size_t)left : BUFFER, &sent)) {
			want(connection, EPOLLIN | EPOLLOUT);
			return;
		}
		connection->pad_sent += sent;
	}
	want(connection, EPOLLIN);
}

static bool
is_over(void)
{
	return load.count > 0 ? load.started >= load.count
			      : now_ns() >= load.until;
}

static void
start_next(void)
{
	struct connection *connection = load.first;

	if (connection == NULL || is_over())
		return;
	if ((load.first = connection->next) == NULL)
		load.last = &load.first;
	load.started++;
	connection->head_sent = 0;
	connection->pad_sent = 0;
	framing_init(&connection->framing);
	connection->started = now_ns();
	if (connection->fd == -1)
		open_connection(connection);
	send_more(connection);
}

static void
rest(struct connection *connection)
{
	connection->next = NULL;
	*load.last = connection;
	load.last = &connection->next;
}

static void
finish(struct connection *connection)
{
	const struct framing *framing = &connection->framing;

	if (load.line == NULL &&
	    (framing->status < 200 || framing->status > 299))
		errx(1, "%.*s", (int)framing->head_len, framing->head);
	sample_add(&load.sample, now_ns() - connection->started);
	load.bytes += framing->body;
	if (framing->close) {
		(void)close(connection->fd);
		connection->fd = -1;
	}
	rest(connection);
	start_next();
}

/* Returns whether the answer has come. */
static bool
take_line(const char *bytes, size_t len)
{
	if (bytes[len - 1] != '\n')
		return false;
	if (memmem(bytes, len, "\"error\":", 8) != NULL)
		errx(1, "%.*s", (int)(len < 400 ? len : 400), bytes);
	return true;
}

static bool
take(struct connection *connection, const char *bytes, size_t len)
{
	struct framing *framing = &connection->framing;

	if (load.line != NULL)
		return take_line(bytes, len);
	if (framing_feed(framing, bytes, len) != len || framing->failed)
		errx(1, "more came than the answer");
	return framing->done;
}

static void
serve(struct connection *connection, uint32_t events)
{
	ssize_t n;

	if ((events & EPOLLOUT) != 0)
		send_more(connection);
	if ((events & ~(uint32_t)EPOLLOUT) == 0)
		return;
	n = recv(connection->fd, load.buffer, BUFFER, 0);
	if (n == 0)
		errx(1, "closed before the answer");
	if (n == -1 && errno == EAGAIN)
		return;
	if (n == -1)
		err(1, "recv");
	if (take(connection, load.buffer, (size_t)n))
		finish(connection);
}

static void
run(struct connection *all)
{
	struct epoll_event events[EVENTS];
	uint64_t done;
	int count;

	load.last = &load.first;
	load.begun = now_ns();
	load.until = load.begun + (uint64_t)(load.seconds * 1e9);
	for (size_t i = 0; i < load.connections; i++) {
		all[i].index = i;
		all[i].fd = -1;
		rest(&all[i]);
	}
	for (size_t i = 0; i < load.under_way; i++)
		start_next();
	for (;;) {
		done = load.sample.count;
		if (done == load.started)
			return;
		count = epoll_wait(load.epoll, events, EVENTS, 30000);
		if (count == 0)
			errx(1, "no answer in 30 s");
		for (int i = 0; i < count; i++)
			serve(events[i].data.ptr, events[i].events);
	}
}

/* A path a line. */
static void
read_sockets(const char *list)
{
	FILE *file = fopen(list, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (file == NULL)
		err(2, "%s", list);
	while ((len = getline(&line, &cap, file)) > 0) {
		line[len - 1] = '\0';
		load.sockets = reallocarray(
		    load.sockets, load.socket_count + 1, sizeof(char *));
		if (load.sockets == NULL)
			err(1, "memory");
		load.sockets[load.socket_count++] = line;
		line = NULL;
		cap = 0;
	}
	free(line);
	(void)fclose(file);
}

static char *
read_file(const char *path, size_t *len)
{
	char *bytes = malloc(REQUEST_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd != -1 && bytes != NULL ? read(fd, bytes, REQUEST_MAX)
					      : -1;

	if (n == -1)
		err(2, "%s", path);
	(void)close(fd);
	*len = (size_t)n;
	return bytes;
}

struct words {
	const char *header[16], *body;
	size_t headers;
};

static void
make_request(const char *target, const struct words *words)
{
	size_t body_len = 0;
	char *body = NULL, length[64];

	if (load.line != NULL) {
		add_string(load.line);
		add_string("\n");
		return;
	}
	if (words->body != NULL)
		body = read_file(words->body, &body_len);
	add_string(load.method);
	add_string(" ");
	add_string(target);
	add_string(" HTTP/1.1\r\n");
	for (size_t i = 0; i < words->headers; i++) {
		add_string(words->header[i]);
		add_string("\r\n");
	}
	if (words->body != NULL || load.pad > 0) {
		(void)snprintf(length, sizeof(length),
		    "Content-Length: %llu\r\n",
		    (unsigned long long)(body_len + load.pad));
		add_string(length);
	}
	add_string("\r\n");
	if (body != NULL)
		add_text(body, body_len);
	free(body);
}

enum { SOCKET = 256, LIST, PORT, PROOF, PAD, LINE, UNDER_WAY, COUNT };

static const struct option options[] = {
	{ "socket", required_argument, NULL, SOCKET },
	{ "sockets", required_argument, NULL, LIST }, /* a file of paths */
	{ "port", required_argument, NULL, PORT },
	{ "connections", required_argument, NULL, 'c' },
	{ "under-way", required_argument, NULL, UNDER_WAY },
	{ "seconds", required_argument, NULL, 's' },
	{ "count", required_argument, NULL, COUNT },
	{ "method", required_argument, NULL, 'm' },
	{ "header", required_argument, NULL, 'h' },
	{ "body", required_argument, NULL, 'b' }, /* a file */
	{ "pad", required_argument, NULL, PAD },  /* bytes behind it */
	{ "line", required_argument, NULL, LINE },
	{ "proof", no_argument, NULL, PROOF },
	{ NULL, 0, NULL, 0 },
};

static void
take_option(int option, char *value, struct words *words)
{
	switch (option) {
	case SOCKET:
		load.sockets = malloc(sizeof(char *));
		if (load.sockets == NULL)
			err(1, "memory");
		load.sockets[0] = value;
		load.socket_count = 1;
		break;
	case LIST:
		read_sockets(value);
		break;
	case PORT:
		load.port = (int)strtol(value, NULL, 10);
		break;
	case PROOF:
		load.proof = true;
		break;
	case PAD:
		load.pad = strtoull(value, NULL, 10);
		break;
	case LINE:
		load.line = value;
		break;
	case UNDER_WAY:
		load.under_way = strtoul(value, NULL, 10);
		break;
	case COUNT:
		load.count = strtoull(value, NULL, 10);
		break;
	case 'c':
		load.connections = strtoul(value, NULL, 10);
		break;
	case 's':
		load.seconds = strtod(value, NULL);
		break;
	case 'm':
		load.method = value;
		break;
	case 'b':
		words->body = value;
		break;
	case 'h':
		if (words->headers < 16)
			words->header[words->headers++] = value;
		break;
	default:
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	struct words words = { .headers = 0 };
	struct connection *all;
	double seconds;
	int option;

	load.connections = 1;
	load.seconds = 1;
	load.method = "GET";
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		take_option(option, optarg, &words);
	if ((load.line == NULL && optind + 1 != argc) ||
	    (load.port == 0 && load.socket_count == 0) || load.connections == 0)
		errx(2, "wants a socket or a port, and a target or a line");
	if (load.under_way == 0 || load.under_way > load.connections)
		load.under_way = load.connections;
	make_request(argv[optind], &words);
	all = calloc(load.connections, sizeof(*all));
	load.buffer = malloc(BUFFER);
	load.padding = calloc(1, BUFFER);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (all == NULL || load.buffer == NULL || load.padding == NULL ||
	    load.epoll == -1)
		err(1, "memory");
	run(all);
	seconds = (double)(now_ns() - load.begun) / 1e9;
	printf("{\"seconds\":%.4f,\"rate\":%.2f,\"bytes\":%llu,", seconds,
	    (double)load.sample.count / seconds,
	    (unsigned long long)load.bytes);
	sample_print(&load.sample);
	printf("}\n");
	return 0;
}
