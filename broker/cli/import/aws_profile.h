#ifndef CRB_IMPORT_AWS_PROFILE_H
#define CRB_IMPORT_AWS_PROFILE_H

#include "broker/cli/import/found.h"

/*
 * Profiles of ~/.aws/credentials and ~/.aws/config, as AWS's tools read them:
 * "[NAME]" or "[profile NAME]", and "key = value" lines; indented ones belong
 * to the line before ("Configuration and credential file settings", AWS CLI
 * User Guide).
 */
enum crb_aws_key {
	CRB_AWS_KEY_ID,
	CRB_AWS_KEY_SECRET,
	CRB_AWS_KEY_TOKEN,
	CRB_AWS_KEY_REGION,
	CRB_AWS_KEY_ROLE,
	CRB_AWS_KEY_SOURCE,
	CRB_AWS_KEY_EXTERNAL_ID,
	CRB_AWS_KEY_DURATION,
	CRB_AWS_KEY_MFA,
	CRB_AWS_KEY_ENDPOINT,
	CRB_AWS_KEYS
};

struct crb_aws_profile {
	struct crb_slice name;
	unsigned line;
	struct crb_slice value[CRB_AWS_KEYS]; /* length 0: not there */
	size_t from, to; /* the lines of its id, secret and token */
	bool apart;      /* others are between those */
};

/* Starts with text and len, the rest zero. */
struct crb_aws_profiles {
	const char *text;
	size_t len;
	struct crb_line line;
	bool begun; /* `line` is the head of the next one */
};
bool crb_aws_profile_next(
    struct crb_aws_profiles *profiles, struct crb_aws_profile *out);

#endif /* !CRB_IMPORT_AWS_PROFILE_H */
