#include <nss.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/options.h"
#include "base/process.h"
#include "base/slab.h"
#include "broker/egress/confinement.h"
#include "broker/egress/egress.h"
#include "broker/egress/memory.h"

#define BUS_FD 3
#define RESOLVER_MS 5000
/* Within the 8 MiB that an ordinary user may lock. */
#define SLAB_BYTES (4u << 20)

static const struct crb_option options[] = {
	{ .name = "connect-timeout",
	    .type = CRB_OPTION_DURATION,
	    .offset = offsetof(struct crb_job_limits, connect),
	    .min = 1,
	    .max = 300,
	    .preset = "15s",
	    .value = "DURATION",
	    .help = "until a connection to an upstream stands" },
	{ .name = "idle-timeout",
	    .type = CRB_OPTION_DURATION,
	    .offset = offsetof(struct crb_job_limits, idle),
	    .min = 1,
	    .max = 3600,
	    .preset = "5m",
	    .value = "DURATION",
	    .help = "without a byte either way" },
	{ .name = "head-timeout",
	    .type = CRB_OPTION_DURATION,
	    .offset = offsetof(struct crb_job_limits, head),
	    .min = 1,
	    .max = 300,
	    .preset = "30s",
	    .value = "DURATION",
	    .help = "for a head, once it has begun" },
	CRB_OPTION_END,
};

static void
signal_came(void *ctx, int number)
{
	(void)number;
	crb_loop_stop(ctx);
}

static enum crb_status
prepare_process(struct crb_err *err)
{
	/* Other ways to a name are modules, which could not be loaded later. */
	if (__nss_configure_lookup("hosts", "files dns") != 0)
		return crb_err_errno(err, "choosing how names are resolved");
	/* libcurl and OpenSSL look for many a variable. */
	if (clearenv() != 0)
		return crb_err_errno(err, "clearing the environment");
	if (crb_process_harden(BUS_FD, err) != CRB_OK ||
	    crb_slab_open(SLAB_BYTES, err) != CRB_OK)
		return err->status;
	if (sodium_init() < 0)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libsodium cannot be started");
	crb_json_use_slab();
	return crb_egress_memory(err);
}

static void
loop_cleanup(struct crb_loop **loop)
{
	crb_loop_free(*loop);
}

static void
egress_cleanup(struct crb_egress **egress)
{
	crb_egress_free(*egress);
}

static void
say_confined(struct crb_egress *egress, const struct crb_confined *confined)
{
	const struct crb_msg_egress_confined msg = {
		.uid = confined->uid,
		.seccomp = confined->seccomp,
		.root = confined->root,
		.namespaces = (uint16_t)confined->namespaces,
		.landlock = (uint8_t)confined->landlock,
		.problems = CRB_SLICE(confined->problems),
	};

	crb_egress_report(egress, CRB_MSG_EGRESS_CONFINED, &msg);
}

/*
 * Its own root shows the file that was there at start.  When that is gone,
 * because another has its name, it ends between two jobs and is started again.
 */
struct resolver {
	struct crb_loop *loop;
	const struct crb_egress *egress;
	struct crb_timer timer;
};

static void
look_at_resolver(void *ctx)
{
	struct resolver *resolver = ctx;
	struct crb_err err;
	struct stat st;

	if (stat(CRB_RESOLV_CONF, &st) == 0 && st.st_nlink == 0 &&
	    crb_egress_idle(resolver->egress)) {
		crb_log(CRB_LOG_INFO, "the resolver's file was replaced",
		    CRB_LOG_END);
		crb_loop_stop(resolver->loop);
		return;
	}
	(void)!crb_timer_set(
	    resolver->loop, &resolver->timer, RESOLVER_MS, &err);
}

static enum crb_status
run(const struct crb_job_limits *limits, struct crb_err *err)
{
	static const int signals[] = { SIGTERM, SIGINT };
	struct crb_confined confined;
	__attribute__((cleanup(loop_cleanup))) struct crb_loop *loop = NULL;
	__attribute__((
	    cleanup(egress_cleanup))) struct crb_egress *egress = NULL;

	if (crb_loop_new(&loop, err) != CRB_OK ||
	    crb_loop_signals(loop, signals, 2, signal_came, loop, err) !=
		CRB_OK ||
	    crb_egress_new(loop, BUS_FD, limits, &egress, err) != CRB_OK ||
	    crb_confine(&crb_egress_confinement, &confined, err) != CRB_OK)
		return err->status;
	say_confined(egress, &confined);
	struct resolver resolver = { .loop = loop, .egress = egress };
	crb_timer_init(&resolver.timer, look_at_resolver, &resolver);
	if (confined.root)
		look_at_resolver(&resolver);
	return crb_loop_run(loop, err);
}

int
main(int argc, char **argv)
{
	struct crb_job_limits limits;
	struct crb_operands operands;
	struct crb_err err;

	crb_log_open("egress", CRB_LOG_INFO);
	if (crb_options_argv(options, argc, argv, 1, false, &limits, &operands,
		&err) == CRB_OK &&
	    prepare_process(&err) == CRB_OK && run(&limits, &err) == CRB_OK)
		return 0;
	crb_log(
	    CRB_LOG_ERROR, "cannot run", CRB_LOG_REASON, err.msg, CRB_LOG_END);
	return crb_status_info(err.status)->exit;
}
