#include "shim/inventory_formats.h"

#include <string.h>
#include <strings.h>

#define PREFIX_MAX 13

/*
 * How far is read to know a form: a text of nothing but beginnings must not
 * take the square of its length.
 */
#define TOKEN_MAX 256

/*
 * Tokens that say what they are.  The forms are those that their makers
 * publish for secret scanners.  A row is bytes only: pointers would cost a
 * relocation each in a program that has no room.
 */
static const struct token {
	char prefix[PREFIX_MAX];
	unsigned char least; /* characters behind the prefix */
	bool digit;          /* one of them is a digit: else it is a word */
	char what[22];
} tokens[] = {
	{ "AGE-SECRET-K", 40, false, "an age key" },
	{ "AIza", 35, false, "a Google token" },
	{ "AKIA", 16, false, "an AWS key ID" },
	{ "ASIA", 16, false, "an AWS key ID" },
	{ "ATATT3", 40, false, "an Atlassian token" },
	{ "EAACEdEose0c", 20, false, "a Facebook token" },
	{ "GOCSPX-", 20, false, "a Google token" },
	{ "NRAK-", 20, false, "a New Relic token" },
	{ "PMAK-", 40, false, "a Postman token" },
	{ "SG.", 40, false, "a SendGrid token" },
	{ "dapi", 32, true, "a Databricks token" },
	{ "dckr_oat_", 20, false, "a Docker token" },
	{ "dckr_pat_", 20, false, "a Docker token" },
	{ "dop_v1_", 40, false, "a DigitalOcean token" },
	{ "figd_", 20, false, "a Figma token" },
	{ "gho_", 30, false, "a GitHub token" },
	{ "ghp_", 30, false, "a GitHub token" },
	{ "ghr_", 30, false, "a GitHub token" },
	{ "ghs_", 30, false, "a GitHub token" },
	{ "ghu_", 30, false, "a GitHub token" },
	{ "github_pat_", 22, false, "a GitHub token" },
	{ "glcbt-", 20, false, "a GitLab token" },
	{ "gldt-", 20, false, "a GitLab token" },
	{ "glft-", 20, false, "a GitLab token" },
	{ "glpat-", 20, false, "a GitLab token" },
	{ "glptt-", 20, false, "a GitLab token" },
	{ "glrt-", 20, false, "a GitLab token" },
	{ "glsa_", 32, false, "a Grafana token" },
	{ "gsk_", 40, false, "a Groq token" },
	{ "hf_", 30, false, "a Hugging Face token" },
	{ "hvb.", 20, false, "a Vault token" },
	{ "hvs.", 20, false, "a Vault token" },
	{ "lin_api_", 30, false, "a Linear token" },
	{ "npm_", 36, false, "an npm token" },
	{ "ntn_", 40, false, "a Notion token" },
	{ "nvapi-", 40, false, "an NVIDIA token" },
	{ "pplx-", 40, false, "a Perplexity token" },
	{ "pypi-", 40, true, "a PyPI token" },
	{ "r8_", 36, true, "a Replicate token" },
	{ "rk_live_", 20, false, "a Stripe token" },
	{ "rubygems_", 40, false, "a RubyGems token" },
	{ "sbp_", 40, false, "a Supabase token" },
	{ "shpat_", 32, false, "a Shopify token" },
	{ "sk-ant-", 20, false, "an Anthropic token" },
	{ "sk-", 20, true, "an OpenAI token" },
	{ "sk_live_", 20, false, "a Stripe token" },
	{ "sk_test_", 20, false, "a Stripe token" },
	{ "sq0csp-", 30, false, "a Square token" },
	{ "whsec_", 24, false, "a Stripe token" },
	{ "xai-", 40, true, "an xAI token" },
	{ "xapp-", 20, true, "a Slack token" },
	{ "xoxa-", 10, true, "a Slack token" },
	{ "xoxb-", 10, true, "a Slack token" },
	{ "xoxc-", 10, true, "a Slack token" },
	{ "xoxd-", 10, true, "a Slack token" },
	{ "xoxe-", 10, true, "a Slack token" },
	{ "xoxe.", 10, true, "a Slack token" },
	{ "xoxo-", 10, true, "a Slack token" },
	{ "xoxp-", 10, true, "a Slack token" },
	{ "xoxr-", 10, true, "a Slack token" },
	{ "xoxs-", 10, true, "a Slack token" },
	{ "ya29.", 20, false, "a Google token" },
};

/* A piece of text that is left to read. */
struct rest {
	const char *p;
	size_t len;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Of base64url, which tokens keep to. */
static bool
is_token_char(char c)
{
	return is_alnum(c) || c == '_' || c == '-';
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
starts(struct rest rest, const char *with)
{
	size_t len = strlen(with);

	return rest.len >= len && memcmp(rest.p, with, len) == 0;
}

static bool
starts_any_case(struct rest rest, const char *with)
{
	size_t len = strlen(with);

	return rest.len >= len && strncasecmp(rest.p, with, len) == 0;
}

static struct rest
from(struct rest rest, size_t skip)
{
	if (skip > rest.len)
		skip = rest.len;
	return (struct rest){ rest.p + skip, rest.len - skip };
}

static bool
is_token(const struct token *token, struct rest rest)
{
	bool digit = !token->digit;
	size_t n = 0;

	if (!starts(rest, token->prefix))
		return false;
	rest = from(rest, strlen(token->prefix));
	for (; n < rest.len && n < TOKEN_MAX &&
	     (is_token_char(rest.p[n]) || rest.p[n] == '.');
	     n++)
		digit |= is_digit(rest.p[n]);
	return digit && n >= token->least;
}

static const char *
find_token(struct rest rest)
{
	for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
		if (tokens[i].prefix[0] == rest.p[0] &&
		    is_token(&tokens[i], rest))
			return tokens[i].what;
	}
	return NULL;
}

static size_t
token_run(struct rest rest)
{
	size_t n = 0;

	while (n < rest.len && is_token_char(rest.p[n]))
		n++;
	return n;
}

/*
 * RFC 7519: both header and claims are objects, which begin with {".  What
 * begins later in the same header fails as this does: it begins behind *tried.
 */
static bool
is_jwt(struct rest rest, const char **tried)
{
	if (rest.p < *tried)
		return false;
	for (int part = 0; part < 3; part++) {
		size_t n;

		if (part < 2 && !starts(rest, "eyJ"))
			return false;
		n = token_run(rest);
		if (part == 0)
			*tried = rest.p + n;
		if (n < 10 || (part < 2 && (n == rest.len || rest.p[n] != '.')))
			return false;
		rest = from(rest, n + 1);
	}
	return true;
}

/* Not what a shell or a template puts something into later. */
static bool
is_filled_in(char c)
{
	return c != '$' && c != '<' && c != '{' && c != '*' && c != '%';
}

/* RFC 3986 3.2.1, from "://" on; a long user alone is a token, too. */
static bool
is_url_with_password(struct rest rest)
{
	size_t colon = 0, at = 0, n;

	if (!starts(rest, "://"))
		return false;
	rest = from(rest, 3);
	for (n = 0; n < rest.len && !is_space(rest.p[n]); n++) {
		char c = rest.p[n];

		if (c == '\0' || c == '/' || c == '?' || c == '#' || c == '"' ||
		    c == '\'' || c == '\\')
			break;
		if (c == ':' && colon == 0 && at == 0)
			colon = n + 1;
		if (c == '@')
			at = n;
	}
	if (at == 0)
		return false;
	if (colon > 0 && colon <= at)
		return colon < at && is_filled_in(rest.p[colon]);
	return at >= 20 && is_filled_in(rest.p[0]);
}

/* "Authorization: Basic ..." of a header that a tool was told to send. */
static bool
is_authorization(struct rest rest)
{
	static const char header[] = "authorization:";
	size_t n = 0, word = 0;

	if (!starts_any_case(rest, header))
		return false;
	rest = from(rest, sizeof(header) - 1);
	while (n < rest.len && rest.p[n] == ' ')
		n++;
	while (n < rest.len && is_alnum(rest.p[n]))
		n++;
	while (n < rest.len && rest.p[n] == ' ')
		n++;
	while (n + word < rest.len && word < TOKEN_MAX &&
	    !is_space(rest.p[n + word]))
		word++;
	return word >= 6 && is_filled_in(rest.p[n]);
}

/* The label of "-----BEGIN label-----" at `rest`, if it is of a private key. */
static bool
is_private_label(struct rest rest, struct rest *label)
{
	static const char begin[] = "-----BEGIN ";
	size_t n = 0;

	if (!starts(rest, begin))
		return false;
	rest = from(rest, sizeof(begin) - 1);
	while (n < rest.len && n < 48 && rest.p[n] != '-')
		n++;
	*label = (struct rest){ rest.p, n };
	return starts(from(rest, n), "-----") &&
	    memmem(rest.p, n, "PRIVATE KEY", 11) != NULL;
}

/*
 * RFC 1421 says "Proc-Type", PKCS #8 has a label of its own.  OpenSSH's form
 * (PROTOCOL.key) has the cipher first: "none", in base64 at a known place.
 */
static bool
is_encrypted(struct rest rest, struct rest label)
{
	static const char openssh[] = "b3BlbnNzaC1rZXktdjEA";
	size_t n = 0;

	if (starts(label, "ENCRYPTED") || starts(label, "PGP"))
		return true;
	rest = from(rest, (size_t)(label.p - rest.p) + label.len + 5);
	while (n < rest.len && (is_space(rest.p[n]) || rest.p[n] == '\\'))
		n += rest.p[n] == '\\' ? 2 : 1;
	rest = from(rest, n);
	if (starts(rest, openssh))
		return !starts(from(rest, sizeof(openssh) - 1), "AAAABG5vbmU");
	return starts(rest, "Proc-Type: 4,ENCRYPTED");
}

static enum crb_format_key
key_here(struct rest rest)
{
	static const char putty[] = "PuTTY-User-Key-File-";
	struct rest label;

	if (rest.p[0] == 'P' && starts(rest, putty)) {
		if (rest.len > 1024)
			rest.len = 1024;
		return memmem(rest.p, rest.len, "\nEncryption: none", 17) !=
			NULL
		    ? CRB_FORMAT_KEY_PLAIN
		    : CRB_FORMAT_KEY_ENCRYPTED;
	}
	if (rest.p[0] != '-' || !is_private_label(rest, &label))
		return CRB_FORMAT_KEY_NONE;
	return is_encrypted(rest, label) ? CRB_FORMAT_KEY_ENCRYPTED
					 : CRB_FORMAT_KEY_PLAIN;
}

enum crb_format_key
crb_format_key(const char *text, size_t len)
{
	enum crb_format_key worst = CRB_FORMAT_KEY_NONE;

	for (size_t i = 0; i < len && worst != CRB_FORMAT_KEY_PLAIN; i++) {
		enum crb_format_key here = key_here(
		    (struct rest){ text + i, len - i });

		if (here > worst)
			worst = here;
	}
	return worst;
}

/* What begins exactly here; `inside` is in the middle of a word. */
static const char *
find_here(struct rest rest, bool inside, const char **tried)
{
	if (rest.p[0] == ':' && is_url_with_password(rest))
		return "a URL with a password";
	if (rest.p[0] == '-' && key_here(rest) != CRB_FORMAT_KEY_NONE)
		return "a private key";
	if (inside)
		return NULL;
	if ((rest.p[0] == 'a' || rest.p[0] == 'A') && is_authorization(rest))
		return "an Authorization header";
	if (rest.p[0] == 'e' && is_jwt(rest, tried))
		return "a JSON web token";
	return find_token(rest);
}

const char *
crb_format_find(const char *text, size_t len)
{
	const char *tried = text;

	for (size_t i = 0; i < len; i++) {
		const char *found = find_here(
		    (struct rest){ text + i, len - i },
		    i > 0 && is_alnum(text[i - 1]), &tried);

		if (found != NULL)
			return found;
	}
	return NULL;
}

static bool
has(const char *text, size_t len, const char *needle, size_t needle_len)
{
	if (needle_len == 0)
		return false;
	for (size_t i = 0; i + needle_len <= len; i++) {
		if (strncasecmp(text + i, needle, needle_len) == 0)
			return true;
	}
	return false;
}

bool
crb_format_has(const char *text, size_t len, const char *needles)
{
	while (*needles != '\0') {
		size_t n = strcspn(needles, "|");

		if (has(text, len, needles, n))
			return true;
		needles += n;
		if (*needles == '|')
			needles++;
	}
	return false;
}

bool
crb_format_shadow(const char *text, size_t len)
{
	struct rest rest = { text, len };

	while (rest.len > 0) {
		const char *end = memchr(rest.p, '\n', rest.len);
		size_t line = end != NULL ? (size_t)(end - rest.p) : rest.len;
		const char *colon = memchr(rest.p, ':', line);
		size_t before = colon != NULL ? (size_t)(colon - rest.p) + 1
					      : 0;

		/* "!" before a hash locks the account, and keeps the hash. */
		while (before > 0 && before < line && rest.p[before] == '!')
			before++;
		if (before > 0 && before < line &&
		    (rest.p[before] == '$' || rest.p[before] == '_' ||
			is_alnum(rest.p[before])))
			return true;
		rest = from(rest, line + 1);
	}
	return false;
}

bool
crb_format_own_token(const char *text, size_t len)
{
	/* What it tells AWS's tools, which want to see something. */
	static const char *const words[] = { "not-a-secret",
		"Credbroker-Session" };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
			return true;
	if (!starts((struct rest){ text, len }, "crbs_"))
		return false;
	for (n = 5; n < len && is_alnum(text[n]); n++)
		continue;
	while (n < len && is_space(text[n]))
		n++;
	return n == len;
}
