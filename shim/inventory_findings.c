#include "shim/inventory_findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX 1000

/* In the order of enum crb_kind. */
static const struct kind {
	char name[12];
	const char *remedy;
} kind_table[CRB_KIND_COUNT] = {
	{ "environment",
	    "start the sandbox with a clean environment; store the secret: "
	    "credbroker credential add" },
	{ "process",
	    "give the sandbox a pid namespace of its own, with its own /proc" },
	{ "file",
	    "give the sandbox an empty home; store the secret: credbroker "
	    "credential import, then remove the file" },
	{ "history", "give the sandbox an empty home" },
	{ "dotenv",
	    "keep it outside the folder that the sandbox sees; store the "
	    "secret: credbroker credential add" },
	{ "git",
	    "take the secret out (git remote set-url, git config --unset); "
	    "store it: credbroker credential add" },
	{ "mounted",
	    "do not mount it: turn off automountServiceAccountToken, "
	    "and give the secret to the broker instead" },
	{ "system",
	    "do not run the sandbox as a user that may read it, and do "
	    "not mount it" },
	{ "socket",
	    "do not mount its folder, nor share the network namespace "
	    "that it is in" },
	{ "keyring",
	    "start the sandbox with a session keyring of its own, and deny "
	    "keyctl(2) to it" },
	{ "metadata",
	    "give the sandbox a network namespace of its own, or "
	    "drop its packets to this address" },
};

const char *
crb_kind_name(enum crb_kind kind)
{
	return kind_table[kind].name;
}

const char *
crb_kind_remedy(enum crb_kind kind)
{
	return kind_table[kind].remedy;
}

bool
crb_findings_kind(const char *word, enum crb_kind *kind)
{
	for (unsigned i = 0; i < CRB_KIND_COUNT; i++) {
		if (strcmp(kind_table[i].name, word) == 0) {
			*kind = (enum crb_kind)i;
			return true;
		}
	}
	return false;
}

bool
crb_findings_wants(const struct crb_findings *findings, enum crb_kind kind)
{
	return !findings->only || findings->kind == kind;
}

static bool
is_same(const struct crb_finding *a, const struct crb_finding *b)
{
	if (a->inode != 0 && a->inode == b->inode && a->device == b->device)
		return true;
	return a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

static int
compare(const struct crb_finding *a, const struct crb_finding *b)
{
	if (a->severity != b->severity)
		return a->severity > b->severity ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Takes the name. */
static void
insert(struct crb_findings *findings, const struct crb_finding *finding)
{
	struct crb_finding *grown;
	size_t at = 0;

	for (size_t i = 0; i < findings->count; i++) {
		if (is_same(&findings->at[i], finding)) {
			free(finding->name);
			return;
		}
	}
	grown = findings->count < FINDINGS_MAX
	    ? reallocarray(findings->at, findings->count + 1, sizeof(*grown))
	    : NULL;
	if (grown == NULL) {
		findings->left_out++;
		free(finding->name);
		return;
	}
	findings->at = grown;
	while (at < findings->count && compare(&grown[at], finding) <= 0)
		at++;
	memmove(&grown[at + 1], &grown[at],
	    (findings->count - at) * sizeof(*grown));
	grown[at] = *finding;
	findings->count++;
}

void
crb_findings_add(struct crb_findings *findings, enum crb_kind kind,
    enum crb_severity severity, const char *name, const struct stat *st,
    const char *reason_fmt, ...)
{
	struct crb_finding finding = {
		.kind = kind,
		.severity = severity,
		.device = st != NULL ? st->st_dev : 0,
		.inode = st != NULL ? st->st_ino : 0,
	};
	va_list ap;

	if (!crb_findings_wants(findings, kind))
		return;
	if (crb_format_find(name, strlen(name)) != NULL)
		name = CRB_NAME_WITHHELD;
	if ((finding.name = strdup(name)) == NULL) {
		findings->left_out++;
		return;
	}
	va_start(ap, reason_fmt);
	(void)vsnprintf(finding.reason, sizeof(finding.reason), reason_fmt, ap);
	va_end(ap);
	insert(findings, &finding);
}

void
crb_findings_note(struct crb_findings *findings, const char *note)
{
	for (size_t i = 0; i < findings->note_count; i++) {
		if (strcmp(findings->notes[i], note) == 0)
			return;
	}
	if (findings->note_count < CRB_NOTES_MAX)
		findings->notes[findings->note_count++] = note;
}

void
crb_findings_clear(struct crb_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		free(findings->at[i].name);
	free(findings->at);
	*findings = (struct crb_findings){ .at = NULL };
}
