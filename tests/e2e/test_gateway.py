"""The gateway alone: the test plays the core on its bus, egress on its
streams, and sandboxes at its endpoints.  Whatever a sandbox sends has a
defined answer, bodies flow without being kept, and an ended session is cut."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from conftest import BUILD, wait_until

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
        environment = {"ASAN_OPTIONS": "quarantine_size_mb=1:"
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
                connections=64):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.folder / f"{name}.sock"))
        listener.listen(128)
        listener.setblocking(False)
        digest = hashlib.blake2b(token, digest_size=32).digest()
        self.core.send("SESSION_OPEN", fd=listener.fileno(), session=name,
                       task="task", token_hash=digest, expires=expires,
                       connections=connections)
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
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def ticks(self):
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        return sum(int(f) for f in stat.rsplit(")", 1)[1].split()[11:13])

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
    "unknown": (raw("GET /latest/meta-data/ HTTP/1.1"), 404, "not_found"),
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
