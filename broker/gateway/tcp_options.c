/*
 * libmicrohttpd wants TCP's options set for each reply, also on connections
 * that it was given and that are none of TCP, and takes the kernel's "not
 * supported" there for a passing failure.  Two calls that fail, and a message
 * that nobody sees, would be most of what a small reply costs, and no option
 * of the library (0.9.75) turns that off.  Here no socket is one of TCP, so in
 * this program this function stands before libc's, and says at once what
 * libmicrohttpd does understand; it then asks no more of that connection.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int
setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (level == IPPROTO_TCP) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}
