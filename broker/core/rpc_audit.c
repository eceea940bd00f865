#include <stdlib.h>
#include <string.h>

#include "broker/core/rpc.h"
#include "broker/core/work.h"

#define SHOWN_USUALLY 100
#define SHOWN_MOST 10000
#define PUBLIC_KEY_BYTES 32

/* Reading a long log takes seconds: on a thread, with what it needs. */
struct reading {
	struct crb_call *call;
	const struct crb_audit *audit; /* stays until all works are finished */
	const char *folder;
	struct crb_audit_filter filter; /* borrows the call's texts */
	uint8_t public[PUBLIC_KEY_BYTES];
	struct crb_audit_verdict verdict;
	json_t *events;
	enum crb_status status;
	struct crb_err err;
};

static enum crb_status
read_filter(const struct crb_call *call, struct crb_audit_filter *filter,
    struct crb_err *err)
{
	int64_t after = 0, most = SHOWN_USUALLY;
	enum crb_status status;

	if ((status = crb_call_text(call, "session", &filter->session, err)) ||
	    (status = crb_call_text(call, "task", &filter->task, err)) ||
	    (status = crb_call_text(
		 call, "credential", &filter->credential, err)) ||
	    (status = crb_call_text(call, "event", &filter->event, err)) ||
	    (status = crb_call_text(
		 call, "decision", &filter->decision, err)) ||
	    (status = crb_call_number(
		 call, "since", 0, INT64_MAX, &filter->since, err)) ||
	    (status = crb_call_number(
		 call, "after", 0, INT64_MAX, &after, err)) ||
	    (status = crb_call_number(
		 call, "most", 1, SHOWN_MOST, &most, err)) ||
	    (status = crb_call_flag(call, "newest", &filter->newest, err)))
		return status;
	filter->after = (uint64_t)after;
	filter->most = (unsigned)most;
	return CRB_OK;
}

static void
read_log(void *ctx)
{
	struct reading *reading = ctx;

	reading->status = crb_audit_read(
	    reading->audit, &reading->filter, &reading->events, &reading->err);
}

static void
verify_log(void *ctx)
{
	struct reading *reading = ctx;

	reading->status = crb_audit_verify(
	    reading->folder, reading->public, &reading->verdict, &reading->err);
}

static void
answer_read(void *ctx)
{
	struct reading *reading = ctx;

	if (reading->status != CRB_OK)
		crb_call_fail(reading->call, &reading->err);
	else
		crb_call_reply(reading->call,
		    json_pack("{s:o}", "events", reading->events));
	free(reading);
}

static void
answer_verify(void *ctx)
{
	struct reading *reading = ctx;
	const struct crb_audit_verdict *verdict = &reading->verdict;

	if (reading->status != CRB_OK)
		crb_call_fail(reading->call, &reading->err);
	else
		crb_call_reply(reading->call,
		    json_pack("{s:I, s:I, s:I}", "lines",
			(json_int_t)verdict->lines, "checkpoints",
			(json_int_t)verdict->checkpoints, "unsigned",
			(json_int_t)verdict->unsigned_lines));
	free(reading);
}

static enum crb_status
reading_new(struct crb_call *call, struct reading **out, struct crb_err *err)
{
	struct crb_core *core = call->core;
	struct reading *reading = calloc(1, sizeof(*reading));

	if (reading == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	reading->call = call;
	reading->audit = core->audit;
	reading->folder = core->state_folder;
	memcpy(reading->public, crb_audit_public(core->audit),
	    sizeof(reading->public));
	*out = reading;
	return CRB_OK;
}

void
crb_rpc_audit_show(struct crb_call *call)
{
	struct reading *reading = NULL;
	struct crb_err err;

	if (reading_new(call, &reading, &err) != CRB_OK ||
	    read_filter(call, &reading->filter, &err) != CRB_OK ||
	    crb_work_start(call->core, read_log, answer_read, reading, &err) !=
		CRB_OK) {
		free(reading);
		crb_call_fail(call, &err);
	}
}

void
crb_rpc_audit_verify(struct crb_call *call)
{
	struct reading *reading = NULL;
	struct crb_err err;

	if (reading_new(call, &reading, &err) != CRB_OK ||
	    crb_work_start(call->core, verify_log, answer_verify, reading,
		&err) != CRB_OK) {
		free(reading);
		crb_call_fail(call, &err);
	}
}
