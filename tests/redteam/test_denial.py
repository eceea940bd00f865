"""One sandbox does all it can to bring the broker down or to be the only one
that is served.  Beside it there is always another session, which is."""

import contextlib
import os
import socket
import threading
import time

import pytest

from attack import HOST, REFS, SANITIZED, Endpoint, reply, wait_until

MIB = 1 << 20
# AddressSanitizer keeps up to 256 MiB of what was freed.
GROWTH = (300 if SANITIZED else 24) * MIB


@pytest.fixture(scope="module")
def neighbour(red):
    return Endpoint(red, ["forge:repository=acme/api,git=fetch"],
                    task="neighbour")


def memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(l for l in status
                        if l.startswith("VmRSS")).split()[1]) << 10


def descriptors(pid):
    """Of a process that is not dumpable only root may count them."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return 0


def measure(red):
    return {n: (memory(p), descriptors(p)) for n, p in red.pids().items()
            if n != "supervisor"}


@pytest.fixture
def bounded(red, endpoint, neighbour, upstream):
    """Before and after: the same processes, about as large, and as many
    descriptors."""
    target = f"/git/{upstream.authority}/acme/api/{REFS}"
    for each in (endpoint, neighbour):
        assert each.ask("GET", target)[0] == 200
    pids, before = red.pids(), measure(red)
    yield
    upstream.answer = None
    assert neighbour.ask("GET", target)[0] == 200

    def back():
        now = measure(red)
        return all(now[n][1] <= before[n][1] + 24 for n in before)
    wait_until(back, "descriptors given back")
    assert red.pids() == pids
    for name, (size, _) in measure(red).items():
        assert size - before[name][0] < GROWTH, name


def served(neighbour, upstream):
    """The neighbour is, and soon."""
    start = time.monotonic()
    got, _ = neighbour.ask("GET", "/v1/session", "Credbroker-Session: 1")
    assert got == 200
    got, _ = neighbour.ask(
        "GET", f"/git/{upstream.authority}/acme/api/{REFS}")
    assert got == 200
    assert time.monotonic() - start < 20


def many(endpoint, stack, count, data=b""):
    clients = []
    for _ in range(count):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stack.enter_context(client)
        client.setblocking(False)
        # The backlog is bounded: then no more can be opened.
        with contextlib.suppress(OSError):
            client.connect(str(endpoint.folder / "endpoint.sock"))
            if data:
                client.send(data)
            clients.append(client)
    return clients


HEADS = {
    "nothing at all": b"",
    "half a request line": b"GET /git/",
    "half a head": f"GET /v1/session HTTP/1.1\r\nHost: {HOST}\r\nX".encode(),
    "half a body": b"POST /v1/helper/git/get HTTP/1.1\r\nHost: " +
                   HOST.encode() + b"\r\nCredbroker-Session: 1\r\n"
                   b"Content-Length: 60000\r\n\r\nprotocol=",
    "half a chunk": b"POST /v1/helper/git/get HTTP/1.1\r\nHost: " +
                    HOST.encode() + b"\r\nCredbroker-Session: 1\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\nffff\r\nx",
    "a whole request, never read": (
        f"GET /v1/session HTTP/1.1\r\nHost: {HOST}\r\n"
        "Credbroker-Session: 1\r\n\r\n" * 300).encode(),
}


@pytest.mark.parametrize("name", HEADS)
def test_many_slow_connections(bounded, endpoint, neighbour, upstream, name):
    with contextlib.ExitStack() as stack:
        many(endpoint, stack, 600, HEADS[name])
        served(neighbour, upstream)


@pytest.mark.parametrize("half", [b"", b"0032"])
def test_many_pushes_that_do_not_go_on(bounded, endpoint, neighbour, upstream,
                                       half):
    data = (f"POST /git/{upstream.authority}/acme/api/git-upload-pack "
            f"HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000000\r\n\r\n"
            ).encode() + half
    with contextlib.ExitStack() as stack:
        many(endpoint, stack, 300, data)
        served(neighbour, upstream)


def test_many_answers_that_are_not_read(bounded, endpoint, neighbour,
                                        upstream):
    target = f"/git/{upstream.authority}/acme/api/{REFS}"
    first = threading.Event()

    def serve(head, connection):
        if b"neighbour" in head:
            connection.sendall(reply())
            return True
        first.set()
        connection.settimeout(3)
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for _ in range(256):
                connection.sendall(b"x" * MIB)
        return False
    upstream.answer = serve
    with contextlib.ExitStack() as stack:
        many(endpoint, stack, 200, f"GET {target} HTTP/1.1\r\nHost: {HOST}"
             "\r\nUser-Agent: greedy\r\n\r\n".encode())
        assert first.wait(20)
        got, _ = neighbour.ask("GET", target, "User-Agent: neighbour")
        assert got == 200


def test_an_upstream_that_is_silent_blocks_nobody_else(bounded, endpoint,
                                                       neighbour, upstream):
    target = f"/git/{upstream.authority}/acme/api/{REFS}"
    upstream.answer = lambda head, connection: (
        connection.sendall(reply()) or True if b"neighbour" in head
        else bool(connection.recv(1)))
    with contextlib.ExitStack() as stack:
        many(endpoint, stack, 200, f"GET {target} HTTP/1.1\r\nHost: {HOST}"
             "\r\nUser-Agent: greedy\r\n\r\n".encode())
        got, _ = neighbour.ask("GET", target, "User-Agent: neighbour")
        assert got == 200


def test_clients_that_leave_at_once(bounded, endpoint, neighbour, upstream):
    target = f"/git/{upstream.authority}/acme/api/{REFS}"
    data = f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    for _ in range(400):
        with contextlib.suppress(OSError), endpoint.connect() as client:
            client.sendall(data)
    served(neighbour, upstream)


@pytest.mark.parametrize("target, status", [
    ("/git/{}/acme/api/" + REFS, 200), ("/git/{}/evil/x/" + REFS, 403),
    ("/git/{}/%zz/" + REFS, 400), ("/v1/session", 403), ("/nothing", 404),
    ("/git/{}/acme/api/" + "a" * 6000, 400)])
def test_thousands_on_one_connection(bounded, red, endpoint, upstream, target,
                                     status):
    """Each answered, and refusals do not fill the disk."""
    audit = sum(p.stat().st_size for p in red.state.rglob("*.jsonl"))
    data = (f"GET {target.format(upstream.authority)} HTTP/1.1\r\n"
            f"Host: {HOST}\r\n\r\n").encode()
    count, seen = 1500, 0
    with endpoint.connect(timeout=170) as client:
        sender = threading.Thread(target=client.sendall, args=(data * count,))
        sender.start()
        rest = b""
        while seen < count:
            piece = client.recv(1 << 16)
            assert piece, seen
            rest += piece
            seen += rest.count(b"HTTP/1.1 %d " % status)
            rest = rest[-12:]   # too short for one that was counted
        sender.join()
    grown = sum(p.stat().st_size for p in red.state.rglob("*.jsonl")) - audit
    if status != 200:
        assert grown < 400 << 10


def test_the_audit_log_is_whole_after_all_that(red):
    red.run("audit", "verify")
