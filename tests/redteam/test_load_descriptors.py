"""A process that has no descriptor left: what cannot be done is refused and
said, what goes on goes on, and afterwards all is as it was."""

import contextlib
import pathlib
import resource
import socket
import time

import pytest

from attack import HOST, REFS, Endpoint, wait_until
from load import (GRANT, Admin, Issued, Refused, answers, connect_many,
                  descriptors, fetch, issue_many, limited, loaded, own_limit,
                  read_answer, root_only)

pytestmark = root_only

SPARE = 12      # descriptors that a process may still open
FILES = resource.RLIMIT_NOFILE


@pytest.fixture(scope="module")
def broker():
    with loaded() as made:
        yield made


@pytest.fixture(scope="module")
def neighbour(broker):
    return Endpoint(broker, [GRANT], task="neighbour")


@pytest.fixture
def recovers(broker, neighbour):
    """Whatever was restarted: sessions live, new ones can be issued."""
    assert fetch(neighbour, broker.upstream) == 200
    yield

    def well():
        return broker.run("status", check=False).returncode == 0 and \
            answers(neighbour) == 200 and \
            fetch(neighbour, broker.upstream) == 200
    wait_until(well, "the neighbour is served again")
    sessions, refused = issue_many(broker, 40, task="after")
    assert not refused, refused[0]
    assert {answers(s) for s in sessions} == {200}
    broker.run("revoke", "--task", "after")
    assert broker.secret not in broker.log_text()
    broker.run("audit", "verify")


def ticks(pid):
    """Hundredths of a second of CPU."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return sum(int(f) for f in stat.rsplit(")", 1)[1].split()[11:13])


def issue_until_refused(broker, most):
    """Sessions one by one; the refusal, or None."""
    sessions = []
    with Admin(broker) as admin:
        for _ in range(most):
            try:
                sessions.append(admin.call("session.issue", task="scarce",
                                           grants=[GRANT], ttl=7200))
            except Refused as refused:
                return sessions, refused
            except (ConnectionError, TimeoutError) as gone:
                return sessions, gone
    return sessions, None


@pytest.mark.parametrize("name, spare", [("core", SPARE), ("supervisor", 0)])
def test_no_descriptor_for_another_session(broker, recovers, neighbour, name,
                                           spare):
    """It is refused and said; nothing ends because of it."""
    pids = broker.pids()
    with limited(pids[name], FILES, descriptors(pids[name]) + spare):
        sessions, refused = issue_until_refused(broker, 4 * SPARE)
        assert isinstance(refused, Refused), refused
        assert len(sessions) <= spare
        assert "descriptors" in str(refused) or "open files" in str(refused)
        assert answers(neighbour) == 200
        assert broker.pids() == pids
    broker.run("revoke", "--task", "scarce", check=False)


def test_no_descriptor_in_the_gateway_for_another_session(broker, recovers,
                                                          neighbour):
    """It is told of the session again, until it has one."""
    pids = broker.pids()
    with limited(pids["gateway"], FILES, descriptors(pids["gateway"]) + SPARE):
        sessions, refused = issue_until_refused(broker, 4 * SPARE)
        assert refused is None, refused
        assert broker.pids() == pids
    # Those that it had no room for are served now.
    assert {answers(Issued(broker, s["session"])) for s in sessions} == {200}
    assert broker.pids() == pids
    broker.run("revoke", "--task", "scarce")


def test_no_descriptor_for_another_connection(broker, recovers, neighbour):
    """All that the gateway may open is taken by connections of sandboxes: the
    next one waits, and a session can still be issued."""
    greedy = [Endpoint(broker, [GRANT], task="greedy") for _ in range(4)]
    pid = broker.pids()["gateway"]
    with limited(pid, FILES, descriptors(pid) + 60), own_limit(1000), \
            contextlib.ExitStack() as stack:
        connect_many([g.folder / "endpoint.sock" for g in greedy], 250, stack,
                     b"GET /v1/session HT")
        wait_until(lambda: descriptors(pid) >= 50, "they are taken")
        # It may take the five seconds that a head has.
        assert answers(neighbour) == 200
        sessions, refused = issue_until_refused(broker, 1)
        assert refused is None or isinstance(refused, Refused)
        assert broker.pids()["gateway"] == pid
    broker.run("revoke", "--task", "greedy")
    broker.run("revoke", "--task", "scarce", check=False)


def test_no_descriptor_for_another_stream(broker, recovers, neighbour):
    """In the egress: the request fails with a status, not another's."""
    greedy = Endpoint(broker, [GRANT], task="streams")
    pid = broker.pids()["egress"]
    target = f"/git/{broker.upstream.authority}/acme/api/{REFS}"
    request = (f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n"
               "User-Agent: greedy\r\nConnection: close\r\n\r\n").encode()
    with limited(pid, FILES, descriptors(pid) + SPARE), \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(greedy.connect()) for _ in range(24)]
        for client in clients:
            client.sendall(request)
        got = {read_answer(client)[0] for client in clients}
        assert got <= {200, 502, 503, 504, 429}, got
    broker.run("revoke", "--task", "streams")


def test_no_descriptor_for_another_admin(broker, recovers, neighbour):
    pid = broker.pids()["core"]
    with limited(pid, FILES, descriptors(pid) + SPARE), \
            contextlib.ExitStack() as stack:
        for _ in range(4 * SPARE):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            stack.enter_context(client)
            client.setblocking(False)
            with contextlib.suppress(OSError):
                client.connect(str(broker.runtime / "admin.sock"))
        assert answers(neighbour) == 200
        assert fetch(neighbour, broker.upstream) in (200, 503)
        # Those that wait are not asked about again and again.
        before = ticks(pid)
        time.sleep(1)
        assert ticks(pid) - before < 15
    assert broker.pids()["core"] == pid
