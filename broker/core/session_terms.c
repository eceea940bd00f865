#include "broker/core/session_terms.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "broker/core/aws_environment.h"
#include "broker/core/limits.h"
#include "broker/core/profile.h"
#include "broker/core/rpc.h"

/* What is read, and what of it is not the session's own. */
struct terms {
	struct crb_core *core;
	const struct crb_call *call;
	struct crb_session *session;
	json_t *profile_mounts; /* or NULL */
	json_t *notes;
	bool mint_later;
	struct crb_aws_wish aws;
};

/* `call` is NULL when who asks has a right to all of them. */
static enum crb_status
add_grants(struct crb_session *session, const json_t *texts,
    const struct crb_call *call, struct crb_err *err)
{
	enum crb_status status;
	const json_t *text;
	size_t i;

	json_array_foreach(texts, i, text)
	{
		if (!json_is_string(text))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "grants: item %zu is not a text", i + 1);
		if (call != NULL &&
		    crb_call_may_grant(call, json_string_value(text), err) !=
			CRB_OK)
			return err->status;
		status = crb_aws_add_grant(
		    session, json_string_value(text), err);
		if (status != CRB_OK)
			return status;
	}
	return CRB_OK;
}

/* How AWS's tools are offered keys, and whether they reach AWS by themselves.
 */
static enum crb_status
wish_aws(struct terms *terms, struct crb_err *err)
{
	const char *network = "host";
	enum crb_status status;

	if ((status = crb_call_text(
		 terms->call, "aws", &terms->aws.mode, err)) ||
	    (status = crb_call_text(terms->call, "network", &network, err)))
		return status;
	terms->aws.offline = strcmp(network, "none") == 0;
	if (!terms->aws.offline && strcmp(network, "host") != 0)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "network: neither none nor host");
	return crb_aws_wish(terms->session, &terms->aws, err);
}

static enum crb_status
use_profile(struct terms *terms, int64_t *ttl, struct crb_err *err)
{
	struct crb_session *session = terms->session;
	struct crb_profile *profile;
	const char *name = NULL;
	enum crb_status status;

	status = crb_call_text(terms->call, "profile", &name, err);
	if (status != CRB_OK || name == NULL)
		return status;
	status = crb_call_may_profile(terms->call, name, err);
	if (status == CRB_OK)
		status = crb_profile_find(
		    &terms->core->profiles, name, &profile, err);
	if (status != CRB_OK)
		return status;
	if ((session->profile = strdup(name)) == NULL ||
	    json_object_update(session->labels, profile->labels) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (profile->ttl != 0)
		*ttl = profile->ttl;
	terms->profile_mounts = json_incref(profile->mounts);
	status = add_grants(session, profile->grants, NULL, err);
	if (status != CRB_OK)
		return crb_err_context(err, "profile %s", name);
	return CRB_OK;
}

enum crb_status
crb_rpc_ttl(const struct crb_call *call, int64_t *ttl, struct crb_err *err)
{
	int64_t most = call->core->config.ttl_max;
	char text[CRB_DURATION_TEXT];
	enum crb_status status;

	status = crb_call_number(call, "ttl", 1, INT32_MAX, ttl, err);
	if (status != CRB_OK || *ttl <= most)
		return status;
	crb_duration_text(most, text);
	return crb_err_set(err, CRB_ERR_LIMIT,
	    "a session lasts at most %s here (ttl_max in the config file)",
	    text);
}

/* That it is his, and still the same after that was read. */
static enum crb_status
check_process(const struct crb_call *call, const struct crb_process_id *id,
    struct crb_err *err)
{
	enum crb_status status;
	uid_t uid;

	if ((call->access.may & CRB_MAY_ADMIN) != 0)
		return CRB_OK;
	if ((status = crb_process_user((pid_t)id->pid, &uid, err)) != CRB_OK)
		return status;
	if (uid != call->uid || !crb_process_lives(id))
		return crb_err_set(err, CRB_ERR_ROLE,
		    "only the role admin binds a session to a process of another user");
	return CRB_OK;
}

static enum crb_status
set_process(struct terms *terms, struct crb_err *err)
{
	struct crb_session *session = terms->session;
	enum crb_status status;
	int64_t pid = 0;

	status = crb_call_number(
	    terms->call, "bind_pid", 1, INT32_MAX, &pid, err);
	if (status != CRB_OK || pid == 0)
		return status;
	status = crb_process_identify((pid_t)pid, &session->process, err);
	if (status == CRB_OK)
		status = check_process(terms->call, &session->process, err);
	if (status != CRB_OK)
		return crb_err_context(err, "bind_pid");
	session->bound = true;
	return CRB_OK;
}

/* Who issues it is what policies know of it, also when he has left a group. */
static enum crb_status
set_issuer(struct terms *terms, struct crb_err *err)
{
	struct crb_session *session = terms->session;
	const char *name = crb_users_name(terms->core->users, terms->call->uid);

	session->issuer = terms->call->uid;
	session->groups = json_incref(terms->call->groups);
	if (name != NULL && (session->user = strdup(name)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

/*
 * An admin gives a session to whom he likes, by default to the user whose
 * broker it is; anybody else has his own.
 */
static enum crb_status
set_owner(struct terms *terms, struct crb_err *err)
{
	const struct crb_call *call = terms->call;
	uid_t self = terms->core->owner;
	bool admin = (call->access.may & CRB_MAY_ADMIN) != 0;
	int64_t owner = admin ? self : call->uid;
	enum crb_status status;

	status = crb_call_number(call, "owner", 0, UINT32_MAX - 1, &owner, err);
	if (status != CRB_OK)
		return status;
	if (!admin && owner != call->uid)
		return crb_err_set(err, CRB_ERR_ROLE,
		    "only the role admin gives a session to another user");
	if (owner != self && self != 0)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "only a broker that runs as root can give a session to another user");
	terms->session->owner = (uid_t)owner;
	return set_issuer(terms, err);
}

static enum crb_status
set_workspace(struct terms *terms, struct crb_err *err)
{
	const char *path = NULL;
	enum crb_status status;

	status = crb_call_text(terms->call, "workspace", &path, err);
	if (status != CRB_OK || path == NULL)
		return status;
	if (path[0] != '/' || strlen(path) >= CRB_PATH_MAX)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "workspace: not an absolute path");
	if ((terms->session->workspace = strdup(path)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

/* Where the sandbox's forwarder listens when it has the host's network. */
static enum crb_status
set_port(struct terms *terms, struct crb_err *err)
{
	enum crb_status status;
	int64_t port = 0;

	status = crb_call_number(
	    terms->call, "port", 1, UINT16_MAX, &port, err);
	terms->session->port = (uint16_t)port;
	return status;
}

static enum crb_status
set_labels(struct terms *terms, struct crb_err *err)
{
	json_t *labels = NULL;
	enum crb_status status;

	status = crb_call_object(terms->call, "labels", &labels, err);
	if (status == CRB_OK && labels != NULL &&
	    json_object_update(terms->session->labels, labels) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (status == CRB_OK)
		status = crb_labels_check(terms->session->labels, err);
	return status;
}

static enum crb_status
set_grants(struct terms *terms, struct crb_err *err)
{
	json_t *texts = NULL;
	enum crb_status status;

	status = crb_call_array(terms->call, "grants", &texts, err);
	if (status == CRB_OK && texts != NULL)
		status = add_grants(terms->session, texts, terms->call, err);
	if (status == CRB_OK && terms->session->grant_count == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a session needs a grant: --grant NAME[:SCOPE] or --profile NAME");
	return status;
}

/* Leases are minted at once, or when they are first fetched. */
static enum crb_status
set_mint(struct terms *terms, struct crb_err *err)
{
	const char *when = "now";
	enum crb_status status;

	status = crb_call_text(terms->call, "mint", &when, err);
	if (status != CRB_OK)
		return status;
	terms->mint_later = strcmp(when, "later") == 0;
	if (!terms->mint_later && strcmp(when, "now") != 0)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "mint: neither now nor later");
	return CRB_OK;
}

static void
set_id(struct crb_session *session)
{
	do {
		crb_text_random(session->id, CRB_SESSION_ID_LEN);
	} while (crb_map_text(&session->core->sessions, session->id) != NULL);
	crb_record_id_random(&session->record);
}

/* Of what is said wrong, the first is told. */
enum crb_status
crb_session_terms(const struct crb_call *call, struct crb_session_terms *out,
    struct crb_err *err)
{
	struct terms terms = { .core = call->core, .call = call };
	bool wished = json_object_get(call->params, "ttl") != NULL;
	int64_t ttl = call->core->config.ttl;
	enum crb_status status;
	const char *task;

	if ((status = crb_call_need_text(call, "task", &task, err)) ||
	    (status = crb_session_new(call->core, task, &terms.session, err)))
		return status;
	terms.notes = json_array();
	(void)((status = wish_aws(&terms, err)) ||
	    (status = use_profile(&terms, &ttl, err)) ||
	    (status = crb_rpc_ttl(call, &ttl, err)) ||
	    (status = crb_limits_life(
		 call, terms.session, wished, &ttl, terms.notes, err)) ||
	    (status = set_grants(&terms, err)) ||
	    (status = set_labels(&terms, err)) ||
	    (status = set_process(&terms, err)) ||
	    (status = set_owner(&terms, err)) ||
	    (status = crb_limits_issue(call, terms.session, err)) ||
	    (status = set_workspace(&terms, err)) ||
	    (status = set_port(&terms, err)) ||
	    (status = crb_call_flag(
		 call, "ask_always", &terms.session->ask_always, err)) ||
	    (status = crb_aws_settle(
		 terms.session, &terms.aws, terms.notes, err)) ||
	    (status = set_mint(&terms, err)));
	if (status != CRB_OK) {
		json_decref(terms.profile_mounts);
		json_decref(terms.notes);
		crb_session_free(terms.session);
		return status;
	}
	terms.session->created = crb_wall_seconds();
	terms.session->expires = terms.session->created + ttl;
	set_id(terms.session);
	*out = (struct crb_session_terms){ terms.session, terms.profile_mounts,
		terms.mint_later, terms.notes };
	return CRB_OK;
}
