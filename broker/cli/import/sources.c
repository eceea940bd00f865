#include "broker/cli/import/sources.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

static const struct crb_source aws_config = {
	.name = "aws",
	.parse = crb_import_aws_config,
	.places = { { .variable = "AWS_CONFIG_FILE", .name = "config" } },
};

const struct crb_source crb_sources[] = {
	{ .name = "env",
	    .summary = "variables that tools read tokens from",
	    .parse = NULL },
	{ .name = "gh",
	    .summary = "GitHub CLI's hosts.yml",
	    .parse = crb_import_gh,
	    .places = { { .folder_variable = "GH_CONFIG_DIR",
			    .name = "hosts.yml" },
		{ .folder_variable = "XDG_CONFIG_HOME",
		    .name = "gh/hosts.yml",
		    .home = ".config/gh/hosts.yml" } } },
	{ .name = "git-credentials",
	    .summary = "what git's credential helper \"store\" keeps",
	    .parse = crb_import_git_credentials,
	    .places = { { .home = ".git-credentials" },
		{ .folder_variable = "XDG_CONFIG_HOME",
		    .name = "git/credentials",
		    .home = ".config/git/credentials" } } },
	{ .name = "netrc",
	    .summary = "~/.netrc",
	    .parse = crb_import_netrc,
	    .places = { { .variable = "NETRC", .home = ".netrc" } } },
	{ .name = "npmrc",
	    .summary = "npm's ~/.npmrc",
	    .parse = crb_import_npmrc,
	    .places = { { .variable = "NPM_CONFIG_USERCONFIG",
		.home = ".npmrc" } } },
	{ .name = "docker",
	    .summary = "Docker's config.json",
	    .parse = crb_import_docker,
	    .places = { { .folder_variable = "DOCKER_CONFIG",
		.name = "config.json",
		.home = ".docker/config.json" } } },
	{ .name = "aws",
	    .summary = "~/.aws/credentials, with roles of ~/.aws/config",
	    .parse = crb_import_aws,
	    .places = { { .variable = "AWS_SHARED_CREDENTIALS_FILE",
		.home = ".aws/credentials" } },
	    .beside = &aws_config },
	{ .name = NULL },
};

enum crb_status
crb_source_find(const char *text, const struct crb_source **out,
    const char **file, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf names = CRB_BUF_INIT(256);
	size_t len = strcspn(text, ":");

	for (const struct crb_source *s = crb_sources; s->name != NULL; s++) {
		if (strncmp(s->name, text, len) == 0 && s->name[len] == '\0' &&
		    (text[len] == '\0' || s->parse != NULL)) {
			*out = s;
			*file = text[len] == ':' ? text + len + 1 : NULL;
			return CRB_OK;
		}
		crb_buf_printf(
		    &names, "%s%s", names.len > 0 ? ", " : "", s->name);
	}
	return crb_err_set(err, CRB_ERR_USAGE,
	    "SOURCE: one of %s, or one of them and a file, as in netrc:FILE",
	    crb_buf_text(&names));
}

static const char *
get_absolute(crb_import_getenv_fn *get, const char *name)
{
	const char *value = name != NULL ? get(name) : NULL;

	return value != NULL && value[0] == '/' ? value : NULL;
}

enum crb_status
crb_source_path(const struct crb_source *source, size_t which,
    crb_import_getenv_fn *get, char out[CRB_PATH_MAX], struct crb_err *err)
{
	const struct crb_source_place *place;
	const char *value;

	if (which >= CRB_SOURCE_PLACES)
		return crb_err_set(err, CRB_ERR_NOT_FOUND, "no further place");
	place = &source->places[which];
	if ((value = get_absolute(get, place->variable)) != NULL)
		return crb_path_join(out, value, "", err);
	if ((value = get_absolute(get, place->folder_variable)) != NULL)
		return crb_path_join(out, value, place->name, err);
	if (place->home != NULL && (value = get_absolute(get, "HOME")) != NULL)
		return crb_path_join(out, value, place->home, err);
	return crb_err_set(err, CRB_ERR_NOT_FOUND,
	    "%s: the environment does not say where it is", source->name);
}

enum crb_status
crb_source_beside(const struct crb_source *source, const char *path,
    crb_import_getenv_fn *get, char out[CRB_PATH_MAX], struct crb_err *err)
{
	const struct crb_source_place *place = &source->beside->places[0];
	const char *value = get_absolute(get, place->variable);
	const char *slash = strrchr(path, '/');
	char folder[CRB_PATH_MAX];

	if (value != NULL)
		return crb_path_join(out, value, "", err);
	if (slash == NULL)
		return crb_path_join(out, place->name, "", err);
	(void)snprintf(
	    folder, sizeof(folder), "%.*s", (int)(slash - path + 1), path);
	return crb_path_join(out, folder, place->name, err);
}
