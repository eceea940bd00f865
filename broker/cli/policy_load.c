#include "broker/cli/policy_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "broker/cli/output.h"

void
crb_policy_set_clear(struct crb_policy_set *set)
{
	for (size_t i = 0; i < CRB_TIERS; i++) {
		crb_policy_free(set->policy[i]);
		free(set->path[i]);
	}
	crb_zone_folder_close(set->zones);
	free(set->problem);
	*set = (struct crb_policy_set){ 0 };
}

const struct crb_zones *
crb_policy_set_zones(struct crb_policy_set *set)
{
	if (set->zones == NULL)
		set->zones = crb_zone_folder_open(CRB_ZONE_FOLDER);
	return set->zones != NULL ? crb_zone_folder_zones(set->zones) : NULL;
}

enum crb_status
crb_policy_set_add_text(struct crb_policy_set *set, const char *path,
    const struct crb_buf *text, struct crb_err *err)
{
	CRB_AUTO_POLICY struct crb_policy *policy = NULL;
	const struct crb_policy_about *about;

	if (crb_policy_parse(crb_buf_text(text), text->len, path,
		crb_policy_set_zones(set), &policy, err) != CRB_OK)
		return err->status;
	about = crb_policy_about(policy);
	if (set->policy[about->tier] != NULL)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "%s: a policy of tier %s, and so is %s", path,
		    about->tier_name, set->path[about->tier]);
	if ((set->path[about->tier] = strdup(path)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	set->policy[about->tier] = CRB_STEAL(policy);
	return CRB_OK;
}

enum crb_status
crb_policy_set_add(
    struct crb_policy_set *set, const char *path, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(CRB_POLICY_BYTES_MAX);

	if (crb_io_read_file(path, &text, err) != CRB_OK)
		return err->status;
	return crb_policy_set_add_text(set, path, &text, err);
}

struct crb_tiers
crb_policy_set_tiers(const struct crb_policy_set *set)
{
	return (struct crb_tiers){
		.policy = (const struct crb_policy *const *)set->policy,
		.count = CRB_TIERS,
	};
}

void
crb_policy_set_decide(const struct crb_policy_set *set,
    const struct crb_question *question, struct crb_verdict *out)
{
	struct crb_tiers tiers = crb_policy_set_tiers(set);

	if (crb_policy_run_out(&tiers, question, out))
		return;
	for (size_t i = 0; i < CRB_TIERS; i++) {
		if (set->policy[i] == NULL)
			continue;
		crb_policy_decide(&tiers, question, out);
		crb_policy_closest(&tiers, question, out);
		return;
	}
	*out = (struct crb_verdict){ .effect = CRB_EFFECT_ALLOW };
}

/* In the broker's words. */
void
crb_policy_ask_always(struct crb_verdict *verdict)
{
	if (verdict->effect != CRB_EFFECT_ALLOW)
		return;
	*verdict = (struct crb_verdict){ .effect = CRB_EFFECT_ASK,
		.tier = "session",
		.rule = "ask-always",
		.reason = "everything that this session does is asked for" };
}

enum crb_status
crb_policy_set_cases(struct crb_policy_set *set, const char *path,
    struct crb_cases **out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(CRB_POLICY_BYTES_MAX);

	if (crb_io_read_file(path, &text, err) != CRB_OK)
		return err->status;
	return crb_cases_parse(crb_buf_text(&text), text.len, path,
	    crb_policy_set_zones(set), out, err);
}

enum crb_status
crb_policy_of_cases(
    const char *path, struct crb_policy_set *set, struct crb_err *err)
{
	static const char *const endings[] = { ".test.json", ".cases.json" };
	struct crb_slice name = CRB_SLICE(path);
	char policy[CRB_PATH_MAX];
	int len;

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size_t ending = strlen(endings[i]);

		if (!crb_slice_ends(name, endings[i]) || name.len == ending)
			continue;
		len = snprintf(policy, sizeof(policy), "%.*s.json",
		    (int)(name.len - ending), path);
		if (len < 0 || len >= CRB_PATH_MAX)
			return crb_err_set(
			    err, CRB_ERR_TOO_LARGE, "the path is too long");
		return crb_policy_set_add(set, policy, err);
	}
	return crb_err_set(err, CRB_ERR_USAGE,
	    "%s: of which policy? --policy FILE says so, or the name of the "
	    "cases: acme.test.json is of acme.json",
	    path);
}

enum crb_status
crb_policy_each_file(struct crb_cli *cli, const struct crb_operands *operands,
    crb_policy_file_run *each, const void *ctx, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = json_pack("{s:[]}", "files");
	json_t *files = json_object_get(json, "files");

	for (int i = 0; i < operands->count; i++) {
		if (each(cli, ctx, operands->at[i], files, err) == CRB_OK)
			continue;
		cli->exit = -1;
		return err->status;
	}
	if (cli->common->json)
		crb_output_json(json);
	return CRB_OK;
}
