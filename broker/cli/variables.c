#include "broker/cli/variables.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "broker/cli/looks_secret.h"

/* LANG and TZ and the like change how programs speak, not what they may do. */
static const char *const kept[] = { "TERM", "LANG", "TZ", NULL };

/* The session's own. */
static const char *const reserved[] = { "CREDBROKER_", "GIT_CONFIG_",
	"HOME=", NULL };

static const char *const telling[] = { "TOKEN", "SECRET", "PASSWORD", "PASSWD",
	"PASSPHRASE", "API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY",
	"CREDENTIAL", "_PAT", NULL };

static bool
sounds_secret(const char *name)
{
	for (size_t i = 0; telling[i] != NULL; i++)
		if (strcasestr(name, telling[i]) != NULL)
			return true;
	return false;
}

static bool
is_name(const char *name)
{
	if (!isalpha((unsigned char)name[0]) && name[0] != '_')
		return false;
	for (; *name != '\0'; name++)
		if (!isalnum((unsigned char)*name) && *name != '_')
			return false;
	return true;
}

static bool
is_reserved(const char *name)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "%s=", name);
	for (size_t i = 0; reserved[i] != NULL; i++)
		if (strncmp(text, reserved[i], strlen(reserved[i])) == 0)
			return true;
	return false;
}

static enum crb_status
check_one(const char *item, struct crb_args *notices, struct crb_err *err)
{
	const char *equals = strchr(item, '=');
	CRB_AUTO_FREE char *name = equals != NULL
	    ? strndup(item, (size_t)(equals - item))
	    : strdup(item);

	if (name == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (!is_name(name))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--env: give it as NAME or NAME=VALUE (not shown)");
	if (is_reserved(name))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--env %s: the sandbox sets that itself", name);
	if (equals == NULL && getenv(name) == NULL)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "--env %s: it is not set here", name);
	if (equals != NULL && equals[1] != '\0' && equals[1] != '/' &&
	    (sounds_secret(name) || crb_looks_secret(equals + 1)))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--env %s: the value looks like a secret (not shown), and "
		    "a command line is no place for one: export %s, and say "
		    "--env %s; better, store it (credbroker credential add)",
		    name, name, name);
	if (equals == NULL &&
	    (sounds_secret(name) || crb_looks_secret(getenv(name))))
		crb_args_printf(notices,
		    "--env %s gives the agent a secret that it can read and "
		    "keep; this session's end does not end it",
		    name);
	return CRB_OK;
}

enum crb_status
crb_variables_check(
    const struct crb_list *more, struct crb_args *notices, struct crb_err *err)
{
	for (size_t i = 0; i < more->count; i++)
		if (check_one(more->item[i], notices, err) != CRB_OK)
			return err->status;
	return CRB_OK;
}

static void
set(json_t *variables, const char *name, const char *value)
{
	/* Not UTF-8: not for us to pass on. */
	(void)json_object_set_new(variables, name, json_string(value));
}

static void
set_more(json_t *variables, const char *item)
{
	const char *equals = strchr(item, '=');
	CRB_AUTO_FREE char *name = equals != NULL
	    ? strndup(item, (size_t)(equals - item))
	    : strdup(item);

	if (name != NULL)
		set(variables, name,
		    equals != NULL ? equals + 1 : getenv(name));
}

static void
set_path(json_t *variables, const char *programs)
{
	const char *path = json_string_value(
	    json_object_get(variables, "PATH"));
	CRB_AUTO_FREE char *full = NULL;

	if (path == NULL)
		path = getenv("PATH");
	if (asprintf(&full, "%s:%s",
		path != NULL && *path != '\0' ? path : "/usr/bin:/bin",
		programs) == -1)
		abort();
	set(variables, "PATH", full);
}

json_t *
crb_variables_make(const struct crb_variables_request *request)
{
	json_t *variables = json_object();
	const char *key;
	json_t *value;

	for (size_t i = 0; kept[i] != NULL; i++)
		if (getenv(kept[i]) != NULL)
			set(variables, kept[i], getenv(kept[i]));
	for (size_t i = 0; i < request->more->count; i++)
		set_more(variables, request->more->item[i]);
	set(variables, "HOME", request->home);
	set_path(variables, request->programs);
	json_object_foreach((json_t *)(uintptr_t)request->session, key, value)
	    set(variables, key, json_string_value(value));
	return variables;
}

void
crb_variables_git(json_t *variables, const char *key, const char *value)
{
	const char *text = json_string_value(
	    json_object_get(variables, "GIT_CONFIG_COUNT"));
	long count = text != NULL ? strtol(text, NULL, 10) : 0;
	char name[64];

	(void)snprintf(name, sizeof(name), "GIT_CONFIG_KEY_%ld", count);
	set(variables, name, key);
	(void)snprintf(name, sizeof(name), "GIT_CONFIG_VALUE_%ld", count);
	set(variables, name, value);
	(void)snprintf(name, sizeof(name), "%ld", count + 1);
	set(variables, "GIT_CONFIG_COUNT", name);
}
