/*
 * A gateway and an egress that obey an attacker, against a core with two
 * sessions: whatever they say, jobs are within the grants of the session that
 * is named, and no answer has a secret.  One message a line:
 *
 *   E SESSION METHOD TARGET [QUERY]   a request; SESSION is A, B or an id
 *   Q SESSION WHAT NAME [BODY]        a question
 *   D CLEAN OFFSET                    the gateway is done with the last job
 *   J CLEAN OFFSET [OUTCOME]          so is the egress
 *   M SESSION                         it has missed a session
 *   C OFFSET LAST BYTES               commands of a push, asked for or not
 *   B OFFSET LENGTH TYPE              what its body is
 *   W OFFSET CODE                     it is withdrawn
 *   R BYTES, S BYTES                  a packet as it is, of either
 */
#include <stdint.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/core/session.h"
#include "tests/fakes/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUTS_A_WORLD 256
#define LINES_MAX 8
#define SECRET "hunter2-hunter2"

static struct world world;
static char ids[2][CRB_SESSION_ID_MAX + 1];
static const char *const repositories[] = { "/acme/api", "/acme/web" };
static unsigned inputs;
static uint64_t last_exchange, last_job;

static void
need(bool ok)
{
	if (!ok)
		abort();
}

static void
end(void)
{
	world_stop(&world);
}

static void
begin(void)
{
	world_start(&world,
	    "{\"requests_per_minute\": 6000000, \"exchanges_max\": 1024}");
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/api,git=fetch+push", ids[0]);
	world_issue(&world, "gh:repository=acme/web,git=fetch", ids[1]);
	inputs = 0;
}

static struct crb_slice
word(struct crb_slice *rest)
{
	struct crb_slice one = { "", 0 };

	if (rest->p != NULL)
		(void)crb_slice_cut(rest, ' ', &one);
	return one;
}

static struct crb_slice
session_of(struct crb_slice name)
{
	if (crb_slice_is(name, "A") || crb_slice_is(name, "B"))
		return CRB_SLICE(ids[name.p[0] - 'A']);
	return name;
}

static void
say_packet(int sock, enum crb_msg_type type, const void *msg)
{
	static uint8_t packet[CRB_PACKET_MAX];
	struct crb_err err;
	size_t len;

	/* What does not encode cannot be said, but by its bytes. */
	if (crb_msg_encode(type, msg, packet, sizeof(packet), &len, &err) ==
	    CRB_OK)
		(void)!send(sock, packet, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
say_exchange(struct crb_slice rest)
{
	struct crb_msg_exchange msg = { .exchange = ++last_exchange,
		.route = CRB_ROUTE_GIT };

	msg.session = session_of(word(&rest));
	msg.method = word(&rest);
	msg.target = word(&rest);
	msg.has_query = rest.p != NULL;
	msg.query = rest.p != NULL ? rest : (struct crb_slice){ "", 0 };
	msg.body = crb_slice_is(msg.method, "POST") ? CRB_BODY_CHUNKED
						    : CRB_BODY_NONE;
	say_packet(world.gateway, CRB_MSG_EXCHANGE, &msg);
}

static uint8_t
digit(struct crb_slice text)
{
	return text.len > 0 ? (uint8_t)(text.p[0] - '0') : 0;
}

static void
say_query(struct crb_slice rest)
{
	struct crb_msg_query msg = { .exchange = ++last_exchange };

	msg.session = session_of(word(&rest));
	msg.what = digit(word(&rest));
	msg.plain = msg.what / 16 % 2;
	msg.what %= 16;
	msg.name = word(&rest);
	msg.body = rest.p != NULL ? rest : (struct crb_slice){ "", 0 };
	say_packet(world.gateway, CRB_MSG_QUERY, &msg);
}

static void
say_served(struct crb_slice rest)
{
	struct crb_msg_exchange_done msg = { .status = 200, .up = 1 };

	msg.clean = digit(word(&rest));
	msg.exchange = last_exchange - digit(word(&rest));
	msg.job = last_job;
	say_packet(world.gateway, CRB_MSG_EXCHANGE_DONE, &msg);
}

static void
say_sent(struct crb_slice rest)
{
	struct crb_msg_job_done msg = { .status = 200,
		.detail = CRB_SLICE("") };

	msg.clean = digit(word(&rest));
	msg.job = last_job - digit(word(&rest));
	msg.outcome = word(&rest);
	say_packet(world.egress, CRB_MSG_JOB_DONE, &msg);
}

static void
say_missed(struct crb_slice rest)
{
	const struct crb_msg_session_missed msg = { .session = session_of(
							word(&rest)) };

	say_packet(world.gateway, CRB_MSG_SESSION_MISSED, &msg);
}

static void
say_commands(struct crb_slice rest)
{
	struct crb_msg_shown msg = { .what = CRB_NEED_COMMANDS };

	msg.exchange = last_exchange - digit(word(&rest));
	msg.last = digit(word(&rest)) % 2;
	msg.data = rest.p != NULL ? rest : (struct crb_slice){ "", 0 };
	say_packet(world.gateway, CRB_MSG_SHOWN, &msg);
}

static void
say_body(struct crb_slice rest)
{
	struct crb_msg_shown msg = { .what = CRB_NEED_BODY,
		.last = 1,
		.hash = CRB_SLICE("0123456789abcdef0123456789abcdef") };

	msg.exchange = last_exchange - digit(word(&rest));
	msg.length = digit(word(&rest));
	msg.type = word(&rest);
	say_packet(world.gateway, CRB_MSG_SHOWN, &msg);
}

static void
say_withdrawn(struct crb_slice rest)
{
	struct crb_msg_withdrawn msg = { .detail = CRB_SLICE("so it is") };

	msg.exchange = last_exchange - digit(word(&rest));
	msg.code = word(&rest);
	say_packet(world.gateway, CRB_MSG_WITHDRAWN, &msg);
}

static void
say(struct crb_slice line)
{
	char kind = line.len > 0 ? line.p[0] : '\0';

	(void)word(&line);
	if (line.p == NULL)
		return;
	if (kind == 'E')
		say_exchange(line);
	else if (kind == 'Q')
		say_query(line);
	else if (kind == 'D')
		say_served(line);
	else if (kind == 'J')
		say_sent(line);
	else if (kind == 'M')
		say_missed(line);
	else if (kind == 'C')
		say_commands(line);
	else if (kind == 'B')
		say_body(line);
	else if (kind == 'W')
		say_withdrawn(line);
	else if (kind == 'R' || kind == 'S')
		(void)!send(kind == 'R' ? world.gateway : world.egress, line.p,
		    line.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
check_job(const struct crb_msg_job *job)
{
	size_t which = crb_slice_is(job->session, ids[0]) ? 0 : 1;
	size_t len = strlen(repositories[which]);
	struct crb_slice rest = { job->target.p + len, job->target.len - len };

	need(crb_slice_is(job->session, ids[which]));
	need(crb_slice_is(job->method, "GET") ||
	    crb_slice_is(job->method, "POST"));
	need(crb_slice_is(job->secret, SECRET));
	need((crb_slice_is(job->host, "git.test") && job->port == 443) ||
	    (crb_slice_is(job->host, "localhost") && job->port == 8443));
	need(job->tls == 1);
	need(crb_slice_starts(job->target, repositories[which]));
	if (crb_slice_starts(rest, ".git"))
		rest = (struct crb_slice){ rest.p + 4, rest.len - 4 };
	need(crb_slice_is(rest, "/info/refs?service=git-upload-pack") ||
	    crb_slice_is(rest, "/git-upload-pack") ||
	    (which == 0 &&
		(crb_slice_is(rest, "/info/refs?service=git-receive-pack") ||
		    crb_slice_is(rest, "/git-receive-pack"))));
	/* Nothing is pushed whose commands were not seen. */
	need(!crb_slice_is(rest, "/git-receive-pack") ||
	    (job->judged != CRB_JUDGED_NOTHING && job->judged_length >= 4));
	last_job = job->job;
}

static void
check(const struct crb_msg *msg)
{
	if (msg->type == CRB_MSG_JOB)
		check_job(&msg->job);
	if (msg->type == CRB_MSG_ANSWER)
		need(memmem(msg->answer.body.p, msg->answer.body.len, SECRET,
			 strlen(SECRET)) == NULL);
}

static void
hear(void)
{
	const struct crb_msg *msg;

	world_turn(&world);
	while ((msg = world_next(&world)) != NULL)
		check(msg);
	/* What did not decode has cost it its link. */
	if (world.core->gateway.bus == NULL)
		world_lose_gateway(&world);
	if (world.core->egress.bus == NULL)
		world_lose_egress(&world);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crb_slice rest = { (const char *)data, size }, line;
	static bool begun;

	if (!begun) {
		crb_log_open("fuzz", CRB_LOG_ERROR);
		(void)atexit(end);
		begin();
	} else if (++inputs == INPUTS_A_WORLD) {
		end();
		begin();
	}
	begun = true;
	for (int i = 0; i < LINES_MAX && rest.p != NULL; i++) {
		if (!crb_slice_cut(&rest, '\n', &line))
			break;
		say(line);
		hear();
	}
	return 0;
}
