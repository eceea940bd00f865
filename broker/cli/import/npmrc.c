#include <string.h>

#include "base/buf.h"
#include "broker/cli/import/parsers.h"

#define PART_MAX (16u << 10)
#define REGISTRY "registry.npmjs.org"

/* "//host/path/:key = value"; without "//", of the default registry. */
struct setting {
	struct crb_slice registry, key, value;
};

static bool
read_setting(struct crb_slice line, struct setting *out)
{
	struct crb_slice name;
	const char *colon;

	line = crb_slice_trim(line, CRB_LINE_BLANKS);
	if (line.len == 0 || line.p[0] == ';' || line.p[0] == '#' ||
	    !crb_slice_cut(&line, '=', &name) || line.p == NULL)
		return false;
	*out = (struct setting){ .registry = { "", 0 },
		.key = crb_slice_trim(name, CRB_LINE_BLANKS),
		.value = crb_slice_trim(line, CRB_LINE_BLANKS) };
	if (out->value.len >= 2 && out->value.p[0] == '"' &&
	    out->value.p[out->value.len - 1] == '"') {
		out->value.p++;
		out->value.len -= 2;
	}
	if (!crb_slice_starts(out->key, "//"))
		return true;
	if ((colon = memrchr(out->key.p, ':', out->key.len)) == NULL)
		return false;
	out->registry.p = out->key.p;
	out->registry.len = (size_t)(colon - out->key.p);
	out->key.len -= out->registry.len + 1;
	out->key.p = colon + 1;
	return true;
}

/* Where what is not tied to a registry goes: the file may name another. */
static struct crb_slice
default_registry(const char *text, size_t len)
{
	struct crb_line line = { .number = 0 };
	struct setting setting;

	while (crb_line_next(text, len, &line)) {
		if (read_setting(line.text, &setting) &&
		    crb_slice_is(setting.key, "registry") &&
		    setting.value.len > 0)
			return setting.value;
	}
	return CRB_SLICE(REGISTRY);
}

/* npm puts the environment in; we must not, or the file would lie. */
static bool
is_reference(struct crb_slice value)
{
	return memmem(value.p, value.len, "${", 2) != NULL;
}

static enum crb_status
add_basic(const struct crb_finding *finding, struct crb_slice user,
    struct crb_slice password, struct crb_found_list *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf name = CRB_BUF_INIT_WIPED(PART_MAX);
	struct crb_finding basic = *finding;

	crb_buf_add(&name, user.p, user.len);
	basic.kind = "password";
	basic.username = crb_buf_text(&name);
	basic.secret = password;
	return crb_found_add(out, &basic, NULL, err);
}

static enum crb_status
not_base64(const struct crb_finding *finding, struct crb_found_list *out,
    struct crb_err *err)
{
	return crb_found_add_other(
	    out, finding, "is not the base64 that npm reads", NULL, err);
}

/* _auth: base64 of "user:password". */
static enum crb_status
add_auth(const struct crb_finding *finding, struct crb_found_list *out,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf pair = CRB_BUF_INIT_WIPED(PART_MAX);
	struct crb_slice rest, user;

	if (!crb_import_base64(finding->secret, &pair))
		return not_base64(finding, out, err);
	rest = (struct crb_slice){ crb_buf_text(&pair), pair.len };
	if (!crb_slice_cut(&rest, ':', &user) || rest.p == NULL)
		return not_base64(finding, out, err);
	return add_basic(finding, user, rest, out, err);
}

/* _password: base64, and its user name stands in a line of its own. */
static enum crb_status
add_password(const char *text, size_t len, const struct setting *setting,
    const struct crb_finding *finding, struct crb_found_list *out,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf password = CRB_BUF_INIT_WIPED(PART_MAX);
	struct crb_line line = { .number = 0 };
	struct setting other;

	if (!crb_import_base64(finding->secret, &password))
		return not_base64(finding, out, err);
	while (crb_line_next(text, len, &line)) {
		if (read_setting(line.text, &other) &&
		    crb_slice_is(other.key, "username") &&
		    other.registry.len == setting->registry.len &&
		    memcmp(other.registry.p, setting->registry.p,
			other.registry.len) == 0)
			return add_basic(finding, other.value,
			    (struct crb_slice){
				crb_buf_text(&password), password.len },
			    out, err);
	}
	return crb_found_add_other(
	    out, finding, "has no user name beside it", NULL, err);
}

static enum crb_status
add(const char *text, size_t len, const struct crb_line *line,
    const struct setting *setting, struct crb_found_list *out,
    struct crb_err *err)
{
	const struct crb_finding finding = {
		.kind = "token",
		.host = setting->registry.len > 0 ? setting->registry
						  : default_registry(text, len),
		.later = true,
		.secret = setting->value,
		.line = line->number,
		.from = line->from,
		.to = line->to,
	};
	bool token = crb_slice_is(setting->key, "_authToken");
	bool auth = crb_slice_is(setting->key, "_auth");
	bool password = crb_slice_is(setting->key, "_password");

	if ((!token && !auth && !password) || setting->value.len == 0)
		return CRB_OK;
	if (is_reference(setting->value))
		return crb_found_add_other(out, &finding,
		    "is only a reference to the environment: import env", NULL,
		    err);
	if (auth)
		return add_auth(&finding, out, err);
	if (password)
		return add_password(text, len, setting, &finding, out, err);
	return crb_found_add(out, &finding, NULL, err);
}

enum crb_status
crb_import_npmrc(const char *text, size_t len, struct crb_found_list *out,
    struct crb_err *err)
{
	struct crb_line line = { .number = 0 };
	struct setting setting;

	while (crb_line_next(text, len, &line)) {
		if (read_setting(line.text, &setting) &&
		    add(text, len, &line, &setting, out, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}
