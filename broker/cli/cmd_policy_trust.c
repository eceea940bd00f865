#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "broker/cli/client.h"
#include "broker/cli/credential_ask.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_files.h"
#include "policy/document.h"

struct trust_options {
	struct crb_common common;
	const char *replaces;
	bool yes;
};

static const struct crb_option trust_options[] = {
	{ .name = "replaces",
	    .letter = 'r',
	    .type = CRB_OPTION_TEXT,
	    .offset = offsetof(struct trust_options, replaces),
	    .value = "KEYID",
	    .help = "the key that is sealed now, by its id" },
	{ .name = "yes",
	    .letter = 'y',
	    .type = CRB_OPTION_FLAG,
	    .offset = offsetof(struct trust_options, yes),
	    .help = "do not ask" },
	CRB_COMMON_OPTIONS,
};

/* The key, and what stands where the broker looks. */
struct trusting {
	struct crb_cli *cli;
	struct crb_public_key key;
	char id[CRB_KEY_ID_TEXT];
	json_t *shown;      /* policy.show; owned */
	const char *sealed; /* the id of the one in the vault, or NULL */
	const char *path;   /* of organization.json */
};

static void
trusting_clear(struct trusting *trusting)
{
	json_decref(trusting->shown);
}
#define AUTO_TRUSTING __attribute__((cleanup(trusting_clear)))

static const json_t *
organization_of(const json_t *shown)
{
	const json_t *tier;
	size_t i;

	json_array_foreach(json_object_get(shown, "tiers"), i, tier)
	{
		const char *name = crb_member(tier, "tier");

		if (name != NULL &&
		    strcmp(name, crb_policy_tiers[CRB_TIER_ORGANIZATION]) == 0)
			return tier;
	}
	return NULL;
}

static enum crb_status
look(struct trusting *trusting, struct crb_err *err)
{
	const json_t *pin;
	const char *from;

	if (crb_cli_call(trusting->cli, "policy.show", NULL, &trusting->shown,
		err) != CRB_OK)
		return err->status;
	pin = json_object_get(trusting->shown, "pin");
	from = crb_member(pin, "from");
	if (from != NULL && strcmp(from, "file") != 0)
		trusting->sealed = crb_member(pin, "key");
	trusting->path = crb_member(organization_of(trusting->shown), "path");
	if (trusting->path == NULL)
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "the broker does not say where its policies are");
	return CRB_OK;
}

/* The broker says the same; here it is known how to name it. */
static enum crb_status
check_named(
    const struct trusting *trusting, const char *replaces, struct crb_err *err)
{
	if (trusting->sealed != NULL && replaces == NULL &&
	    strcmp(trusting->sealed, trusting->id) != 0)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "key %s is sealed in the vault; to put %s in its place: "
		    "--replaces %s",
		    trusting->sealed, trusting->id, trusting->sealed);
	return CRB_OK;
}

/* The policy that is there was signed by the key. */
static enum crb_status
check_policy(const struct trusting *trusting, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf content = CRB_BUF_INIT(
	    CRB_POLICY_BYTES_MAX);
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(CRB_SIGNATURE_FILE_MAX);
	struct crb_signature signature;
	char path[CRB_PATH_MAX];

	if (crb_policy_signature_path(path, trusting->path, NULL, err) !=
		CRB_OK ||
	    crb_io_read_file(trusting->path, &content, err) != CRB_OK ||
	    crb_io_read_file(path, &text, err) != CRB_OK ||
	    crb_signature_parse(
		crb_buf_text(&text), text.len, &signature, err) != CRB_OK)
		return err->status;
	return crb_signature_verify(&signature, &trusting->key,
	    crb_buf_text(&content), content.len, err);
}

/* Beside the policy: "organization.pub". */
static bool
another_in_file(const struct trusting *trusting, char path[CRB_PATH_MAX])
{
	size_t len = strlen(trusting->path) - strlen(".json");
	struct crb_public_key key;
	struct crb_err ignored;

	(void)snprintf(
	    path, CRB_PATH_MAX, "%.*s.pub", (int)len, trusting->path);
	return crb_policy_public_key_read(path, &key, &ignored) == CRB_OK &&
	    !crb_public_key_same(&key, &trusting->key);
}

static void
print_prospect(const struct trusting *trusting)
{
	char path[CRB_PATH_MAX];
	struct crb_err why;

	if (trusting->sealed != NULL)
		printf("Key %s is to replace key %s, which is sealed in the "
		       "vault.\n",
		    trusting->id, trusting->sealed);
	else
		printf("Key %s is to be sealed in the vault. It can be "
		       "replaced, but not removed.\n",
		    trusting->id);
	crb_output_text(stdout, trusting->path);
	if (check_policy(trusting, &why) == CRB_OK)
		puts(": signed by it.");
	else
		puts(": not there, or not signed by it. Until one is, nothing "
		     "is issued,\nminted or injected.");
	if (!another_in_file(trusting, path))
		return;
	crb_output_text(stdout, path);
	puts(": another key. While the two differ nothing is issued, minted\n"
	     "or injected.");
}

static enum crb_status
confirm(const struct trusting *trusting, const struct trust_options *options,
    struct crb_err *err)
{
	if (options->yes)
		return CRB_OK;
	if (options->common.json || !crb_can_ask())
		return crb_err_set(err, CRB_ERR_USAGE,
		    "policy trust: without a terminal to ask on, --yes says "
		    "that it is meant");
	print_prospect(trusting);
	if (crb_ask_yes("Go on?"))
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_USAGE, "nothing was changed");
}

static void
print_trusted(const struct trusting *trusting, const json_t *result)
{
	const char *problem = crb_member(result, "problem");
	const json_t *tier = organization_of(result);

	printf("Trusted: key %s, sealed in the vault", trusting->id);
	if (trusting->sealed != NULL)
		printf(" in place of %s", trusting->sealed);
	puts(".");
	if (json_is_true(json_object_get(result, "ready"))) {
		printf("In force: %s policy serial %lld, signed by it.\n",
		    crb_policy_tiers[CRB_TIER_ORGANIZATION],
		    crb_member_number(tier, "serial"));
		return;
	}
	fflush(stdout);
	fputs("Nothing is issued, minted or injected now: ", stderr);
	crb_output_text(stderr, problem != NULL ? problem : "-");
	fputs("\nTo end that, put a policy in force that this key has "
	      "signed:\n  credbroker policy install organization.json\n",
	    stderr);
}

static enum crb_status
print(struct trusting *trusting, const json_t *result, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = NULL;
	const json_t *tier = organization_of(result);

	if (!trusting->cli->common->json) {
		print_trusted(trusting, result);
		return CRB_OK;
	}
	json = json_pack("{s:s, s:s?, s:O, s:s?, s:s?, s:I}", "key",
	    trusting->id, "replaced", trusting->sealed, "ready",
	    json_object_get(result, "ready"), "problem",
	    crb_member(result, "problem"), "state", crb_member(tier, "state"),
	    "serial", (json_int_t)crb_member_number(tier, "serial"));
	if (json == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_output_json(json);
	return CRB_OK;
}

static enum crb_status
trust_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct trust_options *options = opaque;
	AUTO_TRUSTING struct trusting trusting = { .cli = cli };
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(CRB_SIGNATURE_FILE_MAX);
	CRB_AUTO_JSON json_t *result = NULL;

	if (crb_policy_public_key_read(operands->at[0], &trusting.key, err) !=
	    CRB_OK)
		return err->status;
	crb_key_id_text(trusting.key.id, trusting.id);
	crb_public_key_line(&trusting.key, &line);
	if (look(&trusting, err) != CRB_OK ||
	    check_named(&trusting, options->replaces, err) != CRB_OK ||
	    confirm(&trusting, options, err) != CRB_OK ||
	    crb_cli_call(cli, "policy.trust",
		json_pack("{s:s, s:s*}", "key", crb_buf_text(&line), "replaces",
		    options->replaces),
		&result, err) != CRB_OK)
		return err->status;
	return print(&trusting, result, err);
}

const struct crb_command crb_command_policy_trust = {
	.name = "policy trust",
	.operands = "FILE",
	.least = 1,
	.most = 1,
	.summary = "seal another organization's key in the vault",
	.details =
	    "From then on the organization's policy has to be signed by this\n"
	    "key, or nothing is issued. One that is in its place already, with\n"
	    "no lower serial, is in force when this is done.\n"
	    "\n"
	    "  credbroker policy trust acme-2027.pub --replaces "
	    "5153CA215988AE0F\n",
	.options = trust_options,
	.options_size = sizeof(struct trust_options),
	.run = trust_run,
};
