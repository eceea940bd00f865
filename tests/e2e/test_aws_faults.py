"""A broker whose token service fails in every way there is: who asked is told
why, in the service's own words; the broker stays as it was, other sessions go
on; nothing is asked for without end; and no key is in anything that is told."""

import contextlib
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from aws_relay import UnixConnection
from conftest import (CREDBROKER, SANITIZED, Broker, descriptors, wait_until)
from test_egress import certificates  # noqa: F401

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
fake = pytest.importorskip("sts", reason="the fake needs python3-boto3")

KEY, SECRET = "AKIDCANARYCANARY0002", "canary/secret+of/the+credential=========="
ROLE = "arn:aws:iam::123456789012:role/logs"
GRANT = "{}:actions=s3:GetObject,resources=arn:aws:s3:::alpha/*"
TRIES = 3
UPSTREAM_FAILED = 4
FEW_MIB = (24 if SANITIZED else 4) << 20


class World:
    """One broker, and a token service that works and one that need not."""

    def __init__(self, broker, steady, sts):
        self.broker, self.steady, self.sts = broker, steady, sts
        self.told = []       # all that anybody was told

    def run(self, *args, **kwargs):
        done = self.broker.run(*args, check=False, **kwargs)
        self.told += [done.stdout, done.stderr]
        return done

    def issue(self, credential="aws-dev", *options):
        return self.run("issue", "--task", "logs", "--json", "--grant",
                        GRANT.format(credential), *options)

    def open(self, credential="aws-dev", *options):
        done = self.issue(credential, *options)
        assert done.returncode == 0, done.stderr
        return Session(self, json.loads(done.stdout))

    def live(self):
        sessions = self.broker.json("session", "list")["sessions"]
        return {s["id"] for s in sessions if s["state"] == "live"}


class Session:
    """As its sandbox sees it."""

    def __init__(self, world, issued):
        self.world = world
        self.id = issued["session"]["id"]
        self.folder = pathlib.Path(next(
            mount["source"] for mount in issued["mounts"]
            if mount["target"] == "/run/credbroker"))

    def fetch(self, credential="aws-dev", asked=lambda: None):
        """(status, headers, JSON) of container credentials; `asked` is called
        when the request is on its way."""
        connection = UnixConnection(self.folder / "endpoint.sock")
        with contextlib.closing(connection):
            connection.request(
                "GET", f"/v1/aws/{credential}",
                headers={"Host": "127.0.0.1:9169", "Authorization":
                         (self.folder / "token").read_text()})
            asked()
            response = connection.getresponse()
            body = response.read().decode()
        if response.status != 200:
            self.world.told.append(body)
        return response.status, response.headers, json.loads(body)

    def end(self):
        self.world.broker.run("revoke", self.id)


def add(broker, name, sts, ca=None):
    params = {"endpoint-url": sts.url, "network": "loopback",
              "region": "eu-west-1", "role-arn": ROLE}
    if ca:
        params["ca"] = f"@{ca}"
    words = [w for pair in params.items() for w in ("-p", "=".join(pair))]
    broker.run("credential", "add", name, "--backend", "aws-sts", *words,
               input=f"{KEY}\n{SECRET}\n")


def resident(broker):
    def of(pid):
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        return sum(int(line.split()[1]) << 10 for line in lines
                   if line.startswith("RssAnon"))
    return sum(of(pid) for pid in broker.pids().values())


def audit_text(broker):
    return "".join(path.read_text(errors="replace")
                   for path in sorted(broker.state.rglob("*.jsonl")))


def assert_untold(world):
    """No key is in a log, an error or an audit line."""
    texts = {"answers": "\n".join(world.told),
             "log": world.broker.log_text(),
             "audit": audit_text(world.broker)}
    assert "lease.mint" in texts["audit"]
    issued = [*world.sts.issued, *world.steady.issued]
    for where, text in texts.items():
        assert SECRET not in text and KEY not in text, where
        for keys in issued:
            assert keys.secret not in text and keys.token not in text, where


@pytest.fixture(scope="module")
def world():
    """The same broker for all, so that what one fault breaks is seen by the
    next."""
    if not CREDBROKER.exists():
        pytest.skip(f"{CREDBROKER} is not built")
    folder = tempfile.mkdtemp(prefix="crb-")
    broker = Broker(folder)
    broker.init()
    with fake.Sts({KEY: SECRET}) as steady, fake.Sts({KEY: SECRET}) as sts:
        broker.start()
        try:
            add(broker, "steady", steady)
            add(broker, "aws-dev", sts)
            made = World(broker, steady, sts)
            made.pids = broker.pids()
            yield made
            # They are the processes that there were at the start.
            assert broker.pids() == made.pids
            assert sts.problems == [] and steady.problems == []
            broker.run("audit", "verify")
        finally:
            broker.stop()
        assert_untold(made)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def neighbour(world):
    """Another session, which has keys of its own, before and after."""
    world.sts.fault, world.sts.faults = None, []
    session = world.open("steady")
    keys = world.steady.issued[-1]

    def check():
        status, _, told = session.fetch("steady")
        assert status == 200 and told["AccessKeyId"] == keys.id
        assert told["SecretAccessKey"] == keys.secret
        assert told["Token"] == keys.token
    check()
    yield check
    world.sts.fault, world.sts.faults = None, []
    check()
    session.end()


# fault: (requests, words that are told; the service's request id if True)
FAULTS = {
    "denied": (1, "403 AccessDenied", True),
    "packed": (1, "PackedPolicyTooLarge", True),
    "throttled": (TRIES, "Throttling", True),
    "500": (TRIES, "InternalFailure", True),
    "cut-off": (TRIES, "closed the connection without an answer", False),
    "truncated": (TRIES, "closed the connection early", False),
    "garbage": (1, "127.0.0.1", False),
    "huge": (1, "more than 256 KiB", False),
    "redirect": (1, "307", False),
    "gzip": (1, "Content-Encoding", False),
    "past": (1, "clock", False),
    "future": (1, "clock", False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_issue_tells_why_and_leaves_nothing(world, neighbour, fault):
    requests, words, has_id = FAULTS[fault]
    before, live = world.sts.count, world.live()
    world.sts.fault = fault
    done = world.issue()
    assert done.returncode == UPSTREAM_FAILED, done
    assert words in done.stderr
    assert not has_id or world.sts.last_id in done.stderr
    assert world.sts.count - before == requests
    assert world.live() == live
    # What the service said is in the audit log, too.
    if has_id:
        wait_until(lambda: world.sts.last_id in audit_text(world.broker),
                   "audit record")
    # And then all is well again.
    world.sts.fault = None
    world.open().end()


def test_run_tells_why(world, neighbour):
    world.sts.fault = "denied"
    workspace = tempfile.mkdtemp(dir=world.broker.folder)
    done = world.run("run", "--task", "logs", "--workspace", workspace,
                     "--network", "host", "--grant", GRANT.format("aws-dev"),
                     "--", "touch", "was-run")
    assert done.returncode == UPSTREAM_FAILED
    assert "403 AccessDenied" in done.stderr
    assert not (pathlib.Path(workspace) / "was-run").exists()


def test_nobody_there(world, neighbour):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))     # bound, never listening
        port = held.getsockname()[1]
        world.sts.url, url = f"http://127.0.0.1:{port}", world.sts.url
        try:
            add(world.broker, "nobody", world.sts)
        finally:
            world.sts.url = url
        done = world.issue("nobody")
    assert done.returncode == UPSTREAM_FAILED
    assert "refused the connection" in done.stderr


@pytest.mark.limit(500)
def test_a_slow_service_holds_up_nobody_else(world, neighbour):
    """Some hang before the head, some in the body; each for 30 s at most."""
    results = []

    def issue(fault):
        world.sts.faults.append(fault)
        since = time.monotonic()
        done = world.issue()
        results.append((done, time.monotonic() - since))
    before = world.sts.count
    threads = [threading.Thread(target=issue, args=(fault,))
               for fault in ("slow-head", "slow-body", "slow-head")]
    for thread in threads:
        thread.start()
    wait_until(lambda: world.sts.count - before == len(threads), "requests")
    neighbour()
    world.open("steady").end()
    assert results == [], "they hang, and others were served"
    for thread in threads:
        thread.join()
    for done, seconds in results:
        assert done.returncode == UPSTREAM_FAILED, done
        assert "did not answer in time" in done.stderr
        assert 25 < seconds < 60
    assert world.sts.count - before == len(threads)


def test_tls(world, neighbour, certificates):
    with fake.Sts({KEY: SECRET}, tls=certificates) as sts:
        add(world.broker, "tls", sts, ca=certificates / "ca.pem")
        add(world.broker, "tls-other", sts, ca=certificates / "other.pem")
        world.open("tls").end()
        assert (sts.count, sts.problems) == (1, [])
        done = world.issue("tls-other")
        assert done.returncode == UPSTREAM_FAILED
        assert "not trusted" in done.stderr
        assert sts.count == 1


# --- At a fetch, when the session is open -----------------------------------

def test_a_client_is_told_what_the_service_said(world, neighbour):
    session = world.open("aws-dev", "--mint", "later")
    before, since = world.sts.count, time.monotonic()
    world.sts.fault = "denied"
    status, headers, told = session.fetch()
    assert status in (403, 502) and headers["Credbroker-Error"]
    assert headers["Content-Type"].startswith("application/problem+json")
    assert world.sts.last_id in told["detail"]
    # What SDKs show.
    assert told["Code"] and "AccessDenied" in told["Message"]
    # For a while it is not asked again.
    for _ in range(20):
        assert session.fetch()[0] == status
    # It rests for 1, 2, 4 ... s: the request n comes after 2^(n-1) - 1.
    rests = 2 ** (world.sts.count - before - 1) - 1
    assert rests <= time.monotonic() - since
    world.sts.fault = None
    wait_until(lambda: session.fetch()[0] == 200, "keys")
    session.end()


@pytest.mark.parametrize("fault", ["throttled", "500", "cut-off"])
def test_a_client_is_asked_to_come_back(world, neighbour, fault):
    session = world.open("aws-dev", "--mint", "later")
    before = world.sts.count
    world.sts.fault = fault
    status, headers, told = session.fetch()
    assert status == 503, told
    assert 1 <= int(headers["Retry-After"]) <= 60
    assert world.sts.count - before == TRIES
    world.sts.fault = None
    wait_until(lambda: session.fetch()[0] == 200, "keys")
    session.end()


def test_many_clients_are_one_request(world, neighbour):
    session = world.open("aws-dev", "--mint", "later")
    for fault, statuses in (("500", {503}), (None, {200})):
        world.sts.fault = fault
        if fault is None:
            wait_until(lambda: session.fetch()[0] == 200, "keys")
            session.end()
            session = world.open("aws-dev", "--mint", "later")
        before, answers = world.sts.count, []
        all_asked = threading.Barrier(51, timeout=60)

        def ask():
            answers.append(session.fetch(asked=all_asked.wait)[0])
        threads = [threading.Thread(target=ask) for _ in range(50)]
        # Nobody is answered before everybody has asked.
        with world.sts.lock:
            for thread in threads:
                thread.start()
            all_asked.wait()
        for thread in threads:
            thread.join()
        assert set(answers) == statuses
        assert world.sts.count - before == (TRIES if fault else 1)
    session.end()


def test_who_asks_all_the_time_makes_few_requests(world, neighbour):
    """1, 2, 4 ... s are waited, however often a sandbox asks."""
    session = world.open("aws-dev", "--mint", "later")
    before, until = world.sts.count, time.monotonic() + 8
    world.sts.fault = "500"
    asked = 0
    while time.monotonic() < until:
        assert session.fetch()[0] == 503
        asked += 1
    assert asked > 10
    assert world.sts.count - before <= 4 * TRIES
    session.end()


def test_nothing_grows(world, neighbour):
    def round_of_faults():
        for fault in ("denied", "huge", "garbage", "half", "past"):
            world.sts.fault = fault
            assert world.issue().returncode == UPSTREAM_FAILED
        world.sts.fault = None
        world.open().end()
        return 6

    def files(name):
        return len(descriptors(world.broker.pids()[name]))
    round_of_faults()
    memory, open_files = resident(world.broker), files("egress")
    others = {name: files(name) for name in ("core", "gateway")}
    ended = sum(round_of_faults() for _ in range(5))
    wait_until(lambda: files("egress") <= open_files, "descriptors")
    # The endpoint of an ended session says so for a while.
    for name, before in others.items():
        assert files(name) <= before + ended
    assert resident(world.broker) - memory < FEW_MIB


def test_a_stop_waits_for_no_service(folder):
    """Nor does an issue that is under way hold it up."""
    broker = Broker(folder)
    broker.init()
    with fake.Sts({KEY: SECRET}) as sts:
        broker.start()
        add(broker, "aws-dev", sts)
        sts.fault = "slow-head"
        asking = subprocess.Popen(
            broker.command("issue", "--task", "logs", "--grant",
                           GRANT.format("aws-dev")),
            env=broker.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: sts.count == 1, "the request")
        since = time.monotonic()
        broker.stop()
        # The service is given 30 s, which are over later than this.
        assert time.monotonic() - since < 25
        _, errors = asking.communicate(timeout=30)
        assert asking.returncode != 0 and errors
