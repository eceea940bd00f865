/* What libmicrohttpd alone does: one thread, one answer.  floor SOCKET BYTES */
#include <sys/socket.h>
#include <sys/un.h>

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

static struct MHD_Response *answer;

static enum MHD_Result
reply(void *ctx, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **request)
{
	(void)ctx;
	(void)url;
	(void)method;
	(void)version;
	(void)data;
	if (*request == NULL) {
		*request = &answer;
		return MHD_YES;
	}
	if (*size > 0) {
		*size = 0;
		return MHD_YES;
	}
	return MHD_queue_response(connection, MHD_HTTP_OK, answer);
}

int
main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	size_t size = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	char *body = calloc(1, size + 1);

	if (argc != 3 || body == NULL ||
	    strlen(argv[1]) >= sizeof(addr.sun_path))
		errx(2, "usage: floor SOCKET BYTES");
	memset(body, 'x', size);
	strcpy(addr.sun_path, argv[1]);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == -1 ||
	    listen(fd, 128) == -1)
		err(1, "%s", argv[1]);
	answer = MHD_create_response_from_buffer(
	    size, body, MHD_RESPMEM_PERSISTENT);
	if (MHD_add_response_header(
		answer, "Content-Type", "application/json") != MHD_YES ||
	    MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL,
		reply, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_END) == NULL)
		errx(1, "libmicrohttpd does not start");
	for (;;)
		(void)pause();
}
