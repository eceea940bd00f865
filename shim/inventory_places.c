#include "shim/inventory_places.h"

#include <string.h>

static const struct crb_place file_places[] = {
	{ CRB_PLACE("AWS keys", "secret_access_key|session_token",
	      "~/.aws/credentials "
	      "~/.aws/config "
	      "$AWS_SHARED_CREDENTIALS_FILE "
	      "$AWS_CONFIG_FILE"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("AWS sign-in tokens",
	      "accessToken|SecretAccessKey|refreshToken",
	      "~/.aws/sso/cache/*.json "
	      "~/.aws/cli/cache/*.json"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("an SSH private key", "", "~/.ssh/*"), CRB_KIND_FILE,
	    CRB_SEVERITY_HIGH, CRB_CHECK_KEY },
	{ CRB_PLACE("passwords of hosts", "password",
	      "~/.netrc "
	      "$NETRC"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("passwords of container registries",
	      "\"auth\"|identitytoken|registrytoken",
	      "~/.docker/config.json "
	      "$DOCKER_CONFIG/config.json "
	      "~/.config/containers/auth.json "
	      "%/containers/auth.json "
	      "$REGISTRY_AUTH_FILE "
	      "~/.config/helm/registry/config.json"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("a GitHub token", "oauth_token",
	      "~/.config/gh/hosts.yml "
	      "$GH_CONFIG_DIR/hosts.yml "
	      "~/.config/hub "
	      "~/.config/github-copilot/*.json"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE(
	      "a GitLab token", "token: ", "~/.config/glab-cli/config.yml"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("access to a Kubernetes cluster",
	      "token:|tokenFile:|client-key|password:|auth-provider:|exec:",
	      "~/.kube/config "
	      "$KUBECONFIG"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("an npm token", "_auth|_password|npmAuth",
	      "~/.npmrc "
	      "$NPM_CONFIG_USERCONFIG "
	      "$npm_config_userconfig "
	      "~/.yarnrc.yml"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("a PyPI password", "password", "~/.pypirc"), CRB_KIND_FILE,
	    CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("a package index with a password", "",
	      "~/.config/pip/pip.conf "
	      "~/.pip/pip.conf "
	      "$PIP_CONFIG_FILE "
	      "/etc/pip.conf "
	      "~/.bundle/config"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_FORMAT },
	{ CRB_PLACE("passwords of package registries", "",
	      "~/.config/pypoetry/auth.toml "
	      "~/.config/composer/auth.json "
	      "~/.composer/auth.json "
	      "~/.gem/credentials "
	      "~/.local/share/gem/credentials "
	      "~/.cargo/credentials.toml "
	      "~/.cargo/credentials "
	      "$CARGO_HOME/credentials.toml"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("git passwords", "",
	      "~/.git-credentials "
	      "~/.config/git/credentials "
	      "$XDG_CONFIG_HOME/git/credentials"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("", "",
	      "~/.gitconfig "
	      "~/.config/git/config "
	      "$XDG_CONFIG_HOME/git/config "
	      "$GIT_CONFIG_GLOBAL "
	      "/etc/gitconfig"),
	    CRB_KIND_GIT, CRB_SEVERITY_HIGH, CRB_CHECK_GIT },
	{ CRB_PLACE("Google Cloud credentials",
	      "refresh_token|private_key|credential_source",
	      "~/.config/gcloud/application_default_credentials.json "
	      "$CLOUDSDK_CONFIG/application_default_credentials.json "
	      "$GOOGLE_APPLICATION_CREDENTIALS"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("Google Cloud credentials", "",
	      "~/.config/gcloud/credentials.db "
	      "~/.config/gcloud/access_tokens.db "
	      "~/.config/gcloud/legacy_credentials/*/adc.json"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("Azure tokens", "",
	      "~/.azure/msal_token_cache.* "
	      "~/.azure/accessTokens.json "
	      "~/.azure/service_principal_entries.json "
	      "$AZURE_CONFIG_DIR/msal_token_cache.*"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("a GnuPG private key, not encrypted",
	      "(private-key|(11:private-key",
	      "~/.gnupg/private-keys-v1.d/*.key "
	      "$GNUPGHOME/private-keys-v1.d/*.key"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("a GnuPG private key, encrypted", "",
	      "~/.gnupg/private-keys-v1.d/*.key "
	      "$GNUPGHOME/private-keys-v1.d/*.key "
	      "~/.gnupg/secring.gpg"),
	    CRB_KIND_FILE, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
	{ CRB_PLACE(
	      "a NuGet password", "Password", "~/.nuget/NuGet/NuGet.Config"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("a Vault token", "", "~/.vault-token"), CRB_KIND_FILE,
	    CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("a Terraform token", "token",
	      "~/.terraform.d/credentials.tfrc.json "
	      "~/.terraformrc "
	      "$TF_CLI_CONFIG_FILE"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("Maven passwords", "<password>|<passphrase>",
	      "~/.m2/settings.xml"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("secrets of a build", "password|token|secret|apikey",
	      "~/.gradle/gradle.properties "
	      "$GRADLE_USER_HOME/gradle.properties "
	      "~/.sbt/.credentials "
	      "~/.ivy2/.credentials"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("a coding agent's token", "",
	      "~/.claude/.credentials.json "
	      "$CLAUDE_CONFIG_DIR/.credentials.json "
	      "~/.codex/auth.json "
	      "$CODEX_HOME/auth.json "
	      "~/.gemini/oauth_creds.json "
	      "~/.local/share/opencode/auth.json"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("a coding agent's key", "primaryApiKey|api-key",
	      "~/.claude.json "
	      "~/.aider.conf.yml"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("storage passwords", "pass|token|secret|key",
	      "~/.config/rclone/rclone.conf "
	      "$RCLONE_CONFIG "
	      "~/.s3cfg "
	      "~/.boto"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("a cloud provider's token", "token|password",
	      "~/.config/doctl/config.yaml "
	      "~/.fly/config.yml "
	      "~/.wrangler/config/default.toml "
	      "~/.config/.wrangler/config/default.toml "
	      "~/.config/hcloud/cli.toml "
	      "~/.databrickscfg "
	      "~/.snowflake/config.toml"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("a cloud provider's key", "", "~/.oci/*.pem"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_KEY },
	{ CRB_PLACE("passwords of databases", "",
	      "~/.pgpass "
	      "$PGPASSFILE "
	      "~/.mylogin.cnf"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("passwords", "pass",
	      "~/.my.cnf "
	      "~/.smbcredentials "
	      "~/.msmtprc "
	      "~/.fetchmailrc "
	      "~/.mbsyncrc "
	      "~/.subversion/auth/svn.simple/*"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("an age key", "AGE-SECRET-KEY",
	      "~/.config/sops/age/keys.txt "
	      "$SOPS_AGE_KEY_FILE"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("an API token", "",
	      "~/.huggingface/token "
	      "~/.cache/huggingface/token "
	      "$HF_HOME/token "
	      "~/.kaggle/kaggle.json"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("the X server's cookie", "",
	      "~/.Xauthority "
	      "$XAUTHORITY"),
	    CRB_KIND_FILE, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
	{ CRB_PLACE("a desktop keyring, encrypted", "",
	      "~/.local/share/keyrings/*.keyring"),
	    CRB_KIND_FILE, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
	{ CRB_PLACE("a browser's cookies or passwords", "",
	      "~/.mozilla/firefox/*/cookies.sqlite "
	      "~/.mozilla/firefox/*/logins.json "
	      "~/.config/google-chrome/*/Cookies "
	      "~/.config/google-chrome/*/Login* "
	      "~/.config/chromium/*/Cookies "
	      "~/.config/chromium/*/Login*"),
	    CRB_KIND_FILE, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
	{ CRB_PLACE("the broker's own vault, encrypted", "",
	      "~/.local/state/credbroker/* "
	      "/var/lib/credbroker/*"),
	    CRB_KIND_FILE, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
	{ CRB_PLACE("what was typed", "",
	      "~/.bash_history "
	      "~/.zsh_history "
	      "~/.local/share/fish/fish_history "
	      "~/.sh_history "
	      "$HISTFILE "
	      "~/.python_history "
	      "~/.node_repl_history "
	      "~/.psql_history "
	      "~/.mysql_history"),
	    CRB_KIND_HISTORY, CRB_SEVERITY_LOW, CRB_CHECK_HISTORY },
	{ CRB_PLACE("", "", "~/.env"), CRB_KIND_DOTENV, CRB_SEVERITY_HIGH,
	    CRB_CHECK_SETTINGS },
	{ CRB_PLACE("a mounted secret", "",
	      "/run/secrets/* "
	      "/run/secrets/*/* "
	      "/run/secrets/*/*/* "
	      "/var/run/secrets/* "
	      "/var/run/secrets/*/* "
	      "/var/run/secrets/*/*/* "
	      "/vault/secrets/* "
	      "/mnt/secrets-store/* "
	      "/etc/secrets/*"),
	    CRB_KIND_MOUNTED, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("a service's credential", "",
	      "/run/credentials/*/* "
	      "$CREDENTIALS_DIRECTORY/*"),
	    CRB_KIND_MOUNTED, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("a workload's identity token", "",
	      "$AWS_WEB_IDENTITY_TOKEN_FILE "
	      "$AZURE_FEDERATED_TOKEN_FILE"),
	    CRB_KIND_MOUNTED, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("hashes of passwords", "",
	      "/etc/shadow "
	      "/etc/shadow- "
	      "/etc/gshadow"),
	    CRB_KIND_SYSTEM, CRB_SEVERITY_HIGH, CRB_CHECK_SHADOW },
	{ CRB_PLACE("the host's SSH key", "", "/etc/ssh/ssh_host_*_key"),
	    CRB_KIND_SYSTEM, CRB_SEVERITY_HIGH, CRB_CHECK_KEY },
	{ CRB_PLACE("a server's private key", "",
	      "/etc/ssl/private/* "
	      "/etc/pki/tls/private/* "
	      "/etc/letsencrypt/live/*/privkey.pem"),
	    CRB_KIND_SYSTEM, CRB_SEVERITY_HIGH, CRB_CHECK_KEY },
	{ CRB_PLACE("Kerberos keys", "", "/etc/krb5.keytab"), CRB_KIND_SYSTEM,
	    CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("network passwords",
	      "psk=|password=|privatekey|private-key",
	      "/etc/NetworkManager/system-connections/* "
	      "/etc/wpa_supplicant/*.conf "
	      "/etc/wireguard/*.conf"),
	    CRB_KIND_SYSTEM, CRB_SEVERITY_MEDIUM, CRB_CHECK_TEXT },
	{ CRB_PLACE("the cluster's keys", "client-key|token:",
	      "/etc/kubernetes/*.conf "
	      "/etc/rancher/k3s/k3s.yaml"),
	    CRB_KIND_SYSTEM, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
};

static const struct crb_place tree_places[] = {
	{ CRB_PLACE("", "",
	      ".env "
	      ".env.* "
	      ".envrc"),
	    CRB_KIND_DOTENV, CRB_SEVERITY_HIGH, CRB_CHECK_SETTINGS },
	{ CRB_PLACE("a package registry's password", "_auth|npmAuth|password",
	      ".npmrc "
	      ".yarnrc.yml "
	      ".pypirc"),
	    CRB_KIND_FILE, CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("passwords of hosts", "password", ".netrc"), CRB_KIND_FILE,
	    CRB_SEVERITY_HIGH, CRB_CHECK_TEXT },
	{ CRB_PLACE("git passwords", "", ".git-credentials"), CRB_KIND_FILE,
	    CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
};

static const struct crb_place socket_places[] = {
	{ CRB_PLACE("an SSH agent: signs in as you", "",
	      "~/.ssh/agent/* "
	      "/tmp/ssh-*/agent.* "
	      "%/keyring/ssh "
	      "~/.1password/agent.sock"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("a GnuPG agent: signs as you", "",
	      "%/gnupg/S.gpg-agent* "
	      "~/.gnupg/S.gpg-agent* "
	      "$GNUPGHOME/S.gpg-agent*"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("a daemon that runs anything on the host", "",
	      "/run/docker.sock "
	      "/var/run/docker.sock "
	      "%/docker.sock "
	      "~/.docker/run/docker.sock "
	      "~/.docker/desktop/docker.sock "
	      "~/.colima/*/docker.sock "
	      "~/.rd/docker.sock "
	      "/run/podman/podman.sock "
	      "%/podman/podman.sock "
	      "/run/containerd/containerd.sock "
	      "/run/k3s/containerd/containerd.sock "
	      "/run/crio/crio.sock "
	      "/run/buildkit/buildkitd.sock "
	      "/var/lib/lxd/unix.socket "
	      "/var/snap/lxd/common/lxd/unix.socket "
	      "/var/lib/incus/unix.socket "
	      "/run/libvirt/*-sock"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE(
	      "the D-Bus session bus: starts programs outside", "", "%/bus"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("the D-Bus system bus: speaks to the host's services", "",
	      "/run/dbus/system_bus_socket "
	      "/var/run/dbus/system_bus_socket"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
	{ CRB_PLACE("systemd: starts programs outside", "",
	      "%/systemd/private "
	      "/run/systemd/private"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("a terminal outside: types commands there", "",
	      "/tmp/tmux-*/* "
	      "$TMUX_TMPDIR/tmux-*/* "
	      "/run/screen/S-*/* "
	      "~/.screen/*"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("the X server: reads and types keys outside", "",
	      "/tmp/.X11-unix/X*"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("the desktop: reads the clipboard, starts programs", "",
	      "%/wayland-*"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
	{ CRB_PLACE("the desktop's keyring", "", "%/keyring/*"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("an editor's git credentials", "",
	      "%/vscode-git-*.sock "
	      "/tmp/vscode-git-*.sock"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("an editor outside: opens files, runs commands", "",
	      "%/vscode-ipc-*.sock "
	      "/tmp/vscode-ipc-*.sock"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("the broker's admin socket", "",
	      "%/credbroker/admin.sock "
	      "/run/credbroker/admin.sock"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
	{ CRB_PLACE("a service of the host's", "",
	      "/run/snapd.socket "
	      "/run/pcscd/pcscd.comm "
	      "/run/tailscale/tailscaled.sock "
	      "/run/postgresql/.s.PGSQL.* "
	      "/tmp/.s.PGSQL.* "
	      "/run/mysqld/mysqld.sock"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
	{ CRB_PLACE("the sound server: hears the microphone", "",
	      "%/pulse/native "
	      "%/pipewire-0"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_LOW, CRB_CHECK_ANY },
};

static const struct crb_place abstract_places[] = {
	{ CRB_PLACE("the X server: reads and types keys outside", "",
	      "/tmp/.X11-unix/X*"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("the D-Bus session bus: starts programs outside", "",
	      "/tmp/dbus-*"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("a daemon that runs anything on the host", "",
	      "/containerd-shim/*"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
};

static const struct crb_place socket_variables[] = {
	{ CRB_PLACE("an SSH agent: signs in as you", "", "SSH_AUTH_SOCK"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("a GnuPG agent: signs as you", "", "GPG_AGENT_INFO"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("a daemon that runs anything on the host", "",
	      "DOCKER_HOST "
	      "CONTAINER_HOST "
	      "CONTAINERD_ADDRESS "
	      "BUILDKIT_HOST"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("the D-Bus session bus: starts programs outside", "",
	      "DBUS_SESSION_BUS_ADDRESS"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("the D-Bus system bus: speaks to the host's services", "",
	      "DBUS_SYSTEM_BUS_ADDRESS"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
	{ CRB_PLACE("a terminal outside: types commands there", "",
	      "TMUX "
	      "KITTY_LISTEN_ON "
	      "WEZTERM_UNIX_SOCKET"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("an editor outside: opens files, runs commands", "",
	      "NVIM "
	      "VSCODE_IPC_HOOK_CLI "
	      "REMOTE_CONTAINERS_IPC"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("an editor's git credentials", "", "VSCODE_GIT_IPC_HANDLE"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("the desktop's keyring", "", "GNOME_KEYRING_CONTROL"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_HIGH, CRB_CHECK_ANY },
	{ CRB_PLACE("the desktop: reads the clipboard, starts programs", "",
	      "SWAYSOCK "
	      "I3SOCK "
	      "WAYLAND_DISPLAY"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
	{ CRB_PLACE("the broker's admin socket", "", "CREDBROKER_ADMIN_SOCKET"),
	    CRB_KIND_SOCKET, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY },
};

static const struct {
	const struct crb_place *at;
	size_t count;
} tables[] = {
	[CRB_PLACES_FILES] = { file_places,
	    sizeof(file_places) / sizeof(*file_places) },
	[CRB_PLACES_TREE] = { tree_places,
	    sizeof(tree_places) / sizeof(*tree_places) },
	[CRB_PLACES_SOCKETS] = { socket_places,
	    sizeof(socket_places) / sizeof(*socket_places) },
	[CRB_PLACES_ABSTRACT] = { abstract_places,
	    sizeof(abstract_places) / sizeof(*abstract_places) },
	[CRB_PLACES_VARIABLES] = { socket_variables,
	    sizeof(socket_variables) / sizeof(*socket_variables) },
};

static const char *
behind(const char *string)
{
	return string + strlen(string) + 1;
}

void
crb_places_each(enum crb_places which, crb_place_fn *fn, void *ctx)
{
	for (size_t i = 0; i < tables[which].count; i++) {
		const struct crb_place *place = &tables[which].at[i];
		const char *pattern = behind(behind(place->strings));

		while (*pattern != '\0') {
			char one[CRB_PATTERN_MAX] = "";
			size_t n = strcspn(pattern, " ");

			if (n < sizeof(one))
				memcpy(one, pattern, n);
			fn(ctx, place, one);
			pattern += n;
			pattern += *pattern == ' ' ? 1 : 0;
		}
	}
}

const char *
crb_place_what(const struct crb_place *place)
{
	return place->strings;
}

const char *
crb_place_texts(const struct crb_place *place)
{
	return behind(place->strings);
}
