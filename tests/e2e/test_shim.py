"""The shim against a peer that stands in for the gateway's socket.

CRB_BUILD_DIR names the build folder (default: build/dev).  Everything runs
with the static program and, where it was built, with the one that has the
sanitizers in it.
"""

import ctypes
import fcntl
import hashlib
import os
import pty
import random
import resource
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get("CRB_BUILD_DIR", os.path.join(ROOT, "build", "dev"))
STATIC = os.path.join(BUILD, "shim", "credbroker-shim")
CHECKED = os.path.join(BUILD, "shim", "credbroker-shim-checked")
HELPER = "git-credential-credbroker"
PATIENCE = 30
SYS_PIDFD_GETFD = 438


def programs():
    return [path for path in (STATIC, CHECKED) if os.path.exists(path)] or \
        [STATIC]


@pytest.fixture(params=programs(), ids=os.path.basename)
def shim(request):
    return request.param


@pytest.fixture(autouse=True)
def patience():
    """A test that waits for ever fails instead."""
    def give_up(*_):
        pytest.fail("nothing happens")
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(2 * PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def folder():
    # Short, because a socket's path has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="crb") as path:
        yield path


def environment(**more):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("GIT_", "CREDBROKER_"))}
    # The shim may not be traced, and the leak checker traces.
    env["ASAN_OPTIONS"] = "detect_leaks=0"
    env.update(more)
    return env


def await_true(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain for: " + what
        time.sleep(0.005)


def readable(file, seconds):
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def read_to_end(sock):
    out = bytearray()
    while True:
        piece = sock.recv(1 << 16)
        if not piece:
            return bytes(out)
        out += piece


def read_request(sock):
    """Head and body of one request, the body by its Content-Length."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        piece = sock.recv(1 << 16)
        if not piece:
            return bytes(data), b""
        data += piece
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += sock.recv(1 << 16)
    return head, body


class Peer:
    """A unix socket; `handler(sock)` runs in a thread for each connection."""

    def __init__(self, path, handler):
        self.path = path
        self.handler = handler
        self.accepted = 0
        self.listener = socket.socket(socket.AF_UNIX)
        # As the broker does it: the name changes hands in one step.
        self.listener.bind(path + ".new")
        self.listener.listen(1024)
        os.rename(path + ".new", path)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.one, args=(sock,),
                             daemon=True).start()

    def one(self, sock):
        with sock:
            sock.settimeout(PATIENCE)
            try:
                self.handler(sock)
            except ConnectionError:
                # The shim may have heard enough.
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def http_peer(path, reply):
    requests = []

    def handler(sock):
        requests.append(read_request(sock))
        sock.sendall(reply)

    peer = Peer(path, handler)
    peer.requests = requests
    return peer


def reply(status=200, body=b"", *headers):
    head = ["HTTP/1.1 %d Whatever" % status,
            "Content-Length: %d" % len(body), *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Forwarder:
    def __init__(self, shim, path, *options, **popen):
        self.process = subprocess.Popen(
            [shim, "forward", "--listen", "127.0.0.1:0", "--socket", path,
             *options], stdout=subprocess.PIPE, env=environment(), **popen)
        line = self.process.stdout.readline().decode().strip()
        host, _, port = line.partition(":")
        self.address = (host, int(port))

    def connect(self):
        return socket.create_connection(self.address, timeout=PATIENCE)

    def ask(self):
        with self.connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return read_to_end(sock)

    def status(self, key):
        with open("/proc/%d/status" % self.process.pid) as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1])
        raise KeyError(key)

    def cpu_ticks(self):
        with open("/proc/%d/stat" % self.process.pid) as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def targets(self):
        """What its descriptors are; None for who may not look into it."""
        base = "/proc/%d/fd" % self.process.pid
        try:
            return [os.readlink(os.path.join(base, fd))
                    for fd in os.listdir(base)]
        except PermissionError:
            return None
        except FileNotFoundError:
            return []

    def await_links(self, count):
        """`count` descriptors beyond those it has with no connection."""
        if self.idle is not None:
            await_true(lambda: len(self.targets()) - self.idle == count,
                       "%d descriptors of links" % count)

    def __enter__(self):
        # The event loop's descriptor is made after the line was printed.
        # Then only root may look.
        loop = "anon_inode:[eventpoll]"

        def ready():
            targets = self.targets()
            return targets is None or loop in targets

        await_true(ready, "the event loop")
        targets = self.targets()
        self.idle = None if targets is None else len(targets)
        return self

    def __exit__(self, *_):
        # It must still be there: nothing a client does may end it.
        assert self.process.poll() is None
        self.process.terminate()
        self.process.stdout.close()
        assert self.process.wait(PATIENCE) == -signal.SIGTERM


# What the program is


def test_program_is_small_and_static():
    assert os.stat(STATIC).st_size < 100 * 1024
    with open(STATIC, "rb") as file:
        elf = file.read()
    assert elf[:5] == b"\x7fELF\x02"
    offset, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    kinds = {struct.unpack_from("<I", elf, offset + i * size)[0]: i
             for i in range(count)}
    assert 3 not in kinds, "PT_INTERP"
    relro, stack = 0x6474E552, 0x6474E551
    assert relro in kinds and stack in kinds
    flags, = struct.unpack_from("<I", elf, offset + kinds[stack] * size + 4)
    assert flags & 1 == 0, "executable stack"


def test_helper_name_is_a_link_to_it():
    assert os.readlink(os.path.join(BUILD, "shim", HELPER)) == \
        "credbroker-shim"


@pytest.mark.parametrize("args", [
    [], ["nonsense"], ["get"], ["get", "/a", "/b"], ["status", "x"],
    ["forward", "x"], ["forward", "--nonsense"], ["forward", "--socket"],
    ["forward", "--socket="], ["get", "--listen", "127.0.0.1:1", "/a"],
    ["get", "--retry", "-1", "/a"], ["get", "--retry", "", "/a"],
    ["get", "--retry", "3601", "/a"], ["get", "--retry", "1s", "/a"],
    ["get", "nothing"], ["get", "/a b"], ["get", "/a\r\nX: y"],
    ["get", "/\x80"], ["get", "/#x"], ["get", "/" + 4096 * "x"], ["exec"],
    ["exec", "--"], [HELPER],
])
def test_wrong_usage_is_status_2(shim, args):
    done = subprocess.run([shim, *args], capture_output=True,
                          env=environment(), timeout=PATIENCE)
    assert done.returncode == 2
    assert done.stdout == b"" and done.stderr != b""


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["exec", "--help"]])
def test_help_is_not_an_error(shim, args):
    done = subprocess.run([shim, *args], capture_output=True,
                          env=environment(), timeout=PATIENCE)
    assert done.returncode == 0
    assert b"git-credential-credbroker" in done.stdout


# forward


def test_forward_relays_50_megabytes_both_ways_at_once(shim, folder):
    path = os.path.join(folder, "s")
    total = 50 * 1000 * 1000
    piece = random.Random(1).randbytes(1000 * 1000)
    seen = {}

    def both(sock, name):
        sender = threading.Thread(target=lambda: (
            [sock.sendall(piece) for _ in range(total // len(piece))],
            sock.shutdown(socket.SHUT_WR)))
        sender.start()
        digest = hashlib.sha256()
        count = 0
        while True:
            data = sock.recv(1 << 16)
            if not data:
                break
            digest.update(data)
            count += len(data)
        sender.join()
        seen[name] = (count, digest.hexdigest())

    with Peer(path, lambda sock: both(sock, "peer")), \
            Forwarder(shim, path) as forwarder:
        with forwarder.connect() as sock:
            both(sock, "client")
        await_true(lambda: "peer" in seen, "the peer's end")
        forwarder.await_links(0)
    wanted = hashlib.sha256()
    for _ in range(total // len(piece)):
        wanted.update(piece)
    assert seen["client"] == seen["peer"] == (total, wanted.hexdigest())


def test_forward_keeps_a_connection_for_many_requests(shim, folder):
    path = os.path.join(folder, "s")

    def echo(sock):
        while True:
            data = sock.recv(100)
            if not data:
                return
            sock.sendall(data[::-1])

    with Peer(path, echo), Forwarder(shim, path) as forwarder, \
            forwarder.connect() as sock:
        for i in range(1000):
            text = b"%06d" % i
            sock.sendall(text)
            assert sock.recv(100) == text[::-1]


def test_forward_passes_the_clients_half_close_on(shim, folder):
    path = os.path.join(folder, "s")

    def answer_after_end(sock):
        data = read_to_end(sock)
        sock.sendall(b"got %d" % len(data))

    with Peer(path, answer_after_end), Forwarder(shim, path) as forwarder, \
            forwarder.connect() as sock:
        sock.sendall(100000 * b"x")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b"got 100000"
        forwarder.await_links(0)


def test_forward_passes_the_brokers_half_close_on(shim, folder):
    path = os.path.join(folder, "s")
    got = []

    def end_first(sock):
        sock.sendall(b"early")
        sock.shutdown(socket.SHUT_WR)
        got.append(len(read_to_end(sock)))

    with Peer(path, end_first), Forwarder(shim, path) as forwarder, \
            forwarder.connect() as sock:
        assert read_to_end(sock) == b"early"
        sock.sendall(3000000 * b"y")
        sock.shutdown(socket.SHUT_WR)
        await_true(lambda: got == [3000000], "the client's rest")
        forwarder.await_links(0)


def test_forward_keeps_an_answer_that_came_before_the_body_was_read(
        shim, folder):
    path = os.path.join(folder, "s")

    def refuse_early(sock):
        sock.recv(10)
        sock.sendall(b"no" * 20000)

    with Peer(path, refuse_early), Forwarder(shim, path) as forwarder, \
            forwarder.connect() as sock:
        try:
            for _ in range(100):
                sock.sendall(100000 * b"z")
        except ConnectionError:
            pass
        assert read_to_end(sock) == b"no" * 20000


def test_forward_does_not_wait_for_a_client_for_ever(shim, folder):
    path = os.path.join(folder, "s")
    with Peer(path, lambda sock: sock.sendall(b"bye")), \
            Forwarder(shim, path) as forwarder, forwarder.connect() as sock:
        assert read_to_end(sock) == b"bye"
        # The client keeps its end open.
        forwarder.await_links(0)


def test_forward_tells_the_broker_that_the_client_went(shim, folder):
    path = os.path.join(folder, "s")
    ends = []

    def greet(sock):
        sock.sendall(b"hello")
        ends.append(read_to_end(sock))

    with Peer(path, greet), Forwarder(shim, path) as forwarder:
        for abrupt in (False, True):
            with forwarder.connect() as sock:
                assert sock.recv(5) == b"hello"
                if abrupt:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    struct.pack("ii", 1, 0))
        await_true(lambda: ends == [b"", b""], "both ends")
        forwarder.await_links(0)


def test_forward_holds_back_who_sends_faster_than_the_other_reads(
        shim, folder):
    path = os.path.join(folder, "s")
    sent = {"peer": 0, "client": 0}
    done = threading.Event()

    def push(sock, name):
        sock.setblocking(False)
        while not done.is_set():
            try:
                sent[name] += sock.send((1 << 16) * b"x")
            except BlockingIOError:
                time.sleep(0.01)
            except ConnectionError:
                return

    def settled():
        before = dict(sent)
        time.sleep(0.3)
        return before == sent and all(sent.values())

    with Peer(path, lambda sock: push(sock, "peer")), \
            Forwarder(shim, path) as forwarder:
        sock = forwarder.connect()
        pusher = threading.Thread(target=push, args=(sock, "client"))
        pusher.start()
        await_true(settled, "both to be held back")
        ticks = forwarder.cpu_ticks()
        if shim == STATIC:
            assert forwarder.status("VmRSS") < 1024
        time.sleep(0.3)
        assert forwarder.cpu_ticks() - ticks < 5, "it spins"
        done.set()
        pusher.join()
        sock.close()


def test_forward_does_not_spin_on_a_broker_that_hung_up(shim, folder):
    path = os.path.join(folder, "s")
    sent = threading.Event()

    def big_and_gone(sock):
        sock.sendall(100000 * b"x")
        sent.set()

    with Peer(path, big_and_gone), Forwarder(shim, path) as forwarder:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        sock.connect(forwarder.address)
        assert sent.wait(PATIENCE)
        ticks = forwarder.cpu_ticks()
        time.sleep(0.5)
        assert forwarder.cpu_ticks() - ticks < 10, "it spins"
        assert len(read_to_end(sock)) == 100000
        sock.close()


def test_forward_takes_512_connections_and_the_next_when_one_ends(
        shim, folder):
    path = os.path.join(folder, "s")
    held = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip("too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))

    def echo(sock):
        while True:
            data = sock.recv(100)
            if not data:
                return
            sock.sendall(data)

    with Peer(path, echo) as peer, Forwarder(shim, path) as forwarder:
        for _ in range(512):
            held.append(forwarder.connect())
        await_true(lambda: peer.accepted == 512, "512 connections")
        late = forwarder.connect()
        late.sendall(b"late")
        held[0].sendall(b"round")
        assert held[0].recv(100) == b"round"
        assert not readable(late, 0.2)
        assert peer.accepted == 512
        held.pop().close()
        assert late.recv(100) == b"late"
        for sock in held + [late]:
            sock.close()
        forwarder.await_links(0)


def test_forward_waits_for_a_broker_that_restarts(shim, folder):
    path = os.path.join(folder, "s")
    with Forwarder(shim, path) as forwarder:
        # Not there at all.
        with forwarder.connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            forwarder.await_links(1)
            with http_peer(path, reply(200, b"first")):
                assert read_to_end(sock).endswith(b"first")
        # The socket is there, and nobody behind it.
        with forwarder.connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            forwarder.await_links(1)
            with http_peer(path, reply(200, b"second")) as peer:
                assert read_to_end(sock).endswith(b"second")
                assert peer.requests[0][0].startswith(b"GET / ")


def test_forward_says_503_when_the_broker_stays_away(shim, folder):
    path = os.path.join(folder, "s")
    with Forwarder(shim, path, "--retry", "1") as forwarder:
        head, _, body = forwarder.ask().partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert lines[0] == b"HTTP/1.1 503 Service Unavailable"
        assert b"Content-Type: text/plain" in lines
        assert b"Credbroker-Error: unreachable" in lines
        assert b"Content-Length: %d" % len(body) in lines
        assert body == (
            b"credbroker: the broker does not answer: it is not running, it "
            b"is locked, or this session has ended\n")
        forwarder.await_links(0)
        # And it is found again afterwards.
        with http_peer(path, reply(200, b"back")):
            assert forwarder.ask().endswith(b"back")


def test_forward_says_503_to_who_is_still_sending(shim, folder):
    path = os.path.join(folder, "s")
    with Forwarder(shim, path, "--retry", "0") as forwarder, \
            forwarder.connect() as sock:
        try:
            for _ in range(30):
                sock.sendall(100000 * b"z")
        except ConnectionError:
            pass
        assert read_to_end(sock).startswith(b"HTTP/1.1 503 ")


def test_forward_answers_nobody_who_asked_nothing(shim, folder):
    path = os.path.join(folder, "s")
    with Forwarder(shim, path, "--retry", "0") as forwarder, \
            forwarder.connect() as sock:
        assert not readable(sock, 0.3)
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""
        forwarder.await_links(0)


def test_forward_waits_no_more_when_the_sessions_folder_was_removed(
        shim, folder):
    # As a bind mount sees it: the folder is there and has no name any more.
    place = os.path.join(folder, "session")
    os.mkdir(place)
    with Forwarder(shim, "s", "--retry", "3600", cwd=place) as forwarder:
        os.rmdir(place)
        assert forwarder.ask().startswith(b"HTTP/1.1 503 ")


def test_forward_stays_on_this_host(shim, folder):
    path = os.path.join(folder, "s")
    with Peer(path, read_to_end) as peer, Forwarder(shim, path) as forwarder:
        with forwarder.connect():
            await_true(lambda: peer.accepted == 1, "the connection")
            assert socket_options(forwarder.process.pid) == [(1, 0), (1, 0)]


def socket_options(pid):
    """(IP_TTL, SO_REUSEPORT) of every TCP socket of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = []
    try:
        fds = os.listdir("/proc/%d/fd" % pid)
    except PermissionError:
        pytest.skip("may not look into another process")
    pidfd = os.pidfd_open(pid)
    for fd in fds:
        copy = libc.syscall(SYS_PIDFD_GETFD, pidfd, int(fd), 0)
        if copy == -1:
            pytest.skip("may not look into another process")
        if not stat.S_ISSOCK(os.fstat(copy).st_mode):
            os.close(copy)
            continue
        with socket.socket(fileno=copy) as sock:
            if sock.family == socket.AF_INET:
                found.append((
                    sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL),
                    sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)))
    os.close(pidfd)
    return found


def test_forward_shares_its_port_with_nobody(shim, folder):
    with Forwarder(shim, os.path.join(folder, "s")) as forwarder:
        second = subprocess.run(
            [shim, "forward", "--listen", "%s:%d" % forwarder.address],
            capture_output=True, env=environment(), timeout=PATIENCE)
    assert second.returncode == 5
    assert b"in use" in second.stderr


@pytest.mark.parametrize("where", [
    "0.0.0.0:0", "10.0.0.1:0", "128.0.0.1:0", "localhost:0", "[::1]:0",
    "127.0.0.1", "127.0.0.1:", ":0", "127.0.0.1:65536", "127.0.0.1:x",
    "127.1:0", "127.0.0.1:0:0", "127.0.0.1 :0",
])
def test_forward_listens_on_loopback_only(shim, where):
    done = subprocess.run([shim, "forward", "--listen", where],
                          capture_output=True, env=environment(),
                          timeout=PATIENCE)
    assert done.returncode == 2
    assert b"loopback" in done.stderr


# exec


def exec_args(shim, folder, *command, retry="15"):
    return [shim, "exec", "--listen", "127.0.0.1:0", "--socket",
            os.path.join(folder, "s"), "--retry", retry, "--", *command]


def run_exec(shim, folder, *command, **more):
    env = environment(**more.pop("env", {}))
    return subprocess.run(exec_args(shim, folder, *command),
                          capture_output=True, env=env, timeout=PATIENCE,
                          **more)


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_exec_ends_with_the_commands_status(shim, folder, status):
    done = run_exec(shim, folder, "sh", "-c", "exit %d" % status)
    assert done.returncode == status
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize("number", [
    signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE,
    signal.SIGINT, signal.SIGUSR1])
def test_exec_dies_of_the_commands_signal(shim, folder, number):
    done = run_exec(shim, folder, "sh", "-c", "kill -%d $$" % number)
    assert done.returncode == -number


def test_exec_says_as_a_shell_that_a_command_cannot_run(shim, folder):
    done = run_exec(shim, folder, "/nowhere/at/all")
    assert done.returncode == 127 and b"/nowhere/at/all" in done.stderr
    done = run_exec(shim, folder, folder)
    assert done.returncode == 126


def test_exec_passes_arguments_input_and_environment(shim, folder):
    done = run_exec(shim, folder, "sh", "-c", 'cat; echo "$@" $X', "sh",
                    "--retry", "a b", input=b"in\n", env={"X": "y"})
    assert done.stdout == b"in\n--retry a b y\n"


ASK = """
import os, urllib.request
print(urllib.request.urlopen(os.environ["CREDBROKER_ENDPOINT"] + "/x")
      .read().decode())
"""


def test_exec_listens_before_the_command_starts(shim, folder):
    with http_peer(os.path.join(folder, "s"), reply(200, b"hello")):
        done = run_exec(shim, folder, sys.executable, "-c", ASK)
    assert done.stdout == b"hello\n", done.stderr


def test_exec_gives_the_command_our_descriptors_and_no_others(shim, folder):
    read, write = os.pipe()
    with os.fdopen(write, "wb"), os.fdopen(read, "rb") as ours:
        done = run_exec(
            shim, folder, "bash", "-c",
            "ls -l /proc/self/fd | grep -c socket; echo given >&%d" % write,
            pass_fds=[write])
        assert done.stdout == b"0\n", done.stderr
        assert ours.readline() == b"given\n"


def test_exec_holds_no_pipe_that_the_command_let_go(shim, folder):
    read, write = os.pipe()
    script = "exec 1>&- %d>&-; cat >/dev/null" % write
    process = subprocess.Popen(
        exec_args(shim, folder, "bash", "-c", script), env=environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[write])
    os.close(write)
    with os.fdopen(read, "rb") as extra:
        assert process.stdout.read() == b""
        assert extra.read() == b""
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(PATIENCE) == 0
    process.stdout.close()


TRAP = "trap 'echo %s; exit 9' %s; echo ready; while :; do sleep 0.02; done"


@pytest.mark.parametrize("name", [
    "HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "ALRM"])
def test_exec_passes_signals_on(shim, folder, name):
    process = subprocess.Popen(
        exec_args(shim, folder, "sh", "-c", TRAP % (name, name)),
        stdout=subprocess.PIPE, env=environment())
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(getattr(signal, "SIG" + name))
    assert process.stdout.read() == name.encode() + b"\n"
    assert process.wait(PATIENCE) == 9
    process.stdout.close()


def test_exec_leaves_the_commands_signals_as_they_were(shim, folder):
    # No shell: it would have some of them its own way.
    command = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]

    def ignore_some():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])

    direct = subprocess.run(command, capture_output=True,
                            preexec_fn=ignore_some, timeout=PATIENCE)
    through = run_exec(shim, folder, *command, preexec_fn=ignore_some)
    assert through.returncode == 0
    assert through.stdout == direct.stdout


def test_exec_stops_and_goes_on_with_the_command(shim, folder):
    process = subprocess.Popen(
        exec_args(shim, folder, "sh", "-c",
                  "echo ready; kill -STOP $$; echo again"),
        stdout=subprocess.PIPE, env=environment())
    assert process.stdout.readline() == b"ready\n"
    pid, status = os.waitpid(process.pid, os.WUNTRACED)
    assert pid == process.pid and os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    assert process.stdout.readline() == b"again\n"
    assert process.wait(PATIENCE) == 0
    process.stdout.close()


def test_exec_kills_the_command_when_it_is_killed(shim, folder):
    process = subprocess.Popen(
        exec_args(shim, folder, "sh", "-c", "echo $$; exec cat"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    command = int(process.stdout.readline())
    pidfd = os.pidfd_open(command)
    process.kill()
    assert readable(pidfd, PATIENCE)
    os.close(pidfd)
    process.wait(PATIENCE)
    process.stdin.close()
    process.stdout.close()


def test_exec_leaves_no_forwarder_behind(shim, folder):
    done = run_exec(shim, folder, "sh", "-c", "echo $CREDBROKER_ENDPOINT")
    port = int(done.stdout.decode().rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


class Terminal:
    """A program as the leader of a session with a terminal of its own."""

    def __init__(self, args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(args[0], args, environment())
        self.seen = b""

    def expect(self, text):
        while text not in self.seen:
            assert readable(self.fd, PATIENCE), self.seen
            self.seen += os.read(self.fd, 1024)
        self.seen = self.seen.partition(text)[2]

    def type(self, text):
        os.write(self.fd, text)

    def hang_up(self):
        os.close(self.fd)
        self.fd = -1

    def wait(self):
        pidfd = os.pidfd_open(self.pid)
        if not readable(pidfd, PATIENCE):
            os.kill(self.pid, signal.SIGKILL)
            pytest.fail("no end; last seen: %r" % self.seen)
        os.close(pidfd)
        if self.fd != -1:
            self.hang_up()
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


COUNTER = """
import os, signal, sys, time
count = 0
def note(*_):
    global count
    count += 1
    # Not print(), which the signal may have come in the middle of.
    os.write(1, b"interrupt %d." % count)
signal.signal(signal.SIGINT, note)
print("ready", flush=True)
sys.stdin.readline()
time.sleep(0.2)
print("in all %d." % count, flush=True)
"""


def test_exec_has_the_terminal_interrupt_the_command_once(shim, folder):
    terminal = Terminal(exec_args(shim, folder, sys.executable, "-c",
                                  COUNTER))
    terminal.expect(b"ready")
    terminal.type(b"\x03")
    terminal.expect(b"interrupt 1.")
    terminal.type(b"go\n")
    terminal.expect(b"in all 1.")
    assert terminal.wait() == 0


APART = """
import os, signal, time
os.setpgid(0, 0)
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append("INT"))
signal.signal(signal.SIGUSR1, lambda *_: seen.append("USR1"))
print("ready", flush=True)
while "USR1" not in seen:
    time.sleep(0.01)
print("seen %s." % " ".join(seen), flush=True)
"""


def test_exec_does_not_repeat_what_the_terminal_says(shim, folder):
    # In a process group of its own the command hears nothing of the terminal,
    # so what it hears came from the shim.
    terminal = Terminal(exec_args(shim, folder, sys.executable, "-c", APART))
    terminal.expect(b"ready")
    terminal.type(b"\x03")
    terminal.expect(b"^C")
    os.kill(terminal.pid, signal.SIGUSR1)
    terminal.expect(b"seen USR1.")
    assert terminal.wait() == 0


def test_exec_keeps_the_forwarder_out_of_the_commands_session(shim, folder):
    process = subprocess.Popen(
        exec_args(shim, folder, "cat"), stdin=subprocess.PIPE,
        env=environment())

    def children():
        with open("/proc/%d/task/%d/children" % (process.pid, process.pid)) \
                as file:
            return [int(word) for word in file.read().split()]

    def leaders():
        return [pid for pid in children() if os.getsid(pid) == pid]

    await_true(lambda: len(children()) == 2 and len(leaders()) == 1,
               "a session of the forwarder's own")
    process.stdin.close()
    assert process.wait(PATIENCE) == 0


def test_exec_knows_the_size_of_the_terminal(shim, folder):
    script = "trap 'stty size; exit 0' WINCH; stty size; " \
        "while :; do sleep 0.02; done"
    terminal = Terminal(exec_args(shim, folder, "sh", "-c", script))
    terminal.expect(b"0 0")
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ,
                struct.pack("HHHH", 33, 77, 0, 0))
    terminal.expect(b"33 77")
    assert terminal.wait() == 0


def test_exec_takes_part_in_job_control(shim, folder):
    terminal = Terminal(["/bin/bash", "--norc", "-i"])
    terminal.type(b"PS1='<>'; echo star''ted\n")
    terminal.expect(b"started")
    # What it prints is not what is typed: the terminal may echo that or not,
    # as it changes hands.
    command = " ".join(exec_args(shim, folder, "sed", "-u", "s/^/got:/"))
    terminal.type(command.encode() + b"\n")
    terminal.type(b"this\n")
    terminal.expect(b"got:this")
    terminal.type(b"\x1a")
    terminal.expect(b"Stopped")
    terminal.expect(b"<>")
    terminal.type(b"fg\n")
    terminal.type(b"that\n")
    terminal.expect(b"got:that")
    terminal.type(b"\x04")
    terminal.expect(b"<>")
    terminal.type(b"echo status $?; exit 3\n")
    terminal.expect(b"status 0")
    assert terminal.wait() == 3


def test_exec_carries_an_interactive_shell(shim, folder):
    terminal = Terminal(exec_args(shim, folder, "/bin/bash", "--norc", "-i"))
    terminal.type(b"PS1='<>'; echo star''ted\n")
    terminal.expect(b"started")
    terminal.type(b"sh -c 'echo as''leep; exec sleep 1000'\n")
    terminal.expect(b"asleep")
    terminal.type(b"\x1a")
    terminal.expect(b"Stopped")
    terminal.type(b"kill -KILL %1; disown -a; exit 4\n")
    assert terminal.wait() == 4


def test_exec_tells_a_shell_that_the_terminal_went(shim, folder):
    # The shell makes a process group of its own.  A job is in front, so the
    # hang-up reaches that, and the session's leader, which is not the shell.
    terminal = Terminal(exec_args(shim, folder, "/bin/bash", "--norc", "-i"))
    terminal.type(b"PS1='<>'; echo star''ted\n")
    terminal.expect(b"started")
    terminal.type(b"sh -c 'trap : HUP; echo as''leep; sleep 1000; cat'\n")
    terminal.expect(b"asleep")
    terminal.hang_up()
    assert terminal.wait() != 0


def new_namespace(*command):
    return ["unshare", "--user", "--map-root-user", "--pid", "--fork",
            "--mount-proc", *command]


@pytest.fixture
def namespaces():
    probe = subprocess.run(new_namespace("true"), capture_output=True,
                           timeout=PATIENCE)
    if probe.returncode != 0:
        pytest.skip("no user namespaces here")


def test_exec_works_as_the_init_of_a_namespace(shim, folder, namespaces):
    # An orphan is reaped, and the command's status is still the answer.
    orphan = os.path.join(folder, "orphan")
    script = f"(sh -c 'echo $$ >{orphan}; exit 3' &) ; " \
        f"while [ ! -s {orphan} ] || [ -e /proc/$(cat {orphan}) ]; do " \
        "sleep 0.02; done; test $PPID = 1 && exit 6"
    done = subprocess.run(
        new_namespace(*exec_args(shim, folder, "sh", "-c", script)),
        env=environment(), timeout=PATIENCE)
    assert done.returncode == 6


def test_exec_as_init_passes_a_signal_on(shim, folder, namespaces):
    script = "(kill -TERM 1) & exec sleep 1000"
    done = subprocess.run(
        new_namespace(*exec_args(shim, folder, "sh", "-c", script)),
        env=environment(), timeout=PATIENCE, capture_output=True)
    assert done.returncode == 128 + signal.SIGTERM


# get, status


def run_get(shim, folder, path="/v1/session", retry="0"):
    return subprocess.run(
        [shim, "get", "--socket", os.path.join(folder, "s"), "--retry",
         retry, path], capture_output=True, env=environment(),
        timeout=PATIENCE)


def test_get_prints_the_body_as_it_is(shim, folder):
    body = bytes(range(256)) * 100
    with http_peer(os.path.join(folder, "s"), reply(200, body)) as peer:
        done = run_get(shim, folder, "/v1/credentials/a?b=c")
    assert (done.returncode, done.stdout, done.stderr) == (0, body, b"")
    head, sent = peer.requests[0]
    lines = head.split(b"\r\n")
    assert lines[0] == b"GET /v1/credentials/a?b=c HTTP/1.1"
    assert b"Host: 127.0.0.1:9169" in lines
    assert b"Credbroker-Session: 1" in lines
    assert sent == b""


def test_get_says_session_only_where_it_belongs(shim, folder):
    with http_peer(os.path.join(folder, "s"), reply(200)) as peer:
        run_get(shim, folder, "/latest/v1/x")
    assert b"Credbroker-Session" not in peer.requests[0][0]


@pytest.mark.parametrize("status,code,wanted", [
    (403, "policy_denied", 1), (502, "upstream", 4), (504, "timeout", 4),
    (404, "not_found", 5), (400, "invalid", 5), (500, "system", 5),
    (503, "limit", 5), (503, "broker_locked", 3), (503, "unreachable", 3),
    (302, "x", 5), (401, "x", 5)])
def test_get_exit_statuses(shim, folder, status, code, wanted):
    answer = reply(status, b'{"title":"no"}', "Credbroker-Error: " + code)
    with http_peer(os.path.join(folder, "s"), answer):
        done = run_get(shim, folder)
    assert done.returncode == wanted
    assert done.stdout == b""
    assert done.stderr == b'{"title":"no"}\n'


def test_get_of_a_broker_that_is_not_there_is_status_3(shim, folder):
    done = run_get(shim, folder)
    assert done.returncode == 3
    assert b"no broker answers" in done.stderr
    with Peer(os.path.join(folder, "s"), lambda sock: sock.recv(9)):
        assert run_get(shim, folder).returncode == 3


def test_get_waits_for_a_broker_that_restarts(shim, folder):
    results = []
    thread = threading.Thread(target=lambda: results.append(
        run_get(shim, folder, retry="30")))
    thread.start()
    with http_peer(os.path.join(folder, "s"), reply(200, b"yes")):
        thread.join()
    assert results[0].stdout == b"yes"


def test_get_escapes_what_could_steer_a_terminal(shim, folder):
    body = b"a\x1b[2J\x00\r\x7f\tb \xc2\xb7 \xc2\x9b \xff \xe2\x82\n"
    with http_peer(os.path.join(folder, "s"), reply(403, body)):
        done = run_get(shim, folder)
    assert done.stderr == (
        rb"a\x1b[2J\x00\x0d\x7f" + b"\tb \xc2\xb7 " +
        rb"\xc2\x9b \xff \xe2\x82" + b"\n")


@pytest.mark.parametrize("text", [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
    b"HTTP/1.1 200 \r\ncontent-length: \t13 \r\n\r\nabc0123456789",
])
def test_get_reads_both_framings(shim, folder, text):
    with http_peer(os.path.join(folder, "s"), text):
        assert run_get(shim, folder).stdout == b"abc0123456789"


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("text", [
    b"hello", b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + reply(200), OK + b"\r\nbody",
    OK + b"Content-Length: 3\r\n\r\nab",
    OK + b"Content-Length: 3\r\n\r\nabcd",
    OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    OK + b"Content-Length: +2\r\n\r\nab",
    OK + b"Content-Length: 2, 2\r\n\r\nab",
    OK + b"Content-Length: 99999999999999999999\r\n\r\nab",
    OK + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    OK + b"Content-Length: 2\n\nab", OK + b"Content-Length : 2\r\n\r\nab",
    OK + b"Content-Length: 2\r\n folded\r\n\r\nab",
    OK + b": 2\r\nContent-Length: 2\r\n\r\nab",
    OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\nab",
    OK + b"X: " + 20000 * b"a" + b"\r\nContent-Length: 2\r\n\r\nab",
    CHUNKED, CHUNKED + b"2\r\nab\r\n", CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    CHUNKED + b"2;x=y\r\nab\r\n0\r\n\r\n", CHUNKED + b"-2\r\nab\r\n0\r\n\r\n",
    CHUNKED + b"0\r\nTrailer: x\r\n\r\n", CHUNKED + b"0\r\n\r\nmore",
    CHUNKED + b"fffffffff\r\nab\r\n0\r\n\r\n", CHUNKED + b"\r\n\r\n",
], ids=lambda text: repr(text[:60]))
def test_get_refuses_an_answer_that_is_not_exact(shim, folder, text):
    with http_peer(os.path.join(folder, "s"), text):
        done = run_get(shim, folder)
    assert done.returncode == 5
    assert done.stdout == b""
    assert b"the broker's answer" in done.stderr


def test_get_refuses_an_answer_that_is_too_long(shim, folder):
    answer = reply(200, 2 * 1024 * 1024 * b"x")
    with http_peer(os.path.join(folder, "s"), answer):
        done = run_get(shim, folder)
    assert (done.returncode, done.stdout) == (5, b"")
    assert b"too long" in done.stderr


def test_status_asks_for_text_and_shows_it(shim, folder):
    text = "task a · session b\nx\x1b[1m\n".encode()
    path = os.path.join(folder, "s")
    with http_peer(path, reply(200, text)) as peer:
        done = subprocess.run([shim, "status", "--socket=" + path],
                              capture_output=True, env=environment(),
                              timeout=PATIENCE)
    assert done.returncode == 0
    assert done.stdout == "task a · session b\nx\\x1b[1m\n".encode()
    lines = peer.requests[0][0].split(b"\r\n")
    assert lines[0] == b"GET /v1/session HTTP/1.1"
    assert b"Accept: text/plain" in lines


def test_status_of_a_broker_that_is_not_there_is_status_3(shim, folder):
    done = subprocess.run([shim, "status", "--socket", folder + "/s"],
                          capture_output=True, env=environment(),
                          timeout=PATIENCE)
    assert done.returncode == 3 and done.stdout == b""


# git-credential-credbroker

QUESTION = b"protocol=https\nhost=git.example\npath=acme/api.git\n"


def run_helper(shim, folder, op, text, retry="0"):
    return subprocess.run(
        [shim, HELPER, "--socket", os.path.join(folder, "s"), "--retry",
         retry, op], input=text, capture_output=True, env=environment(),
        timeout=PATIENCE)


@pytest.mark.parametrize("text,sent", [
    (QUESTION, QUESTION),
    (QUESTION + b"\n", QUESTION),
    (QUESTION + b"\nbehind=it\r\n", QUESTION),
    (b"capability[]=authtype\ncapability[]=state\n" + QUESTION, None),
    (QUESTION + b"x==\ny=\n", None),
    (QUESTION + b"username=a\x1b\xff b\n", None),
    (QUESTION + b"wwwauth[]=" + 60000 * b"b" + b"\n", None),
], ids=lambda text: repr(text[:60]) if text else "same")
def test_git_helper_relays_question_and_answer(shim, folder, text, sent):
    answer = b"username=u\npassword=p\n"
    with http_peer(os.path.join(folder, "s"), reply(200, answer)) as peer:
        done = run_helper(shim, folder, "get", text)
    assert (done.returncode, done.stdout, done.stderr) == (0, answer, b"")
    head, body = peer.requests[0]
    assert head.startswith(b"POST /v1/helper/git/get HTTP/1.1\r\n")
    assert b"Credbroker-Session: 1" in head
    assert body == (text if sent is None else sent)


@pytest.mark.parametrize("text", [
    b"", b"\n", b"protocol=https\n", b"host=git.example\n",
    b"protocol=\nhost=git.example\n", b"protocol=https\nhost=\n",
    QUESTION + b"nothing\n", QUESTION + b"=value\n",
    QUESTION + b"a=b\0c\n", QUESTION + b"a\0=b\n",
    QUESTION + b"a=b\r\n", b"protocol=https\nhost=git.example\rx\n",
    QUESTION + b"host=evil.example\n", QUESTION + b"a=1\na=1\n",
    QUESTION + b"cut=of", QUESTION + b"a=" + 66000 * b"b" + b"\n",
    QUESTION + b"".join(b"k%d=\n" % i for i in range(100)),
], ids=lambda text: repr(text[-40:]))
def test_git_helper_refuses_a_question_that_is_not_exact(
        shim, folder, text):
    with http_peer(os.path.join(folder, "s"), reply(200, b"a=b\n")) as peer:
        done = run_helper(shim, folder, "get", text)
        erased = run_helper(shim, folder, "erase", text)
        stored = run_helper(shim, folder, "store", text)
    assert peer.accepted == 0
    assert done.stdout == b"quit=1\n" and done.returncode == 5
    assert b"git's question is refused" in done.stderr
    assert erased.stdout == b"" and erased.returncode == 5
    assert (stored.returncode, stored.stdout, stored.stderr) == (0, b"", b"")


@pytest.mark.parametrize("status", [404, 204])
def test_git_helper_has_nothing_to_say_for_other_hosts(
        shim, folder, status):
    answer = reply(status, b"none here" if status == 404 else b"")
    with http_peer(os.path.join(folder, "s"), answer):
        done = run_helper(shim, folder, "get", QUESTION)
        erased = run_helper(shim, folder, "erase", QUESTION)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (erased.returncode, erased.stdout) == (0, b"")


@pytest.mark.parametrize("status,wanted", [(403, 1), (502, 4), (500, 5)])
def test_git_helper_stops_git_when_it_is_refused(
        shim, folder, status, wanted):
    answer = reply(status, b"acme/infra is not granted\n")
    with http_peer(os.path.join(folder, "s"), answer):
        done = run_helper(shim, folder, "get", QUESTION)
    assert done.stdout == b"quit=1\n"
    assert done.stderr == b"acme/infra is not granted\n"
    assert done.returncode == wanted


def test_git_helper_stops_git_when_no_broker_is_there(shim, folder):
    done = run_helper(shim, folder, "get", QUESTION)
    assert done.stdout == b"quit=1\n" and done.returncode == 3


@pytest.mark.parametrize("answer", [
    b"password", b"password=a\0b\n", b"password=a\r\n",
    b"password=a\npassword=b\n", b"username=u\npassword=cut",
    b"{\"a\": 1}\n"])
def test_git_helper_prints_no_half_answer(shim, folder, answer):
    with http_peer(os.path.join(folder, "s"), reply(200, answer)):
        done = run_helper(shim, folder, "get", QUESTION)
    assert done.stdout == b"quit=1\n" and done.returncode == 5
    assert b"password" not in done.stderr


def test_git_helper_stores_nothing_and_passes_erase_on(shim, folder):
    with http_peer(os.path.join(folder, "s"), reply(200, b"x=y\n")) as peer:
        stored = run_helper(shim, folder, "store", QUESTION)
        assert peer.accepted == 0
        erased = run_helper(shim, folder, "erase",
                            QUESTION + b"password=p\n")
    for done in stored, erased:
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    head, body = peer.requests[0]
    assert head.startswith(b"POST /v1/helper/git/erase ")
    assert body == QUESTION + b"password=p\n"


@pytest.mark.parametrize("op", ["capability", "nonsense", ""])
def test_git_helper_ignores_operations_it_does_not_know(shim, folder, op):
    done = run_helper(shim, folder, op, b"")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_git_itself_is_served_by_the_helper_of_that_name(folder):
    path = os.path.join(folder, "s")
    helper = "%s --socket %s" % (os.path.join(BUILD, "shim", HELPER), path)
    env = environment(GIT_CONFIG_NOSYSTEM="1", HOME=folder,
                      GIT_TERMINAL_PROMPT="0")
    args = ["git", "-c", "credential.helper=", "-c",
            "credential.helper=" + helper, "credential", "fill"]
    with http_peer(path, reply(200, b"username=u\npassword=p\n")):
        done = subprocess.run(args, input=QUESTION, capture_output=True,
                              env=env, timeout=PATIENCE, cwd=folder)
    assert b"username=u\npassword=p\n" in done.stdout
    with http_peer(path, reply(403, b"not granted\n")):
        done = subprocess.run(args, input=QUESTION, capture_output=True,
                              env=env, timeout=PATIENCE, cwd=folder)
    assert done.returncode != 0
    assert b"not granted" in done.stderr and b"quit" in done.stderr
