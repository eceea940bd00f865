#include <stdio.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "broker/cli/command.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_files.h"

struct verify_options {
	struct crb_common common;
	const char *public_key;
	const char *signature;
};

static const struct crb_option verify_options[] = {
	{ .name = "public-key",
	    .letter = 'p',
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct verify_options, public_key),
	    .required = true,
	    .value = "FILE",
	    .help = "the public key of whoever must have signed" },
	{ .name = "signature",
	    .letter = 'x',
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct verify_options, signature),
	    .value = "FILE",
	    .help = "the signature, if not FILE.minisig" },
	CRB_COMMON_OPTIONS,
};

/* The trusted comment, its tabs as they are. */
static void
print_comment(struct crb_slice comment)
{
	struct crb_slice piece;
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(
	    4 * CRB_SIGNATURE_FILE_MAX);

	while (crb_slice_cut(&comment, '\t', &piece)) {
		if (shown.len > 0)
			crb_buf_str(&shown, "  ");
		crb_text_escape(&shown, piece.p, piece.len, piece.len);
	}
	printf("%-12s %s\n", "comment", crb_buf_text(&shown));
}

static enum crb_status
print_verified(const struct crb_cli *cli, const char *file,
    const struct crb_signature *signature, struct crb_err *err)
{
	CRB_AUTO_FREE char *comment = crb_slice_dup(signature->comment);
	CRB_AUTO_JSON json_t *json = NULL;
	char id[CRB_KEY_ID_TEXT];

	crb_key_id_text(signature->id, id);
	if (comment == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (!cli->common->json) {
		crb_output_text(stdout, file);
		printf(": signed with key %s\n", id);
		print_comment(signature->comment);
		return CRB_OK;
	}
	json = json_pack("{s:b, s:o, s:s, s:o, s:b}", "verified", 1, "file",
	    crb_output_string(file), "key_id", id, "trusted_comment",
	    crb_output_string(comment), "prehashed", signature->prehashed);
	if (json == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_output_json(json);
	return CRB_OK;
}

static enum crb_status
read_signature(const char *path, struct crb_buf *text,
    struct crb_signature *out, struct crb_err *err)
{
	if (crb_io_read_file(path, text, err) != CRB_OK)
		return err->status;
	if (crb_signature_parse(text->data, text->len, out, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	return CRB_OK;
}

static enum crb_status
verify_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct verify_options *options = opaque;
	const char *file = operands->at[0];
	CRB_AUTO_BUF struct crb_buf content = CRB_BUF_INIT(
	    CRB_SIGNED_BYTES_MAX);
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(
	    CRB_SIGNATURE_FILE_MAX);
	struct crb_signature signature;
	struct crb_public_key key;
	char path[CRB_PATH_MAX];

	if (crb_policy_signature_path(path, file, options->signature, err) !=
		CRB_OK ||
	    crb_policy_public_key_read(options->public_key, &key, err) !=
		CRB_OK ||
	    crb_io_read_file(file, &content, err) != CRB_OK ||
	    read_signature(path, &text, &signature, err) != CRB_OK)
		return err->status;
	if (crb_signature_verify(
		&signature, &key, content.data, content.len, err) != CRB_OK)
		return crb_err_context(err, "%s", file);
	return print_verified(cli, file, &signature, err);
}

const struct crb_command crb_command_policy_verify = {
	.name = "policy verify",
	.operands = "FILE",
	.least = 1,
	.most = 1,
	.no_config = true,
	.summary = "check who signed a policy",
	.details =
	    "Exit status 0 only when the key signed this content and this\n"
	    "trusted comment; 1 when it did not.\n"
	    "\n"
	    "  credbroker policy verify organization.json --public-key "
	    "acme.pub\n",
	.options = verify_options,
	.options_size = sizeof(struct verify_options),
	.run = verify_run,
};
