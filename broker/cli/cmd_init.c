#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "broker/cli/command.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_files.h"
#include "broker/cli/secret_input.h"
#include "broker/vault/policy_mark.h"
#include "broker/vault/vault.h"

struct init_options {
	struct crb_common common;
	struct crb_secret_source passphrase;
	const char *key_file;
	const char *organization_key;
};

static const struct crb_option init_options[] = {
	CRB_SECRET_OPTIONS(struct init_options, passphrase),
	{ .name = "key-file",
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct init_options, key_file),
	    .value = "FILE",
	    .help = "unlock with this file, made if missing, instead of a "
		    "passphrase" },
	{ .name = "organization-key",
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct init_options, organization_key),
	    .value = "FILE",
	    .help = "pin this public key: without a policy that it has signed "
		    "nothing is issued" },
	CRB_COMMON_OPTIONS,
};

static enum crb_status
make_state_folder(const char *folder, struct crb_err *err)
{
	if (crb_path_make(folder, err) != CRB_OK)
		return err->status;
	return crb_path_secure(folder, geteuid(), err);
}

/* Whether there is a vault is asked before a passphrase is. */
static enum crb_status
refuse_existing(const char *folder, struct crb_err *err)
{
	char path[CRB_PATH_MAX];

	if (crb_path_join(path, folder, "vault", err) != CRB_OK)
		return err->status;
	if (access(path, F_OK) == 0)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "%s: there is a vault already; nothing was changed", path);
	return CRB_OK;
}

/* Sealed in the vault, where it can be replaced but not removed. */
static enum crb_status
read_pin(const char *path, char **out, struct crb_err *err)
{
	struct crb_policy_mark mark = { .serial = 0 };
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(sizeof(mark.pin) - 1);
	CRB_AUTO_JSON json_t *json = NULL;
	struct crb_public_key key;

	if (path == NULL)
		return CRB_OK;
	if (crb_policy_public_key_read(path, &key, err) != CRB_OK)
		return err->status;
	crb_public_key_line(&key, &line);
	memcpy(mark.pin, crb_buf_text(&line), line.len + 1);
	if ((json = crb_policy_mark_json(&mark)) == NULL ||
	    (*out = crb_json_text(json)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

static void
pin_cleanup(char **text)
{
	crb_json_text_free(*text);
}

/* Nobody could type it when it is asked for. */
static enum crb_status
check_line(const struct crb_secret *passphrase, struct crb_err *err)
{
	if (memchr(crb_secret_bytes(passphrase), '\n',
		crb_secret_len(passphrase)) == NULL)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_INVALID,
	    "the passphrase has more than one line, which no prompt takes; "
	    "nothing was changed");
}

static enum crb_status
init_with_passphrase(const struct init_options *options,
    struct crb_vault_init *init, const char *state, struct crb_err *err)
{
	CRB_AUTO_SECRET struct crb_secret *passphrase = NULL;

	if (crb_secret_input(&options->passphrase,
		"Passphrase for the new vault", true, &passphrase,
		err) != CRB_OK ||
	    check_line(passphrase, err) != CRB_OK ||
	    crb_vault_kdf_tune(&init->cost, err) != CRB_OK)
		return err->status;
	init->passphrase = passphrase;
	return crb_vault_create(state, init, err);
}

static void
print_result(const struct crb_cli *cli, const struct init_options *options)
{
	const char *kind = options->key_file ? "key file" : "passphrase";

	if (cli->common->json) {
		printf("{\"slot\": 1, \"kind\": \"%s\"}\n", kind);
		return;
	}
	printf(
	    "Vault created in %s (key slot 1: %s).\n", cli->config.state, kind);
	if (options->organization_key != NULL) {
		fputs("Pinned: the key in ", stdout);
		crb_output_text(stdout, options->organization_key);
		puts(
		    ". Nothing is issued until a policy that it has signed is\n"
		    "in force: credbroker policy install organization.json");
	}
	if (options->key_file != NULL)
		printf("Next:  credbroker serve --key-file %s\n",
		    options->key_file);
	else
		printf("Next:  credbroker serve, then credbroker unlock\n");
}

static enum crb_status
init_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct init_options *options = opaque;
	const char *state = cli->config.state;
	__attribute__((cleanup(pin_cleanup))) char *pin = NULL;
	struct crb_vault_init init = { .key_file = options->key_file };
	enum crb_status status;

	(void)operands;
	if (make_state_folder(state, err) != CRB_OK ||
	    refuse_existing(state, err) != CRB_OK ||
	    read_pin(options->organization_key, &pin, err) != CRB_OK)
		return err->status;
	init.policy = pin;
	if (options->key_file != NULL)
		status = crb_vault_create(state, &init, err);
	else
		status = init_with_passphrase(options, &init, state, err);
	if (status == CRB_OK)
		print_result(cli, options);
	return status;
}

const struct crb_command crb_command_init = {
	.name = "init",
	.summary = "make the vault",
	.details =
	    "The vault keeps credentials encrypted under a key that your\n"
	    "passphrase (or the key file) unlocks. It is made in the state\n"
	    "folder: ~/.local/state/credbroker, or /var/lib/credbroker for "
	    "root.\n"
	    "\n"
	    "  credbroker init\n"
	    "  credbroker init --key-file /etc/credbroker/key\n"
	    "\n"
	    "With --organization-key (minisign's format) the organization's\n"
	    "policy has to be there and to be signed by that key, or nothing\n"
	    "is issued. The key is sealed in the vault: policy trust puts\n"
	    "another in its place, and nothing takes it away.\n",
	.options = init_options,
	.options_size = sizeof(struct init_options),
	.run = init_run,
};
