/*
 * The least that a helper in a sandbox can cost: a static program that sends
 * one line over a socket and reads one.  roundtrip [--serve] SOCKET
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
serve(int fd, const struct sockaddr_un *addr)
{
	char line[256];
	ssize_t n;
	int client;

	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == -1 ||
	    listen(fd, 128) == -1)
		return 1;
	while ((client = accept(fd, NULL, NULL)) != -1) {
		if ((n = read(client, line, sizeof(line))) > 0 &&
		    write(client, line, (size_t)n) == -1)
			return 1;
		(void)close(client);
	}
	return 1;
}

int
main(int argc, char **argv)
{
	static const char line[] = "GET / HTTP/1.1\r\n\r\n";
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	bool serves = argc == 3 && strcmp(argv[1], "--serve") == 0;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char answer[256];

	if (argc != 2 + serves ||
	    strlen(argv[argc - 1]) >= sizeof(addr.sun_path))
		return 2;
	strcpy(addr.sun_path, argv[argc - 1]);
	if (serves)
		return serve(fd, &addr);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == -1 ||
	    write(fd, line, sizeof(line) - 1) == -1 ||
	    read(fd, answer, sizeof(answer)) <= 0)
		return 1;
	return 0;
}
