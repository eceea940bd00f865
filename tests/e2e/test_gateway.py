"""The gateway alone: the test plays the core on its bus, egress on its
streams, and sandboxes at its endpoints.  Whatever a sandbox sends has a
defined answer, bodies flow without being kept, and an ended session is cut."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from conftest import BUILD, descriptors, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
import bus  # noqa: E402

GATEWAY = BUILD / "libexec" / "credbroker" / "credbroker-gateway"
TOKEN = b"crbs_" + b"t" * 49
MIB = 1 << 20
LARGE = 200 * MIB
NONE, LENGTH, CHUNKED = range(3)

pytestmark = pytest.mark.skipif(not GATEWAY.exists(),
                                reason=f"{GATEWAY} is not built")


# --- The process under test -------------------------------------------------

class Gateway:
    def __init__(self, folder, descriptors=None):
        ours, theirs = bus.pair()
        self.folder = folder
        # As the supervisor starts it.
        environment = {"LANG": "C", "LD_BIND_NOW": "1",
                       "ASAN_OPTIONS": "quarantine_size_mb=1:"
                       + os.environ.get("ASAN_OPTIONS", "")}
        command = [str(GATEWAY)]
        if descriptors:
            command = ["/bin/sh", "-c", f"ulimit -n {descriptors}; exec $0",
                       str(GATEWAY)]
        self.process = subprocess.Popen(
            command, env=environment, pass_fds=(3,),
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3))
        theirs.close()
        self.core = bus.End(ours)
        self.streams = self.jobs = self.requests = 0

    def session(self, name="s1", *, token=TOKEN, expires=1 << 40,
                connections=64, port=0):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.folder / f"{name}.sock"))
        listener.listen(128)
        listener.setblocking(False)
        digest = hashlib.blake2b(token, digest_size=32).digest()
        self.core.send("SESSION_OPEN", fd=listener.fileno(), session=name,
                       task="task", token_hash=digest, expires=expires,
                       connections=connections, port=port)
        listener.close()

    def end(self, name="s1", code="session_revoked",
            detail="session s1 was revoked by the operator"):
        self.requests += 1
        self.core.send("SESSION_END", request=self.requests, session=name,
                       code=code, detail=detail)

    def connect(self, name="s1", timeout=30):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(timeout)
        client.connect(str(self.folder / f"{name}.sock"))
        return client

    def expect(self, kind):
        name, fields = self.core.receive()
        assert name == kind, (name, fields)
        return fields

    def allow(self, exchange, stream=None, **more):
        """Allow; the egress' end of the stream, and the job."""
        self.jobs += 1
        theirs = None
        if stream is None:
            self.streams += 1
            ours, theirs = bus.pair()
            stream = bus.End(ours)
            stream.number = self.streams
        stream.job = self.jobs
        self.core.send("VERDICT", fd=theirs and theirs.fileno(),
                       exchange=exchange["exchange"], allowed=1,
                       job=self.jobs, stream=stream.number,
                       **{"origin": "https://example.com", **more})
        if theirs is not None:
            theirs.close()
        return stream

    def refuse(self, exchange, **more):
        refusal = dict(status=403, code="policy_denied",
                       title="Denied by policy",
                       detail="push to acme/api is not granted",
                       rule="grants", tier="session", next="ask for more")
        refusal.update(more)
        self.core.send("VERDICT", exchange=exchange["exchange"], allowed=0,
                       **refusal)

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(l for l in status.splitlines() if l.startswith("VmRSS"))
        return int(line.split()[1]) << 10

    def descriptors(self):
        return len(descriptors(self.process.pid))

    def ticks(self):
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        return sum(int(f) for f in stat.rsplit(")", 1)[1].split()[11:13])

    def state(self):
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rsplit(")", 1)[1].split()[0]

    def settle(self, session="s1"):
        """Everything sent so far has been taken, and the process is warm."""
        client = self.connect(session)
        ask(client, "GET /v1/nothing", V1)
        assert Response(client).status == 404
        count = self.descriptors()
        client.close()
        wait_until(lambda: self.descriptors() < count, "closed")

    def stop(self):
        self.core.close()
        assert self.process.wait(timeout=30) == 0


@pytest.fixture
def gateway(tmp_path):
    it = Gateway(tmp_path)
    yield it
    try:
        it.stop()
    finally:
        it.process.kill()
        it.process.wait()


# --- A client that shows what came ------------------------------------------

class Response:
    def __init__(self, client):
        self.file = client.makefile("rb")
        line = self.file.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        self.status = int(line.split()[1])
        self.headers = {}
        for line in iter(self.file.readline, b"\r\n"):
            assert line.endswith(b"\r\n"), line
            name, _, value = line.partition(b":")
            self.headers[name.decode().lower()] = value.strip().decode()

    def pieces(self):
        """The body; ValueError when it breaks off."""
        if self.headers.get("transfer-encoding") != "chunked":
            left = int(self.headers.get("content-length", 0))
            while left:
                piece = self.file.read1(min(left, 1 << 16))
                if not piece:
                    raise ValueError("cut")
                left -= len(piece)
                yield piece
            return
        while True:
            line = self.file.readline()
            if not line:
                raise ValueError("cut")
            left = int(line, 16)
            if left == 0:
                assert self.file.readline() == b"\r\n"
                return
            while left:
                piece = self.file.read1(min(left, 1 << 16))
                if not piece:
                    raise ValueError("cut")
                left -= len(piece)
                yield piece
            assert self.file.readline() == b"\r\n"

    def body(self):
        return b"".join(self.pieces())

    def problem(self):
        assert self.headers["content-type"] == "application/problem+json"
        problem = json.loads(self.body())
        assert problem["status"] == self.status
        assert problem["type"].endswith(problem_code(self))
        assert all(problem[k] is not None for k in (
            "title", "detail", "rule", "tier", "next_steps"))
        return problem


def problem_code(response):
    return response.headers["credbroker-error"]


HOST = "Host: 127.0.0.1:9169\r\n"
V1 = HOST + "Credbroker-Session: 1\r\n"


def head(line, headers=HOST):
    return f"{line} HTTP/1.1\r\n{headers}\r\n".encode()


def ask(client, line, headers=HOST, body=b""):
    client.sendall(head(line, headers) + body)


def closed(client):
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def pkt(payload):
    if isinstance(payload, str):
        payload = payload.encode()
    return b"%04x" % (len(payload) + 4) + payload


def pkts(data):
    """The payloads; None is a flush.  The whole must be well-formed."""
    lines = []
    while data:
        size = int(data[:4], 16)
        if size == 0:
            lines.append(None)
            size = 4
        else:
            assert 4 < size <= len(data), (size, len(data))
            lines.append(data[4:size])
        data = data[size:]
    return lines


UPLOAD_PACK = "/git/example.com/acme/api.git/git-upload-pack"
RECEIVE_PACK = "/git/example.com/acme/api.git/git-receive-pack"
REFS = "/git/example.com/acme/api.git/info/refs?service=git-upload-pack"


# --- /v1 --------------------------------------------------------------------

def test_session_is_asked_of_the_core(gateway):
    gateway.session()
    client = gateway.connect()
    for _ in range(3):
        ask(client, "GET /v1/session", V1)
        query = gateway.expect("QUERY")
        assert query["session"] == b"s1" and query["what"] == 0
        assert query["plain"] == 0
        gateway.core.send("ANSWER", exchange=query["exchange"], status=200,
                          type="application/json", body=b'{"a":1}')
        response = Response(client)
        assert response.status == 200 and response.body() == b'{"a":1}'
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"


def test_git_exchange_small(gateway):
    gateway.session()
    client = gateway.connect()
    stream = None
    for turn in range(3):
        ask(client, "GET " + REFS, HOST +
            "Git-Protocol: version=2\r\nAuthorization: Basic eDp5\r\n"
            "Cookie: a=b\r\nAccept-Encoding: gzip\r\nAccept: */*\r\n")
        exchange = gateway.expect("EXCHANGE")
        assert exchange["method"] == b"GET"
        assert exchange["target"] == b"example.com/acme/api.git/info/refs"
        assert exchange["query"] == b"service=git-upload-pack"
        assert exchange["has_query"] == 1 and exchange["body"] == NONE
        stream = gateway.allow(exchange, stream)
        name, request = stream.receive()
        assert name == "REQUEST_HEAD" and request["job"] == stream.job
        assert sorted(request["headers"].split(b"\n")[:-1]) == [
            b"accept: */*", b"git-protocol: version=2"]
        assert stream.receive()[0] == "REQUEST_END"
        stream.send("RESPONSE_HEAD", job=stream.job, status=200, has_length=1,
                    length=5, headers="content-type: text/plain\n"
                    "cache-control: public\netag: \"x\"\n")
        stream.send("RESPONSE_BODY", data=b"he")
        stream.send("RESPONSE_BODY", data=b"llo")
        stream.send("RESPONSE_END", clean=1)
        response = Response(client)
        assert response.status == 200 and response.body() == b"hello"
        assert response.headers["content-length"] == "5"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["etag"] == '"x"'
        done = gateway.expect("EXCHANGE_DONE")
        assert done["exchange"] == exchange["exchange"]
        assert (done["clean"], done["status"], done["down"]) == (1, 200, 5)


# --- What is refused at the head --------------------------------------------

def raw(line="GET /v1/session HTTP/1.1", *headers, body=b"", host=True,
        session=True, end=b"\r\n"):
    lines = [line]
    if host:
        lines.append("Host: 127.0.0.1:9169")
    if session:
        lines.append("Credbroker-Session: 1")
    lines += headers
    return b"".join(
        (h if isinstance(h, bytes) else h.encode()) + end
        for h in lines) + end + body


POST = "POST /v1/helper/git/get HTTP/1.1"
CODES = {400: "invalid_request", 404: "not_found", 405: "method_not_allowed",
         413: "too_large", 414: "target_too_long", 417: "expectation_failed",
         431: "headers_too_large", 505: "version_not_supported"}

# name: (bytes, status, code or None for the server library's own answer; its
# 0.9.75 says a refused Content-Length twice before it closes)
HOSTILE = {
    "no host": (raw(host=False), 400, "invalid_request"),
    "empty host": (raw("GET /v1/session HTTP/1.1", "Host:", host=False),
                   403, "host_not_allowed"),
    "two hosts": (raw("GET /v1/session HTTP/1.1", "Host: 127.0.0.1"), 400,
                  "invalid_request"),
    "two hosts, one evil": (raw("GET /v1/session HTTP/1.1",
                                "Host: evil.example"), 400,
                            "invalid_request"),
    "evil host": (raw("GET /v1/session HTTP/1.1", "Host: evil.example",
                      host=False), 403, "host_not_allowed"),
    "host with a dot": (raw("GET /v1/session HTTP/1.1", "Host: localhost.",
                            host=False), 403, "host_not_allowed"),
    "host in capitals": (raw("GET /v1/session HTTP/1.1", "Host: LOCALHOST",
                             host=False), 403, "host_not_allowed"),
    "wrong port": (raw("GET /v1/session HTTP/1.1", "Host: 127.0.0.1:80",
                       host=False), 403, "host_not_allowed"),
    "port with zeros": (raw("GET /v1/session HTTP/1.1",
                            "Host: 127.0.0.1:09169", host=False), 403,
                        "host_not_allowed"),
    "host with user": (raw("GET /v1/session HTTP/1.1",
                           "Host: a@127.0.0.1:9169", host=False), 403,
                       "host_not_allowed"),
    "other loopback": (raw("GET /v1/session HTTP/1.1", "Host: 127.0.0.2",
                           host=False), 403, "host_not_allowed"),
    "metadata host": (raw("GET /v1/session HTTP/1.1",
                          "Host: 169.254.169.254", host=False), 403,
                      "host_not_allowed"),
    "host list": (raw("GET /v1/session HTTP/1.1",
                      "Host: 127.0.0.1, evil.example", host=False), 403,
                  "host_not_allowed"),
    "origin": (raw("GET /v1/session HTTP/1.1",
                   "Origin: http://evil.example"), 403, "browser_request"),
    "null origin": (raw("GET /v1/session HTTP/1.1", "Origin: null"), 403,
                    "browser_request"),
    "origin on post": (raw(POST, "origin: x", "Content-Length: 0"), 403,
                       "browser_request"),
    "referer": (raw("GET /v1/session HTTP/1.1", "Referer: http://a/"), 403,
                "browser_request"),
    "sec-fetch": (raw("GET /v1/session HTTP/1.1",
                      "Sec-Fetch-Site: same-origin"), 403,
                  "browser_request"),
    "websocket": (raw("GET /v1/session HTTP/1.1", "Upgrade: websocket",
                      "Connection: Upgrade", "Sec-WebSocket-Key: eA=="), 403,
                  "browser_request"),
    "forwarded for": (raw("GET /v1/session HTTP/1.1",
                          "X-Forwarded-For: 1.2.3.4"), 403,
                      "forwarded_request"),
    "forwarded host": (raw("GET /v1/session HTTP/1.1",
                           "x-forwarded-host: a"), 403, "forwarded_request"),
    "forwarded": (raw("GET /v1/session HTTP/1.1", "Forwarded: for=1.2.3.4"),
                  403, "forwarded_request"),
    "via": (raw("GET /v1/session HTTP/1.1", "Via: 1.1 proxy"), 403,
            "forwarded_request"),
    "real ip": (raw("GET /v1/session HTTP/1.1", "X-Real-IP: 1.2.3.4"), 403,
                "forwarded_request"),
    "forwarded on git": (raw("GET " + REFS + " HTTP/1.1", "Via: 1.1 x"), 403,
                         "forwarded_request"),
    "method override": (raw("GET /v1/session HTTP/1.1",
                            "X-HTTP-Method-Override: DELETE"), 400,
                        "invalid_request"),
    "options": (raw("OPTIONS /v1/session HTTP/1.1"), 405,
                "method_not_allowed"),
    "options star": (raw("OPTIONS * HTTP/1.1"), 405, "method_not_allowed"),
    "trace": (raw("TRACE /v1/session HTTP/1.1"), 405, "method_not_allowed"),
    "connect": (raw("CONNECT example.com:443 HTTP/1.1"), 405,
                "method_not_allowed"),
    "delete": (raw("DELETE /v1/session HTTP/1.1"), 405,
               "method_not_allowed"),
    "put": (raw("PUT /v1/session HTTP/1.1", "Content-Length: 0"), 405,
            "method_not_allowed"),
    "head": (raw("HEAD /v1/session HTTP/1.1"), 405, "method_not_allowed"),
    "get on a helper": (raw("GET /v1/helper/git/get HTTP/1.1"), 405,
                        "method_not_allowed"),
    "lower-case method": (raw("get /v1/session HTTP/1.1"), 405,
                          "method_not_allowed"),
    "absolute form": (raw("GET http://127.0.0.1:9169/v1/session HTTP/1.1"),
                      400, "invalid_request"),
    "absolute form of another": (raw("GET http://evil.example/ HTTP/1.1"),
                                 400, "invalid_request"),
    "no slash": (raw("GET v1/session HTTP/1.1"), 400, "invalid_request"),
    "fragment": (raw("GET /v1/session#x HTTP/1.1"), 400, "invalid_request"),
    "backslash": (raw("GET /v1\\session HTTP/1.1"), 400, "invalid_request"),
    "8-bit target": (raw(b"GET /v1/sess\xefon HTTP/1.1"), 400,
                     "invalid_request"),
    "encoded path": (raw("GET /v1/%73ession HTTP/1.1"), 404, "not_found"),
    "double slash": (raw("GET //v1/session HTTP/1.1"), 404, "not_found"),
    "trailing slash": (raw("GET /v1/session/ HTTP/1.1"), 404, "not_found"),
    "query on /v1": (raw("GET /v1/session?a=b HTTP/1.1"), 400,
                     "invalid_request"),
    "unknown": (raw("GET /computeMetadata/v1/ HTTP/1.1"), 404, "not_found"),
    "metadata": (raw("GET /latest/meta-data/ HTTP/1.1"), 403,
                 "imds_disabled"),
    "root": (raw("GET / HTTP/1.1"), 404, "not_found"),
    "bad name": (raw("GET /v1/credentials/..%2fx HTTP/1.1"), 404,
                 "not_found"),
    "nameless": (raw("GET /v1/credentials/ HTTP/1.1"), 404, "not_found"),
    "git without a path": (raw("GET /git/ HTTP/1.1"), 404, "not_found"),
    "long target": (raw("GET /git/" + "a" * 9000 + " HTTP/1.1"), 414,
                    "target_too_long"),
    "huge target": (raw("GET /" + "a" * 200000 + " HTTP/1.1"), 414, None),
    "http 1.2": (raw("GET /v1/session HTTP/1.2"), 505,
                 "version_not_supported"),
    "http 2": (raw("GET /v1/session HTTP/2.0"), 505, None),
    "http 0.9": (b"GET /v1/session\r\n\r\n", 400, None),
    "http 1.0 chunked": (raw(POST.replace("1.1", "1.0"),
                             "Transfer-Encoding: chunked"), 400,
                         "invalid_request"),
    "length twice": (raw(POST, "Content-Length: 1", "Content-Length: 1",
                         body=b"x"), 400, "invalid_request"),
    "lengths differ": (raw(POST, "Content-Length: 1", "Content-Length: 2",
                           body=b"xy"), 400, "invalid_request"),
    "length and chunked": (raw(POST, "Content-Length: 5",
                               "Transfer-Encoding: chunked",
                               body=b"0\r\n\r\n"), 400, "invalid_request"),
    "length with sign": (raw(POST, "Content-Length: +1", body=b"x"), 400,
                         None),
    "length in hex": (raw(POST, "Content-Length: 0x1", body=b"x"), 400,
                      None),
    "negative length": (raw(POST, "Content-Length: -1"), 400, None),
    "empty length": (raw(POST, "Content-Length:"), 400, None),
    "length list": (raw(POST, "Content-Length: 1, 1", body=b"x"), 400, None),
    "overflowing length": (raw(POST, "Content-Length: 99999999999999999999"),
                           413, None),
    "largest length": (raw(POST, "Content-Length: 18446744073709551615"),
                       None, None),
    "gzip, chunked": (raw(POST, "Transfer-Encoding: gzip, chunked",
                          body=b"0\r\n\r\n"), 400, "invalid_request"),
    "chunked, chunked": (raw(POST, "Transfer-Encoding: chunked, chunked",
                             body=b"0\r\n\r\n"), 400, "invalid_request"),
    "chunked twice": (raw(POST, "Transfer-Encoding: chunked",
                          "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
                      400, "invalid_request"),
    "xchunked": (raw(POST, "Transfer-Encoding: xchunked",
                     body=b"0\r\n\r\n"), 400, "invalid_request"),
    "identity": (raw(POST, "Transfer-Encoding: identity"), 400,
                 "invalid_request"),
    "tabbed chunked": (raw(POST, "Transfer-Encoding:\x0bchunked",
                           body=b"0\r\n\r\n"), 400, "invalid_request"),
    "body on get": (raw("GET /v1/session HTTP/1.1", "Content-Length: 1",
                        body=b"x"), 400, "invalid_request"),
    "chunks on get": (raw("GET /v1/session HTTP/1.1",
                          "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
                      400, "invalid_request"),
    "bad chunk size": (raw(POST, "Transfer-Encoding: chunked",
                           body=b"zz\r\n"), 400, None),
    "huge chunk size": (raw(POST, "Transfer-Encoding: chunked",
                            body=b"fffffffffffffffff\r\n"), 413, None),
    "body over the route's": (raw(POST, "Content-Length: 65537"), 413,
                              "too_large"),
    "chunks over the route's": (raw(POST, "Transfer-Encoding: chunked",
                                    body=b"10001\r\n" + b"x" * 65537 +
                                    b"\r\n0\r\n\r\n"), 413, "too_large"),
    "trailer": (raw(POST, "Transfer-Encoding: chunked", "Trailer: X",
                    body=b"0\r\n\r\n"), 400, "invalid_request"),
    "8-bit header name": (raw("GET /v1/session HTTP/1.1", b"X\xe9: a"), 400,
                          "invalid_request"),
    "empty header name": (raw("GET /v1/session HTTP/1.1", ": a", host=False,
                              session=False), 400, "invalid_request"),
    "space in the target": (raw("GET /v1/session x HTTP/1.1"), 400,
                            "invalid_request"),
    "space before colon": (raw("GET /v1/session HTTP/1.1", "X-A : a"), 400,
                           "invalid_request"),
    "no colon": (raw("GET /v1/session HTTP/1.1", "nonsense"), 400, None),
    "folded": (raw("GET /v1/session HTTP/1.1", "X-A: a", " folded: b"), 400,
               None),
    "underscore": (raw("GET /v1/session HTTP/1.1",
                       "Credbroker_Session: 1"), 400, "invalid_request"),
    "control in a value": (raw("GET /v1/session HTTP/1.1", "X-A: a\x01b"),
                           400, "invalid_request"),
    "8-bit value": (raw("GET /v1/session HTTP/1.1", b"X-A: \xe9"), 400,
                    "invalid_request"),
    "many headers": (raw("GET /v1/session HTTP/1.1",
                         *[f"X-{i}: a" for i in range(63)]), 431,
                     "headers_too_large"),
    "large headers": (raw("GET /v1/session HTTP/1.1", "X-A: " + "a" * 8200),
                      431, "headers_too_large"),
    "huge headers": (raw("GET /v1/session HTTP/1.1",
                         "X-A: " + "a" * 200000), 431, None),
    "expectation": (raw(POST, "Content-Length: 1", "Expect: 200-ok"), 417,
                    "expectation_failed"),
    "upgrade": (raw("GET /v1/session HTTP/1.1", "Connection: Upgrade",
                    "Upgrade: TLS/1.0"), 400, "invalid_request"),
    "no session header": (raw(session=False), 403, "session_header_missing"),
    "wrong session header": (raw("GET /v1/session HTTP/1.1",
                                 "Credbroker-Session: 2", session=False),
                             400, "invalid_request"),
    "session header twice": (raw("GET /v1/session HTTP/1.1",
                                 "Credbroker-Session: 1"), 400,
                             "invalid_request"),
    "wrong token": (raw("GET /v1/session HTTP/1.1",
                        "Authorization: Bearer crbs_" + "x" * 49), 401,
                    "token_not_accepted"),
    "token in the wrong scheme": (
        raw("GET /v1/session HTTP/1.1",
            "Authorization: Basic " + TOKEN.decode()), 401,
        "token_not_accepted"),
    "empty token": (raw("GET /v1/session HTTP/1.1",
                        "Authorization: Bearer "), 401,
                    "token_not_accepted"),
    "two tokens": (raw("GET /v1/session HTTP/1.1",
                       "Authorization: Bearer " + TOKEN.decode(),
                       "Authorization: Bearer x", session=False), 400,
                   "invalid_request"),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n",
            None, None),
    "h2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, None),
    "blank lines": (b"\r\n" * 8 + b"nonsense\r\n\r\n", None, None),
    "zeros": (bytes(4096) + b"\r\n\r\n", None, None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_request_has_a_defined_answer(gateway, name):
    data, status, code = HOSTILE[name]
    gateway.session()
    client = gateway.connect(timeout=10)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.sendall(data)
    # What the library answers by itself ends the connection; what it does
    # not answer is closed.
    client.shutdown(socket.SHUT_WR)
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(1 << 16):
            answer += piece
    if status is not None:
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    if status is not None and code is not None:
        assert len(re.findall(rb"HTTP/1\.1 \d\d\d ", answer)) == 1
    if code is not None:
        assert b"Credbroker-Error: %s\r\n" % code.encode() in answer
    # Nothing of it reached the core, and the next one is served.
    client = gateway.connect()
    ask(client, "GET /v1/session", V1)
    query = gateway.expect("QUERY")
    gateway.core.send("ANSWER", exchange=query["exchange"], status=200,
                      type="text/plain", body=b"ok")
    assert Response(client).body() == b"ok"


# --- What the server library hides ------------------------------------------

HIDDEN = {
    "bare line feeds": (b"GET " + REFS.encode() + b" HTTP/1.1\nHost: "
                        b"127.0.0.1\nAccept: a\n\n", b"accept: a\n"),
    "a folded line": (b"GET " + REFS.encode() + b" HTTP/1.1\r\nHost: "
                      b"127.0.0.1\r\nAccept: a\r\n b\r\n\r\n", b""),
    "a value with NUL": (b"GET " + REFS.encode() + b" HTTP/1.1\r\nHost: "
                         b"127.0.0.1\r\nAccept: a\0b\r\n\r\n",
                         b"accept: a\n"),
    "a name with NUL": (b"GET " + REFS.encode() + b" HTTP/1.1\r\nHost: "
                        b"127.0.0.1\r\nAcc\0ept: a\r\n\r\n", None),
    "a target with NUL": (b"GET " + REFS.encode() + b"\0&x=y HTTP/1.1\r\n"
                          b"Host: 127.0.0.1\r\n\r\n", b""),
    "an empty name": (b"GET " + REFS.encode() + b" HTTP/1.1\r\nHost: "
                      b"127.0.0.1\r\n: x\r\nAccept: a\r\n\r\n", b""),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_irregularity_does_not_get_through(gateway, name):
    """Only what was judged and listed goes on, in our own framing."""
    data, expected = HIDDEN[name]
    gateway.session()
    client = gateway.connect(timeout=10)
    client.sendall(data)
    gateway.core.sock.settimeout(10)
    if expected is None:
        assert re.match(rb"HTTP/1\.1 4\d\d ", client.recv(1 << 16))
        return
    exchange = gateway.expect("EXCHANGE")
    assert exchange["target"] == b"example.com/acme/api.git/info/refs"
    assert exchange["query"] == b"service=git-upload-pack"
    stream = gateway.allow(exchange)
    assert stream.receive()[1]["headers"] == expected
    assert stream.receive()[0] == "REQUEST_END"


# --- /v1, continued ---------------------------------------------------------

def answer(gateway, query, body=b"ok", **more):
    gateway.core.send("ANSWER", exchange=query["exchange"],
                      **{"status": 200, "type": "text/plain", "body": body,
                         **more})


def test_token_opens_v1_of_its_own_session_only(gateway):
    gateway.session("a", token=b"crbs_a")
    gateway.session("b", token=b"crbs_b")
    for session, token, scheme in (("a", "crbs_a", "Bearer"),
                                   ("b", "crbs_b", "bearer")):
        client = gateway.connect(session)
        ask(client, "GET /v1/session",
            HOST + f"Authorization: {scheme} {token}\r\n")
        query = gateway.expect("QUERY")
        assert query["session"] == session.encode()
        answer(gateway, query)
        assert Response(client).status == 200
        other = {"a": "crbs_b", "b": "crbs_a"}[session]
        # A wrong token is refused although the header alone would do.
        ask(client, "GET /v1/session",
            V1 + f"Authorization: Bearer {other}\r\n")
        response = Response(client)
        assert response.status == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.problem()["title"] == "Token not accepted"


def test_credential_name_and_plain_text_reach_the_core(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET /v1/credentials/git.hub-1",
        V1 + "Accept: text/html;q=0.1, text/plain ;q=0.9\r\n")
    query = gateway.expect("QUERY")
    assert (query["what"], query["name"]) == (2, b"git.hub-1")
    assert query["plain"] == 1
    answer(gateway, query, status=403, code="policy_denied", body=b"no\n")
    response = Response(client)
    assert response.status == 403 and response.body() == b"no\n"
    assert problem_code(response) == "policy_denied"
    ask(client, "GET /v1/nothing", V1 + "Accept: text/plain\r\n")
    response = Response(client)
    assert response.body().startswith(b"credbroker: there is nothing at")
    ask(client, "GET /v1/credentials", V1)
    assert gateway.expect("QUERY")["what"] == 1


@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
def test_helper_body_reaches_the_core(gateway, framing):
    gateway.session()
    client = gateway.connect()
    body = b"protocol=https\nhost=example.com\n\n" * 900
    if framing == "length":
        ask(client, "POST /v1/helper/git/get",
            V1 + f"Content-Length: {len(body)}\r\n", body)
    elif framing == "chunked":
        ask(client, "POST /v1/helper/git/get",
            V1 + "Transfer-Encoding: chunked\r\n", b"".join(
                b"%x;ext=1\r\n%s\r\n" % (len(body[i:i + 999]),
                                        body[i:i + 999])
                for i in range(0, len(body), 999)) + b"0\r\n\r\n")
    else:
        body = b""
        ask(client, "POST /v1/helper/git/get", V1)
    query = gateway.expect("QUERY")
    assert query["what"] == 3 and query["body"] == body
    answer(gateway, query, b"username=x\n")
    assert Response(client).body() == b"username=x\n"
    # The connection can be used again.
    ask(client, "POST /v1/helper/git/erase", V1 + "Content-Length: 1\r\n",
        b"x")
    query = gateway.expect("QUERY")
    assert (query["what"], query["body"]) == (4, b"x")
    answer(gateway, query, b"")
    assert Response(client).status == 200


def test_store_is_accepted_and_kept_nowhere(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "POST /v1/helper/git/store", V1 + "Content-Length: 14\r\n",
        b"password=abc\n\n")
    response = Response(client)
    assert response.status == 200 and response.body() == b""
    ask(client, "GET /v1/session", V1)
    assert gateway.core.receive()[0] == "QUERY"


def test_helper_refusal_is_text(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "POST /v1/helper/git/get", HOST + "Content-Length: 0\r\n")
    response = Response(client)
    assert response.status == 403
    assert response.headers["content-type"].startswith("text/plain")
    assert response.body().startswith(b"credbroker: ")


@pytest.mark.parametrize("host", ["127.0.0.1:9169", "127.0.0.1", "localhost",
                                  "localhost:9169", "[::1]", "[::1]:9169"])
def test_host_on_the_list_is_served(gateway, host):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET /v1/session",
        f"Host: {host}\r\nCredbroker-Session: 1\r\n")
    answer(gateway, gateway.expect("QUERY"))
    assert Response(client).status == 200


def test_http_1_0_gets_one_answer(gateway):
    gateway.session()
    client = gateway.connect()
    client.sendall(f"GET /v1/session HTTP/1.0\r\n{V1}"
                   "Connection: keep-alive\r\n\r\n".encode())
    answer(gateway, gateway.expect("QUERY"))
    response = Response(client)
    assert response.status == 200 and response.body() == b"ok"
    assert response.headers["connection"].lower() == "close"
    assert closed(client)


def test_upgrade_to_h2c_is_passed_over(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET /v1/session", V1 + "Connection: Upgrade, HTTP2-Settings"
        "\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n")
    answer(gateway, gateway.expect("QUERY"))
    assert Response(client).status == 200


def test_pipelined_requests_are_answered_in_order(gateway):
    gateway.session()
    client = gateway.connect()
    client.sendall(head("GET /v1/session", V1) * 3)
    for i in range(3):
        answer(gateway, gateway.expect("QUERY"), b"%d" % i)
    text = b""
    while text.count(b"\r\n\r\n") < 3 or not text.endswith(b"2"):
        text += client.recv(1 << 16)
    assert re.findall(rb"\r\n\r\n(\d)", text) == [b"0", b"1", b"2"]


# --- The core's verdict -----------------------------------------------------

def test_refused_discovery_is_text_that_git_shows(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET " + REFS)
    gateway.refuse(gateway.expect("EXCHANGE"))
    response = Response(client)
    assert response.status == 403
    assert response.headers["content-type"].startswith("text/plain")
    assert problem_code(response) == "policy_denied"
    assert response.body() == (
        b"credbroker: push to acme/api is not granted\n"
        b"(rule grants, tier session)\nask for more\n")


def test_git_is_never_told_401(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET " + REFS)
    gateway.refuse(gateway.expect("EXCHANGE"), status=401)
    assert Response(client).status == 403
    ask(client, "GET " + REFS)
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    stream.send("RESPONSE_HEAD", job=stream.job, status=401)
    assert Response(client).status == 502


def test_refused_fetch_is_an_error_packet(gateway):
    gateway.session()
    client = gateway.connect()
    body = pkt("command=fetch") + b"0000"
    ask(client, "POST " + UPLOAD_PACK, HOST + f"Content-Length: {len(body)}"
        "\r\nContent-Encoding: gzip\r\n", body)
    exchange = gateway.expect("EXCHANGE")
    assert (exchange["body"], exchange["length"]) == (LENGTH, len(body))
    gateway.refuse(exchange)
    response = Response(client)
    assert response.status == 200
    assert (response.headers["content-type"] ==
            "application/x-git-upload-pack-result")
    assert problem_code(response) == "policy_denied"
    assert pkts(response.body()) == [
        b"ERR credbroker: push to acme/api is not granted "
        b"(rule grants, tier session)\n"]


ZERO = "0" * 40
COMMANDS = (pkt(f"{ZERO} {'1' * 40} refs/heads/main\0 report-status-v2 "
                "side-band-64k object-format=sha1 agent=git/2.39.5") +
            pkt(f"{'2' * 40} {ZERO} refs/heads/old\n") + b"0000")


def test_refused_push_is_a_report_in_the_side_band(gateway):
    gateway.session()
    client = gateway.connect()
    body = COMMANDS + b"PACK" + b"x" * 3000000
    sender = threading.Thread(target=post, args=(client, RECEIVE_PACK, "",
                                                 body))
    sender.start()
    gateway.refuse(gateway.expect("EXCHANGE"))
    sender.join()
    response = Response(client)
    assert response.status == 200
    assert (response.headers["content-type"] ==
            "application/x-git-receive-pack-result")
    progress, data, flush = pkts(response.body())
    assert progress[:1] == b"\2" and flush is None
    assert progress[1:].startswith(b"credbroker: push to acme/api is not")
    assert data[:1] == b"\1"
    reason = b"credbroker: Denied by policy, as said above\n"
    assert pkts(data[1:]) == [b"unpack ok\n",
                              b"ng refs/heads/main " + reason,
                              b"ng refs/heads/old " + reason, None]
    # The rest of the body was read: the connection goes on.
    ask(client, "GET " + REFS)
    gateway.refuse(gateway.expect("EXCHANGE"))
    assert Response(client).status == 403


def test_refused_push_without_side_band(gateway):
    gateway.session()
    client = gateway.connect()
    body = pkt(f"{ZERO} {'1' * 40} refs/heads/m\0report-status") + b"0000"
    ask(client, "POST " + RECEIVE_PACK, HOST +
        "Transfer-Encoding: chunked\r\n", b"".join(
            b"1\r\n%c\r\n" % c for c in body) + b"0\r\n\r\n")
    assert gateway.core.receive()[0] == "EXCHANGE"
    gateway.core.send("VERDICT", exchange=1 << 32 | 63, allowed=0, status=403,
                      code="policy_denied", detail="no")
    lines = pkts(Response(client).body())
    assert lines == [b"unpack ok\n",
                     b"ng refs/heads/m credbroker: no\n", None]


@pytest.mark.parametrize("body", [b"0000", b"", b"garbage!",
                                  pkt("push-cert\0"), b"fff0",
                                  pkt(f"{ZERO} {ZERO} a\0") + b"0000"])
def test_refused_push_that_cannot_be_reported(gateway, body):
    gateway.session()
    client = gateway.connect()
    ask(client, "POST " + RECEIVE_PACK,
        HOST + f"Content-Length: {len(body)}\r\n", body)
    gateway.refuse(gateway.expect("EXCHANGE"))
    response = Response(client)
    if body == b"0000":
        assert response.status == 200 and response.body() == b"0000"
    else:
        assert response.status == 403
        assert response.body().startswith(b"credbroker: push to acme/api")


# --- Exchanges --------------------------------------------------------------

def post(client, path=RECEIVE_PACK, headers="", body=b""):
    ask(client, "POST " + path,
        HOST + headers + f"Content-Length: {len(body)}\r\n", body)


def take_request(stream):
    """(headers, body) as egress sees them."""
    name, request = stream.receive()
    assert name == "REQUEST_HEAD" and request["job"] == stream.job
    body = b""
    while True:
        name, fields = stream.receive()
        if name == "REQUEST_END":
            return request["headers"], body
        assert name == "REQUEST_BODY", name
        body += fields["data"]


RESULT = "content-type: application/x-git-upload-pack-result\n"


def begin_fetch(gateway, client, headers=RESULT, **more):
    """A fetch whose response has begun."""
    post(client, UPLOAD_PACK, body=b"0000")
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    take_request(stream)
    stream.send("RESPONSE_HEAD", job=stream.job, status=200, headers=headers,
                **more)
    return stream


def test_body_and_listed_headers_reach_egress_unchanged(gateway):
    gateway.session()
    client = gateway.connect()
    body = bytes(range(256)) * 2000
    headers = (
        "Content-Encoding: gzip\r\nContent-Type: "
        "application/x-git-upload-pack-request\r\nGit-Protocol: version=2\r\n"
        "X-Api-Key: k\r\nPrivate-Token: t\r\nConnection: keep-alive\r\n")
    sender = threading.Thread(target=post, args=(client, UPLOAD_PACK, headers,
                                                 body))
    sender.start()
    exchange = gateway.expect("EXCHANGE")
    assert (exchange["body"], exchange["length"]) == (LENGTH, len(body))
    stream = gateway.allow(exchange)
    headers, sent = take_request(stream)
    sender.join()
    assert sent == body
    assert sorted(headers.splitlines()) == [
        b"content-encoding: gzip",
        b"content-type: application/x-git-upload-pack-request",
        b"git-protocol: version=2"]


def test_expectation_of_100_is_met(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "POST " + RECEIVE_PACK, HOST + "Content-Length: 4\r\n"
        "Expect: 100-continue\r\n")
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"0000")
    assert take_request(stream) == (b"", b"0000")
    stream.send("RESPONSE_HEAD", job=stream.job, status=200, headers=RESULT)
    stream.send("RESPONSE_END", clean=1)
    assert Response(client).status == 200


@pytest.mark.parametrize("framing", ["Content-Length: 0\r\n",
                                     "Transfer-Encoding: chunked\r\n"])
def test_empty_body_has_an_end(gateway, framing):
    gateway.session()
    client = gateway.connect()
    ask(client, "POST " + RECEIVE_PACK, HOST + framing,
        b"0\r\n\r\n" if "chunked" in framing else b"")
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    assert take_request(stream) == (b"", b"")


def test_kept_stream_of_a_client_that_left_is_closed(gateway):
    gateway.session()
    client = gateway.connect()
    stream = begin_fetch(gateway, client)
    stream.send("RESPONSE_END", clean=1)
    assert Response(client).body() == b""
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 1
    before = gateway.descriptors()
    ask(client, "GET " + REFS)
    exchange = gateway.expect("EXCHANGE")
    client.close()
    wait_until(lambda: gateway.descriptors() < before, "closed")
    gateway.allow(exchange, stream)
    assert stream.receive()[0] is None
    done = gateway.expect("EXCHANGE_DONE")
    assert (done["job"], done["clean"]) == (stream.job, 0)


def test_response_headers_are_listed_ones(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET " + REFS)
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    take_request(stream)
    stream.send("RESPONSE_HEAD", job=stream.job, status=404, headers=(
        "content-type: text/html\nset-cookie: a=b\nwww-authenticate: Basic\n"
        "credbroker-error: x\nx-ratelimit-left: 3\ncontent-length: 9\n"
        "transfer-encoding: chunked\nretry-after: 5\n"))
    stream.send("RESPONSE_BODY", data=b"gone")
    stream.send("RESPONSE_END", clean=1)
    response = Response(client)
    assert response.status == 404 and response.body() == b"gone"
    del response.headers["date"]
    assert response.headers == {
        "content-type": "text/html", "x-ratelimit-left": "3",
        "retry-after": "5", "cache-control": "no-store",
        "x-content-type-options": "nosniff", "transfer-encoding": "chunked"}


def test_the_largest_heads_have_room_both_ways(gateway):
    gateway.session()
    client = gateway.connect()
    path = "/git/example.com/%s/x.git/info/refs?service=git-upload-pack"
    path = path % ("a" * (8192 - len(path) + 2))
    lines = [HOST.strip(), "Accept-Language: " + "x" * 106]
    lines += [f"X-A{i:02}: " + "y" * 119 for i in range(62)]
    ask(client, f"GET {path}", "".join(line + "\r\n" for line in lines))
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    headers, _ = take_request(stream)
    assert b"accept-language: xxx" in headers
    headers = "".join(f"x-ratelimit-{i:02}: " + "z" * 262 + "\n"
                      for i in range(58))
    assert 16000 < len(headers) <= 16384
    stream.send("RESPONSE_HEAD", job=stream.job, status=200, headers=headers)
    stream.send("RESPONSE_BODY", data=b"ok")
    stream.send("RESPONSE_END", clean=1)
    response = Response(client)
    assert response.status == 200 and response.body() == b"ok"
    assert response.headers["x-ratelimit-57"] == "z" * 262


@pytest.mark.parametrize("location,seen", [
    ("https://example.com/new/r", "/git/example.com/new/r"),
    ("https://EXAMPLE.com:443/r?a=b", "/git/example.com/r?a=b"),
    ("/new/r", "/git/example.com/new/r"),
    ("https://example.com", "/git/example.com/"),
    ("https://example.com.evil/r", "https://example.com.evil/r"),
    ("https://example.com@evil/r", "https://example.com@evil/r"),
    ("http://example.com/r", "http://example.com/r"),
    ("//evil/r", "//evil/r"),
])
def test_redirect_on_the_origin_comes_back_by_the_gateway(
        gateway, location, seen):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET " + REFS)
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    take_request(stream)
    stream.send("RESPONSE_HEAD", job=stream.job, status=301, has_length=1,
                headers=f"location: {location}\n")
    stream.send("RESPONSE_END", clean=1)
    response = Response(client)
    assert response.status == 301 and response.headers["location"] == seen
    assert response.body() == b""
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 1


@pytest.mark.parametrize("method,path,body", [
    ("GET", REFS, b""), ("POST", UPLOAD_PACK, b"0000"),
    ("POST", RECEIVE_PACK, COMMANDS + b"PACK")])
def test_upstream_failure_is_said_in_a_form_git_shows(
        gateway, method, path, body):
    gateway.session()
    client = gateway.connect()
    ask(client, f"{method} {path}",
        HOST + f"Content-Length: {len(body)}\r\n", body)
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    take_request(stream)
    stream.send("RESPONSE_FAIL", job=stream.job, status=504,
                code="timeout", detail="example.com did not answer in 30 s")
    response = Response(client)
    text = response.body()
    assert problem_code(response) == "timeout"
    assert b"credbroker: example.com did not answer in 30 s" in text
    assert response.status == (504 if method == "GET" else 200)
    done = gateway.expect("EXCHANGE_DONE")
    assert done["clean"] == 0
    assert stream.receive()[0] is None


@pytest.mark.parametrize("how", ["closed", "garbage", "wrong job", "100"])
def test_egress_that_misbehaves_is_an_upstream_failure(gateway, how):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET " + REFS)
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    take_request(stream)
    if how == "closed":
        stream.close()
    elif how == "garbage":
        stream.sock.send(b"\xff\xff garbage")
    elif how == "wrong job":
        stream.send("RESPONSE_HEAD", job=stream.job + 1, status=200)
    else:
        stream.send("RESPONSE_HEAD", job=stream.job, status=100)
    response = Response(client)
    assert response.status == 502
    assert problem_code(response) == "upstream_failed"
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 0


def test_stream_that_is_gone_is_refused_and_reported(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET " + REFS)
    exchange = gateway.expect("EXCHANGE")
    gateway.core.send("VERDICT", exchange=exchange["exchange"], allowed=1,
                      job=9, stream=77, origin="https://example.com")
    assert Response(client).status == 502
    done = gateway.expect("EXCHANGE_DONE")
    assert (done["job"], done["clean"]) == (9, 0)


def test_idle_stream_that_speaks_or_closes_is_dropped(gateway):
    gateway.session()
    client = gateway.connect()
    streams = []
    for _ in range(2):
        stream = begin_fetch(gateway, client)
        stream.send("RESPONSE_END", clean=1)
        assert Response(client).body() == b""
        assert gateway.expect("EXCHANGE_DONE")["clean"] == 1
        streams.append(stream)
    before = gateway.descriptors()
    streams[0].send("RESPONSE_END", clean=1)
    assert streams[0].receive()[0] is None
    streams[1].close()
    wait_until(lambda: gateway.descriptors() == before - 2, "dropped")


def test_unclean_stream_is_not_kept(gateway):
    gateway.session()
    client = gateway.connect()
    stream = begin_fetch(gateway, client)
    stream.send("RESPONSE_BODY", data=b"0000")
    stream.send("RESPONSE_END", clean=0)
    assert Response(client).body() == b"0000"
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 0
    assert stream.receive()[0] is None


@pytest.mark.parametrize("sent", [4, 6])
def test_length_that_is_not_kept_breaks_off(gateway, sent):
    gateway.session()
    client = gateway.connect()
    stream = begin_fetch(gateway, client, "content-type: text/plain\n",
                         has_length=1, length=5)
    stream.send("RESPONSE_BODY", data=b"x" * sent)
    with contextlib.suppress(BrokenPipeError):
        stream.send("RESPONSE_END", clean=1)
    if sent == 4:
        with pytest.raises(ValueError):
            Response(client).body()
    else:
        assert len(Response(client).body()) == 5
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 0


def test_answer_before_the_body_has_come(gateway):
    """A service that refuses a large push reads no more of it."""
    gateway.session()
    client = gateway.connect()
    body = COMMANDS + b"x" * (8 * MIB)
    sender = threading.Thread(target=post, args=(client, RECEIVE_PACK, "",
                                                 body))
    sender.start()
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    assert stream.receive()[0] == "REQUEST_HEAD"
    stream.send("RESPONSE_HEAD", job=stream.job, status=413, has_length=1,
                length=7, headers="content-type: text/plain\n")
    stream.send("RESPONSE_BODY", data=b"too big")
    stream.send("RESPONSE_END", clean=0)
    sender.join()
    response = Response(client)
    assert response.status == 413 and response.body() == b"too big"
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 0


def test_failure_before_the_body_has_come(gateway):
    gateway.session()
    client = gateway.connect()
    body = COMMANDS + b"x" * (8 * MIB)
    sender = threading.Thread(target=post, args=(client, RECEIVE_PACK, "",
                                                 body))
    sender.start()
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    assert stream.receive()[0] == "REQUEST_HEAD"
    stream.send("RESPONSE_FAIL", job=stream.job, status=502,
                code="upstream_failed", detail="example.com is not there")
    stream.close()
    sender.join()
    response = Response(client)
    assert response.status == 200
    body = response.body()
    assert body.count(b"credbroker: example.com is not there") == 1
    assert b"ng refs/heads/main credbroker: " in body


def test_reason_that_egress_left_behind_is_read(gateway):
    """It closes a stream with a part of the request unread."""
    gateway.session()
    client = gateway.connect()
    post(client, UPLOAD_PACK, body=b"x" * 70000)
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    assert stream.receive()[0] == "REQUEST_HEAD"
    gateway.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: gateway.state() == "T", "stopped")
    stream.send("RESPONSE_FAIL", job=stream.job, status=502,
                code="upstream_failed", detail="example.com is not there")
    stream.close()
    gateway.process.send_signal(signal.SIGCONT)
    assert b"ERR credbroker: example.com is not there" in (
        Response(client).body())


def test_response_that_begins_before_the_request_ends(gateway):
    """git-http-backend sends its head first; the push goes on."""
    gateway.session()
    client = gateway.connect()
    body = COMMANDS + b"x" * (4 * MIB)
    sender = threading.Thread(target=post, args=(client, RECEIVE_PACK, "",
                                                 body))
    sender.start()
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    stream.send("RESPONSE_HEAD", job=stream.job, status=200, headers=RESULT)
    assert take_request(stream)[1] == body
    sender.join()
    stream.send("RESPONSE_BODY", data=pkt("unpack ok\n"))
    stream.send("RESPONSE_END", clean=1)
    assert Response(client).body() == pkt("unpack ok\n")
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 1


# --- Cut in the middle ------------------------------------------------------

def cut_by_end(gateway, stream):
    gateway.end()


def cut_by_failure(gateway, stream):
    stream.send("RESPONSE_FAIL", job=stream.job, status=502,
                code="upstream_failed", detail="session s1 was revoked by"
                " example.com")


def cut_by_death(gateway, stream):
    stream.close()


def whole_lines(text):
    """How much of it: a part of a line does not pass."""
    at = 0
    while at + 4 <= len(text):
        size = max(int(text[at:at + 4], 16), 4)
        if at + size > len(text):
            break
        at += size
    return at


BANDED = pkt("NAK\n") + pkt(b"\2Counting\n") + pkt(b"\1PACK" + b"d" * 2000)


@pytest.mark.parametrize("cut", [cut_by_end, cut_by_failure, cut_by_death])
@pytest.mark.parametrize("start,at,band", [
    (BANDED, len(BANDED), True),             # between two lines
    (BANDED, len(BANDED) - 700, True),       # in a line
    (BANDED, len(BANDED) - 2005, True),      # before the band's byte
    (BANDED, len(BANDED) - 2007, True),      # in a length
    (BANDED, len(BANDED) - 2009, True),
    (pkt("packfile\n"), 13, True),           # before the first band
    (pkt("acknowledgments\n") + pkt("NAK\n"), 28, False),
    (pkt("# service=git-upload-pack\n") + b"0000", 34, False),
    (b"", 0, False),
])
def test_cut_fetch_ends_with_an_error_git_shows(gateway, cut, start, at,
                                                band):
    gateway.session()
    client = gateway.connect()
    stream = begin_fetch(gateway, client)
    if at:
        stream.send("RESPONSE_BODY", data=start[:at])
    response = Response(client)
    body = response.pieces()
    got = b""
    passes = start[:whole_lines(start[:at])]
    while len(got) < len(passes):
        got += next(body)
    cut(gateway, stream)
    got += b"".join(body)
    assert got.startswith(passes)
    lines = pkts(got)
    assert len(lines) == len(pkts(passes)) + 1 + band
    if band:
        assert lines[-1] is None
        message = lines[-2]
        assert message[:1] == b"\3"
    else:
        message = lines[-1]
        assert message[:4] == b"ERR "
    assert (b"credbroker: " in message and message.endswith(b"\n") and
            (b"revoked" in message or cut is cut_by_death))
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 0
    if cut is cut_by_end:
        assert gateway.expect("SESSION_ENDED")["session"] == b"s1"


@pytest.mark.parametrize("headers,length", [
    ("content-type: text/html\n", 0), ("content-type: text/html\n", 1000),
    (RESULT, 0)])
def test_cut_of_what_has_no_packets_breaks_off(gateway, headers, length):
    gateway.session()
    client = gateway.connect()
    stream = begin_fetch(gateway, client, headers, has_length=length > 0,
                         length=length)
    stream.send("RESPONSE_BODY", data=b"PACK raw" * 3)
    response = Response(client)
    body = response.pieces()
    assert next(body)
    gateway.end()
    with pytest.raises(ValueError):
        list(body)


# --- The end of a session ---------------------------------------------------

def test_ended_session_refuses_everything_with_its_reason(gateway):
    gateway.session()
    gateway.session("s2")
    client = gateway.connect()
    gateway.end()
    ended = gateway.expect("SESSION_ENDED")
    assert (ended["request"], ended["session"]) == (1, b"s1")
    for connection in (client, gateway.connect()):
        ask(connection, "GET /v1/session", V1)
        response = Response(connection)
        assert response.status == 403
        assert problem_code(response) == "session_revoked"
        assert "revoked by the operator" in response.problem()["detail"]
        ask(connection, "GET " + REFS)
        response = Response(connection)
        assert response.status == 403
        assert response.body().startswith(
            b"credbroker: session s1 was revoked by the operator\n")
        post(connection, UPLOAD_PACK, body=b"0000")
        assert pkts(Response(connection).body())[0].startswith(
            b"ERR credbroker: session s1 was revoked")
        post(connection, RECEIVE_PACK, body=COMMANDS + b"PACKxyz")
        body = Response(connection).body()
        assert body.count(b"credbroker: session s1 was revoked") == 1
        assert b"ng refs/heads/main credbroker: " in body
    # Others live on.
    client = gateway.connect("s2")
    ask(client, "GET /v1/session", V1)
    answer(gateway, gateway.expect("QUERY"))
    assert Response(client).status == 200


def test_end_cuts_what_waits_and_what_goes_up(gateway):
    gateway.session()
    asked, judged, sending = (gateway.connect() for _ in range(3))
    ask(asked, "GET /v1/session", V1)
    query = gateway.expect("QUERY")
    ask(judged, "GET " + REFS)
    exchange = gateway.expect("EXCHANGE")
    ask(sending, "POST " + RECEIVE_PACK, HOST + "Content-Length: 1000000\r\n",
        COMMANDS + b"x" * 1000)
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    assert stream.receive()[0] == "REQUEST_HEAD"
    assert stream.receive()[0] == "REQUEST_BODY"
    gateway.end()
    # The stream is closed before the end is acknowledged.
    assert gateway.expect("EXCHANGE_DONE")["job"] == stream.job
    gateway.expect("SESSION_ENDED")
    stream.sock.settimeout(5)
    assert stream.receive()[0] is None
    for client in (asked, judged):
        response = Response(client)
        assert response.status == 403
        assert problem_code(response) == "session_revoked"
    sending.sendall(b"x" * (1000000 - 1000 - len(COMMANDS)))
    body = Response(sending).body()
    assert body.count(b"credbroker: session s1 was revoked") == 1
    assert b"ng refs/heads/main credbroker: " in body
    # What the core said too late meets nobody, and is given back.
    answer(gateway, query)
    late = gateway.allow(exchange)
    assert late.receive()[0] is None
    done = gateway.expect("EXCHANGE_DONE")
    assert (done["job"], done["clean"]) == (late.job, 0)


def test_expired_session_is_refused_without_being_told(gateway):
    gateway.session(expires=int(time.time()) - 1)
    client = gateway.connect()
    ask(client, "GET /v1/session", V1)
    assert problem_code(Response(client)) == "session_expired"
    gateway.core.send("SESSION_RENEW", session="s1",
                      expires=int(time.time()) + 100)
    ask(client, "GET " + REFS)
    # Two channels: the renewal may come second.
    while True:
        gateway.core.sock.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            gateway.refuse(gateway.expect("EXCHANGE"))
            break
        if not is_readable(client):
            continue
        assert problem_code(Response(client)) == "session_expired"
        ask(client, "GET " + REFS)
    assert problem_code(Response(client)) == "policy_denied"


def test_closed_session_is_forgotten(gateway):
    gateway.session()
    idle, waiting, loading = (gateway.connect() for _ in range(3))
    ask(waiting, "GET " + REFS)
    exchange = gateway.expect("EXCHANGE")
    stream = begin_fetch(gateway, loading)
    assert Response(loading).status == 200
    gateway.core.send("SESSION_CLOSE", session="s1")
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 0
    assert closed(idle) and closed(waiting)
    assert stream.receive()[0] is None
    with pytest.raises(ConnectionRefusedError):
        gateway.connect()
    late = gateway.allow(exchange)
    assert late.receive()[0] is None
    assert gateway.expect("EXCHANGE_DONE")["job"] == late.job
    # The same name can be opened again.
    (gateway.folder / "s1.sock").unlink()
    gateway.session()
    client = gateway.connect()
    ask(client, "GET /v1/session", V1)
    answer(gateway, gateway.expect("QUERY"))
    assert Response(client).status == 200


def test_end_of_an_unknown_session_is_acknowledged(gateway):
    gateway.end("nobody")
    assert gateway.expect("SESSION_ENDED")["session"] == b"nobody"
    gateway.core.send("SESSION_CLOSE", session="nobody")
    gateway.core.send("SESSION_RENEW", session="nobody", expires=1)
    gateway.session()
    client = gateway.connect()
    ask(client, "GET /v1/session", V1)
    gateway.expect("QUERY")


# --- Clients that leave -----------------------------------------------------

def test_client_that_leaves_is_noticed_in_every_phase(gateway):
    gateway.session()
    gateway.settle()
    before = gateway.descriptors()
    # While the core thinks: the verdict is given back.
    client = gateway.connect()
    ask(client, "GET " + REFS)
    exchange = gateway.expect("EXCHANGE")
    client.close()
    wait_until(lambda: gateway.descriptors() == before, "closed")
    stream = gateway.allow(exchange)
    assert stream.receive()[0] is None
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 0
    # In the middle of a body.
    client = gateway.connect()
    ask(client, "POST " + UPLOAD_PACK, HOST + "Content-Length: 99\r\n", b"x")
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    assert stream.receive()[0] == "REQUEST_HEAD"
    client.close()
    while stream.receive()[0] is not None:
        pass
    assert gateway.expect("EXCHANGE_DONE")["status"] == 0
    # While upstream thinks; a half-close is as good.
    client = gateway.connect()
    post(client, UPLOAD_PACK, body=b"0000")
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    take_request(stream)
    client.shutdown(socket.SHUT_WR)
    assert stream.receive()[0] is None
    assert gateway.expect("EXCHANGE_DONE")["status"] == 0
    client.close()
    # In the middle of a response.
    client = gateway.connect()
    stream = begin_fetch(gateway, client)
    assert Response(client).status == 200
    client.close()
    assert stream.receive()[0] is None
    done = gateway.expect("EXCHANGE_DONE")
    assert (done["clean"], done["status"]) == (0, 200)
    wait_until(lambda: gateway.descriptors() == before, "closed")


# --- Bounds -----------------------------------------------------------------

def test_slow_head_is_cut_after_its_own_deadline(gateway):
    gateway.session()
    start = time.monotonic()
    client = gateway.connect()
    client.sendall(b"GET /v1/session HTTP/1.1\r\n")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while time.monotonic() < start + 30:
            client.sendall(b"X")
            client.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                if client.recv(100) == b"":
                    break
    assert 4 < time.monotonic() - start < 25


def test_connection_that_says_nothing_is_cut(gateway):
    gateway.session()
    start = time.monotonic()
    client = gateway.connect()
    assert closed(client)
    assert 4 < time.monotonic() - start < 25


def test_drip_on_a_kept_connection_is_cut(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET /v1/nothing", V1)
    assert Response(client).status == 404
    client.sendall(b"G")
    wait_until(lambda: not dripped(client), "cut", seconds=20)


def dripped(client):
    time.sleep(0.3)
    try:
        client.sendall(b"E")
        client.settimeout(0.01)
        return client.recv(100) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_connections_over_the_bound_wait_and_idle_ones_make_room(gateway):
    gateway.session(connections=4)
    gateway.session("s2")
    clients = [gateway.connect() for _ in range(6)]
    for client in clients:
        ask(client, "GET /v1/session", V1)
    queries = [gateway.expect("QUERY") for _ in range(4)]
    gateway.core.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        gateway.core.receive()
    gateway.core.sock.settimeout(30)
    # Another session does not notice.
    other = gateway.connect("s2")
    ask(other, "GET /v1/session", V1)
    answer(gateway, gateway.expect("QUERY"))
    assert Response(other).status == 200
    for query in queries:
        answer(gateway, query)
    # The answered ones become idle and are closed for those that wait.
    for _ in range(2):
        answer(gateway, gateway.expect("QUERY"))
    for client in clients:
        assert Response(client).status == 200


def test_out_of_descriptors_recovers(tmp_path):
    gateway = Gateway(tmp_path, descriptors=40)
    try:
        gateway.session(connections=200)
        clients = [gateway.connect() for _ in range(80)]
        for client in clients:
            ask(client, "GET /v1/nothing", V1)
        wait_until(lambda: gateway.descriptors() >= 32, "used up")
        time.sleep(0.3)
        ticks = gateway.ticks()
        time.sleep(1)
        assert gateway.ticks() - ticks < 30
        # An eighth is kept for what the core sends.
        assert gateway.descriptors() <= 36
        for client in clients:
            assert Response(client).status == 404
            client.close()
    finally:
        gateway.process.kill()
        gateway.process.wait()


def test_many_sessions_in_one_process(gateway):
    folder = gateway.folder
    count = 2000
    memory = None
    for i in range(count):
        gateway.session(f"n{i}", token=b"t%d" % i)
        if i == 99:
            wait_until(lambda: gateway.descriptors() > 100, "opened")
            memory = gateway.memory()
    wait_until(lambda: gateway.descriptors() > count, "opened")
    assert (gateway.memory() - memory) / (count - 100) < 4096
    for i in (0, 1, 777, count - 1):
        client = gateway.connect(f"n{i}")
        ask(client, "GET /v1/session", HOST + f"Authorization: Bearer t{i}\r\n")
        query = gateway.expect("QUERY")
        assert query["session"] == b"n%d" % i
        answer(gateway, query)
        assert Response(client).status == 200
    for i in range(count):
        gateway.core.send("SESSION_CLOSE", session=f"n{i}")
    wait_until(lambda: gateway.descriptors() < 20, "closed")
    assert folder.exists()


# --- Large bodies -----------------------------------------------------------

def flow_up(gateway, client, chunked):
    piece = os.urandom(MIB)
    digest = hashlib.sha256()
    framing = ("Transfer-Encoding: chunked\r\n" if chunked else
               f"Content-Length: {LARGE}\r\n")

    def send():
        ask(client, "POST " + RECEIVE_PACK, HOST + framing)
        for _ in range(LARGE // MIB):
            if chunked:
                client.sendall(b"%x\r\n" % MIB)
            client.sendall(piece)
            if chunked:
                client.sendall(b"\r\n")
        if chunked:
            client.sendall(b"0\r\n\r\n")

    sender = threading.Thread(target=send)
    sender.start()
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    assert stream.receive()[0] == "REQUEST_HEAD"
    most, length = 0, 0
    time.sleep(0.3)     # Nobody takes it: it must not be taken either.
    for count in range(1 << 30):
        name, fields = stream.receive()
        if name == "REQUEST_END":
            break
        digest.update(fields["data"])
        length += len(fields["data"])
        if count % 100 == 0:
            most = max(most, gateway.memory())
    sender.join()
    assert length == LARGE
    expected = hashlib.sha256()
    for _ in range(LARGE // MIB):
        expected.update(piece)
    assert digest.digest() == expected.digest()
    stream.send("RESPONSE_HEAD", job=stream.job, status=200, headers=RESULT)
    stream.send("RESPONSE_END", clean=1)
    assert Response(client).body() == b""
    assert gateway.expect("EXCHANGE_DONE")["up"] == LARGE
    return most


@pytest.mark.parametrize("chunked", [False, True])
def test_large_push_leaves_memory_flat(gateway, chunked):
    gateway.session()
    client = gateway.connect(timeout=120)
    gateway.settle()
    before = gateway.memory()
    assert flow_up(gateway, client, chunked) - before < 8 * MIB


@pytest.mark.parametrize("known", [False, True])
def test_large_clone_leaves_memory_flat(gateway, known):
    gateway.session()
    client = gateway.connect(timeout=120)
    gateway.settle()
    before = gateway.memory()
    stream = begin_fetch(gateway, client, "content-type: a/b\n" if known
                         else RESULT, has_length=int(known), length=LARGE)
    stream.sock.settimeout(120)
    piece = os.urandom(65536)

    def send():
        for _ in range(LARGE // len(piece)):
            stream.send("RESPONSE_BODY", data=piece)
        stream.send("RESPONSE_END", clean=1)

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.3)     # Nobody reads it: it must not be read either.
    response = Response(client)
    most, length = 0, 0
    for data in response.pieces():
        length += len(data)
        if length % (8 * MIB) < len(data):
            most = max(most, gateway.memory())
    sender.join()
    assert length == LARGE
    assert most - before < 8 * MIB
    done = gateway.expect("EXCHANGE_DONE")
    assert (done["clean"], done["down"]) == (1, LARGE)


def is_idle(gateway):
    """As soon as it has done what it could."""
    def rests():
        ticks = gateway.ticks()
        time.sleep(1)
        return gateway.ticks() - ticks < 20
    return any(rests() for _ in range(4))


def fill_up(stream):
    stream.sock.settimeout(0.3)
    with contextlib.suppress(TimeoutError):
        while True:
            stream.send("RESPONSE_BODY", data=b"x" * 65536)


def test_stalled_clone_costs_no_processor_time(gateway):
    gateway.session()
    client = gateway.connect()
    stream = begin_fetch(gateway, client)
    fill_up(stream)
    assert is_idle(gateway)
    # What egress wrote before it left is still to be had, when wanted.
    stream.close()
    assert is_idle(gateway)
    length = 0
    with pytest.raises(ValueError):
        for piece in Response(client).pieces():
            length += len(piece)
    assert length > 4 * 65536


@pytest.mark.parametrize("early", [False, True])
def test_stalled_push_costs_no_processor_time(gateway, early):
    gateway.session()
    client = gateway.connect(timeout=0.3)
    with contextlib.suppress(TimeoutError):
        ask(client, "POST " + RECEIVE_PACK,
            HOST + "Content-Length: 9999999\r\n", b"x" * 9999999)
    stream = gateway.allow(gateway.expect("EXCHANGE"))
    if early:
        stream.send("RESPONSE_HEAD", job=stream.job, status=200,
                    headers=RESULT)
        fill_up(stream)
    with contextlib.suppress(TimeoutError):
        client.sendall(b"x" * 9999999)
    assert is_idle(gateway)


# --- The process ------------------------------------------------------------

def test_gateway_ends_with_the_core(gateway):
    gateway.session()
    clients = [gateway.connect() for _ in range(3)]
    ask(clients[0], "GET /v1/session", V1)
    gateway.expect("QUERY")
    begin_fetch(gateway, clients[1])
    assert Response(clients[1]).status == 200
    gateway.core.close()
    assert gateway.process.wait(timeout=30) == 0
    assert all(closed(c) for c in (clients[0], clients[2]))


def test_core_that_talks_nonsense_ends_the_gateway(gateway):
    gateway.core.sock.send(b"\0\1\2\3")
    assert gateway.process.wait(timeout=30) == 0


def test_gateway_opens_and_connects_nothing(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET /v1/session", V1)
    answer(gateway, gateway.expect("QUERY"))
    assert Response(client).status == 200
    kinds = {path.split(":")[0] for path in descriptors(gateway.process.pid)}
    assert kinds <= {"socket", "anon_inode", "/dev/null", "pipe"} | {
        k for k in kinds if k.startswith("/tmp") or k.startswith("/dev/pts")}


def test_session_cannot_fill_the_bus(gateway):
    """Nobody reads: the rest is told to come back, others are still heard."""
    gateway.session()
    gateway.session("s2")
    body = b"x" * 65000
    clients = [gateway.connect() for _ in range(40)]
    for client in clients:
        post(client, "/v1/helper/git/get", "Credbroker-Session: 1\r\n", body)
    refused = [c for c in clients if is_readable(c)]
    wait_until(lambda: len([c for c in clients if is_readable(c)]) == 36,
               "refused")
    refused = [c for c in clients if is_readable(c)]
    for client in refused:
        response = Response(client)
        assert response.status == 503
        assert problem_code(response) == "limit"
        assert response.headers["retry-after"] == "1"
    other = gateway.connect("s2")
    ask(other, "GET /v1/session", V1)
    sessions = []
    while b"s2" not in sessions:
        query = gateway.expect("QUERY")
        sessions.append(query["session"])
        answer(gateway, query)
    assert len(sessions) == 5
    assert Response(other).status == 200
    # What was answered counts no more.
    client = refused[0]
    post(client, "/v1/helper/git/get", "Credbroker-Session: 1\r\n", body)
    answer(gateway, gateway.expect("QUERY"))
    assert Response(client).status == 200


def is_readable(client):
    return bool(select.select([client], [], [], 0)[0])


@pytest.mark.parametrize("headers", [
    "Content-Type: a\n", "content-type\n", "a: b\n" * 65, "x: \x01\n"])
def test_response_that_cannot_be_passed_on(gateway, headers):
    gateway.session()
    client = gateway.connect()
    stream = begin_fetch(gateway, client, headers)
    assert pkts(Response(client).body())[0].startswith(
        b"ERR credbroker: the upstream service's response cannot be")
    assert stream.receive()[0] is None
    assert gateway.expect("EXCHANGE_DONE")["clean"] == 0
