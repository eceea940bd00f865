/* Read from the tables that parse: no broker is needed. */
#include <stdio.h>
#include <string.h>

#include "backends/backend.h"
#include "base/cleanup.h"
#include "broker/cli/command.h"
#include "broker/cli/output.h"

static const struct crb_option backend_options[] = { CRB_COMMON_OPTIONS };

static json_t *
params_json(const struct crb_option *params)
{
	json_t *array = json_array();

	for (; params->name != NULL; params++)
		(void)json_array_append_new(array,
		    json_pack("{s:s, s:b, s:s*, s:s*}", "name", params->name,
			"required", params->required, "default", params->preset,
			"help", params->help));
	return array;
}

static json_t *
attributes_json(const struct crb_attribute *attribute)
{
	json_t *array = json_array();

	for (; attribute->name != NULL; attribute++)
		(void)json_array_append_new(array,
		    json_pack("{s:s, s:b, s:s*, s:s*}", "name", attribute->name,
			"required", attribute->required, "default",
			attribute->preset, "help", attribute->help));
	return array;
}

static json_t *
backend_json(const struct crb_backend_ops *backend)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "kind",
	    backend->kind, "summary", backend->summary, "form", backend->form,
	    "delivery", backend->mints ? "mint or inject" : "inject", "params",
	    params_json(backend->params), "scope",
	    attributes_json(backend->attributes));
}

static json_t *
presets_json(void)
{
	json_t *array = json_array();

	for (const struct crb_preset *p = crb_presets; p->name != NULL; p++)
		(void)json_array_append_new(array,
		    json_pack("{s:s, s:s, s:s}", "name", p->name, "backend",
			p->kind, "summary", p->summary));
	return array;
}

static enum crb_status
list_json(void)
{
	CRB_AUTO_JSON json_t *all = NULL;
	json_t *backends = json_array();

	for (size_t i = 0; crb_backends[i] != NULL; i++)
		(void)json_array_append_new(
		    backends, backend_json(crb_backends[i]));
	all = json_pack(
	    "{s:o, s:o}", "backends", backends, "presets", presets_json());
	crb_output_json(all);
	return CRB_OK;
}

static enum crb_status
list_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	static const char *const heads[] = { "BACKEND", "FORM", "DELIVERY",
		"WHAT IT IS", NULL };
	static const char *const preset_heads[] = { "PRESET", "BACKEND",
		"WHAT IT IS", NULL };
	struct crb_output *output;

	(void)opaque;
	(void)operands;
	(void)err;
	if (cli->common->json)
		return list_json();
	output = crb_output_new(stdout, heads);
	for (size_t i = 0; crb_backends[i] != NULL; i++) {
		const struct crb_backend_ops *b = crb_backends[i];
		const char *const cells[] = { b->kind, b->form,
			b->mints ? "mint, inject" : "inject", b->summary };

		crb_output_row(output, cells);
	}
	crb_output_end(output);
	putchar('\n');
	output = crb_output_new(stdout, preset_heads);
	for (const struct crb_preset *p = crb_presets; p->name != NULL; p++) {
		const char *const cells[] = { p->name, p->kind, p->summary };

		crb_output_row(output, cells);
	}
	crb_output_end(output);
	return CRB_OK;
}

static void
print_params(const struct crb_option *param)
{
	for (; param->name != NULL; param++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "%s=%s", param->name,
		    param->value != NULL ? param->value : "VALUE");
		printf("  %-24s %s%s", text, param->help,
		    param->required ? " (required)" : "");
		if (param->preset != NULL)
			printf(" (default %s)", param->preset);
		putchar('\n');
	}
}

static void
print_attributes(const struct crb_attribute *attribute)
{
	for (; attribute->name != NULL; attribute++) {
		printf("  %-14s %s", attribute->name, attribute->help);
		for (size_t i = 0; attribute->choices != NULL &&
		     attribute->choices[i] != NULL;
		     i++)
			printf("%s%s", i == 0 ? ": " : ", ",
			    attribute->choices[i]);
		if (attribute->required)
			printf(" (required)");
		if (attribute->preset != NULL)
			printf(" (default %s)", attribute->preset);
		putchar('\n');
	}
}

static enum crb_status
show_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct crb_backend_ops *backend;
	CRB_AUTO_JSON json_t *json = NULL;

	(void)opaque;
	if (crb_backend_find(operands->at[0], &backend, err) != CRB_OK)
		return err->status;
	if (cli->common->json) {
		json = backend_json(backend);
		crb_output_json(json);
		return CRB_OK;
	}
	printf("%s: %s\n\nForm %s; %s.\n\nParameters (--param KEY=VALUE):\n",
	    backend->kind, backend->summary, backend->form,
	    backend->mints ? "minted or injected"
			   : "only ever injected, never handed out");
	print_params(backend->params);
	printf("\nScope (--grant NAME:KEY=VALUE[+VALUE],...):\n");
	print_attributes(backend->attributes);
	return CRB_OK;
}

const struct crb_command crb_command_backend_list = {
	.name = "backend list",
	.summary = "list backends and presets",
	.no_config = true,
	.options = backend_options,
	.options_size = sizeof(struct crb_common),
	.run = list_run,
};

const struct crb_command crb_command_backend_show = {
	.name = "backend show",
	.operands = "KIND",
	.least = 1,
	.most = 1,
	.summary = "show a backend's parameters and scope",
	.no_config = true,
	.options = backend_options,
	.options_size = sizeof(struct crb_common),
	.run = show_run,
};
