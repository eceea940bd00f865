#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"
#include "broker/cli/secret_input.h"

struct unlock_options {
	struct crb_common common;
	struct crb_secret_source passphrase;
	const char *key_file;
};

static const struct crb_option unlock_options[] = {
	CRB_SECRET_OPTIONS(struct unlock_options, passphrase),
	{ .name = "key-file",
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct unlock_options, key_file),
	    .value = "FILE",
	    .help = "with this key file, not a passphrase" },
	CRB_COMMON_OPTIONS,
};

static enum crb_status
passphrase_params(
    const struct unlock_options *options, json_t **params, struct crb_err *err)
{
	CRB_AUTO_SECRET struct crb_secret *passphrase = NULL;

	if (crb_secret_input(&options->passphrase, "Passphrase", false,
		&passphrase, err) != CRB_OK)
		return err->status;
	*params = json_pack("{s:s%}", "passphrase",
	    crb_secret_bytes(passphrase), crb_secret_len(passphrase));
	if (*params == NULL)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the passphrase is not UTF-8 text");
	return CRB_OK;
}

static enum crb_status
key_file_params(const char *file, json_t **params, struct crb_err *err)
{
	char *path = realpath(file, NULL);

	if (path == NULL)
		return crb_err_errno(err, "%s", file);
	*params = json_pack("{s:s}", "key_file", path);
	free(path);
	return *params != NULL ? CRB_OK
			       : crb_err_set(err, CRB_ERR_NOMEM, "request");
}

static enum crb_status
unlock_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct unlock_options *options = opaque;
	CRB_AUTO_JSON json_t *result = NULL;
	json_t *params = NULL;
	enum crb_status status;

	(void)operands;
	status = options->key_file != NULL
	    ? key_file_params(options->key_file, &params, err)
	    : passphrase_params(options, &params, err);
	if (status != CRB_OK ||
	    crb_cli_call(cli, "unlock", params, &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		printf("Unlocked with key slot %lld.\n",
		    crb_member_number(result, "slot"));
	return CRB_OK;
}

const struct crb_command crb_command_unlock = {
	.name = "unlock",
	.summary = "open the vault of the running broker",
	.details =
	    "Asks for the passphrase; a wrong one costs about a second.\n",
	.options = unlock_options,
	.options_size = sizeof(struct unlock_options),
	.run = unlock_run,
};

static const struct crb_option lock_options[] = { CRB_COMMON_OPTIONS };

static enum crb_status
lock_run(struct crb_cli *cli, const void *options,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;

	(void)options;
	(void)operands;
	if (crb_cli_call(cli, "lock", NULL, &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		puts("Locked. Nothing is served until: credbroker unlock");
	return CRB_OK;
}

const struct crb_command crb_command_lock = {
	.name = "lock",
	.summary = "forget the keys; sessions wait until the next unlock",
	.options = lock_options,
	.options_size = sizeof(struct crb_common),
	.run = lock_run,
};
