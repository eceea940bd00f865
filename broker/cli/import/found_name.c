#include <ctype.h>
#include <string.h>

#include "backends/backend.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "broker/cli/import/found.h"

#define BASE_MAX 48u /* leaves room for "-63" */

/* Services whose host and name differ; presets are named as they are. */
static const struct known {
	const char *host;
	const char *name;
} known[] = {
	{ "github.com", "github" },
	{ "api.github.com", "github" },
	{ "gitlab.com", "gitlab" },
	{ "bitbucket.org", "bitbucket" },
	{ "codeberg.org", "codeberg" },
	{ "api.openai.com", "openai" },
	{ "api.anthropic.com", "anthropic" },
	{ "generativelanguage.googleapis.com", "gemini" },
	{ "registry.npmjs.org", "npm" },
	{ "index.docker.io", "docker-hub" },
};

/* "git.example.com:8443" to "git.example.com-8443". */
static void
base_of_host(const char *host, struct crb_buf *out)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(known[i].host, host) == 0) {
			crb_buf_str(out, known[i].name);
			return;
		}
	}
	if (strncmp(host, "http://", 7) == 0)
		host += 7;
	for (; *host != '\0' && out->len < BASE_MAX; host++)
		crb_buf_char(out, *host == ':' ? '-' : *host);
}

/* "ANTHROPIC_API_KEY" to "anthropic-api-key", "Work (eu)" to "work-eu". */
static void
base_of_text(const char *text, struct crb_buf *out)
{
	for (; *text != '\0' && out->len < BASE_MAX; text++) {
		bool plain = isascii(*text) != 0 && isalnum(*text) != 0;

		if (plain)
			crb_buf_char(out, (char)tolower(*text));
		else if (out->len > 0 && out->data[out->len - 1] != '-')
			crb_buf_char(out, '-');
	}
}

static void
drop_tail(struct crb_buf *out)
{
	while (out->len > 0 && strchr("-._", out->data[out->len - 1]) != NULL)
		out->data[--out->len] = '\0';
}

static void
make_base(const struct crb_found *found, struct crb_buf *out)
{
	if (found->account != NULL) {
		crb_buf_str(out, "aws-");
		base_of_text(found->account, out);
	} else if (found->host != NULL) {
		base_of_host(found->host, out);
	} else {
		base_of_text(
		    found->variable != NULL ? found->variable : "unnamed", out);
	}
	drop_tail(out);
	if (!crb_name_ok(crb_buf_text(out))) {
		crb_buf_reset(out);
		crb_buf_str(out, "unnamed");
	}
}

static bool
is_taken(const struct crb_found_list *list, size_t before, const char *name)
{
	for (size_t i = 0; i < before; i++) {
		if (strcmp(list->at[i].name, name) == 0)
			return true;
	}
	return false;
}

static enum crb_status
give_name(struct crb_found_list *list, size_t at, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf base = CRB_BUF_INIT(BASE_MAX + 8);
	CRB_AUTO_BUF struct crb_buf name = CRB_BUF_INIT(BASE_MAX + 16);

	make_base(&list->at[at], &base);
	crb_buf_str(&name, crb_buf_text(&base));
	for (unsigned n = 2; is_taken(list, at, crb_buf_text(&name)); n++) {
		crb_buf_reset(&name);
		crb_buf_printf(&name, "%s-%u", crb_buf_text(&base), n);
	}
	free(list->at[at].name);
	if ((list->at[at].name = crb_buf_steal(&name)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

enum crb_status
crb_found_names(struct crb_found_list *list, struct crb_err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		struct crb_found *found = &list->at[i];

		found->same = 0;
		while (found->same < i &&
		    !crb_found_alike(&list->at[found->same], found))
			found->same++;
		/* One that is not offered needs no number of its own. */
		if (found->same == i) {
			if (give_name(list, i, err) != CRB_OK)
				return err->status;
			continue;
		}
		free(found->name);
		found->name = strdup(list->at[found->same].name);
		if (found->name == NULL)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	}
	return CRB_OK;
}
