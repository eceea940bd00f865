#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "broker/cli/binds.h"
#include "broker/cli/client.h"
#include "broker/cli/folders.h"
#include "broker/cli/grant_text.h"
#include "broker/cli/output.h"
#include "broker/cli/params.h"

struct profile_options {
	struct crb_common common;
	struct crb_list grants;
	struct crb_list labels;
	struct crb_list mounts, ro_mounts;
	int64_t ttl;
	bool replace;
};

#define AT(member) offsetof(struct profile_options, member)

static const struct crb_option add_options[] = {
	{ .name = "grant",
	    .letter = 'g',
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(grants),
	    .value = "NAME[:KEY=VALUE,...]",
	    .help = "a credential and its scope" },
	{ .name = "label",
	    .letter = 'l',
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(labels),
	    .value = "KEY=VALUE",
	    .help = "a label of its tasks" },
	{ .name = "mount",
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(mounts),
	    .value = "PATH[:TARGET]",
	    .help = "a file or folder its sandboxes see, writable" },
	{ .name = "mount-ro",
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(ro_mounts),
	    .value = "PATH[:TARGET]",
	    .help = "the same, read-only" },
	{ .name = "ttl",
	    .type = CRB_OPTION_DURATION,
	    .offset = AT(ttl),
	    .value = "DURATION",
	    .preset = "0s",
	    .unset = true,
	    .help = "how long its sessions live; 0s: the usual time" },
	{ .name = "replace",
	    .type = CRB_OPTION_FLAG,
	    .offset = AT(replace),
	    .help = "replace the profile of that name" },
	CRB_COMMON_OPTIONS,
};

static const struct crb_option other_options[] = { CRB_COMMON_OPTIONS };

static enum crb_status
add_mounts(const struct crb_list *items, bool read_only, json_t *mounts,
    struct crb_err *err)
{
	char source[CRB_PATH_MAX], real[CRB_PATH_MAX];
	const char *target;

	for (size_t i = 0; i < items->count; i++) {
		if (crb_bind_split(items->item[i], source, &target, err) !=
			CRB_OK ||
		    crb_folder_real(source, real, err) != CRB_OK)
			return crb_err_context(
			    err, read_only ? "--mount-ro" : "--mount");
		(void)json_array_append_new(mounts,
		    json_pack("{s:s, s:s, s:b}", "source", real, "target",
			target != NULL ? target : real, "read_only",
			(int)read_only));
	}
	return CRB_OK;
}

static enum crb_status
add_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct profile_options *options = opaque;
	CRB_AUTO_JSON json_t *labels = json_object();
	CRB_AUTO_JSON json_t *mounts = json_array();
	CRB_AUTO_JSON json_t *result = NULL;
	json_t *request, *grants;

	if (options->grants.count == 0)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "a profile needs at least one --grant");
	if (crb_labels_read(&options->labels, labels, err) != CRB_OK ||
	    add_mounts(&options->mounts, false, mounts, err) != CRB_OK ||
	    add_mounts(&options->ro_mounts, true, mounts, err) != CRB_OK ||
	    crb_grants_json(&options->grants, &grants, err) != CRB_OK)
		return err->status;
	request = json_pack("{s:s, s:o, s:O, s:b}", "name", operands->at[0],
	    "grants", grants, "labels", labels, "replace", options->replace);
	if (json_array_size(mounts) > 0)
		(void)json_object_set(request, "mounts", mounts);
	if (options->ttl > 0)
		(void)json_object_set_new(
		    request, "ttl", json_integer(options->ttl));
	if (crb_cli_call(cli, "profile.add", request, &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		printf("Stored profile %s. Use it: credbroker run --task NAME "
		       "--profile %s -- COMMAND\n",
		    operands->at[0], operands->at[0]);
	return CRB_OK;
}

static void
join(const json_t *array, char *out, size_t size)
{
	size_t i, len = 0;
	json_t *item;

	out[0] = '\0';
	json_array_foreach(array, i, item)
	{
		int n = snprintf(out + len, size - len, "%s%s",
		    i == 0 ? "" : " ", json_string_value(item));

		if (n < 0 || (size_t)n >= size - len)
			return;
		len += (size_t)n;
	}
}

static enum crb_status
list_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	static const char *const heads[] = { "NAME", "GRANTS", NULL };
	CRB_AUTO_JSON json_t *result = NULL;
	struct crb_output *output;
	char grants[4096];
	size_t i;
	json_t *profile;

	(void)opaque;
	(void)operands;
	if (crb_cli_call(cli, "profile.list", NULL, &result, err) != CRB_OK)
		return err->status;
	if (cli->common->json) {
		crb_output_json(result);
		return CRB_OK;
	}
	output = crb_output_new(stdout, heads);
	json_array_foreach(json_object_get(result, "profiles"), i, profile)
	{
		const char *cells[2] = { crb_member(profile, "name"), grants };

		join(
		    json_object_get(profile, "grants"), grants, sizeof(grants));
		crb_output_row(output, cells);
	}
	crb_output_end(output);
	return CRB_OK;
}

static void
print_mount(const json_t *mount)
{
	const char *source = crb_member(mount, "source");
	const char *target = crb_member(mount, "target");
	char text[2 * CRB_PATH_MAX + 32];

	(void)snprintf(text, sizeof(text), "%s%s%s%s", source,
	    strcmp(source, target) != 0 ? " at " : "",
	    strcmp(source, target) != 0 ? target : "",
	    json_is_true(json_object_get(mount, "read_only")) ? ", read-only"
							      : "");
	crb_output_pair("mount", text);
}

static void
print_profile(const json_t *profile)
{
	const json_t *labels = json_object_get(profile, "labels");
	char ttl[CRB_DURATION_TEXT], label[256];
	const char *key;
	size_t i;
	json_t *value;

	crb_output_pair("name", crb_member(profile, "name"));
	json_array_foreach(json_object_get(profile, "grants"), i, value)
	    crb_output_pair("grant", json_string_value(value));
	json_object_foreach((json_t *)(uintptr_t)labels, key, value)
	{
		(void)snprintf(label, sizeof(label), "%s=%s", key,
		    json_string_value(value));
		crb_output_pair("label", label);
	}
	json_array_foreach(json_object_get(profile, "mounts"), i, value)
	    print_mount(value);
	if (crb_member_number(profile, "ttl") > 0) {
		crb_duration_text(crb_member_number(profile, "ttl"), ttl);
		crb_output_pair("ttl", ttl);
	}
}

static enum crb_status
show_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;

	(void)opaque;
	if (crb_cli_call(cli, "profile.show",
		json_pack("{s:s}", "name", operands->at[0]), &result,
		err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		print_profile(json_object_get(result, "profile"));
	return CRB_OK;
}

static enum crb_status
remove_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;

	(void)opaque;
	if (crb_cli_call(cli, "profile.remove",
		json_pack("{s:s}", "name", operands->at[0]), &result,
		err) != CRB_OK)
		return err->status;
	if (cli->common->json)
		crb_output_json(result);
	else
		printf("Removed profile %s.\n", operands->at[0]);
	return CRB_OK;
}

#define PROFILE_COMMAND(verb, args, text, more, table)          \
	const struct crb_command crb_command_profile_##verb = { \
		.name = "profile " #verb,                       \
		.operands = args,                               \
		.least = (args) != NULL,                        \
		.most = (args) != NULL,                         \
		.summary = text,                                \
		.details = more,                                \
		.options = table,                               \
		.options_size = sizeof(struct profile_options), \
		.run = verb##_run,                              \
	}

PROFILE_COMMAND(add, "NAME", "store a named list of grants",
    "  credbroker profile add web -g github:repository=acme/web,git=fetch+push"
    "\n",
    add_options);
PROFILE_COMMAND(list, NULL, "list profiles", NULL, other_options);
PROFILE_COMMAND(show, "NAME", "show a profile", NULL, other_options);
PROFILE_COMMAND(remove, "NAME", "remove a profile", NULL, other_options);
