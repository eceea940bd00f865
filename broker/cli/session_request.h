#ifndef CRB_SESSION_REQUEST_H
#define CRB_SESSION_REQUEST_H

#include <sys/types.h>

#include <jansson.h>

#include "base/options.h"

/* What `issue` and `run` have in common: who gets what, for how long. */
struct crb_session_request {
	const char *task;
	struct crb_list grants;
	const char *profile;
	struct crb_list labels;
	int64_t ttl;
	const char *aws, *mint; /* or NULL */
	bool ask_always;
};

extern const char *const crb_aws_choices[], *const crb_mint_choices[];

#define CRB_SESSION_OPTIONS(owner, field)                                        \
	{ .name = "task",                                                        \
		.letter = 't',                                                   \
		.type = CRB_OPTION_TEXT,                                         \
		.required = true,                                                \
		.offset = offsetof(owner, field.task),                           \
		.value = "TASK",                                                 \
		.help = "what the work is called" },                             \
	    { .name = "grant",                                                   \
		    .letter = 'g',                                               \
		    .type = CRB_OPTION_REPEAT,                                   \
		    .offset = offsetof(owner, field.grants),                     \
		    .value = "NAME[:KEY=VALUE,...]",                             \
		    .help =                                                      \
			"a credential and its scope; lists are joined with +" }, \
	    { .name = "profile",                                                 \
		    .letter = 'p',                                               \
		    .type = CRB_OPTION_TEXT,                                     \
		    .offset = offsetof(owner, field.profile),                    \
		    .value = "NAME",                                             \
		    .help = "the grants of this profile" },                      \
	    { .name = "label",                                                   \
		    .letter = 'l',                                               \
		    .type = CRB_OPTION_REPEAT,                                   \
		    .offset = offsetof(owner, field.labels),                     \
		    .value = "KEY=VALUE",                                        \
		    .help = "a label of the task: repository, ticket, team" },   \
	    { .name = "ttl",                                                     \
		    .type = CRB_OPTION_DURATION,                                 \
		    .offset = offsetof(owner, field.ttl),                        \
		    .value = "DURATION",                                         \
		    .preset = "0s",                                              \
		    .unset = true,                                               \
		    .help = "how long it lives at most; 0s: the usual time" },   \
	    { .name = "aws",                                                     \
		    .type = CRB_OPTION_CHOICE,                                   \
		    .offset = offsetof(owner, field.aws),                        \
		    .choices = crb_aws_choices,                                  \
		    .value = "WAY",                                              \
		    .help =                                                      \
			"AWS keys by container, imds, process or inject" },      \
	    { .name = "mint",                                                    \
		    .type = CRB_OPTION_CHOICE,                                   \
		    .offset = offsetof(owner, field.mint),                       \
		    .choices = crb_mint_choices,                                 \
		    .value = "WHEN",                                             \
		    .help =                                                      \
			"when keys are asked for: now (default), or later" },    \
	{                                                                        \
		.name = "ask-always", .type = CRB_OPTION_FLAG,                   \
		.offset = offsetof(owner, field.ask_always),                     \
		.help = "all that it does has to be approved, each time"         \
	}

/* The params of session.issue; `pid` 0 when bound to no process. */
CRB_NODISCARD enum crb_status crb_session_request_json(
    const struct crb_session_request *request, pid_t pid, json_t **out,
    struct crb_err *err);

/* What the broker has to say of the session, on standard error. */
void crb_session_notes(const json_t *issued);

/*
 * The programs that go into the sandbox are mounted there, at the end of PATH.
 */
#define CRB_SANDBOX_BIN "/run/credbroker-bin"

#endif /* !CRB_SESSION_REQUEST_H */
