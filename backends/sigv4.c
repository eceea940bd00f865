#include "backends/sigv4.h"

#include <string.h>
#include <time.h>

#include <sodium.h>

#include "backends/sigv4_canonical.h"
#include "base/cleanup.h"
#include "base/text.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define END "aws4_request"
#define UNSIGNED "UNSIGNED-PAYLOAD"

#define METHOD_MAX 16u
#define HOST_MAX 262u /* a name, ":" and a port, with room */
#define WORD_MAX 64u
#define ID_MAX 128u
#define SECRET_MAX 256u
#define TOKEN_MAX (16u << 10)
#define OURS_MAX (TOKEN_MAX + 1024u)
#define SCOPE_MAX (9u + 2 * (WORD_MAX + 1) + sizeof(END))
#define STAMP_SIZE sizeof("20261121T093000Z")
#define DAY_LEN 8u

#define MAC crypto_auth_hmacsha256_BYTES

void
crb_sigv4_hash(const void *body, size_t len, char out[CRB_SIGV4_HASH])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	(void)crypto_hash_sha256(hash, body, len);
	(void)sodium_bin2hex(out, CRB_SIGV4_HASH, hash, sizeof(hash));
}

static bool
is_alphanumeric(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9');
}

static bool
is_capital(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_of_word(char c)
{
	return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
}

static bool
is_of_host(char c)
{
	return is_of_word(c) || c == ':' || c == '[' || c == ']';
}

static bool
is_visible(char c)
{
	return c > ' ' && c <= '~';
}

/* It stands in a list with "/" and ",". */
static bool
is_of_id(char c)
{
	return is_visible(c) && c != '/' && c != ',' && c != '=';
}

static bool
is_of_hash(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool
all_are(const char *text, bool (*is)(char), size_t least, size_t most)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (!is(text[i]))
			return false;
	}
	return len >= least && len <= most;
}

static enum crb_status
check(const struct crb_sigv4_keys *keys, const struct crb_sign_request *request,
    struct crb_err *err)
{
	const struct {
		const char *what, *text;
		bool (*is)(char);
		size_t most;
	} parts[] = {
		{ "method", request->method, is_capital, METHOD_MAX },
		{ "host", request->host, is_of_host, HOST_MAX },
		{ "service", request->service, is_of_word, WORD_MAX },
		{ "region", request->region, is_of_word, WORD_MAX },
		{ "access key id", keys->id, is_of_id, ID_MAX },
		{ "secret access key", keys->secret, is_visible, SECRET_MAX },
		{ "session token", keys->token, is_visible, TOKEN_MAX },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (parts[i].text != NULL &&
		    !all_are(parts[i].text, parts[i].is, 1, parts[i].most))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "cannot sign: the %s is malformed", parts[i].what);
	}
	if (!all_are(request->payload, is_of_hash, CRB_SIGV4_HASH - 1,
		CRB_SIGV4_HASH - 1) &&
	    !(crb_sigv4_is_s3(request->service) &&
		strcmp(request->payload, UNSIGNED) == 0))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "cannot sign: the payload is no SHA-256%s",
		    crb_sigv4_is_s3(request->service) ? " nor " UNSIGNED : "");
	return CRB_OK;
}

static enum crb_status
write_stamp(int64_t now, char out[STAMP_SIZE], struct crb_err *err)
{
	time_t at = (time_t)now;
	struct tm tm;

	if (now < 0 || gmtime_r(&at, &tm) == NULL ||
	    strftime(out, STAMP_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "cannot sign: no such time");
	return CRB_OK;
}

static void
write_ours(const struct crb_sigv4_keys *keys,
    const struct crb_sign_request *request, const char *stamp,
    struct crb_buf *out)
{
	crb_buf_printf(out, "x-amz-date: %s\n", stamp);
	if (crb_sigv4_is_s3(request->service))
		crb_buf_printf(
		    out, "x-amz-content-sha256: %s\n", request->payload);
	if (keys->token != NULL) {
		crb_buf_str(out, "x-amz-security-token: ");
		crb_buf_str(out, keys->token);
		crb_buf_char(out, '\n');
	}
}

static void
mac(const void *key, size_t key_len, const char *text,
    unsigned char out[static MAC])
{
	crypto_auth_hmacsha256_state state;
	CRB_AUTO_WIPE const struct crb_wipe wipe = { &state, sizeof(state) };

	(void)crypto_auth_hmacsha256_init(&state, key, key_len);
	(void)crypto_auth_hmacsha256_update(
	    &state, (const unsigned char *)text, strlen(text));
	(void)crypto_auth_hmacsha256_final(&state, out);
}

/* The secret, the day, the region, the service, the text: one key a step. */
static void
write_signature(const struct crb_sigv4_keys *keys,
    const struct crb_sign_request *request, const char *stamp, const char *text,
    struct crb_buf *out)
{
	char day[DAY_LEN + 1] = { 0 };
	char first[4 + SECRET_MAX] = "AWS4";
	unsigned char key[MAC], next[MAC];
	CRB_AUTO_WIPE const struct crb_wipe wipe_first = { first,
		sizeof(first) };
	CRB_AUTO_WIPE const struct crb_wipe wipe_key = { key, sizeof(key) };
	CRB_AUTO_WIPE const struct crb_wipe wipe_next = { next, sizeof(next) };
	size_t len = strlen(keys->secret);

	memcpy(day, stamp, DAY_LEN);
	memcpy(first + 4, keys->secret, len);
	mac(first, 4 + len, day, key);
	mac(key, sizeof(key), request->region, next);
	mac(next, sizeof(next), request->service, key);
	mac(key, sizeof(key), END, next);
	mac(next, sizeof(next), text, key);
	crb_text_hex(out, key, sizeof(key));
}

static enum crb_status
authorize(const struct crb_sigv4_keys *keys,
    const struct crb_sign_request *request, const char *stamp, const char *ours,
    struct crb_buf *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf canonical = CRB_BUF_INIT_WIPED(
	    CRB_SIGV4_CANONICAL_MAX);
	CRB_AUTO_BUF struct crb_buf names = CRB_BUF_INIT(
	    CRB_SIGV4_CANONICAL_MAX);
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(1024);
	CRB_AUTO_BUF struct crb_buf scope = CRB_BUF_INIT(SCOPE_MAX);
	char hash[CRB_SIGV4_HASH];

	if (crb_sigv4_canonical(request, ours, &canonical, &names, err) !=
	    CRB_OK)
		return err->status;
	crb_sigv4_hash(canonical.data, canonical.len, hash);
	crb_buf_printf(&scope, "%.*s/%s/%s/" END, (int)DAY_LEN, stamp,
	    request->region, request->service);
	crb_buf_printf(
	    &text, ALGORITHM "\n%s\n%s\n%s", stamp, crb_buf_text(&scope), hash);
	crb_buf_printf(out,
	    "authorization: " ALGORITHM
	    " Credential=%s/%s, SignedHeaders=%s, Signature=",
	    keys->id, crb_buf_text(&scope), crb_buf_text(&names));
	write_signature(keys, request, stamp, crb_buf_text(&text), out);
	crb_buf_char(out, '\n');
	return CRB_OK;
}

enum crb_status
crb_sigv4_sign(const struct crb_sigv4_keys *keys,
    const struct crb_sign_request *request, struct crb_buf *out,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf ours = CRB_BUF_INIT_WIPED(OURS_MAX);
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT_WIPED(
	    CRB_SIGV4_CANONICAL_MAX);
	char stamp[STAMP_SIZE];

	if (check(keys, request, err) != CRB_OK ||
	    write_stamp(request->now, stamp, err) != CRB_OK)
		return err->status;
	write_ours(keys, request, stamp, &ours);
	if (authorize(keys, request, stamp, crb_buf_text(&ours), &line, err) !=
	    CRB_OK)
		return err->status;
	if (crb_buf_check(&line, "a signature", err) != CRB_OK)
		return err->status;
	crb_buf_add(out, ours.data, ours.len);
	crb_buf_add(out, line.data, line.len);
	return crb_buf_check(out, "a signed request", err);
}
