/*
 * Reads whatever body it is sent and then answers, as a git server does to a
 * push.  sink SOCKET TYPE ANSWER
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/framing.h"

#define BUFFER (256u << 10)

static char answer[1024];
static size_t answer_len;

static void *
serve(void *ctx)
{
	int fd = *(int *)ctx;
	struct framing framing;
	char *buffer = malloc(BUFFER);
	ssize_t n;

	free(ctx);
	if (buffer == NULL)
		err(1, "memory");
	framing_init(&framing);
	while ((n = recv(fd, buffer, BUFFER, 0)) > 0) {
		(void)framing_feed(&framing, buffer, (size_t)n);
		if (framing.failed)
			break;
		if (!framing.done)
			continue;
		if (send(fd, answer, answer_len, MSG_NOSIGNAL) == -1)
			break;
		framing_init(&framing);
	}
	(void)close(fd);
	free(buffer);
	return NULL;
}

int
main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_t thread;

	if (argc != 4 || strlen(argv[1]) >= sizeof(addr.sun_path))
		errx(2, "usage: sink SOCKET TYPE ANSWER");
	answer_len = (size_t)snprintf(answer, sizeof(answer),
	    "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	    "\r\n%s",
	    argv[2], strlen(argv[3]), argv[3]);
	strcpy(addr.sun_path, argv[1]);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == -1 ||
	    listen(fd, 128) == -1)
		err(1, "%s", argv[1]);
	for (;;) {
		int *client = malloc(sizeof(int));

		if (client == NULL ||
		    (*client = accept(fd, NULL, NULL)) == -1 ||
		    pthread_create(&thread, NULL, serve, client) != 0)
			err(1, "accept");
		(void)pthread_detach(thread);
	}
}
