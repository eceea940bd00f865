"""A request without a body, and a short answer, are a message each on the
stream between the gateway and egress."""

import pytest

from test_gateway import (GATEWAY, HOST, REFS, Response, ask,  # noqa: F401
                          begin_fetch, gateway, problem_code, take_request)
from test_gateway_held import API, SIGNED

pytestmark = pytest.mark.skipif(not GATEWAY.exists(),
                                reason=f"{GATEWAY} is not built")

REFS_RESULT = "content-type: application/x-git-upload-pack-advertisement\n"


@pytest.mark.parametrize("headers,has_length", [
    ("content-type: text/plain\n", 1), ("content-type: text/plain\n", 0),
    (REFS_RESULT, 1), (REFS_RESULT, 0)])
def test_a_request_and_a_short_answer_are_a_message_each(gateway, headers,
                                                         has_length):
    gateway.session()
    client = gateway.connect()
    stream = None
    for body in (b"0008ab\n\n0000", b"a" * 16384, b"0"):
        ask(client, "GET " + REFS, HOST + "Accept: a/b\r\n")
        exchange = gateway.expect("EXCHANGE")
        stream = gateway.allow(exchange, stream)
        assert stream.receive_packet() == ("REQUEST_WHOLE", {
            "job": stream.job, "headers": b"accept: a/b\n"})
        stream.send("RESPONSE_WHOLE", job=stream.job, status=200,
                    has_length=has_length, length=len(body) * has_length,
                    headers=headers, data=body)
        response = Response(client)
        assert response.status == 200
        assert response.headers["content-length"] == str(len(body))
        assert response.body() == body
        done = gateway.expect("EXCHANGE_DONE")
        assert (done["clean"], done["status"], done["down"]) == (
            1, 200, len(body))


@pytest.mark.parametrize("status,more", [
    (204, {}), (304, {"has_length": 1}), (200, {"has_length": 1}), (200, {}),
    (404, {})])
def test_a_short_answer_of_nothing(gateway, status, more):
    gateway.session()
    client = gateway.connect()
    stream = None
    for _ in range(2):
        ask(client, "GET " + REFS)
        stream = gateway.allow(gateway.expect("EXCHANGE"), stream)
        take_request(stream)
        stream.send("RESPONSE_WHOLE", job=stream.job, status=status, **more)
        response = Response(client)
        assert response.status == status
        if status not in (204, 304):
            assert response.body() == b""
        assert gateway.expect("EXCHANGE_DONE")["clean"] == 1


@pytest.mark.parametrize("change", [
    {"job": 1 << 40}, {"status": 401}, {"status": 100}, {"length": 4},
    {"length": 6}, {"length": (1 << 64) - 1},
    {"headers": "no colon\n"}], ids=repr)
def test_a_short_answer_that_is_none(gateway, change):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET " + REFS)
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    take_request(stream)
    stream.send("RESPONSE_WHOLE", **{**dict(
        job=stream.job, status=200, has_length=1, length=5, headers="",
        data=b"hello"), **change})
    response = Response(client)
    assert response.status == 502
    assert problem_code(response) == "upstream_failed"
    done = gateway.expect("EXCHANGE_DONE")
    assert (done["clean"], done["down"]) == (0, 0)
    assert stream.receive() == (None, None)


def test_an_answer_does_not_come_whole_behind_its_head(gateway):
    gateway.session()
    client = gateway.connect()
    stream = begin_fetch(gateway, client)
    stream.send("RESPONSE_WHOLE", job=stream.job, status=200, data=b"0000")
    assert b"lost" in Response(client).body()
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 0


@pytest.mark.parametrize("path", [REFS, API])
@pytest.mark.parametrize("length", [{}, {"has_length": 1}])
@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("whole", [True, False])
def test_behind_a_status_without_a_body_stands_the_next_answer(
        gateway, whole, status, length, path):
    """Not the end of a body, however its length was said."""
    gateway.session()
    client = gateway.connect()
    stream = None
    for _ in range(2):
        ask(client, "GET " + path, HOST + SIGNED * (path == API))
        stream = gateway.allow(gateway.expect("EXCHANGE"), stream)
        take_request(stream)
        if whole:
            stream.send("RESPONSE_WHOLE", job=stream.job, status=status,
                        data=b"" if length else b"evil")
        else:
            stream.send("RESPONSE_HEAD", job=stream.job, status=status,
                        **length)
            stream.send("RESPONSE_END", clean=1)
        # The second one's line is read where the first one has ended.
        assert Response(client).status == status
        assert gateway.expect("EXCHANGE_DONE")["clean"] == 1
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1)
