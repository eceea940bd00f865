"""The same at the other end: see test_gateway_whole.py."""

import pytest

from test_egress import (CHUNKED, EGRESS, LENGTH, egress, reply,  # noqa: F401
                         upstream)

pytestmark = pytest.mark.skipif(not EGRESS.exists(),
                                reason=f"{EGRESS} is not built")


def test_a_request_and_a_short_answer_are_a_message_each(egress, upstream):
    server = upstream(reply(b"a" * 16384, "200 OK", "ETag: x"))
    job, stream = egress.job(server)
    for _ in range(2):
        stream.send("REQUEST_WHOLE", job=job, headers="accept: a/b\n")
        name, whole = stream.receive_packet()
        assert name == "RESPONSE_WHOLE" and whole["job"] == job
        assert (whole["status"], whole["has_length"], whole["length"]) == (
            200, 1, 16384)
        assert whole["data"] == b"a" * 16384
        assert b"etag: x\n" in whole["headers"]
        done = egress.done(job)
        assert (done["clean"], done["outcome"], done["down"]) == (
            1, b"ok", 16384)
        job, stream = egress.job(server, stream)


@pytest.mark.parametrize("changes", [
    {"method": "POST", "body": LENGTH, "length": 1},
    {"method": "POST", "body": LENGTH, "length": 0},
    {"method": "POST", "body": CHUNKED}, {"job": 1 << 40}], ids=repr)
def test_a_request_that_is_not_whole_goes_nowhere(egress, upstream, changes):
    server = upstream(reply())
    other = changes.pop("job", None)
    job, stream = egress.job(server, **changes)
    stream.send("REQUEST_WHOLE", job=other or job, headers="")
    assert stream.receive()[0] == "RESPONSE_FAIL"
    assert stream.receive() == (None, None)
    assert egress.done(job)["clean"] == 0
    assert server.accepted == 0


def test_nothing_may_stand_behind_a_whole_request(egress, upstream):
    """Not as more of it, and not before the next: the stream is lost."""
    server = upstream(reply())
    job, stream = egress.job(server)
    stream.send("REQUEST_WHOLE", job=job, headers="")
    stream.send("REQUEST_BODY", data=b"GET /evil HTTP/1.1\r\n\r\n")
    assert stream.receive()[0] == "RESPONSE_HEAD"
    assert egress.done(job)["clean"] == 1
    job, _ = egress.job(server, stream)
    while stream.receive()[0] in ("RESPONSE_BODY", "RESPONSE_END"):
        continue
    assert egress.done(job)["clean"] == 0
    assert server.accepted == 1
