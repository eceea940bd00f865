#include "shim/peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/cleanup.h"
#include "shim/lines.h"

/* The table may change under the reader, who then misses a line. */
#define TRIES 3

/* As the kernel numbers them in /proc/net/tcp (include/net/tcp_states.h). */
#define STATE_ESTABLISHED 1
#define STATE_FIN_WAIT1 4
#define STATE_FIN_WAIT2 5
#define STATE_CLOSE_WAIT 8

/* The socket at the other end, as the kernel's table has it. */
struct socket_row {
	unsigned state;
	unsigned long uid;
	unsigned long inode; /* 0: no process has it */
};

/* "0100007F:23D1", or with the prefix of a mapped address in tcp6. */
static void
address_text(const struct sockaddr_in *address, const char *prefix, char *out,
    size_t size)
{
	(void)snprintf(out, size, "%s%08X:%04X", prefix,
	    (unsigned)address->sin_addr.s_addr,
	    (unsigned)ntohs(address->sin_port));
}

/*
 * "  sl: LOCAL REMOTE ST TX:RX TR:WHEN RETRNSMT UID TIMEOUT INODE ..."
 * (proc_pid_net(5)); the words from the third on.
 */
static bool
read_row(
    char *line, const char *local, const char *remote, struct socket_row *row)
{
	char *word, *rest = line;

	for (unsigned i = 0; (word = strtok_r(rest, " ", &rest)) != NULL; i++) {
		if (i == 1 && strcmp(word, local) != 0)
			return false;
		if (i == 2 && strcmp(word, remote) != 0)
			return false;
		if (i == 3)
			row->state = (unsigned)crb_lines_number(word, 16, NULL);
		if (i == 7)
			row->uid = crb_lines_number(word, 10, NULL);
		if (i == 9) {
			row->inode = crb_lines_number(word, 10, NULL);
			return true;
		}
	}
	return false;
}

/* The row that is looked for, and whether it was there. */
struct row_search {
	char local[64];
	char remote[64];
	struct socket_row *row;
	bool found;
};

static bool
look_at_row(void *ctx, char *line)
{
	struct row_search *search = ctx;

	search->found = read_row(
	    line, search->local, search->remote, search->row);
	return !search->found;
}

static bool
find_in(const char *table, const char *prefix, const struct sockaddr_in *from,
    const struct sockaddr_in *to, struct socket_row *row)
{
	CRB_AUTO_FD int fd = open(table, O_RDONLY | O_CLOEXEC);
	struct row_search search = { .row = row };

	address_text(from, prefix, search.local, sizeof(search.local));
	address_text(to, prefix, search.remote, sizeof(search.remote));
	crb_lines_each(fd, look_at_row, &search);
	return search.found;
}

/* A client may have an IPv6 socket, and us as a mapped address. */
static bool
find_socket(const struct sockaddr_in *from, const struct sockaddr_in *to,
    struct socket_row *row)
{
	static const char mapped[] = "0000000000000000FFFF0000";

	for (unsigned i = 0; i < TRIES; i++)
		if (find_in("/proc/net/tcp", "", from, to, row) ||
		    find_in("/proc/net/tcp6", mapped, from, to, row))
			return true;
	return false;
}

/* A row in another state has uid 0, whoever it was. */
static bool
is_owned(const struct socket_row *row)
{
	return row->inode != 0 && row->uid == getuid() &&
	    (row->state == STATE_ESTABLISHED || row->state == STATE_FIN_WAIT1 ||
		row->state == STATE_FIN_WAIT2);
}

static bool
has_open(const char *pid, const char *socket_name)
{
	char path[64], text[64];
	struct dirent *entry;
	bool found = false;
	ssize_t len;
	DIR *folder;

	(void)snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	if ((folder = opendir(path)) == NULL)
		return false;
	while (!found && (entry = readdir(folder)) != NULL) {
		len = readlinkat(
		    dirfd(folder), entry->d_name, text, sizeof(text) - 1);
		if (len <= 0)
			continue;
		text[len] = '\0';
		found = strcmp(text, socket_name) == 0;
	}
	(void)closedir(folder);
	return found;
}

static bool
is_in_sight(unsigned long inode)
{
	char name[64];
	struct dirent *entry;
	bool found = false;
	DIR *proc = opendir("/proc");

	if (proc == NULL)
		return false;
	(void)snprintf(name, sizeof(name), "socket:[%lu]", inode);
	while (!found && (entry = readdir(proc)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			found = has_open(entry->d_name, name);
	(void)closedir(proc);
	return found;
}

static bool
is_established(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	    (info.tcpi_state == STATE_ESTABLISHED ||
		info.tcpi_state == STATE_CLOSE_WAIT);
}

bool
crb_peer_is_ours(int fd)
{
	struct sockaddr_in from, to;
	socklen_t from_len = sizeof(from), to_len = sizeof(to);
	struct socket_row row = { 0, 0, 0 };

	return getpeername(fd, (struct sockaddr *)&from, &from_len) == 0 &&
	    getsockname(fd, (struct sockaddr *)&to, &to_len) == 0 &&
	    from.sin_family == AF_INET && find_socket(&from, &to, &row) &&
	    is_owned(&row) && is_in_sight(row.inode) && is_established(fd);
}
