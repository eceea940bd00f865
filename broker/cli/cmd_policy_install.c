#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/process.h"
#include "base/text.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_files.h"
#include "broker/cli/policy_load.h"
#include "broker/cli/policy_place.h"

#define SHA256_TEXT (2 * crypto_hash_sha256_BYTES + 1)

struct install_options {
	struct crb_common common;
	const char *signature;
};

static const struct crb_option install_options[] = {
	{ .name = "signature",
	    .letter = 'x',
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct install_options, signature),
	    .value = "FILE",
	    .help = "the signature, if not FILE.minisig" },
	CRB_COMMON_OPTIONS,
};

/* What is to be in force. */
struct installing {
	struct crb_cli *cli;
	const char *file;
	struct crb_buf content, signature;
	bool is_signed;
	char sha256[SHA256_TEXT];
	struct crb_policy_set set;
	const struct crb_policy_about *about;
	struct crb_placed policy_file, signature_file;
};

static void
installing_clear(struct installing *installing)
{
	crb_buf_clear(&installing->content);
	crb_buf_clear(&installing->signature);
	crb_policy_set_clear(&installing->set);
	crb_placed_clear(&installing->policy_file);
	crb_placed_clear(&installing->signature_file);
}
#define AUTO_INSTALLING __attribute__((cleanup(installing_clear)))

/* Read once: what is checked is what is put in place. */
static enum crb_status
read_files(
    struct installing *installing, const char *signature, struct crb_err *err)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	char path[CRB_PATH_MAX];
	enum crb_status status;

	if (crb_io_read_file(installing->file, &installing->content, err) !=
		CRB_OK ||
	    crb_policy_signature_path(path, installing->file, signature, err) !=
		CRB_OK)
		return err->status;
	(void)crypto_hash_sha256(hash,
	    (const unsigned char *)crb_buf_text(&installing->content),
	    installing->content.len);
	(void)sodium_bin2hex(
	    installing->sha256, SHA256_TEXT, hash, sizeof(hash));
	status = crb_io_read_file(path, &installing->signature, err);
	installing->is_signed = status == CRB_OK;
	return status == CRB_ERR_NOT_FOUND && signature == NULL ? CRB_OK
								: status;
}

static enum crb_status
check_document(struct installing *installing, struct crb_err *err)
{
	char text[CRB_TIME_TEXT];

	if (crb_policy_set_add_text(&installing->set, installing->file,
		&installing->content, err) != CRB_OK)
		return err->status;
	for (size_t i = 0; i < CRB_TIERS; i++) {
		if (installing->set.policy[i] != NULL)
			installing->about = crb_policy_about(
			    installing->set.policy[i]);
	}
	if (installing->about->expires > crb_wall_seconds())
		return CRB_OK;
	crb_text_time(installing->about->expires, text);
	return crb_err_set(err, CRB_ERR_DENIED, "%s: it ran out at %s",
	    installing->file, text);
}

static enum crb_status
check_serial(const struct installing *installing, const json_t *seen,
    struct crb_err *err)
{
	long long serial = crb_member_number(seen, "serial");
	const char *sha256 = crb_member(seen, "sha256");

	if (installing->about->serial < serial)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "%s: its serial %lld is lower than %lld, which was in "
		    "force; give it a higher one, and sign it again",
		    installing->file, (long long)installing->about->serial,
		    serial);
	if (installing->about->serial == serial && sha256 != NULL &&
	    strcmp(sha256, installing->sha256) != 0)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "%s: another content with its serial %lld was in force; "
		    "give it a higher one, and sign it again",
		    installing->file, serial);
	return CRB_OK;
}

/* What the broker would refuse is said before anything is touched. */
static enum crb_status
check_signature(const struct installing *installing, const json_t *shown,
    struct crb_err *err)
{
	const json_t *pin = json_object_get(shown, "pin");
	const char *line = crb_member(pin, "public_key");
	struct crb_signature signature;
	struct crb_public_key key;

	if (installing->about->tier != CRB_TIER_ORGANIZATION || line == NULL)
		return CRB_OK;
	if (!installing->is_signed)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "%s: not signed, and an organization's key is pinned. See: "
		    "credbroker policy sign --help",
		    installing->file);
	if (crb_public_key_parse(line, strlen(line), &key, err) != CRB_OK)
		return crb_err_context(err, "the pinned key");
	if (crb_signature_parse(crb_buf_text(&installing->signature),
		installing->signature.len, &signature, err) != CRB_OK ||
	    crb_signature_verify(&signature, &key,
		crb_buf_text(&installing->content), installing->content.len,
		err) != CRB_OK)
		return crb_err_context(
		    err, "%s: its signature", installing->file);
	return check_serial(installing, json_object_get(shown, "seen"), err);
}

static const json_t *
tier_of(const json_t *shown, const struct installing *installing)
{
	const json_t *tier;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(shown, "tiers"), i, tier)
	{
		name = crb_member(tier, "tier");
		if (name != NULL &&
		    strcmp(name, installing->about->tier_name) == 0)
			return tier;
	}
	return NULL;
}

/* The signature first: until both are there, the broker takes neither. */
static enum crb_status
put(struct installing *installing, const char *path, struct crb_err *err)
{
	char signature[CRB_PATH_MAX];

	if (crb_policy_signature_path(signature, path, NULL, err) != CRB_OK)
		return err->status;
	if (installing->about->tier == CRB_TIER_ORGANIZATION &&
	    crb_placed_put(&installing->signature_file, signature,
		installing->is_signed ? &installing->signature : NULL,
		err) != CRB_OK)
		return err->status;
	return crb_placed_put(
	    &installing->policy_file, path, &installing->content, err);
}

static bool
is_in_force(const struct installing *installing, const json_t *shown)
{
	const json_t *tier = tier_of(shown, installing);
	const char *state = crb_member(tier, "state");
	const char *sha256 = crb_member(tier, "sha256");

	return state != NULL && strcmp(state, "in force") == 0 &&
	    sha256 != NULL && strcmp(sha256, installing->sha256) == 0 &&
	    crb_member(tier, "problem") == NULL;
}

/* Reading fails, too, where another tier is not as it should be. */
static enum crb_status
reload(struct installing *installing, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *shown = NULL;
	CRB_AUTO_JSON json_t *again = NULL;
	struct crb_err ignored;
	enum crb_status status;

	status = crb_cli_call(
	    installing->cli, "policy.reload", NULL, &shown, err);
	if (status == CRB_OK && is_in_force(installing, shown))
		return CRB_OK;
	if (status == CRB_OK)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "another policy of its tier is in force");
	if (crb_cli_call(installing->cli, "policy.show", NULL, &again,
		&ignored) != CRB_OK ||
	    !is_in_force(installing, again)) {
		/* It is the policy that is refused, not the request. */
		if (status == CRB_ERR_INVALID)
			err->status = CRB_ERR_DENIED;
		return err->status;
	}
	fputs("note: ", stderr);
	crb_output_text(stderr, err->msg);
	fputc('\n', stderr);
	return CRB_OK;
}

/* What stood there stands there again, and is read again. */
static enum crb_status
put_back(struct installing *installing, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *shown = NULL;
	struct crb_err why = { .status = CRB_OK };

	if (crb_placed_undo(&installing->policy_file, &why) != CRB_OK ||
	    crb_placed_undo(&installing->signature_file, &why) != CRB_OK)
		return crb_err_context(err,
		    "the former file could not be put back (%.200s)", why.msg);
	/* Where it cannot be read, what was in force still is. */
	if (crb_cli_call(installing->cli, "policy.reload", NULL, &shown,
		&why) == CRB_ERR_UNREACHABLE)
		return crb_err_context(err,
		    "not installed; the former file is back, and the broker "
		    "does not answer");
	return crb_err_context(err, "not installed, the former file is back");
}

static size_t
live_sessions(struct crb_cli *cli)
{
	CRB_AUTO_JSON json_t *result = NULL;
	struct crb_err ignored;

	if (crb_cli_call(cli, "session.list", NULL, &result, &ignored) !=
	    CRB_OK)
		return 0;
	return json_array_size(json_object_get(result, "sessions"));
}

static enum crb_status
tell(const struct installing *installing, long long was, const char *path,
    struct crb_err *err)
{
	const struct crb_policy_about *about = installing->about;
	size_t sessions = live_sessions(installing->cli);
	CRB_AUTO_JSON json_t *json = NULL;

	if (!installing->cli->common->json) {
		printf("Installed %s policy ", about->tier_name);
		if (about->serial > 0)
			printf("serial %lld", (long long)about->serial);
		else
			fputs(about->name, stdout);
		if (was > 0 && about->serial > 0)
			printf(" (was %lld)", was);
		printf(", in force for %zu live session%s.\n", sessions,
		    sessions == 1 ? "" : "s");
		return CRB_OK;
	}
	json = json_pack("{s:s, s:s, s:I, s:I, s:o, s:s, s:I}", "tier",
	    about->tier_name, "name", about->name, "serial",
	    (json_int_t)about->serial, "was", (json_int_t)was, "path",
	    crb_output_string(path), "sha256", installing->sha256, "sessions",
	    (json_int_t)sessions);
	if (json == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_output_json(json);
	return CRB_OK;
}

static enum crb_status
install_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct install_options *options = opaque;
	AUTO_INSTALLING struct installing installing = { .cli = cli,
		.file = operands->at[0],
		.content = CRB_BUF_INIT(CRB_POLICY_BYTES_MAX),
		.signature = CRB_BUF_INIT(CRB_SIGNATURE_FILE_MAX) };
	CRB_AUTO_JSON json_t *shown = NULL;
	const char *path;

	if (read_files(&installing, options->signature, err) != CRB_OK ||
	    check_document(&installing, err) != CRB_OK ||
	    crb_cli_call(cli, "policy.show", NULL, &shown, err) != CRB_OK ||
	    check_signature(&installing, shown, err) != CRB_OK)
		return err->status;
	path = crb_member(tier_of(shown, &installing), "path");
	if (path == NULL)
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "the broker does not say where its policies are");
	if (put(&installing, path, err) != CRB_OK ||
	    reload(&installing, err) != CRB_OK)
		return put_back(&installing, err);
	return tell(&installing,
	    crb_member_number(tier_of(shown, &installing), "serial"), path,
	    err);
}

const struct crb_command crb_command_policy_install = {
	.name = "policy install",
	.operands = "FILE",
	.least = 1,
	.most = 1,
	.summary = "put a policy in force",
	.details =
	    "The file goes where the broker reads policies of its tier, with\n"
	    "its signature, and is in force when this is done. What the broker\n"
	    "would refuse is refused before; when it does not take it all the\n"
	    "same, the former files are put back.\n"
	    "\n"
	    "  credbroker policy install organization.json\n",
	.options = install_options,
	.options_size = sizeof(struct install_options),
	.run = install_run,
};
