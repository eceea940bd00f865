"""Connections by the thousand, and clients that read and write as slowly as
they can: what one session does is bounded, and the others are served."""

import contextlib
import os
import socket
import subprocess
import threading

import pytest

from attack import BUILD, HOST, REFS, Endpoint, reply, wait_until
from load import (ASK, GRANT, Admin, admin_connect, all_descriptors, answers,
                  connect_many, fetch, issue_many, loaded, own_limit,
                  read_answer, room_for, send_proof)

CONNECTIONS = 64    # of a session, at once
EXCHANGES = 32
# Streams are kept for a while, and so are connections to the upstream.
KEPT = 2 * EXCHANGES + 8
THOUSANDS = 10000
# What is served while others are held: enough to see that nothing is stuck.
ASKED = 20
MIB = 1 << 20


@pytest.fixture(scope="module")
def broker():
    with loaded() as made:
        yield made


@pytest.fixture(scope="module")
def greedy(broker):
    return Endpoint(broker, [GRANT], task="greedy")


@pytest.fixture(scope="module")
def neighbour(broker):
    return Endpoint(broker, [GRANT], task="neighbour")


@pytest.fixture(scope="module")
def many(broker):
    """Sessions enough for all the connections."""
    sessions, refused = issue_many(broker, room_for(THOUSANDS) // CONNECTIONS + 1)
    assert not refused
    return sessions


@pytest.fixture
def unharmed(broker, neighbour):
    """The same processes, and no more descriptors than are kept for what comes
    next, as soon as the load ends."""
    assert fetch(neighbour, broker.upstream) == 200
    pids, before = broker.pids(), all_descriptors(broker)
    yield
    broker.upstream.answer = None
    assert fetch(neighbour, broker.upstream) == 200

    def given_back():
        return all(count is None or count <= (before[name] or 0) + KEPT
                   for name, count in all_descriptors(broker).items())
    wait_until(given_back, "descriptors given back")
    assert broker.pids() == pids


def both_ways(neighbour, upstream):
    for _ in range(ASKED):
        assert answers(neighbour) == 200
        assert fetch(neighbour, upstream) == 200


def test_bodies_that_trickle_in(broker, unharmed, greedy, neighbour):
    """As many pushes as a session may have, a byte now and then; the others are
    served meanwhile, and in the end so are these."""
    body = (b"0094" + b"0" * 40 + b" " + b"1" * 40 +
            b" refs/heads/main\0 report-status side-band-64k agent=git/2.39"
            )[:0x94].ljust(0x94, b" ") + b"0000" + b"PACK" + b"x" * 100
    head = (f"POST /git/{broker.upstream.authority}/acme/api/git-receive-pack "
            f"HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: application/x-git-receive-pack-request\r\n\r\n"
            ).encode()
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(greedy.connect())
                for _ in range(EXCHANGES)]
        for client in slow:
            client.sendall(head)
        for at in range(len(body) - 1):
            for client in slow:
                client.sendall(body[at:at + 1])
            if at % 16 == 0:
                assert fetch(neighbour, broker.upstream) == 200
        both_ways(neighbour, broker.upstream)
        for client in slow:
            client.sendall(body[-1:])
        assert [read_answer(c)[0] for c in slow] == [200] * EXCHANGES


def test_answers_that_are_read_by_the_byte(broker, unharmed, greedy,
                                           neighbour):
    whole = os.urandom(MIB)

    def serve(head, connection):
        body = whole if b"greedy" in head else b"hello"
        connection.sendall(reply(body))
        return True
    broker.upstream.answer = serve
    request = (f"GET /git/{broker.upstream.authority}/acme/api/{REFS} "
               f"HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: greedy\r\n\r\n")
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(greedy.connect())
                for _ in range(EXCHANGES)]
        for client in slow:
            client.sendall(request.encode())
        first = [[client.recv(1) for _ in range(100)] for client in slow]
        both_ways(neighbour, broker.upstream)
        for client, begun in zip(slow, first):
            data = b"".join(begun)
            while len(data) < MIB or not data.endswith(whole[-64:]):
                piece = client.recv(1 << 16)
                assert piece, len(data)
                data += piece
            assert data.startswith(b"HTTP/1.1 200 ")
            assert data.endswith(whole)


def test_more_requests_than_a_session_may_have(broker, unharmed, greedy,
                                               neighbour):
    """An upstream that keeps them all: what is too much is refused with a
    status, not dropped, and the upstream sees no more than there may be."""
    release, lock, seen, most = threading.Event(), threading.Lock(), [0], [0]

    def serve(head, connection):
        if b"greedy" in head:
            with lock:
                seen[0] += 1
                most[0] = max(most[0], seen[0])
            release.wait(60)
            with lock:
                seen[0] -= 1
        connection.sendall(reply())
        return True
    broker.upstream.answer = serve
    request = (f"GET /git/{broker.upstream.authority}/acme/api/{REFS} "
               f"HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: greedy\r\n"
               "Connection: close\r\n\r\n").encode()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(greedy.connect())
                   for _ in range(CONNECTIONS)]
        for client in clients:
            client.sendall(request)
        wait_until(lambda: seen[0] == EXCHANGES, "upstream has its share")
        both_ways(neighbour, broker.upstream)
        release.set()
        got = [read_answer(client)[0] for client in clients]
    assert most[0] == EXCHANGES
    assert got.count(200) >= EXCHANGES
    assert set(got) <= {200, 429, 503}


def test_ten_thousand_connections_at_one_session(broker, unharmed, greedy,
                                                 neighbour):
    count = room_for(THOUSANDS)
    with own_limit(count), contextlib.ExitStack() as stack:
        taken = connect_many([greedy.folder / "endpoint.sock"], count, stack,
                             b"GET /v1/session HT")
        assert len(taken) >= CONNECTIONS
        # What is beyond the session's share waits in the kernel.
        gateway = all_descriptors(broker)["gateway"]
        assert gateway is None or gateway < 4 * CONNECTIONS
        both_ways(neighbour, broker.upstream)

    def served():
        with contextlib.suppress(BlockingIOError):  # the backlog is being read
            return answers(greedy) == 200
    wait_until(served, "the greedy one is served again")


def test_ten_thousand_connections_at_many_sessions(broker, many, unharmed,
                                                   neighbour):
    """Each is held, each is answered."""
    count = room_for(THOUSANDS)
    if count < THOUSANDS:
        print(f"only {count}: the hard limit of descriptors")
    with own_limit(count), contextlib.ExitStack() as stack:
        paths = [s.folder / "endpoint.sock" for s in many]
        held = []
        while len(held) < count:    # a full backlog is one of a moment
            held += connect_many(paths, count - len(held), stack, ASK[:-2])
        both_ways(neighbour, broker.upstream)
        got = []
        for client in held:
            client.settimeout(60)
            with contextlib.suppress(OSError):  # its head's time was over
                client.sendall(ASK[-2:])
            try:
                got.append(read_answer(client)[0])
            except ConnectionResetError:
                got.append(None)
        assert set(got) <= {200, None}
        # A head has five seconds; how many are over is the machine's affair.
        assert got.count(200) > 0
        both_ways(neighbour, broker.upstream)


def test_ten_thousand_connections_at_the_forwarder(broker, unharmed, greedy,
                                                   neighbour):
    """It has 512 at once; who waits is served, and nothing is left over."""
    count = room_for(THOUSANDS)
    shim = BUILD / "shim" / "credbroker-shim"
    if not shim.exists():
        pytest.skip("the shim is not built")
    forwarder = subprocess.Popen(
        [str(shim), "forward", "--listen", "127.0.0.1:0", "--socket",
         str(greedy.folder / "endpoint.sock")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    try:
        said = forwarder.stdout.readline().decode()
        port = int(said.rsplit(":", 1)[1].split()[0].strip(".,"))
        with own_limit(count), contextlib.ExitStack() as stack:
            for _ in range(count):
                client = socket.socket()
                stack.callback(client.close)
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    client.connect(("127.0.0.1", port))
            both_ways(neighbour, broker.upstream)

        def served():
            with socket.create_connection(("127.0.0.1", port), 60) as client:
                client.sendall(ASK)
                return read_answer(client)[0] == 200
        wait_until(served, "the forwarder serves again")
        wait_until(lambda: len(os.listdir(f"/proc/{forwarder.pid}/fd")) < 16,
                   "its descriptors")
        assert forwarder.poll() is None
    finally:
        forwarder.terminate()
        forwarder.wait()
        forwarder.stdout.close()


@pytest.mark.parametrize("first", [b"", b'{"jsonrpc":"2.0","id":1,"meth'])
def test_a_flood_of_the_admin_socket(broker, unharmed, greedy, neighbour,
                                     first):
    """A client too many is closed; sandboxes do not notice, and the ones that
    wait for nothing make room."""
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            stack.callback(client.close)
            client.setblocking(False)
            try:
                client.connect(str(broker.runtime / "admin.sock"))
                if first:
                    send_proof(client, first[:1])
                    client.send(first[1:])
            except OSError:
                client.close()
        both_ways(neighbour, broker.upstream)
        assert answers(greedy) == 200
    with Admin(broker) as admin:
        assert admin.call("status")["state"] == "unlocked"


def test_an_admin_who_reads_nothing(broker, unharmed, neighbour):
    """Answers that are not taken are not collected for ever."""
    line = b'{"jsonrpc":"2.0","id":1,"method":"audit.show","params":{}}\n'
    with admin_connect(broker) as client:
        send_proof(client, line[:1])
        client.sendall(line[1:])
        client.settimeout(1)
        with contextlib.suppress(OSError):
            for _ in range(2000):
                client.sendall(line)
        both_ways(neighbour, broker.upstream)
        with Admin(broker) as admin:
            assert admin.call("status")["state"] == "unlocked"
