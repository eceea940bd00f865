#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/process.h"
#include "broker/cli/command.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_files.h"
#include "broker/cli/policy_load.h"

#define NAME_MAX_SHOWN 255

struct sign_options {
	struct crb_common common;
	struct crb_secret_source passphrase;
	const char *key;
	const char *signature;
	const char *comment;
};

static const struct crb_option sign_options[] = {
	{ .name = "key",
	    .letter = 'k',
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct sign_options, key),
	    .required = true,
	    .value = "FILE",
	    .help = "the secret key" },
	{ .name = "signature",
	    .letter = 'x',
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct sign_options, signature),
	    .value = "FILE",
	    .help = "where the signature goes, if not FILE.minisig" },
	{ .name = "comment",
	    .letter = 'c',
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct sign_options, comment),
	    .value = "TEXT",
	    .help = "the trusted comment: signed, too, and shown by verify" },
	CRB_PASSPHRASE_OPTIONS(struct sign_options, passphrase),
	CRB_COMMON_OPTIONS,
};

/* As minisign has it, and what it can say of the file. */
static void
usual_comment(const char *file, struct crb_buf *out)
{
	const char *slash = strrchr(file, '/');
	const char *name = slash != NULL ? slash + 1 : file;

	crb_buf_printf(
	    out, "timestamp:%lld\tfile:", (long long)crb_wall_seconds());
	crb_text_escape(out, name, strlen(name), NAME_MAX_SHOWN / 4);
	crb_buf_str(out, "\thashed");
}

/* A signature gives way to another; a key, or the policy, never does. */
static enum crb_status
check_replaced(
    const void *ctx, int folder, const char *name, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(
	    CRB_SIGNATURE_FILE_MAX);
	CRB_AUTO_FD int fd = -1;
	struct crb_signature signature;
	struct crb_err ignored;

	(void)ctx;
	fd = openat(folder, name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 && errno == ENOENT)
		return CRB_OK;
	if (fd == -1 ||
	    crb_io_read_all(fd, &text, CRB_FOREVER, &ignored) != CRB_OK ||
	    crb_signature_parse(text.data, text.len, &signature, &ignored) !=
		CRB_OK)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "exists already, and is no signature; nothing was changed");
	return CRB_OK;
}

static enum crb_status
write_signature(
    const char *path, const struct crb_buf *text, struct crb_err *err)
{
	const struct crb_io_replacement file = { .bytes = text->data,
		.len = text->len,
		.mode = 0644,
		.group = (gid_t)-1,
		.check = check_replaced };

	return crb_io_replace_file(path, &file, err);
}

static enum crb_status
print_signed(const struct crb_cli *cli, const char *file, const char *signature,
    const struct crb_signing_key *key, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = NULL;
	struct crb_public_key public;
	char id[CRB_KEY_ID_TEXT];

	crb_signing_key_public(key, &public);
	crb_key_id_text(public.id, id);
	if (!cli->common->json) {
		printf("Signed with key %s: ", id);
		crb_output_text(stdout, signature);
		fputs("\nNext:  credbroker policy install ", stdout);
		crb_output_text(stdout, file);
		putchar('\n');
		return CRB_OK;
	}
	json = json_pack("{s:o, s:o, s:s}", "file", crb_output_string(file),
	    "signature", crb_output_string(signature), "key_id", id);
	if (json == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_output_json(json);
	return CRB_OK;
}

/* What no broker would read is not worth a signature. */
static enum crb_status
read_policy(const char *file, struct crb_buf *content, struct crb_err *err)
{
	CRB_AUTO_POLICY_SET struct crb_policy_set set = { 0 };

	if (crb_io_read_file(file, content, err) != CRB_OK)
		return err->status;
	return crb_policy_set_add_text(&set, file, content, err);
}

static enum crb_status
sign_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct sign_options *options = opaque;
	const char *file = operands->at[0];
	CRB_AUTO_SIGNING_KEY struct crb_signing_key *key = NULL;
	CRB_AUTO_BUF struct crb_buf content = CRB_BUF_INIT(
	    CRB_SIGNED_BYTES_MAX);
	CRB_AUTO_BUF struct crb_buf comment = CRB_BUF_INIT(
	    CRB_SIGNING_COMMENT_MAX);
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(CRB_SIGNATURE_FILE_MAX);
	char path[CRB_PATH_MAX];

	usual_comment(file, &comment);
	if (crb_policy_signature_path(path, file, options->signature, err) !=
		CRB_OK ||
	    read_policy(file, &content, err) != CRB_OK ||
	    crb_policy_signing_key_read(
		options->key, &options->passphrase, &key, err) != CRB_OK ||
	    crb_signing_key_sign(key,
		(struct crb_slice){ content.data, content.len },
		options->comment != NULL ? options->comment
					 : crb_buf_text(&comment),
		&text, err) != CRB_OK ||
	    write_signature(path, &text, err) != CRB_OK)
		return err->status;
	return print_signed(cli, file, path, key, err);
}

const struct crb_command crb_command_policy_sign = {
	.name = "policy sign",
	.operands = "FILE",
	.least = 1,
	.most = 1,
	.no_config = true,
	.summary = "sign a policy with a secret key",
	.details =
	    "The signature goes into FILE.minisig. minisign -V verifies it;\n"
	    "policy verify verifies what minisign -S has signed. What is no\n"
	    "policy is not signed.\n"
	    "\n"
	    "  credbroker policy sign organization.json --key acme.key\n",
	.options = sign_options,
	.options_size = sizeof(struct sign_options),
	.run = sign_run,
};
