"""The gateway is the attacker's: it sends what it likes on its bus and its
streams, and tries every call there is.  What is lost are the grants of the
live sessions, for as long as they live, and nothing else."""

import json
import os
import pathlib
import platform
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

import pytest

import attack
from attack import (BUILD, Broker, Endpoint, Recorder, add_credential,
                    wait_until)
from sweep import encodings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
import bus  # noqa: E402

OBEDIENT = BUILD / "tests" / "redteam" / "obedient_gateway"
BUS = 3
POINTER = 0x7ead << 32
REFS = "info/refs"
QUERY = "service=git-upload-pack"
POST = {"method": "POST", "body": 1}

pytestmark = pytest.mark.skipif(
    not OBEDIENT.exists(), reason=f"{OBEDIENT} is not built")


def installation(folder):
    """The programs, with the obedient one in the gateway's place."""
    shutil.copytree(BUILD / "bin", folder / "bin")
    shutil.copytree(BUILD / "libexec", folder / "libexec", symlinks=True)
    shutil.copy(OBEDIENT, folder / "libexec/credbroker/credbroker-gateway")
    return folder / "bin" / "credbroker"


class Turned:
    """Commands for the gateway, given at a session's endpoint."""

    def __init__(self, endpoint):
        self.client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.client.settimeout(60)
        self.client.connect(str(endpoint.folder / "endpoint.sock"))
        self.heard = []     # every byte that reached the gateway
        self.open = []      # verdicts of exchanges that go on
        self.waiting = {}   # of a stream, what its last packet still says

    def tell(self, op, fd=-1, payload=b""):
        """(result, descriptor, payload), or None when it died of it."""
        try:
            self.client.sendall(struct.pack("=iiI", ord(op), fd, len(payload))
                                + payload)
            head = self.read(16)
        except ConnectionError:
            head = b""
        if len(head) < 16:
            return None
        result, fd, size = struct.unpack("=qiI", head)
        return result, fd, self.read(size)

    def read(self, size):
        data = b""
        while len(data) < size and (piece := self.client.recv(size - len(data))):
            data += piece
        return data

    def send(self, kind, fd=BUS, /, **values):
        return self.send_raw(bus.encode(kind, **values), fd)

    def send_raw(self, packet, fd=BUS):
        return self.tell("s", fd, packet)

    def receive(self, fd=BUS):
        """(name, fields, descriptor); name None when nothing comes, or ever
        will."""
        if self.waiting.get(fd):
            return (*self.waiting[fd].pop(0), -1)
        told = self.tell("r", fd)
        if told is None or told[0] != 0 or not told[2]:
            return None, None, -1
        self.heard.append(told[2])
        self.waiting.pop(told[1], None)
        first, *self.waiting[fd] = bus.spell_out(*bus.decode(told[2]))
        return (*first, told[1])

    def expect(self, kind, fd=BUS):
        """The next message of that kind; what comes before is heard only."""
        while True:
            name, fields, got = self.receive(fd)
            assert name is not None, f"no {kind}"
            if name == kind:
                return fields, got

    def call(self, name, *args, memory=b""):
        """What a system call gives: 0, -errno, or None when it killed."""
        number = SYSCALLS[name]
        words = [number, *args] + [0] * (6 - len(args))
        told = self.tell("x", -1, struct.pack("=7Q", *(
            word & (1 << 64) - 1 for word in words)) + memory)
        return None if told is None else told[0]

    def exchange(self, endpoint, target, query="", **more):
        """Ask the core, as the gateway does for a sandbox's request."""
        values = dict(exchange=int.from_bytes(secrets.token_bytes(6), "big"),
                      session=endpoint.id, route=1, method="GET", target=target,
                      query=query, has_query=int(bool(query)), body=0)
        values.update(more)
        self.send("EXCHANGE", **values)
        while True:
            verdict, stream = self.expect("VERDICT")
            if verdict["exchange"] == values["exchange"]:
                if verdict["allowed"]:
                    self.open.append(verdict)
                return verdict, stream

    def close(self):
        """So that the session has room for the next attack's exchanges."""
        for verdict in self.open:
            self.send("EXCHANGE_DONE", exchange=verdict["exchange"],
                      job=verdict["job"])
        self.client.close()


class World:
    def __init__(self, folder):
        self.folder = folder
        self.secrets = {name: "canary-" + secrets.token_hex(16)
                        for name in ("one", "two", "unused")}
        program, attack.e2e.CREDBROKER = attack.e2e.CREDBROKER, installation(
            folder / "installed")
        self.restore = program
        self.broker = Broker(folder, {"requests_per_minute": 6000000,
                                      "exchanges_max": 16})
        self.broker.init()
        self.broker.start()
        self.upstreams = {}
        for name, secret in self.secrets.items():
            self.upstreams[name] = Recorder()
            add_credential(self.broker, name, self.upstreams[name], secret,
                           "auth=basic", "username=robot")
        self.sessions = {name: Endpoint(
            self.broker, [f"{name}:repository=acme/api"], task=name)
            for name in ("one", "two")}
        self.turned = []
        self.deaths = 0

    def dies(self, attack):
        """The gateway ends with this, and another one takes its place.  A
        broker that has seen too many deaths pauses: it is started anew."""
        if self.deaths >= 3:
            self.broker.stop()
            self.broker.start()
            self.deaths = 0
        before = wait_until(self.all_up, "all processes are there")
        attack(self.attacker())
        self.deaths += 1

        def another():
            now = self.all_up() or before
            return now["gateway"] != before["gateway"] and now
        after = wait_until(another, "another gateway")
        self.unharmed(before, after)

    def attacker(self, name="one"):
        """It is there again, however the last one ended."""
        def connect():
            turned = Turned(self.sessions[name])
            # The socket may still be that of one that is gone.
            if turned.tell("s", -1) is None:
                turned.close()
                return None
            return turned

        def retry():
            try:
                return connect()
            except OSError:
                return None
        turned = wait_until(retry, "the gateway is there")
        self.turned.append(turned)
        return turned

    def target(self, name, repository="acme/api.git", path=REFS):
        return f"{self.upstreams[name].authority}/{repository}/{path}"

    def unharmed(self, before, after):
        for process in ("supervisor", "core", "egress"):
            assert after[process] == before[process], process

    def check(self, before):
        """Nothing but the gateway was harmed, and it heard no secret."""
        self.unharmed(before, wait_until(self.all_up, "all processes"))
        for turned in self.turned:
            heard = b"".join(turned.heard)
            for secret in self.secrets.values():
                for form in encodings(secret.encode()).values():
                    assert form not in heard
        self.close_attackers()
        assert self.broker.run("audit", "verify").returncode == 0

    def close_attackers(self):
        for turned in self.turned:
            turned.close()
        self.turned = []

    def all_up(self):
        done = self.broker.run("status", "--json", check=False)
        status = json.loads(done.stdout) if done.returncode == 0 else {}
        if status and all(p.get("up", True) for p in status["processes"]):
            return {p["name"]: p["pid"] for p in status["processes"]}
        return None

    def close(self):
        attack.e2e.CREDBROKER = self.restore
        for upstream in self.upstreams.values():
            upstream.close()
        self.broker.stop()


@pytest.fixture(scope="module")
def module_world():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    made = World(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def restless(module_world):
    """For attacks that the gateway does not survive."""
    yield module_world
    wait_until(module_world.all_up, "all processes are there")
    module_world.close_attackers()


@pytest.fixture
def world(module_world):
    """Each attack is followed by the question what it cost."""
    before = wait_until(module_world.all_up, "all processes are there")
    for upstream in module_world.upstreams.values():
        upstream.taken()
        upstream.answer = None
    yield module_world
    module_world.check(before)


# --- What is lost -----------------------------------------------------------

def test_the_grants_of_all_live_sessions_are_lost(world):
    """It may speak for each session that lives, as each could itself."""
    turned = world.attacker("one")
    for name in ("one", "two"):
        verdict, stream = turned.exchange(world.sessions[name],
                                          world.target(name), QUERY)
        assert verdict["allowed"] == 1
        turned.send("REQUEST_HEAD", stream, job=verdict["job"],
                    headers="accept: */*\n")
        turned.send("REQUEST_END", stream)
        head, _ = turned.expect("RESPONSE_HEAD", stream)
        assert head["status"] == 200
        assert world.upstreams[name].taken()


# --- What is not ------------------------------------------------------------

@pytest.mark.parametrize("change", [
    {"session": "nosuch00"}, {"session": ""}, {"session": "../../x"},
    {"method": "DELETE"}, {"method": "get"}, {"method": "GET "},
    {"query": "service=git-receive-pack"}, {"query": ""},
    {"query": QUERY + "&x=1"}, {"route": 0}, {"route": 7}, {"body": 9},
    {"path": "git-receive-pack", **POST, "query": ""},
    {"path": "../infra.git/info/refs"}, {"path": "info//refs"},
    {"path": "%69nfo/refs"}, {"repository": "acme/infra.git"},
    {"repository": "acme/api.git/../infra.git"}, {"repository": "ACME/api"},
    {"credential": "unused"}, {"authority": "localhost:1"},
    {"authority": "169.254.169.254"}, {"target": ""}, {"target": "/"},
    {"target": "\r\nHost: evil"}], ids=repr)
def test_what_is_not_granted_is_refused(world, change):
    change = dict(change)
    target = world.target(change.pop("credential", "one"),
                          change.pop("repository", "acme/api.git"),
                          change.pop("path", REFS))
    if "authority" in change:
        target = change.pop("authority") + "/acme/api.git/info/refs"
    values = {"target": target, "query": QUERY, **change}
    values["has_query"] = int(bool(values["query"]))
    turned = world.attacker()
    verdict, stream = turned.exchange(
        world.sessions["one"], values.pop("target"), values.pop("query"),
        **values)
    assert verdict["allowed"] == 0 and verdict["status"] >= 400, verdict
    assert stream == -1
    for upstream in world.upstreams.values():
        assert upstream.taken() == []


def test_one_sessions_grants_do_not_serve_another(world):
    turned = world.attacker("one")
    verdict, _ = turned.exchange(world.sessions["two"], world.target("one"),
                                 QUERY)
    assert verdict["allowed"] == 0


def test_an_ended_session_is_of_no_use(world):
    ended = Endpoint(world.broker, ["two:repository=acme/api"], task="ended")
    turned = world.attacker("one")
    # The turned gateway never acknowledges; the core does not wait for ever.
    turned.send("QUERY", exchange=1, session=ended.id, what=0)
    turned.expect("ANSWER")
    revoke = threading.Thread(target=world.broker.run, args=(
        "revoke", ended.id), kwargs={"check": False})
    revoke.start()
    end, _ = turned.expect("SESSION_END")
    verdict, _ = turned.exchange(ended, world.target("two"), QUERY)
    assert verdict["allowed"] == 0
    turned.send("SESSION_ENDED", request=end["request"],
                session=end["session"])
    revoke.join()


def test_what_is_judged_is_what_is_sent(world):
    """The stream carries listed headers and a body, of the job it names."""
    turned = world.attacker()
    for headers in ("authorization: Basic eDp5\n", "host: evil\n",
                    "cookie: a=b\n", "x-evil: 1\n", "content-length: 5\n",
                    "transfer-encoding: chunked\n", "accept: a\r\nx: y\n",
                    "Accept: a\n", "accept: a\naccept: b\n", "accept",
                    ": x\n", "accept: \x1b[0m\n"):
        verdict, stream = turned.exchange(world.sessions["one"],
                                          world.target("one"), QUERY)
        assert verdict["allowed"] == 1
        turned.send("REQUEST_HEAD", stream, job=verdict["job"],
                    headers=headers)
        turned.send("REQUEST_END", stream)
        name, fields, _ = turned.receive(stream)
        for head, _ in world.upstreams["one"].taken():
            assert b"evil" not in head and b"eDp5" not in head
        assert name in (None, "RESPONSE_FAIL", "RESPONSE_HEAD"), headers
        if name == "RESPONSE_HEAD":
            assert headers == "accept: a\naccept: b\n"


@pytest.mark.parametrize("job", [0, 1, 1 << 40, (1 << 64) - 1])
def test_a_stream_is_for_its_job(world, job):
    turned = world.attacker()
    verdict, stream = turned.exchange(world.sessions["one"],
                                      world.target("one"), QUERY)
    if job == verdict["job"]:
        job += 1
    turned.send("REQUEST_HEAD", stream, job=job, headers="")
    turned.send("REQUEST_END", stream)
    name, _, _ = turned.receive(stream)
    assert name in (None, "RESPONSE_FAIL")
    assert world.upstreams["one"].taken() == []


def test_a_body_where_none_was_judged(world):
    turned = world.attacker()
    verdict, stream = turned.exchange(world.sessions["one"],
                                      world.target("one"), QUERY)
    turned.send("REQUEST_HEAD", stream, job=verdict["job"], headers="")
    turned.send("REQUEST_BODY", stream, data=b"GET /evil HTTP/1.1\r\n\r\n")
    turned.send("REQUEST_END", stream)
    turned.receive(stream)
    for head, body in world.upstreams["one"].taken():
        assert b"evil" not in head + body


def test_the_secret_that_comes_back_is_blotted_out(world):
    """Also from the gateway: what it hears is searched after each attack."""
    secret = world.secrets["one"]

    def echo(head, connection):
        body = head + secret.encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
                           % len(body) + body)
        return True
    world.upstreams["one"].answer = echo
    turned = world.attacker()
    verdict, stream = turned.exchange(world.sessions["one"],
                                      world.target("one"), QUERY)
    turned.send("REQUEST_HEAD", stream, job=verdict["job"], headers="")
    turned.send("REQUEST_END", stream)
    turned.expect("RESPONSE_END", stream)
    assert any(b"****" in packet for packet in turned.heard)


def test_questions_are_answered_without_secrets(world):
    turned = world.attacker()
    asked = 0
    for name in ("one", "two"):
        for what in range(5):
            for credential in ("", "one", "two", "unused", "../one"):
                asked += 1
                turned.send("QUERY", exchange=asked, name=credential,
                            session=world.sessions[name].id, what=what,
                            body=b"protocol=https\nhost=localhost\n\n")
                while turned.expect("ANSWER")[0]["exchange"] != asked:
                    pass


# --- On the bus -------------------------------------------------------------

# The table of messages has the direction of each; its unit tests try all.
@pytest.mark.parametrize("name", [
    "PEER", "FOLDER_OPEN", "READY", "SESSION_OPEN", "JOB", "REQUEST_HEAD"])
def test_what_only_others_may_say_is_the_end(restless, name):
    """It cannot speak as the supervisor, the egress, or the core itself."""
    restless.dies(lambda turned: turned.send(name))


EXCHANGE = bus.encode("EXCHANGE", exchange=1, session="abcdefgh", route=1,
                      method="GET", target="x", query="y", has_query=1)
MALFORMED = {
    "a byte": b"\1",
    "cut within a field": EXCHANGE[:16],
    "a byte too many": EXCHANGE + b"\0",
    "a length past the end": EXCHANGE[:10] + b"\xff" * 4 + EXCHANGE[14:],
    "a field too long": bus.encode("EXCHANGE", session="a" * 17),
    "a NUL in a text": bus.encode("EXCHANGE", target="a\0b"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_messages_end_the_bus(restless, what):
    restless.dies(lambda turned: turned.send_raw(MALFORMED[what]))


def test_descriptors_that_nobody_asked_for_are_the_end(restless):
    """In the core, they would be a way to make it run out of them."""
    restless.dies(lambda turned: turned.tell(
        "d", BUS, struct.pack("=i", BUS) + bus.encode("EXCHANGE_DONE")))


def test_reports_of_what_never_was_change_nothing(world):
    turned = world.attacker()
    for number in range(200):
        turned.send("EXCHANGE_DONE", exchange=number, job=number, clean=1,
                    status=200, up=1 << 62, down=1 << 62)
        turned.send("SESSION_ENDED", request=number, session="one")
    verdict, _ = turned.exchange(world.sessions["one"], world.target("one"),
                                 QUERY)
    assert verdict["allowed"] == 1
    shown = world.broker.json("session", "show", world.sessions["two"].id)
    assert shown["session"]["up"] < 1 << 40


def test_exchanges_at_once_are_bounded(world):
    turned = world.attacker()
    verdicts = [turned.exchange(world.sessions["one"], world.target("one"),
                                QUERY)[0] for _ in range(40)]
    assert 0 < sum(v["allowed"] for v in verdicts) <= 16
    # The other session is served all the same.
    verdict, _ = turned.exchange(world.sessions["two"], world.target("two"),
                                 QUERY)
    assert verdict["allowed"] == 1


# --- System calls -----------------------------------------------------------

SYSCALLS = {"open": 2, "stat": 4, "pipe": 22, "dup": 32, "socket": 41,
       "connect": 42, "bind": 49, "listen": 50, "socketpair": 53, "fork": 57,
       "vfork": 58, "execve": 59, "kill": 62, "rename": 82, "mkdir": 83,
       "unlink": 87, "chmod": 90, "ptrace": 101, "setuid": 105,
       "personality": 135, "prctl": 157, "chroot": 161, "mount": 165,
       "tgkill": 234, "add_key": 248, "request_key": 249, "keyctl": 250,
       "openat": 257, "splice": 275, "unshare": 272,
       "perf_event_open": 298, "prlimit64": 302, "name_to_handle_at": 303,
       "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
       "process_vm_writev": 311, "kcmp": 312, "seccomp": 317,
       "memfd_create": 319, "bpf": 321, "execveat": 322, "userfaultfd": 323,
       "io_uring_setup": 425, "pidfd_send_signal": 424, "open_tree": 428,
       "move_mount": 429, "pidfd_open": 434, "openat2": 437,
       "pidfd_getfd": 438, "process_madvise": 440}


def attempts(pids, broker):
    """What it would take to get further."""
    path = POINTER
    yield "open", (path, 0), b"/etc/passwd\0"
    for file in ("/etc/passwd", f"{broker.state}/vault", str(broker.key),
                 f"/proc/{pids['core']}/mem", "/proc/self/mem",
                 f"/proc/{pids['egress']}/environ"):
        yield "openat", (-100, path, 0), file.encode() + b"\0"
        yield "openat", (-100, path, 2), file.encode() + b"\0"
    yield "openat2", (-100, path, POINTER + 64, 24), b"/etc/passwd".ljust(
        64, b"\0") + bytes(24)
    for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6,
                   socket.AF_NETLINK, 17, 38, 40):
        yield "socket", (family, socket.SOCK_STREAM, 0), b""
    yield "connect", (BUS, POINTER, 110), (
        b"\1\0" + f"{broker.runtime}/admin.sock".encode().ljust(108, b"\0"))
    for name in ("core", "egress", "supervisor"):
        yield "ptrace", (16, pids[name], 0, 0), b""         # ATTACH
        yield "ptrace", (0x4206, pids[name], 0, 0), b""     # SEIZE
        yield "process_vm_readv", (pids[name], POINTER, 1, POINTER, 1, 0), (
            bytes(16))
        yield "process_vm_writev", (pids[name], POINTER, 1, POINTER, 1, 0), (
            bytes(16))
        yield "kill", (pids[name], 9), b""
        yield "tgkill", (pids[name], pids[name], 9), b""
        yield "pidfd_open", (pids[name], 0), b""
        yield "kcmp", (os.getpid(), pids[name], 0, 0, 0), b""
        yield "prlimit64", (pids[name], 7, 0, POINTER), bytes(16)
    yield "execve", (path, 0, 0), b"/bin/sh\0"
    yield "execveat", (-100, path, 0, 0, 0), b"/bin/sh\0"
    for name in ("fork", "vfork", "pipe", "dup", "userfaultfd", "setuid",
                 "seccomp", "keyctl", "perf_event_open", "unshare", "setns",
                 "mount", "chroot", "bpf", "io_uring_setup", "socketpair",
                 "bind", "listen", "memfd_create", "pidfd_getfd",
                 "pidfd_send_signal", "open_by_handle_at", "open_tree",
                 "move_mount", "name_to_handle_at", "personality", "rename",
                 "unlink", "mkdir", "chmod", "add_key", "request_key",
                 "splice", "process_madvise"):
        yield name, (POINTER, POINTER, POINTER), bytes(256)
    yield "prctl", (4, 1), b""      # PR_SET_DUMPABLE
    yield "prctl", (0x59616D61, -1), b""    # PR_SET_PTRACER


def as_installed(test):
    """Sanitizers read files, and stop and read other threads; coverage is
    written to files."""
    program = OBEDIENT.read_bytes() if OBEDIENT.exists() else b""
    instrumented = b"__asan_init" in program or b"__gcov_" in program
    return pytest.mark.skipif(
        instrumented or platform.machine() != "x86_64",
        reason="a sanitizer's own calls and those of coverage are let "
        "through, and the numbers are "
        "those of x86-64; scripts/test tries them in the release build")(test)


class Alone:
    """The program without a broker: it may die as often as it likes."""

    def __init__(self, folder):
        ours, theirs = bus.pair()
        self.folder = folder
        self.process = subprocess.Popen(
            [str(OBEDIENT)], env={}, pass_fds=(3,),
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3))
        theirs.close()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(folder / "endpoint.sock"))
        listener.listen()
        bus.End(ours).send("SESSION_OPEN", fd=listener.fileno(), session="s")
        self.core = ours
        listener.close()
        self.turned = Turned(self)

    def close(self):
        self.turned.close()
        self.core.close()
        (self.folder / "endpoint.sock").unlink()
        self.process.kill()
        self.process.wait()


@as_installed
def test_no_call_leads_further(world, folder):
    """Each kills the process, by the filter and not by chance, or fails."""
    tried = 0
    for name, args, memory in attempts(world.broker.pids(), world.broker):
        alone = Alone(folder)
        result = alone.turned.call(name, *args, memory=memory)
        if result is None:
            assert alone.process.wait(30) == -signal.SIGSYS, (name, args)
        else:
            assert result < 0, (name, args, result)
        alone.close()
        tried += 1
    assert tried > 80


@as_installed
@pytest.mark.parametrize("name", ["openat", "socket", "ptrace", "execve"])
def test_a_gateway_that_tries_is_replaced(restless, name):
    args, memory = next(
        (args, memory) for call, args, memory in attempts(
            restless.broker.pids(), restless.broker) if call == name)
    restless.dies(lambda turned: turned.call(name, *args, memory=memory))
