#include "broker/cli/import/found.h"

#include <arpa/inet.h>
#include <string.h>

#include "backends/backend.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "broker/cli/looks_secret.h"

#define HOST_TEXT_MAX 300u

void
crb_found_clear(struct crb_found *found)
{
	free(found->host);
	free(found->variable);
	free(found->account);
	free(found->name);
	json_decref(found->params);
	crb_secret_free(found->secret);
	*found = (struct crb_found){ 0 };
}

void
crb_found_list_clear(struct crb_found_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		crb_found_clear(&list->at[i]);
	list->count = 0;
}

void
crb_found_refuse(struct crb_found *found, const char *why)
{
	(void)snprintf(found->why_not, sizeof(found->why_not), "%s", why);
	json_decref(found->params);
	found->params = NULL;
	crb_secret_free(found->secret);
	found->secret = NULL;
}

/* "https://HOST/path" and "//HOST/path" to "HOST". */
static struct crb_slice
bare_host(struct crb_slice host)
{
	static const char *const starts[] = { "https://", "//", NULL };
	struct crb_slice piece;

	for (size_t i = 0; starts[i] != NULL; i++) {
		size_t len = strlen(starts[i]);

		if (crb_slice_starts(host, starts[i])) {
			host.p += len;
			host.len -= len;
			break;
		}
	}
	if (crb_slice_starts(host, "http://")) {
		const char *slash = memchr(host.p + 7, '/', host.len - 7);

		if (slash != NULL)
			host.len = (size_t)(slash - host.p);
		return host;
	}
	if (host.len == 0 || !crb_slice_cut(&host, '/', &piece))
		return host;
	return piece;
}

static bool
is_loopback(const char *host)
{
	struct in_addr address;

	return strcmp(host, "localhost") == 0 ||
	    (strncmp(host, "127.", 4) == 0 &&
		inet_pton(AF_INET, host, &address) == 1);
}

/* The preset whose hosts have this one; or NULL. */
static const struct crb_preset *
preset_of(const char *host)
{
	for (const struct crb_preset *p = crb_presets; p->name != NULL; p++) {
		CRB_AUTO_JSON json_t *params = NULL;
		struct crb_err ignored;
		const json_t *item;
		size_t i;

		if (crb_json_parse(p->params, strlen(p->params), p->name,
			&params, &ignored) != CRB_OK)
			continue;
		json_array_foreach(json_object_get(params, "hosts"), i, item)
		{
			if (strcmp(json_string_value(item), host) == 0)
				return p;
		}
	}
	return NULL;
}

static json_t *
make_params(const struct crb_finding *finding, const struct crb_origin *origin,
    const char *host)
{
	const struct crb_preset *preset = finding->bare ? NULL
							: preset_of(host);
	struct crb_err ignored;
	json_t *params = NULL;

	/* A token of the service's own is for all of the service. */
	if (preset != NULL &&
	    crb_json_parse(preset->params, strlen(preset->params), preset->name,
		&params, &ignored) == CRB_OK)
		return params;
	return json_pack("{s:[s], s:s, s:s*, s:s*, s:s*}", "hosts", host,
	    "auth",
	    finding->username != NULL     ? "basic"
		: finding->header != NULL ? "header"
					  : "bearer",
	    "username", finding->username, "header", finding->header, "network",
	    is_loopback(origin->host) ? "loopback" : NULL);
}

static enum crb_status
keep_host(struct crb_found *found, struct crb_slice host,
    struct crb_origin *origin, bool *good, struct crb_err *err)
{
	/* What is no host may be a piece of the secret before it. */
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(HOST_TEXT_MAX);
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(HOST_TEXT_MAX);
	struct crb_err why;

	*good = false;
	crb_buf_add(&text, host.p, host.len);
	if (text.failed || memchr(host.p, '\0', host.len) != NULL ||
	    crb_origin_parse(crb_buf_text(&text), origin, &why) != CRB_OK)
		return CRB_OK;
	if (!origin->tls)
		crb_buf_str(&shown, "http://");
	crb_origin_authority(origin, &shown);
	if ((found->host = crb_buf_steal(&shown)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*good = true;
	return CRB_OK;
}

static struct crb_found *
new_found(struct crb_found_list *list, const struct crb_finding *finding,
    struct crb_err *err)
{
	struct crb_found *found;

	if (list->count == CRB_FOUND_MAX) {
		(void)crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "more than %d credentials at once; import less",
		    CRB_FOUND_MAX);
		return NULL;
	}
	found = &list->at[list->count++];
	*found = (struct crb_found){ .kind = finding->kind,
		.backend = "static",
		.line = finding->line,
		.from = finding->from,
		.to = finding->to,
		.later = finding->later };
	return found;
}

/* What the core would refuse is said here, where it can be explained. */
static enum crb_status
fill(struct crb_found *found, const struct crb_finding *finding,
    const struct crb_origin *origin, struct crb_err *err)
{
	struct crb_injection injection = { 0 };
	const struct crb_backend_ops *backend;
	struct crb_err why = { .msg = "" };

	if ((found->params = make_params(finding, origin, found->host)) ==
	    NULL) {
		crb_found_refuse(found, "its user name is not UTF-8");
		return CRB_OK;
	}
	if (crb_backend_find("static", &backend, err) != CRB_OK ||
	    crb_secret_copy(finding->secret.p, finding->secret.len,
		&found->secret, err) != CRB_OK)
		return err->status;
	if (!origin->tls && !is_loopback(origin->host))
		crb_found_refuse(found, "goes over http, in the clear");
	else if (backend->check(found->params, &why) != CRB_OK ||
	    backend->inject(found->params, found->secret, &injection, &why) !=
		CRB_OK)
		crb_found_refuse(found, why.msg);
	crb_injection_clear(&injection);
	return CRB_OK;
}

/* In "https://TOKEN:x-oauth-basic@host" the user name is the secret. */
static bool
username_is_secret(const struct crb_finding *finding)
{
	return finding->username != NULL && crb_looks_secret(finding->username);
}

enum crb_status
crb_found_add(struct crb_found_list *list, const struct crb_finding *finding,
    struct crb_found **added, struct crb_err *err)
{
	struct crb_found *found = new_found(list, finding, err);
	struct crb_origin origin;
	bool good;

	if (found == NULL)
		return err->status;
	if (added != NULL)
		*added = found;
	if (finding->host.len == 0) {
		crb_found_refuse(
		    found, "is for any host: store it with credential add");
		return CRB_OK;
	}
	if (keep_host(found, bare_host(finding->host), &origin, &good, err) !=
	    CRB_OK)
		return err->status;
	if (!good)
		crb_found_refuse(found, "its host is none that can be stored");
	else if (username_is_secret(finding))
		crb_found_refuse(found, "its user name looks like a secret");
	else
		return fill(found, finding, &origin, err);
	return CRB_OK;
}

enum crb_status
crb_found_add_other(struct crb_found_list *list,
    const struct crb_finding *finding, const char *why_not,
    struct crb_found **added, struct crb_err *err)
{
	struct crb_found *found = new_found(list, finding, err);
	struct crb_origin origin;
	bool good;

	if (found == NULL)
		return err->status;
	crb_found_refuse(found, why_not);
	if (finding->host.len > 0 &&
	    keep_host(found, bare_host(finding->host), &origin, &good, err) !=
		CRB_OK)
		return err->status;
	if (added != NULL)
		*added = found;
	return CRB_OK;
}

bool
crb_found_same_secret(const struct crb_found *a, const struct crb_found *b)
{
	return a->secret != NULL && b->secret != NULL &&
	    crb_secret_len(a->secret) == crb_secret_len(b->secret) &&
	    sodium_memcmp(crb_secret_bytes(a->secret),
		crb_secret_bytes(b->secret), crb_secret_len(a->secret)) == 0;
}

bool
crb_found_alike(const struct crb_found *a, const struct crb_found *b)
{
	return crb_found_same_secret(a, b) && json_equal(a->params, b->params);
}
