#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/doctor.h"
#include "broker/cli/output.h"

struct doctor_options {
	struct crb_common common;
	bool network;
};

static const struct crb_option doctor_options[] = {
	{ .name = "network",
	    .type = CRB_OPTION_FLAG,
	    .offset = offsetof(struct doctor_options, network),
	    .help = "try to reach the hosts of every credential" },
	CRB_COMMON_OPTIONS,
};

/* The order in which they are shown. */
static const struct crb_check *const tables[] = { crb_checks_broker,
	crb_checks_paths, crb_checks_host, crb_checks_kernel,
	crb_checks_network };

static void
examine(struct crb_doctor *doctor)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct crb_check *check = tables[i];
		     check->name != NULL; check++) {
			doctor->check = check->name;
			check->fn(doctor);
		}
}

static void
print(const json_t *findings)
{
	size_t i;
	json_t *finding;

	json_array_foreach(findings, i, finding)
	{
		const char *remedy = crb_member(finding, "remedy");

		printf("%-5s ", crb_member(finding, "level"));
		crb_output_text(stdout, crb_member(finding, "text"));
		if (remedy != NULL) {
			fputs("   -> ", stdout);
			crb_output_text(stdout, remedy);
		}
		putchar('\n');
	}
}

/*
 * What is wrong with the file is a finding; the places are then those that
 * hold without one.
 */
static enum crb_status
load_config(struct crb_doctor *doctor, struct crb_err *err)
{
	struct crb_cli *cli = doctor->cli;

	if (crb_config_load(
		cli->common->config, &cli->config, &doctor->config) == CRB_OK)
		return CRB_OK;
	return crb_config_load("", &cli->config, err);
}

static enum crb_status
doctor_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct doctor_options *options = opaque;
	CRB_AUTO_JSON json_t *findings = json_array();
	CRB_AUTO_JSON json_t *status = NULL;
	struct crb_doctor doctor = {
		.cli = cli, .findings = findings, .network = options->network
	};

	(void)operands;
	if (load_config(&doctor, err) != CRB_OK)
		return err->status;
	if (crb_cli_call(cli, "status", NULL, &status, &doctor.silent) ==
	    CRB_OK)
		doctor.status = status;
	examine(&doctor);
	crb_config_clear(&cli->config);
	if (cli->common->json) {
		CRB_AUTO_JSON json_t *shown = json_pack("{s:O, s:i, s:i, s:i}",
		    "findings", findings, "ok",
		    (int)doctor.count[CRB_FINDING_OK], "warn",
		    (int)doctor.count[CRB_FINDING_WARN], "fail",
		    (int)doctor.count[CRB_FINDING_FAIL]);
		crb_output_json(shown);
	} else {
		print(findings);
	}
	if (doctor.count[CRB_FINDING_FAIL] > 0)
		cli->exit = 5;
	return CRB_OK;
}

const struct crb_command crb_command_doctor = {
	.name = "doctor",
	.no_config = true,
	.summary = "what is wrong here, and what to do about it",
	.details =
	    "Looks at the broker, its files, this host and its kernel; works\n"
	    "without a running broker too. Each finding is a line: ok, warn or\n"
	    "fail, and what to do. Ends with status 5 when one of them is fail.\n"
	    "With --network the broker tries to reach the hosts of every\n"
	    "credential, without using its secret.\n",
	.options = doctor_options,
	.options_size = sizeof(struct doctor_options),
	.run = doctor_run,
};
