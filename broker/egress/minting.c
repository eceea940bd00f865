#include "broker/egress/minting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "broker/egress/mint_http.h"
#include "broker/egress/scrub.h"

static void
copy_text(struct crb_slice from, char *to, size_t size)
{
	(void)snprintf(to, size, "%.*s", (int)from.len, from.p);
}

enum crb_status
crb_minting_new(const struct crb_msg_mint *msg, struct crb_minting **out,
    struct crb_err *err)
{
	CRB_AUTO_MINTING struct crb_minting *minting = NULL;

	if ((minting = calloc(1, sizeof(*minting))) == NULL ||
	    (minting->params = crb_slice_dup(msg->params)) == NULL ||
	    (minting->order = crb_slice_dup(msg->order)) == NULL ||
	    (minting->ca = crb_slice_dup(msg->ca)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory for a mint");
	minting->since = crb_mint_clock();
	minting->request = msg->request;
	copy_text(msg->session, minting->session, sizeof(minting->session));
	copy_text(msg->backend, minting->kind, sizeof(minting->kind));
	if (crb_secret_copy(
		msg->proxy.p, msg->proxy.len, &minting->proxy, err) != CRB_OK ||
	    crb_secret_copy(msg->secret.p, msg->secret.len, &minting->secret,
		err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(minting);
	return CRB_OK;
}

void
crb_minting_free(struct crb_minting *minting)
{
	if (minting == NULL)
		return;
	crb_minted_clear(&minting->minted);
	crb_secret_free(minting->secret);
	crb_secret_free(minting->proxy);
	free(minting->params);
	free(minting->order);
	free(minting->ca);
	free(minting);
}

static enum crb_status
find_backend(const struct crb_minting *minting,
    const struct crb_minting_world *world, const struct crb_backend_ops **out,
    struct crb_err *err)
{
	for (size_t i = 0; world->backends[i] != NULL; i++) {
		*out = world->backends[i];
		if (strcmp((*out)->kind, minting->kind) == 0 &&
		    (*out)->mint != NULL)
			return CRB_OK;
	}
	return crb_err_set(
	    err, CRB_ERR_INVALID, "backend %s does not mint", minting->kind);
}

/* What is asked, read back from its texts. */
struct asked {
	const struct crb_backend_ops *backend;
	json_t *params;
	json_t *order;
	struct crb_route route;
};

static void
asked_cleanup(const struct asked *asked)
{
	json_decref(asked->params);
	json_decref(asked->order);
}

static enum crb_status
read_asked(const struct crb_minting *minting,
    const struct crb_minting_world *world, struct asked *out,
    struct crb_err *err)
{
	if (find_backend(minting, world, &out->backend, err) != CRB_OK ||
	    crb_json_parse(minting->params, strlen(minting->params),
		"parameters", &out->params, err) != CRB_OK ||
	    crb_json_parse(minting->order, strlen(minting->order), "order",
		&out->order, err) != CRB_OK)
		return err->status;
	return out->backend->route(out->params, &out->route, err);
}

/* What is said of keys that nobody could use is that they were not minted. */
static enum crb_status
check_minted(const struct crb_minted *minted, int64_t now, struct crb_err *err)
{
	if (minted->keys == NULL || crb_secret_len(minted->keys) == 0 ||
	    crb_secret_len(minted->keys) > CRB_KEYS_MAX)
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "the upstream minted keys of no use");
	if (minted->expires <= now)
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "the upstream minted keys that have expired already");
	return CRB_OK;
}

static enum crb_status
try_once(struct crb_minting *minting, const struct asked *asked,
    struct crb_mint_http *http, struct crb_err *err)
{
	const struct crb_mint_world world = {
		.now = time(NULL),
		.http = crb_mint_http,
		.ctx = http,
	};

	crb_minted_clear(&minting->minted);
	http->unanswered = false;
	if (asked->backend->mint(&world, asked->params, minting->secret,
		asked->order, &minting->minted, err) != CRB_OK)
		return err->status;
	return check_minted(&minting->minted, world.now, err);
}

static bool
may_pass(const struct crb_minting *minting, const struct crb_mint_http *http,
    const struct crb_err *err)
{
	return err->status == CRB_ERR_LIMIT || minting->minted.status >= 500 ||
	    http->unanswered;
}

static enum crb_status
try_all(struct crb_minting *minting, const struct asked *asked,
    const struct crb_minting_world *world, struct crb_err *err)
{
	const struct crb_mint_limits *limits = world->limits;
	struct crb_mint_http http = {
		.multi = world->multi,
		.stopped = world->stopped,
		.ctx = world->ctx,
		.trust = world->trust,
		.network = asked->route.network,
		.ca = CRB_SLICE(minting->ca),
		.proxy = CRB_SLICE(crb_secret_bytes(minting->proxy)),
		.connect_ms = limits->connect_ms,
		.deadline = minting->since + limits->whole_ms,
	};

	if (crb_mint_clock() >= http.deadline)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "the broker is asked for too many credentials at once");
	for (size_t i = 0;; i++) {
		minting->unsure = http.unsure;
		if (try_once(minting, asked, &http, err) == CRB_OK)
			return CRB_OK;
		minting->unsure = http.unsure;
		if (i == CRB_MINT_TRIES - 1 || !may_pass(minting, &http, err) ||
		    crb_mint_clock() + limits->pause_ms[i] >= http.deadline ||
		    !world->pause(world->ctx, limits->pause_ms[i]))
			return err->status;
	}
}

/* Stars over every line of a secret, in whatever form it stands in a text. */
static enum crb_status
redact(const struct crb_secret *secret, char *text, struct crb_err *err)
{
	struct crb_slice rest = { crb_secret_bytes(secret),
		crb_secret_len(secret) };
	struct crb_slice line;

	while (text[0] != '\0' && crb_slice_cut(&rest, '\n', &line)) {
		CRB_AUTO_SCRUB struct crb_scrub *scrub = NULL;

		if (line.len < CRB_SCRUB_SECRET_MIN)
			continue;
		if (crb_scrub_new(line, line, &scrub, err) != CRB_OK)
			return err->status;
		(void)crb_scrub_run(scrub, text, strlen(text), true);
	}
	return CRB_OK;
}

static void
withhold(const struct crb_minting *minting, char *text, size_t size)
{
	struct crb_err err;

	if (redact(minting->secret, text, &err) == CRB_OK &&
	    (minting->minted.keys == NULL ||
		redact(minting->minted.keys, text, &err) == CRB_OK))
		return;
	(void)snprintf(text, size, "what was said cannot be shown");
}

/* What an upstream made us say holds neither the secret nor the keys. */
static void
settle(struct crb_minting *minting, enum crb_status outcome)
{
	struct crb_minted *minted = &minting->minted;

	minting->outcome = outcome;
	if (outcome != CRB_OK)
		withhold(minting, minting->why.msg, sizeof(minting->why.msg));
	withhold(minting, minted->detail, sizeof(minted->detail));
	crb_secret_free(CRB_STEAL(minting->secret));
	if (outcome != CRB_OK)
		crb_secret_free(CRB_STEAL(minted->keys));
}

void
crb_minting_run(
    struct crb_minting *minting, const struct crb_minting_world *world)
{
	__attribute__((cleanup(asked_cleanup))) struct asked asked = {
		.params = NULL, .order = NULL
	};
	enum crb_status status = read_asked(
	    minting, world, &asked, &minting->why);

	if (status == CRB_OK)
		status = try_all(minting, &asked, world, &minting->why);
	settle(minting, status);
}

void
crb_minting_fail(struct crb_minting *minting, const struct crb_err *why)
{
	minting->outcome = why->status;
	minting->why = *why;
	crb_secret_free(CRB_STEAL(minting->secret));
}

void
crb_minting_report(
    const struct crb_minting *minting, struct crb_msg_minted *out)
{
	const struct crb_minted *minted = &minting->minted;
	bool ok = minting->outcome == CRB_OK;

	*out = (struct crb_msg_minted){
		.request = minting->request,
		.outcome = CRB_SLICE(crb_status_info(minting->outcome)->code),
		.status = (uint16_t)minted->status,
		.unsure = minting->unsure,
		.detail = CRB_SLICE(ok ? minted->detail : minting->why.msg),
		.id = CRB_SLICE(ok ? minted->id : ""),
		.expires = ok ? (uint64_t)minted->expires : 0,
		.keys = CRB_SLICE(""),
	};
	if (ok)
		out->keys = (struct crb_slice){ crb_secret_bytes(minted->keys),
			crb_secret_len(minted->keys) };
}
