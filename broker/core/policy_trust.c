#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "broker/core/policies_impl.h"

/*
 * Another organization's key for the vault.  It is sealed by the reading of the
 * files that follows, so that it is recorded together with what they come to by
 * it, and no other reading can be in between.
 */

const char *
crb_policies_sealed(const struct crb_policies *policies)
{
	return policies->mark.pin;
}

/* minisign leaves zeros in front away. */
static const char *
without_zeros(const char *id)
{
	while (*id == '0')
		id++;
	return id;
}

/* Blindly nothing is replaced, nor what is not there. */
static enum crb_status
check_replaced(const struct crb_public_key *sealed,
    const struct crb_public_key *key, const char *replaces, struct crb_err *err)
{
	char id[CRB_KEY_ID_TEXT];

	crb_key_id_text(sealed->id, id);
	if (crb_public_key_same(sealed, key))
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "key %s is the one that is sealed in the vault", id);
	/* The log and whoever reads it could not tell them apart. */
	if (memcmp(sealed->id, key->id, sizeof(key->id)) == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "another key with the id %s is sealed in the vault", id);
	if (replaces == NULL)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "key %s is sealed in the vault: it has to be named as the "
		    "one that is replaced",
		    id);
	if (strcasecmp(without_zeros(replaces), without_zeros(id)) != 0)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "another key is sealed in the vault than the one that is "
		    "to be replaced: %s",
		    id);
	return CRB_OK;
}

static enum crb_status
check(const struct crb_policies *policies, const struct crb_public_key *key,
    const char *replaces, struct crb_err *err)
{
	const char *line = policies->mark.pin;
	struct crb_public_key sealed;

	if (policies->trusting)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "another key is being sealed; try again");
	if (line[0] == '\0' && replaces != NULL)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "no key is sealed in the vault, so none is replaced");
	if (line[0] == '\0')
		return CRB_OK;
	if (crb_public_key_parse(line, strlen(line), &sealed, err) != CRB_OK)
		return crb_err_context(err, "the key in the vault");
	return check_replaced(&sealed, key, replaces, err);
}

enum crb_status
crb_policies_trust(struct crb_policies *policies, const char *key,
    const char *replaces, const char *who, struct crb_ending *ending,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(CRB_POLICY_PIN_MAX - 1);
	struct crb_public_key parsed;

	if (crb_public_key_parse(key, strlen(key), &parsed, err) != CRB_OK)
		return crb_err_context(err, "key");
	crb_public_key_line(&parsed, &line);
	if (crb_buf_check(&line, "the key", err) != CRB_OK ||
	    check(policies, &parsed, replaces, err) != CRB_OK)
		return err->status;
	memcpy(policies->trust, crb_buf_text(&line), line.len + 1);
	(void)snprintf(policies->trusts, sizeof(policies->trusts), "%s", who);
	policies->trusting = true;
	crb_policies_read_for(policies, who, ending);
	return CRB_OK;
}

static enum crb_status
say(const struct crb_policy_reading *reading, struct crb_buf *out,
    struct crb_err *err)
{
	const char *was = reading->policies->mark.pin;
	struct crb_public_key key;
	char id[CRB_KEY_ID_TEXT];

	if (crb_public_key_parse(
		reading->trust, strlen(reading->trust), &key, err) != CRB_OK)
		return err->status;
	crb_key_id_text(key.id, id);
	crb_buf_printf(out, "key %s", id);
	if (was[0] == '\0')
		return CRB_OK;
	if (crb_public_key_parse(was, strlen(was), &key, err) != CRB_OK)
		return err->status;
	crb_key_id_text(key.id, id);
	crb_buf_printf(out, " in place of %s", id);
	return CRB_OK;
}

enum crb_status
crb_policy_trust_record(
    const struct crb_policy_reading *reading, bool *any, struct crb_err *err)
{
	const struct crb_policies *policies = reading->policies;
	CRB_AUTO_BUF struct crb_buf detail = CRB_BUF_INIT(256);

	if (reading->trust[0] == '\0')
		return CRB_OK;
	if (say(reading, &detail, err) != CRB_OK)
		return err->status;
	const struct crb_audit_event event = {
		.event = "policy.trust",
		.who = policies->trusts,
		.tier = crb_policy_tiers[CRB_TIER_ORGANIZATION],
		.decision = "allow",
		.outcome = "ok",
		.detail = crb_buf_text(&detail),
	};
	*any = true;
	return crb_commit_event(policies->core->commit, &event, err);
}
