#include "shim/inventory_settings.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 16

/* How a word has to stand in a name to count. */
enum place {
	ENDING, /* the end of a part: PGPASSWORD has PASSWORD */
	WHOLE,  /* a part of its own */
	LAST,   /* the name's last part: API_KEY, not KEY_MAP */
};

/* Parts of a name are what is divided by anything but letters and digits. */
static const struct word {
	char text[WORD_MAX];
	enum place place;
	enum crb_severity severity;
} secret_words[] = {
	{ "PASSWORD", ENDING, CRB_SEVERITY_HIGH },
	{ "PASSPHRASE", ENDING, CRB_SEVERITY_HIGH },
	{ "PASSWD", ENDING, CRB_SEVERITY_HIGH },
	{ "SECRET", ENDING, CRB_SEVERITY_HIGH },
	{ "SECRETS", ENDING, CRB_SEVERITY_HIGH },
	{ "TOKEN", ENDING, CRB_SEVERITY_HIGH },
	{ "APIKEY", ENDING, CRB_SEVERITY_HIGH },
	{ "ACCESSKEY", ENDING, CRB_SEVERITY_HIGH },
	{ "SECRETKEY", ENDING, CRB_SEVERITY_HIGH },
	{ "PRIVATEKEY", ENDING, CRB_SEVERITY_HIGH },
	{ "TOKENS", WHOLE, CRB_SEVERITY_MEDIUM },
	{ "PASS", ENDING, CRB_SEVERITY_MEDIUM },
	{ "PWD", ENDING, CRB_SEVERITY_MEDIUM },
	{ "CREDENTIAL", ENDING, CRB_SEVERITY_MEDIUM },
	{ "CREDENTIALS", ENDING, CRB_SEVERITY_MEDIUM },
	{ "CREDS", ENDING, CRB_SEVERITY_MEDIUM },
	{ "COOKIE", WHOLE, CRB_SEVERITY_MEDIUM },
	{ "AUTH", WHOLE, CRB_SEVERITY_MEDIUM },
	{ "DSN", WHOLE, CRB_SEVERITY_MEDIUM },
	{ "KEY", LAST, CRB_SEVERITY_MEDIUM },
};

/* Parts that look like those and are not. */
static const char harmless_parts[][WORD_MAX] = { "ASKPASS", "BYPASS", "COMPASS",
	"OLDPWD", "PUBLIC" };

/* Names of this end are about a secret, and do not hold it. */
static const char harmless_ends[][WORD_MAX] = { "ENABLED", "ENDPOINT",
	"EXPIRES", "EXPIRY", "HELPER", "HOST", "LENGTH", "LIMIT", "METHOD",
	"MODE", "NAME", "PORT", "REGION", "SOCK", "STORE", "TTL", "TYPE", "URI",
	"URL", "USER", "USERNAME" };
static const char path_ends[][WORD_MAX] = { "DIR", "FILE", "FILENAME", "FOLDER",
	"HOME", "PATH" };

static bool
is_one_of(struct crb_span part, const char (*words)[WORD_MAX], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(words[i]) == part.len &&
		    strncasecmp(words[i], part.p, part.len) == 0)
			return true;
	}
	return false;
}

#define IS_ONE_OF(part, words) \
	is_one_of(part, words, sizeof(words) / sizeof(*(words)))

/* Take the next part off `name`; false when there is none. */
static bool
next_part(struct crb_span *name, struct crb_span *part)
{
	size_t n = 0;

	while (name->len > 0 && !isalnum((unsigned char)*name->p)) {
		name->p++;
		name->len--;
	}
	while (n < name->len && isalnum((unsigned char)name->p[n]))
		n++;
	*part = (struct crb_span){ name->p, n };
	name->p += n;
	name->len -= n;
	return n > 0;
}

static bool
word_fits(const struct word *word, struct crb_span part, bool last)
{
	size_t len = strlen(word->text);

	if (part.len < len || (word->place == LAST && !last) ||
	    (word->place != ENDING && part.len != len))
		return false;
	return strncasecmp(part.p + part.len - len, word->text, len) == 0;
}

/* The word that makes the name a secret's, or NULL; *end is the last part. */
static const struct word *
find_word(struct crb_span name, struct crb_span *end)
{
	const struct word *found = NULL;
	bool is_public = false;
	struct crb_span part;

	*end = (struct crb_span){ "", 0 };
	/* The shell's own. */
	if (name.len == 3 && memcmp(name.p, "PWD", 3) == 0)
		return NULL;
	while (next_part(&name, &part)) {
		*end = part;
		if (IS_ONE_OF(part, harmless_parts)) {
			is_public |= toupper((unsigned char)part.p[0]) == 'P';
			continue;
		}
		for (size_t i = 0;
		     i < sizeof(secret_words) / sizeof(*secret_words); i++) {
			const struct word *word = &secret_words[i];

			if (word->place == LAST && is_public)
				continue;
			if ((found == NULL ||
				word->severity > found->severity) &&
			    word_fits(word, part, name.len == 0))
				found = word;
		}
	}
	return found;
}

/* A switch, or a short number: nobody's secret. */
static bool
is_switch(struct crb_span value)
{
	static const char switches[][WORD_MAX] = { "true", "false", "yes", "no",
		"on", "off", "none", "null", "auto", "always", "never" };
	size_t digits = 0;

	while (digits < value.len && value.p[digits] >= '0' &&
	    value.p[digits] <= '9')
		digits++;
	return (digits == value.len && digits < 4) ||
	    IS_ONE_OF(value, switches);
}

static bool
is_number(struct crb_span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return false;
	}
	return true;
}

enum crb_setting
crb_setting_judge(struct crb_span name, struct crb_span value,
    enum crb_severity *severity, const char **reason)
{
	const char *format = crb_format_find(value.p, value.len);
	const struct word *word;
	struct crb_span end;

	if (format != NULL) {
		*severity = CRB_SEVERITY_HIGH;
		*reason = format;
		return CRB_SETTING_SECRET;
	}
	word = value.len > 0 ? find_word(name, &end) : NULL;
	if (word == NULL || is_switch(value) || IS_ONE_OF(end, harmless_ends) ||
	    crb_format_own_token(value.p, value.len) ||
	    (strcmp(word->text, "TOKENS") == 0 && is_number(value)))
		return CRB_SETTING_PLAIN;
	*severity = word->severity;
	*reason = "its name says that it is a secret";
	if (IS_ONE_OF(end, path_ends))
		return CRB_SETTING_PATH;
	return value.p[0] == '/' ? CRB_SETTING_EITHER : CRB_SETTING_SECRET;
}

static void
trim(struct crb_span *span)
{
	while (span->len > 0 && isspace((unsigned char)span->p[0])) {
		span->p++;
		span->len--;
	}
	while (span->len > 0 && isspace((unsigned char)span->p[span->len - 1]))
		span->len--;
}

/* NAME=VALUE without what a shell would take off. */
static bool
split(struct crb_span line, struct crb_span *name, struct crb_span *value)
{
	const char *equals;

	trim(&line);
	if (line.len > 7 && memcmp(line.p, "export ", 7) == 0)
		line = (struct crb_span){ line.p + 7, line.len - 7 };
	if (line.len == 0 || line.p[0] == '#' ||
	    (equals = memchr(line.p, '=', line.len)) == NULL)
		return false;
	*name = (struct crb_span){ line.p, (size_t)(equals - line.p) };
	*value = (struct crb_span){ equals + 1, line.len - name->len - 1 };
	trim(name);
	trim(value);
	if (value->len >= 2 && (value->p[0] == '"' || value->p[0] == '\'') &&
	    value->p[value->len - 1] == value->p[0])
		*value = (struct crb_span){ value->p + 1, value->len - 2 };
	return true;
}

static bool
is_secret(enum crb_setting setting)
{
	return setting == CRB_SETTING_SECRET || setting == CRB_SETTING_EITHER;
}

size_t
crb_settings_count(
    struct crb_span text, enum crb_severity *severity, const char **reason)
{
	const char *whole = crb_format_find(text.p, text.len);
	size_t count = 0;

	*severity = CRB_SEVERITY_LOW;
	while (text.len > 0) {
		const char *end = memchr(text.p, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.p) : text.len;
		struct crb_span name, value;
		enum crb_severity one = CRB_SEVERITY_LOW;
		const char *why = NULL;

		if (split((struct crb_span){ text.p, len }, &name, &value) &&
		    is_secret(crb_setting_judge(name, value, &one, &why))) {
			if (count == 0 || one > *severity) {
				*severity = one;
				*reason = why;
			}
			count++;
		}
		len += len < text.len ? 1 : 0;
		text = (struct crb_span){ text.p + len, text.len - len };
	}
	if (count == 0 && whole != NULL) {
		*severity = CRB_SEVERITY_HIGH;
		*reason = whole;
		count = 1;
	}
	return count;
}
