#include "policy/attribute.h"

#include <string.h>

#include "base/text.h"

#define SHOWN_MAX 64u
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define NAME_MAX_LEN 64
#define TASK_MAX_LEN 128
#define HOST_MAX_LEN 253

static const char *const operations[] = { "fetch", "push", "push-options",
	"push-signed", NULL };
static const char *const changes[] = { "create", "update", "delete", NULL };
static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH",
	"DELETE", "OPTIONS", NULL };
static const char *const deliveries[] = { "mint", "inject", NULL };

const struct crb_policy_attribute
    crb_policy_attributes[CRB_POLICY_ATTRIBUTES] = {
	    { .name = "repository",
		.style = CRB_GLOB_NAMES,
		.separator = '/',
		.letters = CRB_LETTERS_DOUBT,
		.families = CRB_FAMILY_GIT,
		.never = "!$&'(),=:?[]\\",
		.strip = ".git",
		.help = "repositories by path, as in acme/api or acme/*" },
	    { .name = "git",
		.style = CRB_GLOB_NAMES,
		.separator = '/',
		.families = CRB_FAMILY_GIT,
		.choices = operations,
		.help = "what is done to them" },
	    { .name = "ref",
		.style = CRB_GLOB_NAMES,
		.separator = '/',
		.families = CRB_FAMILY_GIT,
		/* git-check-ref-format(1) */
		.never = "~^:?[\\",
		.starts = "refs/",
		.help = "refs that a push changes, as in refs/heads/agent/**" },
	    { .name = "change",
		.style = CRB_GLOB_NAMES,
		.separator = '/',
		.families = CRB_FAMILY_GIT,
		.choices = changes,
		.help = "what a push does to a ref" },
	    { .name = "hosts",
		.style = CRB_GLOB_NAMES,
		.separator = '.',
		.letters = CRB_LETTERS_FOLD,
		.families = CRB_FAMILY_GIT | CRB_FAMILY_HTTP | CRB_FAMILY_AWS,
		/* As crb_origin_parse() leaves them. */
		.only = LOWER UPPER DIGITS "-._",
		.besides = "hosts are compared without scheme, user, port and "
			   "path",
		.most = HOST_MAX_LEN,
		.help = "hosts that are spoken to, as in api.github.com" },
	    { .name = "methods",
		.style = CRB_GLOB_NAMES,
		.separator = '/',
		.letters = CRB_LETTERS_FOLD,
		.families = CRB_FAMILY_HTTP | CRB_FAMILY_AWS,
		.choices = methods,
		.help = "methods of HTTP" },
	    { .name = "paths",
		.style = CRB_GLOB_PATHS,
		.separator = '/',
		.letters = CRB_LETTERS_DOUBT,
		.families = CRB_FAMILY_HTTP | CRB_FAMILY_AWS,
		.never = "?#\\$",
		.starts = "/",
		.help = "paths of HTTP, as in /repos/acme/**" },
	    { .name = "actions",
		.style = CRB_GLOB_TEXT,
		.separator = ':',
		/* docs.aws.amazon.com/IAM, "Action": in any case. */
		.letters = CRB_LETTERS_FOLD,
		.families = CRB_FAMILY_AWS,
		.only = LOWER UPPER DIGITS "-:?",
		.has = ":",
		.help = "what AWS is asked to do, as in s3:GetObject or s3:*" },
	    { .name = "resources",
		.style = CRB_GLOB_TEXT,
		.separator = ':',
		.families = CRB_FAMILY_AWS,
		.never = "$",
		.starts = "arn:",
		.help = "to what, by ARN, as in arn:aws:s3:::bucket/*" },
	    { .name = "service",
		.style = CRB_GLOB_TEXT,
		.separator = ':',
		.letters = CRB_LETTERS_FOLD,
		.families = CRB_FAMILY_AWS,
		.only = LOWER UPPER DIGITS "-._?",
		.help = "services of AWS, of requests that the broker signs" },
	    { .name = "region",
		.style = CRB_GLOB_TEXT,
		.separator = ':',
		.letters = CRB_LETTERS_FOLD,
		.families = CRB_FAMILY_AWS,
		.only = LOWER UPPER DIGITS "-._?",
		.help = "regions of AWS, of requests that the broker signs" },
    };

const struct crb_policy_attribute crb_policy_facts[] = {
	[CRB_FACT_CREDENTIAL] = { .name = "credentials",
	    .style = CRB_GLOB_NAMES,
	    .separator = '/',
	    .only = LOWER DIGITS "._-",
	    .most = NAME_MAX_LEN,
	    .help = "credentials by name, as in github or aws-*" },
	[CRB_FACT_USER] = { .name = "users",
	    .style = CRB_GLOB_NAMES,
	    .separator = '/',
	    .never = ":",
	    .help = "users of the host who have issued the session" },
	[CRB_FACT_GROUP] = { .name = "groups",
	    .style = CRB_GLOB_NAMES,
	    .separator = '/',
	    .never = ":",
	    .help = "groups of the host that they are in" },
	[CRB_FACT_TASK] = { .name = "tasks",
	    .style = CRB_GLOB_NAMES,
	    .separator = '/',
	    .only = LOWER UPPER DIGITS "._-",
	    .most = TASK_MAX_LEN,
	    .help = "tasks by id, as in ci-*" },
	[CRB_FACT_LABEL] = { .name = "labels",
	    .style = CRB_GLOB_LABELS,
	    .separator = '/',
	    .help = "labels of the session by name; each has to match" },
	[CRB_FACT_DELIVERY] = { .name = "delivery",
	    .style = CRB_GLOB_NAMES,
	    .separator = '/',
	    .choices = deliveries,
	    .help = "whether the credential is handed out or added outside" },
};

size_t
crb_policy_attribute_find(const char *name)
{
	size_t i = 0;

	while (i < CRB_POLICY_ATTRIBUTES &&
	    strcmp(crb_policy_attributes[i].name, name) != 0)
		i++;
	return i;
}

static enum crb_status
never_matches(
    const char *value, const char *why, const char *what, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(4 * SHOWN_MAX + 8);

	crb_text_escape(&shown, value, strlen(value), SHOWN_MAX);
	return crb_err_set(err, CRB_ERR_INVALID, "\"%s\" can never match: %s%s",
	    crb_buf_text(&shown), why, what);
}

static enum crb_status
check_choice(const struct crb_policy_attribute *attribute, const char *value,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(4 * SHOWN_MAX + 8);
	CRB_AUTO_BUF struct crb_buf known = CRB_BUF_INIT(256);

	for (size_t i = 0; attribute->choices[i] != NULL; i++) {
		if (strcmp(attribute->choices[i], value) == 0)
			return CRB_OK;
		crb_buf_printf(
		    &known, "%s%s", i > 0 ? ", " : "", attribute->choices[i]);
	}
	crb_text_escape(&shown, value, strlen(value), SHOWN_MAX);
	return crb_err_set(err, CRB_ERR_INVALID, "\"%s\" is not one of %s",
	    crb_buf_text(&shown), crb_buf_text(&known));
}

static enum crb_status
has_strange(const struct crb_policy_attribute *attribute, const char *value,
    const char *shown, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf what = CRB_BUF_INIT(256);

	if (attribute->besides != NULL)
		crb_buf_printf(&what, "\"%s\": %s", shown, attribute->besides);
	else
		crb_buf_str(&what, shown);
	return never_matches(
	    value, "there is none with a ", crb_buf_text(&what), err);
}

static bool
is_wildcard(const struct crb_policy_attribute *attribute, char c)
{
	return c == '*' || (c == '?' && attribute->style == CRB_GLOB_TEXT);
}

static enum crb_status
check_characters(const struct crb_policy_attribute *attribute,
    const char *value, struct crb_err *err)
{
	bool spaces = attribute->style == CRB_GLOB_LABELS;

	for (const char *p = value; *p != '\0'; p++) {
		char shown[2] = { *p, '\0' };

		if (is_wildcard(attribute, *p))
			continue;
		if (!spaces && (*p <= ' ' || *p > '~'))
			return never_matches(value,
			    "it has to be printable ASCII without spaces", "",
			    err);
		if ((attribute->never != NULL &&
			strchr(attribute->never, *p) != NULL) ||
		    (attribute->only != NULL &&
			strchr(attribute->only, *p) == NULL))
			return has_strange(attribute, value, shown, err);
	}
	return CRB_OK;
}

/* At the start or end of a label, where no host has one. */
static enum crb_status
check_hyphens(const struct crb_policy_attribute *attribute, const char *value,
    struct crb_err *err)
{
	for (const char *p = strchr(value, '-'); p != NULL;
	     p = strchr(p + 1, '-')) {
		if (p == value || p[-1] == attribute->separator ||
		    p[1] == attribute->separator || p[1] == '\0')
			return never_matches(value,
			    "there is none with a \"-\" at an end of a part "
			    "of it",
			    "", err);
	}
	return CRB_OK;
}

/* "refs/heads/x" and "r*" can start as all do; "heads/x" cannot. */
static bool
can_start(const struct crb_policy_attribute *attribute, const char *value)
{
	const char *starts = attribute->starts;

	if (starts == NULL)
		return true;
	for (; *starts != '\0'; starts++, value++) {
		if (is_wildcard(attribute, *value))
			return true;
		if (*value != *starts)
			return false;
	}
	return true;
}

static size_t
literal_length(const struct crb_policy_attribute *attribute, const char *value)
{
	size_t length = 0;

	for (; *value != '\0'; value++)
		length += !is_wildcard(attribute, *value);
	return length;
}

/* "**" that is not a whole segment. */
static bool
has_loose_stars(const struct crb_policy_attribute *attribute, const char *value)
{
	const char *stars = strstr(value, "**");

	if (attribute->style == CRB_GLOB_TEXT)
		return false;
	for (; stars != NULL; stars = strstr(stars + 1, "**")) {
		if ((stars > value && stars[-1] != attribute->separator) ||
		    (stars[2] != '\0' && stars[2] != attribute->separator))
			return true;
	}
	return false;
}

static bool
has_empty_segment(
    const struct crb_policy_attribute *attribute, const char *value)
{
	char separator = attribute->separator;
	char two[3] = { separator, separator, '\0' };
	size_t len = strlen(value);

	if (attribute->style == CRB_GLOB_PATHS)
		return strstr(value, two) != NULL;
	return attribute->style == CRB_GLOB_NAMES &&
	    (value[0] == separator || value[len - 1] == separator ||
		strstr(value, two) != NULL);
}

/* At a "%": an escape that is in paths, or as much of one as is said. */
static bool
is_path_escape(const char *p)
{
	int high = crb_text_hex_value(p[1]);
	int low = p[1] != '\0' ? crb_text_hex_value(p[2]) : -1;

	if (p[1] == '*')
		return true;
	if (high < 0 || (p[1] >= 'a' && p[1] <= 'f'))
		return false;
	if (p[2] == '*')
		return true;
	return low >= 0 && !(p[2] >= 'a' && p[2] <= 'f') &&
	    crb_path_escapes((unsigned char)(high * 16 + low));
}

bool
crb_path_escapes(unsigned char c)
{
	return c <= ' ' || c > '~' || strchr("/%*?#\\$", c) != NULL;
}

/* Paths have one spelling, and no rule is about another. */
static enum crb_status
check_path(const char *value, struct crb_err *err)
{
	for (const char *p = strchr(value, '%'); p != NULL;
	     p = strchr(p + 1, '%')) {
		if (!is_path_escape(p))
			return never_matches(value,
			    "an escape is % and two digits or capitals, and of "
			    "what cannot stand as itself",
			    "", err);
	}
	for (const char *p = strchr(value, '/'); p != NULL;
	     p = strchr(p + 1, '/')) {
		size_t dots = strspn(p + 1, ".");

		if ((dots == 1 || dots == 2) &&
		    (p[1 + dots] == '/' || p[1 + dots] == '\0'))
			return never_matches(value,
			    "there is none with a segment \".\" or \"..\"", "",
			    err);
	}
	return CRB_OK;
}

static bool
ends_in(const char *value, const char *ending)
{
	size_t len = strlen(value), cut = ending != NULL ? strlen(ending) : 0;

	return cut > 0 && len >= cut && strcmp(&value[len - cut], ending) == 0;
}

static enum crb_status
check_pattern(const struct crb_policy_attribute *attribute, const char *value,
    struct crb_err *err)
{
	enum crb_status status;

	if (has_loose_stars(attribute, value))
		return never_matches(value,
		    "\"**\" has to be a whole segment of the pattern", "", err);
	if (has_empty_segment(attribute, value))
		return never_matches(
		    value, "there is none with an empty segment", "", err);
	status = check_characters(attribute, value, err);
	if (status != CRB_OK)
		return status;
	if (attribute->style == CRB_GLOB_PATHS &&
	    (status = check_path(value, err)) != CRB_OK)
		return status;
	if (attribute->separator == '.' &&
	    (status = check_hyphens(attribute, value, err)) != CRB_OK)
		return status;
	if (!can_start(attribute, value))
		return never_matches(
		    value, "all of them start with ", attribute->starts, err);
	if (attribute->has != NULL && strpbrk(value, "*") == NULL &&
	    strstr(value, attribute->has) == NULL)
		return never_matches(
		    value, "all of them have a ", attribute->has, err);
	if (attribute->most > 0 &&
	    literal_length(attribute, value) > attribute->most)
		return never_matches(value, "it is too long", "", err);
	if (ends_in(value, attribute->strip))
		return never_matches(value,
		    "they are meant without the ending ", attribute->strip,
		    err);
	return CRB_OK;
}

enum crb_status
crb_policy_value_check(const struct crb_policy_attribute *attribute,
    const char *value, struct crb_err *err)
{
	if (attribute->choices != NULL)
		return check_choice(attribute, value, err);
	if (*value == '\0')
		return never_matches(value, "it is empty", "", err);
	if (strlen(value) >= CRB_GLOB_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "a pattern of more than %d characters", CRB_GLOB_MAX - 1);
	return check_pattern(attribute, value, err);
}
