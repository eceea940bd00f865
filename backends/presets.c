#include "backends/backend.h"

/*
 * User names that go with a token over HTTP Basic: GitHub
 * (docs.github.com, "Authenticating as a GitHub App installation"), GitLab
 * (docs.gitlab.com, "OAuth 2.0 identity provider API"), Bitbucket Cloud
 * (support.atlassian.com, "Using access tokens").  Forgejo takes any name.
 */
const struct crb_preset crb_presets[] = {
	{ .name = "github",
	    .kind = "static",
	    .params = "{\"hosts\": [\"github.com\", \"api.github.com\"],"
		      " \"auth\": \"basic\","
		      " \"username\": \"x-access-token\"}",
	    .secret = "Token (fine-grained or classic)",
	    .summary = "GitHub: git and its API" },
	{ .name = "gitlab",
	    .kind = "static",
	    .params = "{\"hosts\": [\"gitlab.com\"], \"auth\": \"basic\","
		      " \"username\": \"oauth2\"}",
	    .secret = "Token (personal, group or project)",
	    .summary = "GitLab.com: git" },
	{ .name = "bitbucket",
	    .kind = "static",
	    .params = "{\"hosts\": [\"bitbucket.org\"], \"auth\": \"basic\","
		      " \"username\": \"x-token-auth\"}",
	    .secret = "Access token (repository, project or workspace)",
	    .summary = "Bitbucket Cloud: git" },
	{ .name = "codeberg",
	    .kind = "static",
	    .params = "{\"hosts\": [\"codeberg.org\"], \"auth\": \"basic\","
		      " \"username\": \"oauth2\"}",
	    .secret = "Access token",
	    .summary = "Codeberg (Forgejo): git" },
	{ .name = NULL },
};
