"""A process that gets no more memory: it answers with an error or is started
again, sessions survive, and no answer is a wrong one."""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import resource

import pytest

from attack import HOST, REFS, SANITIZED, Endpoint, reply, wait_until
from load import (GRANT, Admin, Refused, answers, fetch, issue_many, limited,
                  loaded, read_answer, root_only)

pytestmark = [
    root_only,
    pytest.mark.skipif(SANITIZED, reason="a sanitizer's shadow is larger than "
                       "any limit: this is for a build without (scripts/test "
                       "runs it in build/release)"),
]

KIB = 1 << 10
CANARY = b"body of the upstream " * 4096     # 84 KiB
ENDED = {429, 500, 502, 503, 504, None}


@pytest.fixture(scope="module")
def broker():
    with loaded() as made:
        made.upstream.answer = reply(CANARY)
        yield made


@pytest.fixture(scope="module")
def endpoints(broker):
    return [Endpoint(broker, [GRANT], task=f"task-{i}") for i in range(4)]


def address_space(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"^VmSize:\s+(\d+) kB", status, re.M)[1]) * KIB


def get(endpoint, upstream):
    """The status; a 200 has the whole body, and nobody else's."""
    request = (f"GET /git/{upstream.authority}/acme/api/{REFS} HTTP/1.1\r\n"
               f"Host: {HOST}\r\nConnection: close\r\n\r\n").encode()
    with contextlib.suppress(ConnectionResetError, BrokenPipeError,
                             ConnectionRefusedError):
        with endpoint.connect() as client:
            client.sendall(request)
            got, body = read_answer(client)
        # Cut short, it is shorter than its head says.
        assert got != 200 or CANARY.startswith(body), body[:100]
        return got if got != 200 or body == CANARY else None
    return None


def push(endpoint, upstream):
    body = b"0000" + b"x" * 200000
    request = (f"POST /git/{upstream.authority}/acme/api/git-upload-pack "
               f"HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
               "Content-Type: application/x-git-upload-pack-request\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode()
    with contextlib.suppress(ConnectionResetError, BrokenPipeError,
                             ConnectionRefusedError):
        with endpoint.connect() as client:
            client.sendall(request + body)
            return read_answer(client)[0]
    return None


def issue(broker, count):
    """Sessions; what is refused says why, or the core is started again."""
    with contextlib.suppress(OSError, ConnectionError), Admin(broker) as admin:
        for _ in range(count):
            with contextlib.suppress(Refused):
                admin.call("session.issue", task="pressed", grants=[GRANT],
                           labels={f"k{i}": "v" * 200 for i in range(16)})


@pytest.mark.parametrize("spare", [0, 64 * KIB, 1024 * KIB])
@pytest.mark.parametrize("name", ["gateway", "core", "egress"])
def test_memory_pressure(broker, endpoints, name, spare):
    pid = broker.pids()[name]
    with limited(pid, resource.RLIMIT_AS, address_space(pid) + spare), \
            concurrent.futures.ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(get, endpoints[i % 4], broker.upstream)
                 for i in range(96)]
        asked += [pool.submit(push, endpoints[i % 4], broker.upstream)
                  for i in range(24)]
        pool.submit(issue, broker, 400)
        got = {each.result() for each in asked}
    assert got <= {200} | ENDED, got

    def well():
        return broker.run("status", check=False).returncode == 0 and \
            all(get(e, broker.upstream) == 200 for e in endpoints)
    wait_until(well, "everything is as it was")
    assert {answers(e) for e in endpoints} == {200}
    broker.run("revoke", "--task", "pressed", check=False)
    sessions, refused = issue_many(broker, 20, task="after")
    assert not refused, refused[0]
    assert {answers(s) for s in sessions} == {200}
    broker.run("revoke", "--task", "after")
    broker.run("audit", "verify")
    assert broker.secret not in broker.log_text()
    assert not list(broker.folder.rglob("core.*"))
