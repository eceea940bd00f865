#include "broker/core/discard.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "broker/core/proof.h"

#define STACK_BYTES (256u << 10)
#define FDS (CRB_NAMESPACES + 1)
#define HURRY SIGURG

/* The last user frees it: whoever made it, or a thread. */
struct crb_discards {
	atomic_uint users;
	atomic_uint hurries;                 /* how often it was asked for */
	atomic_int thread[CRB_DISCARDS_MAX]; /* its id; 0: none */
};

struct heap {
	struct crb_discards *discards;
	int fd[FDS];
};

/* That it came is all: a signal ends what waits for a socket that lingers. */
static void
on_hurry(int signal)
{
	(void)signal;
}

enum crb_status
crb_discards_new(struct crb_discards **out, struct crb_err *err)
{
	const struct sigaction action = { .sa_handler = on_hurry,
		.sa_flags = SA_RESTART };
	struct crb_discards *discards = calloc(1, sizeof(*discards));

	if (discards == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (sigaction(HURRY, &action, NULL) != 0) {
		free(discards);
		return crb_err_errno(err, "signals");
	}
	atomic_init(&discards->users, 1);
	*out = discards;
	return CRB_OK;
}

void
crb_discards_free(struct crb_discards *discards)
{
	if (discards != NULL && atomic_fetch_sub(&discards->users, 1) == 1)
		free(discards);
}

unsigned
crb_discards_waiting(const struct crb_discards *discards)
{
	return atomic_load(&discards->users) - 1;
}

bool
crb_discards_full(const struct crb_discards *discards)
{
	return crb_discards_waiting(discards) >= CRB_DISCARDS_MAX;
}

void
crb_discards_hurry(struct crb_discards *discards)
{
	atomic_fetch_add(&discards->hurries, 1);
	for (unsigned i = 0; i < CRB_DISCARDS_MAX; i++) {
		int thread = atomic_load(&discards->thread[i]);

		/* One that is gone, or another by now, does not mind. */
		if (thread != 0)
			(void)syscall(SYS_tgkill, getpid(), thread, HURRY);
	}
}

/* Whoever is not in the list is not hurried. */
static atomic_int *
enlist(struct crb_discards *discards)
{
	int self = (int)syscall(SYS_gettid);

	for (unsigned i = 0; i < CRB_DISCARDS_MAX; i++) {
		int none = 0;

		if (atomic_compare_exchange_strong(
			&discards->thread[i], &none, self))
			return &discards->thread[i];
	}
	return NULL;
}

static void
close_all(const struct heap *heap)
{
	for (unsigned i = 0; i < FDS; i++)
		crb_fd_cleanup(&heap->fd[i]);
}

/*
 * Read to its end, so that the peer sees one and no reset; unless we are
 * hurried, since what came with each byte may be slow to close.
 */
static void
read_all(const struct crb_discards *discards, int sock)
{
	unsigned hurries = atomic_load(&discards->hurries);
	char bytes[4096];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { bytes, sizeof(bytes) };

	while (recv(sock, bytes, sizeof(bytes), MSG_DONTWAIT) > 0 &&
	    atomic_load(&discards->hurries) == hurries)
		;
}

static void *
run(void *ctx)
{
	struct heap *heap = ctx;
	atomic_int *place = enlist(heap->discards);

	read_all(heap->discards, heap->fd[0]);
	close_all(heap);
	if (place != NULL)
		atomic_store(place, 0);
	crb_discards_free(heap->discards);
	free(heap);
	return NULL;
}

/* Signals are the loop's business, but for the one that hurries. */
static int
start_thread(struct heap *heap)
{
	sigset_t most, before;
	pthread_attr_t attr;
	pthread_t thread;
	int code;

	if ((code = pthread_attr_init(&attr)) != 0)
		return code;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)sigfillset(&most);
	(void)sigdelset(&most, HURRY);
	(void)pthread_sigmask(SIG_SETMASK, &most, &before);
	code = pthread_create(&thread, &attr, run, heap);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return code;
}

/* Nothing comes after shutdown(): true when all that waits is bytes. */
static bool
drain(int sock)
{
	char bytes[16384];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { bytes, sizeof(bytes) };
	ssize_t got;

	(void)shutdown(sock, SHUT_RDWR);
	while ((got = crb_proof_read(sock, bytes, sizeof(bytes))) > 0)
		;
	return got == 0;
}

/* False without memory or a thread for it. */
static bool
hand_over(struct crb_discards *discards, const struct heap *from)
{
	struct heap *heap = malloc(sizeof(*heap));

	if (heap == NULL)
		return false;
	*heap = *from;
	heap->discards = discards;
	atomic_fetch_add(&discards->users, 1);
	if (start_thread(heap) == 0)
		return true;
	crb_discards_free(discards);
	free(heap);
	return false;
}

void
crb_discard(
    struct crb_discards *discards, int sock, const int junk[CRB_NAMESPACES])
{
	struct heap heap = { .fd = { sock, -1, -1 } };
	bool at_once = drain(sock);

	for (unsigned i = 0; junk != NULL && i < CRB_NAMESPACES; i++) {
		heap.fd[i + 1] = junk[i];
		at_once = at_once && junk[i] == -1;
	}
	if (at_once || !hand_over(discards, &heap))
		close_all(&heap);
}
