#include "broker/gateway/imds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/units.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TOKENS_FIRST 4

/* Seventeen digits, always the same for a session. */
static void
name_instance(struct crb_imds *imds, struct crb_slice session)
{
	unsigned char hash[16];
	char hex[2 * sizeof(hash) + 1];

	(void)crypto_generichash(hash, sizeof(hash),
	    (const unsigned char *)session.p, session.len, NULL, 0);
	(void)sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	(void)snprintf(imds->instance, sizeof(imds->instance), "i-%.17s", hex);
}

bool
crb_imds_describe(struct crb_imds *imds, const struct crb_msg_session_imds *msg)
{
	struct crb_imds next = *imds;

	if (!crb_slice_copy(msg->name, next.name, sizeof(next.name)) ||
	    !crb_slice_copy(msg->region, next.region, sizeof(next.region)) ||
	    !crb_slice_copy(msg->account, next.account, sizeof(next.account)) ||
	    !crb_name_ok(next.name) ||
	    !crb_slice_consists(msg->region, CRB_LOWER CRB_DIGITS "-") ||
	    !crb_slice_consists(msg->account, CRB_DIGITS))
		return false;
	name_instance(&next, msg->session);
	*imds = next;
	return true;
}

void
crb_imds_clear(struct crb_imds *imds)
{
	if (imds->tokens != NULL)
		sodium_memzero(
		    imds->tokens, imds->room * sizeof(*imds->tokens));
	free(imds->tokens);
	*imds = (struct crb_imds){ .count = 0 };
}

bool
crb_imds_ttl_parse(struct crb_slice text, uint32_t *seconds)
{
	struct crb_err err;
	uint64_t number;

	if (crb_number_parse(
		text.p, text.len, CRB_IMDS_TTL_MAX, &number, &err) != CRB_OK ||
	    number == 0)
		return false;
	*seconds = (uint32_t)number;
	return true;
}

static void
drop_old(struct crb_imds *imds, int64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < imds->count; i++) {
		if (imds->tokens[i].due > now)
			imds->tokens[kept++] = imds->tokens[i];
	}
	imds->count = kept;
}

static struct crb_imds_token *
first_due(struct crb_imds *imds)
{
	struct crb_imds_token *first = &imds->tokens[0];

	for (size_t i = 1; i < imds->count; i++) {
		if (imds->tokens[i].due < first->due)
			first = &imds->tokens[i];
	}
	return first;
}

/* A hash is no secret: the old memory need not be wiped. */
static bool
grow(struct crb_imds *imds)
{
	size_t room = imds->room > 0 ? 2 * imds->room : TOKENS_FIRST;
	struct crb_imds_token *tokens = reallocarray(
	    imds->tokens, room, sizeof(*tokens));

	if (tokens == NULL)
		return false;
	imds->tokens = tokens;
	imds->room = room;
	return true;
}

static struct crb_imds_token *
place(struct crb_imds *imds, int64_t now)
{
	if (imds->count == imds->room)
		drop_old(imds, now);
	if (imds->count == CRB_IMDS_TOKENS_MAX)
		return first_due(imds);
	if (imds->count == imds->room && !grow(imds))
		return NULL;
	return &imds->tokens[imds->count++];
}

bool
crb_imds_issue(struct crb_imds *imds, int64_t now, uint32_t seconds,
    char out[CRB_IMDS_TOKEN_LEN + 1])
{
	struct crb_imds_token *token = place(imds, now);

	if (token == NULL)
		return false;
	crb_text_random(out, CRB_IMDS_TOKEN_LEN);
	crb_token_hash(out, CRB_IMDS_TOKEN_LEN, token->hash);
	token->due = now + (int64_t)seconds * 1000;
	return true;
}

bool
crb_imds_accepts(
    const struct crb_imds *imds, struct crb_slice token, int64_t now)
{
	unsigned char hash[CRB_TOKEN_HASH_BYTES];
	bool accepted = false;

	if (token.len != CRB_IMDS_TOKEN_LEN)
		return false;
	crb_token_hash(token.p, token.len, hash);
	for (size_t i = 0; i < imds->count; i++) {
		if (sodium_memcmp(hash, imds->tokens[i].hash, sizeof(hash)) ==
		    0)
			accepted = imds->tokens[i].due > now;
	}
	return accepted;
}

static void
put_name(const struct crb_imds *imds, int64_t wall, struct crb_buf *out)
{
	(void)wall;
	crb_buf_str(out, imds->name);
}

static void
put_instance(const struct crb_imds *imds, int64_t wall, struct crb_buf *out)
{
	(void)wall;
	crb_buf_str(out, imds->instance);
}

static void
put_region(const struct crb_imds *imds, int64_t wall, struct crb_buf *out)
{
	(void)wall;
	crb_buf_str(out, imds->region);
}

/* Clients cut the last letter off to know the region. */
static void
put_zone(const struct crb_imds *imds, int64_t wall, struct crb_buf *out)
{
	(void)wall;
	crb_buf_printf(out, "%sa", imds->region);
}

static void
put_info(const struct crb_imds *imds, int64_t wall, struct crb_buf *out)
{
	char time[CRB_TIME_TEXT];

	crb_text_time(wall, time);
	crb_buf_printf(
	    out, "{\"Code\":\"Success\",\"LastUpdated\":\"%s\"", time);
	if (imds->account[0] != '\0')
		crb_buf_printf(out,
		    ",\"InstanceProfileArn\":"
		    "\"arn:aws:iam::%s:instance-profile/%s\"",
		    imds->account, imds->name);
	crb_buf_char(out, '}');
}

static void
put_document(const struct crb_imds *imds, int64_t wall, struct crb_buf *out)
{
	(void)wall;
	crb_buf_str(out, "{");
	if (imds->account[0] != '\0')
		crb_buf_printf(out, "\"accountId\":\"%s\",", imds->account);
	crb_buf_printf(out,
	    "\"availabilityZone\":\"%sa\",\"instanceId\":\"%s\","
	    "\"region\":\"%s\",\"version\":\"2017-09-30\"}",
	    imds->region, imds->instance, imds->region);
}

#define ROLES "/latest/meta-data/iam/security-credentials"

/*
 * What is there; a list ends in '/', which may be left out.  The first row that
 * fits is it: those that need a region come first.
 */
static const struct row {
	const char *path;
	enum crb_imds_kind kind;
	const char *text; /* or by `put` */
	void (*put)(
	    const struct crb_imds *imds, int64_t wall, struct crb_buf *out);
	bool needs_region;
} rows[] = {
	{ "/latest/", CRB_IMDS_TEXT, "dynamic/\nmeta-data/", NULL, true },
	{ "/latest/", CRB_IMDS_TEXT, "meta-data/", NULL, false },
	{ "/latest/dynamic/", CRB_IMDS_TEXT, "instance-identity/", NULL, true },
	{ "/latest/dynamic/instance-identity/", CRB_IMDS_TEXT, "document", NULL,
	    true },
	{ "/latest/dynamic/instance-identity/document", CRB_IMDS_JSON, NULL,
	    put_document, true },
	{ "/latest/meta-data/", CRB_IMDS_TEXT, "iam/\ninstance-id\nplacement/",
	    NULL, true },
	{ "/latest/meta-data/", CRB_IMDS_TEXT, "iam/\ninstance-id", NULL,
	    false },
	{ "/latest/meta-data/iam/", CRB_IMDS_TEXT,
	    "info\nsecurity-credentials/", NULL, false },
	{ "/latest/meta-data/iam/info", CRB_IMDS_JSON, NULL, put_info, false },
	{ ROLES "/", CRB_IMDS_TEXT, NULL, put_name, false },
	{ "/latest/meta-data/instance-id", CRB_IMDS_TEXT, NULL, put_instance,
	    false },
	{ "/latest/meta-data/placement/", CRB_IMDS_TEXT,
	    "availability-zone\nregion", NULL, true },
	{ "/latest/meta-data/placement/availability-zone/", CRB_IMDS_TEXT, NULL,
	    put_zone, true },
	{ "/latest/meta-data/placement/region", CRB_IMDS_TEXT, NULL, put_region,
	    true },
};

static bool
is_at(const struct row *row, const char *target)
{
	size_t len = strlen(row->path);

	if (strcmp(row->path, target) == 0)
		return true;
	return row->path[len - 1] == '/' && strlen(target) == len - 1 &&
	    memcmp(row->path, target, len - 1) == 0;
}

static bool
is_role(const struct crb_imds *imds, const char *target)
{
	static const char prefix[] = ROLES "/";

	return strncmp(target, prefix, sizeof(prefix) - 1) == 0 &&
	    strcmp(target + sizeof(prefix) - 1, imds->name) == 0;
}

enum crb_imds_kind
crb_imds_find(const struct crb_imds *imds, const char *target, int64_t wall,
    struct crb_buf *out)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *row = &rows[i];

		if (!is_at(row, target) ||
		    (row->needs_region && imds->region[0] == '\0'))
			continue;
		if (row->put != NULL)
			row->put(imds, wall, out);
		else
			crb_buf_str(out, row->text);
		return row->kind;
	}
	return is_role(imds, target) ? CRB_IMDS_KEYS : CRB_IMDS_NOTHING;
}
