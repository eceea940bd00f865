#include "broker/egress/egress.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/bus/bus.h"
#include "broker/bus/stream.h"
#include "broker/egress/mint.h"
#include "broker/egress/probe.h"
#include "broker/egress/session.h"
#include "broker/egress/trust.h"

#define BUCKETS 4096u
#define JOBS_MAX 1024

struct entry {
	struct entry *next;
	struct crb_session *session;
};

struct crb_egress {
	struct crb_job_world world;
	struct crb_bus *bus;
	struct entry *buckets[BUCKETS];
	size_t jobs;
	struct crb_probes *probes;
	struct crb_mints *mints;
};

#define AUTO_EGRESS __attribute__((cleanup(egress_cleanup)))
static void
egress_cleanup(struct crb_egress **egress)
{
	crb_egress_free(*egress);
}

/* The core chooses ids at random: nobody can aim at a bucket. */
static struct entry **
bucket_of(struct crb_egress *egress, struct crb_slice id)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < id.len; i++)
		hash = (hash ^ (unsigned char)id.p[i]) * 16777619u;
	return &egress->buckets[hash % BUCKETS];
}

static struct entry **
find(struct crb_egress *egress, struct crb_slice id)
{
	struct entry **at = bucket_of(egress, id);

	while (*at != NULL && !crb_slice_is(id, crb_session_id((*at)->session)))
		at = &(*at)->next;
	return at;
}

static void
remove_entry(struct entry **at)
{
	struct entry *entry = *at;

	*at = entry->next;
	crb_session_free(entry->session);
	free(entry);
}

/* A bus that is full ends in bus_gone(), so nothing is lost silently. */
bool
crb_egress_idle(const struct crb_egress *egress)
{
	return egress->jobs == 0 && crb_mints_idle(egress->mints);
}

void
crb_egress_report(
    struct crb_egress *egress, enum crb_msg_type type, const void *msg)
{
	struct crb_err err;

	if (egress->bus == NULL)
		return;
	if (crb_bus_send(egress->bus, type, msg, -1, &err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "cannot tell the core", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

static void
job_done(void *ctx, const struct crb_msg_job_done *done)
{
	struct crb_egress *egress = ctx;

	egress->jobs--;
	crb_egress_report(egress, CRB_MSG_JOB_DONE, done);
}

static void
session_idle(void *ctx, struct crb_session *session)
{
	struct crb_egress *egress = ctx;

	remove_entry(find(egress, CRB_SLICE(crb_session_id(session))));
}

static enum crb_status
open_session(struct crb_egress *egress, struct crb_slice id,
    struct crb_session **out, struct crb_err *err)
{
	struct entry **at = find(egress, id);
	CRB_AUTO_FREE struct entry *entry = NULL;
	char name[CRB_SESSION_ID_MAX + 1] = { 0 };

	if (*at != NULL) {
		*out = (*at)->session;
		return CRB_OK;
	}
	memcpy(name, id.p, id.len);
	if ((entry = calloc(1, sizeof(*entry))) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for a session");
	if (crb_session_new(
		&(struct crb_session_options){ .world = &egress->world,
		    .id = name,
		    .job_done = job_done,
		    .idle = session_idle,
		    .ctx = egress },
		&entry->session, err) != CRB_OK)
		return err->status;
	*out = entry->session;
	*at = CRB_STEAL(entry);
	return CRB_OK;
}

static enum crb_status
admit(struct crb_egress *egress, const struct crb_msg_job *msg,
    struct crb_session **out, struct crb_err *err)
{
	if (egress->jobs >= JOBS_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "the broker has too many requests open");
	return open_session(egress, msg->session, out, err);
}

static void
take_job(struct crb_egress *egress, struct crb_msg *msg)
{
	struct crb_session *session = NULL;
	struct crb_msg_job_done done;
	struct crb_err err;

	egress->jobs++;
	if (admit(egress, &msg->job, &session, &err) == CRB_OK) {
		crb_session_start(session, &msg->job, CRB_STEAL_FD(msg->fd));
		return;
	}
	if (msg->fd != -1)
		crb_job_refuse(msg->fd, msg->job.job, &err);
	done = (struct crb_msg_job_done){
		.job = msg->job.job,
		.outcome = CRB_SLICE(crb_status_info(err.status)->code),
		.detail = CRB_SLICE(err.msg),
	};
	job_done(egress, &done);
}

static void
take_cancel(struct crb_egress *egress, struct crb_msg *msg)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct entry *at = egress->buckets[i]; at != NULL;
		     at = at->next) {
			if (crb_session_cancel(at->session, &msg->job_cancel))
				return;
		}
	}
}

static void
take_drop(struct crb_egress *egress, struct crb_msg *msg)
{
	const struct crb_msg_session_drop *drop = &msg->session_drop;
	struct entry **at = find(egress, drop->session);
	const struct crb_msg_session_dropped dropped = {
		.request = drop->request,
		.session = drop->session,
	};

	if (*at != NULL)
		remove_entry(at);
	crb_mints_drop(egress->mints, drop->session);
	crb_egress_report(egress, CRB_MSG_SESSION_DROPPED, &dropped);
}

static void
take_probe(struct crb_egress *egress, struct crb_msg *msg)
{
	crb_probes_start(egress->probes, &msg->probe);
}

static void
probed(void *ctx, const struct crb_msg_probed *msg)
{
	crb_egress_report(ctx, CRB_MSG_PROBED, msg);
}

static void
take_mint(struct crb_egress *egress, struct crb_msg *msg)
{
	crb_mints_start(egress->mints, &msg->mint);
}

static void
minted(void *ctx, const struct crb_msg_minted *msg)
{
	crb_egress_report(ctx, CRB_MSG_MINTED, msg);
}

typedef void take_fn(struct crb_egress *egress, struct crb_msg *msg);

static take_fn *const takers[CRB_MSG_COUNT_] = {
	[CRB_MSG_JOB] = take_job,
	[CRB_MSG_JOB_CANCEL] = take_cancel,
	[CRB_MSG_SESSION_DROP] = take_drop,
	[CRB_MSG_PROBE] = take_probe,
	[CRB_MSG_MINT] = take_mint,
};

static void
bus_message(void *ctx, struct crb_msg *msg)
{
	struct crb_egress *egress = ctx;

	if (takers[msg->type] != NULL)
		takers[msg->type](egress, msg);
}

static void
bus_gone(void *ctx, const struct crb_err *why)
{
	struct crb_egress *egress = ctx;

	crb_log(CRB_LOG_INFO, "the core is gone", CRB_LOG_REASON, why->msg,
	    CRB_LOG_END);
	crb_bus_free(CRB_STEAL(egress->bus));
	crb_loop_stop(egress->world.loop);
}

static enum crb_status
open_parts(
    struct crb_egress *egress, struct crb_loop *loop, struct crb_err *err)
{
	struct crb_trust *trust;

	if (crb_trust_new(&egress->world.trust, err) != CRB_OK)
		return err->status;
	trust = egress->world.trust;
	if (crb_probes_new(&(struct crb_probes_options){ .loop = loop,
			       .trust = trust,
			       .probed = probed,
			       .ctx = egress },
		&egress->probes, err) != CRB_OK)
		return err->status;
	return crb_mints_new(&(struct crb_mints_options){ .loop = loop,
				 .trust = trust,
				 .backends = crb_backends,
				 .limits = &crb_mint_limits,
				 .minted = minted,
				 .ctx = egress },
	    &egress->mints, err);
}

enum crb_status
crb_egress_new(struct crb_loop *loop, int bus,
    const struct crb_job_limits *limits, struct crb_egress **out,
    struct crb_err *err)
{
	CRB_AUTO_FD int owned = bus;
	AUTO_EGRESS struct crb_egress *egress = NULL;

	if ((egress = calloc(1, sizeof(*egress))) == NULL ||
	    (egress->world.spare = malloc(CRB_STREAM_PACKET_MAX)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	egress->world.loop = loop;
	egress->world.limits = *limits;
	if (open_parts(egress, loop, err) != CRB_OK ||
	    crb_bus_new(CRB_STEAL_FD(owned),
		&(struct crb_bus_options){ .loop = loop,
		    .self = CRB_ROLE_EGRESS,
		    .peer = CRB_ROLE_CORE,
		    .message = bus_message,
		    .gone = bus_gone,
		    .ctx = egress },
		&egress->bus, err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(egress);
	return CRB_OK;
}

void
crb_egress_free(struct crb_egress *egress)
{
	if (egress == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (egress->buckets[i] != NULL)
			remove_entry(&egress->buckets[i]);
	}
	crb_mints_free(egress->mints);
	crb_probes_free(egress->probes);
	crb_bus_free(egress->bus);
	crb_trust_free(egress->world.trust);
	free(egress->world.spare);
	free(egress);
}
