"""How the processes of a broker that runs are confined: as root, as root with
users of their own, and as an ordinary user; and that it still serves."""

import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

import pytest

import conftest
from conftest import SANITIZED, Broker, wait_until

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0,
                               reason="only root has other users")
CORE, GATEWAY, EGRESS = 54331, 54332, 54333
OTHER = 54341
USERS = {"core_user": str(CORE), "gateway_user": str(GATEWAY),
         "egress_user": str(EGRESS)}
HOST = {kind: os.readlink(f"/proc/self/ns/{kind}")
        for kind in ("user", "pid", "ipc", "uts", "net", "mnt")}


@pytest.fixture
def place():
    """Where other users can get at it, as below /run."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def apart(place):
    """Root's broker, with users of their own."""
    broker = Broker(place, USERS)
    broker.init()
    broker.start()
    yield broker
    broker.stop()


class OrdinaryBroker(Broker):
    """An ordinary user's, with programs that he can reach."""

    def __init__(self, folder):
        super().__init__(folder)
        shutil.copytree(conftest.BUILD / "bin", folder / "usr" / "bin")
        shutil.copytree(conftest.BUILD / "libexec" / "credbroker", folder /
                        "usr" / "libexec" / "credbroker", symlinks=True)
        for path in (folder, self.home, self.config):
            os.chown(path, OTHER, OTHER)

    def command(self, *args):
        return ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}",
                "--clear-groups", "--",
                str(self.folder / "usr/bin/credbroker"),
                *super().command(*args)[1:]]


@pytest.fixture
def ordinary(place):
    broker = OrdinaryBroker(place)
    broker.init()
    broker.start()
    yield broker
    broker.stop()


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def confinement(broker):
    """Once each process has said what it is bound to."""
    def told():
        all_of = broker.json("status")["confinement"]
        return not any("starting" in p for c in all_of.values()
                       for p in c["problems"]) and all_of
    return wait_until(told, "every process tells")


def own_namespaces(pid):
    """Those in which a process is and we are not."""
    return {kind for kind, ours in HOST.items()
            if os.readlink(f"/proc/{pid}/ns/{kind}") != ours}


def root_of(pid):
    """What a process sees of files; without what a sanitizer has there."""
    return set(os.listdir(f"/proc/{pid}/root")) - (
        {"proc"} if SANITIZED else set())


def check_all(broker, users):
    confined, pids = confinement(broker), broker.pids()
    assert set(confined) == {"supervisor", "core", "gateway", "egress", "kdf"}
    for name, pid in pids.items():
        status = status_of(pid)
        assert status["Seccomp"] == "2", name
        assert status["NoNewPrivs"] == "1", name
        assert status["Uid"].split() == [str(users[name])] * 4, name
        assert confined[name]["seccomp"] is True, name
        assert confined[name]["user"] == users[name], name
        if name != "supervisor":
            for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                assert int(status[kind], 16) == 0, (name, kind)
    return confined, pids


@ROOT_ONLY
def test_each_process_is_bound_under_root(broker):
    confined, _ = check_all(broker, dict.fromkeys(
        ("supervisor", "core", "gateway", "egress"), 0))
    for name in ("core", "gateway", "egress", "kdf"):
        assert any("runs as root" in p for p in confined[name]["problems"])


@ROOT_ONLY
def test_each_process_has_its_own_user(apart):
    confined, pids = check_all(apart, {"supervisor": 0, "core": CORE,
                                       "gateway": GATEWAY, "egress": EGRESS})
    for name in ("core", "gateway", "egress"):
        assert status_of(pids[name])["Groups"].split() == []
        assert confined[name]["problems"] == [], name
    # And the state is the core's alone.
    for path in (apart.state, *apart.state.rglob("*")):
        assert path.lstat().st_uid == CORE, path
        assert stat.S_IMODE(path.lstat().st_mode) & 0o22 == 0, path


@ROOT_ONLY
def test_gateway_and_egress_are_elsewhere_under_root(apart):
    pids = apart.pids()
    confinement(apart)
    assert own_namespaces(pids["core"]) == set()
    assert own_namespaces(pids["gateway"]) == {"pid", "ipc", "uts", "net",
                                               "mnt"}
    assert own_namespaces(pids["egress"]) == {"pid", "ipc", "uts", "mnt"}
    assert root_of(pids["gateway"]) == set()
    assert root_of(pids["egress"]) <= {"etc", "usr"}


@ROOT_ONLY
def test_an_ordinary_users_processes_are_elsewhere_too(ordinary):
    confined, pids = check_all(ordinary, dict.fromkeys(
        ("supervisor", "core", "gateway", "egress"), OTHER))
    if confined["gateway"]["problems"]:
        pytest.skip(f"the kernel says: {confined['gateway']['problems']}")
    assert own_namespaces(pids["core"]) == set()
    assert own_namespaces(pids["gateway"]) == {"user", "ipc", "uts", "net",
                                               "mnt"}
    assert own_namespaces(pids["egress"]) == {"user", "ipc", "uts", "mnt"}
    assert root_of(pids["gateway"]) == set()
    assert root_of(pids["egress"]) <= {"etc", "usr"}


@ROOT_ONLY
def test_with_users_of_their_own_it_starts_again_and_unlocks(apart):
    apart.stop()
    apart.start()
    apart.run("lock")
    apart.stop()
    apart.start(unlock=False)
    assert apart.json("status")["state"] == "locked"


@ROOT_ONLY
def test_one_that_dies_comes_back_bound(apart):
    before = apart.pids()["gateway"]
    os.kill(before, signal.SIGKILL)

    def back():
        pid = apart.pids()["gateway"]
        return pid not in (0, before) and os.path.exists(f"/proc/{pid}")
    wait_until(back, "another gateway")
    check_all(apart, {"supervisor": 0, "core": CORE, "gateway": GATEWAY,
                      "egress": EGRESS})


@ROOT_ONLY
def test_a_core_that_dies_is_counted(apart):
    os.kill(apart.pids()["core"], signal.SIGKILL)

    def restarts():
        done = apart.run("status", "--json", check=False)
        return done.returncode == 0 and {
            p["name"]: p for p in json.loads(done.stdout)["processes"]
        }["core"]["restarts"]
    assert wait_until(restarts, "another core") == 1


@ROOT_ONLY
def test_nothing_outlives_a_supervisor_that_is_killed(apart):
    pids = apart.pids()
    apart.process.kill()
    apart.process.wait()
    for name, pid in pids.items():
        wait_until(lambda: not os.path.exists(f"/proc/{pid}") or
                   status_of(pid)["State"].startswith("Z"),
                   f"{name} is gone")
    apart.process = None


@ROOT_ONLY
@pytest.mark.parametrize("plant", ["symlink", "hard link", "fifo"])
def test_what_is_not_a_plain_file_is_not_handed_over(place, plant):
    broker = Broker(place, USERS)
    broker.init()
    victim = place / "victim"
    victim.write_text("root's")
    victim.chmod(0o600)
    planted = broker.state / "planted"
    {"symlink": lambda: planted.symlink_to(victim),
     "hard link": lambda: planted.hardlink_to(victim),
     "fifo": lambda: os.mkfifo(planted)}[plant]()
    broker.launch()
    assert broker.process.wait(timeout=60) != 0
    assert "planted" in broker.log_text()
    assert victim.stat().st_uid == 0
    assert broker.state.stat().st_uid == 0
    broker.process = None


@ROOT_ONLY
def test_a_state_folder_of_somebody_else_is_refused(place):
    broker = Broker(place, USERS)
    broker.init()
    os.chown(broker.state, OTHER, OTHER)
    broker.launch()
    assert broker.process.wait(timeout=60) != 0
    assert str(OTHER) in broker.log_text()
    assert (broker.state / "vault").stat().st_uid == 0
    broker.process = None


@ROOT_ONLY
def test_a_link_in_place_of_the_state_folder_is_not_followed(place):
    """A core that owns a parent could have put it there."""
    broker = Broker(place, USERS)
    broker.init()
    target = place / "target"
    broker.state.rename(target)
    broker.state.symlink_to(target)
    broker.launch()
    assert broker.process.wait(timeout=60) != 0
    assert target.stat().st_uid == 0
    assert (target / "vault").stat().st_uid == 0
    broker.process = None


class Elsewhere(Broker):
    """With an /etc of its own."""

    def __init__(self, folder):
        super().__init__(folder)
        self.etc = folder / "etc"
        shutil.copytree("/etc", self.etc, symlinks=True)
        (self.etc / "resolv.conf").unlink(missing_ok=True)
        self.resolve_at("127.0.0.1")

    def resolve_at(self, address):
        (self.etc / "new").write_text(f"nameserver {address}\n")
        (self.etc / "new").rename(self.etc / "resolv.conf")

    def command(self, *args):
        words = super().command(*args)
        if args[0] != "serve":
            return words
        return ["unshare", "-m", "sh", "-c",
                f'mount --bind {self.etc} /etc && exec "$@"', "sh", *words]


@pytest.fixture
def elsewhere(place):
    broker = Elsewhere(place)
    broker.init()
    broker.start()
    yield broker
    broker.stop(check=False)


def other_egress(broker, before):
    return wait_until(lambda: broker.pids()["egress"] not in (0, before)
                      and broker.pids()["egress"], "another egress")


@ROOT_ONLY
def test_a_resolver_file_that_is_replaced_is_noticed(elsewhere):
    """Its root shows the egress the one that was there at start."""
    confinement(elsewhere)
    before = elsewhere.pids()["egress"]
    elsewhere.resolve_at("127.0.0.2")
    after = other_egress(elsewhere, before)
    shown = pathlib.Path(f"/proc/{after}/root/etc/resolv.conf")
    wait_until(lambda: root_of(after) <= {"etc", "usr"}, "its root")
    assert "127.0.0.2" in shown.read_text()


@ROOT_ONLY
def test_a_mint_ends_before_another_egress_is_started_for_it(elsewhere):
    sts = pytest.importorskip("sts")    # which needs botocore
    confinement(elsewhere)
    before = elsewhere.pids()["egress"]
    with sts.Sts({"AKIDEXAMPLE": "secret"}) as service:
        elsewhere.run(
            "credential", "add", "aws", "--backend", "aws-sts",
            "-p", f"endpoint-url={service.url}", "-p", "network=loopback",
            "-p", "role-arn=arn:aws:iam::123456789012:role/logs",
            input="AKIDEXAMPLE\nsecret\n")
        service.fault = "slow-head"
        issue = subprocess.Popen(
            elsewhere.command("issue", "--task", "logs", "--grant",
                              "aws:actions=s3:*,resources=*"),
            env=elsewhere.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: service.count == 1, "the request")
        elsewhere.resolve_at("127.0.0.2")
        assert "did not answer in time" in issue.communicate(timeout=60)[1]
    other_egress(elsewhere, before)


# Runs a command in a user namespace with everybody in it, that has no more.
LAST_NAMESPACE = """
import ctypes, os, sys
ready, go = os.pipe(), os.pipe()
self = os.getpid()
if os.fork() == 0:
    os.read(ready[0], 1)
    for kind in ("uid_map", "gid_map"):
        with open(f"/proc/{self}/{kind}", "w") as file:
            file.write("0 0 4294967295")
    os.write(go[1], b"x")
    os._exit(0)
if ctypes.CDLL(None).unshare(0x10000000) != 0:
    sys.exit("no user namespace")
os.write(ready[1], b"x")
os.read(go[0], 1)
os.wait()
with open("/proc/sys/user/max_user_namespaces", "w") as file:
    file.write("0")
os.execvp(sys.argv[1], sys.argv[1:])
"""


@ROOT_ONLY
def test_without_namespaces_it_serves_all_the_same(place):
    """As in a container that forbids them."""
    class Narrow(OrdinaryBroker):
        def command(self, *args):
            words = super().command(*args)
            if args[0] != "serve":
                return words
            return ["/usr/bin/python3", "-c", LAST_NAMESPACE, *words]

    broker = Narrow(place)
    broker.init()
    broker.launch()
    try:
        wait_until(lambda: "serving" in broker.log_text() or
                   broker.process.poll() is not None, "serving")
        pids = {status_of(pid)["Name"]: pid
                for pid in conftest.descendants(broker.process.pid)}
        for name in ("credbroker-gate", "credbroker-egre"):
            wait_until(lambda: status_of(pids[name])["Seccomp_filters"] == "2",
                       f"{name} is bound")
            assert own_namespaces(pids[name]) == {"user"}
            assert int(status_of(pids[name])["CapEff"], 16) == 0
    finally:
        broker.stop(check=False)
