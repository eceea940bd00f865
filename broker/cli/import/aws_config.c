#include <string.h>

#include "backends/aws_keys.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "broker/cli/import/aws.h"
#include "broker/cli/import/aws_profile.h"
#include "broker/cli/import/parsers.h"
#include "broker/cli/import/sources.h"

/* The keys of a profile that has keys itself; or NULL. */
static struct crb_found *
find_keys(struct crb_found_list *list, struct crb_slice account)
{
	for (size_t i = 0; i < list->count; i++) {
		struct crb_found *found = &list->at[i];

		if (found->account != NULL && found->variable == NULL &&
		    strcmp(found->kind, CRB_AWS_FOUND_KIND) == 0 &&
		    crb_slice_is(account, found->account))
			return found;
	}
	return NULL;
}

static const char *
why_not(const struct crb_aws_profile *profile, const struct crb_found *source)
{
	if (profile->value[CRB_AWS_KEY_MFA].len > 0)
		return "asks for a code (mfa_serial), which nobody can type "
		       "for the broker";
	if (source == NULL)
		return "its source_profile has no keys that were found";
	return source->secret == NULL ? source->why_not : NULL;
}

/* The keys of the profile that it names, for the role. */
static enum crb_status
copy_keys(
    const struct crb_found *source, struct crb_found *role, struct crb_err *err)
{
	role->origin = source->origin;
	role->elsewhere = true;
	role->line = source->line;
	role->from = source->from;
	role->to = source->to;
	memcpy(role->sticks, source->sticks, sizeof(role->sticks));
	if ((role->params = json_copy(source->params)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return crb_secret_copy(crb_secret_bytes(source->secret),
	    crb_secret_len(source->secret), &role->secret, err);
}

static enum crb_status
set_role(struct crb_found *role, const struct crb_aws_profile *profile,
    struct crb_err *err)
{
	static const struct {
		enum crb_aws_key key;
		const char *param;
	} rows[] = {
		{ CRB_AWS_KEY_ROLE, "role-arn" },
		{ CRB_AWS_KEY_REGION, "region" },
		{ CRB_AWS_KEY_EXTERNAL_ID, "external-id" },
		{ CRB_AWS_KEY_ENDPOINT, "endpoint-url" },
	};
	const struct crb_slice *duration =
	    &profile->value[CRB_AWS_KEY_DURATION];
	CRB_AUTO_BUF struct crb_buf seconds = CRB_BUF_INIT(32);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (profile->value[rows[i].key].len > 0 &&
		    crb_aws_found_set(role, rows[i].param,
			profile->value[rows[i].key], err) != CRB_OK)
			return err->status;
	if (duration->len == 0 || duration->len > 9)
		return CRB_OK;
	crb_buf_add(&seconds, duration->p, duration->len);
	crb_buf_char(&seconds, 's');
	return crb_aws_found_set(
	    role, "duration", CRB_SLICE(crb_buf_text(&seconds)), err);
}

static enum crb_status
add_role(struct crb_found_list *list, const struct crb_aws_profile *profile,
    struct crb_err *err)
{
	const struct crb_finding finding = { .kind = CRB_AWS_FOUND_KIND,
		.line = profile->line };
	struct crb_found *source = find_keys(
	    list, profile->value[CRB_AWS_KEY_SOURCE]);
	const char *why = why_not(profile, source);
	struct crb_found *role;

	if (crb_found_add_other(
		list, &finding, why != NULL ? why : "", &role, err) != CRB_OK)
		return err->status;
	role->backend = "aws-sts";
	if ((role->account = crb_slice_dup(profile->name)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (why != NULL)
		return CRB_OK;
	if (copy_keys(source, role, err) != CRB_OK ||
	    set_role(role, profile, err) != CRB_OK)
		return err->status;
	return crb_aws_found_check(role, err);
}

/* What stands beside keys of the same profile. */
static enum crb_status
add_settings(struct crb_found_list *list, const struct crb_aws_profile *profile,
    struct crb_err *err)
{
	struct crb_found *found = find_keys(list, profile->name);

	if (found == NULL)
		return CRB_OK;
	if (profile->value[CRB_AWS_KEY_REGION].len > 0 &&
	    crb_aws_found_set(found, "region",
		profile->value[CRB_AWS_KEY_REGION], err) != CRB_OK)
		return err->status;
	if (profile->value[CRB_AWS_KEY_ENDPOINT].len > 0 &&
	    crb_aws_found_set(found, "endpoint-url",
		profile->value[CRB_AWS_KEY_ENDPOINT], err) != CRB_OK)
		return err->status;
	return crb_aws_found_check(found, err);
}

/* Settings first, since roles take the keys with theirs. */
enum crb_status
crb_import_aws_config(const char *text, size_t len, struct crb_found_list *out,
    struct crb_err *err)
{
	struct crb_aws_profiles first = { .text = text, .len = len };
	struct crb_aws_profiles second = first;
	struct crb_aws_profile profile;

	while (crb_aws_profile_next(&first, &profile))
		if (add_settings(out, &profile, err) != CRB_OK)
			return err->status;
	while (crb_aws_profile_next(&second, &profile))
		if (profile.value[CRB_AWS_KEY_ROLE].len > 0 &&
		    profile.value[CRB_AWS_KEY_SOURCE].len > 0 &&
		    add_role(out, &profile, err) != CRB_OK)
			return err->status;
	return CRB_OK;
}
