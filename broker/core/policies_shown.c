#include "base/cleanup.h"
#include "base/process.h"
#include "base/text.h"
#include "broker/core/policies_impl.h"

static void
set_time(json_t *object, const char *key, int64_t seconds)
{
	char text[CRB_TIME_TEXT];

	crb_text_time(seconds, text);
	(void)json_object_set_new(object, key, json_string(text));
}

static const char *
state(const struct crb_tier_policy *tier, bool read)
{
	if (!read)
		return "not read";
	if (tier->state == CRB_TIER_ABSENT)
		return "none";
	if (tier->state == CRB_TIER_BAD)
		return "refused";
	return crb_tier_policy_expired(tier, crb_wall_seconds()) ? "run out"
								 : "in force";
}

static void
show_policy(const struct crb_tier_policy *tier, json_t *shown)
{
	const struct crb_policy_about *about = crb_policy_about(tier->policy);

	(void)json_object_set_new(shown, "name", json_string(about->name));
	if (about->serial > 0)
		(void)json_object_set_new(
		    shown, "serial", json_integer(about->serial));
	if (about->expires != INT64_MAX)
		set_time(shown, "expires", about->expires);
	(void)json_object_set_new(
	    shown, "rules", json_integer((json_int_t)about->rules));
	(void)json_object_set_new(shown, "sha256", json_string(tier->sha256));
	set_time(shown, "since", tier->since);
	(void)json_object_set_new(
	    shown, "signed", json_boolean(tier->key[0] != '\0'));
	if (tier->key[0] != '\0')
		(void)json_object_set_new(shown, "key", json_string(tier->key));
}

static json_t *
show_tier(const struct crb_policies *policies, unsigned which)
{
	const struct crb_tier_policy *tier = &policies->tier[which];
	json_t *shown = json_pack("{s:s, s:s, s:s}", "tier",
	    crb_policy_tiers[which], "path", crb_policies_path(policies, which),
	    "state", state(tier, policies->read));

	if (shown != NULL && tier->policy != NULL)
		show_policy(tier, shown);
	if (shown != NULL && tier->problem[0] != '\0')
		(void)json_object_set_new(
		    shown, "problem", json_string(tier->problem));
	return shown;
}

static json_t *
show_pin(const struct crb_policies *policies)
{
	static const char *const from[] = {
		[CRB_PIN_NONE] = NULL,
		[CRB_PIN_FILE] = "file",
		[CRB_PIN_VAULT] = "vault",
		[CRB_PIN_BOTH] = "both",
	};
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(128);
	char id[CRB_KEY_ID_TEXT];

	if (policies->pin.source == CRB_PIN_NONE)
		return NULL;
	crb_key_id_text(policies->pin.key.id, id);
	crb_public_key_line(&policies->pin.key, &line);
	return json_pack("{s:s, s:s, s:s, s:s}", "key", id, "public_key",
	    crb_buf_text(&line), "from", from[policies->pin.source], "path",
	    policies->path[CRB_POLICY_KEY]);
}

/* The highest that was in force under a pinned key. */
static json_t *
show_mark(const struct crb_policies *policies)
{
	const struct crb_policy_mark *mark = &policies->mark;

	if (mark->serial == 0)
		return NULL;
	return json_pack("{s:I, s:s, s:s}", "serial", (json_int_t)mark->serial,
	    "sha256", mark->sha256, "key", mark->key);
}

static json_t *
show_limits(const struct crb_policies *policies)
{
	const struct crb_limits *limits = &policies->limits;
	json_t *shown = json_object();

	for (unsigned i = 0; i < CRB_LIMITS; i++)
		if (limits->most[i] != CRB_UNLIMITED)
			(void)json_object_set_new(shown,
			    crb_limit_infos[i].name,
			    json_pack("{s:I, s:s}", "most",
				(json_int_t)limits->most[i], "tier",
				limits->tier[i]));
	return shown;
}

json_t *
crb_policies_shown(const struct crb_policies *policies)
{
	json_t *shown, *tiers = json_array();
	struct crb_err err = { .msg = "" };
	const char *tier;
	bool ready;

	ready = crb_core_unlocked(policies->core) &&
	    crb_policies_ready(policies, &tier, &err) == CRB_OK;
	for (unsigned i = 0; i < CRB_TIERS; i++)
		(void)json_array_append_new(tiers, show_tier(policies, i));
	shown = json_pack("{s:b, s:s*, s:o*, s:o*, s:o, s:o}", "ready", ready,
	    "problem", err.msg[0] != '\0' ? err.msg : NULL, "pin",
	    show_pin(policies), "seen", show_mark(policies), "tiers", tiers,
	    "limits", show_limits(policies));
	if (shown != NULL && policies->read)
		set_time(shown, "read", policies->when);
	return shown;
}
