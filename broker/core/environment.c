#include "broker/core/environment.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/core/aws_environment.h"
#include "broker/core/credential.h"
#include "broker/core/git_rewrites.h"

#define CONFIG_KEY_MAX 512
#define URL_MAX 32

static void
endpoint_url(const struct crb_session *session, char out[URL_MAX])
{
	(void)snprintf(out, URL_MAX, "http://127.0.0.1:%u",
	    session->port != 0 ? (unsigned)session->port
			       : (unsigned)CRB_ENDPOINT_PORT);
}

/* git's own configuration, given by GIT_CONFIG_COUNT and its pairs. */
struct git_config {
	char endpoint[URL_MAX];
	json_t *environment;
	json_t *prefixes; /* seen already: two credentials of one host */
	unsigned count;
};

static enum crb_status
set(json_t *environment, const char *name, const char *value,
    struct crb_err *err)
{
	if (json_object_set_new(environment, name, json_string(value)) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

static enum crb_status
add_config(struct git_config *config, const char *key, const char *value,
    struct crb_err *err)
{
	enum crb_status status;
	char name[32];

	(void)snprintf(name, sizeof(name), "GIT_CONFIG_KEY_%u", config->count);
	status = set(config->environment, name, key, err);
	if (status != CRB_OK)
		return status;
	(void)snprintf(
	    name, sizeof(name), "GIT_CONFIG_VALUE_%u", config->count++);
	return set(config->environment, name, value, err);
}

static enum crb_status
add_rewrite(
    void *ctx, const char *base, const char *prefix, struct crb_err *err)
{
	struct git_config *config = ctx;
	char key[CONFIG_KEY_MAX];

	if (json_object_get(config->prefixes, prefix) != NULL)
		return CRB_OK;
	if (json_object_set_new(config->prefixes, prefix, json_true()) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (snprintf(key, sizeof(key), "url.%s.insteadOf", base) >=
	    (int)sizeof(key))
		return crb_err_set(err, CRB_ERR_TOO_LARGE, "a URL is too long");
	return add_config(config, key, prefix, err);
}

static bool
speaks_git(const struct crb_backend_ops *backend)
{
	const struct crb_attribute *at = backend->attributes;

	for (; at != NULL && at->name != NULL; at++)
		if (strcmp(at->name, "git") == 0)
			return true;
	return false;
}

static enum crb_status
add_grant(struct git_config *config, const struct crb_session *session,
    const struct crb_grant *grant, struct crb_err *err)
{
	const struct crb_credential *credential = crb_map_text(
	    &session->core->credentials, grant->credential);
	enum crb_status status = CRB_OK;

	if (credential == NULL || !speaks_git(credential->backend))
		return CRB_OK;
	for (size_t i = 0; status == CRB_OK && i < credential->route.count; i++)
		status = crb_git_rewrites(config->endpoint,
		    &credential->route.origin[i], add_rewrite, config, err);
	return status;
}

static enum crb_status
add_git(
    const struct crb_session *session, json_t *environment, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *prefixes = json_object();
	struct git_config config = { .environment = environment,
		.prefixes = prefixes };
	enum crb_status status;
	char count[16];

	endpoint_url(session, config.endpoint);
	/* An empty one forgets the helpers of other configuration files. */
	status = add_config(&config, "credential.helper", "", err);
	for (size_t i = 0; status == CRB_OK && i < session->grant_count; i++)
		status = add_grant(
		    &config, session, session->grants[i].grant, err);
	if (status != CRB_OK)
		return status;
	(void)snprintf(count, sizeof(count), "%u", config.count);
	status = set(environment, "GIT_CONFIG_COUNT", count, err);
	if (status == CRB_OK)
		status = set(environment, "GIT_TERMINAL_PROMPT", "0", err);
	return status;
}

enum crb_status
crb_environment(const struct crb_session *session, json_t **out,
    char **aws_config, struct crb_err *err)
{
	static const struct {
		const char *name, *value;
	} fixed[] = {
		{ "CREDBROKER_TOKEN_FILE", CRB_ENDPOINT_FOLDER "/token" },
		{ "NO_PROXY", "127.0.0.1,localhost" },
		{ "no_proxy", "127.0.0.1,localhost" },
	};
	CRB_AUTO_JSON json_t *environment = json_object();
	enum crb_status status;
	char endpoint[URL_MAX];

	endpoint_url(session, endpoint);
	status = set(environment, "CREDBROKER_TASK", session->task, err);
	if (status == CRB_OK)
		status = set(environment, "CREDBROKER_ENDPOINT", endpoint, err);
	for (size_t i = 0;
	     status == CRB_OK && i < sizeof(fixed) / sizeof(fixed[0]); i++)
		status = set(environment, fixed[i].name, fixed[i].value, err);
	if (status == CRB_OK)
		status = add_git(session, environment, err);
	if (status == CRB_OK)
		status = crb_aws_environment(
		    session, endpoint, environment, aws_config, err);
	if (status == CRB_OK)
		*out = CRB_STEAL(environment);
	return status;
}

static enum crb_status
add_mount(json_t *mounts, const char *source, const char *target,
    bool read_only, struct crb_err *err)
{
	if (json_array_append_new(mounts,
		json_pack("{s:s, s:s, s:b}", "source", source, "target", target,
		    "read_only", (int)read_only)) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

enum crb_status
crb_mounts(const struct crb_session *session, const json_t *more, json_t **out,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *mounts = json_array();
	char folder[CRB_PATH_MAX];
	enum crb_status status;

	status = crb_session_folder(session, folder, err);
	if (status == CRB_OK)
		status = add_mount(
		    mounts, folder, CRB_ENDPOINT_FOLDER, true, err);
	if (status == CRB_OK && session->workspace != NULL)
		status = add_mount(
		    mounts, session->workspace, session->workspace, false, err);
	if (status == CRB_OK && more != NULL &&
	    json_array_extend(mounts, (json_t *)(uintptr_t)more) != 0)
		status = crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (status == CRB_OK)
		*out = CRB_STEAL(mounts);
	return status;
}
