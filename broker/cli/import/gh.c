#include <string.h>

#include "broker/cli/import/parsers.h"

/*
 * What gh (github.com/cli/cli, internal/config) writes, and nothing else of
 * YAML: mappings indented by four spaces, plain scalars.
 *
 *   github.com:
 *       users:
 *           alice:
 *               oauth_token: gho_...
 *       git_protocol: https
 *       user: alice
 *       oauth_token: gho_...
 *
 * Where gh keeps the token in the system's keyring, there is none here.
 */
#define STEP 4u
#define DEEPEST 3u

struct reader {
	struct crb_slice host;
	unsigned line;  /* of the host */
	bool logged_in; /* it names a user */
	bool token;     /* one was found under it */
};

static bool
is_plain(struct crb_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && strchr("_-.:@[]+", c) == NULL)
			return false;
	}
	return true;
}

static enum crb_status
close_host(const struct reader *reader, struct crb_found_list *out,
    struct crb_err *err)
{
	const struct crb_finding finding = {
		.kind = "token",
		.host = reader->host,
		.line = reader->line,
	};

	if (!reader->logged_in || reader->token)
		return CRB_OK;
	return crb_found_add_other(out, &finding,
	    "gh keeps it in a keyring, which is not read: gh auth token | "
	    "credbroker credential add NAME --preset github",
	    NULL, err);
}

static enum crb_status
add_token(struct reader *reader, const struct crb_line *line,
    struct crb_slice value, struct crb_found_list *out, struct crb_err *err)
{
	const struct crb_finding finding = {
		.kind = "token",
		.host = reader->host,
		.username = "x-access-token",
		.secret = value,
		.line = line->number,
		.from = line->from,
		.to = line->to,
	};

	reader->token = true;
	return crb_found_add(out, &finding, NULL, err);
}

static enum crb_status
not_gh(const struct crb_line *line, struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_INVALID,
	    "line %u: not in the form in which gh writes it (not shown)",
	    line->number);
}

static enum crb_status
read_pair(struct reader *reader, const struct crb_line *line, size_t depth,
    struct crb_slice pair, struct crb_found_list *out, struct crb_err *err)
{
	struct crb_slice key;

	if (!crb_slice_cut(&pair, ':', &key) || pair.p == NULL ||
	    key.len == 0 || !is_plain(key) ||
	    (pair.len > 0 && pair.p[0] != ' '))
		return not_gh(line, err);
	pair = crb_slice_trim(pair, CRB_LINE_BLANKS);
	if (!is_plain(pair))
		return not_gh(line, err);
	if (depth == 0) {
		if (close_host(reader, out, err) != CRB_OK)
			return err->status;
		*reader = (struct reader){ .host = key, .line = line->number };
		return pair.len == 0 ? CRB_OK : not_gh(line, err);
	}
	if (reader->host.p == NULL)
		return not_gh(line, err);
	if (crb_slice_is(key, "user") && depth == 1)
		reader->logged_in = true;
	/* gh has it below the host, and below a user of several. */
	if (crb_slice_is(key, "oauth_token") && pair.len > 0)
		return add_token(reader, line, pair, out, err);
	return CRB_OK;
}

enum crb_status
crb_import_gh(const char *text, size_t len, struct crb_found_list *out,
    struct crb_err *err)
{
	struct reader reader = { .host = { NULL, 0 } };
	struct crb_line line = { .number = 0 };

	while (crb_line_next(text, len, &line)) {
		struct crb_slice rest = line.text;
		size_t indent;

		while (rest.len > 0 && rest.p[0] == ' ') {
			rest.p++;
			rest.len--;
		}
		indent = line.text.len - rest.len;
		if (rest.len == 0 || rest.p[0] == '#')
			continue;
		if (indent % STEP != 0 || indent / STEP > DEEPEST)
			return not_gh(&line, err);
		if (read_pair(&reader, &line, indent / STEP, rest, out, err) !=
		    CRB_OK)
			return err->status;
	}
	return close_host(&reader, out, err);
}
