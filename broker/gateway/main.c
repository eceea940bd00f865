/* credbroker-gateway: descriptor 3 is the bus to the core. */

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "base/slab.h"
#include "broker/gateway/confinement.h"
#include "broker/gateway/gateway.h"

#define BUS_FD 3
/* Bodies of questions and leases, and packets of the bus. */
#define SLAB_BYTES (4u << 20)
/*
 * Packets come and go with each request: returned to the kernel each time,
 * they would cost more than all that is done with them.
 */
#define HEAP_KEPT (2 << 20)

static void
free_loop(struct crb_loop **loop)
{
	crb_loop_free(*loop);
}

static void
free_gateway(struct crb_gateway **gateway)
{
	crb_gateway_free(*gateway);
}

static enum crb_status
prepare(struct crb_err *err)
{
	if (crb_process_harden(BUS_FD, err) != CRB_OK)
		return err->status;
	if (sodium_init() < 0)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libsodium does not start");
	/* A session costs a descriptor, and so does each connection. */
	crb_process_raise_files();
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
	(void)mallopt(M_MMAP_THRESHOLD, HEAP_KEPT / 4);
	return crb_slab_open(SLAB_BYTES, err);
}

/* As pid 1 of a namespace it would not die of it by itself. */
static void
signal_came(void *ctx, int number)
{
	(void)number;
	crb_loop_stop(ctx);
}

static void
say_confined(struct crb_gateway *gateway, const struct crb_confined *confined)
{
	const struct crb_msg_gateway_confined msg = {
		.uid = confined->uid,
		.seccomp = confined->seccomp,
		.root = confined->root,
		.namespaces = (uint16_t)confined->namespaces,
		.landlock = (uint8_t)confined->landlock,
		.problems = CRB_SLICE(confined->problems),
	};

	crb_gateway_send(gateway, CRB_MSG_GATEWAY_CONFINED, &msg);
}

static enum crb_status
run(struct crb_err *err)
{
	static const int signals[] = { SIGTERM };
	struct crb_confined confined;
	__attribute__((cleanup(free_loop))) struct crb_loop *loop = NULL;
	__attribute__((
	    cleanup(free_gateway))) struct crb_gateway *gateway = NULL;

	if (crb_loop_new(&loop, err) != CRB_OK ||
	    crb_loop_signals(loop, signals, 1, signal_came, loop, err) !=
		CRB_OK ||
	    crb_gateway_new(loop, BUS_FD, &gateway, err) != CRB_OK ||
	    crb_confine(&crb_gateway_confinement, &confined, err) != CRB_OK)
		return err->status;
	say_confined(gateway, &confined);
	return crb_loop_run(loop, err);
}

int
main(void)
{
	struct crb_err err;

	crb_log_open("gateway", CRB_LOG_INFO);
	if (prepare(&err) == CRB_OK && run(&err) == CRB_OK)
		return EXIT_SUCCESS;
	crb_log(CRB_LOG_ERROR, "the gateway stops", CRB_LOG_REASON, err.msg,
	    CRB_LOG_END);
	return EXIT_FAILURE;
}
