#include <string.h>

#include "policy/document.h"
#include "policy/impl.h"

/*
 * The schema is for editors and for people; what it cannot say, as that ids
 * are there once, the parser says.  One member a line, so that a change is a
 * line in a comparison.
 */
static void write_members(struct crb_buf *out, unsigned depth,
    const struct crb_policy_member *members);

static void
new_line(struct crb_buf *out, unsigned depth)
{
	crb_buf_char(out, '\n');
	for (unsigned i = 0; i < depth; i++)
		crb_buf_str(out, "  ");
}

/* What the tables say is ASCII without anything to escape but quotes. */
static void
write_text(struct crb_buf *out, const char *text)
{
	crb_buf_char(out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			crb_buf_char(out, '\\');
		crb_buf_char(out, *text);
	}
	crb_buf_char(out, '"');
}

static void
write_help(struct crb_buf *out, const char *help)
{
	crb_buf_str(out, "\"description\": ");
	write_text(out, help);
	crb_buf_str(out, ", ");
}

static void
write_choices(struct crb_buf *out, const char *const *choices)
{
	crb_buf_str(out, "\"enum\": [");
	for (size_t i = 0; choices[i] != NULL; i++) {
		crb_buf_str(out, i > 0 ? ", " : "");
		write_text(out, choices[i]);
	}
	crb_buf_str(out, "]");
}

/* A list of values or patterns. */
static void
write_values(struct crb_buf *out, const struct crb_policy_attribute *attribute)
{
	crb_buf_printf(out,
	    "\"type\": \"array\", \"maxItems\": %d, \"items\": {",
	    CRB_POLICY_VALUES_MAX);
	if (attribute->choices != NULL)
		write_choices(out, attribute->choices);
	else
		crb_buf_printf(out,
		    "\"type\": \"string\", \"minLength\": 1, "
		    "\"maxLength\": %d",
		    CRB_GLOB_MAX - 1);
	crb_buf_str(out, "}");
}

static void
write_scope(struct crb_buf *out, unsigned depth)
{
	crb_buf_str(out,
	    "\"type\": \"object\", \"additionalProperties\": false, "
	    "\"properties\": {");
	for (size_t i = 0; i < CRB_POLICY_ATTRIBUTES; i++) {
		crb_buf_str(out, i > 0 ? "," : "");
		new_line(out, depth + 1);
		write_text(out, crb_policy_attributes[i].name);
		crb_buf_str(out, ": {");
		write_help(out, crb_policy_attributes[i].help);
		write_values(out, &crb_policy_attributes[i]);
		crb_buf_str(out, "}");
	}
	crb_buf_str(out, "}");
}

static void
write_limits(struct crb_buf *out, unsigned depth)
{
	crb_buf_str(out,
	    "\"type\": \"object\", \"additionalProperties\": false, "
	    "\"properties\": {");
	for (size_t i = 0; i < CRB_LIMITS; i++) {
		const struct crb_limit_info *info = &crb_limit_infos[i];

		crb_buf_str(out, i > 0 ? "," : "");
		new_line(out, depth + 1);
		write_text(out, info->name);
		crb_buf_str(out, ": {");
		write_help(out, info->help);
		if (info->unit == CRB_LIMIT_COUNT)
			crb_buf_printf(out,
			    "\"type\": \"integer\", \"minimum\": %lld",
			    (long long)info->least);
		else if (info->unit == CRB_LIMIT_SECONDS)
			crb_buf_str(out,
			    "\"type\": \"string\", \"minLength\": 2, "
			    "\"pattern\": "
			    "\"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$\"");
		else
			crb_buf_str(out,
			    "\"type\": \"string\", \"pattern\": "
			    "\"^[0-9]+([KMG]iB)?$\"");
		crb_buf_str(out, "}");
	}
	crb_buf_str(out, "}");
}

/* What the type of a member comes to, in one line; objects are below. */
static const char *
type_text(enum crb_member_type type)
{
	switch (type) {
	case CRB_MEMBER_IGNORED:
		return "\"type\": \"string\"";
	case CRB_MEMBER_TEXT:
		return "\"type\": \"string\", \"maxLength\": 512";
	case CRB_MEMBER_NAME:
		return "\"type\": \"string\", \"pattern\": "
		       "\"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$\"";
	case CRB_MEMBER_WORD:
		return "\"type\": \"string\", \"pattern\": "
		       "\"^[^ *:/]{1,64}$\"";
	case CRB_MEMBER_TIME:
		return "\"type\": \"string\", \"pattern\": "
		       "\"^[0-9]{4}-[0-9]{2}-[0-9]{2}T"
		       "[0-9]{2}:[0-9]{2}:[0-9]{2}Z$\"";
	case CRB_MEMBER_FLAG:
		return "\"type\": \"boolean\"";
	case CRB_MEMBER_DAYS:
		return "\"type\": \"array\", \"items\": {\"type\": \"string\", "
		       "\"pattern\": \"^(mon|tue|wed|thu|fri|sat|sun)"
		       "(-(mon|tue|wed|thu|fri|sat|sun))?$\"}";
	case CRB_MEMBER_HOURS:
		return "\"type\": \"array\", \"maxItems\": 16, \"items\": "
		       "{\"type\": \"string\", \"pattern\": "
		       "\"^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$\"}";
	case CRB_MEMBER_ZONE:
		return "\"type\": \"string\", \"maxLength\": 64, "
		       "\"pattern\": \"^[A-Za-z0-9_+/-]+$\"";
	case CRB_MEMBER_CHOICE:
	case CRB_MEMBER_NUMBER:
	case CRB_MEMBER_VALUES:
	case CRB_MEMBER_LIMITS:
	case CRB_MEMBER_LABELS:
	case CRB_MEMBER_SCOPE:
	case CRB_MEMBER_DURING:
	case CRB_MEMBER_RULES:
	case CRB_MEMBER_OTHER:
		break;
	}
	return "";
}

static void
write_labels(struct crb_buf *out, const struct crb_policy_member *member)
{
	crb_buf_printf(out,
	    "\"type\": \"object\", \"maxProperties\": %d, "
	    "\"additionalProperties\": {",
	    CRB_POLICY_LABELS_MAX);
	write_values(out, member->attribute);
	crb_buf_str(out, "}");
}

static void
write_rules(
    struct crb_buf *out, unsigned depth, const struct crb_policy_member *member)
{
	crb_buf_printf(out,
	    "\"type\": \"array\", \"maxItems\": %d, \"items\": {",
	    CRB_POLICY_RULES_MAX);
	write_members(out, depth, member->members);
	crb_buf_str(out, "}");
}

static void
write_member(
    struct crb_buf *out, unsigned depth, const struct crb_policy_member *member)
{
	write_text(out, member->name);
	crb_buf_str(out, ": {");
	write_help(out, member->help);
	switch ((int)member->type) {
	case CRB_MEMBER_CHOICE:
		write_choices(out, member->choices);
		break;
	case CRB_MEMBER_NUMBER:
		crb_buf_printf(out, "\"type\": \"integer\", \"minimum\": %lld",
		    (long long)member->least);
		break;
	case CRB_MEMBER_VALUES:
		write_values(out, member->attribute);
		break;
	case CRB_MEMBER_LIMITS:
		write_limits(out, depth);
		break;
	case CRB_MEMBER_LABELS:
		write_labels(out, member);
		break;
	case CRB_MEMBER_SCOPE:
		write_scope(out, depth);
		break;
	case CRB_MEMBER_DURING:
		write_members(out, depth, member->members);
		break;
	case CRB_MEMBER_RULES:
		write_rules(out, depth, member);
		break;
	default:
		crb_buf_str(out, type_text(member->type));
	}
	crb_buf_str(out, "}");
}

static void
write_members(struct crb_buf *out, unsigned depth,
    const struct crb_policy_member *members)
{
	const char *comma = "";

	crb_buf_str(out,
	    "\"type\": \"object\", \"additionalProperties\": false, "
	    "\"required\": [");
	for (size_t i = 0; members[i].name != NULL; i++) {
		if (!members[i].required)
			continue;
		crb_buf_str(out, comma);
		write_text(out, members[i].name);
		comma = ", ";
	}
	crb_buf_str(out, "], \"properties\": {");
	for (size_t i = 0; members[i].name != NULL; i++) {
		crb_buf_str(out, i > 0 ? "," : "");
		new_line(out, depth + 1);
		write_member(out, depth + 1, &members[i]);
	}
	crb_buf_str(out, "}");
}

void
crb_policy_schema(struct crb_buf *out)
{
	crb_buf_str(out,
	    "{\n  \"$schema\": "
	    "\"https://json-schema.org/draft/2020-12/schema\",\n"
	    "  \"title\": \"credbroker policy\",\n  ");
	write_members(out, 1, crb_policy_members);
	crb_buf_str(out, "\n}\n");
}
