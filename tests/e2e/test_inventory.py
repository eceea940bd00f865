"""`inventory`: what is planted is found by its kind and name, and no value of it
is printed; inside `credbroker run` there is nothing to be found."""

import contextlib
import ctypes
import json
import os
import pathlib
import pty
import re
import secrets
import shutil
import socket
import string
import struct
import subprocess
import textwrap
import time

import pytest

from conftest import BUILD, CREDBROKER

STATIC = BUILD / "libexec" / "credbroker" / "credbroker-shim"
CHECKED = BUILD / "shim" / "credbroker-shim-checked"
ALNUM = string.ascii_letters + string.digits
GRANT = "forge:repository=acme/api"
HOME = "/home/u"
IS_ROOT = os.geteuid() == 0


class Canaries:
    """Random text, remembered, so that it can be looked for."""

    def __init__(self):
        self.parts = []

    def __call__(self, length=40, prefix=""):
        # A digit, for those forms that ask for one.
        part = "7" + "".join(secrets.choice(ALNUM) for _ in range(length - 1))
        self.parts.append(part)
        return prefix + part

    def assert_not_in(self, output):
        if isinstance(output, bytes):
            output = output.decode("latin-1")
        for part in self.parts:
            for at in range(len(part) - 7):
                assert part[at:at + 8] not in output, output


class Box:
    """A plain bubblewrap sandbox with a home, a /run, an /etc and a /tmp of
    the test's own: so nothing is found but what is planted."""

    def __init__(self, folder, program=STATIC):
        self.folder = pathlib.Path(folder)
        self.folder.chmod(0o755)
        self.program = program
        self.canary = Canaries()
        self.env = {}
        self.options = []
        self.listeners = []
        for name in ("home", "run", "etc", "tmp"):
            (self.folder / name).mkdir()
        self.home = self.folder / "home"

    def file(self, path, text, mode=0o600):
        """`path` as the sandbox sees it."""
        place = self.place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            place.write_bytes(text)
        else:
            place.write_text(text)
        place.chmod(mode)
        return place

    def place(self, path):
        if isinstance(path, bytes):
            return pathlib.Path(os.fsdecode(path.replace(
                HOME.encode(), os.fsencode(self.home))))
        for inside, outside in ((HOME, "home"), ("/run", "run"),
                                ("/etc", "etc"), ("/tmp", "tmp")):
            if path.startswith(inside + "/"):
                return self.folder / outside / path[len(inside) + 1:]
        raise ValueError(path)

    def socket(self, path, kind=socket.SOCK_STREAM):
        place = self.place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX, kind)
        # A path of the test's folder may be too long for a socket's.
        where = os.open(place.parent, os.O_PATH | os.O_DIRECTORY)
        listener.bind(f"/proc/self/fd/{where}/{place.name}")
        os.close(where)
        if kind != socket.SOCK_DGRAM:
            listener.listen()
        listener.setblocking(False)
        self.listeners.append(listener)
        return listener

    def command(self, *words, cwd=HOME):
        args = ["bwrap", "--unshare-all", "--die-with-parent", "--clearenv",
                "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
                "--symlink", "usr/lib", "/lib",
                "--symlink", "usr/lib64", "/lib64", "--proc", "/proc",
                "--dev", "/dev", "--bind", self.folder / "run", "/run",
                "--bind", self.folder / "etc", "/etc",
                "--bind", self.folder / "tmp", "/tmp",
                "--bind", self.home, HOME,
                "--ro-bind", self.program, "/shim",
                "--setenv", "HOME", HOME, "--setenv", "PATH", "/usr/bin",
                "--chdir", cwd, *self.options]
        for name, value in self.env.items():
            args += ["--setenv", name, value]
        return [os.fspath(a) if isinstance(a, pathlib.Path) else a
                for a in (*args, *words)]

    def run(self, *options, cwd=HOME, words=None, timeout=60):
        done = subprocess.run(
            self.command(*(words or ("/shim", "inventory", *options)), cwd=cwd),
            stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
        assert b"Sanitizer" not in done.stderr, done.stderr.decode()
        self.canary.assert_not_in(done.stdout)
        self.canary.assert_not_in(done.stderr)
        return done

    def findings(self, *options, **kwargs):
        """{(kind, name): severity}, and the exit status agrees."""
        done = self.run("--json", *options, **kwargs)
        said = json.loads(done.stdout)
        assert done.returncode == (1 if said["findings"] else 0), done
        for finding in said["findings"]:
            assert finding["reason"] and finding["remedy"]
        return {(f["kind"], f["name"]): f["severity"]
                for f in said["findings"]}

    def close(self):
        for listener in self.listeners:
            listener.close()


@pytest.fixture
def box(folder):
    made = Box(folder)
    yield made
    made.close()


@pytest.fixture(params=[STATIC, CHECKED], ids=["static", "checked"])
def any_box(folder, request):
    made = Box(folder, request.param)
    yield made
    made.close()


def pem(canary, label="RSA PRIVATE KEY", head=""):
    body = "\n".join(canary(64) for _ in range(4))
    return f"-----BEGIN {label}-----\n{head}{body}\n-----END {label}-----\n"


def openssh(canary, cipher=b"none"):
    """The form's beginning is the same for everybody: no canary."""
    import base64
    head = b"openssh-key-v1\0" + struct.pack(">I", len(cipher)) + cipher
    text = base64.b64encode(head + b"\0" * (-len(head) % 3)).decode()
    body = text + canary(60)
    return ("-----BEGIN OPENSSH PRIVATE KEY-----\n" + body +
            "\n-----END OPENSSH PRIVATE KEY-----\n")


def test_nothing_is_found_where_nothing_is(any_box):
    done = any_box.run("--json")
    assert json.loads(done.stdout)["findings"] == []
    assert done.returncode == 0
    done = any_box.run()
    assert done.stdout == b"" and b"found nothing" in done.stderr


# Each value of a known form is found whatever the variable's name.
FORMS = [
    ("ghp_", 36), ("gho_", 36), ("ghs_", 36), ("github_pat_", 82),
    ("glpat-", 20), ("sk-", 48), ("sk-ant-api03-", 80), ("sk-proj-", 60),
    ("AKIA", 16), ("ASIA", 16), ("xoxb-", 50), ("xoxp-", 60), ("npm_", 36),
    ("hf_", 34), ("AIza", 35), ("dckr_pat_", 27), ("sk_live_", 24),
    ("hvs.", 90), ("ya29.", 60), ("pypi-AgEI", 80), ("glsa_", 41)]


@pytest.mark.parametrize("prefix, length", FORMS)
def test_a_token_is_known_by_its_form(box, prefix, length):
    box.env["COLOUR"] = box.canary(length, prefix)
    assert box.findings() == {("environment", "COLOUR"): "high"}


def values(canary):
    return {
        "jwt": "eyJ" + canary(30) + ".eyJ" + canary(60) + "." + canary(43),
        "pem": pem(canary),
        "pkcs8": pem(canary, "PRIVATE KEY"),
        "url": f"postgres://app:{canary(20)}@db.internal/x",
        "url_with_token": f"https://{canary(40)}@github.com/a/b",
        "header": f"Authorization: Basic {canary(30)}",
        "in_text": f"--flag --token=ghp_{canary(36)} --more",
    }


@pytest.mark.parametrize("which", values(Canaries()))
def test_other_secrets_are_known_by_their_form(box, which):
    box.env["COLOUR"] = values(box.canary)[which]
    assert box.findings() == {("environment", "COLOUR"): "high"}


@pytest.mark.parametrize("name, severity", [
    ("AWS_SECRET_ACCESS_KEY", "high"), ("PGPASSWORD", "high"),
    ("DB_PASSWORD_PROD", "high"), ("client_secret", "high"),
    ("MY_TOKEN", "high"), ("STRIPE_API_KEY", "medium"),
    ("MYSQL_PWD", "medium"), ("REDISCLI_AUTH", "medium"),
    ("npm_config__authToken", "high"), ("SOME_CREDENTIALS", "medium")])
def test_a_name_tells_of_a_secret(box, name, severity):
    box.env[name] = box.canary(24)
    assert box.findings() == {("environment", name): severity}


@pytest.mark.parametrize("name, value", [
    ("TOKENIZERS_PARALLELISM", "false"), ("MAX_OUTPUT_TOKENS", "32000"),
    ("SSH_ASKPASS", "/usr/bin/true"), ("GIT_ASKPASS", "/usr/bin/true"),
    ("PWD", "/home/u"), ("OLDPWD", "/home/u"), ("SSH_PUBLIC_KEY", "AAAAB3Nza"),
    ("TOKEN_ENDPOINT", "https://example.org/token"), ("KEYMAP", "us"),
    ("GIT_CONFIG_KEY_0", "url.http://127.0.0.1:9169/git/h/.insteadOf"),
    ("SECRET_FILE", "/nonexistent"), ("GITHUB_TOKEN", ""), ("NO_AUTH", "1"),
    ("PROXY", "http://user@proxy:3128"), ("URL", "https://a:$PASS@b/"),
    ("CREDBROKER_TOKEN", "crbs_" + 49 * "a"),
    ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Credbroker-Session"), ("TASK", "sk-the-task")])
def test_what_is_no_secret_is_not_taken_for_one(box, name, value):
    box.env[name] = value
    assert box.findings() == {}


def plants(box):
    """name -> (kind, severity, path, text): one file each."""
    c = box.canary
    token = lambda: c(36, "ghp_")
    h = HOME + "/"
    return {
        "aws": ("file", "high", h + ".aws/credentials",
                f"[default]\naws_access_key_id = AKIA{c(16)}\n"
                f"aws_secret_access_key = {c()}\n"),
        "aws config": ("file", "high", h + ".aws/config",
                       f"[profile x]\naws_session_token={c()}\n"),
        "aws sso": ("file", "high", h + ".aws/sso/cache/1.json",
                    json.dumps({"accessToken": c()})),
        "ssh": ("file", "high", h + ".ssh/id_rsa", pem(c)),
        "ssh any name": ("file", "high", h + ".ssh/deploy", openssh(c)),
        "ssh encrypted": ("file", "medium", h + ".ssh/id_ed25519",
                          openssh(c, b"aes256-ctr")),
        "ssh encrypted pem": ("file", "medium", h + ".ssh/old",
                              pem(c, head="Proc-Type: 4,ENCRYPTED\n\n")),
        "putty": ("file", "high", h + ".ssh/x.ppk",
                  "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n"
                  + c()),
        "netrc": ("file", "high", h + ".netrc",
                  f"machine a login b password {c()}\n"),
        "docker": ("file", "high", h + ".docker/config.json",
                   json.dumps({"auths": {"r.io": {"auth": c()}}})),
        "podman": ("file", "high", h + ".config/containers/auth.json",
                   json.dumps({"auths": {"r.io": {"auth": c()}}})),
        "gh": ("file", "high", h + ".config/gh/hosts.yml",
               f"github.com:\n    oauth_token: {c()}\n"),
        "hub": ("file", "high", h + ".config/hub", f"oauth_token: {c()}\n"),
        "kube": ("file", "high", h + ".kube/config", f"users:\n token: {c()}"),
        "npmrc": ("file", "high", h + ".npmrc",
                  f"//registry.npmjs.org/:_authToken={c()}\n"),
        "pypirc": ("file", "high", h + ".pypirc", f"[pypi]\npassword: {c()}"),
        "pip": ("file", "high", h + ".config/pip/pip.conf",
                f"[global]\nindex-url = https://u:{c()}@pypi.internal/\n"),
        "git-credentials": ("file", "high", h + ".git-credentials",
                            f"https://u:{c()}@github.com\n"),
        "gcloud": ("file", "high",
                   h + ".config/gcloud/application_default_credentials.json",
                   json.dumps({"refresh_token": c()})),
        "azure": ("file", "high", h + ".azure/msal_token_cache.json", c()),
        "gnupg": ("file", "high", h + ".gnupg/private-keys-v1.d/A.key",
                  f"Key: (private-key (ecc (d #{c()}#)))\n"),
        "gnupg encrypted": ("file", "medium",
                            h + ".gnupg/private-keys-v1.d/B.key",
                            f"Key: (protected-private-key (ecc {c()}))\n"),
        "cargo": ("file", "high", h + ".cargo/credentials.toml",
                  f'[registry]\ntoken = "{c()}"\n'),
        "cargo old": ("file", "high", h + ".cargo/credentials", c()),
        "vault": ("file", "high", h + ".vault-token", c()),
        "terraform": ("file", "high", h + ".terraform.d/credentials.tfrc.json",
                      json.dumps({"credentials": {"a": {"token": c()}}})),
        "maven": ("file", "high", h + ".m2/settings.xml",
                  f"<server><password>{c()}</password></server>"),
        "gradle": ("file", "high", h + ".gradle/gradle.properties",
                   f"repoPassword={c()}\n"),
        "claude": ("file", "high", h + ".claude/.credentials.json", c()),
        "codex": ("file", "high", h + ".codex/auth.json", c()),
        "rclone": ("file", "high", h + ".config/rclone/rclone.conf",
                   f"[s3]\nsecret_access_key = {c()}\n"),
        "pgpass": ("file", "high", h + ".pgpass", f"h:5432:*:u:{c()}\n"),
        "history": ("history", "low", h + ".bash_history", "ls\ncd /\n"),
        "history with a token": ("history", "high", h + ".zsh_history",
                                 f"export T={token()}\n"),
        "dotenv": ("dotenv", "high", h + ".env", f"DB_PASSWORD='{c()}'\n"),
        "dotenv below": ("dotenv", "high", h + "src/a/b/.env.production",
                         f"export COLOUR={token()}\n"),
        "dotenv with a key": ("dotenv", "high", h + "src/.env.k",
                              f'KEY="{pem(c)}"\n'),
        "npmrc below": ("file", "high", h + "src/.npmrc",
                        f"//r/:_authToken={c()}\n"),
        "mounted": ("mounted", "high",
                    "/run/secrets/kubernetes.io/serviceaccount/token", c()),
        "mounted by docker": ("mounted", "high", "/run/secrets/db", c()),
        "shadow": ("system", "high", "/etc/shadow",
                   f"root:*:1::::::\nu:$y$j9T${c()}:1::::::\n"),
        "host key": ("system", "high", "/etc/ssh/ssh_host_rsa_key", pem(c)),
        "keytab": ("system", "high", "/etc/krb5.keytab", c()),
    }


PLANTED = [
    "aws", "aws config", "aws sso", "ssh", "ssh any name", "ssh encrypted",
    "ssh encrypted pem", "putty", "netrc", "docker", "podman", "gh", "hub",
    "kube", "npmrc", "pypirc", "pip", "git-credentials", "gcloud", "azure",
    "gnupg", "gnupg encrypted", "cargo", "cargo old", "vault", "terraform",
    "maven", "gradle", "claude", "codex", "rclone", "pgpass", "history",
    "history with a token", "dotenv", "dotenv below", "dotenv with a key",
    "npmrc below", "mounted", "mounted by docker", "shadow", "host key",
    "keytab"]


@pytest.mark.parametrize("which", PLANTED)
def test_a_planted_file_is_found_and_nothing_else(box, which):
    kind, severity, path, text = plants(box)[which]
    box.file(path, text)
    assert box.findings() == {(kind, path): severity}


def test_files_without_a_secret_are_not_findings(box):
    box.file(HOME + "/.aws/config", "[default]\nregion = eu-west-1\n")
    box.file(HOME + "/.docker/config.json", '{"auths": {}}')
    box.file(HOME + "/.ssh/known_hosts", "github.com ssh-ed25519 AAAAC3N\n")
    box.file(HOME + "/.ssh/id_rsa.pub", "ssh-rsa AAAAB3Nza u@h\n")
    box.file(HOME + "/.npmrc", "registry=https://registry.npmjs.org/\n")
    box.file(HOME + "/.env", "DEBUG=1\nPORT=8080\n# PASSWORD=x\n")
    box.file(HOME + "/.env.example", "PASSWORD=change-me\n")
    box.file(HOME + "/.gitconfig", "[user]\n\tname = U\n"
             "[credential]\n\thelper = store\n")
    box.file("/etc/shadow", "root:*:1::::::\nu:!:1::::::\nv:!!:1::::::\n")
    box.file(HOME + "/.git/config",
             '[remote "origin"]\n\turl = https://github.com/a/b\n'
             "\tpushurl = git@github.com:a/b.git\n")
    box.file(HOME + "/.bash_history", "")
    assert box.findings() == {}


@pytest.mark.parametrize("variable, name, text", [
    ("KUBECONFIG", "k", "token: {}"), ("NETRC", "n", "password {}"),
    ("AWS_SHARED_CREDENTIALS_FILE", "a", "aws_secret_access_key={}"),
    ("GOOGLE_APPLICATION_CREDENTIALS", "g", '{{"private_key": "{}"}}'),
    ("MY_SECRET_FILE", "s", "{}")])
def test_a_variable_leads_to_a_file(box, variable, name, text):
    path = f"{HOME}/elsewhere/{name}"
    box.file(path, text.format(box.canary()))
    box.env[variable] = path
    assert set(box.findings()) == {("file", path)}


def test_a_home_that_is_not_ours_is_looked_at_too(box):
    box.file(HOME + "/.netrc", f"password {box.canary()}")
    box.env["HOME"] = "/nonexistent"
    assert box.findings(cwd="/run") == {("file", HOME + "/.netrc"): "high"}


# git


@pytest.mark.parametrize("text, line", [
    ('[remote "o"]\n\turl = https://u:{}@github.com/a/b\n', 2),
    ('[remote "o"]\n url = "https://u:{}@github.com/a/b"\n', 2),
    ('[remote "o"]\n url = https://u\\\n:{}@github.com/a/b\n', 2),
    ('[core]\n\tbare = false\n[http]\n\textraheader = '
     "AUTHORIZATION: basic {}\n", 4),
    ('[http "https://x/"]\n extraHeader = PRIVATE-TOKEN: {}\n', 2),
    ('[url "https://u:{}@github.com/"]\n insteadOf = https://github.com/\n',
     1),
    ('[github] token = {}\n', 1),
    ('[credential]\n helper = "!f() {{ echo password={}; }}; f"\n', 2)])
def test_git_configuration_with_a_secret(box, text, line):
    box.file(HOME + "/src/.git/config", text.format(box.canary(30)))
    name = f"{HOME}/src/.git/config:{line}"
    assert box.findings() == {("git", name): "high"}
    # From a folder further down, too.
    box.file(HOME + "/src/deep/er/file", "")
    assert box.findings(cwd=HOME + "/src/deep/er") == {("git", name): "high"}


def test_git_includes_submodules_and_worktrees(box):
    secret = lambda: ('[http "https://github.com/"]\n\textraheader = '
                      f"AUTHORIZATION: basic {box.canary(30)}\n")
    box.file(HOME + "/src/.git/config",
             '[includeIf "gitdir:/nowhere/"]\n\tpath = ../../inc.config\n'
             "[include]\n\tpath = ~/home.config\n"
             "[include]\n\tpath = loop\n")
    box.file(HOME + "/src/.git/loop", "[include]\n\tpath = loop\n")
    box.file(HOME + "/inc.config", secret())
    box.file(HOME + "/home.config", secret())
    box.file(HOME + "/src/.git/modules/a/b/config", secret())
    box.file(HOME + "/src/.git/config.worktree", secret())
    box.file("/tmp/main/.git/config", secret())
    box.file("/tmp/main/.git/worktrees/w/HEAD", "ref: refs/heads/x\n")
    box.file(HOME + "/w/.git", "gitdir: /tmp/main/.git/worktrees/w\n")
    box.file(HOME + "/.gitconfig", secret())
    names = {name.replace("/src/.git/../..", "") for kind, name
             in box.findings()}
    assert names == {
        f"{HOME}/inc.config:2", f"{HOME}/home.config:2",
        f"{HOME}/src/.git/modules/a/b/config:2",
        f"{HOME}/src/.git/config.worktree:2", f"{HOME}/.gitconfig:2",
        "/tmp/main/.git/worktrees/w/../../config:2"}


# Sockets


@pytest.mark.parametrize("path, severity", [
    ("/tmp/ssh-XXabc/agent.12", "high"), ("/run/docker.sock", "high"),
    ("/run/podman/podman.sock", "high"),
    ("/run/user/1000/podman/podman.sock", "high"),
    ("/run/containerd/containerd.sock", "high"),
    ("/run/dbus/system_bus_socket", "medium"),
    ("/run/user/1000/bus", "high"), ("/run/user/1000/systemd/private", "high"),
    ("/run/user/1000/gnupg/S.gpg-agent", "high"),
    (HOME + "/.gnupg/S.gpg-agent.ssh", "high"),
    ("/tmp/tmux-1000/default", "high"), ("/tmp/.X11-unix/X0", "high"),
    ("/run/user/1000/wayland-0", "medium"),
    ("/run/user/1000/keyring/control", "high"),
    ("/run/credbroker/admin.sock", "medium"),
    ("/run/user/1000/credbroker/admin.sock", "medium")])
def test_a_socket_is_found_and_not_connected_to(box, path, severity):
    listener = box.socket(path)
    assert box.findings() == {("socket", path): severity}
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("variable, value", [
    ("SSH_AUTH_SOCK", "{}"), ("DBUS_SESSION_BUS_ADDRESS",
                              "unix:path={},guid=00"),
    ("DOCKER_HOST", "unix://{}"), ("TMUX", "{},123,0"),
    ("GPG_AGENT_INFO", "{}:0:1"), ("VSCODE_GIT_IPC_HANDLE", "{}"),
    ("CREDBROKER_ADMIN_SOCKET", "{}"), ("GNOME_KEYRING_CONTROL", "{}")])
def test_a_variable_leads_to_a_socket(box, variable, value):
    path = HOME + "/sock"
    box.socket(path)
    box.env[variable] = value.format(path)
    assert set(box.findings()) == {("socket", path)}


def test_a_daemon_at_an_address_is_found_by_its_variable(box):
    box.env["DOCKER_HOST"] = "tcp://10.0.0.1:2375"
    assert box.findings() == {("socket", "DOCKER_HOST"): "high"}


def test_sockets_that_nobody_answers_or_that_are_closed_to_us(box):
    box.socket("/run/docker.sock").close()
    box.file("/run/podman/podman.sock", "no socket")
    box.env["SSH_AUTH_SOCK"] = "/nonexistent"
    assert box.findings() == {}
    # A datagram socket and a packet socket are found like any other.
    box.socket("/run/user/1/bus", socket.SOCK_DGRAM)
    box.socket("/run/user/2/bus", socket.SOCK_SEQPACKET)
    assert set(box.findings()) == {("socket", "/run/user/1/bus"),
                                   ("socket", "/run/user/2/bus")}


def test_a_socket_at_a_path_too_long_to_connect_to(box):
    path = "/run/user/1/" + 30 * "long/" + "sock"
    box.socket(path)
    box.env["SSH_AUTH_SOCK"] = path
    assert box.findings() == {("socket", path): "high"}


def python(box, script, *options):
    """Run a script in the box, with SHIM to run the program."""
    head = ("import ctypes, fcntl, os, socket, struct, subprocess, sys\n"
            "def shim(*args):\n"
            "    sys.stdout.flush()\n"
            "    return subprocess.call(['/shim', 'inventory', *args])\n")
    box.options += list(options)
    return box.run(words=("/usr/bin/python3", "-c",
                          head + textwrap.dedent(script)))


def test_an_abstract_socket_is_found(box):
    done = python(box, """
        s = socket.socket(socket.AF_UNIX)
        s.bind("\\0/tmp/.X11-unix/X7")
        s.listen()
        s.setblocking(False)
        t = socket.socket(socket.AF_UNIX)
        t.bind("\\0something-else")
        t.listen()
        shim()
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = (
            "unix:abstract=something-else,guid=1")
        shim()
        try:
            s.accept()
        except BlockingIOError:
            print("nobody came")
        """)
    assert done.stdout.startswith(b"high\tsocket\t@/tmp/.X11-unix/X7\t")
    names = [line.split(b"\t")[2] for line in done.stdout.splitlines()[:-1]]
    x11 = b"@/tmp/.X11-unix/X7"
    assert names == [x11, x11, b"@something-else"]
    assert done.stdout.endswith(b"\nnobody came\n")


# The rest


def test_metadata_addresses_that_answer_are_found(box):
    script = """
        s = socket.socket()
        # SIOCSIFADDR on an alias of the loopback: an address of our own.
        fcntl.ioctl(s, 0x8916, struct.pack("16sHH4s8x", b"lo:1",
                    socket.AF_INET, 0, socket.inet_aton("169.254.169.254")))
        s.bind(("169.254.169.254", 80))
        s.listen()
        print(shim("--no-network"))
        shim()
        c, _ = s.accept()
        c.setblocking(False)
        try:
            print(c.recv(1))
        except BlockingIOError:
            print("said something")
        """
    done = python(box, script, "--cap-add", "CAP_NET_ADMIN", "--cap-add",
                  "CAP_NET_BIND_SERVICE")
    if b"PermissionError" in done.stderr:
        pytest.skip("no address may be added in a namespace here")
    lines = done.stdout.split(b"\n")
    assert lines[0] == b"0"
    assert lines[1].startswith(b"high\tmetadata\t169.254.169.254\t"), done
    assert lines[2] == b"b''", "nothing is sent"


def test_keys_in_a_keyring_are_found_by_their_name(box):
    secret = box.canary()
    box.env["PLANT"] = "x"
    done = python(box, f"""
        libc = ctypes.CDLL(None, use_errno=True)
        # keyctl(KEYCTL_JOIN_SESSION_KEYRING), add_key()
        if libc.syscall(250, 1, None) < 0 or libc.syscall(
                248, b"user", b"planted-key", b"{secret}", 40, -3) < 0:
            print("no keyrings here")
        else:
            shim("--json")
        """)
    if b"no keyrings" in done.stdout:
        pytest.skip("no keyrings here")
    found = json.loads(done.stdout)["findings"]
    assert [(f["kind"], f["name"]) for f in found] == [
        ("keyring", "planted-key")]


def test_another_process_with_a_secret_of_its_own_is_found(box):
    secret = box.canary()
    done = python(box, f"""
        p = subprocess.Popen(["/usr/bin/sleep", "60"], env={{
            "HOME": "/home/u", "OTHER_TOKEN": "{secret}"}})
        # Until it has become what it is to be.
        while os.readlink(f"/proc/{{p.pid}}/exe") != os.path.realpath(
                "/usr/bin/sleep"):
            pass
        shim()
        p.kill()
        """)
    line, = done.stdout.decode().splitlines()
    assert re.match(r"high\tprocess\tpid \d+ \(sleep\)\t1 secret in its "
                    r"environment, such as OTHER_TOKEN\t", line), line


def everything(box):
    """Plant all there is; gives what is to be found."""
    assert set(plants(box)) == set(PLANTED)
    expected = {}
    for kind, severity, path, text in plants(box).values():
        box.file(path, text)
        expected[kind, path] = severity
    for at, (prefix, length) in enumerate(FORMS):
        box.env[f"COLOUR_{at}"] = box.canary(length, prefix)
        expected["environment", f"COLOUR_{at}"] = "high"
    for at, value in enumerate(values(box.canary).values()):
        box.env[f"SHAPE_{at}"] = value
        expected["environment", f"SHAPE_{at}"] = "high"
    box.file(HOME + "/src/.git/config",
             f'[remote "o"]\nurl = https://u:{box.canary()}@h/a\n')
    expected["git", HOME + "/src/.git/config:2"] = "high"
    box.socket("/run/docker.sock")
    expected["socket", "/run/docker.sock"] = "high"
    return expected


@pytest.mark.limit(500)
def test_everything_at_once_and_no_piece_of_a_value(any_box):
    expected = everything(any_box)
    # Each form of output is swept by run().
    assert any_box.findings() == expected
    lines = any_box.run().stdout.decode().splitlines()
    rows = [line.split("\t") for line in lines]
    assert {(r[1], r[2]): r[0] for r in rows} == expected
    assert all(len(r) == 5 and all(r) for r in rows)
    ranks = [["high", "medium", "low"].index(r[0]) for r in rows]
    assert ranks == sorted(ranks)


def test_a_planted_value_in_the_output_would_be_seen(box):
    """The sweep itself: each form that a value could be printed in."""
    value = box.canary(40, "ghp_")
    for text in (value, value[10:18], f"x{value[-8:]}y"):
        with pytest.raises(AssertionError):
            box.canary.assert_not_in(text)
    box.canary.assert_not_in("ghp_" + value[4:11])


def on_terminal(command, timeout=60):
    """What is written to a terminal on standard output."""
    primary, secondary = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                               stdout=secondary, stderr=subprocess.DEVNULL)
    os.close(secondary)
    output = b""
    with contextlib.suppress(OSError):
        while piece := os.read(primary, 65536):
            output += piece
    os.close(primary)
    return process.wait(timeout), output.replace(b"\r\n", b"\n").decode()


def test_on_a_terminal_it_is_a_table_with_remedies_below(box):
    box.env["MY_TOKEN"] = box.canary()
    box.file(HOME + "/.netrc", f"password {box.canary()}")
    status, output = on_terminal(box.command("/shim", "inventory"))
    assert status == 1
    box.canary.assert_not_in(output)
    lines = output.split("\n")
    assert lines[0].split() == ["SEVERITY", "KIND", "NAME", "WHAT"]
    column = lines[0].index("NAME")
    assert lines[1][column:].startswith("MY_TOKEN ")
    assert lines[2][column:].startswith(HOME + "/.netrc ")
    rest = lines[lines.index("What to do:"):]
    assert rest[1].startswith("environment  start the sandbox with a clean")
    assert rest[2].startswith("file         ")


# Hostile file systems


EVIL = b"a\x1b[2J\n\t\r\x07\"\\b\xff\xe2\x80\xae\xc2\x9b\xc3\xa9"
EVIL_SHOWN = (r"a\x1b[2J\x0a\x09\x0d\x07\x22\x5cb\xff\xe2\x80\xae\xc2\x9b"
              "\u00e9")


def test_hostile_names_are_escaped_in_every_form(any_box):
    box = any_box
    box.file(HOME.encode() + b"/.ssh/" + EVIL, pem(box.canary))
    box.file(HOME.encode() + b"/" + EVIL + b"/.env",
             f"PASSWORD={box.canary()}")
    box.env["MY\n\x1b]0;x\x07_TOKEN"] = box.canary()
    expected = {
        ("file", f"{HOME}/.ssh/{EVIL_SHOWN}"): "high",
        ("dotenv", f"{HOME}/{EVIL_SHOWN}/.env"): "high",
        ("environment", r"MY\x0a\x1b]0;x\x07_TOKEN"): "high"}
    assert box.findings() == expected
    output = box.run().stdout
    assert len(output.splitlines()) == 3 == output.count(b"\n")
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", output)
    output.decode()
    assert {tuple(line.split("\t")[1:3]) for line
            in output.decode().splitlines()} == set(expected)
    _, table = on_terminal(box.command("/shim", "inventory"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", table)


def test_a_name_that_is_a_secret_is_withheld(box):
    token = box.canary(36, "ghp_")
    box.env[token] = "PASSWORD"
    box.env[f"{token}_TOKEN"] = box.canary()
    box.file(f"{HOME}/{token}/.env", f"PASSWORD={box.canary()}")
    done = box.run()
    assert done.returncode == 1
    assert b"withheld" in done.stdout


def test_what_is_no_regular_file_neither_hangs_it_nor_is_opened(box):
    box.file(HOME + "/.aws/x", "")
    fifos = [box.place(HOME + name) for name in
             ("/.netrc", "/.ssh/id_rsa", "/.env", "/.git/config")]
    for fifo in fifos:
        fifo.parent.mkdir(exist_ok=True)
        os.mkfifo(fifo)
    for name, target in ((".aws/credentials", "/dev/zero"),
                         (".npmrc", "/dev/tty"), (".pypirc", ".pypirc"),
                         (".docker", "/proc/self"), (".kube", "/dev")):
        box.place(f"{HOME}/{name}").symlink_to(target)
    box.place(HOME + "/.vault-token").mkdir()
    with opened(*fifos) as seen:
        assert box.findings(timeout=30) == {}
        assert seen() == 0
        os.close(os.open(fifos[0], os.O_RDONLY | os.O_NONBLOCK))
        assert seen() > 0


@contextlib.contextmanager
def opened(*paths):
    """Counts how often a file is opened meanwhile: inotify(7)."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    for path in paths:
        assert libc.inotify_add_watch(watch, os.fsencode(path), 0x20) >= 0

    def count():
        try:
            return len(os.read(watch, 65536))
        except BlockingIOError:
            return 0
    try:
        yield count
    finally:
        os.close(watch)


def test_links_to_the_kernels_files_are_not_read(box):
    """Some do something when they are read; none is a file of secrets."""
    box.file(HOME + "/.aws/x", "")
    for name, target in ((".netrc", "/proc/self/environ"),
                         (".vault-token", "/proc/self/status"),
                         (".pgpass", "/sys/kernel/notes")):
        box.place(f"{HOME}/{name}").symlink_to(target)
    box.env["PGPASSFILE"] = "/proc/sys/kernel/random/uuid"
    assert box.findings() == {}


def test_texts_of_nothing_but_beginnings_take_no_time(box):
    for at in range(100):
        box.file(f"{HOME}/{at}/.env", 5000 * "eyJ-eyJ-sk-a-")
    start = time.monotonic()
    assert box.findings() == {}
    assert time.monotonic() - start < 30


def test_a_folder_with_too_many_entries_is_noted(box):
    for at in range(17000):
        os.mknod(box.file(f"{HOME}/.ssh/x", "").parent / str(at))
    done = box.run()
    assert b"a folder has too much in it" in done.stderr


def test_a_long_name_that_is_a_secret_is_withheld(box):
    """Cut short, it would not look like one."""
    box.env["x" * 100 + "_" + box.canary(36, "ghp_") + "_TOKEN"] = "abcdefgh"
    done = box.run()
    assert b"withheld" in done.stdout


def test_files_of_any_length_are_read_in_part(box):
    """What lies further on is not missed in silence."""
    filler = b"x" * 200000
    box.file(HOME + "/.kube/config", filler + b"\ntoken: x")
    box.file(HOME + "/.bash_history", filler)
    box.file(HOME + "/.env", filler + b"\nPASSWORD=x")
    with open(box.file(HOME + "/.netrc", "password"), "r+b") as sparse:
        sparse.truncate(1 << 40)
    start = time.monotonic()
    found = box.findings()
    assert time.monotonic() - start < 30
    assert found == {
        ("file", HOME + "/.kube/config"): "high",
        ("file", HOME + "/.netrc"): "high",
        ("history", HOME + "/.bash_history"): "low",
        ("dotenv", HOME + "/.env"): "low"}


def test_a_tree_that_is_too_large_ends_with_a_note(box):
    deep = box.place(HOME + "/deep/x").parent
    for _ in range(40):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / ".env").write_text("PASSWORD=x")
    loop = box.place(HOME + "/loop")
    loop.symlink_to("/")
    done = box.run()
    assert done.returncode == 0
    assert b"not all of it was looked at" in done.stderr
    box.file(HOME + "/a/b/c/.env", f"PASSWORD={box.canary()}")
    assert set(box.findings()) == {("dotenv", HOME + "/a/b/c/.env")}


def test_findings_have_a_bound(box):
    for at in range(1300):
        box.file(f"{HOME}/{at}/.env", "PASSWORD=hunter22")
    done = box.run("--json")
    said = json.loads(done.stdout)
    assert done.returncode == 1
    assert len(said["findings"]) == 1000 and said["left_out"] == 300


def test_a_link_to_a_secret_counts_once(box):
    box.file(HOME + "/.netrc", f"password {box.canary()}")
    box.place(HOME + "/src").mkdir()
    box.place(HOME + "/src/.netrc").symlink_to("../.netrc")
    os.link(box.place(HOME + "/.netrc"), box.place(HOME + "/src/x"))
    assert set(box.findings()) == {("file", HOME + "/.netrc")}


# The command line


@pytest.mark.parametrize("options", [
    ["--pid"], ["--pid", "x"], ["--pid", "-1"], ["--pid", "0"],
    ["--pid", "99999999999"], ["--only", "nonsense"], ["--json=1"],
    ["--socket", "x"], ["--nonsense"], ["operand"]])
def test_wrong_command_lines(box, options):
    assert box.run(*options).returncode == 2


def test_only_and_quiet(box):
    box.env["MY_TOKEN"] = box.canary()
    box.file(HOME + "/.netrc", f"password {box.canary()}")
    assert set(box.findings("--only", "file")) == {("file", HOME + "/.netrc")}
    assert set(box.findings("--only=environment")) == {
        ("environment", "MY_TOKEN")}
    assert box.findings("--only", "socket") == {}
    done = box.run("--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_output_that_cannot_be_written_is_a_failure(box):
    box.env["MY_TOKEN"] = box.canary()
    with open("/dev/full", "wb") as full:
        done = subprocess.run(box.command("/shim", "inventory"), stdout=full,
                              stderr=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 5


# From the host


@contextlib.contextmanager
def running(box, **kwargs):
    """The pid of a process in the box, seen from here."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        box.command("--info-fd", str(writer), "/usr/bin/sleep", "300"),
        pass_fds=[writer], stdin=subprocess.DEVNULL, **kwargs)
    os.close(writer)
    try:
        with os.fdopen(reader) as info:
            pid = json.load(info)["child-pid"]
        end = time.monotonic() + 30
        # bubblewrap itself at first, and then what it is told to be.
        while os.readlink(f"/proc/{pid}/exe") != os.path.realpath(
                "/usr/bin/sleep"):
            children = pathlib.Path(
                f"/proc/{pid}/task/{pid}/children").read_text().split()
            pid = int(children[0]) if children else pid
            assert time.monotonic() < end
        yield pid
    finally:
        process.kill()
        process.wait()


def from_host(box, pid, *options):
    done = subprocess.run(
        [CREDBROKER, "inventory", "--json", "--pid", str(pid), *options],
        env={"PATH": "/usr/bin", "HOME": "/nonexistent",
             "HOST_TOKEN": "of the host"},
        cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    box.canary.assert_not_in(done.stdout)
    box.canary.assert_not_in(done.stderr)
    assert done.returncode in (0, 1), done
    return {(f["kind"], f["name"]): f["severity"]
            for f in json.loads(done.stdout)["findings"]}


def test_a_process_is_looked_at_from_the_host(box):
    expected = everything(box)
    with running(box) as pid:
        assert from_host(box, pid) == expected


def test_links_of_a_process_do_not_lead_out_of_its_root(box):
    """What it could not read itself is not found, absolute or not."""
    secret = box.folder / "secret"
    secret.write_text("machine a password b")
    aws = box.folder / "aws"
    aws.mkdir()
    (aws / "credentials").write_text("aws_secret_access_key=x")
    box.place(HOME + "/.netrc").symlink_to(secret)
    box.place(HOME + "/.aws").symlink_to(aws)
    box.place(HOME + "/.pypirc").symlink_to(
        "../" * 40 + os.fspath(secret).lstrip("/"))
    # ... and one that it could.
    box.file("/tmp/real", "machine a password b")
    box.place(HOME + "/.config").mkdir()
    box.place(HOME + "/.config/hub").symlink_to("/proc/self/root" + str(secret))
    box.place(HOME + "/src").mkdir()
    box.place(HOME + "/src/.netrc").symlink_to("/tmp/real")
    with running(box) as pid:
        assert from_host(box, pid) == {("file", HOME + "/src/.netrc"): "high"}


@pytest.mark.skipif(not IS_ROOT, reason="only root is somebody else")
def test_root_sees_what_the_process_could_read_and_no_more(box):
    """The test's process runs as nobody; some files are root's."""
    nobody = 65534
    theirs = box.file(HOME + "/.netrc", f"password {box.canary()}")
    box.file(HOME + "/.pypirc", f"password {box.canary()}")
    box.file("/etc/shadow", f"root:$y${box.canary()}:1::::::\n")
    box.socket("/run/docker.sock")
    box.place("/run/docker.sock").chmod(0o600)
    os.chown(theirs, nobody, nobody)
    with running(box, user=nobody, group=nobody, extra_groups=[]) as pid:
        assert from_host(box, pid) == {("file", HOME + "/.netrc"): "high"}


@pytest.mark.skipif(not IS_ROOT, reason="only root has what it gives up")
def test_a_process_of_roots_without_capabilities(box):
    theirs = box.file(HOME + "/.netrc", f"password {box.canary()}")
    box.file(HOME + "/.pypirc", f"password {box.canary()}")
    os.chown(theirs, 1234, 1234)
    box.options = ["--cap-drop", "ALL"]
    with running(box) as pid:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert from_host(box, pid) == {("file", HOME + "/.pypirc"): "high"}


def test_a_process_that_is_not_there(box):
    done = subprocess.run([CREDBROKER, "inventory", "--pid", "999999998"],
                          env={"PATH": "/usr/bin"}, capture_output=True,
                          timeout=60)
    assert done.returncode == 5
    assert b"999999998" in done.stderr and done.stdout == b""


# Inside `credbroker run`


@contextlib.contextmanager
def docker_socket_of_the_host():
    """A socket at the well-known place, where that is free and ours."""
    path = pathlib.Path("/run/docker.sock")
    if not IS_ROOT or path.exists():
        yield
        return
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        try:
            yield
        finally:
            path.unlink()


def test_inside_run_there_is_nothing_to_be_found(forge, folder):
    (folder / "box").mkdir()
    outside = Box(folder / "box")
    try:
        planted = everything(outside)
        # In the home of whoever runs it.
        shutil.copytree(outside.home, forge.home, dirs_exist_ok=True)
        runtime = folder / "xdg"
        runtime.mkdir(mode=0o700)
        agent = socket.socket(socket.AF_UNIX)
        agent.bind(str(runtime / "bus"))
        agent.listen()
        env = dict(forge.environment(), **outside.env,
                   XDG_RUNTIME_DIR=str(runtime),
                   SSH_AUTH_SOCK=str(runtime / "bus"),
                   DOCKER_HOST=f"unix://{runtime}/bus",
                   DBUS_SESSION_BUS_ADDRESS=f"unix:path={runtime}/bus",
                   KUBECONFIG=str(forge.home / ".kube/config"))
        workspace = folder / "workspace"
        workspace.mkdir()
        shim = "/run/credbroker-bin/credbroker-shim"
        with agent, docker_socket_of_the_host():
            done = subprocess.run(
                forge.command("run", "--quiet", "--task", "t", "--grant",
                              GRANT, "--workspace", workspace, "--", shim,
                              "inventory", "--json"),
                env=env, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=120)
        assert json.loads(done.stdout) == {
            "findings": [], "left_out": 0, "notes": []}, done.stderr
        assert done.returncode == 0
        # It was there to be found.
        assert len(outside.findings()) == len(planted)
    finally:
        outside.close()


def test_inside_run_a_secret_of_the_workspace_is_found(forge, folder):
    workspace = folder / "workspace"
    workspace.mkdir()
    (workspace / ".env").write_text("DB_PASSWORD=hunter22\n")
    done = forge.run(
        "run", "--quiet", "--task", "t", "--grant", GRANT, "--workspace",
        workspace, "--", "/run/credbroker-bin/credbroker-shim", "inventory",
        check=False)
    assert done.returncode == 1
    assert done.stdout.startswith(f"high\tdotenv\t{workspace}/.env\t")
    assert "hunter" not in done.stdout + done.stderr
