"""Requests that a policy wants on the disk before they go upstream, with a
disk that takes its time, one that is full, and a broker that is killed."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from conftest import wait_until, LiveSandbox
from team_policy import enforce, govern, write_policy

ALL = {"id": "all", "effect": "allow"}
DURABLE = {"id": "api", "effect": "allow", "durable": True,
           "scope": {"repository": ["acme/api"]}}


@pytest.fixture
def governed(broker, git_server):
    broker.server = git_server
    return govern(broker, git_server, ALL)


@pytest.fixture
def sandbox(governed):
    made = LiveSandbox(governed, ["forge:repository=acme/api,git=fetch"])
    yield made
    made.close()


def look(server):
    return f"git ls-remote {server.url}/acme/api.git HEAD"


def begun(broker):
    return broker.call("audit.show", event="exchange.begin")["events"]


def traced(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/status")
    return all("TracerPid:\t0\n" not in task.read_text() for task in tasks)


@contextlib.contextmanager
def slow_disk(broker):
    """Each fsync of the core takes more than a second, and is in the list that is given:
    before it begins, and when it is done."""
    pid, out = broker.pids()["core"], broker.folder / "syncs"
    process = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", str(out), "-e", "trace=fsync,fdatasync",
         "-e", "inject=fsync,fdatasync:delay_enter=1500000", "-p", str(pid)],
        stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: traced(pid), "strace is there")
        yield lambda: out.read_text() if out.exists() else ""
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("strace") is None,
                    reason="only root can slow the core's disk down")
def test_upstream_sees_nothing_before_the_line_is_on_the_disk(
        governed, git_server, sandbox):
    assert sandbox(look(git_server))[0] == 0
    enforce(governed, ALL, DURABLE)
    before, seen = len(begun(governed)), git_server.requests()
    with slow_disk(governed) as syncs:
        earlier = len(syncs())
        sandbox.start(look(git_server))

        def seen_upstream():
            if git_server.requests() == seen:
                return False
            # It is not seen before an fsync has ended that began since.
            assert "= 0" in syncs()[earlier:], syncs()
            return True
        wait_until(seen_upstream, "the request")
    status, output = sandbox.finish()
    assert status == 0, output
    assert len(begun(governed)) > before


@contextlib.contextmanager
def small_disk(broker):
    """A file system of its own for the state, and what fills it."""
    state, kept = broker.state, broker.state.with_name("kept")
    broker.stop()
    state.rename(kept)
    state.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=700",
                    "crb-test", state], check=True)
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", state], check=True)
        broker.start()
        yield state / "filler"
    finally:
        broker.stop(check=False)
        subprocess.run(["umount", state], check=True)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_on_a_full_disk_nothing_goes_upstream(governed, git_server):
    write_policy(governed, ALL, DURABLE)
    with small_disk(governed) as filler, contextlib.ExitStack() as stack:
        sandbox = LiveSandbox(
            governed, ["forge:repository=acme/api,git=fetch"])
        stack.callback(sandbox.close)
        assert sandbox(look(git_server))[0] == 0
        seen = git_server.requests()
        fill(filler)
        status, output = sandbox(look(git_server))
        assert status != 0
        assert "record" in output or "audit log" in output, output
        assert git_server.requests() == seen
        filler.unlink()
        wait_until(lambda: sandbox(look(git_server))[0] == 0,
                   "the disk is back")
        assert git_server.requests() > seen


def test_what_upstream_saw_is_in_the_log_of_a_broker_that_was_killed(
        governed, git_server, sandbox):
    enforce(governed, ALL, DURABLE)
    before, seen = len(begun(governed)), git_server.requests()
    children = governed.pids()
    sandbox.start(look(git_server))
    wait_until(lambda: git_server.requests() > seen, "a request")
    os.kill(children["core"], signal.SIGKILL)
    governed.kill()
    governed.start()
    lines = begun(governed)
    assert len(lines) > before
    assert lines[-1]["credential"] == "forge"
    assert "acme/api.git/info/refs" in lines[before]["request"]
    governed.run("audit", "verify")
    sandbox.finish()


def test_explain_and_show_say_which_rule_wants_it(governed):
    write_policy(governed, ALL, DURABLE)
    asked = ["policy", "explain", "--task", "t", "--credential", "forge",
             "-p", governed.folder / "policy" / "team.json", "--scope"]
    durable = [*asked, "repository=acme/api,git=fetch"]
    told, = governed.json(*durable)["explained"]
    assert told["verdict"]["durable"] is True
    assert [rule.get("durable", False) for rule in told["rules"]] == [
        False, True]
    assert "on the disk before it goes upstream" in governed.run(
        *durable).stdout
    other, = governed.json(
        *asked, "repository=acme/web,git=fetch")["explained"]
    assert "durable" not in other["verdict"]
    governed.call("policy.reload")
    shown = governed.run("policy", "show", "team").stdout
    assert [line.split("\t")[4] for line in shown.splitlines()[-2:]] == [
        "-", "yes"]
