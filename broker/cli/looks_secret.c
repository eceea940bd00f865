#include "broker/cli/looks_secret.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static bool
has_known_prefix(const char *text)
{
	static const char *const prefixes[] = { "ghp_", "gho_", "ghu_", "ghs_",
		"ghr_", "github_pat_", "glpat-", "gldt-", "AKIA", "ASIA", "sk-",
		"xoxb-", "xoxp-", "xapp-", "npm_", "pypi-", "dop_v1_", "hvs.",
		"crbs_", "AIza", "ya29.", "eyJ", "-----BEGIN", NULL };

	for (size_t i = 0; prefixes[i] != NULL; i++)
		if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* Bits a character, of the text's own distribution. */
static double
entropy(const char *text, size_t len)
{
	unsigned count[256] = { 0 };
	double bits = 0.0;

	for (size_t i = 0; i < len; i++)
		count[(unsigned char)text[i]]++;
	for (size_t i = 0; i < 256; i++) {
		double p = (double)count[i] / (double)len;

		if (count[i] > 0)
			bits -= p * log2(p);
	}
	return bits;
}

bool
crb_looks_secret(const char *text)
{
	size_t len = strlen(text);
	bool digit = false, upper = false, lower = false;

	if (has_known_prefix(text))
		return true;
	if (len < 20 ||
	    strspn(text,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz"
		"0123456789+=_-") != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		digit |= isdigit((unsigned char)text[i]) != 0;
		upper |= isupper((unsigned char)text[i]) != 0;
		lower |= islower((unsigned char)text[i]) != 0;
	}
	return digit && (upper || lower) && entropy(text, len) > 3.5;
}
