"""Bad input: a defined message, a defined exit status, nothing half done."""

import json
import os
import pathlib
import subprocess
import time

import pytest

from conftest import Broker, wait_until

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
    ("{", "line 1"), ('{"statee": "/x"}', "statee"), ('{"ttl": "x"}', "ttl"),
    ('{"ttl": "8h", "ttl": "9h"}', "ttl"), ("[]", "object"),
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


@pytest.mark.parametrize("name, spoil, says", [
    ("vault", lambda p: p.write_bytes(p.read_bytes()[:20]), "truncated"),
    ("vault", lambda p: damage(p, 60), "vault"),
    ("vault", lambda p: p.write_bytes(b"x" * 200), "vault"),
    ("store.db", lambda p: p.write_bytes(p.read_bytes()[:1000]), "store.db"),
    ("store.db", lambda p: p.write_bytes(b"not a database" * 400), "store.db"),
    ("store.db", lambda p: p.unlink(), "store.db"),
])
def test_damaged_files_are_named_and_left_alone(folder, name, spoil, says):
    broker = Broker(folder)
    broker.init()
    broker.start()
    broker.run("credential", "add", "c", "-p", "hosts=github.com", input="x")
    broker.stop()
    path = broker.state / name
    spoil(path)
    before = path.read_bytes() if path.exists() else None
    # The broker may refuse to start, or start and refuse to unlock.
    with open(broker.log, "wb") as log:
        process = subprocess.Popen(
            broker.command("serve", "--key-file", broker.key),
            env=broker.environment(), stdin=subprocess.DEVNULL, stdout=log,
            stderr=log)
    try:
        wait_until(lambda: says in broker.log_text(), "the error", 15)
        done = broker.run("credential", "list", check=False)
        assert done.returncode != 0
    finally:
        process.terminate()
        process.wait(timeout=30)
    if before is not None:
        assert path.read_bytes() == before
    else:
        assert not path.exists()


def test_an_older_store_put_back_is_noticed(folder):
    broker = Broker(folder)
    broker.init()
    broker.start()
    broker.run("credential", "add", "one", "-p", "hosts=github.com", input="x")
    broker.stop()
    old = {p.name: p.read_bytes() for p in broker.state.glob("store.db*")}
    broker.start()
    broker.run("credential", "remove", "one")
    broker.stop()
    for path in broker.state.glob("store.db*"):
        path.unlink()
    for name, data in old.items():
        (broker.state / name).write_bytes(data)
    with open(broker.log, "wb") as log:
        process = subprocess.Popen(
            broker.command("serve", "--key-file", broker.key),
            env=broker.environment(), stdin=subprocess.DEVNULL, stdout=log,
            stderr=log)
    try:
        wait_until(lambda: "older" in broker.log_text(), "the error", 15)
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root")
def test_a_full_disk_refuses_everything_and_says_so(folder):
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o",
                              "size=1m,mode=0700", "tmpfs", str(disk)],
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.strip()}")
    broker = Broker(folder)
    broker.state = disk / "state"
    broker.configure({})
    try:
        broker.init()
        broker.start()
        broker.run("credential", "add", "c", "-p", "hosts=github.com",
                   input="x")
        filler = open(disk / "filler", "wb", buffering=0)
        try:
            while filler.write(b"\0" * 4096):
                pass
        except OSError:
            pass
        failed = 0
        for number in range(40):
            done = broker.run("issue", "--task", f"t{number}", "--grant",
                              "c:repository=a/b", check=False)
            failed += done.returncode != 0
        assert failed > 0
        assert done.returncode == 5
        assert "record" in done.stderr or "full" in done.stderr
        status = broker.json("status")
        assert status["audit"]["healthy"] is False
        live = {s["id"] for s in broker.json("session", "list")["sessions"]}
        folders = {p.name for p in (broker.runtime / "sessions").iterdir()}
        assert folders == live, "nothing half done"
        filler.close()
        (disk / "filler").unlink()
        wait_until(lambda: broker.run(
            "issue", "--task", "again", "--grant", "c:repository=a/b",
            check=False).returncode == 0, "recovery")
    finally:
        broker.stop()
        subprocess.run(["umount", str(disk)], check=False)


def test_unknown_session_and_ambiguous_prefix(forge):
    done = forge.run("session", "show", "zzzz", check=False)
    assert done.returncode == 5
    assert "zzzz" in done.stderr
    for command in (["revoke"], ["revoke", "a", "--all"]):
        done = forge.run(*command, check=False)
        assert done.returncode == 2
