#include <stddef.h>

#include "policy/impl.h"

const char *const crb_policy_tiers[] = { "organization", "team", "local",
	NULL };
const char *const crb_policy_titles[] = { "the organization's policy",
	"the team's policy", "the local policy" };
/* In the order of enum crb_effect. */
const char *const crb_policy_effects[] = { "deny", "ask", "allow", NULL };

#define AT(type, member) offsetof(struct type, member)

const struct crb_policy_member crb_during_members[] = {
	{ .name = "days",
	    .type = CRB_MEMBER_DAYS,
	    .help = "mon to sun, as in [\"mon-fri\"]; all of them if not "
		    "given" },
	{ .name = "hours",
	    .type = CRB_MEMBER_HOURS,
	    .help = "from and to, as in [\"09:00-17:30\"]; all of them if not "
		    "given; over midnight they belong to the day on which "
		    "they start" },
	{ .name = "zone",
	    .type = CRB_MEMBER_ZONE,
	    .required = true,
	    .offset = AT(crb_during_given, zone),
	    .help = "the time zone, as in Europe/Berlin" },
	{ .name = NULL },
};

#define VALUES(member, fact)                                              \
	.type = CRB_MEMBER_VALUES, .offset = AT(crb_policy_rule, member), \
	.attribute = &crb_policy_facts[fact]

const struct crb_policy_member crb_rule_members[] = {
	{ .name = "id",
	    .type = CRB_MEMBER_NAME,
	    .required = true,
	    .offset = AT(crb_policy_rule, id),
	    .help = "its name, once in a policy: every decision says it" },
	{ .name = "effect",
	    .type = CRB_MEMBER_CHOICE,
	    .required = true,
	    .offset = AT(crb_policy_rule, effect),
	    .choices = crb_policy_effects,
	    .help = "of the rules that match, the strictest decides: deny, "
		    "then ask, then allow" },
	{ .name = "reason",
	    .type = CRB_MEMBER_TEXT,
	    .offset = AT(crb_policy_rule, reason),
	    .help = "what is told to who is refused or asked" },
	{ .name = "credentials",
	    VALUES(credentials, CRB_FACT_CREDENTIAL),
	    .help = "credentials by name" },
	{ .name = "scope",
	    .type = CRB_MEMBER_SCOPE,
	    .help = "what is done with them, by attribute" },
	{ .name = "tasks",
	    VALUES(tasks, CRB_FACT_TASK),
	    .help = "tasks by id" },
	{ .name = "labels",
	    .type = CRB_MEMBER_LABELS,
	    .attribute = &crb_policy_facts[CRB_FACT_LABEL],
	    .help = "labels of the session by name; each has to match" },
	{ .name = "users",
	    VALUES(users, CRB_FACT_USER),
	    .help = "users of the host who have issued the session" },
	{ .name = "groups",
	    VALUES(groups, CRB_FACT_GROUP),
	    .help = "groups of the host that this user is in" },
	{ .name = "delivery",
	    VALUES(delivery, CRB_FACT_DELIVERY),
	    .help = "whether the credential is handed out or added outside" },
	{ .name = "during",
	    .type = CRB_MEMBER_DURING,
	    .offset = AT(crb_policy_rule, during),
	    .members = crb_during_members,
	    .help = "days and hours" },
	{ .name = "approvers",
	    .type = CRB_MEMBER_WORD,
	    .offset = AT(crb_policy_rule, approvers),
	    .help = "of an ask: the group of the host whose members may "
		    "approve; without it, who has the role" },
	{ .name = "four_eyes",
	    .type = CRB_MEMBER_FLAG,
	    .offset = AT(crb_policy_rule, four_eyes),
	    .help = "of an ask: not the user who has issued the session" },
	{ .name = "durable",
	    .type = CRB_MEMBER_FLAG,
	    .offset = AT(crb_policy_rule, durable),
	    .help = "of an allow or ask: a request goes upstream only when "
		    "the audit log's line about it is on the disk" },
	{ .name = NULL },
};

const struct crb_policy_member crb_policy_members[] = {
	{ .name = "$schema",
	    .type = CRB_MEMBER_IGNORED,
	    .help = "for editors" },
	{ .name = "tier",
	    .type = CRB_MEMBER_CHOICE,
	    .required = true,
	    .offset = AT(crb_policy, tier),
	    .choices = crb_policy_tiers,
	    .help = "where it stands; each tier can only narrow the others" },
	{ .name = "name",
	    .type = CRB_MEMBER_NAME,
	    .required = true,
	    .offset = AT(crb_policy, about.name),
	    .help = "whose it is" },
	{ .name = "serial",
	    .type = CRB_MEMBER_NUMBER,
	    .offset = AT(crb_policy, about.serial),
	    .least = 1,
	    .help = "greater with each version; an organization's has to have "
		    "one" },
	{ .name = "expires",
	    .type = CRB_MEMBER_TIME,
	    .offset = AT(crb_policy, about.expires),
	    .help = "in UTC, as in 2027-01-31T00:00:00Z; never if not given" },
	{ .name = "limits",
	    .type = CRB_MEMBER_LIMITS,
	    .offset = AT(crb_policy, about.limits),
	    .help = "bounds; of all tiers the least holds" },
	{ .name = "rules",
	    .type = CRB_MEMBER_RULES,
	    .required = true,
	    .members = crb_rule_members,
	    .help = "in any order; what none allows is denied" },
	{ .name = NULL },
};
