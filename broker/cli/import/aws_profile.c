#include "broker/cli/import/aws_profile.h"

static const char *const names[CRB_AWS_KEYS] = {
	[CRB_AWS_KEY_ID] = "aws_access_key_id",
	[CRB_AWS_KEY_SECRET] = "aws_secret_access_key",
	[CRB_AWS_KEY_TOKEN] = "aws_session_token",
	[CRB_AWS_KEY_REGION] = "region",
	[CRB_AWS_KEY_ROLE] = "role_arn",
	[CRB_AWS_KEY_SOURCE] = "source_profile",
	[CRB_AWS_KEY_EXTERNAL_ID] = "external_id",
	[CRB_AWS_KEY_DURATION] = "duration_seconds",
	[CRB_AWS_KEY_MFA] = "mfa_serial",
	[CRB_AWS_KEY_ENDPOINT] = "endpoint_url",
};

/* "[profile work]" and "[work]" are both called "work". */
static bool
read_head(struct crb_slice line, struct crb_slice *name)
{
	static const char word[] = "profile";
	size_t len = sizeof(word) - 1;
	struct crb_slice inside;

	line = crb_slice_trim(line, CRB_LINE_BLANKS);
	if (!crb_slice_starts(line, "[") || !crb_slice_ends(line, "]") ||
	    line.len < 3)
		return false;
	inside = crb_slice_trim(
	    (struct crb_slice){ line.p + 1, line.len - 2 }, CRB_LINE_BLANKS);
	if (inside.len > len && crb_slice_starts(inside, word) &&
	    (inside.p[len] == ' ' || inside.p[len] == '\t'))
		inside = crb_slice_trim(
		    (struct crb_slice){ inside.p + len, inside.len - len },
		    CRB_LINE_BLANKS);
	*name = inside;
	return true;
}

static void
read_setting(const struct crb_line *line, struct crb_aws_profile *out)
{
	struct crb_slice rest = line->text, name;

	if (rest.len == 0 || rest.p[0] == ' ' || rest.p[0] == '\t' ||
	    !crb_slice_cut(&rest, '=', &name) || rest.p == NULL)
		return;
	name = crb_slice_trim(name, CRB_LINE_BLANKS);
	for (unsigned i = 0; i < CRB_AWS_KEYS; i++) {
		if (!crb_slice_is_nocase(name, names[i]))
			continue;
		out->value[i] = crb_slice_trim(rest, CRB_LINE_BLANKS);
		if (i > CRB_AWS_KEY_TOKEN)
			return;
		if (out->to == 0)
			out->from = line->from;
		else if (out->to != line->from)
			out->apart = true;
		out->to = line->to;
	}
}

bool
crb_aws_profile_next(
    struct crb_aws_profiles *profiles, struct crb_aws_profile *out)
{
	struct crb_slice name;

	*out = (struct crb_aws_profile){ .line = 0 };
	while (!profiles->begun) {
		if (!crb_line_next(
			profiles->text, profiles->len, &profiles->line))
			return false;
		profiles->begun = read_head(profiles->line.text, &name);
	}
	(void)read_head(profiles->line.text, &out->name);
	out->line = profiles->line.number;
	profiles->begun = false;
	while (crb_line_next(profiles->text, profiles->len, &profiles->line)) {
		if (read_head(profiles->line.text, &name)) {
			profiles->begun = true;
			break;
		}
		read_setting(&profiles->line, out);
	}
	return true;
}
