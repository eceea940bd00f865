"""`doctor`: each thing is broken on purpose, and the finding names it with what
to do; what is put right is found right."""

import json
import os
import pwd
import re
import resource
import shutil
import signal
import subprocess

import pytest

from conftest import (CREDBROKER, PATH, ROOT, Broker, add_git_credential,
                      wait_until)

IS_ROOT = os.geteuid() == 0


def doctor(broker, *options, path=None, limit=None, env=None):
    """(exit status, findings)"""
    environment = broker.environment() | (env or {})
    if path is not None:
        environment["PATH"] = path
    done = subprocess.run(
        broker.command("doctor", "--json", *options), env=environment,
        capture_output=True, text=True, timeout=60, preexec_fn=limit,
        stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 5), done.stderr
    said = json.loads(done.stdout)
    for level in ("ok", "warn", "fail"):
        assert said[level] == sum(f["level"] == level
                                  for f in said["findings"])
    assert (done.returncode == 5) == (said["fail"] > 0)
    return done.returncode, said["findings"]


def of(findings, check, level):
    return [f for f in findings
            if f["check"] == check and f["level"] == level]


def found(findings, check, level, text):
    """The one finding of a check that says this."""
    named = [f for f in of(findings, check, level) if text in f["text"]]
    assert len(named) == 1, (check, level, text, findings)
    return named[0]


def test_a_broker_that_is_well(forge):
    status, findings = doctor(forge)
    assert status == 0, of(findings, "state", "fail")
    found(findings, "vault", "ok", "unlocked, 1 key slot")
    found(findings, "audit", "ok", "chain intact")
    found(findings, "processes", "ok", "none was restarted")
    found(findings, "state", "ok", str(forge.state))
    found(findings, "runtime", "ok", str(forge.runtime))
    found(findings, "disk", "ok", "left on")
    found(findings, "bubblewrap", "ok", "makes a sandbox")
    # Every check has something to say here, but those that were not asked.
    checks = {f["check"] for f in findings}
    assert checks >= {"config", "broker", "memory", "sessions", "swap",
                      "memlock", "descriptors", "clock", "seccomp",
                      "namespaces", "landlock", "pidfd", "ptrace",
                      "core_pattern", "confinement"}


def test_lines_for_people(forge):
    lines = forge.run("doctor", check=False).stdout.splitlines()
    assert all(re.match(r"^(ok   |warn |fail ) \S", line) for line in lines)
    broken = forge.run("lock") and forge.run("doctor", check=False).stdout
    assert re.search(r"^warn  vault locked, 1 key slot +-> credbroker unlock$",
                     broken, re.M)


def test_what_is_not_ok_has_a_remedy(bare):
    _, findings = doctor(bare)
    without = [f for f in findings if f["level"] != "ok"
               and "remedy" not in f and f["check"] != "confinement"]
    assert without == []


def test_without_a_broker_and_without_a_vault(bare):
    status, findings = doctor(bare)
    assert status == 0
    assert "credbroker serve" in found(
        findings, "broker", "warn", "running broker")["remedy"]
    assert found(findings, "state", "warn",
                 "no vault")["remedy"] == "credbroker init"


def test_a_locked_vault(forge):
    forge.run("lock")
    status, findings = doctor(forge)
    assert status == 0
    assert found(findings, "vault", "warn",
                 "locked")["remedy"] == "credbroker unlock"


@pytest.mark.parametrize("name", ["vault", "store.db", "audit", "generation",
                                  "audit/000001.jsonl", ""])
def test_what_others_may_read(forge, name):
    path = forge.state / name
    mode = path.stat().st_mode & 0o777
    path.chmod(mode | 0o044)
    status, findings = doctor(forge)
    assert status == 5
    remedy = found(findings, "state", "fail", f"{path}".rstrip("/"))["remedy"]
    # It does what it says.
    subprocess.run(["sh", "-c", remedy], check=True)
    assert doctor(forge)[0] == 0
    assert path.stat().st_mode & 0o777 == mode


def test_a_link_in_the_place_of_the_vault(forge):
    vault = forge.state / "vault"
    vault.rename(forge.folder / "elsewhere")
    vault.symlink_to(forge.folder / "elsewhere")
    status, findings = doctor(forge)
    assert status == 5
    found(findings, "state", "fail", "something else")


def test_a_parent_that_others_can_write(folder):
    (folder / "open").mkdir(mode=0o777)
    (folder / "open").chmod(0o777)
    inner = folder / "open" / "b"
    inner.mkdir()
    broker = Broker(inner)
    # It would not start; a state folder that was moved there since.
    broker.state.mkdir(mode=0o700)
    status, findings = doctor(broker)
    assert status == 5
    assert any("can be written by others" in f["text"]
               for f in of(findings, "state", "fail") +
               of(findings, "config", "fail"))


def test_a_runtime_folder_open_to_others(forge):
    forge.runtime.chmod(0o755)
    status, findings = doctor(forge)
    assert status == 5
    remedy = found(findings, "runtime", "fail", "open to others")["remedy"]
    subprocess.run(["sh", "-c", remedy], check=True)
    assert doctor(forge)[0] == 0


def test_a_session_s_folder_open_to_others(forge):
    made = forge.json("issue", "--task", "t", "-g",
                      "forge:repository=acme/api")["session"]["folder"]
    assert doctor(forge)[0] == 0
    os.chmod(made, 0o755)
    status, findings = doctor(forge)
    assert status == 5
    remedy = found(findings, "runtime", "fail", made)["remedy"]
    subprocess.run(["sh", "-c", remedy], check=True)
    assert doctor(forge)[0] == 0


def test_a_runtime_folder_too_long_for_a_socket(folder):
    broker = Broker(folder, {"runtime": str(folder / ("x" * 100))})
    status, findings = doctor(broker)
    assert status == 5
    found(findings, "runtime", "fail", "too long for a socket")


@pytest.mark.skipif(not IS_ROOT, reason="takes root to give a file away")
def test_a_file_of_somebody_else(forge):
    vault = forge.state / "vault"
    owner = vault.stat().st_uid
    os.chown(vault, 12345, -1)
    status, findings = doctor(forge)
    assert status == 5
    remedy = found(findings, "state", "fail", "belongs to uid 12345")["remedy"]
    subprocess.run(["sh", "-c", remedy], check=True)
    assert vault.stat().st_uid == owner


def test_a_bad_configuration(bare):
    bare.config.write_text('{\n "ttl": "1h",\n "sesions_max": 3\n}')
    status, findings = doctor(bare)
    assert status == 5
    assert f"{bare.config}:3" in found(findings, "config", "fail",
                                       "unknown key")["text"]


def test_a_configuration_that_others_can_write(bare):
    bare.config.chmod(0o666)
    status, findings = doctor(bare)
    assert status == 5
    found(findings, "config", "fail", "others can write it")


def test_a_key_file_that_others_can_read(bare):
    bare.init()
    bare.configure({"key_file": str(bare.key)})
    assert of(doctor(bare)[1], "key_file", "ok")
    bare.key.chmod(0o644)
    status, findings = doctor(bare)
    assert status == 5
    found(findings, "key_file", "fail", "others have access")


def test_a_key_file_beside_the_vault(bare):
    bare.init()
    inside = bare.state / "key"
    shutil.move(bare.key, inside)
    bare.configure({"key_file": str(inside)})
    found(doctor(bare)[1], "key_file", "warn", "in the state folder")


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_ca_file_that_is_none(bare, content):
    path = bare.folder / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    bare.configure({"ca_file": str(path)})
    status, findings = doctor(bare)
    assert status == 5
    found(findings, "ca_file", "fail", str(path))


def test_no_bubblewrap(bare):
    status, findings = doctor(bare, path="/nonexistent")
    assert status == 5
    assert "apt install bubblewrap" in found(
        findings, "bubblewrap", "fail", "not on PATH")["remedy"]


def test_a_bubblewrap_that_does_not_work(bare):
    programs = bare.folder / "bin"
    programs.mkdir()
    (programs / "bwrap").write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\n"
        "exit 1\n")
    (programs / "bwrap").chmod(0o755)
    status, findings = doctor(bare, path=f"{programs}:{PATH}")
    assert status == 5
    found(findings, "bubblewrap", "fail", "No permissions to create")


def test_a_bubblewrap_of_the_current_folder_is_not_run(bare):
    mark = bare.folder / "ran"
    (bare.folder / "bwrap").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (bare.folder / "bwrap").chmod(0o755)
    done = subprocess.run(
        bare.command("doctor"), env=bare.environment() | {"PATH": ".:"},
        cwd=bare.folder, capture_output=True, text=True, timeout=120)
    assert "not on PATH" in done.stdout
    assert not mark.exists()


def test_few_descriptors(bare):
    status, findings = doctor(bare, limit=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (1024, 1024)))
    assert status == 0
    assert "512 sessions" in found(findings, "descriptors", "warn",
                                   "sessions_max is 4096")["text"]
    bare.configure({"sessions_max": 500})
    _, findings = doctor(bare, limit=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (1024, 1024)))
    found(findings, "descriptors", "ok", "512 sessions")


def test_the_broker_s_own_limits_count(folder):
    broker = Broker(folder)
    broker.init()
    with open(broker.log, "ab") as log:
        broker.process = subprocess.Popen(
            ["prlimit", "--nofile=2048:2048", "--",
             *broker.command("serve", "--key-file", broker.key)],
            env=broker.environment(), stdin=subprocess.DEVNULL, stdout=log,
            stderr=log)
    try:
        wait_until(lambda: broker.state_is("unlocked"), "unlocked")
        found(doctor(broker)[1], "descriptors", "warn", "2048 descriptors")
    finally:
        broker.stop()


def test_little_locked_memory(bare):
    _, findings = doctor(bare, limit=lambda: resource.setrlimit(
        resource.RLIMIT_MEMLOCK, (65536, 65536)))
    assert "LimitMEMLOCK" in found(findings, "memlock", "warn",
                                   "64.0 KiB")["remedy"]
    _, findings = doctor(bare, limit=lambda: resource.setrlimit(
        resource.RLIMIT_MEMLOCK, (8 << 20, 8 << 20)))
    found(findings, "memlock", "ok", "secrets in flight")


def test_a_clock_behind_the_audit_log(bare):
    """Rather than the clock, the log's last line is moved."""
    bare.init()
    audit = bare.state / "audit"
    audit.mkdir(mode=0o700, exist_ok=True)
    log = audit / "000001.jsonl"
    text = ('{"n":1,"time":"2020-01-01T00:00:00.000Z","event":"x"}\n'
            '{"n":2,"time":"2099-01-01T00:00:00.000Z",'
            '"detail":"\\",\\"time\\":\\"2000-01-01T00:00:00Z"}\n')
    log.write_text(text)
    log.chmod(0o600)
    status, findings = doctor(bare)
    assert status == 5
    assert found(findings, "clock", "fail", "behind the audit log")["remedy"]
    log.write_text(text.replace("2099", "2021"))
    assert not of(doctor(bare)[1], "clock", "fail")


def test_names_that_somebody_planted(bare):
    """Who has become the core can write there, and root runs doctor."""
    bare.init()
    audit = bare.state / "audit"
    audit.mkdir(mode=0o700, exist_ok=True)
    quoted = audit / "x'; touch 'pwned"
    no_text = os.fsencode(audit) + b"/\xff"
    for path in os.fsencode(quoted), no_text:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        os.chmod(path, 0o644)
    status, findings = doctor(bare)
    assert status == 5
    found(findings, "state", "fail", "\\xff")
    remedy = found(findings, "state", "fail", "pwned")["remedy"]
    assert "\\" not in remedy    # which the lines for people double
    subprocess.run(["sh", "-c", remedy], check=True, cwd=bare.folder)
    assert quoted.stat().st_mode & 0o777 == 0o600
    assert not (bare.folder / "pwned").exists()


def test_a_pipe_in_the_place_of_the_audit_log(bare):
    bare.init()
    audit = bare.state / "audit"
    audit.mkdir(mode=0o700, exist_ok=True)
    os.mkfifo(audit / "999999.jsonl", 0o600)
    # It is not waited for.
    found(doctor(bare)[1], "state", "fail", "something else")


def test_a_damaged_audit_chain(forge):
    forge.run("issue", "--task", "t", "-g", "forge:repository=acme/api")
    log = forge.state / "audit" / "000001.jsonl"
    with open(log, "r+b") as file:
        text = file.read()
        file.seek(text.index(b'"task":"t"') + 8)
        file.write(b"u")
    status, findings = doctor(forge)
    assert status == 5
    found(findings, "audit", "fail", "000001.jsonl")


def test_a_process_that_was_restarted(forge):
    os.kill(forge.pids()["egress"], signal.SIGKILL)
    wait_until(lambda: of(doctor(forge)[1], "processes", "warn"), "seen")
    found(doctor(forge)[1], "processes", "warn", "egress was restarted 1")


def test_too_many_sessions(folder, git_server):
    broker = Broker(folder, {"sessions_max": 3})
    broker.init()
    broker.start()
    try:
        add_git_credential(broker, git_server)
        for _ in range(3):
            broker.run("issue", "--task", "t", "-g",
                       "forge:repository=acme/api")
        found(doctor(broker)[1], "sessions", "warn", "3 of 3")
    finally:
        broker.stop()


@pytest.mark.skipif(not IS_ROOT, reason="only root's broker has other users")
def test_users_that_are_missing(bare):
    bare.configure({})
    _, findings = doctor(bare)
    for name in ("credbroker", "credbroker-gateway", "credbroker-egress"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            assert "systemd-sysusers" in found(
                findings, "users", "warn", f"no user {name}:")["remedy"]


def test_the_example_configuration_is_one(folder):
    example = folder / "example.json"
    shutil.copy(ROOT / "examples" / "credbroker.json", example)
    example.chmod(0o600)
    done = subprocess.run(
        [str(CREDBROKER), "status", "--config", str(example)],
        env={"PATH": PATH, "HOME": str(folder)}, capture_output=True,
        text=True, timeout=60)
    # Read, and then there is no broker.
    assert done.returncode == 3, done.stderr
