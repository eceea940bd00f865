#include "broker/bus/bus.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/slab.h"

#define QUEUE_PACKETS_MAX 16384u
#define QUEUE_BYTES_MAX (4u << 20)
/* Not a limit, but enough to be crowded: a process may have few of them. */
#define QUEUE_FDS_CROWDED 256u
/* Then other descriptors of the loop have their turn. */
#define RECEIVE_BURST 64
/* A message that is no longer is sent without an allocation. */
#define SEND_SMALL 1024u
/* As much as an ordinary user may have; the kernel doubles it. */
#define SOCKET_BYTES 212992

/* One that waits to be sent; from the slab. */
struct packet {
	struct packet *next;
	int fd;
	size_t len;
	uint8_t bytes[];
};

struct crb_bus {
	struct crb_bus_options options;
	int fd; /* -1: dead */
	bool watched;
	bool paused;
	bool full;     /* dead as soon as the loop gets to it */
	bool crowded;  /* since it was last empty */
	bool freed;    /* by a callback: done when that returns */
	unsigned busy; /* callbacks that run */
	struct crb_timer full_timer;
	struct packet *first, **last;
	size_t packets, bytes, fds; /* in the queue */
	uint8_t *received;          /* CRB_PACKET_MAX */
};

static const char *
role_name(enum crb_role role)
{
	static const char *const names[] = {
		[CRB_ROLE_SUPERVISOR] = "supervisor",
		[CRB_ROLE_CORE] = "core",
		[CRB_ROLE_GATEWAY] = "gateway",
		[CRB_ROLE_EGRESS] = "egress",
	};

	return names[role];
}

static void
packet_free(struct packet *packet)
{
	if (packet == NULL)
		return;
	if (packet->fd != -1)
		(void)close(packet->fd);
	crb_slab_free(packet);
}

static void
packet_cleanup(struct packet **packet)
{
	packet_free(*packet);
}
#define AUTO_PACKET __attribute__((cleanup(packet_cleanup)))

static void
queue_add(struct crb_bus *bus, struct packet *packet)
{
	packet->next = NULL;
	*bus->last = packet;
	bus->last = &packet->next;
	bus->packets++;
	bus->bytes += packet->len;
	bus->fds += packet->fd != -1;
	bus->crowded = bus->crowded || crb_bus_crowded(bus);
}

static void
queue_remove(struct crb_bus *bus)
{
	struct packet *packet = bus->first;

	bus->first = packet->next;
	if (bus->first == NULL)
		bus->last = &bus->first;
	bus->packets--;
	bus->bytes -= packet->len;
	bus->fds -= packet->fd != -1;
	packet_free(packet);
}

bool
crb_bus_crowded(const struct crb_bus *bus)
{
	return bus->packets > QUEUE_PACKETS_MAX / 2 ||
	    bus->bytes > QUEUE_BYTES_MAX / 2 || bus->fds > QUEUE_FDS_CROWDED;
}

static void
want(struct crb_bus *bus)
{
	unsigned events = 0;

	if (!bus->watched)
		return;
	if (!bus->paused)
		events |= CRB_READABLE;
	if (bus->first != NULL)
		events |= CRB_WRITABLE;
	crb_loop_want(bus->options.loop, bus->fd, events);
}

void
crb_bus_pause(struct crb_bus *bus, bool paused)
{
	bus->paused = paused;
	want(bus);
}

/* Let go of everything but what a callback may still look at. */
static void
shut(struct crb_bus *bus)
{
	crb_timer_clear(bus->options.loop, &bus->full_timer);
	if (bus->watched)
		crb_loop_unwatch(bus->options.loop, bus->fd);
	bus->watched = false;
	if (bus->fd != -1)
		(void)close(bus->fd);
	bus->fd = -1;
	while (bus->first != NULL)
		queue_remove(bus);
}

static void
destroy(struct crb_bus *bus)
{
	crb_slab_free(bus->received);
	free(bus);
}

void
crb_bus_free(struct crb_bus *bus)
{
	if (bus == NULL)
		return;
	shut(bus);
	bus->freed = true;
	if (bus->busy == 0)
		destroy(bus);
}

static void
enter(struct crb_bus *bus)
{
	bus->busy++;
}

static void
leave(struct crb_bus *bus)
{
	bus->busy--;
	if (bus->busy == 0 && bus->freed)
		destroy(bus);
}

/* The end of a bus, told once. */
static void
fail(struct crb_bus *bus, struct crb_err *why)
{
	if (bus->fd == -1)
		return;
	(void)crb_err_context(
	    why, "bus to the %s", role_name(bus->options.peer));
	shut(bus);
	bus->options.gone(bus->options.ctx, why);
}

static void
fail_closed(struct crb_bus *bus)
{
	struct crb_err why;

	(void)crb_err_set(&why, CRB_ERR_SYSTEM, "it was closed");
	fail(bus, &why);
}

static void
fail_full(void *ctx)
{
	struct crb_bus *bus = ctx;
	struct crb_err why;

	(void)crb_err_set(&why, CRB_ERR_LIMIT,
	    "the peer does not read: %zu packets wait", bus->packets);
	enter(bus);
	fail(bus, &why);
	leave(bus);
}

static void
flush(struct crb_bus *bus)
{
	enum crb_status status = CRB_OK;
	const struct packet *packet;
	struct crb_err err;

	while (status == CRB_OK && (packet = bus->first) != NULL) {
		status = crb_io_send(
		    bus->fd, packet->bytes, packet->len, packet->fd, &err);
		if (status == CRB_OK)
			queue_remove(bus);
	}
	if (status != CRB_OK && status != CRB_ERR_LIMIT) {
		fail(bus, &err);
		return;
	}
	want(bus);
	if (bus->first == NULL && bus->crowded) {
		bus->crowded = false;
		if (bus->options.drained != NULL)
			bus->options.drained(bus->options.ctx);
	}
}

static enum crb_status
dispatch(struct crb_bus *bus, size_t len, int fd, struct crb_err *err)
{
	const struct crb_bus_options *options = &bus->options;
	CRB_AUTO_WIPE const struct crb_wipe wipe = { bus->received, len };
	CRB_AUTO_FD int came = fd;
	struct crb_msg msg;

	if (crb_msg_decode(bus->received, len, fd, options->peer, options->self,
		&msg, err) != CRB_OK)
		return err->status;
	options->message(options->ctx, &msg);
	came = msg.fd;
	return CRB_OK;
}

static void
receive(struct crb_bus *bus, bool hangup)
{
	struct crb_err err;
	int closed, fd;
	size_t len;

	for (unsigned i = 0; i < RECEIVE_BURST && bus->fd != -1; i++) {
		if (bus->paused && !hangup)
			return;
		if (crb_io_receive(bus->fd, bus->received, CRB_PACKET_MAX, &len,
			&fd, &closed, &err) != CRB_OK) {
			fail(bus, &err);
			return;
		}
		/* Nothing is left of a peer that has hung up. */
		if (closed || (len == 0 && hangup)) {
			fail_closed(bus);
			return;
		}
		if (len == 0)
			return;
		if (dispatch(bus, len, fd, &err) != CRB_OK)
			fail(bus, &err);
	}
}

static void
on_event(void *ctx, int fd, unsigned events)
{
	struct crb_bus *bus = ctx;

	(void)fd;
	enter(bus);
	if ((events & CRB_WRITABLE) != 0)
		flush(bus);
	if ((events & (CRB_READABLE | CRB_HANGUP)) != 0 && bus->fd != -1)
		receive(bus, (events & CRB_HANGUP) != 0);
	leave(bus);
}

static void
bus_cleanup(struct crb_bus **bus)
{
	crb_bus_free(*bus);
}
#define AUTO_BUS __attribute__((cleanup(bus_cleanup)))

enum crb_status
crb_bus_new(int fd, const struct crb_bus_options *options, struct crb_bus **out,
    struct crb_err *err)
{
	CRB_AUTO_FD int taken = fd;
	AUTO_BUS struct crb_bus *bus = NULL;
	int flags = fcntl(fd, F_GETFL);

	/* An inherited end may not have been made by crb_bus_pair(). */
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return crb_err_errno(
		    err, "bus to the %s", role_name(options->peer));
	if ((bus = calloc(1, sizeof(*bus))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "a bus");
	bus->options = *options;
	bus->fd = CRB_STEAL_FD(taken);
	bus->last = &bus->first;
	crb_timer_init(&bus->full_timer, fail_full, bus);
	if ((bus->received = crb_slab_alloc(CRB_PACKET_MAX)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "a bus");
	if (crb_loop_watch(options->loop, bus->fd, CRB_READABLE, on_event, bus,
		err) != CRB_OK)
		return err->status;
	bus->watched = true;
	*out = CRB_STEAL(bus);
	return CRB_OK;
}

static enum crb_status
packet_new(enum crb_msg_type type, const void *msg, struct packet **out,
    struct crb_err *err)
{
	AUTO_PACKET struct packet *packet = NULL;
	size_t size = crb_msg_size(type, msg);

	if ((packet = crb_slab_alloc(sizeof(*packet) + size)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "a message");
	packet->fd = -1;
	if (crb_msg_encode(type, msg, packet->bytes, size, &packet->len, err) !=
	    CRB_OK)
		return err->status;
	*out = CRB_STEAL(packet);
	return CRB_OK;
}

static enum crb_status
refuse_full(struct crb_bus *bus, struct crb_err *err)
{
	struct crb_err ignored;

	if (!bus->full)
		(void)!crb_timer_set(
		    bus->options.loop, &bus->full_timer, 0, &ignored);
	bus->full = true;
	return crb_err_set(err, CRB_ERR_LIMIT, "the %s does not keep up",
	    role_name(bus->options.peer));
}

/* Takes the packet on success. */
static enum crb_status
enqueue(struct crb_bus *bus, struct packet *packet, int fd, struct crb_err *err)
{
	if (bus->full || bus->packets >= QUEUE_PACKETS_MAX ||
	    bus->bytes + packet->len > QUEUE_BYTES_MAX)
		return refuse_full(bus, err);
	if (fd != -1 && (packet->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1)
		return crb_err_errno(err, "a descriptor for the %s",
		    role_name(bus->options.peer));
	queue_add(bus, packet);
	want(bus);
	return CRB_OK;
}

static enum crb_status
send_now(struct crb_bus *bus, enum crb_msg_type type, const void *msg, int fd,
    struct crb_err *err)
{
	uint8_t small[SEND_SMALL];
	CRB_AUTO_WIPE struct crb_wipe wipe = { small, 0 };

	if (crb_msg_encode(type, msg, small, sizeof(small), &wipe.len, err) !=
	    CRB_OK)
		return err->status;
	return crb_io_send(bus->fd, small, wipe.len, fd, err);
}

static enum crb_status
send_packet(struct crb_bus *bus, enum crb_msg_type type, const void *msg,
    int fd, struct crb_err *err)
{
	AUTO_PACKET struct packet *packet = NULL;
	enum crb_status status = CRB_ERR_LIMIT;

	if (packet_new(type, msg, &packet, err) != CRB_OK)
		return err->status;
	if (bus->first == NULL)
		status = crb_io_send(
		    bus->fd, packet->bytes, packet->len, fd, err);
	if (status != CRB_ERR_LIMIT)
		return status;
	if (enqueue(bus, packet, fd, err) != CRB_OK)
		return err->status;
	packet = NULL;
	return CRB_OK;
}

enum crb_status
crb_bus_send(struct crb_bus *bus, enum crb_msg_type type, const void *msg,
    int fd, struct crb_err *err)
{
	enum crb_status status = CRB_ERR_LIMIT;

	if (bus->fd == -1)
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "the bus to the %s is closed",
		    role_name(bus->options.peer));
	if (crb_msg_check(type, bus->options.self, bus->options.peer, fd != -1,
		err) != CRB_OK)
		return err->status;
	if (bus->first == NULL && crb_msg_size(type, msg) <= SEND_SMALL)
		status = send_now(bus, type, msg, fd, err);
	if (status != CRB_ERR_LIMIT)
		return status;
	return send_packet(bus, type, msg, fd, err);
}

enum crb_status
crb_bus_pair(int pair[2], struct crb_err *err)
{
	int fds[2], size = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, fds) != 0)
		return crb_err_errno(err, "a bus");
	for (unsigned i = 0; i < 2; i++)
		(void)setsockopt(
		    fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	memcpy(pair, fds, sizeof(fds));
	return CRB_OK;
}
