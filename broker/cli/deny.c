#include "broker/cli/deny.h"

#include "base/text.h"

/*
 * Tags of a session, given to AssumeRole and GetFederationToken, are found in
 * aws:PrincipalTag for as long as their keys live (IAM User Guide, "Passing
 * session tags"); aws:TokenIssueTime is when they were issued ("Revoking IAM
 * role temporary security credentials").
 */
json_t *
crb_deny_policy(const char *task, const char *session, int64_t now)
{
	const char *value = session != NULL ? session : task;
	char time[CRB_TIME_TEXT];
	json_t *condition;

	if (value != NULL) {
		condition = json_pack("{s:{s:s}}", "StringEquals",
		    session != NULL ? "aws:PrincipalTag/credbroker:session"
				    : "aws:PrincipalTag/credbroker:task",
		    value);
	} else {
		crb_text_time(now, time);
		condition = json_pack(
		    "{s:{s:s}}", "DateLessThan", "aws:TokenIssueTime", time);
	}
	return json_pack("{s:s, s:[{s:s, s:s, s:s, s:s, s:o}]}", "Version",
	    "2012-10-17", "Statement", "Sid", "CredbrokerRevoked", "Effect",
	    "Deny", "Action", "*", "Resource", "*", "Condition", condition);
}
