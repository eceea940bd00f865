#include "broker/cli/git_identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/path.h"
#include "broker/cli/git_config.h"

#define CONFIG_BYTES_MAX (1u << 20)
#define VALUE_MAX 256

struct identity {
	char name[VALUE_MAX], email[VALUE_MAX];
};

static void
on_variable(void *ctx, const char *key, const char *value)
{
	struct identity *identity = ctx;

	if (strlen(value) >= VALUE_MAX || strpbrk(value, "\n\"\\") != NULL)
		return;
	if (strcmp(key, "user.name") == 0)
		memcpy(identity->name, value, strlen(value) + 1);
	else if (strcmp(key, "user.email") == 0)
		memcpy(identity->email, value, strlen(value) + 1);
}

char *
crb_git_identity(const char *home)
{
	/* The later one counts, as git reads them. */
	static const char *const files[] = { ".config/git/config",
		".gitconfig" };
	struct identity identity = { "", "" };
	char *text = NULL;

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		CRB_AUTO_BUF struct crb_buf config = CRB_BUF_INIT(
		    CONFIG_BYTES_MAX);
		char path[CRB_PATH_MAX];
		struct crb_err err;

		if (crb_path_join(path, home, files[i], &err) == CRB_OK &&
		    crb_io_read_file(path, &config, &err) == CRB_OK)
			crb_git_config_read(
			    config.data, config.len, on_variable, &identity);
	}
	if (identity.name[0] == '\0' && identity.email[0] == '\0')
		return NULL;
	if (asprintf(&text, "[user]\n\tname = \"%s\"\n\temail = \"%s\"\n",
		identity.name, identity.email) == -1)
		return NULL;
	return text;
}
