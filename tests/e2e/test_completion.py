"""Completion in real shells: bash and zsh on a terminal with the Tab key,
fish by `complete -C`, which is what its Tab key asks."""

import shutil
import socket
import subprocess
import time

import pexpect
import pytest

from conftest import BUILD, CREDBROKER, PATH

ODD = "we'ird $(touch pwned) \"name\" `x`"


def environment(broker):
    folder = BUILD / "bin"
    return dict(broker.environment(), PATH=f"{folder}:{PATH}", TERM="dumb",
                CREDBROKER_ADMIN_SOCKET=str(broker.runtime / "admin.sock"))


def script(shell):
    return subprocess.run([CREDBROKER, "completions", shell], check=True,
                          capture_output=True, text=True).stdout


def words(env, *typed):
    done = subprocess.run([CREDBROKER, "completions", "words"], env=env,
                          input="".join(w + "\0" for w in typed),
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


class Shell:
    """A shell on a terminal; complete() types a line and Tab."""

    def __init__(self, name, env, folder):
        if shutil.which(name) is None:
            pytest.fail(f"{name} is not installed: scripts/setup")
        self.name = name
        (folder / f"script.{name}").write_text(script(name))
        options = {"bash": ["--norc", "--noprofile", "-i"],
                   "zsh": ["-f", "-i"]}[name]
        self.child = pexpect.spawn(
            shutil.which(name), options, cwd=str(folder), timeout=20,
            env=dict(env, PS1="ready> ", PROMPT="ready> "), encoding="utf-8",
            dimensions=(40, 200))
        self.child.setecho(False)
        if name == "bash":
            self.line("bind 'set bell-style none'; "
                      "bind 'set enable-bracketed-paste off'")
            self.line("source ./script.bash")
        else:
            self.line("autoload -U compinit; compinit -u -D; "
                      "unsetopt auto_list beep; setopt no_prompt_cr; "
                      "PROMPT='ready> '; RPROMPT=")
            self.line("source ./script.zsh")
        # What the words of a completed line really are.
        self.line("show() { printf '[%s]' \"$@\"; echo; }")

    def line(self, text):
        self.child.sendline(f"{text}; echo d''one")
        self.child.expect("done\r?\n")

    def complete(self, typed):
        """The words that the shell runs after a Tab behind `typed`."""
        self.line("credbroker() { show \"$@\"; }" if self.name == "zsh"
                  else "shopt -s expand_aliases; alias credbroker=show")
        if self.name == "bash":
            self.line("complete -F _credbroker credbroker")
        self.child.send(f"credbroker {typed}\t")
        self.child.send("\r")
        self.child.expect(r"(\[[^\r\n]*\])\r?\n")
        return self.child.match.group(1)[1:-1].split("][")

    def close(self):
        self.child.close(force=True)


@pytest.fixture
def named(broker):
    """A credential, a profile, a session."""
    broker.run("credential", "add", "github-work", "--preset", "github",
               input="canary")
    broker.run("credential", "add", "aws-dev", "-b", "aws-sts", "-p",
               "region=eu-west-1", input="AKIDCANARY\ncanary\n")
    broker.run("profile", "add", "web", "-g",
               "github-work:repository=acme/web")
    broker.run("issue", "--task", "Fix-123", "--profile", "web")
    return broker


@pytest.fixture(params=["bash", "zsh"])
def shell(request, named):
    made = Shell(request.param, environment(named), named.folder)
    yield made
    made.close()


@pytest.mark.parametrize("typed, becomes", [
    ("stat", ["status"]),
    ("credential imp", ["credential", "import"]),
    ("credential add x --preset gith",
     ["credential", "add", "x", "--preset", "github"]),
    ("credential add x --preset=gith",
     ["credential", "add", "x", "--preset=github"]),
    ("credential show git", ["credential", "show", "github-work"]),
    ("profile show w", ["profile", "show", "web"]),
    ("revoke --task Fi", ["revoke", "--task", "Fix-123"]),
    ("run --grant github-work:repo",
     ["run", "--grant", "github-work:repository="]),
    ("run -g github-work:repository=a/b,git=fe",
     ["run", "-g", "github-work:repository=a/b,git=fetch"]),
    ("credential add x -p auth=ba",
     ["credential", "add", "x", "-p", "auth=basic"]),
    ("unlock --key-file ./odd\\ na",
     ["unlock", "--key-file", "./odd name.key"]),
    ("run --aws con", ["run", "--aws", "container"]),
    ("issue --mint=la", ["issue", "--mint=later"]),
    ("revoke --print", ["revoke", "--print-deny"]),
    ("credential add x -b aws", ["credential", "add", "x", "-b", "aws-sts"]),
    ("credential add x -b aws-sts -p role",
     ["credential", "add", "x", "-b", "aws-sts", "-p", "role-arn="]),
    ("credential add x -b aws-sts -p call=fed",
     ["credential", "add", "x", "-b", "aws-sts", "-p", "call=federation"]),
    ("run -g aws-dev:act", ["run", "-g", "aws-dev:actions="]),
    ("run -g aws-dev:actions=s3:*,delivery=in",
     ["run", "-g", "aws-dev:actions=s3:*,delivery=inject"]),
    ("session extend --tt", ["session", "extend", "--ttl"]),
    ("nonsense fo", ["nonsense", "fo"]),
])
def test_tab(shell, named, typed, becomes):
    (named.folder / "odd name.key").write_text("")
    assert shell.complete(typed) == becomes


def test_tab_completes_a_session(shell, named):
    session = named.json("session", "list")["sessions"][0]["id"]
    assert shell.complete("session show " + session[:3]) == [
        "session", "show", session]


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_odd_names_are_quoted(folder, bare, name):
    """Whatever the program prints is a word, and never runs."""
    fake = folder / "bin"
    fake.mkdir()
    (fake / "credbroker").write_text(
        "#!/bin/sh\ncat >/dev/null\nprintf '%s\\t%s\\n' \"$ODD\" 'a $(b)'\n")
    (fake / "credbroker").chmod(0o755)
    env = dict(environment(bare), PATH=f"{fake}:{PATH}", ODD=ODD)
    shell = Shell(name, env, folder)
    try:
        assert shell.complete("credential show we") == [
            "credential", "show", ODD]
    finally:
        shell.close()
    assert not (folder / "pwned").exists()


def fish(env, folder, typed):
    path = folder / "script.fish"
    path.write_text(script("fish"))
    done = subprocess.run(
        ["fish", "--no-config", "-c",
         f"source {path}; complete -C $argv[1]", f"credbroker {typed}"],
        env=env, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def test_fish(named):
    env, folder = environment(named), named.folder
    (folder / "odd name.key").write_text("")
    session = named.json("session", "list")["sessions"][0]["id"]
    for typed, has in [
            ("stat", "status"),
            ("credential imp", "import"),
            ("credential add x --preset gith", "github"),
            ("credential add x --preset=gith", "--preset=github"),
            ("credential show ", "github-work"),
            ("profile show ", "web"),
            ("revoke --task ", "Fix-123"),
            ("session show ", session),
            ("run -g github-work:repo", "github-work:repository="),
            ("run -- l", "ls"),
            ("unlock --key-file odd", "odd name.key")]:
        assert has in fish(env, folder, typed), typed
    assert fish(env, folder, "nonsense fo") == []


def test_fish_takes_odd_names_as_they_are(folder, bare):
    fake = folder / "bin"
    fake.mkdir()
    (fake / "credbroker").write_text(
        "#!/bin/sh\ncat >/dev/null\nprintf '%s\\t%s\\n' \"$ODD\" x\n")
    (fake / "credbroker").chmod(0o755)
    env = dict(environment(bare), PATH=f"{fake}:{PATH}", ODD=ODD,
               HOME=str(bare.home))
    (folder / "script.fish").write_text(script("fish"))
    child = pexpect.spawn("fish", ["--no-config", "-i"], cwd=str(folder),
                          env=dict(env, TERM="xterm"), encoding="utf-8",
                          timeout=20, dimensions=(40, 200))
    try:
        child.sendline("source ./script.fish; "
                       "function credbroker; printf '[%s]' $argv; echo; end; "
                       "echo d''one")
        child.expect("done")
        child.send("credbroker credential show we\t")
        child.expect("ird")
        child.send("\r")
        child.expect(r"\[credential\]\[show\]\[(.*)\]\r?\n")
        assert child.match.group(1) == ODD
    finally:
        child.close(force=True)
    assert not (folder / "pwned").exists()


def test_silent_and_quick_without_a_broker(bare):
    env = environment(bare)
    assert words(env, "credential", "show", "") == []
    assert words(env, "session", "show", "") == []
    assert "import" in words(env, "credential", "")


def test_silent_when_the_vault_is_locked(named):
    named.run("lock")
    assert words(environment(named), "credential", "show", "") == []


def test_a_broker_that_does_not_answer_is_not_waited_for(bare):
    bare.runtime.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(bare.runtime / "admin.sock"))
        sock.listen()
        start = time.monotonic()
        assert words(environment(bare), "credential", "show", "") == []
        assert time.monotonic() - start < 20


def test_what_is_typed_is_no_argument(bare):
    """It may be a secret, pasted by mistake."""
    for name in ("bash", "zsh", "fish"):
        text = script(name)
        call = [line for line in text.splitlines()
                if "credbroker completions words" in line]
        assert len(call) == 1 and "$" not in call[0].split("words")[0]


def test_options_are_those_of_the_table(bare):
    env = environment(bare)
    shown = subprocess.run([CREDBROKER, "run", "--help"], env=env,
                           capture_output=True, text=True).stdout
    offered = words(env, "run", "--")
    assert "--task" in offered and "--grant" in offered
    for option in offered:
        assert option in shown
    assert "--task" not in words(env, "run", "--task", "x", "--")
    assert "--grant" in words(env, "run", "--grant", "x", "--")


def test_a_wrong_shell_is_said(bare):
    done = bare.run("completions", "tcsh", check=False)
    assert done.returncode == 2 and "bash, zsh or fish" in done.stderr


def test_the_build_has_them_for_the_shells_folders():
    for name, shell in [("credbroker.bash", "bash"), ("_credbroker", "zsh"),
                        ("credbroker.fish", "fish")]:
        assert (BUILD / "completions" / name).read_text() == script(shell)


def test_zsh_loads_it_from_a_folder_of_functions(named):
    """As installed: the first Tab loads the file."""
    folder = named.folder / "functions"
    folder.mkdir()
    shutil.copy(BUILD / "completions/_credbroker", folder)
    shell = Shell("zsh", environment(named), named.folder)
    shell.close()
    child = pexpect.spawn("zsh", ["-f", "-i"], cwd=str(named.folder),
                          env=dict(environment(named), PROMPT="ready> "),
                          encoding="utf-8", timeout=20,
                          dimensions=(40, 200))
    try:
        child.sendline(f"fpath=({folder} $fpath); autoload -U compinit; "
                       "compinit -u -D; unsetopt beep; "
                       "credbroker() { printf '[%s]' \"$@\"; echo }; "
                       "echo d''one")
        child.expect("done")
        child.send("credbroker credential show git\t\r")
        child.expect(r"\[credential\]\[show\]\[github-work\]")
    finally:
        child.close(force=True)
