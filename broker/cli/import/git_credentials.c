#include <string.h>

#include "base/buf.h"
#include "broker/cli/import/parsers.h"
#include "broker/cli/looks_secret.h"

#define PART_MAX (16u << 10)

/* A URL's parts, decoded; user and password may both be the secret. */
struct url {
	struct crb_buf user, password;
	struct crb_slice host; /* with "http://" when it is that */
};
#define AUTO_URL __attribute__((cleanup(url_clear)))

static void
url_clear(struct url *url)
{
	crb_buf_clear(&url->user);
	crb_buf_clear(&url->password);
}

static const char *
find(struct crb_slice text, const char *what)
{
	return text.len == 0 ? NULL
			     : memmem(text.p, text.len, what, strlen(what));
}

/*
 * scheme://user:password@host/path.  git encodes every "@", ":" and "/" within
 * a part, so the first of each is the one that separates.
 */
static bool
read_url(struct crb_slice line, struct url *url)
{
	const char *scheme = find(line, "://");
	struct crb_slice rest, who, user;
	const char *at;

	if (scheme == NULL)
		return false;
	rest.p = scheme + 3;
	rest.len = line.len - (size_t)(rest.p - line.p);
	if ((at = memchr(rest.p, '@', rest.len)) == NULL)
		return false;
	who = (struct crb_slice){ rest.p, (size_t)(at - rest.p) };
	url->host.p = at + 1;
	url->host.len = rest.len - who.len - 1;
	if (find(who, "/") != NULL || url->host.len == 0)
		return false;
	if (who.len == 0 || !crb_slice_cut(&who, ':', &user))
		return false;
	return crb_import_percent(user, &url->user) &&
	    (who.p == NULL || crb_import_percent(who, &url->password));
}

/* "https://TOKEN:x-oauth-basic@host", "https://TOKEN:@host", "TOKEN@host". */
static bool
token_is_user(const struct url *url)
{
	const char *password = crb_buf_text(&url->password);

	return crb_looks_secret(crb_buf_text(&url->user)) &&
	    (password[0] == '\0' || strcmp(password, "x-oauth-basic") == 0);
}

static enum crb_status
add(const struct crb_line *line, const struct url *url, bool tls,
    struct crb_found_list *out, struct crb_err *err)
{
	const struct crb_buf *secret = &url->password;
	struct crb_finding finding = {
		.kind = "git password",
		.host = url->host,
		.username = url->user.len > 0 ? url->user.data : "git",
		.bare = true,
		.line = line->number,
		.from = line->from,
		.to = line->to,
	};
	CRB_AUTO_BUF struct crb_buf clear = CRB_BUF_INIT(512);

	if (token_is_user(url)) {
		secret = &url->user;
		finding.username = "x-access-token";
	}
	if (secret->len == 0)
		return CRB_OK;
	if (!tls) {
		crb_buf_str(&clear, "http://");
		crb_buf_add(&clear, url->host.p,
		    url->host.len < 400 ? url->host.len : 400);
		finding.host = (struct crb_slice){ crb_buf_text(&clear),
			clear.len };
	}
	finding.secret = (struct crb_slice){ secret->data, secret->len };
	return crb_found_add(out, &finding, NULL, err);
}

enum crb_status
crb_import_git_credentials(const char *text, size_t len,
    struct crb_found_list *out, struct crb_err *err)
{
	struct crb_line line = { .number = 0 };

	while (crb_line_next(text, len, &line)) {
		AUTO_URL struct url url = {
			.user = CRB_BUF_INIT_WIPED(PART_MAX),
			.password = CRB_BUF_INIT_WIPED(PART_MAX),
		};
		bool tls = crb_slice_starts(line.text, "https://");

		/* git passes over what is no such URL, and so do we. */
		if ((!tls && !crb_slice_starts(line.text, "http://")) ||
		    !read_url(line.text, &url))
			continue;
		if (add(&line, &url, tls, out, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}
