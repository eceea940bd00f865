#include "broker/core/exchange_durable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

struct crb_recording {
	struct crb_core *core;
	char session[CRB_SESSION_ID_MAX + 1];
	char credential[CRB_NAME_MAX + 1];
	uint64_t job; /* 0: taken, or there is no line */
	uint8_t line[CRB_LINE_HASH];
	bool has_asked;
	uint8_t asked[CRB_APPROVAL_DIGEST]; /* of what was approved */
	char approval[CRB_APPROVAL_ID_LEN + 1];
	bool told;         /* how it went */
	crb_commit_fn *fn; /* NULL: nobody waits */
	void *ctx;
};

struct crb_exchange_line
crb_begin_line(
    uint64_t job, const char *approval, char detail[CRB_BEGIN_DETAIL])
{
	(void)snprintf(detail, CRB_BEGIN_DETAIL, "approval %s", approval);
	return (struct crb_exchange_line){
		.event = "exchange.begin",
		.decision = "allow",
		.job = (int64_t)job,
		.detail = approval[0] != '\0' ? detail : NULL,
	};
}

/* The disk has it still, and whoever waited has gone meanwhile or is told. */
static void
recorded(void *ctx, const struct crb_err *why)
{
	struct crb_recording *recording = ctx;

	crb_core_committed(recording->core, why);
	recording->told = true;
	if (why != NULL)
		recording->job = 0;
	if (recording->fn != NULL)
		recording->fn(recording->ctx, why);
	else
		crb_recording_free(recording);
}

static enum crb_status
collect(struct crb_recording *recording, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, struct crb_err *err)
{
	struct crb_core *core = recording->core;
	char detail[CRB_BEGIN_DETAIL];
	struct crb_exchange_line what = crb_begin_line(
	    recording->job, recording->approval, detail);
	enum crb_status status;

	/* Too many at once must not take along what others collected. */
	if (crb_commit_crowded(core->commit))
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "the disk does not keep up with the audit log; try again "
		    "in a moment");
	what.durable = true;
	what.hash = recording->line;
	status = crb_exchange_record(core, msg, judgement, &what, err);
	if (status == CRB_OK)
		status = crb_commit_then(
		    core->commit, recorded, recording, err);
	return status;
}

enum crb_status
crb_recording_new(const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement,
    const struct crb_approval_asked *asked, const char *approval,
    crb_commit_fn *fn, void *ctx, struct crb_recording **out,
    struct crb_err *err)
{
	struct crb_core *core = judgement->session->core;
	CRB_AUTO_FREE struct crb_recording *recording = calloc(
	    1, sizeof(*recording));

	if (recording == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	recording->core = core;
	recording->fn = fn;
	recording->ctx = ctx;
	recording->job = ++core->last_job;
	(void)snprintf(recording->session, sizeof(recording->session), "%s",
	    judgement->session->id);
	(void)snprintf(recording->credential, sizeof(recording->credential),
	    "%s", judgement->credential->name);
	(void)snprintf(
	    recording->approval, sizeof(recording->approval), "%s", approval);
	if (asked != NULL) {
		recording->has_asked = true;
		memcpy(
		    recording->asked, asked->digest, sizeof(recording->asked));
	}
	if (collect(recording, msg, judgement, err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(recording);
	return CRB_OK;
}

static bool
same_asked(const struct crb_recording *recording,
    const struct crb_approval_asked *asked)
{
	if (!recording->has_asked || asked == NULL)
		return !recording->has_asked && asked == NULL;
	return memcmp(recording->asked, asked->digest,
		   sizeof(recording->asked)) == 0;
}

enum crb_status
crb_recording_check(const struct crb_recording *recording,
    const struct crb_msg_exchange *msg, const struct crb_judgement *judgement,
    const struct crb_approval_asked *asked, struct crb_err *err)
{
	uint8_t line[CRB_LINE_HASH];
	char detail[CRB_BEGIN_DETAIL];
	struct crb_exchange_line what = crb_begin_line(
	    recording->job, recording->approval, detail);
	enum crb_status status;

	what.hash = line;
	what.only_hash = true;
	status = crb_exchange_record(
	    recording->core, msg, judgement, &what, err);
	if (status != CRB_OK)
		return status;
	if (same_asked(recording, asked) &&
	    memcmp(recording->line, line, sizeof(line)) == 0)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_EXISTS,
	    "what decides about it has changed while it was recorded; try "
	    "again");
}

uint64_t
crb_recording_job(const struct crb_recording *recording)
{
	return recording->job;
}

void
crb_recording_take(struct crb_recording *recording)
{
	recording->job = 0;
}

const char *
crb_recording_approval(const struct crb_recording *recording)
{
	return recording->approval;
}

static void
record_end(const struct crb_recording *recording)
{
	const struct crb_session *session = crb_session_get(
	    recording->core, CRB_SLICE(recording->session));
	const struct crb_audit_event event = {
		.event = "exchange.end",
		.task = session != NULL ? session->task : NULL,
		.session = recording->session,
		.credential = recording->credential,
		.outcome = "cancelled",
		.detail = "nothing of it went upstream",
		.exchange = (int64_t)recording->job,
	};
	struct crb_err err;

	if (recording->core->audit != NULL &&
	    crb_audit_record(recording->core->audit, &event, &err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "exchange not recorded", CRB_LOG_SESSION,
		    recording->session, CRB_LOG_REASON, err.msg, CRB_LOG_END);
}

void
crb_recording_free(struct crb_recording *recording)
{
	struct crb_err why;

	if (recording == NULL)
		return;
	recording->fn = NULL;
	if (!recording->told)
		return;
	if (recording->job != 0)
		record_end(recording);
	/* Behind one that has begun this does nothing. */
	(void)crb_err_set(&why, CRB_ERR_DENIED, "nothing of it went upstream");
	crb_approval_settle(recording->core, recording->approval, &why);
	free(recording);
}
