#include "policy/minisign.h"

#include <sodium.h>
#include <string.h>

#include "base/slab.h"

/* More than any of them; what is longer is none. */
#define SCRATCH 256

void
crb_minisign_start(struct crb_minisign *lines, const char *text, size_t len)
{
	*lines = (struct crb_minisign){ .rest = { len > 0 ? text : "", len } };
}

static enum crb_status
next_line(
    struct crb_minisign *lines, struct crb_slice *line, struct crb_err *err)
{
	lines->line++;
	if (lines->rest.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "line %u is missing: the file is cut short, or none of "
		    "minisign's format",
		    lines->line);
	(void)crb_slice_cut(&lines->rest, '\n', line);
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	return CRB_OK;
}

/* What people take for it. */
static const struct other {
	const char *starts;
	const char *what;
} others[] = {
	{ "-----BEGIN PGP ", "of OpenPGP" },
	{ "-----BEGIN SSH SIGNATURE", "a signature of ssh-keygen" },
	{ "-----BEGIN OPENSSH PRIVATE KEY", "a key of ssh-keygen" },
	{ "-----BEGIN ", "PEM" },
	{ "ssh-", "a key of ssh-keygen" },
	{ "sk-ssh-", "a key of ssh-keygen" },
	{ "{", "JSON" },
};

static enum crb_status
no_comment(const struct crb_minisign *lines, struct crb_slice line,
    const char *prefix, struct crb_err *err)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (lines->line == 1 &&
		    crb_slice_starts(line, others[i].starts))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "this is %s; wanted is minisign's format",
			    others[i].what);
	}
	return crb_err_set(err, CRB_ERR_INVALID,
	    "line %u does not start with \"%s\"", lines->line, prefix);
}

bool
crb_minisign_comment_ok(struct crb_slice comment)
{
	for (size_t i = 0; i < comment.len; i++) {
		unsigned char c = (unsigned char)comment.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

enum crb_status
crb_minisign_comment(struct crb_minisign *lines, const char *prefix,
    size_t most, struct crb_slice *out, struct crb_err *err)
{
	struct crb_slice line;
	size_t len = strlen(prefix);

	if (next_line(lines, &line, err) != CRB_OK)
		return err->status;
	if (!crb_slice_starts(line, prefix))
		return no_comment(lines, line, prefix, err);
	if (line.len > most)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "line %u has more than %zu characters", lines->line, most);
	if (!crb_minisign_comment_ok(line))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "line %u has control characters", lines->line);
	if (out != NULL)
		*out = (struct crb_slice){ line.p + len, line.len - len };
	return CRB_OK;
}

/* To libsodium's decoder some bytes of no alphabet are as good as letters. */
static bool
is_ascii(struct crb_slice line)
{
	unsigned char all = 0;

	for (size_t i = 0; i < line.len; i++)
		all |= (unsigned char)line.p[i];
	return all < 0x80;
}

static const char *
kind_of(size_t len)
{
	switch (len) {
	case CRB_MINISIGN_PUBLIC:
		return "a public key";
	case CRB_MINISIGN_SIGNATURE:
		return "a signature";
	case CRB_MINISIGN_GLOBAL:
		return "the signature of a trusted comment";
	case CRB_MINISIGN_SECRET:
		return "a secret key";
	default:
		return "none that minisign makes";
	}
}

enum crb_status
crb_minisign_bytes(
    struct crb_minisign *lines, void *out, size_t len, struct crb_err *err)
{
	CRB_AUTO_SLAB unsigned char *scratch = crb_slab_alloc(SCRATCH);
	struct crb_slice line;
	size_t got = 0;

	if (scratch == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (next_line(lines, &line, err) != CRB_OK)
		return err->status;
	if (!is_ascii(line) ||
	    sodium_base642bin(scratch, SCRATCH, line.p, line.len, NULL, &got,
		NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "line %u is not %s in base64", lines->line, kind_of(len));
	if (got != len)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "line %u is not %s, but %s", lines->line, kind_of(len),
		    kind_of(got));
	memcpy(out, scratch, len);
	return CRB_OK;
}

enum crb_status
crb_minisign_end(struct crb_minisign *lines, struct crb_err *err)
{
	if (lines->rest.len > 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "there is something behind line %u", lines->line);
	return CRB_OK;
}
