#include "broker/bus/tier_files.h"

const struct crb_tier_file crb_tier_files[CRB_POLICY_FILES] = {
	[CRB_POLICY_KEY] = { true, "organization.pub" },
	[CRB_POLICY_ORGANIZATION] = { true, "organization.json" },
	[CRB_POLICY_SIGNATURE] = { true, "organization.json.minisig" },
	[CRB_POLICY_TEAM] = { false, "team.json" },
	[CRB_POLICY_LOCAL] = { false, "local.json" },
};
