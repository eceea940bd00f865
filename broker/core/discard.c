#include "broker/core/discard.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "broker/core/proof.h"

#define STACK_BYTES (256u << 10)
#define FDS (CRB_NAMESPACES + 1)

/* The last user frees it: whoever made it, or a thread. */
struct crb_discards {
	atomic_uint users;
};

struct heap {
	struct crb_discards *discards;
	int fd[FDS];
};

enum crb_status
crb_discards_new(struct crb_discards **out, struct crb_err *err)
{
	struct crb_discards *discards = malloc(sizeof(*discards));

	if (discards == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
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

bool
crb_discards_full(const struct crb_discards *discards)
{
	return atomic_load(&discards->users) > CRB_DISCARDS_MAX;
}

static void
close_all(const struct heap *heap)
{
	for (unsigned i = 0; i < FDS; i++)
		crb_fd_cleanup(&heap->fd[i]);
}

/* Read to its end, so that the peer sees one and no reset. */
static void
read_all(int sock)
{
	char bytes[4096];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { bytes, sizeof(bytes) };

	while (recv(sock, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static void *
run(void *ctx)
{
	struct heap *heap = ctx;

	read_all(heap->fd[0]);
	close_all(heap);
	crb_discards_free(heap->discards);
	free(heap);
	return NULL;
}

/* Signals are the loop's business. */
static int
start_thread(struct heap *heap)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int code;

	if ((code = pthread_attr_init(&attr)) != 0)
		return code;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
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
