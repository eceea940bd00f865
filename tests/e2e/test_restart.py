"""Stops, starts and crashes while a sandbox lives."""

import os
import signal
import subprocess

import pytest

from conftest import Broker, add_git_credential, wait_until

GRANT = "forge:repository=acme/api,git=fetch+push"


def test_restart_in_the_middle(live, forge, git_server):
    sandbox = live(GRANT)
    command = f"git ls-remote {git_server.url}/acme/api.git HEAD"
    assert sandbox(command)[0] == 0
    session = sandbox.session
    forge.stop()
    # The command is begun while nobody answers; the forwarder waits.
    sandbox.start(command)
    forge.start()
    status, output = sandbox.finish()
    assert status == 0, output
    assert [s["id"] for s in forge.json("session", "list")["sessions"]] == [
        session]


@pytest.mark.parametrize("victim", ["gateway", "egress", "core"])
def test_a_child_that_is_killed_comes_back(live, forge, git_server, victim):
    sandbox = live(GRANT)
    command = f"git ls-remote {git_server.url}/acme/api.git HEAD"
    assert sandbox(command)[0] == 0
    pid = forge.pids()[victim]
    os.kill(pid, signal.SIGKILL)

    def back():
        done = forge.run("status", "--json", check=False)
        return (done.returncode == 0 and '"unlocked"' in done.stdout and
                forge.pids().get(victim) not in (None, pid))
    wait_until(back, f"{victim} is back")
    status, output = sandbox(command)
    assert status == 0, output


def test_a_session_whose_process_ended_meanwhile_is_over(forge):
    sleeper = subprocess.Popen(["sleep", "600"])
    issued = forge.json("issue", "--task", "t", "--grant", GRANT,
                        "--bind-pid", sleeper.pid)
    forge.stop()
    sleeper.kill()
    sleeper.wait()
    forge.start()
    assert forge.json("session", "list")["sessions"] == []
    assert issued["session"]["id"]


def test_a_session_that_expired_meanwhile_is_over(forge):
    forge.run("issue", "--task", "t", "--grant", GRANT, "--ttl", "1s")
    forge.stop()
    forge.start()
    wait_until(lambda: forge.json("session", "list")["sessions"] == [],
               "expiry")


def test_with_a_passphrase_sessions_come_back_at_unlock(folder, git_server):
    broker = Broker(folder)
    broker.run("init", input="correct horse\n")
    broker.start(unlock=False)
    try:
        refused = broker.run("issue", "--task", "t", "--grant", "x",
                             check=False)
        assert refused.returncode == 3
        assert "credbroker unlock" in refused.stderr
        wrong = broker.run("unlock", input="wrong horse\n", check=False)
        assert wrong.returncode == 1
        assert "passphrase" in wrong.stderr
        broker.run("unlock", input="correct horse\n")
        add_git_credential(broker, git_server)
        issued = broker.json("issue", "--task", "t", "--grant", GRANT)
        broker.stop()
        broker.start(unlock=False)
        broker.run("unlock", input="correct horse\n")
        assert [s["id"] for s in broker.json("session", "list")["sessions"]
                ] == [issued["session"]["id"]]
    finally:
        broker.stop()


def test_lock_refuses_everything_and_unlock_brings_it_back(live, forge,
                                                           git_server):
    sandbox = live(GRANT)
    command = f"git ls-remote {git_server.url}/acme/api.git HEAD"
    assert sandbox(command)[0] == 0
    forge.run("lock")
    status, output = sandbox(command)
    assert status != 0
    assert "credbroker" in output
    forge.run("unlock", "--key-file", forge.key)
    status, output = sandbox(command)
    assert status == 0, output


def test_stop_leaves_no_process_and_keeps_session_folders(forge):
    issued = forge.json("issue", "--task", "t", "--grant", GRANT)
    pids = forge.pids()
    forge.stop()
    for name, pid in pids.items():
        assert not os.path.exists(f"/proc/{pid}"), name
    assert os.path.isdir(issued["session"]["folder"])
