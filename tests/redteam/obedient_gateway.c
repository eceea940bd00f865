/*
 * What the gateway is to the broker once an attacker has it: this program is
 * confined as the gateway is, and then does what the clients of its endpoints
 * tell it to.  It knows nothing but the bus it starts with.
 *
 * A command is { op, descriptor, size } and its payload; the answer is
 * { result, descriptor, size } and its payload.  Integers are the machine's.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/process.h"
#include "broker/bus/messages.h"
#include "broker/gateway/confinement.h"

#define BUS 3
#define WATCHED_MAX 128
#define QUEUE_MAX 4096
#define WAIT_MS 20000
/* An argument of a system call that is this plus N is the payload's byte N. */
#define POINTER INT64_C(0x7ead000000000000)

enum op {
	OP_SEND = 's',    /* on the descriptor */
	OP_SEND_FD = 'd', /* with the one that is the payload's first four */
	OP_RECEIVE = 'r', /* from the descriptor; -1: nothing came */
	OP_CALL = 'x',    /* payload: number, six arguments, memory */
};

struct command {
	int32_t op, fd;
	uint32_t size;
};

struct answer {
	int64_t result;
	int32_t fd;
	uint32_t size;
};

struct packet {
	int fd;
	size_t len;
	uint8_t bytes[];
};

static struct pollfd watched[WATCHED_MAX] = { { .fd = BUS, .events = POLLIN } };
static bool listens[WATCHED_MAX];
static unsigned count = 1;
static struct packet *queue[QUEUE_MAX];
static unsigned first, last;
static uint8_t room[CRB_PACKET_MAX];

static void
watch(int fd, bool listener)
{
	if (count == WATCHED_MAX)
		_exit(3);
	watched[count] = (struct pollfd){ .fd = fd, .events = POLLIN };
	listens[count++] = listener;
}

/* The real one ends when its bus does; nothing makes an attacker. */
__attribute__((noreturn)) static void
stay(void)
{
	for (;;)
		(void)poll(NULL, 0, -1);
}

/* The core would wait, if nobody read; sessions' sockets come this way. */
static void
read_bus(void)
{
	struct crb_err err;
	struct packet *packet;
	size_t len;
	uint16_t type;
	int fd, closed;

	if (crb_io_receive(BUS, room, sizeof(room), &len, &fd, &closed, &err) !=
		CRB_OK ||
	    closed)
		stay();
	if (len < sizeof(type))
		return;
	memcpy(&type, room, sizeof(type));
	if (type == CRB_MSG_SESSION_OPEN)
		watch(fd, true);
	if (last - first == QUEUE_MAX ||
	    (packet = malloc(sizeof(*packet) + len)) == NULL)
		_exit(4);
	*packet = (struct packet){ .fd = fd, .len = len };
	memcpy(packet->bytes, room, len);
	queue[last++ % QUEUE_MAX] = packet;
}

static size_t
take_queued(struct answer *answer)
{
	struct pollfd bus = { .fd = BUS, .events = POLLIN };
	struct packet *packet;
	size_t len;

	while (first == last) {
		if (poll(&bus, 1, WAIT_MS) <= 0) {
			answer->result = -1;
			return 0;
		}
		read_bus();
	}
	packet = queue[first++ % QUEUE_MAX];
	answer->fd = packet->fd;
	len = packet->len;
	memcpy(room, packet->bytes, len);
	free(packet);
	return len;
}

static size_t
receive(int fd, struct answer *answer)
{
	struct pollfd on = { .fd = fd, .events = POLLIN };
	struct crb_err err;
	size_t len = 0;
	int closed = 0;

	if (poll(&on, 1, WAIT_MS) <= 0) {
		answer->result = -1;
		return 0;
	}
	if (crb_io_receive(fd, room, sizeof(room), &len, &answer->fd, &closed,
		&err) != CRB_OK)
		answer->result = -2;
	if (closed)
		answer->result = -3;
	return len;
}

static int64_t
call(uint8_t *payload, size_t size)
{
	int64_t words[7];

	if (size < sizeof(words))
		return -EINVAL;
	memcpy(words, payload, sizeof(words));
	for (unsigned i = 1; i < 7; i++)
		if (words[i] >= POINTER && words[i] < POINTER + CRB_PACKET_MAX)
			words[i] = (int64_t)(uintptr_t)(payload +
			    sizeof(words) + (words[i] - POINTER));
	if (syscall(words[0], words[1], words[2], words[3], words[4], words[5],
		words[6]) == -1)
		return -errno;
	return 0;
}

static void
obey(const struct command *command, struct answer *answer)
{
	struct crb_err err;
	int fd = -1;
	size_t skip = 0;

	switch (command->op) {
	case OP_SEND_FD:
		skip = sizeof(fd);
		memcpy(&fd, room, sizeof(fd));
		/* FALLTHROUGH */
	case OP_SEND:
		answer->result = crb_io_send(
		    command->fd, room + skip, command->size - skip, fd, &err);
		break;
	case OP_RECEIVE:
		answer->size = (uint32_t)(command->fd == BUS
			? take_queued(answer)
			: receive(command->fd, answer));
		break;
	case OP_CALL:
		answer->result = call(room, command->size);
		answer->size = command->size;
		break;
	default:
		answer->result = -1;
	}
}

static bool
serve(int client)
{
	struct answer answer = { .fd = -1 };
	struct command command;
	struct crb_err err;

	if (crb_io_read(client, &command, sizeof(command), WAIT_MS, &err) !=
		CRB_OK ||
	    command.size > sizeof(room) ||
	    crb_io_read(client, room, command.size, WAIT_MS, &err) != CRB_OK)
		return false;
	obey(&command, &answer);
	return crb_io_write(client, &answer, sizeof(answer), WAIT_MS, &err) ==
	    CRB_OK &&
	    crb_io_write(client, room, answer.size, WAIT_MS, &err) == CRB_OK;
}

static void
forget(unsigned i)
{
	(void)close(watched[i].fd);
	watched[i] = watched[--count];
	listens[i] = listens[count];
}

static void
turn(void)
{
	int client;

	if (poll(watched, count, -1) == -1)
		return;
	if (watched[0].revents != 0)
		read_bus();
	for (unsigned i = count; i-- > 1;) {
		if (watched[i].revents == 0)
			continue;
		if (!listens[i]) {
			if (!serve(watched[i].fd))
				forget(i);
		} else if ((client = accept4(watched[i].fd, NULL, NULL,
				SOCK_CLOEXEC)) != -1) {
			watch(client, false);
		}
	}
}

static void
leave(int number)
{
	_exit(128 + number);
}

int
main(void)
{
	struct crb_confined confined;
	struct crb_err err;

	/* The first process of a pid namespace dies of no signal by itself. */
	(void)signal(SIGTERM, leave);
	if (crb_process_harden(BUS, &err) != CRB_OK ||
	    crb_confine(&crb_gateway_confinement, &confined, &err) != CRB_OK)
		return 2;
	for (;;)
		turn();
}
