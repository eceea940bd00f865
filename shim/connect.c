#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "shim/cleanup.h"
#include "shim/connect.h"

#define PAUSE_FIRST_MS 5
#define PAUSE_MOST_MS 200

long long
crb_connect_now(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int
crb_connect_try(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	CRB_AUTO_FD int fd = -1;

	if (len >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) ==
	    -1)
		return -1;
	return CRB_STEAL_FD(fd);
}

/* The folder of the socket is there no more, though we still stand in it. */
static bool
folder_removed(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)] = ".";
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (slash != NULL) {
		size_t len = (size_t)(slash - path) + 1;

		if (len >= sizeof(folder))
			return false;
		memcpy(folder, path, len);
		folder[len] = '\0';
	}
	return stat(folder, &st) == 0 && st.st_nlink == 0;
}

bool
crb_connect_may_return(const char *path, int error)
{
	switch (error) {
	case ENOENT:
		return !folder_removed(path);
	case ECONNREFUSED: /* bound, and nobody listens (yet) */
	case EAGAIN:       /* its queue is full */
	case EINTR:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return true;
	default:
		return false;
	}
}

int
crb_connect_pause_ms(unsigned attempt)
{
	if (attempt > 5)
		return PAUSE_MOST_MS;
	return PAUSE_FIRST_MS << attempt;
}

int
crb_connect_wait(const char *path, int retry_ms)
{
	long long deadline = crb_connect_now() + retry_ms;
	unsigned attempt = 0;

	for (;;) {
		int fd = crb_connect_try(path);
		int error = errno;

		if (fd != -1)
			return fd;
		if (!crb_connect_may_return(path, error) ||
		    crb_connect_now() >= deadline) {
			errno = error;
			return -1;
		}
		(void)poll(NULL, 0, crb_connect_pause_ms(++attempt));
	}
}
