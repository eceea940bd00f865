#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"

#define DELIVERY_MAX 64

struct show_options {
	struct crb_common common;
};

static const struct crb_option show_options[] = { CRB_COMMON_OPTIONS };

static void
join_delivery(const json_t *credential, char out[DELIVERY_MAX])
{
	size_t i, len = 0;
	json_t *way;

	out[0] = '\0';
	json_array_foreach(json_object_get(credential, "delivery"), i, way)
	{
		int n = snprintf(out + len, DELIVERY_MAX - len, "%s%s",
		    i > 0 ? " or " : "", json_string_value(way));

		len = n > 0 && len + (size_t)n < DELIVERY_MAX
		    ? len + (size_t)n
		    : DELIVERY_MAX - 1;
	}
}

static enum crb_status
list_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	static const char *const heads[] = { "NAME", "BACKEND", "DELIVERY",
		"CREATED", "CHANGED", NULL };
	CRB_AUTO_JSON json_t *result = NULL;
	struct crb_output *output;
	size_t i;
	json_t *credential;

	(void)opaque;
	(void)operands;
	if (crb_cli_call(cli, "credential.list", NULL, &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json) {
		crb_output_json(result);
		return CRB_OK;
	}
	output = crb_output_new(stdout, heads);
	json_array_foreach(
	    json_object_get(result, "credentials"), i, credential)
	{
		char delivery[DELIVERY_MAX];
		const char *const cells[] = { crb_member(credential, "name"),
			crb_member(credential, "backend"), delivery,
			crb_member(credential, "created"),
			crb_member(credential, "changed") };

		join_delivery(credential, delivery);
		crb_output_row(output, cells);
	}
	crb_output_end(output);
	return CRB_OK;
}

static void
print_params(const json_t *params)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)params, key, value)
	{
		char *text = json_is_string(value)
		    ? NULL
		    : json_dumps(value, JSON_ENCODE_ANY);

		crb_output_pair(
		    key, text != NULL ? text : json_string_value(value));
		crb_json_text_free(text);
	}
}

static enum crb_status
show_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;
	const json_t *credential;
	char delivery[DELIVERY_MAX];

	(void)opaque;
	if (crb_cli_call(cli, "credential.show",
		json_pack("{s:s}", "name", operands->at[0]), &result,
		err) != CRB_OK)
		return err->status;
	if (cli->common->json) {
		crb_output_json(result);
		return CRB_OK;
	}
	credential = json_object_get(result, "credential");
	crb_output_pair("name", crb_member(credential, "name"));
	crb_output_pair("backend", crb_member(credential, "backend"));
	crb_output_pair("form", crb_member(credential, "form"));
	join_delivery(credential, delivery);
	crb_output_pair("delivery", delivery);
	print_params(json_object_get(credential, "params"));
	crb_output_pair("secret", "stored; never shown");
	crb_output_pair("created", crb_member(credential, "created"));
	crb_output_pair("changed", crb_member(credential, "changed"));
	return CRB_OK;
}

const struct crb_command crb_command_credential_list = {
	.name = "credential list",
	.summary = "list credentials",
	.options = show_options,
	.options_size = sizeof(struct show_options),
	.run = list_run,
};

const struct crb_command crb_command_credential_show = {
	.name = "credential show",
	.operands = "NAME",
	.least = 1,
	.most = 1,
	.summary = "show a credential, without its secret",
	.options = show_options,
	.options_size = sizeof(struct show_options),
	.run = show_run,
};
