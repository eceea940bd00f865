#include "broker/cli/masked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/cli/folders.h"
#include "broker/cli/sandbox_args.h"

/* Below the home. */
static const char *const home_places[] = { ".ssh", ".aws", ".netrc", "_netrc",
	".docker", ".config/gh", ".kube", ".npmrc", ".git-credentials",
	".config/git/credentials", ".gnupg", ".config/gcloud", ".azure",
	".pypirc", ".cargo/credentials", ".cargo/credentials.toml",
	".local/share/keyrings", ".local/share/kwalletd", ".password-store",
	".config/containers/auth.json", ".config/hub", ".config/glab-cli",
	".config/doctl", ".config/rclone", ".config/op", ".config/sops",
	".config/github-copilot", ".terraform.d/credentials.tfrc.json",
	".vault-token", ".m2/settings.xml", ".gem/credentials", ".pgpass",
	".my.cnf", ".s3cfg", ".boto", ".oci", ".yarnrc.yml", ".mozilla",
	".config/google-chrome", ".config/chromium", ".bash_history",
	".zsh_history", NULL };

/* What a tool reads instead; a list of paths is taken one by one. */
static const char *const variables[] = { "AWS_SHARED_CREDENTIALS_FILE",
	"AWS_CONFIG_FILE", "KUBECONFIG", "DOCKER_CONFIG", "NETRC", "GNUPGHOME",
	"GH_CONFIG_DIR", "NPM_CONFIG_USERCONFIG", "CLOUDSDK_CONFIG",
	"AZURE_CONFIG_DIR", "GOOGLE_APPLICATION_CREDENTIALS", "PGPASSFILE",
	"REGISTRY_AUTH_FILE", "VAULT_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
	NULL };

/* Folders of the home that a variable moves. */
static const struct {
	const char *prefix, *variable;
} moved[] = {
	{ ".config/", "XDG_CONFIG_HOME" },
	{ ".local/share/", "XDG_DATA_HOME" },
};

static void
keep(struct crb_masked *masked, const char *path)
{
	for (size_t i = 0; i < masked->count; i++)
		if (strcmp(masked->at[i], path) == 0)
			return;
	masked->at = reallocarray(
	    masked->at, masked->count + 1, sizeof(*masked->at));
	if (masked->at == NULL ||
	    (masked->at[masked->count] = strdup(path)) == NULL)
		abort();
	masked->count++;
}

static void
add(struct crb_masked *masked, const char *path)
{
	char clean[CRB_PATH_MAX];
	struct crb_err err;

	if (path[0] != '/' || crb_folder_real(path, clean, &err) != CRB_OK)
		return; /* what is not there need not be hidden */
	keep(masked, clean);
	if (crb_folder_clean(path, clean, &err) == CRB_OK)
		keep(masked, clean);
}

static void
add_below(struct crb_masked *masked, const char *folder, const char *name)
{
	char path[CRB_PATH_MAX];
	struct crb_err err;

	if (folder != NULL && folder[0] == '/' &&
	    crb_path_join(path, folder, name, &err) == CRB_OK)
		add(masked, path);
}

static void
add_list(struct crb_masked *masked, const char *list)
{
	char path[CRB_PATH_MAX];

	while (list != NULL && *list != '\0') {
		size_t len = strcspn(list, ":");

		(void)snprintf(path, sizeof(path), "%.*s", (int)len, list);
		add(masked, path);
		list += len + (list[len] == ':');
	}
}

void
crb_masked_init(struct crb_masked *masked, const char *home,
    const char *const *own, char *(*variable)(const char *name))
{
	*masked = (struct crb_masked){ .count = 0 };
	for (; *own != NULL; own++)
		add(masked, *own);
	masked->broker = masked->count;
	for (size_t i = 0; home_places[i] != NULL; i++) {
		add_below(masked, home, home_places[i]);
		for (size_t j = 0; j < sizeof(moved) / sizeof(*moved); j++) {
			size_t len = strlen(moved[j].prefix);

			if (strncmp(home_places[i], moved[j].prefix, len) == 0)
				add_below(masked, variable(moved[j].variable),
				    home_places[i] + len);
		}
	}
	for (size_t i = 0; variables[i] != NULL; i++)
		add_list(masked, variable(variables[i]));
}

void
crb_masked_clear(struct crb_masked *masked)
{
	for (size_t i = 0; i < masked->count; i++)
		free(masked->at[i]);
	free(masked->at);
	*masked = (struct crb_masked){ .count = 0 };
}

const char *
crb_masked_over(const struct crb_masked *masked, const char *path)
{
	for (size_t i = 0; i < masked->count; i++)
		if (crb_folder_holds(masked->at[i], path))
			return masked->at[i];
	return NULL;
}

const char *
crb_masked_broker_in(const struct crb_masked *masked, const char *folder)
{
	for (size_t i = 0; i < masked->broker; i++)
		if (crb_folder_holds(folder, masked->at[i]))
			return masked->at[i];
	return NULL;
}

/* Over a link nothing can be mounted; where it leads to is masked itself. */
static void
cover(struct crb_mounts *mounts, const char *path, const char *target)
{
	struct stat st;

	if (lstat(path, &st) == -1 || S_ISLNK(st.st_mode))
		return;
	crb_mounts_add(mounts,
	    S_ISDIR(st.st_mode) ? CRB_MOUNT_MASK : CRB_MOUNT_FILE, NULL,
	    target);
}

/* By number: covering makes the list grow and move. */
static void
cover_in(const struct crb_masked *masked, struct crb_mounts *mounts, size_t i)
{
	char target[CRB_PATH_MAX];

	for (size_t j = 0; j < masked->count; j++) {
		const struct crb_mount *at = &mounts->at[i];
		const char *path = masked->at[j];

		if (!crb_mount_shows(at) ||
		    !crb_folder_holds(at->source, path) ||
		    snprintf(target, sizeof(target), "%s%s", at->target,
			crb_folder_rest(at->source, path)) >=
			(int)sizeof(target))
			continue;
		cover(mounts, path, target);
	}
}

void
crb_masked_apply(const struct crb_masked *masked, struct crb_mounts *mounts)
{
	size_t count = mounts->count;

	for (size_t i = 0; i < count; i++)
		cover_in(masked, mounts, i);
	for (size_t i = 0; i < masked->count; i++)
		if (crb_sandbox_shows(masked->at[i]) &&
		    crb_mounts_over(mounts, masked->at[i]) == NULL)
			cover(mounts, masked->at[i], masked->at[i]);
}
