"""`credential test` and `doctor --network`: whether hosts can be reached, by the
process that would send requests, without any secret."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import add_git_credential, wait_until

SECRET = "canary-of-a-secret-that-is-not-sent"


def add(broker, name, hosts, *params):
    if not any(p.startswith("network=") for p in params):
        params = ("network=loopback", *params)
    words = [word for p in params for word in ("-p", p)]
    broker.run("credential", "add", name, "-p", f"hosts={hosts}", *words,
               input=SECRET + "\n")


def tried(broker, name):
    """(exit status, JSON) of `credential test`."""
    done = broker.run("credential", "test", name, "--json", check=False)
    return done.returncode, json.loads(done.stdout)


class Listener:
    """Takes connections, answers nothing, and remembers what came."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.got = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self.read, args=(connection,),
                                 daemon=True).start()

    def read(self, connection):
        with connection, contextlib.suppress(OSError):
            data = b""
            while more := connection.recv(65536):
                data += more
            self.got.append(data)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.close()


def test_a_host_that_can_be_reached(forge, git_server):
    before = git_server.requests()
    status, said = tried(forge, "forge")
    assert status == 0 and said["reachable"] is True
    [origin] = said["origins"]
    assert origin["origin"] == git_server.url
    assert "TLS with a trusted certificate" in origin["detail"]
    assert 0 <= origin["milliseconds"] == said["milliseconds"]
    # Connected only: the server has seen no request.
    assert git_server.requests() == before
    line = forge.run("credential", "test", "forge").stdout
    assert line.startswith(git_server.url + "\tyes\t")


def test_nothing_is_sent(broker, listener):
    add(broker, "plain", f"http://127.0.0.1:{listener.port}")
    status, said = tried(broker, "plain")
    assert status == 0
    assert "clear text" in said["origins"][0]["detail"]
    wait_until(lambda: listener.got, "the connection's end")
    assert listener.got == [b""]


@pytest.fixture
def silent_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))     # bound, never listening
        yield held.getsockname()[1]


@pytest.mark.parametrize("hosts, params, why", [
    ("127.0.0.1:{free}", [], "refused the connection"),
    ("no-such-host.invalid", [], "could not resolve"),
    ("{forge}", [], "certificate that is not trusted"),
    ("{forge}", ["network=public"], "does not allow"),
    ("127.0.0.1:{free}", ["network=private"], "does not allow"),
])
def test_what_cannot_be_reached_is_told_why(broker, git_server, silent_port,
                                            hosts, params, why):
    add(broker, "bad", hosts.format(forge=git_server.authority,
                                    free=silent_port), *params)
    status, said = tried(broker, "bad")
    assert status == 4 and said["reachable"] is False
    assert why in said["detail"]
    assert why in said["origins"][0]["detail"]
    human = broker.run("credential", "test", "bad", check=False)
    assert human.returncode == 4 and "\tno\t" in human.stdout
    assert why in human.stderr
    found = doctor(broker, "--network")
    assert why in one(found, "network", "fail")["text"]


def test_one_of_two_hosts_fails(broker, git_server):
    add(broker, "two", f"{git_server.authority},no-such-host.invalid",
        f"ca=@{git_server.ca}")
    status, said = tried(broker, "two")
    assert status == 4
    assert [o["reachable"] for o in said["origins"]] == [True, False]
    assert "could not resolve" in said["detail"]


def test_a_host_that_says_nothing_takes_a_bounded_time(broker, listener):
    add(broker, "mute", f"127.0.0.1:{listener.port}")
    begun = time.monotonic()
    status, said = tried(broker, "mute")
    assert status == 4 and "in time" in said["detail"]
    assert time.monotonic() - begun < 30


def test_so_many_at_once(broker, listener):
    add(broker, "mute", f"127.0.0.1:{listener.port}")
    runs = [subprocess.Popen(
        broker.command("credential", "test", "mute"),
        env=broker.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(8)]
    said = [run.communicate(timeout=60)[1] for run in runs]
    assert 4 <= sum("in time" in s for s in said)
    assert any("being tested already" in s for s in said)
    # The places are free again.
    assert "in time" in tried(broker, "mute")[1]["detail"]


def test_it_is_recorded_before(forge):
    tried(forge, "forge")
    events = forge.json("audit", "show", "--event", "credential.test")["events"]
    assert [(e["credential"], e["decision"]) for e in events] == [
        ("forge", "allow")]


def test_without_the_egress_it_says_so(forge):
    pid = forge.pids()["egress"]
    os.kill(pid, signal.SIGSTOP)
    try:
        run = subprocess.Popen(
            forge.command("credential", "test", "forge", "--json"),
            env=forge.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        wait_until(lambda: forge.json(
            "audit", "show", "--event", "credential.test")["events"], "begun")
    finally:
        os.kill(pid, signal.SIGKILL)
    said = json.loads(run.communicate(timeout=60)[0])
    assert said["reachable"] is False
    wait_until(lambda: tried(forge, "forge")[0] == 0, "the new one")


def test_names_that_are_none_and_a_locked_vault(forge):
    missing = forge.run("credential", "test", "forg", check=False)
    assert missing.returncode == 5 and "forge" in missing.stderr
    forge.run("lock")
    locked = forge.run("credential", "test", "forge", check=False)
    assert locked.returncode == 3
    found = doctor(forge, "--network")
    assert "locked" in one(found, "network", "warn")["text"]


def test_the_secret_stays_out_of_it(broker, listener):
    add(broker, "plain", f"http://127.0.0.1:{listener.port}")
    broker.run("credential", "test", "plain")
    shown = json.dumps(doctor(broker, "--network"))
    assert SECRET not in shown + broker.log_text()
    wait_until(lambda: len(listener.got) == 2, "two connections")
    assert SECRET.encode() not in b"".join(listener.got)


def doctor(broker, *options):
    return json.loads(broker.run("doctor", "--json", *options,
                                 check=False).stdout)["findings"]


def one(findings, check, level):
    found = [f for f in findings
             if f["check"] == check and f["level"] == level]
    assert len(found) == 1, findings
    return found[0]


def test_doctor_tries_every_credential(forge, git_server):
    add(forge, "gone", "no-such-host.invalid")
    found = [f for f in doctor(forge, "--network") if f["check"] == "network"]
    assert {f["level"] for f in found} == {"ok", "fail"}
    assert forge.run("doctor", "--network", check=False).returncode == 5
    # Without being asked it tries none.
    assert not [f for f in doctor(forge) if f["check"] == "network"]


def test_doctor_without_a_broker_tries_none(bare):
    found = doctor(bare, "--network")
    assert "running broker" in one(found, "network", "warn")["text"]
