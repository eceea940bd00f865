#include "broker/cli/import/shell_files.h"

#include <string.h>

#include "base/buf.h"
#include "base/io.h"

#define FILE_MAX (256u << 10)

static const char *const in_home[] = { ".profile", ".bash_profile",
	".bash_login", ".bashrc", ".bash_aliases", ".zshenv", ".zprofile",
	".zshrc", ".zlogin", ".config/fish/config.fish", ".envrc", ".env",
	".pam_environment", NULL };
static const char *const of_system[] = { "/etc/environment", "/etc/profile",
	NULL };

static struct crb_slice
skip_word(struct crb_slice rest)
{
	while (rest.len > 0 && rest.p[0] != ' ' && rest.p[0] != '\t') {
		rest.p++;
		rest.len--;
	}
	return crb_slice_trim(rest, CRB_LINE_BLANKS);
}

/* "NAME=...", "export NAME=...", "set -gx NAME ...". */
bool
crb_shell_line_sets(struct crb_slice line, const char *variable)
{
	struct crb_slice rest = crb_slice_trim(line, CRB_LINE_BLANKS);
	size_t len = strlen(variable);
	bool fish = crb_slice_starts(rest, "set ");

	if (fish || crb_slice_starts(rest, "export ") ||
	    crb_slice_starts(rest, "setenv ") ||
	    crb_slice_starts(rest, "declare ") ||
	    crb_slice_starts(rest, "typeset "))
		rest = skip_word(rest);
	while (crb_slice_starts(rest, "-"))
		rest = skip_word(rest);
	if (!crb_slice_starts(rest, variable))
		return false;
	return rest.len > len &&
	    (rest.p[len] == '=' || rest.p[len] == ' ' || rest.p[len] == '\t');
}

static bool
search(const char *path, const char *variable, unsigned *number)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(FILE_MAX);
	struct crb_line line = { .number = 0 };
	struct crb_err ignored;

	if (crb_io_read_file(path, &text, &ignored) != CRB_OK)
		return false;
	while (crb_line_next(crb_buf_text(&text), text.len, &line)) {
		if (crb_shell_line_sets(line.text, variable)) {
			*number = line.number;
			return true;
		}
	}
	return false;
}

bool
crb_shell_files_find(const char *variable, crb_import_getenv_fn *get,
    char path[CRB_PATH_MAX], unsigned *line)
{
	const char *home = get("HOME");
	struct crb_err ignored;

	for (size_t i = 0; home != NULL && in_home[i] != NULL; i++) {
		if (crb_path_join(path, home, in_home[i], &ignored) == CRB_OK &&
		    search(path, variable, line))
			return true;
	}
	for (size_t i = 0; of_system[i] != NULL; i++) {
		if (crb_path_join(path, of_system[i], "", &ignored) == CRB_OK &&
		    search(path, variable, line))
			return true;
	}
	return false;
}
