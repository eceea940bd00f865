#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "broker/core/core_link.h"
#include "broker/core/policies_impl.h"

/* What could not be recorded is tried again. */
#define RETRY_MS 2000

static void start(struct crb_policies *policies);

static void
reading_free(struct crb_policy_reading *reading)
{
	if (reading == NULL)
		return;
	for (unsigned i = 0; i < CRB_POLICY_FILES; i++)
		crb_buf_clear(&reading->file[i].bytes);
	for (unsigned i = 0; i < CRB_TIERS; i++)
		crb_tier_policy_clear(&reading->tier[i]);
	free(reading);
}

/* The vault was locked meanwhile, or the core ends: nobody wants it. */
static bool
given_up(const struct crb_policy_reading *reading)
{
	return reading->policies->reading != reading ||
	    reading->policies->core->stopping;
}

static void
settle(struct crb_policies *policies, const struct crb_err *why)
{
	struct crb_policies_waits waits = STAILQ_HEAD_INITIALIZER(waits);
	struct crb_policies_wait *wait;

	/* What was not tried is not, then. */
	policies->trusting = false;
	policies->trust[0] = '\0';
	STAILQ_CONCAT(&waits, &policies->waits);
	while ((wait = STAILQ_FIRST(&waits)) != NULL) {
		STAILQ_REMOVE_HEAD(&waits, link);
		crb_ending_settle(wait->ending, wait->quiet ? NULL : why);
		free(wait);
	}
}

/* The first problem of what was read, for whoever wanted it to be taken. */
static const struct crb_err *
problem(const struct crb_policies *policies, struct crb_err *err)
{
	for (unsigned i = 0; i < CRB_TIERS; i++)
		if (policies->tier[i].problem[0] != '\0') {
			(void)crb_err_set(err, CRB_ERR_INVALID, "%s",
			    policies->tier[i].problem);
			return err;
		}
	return NULL;
}

static void
finish(struct crb_policy_reading *reading, const struct crb_err *why)
{
	struct crb_policies *policies = reading->policies;
	struct crb_core *core = policies->core;
	bool over = given_up(reading);
	struct crb_err err;

	if (policies->reading == reading)
		policies->reading = NULL;
	reading_free(reading);
	if (over)
		return;
	policies->tried = true;
	if (policies->again) {
		policies->again = false;
		start(policies);
		return;
	}
	policies->who[0] = '\0';
	crb_supervisor_settled(core);
	settle(policies, why != NULL ? why : problem(policies, &err));
}

/* What it ended has been acknowledged. */
static void
purged(void *ctx, const struct crb_err *why)
{
	finish(ctx, why);
}

static void
take(struct crb_policy_reading *reading)
{
	struct crb_ending *ending;
	struct crb_err err;

	if (crb_ending_new(purged, reading, &ending, &err) != CRB_OK) {
		crb_policies_take(reading, NULL);
		finish(reading, &err);
		return;
	}
	crb_policies_take(reading, ending);
	crb_ending_ready(ending);
}

/* Nothing of it is in force. */
static void
fail(struct crb_policy_reading *reading, const struct crb_err *why)
{
	struct crb_policies *policies = reading->policies;
	struct crb_err err;

	crb_log(CRB_LOG_ERROR, "policies not taken", CRB_LOG_REASON, why->msg,
	    CRB_LOG_END);
	policies->trouble = *why;
	/* Also where another one is in force, which it may have to narrow. */
	if (!given_up(reading) &&
	    crb_timer_set(policies->core->loop, &policies->retry, RETRY_MS,
		&err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "no timer", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
	finish(reading, why);
}

static void
recorded(void *ctx, const struct crb_err *why)
{
	struct crb_policy_reading *reading = ctx;

	crb_core_committed(reading->policies->core, why);
	/* What failed may be there after all. */
	if (why != NULL && reading->marks)
		reading->policies->unsure = true;
	if (why != NULL)
		fail(reading, why);
	else if (given_up(reading))
		finish(reading, NULL);
	else
		take(reading);
}

static void
say_load(const struct crb_tier_policy *tier, struct crb_buf *out)
{
	const struct crb_policy_about *about = crb_policy_about(tier->policy);

	crb_buf_printf(out, "policy %s", about->name);
	if (about->serial > 0)
		crb_buf_printf(out, ", serial %lld", (long long)about->serial);
	crb_buf_printf(out, ", %zu rule%s, sha256 %s", about->rules,
	    about->rules == 1 ? "" : "s", tier->sha256);
	if (tier->key[0] != '\0')
		crb_buf_printf(out, ", signed by %s", tier->key);
	else
		crb_buf_str(out, ", not signed");
}

/* A line of the audit log for what changes; *any tells that there is one. */
static enum crb_status
collect_tier(struct crb_policy_reading *reading, unsigned tier, bool *any,
    struct crb_err *err)
{
	struct crb_policies *policies = reading->policies;
	const struct crb_tier_policy *now = &policies->tier[tier];
	const struct crb_tier_policy *read = &reading->tier[tier];
	CRB_AUTO_BUF struct crb_buf detail = CRB_BUF_INIT(1024);
	struct crb_audit_event event = {
		.who = policies->who[0] != '\0' ? policies->who : "broker",
		.tier = crb_policy_tiers[tier],
		.decision = "allow",
		.outcome = "ok",
	};

	if (read->state == CRB_TIER_BAD
		? strcmp(now->problem, read->problem) == 0
		: crb_tier_policy_same(now, read))
		return CRB_OK;
	if (read->state == CRB_TIER_BAD) {
		event.event = "policy.refuse";
		event.decision = "deny";
		event.outcome = crb_status_info(CRB_ERR_INVALID)->code;
		crb_buf_str(&detail, read->problem);
		crb_log(CRB_LOG_ERROR, "policy not taken", CRB_LOG_REASON,
		    read->problem, CRB_LOG_END);
	} else if (read->state == CRB_TIER_GOOD) {
		event.event = "policy.load";
		say_load(read, &detail);
	} else {
		event.event = "policy.remove";
		crb_buf_str(&detail, crb_policies_path(policies, tier));
	}
	event.detail = crb_buf_text(&detail);
	*any = true;
	return crb_commit_event(policies->core->commit, &event, err);
}

/* One that could not be written may be there after all, and is the same. */
static void
name_record(struct crb_policies *policies)
{
	if (!policies->marked && !policies->named)
		crb_record_id_random(&policies->record);
	policies->named = true;
}

static enum crb_status
collect(struct crb_policy_reading *reading, bool *any, struct crb_err *err)
{
	struct crb_core *core = reading->policies->core;
	CRB_AUTO_JSON json_t *record = NULL;

	if (crb_policy_trust_record(reading, any, err) != CRB_OK)
		return err->status;
	for (unsigned i = 0; i < CRB_TIERS; i++)
		if (collect_tier(reading, i, any, err) != CRB_OK)
			return err->status;
	if (!reading->marks)
		return CRB_OK;
	*any = true;
	name_record(reading->policies);
	if ((record = crb_policy_mark_json(&reading->mark)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return crb_commit_put(core->commit, CRB_KIND_POLICY,
	    &reading->policies->record, record, err);
}

/* In force once that is recorded, and not before. */
static void
all_there(struct crb_policy_reading *reading)
{
	struct crb_core *core = reading->policies->core;
	enum crb_status status;
	bool any = false;
	struct crb_err err;

	crb_policy_vet(reading);
	for (unsigned i = 0; i < CRB_POLICY_FILES; i++)
		crb_buf_clear(&reading->file[i].bytes);
	status = collect(reading, &any, &err);
	if (status == CRB_OK && !any) {
		take(reading);
		return;
	}
	if (status == CRB_OK)
		status = crb_commit_then(core->commit, recorded, reading, &err);
	if (status != CRB_OK)
		fail(reading, &err);
}

static const char *
path_of(const struct crb_policy_text *file)
{
	const struct crb_policy_reading *reading = file->reading;

	return reading->policies->path[file - reading->file];
}

/* What the supervisor says names the file already. */
static enum crb_status
read_text(struct crb_policy_text *file, struct crb_msg *msg,
    const struct crb_err *why, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;

	if (msg == NULL) {
		*err = *why;
		return crb_err_context(err, "%s", path_of(file));
	}
	if (msg->fd == CRB_FD_LOST)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "%s: the core has no descriptors left", path_of(file));
	if (msg->policy_opened.ok == 0)
		return crb_err_set(err, CRB_ERR_INVALID, "%.*s",
		    (int)msg->policy_opened.error.len,
		    msg->policy_opened.error.p);
	file->state = CRB_FILE_ABSENT;
	if (msg->fd == -1)
		return CRB_OK;
	fd = CRB_STEAL_FD(msg->fd);
	file->state = CRB_FILE_UNKNOWN;
	if (crb_io_read_all(fd, &file->bytes, CRB_FOREVER, err) != CRB_OK)
		return crb_err_context(err, "%s", path_of(file));
	file->state = CRB_FILE_THERE;
	return CRB_OK;
}

static void
came(struct crb_policy_reading *reading)
{
	if (--reading->awaited > 0)
		return;
	if (given_up(reading))
		finish(reading, NULL);
	else
		all_there(reading);
}

static void
on_opened(void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	struct crb_policy_text *file = ctx;

	if (read_text(file, msg, why, &file->why) != CRB_OK)
		file->state = CRB_FILE_UNKNOWN;
	came(file->reading);
}

static void
ask(struct crb_policy_reading *reading, unsigned which)
{
	static const size_t most[CRB_POLICY_FILES] = {
		[CRB_POLICY_KEY] = CRB_SIGNATURE_FILE_MAX,
		[CRB_POLICY_ORGANIZATION] = CRB_POLICY_BYTES_MAX,
		[CRB_POLICY_SIGNATURE] = CRB_SIGNATURE_FILE_MAX,
		[CRB_POLICY_TEAM] = CRB_POLICY_BYTES_MAX,
		[CRB_POLICY_LOCAL] = CRB_POLICY_BYTES_MAX,
	};
	struct crb_policy_text *file = &reading->file[which];
	struct crb_msg_policy_open msg = { .file = (uint8_t)which };

	file->reading = reading;
	file->bytes = (struct crb_buf)CRB_BUF_INIT(most[which]);
	if (crb_link_request(&reading->policies->core->supervisor,
		CRB_MSG_POLICY_OPEN, &msg, &msg.request, on_opened, file,
		&file->why) == CRB_OK)
		reading->awaited++;
	else
		(void)crb_err_context(&file->why, "%s", path_of(file));
}

static void
start(struct crb_policies *policies)
{
	struct crb_policy_reading *reading = calloc(1, sizeof(*reading));
	struct crb_err err;

	if (reading == NULL) {
		(void)crb_err_set(&err, CRB_ERR_NOMEM, "out of memory");
		policies->trouble = err;
		policies->tried = true;
		settle(policies, &err);
		return;
	}
	reading->policies = policies;
	memcpy(reading->trust, policies->trust, sizeof(reading->trust));
	policies->trust[0] = '\0';
	policies->reading = reading;
	crb_timer_clear(policies->core->loop, &policies->retry);
	/* Time zones change as laws do, and people come and go. */
	crb_zone_folder_forget(policies->zones);
	crb_core_read_users(policies->core);
	/* None is answered before all were asked for. */
	reading->awaited = 1;
	for (unsigned i = CRB_POLICY_KEY; i < CRB_POLICY_FILES; i++)
		ask(reading, i);
	came(reading);
}

static void
wait_for(struct crb_policies *policies, struct crb_ending *ending, bool quiet)
{
	struct crb_policies_wait *wait;
	struct crb_err err;

	if (ending == NULL)
		return;
	crb_ending_expect(ending);
	if ((wait = malloc(sizeof(*wait))) == NULL) {
		(void)crb_err_set(&err, CRB_ERR_NOMEM, "out of memory");
		crb_ending_settle(ending, quiet ? NULL : &err);
		return;
	}
	*wait = (struct crb_policies_wait){ .ending = ending, .quiet = quiet };
	STAILQ_INSERT_TAIL(&policies->waits, wait, link);
}

void
crb_policies_await(struct crb_policies *policies, struct crb_ending *ending)
{
	if (policies->reading != NULL)
		wait_for(policies, ending, true);
}

bool
crb_policies_tried(const struct crb_policies *policies)
{
	return policies->tried;
}

void
crb_policies_read(struct crb_policies *policies, struct crb_ending *ending)
{
	/* Locked, nothing is decided, and what was seen is not known. */
	if (!crb_core_unlocked(policies->core))
		return;
	wait_for(policies, ending, false);
	if (policies->reading != NULL)
		policies->again = true;
	else
		start(policies);
}

void
crb_policies_read_for(
    struct crb_policies *policies, const char *who, struct crb_ending *ending)
{
	(void)snprintf(policies->who, sizeof(policies->who), "%s", who);
	crb_policies_read(policies, ending);
}

void
crb_policies_lock(struct crb_policies *policies)
{
	struct crb_loop *loop;
	struct crb_err why;

	if (policies == NULL)
		return;
	loop = policies->core->loop;
	crb_timer_clear(loop, &policies->retry);
	crb_timer_clear(loop, &policies->expiry);
	/* Its last callback frees it. */
	policies->reading = NULL;
	policies->again = policies->read = policies->tried = false;
	policies->core->terms++;
	for (unsigned i = 0; i < CRB_TIERS; i++) {
		crb_tier_policy_clear(&policies->tier[i]);
		policies->now[i] = NULL;
	}
	crb_limits_init(&policies->limits);
	policies->pin.source = CRB_PIN_NONE;
	policies->mark = (struct crb_policy_mark){ .serial = 0 };
	policies->marked = policies->named = policies->unsure = false;
	(void)crb_err_set(&why, CRB_ERR_LOCKED, "the vault was locked");
	settle(policies, &why);
}
