/*
 * exchange COUNT: what the core does of so many small injected requests, with
 * the other processes played by tests/fakes/world.c.  To be counted:
 *
 *	valgrind --tool=callgrind --toggle-collect=received exchange 1000
 *
 * counts the core's handling of their messages alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/fakes/world.h"

/* What waits, of a type; its descriptor is not needed. */
static const struct crb_msg *
hear(struct world *world, enum crb_msg_type type)
{
	const struct crb_msg *msg = world_hear(world, type);

	if (msg->fd != -1)
		(void)close(msg->fd);
	return msg;
}

static void
exchange(struct world *world, const char *session)
{
	struct crb_msg_exchange_done served = { .clean = true, .status = 200 };
	struct crb_msg_job_done sent = { .clean = true,
		.outcome = CRB_SLICE("ok"),
		.status = 200,
		.up = 10,
		.down = 2000,
		.detail = CRB_SLICE("") };

	served.exchange = world_git(world, session, "GET",
	    "git.test/acme/api.git/info/refs", "service=git-upload-pack");
	served.job = sent.job = hear(world, CRB_MSG_JOB)->job.job;
	(void)hear(world, CRB_MSG_VERDICT);
	world_egress_says(world, CRB_MSG_JOB_DONE, &sent);
	world_gateway_says(world, CRB_MSG_EXCHANGE_DONE, &served);
	world_turn(world);
}

int
main(int argc, char **argv)
{
	char session[CRB_SESSION_ID_MAX + 1];
	struct world world;
	long count = argc == 2 ? atol(argv[1]) : 0;

	if (count < 1) {
		(void)fprintf(stderr, "usage: exchange COUNT\n");
		return 2;
	}
	world_start(&world, "{\"requests_per_minute\": 6000000}");
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/*,git=fetch+push", session);
	for (long i = 0; i < count; i++)
		exchange(&world, session);
	world_stop(&world);
	return 0;
}
