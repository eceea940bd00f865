#ifndef CRB_RUN_REPORT_H
#define CRB_RUN_REPORT_H

#include <stdbool.h>

#include "broker/cli/command.h"
#include "broker/cli/sandbox.h"

/*
 * What `run` says of itself, on standard error: lines, or JSON lines.
 * `issued` is what session.issue answered.
 */
void crb_run_begin(
    const struct crb_sandbox *sandbox, const json_t *issued, bool json);

/*
 * `session` as it ended, `how` in a word, `denied` the last refusal's audit
 * event or NULL, `appeared` what is to be looked at before it is used.
 */
struct crb_run_end {
	const json_t *session;
	const char *how;
	const json_t *denied;
	const struct crb_args *appeared;
	int exit;
};
void crb_run_end(const struct crb_run_end *end, bool json, bool quiet);

#endif /* !CRB_RUN_REPORT_H */
