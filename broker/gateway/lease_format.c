#include "broker/gateway/lease_format.h"

#include <string.h>

/* AWS's own are 20 and 40; other providers' vary. */
#define ID_MIN 3
#define ID_MAX 128
#define SECRET_MAX 256
#define TOKEN_MAX 8192

static bool
is_id(struct crb_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	return text.len >= ID_MIN && text.len <= ID_MAX;
}

/* So that JSON has two characters to escape, and a header none to refuse. */
static bool
is_visible(struct crb_slice text, size_t max)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] <= ' ' || text.p[i] >= 0x7f)
			return false;
	}
	return text.len > 0 && text.len <= max;
}

bool
crb_lease_keys_split(struct crb_slice text, struct crb_lease_keys *out)
{
	struct crb_lease_keys keys = { .token = { "", 0 } };
	struct crb_slice more;

	if (!crb_slice_cut(&text, '\n', &keys.id) ||
	    !crb_slice_cut(&text, '\n', &keys.secret) || !is_id(keys.id) ||
	    !is_visible(keys.secret, SECRET_MAX))
		return false;
	if (crb_slice_cut(&text, '\n', &keys.token) &&
	    (!is_visible(keys.token, TOKEN_MAX) ||
		crb_slice_cut(&text, '\n', &more)))
		return false;
	*out = keys;
	return true;
}

static void
add_text(struct crb_buf *out, const char *name, struct crb_slice value)
{
	crb_buf_str(out, out->len > 0 ? ",\"" : "{\"");
	crb_buf_str(out, name);
	crb_buf_str(out, "\":\"");
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			crb_buf_char(out, '\\');
		crb_buf_char(out, value.p[i]);
	}
	crb_buf_char(out, '"');
}

static void
add_time(struct crb_buf *out, const char *name, int64_t seconds)
{
	char text[CRB_TIME_TEXT];

	crb_text_time(seconds, text);
	add_text(out, name, CRB_SLICE(text));
}

static void
add_head(struct crb_buf *out, enum crb_lease_format format,
    const struct crb_lease_terms *terms)
{
	switch (format) {
	case CRB_LEASE_IMDS:
		add_text(out, "Code", CRB_SLICE("Success"));
		add_time(out, "LastUpdated", terms->updated);
		add_text(out, "Type", CRB_SLICE("AWS-HMAC"));
		break;
	case CRB_LEASE_PROCESS:
		crb_buf_str(out, "{\"Version\":1");
		break;
	case CRB_LEASE_CONTAINER:
	case CRB_LEASE_FORMATS:
		break;
	}
}

void
crb_lease_write(enum crb_lease_format format, const struct crb_lease_keys *keys,
    const struct crb_lease_terms *terms, struct crb_buf *out)
{
	const char *token = format == CRB_LEASE_PROCESS ? "SessionToken"
							: "Token";

	add_head(out, format, terms);
	add_text(out, "AccessKeyId", keys->id);
	add_text(out, "SecretAccessKey", keys->secret);
	/* Clients of the others want one, be it empty. */
	if (keys->token.len > 0 || format != CRB_LEASE_PROCESS)
		add_text(out, token, keys->token);
	add_time(out, "Expiration", terms->expires);
	crb_buf_char(out, '}');
}
