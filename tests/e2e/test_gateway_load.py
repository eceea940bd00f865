"""The gateway alone, short of descriptors: what the core sends has room when
sandboxes take all they can, and who comes last is served as well."""

import contextlib

import pytest

from test_gateway import (GATEWAY, REFS, Gateway, Response,  # noqa: F401
                          V1, ask, gateway)
from conftest import wait_until

pytestmark = pytest.mark.skipif(not GATEWAY.exists(),
                                reason=f"{GATEWAY} is not built")


@pytest.fixture
def narrow(tmp_path):
    it = Gateway(tmp_path, descriptors=96)
    yield it
    try:
        it.stop()
    finally:
        it.process.kill()
        it.process.wait()


def exchange(gateway, client, stream=None):
    ask(client, "GET " + REFS)
    stream = gateway.allow(gateway.expect("EXCHANGE"), stream)
    assert stream.receive()[0] == "REQUEST_HEAD"
    assert stream.receive()[0] == "REQUEST_END"
    stream.send("RESPONSE_HEAD", job=stream.job, status=200, has_length=1,
                length=5, headers="")
    stream.send("RESPONSE_BODY", data=b"hello")
    stream.send("RESPONSE_END", clean=1)
    response = Response(client)
    assert response.status == 200 and response.body() == b"hello"
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 1
    return stream


def test_a_stream_that_waits_is_closed_when_the_core_says_so(gateway):
    gateway.session()
    client = gateway.connect()
    stream = exchange(gateway, client)
    before = gateway.descriptors()
    gateway.core.send("STREAM_CLOSE", session="s1", stream=stream.number + 1)
    gateway.core.send("STREAM_CLOSE", session="s2", stream=stream.number)
    exchange(gateway, client, stream)
    gateway.core.send("STREAM_CLOSE", session="s1", stream=stream.number)
    assert stream.receive() == (None, None)
    assert gateway.descriptors() == before - 1
    exchange(gateway, client)


def test_a_stream_in_use_is_not_closed(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET " + REFS)
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    assert stream.receive()[0] == "REQUEST_HEAD"
    gateway.core.send("STREAM_CLOSE", session="s1", stream=stream.number)
    stream.send("RESPONSE_HEAD", job=stream.job, status=200, has_length=1,
                length=2, headers="")
    stream.send("RESPONSE_BODY", data=b"ok")
    stream.send("RESPONSE_END", clean=1)
    response = Response(client)
    assert response.status == 200 and response.body() == b"ok"


def flood(gateway, stack, names, count):
    for i in range(count):
        with contextlib.suppress(BlockingIOError):
            client = gateway.connect(names[i % len(names)], timeout=0)
            stack.enter_context(client)
            client.send(b"GET /v1/session HT")


def test_connections_leave_room_for_sessions_and_streams(narrow):
    """Of 96 descriptors 12 are kept; a session and a request that come then
    have one each, and do not wait for the deadline of a head."""
    with contextlib.ExitStack() as stack:
        for name in ("a", "b", "c"):
            narrow.session(name)
        flood(narrow, stack, ("a", "b", "c"), 192)
        wait_until(lambda: narrow.descriptors() >= 80, "they are taken")
        assert narrow.descriptors() <= 84
        for name in ("d", "e", "f"):
            narrow.session(name)
        client = stack.enter_context(narrow.connect("f"))
        exchange(narrow, client)
        ask(client, "GET /v1/session", V1)
        assert narrow.expect("QUERY")["session"] == b"f"


def test_a_session_without_room_is_asked_for_again(narrow):
    narrow.session("a")
    for i in range(100):
        narrow.session(f"s{i}")
    missed = {narrow.expect("SESSION_MISSED")["session"] for _ in range(4)}
    assert missed < {f"s{i}".encode() for i in range(100)}
    assert narrow.process.poll() is None
    # The others go, and there is room.
    for i in range(100):
        narrow.core.send("SESSION_CLOSE", session=f"s{i}")
    narrow.session("last")
    client = narrow.connect("last")
    ask(client, "GET /v1/session", V1)
    while True:
        name, fields = narrow.core.receive()
        if name != "SESSION_MISSED":
            break
    assert (name, fields["session"]) == ("QUERY", b"last")
