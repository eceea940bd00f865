#include <string.h>

#include "unit.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "broker/cli/import/original.h"
#include "broker/cli/import/shell_files.h"

static void
read_text(crb_import_fn *parse, const char *text, struct crb_found_list *out)
{
	struct crb_err err = { .msg = "" };

	if (parse(text, strlen(text), out, &err) != CRB_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(crb_found_names(out, &err), CRB_OK);
}

static void
refuses(crb_import_fn *parse, const char *text, const char *says)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };
	struct crb_err err = { .msg = "" };

	assert_int_not_equal(parse(text, strlen(text), &list, &err), CRB_OK);
	if (strstr(err.msg, says) == NULL || strstr(err.msg, "canary") != NULL)
		fail_msg("says: %s", err.msg);
}

static void
is_stored(const struct crb_found *found, const char *host, const char *auth,
    const char *username, const char *secret)
{
	const json_t *name = json_object_get(found->params, "username");

	assert_string_equal(found->why_not, "");
	assert_string_equal(found->host, host);
	assert_string_equal(
	    json_string_value(json_object_get(found->params, "auth")), auth);
	if (username != NULL)
		assert_string_equal(json_string_value(name), username);
	else
		assert_null(name);
	assert_string_equal(crb_secret_bytes(found->secret), secret);
}

static void
is_refused(const struct crb_found *found, const char *why)
{
	if (strstr(found->why_not, why) == NULL)
		fail_msg("why not: %s", found->why_not);
	assert_null(found->secret);
	assert_null(found->params);
}

static void
netrc_is_read_as_its_readers_do(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };

	(void)state;
	read_text(crb_import_netrc,
	    "# a comment with machine words\n"
	    "machine one.example login a password canary1\n"
	    "machine two.example\n\tlogin b\n\taccount x\n"
	    "\tpassword \"canary \\\"2\\\"\"\n"
	    "machine three.example login none\n"
	    "default login anonymous password canary3\n",
	    &list);
	assert_int_equal(list.count, 3);
	is_stored(&list.at[0], "one.example", "basic", "a", "canary1");
	is_stored(&list.at[1], "two.example", "basic", "b", "canary \"2\"");
	is_refused(&list.at[2], "any host");
	assert_int_equal(list.at[0].line, 2);
	assert_int_equal(list.at[1].line, 3);
}

static void
a_macro_is_passed_over_and_holds_its_entry(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };

	(void)state;
	read_text(crb_import_netrc,
	    "machine one.example login a password canary1\n"
	    "macdef init\nmachine not.example password nothing\n\n"
	    "machine two.example login b password canary2\n",
	    &list);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.at[0].host, "one.example");
	assert_true(list.at[0].sticks[0] != '\0');
	assert_string_equal(list.at[1].host, "two.example");
	assert_true(list.at[1].sticks[0] == '\0');
}

static void
netrc_errors_show_nothing(void **state)
{
	(void)state;
	refuses(
	    crb_import_netrc, "machine a.example passwort canary", "line 1");
	refuses(crb_import_netrc, "\nmachine", "line 2");
	refuses(crb_import_netrc, "machine a.example password \"canary\n",
	    "does not end");
}

static void
git_credentials_are_decoded(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };

	(void)state;
	read_text(crb_import_git_credentials,
	    "https://al%40ice:can%61ry%2F1@git.example:8443/path\n"
	    "not a url: canary\n"
	    "https://a:bad%zzcanary@git.example\n"
	    "https://a:nul%00canary@git.example\n"
	    "https://nobody@git.example\n"
	    "http://a:canary2@git.example\n"
	    "http://a:canary3@127.0.0.1:8080\n"
	    "https://ghp_canary45678901234567890:x-oauth-basic@git.example\n"
	    "https://:canary5@git.example\n"
	    "http://a:canary6@127.0.0.1.git.example",
	    &list);
	assert_int_equal(list.count, 6);
	is_stored(
	    &list.at[0], "git.example:8443", "basic", "al@ice", "canary/1");
	is_refused(&list.at[1], "clear");
	is_stored(
	    &list.at[2], "http://127.0.0.1:8080", "basic", "a", "canary3");
	is_stored(&list.at[3], "git.example", "basic", "x-access-token",
	    "ghp_canary45678901234567890");
	is_stored(&list.at[4], "git.example", "basic", "git", "canary5");
	is_refused(&list.at[5], "clear");
}

static void
a_secret_is_never_taken_for_a_user_name(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };

	(void)state;
	read_text(crb_import_git_credentials,
	    "https://ghp_canary45678901234567890:more@git.example\n", &list);
	read_text(crb_import_netrc,
	    "machine g.example login ghp_canary45678901234567890 password x",
	    &list);
	assert_int_equal(list.count, 2);
	is_refused(&list.at[0], "looks like a secret");
	is_refused(&list.at[1], "looks like a secret");
}

static void
gh_in_the_form_that_gh_writes(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };

	(void)state;
	read_text(crb_import_gh,
	    "github.com:\n"
	    "    users:\n"
	    "        alice:\n"
	    "            oauth_token: gho_canary1\n"
	    "        bob:\n"
	    "            oauth_token: gho_canary2\n"
	    "    git_protocol: https\n"
	    "    oauth_token: gho_canary1\n"
	    "    user: alice\n"
	    "ghe.example:\n"
	    "    user: carl\n"
	    "    oauth_token: gho_canary3\n"
	    "keyring.example:\n"
	    "    user: dora\n",
	    &list);
	assert_int_equal(list.count, 5);
	is_stored(&list.at[0], "github.com", "basic", "x-access-token",
	    "gho_canary1");
	assert_int_equal(
	    json_array_size(json_object_get(list.at[0].params, "hosts")), 2);
	is_stored(&list.at[1], "github.com", "basic", "x-access-token",
	    "gho_canary2");
	assert_int_equal(list.at[2].same, 0);
	is_stored(&list.at[3], "ghe.example", "basic", "x-access-token",
	    "gho_canary3");
	is_refused(&list.at[4], "keyring");
	assert_string_equal(list.at[0].name, "github");
	assert_string_equal(list.at[1].name, "github-2");
	assert_string_equal(list.at[2].name, "github");
}

static void
other_yaml_is_refused(void **state)
{
	static const char *const texts[] = {
		"github.com: {oauth_token: canary}\n",
		"github.com:\n  oauth_token: canary\n",
		"github.com:\n\toauth_token: canary\n",
		"github.com:\n    oauth_token: &a canary\n",
		"github.com:\n    oauth_token: \"canary\"\n",
		"    oauth_token: canary\n",
		"github.com:\n    oauth_token:canary\n",
		"github.com:\n    - canary\n",
		"--- canary\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		refuses(crb_import_gh, texts[i], "not in the form");
}

static void
npm_settings_are_read(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };

	(void)state;
	read_text(crb_import_npmrc,
	    "; //c.example/:_authToken=canary\n"
	    "registry = https://own.example/npm/\n"
	    "//registry.npmjs.org/:_authToken = npm_canary1\n"
	    "//b.example:4873/x/:_auth=\"YTpjYW5hcnky\"\n"
	    "//c.example/:_password=Y2FuYXJ5Mw==\n"
	    "//c.example/:username=carl\n"
	    "//d.example/:_authToken=${NPM_TOKEN}\n"
	    "//e.example/:_auth=canary!\n"
	    "_authToken=canary4\n",
	    &list);
	assert_int_equal(list.count, 6);
	is_stored(
	    &list.at[0], "registry.npmjs.org", "bearer", NULL, "npm_canary1");
	is_stored(&list.at[1], "b.example:4873", "basic", "a", "canary2");
	is_stored(&list.at[2], "c.example", "basic", "carl", "canary3");
	is_refused(&list.at[3], "reference");
	is_refused(&list.at[4], "base64");
	is_stored(&list.at[5], "own.example", "bearer", NULL, "canary4");
}

static void
docker_registries_are_read_and_stores_named(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };

	(void)state;
	read_text(crb_import_docker,
	    "{\n \"auths\": {\n"
	    "  \"ghcr.io\": {\"auth\": \"YTpjYW5hcnkx\"},\n"
	    "  \"https:\\/\\/index.docker.io/v1/\": {\"auth\": "
	    "\"YjpjYW5hcnky\", \"x\": [1, {\"auths\": 2}, \"}\"]},\n"
	    "  \"c.example\": {},\n"
	    "  \"d.example\": {\"identitytoken\": \"canary\"}\n },\n"
	    " \"credsStore\": \"desktop\", \"n\": 1\n}\n",
	    &list);
	assert_int_equal(list.count, 5);
	is_stored(&list.at[0], "ghcr.io", "basic", "a", "canary1");
	is_stored(&list.at[1], "index.docker.io", "basic", "b", "canary2");
	is_refused(&list.at[2], "store");
	is_refused(&list.at[3], "oauth2");
	is_refused(&list.at[4], "store");
	assert_int_equal(list.at[0].line, 3);
	assert_int_equal(list.at[4].line, 8);
	refuses(crb_import_docker, "{\"auths\": {\"a\": \"canary\"", "");
	refuses(crb_import_docker, "[\"canary\"]", "object");
}

#define AWS_ONE "AKIACANARY\ncanary1"

static const char *
param(const struct crb_found *found, const char *key)
{
	const char *value = json_string_value(
	    json_object_get(found->params, key));

	return value != NULL ? value : "";
}

static void
aws_keys_are_read_by_profile(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };

	(void)state;
	read_text(crb_import_aws,
	    "# [not] a profile\naws_secret_access_key = canary0\n"
	    "[default]\naws_access_key_id = AKIACANARY\n"
	    "aws_secret_access_key = canary1\n"
	    "[empty]\nregion = eu-west-1\naws_secret_access_key =\n"
	    "[Work (eu)]\nAWS_SECRET_ACCESS_KEY=canary2\n"
	    "region=eu-central-1\naws_access_key_id=AKIACANARY\n"
	    "[lone]\naws_secret_access_key=canary3\n"
	    "[temporary]\naws_access_key_id=ASIACANARY\n"
	    "aws_secret_access_key=canary4\naws_session_token=canary5\n"
	    "[bad]\naws_access_key_id=AKIA CANARY\n"
	    "aws_secret_access_key=canary6\n",
	    &list);
	assert_int_equal(list.count, 5);
	assert_string_equal(list.at[0].name, "aws-default");
	assert_string_equal(list.at[0].backend, "aws-sts");
	assert_string_equal(list.at[0].host, "sts.us-east-1.amazonaws.com");
	assert_string_equal(crb_secret_bytes(list.at[0].secret), AWS_ONE);
	assert_string_equal(list.at[1].name, "aws-work-eu");
	assert_string_equal(list.at[1].host, "sts.eu-central-1.amazonaws.com");
	assert_non_null(strstr(list.at[1].sticks, "between"));
	is_refused(&list.at[2], "aws_access_key_id");
	is_refused(&list.at[3], "end by themselves");
	is_refused(&list.at[4], "");
	assert_null(strstr(list.at[4].why_not, "CANARY"));
	assert_null(strstr(list.at[4].why_not, "canary"));
}

/* Keys of one file with settings of the other. */
static void
read_both(const char *config, struct crb_found_list *out)
{
	read_text(crb_import_aws,
	    "[default]\naws_access_key_id=AKIACANARY\n"
	    "aws_secret_access_key=canary1\n"
	    "[temporary]\naws_access_key_id=ASIACANARY\n"
	    "aws_secret_access_key=canary2\naws_session_token=canary3\n",
	    out);
	out->at[0].origin = 7;
	read_text(crb_import_aws_config, config, out);
}

static void
aws_roles_take_the_keys_of_their_source(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };

	(void)state;
	read_both("[profile agent]\n"
		  "role_arn = arn:aws:iam::123456789012:role/agent\n"
		  "source_profile = default\nexternal_id = ext\n"
		  "duration_seconds = 7200\ns3 =\n  region = xx\n"
		  "[default]\nregion = eu-west-1\n"
		  "[profile near]\nregion = eu-west-3\n"
		  "role_arn = arn:aws:iam::123456789012:role/near\n"
		  "source_profile = default\n",
	    &list);
	assert_int_equal(list.count, 4);
	assert_string_equal(param(&list.at[0], "region"), "eu-west-1");
	assert_string_equal(list.at[2].name, "aws-agent");
	assert_string_equal(param(&list.at[2], "role-arn"),
	    "arn:aws:iam::123456789012:role/agent");
	assert_string_equal(param(&list.at[2], "region"), "eu-west-1");
	assert_string_equal(param(&list.at[2], "external-id"), "ext");
	assert_string_equal(param(&list.at[2], "duration"), "7200s");
	assert_string_equal(crb_secret_bytes(list.at[2].secret), AWS_ONE);
	assert_int_equal(list.at[2].origin, 7);
	assert_int_equal(list.at[2].same, 2);
	assert_string_equal(param(&list.at[3], "region"), "eu-west-3");
}

static void
aws_roles_that_cannot_be_used_say_why(void **state)
{
	static const struct {
		const char *settings, *why;
	} rows[] = {
		{ "source_profile=default\nmfa_serial=arn:aws:iam::1:mfa/me",
		    "mfa_serial" },
		{ "source_profile=nobody", "source_profile" },
		{ "source_profile=temporary", "end by themselves" },
		{ "source_profile=default\nduration_seconds=5", "duration" },
		{ "source_profile=default\nregion=x;y", "region" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CRB_AUTO_FOUND struct crb_found_list list = { 0 };
		char config[512];

		(void)snprintf(config, sizeof(config),
		    "[profile r]\nrole_arn=arn:aws:iam::123456789012:role/r\n"
		    "%s\n",
		    rows[i].settings);
		read_both(config, &list);
		assert_int_equal(list.count, 3);
		is_refused(&list.at[2], rows[i].why);
	}
}

/* Whatever another file said of their region. */
static void
aws_keys_are_cut_by_what_they_are(void **state)
{
	static const char before[] =
	    "[default]\naws_access_key_id=AKIACANARY\n"
	    "aws_secret_access_key=canary1\nregion=eu-west-1\n[x]\ny=z\n";
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(4096);
	struct crb_err err = { .msg = "" };
	const size_t at = 0;

	(void)state;
	read_text(crb_import_aws, before, &list);
	read_text(
	    crb_import_aws_config, "[default]\nregion=eu-north-1\n", &list);
	crb_buf_str(&text, before);
	assert_int_equal(
	    crb_original_edit(crb_import_aws, &text, &list, &at, 1, &err),
	    CRB_OK);
	assert_string_equal(
	    crb_buf_text(&text), "[default]\nregion=eu-west-1\n[x]\ny=z\n");
}

static char *
some_variables(const char *name)
{
	static char github[] = "gho_canary1", anthropic[] = "canary2",
		    aws[] = "canary3", id[] = "AKIACANARY", empty[] = "";

	if (strcmp(name, "GITHUB_TOKEN") == 0)
		return github;
	if (strcmp(name, "ANTHROPIC_API_KEY") == 0)
		return anthropic;
	if (strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0)
		return aws;
	if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0)
		return id;
	return strcmp(name, "OPENAI_API_KEY") == 0 ? empty : NULL;
}

/* Every row of the table makes a credential that the backend takes. */
static char *
every_variable(const char *name)
{
	static char value[] = "canary";

	(void)name;
	return value;
}

static void
variables_go_to_their_hosts(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };
	CRB_AUTO_FOUND struct crb_found_list all = { 0 };
	struct crb_err err = { .msg = "" };

	(void)state;
	assert_int_equal(
	    crb_import_environment(some_variables, &list, &err), CRB_OK);
	assert_int_equal(list.count, 3);
	is_stored(&list.at[0], "github.com", "basic", "x-access-token",
	    "gho_canary1");
	is_stored(&list.at[1], "api.anthropic.com", "header", NULL, "canary2");
	assert_true(list.at[1].later);
	assert_string_equal(list.at[2].backend, "aws-sts");
	assert_string_equal(
	    crb_secret_bytes(list.at[2].secret), "AKIACANARY\ncanary3");
	assert_int_equal(
	    crb_import_environment(every_variable, &all, &err), CRB_OK);
	assert_true(all.count > 25);
	for (size_t i = 0; i < all.count; i++)
		assert_true(
		    (all.at[i].secret != NULL) == (all.at[i].host != NULL));
}

static void
names_are_valid_and_their_own(void **state)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };

	(void)state;
	read_text(crb_import_netrc,
	    "machine github.com login a password 1\n"
	    "machine github.com login a password 2\n"
	    "machine 10.0.0.1 login a password 3\n"
	    "machine aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
	    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.example login a password 4\n",
	    &list);
	assert_int_equal(list.count, 4);
	assert_string_equal(list.at[0].name, "github");
	assert_string_equal(list.at[1].name, "github-2");
	for (size_t i = 0; i < list.count; i++)
		assert_true(crb_name_ok(list.at[i].name));
}

static void
more_than_fit_is_an_error(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(8192);

	(void)state;
	for (unsigned i = 0; i <= CRB_FOUND_MAX; i++)
		crb_buf_printf(&text, "https://a:canary%u@h.example\n", i);
	refuses(crb_import_git_credentials, crb_buf_text(&text), "more than");
}

/* Cut the entry number `at`, and see what is left. */
static void
cuts_to(crb_import_fn *parse, const char *before, size_t at, const char *after)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(8192);
	struct crb_err err = { .msg = "" };

	read_text(parse, before, &list);
	crb_buf_str(&text, before);
	if (crb_original_edit(parse, &text, &list, &at, 1, &err) != CRB_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(text.len, strlen(after));
	assert_memory_equal(text.data, after, text.len);
}

static void
only_the_entry_is_cut(void **state)
{
	static const char netrc[] =
	    "# mine\n"
	    "machine a.example login a password 1\n"
	    "machine b.example\n  login b\n  password 2\n"
	    "# end\n";
	static const char line[] = "machine a.example login a password 1 "
				   "machine b.example login b password 2\n";

	(void)state;
	cuts_to(crb_import_netrc, netrc, 0,
	    "# mine\nmachine b.example\n  login b\n  password 2\n# end\n");
	cuts_to(crb_import_netrc, netrc, 1,
	    "# mine\nmachine a.example login a password 1\n# end\n");
	cuts_to(crb_import_netrc, line, 0,
	    " machine b.example login b password 2\n");
	cuts_to(crb_import_netrc, line, 1,
	    "machine a.example login a password 1 \n");
	cuts_to(crb_import_git_credentials,
	    "https://a:1@a.example\n\nhttps://b:2@b.example", 1,
	    "https://a:1@a.example\n\n");
	cuts_to(crb_import_git_credentials,
	    "https://a:1@a.example\nx\nhttps://a:1@a.example\r\n", 0, "x\n");
	cuts_to(crb_import_gh,
	    "github.com:\n    users:\n        a:\n            oauth_token: x\n"
	    "    user: a\n    oauth_token: x\n",
	    0, "github.com:\n    users:\n        a:\n    user: a\n");
	cuts_to(crb_import_npmrc, "a=1\n//r.example/:_authToken=x\nb=2\n", 0,
	    "a=1\nb=2\n");
}

static void
docker_json_stays_json(void **state)
{
	(void)state;
	cuts_to(crb_import_docker,
	    "{\"auths\": {\"a.example\": {\"auth\": \"YTox\"}}, \"x\": 1}", 0,
	    "{\"auths\": {}, \"x\": 1}");
	cuts_to(crb_import_docker,
	    "{\"auths\": {\n  \"a.example\": {\"auth\": \"YTox\"},\n"
	    "  \"b.example\": {\"auth\": \"YToy\"}\n}}",
	    0, "{\"auths\": {\n  \"b.example\": {\"auth\": \"YToy\"}\n}}");
	cuts_to(crb_import_docker,
	    "{\"auths\": {\n  \"a.example\": {\"auth\": \"YTox\"},\n"
	    "  \"b.example\": {\"auth\": \"YToy\"}\n}}",
	    1, "{\"auths\": {\n  \"a.example\": {\"auth\": \"YTox\"}\n}}");
}

static void
what_a_macro_belongs_to_is_not_cut(void **state)
{
	static const char before[] = "machine a.example login a password 1\n"
				     "macdef init\nls\n\n";
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(8192);
	struct crb_err err = { .msg = "" };
	size_t at = 0;

	(void)state;
	read_text(crb_import_netrc, before, &list);
	crb_buf_str(&text, before);
	assert_int_equal(
	    crb_original_edit(crb_import_netrc, &text, &list, &at, 1, &err),
	    CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, "macdef"));
}

static void
lines_that_set_a_variable(void **state)
{
	static const char *const yes[] = { "TOKEN=1", "export TOKEN=1",
		"  export TOKEN=\"x\"", "set -gx TOKEN x", "declare -x TOKEN=1",
		"setenv TOKEN x" };
	static const char *const no[] = { "# TOKEN=1", "MY_TOKEN=1", "TOKENS=1",
		"echo $TOKEN", "export TOKEN", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		if (!crb_shell_line_sets(CRB_SLICE(yes[i]), "TOKEN"))
			fail_msg("no: %s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		if (crb_shell_line_sets(CRB_SLICE(no[i]), "TOKEN"))
			fail_msg("yes: %s", no[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(netrc_is_read_as_its_readers_do),
		cmocka_unit_test(a_macro_is_passed_over_and_holds_its_entry),
		cmocka_unit_test(netrc_errors_show_nothing),
		cmocka_unit_test(git_credentials_are_decoded),
		cmocka_unit_test(a_secret_is_never_taken_for_a_user_name),
		cmocka_unit_test(gh_in_the_form_that_gh_writes),
		cmocka_unit_test(other_yaml_is_refused),
		cmocka_unit_test(npm_settings_are_read),
		cmocka_unit_test(docker_registries_are_read_and_stores_named),
		cmocka_unit_test(aws_keys_are_read_by_profile),
		cmocka_unit_test(aws_roles_take_the_keys_of_their_source),
		cmocka_unit_test(aws_roles_that_cannot_be_used_say_why),
		cmocka_unit_test(aws_keys_are_cut_by_what_they_are),
		cmocka_unit_test(variables_go_to_their_hosts),
		cmocka_unit_test(names_are_valid_and_their_own),
		cmocka_unit_test(more_than_fit_is_an_error),
		cmocka_unit_test(only_the_entry_is_cut),
		cmocka_unit_test(docker_json_stays_json),
		cmocka_unit_test(what_a_macro_belongs_to_is_not_cut),
		cmocka_unit_test(lines_that_set_a_variable),
	};

	crb_json_use_slab();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
