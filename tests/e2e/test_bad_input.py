"""Bad input: a defined message, a defined exit status, nothing half done."""

import contextlib
import datetime
import json
import os
import subprocess

import pytest

from conftest import Broker, LiveSandbox, add_git_credential, wait_until

API = "forge:repository=acme/api"


@pytest.mark.parametrize("grant, exit, says", [
    ("nope:repository=acme/api", 5, "nope"),
    ("forge", 2, "repository"),
    ("forge:repo=acme/api", 2, 'did you mean "repository"'),
    ("forge:repository=", 2, "repository"),
    ("forge:repository=acme/api,git=pull", 2, "fetch, push"),
    ("forge:repository=acme/api,repository=acme/web", 2, "repository"),
    ("forge:repository=acme/***", 2, "repository"),
    (":repository=acme/api", 2, "grant"),
    ("forge:,", 2, "forge"),
    ("FORGE:repository=acme/api", 2, "grant"),
])
def test_wrong_grants(forge, grant, exit, says):
    done = forge.run("issue", "--task", "t", "--grant", grant, check=False)
    assert done.returncode == exit, done.stderr
    assert says in done.stderr
    assert forge.json("session", "list", "--all")["sessions"] == []


@pytest.mark.parametrize("args, says", [
    (["--ttl", "forever"], "ttl"), (["--ttl", "-1h"], "ttl"),
    (["--ttl", "10"], "ttl"), (["--ttl", "400d"], "ttl"),
    (["--bind-pid", "4194304"], "4194304"), (["--bind-pid", "x"], "bind-pid"),
    (["--profile", "nope"], "nope"), (["--label", "novalue"], "label"),
    (["--tsak", "x"], "did you mean --task"), (["--format", "xml"], "format"),
    (["extra"], "argument"),
])
def test_wrong_options_of_issue(forge, args, says):
    done = forge.run("issue", "--task", "t", "--grant", API, *args,
                     check=False)
    assert done.returncode in (2, 5), done.stderr
    assert says in done.stderr
    assert forge.json("session", "list", "--all")["sessions"] == []


@pytest.mark.parametrize("args, exit, says", [
    ([], 2, "--grant"),
    (["-g", "nope:repository=acme/api"], 5, 'no credential "nope"'),
    (["-g", "forge:repo=acme/api"], 2, 'did you mean "repository"'),
    (["-g", API, "--ttl", "400d"], 5, "ttl_max"),
    (["-g", API, "--ttl", "soon"], 2, "--ttl"),
    (["-g", API, "-l", "novalue"], 2, "--label"),
    (["-g", API, "-l", "a=1", "-l", "a=2"], 2, "given twice"),
    (["-g", API, "another"], 2, "argument"),
])
def test_wrong_profiles(forge, args, exit, says):
    done = forge.run("profile", "add", "web", *args, check=False)
    assert done.returncode == exit, done.stderr
    assert says in done.stderr
    assert forge.json("profile", "list")["profiles"] == []


@pytest.mark.parametrize("name", ["", "Web", "a b", "-", "a/b", "x" * 65])
def test_wrong_names_of_profiles_and_credentials(forge, name):
    for args in (["profile", "add", "-g", API, "--", name],
                 ["credential", "add", "-p", "hosts=github.com", "--", name]):
        done = forge.run(*args, check=False, input="x")
        assert done.returncode == 2, done.stderr
        assert "name" in done.stderr.lower()
    assert forge.json("profile", "list")["profiles"] == []
    assert len(forge.json("credential", "list")["credentials"]) == 1


def test_a_profile_twice_and_one_whose_credential_is_gone(forge):
    forge.run("profile", "add", "web", "-g", API)
    done = forge.run("profile", "add", "web", "-g", API + ",git=fetch+push",
                     check=False)
    assert done.returncode == 5
    assert "--replace" in done.stderr
    grants = forge.json("profile", "show", "web")["profile"]["grants"]
    assert "push" not in json.dumps(grants)
    forge.run("credential", "remove", "forge", "--force")
    done = forge.run("issue", "--task", "t", "--profile", "web", check=False)
    assert done.returncode == 5
    assert "profile web" in done.stderr and '"forge"' in done.stderr


@pytest.mark.parametrize("args, exit, says", [
    (["extend", "--ttl", "9d"], 5, "ttl_max"),
    (["extend", "--ttl", "0"], 2, "--ttl"),
    (["extend", "--ttl", "-5m"], 2, "--ttl"),
    (["extend"], 2, "--ttl"),
    (["grant", "-g", "forge:repo=1"], 2, "repository"),
    (["grant", "-g", "nope:repository=a/b"], 5, "nope"),
    (["drop", "-g", "9"], 5, "no such grant"),
    (["drop", "-g", "nope"], 5, "no such grant"),
])
def test_wrong_changes_of_a_session(forge, args, exit, says):
    issued = forge.json("issue", "--task", "t", "--grant", API)["session"]
    done = forge.run("session", args[0], issued["id"], *args[1:], check=False)
    assert done.returncode == exit, done.stderr
    assert says in done.stderr
    assert forge.json("session", "show", issued["id"])["session"] == issued


@pytest.mark.parametrize("config, args, lasts", [
    ({}, [], 8 * 3600), ({}, ["--ttl", "7d"], 7 * 86400),
    ({"ttl": "20m"}, [], 1200), ({"ttl_max": "1h", "ttl": "1h"}, [], 3600),
])
def test_a_session_lasts_as_asked_up_to_the_ceiling(bare, config, args, lasts):
    bare.configure(config)
    bare.init()
    bare.start()
    bare.run("credential", "add", "c", "-p", "hosts=github.com", input="x")
    session = bare.json("issue", "--task", "t", "-g", "c:repository=a/b",
                        *args)["session"]
    created, expires = (datetime.datetime.fromisoformat(session[key])
                        for key in ("created", "expires"))
    assert (expires - created).total_seconds() == lasts


def test_issue_without_grants_or_task(forge):
    assert "task" in forge.run("issue", "--grant", API, check=False).stderr
    done = forge.run("issue", "--task", "t", check=False)
    assert done.returncode == 2
    assert "grant" in done.stderr


@pytest.mark.parametrize("args, says", [
    ([], "hosts"),
    (["-p", "hosts=github.com", "-p", "auth=magic"], "auth"),
    (["-p", "hosts=github.com", "-p", "auth=basic"], "username"),
    (["-p", "hosts=github.com", "-p", "host=x"], 'did you mean "hosts"'),
    (["-p", "hosts=http://github.com"], "http"),
    (["-p", "hosts=git hub.com"], "hosts"),
    (["-p", "hosts"], "KEY=VALUE"),
    (["-p", "hosts=github.com", "-p", "ca=@/nonexistent"], "/nonexistent"),
    (["-p", "hosts=github.com", "-p", "prefix=ghp_abcdefghijklmnop"],
     "looks like a secret"),
    (["--backend", "nope", "-p", "hosts=github.com"], "static"),
    (["--preset", "nope"], "github"),
])
def test_wrong_parameters_of_a_credential(broker, args, says):
    done = broker.run("credential", "add", "c", *args, input="s3cret",
                      check=False)
    assert done.returncode in (2, 5), done.stderr
    assert says in done.stderr
    assert "ghp_abc" not in done.stderr
    assert broker.json("credential", "list")["credentials"] == []


def test_a_secret_as_an_argument_is_refused_and_not_shown(broker):
    done = broker.run("credential", "add", "c", "ghp_0123456789abcdef",
                      "-p", "hosts=github.com", check=False)
    assert done.returncode == 2
    assert "ghp_" not in done.stderr + done.stdout


def test_an_empty_secret_is_refused(broker):
    done = broker.run("credential", "add", "c", "-p", "hosts=github.com",
                      input="\n", check=False)
    assert done.returncode == 2
    assert "empty" in done.stderr


def test_a_name_twice(forge):
    done = forge.run("credential", "add", "forge", "-p", "hosts=github.com",
                     input="x", check=False)
    assert done.returncode == 5
    assert "forge" in done.stderr
    shown = forge.json("credential", "show", "forge")["credential"]
    assert "github.com" not in json.dumps(shown)


def test_a_credential_in_use_is_not_removed_by_accident(forge):
    forge.run("issue", "--task", "t", "--grant", API)
    done = forge.run("credential", "remove", "forge", check=False)
    assert done.returncode == 5
    assert "--force" in done.stderr
    forge.run("credential", "remove", "forge", "--force")


@pytest.mark.parametrize("text, says", [
    ("{", ":1:1: ends too early"), ('{"statee": "/x"}', "statee"), ('{"ttl": "x"}', "ttl"),
    ('{"ttl": "8h", "ttl": "9h"}', ":1:19: a key that was there already"),
    ("[]", "object"), ('{"ttl": "9d"}', "ttl_max"),
    ('{"state": "relative"}', "absolute"),
    ('{"sessions_max": -1}', "sessions_max"), ("", "credbroker.json"),
])
def test_wrong_configuration(folder, text, says):
    broker = Broker(folder)
    broker.config.write_text(text)
    for command in (["status"], ["serve"], ["init"]):
        done = broker.run(*command, check=False, input="pw\n")
        assert done.returncode == 2, done.stderr
        assert "credbroker.json" in done.stderr and says in done.stderr
    assert not broker.state.exists()


def test_a_configuration_that_others_can_write(folder):
    broker = Broker(folder)
    broker.config.chmod(0o666)
    done = broker.run("status", check=False)
    assert done.returncode != 0
    assert "credbroker.json" in done.stderr


def test_no_broker(folder):
    broker = Broker(folder)
    done = broker.run("status", check=False)
    assert done.returncode == 3
    assert "credbroker serve" in done.stderr


def test_no_vault(folder):
    done = Broker(folder).run("serve", check=False)
    assert done.returncode == 5
    assert "credbroker init" in done.stderr


def test_init_never_overwrites(folder):
    broker = Broker(folder)
    broker.init()
    before = {p.name: p.read_bytes() for p in broker.state.iterdir()
              if p.is_file()}
    done = broker.run("init", "--key-file", folder / "other", check=False)
    assert done.returncode == 5
    assert "already" in done.stderr
    assert not (folder / "other").exists()
    assert before == {p.name: p.read_bytes() for p in broker.state.iterdir()
                      if p.is_file()}


def test_a_second_serve(broker):
    done = broker.run("serve", "--key-file", broker.key, check=False)
    assert done.returncode == 5
    assert "another broker serves here" in done.stderr
    assert broker.state_is("unlocked")


def test_a_stale_socket_is_replaced(broker):
    broker.process.kill()
    broker.process.wait()
    broker.process = None
    wait_until(lambda: broker.run("status", check=False).returncode == 3,
               "the others' end")
    assert (broker.runtime / "admin.sock").exists()
    broker.start()
    assert broker.state_is("unlocked")


def test_a_folder_that_others_can_write(folder):
    broker = Broker(folder)
    broker.init()
    broker.state.chmod(0o777)
    done = broker.run("serve", "--key-file", broker.key, check=False)
    assert done.returncode != 0
    assert str(broker.state) in done.stderr


def test_a_key_file_that_others_can_read(folder):
    broker = Broker(folder)
    broker.init()
    broker.key.chmod(0o644)
    done = broker.run("serve", "--key-file", broker.key, check=False)
    assert done.returncode != 0
    assert str(broker.key) in done.stderr


LOCKED_OUT = [
    ["credential", "list"], ["credential", "show", "c"],
    ["credential", "add", "x", "-p", "hosts=github.com"],
    ["credential", "set", "c"], ["credential", "remove", "c"],
    ["profile", "list"], ["profile", "show", "p"], ["profile", "remove", "p"],
    ["profile", "add", "p", "-g", "c:repository=a/b"],
    ["issue", "--task", "t", "-g", "c:repository=a/b"],
    ["run", "--task", "t", "-g", "c:repository=a/b", "--", "true"],
    ["session", "list"], ["session", "show", "abc"],
    ["session", "extend", "abc", "--ttl", "1h"],
    ["session", "grant", "abc", "-g", "c:repository=a/b"],
    ["session", "drop", "abc", "-g", "1"], ["revoke", "--all"],
    ["audit", "show"], ["audit", "verify"],
]


def test_a_locked_vault(bare):
    bare.init()
    bare.start(unlock=False)
    before = files_of(bare.state)
    for args in LOCKED_OUT:
        done = bare.run(*args, check=False, input="x\n")
        assert done.returncode == 3, (args, done.stderr)
        assert done.stderr == ("credbroker: the vault is locked; unlock it: "
                               "credbroker unlock\n"), args
    assert bare.json("status")["state"] == "locked"
    assert list((bare.runtime / "sessions").iterdir()) == []
    assert files_of(bare.state) == before
    bare.run("unlock", "--key-file", bare.key)
    assert bare.json("credential", "list")["credentials"] == []


def test_an_unlock_with_the_wrong_kind_of_key(bare):
    bare.init()
    bare.start(unlock=False)
    done = bare.run("unlock", check=False, input="a passphrase\n")
    assert done.returncode == 5
    assert "no key slot for a passphrase" in done.stderr
    done = bare.run("unlock", "--key-file", bare.folder / "none", check=False)
    assert done.returncode == 5
    assert str(bare.folder / "none") in done.stderr
    assert bare.state_is("locked")


def test_a_wrong_key_file(folder):
    broker = Broker(folder)
    broker.init()
    broker.start(unlock=False)
    try:
        other = folder / "other"
        other.write_bytes(os.urandom(32))
        other.chmod(0o600)
        done = broker.run("unlock", "--key-file", other, check=False)
        assert done.returncode == 1
        assert broker.state_is("locked")
    finally:
        broker.stop()


def damage(path, at, byte=None):
    data = bytearray(path.read_bytes())
    data[at] ^= 0xff if byte is None else byte
    path.write_bytes(bytes(data))


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()
            if path.is_file()}


def stopped_with_a_credential(broker):
    broker.init()
    broker.start()
    broker.run("credential", "add", "one", "-p", "hosts=github.com", input="x")
    broker.stop()
    broker.log.unlink()


@pytest.mark.parametrize("name, spoil, says", [
    ("vault", lambda p: p.write_bytes(p.read_bytes()[:20]), "truncated"),
    ("vault", lambda p: damage(p, 60), "edited or damaged"),
    ("vault", lambda p: p.write_bytes(b"x" * 200), "not a vault"),
    ("vault", lambda p: damage(p, 8, 9), "format"),
    ("store.db", lambda p: p.write_bytes(p.read_bytes()[:1000]), "truncated"),
    ("store.db", lambda p: p.write_bytes(b"not a database" * 400),
     "not a database"),
    ("store.db", lambda p: p.unlink(), "is missing"),
    ("generation", lambda p: p.unlink(), "is missing"),
])
def test_damaged_files_are_named_and_left_alone(bare, name, spoil, says):
    stopped_with_a_credential(bare)
    spoil(bare.state / name)
    before = files_of(bare.state)
    bare.launch()
    assert bare.process.wait(timeout=30) == 5, bare.log_text()
    assert f"{bare.state / name}" in bare.log_text()
    assert says in bare.log_text()
    assert bare.run("credential", "list", check=False).returncode == 3
    assert files_of(bare.state) == before


@pytest.mark.parametrize("name, spoil, says", [
    ("generation", lambda p: p.write_bytes(b"xx"), "truncated"),
    ("generation", lambda p: damage(p, 40), "generation"),
])
def test_what_only_the_key_shows_is_said_at_unlock(bare, name, spoil, says):
    stopped_with_a_credential(bare)
    spoil(bare.state / name)
    before = files_of(bare.state)
    bare.launch()
    wait_until(lambda: bare.state_is("locked"), "serving, locked")
    assert says in bare.log_text()
    done = bare.run("unlock", "--key-file", bare.key, check=False)
    assert done.returncode == 5
    assert says in done.stderr
    assert bare.run("credential", "list", check=False).returncode == 3
    bare.stop()
    assert files_of(bare.state) == before


def test_an_older_store_put_back_is_noticed(bare):
    stopped_with_a_credential(bare)
    old = files_of(bare.state)
    bare.start()
    bare.run("credential", "remove", "one")
    bare.stop()
    for path in bare.state.glob("store.db*"):
        path.unlink()
    (bare.state / "store.db").write_bytes(old["store.db"])
    bare.launch()
    wait_until(lambda: bare.state_is("locked"), "serving, locked")
    done = bare.run("unlock", "--key-file", bare.key, check=False)
    assert done.returncode == 5
    assert "older" in done.stderr, done.stderr


@pytest.fixture
def small_disk(folder):
    """A file system of a megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs",
         str(disk)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk):
    with open(disk / "filler", "wb", buffering=0) as filler:
        with contextlib.suppress(OSError):
            while filler.write(b"\0" * 4096):
                pass


def issue(broker, task):
    return broker.run("issue", "--task", task, "--grant", "c:repository=a/b",
                      check=False)


def test_a_full_disk_refuses_everything_and_says_so(small_disk, bare):
    bare.state = small_disk / "state"
    bare.configure({})
    bare.init()
    bare.start()
    bare.run("credential", "add", "c", "-p", "hosts=github.com", input="x")
    fill(small_disk)
    for number in range(40):
        done = issue(bare, f"t{number}")
        if done.returncode != 0:
            break
    assert done.returncode == 5
    assert "full" in done.stderr
    # Each command says why, and so does status.
    for args in (["issue", "--task", "t", "--grant", "c:repository=a/b"],
                 ["credential", "remove", "c"], ["credential", "set", "c"]):
        done = bare.run(*args, check=False, input="y")
        assert done.returncode == 5, args
        assert "nothing is allowed" in done.stderr
        assert "full" in done.stderr
    audit = bare.json("status")["audit"]
    assert audit["healthy"] is False and "full" in audit["detail"]
    live = {s["id"] for s in bare.json("session", "list")["sessions"]}
    assert len(live) == number, "what was refused is not there"
    folders = {p.name for p in (bare.runtime / "sessions").iterdir()}
    assert folders == live, "nothing half done"
    (small_disk / "filler").unlink()
    wait_until(lambda: issue(bare, "again").returncode == 0, "recovery")
    assert bare.json("status")["audit"]["healthy"] is True
    bare.stop()
    bare.start()
    assert len(bare.json("session", "list")["sessions"]) == number + 1


def test_init_on_a_full_disk_leaves_nothing(small_disk, bare):
    bare.state = small_disk / "state"
    bare.configure({})
    fill(small_disk)
    done = bare.run("init", "--key-file", bare.key, check=False)
    assert done.returncode == 5
    assert str(bare.state) in done.stderr and "full" in done.stderr
    assert not bare.state.exists() or list(bare.state.iterdir()) == []
    (small_disk / "filler").unlink()
    bare.key.unlink(missing_ok=True)
    bare.run("init", "--key-file", bare.key)


def test_a_full_disk_refuses_exchanges_before_they_go_upstream(
        small_disk, bare, git_server):
    bare.state = small_disk / "state"
    bare.configure({})
    bare.init()
    bare.start()
    add_git_credential(bare, git_server)
    sandbox = LiveSandbox(bare, [API])
    try:
        command = f"git ls-remote {git_server.url}/acme/api.git"
        assert sandbox(command)[0] == 0
        fill(small_disk)
        # What is left of the log's last page may take a few more.
        wait_until(lambda: sandbox(command)[0] != 0, "a refusal")
        asked = git_server.requests()
        status, output = sandbox(command)
        assert status != 0
        assert "credbroker" in output and "cannot be written" in output, output
        assert git_server.requests() == asked
    finally:
        sandbox.close()


@pytest.fixture
def unwritable():
    """Make a folder one that its owner cannot write: root neither."""
    made = []

    def make(path):
        if os.geteuid() != 0:
            path.chmod(0o500)
            return
        for args in (["--bind", path, path], ["-o", "remount,bind,ro", path]):
            done = subprocess.run(["mount", *map(str, args)],
                                  capture_output=True, text=True)
            if done.returncode != 0:
                pytest.skip(f"no read-only mount: {done.stderr.strip()}")
            if path not in made:
                made.append(path)
    yield make
    for path in made:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_init_in_an_unwritable_folder(bare, unwritable):
    parent = bare.folder / "parent"
    parent.mkdir(mode=0o700)
    bare.state = parent / "state"
    bare.configure({})
    unwritable(parent)
    done = bare.run("init", "--key-file", bare.key, check=False)
    assert done.returncode == 5
    assert str(bare.state) in done.stderr
    assert "Read-only" in done.stderr or "Permission" in done.stderr
    assert not bare.key.exists(), "no key file without a vault"


def test_init_with_an_unwritable_place_for_the_key_file(bare, unwritable):
    parent = bare.folder / "parent"
    parent.mkdir(mode=0o700)
    unwritable(parent)
    done = bare.run("init", "--key-file", parent / "key", check=False)
    assert done.returncode == 5
    assert str(parent / "key") in done.stderr
    assert not (bare.state / "vault").exists(), "no vault without its key"


def test_serve_with_an_unwritable_state_folder(bare, unwritable):
    bare.init()
    unwritable(bare.state)
    bare.launch()
    assert bare.process.wait(timeout=30) == 5
    assert f"{bare.state}: cannot be written" in bare.log_text()


def test_serve_with_an_unwritable_runtime_folder(bare, unwritable):
    bare.init()
    bare.runtime.mkdir(mode=0o700)
    unwritable(bare.runtime)
    bare.launch()
    assert bare.process.wait(timeout=30) == 5
    assert f"{bare.runtime}: cannot be written" in bare.log_text()


def test_unknown_session_and_ambiguous_prefix(forge):
    done = forge.run("session", "show", "zzzz", check=False)
    assert done.returncode == 5
    assert "zzzz" in done.stderr
    for command in (["revoke"], ["revoke", "a", "--all"]):
        done = forge.run(*command, check=False)
        assert done.returncode == 2
