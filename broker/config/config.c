#include "broker/config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "broker/config/places.h"

#define FILE_MAX (64u << 10)

enum { STATE, RUNTIME, CONFIG };

/* The file's text is kept while it is judged, to find lines in. */
struct reader {
	const char *file;
	struct crb_buf text;
	struct crb_config *out;
};

/* "FILE:LINE", or "FILE" when the line cannot be told. */
static void
where_is(const struct reader *reader, const char *key, struct crb_buf *where)
{
	unsigned line = crb_json_line(reader->text.data, reader->text.len, key);

	crb_buf_str(where, reader->file);
	if (line > 0)
		crb_buf_printf(where, ":%u", line);
}

static enum crb_status
refuse(const struct reader *reader, const char *key, const char *what,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf where = CRB_BUF_INIT(CRB_PATH_MAX + 16);

	where_is(reader, key, &where);
	return crb_err_set(err, CRB_ERR_INVALID, "%s: %s: %s",
	    crb_buf_text(&where), key, what);
}

static enum crb_status
refuse_unknown(
    const struct reader *reader, const char *key, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf where = CRB_BUF_INIT(CRB_PATH_MAX + 16);
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(512);
	const char *names[32], *nearest;
	size_t count = 0;

	for (const struct crb_option *option = crb_config_options;
	     option->name != NULL; option++)
		names[count++] = option->name;
	names[count++] = CRB_CONFIG_ROLES;
	nearest = crb_text_nearest(key, names, count);
	where_is(reader, key, &where);
	crb_text_escape(&shown, key, strlen(key), 64);
	return crb_err_set(err, CRB_ERR_INVALID, "%s: unknown key \"%s\"%s%s%s",
	    crb_buf_text(&where), crb_buf_text(&shown),
	    nearest != NULL ? "; did you mean \"" : "",
	    nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

/* A table of one row at a time, so that an error is known to be this key's. */
static enum crb_status
read_member(const struct reader *reader, const struct crb_option *option,
    json_t *value, struct crb_err *err)
{
	const struct crb_option table[] = { *option, CRB_OPTION_END };
	CRB_AUTO_BUF struct crb_buf where = CRB_BUF_INIT(CRB_PATH_MAX + 16);
	CRB_AUTO_JSON json_t *one = json_object();

	if (one == NULL || json_object_set(one, option->name, value) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM, "%s", reader->file);
	where_is(reader, option->name, &where);
	return crb_options_json(
	    table, one, crb_buf_text(&where), reader->out, err);
}

static enum crb_status
read_roles(
    const struct reader *reader, const json_t *value, struct crb_err *err)
{
	const struct crb_roles_source source = { reader->file,
		reader->text.data, reader->text.len };

	return crb_roles_parse(value, &source, &reader->out->roles, err);
}

static enum crb_status
read_members(const struct reader *reader, json_t *object, struct crb_err *err)
{
	const struct crb_option *option;
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		if (strcmp(key, CRB_CONFIG_ROLES) == 0) {
			if (read_roles(reader, value, err) != CRB_OK)
				return err->status;
			continue;
		}
		option = crb_options_find(crb_config_options, key);
		if (option == NULL)
			return refuse_unknown(reader, key, err);
		if (read_member(reader, option, value, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

static enum crb_status
check_paths(const struct reader *reader, struct crb_err *err)
{
	const struct crb_config *config = reader->out;
	const struct {
		const char *key, *path;
	} paths[] = {
		{ "state", config->state },
		{ "runtime", config->runtime },
		{ "key_file", config->key_file },
		{ "ca_file", config->ca_file },
		{ "policy_folder", config->policy_folder },
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (paths[i].path == NULL)
			continue;
		if (paths[i].path[0] != '/')
			return refuse(reader, paths[i].key,
			    "must be an absolute path", err);
		if (strlen(paths[i].path) >= CRB_PATH_MAX)
			return refuse(reader, paths[i].key, "is too long", err);
	}
	return CRB_OK;
}

/* A password has no place here: this file is not a vault. */
static enum crb_status
check_proxy(const struct reader *reader, struct crb_err *err)
{
	const char *proxy = reader->out->proxy;

	if (proxy == NULL)
		return CRB_OK;
	if (strncmp(proxy, "http://", 7) != 0 &&
	    strncmp(proxy, "https://", 8) != 0)
		return refuse(reader, "proxy",
		    "must begin with http:// or https://", err);
	if (strchr(proxy, '@') != NULL)
		return refuse(reader, "proxy",
		    "must not contain a user name or a password", err);
	if (strlen(proxy) > 512)
		return refuse(reader, "proxy", "is too long", err);
	return CRB_OK;
}

static enum crb_status
check_together(const struct reader *reader, struct crb_err *err)
{
	const struct crb_config *config = reader->out;

	if (check_paths(reader, err) != CRB_OK ||
	    check_proxy(reader, err) != CRB_OK)
		return err->status;
	if (config->ttl > config->ttl_max)
		return refuse(reader,
		    json_object_get(config->json, "ttl") != NULL ? "ttl"
								 : "ttl_max",
		    "ttl is longer than ttl_max", err);
	return CRB_OK;
}

static enum crb_status
parse(struct reader *reader, struct crb_err *err)
{
	struct crb_config *config = reader->out;

	if (crb_json_parse(crb_buf_text(&reader->text), reader->text.len,
		reader->file, &config->json, err) != CRB_OK)
		return err->status;
	if (!json_is_object(config->json))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s:1: not a JSON object", reader->file);
	if (read_members(reader, config->json, err) != CRB_OK)
		return err->status;
	return check_together(reader, err);
}

enum crb_status
crb_config_parse(const char *text, size_t len, const char *file,
    struct crb_config *out, struct crb_err *err)
{
	struct reader reader = { .file = file, .out = out };
	enum crb_status status;

	*out = (struct crb_config){ 0 };
	if (crb_options_defaults(crb_config_options, out, err) != CRB_OK)
		return err->status;
	reader.text = (struct crb_buf)CRB_BUF_INIT(FILE_MAX);
	crb_buf_add(&reader.text, text, len);
	status = crb_buf_check(&reader.text, file, err);
	if (status == CRB_OK)
		status = parse(&reader, err);
	crb_buf_clear(&reader.text);
	if (status != CRB_OK)
		crb_config_clear(out);
	return status;
}

/* What the owner of the broker did not write may not tell it what to do. */
static enum crb_status
check_file(const char *path, struct crb_err *err)
{
	struct stat st;

	if (crb_path_secure(path, geteuid(), err) != CRB_OK)
		return err->status;
	if (stat(path, &st) != 0)
		return crb_err_errno(err, "%s", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: belongs to uid %u; it must be yours or root's", path,
		    (unsigned)st.st_uid);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: others can write it; chmod go-w %s", path, path);
	return CRB_OK;
}

static enum crb_status
read_file(struct crb_config *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(FILE_MAX);
	CRB_AUTO_FREE char *real = realpath(out->places[CONFIG], NULL);
	char file[CRB_PATH_MAX];

	memcpy(file, out->places[CONFIG], sizeof(file));
	if (real == NULL)
		return crb_err_errno(err, "%s", file);
	if (check_file(real, err) != CRB_OK ||
	    crb_io_read_file(real, &text, err) != CRB_OK ||
	    crb_config_parse(crb_buf_text(&text), text.len, file, out, err) !=
		CRB_OK)
		return err->status;
	/* Absolute, for the processes that are given it. */
	out->file = out->places[CONFIG];
	return crb_path_join(out->places[CONFIG], "", real, err);
}

/* A place that the file has not set. */
static enum crb_status
fill_place(struct crb_config *config, enum crb_place place, const char **member,
    bool required, struct crb_err *err)
{
	char *to = config->places[place == CRB_PLACE_STATE ? STATE : RUNTIME];
	struct crb_err ignored;

	if (*member != NULL)
		return CRB_OK;
	*member = to;
	if (required)
		return crb_place(place, geteuid(), getenv, to, err);
	if (crb_place(place, geteuid(), getenv, to, &ignored) != CRB_OK)
		to[0] = '\0';
	return CRB_OK;
}

/* Without XDG_RUNTIME_DIR the runtime folder follows a state that was set. */
static enum crb_status
fill_places(struct crb_config *config, bool required, struct crb_err *err)
{
	bool state_set = config->state != NULL;

	if (fill_place(config, CRB_PLACE_STATE, &config->state, required,
		err) != CRB_OK)
		return err->status;
	if (config->runtime == NULL && state_set && geteuid() != 0 &&
	    getenv("XDG_RUNTIME_DIR") == NULL) {
		config->runtime = config->places[RUNTIME];
		return crb_path_join(
		    config->places[RUNTIME], config->state, "run", err);
	}
	return fill_place(
	    config, CRB_PLACE_RUNTIME, &config->runtime, required, err);
}

/* The usual file need not be there. */
static enum crb_status
load_usual(struct crb_config *out, struct crb_err *err)
{
	if (crb_place(CRB_PLACE_CONFIG, geteuid(), getenv, out->places[CONFIG],
		err) != CRB_OK)
		return err->status;
	if (access(out->places[CONFIG], F_OK) == 0)
		return read_file(out, err);
	if (errno != ENOENT && errno != ENOTDIR)
		return crb_err_errno(err, "%s", out->places[CONFIG]);
	return crb_options_defaults(crb_config_options, out, err);
}

static enum crb_status
load(const char *path, struct crb_config *out, struct crb_err *err)
{
	*out = (struct crb_config){ 0 };
	if (path == NULL)
		return load_usual(out, err);
	if (path[0] == '\0')
		return crb_options_defaults(crb_config_options, out, err);
	if (crb_path_join(out->places[CONFIG], "", path, err) != CRB_OK)
		return err->status;
	return read_file(out, err);
}

enum crb_status
crb_config_load(const char *path, struct crb_config *out, struct crb_err *err)
{
	if (load(path, out, err) == CRB_OK &&
	    fill_places(out, path == NULL, err) == CRB_OK)
		return CRB_OK;
	crb_config_clear(out);
	return err->status;
}

enum crb_status
crb_config_load_fd(
    int fd, const char *path, struct crb_config *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(FILE_MAX);

	*out = (struct crb_config){ 0 };
	if (crb_io_read_all(fd, &text, CRB_FOREVER, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	if (crb_config_parse(crb_buf_text(&text), text.len, path, out, err) !=
	    CRB_OK)
		return err->status;
	out->file = out->places[CONFIG];
	if (crb_path_join(out->places[CONFIG], "", path, err) == CRB_OK &&
	    fill_places(out, false, err) == CRB_OK)
		return CRB_OK;
	crb_config_clear(out);
	return err->status;
}

void
crb_config_take(struct crb_config *to, struct crb_config *from)
{
	const char **const members[] = { &to->file, &to->state, &to->runtime };
	const char *const given[] = { from->file, from->state, from->runtime };

	crb_config_clear(to);
	*to = *from;
	/* What pointed into *from points into *to. */
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		for (size_t at = 0; at < sizeof(to->places) / CRB_PATH_MAX;
		     at++)
			if (given[i] == from->places[at])
				*members[i] = to->places[at];
	*from = (struct crb_config){ 0 };
}

bool
crb_config_differs(const json_t *a, const json_t *b, const char *key)
{
	const json_t *was = json_object_get(a, key);
	const json_t *is = json_object_get(b, key);

	return was == NULL || is == NULL ? was != is : !json_equal(was, is);
}

void
crb_config_clear(struct crb_config *config)
{
	crb_options_clear(crb_config_options, config);
	json_decref(config->json);
	crb_roles_free(config->roles);
	*config = (struct crb_config){ 0 };
}

enum crb_status
crb_config_admin_socket(const struct crb_config *config, char out[CRB_PATH_MAX],
    struct crb_err *err)
{
	const char *given = getenv("CREDBROKER_ADMIN_SOCKET");

	if (given != NULL && given[0] != '\0')
		return crb_path_join(out, "", given, err);
	if (config->runtime == NULL || config->runtime[0] == '\0')
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "where the broker is cannot be told: "
		    "set CREDBROKER_ADMIN_SOCKET, or HOME");
	return crb_path_join(out, config->runtime, "admin.sock", err);
}

enum crb_status
crb_config_policy_places(const struct crb_config *config,
    struct crb_policy_places *out, struct crb_err *err)
{
	const char *given = config->policy_folder;
	bool root = geteuid() == 0;
	enum crb_status status;

	status = root && given != NULL
	    ? crb_path_join(out->organization, given, "", err)
	    : crb_place(CRB_PLACE_POLICY, 0, getenv, out->organization, err);
	if (status != CRB_OK)
		return status;
	return given != NULL
	    ? crb_path_join(out->policy, given, "", err)
	    : crb_place(CRB_PLACE_POLICY, geteuid(), getenv, out->policy, err);
}
