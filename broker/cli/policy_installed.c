#include "broker/cli/policy_installed.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"

static void
note(json_t *notes, const char *path, const char *text)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(CRB_PATH_MAX + 512);

	crb_buf_printf(&line, "%s%s%s", path != NULL ? path : "",
	    path != NULL ? ": " : "", text);
	(void)json_array_append_new(
	    notes, crb_output_string(crb_buf_text(&line)));
}

void
crb_policy_notes_print(const json_t *notes)
{
	json_t *text;
	size_t i;

	json_array_foreach(notes, i, text)
	{
		fputs("note: ", stderr);
		crb_output_text(stderr, json_string_value(text));
		fputc('\n', stderr);
	}
}

/* "organization.json" in its folder. */
static enum crb_status
place_of(const struct crb_cli *cli, enum crb_policy_tier tier,
    char out[CRB_PATH_MAX], struct crb_err *err)
{
	struct crb_policy_places places;
	char name[32];

	if (crb_config_policy_places(&cli->config, &places, err) != CRB_OK)
		return err->status;
	(void)snprintf(name, sizeof(name), "%s.json", crb_policy_tiers[tier]);
	return crb_path_join(out,
	    tier == CRB_TIER_ORGANIZATION ? places.organization : places.policy,
	    name, err);
}

/* A file of a tier is of that tier. */
static enum crb_status
add_as(struct crb_policy_set *set, enum crb_policy_tier tier, const char *path,
    struct crb_err *err)
{
	if (crb_policy_set_add(set, path, err) != CRB_OK)
		return err->status;
	if (set->policy[tier] == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: not a policy of tier %s", path,
		    crb_policy_tiers[tier]);
	return CRB_OK;
}

/* What would be read, when nobody can say what is in force. */
static enum crb_status
add_usual(struct crb_cli *cli, struct crb_policy_set *set, json_t *notes,
    struct crb_err *err)
{
	char path[CRB_PATH_MAX];

	note(notes, NULL,
	    "no broker answers: these are the files that it would read");
	for (enum crb_policy_tier i = 0; i < CRB_TIERS; i++) {
		if (place_of(cli, i, path, err) != CRB_OK)
			return err->status;
		if (access(path, F_OK) == 0 &&
		    add_as(set, i, path, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

static enum crb_status
hash_file(const char *path, char out[2 * crypto_hash_sha256_BYTES + 1],
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(CRB_POLICY_BYTES_MAX);
	unsigned char hash[crypto_hash_sha256_BYTES];

	if (crb_io_read_file(path, &text, err) != CRB_OK)
		return err->status;
	(void)crypto_hash_sha256(
	    hash, (const unsigned char *)crb_buf_text(&text), text.len);
	(void)sodium_bin2hex(
	    out, 2 * crypto_hash_sha256_BYTES + 1, hash, sizeof(hash));
	return CRB_OK;
}

static enum crb_status
add_shown(struct crb_policy_set *set, enum crb_policy_tier tier,
    const json_t *shown, json_t *notes, struct crb_err *err)
{
	const char *path = crb_member(shown, "path");
	const char *sha256 = crb_member(shown, "sha256");
	const char *problem = crb_member(shown, "problem");
	char hash[2 * crypto_hash_sha256_BYTES + 1];

	if (problem != NULL)
		note(notes, crb_policy_tiers[tier], problem);
	if (path == NULL || sha256 == NULL || sha256[0] == '\0')
		return CRB_OK;
	if (hash_file(path, hash, err) != CRB_OK)
		return err->status;
	if (strcmp(hash, sha256) != 0)
		note(notes, path,
		    "has changed since the broker read it; this is about the "
		    "file, and not about what is in force");
	return add_as(set, tier, path, err);
}

enum crb_status
crb_policy_set_installed(struct crb_cli *cli, struct crb_policy_set *set,
    json_t *notes, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;
	const char *name;
	json_t *shown;
	size_t i;

	if (crb_cli_call(cli, "policy.show", NULL, &result, err) != CRB_OK)
		return err->status == CRB_ERR_UNREACHABLE
		    ? add_usual(cli, set, notes, err)
		    : err->status;
	name = crb_member(result, "problem");
	if (name != NULL) {
		note(notes, "nothing is issued, minted or injected now", name);
		set->problem = strdup(name);
	}
	json_array_foreach(json_object_get(result, "tiers"), i, shown)
	{
		name = crb_member(shown, "tier");
		for (enum crb_policy_tier k = 0; name != NULL && k < CRB_TIERS;
		     k++) {
			if (strcmp(name, crb_policy_tiers[k]) == 0 &&
			    add_shown(set, k, shown, notes, err) != CRB_OK)
				return err->status;
		}
	}
	return CRB_OK;
}

enum crb_status
crb_policy_set_named(struct crb_cli *cli, const struct crb_list *files,
    struct crb_policy_set *set, json_t *notes, struct crb_err *err)
{
	if (files->count == 0)
		return crb_policy_set_installed(cli, set, notes, err);
	for (size_t i = 0; i < files->count; i++) {
		const char *file = files->item[i];
		enum crb_status status = strcmp(file, CRB_POLICY_INSTALLED) == 0
		    ? crb_policy_set_installed(cli, set, notes, err)
		    : crb_policy_set_add(set, file, err);

		if (status != CRB_OK)
			return status;
	}
	return CRB_OK;
}

enum crb_status
crb_policy_set_beside(struct crb_cli *cli, struct crb_policy_set *old,
    struct crb_policy_set *new, json_t *notes, struct crb_err *err)
{
	if (crb_policy_set_installed(cli, old, notes, err) != CRB_OK)
		return err->status;
	for (size_t i = 0; i < CRB_TIERS; i++) {
		if (new->policy[i] == NULL &&
		    old->path[i] !=
			NULL &&crb_policy_set_add(new, old->path[i], err) !=
			CRB_OK)
			return err->status;
	}
	return CRB_OK;
}
