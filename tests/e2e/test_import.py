"""credential import: what lies about in files and variables goes into the
vault, and out of its file; no value is ever shown."""

import base64
import json
import os
import struct
import subprocess

import pexpect
import pytest

CANARY = "canary-7f3a91c5"


def fill(broker, name, text, mode=0o600):
    path = broker.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def environment(broker, **more):
    return dict(broker.environment(), **more)


def run(broker, *args, check=True, env=None):
    done = subprocess.run(
        broker.command("credential", "import", *args), capture_output=True,
        text=True, stdin=subprocess.DEVNULL, timeout=60,
        env=env or broker.environment())
    assert CANARY not in done.stdout + done.stderr
    assert "Sanitizer" not in done.stderr, done.stderr
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def spawn(broker, *args, env=None):
    words = broker.command("credential", "import", *args)
    return pexpect.spawn(words[0], words[1:], encoding="utf-8",
                         env=env or broker.environment(), timeout=30,
                         dimensions=(40, 200))


def finish(child):
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def names(broker):
    return {c["name"] for c in broker.json("credential", "list")[
        "credentials"]}


def everything(broker):
    """One of each source; the tests' whole home."""
    pair = base64.b64encode(f"a:{CANARY}-d".encode()).decode()
    fill(broker, ".netrc",
         f"machine git.example.com login alice password {CANARY}-n\n")
    fill(broker, ".git-credentials", f"https://a:{CANARY}-g@h.example.com\n")
    fill(broker, ".config/gh/hosts.yml",
         f"github.com:\n    user: a\n    oauth_token: {CANARY}-h\n")
    fill(broker, ".npmrc",
         f"//registry.npmjs.org/:_authToken={CANARY}-p\nx=1\n")
    fill(broker, ".docker/config.json",
         json.dumps({"auths": {"ghcr.io": {"auth": pair}}}))
    fill(broker, ".aws/credentials",
         f"[default]\naws_access_key_id=AKIACANARY\n"
         f"aws_secret_access_key={CANARY}\n[temporary]\n"
         f"aws_access_key_id=ASIACANARY\naws_secret_access_key={CANARY}-t\n"
         f"aws_session_token={CANARY}-s\n")
    fill(broker, ".aws/config",
         "[default]\nregion=eu-west-1\n[profile agent]\n"
         "role_arn=arn:aws:iam::123456789012:role/agent\n"
         "source_profile=default\n")
    return environment(broker, OPENAI_API_KEY=f"sk-{CANARY}")


def test_a_dry_run_shows_everything_and_needs_no_broker(bare):
    env = everything(bare)
    done = run(bare, "--dry-run", env=env)
    for word in ("~/.netrc:1", "~/.git-credentials:1", "hosts.yml:3",
                 "~/.npmrc:1", "config.json:1", "~/.aws/credentials:1",
                 "$OPENAI_API_KEY", "git.example.com",
                 "keys of a session: they end by themselves",
                 "aws-agent", "sts.eu-west-1.amazonaws.com"):
        assert word in done.stdout
    shown = json.loads(run(bare, "--dry-run", "--json", env=env).stdout)
    kinds = {f["source"]: f["storable"] for f in shown["found"]}
    assert kinds == {"env": True, "gh": True, "git-credentials": True,
                     "netrc": True, "npmrc": True, "docker": True,
                     "aws": True}
    assert [f["storable"] for f in shown["found"] if f["source"] == "aws"] \
        == [True, False, True]


def test_all_is_stored_removed_and_injected(forge):
    """The main thing: a password out of ~/.netrc pushes to a real server."""
    server = forge.server
    host = server.authority
    kept = "# of another kind\nmachine other.example.com login x\n"
    path = fill(forge, ".git-credentials", "", 0o640)
    path.write_text(f"https://{server.user}:{server.password}@{host}\n")
    netrc = fill(forge, ".netrc", kept)
    done = run(forge, "git-credentials", "netrc", "--take",
               host.replace(":", "-") + "=mine", "-p", f"ca=@{server.ca}",
               "--remove-original")
    assert server.password not in done.stdout + done.stderr
    assert "Stored mine" in done.stdout
    assert path.read_text() == "" and path.stat().st_mode & 0o777 == 0o640
    assert netrc.read_text() == kept
    assert not list(forge.home.glob(".crb-*"))
    done = forge.sandbox(f"git ls-remote https://{host}/acme/api",
                         grants=["mine:repository=acme/api"])
    assert "refs/heads/main" in done.stdout


def test_nothing_is_taken_without_being_told_to(broker):
    everything(broker)
    done = run(broker, check=False)
    assert done.returncode == 2
    assert "--all" in done.stderr
    assert names(broker) == set()


def test_all_from_every_source(broker):
    env = everything(broker)
    done = run(broker, "--all", "--remove-original", env=env)
    assert names(broker) == {"openai", "github", "h.example.com",
                             "git.example.com", "npm", "ghcr.io",
                             "aws-default", "aws-agent"}
    assert "$OPENAI_API_KEY is still set" in done.stdout
    left = [p for p in broker.home.rglob("*")
            if p.is_file() and CANARY in p.read_text()]
    assert left == [broker.home / ".aws/credentials"]
    assert left[0].read_text() == (
        "[default]\n[temporary]\naws_access_key_id=ASIACANARY\n"
        f"aws_secret_access_key={CANARY}-t\naws_session_token={CANARY}-s\n")
    assert (broker.home / ".npmrc").read_text() == "x=1\n"
    assert json.loads((broker.home / ".docker/config.json").read_text()) \
        == {"auths": {}}


def test_keys_of_aws_with_the_role_that_takes_them(broker):
    env = everything(broker)
    done = run(broker, "aws", "--take", "aws-agent=work",
               "--remove-original", env=env)
    shown = broker.json("credential", "show", "work")["credential"]
    assert shown["backend"] == "aws-sts"
    assert shown["params"] == {
        "role-arn": "arn:aws:iam::123456789012:role/agent",
        "region": "eu-west-1"}
    # What was not taken needs them still.
    assert CANARY + "\n" in (broker.home / ".aws/credentials").read_text()
    assert "Only copied" in done.stdout
    assert "--grant 'work:actions=" in done.stdout
    again = run(broker, "aws", "--take", "aws-default", "--take",
                "aws-agent=work", "--replace", "--remove-original", env=env)
    assert "Removed 2 from ~/.aws/credentials" in again.stdout
    assert CANARY + "\n" not in \
        (broker.home / ".aws/credentials").read_text()


def test_what_was_only_copied_is_said(broker):
    everything(broker)
    fill(broker, ".bashrc", "# x\nexport OPENAI_API_KEY=x\n")
    env = environment(broker, OPENAI_API_KEY=f"sk-{CANARY}")
    done = run(broker, "--all", env=env)
    assert "Only copied; what still lies around" in done.stdout
    assert "~/.netrc:1 (git.example.com)" in done.stdout
    assert "line 2 of ~/.bashrc seems to set it" in done.stdout
    assert CANARY in (broker.home / ".netrc").read_text()


def test_an_existing_name_is_not_overwritten(broker):
    broker.run("credential", "add", "git.example.com", "-p",
               "hosts=other.example.com", "-p", "network=private",
               input="before")
    everything(broker)
    done = run(broker, "netrc", "--all", "--remove-original", check=False)
    assert done.returncode != 0
    assert "already" in done.stderr and "--replace" in done.stderr
    assert CANARY in (broker.home / ".netrc").read_text()
    shown = broker.json("credential", "show", "git.example.com")
    assert shown["credential"]["params"]["hosts"] == "other.example.com"
    run(broker, "netrc", "--all", "--replace", "--remove-original")
    params = broker.json("credential", "show", "git.example.com")[
        "credential"]["params"]
    assert params["hosts"] == ["git.example.com"]
    assert params["username"] == "alice"
    assert "network" not in params
    assert CANARY not in (broker.home / ".netrc").read_text()


def test_one_secret_in_two_places_is_stored_once(broker):
    """And removed from both."""
    gh = fill(broker, ".config/gh/hosts.yml",
              "github.com:\n    users:\n        a:\n"
              f"            oauth_token: {CANARY}\n    user: a\n"
              f"    oauth_token: {CANARY}\n")
    env = environment(broker, GITHUB_TOKEN=CANARY)
    done = run(broker, "--all", "--remove-original", env=env)
    assert names(broker) == {"github"}
    assert gh.read_text() == ("github.com:\n    users:\n        a:\n"
                              "    user: a\n")
    assert "$GITHUB_TOKEN is still set" in done.stdout


def test_nothing_is_removed_when_nothing_is_stored(bare):
    everything(bare)
    done = run(bare, "--all", "--remove-original", check=False)
    assert done.returncode == 3
    assert CANARY in (bare.home / ".netrc").read_text()


def test_a_locked_vault_stores_and_removes_nothing(broker):
    everything(broker)
    broker.run("lock")
    done = run(broker, "--all", "--remove-original", check=False)
    assert done.returncode == 3
    assert CANARY in (broker.home / ".netrc").read_text()


def test_a_link_is_read_and_left(broker):
    target = fill(broker, "dotfiles/netrc",
                  f"machine a.example.com login a password {CANARY}\n")
    (broker.home / ".netrc").symlink_to(target)
    done = run(broker, "--all", "--remove-original", check=False)
    assert done.returncode != 0
    assert "symbolic link" in done.stderr
    assert names(broker) == {"a.example.com"}
    assert CANARY in target.read_text()
    assert (broker.home / ".netrc").is_symlink()


def test_a_file_with_two_names_is_left(broker):
    path = fill(broker, ".netrc",
                f"machine a.example.com login a password {CANARY}\n")
    os.link(path, broker.home / "other")
    done = run(broker, "--all", "--remove-original", check=False)
    assert "hard link" in done.stderr
    assert CANARY in path.read_text()


def test_a_file_with_an_access_list_is_left(broker):
    path = fill(broker, ".netrc",
                f"machine a.example.com login a password {CANARY}\n")
    # Version 2; user rw, user 12345 r, group none, mask r, others none.
    entries = [(1, 6, -1), (2, 4, 12345), (4, 0, -1), (16, 4, -1),
               (32, 0, -1)]
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this file system has no access control lists")
    done = run(broker, "--all", "--remove-original", check=False)
    assert "access control list" in done.stderr
    assert CANARY in path.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_users_file_is_left(broker):
    path = fill(broker, ".netrc",
                f"machine a.example.com login a password {CANARY}\n")
    os.chown(path, 12345, 12345)
    done = run(broker, "--all", "--remove-original", check=False)
    assert "somebody else's" in done.stderr
    assert CANARY in path.read_text()


def test_a_file_that_changed_meanwhile_is_left(broker):
    path = fill(broker, ".netrc",
                f"machine a.example.com login a password {CANARY}\n")
    child = spawn(broker)
    child.expect("Take which")
    path.write_text(path.read_text() + "# new\n")
    child.sendline("all")
    child.expect("Remove 1 stored entry from ~/.netrc")
    child.sendline("y")
    child.expect("changed since it was read")
    assert finish(child) != 0
    assert CANARY in path.read_text() and "# new" in path.read_text()


def test_asked_on_a_terminal(broker):
    everything(broker)
    child = spawn(broker, "netrc", "npmrc")
    child.expect(r"1 +git.example.com +password")
    child.expect(r"2 +npm +token")
    child.expect("Take which")
    child.sendline("7")
    child.expect("not one of the numbers")
    child.expect("Take which")
    child.sendline("1=work")
    child.expect("Stored work, for git.example.com")
    child.expect(r"Remove 1 stored entry from ~/.netrc\? There is no backup")
    child.sendline("n")
    child.expect("Only copied")
    child.expect(r"~/.netrc:1 \(work\)")
    assert finish(child) == 0
    assert names(broker) == {"work"}
    assert CANARY in (broker.home / ".netrc").read_text()


def test_nothing_is_taken_by_enter(broker):
    everything(broker)
    child = spawn(broker, "netrc")
    child.expect("Take which")
    child.sendline("")
    assert finish(child) == 0
    assert names(broker) == set()


def test_one_bad_file_does_not_hide_the_others(broker):
    everything(broker)
    fill(broker, ".netrc", f"machin a.example.com password {CANARY}\n")
    done = run(broker, "--dry-run")
    assert "passed over" in done.stderr and ".netrc: line 1" in done.stderr
    assert "npm" in done.stdout
    assert run(broker, "netrc:" + str(broker.home / ".netrc"), "--dry-run",
               check=False).returncode == 2


def test_what_is_no_file_is_not_waited_for(broker):
    os.mkfifo(broker.home / ".netrc")
    assert "not a regular file" in run(broker, "--dry-run").stderr


@pytest.mark.parametrize("args, says", [
    (["nonsense"], "SOURCE"),
    (["env:/etc/passwd"], "SOURCE"),
    (["netrc:/nonexistent"], "no such file"),
    (["--take", "nothing"], "nothing of that name"),
    (["--take", "aws-temporary"], "cannot be stored"),
    (["--take", "npm=UPPER"], "a name has"),
    (["--take", "npm=one", "--take", "github=one"], "two of the name"),
    (["--all", "--take", "npm"], "one of them"),
    (["--dry-run", "--remove-original"], "one of them"),
])
def test_what_is_refused(broker, args, says):
    everything(broker)
    done = run(broker, *args, check=False)
    assert done.returncode != 0
    assert says in done.stderr
    assert names(broker) == set()


def test_no_value_in_what_it_leaves_behind(broker):
    env = everything(broker)
    run(broker, "--all", env=env)
    broker.run("credential", "list")
    state = b"".join(p.read_bytes() for p in broker.state.rglob("*")
                     if p.is_file())
    assert CANARY.encode() not in state
    assert CANARY not in broker.log_text()


def test_a_path_that_is_no_text_is_shown(broker):
    path = os.fsencode(broker.home) + b"/\xff"
    with open(path, "w", encoding="ascii") as file:
        file.write(f"machine h.example.com login a password {CANARY}\n")
    words = broker.command("credential", "import", "--json", "--all")
    done = subprocess.run([*words, b"netrc:" + path], capture_output=True,
                          env=broker.environment(), timeout=60)
    assert done.returncode == 0, done.stderr
    found, = json.loads(done.stdout)["found"]
    assert found["stored"] and found["file"].endswith("/\\xff")
    done = subprocess.run([*words, b"netrc:" + path + b"x"],
                          env=broker.environment(), capture_output=True,
                          timeout=60)
    assert "no such file" in json.loads(done.stderr)["error"]["message"]


def test_a_file_in_two_of_the_places_is_one(broker):
    hosts = fill(broker, ".config/gh/hosts.yml",
                 f"github.com:\n    user: a\n    oauth_token: {CANARY}\n")
    env = environment(broker, GH_CONFIG_DIR=str(hosts.parent))
    done = run(broker, "gh", f"gh:{hosts}", "--all", "--remove-original",
               "--json", env=env)
    found, = json.loads(done.stdout)["found"]
    assert found["stored"] and found["removed"]
    assert CANARY not in hosts.read_text()


def test_a_name_that_is_not_there_is_no_success(broker):
    fill(broker, ".netrc", "")
    done = run(broker, "netrc", "--take", "github", check=False)
    assert done.returncode == 5
    assert "nothing of that name" in done.stderr
