"""The hook of approvals, with the real processes: it is told what waits, as a
user of its own, and decides nothing."""

import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import add_git_credential, wait_until
from test_user import ORDINARY, UsersBroker

FETCH = "forge:repository=acme/api,git=fetch"
ASK = {"id": "all", "effect": "ask", "reason": "look at it"}
# All of it, and then it is there.
TELL = """id -un > "$1/$$.part" && cat >> "$1/$$.part" &&
          mv "$1/$$.part" "$1/$$.told\""""


@pytest.fixture
def told():
    """A folder that anybody can write to, where hooks say what they heard."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-hook-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


def hook_of(told, script=TELL):
    return ["/bin/sh", "-c", script, "hook", str(told)]


def start(broker, git_server, **settings):
    folder = broker.folder / "policy"
    folder.mkdir(mode=0o700)
    (folder / "local.json").write_text(json.dumps(
        {"tier": "local", "name": "ask", "rules": [ASK]}))
    (folder / "local.json").chmod(0o600)
    broker.configure({"policy_folder": str(folder), **settings})
    broker.stop()
    broker.start()
    add_git_credential(broker, git_server)
    broker.server = git_server
    return broker


def waiting(broker):
    return broker.call("approval.list")["approvals"]


def heard(told):
    """What hooks were told, each with the name of its user."""
    lines = [path.read_text().splitlines() for path in told.glob("*.told")]
    return [(json.loads(line), user) for user, line in lines]


def clone(broker):
    """A clone in a sandbox of its own, begun; its process."""
    workspace = tempfile.mkdtemp(dir=broker.folder)
    return subprocess.Popen(
        broker.command("run", "--task", "fix-1", "--workspace", workspace,
                       "--grant", FETCH, "--", "git", "clone", "-q",
                       f"https://{broker.server.authority}/acme/api"),
        env=broker.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture
def cloning(broker):
    made = []

    def make():
        made.append(clone(broker))
        return made[-1]
    yield make
    for process in made:
        process.kill()
        process.communicate()


def test_it_is_told_what_waits_and_that_can_be_approved(
        broker, git_server, told, cloning):
    start(broker, git_server, approval_hook=hook_of(told))
    process = cloning()
    wait_until(lambda: heard(told), "the hook")
    [(approval, user)] = heard(told)
    assert user == ("nobody" if os.geteuid() == 0
                    else pwd.getpwuid(os.geteuid()).pw_name)
    [listed] = waiting(broker)
    assert approval["id"] == listed["id"]
    assert approval["state"] == "waiting"
    assert approval["task"] == "fix-1"
    assert approval["rule"] == "all" and approval["reason"] == "look at it"
    # Each request of the clone is asked for by itself.
    approved = set()

    def answered():
        for one in waiting(broker):
            if one["state"] == "waiting" and one["id"] not in approved:
                broker.run("approve", one["id"])
                approved.add(one["id"])
        return process.poll() is not None
    wait_until(answered, "the clone")
    assert process.returncode == 0, process.stdout.read()
    assert {one["id"] for one, _ in heard(told)} >= approved


def test_what_it_does_decides_nothing(broker, git_server, told, cloning):
    start(broker, git_server, approval_hook=hook_of(told, "exit 3"),
          approval_wait="1s")
    process = cloning()
    out, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"approv" in out
    wait_until(lambda: "approval hook" in broker.log_text(), "the log")


def test_the_broker_goes_on_without_it(broker, git_server, told, cloning):
    start(broker, git_server, approval_hook=hook_of(told))
    supervisor = broker.process.pid
    children = pathlib.Path(
        f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    known = {str(pid) for pid in broker.pids().values()}
    [runner] = set(children) - known
    status = pathlib.Path(f"/proc/{runner}/status").read_text()
    assert "CapPrm:\t0000000000000000" in status
    assert "CapEff:\t0000000000000000" in status
    if os.geteuid() == 0:
        assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}\t" in status
    os.kill(int(runner), signal.SIGKILL)
    wait_until(lambda: "hook" in broker.log_text(), "the log")
    cloning()
    wait_until(lambda: waiting(broker), "an approval")
    assert not heard(told)


@pytest.mark.parametrize("hook, why", [
    (["true"], "absolute path"),
    (["/nonexistent/hook"], "approval_hook"),
    ("writable", "others can write it"),
])
def test_a_program_that_is_not_sound_is_no_hook(broker, told, hook, why):
    if hook == "writable":
        program = broker.folder / "hook"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o777)
        hook = [str(program)]
    broker.configure({"approval_hook": hook})
    broker.stop()
    broker.launch()
    assert broker.process.wait(60) != 0
    broker.process = None
    assert why in broker.log_text()
    broker.configure({})
    broker.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has others")
def test_it_does_not_run_as_root(broker, told):
    broker.configure({"approval_hook": hook_of(told),
                      "approval_hook_user": "root"})
    broker.stop()
    broker.launch()
    assert broker.process.wait(60) != 0
    broker.process = None
    assert "approval_hook_user: not root" in broker.log_text()
    broker.configure({})
    broker.start()


def test_a_users_broker_runs_it_as_that_user(folder, git_server, told):
    """Configuration and policy are where a user has them."""
    broker = UsersBroker(folder, {})
    config = broker.home / ".config/credbroker"
    (config / "policy").mkdir(parents=True, mode=0o700)
    (config / "policy/local.json").write_text(json.dumps(
        {"tier": "local", "name": "ask", "rules": [ASK]}))
    (config / "credbroker.json").write_text(json.dumps(
        {"approval_hook": hook_of(told), "approval_wait": "1s"}))
    for path in [broker.home / ".config", *config.rglob("*"), config]:
        path.chmod(0o700 if path.is_dir() else 0o600)
        if os.geteuid() == 0:
            os.chown(path, ORDINARY, ORDINARY)
    ca = shutil.copy(git_server.ca, folder / "ca.pem")
    workspace = broker.home / "work"
    try:
        broker.run("init", input="correct horse\n")
        broker.start(unlock=False)
        broker.run("unlock", input="correct horse\n")
        add_git_credential(broker, git_server, ca=ca)
        subprocess.run([*broker.become, "mkdir", str(workspace)], check=True)
        done = broker.run(
            "run", "--task", "t", "--grant", FETCH, "--workspace", workspace,
            "--", "git", "ls-remote", f"{git_server.url}/acme/api",
            check=False)
        assert done.returncode != 0
        wait_until(lambda: heard(told), "the hook")
        uid = ORDINARY if os.geteuid() == 0 else os.geteuid()
        assert {user for _, user in heard(told)} == {pwd.getpwuid(uid).pw_name}
    finally:
        broker.stop()
