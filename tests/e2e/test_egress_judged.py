"""What the core has judged of a body is all that the egress lets through: the
test plays the core and a gateway that shows one thing and sends another."""

import base64
import contextlib
import hashlib
import threading
import zlib

import pytest

from test_egress import (CHUNKED, EGRESS, LENGTH, MIB, Answer, Request,
                         egress, reply, send_request, upstream)  # noqa: F401

START, WHOLE = 1, 2
KEYS = b"AKIDEXAMPLE\nwJalrXUtnFEMI"

pytestmark = pytest.mark.skipif(not EGRESS.exists(),
                                reason=f"{EGRESS} is not built")


def judged(part, body):
    return dict(judged=part, judged_length=len(body),
                judged_hash=hashlib.sha256(body).digest())


def cut(body, size):
    return [body[i:i + size] for i in range(0, len(body), size)]


class Echo:
    """An upstream that keeps what it was sent."""

    def __init__(self, upstream):
        self.requests = []
        self.server = upstream(self.serve)

    def serve(self, connection):
        request = Request(connection)
        if not request.line:
            return
        if request.header("transfer-encoding") == "chunked":
            body = b""
            while size := int(request.file.readline(), 16):
                body += request.file.read(size)
                request.file.readline()
            request.file.readline()
        else:
            body = request.file.read(int(request.header("content-length")
                                         or 0))
        self.requests.append((request, body))
        connection.sendall(reply(b"done", "200 OK", "Connection: close"))

    @property
    def bodies(self):
        return [body for _, body in self.requests]


@pytest.fixture
def echo(upstream):
    return Echo(upstream)


def send(egress, echo, pieces, chunked=False, headers="", **changes):
    """The answer to a request of these pieces, as a job that says `changes`."""
    return egress.exchange(echo.server, headers, pieces, chunked=chunked,
                           **changes)


def refused(answer, *words):
    assert answer.head is None
    # A gateway that still sends has the stream closed in its face.
    if answer.fail is not None:
        assert answer.fail["status"] == 403
        for word in words or ("not what was judged", "nothing"):
            assert word in answer.fail["detail"].decode()
    assert answer.done["outcome"] == b"policy_denied"
    assert answer.done["up"] == 0 and answer.done["clean"] == 0


COMMANDS = b"00a5" + b"c" * 300 + b"0000"
PACK = b"PACK" + bytes(range(256)) * 2000


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [1000, 65536, 304, 308, 7])
def test_a_judged_start_goes_first_however_it_is_cut(egress, echo, size,
                                                     chunked):
    body = COMMANDS + (PACK if size > 7 else b"PACKxyz")
    answer = send(egress, echo, cut(body, size), chunked,
                  **judged(START, COMMANDS))
    assert answer.status == 200 and bytes(answer.body) == b"done"
    assert echo.bodies == [body]
    assert answer.done["up"] == len(body)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("body", [
    COMMANDS[:-5] + b"d0000" + PACK, b"x" + COMMANDS + PACK, PACK,
    COMMANDS[1:] + PACK, COMMANDS[:100]], ids=range(5))
def test_another_start_does_not_go_upstream(egress, echo, body, chunked):
    answer = send(egress, echo, cut(body, 100), chunked,
                  **judged(START, COMMANDS))
    refused(answer)
    assert echo.server.accepted == 0
    # It goes on with the next.
    assert send(egress, echo, [b"x"]).status == 200


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [1, 100000])
@pytest.mark.parametrize("behind", [
    b"00a5" + b"d" * 161 + b"0000" + PACK, b"P", b"PAC", b"pack" + PACK,
    b"\n" + PACK], ids=range(5))
def test_behind_the_commands_there_is_a_pack_or_nothing(
        egress, echo, behind, size, chunked):
    """Or a server that goes on reading commands would have others."""
    body = COMMANDS + behind[:400]
    refused(send(egress, echo, cut(body, size), chunked,
                 **judged(START, COMMANDS)))
    assert echo.server.accepted == 0
    answer = send(egress, echo, cut(COMMANDS, size), chunked,
                  **judged(START, COMMANDS))
    assert answer.status == 200 and echo.bodies == [COMMANDS]


def test_nothing_goes_upstream_before_all_of_it_has_come(egress, echo):
    body = COMMANDS + PACK
    job, stream = egress.job(echo.server, method="POST", body=LENGTH,
                             length=len(body), **judged(START, COMMANDS))
    answer = Answer(job, stream)
    stream.send("REQUEST_HEAD", job=job, headers="")
    stream.send("REQUEST_BODY", data=body[:len(COMMANDS) - 1])
    # Another job of it comes and goes meanwhile.
    assert send(egress, echo, [b"x"]).status == 200
    assert echo.bodies == [b"x"] and echo.server.accepted == 1
    rest = body[len(COMMANDS) - 1:]
    sender = threading.Thread(target=lambda: [
        stream.send("REQUEST_BODY", data=piece)
        for piece in cut(rest, 60000)] + [stream.send("REQUEST_END")])
    sender.start()
    answer.read()
    sender.join()
    assert egress.done(job)["outcome"] == b"ok" and answer.status == 200
    assert echo.bodies == [b"x", body]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 70000, MIB])
def test_a_judged_body_goes_up_whole(egress, echo, size, chunked):
    body = bytes(range(251)) * (size // 251) + b"z" * (size % 251)
    answer = send(egress, echo, cut(body, 50000), chunked,
                  content_type="text/x", headers="content-type: text/y\n",
                  **judged(WHOLE, body))
    assert answer.status == 200, answer.fail
    assert echo.bodies == [body]
    assert echo.requests[0][0].header("content-type") == "text/x"


def test_a_judged_body_of_nothing(egress, echo):
    answer = egress.exchange(echo.server, method="DELETE",
                             **judged(WHOLE, b""))
    assert answer.status == 200 and echo.bodies == [b""]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("body", [
    b"approvee", b"approve", b"approved!", b"", b"x" * 200000], ids=range(5))
def test_another_body_does_not_go_upstream(egress, echo, body, chunked):
    answer = send(egress, echo, cut(body, 60000), chunked,
                  **judged(WHOLE, b"approved"))
    refused(answer)
    assert echo.server.accepted == 0
    assert send(egress, echo, [b"x"]).status == 200


def test_more_behind_an_approved_body_is_refused_at_its_end(egress, echo):
    """Its last byte is not let go before its end was seen."""
    job, stream = egress.job(echo.server, method="POST", body=CHUNKED,
                             **judged(WHOLE, b"approved"))
    stream.send("REQUEST_HEAD", job=job, headers="")
    stream.send("REQUEST_BODY", data=b"approved")
    assert send(egress, echo, [b"x"]).status == 200
    assert echo.bodies == [b"x"]
    stream.send("REQUEST_BODY", data=b"!")
    assert egress.done(job)["outcome"] == b"policy_denied"
    assert echo.bodies == [b"x"]


@pytest.mark.parametrize("change", [
    {"judged": 3}, {"judged_hash": b"x" * 31}, {"judged_hash": b""},
    {"judged_length": MIB + 1}, {"judged": START, "judged_length": 0}],
    ids=repr)
def test_a_job_that_says_nothing_sensible_is_refused(egress, echo, change):
    values = {**judged(WHOLE, b"abc"), **change}
    job, stream = egress.job(echo.server, method="POST", body=CHUNKED,
                             **values)
    with contextlib.suppress(OSError):
        send_request(job, stream, "", [b"abc"])
    assert egress.done(job)["outcome"] == b"invalid_request"
    assert echo.server.accepted == 0


@pytest.mark.parametrize("type", ["", "text/x"])
def test_the_type_is_the_judged_one(egress, echo, type):
    answer = send(egress, echo, [b"abc"], content_type=type,
                  headers="content-type: application/evil\n",
                  **judged(WHOLE, b"abc"))
    assert answer.status == 200
    assert echo.requests[0][0].header("content-type") == (type or None)


def test_a_push_is_not_packed(egress, echo):
    answer = send(egress, echo, [COMMANDS], headers="content-encoding: gzip\n",
                  **judged(START, COMMANDS))
    refused(answer, "packed")
    assert echo.server.accepted == 0


# --- What is signed ---------------------------------------------------------

def signed_job(service="s3", **changes):
    return dict(route=2, backend="aws-sts", service=service,
                region="eu-west-1", secret=KEYS, method="PUT",
                target="/bucket/key", **changes)


def sha256(body):
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("service", ["s3", "dynamodb"])
@pytest.mark.parametrize("size", [8, 300000])
def test_a_judged_body_is_signed(egress, echo, service, size):
    body = b"a" * size
    answer = send(egress, echo, cut(body, 50000),
                  headers=f"content-type: text/x\n"
                  f"x-amz-content-sha256: {sha256(body)}\n",
                  **signed_job(service, content_type="text/x"),
                  **judged(WHOLE, body))
    assert answer.status == 200, answer.fail
    request, sent = echo.requests[0]
    assert sent == body
    assert request.header("authorization").startswith("AWS4-HMAC-SHA256 ")


@pytest.mark.parametrize("service", ["s3", "dynamodb"])
@pytest.mark.parametrize("body", [b"approvee", b"approved!"])
def test_another_body_is_not_signed(egress, echo, service, body):
    answer = send(egress, echo, [body],
                  headers=f"x-amz-content-sha256: {sha256(body)}\n",
                  **signed_job(service), **judged(WHOLE, b"approved"))
    refused(answer)
    assert echo.server.accepted == 0


@pytest.mark.parametrize("service", ["s3", "dynamodb"])
@pytest.mark.parametrize("said", ["", "content-type: text/evil\n"])
@pytest.mark.parametrize("type", ["", "text/x"])
def test_the_type_that_is_signed_is_the_judged_one(egress, echo, service,
                                                   said, type):
    body = b"approved"
    answer = send(egress, echo, [body], headers=said
                  + f"x-amz-content-sha256: {sha256(body)}\n",
                  **signed_job(service, content_type=type),
                  **judged(WHOLE, body))
    assert answer.status == 200, answer.fail
    request, _ = echo.requests[0]
    assert request.header("content-type") == (type or None)
    covered = request.header("authorization").split("SignedHeaders=")[1]
    assert ("content-type" in covered.split(",")[0].split(";")) == bool(type)


def aws_chunks(payload, trailer=None):
    """As SDKs send it: one chunk, and a checksum behind."""
    crc = base64.b64encode(zlib.crc32(payload).to_bytes(4, "big"))
    text = b"%x\r\n%s\r\n0\r\n" % (len(payload), payload) if payload else (
        b"0\r\n")
    return text + b"x-amz-checksum-crc32:" + crc + b"\r\n\r\n"


def send_chunks(egress, echo, payload, told, shown):
    wire = aws_chunks(payload)
    return send(egress, echo, cut(wire, 40000), headers=(
        "content-encoding: aws-chunked\n"
        f"x-amz-decoded-content-length: {told}\n"
        "x-amz-trailer: x-amz-checksum-crc32\n"
        "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\n"),
        **signed_job(), **judged(WHOLE, shown))


@pytest.mark.parametrize("size", [0, 8, 100000])
def test_chunks_of_aws_are_judged_as_they_came(egress, echo, size):
    payload = b"p" * size
    answer = send_chunks(egress, echo, payload, size, aws_chunks(payload))
    assert answer.status == 200, answer.fail
    assert echo.bodies == [payload]


def test_other_chunks_of_aws_do_not_go_upstream(egress, echo):
    for shown in (b"p" * 8, aws_chunks(b"q" * 8), aws_chunks(b"p" * 9)):
        refused(send_chunks(egress, echo, b"p" * 8, 8, shown), "not what")
    assert echo.server.accepted == 0
