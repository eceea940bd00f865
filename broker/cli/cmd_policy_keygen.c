#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "broker/cli/command.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_files.h"

struct keygen_options {
	struct crb_common common;
	struct crb_secret_source passphrase;
	const char *public_key;
	bool unencrypted;
};

static const struct crb_option keygen_options[] = {
	{ .name = "public-key",
	    .letter = 'p',
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct keygen_options, public_key),
	    .value = "FILE",
	    .help = "where the public key goes, if not beside the secret one" },
	{ .name = "unencrypted",
	    .type = CRB_OPTION_FLAG,
	    .offset = offsetof(struct keygen_options, unencrypted),
	    .help = "no passphrase: whoever reads the file can sign" },
	CRB_PASSPHRASE_OPTIONS(struct keygen_options, passphrase),
	CRB_COMMON_OPTIONS,
};

/* "acme.key" has its public half in "acme.pub". */
static enum crb_status
public_path(char out[CRB_PATH_MAX], const char *secret, const char *given,
    struct crb_err *err)
{
	size_t len = strlen(secret);
	int need;

	if (len > 4 && strcmp(secret + len - 4, ".key") == 0)
		len -= 4;
	need = given != NULL
	    ? snprintf(out, CRB_PATH_MAX, "%s", given)
	    : snprintf(out, CRB_PATH_MAX, "%.*s.pub", (int)len, secret);
	if (need < 0 || need >= CRB_PATH_MAX)
		return crb_err_set(
		    err, CRB_ERR_TOO_LARGE, "the path is too long");
	return CRB_OK;
}

/* Asked before a passphrase is; writing asks again, and for good. */
static enum crb_status
refuse_existing(const char *path, struct crb_err *err)
{
	if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "%s: exists already; nothing was changed", path);
	return CRB_OK;
}

static enum crb_status
write_fresh(const char *path, const struct crb_buf *text, mode_t mode,
    struct crb_err *err)
{
	const struct crb_io_replacement file = { .bytes = text->data,
		.len = text->len,
		.mode = mode,
		.group = (gid_t)-1,
		.fresh = true };

	return crb_io_replace_file(path, &file, err);
}

static enum crb_status
write_pair(const struct crb_signing_key *key,
    const struct crb_secret *passphrase, const char *secret_path,
    const char *public_path, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf secret = CRB_BUF_INIT_WIPED(
	    CRB_SIGNATURE_FILE_MAX);
	CRB_AUTO_BUF struct crb_buf public = CRB_BUF_INIT(
	    CRB_SIGNATURE_FILE_MAX);
	struct crb_public_key half;

	crb_signing_key_public(key, &half);
	crb_public_key_file(&half, &public);
	if (crb_buf_check(&public, "the public key", err) != CRB_OK ||
	    crb_signing_key_file(
		key, passphrase, &crb_scrypt_usual, &secret, err) != CRB_OK ||
	    write_fresh(secret_path, &secret, 0600, err) != CRB_OK)
		return err->status;
	if (write_fresh(public_path, &public, 0644, err) != CRB_OK) {
		(void)unlink(secret_path);
		return err->status;
	}
	return CRB_OK;
}

static enum crb_status
print_json(const char *secret_path, const char *public_path, const char *id,
    const char *line, bool encrypted, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = json_pack("{s:s, s:o, s:o, s:s, s:b}",
	    "key_id", id, "secret_key", crb_output_string(secret_path),
	    "public_key_file", crb_output_string(public_path), "public_key",
	    line, "encrypted", encrypted);

	if (json == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_output_json(json);
	return CRB_OK;
}

static enum crb_status
print_pair(const struct crb_cli *cli, const struct crb_signing_key *key,
    const char *secret_path, const char *public_path, bool encrypted,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(CRB_SIGNATURE_FILE_MAX);
	struct crb_public_key public;
	char id[CRB_KEY_ID_TEXT];

	crb_signing_key_public(key, &public);
	crb_key_id_text(public.id, id);
	crb_public_key_line(&public, &line);
	if (cli->common->json)
		return print_json(secret_path, public_path, id,
		    crb_buf_text(&line), encrypted, err);
	printf("Key %s made.\n", id);
	crb_output_pair("secret key", secret_path);
	crb_output_pair("public key", public_path);
	crb_output_pair("", crb_buf_text(&line));
	if (!encrypted)
		puts("The secret key is not encrypted: whoever reads the file "
		     "can sign.");
	printf("Next:  credbroker policy sign POLICY --key ");
	crb_output_text(stdout, secret_path);
	putchar('\n');
	return CRB_OK;
}

static enum crb_status
ask_passphrase(const struct keygen_options *options, struct crb_secret **out,
    struct crb_err *err)
{
	const struct crb_secret_source *source = &options->passphrase;

	if (!options->unencrypted)
		return crb_secret_input(
		    source, "Passphrase for the new key", true, out, err);
	if (source->file != NULL || source->fd != -1)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "--unencrypted takes no passphrase");
	return CRB_OK;
}

static enum crb_status
keygen_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct keygen_options *options = opaque;
	const char *secret_path = operands->at[0];
	CRB_AUTO_SIGNING_KEY struct crb_signing_key *key = NULL;
	CRB_AUTO_SECRET struct crb_secret *passphrase = NULL;
	char public[CRB_PATH_MAX];

	if (public_path(public, secret_path, options->public_key, err) !=
		CRB_OK ||
	    refuse_existing(secret_path, err) != CRB_OK ||
	    refuse_existing(public, err) != CRB_OK ||
	    ask_passphrase(options, &passphrase, err) != CRB_OK ||
	    crb_signing_key_new(&key, err) != CRB_OK ||
	    write_pair(key, passphrase, secret_path, public, err) != CRB_OK)
		return err->status;
	return print_pair(
	    cli, key, secret_path, public, !options->unencrypted, err);
}

const struct crb_command crb_command_policy_keygen = {
	.name = "policy keygen",
	.operands = "FILE",
	.least = 1,
	.most = 1,
	.no_config = true,
	.summary = "make a key pair that policies are signed with",
	.details =
	    "The secret key goes into FILE, encrypted with a passphrase; the\n"
	    "public key beside it, where .key is .pub. Files that are there\n"
	    "are never overwritten. They are minisign's, which can use them;\n"
	    "as with it, the passphrase costs seconds and 1 GiB of memory.\n"
	    "\n"
	    "  credbroker policy keygen acme.key\n",
	.options = keygen_options,
	.options_size = sizeof(struct keygen_options),
	.run = keygen_run,
};
