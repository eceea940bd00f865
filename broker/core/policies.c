#include "broker/core/policies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "broker/bus/tier_files.h"
#include "broker/core/clock.h"
#include "broker/core/limits.h"
#include "broker/core/policies_impl.h"

/* The wall clock may be set, and nobody say so: a timer looks again. */
#define LOOK_S 60

static void expire(void *ctx);
static void watch_clock(struct crb_policies *policies);
static void unwatch_clock(struct crb_policies *policies);
static void retry(void *ctx);

static enum crb_status
set_paths(struct crb_policies *policies, struct crb_err *err)
{
	const char *const folder[] = { policies->core->policy_folder,
		policies->core->organization_folder };
	enum crb_status status = CRB_OK;

	for (unsigned i = CRB_POLICY_KEY;
	     status == CRB_OK && i < CRB_POLICY_FILES; i++)
		status = crb_path_join(policies->path[i],
		    folder[crb_tier_files[i].machine] != NULL
			? folder[crb_tier_files[i].machine]
			: "",
		    crb_tier_files[i].name, err);
	return status;
}

enum crb_status
crb_policies_new(
    struct crb_core *core, struct crb_policies **out, struct crb_err *err)
{
	struct crb_policies *policies = calloc(1, sizeof(*policies));

	if (policies == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	policies->core = core;
	watch_clock(policies);
	STAILQ_INIT(&policies->waits);
	crb_limits_init(&policies->limits);
	crb_timer_init(&policies->expiry, expire, policies);
	crb_timer_init(&policies->retry, retry, policies);
	policies->zones = crb_zone_folder_open(CRB_ZONE_FOLDER);
	if (policies->zones == NULL) {
		crb_policies_free(policies);
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	}
	if (set_paths(policies, err) != CRB_OK) {
		crb_policies_free(policies);
		return err->status;
	}
	*out = policies;
	return CRB_OK;
}

void
crb_policies_free(struct crb_policies *policies)
{
	if (policies == NULL)
		return;
	crb_policies_lock(policies);
	unwatch_clock(policies);
	crb_zone_folder_close(policies->zones);
	free(policies);
}

void
crb_tier_policy_clear(struct crb_tier_policy *tier)
{
	crb_policy_free(tier->policy);
	*tier = (struct crb_tier_policy){ .state = CRB_TIER_ABSENT };
}

bool
crb_tier_policy_expired(const struct crb_tier_policy *tier, int64_t now)
{
	return tier->policy != NULL &&
	    now >= crb_policy_about(tier->policy)->expires;
}

bool
crb_tier_policy_same(
    const struct crb_tier_policy *a, const struct crb_tier_policy *b)
{
	return a->state == b->state && strcmp(a->sha256, b->sha256) == 0 &&
	    strcmp(a->key, b->key) == 0 &&
	    (a->state != CRB_TIER_BAD || strcmp(a->problem, b->problem) == 0);
}

/*
 * What is read now would not be put in its place: it stays in force.  With
 * another key, what the former one has signed does not.
 */
static bool
stays(const struct crb_tier_policy *now,
    const struct crb_policy_reading *reading, unsigned tier)
{
	return now->state == CRB_TIER_GOOD &&
	    reading->tier[tier].state == CRB_TIER_BAD && !reading->conflict &&
	    (reading->trust[0] == '\0' || tier != CRB_TIER_ORGANIZATION);
}

const char *
crb_policies_path(const struct crb_policies *policies, unsigned tier)
{
	static const enum crb_policy_file file[CRB_TIERS] = {
		[CRB_TIER_ORGANIZATION] = CRB_POLICY_ORGANIZATION,
		[CRB_TIER_TEAM] = CRB_POLICY_TEAM,
		[CRB_TIER_LOCAL] = CRB_POLICY_LOCAL,
	};

	return policies->path[file[tier]];
}

static void
sum_up(struct crb_policies *policies)
{
	policies->core->terms++;
	crb_limits_init(&policies->limits);
	for (unsigned i = 0; i < CRB_TIERS; i++) {
		const struct crb_policy *policy = policies->tier[i].policy;

		policies->now[i] = policy;
		if (policy != NULL)
			crb_limits_narrow(&policies->limits,
			    &crb_policy_about(policy)->limits,
			    crb_policy_tiers[i]);
	}
}

/*
 * Until the next one runs out.  A changed clock may move that, and take back
 * that one has.
 */
static void
arm(struct crb_policies *policies)
{
	int64_t now = crb_wall_seconds(), wait = LOOK_S;
	bool any = false;
	struct crb_err err;

	for (unsigned i = 0; i < CRB_TIERS; i++) {
		const struct crb_policy *policy = policies->tier[i].policy;
		int64_t expires = policy != NULL
		    ? crb_policy_about(policy)->expires
		    : INT64_MAX;

		if (expires == INT64_MAX)
			continue;
		any = true;
		if (expires > now && expires - now < wait)
			wait = expires - now;
	}
	crb_timer_clear(policies->core->loop, &policies->expiry);
	/* Without a timer the clock is still asked before each decision. */
	if (any &&
	    crb_timer_set(policies->core->loop, &policies->expiry, wait * 1000,
		&err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "no timer", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
}

static void
record_expiry(struct crb_policies *policies, unsigned tier)
{
	const struct crb_policy_about *about = crb_policy_about(
	    policies->tier[tier].policy);
	CRB_AUTO_BUF struct crb_buf detail = CRB_BUF_INIT(512);
	struct crb_core *core = policies->core;
	char when[CRB_TIME_TEXT];
	struct crb_err err;

	crb_text_time(about->expires, when);
	crb_buf_printf(&detail, "policy %s ran out at %s: nothing is issued",
	    about->name, when);
	const struct crb_audit_event event = {
		.event = "policy.expire",
		.who = "broker",
		.tier = crb_policy_tiers[tier],
		.decision = "deny",
		.outcome = "ok",
		.detail = crb_buf_text(&detail),
	};
	crb_log(CRB_LOG_ERROR, "policy has run out", CRB_LOG_PATH,
	    crb_policies_path(policies, tier), CRB_LOG_REASON,
	    crb_buf_text(&detail), CRB_LOG_END);
	/* What it blocks is blocked whether or not that can be said. */
	if (core->commit != NULL &&
	    crb_commit_event(core->commit, &event, &err) != CRB_OK)
		crb_core_committed(core, &err);
}

static void
expire(void *ctx)
{
	struct crb_policies *policies = ctx;
	int64_t now = crb_wall_seconds();
	bool any = false;

	for (unsigned i = 0; i < CRB_TIERS; i++) {
		struct crb_tier_policy *tier = &policies->tier[i];

		bool was = tier->expired;

		tier->expired = crb_tier_policy_expired(tier, now);
		any |= tier->expired;
		if (tier->expired && !was)
			record_expiry(policies, i);
	}
	/* Each time: the clock may have been set back, and keys been minted. */
	if (any)
		crb_policies_purge(policies, NULL);
	arm(policies);
}

void
crb_policies_clock_set(struct crb_policies *policies)
{
	crb_log(CRB_LOG_INFO, "the clock was set", CRB_LOG_END);
	expire(policies);
	crb_limits_apply(policies->core);
}

static void
clock_changed(void *ctx, int fd, unsigned events)
{
	(void)events;
	if (crb_clock_was_set(fd))
		crb_policies_clock_set(ctx);
}

static void
watch_clock(struct crb_policies *policies)
{
	CRB_AUTO_FD int fd = crb_clock_open();
	struct crb_err err;

	policies->clock = -1;
	if (fd == -1)
		return;
	if (crb_loop_watch(policies->core->loop, fd, CRB_READABLE,
		clock_changed, policies, &err) == CRB_OK)
		policies->clock = CRB_STEAL_FD(fd);
	else
		crb_log(CRB_LOG_ERROR, "the clock is not watched",
		    CRB_LOG_REASON, err.msg, CRB_LOG_END);
}

static void
unwatch_clock(struct crb_policies *policies)
{
	if (policies->clock == -1)
		return;
	crb_loop_unwatch(policies->core->loop, policies->clock);
	(void)close(policies->clock);
}

static void
retry(void *ctx)
{
	crb_policies_read(ctx, NULL);
}

/* True when what is in force is another one. */
static bool
take_tier(struct crb_tier_policy *now, struct crb_policy_reading *reading,
    unsigned tier)
{
	struct crb_tier_policy *read = &reading->tier[tier];

	if (stays(now, reading, tier)) {
		memcpy(now->problem, read->problem, sizeof(now->problem));
		return false;
	}
	if (crb_tier_policy_same(now, read)) {
		now->problem[0] = '\0';
		if (read->state == CRB_TIER_BAD)
			memcpy(
			    now->problem, read->problem, sizeof(now->problem));
		return false;
	}
	crb_tier_policy_clear(now);
	*now = *read;
	read->policy = NULL;
	return true;
}

void
crb_policies_take(struct crb_policy_reading *reading, struct crb_ending *ending)
{
	struct crb_policies *policies = reading->policies;
	bool changed = false;

	for (unsigned i = 0; i < CRB_TIERS; i++)
		changed |= take_tier(&policies->tier[i], reading, i);
	policies->pin = reading->pin;
	if (reading->marks) {
		policies->mark = reading->mark;
		policies->marked = true;
		policies->unsure = false;
	}
	policies->read = true;
	policies->when = crb_wall_seconds();
	sum_up(policies);
	arm(policies);
	if (!changed)
		return;
	crb_limits_apply(policies->core);
	crb_policies_purge(policies, ending);
}

static enum crb_status
tier_ready(const struct crb_policies *policies, unsigned tier, int64_t now,
    struct crb_err *err)
{
	const struct crb_tier_policy *at = &policies->tier[tier];
	char when[CRB_TIME_TEXT];

	if (at->state == CRB_TIER_BAD)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "%s cannot be used, so nothing is allowed: %.350s",
		    crb_policy_titles[tier], at->problem);
	if (!crb_tier_policy_expired(at, now))
		return CRB_OK;
	crb_text_time(crb_policy_about(at->policy)->expires, when);
	return crb_err_set(err, CRB_ERR_DENIED,
	    "%s %.64s ran out at %s, so nothing is allowed",
	    crb_policy_titles[tier], crb_policy_about(at->policy)->name, when);
}

enum crb_status
crb_policies_ready(
    const struct crb_policies *policies, const char **tier, struct crb_err *err)
{
	int64_t now = crb_wall_seconds();

	if (tier != NULL)
		*tier = NULL;
	if (!policies->read && policies->tried) {
		*err = policies->trouble;
		return crb_err_context(err,
		    "the policies could not be taken, so nothing is allowed");
	}
	if (!policies->read)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "the policies are being read; try again");
	for (unsigned i = 0; i < CRB_TIERS; i++) {
		if (tier_ready(policies, i, now, err) == CRB_OK)
			continue;
		if (tier != NULL)
			*tier = crb_policy_tiers[i];
		return err->status;
	}
	return CRB_OK;
}

const struct crb_policy *const *
crb_policies_tiers(const struct crb_policies *policies)
{
	return policies->now;
}

const struct crb_limits *
crb_policies_limits(const struct crb_policies *policies)
{
	return &policies->limits;
}

const struct crb_zones *
crb_policies_zones(const struct crb_policies *policies)
{
	return crb_zone_folder_zones(policies->zones);
}
