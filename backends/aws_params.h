#ifndef CRB_AWS_PARAMS_H
#define CRB_AWS_PARAMS_H

#include "backends/backend.h"

/*
 * The parameters of "aws-sts": which call of STS makes a session's keys
 * (docs.aws.amazon.com/STS/latest/APIReference), and where it is made.
 */
enum crb_aws_call {
	CRB_AWS_ASSUME_ROLE,
	CRB_AWS_FEDERATION,
	CRB_AWS_SESSION_TOKEN,
	CRB_AWS_CALLS
};

struct crb_aws_call_info {
	const char *name;   /* in parameters and orders: "assume-role" */
	const char *action; /* in requests: "AssumeRole" */
	int64_t most;       /* seconds */
	size_t name_max;    /* of the session's; 0: it has none */
	bool narrows;       /* a policy is taken */
};
extern const struct crb_aws_call_info crb_aws_calls[CRB_AWS_CALLS];

#define CRB_AWS_DURATION_MIN 900
#define CRB_AWS_WHERE "backend aws-sts"

struct crb_aws_params {
	const char *role_arn;
	const char *call_name;
	const char *region; /* never NULL once it is read */
	const char *endpoint_url;
	const char *external_id;
	int64_t duration; /* seconds */
	const char *source_identity;
	const char *tags;
	struct crb_list services;
	const char *network;
	const char *ca;

	enum crb_aws_call call;
	struct crb_route route; /* to STS */
};

extern const struct crb_option crb_aws_param_table[];

/* Read and checked as a whole; strings are borrowed from `json`. */
CRB_NODISCARD enum crb_status crb_aws_params_read(
    const json_t *json, struct crb_aws_params *out, struct crb_err *err);

#define CRB_AUTO_AWS_PARAMS __attribute__((cleanup(crb_aws_params_clear)))
void crb_aws_params_clear(struct crb_aws_params *params);

#endif /* !CRB_AWS_PARAMS_H */
