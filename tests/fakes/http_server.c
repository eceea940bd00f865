#include "http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX 65536u

struct http_server {
	const struct http_answer *answers;
	int fd;
	int stop[2]; /* a pipe */
	unsigned port;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t came;
	unsigned count;
	char last[REQUEST_MAX];
};

/* False when the test is over, or the client gone. */
static bool
readable(const struct http_server *server, int fd)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
		{ .fd = server->stop[0], .events = POLLIN } };

	return poll(fds, 2, -1) > 0 && fds[1].revents == 0;
}

static bool
is_whole(const char *text, size_t len)
{
	const char *end = strstr(text, "\r\n\r\n");
	const char *at = strcasestr(text, "\r\ncontent-length:");
	size_t body = 0;

	if (end == NULL)
		return false;
	if (at != NULL && at < end)
		body = strtoul(at + strlen("\r\ncontent-length:"), NULL, 10);
	return len >= (size_t)(end + 4 - text) + body;
}

static bool
read_request(const struct http_server *server, int fd, char *text)
{
	size_t len = 0;
	ssize_t got;

	text[0] = '\0';
	while (!is_whole(text, len)) {
		if (!readable(server, fd) ||
		    (got = recv(fd, text + len, REQUEST_MAX - 1 - len, 0)) <= 0)
			return false;
		len += (size_t)got;
		text[len] = '\0';
	}
	return true;
}

static const struct http_answer *
answer_for(const struct http_server *server, const char *request)
{
	const struct http_answer *at = server->answers;
	const char *target = strchr(request, ' ') + 1;

	while (at->target != NULL &&
	    (strncmp(target, at->target, strlen(at->target)) != 0 ||
		target[strlen(at->target)] != ' '))
		at++;
	return at->target != NULL ? at : NULL;
}

/* What the client does not take is not wanted. */
static bool
put(int fd, const char *bytes, size_t len)
{
	ssize_t put;

	while (len > 0) {
		if ((put = send(fd, bytes, len, MSG_NOSIGNAL)) <= 0)
			return false;
		bytes += put;
		len -= (size_t)put;
	}
	return true;
}

static void
answer(const struct http_server *server, int fd,
    const struct http_answer *answer, unsigned nth)
{
	char block[4096];
	size_t i = 0;

	while (i < nth && answer->texts[i] != NULL && answer->texts[i + 1])
		i++;
	memset(block, 'x', sizeof(block));
	if (answer->texts[i] != NULL &&
	    !put(fd, answer->texts[i], strlen(answer->texts[i])))
		return;
	for (size_t left = answer->fill; left > 0;) {
		size_t len = left < sizeof(block) ? left : sizeof(block);

		if (!put(fd, block, len))
			return;
		left -= len;
	}
	while (answer->hang && readable(server, fd) &&
	    recv(fd, block, sizeof(block), 0) > 0)
		continue;
}

static void
serve(struct http_server *server, int fd, char *text)
{
	const struct http_answer *found;
	unsigned nth;

	if (!read_request(server, fd, text))
		return;
	pthread_mutex_lock(&server->mutex);
	memcpy(server->last, text, strlen(text) + 1);
	nth = server->count++;
	pthread_cond_broadcast(&server->came);
	pthread_mutex_unlock(&server->mutex);
	if ((found = answer_for(server, text)) != NULL)
		answer(server, fd, found, nth);
}

static void *
run(void *ctx)
{
	struct http_server *server = ctx;
	char *text = malloc(REQUEST_MAX);
	int fd;

	while (text != NULL && readable(server, server->fd)) {
		if ((fd = accept(server->fd, NULL, NULL)) == -1)
			continue;
		serve(server, fd, text);
		(void)close(fd);
	}
	free(text);
	return NULL;
}

struct http_server *
http_server_start(const struct http_answer *answers)
{
	struct http_server *server = calloc(1, sizeof(*server));
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	if (server == NULL || pipe(server->stop) != 0 ||
	    (server->fd = socket(AF_INET, SOCK_STREAM, 0)) == -1 ||
	    bind(server->fd, (struct sockaddr *)&address, len) != 0 ||
	    listen(server->fd, 64) != 0 ||
	    getsockname(server->fd, (struct sockaddr *)&address, &len) != 0)
		abort();
	server->answers = answers;
	server->port = ntohs(address.sin_port);
	pthread_mutex_init(&server->mutex, NULL);
	pthread_cond_init(&server->came, NULL);
	if (pthread_create(&server->thread, NULL, run, server) != 0)
		abort();
	return server;
}

void
http_server_stop(struct http_server *server)
{
	if (write(server->stop[1], "", 1) != 1)
		abort();
	pthread_join(server->thread, NULL);
	(void)close(server->stop[0]);
	(void)close(server->stop[1]);
	(void)close(server->fd);
	pthread_cond_destroy(&server->came);
	pthread_mutex_destroy(&server->mutex);
	free(server);
}

unsigned
http_server_port(const struct http_server *server)
{
	return server->port;
}

unsigned
http_server_count(struct http_server *server)
{
	unsigned count;

	pthread_mutex_lock(&server->mutex);
	count = server->count;
	pthread_mutex_unlock(&server->mutex);
	return count;
}

void
http_server_await(struct http_server *server, unsigned count)
{
	pthread_mutex_lock(&server->mutex);
	while (server->count < count)
		pthread_cond_wait(&server->came, &server->mutex);
	pthread_mutex_unlock(&server->mutex);
}

const char *
http_server_last(struct http_server *server)
{
	return server->last;
}
