"""As a service: what is said to the service manager, and when; reloading; the
end under load.  The manager is a datagram socket of the test's own."""

import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import time

import pytest

from conftest import (CREDBROKER, Broker, add_git_credential, descendants,
                      wait_until)

GRANT = "forge:repository=acme/api"


class Manager:
    """Listens as systemd does, on a path or an abstract name."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.settimeout(0.05)
        self.heard = []

    def listen(self):
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except TimeoutError:
                return self.heard
            self.heard.append(dict(line.split("=", 1)
                                   for line in text.splitlines()))

    def says(self, key, value, after=0):
        """The first message with this line, from a place in the list on."""
        for message in self.listen()[after:]:
            if message.get(key) == value:
                return message
        return None

    def wait(self, key, value, after=0):
        return wait_until(lambda: self.says(key, value, after),
                          f"{key}={value} in {self.heard}")


class Service(Broker):
    """A broker that a manager started."""

    def __init__(self, folder, manager, more=None):
        self.manager = manager
        self.more = more or {}
        super().__init__(folder)

    def environment(self):
        return super().environment() | self.more | {
            "NOTIFY_SOCKET": self.manager.address}


@pytest.fixture(params=["path", "abstract"])
def manager(request, folder):
    made = Manager(str(folder / "notify") if request.param == "path" else
                   f"@crb-test-{os.getpid()}-{secrets.token_hex(4)}")
    yield made
    made.socket.close()


@pytest.fixture
def service(folder, manager):
    made = Service(folder, manager)
    made.init()
    yield made
    made.stop(check=False)


def admin_connects(broker):
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(broker.runtime / "admin.sock")) == 0


def test_ready_is_said_once_it_serves(service, manager):
    service.launch()
    first = manager.wait("READY", "1")
    assert first["STATUS"] == "Serving, unlocked"
    # At that moment, and not only soon.
    assert service.json("status")["state"] == "unlocked"
    service.stop()
    assert manager.says("STOPPING", "1")
    # Nothing is ready once it stops.
    order = [next(iter(m)) for m in manager.heard]
    assert "READY" not in order[order.index("STOPPING"):]


@pytest.mark.parametrize("most", [7, 1000000])
def test_the_log_says_how_many_sessions_fit(service, manager, most):
    service.configure({"sessions_max": most})
    service.launch()
    manager.wait("READY", "1")
    fit = service.json("status")["limits"]["sessions"]
    assert 0 < fit <= most
    assert f" sessions={fit}\n" in "".join(
        line for line in service.log_text().splitlines(True)
        if "serving, " in line)


def test_a_start_that_fails_is_never_ready(service, manager):
    vault = service.state / "vault"
    vault.write_bytes(b"damaged" + vault.read_bytes())
    service.launch()
    wait_until(lambda: service.process.poll() is not None, "the end")
    assert service.process.returncode != 0
    assert not manager.says("READY", "1")
    service.process = None


def test_status_follows_lock_and_unlock(service, manager):
    service.launch(unlock=False)
    manager.wait("STATUS", "Serving, locked: credbroker unlock")
    service.run("unlock", "--key-file", service.key)
    manager.wait("STATUS", "Serving, unlocked")
    before = len(manager.listen())
    service.run("lock")
    manager.wait("STATUS", "Serving, locked: credbroker unlock", before)


def test_children_do_not_see_the_socket(service, manager):
    service.launch()
    manager.wait("READY", "1")
    for pid in descendants(service.process.pid) + [service.process.pid]:
        environ = pathlib.Path(f"/proc/{pid}/environ")
        try:
            text = environ.read_bytes()
        except PermissionError:
            pytest.skip("only root sees what is not dumpable")
        assert b"NOTIFY_SOCKET" not in text
    for pid in descendants(service.process.pid):
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        assert manager.address not in line


def test_a_core_that_is_lost_is_told(service, manager):
    service.launch()
    manager.wait("READY", "1")
    before = len(manager.listen())
    os.kill(service.pids()["core"], signal.SIGKILL)
    manager.wait("STATUS", "The core is being started again", before)
    manager.wait("READY", "1", before)


def test_a_watchdog_is_fed_as_often_as_it_wants(folder, manager):
    service = Service(folder, manager, {"WATCHDOG_USEC": "200000"})
    service.init()
    service.launch()
    try:
        wait_until(lambda: sum("WATCHDOG" in m
                               for m in manager.listen()) >= 4, "four")
    finally:
        service.stop()


def test_a_watchdog_of_another_process_is_not_fed(folder, manager):
    service = Service(folder, manager, {"WATCHDOG_USEC": "1000",
                                        "WATCHDOG_PID": "1"})
    service.init()
    service.launch()
    try:
        manager.wait("READY", "1")
        assert not any("WATCHDOG" in m for m in manager.listen())
    finally:
        service.stop()


@pytest.mark.parametrize("address", ["vsock:2:9999", "relative", "/" + "x" * 120])
def test_an_address_that_is_none_is_refused(folder, address):
    broker = Broker(folder)
    broker.init()
    done = subprocess.run(broker.command("serve", "--key-file", broker.key),
                          env=broker.environment() | {"NOTIFY_SOCKET": address},
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "NOTIFY_SOCKET" in done.stderr


def test_a_manager_that_is_gone_stops_nobody(folder):
    broker = Broker(folder)
    broker.environment = lambda: Broker.environment(broker) | {
        "NOTIFY_SOCKET": str(folder / "nobody")}
    broker.init()
    broker.start()
    broker.stop()


# Reloading.

def reload(service, manager, **extra):
    """SIGHUP with this configuration; the manager's last word on it."""
    service.configure(extra)
    return hang_up(service, manager)


def hang_up(service, manager):
    before = len(manager.listen())
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    service.process.send_signal(signal.SIGHUP)
    started = manager.wait("RELOADING", "1", before)
    assert now <= int(started["MONOTONIC_USEC"]) <= now + 30_000_000
    return manager.wait("READY", "1", manager.heard.index(started))["STATUS"]


def ttl(broker):
    """How long a session lives here, unless told."""
    issued = broker.json("issue", "--task", "t", "-g", GRANT)["session"]
    times = [time.mktime(time.strptime(issued[k], "%Y-%m-%dT%H:%M:%SZ"))
             for k in ("created", "expires")]
    return times[1] - times[0]


def test_a_reload_takes_the_new_limits(service, manager, git_server):
    service.launch()
    manager.wait("READY", "1")
    add_git_credential(service, git_server)
    assert ttl(service) == 8 * 3600
    said = reload(service, manager, ttl="30m", sessions_max=2)
    assert said == "Serving, with the configuration read again"
    assert ttl(service) == 1800
    third = service.run("issue", "--task", "t", "-g", GRANT, check=False)
    assert third.returncode != 0 and "2" in third.stderr
    events = service.json("audit", "show", "--event", "config.reload")
    assert [e["detail"] for e in events["events"]] == [str(service.config)]
    status = service.json("status")["config"]
    assert status["file"] == str(service.config)
    assert "problem" not in status and status["restart"] == []


def test_a_bad_file_changes_nothing_and_is_told(service, manager, git_server):
    service.launch()
    manager.wait("READY", "1")
    add_git_credential(service, git_server)
    reload(service, manager, ttl="30m")
    service.config.write_text('{\n "ttl": "1h",\n "sesions_max": 3\n}')
    said = hang_up(service, manager)
    assert said == "Serving; the new configuration was not taken"
    where = f"{service.config}:3: unknown key"
    assert where in service.log_text()
    # Whoever asks reads a configuration too, if only for the socket's place.
    assert where in service.run("status", check=False).stderr
    bad, service.config = service.config, service.folder / "other.json"
    service.configure({})
    assert where in service.json("status")["config"]["problem"]
    assert where in service.run("status").stdout
    assert ttl(service) == 1800
    service.config = bad
    # Put right, it is taken, and the problem is gone.
    reload(service, manager, ttl="20m")
    assert ttl(service) == 1200
    assert "problem" not in service.json("status")["config"]


@pytest.mark.parametrize("spoil", ["writable", "gone", "pipe"])
def test_a_file_that_cannot_be_trusted_is_not_read(service, manager, spoil):
    service.launch()
    manager.wait("READY", "1")
    if spoil == "writable":
        service.config.chmod(0o622)
    else:
        service.config.unlink()
    if spoil == "pipe":
        os.mkfifo(service.config, 0o600)
    said = hang_up(service, manager)
    assert said == "Serving; the new configuration was not taken"
    assert str(service.config) in service.log_text()


def test_what_waits_for_a_restart_is_told(service, manager):
    service.launch()
    manager.wait("READY", "1")
    reload(service, manager, key_file=str(service.folder / "other"))
    assert service.json("status")["config"]["restart"] == ["key_file"]
    assert "key_file" in service.run("status").stdout
    reload(service, manager)
    assert service.json("status")["config"]["restart"] == []


def test_a_locked_broker_reloads(service, manager):
    service.launch(unlock=False)
    manager.wait("READY", "1")
    assert "read again" in reload(service, manager, ttl="30m")


def test_many_hangups_end_in_the_last_file(service, manager, git_server):
    service.launch()
    manager.wait("READY", "1")
    add_git_credential(service, git_server)
    for minutes in range(1, 40):
        service.configure({"ttl": f"{minutes}m"})
        service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: ttl(service) == 39 * 60, "the last one", 60)


def test_the_usual_file_is_read_at_start_and_again(folder, manager,
                                                   git_server):
    service = Service(folder, manager)
    if os.geteuid() == 0:
        pytest.skip("root's usual file is the system's")
    usual = service.home / ".config/credbroker/credbroker.json"
    usual.parent.mkdir(parents=True)
    usual.write_text(json.dumps({"state": str(service.state), "ttl": "30m",
                                 "runtime": str(service.runtime)}))
    service.command = lambda *args: [
        w for w in Broker.command(service, *args)
        if w not in ("--config", str(service.config))]
    service.init()
    service.launch()
    try:
        manager.wait("READY", "1")
        add_git_credential(service, git_server)
        assert ttl(service) == 1800
    finally:
        service.stop()


def test_a_terminal_that_is_closed_ends_the_broker(service, manager):
    """And a SIGHUP while it is there does not."""
    pid, terminal = os.forkpty()
    if pid == 0:
        os.execve(CREDBROKER, service.command(
            "serve", "--key-file", service.key), service.environment())
    try:
        manager.wait("READY", "1")
        before = len(manager.listen())
        os.kill(pid, signal.SIGHUP)
        manager.wait("RELOADING", "1", before)
        os.close(terminal)
        terminal = None
        manager.wait("STOPPING", "1", before)
        assert os.waitpid(pid, 0)[1] == 0
        pid = None
    finally:
        if terminal is not None:
            os.close(terminal)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_nohup_lets_it_outlive_its_terminal(service, manager):
    pid, terminal = os.forkpty()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.execve(CREDBROKER, service.command(
            "serve", "--key-file", service.key), service.environment())
    try:
        manager.wait("READY", "1")
        before = len(manager.listen())
        os.close(terminal)
        # It is taken for the other meaning.
        manager.wait("RELOADING", "1", before)
        assert service.run("status").returncode == 0
    finally:
        os.kill(pid, signal.SIGTERM)
        assert os.waitpid(pid, 0)[1] == 0


def test_sigterm_under_load_ends_in_order(service, manager, git_server):
    service.launch()
    manager.wait("READY", "1")
    add_git_credential(service, git_server)
    issued = [service.json("issue", "--task", f"t{i}", "-g", GRANT)
              for i in range(20)]
    loops = []
    for one in issued[:8]:
        endpoint = f"{one['session']['folder']}/endpoint.sock"
        url = (f"http://127.0.0.1:9169/git/{git_server.authority}/"
               "acme/api.git/info/refs?service=git-upload-pack")
        loops.append(subprocess.Popen(
            ["sh", "-c", f"while :; do curl -s -o /dev/null --unix-socket "
             f"'{endpoint}' '{url}' || sleep 0.05; done"],
            stdin=subprocess.DEVNULL))
    try:
        begun = git_server.requests()
        wait_until(lambda: git_server.requests() > begun + 20, "load")
        service.stop()      # status 0, and nothing left behind
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    assert manager.says("STOPPING", "1")
    assert "does not stop" not in service.log_text()
    said = len(manager.listen())
    service.launch()
    manager.wait("READY", "1", said)
    assert len(service.json("session", "list")["sessions"]) == 20
    service.run("audit", "verify")
