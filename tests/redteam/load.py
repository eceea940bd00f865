"""What the tests of load stand on: an admin who issues thousands of sessions,
clients by the thousand, and limits that are set on processes as they run."""

import concurrent.futures
import contextlib
import errno
import json
import os
import pathlib
import resource
import shutil
import socket
import tempfile

import pytest

from attack import HOST, Endpoint, Recorder, add_credential, e2e, status_of

GRANT = "forge:repository=acme/api,git=fetch+push"
ASK = (f"GET /v1/session HTTP/1.1\r\nHost: {HOST}\r\n"
       "Credbroker-Session: 1\r\n\r\n").encode()
AT_ONCE = 16

root_only = pytest.mark.skipif(
    os.geteuid() != 0, reason="limits of other processes are set by root only")


class Refused(Exception):
    """An error that the core answered with; `data` is its data."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.data = error["data"]


def admin_connect(broker, timeout=60):
    """A connection to the admin socket, as yet without a word on it."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout)
    client.connect(str(broker.runtime / "admin.sock"))
    return client


def send_proof(client, first):
    """The first byte of a connection comes with what shows where it is from."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(f"/proc/self/ns/{kind}"))
                 for kind in ("user", "pid")]
        socket.send_fds(client, [first], [f.fileno() for f in files])


class Admin:
    """A connection to the admin socket, one call after the other."""

    def __init__(self, broker):
        self.client = admin_connect(broker)
        self.rest = b""
        self.proved = False

    def call(self, method, **params):
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                           "params": params}).encode() + b"\n"
        if not self.proved:
            send_proof(self.client, line[:1])
            line = line[1:]
            self.proved = True
        self.client.sendall(line)
        while b"\n" not in self.rest:
            piece = self.client.recv(1 << 16)
            if not piece:
                raise ConnectionError("the admin socket was closed")
            self.rest += piece
        answer, _, self.rest = self.rest.partition(b"\n")
        answer = json.loads(answer)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()


class Issued(Endpoint):
    """A session that was issued in another way than by the command."""

    def __init__(self, broker, session):     # pylint: disable=W0231
        self.broker, self.session = broker, session
        self.id = session["id"]
        self.folder = pathlib.Path(session["folder"])


def issue_many(broker, count, task="load"):
    """Sixteen clients at once; the sessions, and the refusals."""
    def some(share):
        sessions, refusals = [], []
        with Admin(broker) as admin:
            for _ in range(share):
                try:
                    issued = admin.call("session.issue", task=task,
                                        grants=[GRANT], ttl=7200)
                    sessions.append(Issued(broker, issued["session"]))
                except Refused as refusal:
                    refusals.append(refusal)
        return sessions, refusals

    shares = [count // AT_ONCE + (i < count % AT_ONCE) for i in range(AT_ONCE)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(some, shares))
    return (sum((sessions for sessions, _ in done), []),
            sum((refusals for _, refusals in done), []))


def answers(endpoint):
    """What /v1/session of an endpoint says, by its status."""
    return endpoint.ask("GET", "/v1/session", "Credbroker-Session: 1")[0]


def fetch(endpoint, upstream):
    return endpoint.ask("GET", f"/git/{upstream.authority}/acme/api/info/refs"
                        "?service=git-upload-pack")[0]


def connect_many(paths, count, stack, data=b""):
    """So many connections, going round the sockets; those that were taken.
    A backlog is bounded: where it is full, nobody waits here."""
    taken = []
    for i in range(count):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stack.callback(client.close)
        client.setblocking(False)
        try:
            client.connect(str(paths[i % len(paths)]))
            if data:
                client.send(data)
        except OSError as error:
            assert error.errno in (errno.EAGAIN, errno.EPIPE,
                                   errno.ECONNRESET), error
            client.close()
            continue
        taken.append(client)
    return taken


def room_for(wanted, spare=200):
    """How many connections there may be in one of our processes, and in the
    broker's, which raise their own limit to the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < wanted + spare:
        return hard - spare
    return wanted


@contextlib.contextmanager
def own_limit(count):
    """Room for so many descriptors in the test itself."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(before[0], count + 200)
    if before[1] != resource.RLIM_INFINITY:
        wanted = min(wanted, before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def limited(pid, what, value):
    """A limit of a process that runs; it is taken back at the end."""
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (value, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, what, before)


def descriptors(pid):
    """None when it may not be known."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return None


def all_descriptors(broker):
    return {name: descriptors(pid) for name, pid in broker.pids().items()}


def read_answer(client):
    """The head of an answer and as much of its body as is announced."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(1 << 16)
        if not piece:
            return None, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n")
               if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < lengths[0]:
        piece = client.recv(1 << 16)
        if not piece:
            break
        body += piece
    return status_of(head), body


@contextlib.contextmanager
def loaded(config=None):
    """A broker of its own, with a recording upstream."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    broker = e2e.Broker(path, {"requests_per_minute": 6000000,
                               **(config or {})})
    upstream = None
    try:
        broker.init()
        broker.start()
        broker.upstream = upstream = Recorder()
        broker.secret = "canary-of-load-" + os.urandom(12).hex()
        add_credential(broker, "forge", upstream, broker.secret,
                       "auth=basic", "username=robot")
        yield broker
    finally:
        if upstream is not None:
            upstream.close()
        try:
            broker.stop()
        finally:
            shutil.rmtree(path, ignore_errors=True)
