#include <string.h>

#include "broker/cli/import/parsers.h"

#define WHY "needs backend aws-sts, not in this version"

/* One [profile]; its secret is not even read while nothing can keep it. */
struct profile {
	struct crb_slice name;
	unsigned line;
	bool secret;
};

static enum crb_status
close_profile(const struct profile *profile, struct crb_found_list *out,
    struct crb_err *err)
{
	const struct crb_finding finding = {
		.kind = "AWS access key",
		.line = profile->line,
	};
	struct crb_found *added;

	if (!profile->secret)
		return CRB_OK;
	if (crb_found_add_other(out, &finding, WHY, &added, err) != CRB_OK)
		return err->status;
	added->account = crb_slice_dup(profile->name);
	if (added->account == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

static bool
is_key(struct crb_slice line, const char *key)
{
	struct crb_slice name;

	return crb_slice_cut(&line, '=', &name) && line.p != NULL &&
	    crb_slice_is_nocase(crb_slice_trim(name), key) &&
	    crb_slice_trim(line).len > 0;
}

enum crb_status
crb_import_aws(const char *text, size_t len, struct crb_found_list *out,
    struct crb_err *err)
{
	struct profile profile = { .name = { "", 0 } };
	struct crb_line line = { .number = 0 };

	while (crb_line_next(text, len, &line)) {
		struct crb_slice trimmed = crb_slice_trim(line.text);

		if (crb_slice_starts(trimmed, "[") &&
		    crb_slice_ends(trimmed, "]") && trimmed.len > 2) {
			if (close_profile(&profile, out, err) != CRB_OK)
				return err->status;
			profile = (struct profile){
				.name = { trimmed.p + 1, trimmed.len - 2 },
				.line = line.number,
			};
		}
		if (trimmed.len > 0 && is_key(trimmed, "aws_secret_access_key"))
			profile.secret = true;
	}
	return close_profile(&profile, out, err);
}
