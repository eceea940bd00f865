#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "base/text.h"
#include "broker/core/policies_impl.h"

/*
 * What the files come to.  Nothing of a policy that has to be signed is parsed
 * before its signature was verified.
 */

static void
hash(const struct crb_buf *text, char out[CRB_POLICY_HASH_TEXT])
{
	uint8_t digest[crypto_hash_sha256_BYTES];

	(void)crypto_hash_sha256(
	    digest, (const uint8_t *)crb_buf_text(text), text->len);
	(void)sodium_bin2hex(out, CRB_POLICY_HASH_TEXT, digest, sizeof(digest));
}

/* By the pinned key, and whole. */
static enum crb_status
check_signature(const struct crb_policy_reading *reading,
    const struct crb_buf *text, struct crb_err *err)
{
	const struct crb_policy_text *file =
	    &reading->file[CRB_POLICY_SIGNATURE];
	const char *path = reading->policies->path[CRB_POLICY_SIGNATURE];
	struct crb_signature signature;

	if (file->state == CRB_FILE_UNKNOWN) {
		*err = file->why;
		return err->status;
	}
	if (file->state == CRB_FILE_ABSENT)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "%s: it is missing: the policy is not signed", path);
	if (crb_signature_parse(crb_buf_text(&file->bytes), file->bytes.len,
		&signature, err) != CRB_OK ||
	    crb_signature_verify(&signature, &reading->pin.key,
		crb_buf_text(text), text->len, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	return CRB_OK;
}

/* None that is older than one that was in force, nor another of its number. */
static enum crb_status
check_serial(const struct crb_policy_reading *reading,
    const struct crb_tier_policy *tier, const char *path, struct crb_err *err)
{
	const struct crb_policy_mark *mark = &reading->policies->mark;
	int64_t serial = crb_policy_about(tier->policy)->serial;

	if (serial < mark->serial)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "%s: its serial %lld is lower than %lld, which was in force",
		    path, (long long)serial, (long long)mark->serial);
	if (serial == mark->serial && strcmp(tier->sha256, mark->sha256) != 0)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "%s: another content with its serial %lld was in force; a "
		    "changed policy needs a higher one",
		    path, (long long)serial);
	return CRB_OK;
}

static enum crb_status
check_about(const struct crb_policy *policy, unsigned tier, const char *path,
    struct crb_err *err)
{
	const struct crb_policy_about *about = crb_policy_about(policy);
	char when[CRB_TIME_TEXT];

	if ((unsigned)about->tier != tier)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: its tier is %s, and this is the place of the %s's",
		    path, about->tier_name, crb_policy_tiers[tier]);
	if (crb_wall_seconds() < about->expires)
		return CRB_OK;
	crb_text_time(about->expires, when);
	return crb_err_set(
	    err, CRB_ERR_DENIED, "%s: it ran out at %s", path, when);
}

static enum crb_status
check_text(struct crb_policy_reading *reading, unsigned tier,
    const struct crb_buf *text, struct crb_tier_policy *out,
    struct crb_err *err)
{
	const struct crb_policies *policies = reading->policies;
	const char *path = crb_policies_path(policies, tier);
	bool pinned = tier == CRB_TIER_ORGANIZATION &&
	    reading->pin.source != CRB_PIN_NONE;

	if (pinned && check_signature(reading, text, err) != CRB_OK)
		return err->status;
	hash(text, out->sha256);
	if (crb_policy_parse(crb_buf_text(text), text->len, path,
		crb_policies_zones(policies), &out->policy, err) != CRB_OK ||
	    check_about(out->policy, tier, path, err) != CRB_OK)
		return err->status;
	if (!pinned)
		return CRB_OK;
	if (check_serial(reading, out, path, err) != CRB_OK)
		return err->status;
	crb_key_id_text(reading->pin.key.id, out->key);
	return CRB_OK;
}

static enum crb_status
read_tier(struct crb_policy_reading *reading, unsigned tier,
    enum crb_policy_file which, struct crb_err *err)
{
	const struct crb_policy_text *file = &reading->file[which];
	struct crb_tier_policy *out = &reading->tier[tier];
	const char *path = reading->policies->path[which];

	if (tier == CRB_TIER_ORGANIZATION &&
	    crb_policy_pin_find(reading, err) != CRB_OK)
		return err->status;
	if (file->state == CRB_FILE_UNKNOWN) {
		*err = file->why;
		return err->status;
	}
	if (file->state == CRB_FILE_ABSENT && tier == CRB_TIER_ORGANIZATION &&
	    reading->pin.source != CRB_PIN_NONE)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "%s: it is missing, and an organization's key is pinned",
		    path);
	if (file->state == CRB_FILE_ABSENT)
		return CRB_OK;
	if (check_text(reading, tier, &file->bytes, out, err) != CRB_OK)
		return err->status;
	out->state = CRB_TIER_GOOD;
	out->since = crb_wall_seconds();
	return CRB_OK;
}

static void
note_mark(struct crb_policy_reading *reading)
{
	const struct crb_tier_policy *tier =
	    &reading->tier[CRB_TIER_ORGANIZATION];
	struct crb_policy_mark *mark = &reading->mark;

	*mark = reading->policies->mark;
	/* The serial stays: another key is no way back. */
	if (reading->trust[0] != '\0')
		memcpy(mark->pin, reading->trust, sizeof(mark->pin));
	reading->marks = reading->trust[0] != '\0' || reading->policies->unsure;
	if (tier->key[0] == '\0' || tier->state != CRB_TIER_GOOD ||
	    (strcmp(tier->sha256, mark->sha256) == 0 &&
		strcmp(tier->key, mark->key) == 0))
		return;
	mark->serial = crb_policy_about(tier->policy)->serial;
	memcpy(mark->sha256, tier->sha256, sizeof(mark->sha256));
	memcpy(mark->key, tier->key, sizeof(mark->key));
	reading->marks = true;
}

void
crb_policy_vet(struct crb_policy_reading *reading)
{
	static const enum crb_policy_file file[CRB_TIERS] = {
		[CRB_TIER_ORGANIZATION] = CRB_POLICY_ORGANIZATION,
		[CRB_TIER_TEAM] = CRB_POLICY_TEAM,
		[CRB_TIER_LOCAL] = CRB_POLICY_LOCAL,
	};
	struct crb_err err;

	for (unsigned i = 0; i < CRB_TIERS; i++) {
		struct crb_tier_policy *tier = &reading->tier[i];

		if (read_tier(reading, i, file[i], &err) == CRB_OK)
			continue;
		crb_tier_policy_clear(tier);
		tier->state = CRB_TIER_BAD;
		(void)snprintf(
		    tier->problem, sizeof(tier->problem), "%s", err.msg);
	}
	note_mark(reading);
}
