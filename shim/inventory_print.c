#include <string.h>

#include "shim/inventory_findings.h"
#include "shim/say.h"

/* On a terminal, names longer than this break the columns. */
#define NAME_COLUMN_MAX 56

static const char severity_names[][8] = { "low", "medium", "high" };

/* A buffer before a descriptor. */
struct out {
	int fd;
	bool failed;
	size_t used;
	char bytes[1024];
};

static void
flush(struct out *out)
{
	if (out->used > 0 && !out->failed)
		out->failed = !crb_say_bytes(out->fd, out->bytes, out->used);
	out->used = 0;
}

static void
put(struct out *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (out->used == sizeof(out->bytes))
			flush(out);
		out->bytes[out->used++] = bytes[i];
	}
}

static void
put_text(struct out *out, const char *text)
{
	put(out, text, strlen(text));
}

static void
put_number(struct out *out, size_t number)
{
	char digits[24];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	put(out, digits + at, sizeof(digits) - at);
}

/*
 * Characters that are seen as nothing or turn the line around: U+200B to F,
 * U+2028 to E, U+2060 to F, U+FEFF.
 */
static bool
is_invisible(const unsigned char *p)
{
	if (p[0] == 0xe2 && p[1] == 0x80)
		return (p[2] >= 0x8b && p[2] <= 0x8f) ||
		    (p[2] >= 0xa8 && p[2] <= 0xae);
	if (p[0] == 0xe2 && p[1] == 0x81)
		return p[2] >= 0xa0 && p[2] <= 0xaf;
	return p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf;
}

/* How many bytes at `p` may be shown as they are: 0 for none. */
static size_t
plain_length(const unsigned char *p, size_t len)
{
	size_t n;

	if (p[0] == '\\' || p[0] == '"')
		return 0;
	if (p[0] >= 0x20 && p[0] < 0x7f)
		return 1;
	n = crb_say_utf8(p, len);
	return n == 3 && is_invisible(p) ? 0 : n;
}

/*
 * The same text in every form, JSON's too: \xNN there needs a backslash more.
 * Gives how many columns it takes.
 */
static size_t
put_name(struct out *out, const char *name, bool json)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)name;
	size_t len = strlen(name), columns = 0;

	for (size_t i = 0; i < len;) {
		size_t n = plain_length(p + i, len - i);
		char escaped[5] = { '\\', '\\', 'x', hex[p[i] >> 4],
			hex[p[i] & 15] };

		columns += n > 0 ? 1 : 4;
		if (out != NULL && n > 0)
			put(out, name + i, n);
		else if (out != NULL)
			put(out, escaped + !json, sizeof(escaped) - !json);
		i += n > 0 ? n : 1;
	}
	return columns;
}

static void
pad(struct out *out, size_t columns, size_t width)
{
	for (; columns < width; columns++)
		put_text(out, " ");
	put_text(out, "  ");
}

static void
put_columns(struct out *out, const char *severity, const char *kind,
    const char *name, const char *reason, size_t width)
{
	put_text(out, severity);
	pad(out, strlen(severity), 8);
	put_text(out, kind);
	pad(out, strlen(kind), 11);
	pad(out, put_name(out, name, false), width);
	(void)put_name(out, reason, false);
	put_text(out, "\n");
}

/* The remedies below the table, one for each kind that was found. */
static void
put_remedies(struct out *out, const struct crb_findings *findings)
{
	bool found[CRB_KIND_COUNT] = { false };

	for (size_t i = 0; i < findings->count; i++)
		found[findings->at[i].kind] = true;
	for (unsigned i = 0; i < CRB_KIND_COUNT; i++) {
		if (!found[i])
			continue;
		put_text(out, crb_kind_name((enum crb_kind)i));
		pad(out, strlen(crb_kind_name((enum crb_kind)i)), 11);
		put_text(out, crb_kind_remedy((enum crb_kind)i));
		put_text(out, "\n");
	}
}

static void
print_table(struct out *out, const struct crb_findings *findings)
{
	size_t width = 4;

	if (findings->count == 0)
		return;
	for (size_t i = 0; i < findings->count; i++) {
		size_t columns = put_name(NULL, findings->at[i].name, false);

		if (columns > width && columns <= NAME_COLUMN_MAX)
			width = columns;
	}
	put_columns(out, "SEVERITY", "KIND", "NAME", "WHAT", width);
	for (size_t i = 0; i < findings->count; i++) {
		const struct crb_finding *finding = &findings->at[i];

		put_columns(out, severity_names[finding->severity],
		    crb_kind_name(finding->kind), finding->name,
		    finding->reason, width);
	}
	put_text(out, "\nWhat to do:\n");
	put_remedies(out, findings);
}

static void
print_lines(struct out *out, const struct crb_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct crb_finding *finding = &findings->at[i];

		put_text(out, severity_names[finding->severity]);
		put_text(out, "\t");
		put_text(out, crb_kind_name(finding->kind));
		put_text(out, "\t");
		(void)put_name(out, finding->name, false);
		put_text(out, "\t");
		(void)put_name(out, finding->reason, false);
		put_text(out, "\t");
		put_text(out, crb_kind_remedy(finding->kind));
		put_text(out, "\n");
	}
}

static void
put_member(struct out *out, const char *key, const char *value)
{
	put_text(out, key);
	(void)put_name(out, value, true);
	put_text(out, "\"");
}

static void
print_json(struct out *out, const struct crb_findings *findings)
{
	put_text(out, "{\n  \"findings\": [");
	for (size_t i = 0; i < findings->count; i++) {
		const struct crb_finding *finding = &findings->at[i];

		put_text(out, i > 0 ? ",\n    {" : "\n    {");
		put_member(
		    out, "\"severity\": \"", severity_names[finding->severity]);
		put_member(out, ", \"kind\": \"", crb_kind_name(finding->kind));
		put_member(out, ", \"name\": \"", finding->name);
		put_member(out, ", \"reason\": \"", finding->reason);
		put_member(
		    out, ", \"remedy\": \"", crb_kind_remedy(finding->kind));
		put_text(out, "}");
	}
	put_text(out, "\n  ],\n  \"left_out\": ");
	put_number(out, findings->left_out);
	put_text(out, ",\n  \"notes\": [");
	for (size_t i = 0; i < findings->note_count; i++)
		put_member(out, i > 0 ? ", \"" : "\"", findings->notes[i]);
	put_text(out, "]\n}\n");
}

bool
crb_findings_print(
    const struct crb_findings *findings, int fd, enum crb_findings_form form)
{
	struct out out = { .fd = fd };

	switch (form) {
	case CRB_FINDINGS_LINES:
		print_lines(&out, findings);
		break;
	case CRB_FINDINGS_TABLE:
		print_table(&out, findings);
		break;
	case CRB_FINDINGS_JSON:
		print_json(&out, findings);
		break;
	}
	flush(&out);
	return !out.failed;
}
