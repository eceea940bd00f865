"""The egress alone: the test plays the core on its bus, the gateway on its
streams, and the upstreams.  What a job says is sent, what comes back is
passed on without the secret, and nothing an upstream or a gateway does makes
it grow, hang or die."""

import base64
import contextlib
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading

import pytest

from conftest import BUILD, descriptors, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
import bus  # noqa: E402

EGRESS = BUILD / "libexec" / "credbroker" / "credbroker-egress"
UNLIMITED = (1 << 63) - 1     # bytes of bodies
SECRET = b"tok_4f8c/Zb+19=Qx"
TELLTALE = "tok-that-fits-a-subject"
MIB = 1 << 20
LARGE = 200 * MIB
NONE, LENGTH, CHUNKED = range(3)
PUBLIC, PRIVATE, LOOPBACK = range(3)

pytestmark = pytest.mark.skipif(not EGRESS.exists(),
                                reason=f"{EGRESS} is not built")


# --- The process under test -------------------------------------------------

class Egress:
    def __init__(self, *args, wrapper=()):
        ours, theirs = bus.pair()
        environment = {"ASAN_OPTIONS": "quarantine_size_mb=1:"
                       + os.environ.get("ASAN_OPTIONS", "")}
        self.process = subprocess.Popen(
            [*wrapper, str(EGRESS), *args], env=environment, pass_fds=(3,),
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3))
        theirs.close()
        self.core = bus.End(ours)
        self.jobs = self.streams = 0

    def memory(self):
        """The most it has ever had resident, in bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(l for l in status.splitlines() if l.startswith("VmHWM"))
        return int(line.split()[1]) << 10

    def descriptors(self):
        return descriptors(self.process.pid)

    def processor_ticks(self):
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        return sum(int(f) for f in stat.rsplit(")", 1)[1].split()[11:13])

    def job(self, upstream, stream=None, **changes):
        """Send a JOB; its number and the gateway's end of its stream."""
        self.jobs += 1
        ours = None
        if stream is None:
            self.streams += 1
            ours, theirs = bus.pair()
            stream = bus.End(ours)
            stream.number = self.streams
        params = {"hosts": [f"localhost:{upstream.port}"], "auth": "bearer",
                  "network": "loopback"}
        params.update(changes.pop("params", {}))
        job = dict(job=self.jobs, session="s1", stream=stream.number,
                   method="GET", route=1, tls=int(upstream.tls), host="localhost",
                   port=upstream.port, target="/", backend="static",
                   params=json.dumps(params), secret=SECRET,
                   network=LOOPBACK, ca=upstream.ca, body=NONE,
                   bound=UNLIMITED, most=UNLIMITED)
        job.update(changes)
        self.core.send("JOB", fd=None if ours is None else theirs.fileno(),
                       **job)
        if ours is not None:
            theirs.close()
        return self.jobs, stream

    def exchange(self, upstream, headers="", body=None, stream=None,
                 chunked=False, **changes):
        """One request and its answer."""
        if body is not None:
            changes.setdefault("method", "POST")
            changes["body"] = CHUNKED if chunked else LENGTH
            if not chunked:
                changes["length"] = sum(len(p) for p in body)
        job, stream = self.job(upstream, stream, **changes)
        answer = Answer(job, stream)
        sender = threading.Thread(target=send_request,
                                  args=(job, stream, headers, body or []))
        sender.start()
        answer.read()
        sender.join()
        answer.done = self.done(job)
        return answer

    def done(self, job):
        name, fields = self.core.receive()
        assert name == "JOB_DONE" and fields["job"] == job
        return fields

    def stop(self):
        self.core.close()
        assert self.process.wait(timeout=30) == 0


def send_request(job, stream, headers, body):
    # The egress hangs up when the answer came first.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.send("REQUEST_HEAD", job=job, headers=headers)
        for piece in body:
            stream.send("REQUEST_BODY", data=piece)
        stream.send("REQUEST_END")


class Answer:
    def __init__(self, job, stream):
        self.job, self.stream = job, stream
        self.head = self.end = self.fail = None
        self.headers, self.body, self.length = [], bytearray(), 0
        self.keep = True

    def read(self):
        while self.end is None and self.fail is None:
            name, fields = self.stream.receive()
            if name is None:
                return
            if name == "RESPONSE_BODY":
                self.length += len(fields["data"])
                if self.length < 16 * MIB:
                    self.body += fields["data"]
            elif name == "RESPONSE_HEAD":
                assert self.head is None and fields["job"] == self.job
                self.head = fields
                self.headers = fields["headers"].decode().splitlines()
            elif name == "RESPONSE_END":
                self.end = fields
            elif name == "RESPONSE_FAIL":
                assert fields["job"] == self.job
                self.fail = fields

    @property
    def status(self):
        return self.head and self.head["status"]

    def failed(self, status, *words):
        assert self.fail is not None, (self.head, bytes(self.body[:200]))
        detail = self.fail["detail"].decode()
        assert self.fail["status"] == status
        for word in words:
            assert word in detail
        assert self.done["clean"] == 0
        assert self.done["detail"].decode() == detail
        # The stream is closed behind it.
        assert self.stream.receive() == (None, None)


@pytest.fixture
def egress():
    process = Egress()
    yield process
    process.stop()


# --- Upstreams --------------------------------------------------------------

class Upstream:
    """Says what a test tells it to; `serve(connection)` is called for each."""

    def __init__(self, serve, context=None, ca=b""):
        self.serve, self.context, self.ca = serve, context, ca
        self.tls = context is not None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted = 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.handle, args=(connection,),
                             daemon=True).start()

    def handle(self, connection):
        with contextlib.suppress(OSError), connection:
            if self.context is not None:
                connection = self.context.wrap_socket(connection,
                                                      server_side=True)
            self.serve(connection)

    def close(self):
        # close() alone would not end a thread that is in accept().
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Request:
    """What arrived, byte for byte."""

    def __init__(self, connection):
        self.file = connection.makefile("rb")
        self.line = self.file.readline().decode().rstrip("\r\n")
        self.headers = []
        while (line := self.file.readline()) not in (b"\r\n", b""):
            self.headers.append(line.decode().rstrip("\r\n"))

    def header(self, name):
        found = [h.split(":", 1)[1].strip() for h in self.headers
                 if h.lower().startswith(name + ":")]
        return found[0] if len(found) == 1 else found or None

    def body(self):
        """Bytes of the body, counted and not kept."""
        count = 0
        if self.header("transfer-encoding") == "chunked":
            while size := int(self.file.readline(), 16):
                count += self.skip(size)
                self.file.readline()
            self.file.readline()
            return count
        return self.skip(int(self.header("content-length") or 0))

    def skip(self, size):
        left = size
        while left > 0:
            piece = self.file.read(min(left, MIB))
            if not piece:
                break
            left -= len(piece)
        return size - left


def reply(body=b"hello", status="200 OK", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture
def upstream():
    """upstream(serve), upstream(data): clear text on loopback."""
    opened = []

    def start(what, context=None, ca=b""):
        seen = []

        def answer(connection):
            while True:
                request = Request(connection)
                if not request.line:
                    return
                request.received = request.body()
                seen.append(request)
                connection.sendall(what)

        server = Upstream(answer if isinstance(what, bytes) else what,
                          context, ca)
        server.seen = seen
        opened.append(server)
        return server

    yield start
    for server in opened:
        server.close()


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True,
                   capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A private CA, and certificates for localhost and for another name."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
           "-nodes", "-days", "2")
    for name in ("ca", "other"):
        openssl(folder, "req", "-x509", *key, "-keyout", f"{name}.key", "-out",
                f"{name}.pem", "-subj", f"/CN=Test {name}")
    for name, host in (("right", "localhost"), ("wrong", "other.example"),
                       ("telltale", TELLTALE)):
        openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out",
                f"{name}.csr", "-subj", f"/CN={host}")
        names = "basicConstraints=CA:FALSE\n"
        if name != "telltale":
            names += f"subjectAltName=DNS:{host}\n"
        (folder / "names").write_text(names)
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem",
                "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "names", "-out", f"{name}.pem")
    return folder


def tls_context(folder, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


# --- Requests ---------------------------------------------------------------

def test_the_request_is_what_was_judged(egress, upstream):
    server = upstream(reply())
    target = "/a/../b/./c//d?x=%2F&y=..%2f"
    answer = egress.exchange(
        server, "accept: text/html\ngit-protocol: version=2\n"
        "user-agent: git/2.39.5\n", target=target)
    request, = server.seen
    assert request.line == f"GET {target} HTTP/1.1"
    assert sorted(h.lower() for h in request.headers) == sorted([
        f"host: localhost:{server.port}", "accept: text/html",
        "git-protocol: version=2", "user-agent: git/2.39.5",
        f"authorization: bearer {SECRET.decode().lower()}"])
    assert request.header("authorization") == f"Bearer {SECRET.decode()}"
    assert (answer.status, bytes(answer.body)) == (200, b"hello")
    assert answer.head["has_length"] and answer.head["length"] == 5
    assert answer.end["clean"] == 1
    done = answer.done
    assert (done["clean"], done["outcome"], done["status"]) == (1, b"ok", 200)
    assert (done["down"], done["scrubbed"]) == (5, 0)


def test_a_client_without_a_user_agent_gets_one(egress, upstream):
    server = upstream(reply())
    egress.exchange(server)
    assert server.seen[0].header("user-agent") == "credbroker"
    assert server.seen[0].header("accept") is None


def test_a_client_cannot_send_the_secrets_header_too(egress, upstream):
    server = upstream(reply())
    params = {"auth": "header", "header": "Pragma", "prefix": "key "}
    egress.exchange(server, "pragma: mine\n", params=params)
    assert server.seen[0].header("pragma") == f"key {SECRET.decode()}"


def test_a_secret_goes_into_the_query_where_it_belongs(egress, upstream):
    server = upstream(reply())
    params = {"auth": "query", "parameter": "key"}
    egress.exchange(server, target="/a?b=c", params=params)
    assert server.seen[0].line == \
        "GET /a?b=c&key=tok_4f8c%2FZb%2B19%3DQx HTTP/1.1"
    assert server.seen[0].header("authorization") is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_missing_body_is_said_to_be_empty(egress, upstream, method):
    server = upstream(reply())
    assert egress.exchange(server, method=method).status == 200
    assert server.seen[0].line == f"{method} / HTTP/1.1"
    assert server.seen[0].header("content-length") == "0"


def test_a_head_has_no_body(egress, upstream):
    server = upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n")
    answer = egress.exchange(server, method="HEAD")
    assert answer.status == 200 and answer.head["length"] == 77
    assert answer.length == 0 and answer.end["clean"] == 1


def test_the_content_type_of_the_job_replaces_the_sandboxs(egress, upstream):
    server = upstream(reply())
    git = "application/x-git-upload-pack-request"
    egress.exchange(server, "content-type: application/json\n",
                    body=[b"{}"], content_type=git)
    request, = server.seen
    assert [h for h in request.headers
            if h.lower().startswith("content-type")] == [
                f"content-type: {git}"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_arrives_whole(egress, upstream, chunked):
    server = upstream(reply())
    body = [b"x" * n for n in (1, 65536, 7, 65536)]
    answer = egress.exchange(server, "content-type: a/b\n", body=body,
                             chunked=chunked)
    request, = server.seen
    assert request.received == sum(map(len, body)) == answer.done["up"]
    assert request.header("content-type") == "a/b"
    assert request.header("expect") is None
    assert answer.done["clean"] == 1


def test_streams_and_connections_are_used_again(egress, upstream):
    server = upstream(reply())
    stream = None
    for _ in range(20):
        answer = egress.exchange(server, stream=stream, body=[b"abc"])
        assert answer.done["clean"] == 1
        stream = answer.stream
    assert server.accepted == 1 and len(server.seen) == 20


def test_sessions_never_share_a_connection(egress, upstream):
    server = upstream(reply())
    for session in ("s1", "s2", "s1", "s2"):
        egress.exchange(server, session=session)
    assert server.accepted == 2


def test_a_kept_connection_that_closed_is_opened_again(egress, upstream):
    closed = threading.Event()

    def serve(connection):
        request = Request(connection)
        request.body()
        connection.sendall(reply())
        connection.close()
        closed.set()

    server = upstream(serve)
    first = egress.exchange(server, body=[b"abc"])
    assert closed.wait(30)
    second = egress.exchange(server, body=[b"abc"], stream=first.stream)
    assert second.status == 200 and server.accepted == 2


def test_a_body_is_not_sent_twice(egress, upstream):
    """A kept connection may close when a request is on its way already."""
    def serve(connection):
        for answer in (reply(), None):
            request = Request(connection)
            if not request.line:
                return
            request.body()
            methods.append(request.line.split()[0])
            if answer is not None:
                connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    methods = []
    server = upstream(serve)
    assert egress.exchange(server).status == 200
    egress.exchange(server, body=[b"abc"]).failed(502, "closed")
    assert methods == ["GET", "POST"]
    assert egress.exchange(server).status == 200
    assert egress.exchange(server).status == 200
    assert methods == ["GET", "POST", "GET", "GET", "GET"]


@pytest.mark.parametrize("headers", [
    "authorization: Bearer mine\n", "host: evil.example\n",
    "content-length: 5\n", "transfer-encoding: chunked\n", "cookie: a=b\n",
    "accept-encoding: gzip\n", "Accept: x\n", "accept:x\n", "accept: x",
    "accept: a\r\nhost: b\n", "accept: \x01\n", "x-forwarded-for: a\n",
    "\n", "accept: a\n" * 65])
def test_headers_that_are_not_on_the_list_end_the_job(egress, upstream,
                                                      headers):
    server = upstream(reply())
    answer = egress.exchange(server, headers)
    answer.failed(400)
    assert server.seen == []


@pytest.mark.parametrize("change", [
    {"target": "no-slash"}, {"target": "/a b"}, {"target": "/a\tb"},
    {"target": "/a#b"}, {"target": "/\u00e9"}, {"method": "GE T"},
    {"method": "CONNECT"}, {"host": "a@b"}, {"host": "a/b"}, {"port": 0},
    {"tls": 2}, {"network": 9}, {"content_type": "a/b\r\nx: y"}, {"backend": "nonesuch"}, {"params": {
        "auth": "nonesuch"}}, {"secret": b"short"}, {"secret": b"a\nb\ncdef"}])
def test_a_job_that_makes_no_sense_is_refused(egress, upstream, change):
    server = upstream(reply())
    answer = egress.exchange(server, **change)
    assert answer.fail is not None and answer.done["clean"] == 0
    assert answer.done["outcome"] != b"ok"
    assert server.accepted == 0
    # It goes on with the next.
    assert egress.exchange(server).status == 200


def test_a_head_for_another_job_ends_the_stream(egress, upstream):
    server = upstream(reply())
    job, stream = egress.job(server)
    stream.send("REQUEST_HEAD", job=job + 1, headers="")
    assert stream.receive()[0] == "RESPONSE_FAIL"
    assert stream.receive() == (None, None)
    assert egress.done(job)["clean"] == 0
    assert server.accepted == 0


@pytest.mark.parametrize("body,pieces", [
    (LENGTH, [b"abc", b"abcdef"]), (LENGTH, [b"ab"]), (NONE, [b"a"]),
    (LENGTH, [b""]), (CHUNKED, [b"a", b""])])
def test_a_body_that_is_not_as_it_was_said_ends_the_job(egress, upstream,
                                                        body, pieces):
    def serve(connection):
        Request(connection)
        while connection.recv(65536):
            continue

    job, stream = egress.job(upstream(serve), method="POST", body=body,
                             length=5)
    with contextlib.suppress(BrokenPipeError):
        send_request(job, stream, "", pieces)
    if body == NONE:
        # Seen when the answer is there, or the client goes.
        stream.close()
    done = egress.done(job)
    assert done["clean"] == 0 and done["outcome"] == b"invalid_request"


# --- Size and memory --------------------------------------------------------

def pieces(total):
    piece = bytes(65536)
    return [piece] * (total // len(piece))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_takes_no_memory(egress, upstream, chunked):
    server = upstream(reply())
    egress.exchange(server, body=pieces(MIB))
    before = egress.memory()
    answer = egress.exchange(server, body=pieces(LARGE), chunked=chunked)
    assert answer.status == 200 and server.seen[-1].received == LARGE
    assert egress.memory() - before < 8 * MIB


@pytest.mark.parametrize("tls", [False, True])
def test_a_large_download_takes_no_memory(egress, upstream, certificates, tls):
    block = os.urandom(MIB)

    def serve(connection):
        while (request := Request(connection)).line:
            count = int(request.line.split("/")[1].split()[0])
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"
                               b"\r\n" % (count * MIB))
            for _ in range(count):
                connection.sendall(block)

    server = upstream(serve, *((tls_context(certificates, "right"),
                                (certificates / "ca.pem").read_bytes())
                               if tls else ()))
    egress.exchange(server, target="/1")
    before = egress.memory()
    answer = egress.exchange(server, target=f"/{LARGE // MIB}")
    assert answer.length == LARGE == answer.done["down"]
    assert bytes(answer.body[:MIB]) == block
    assert egress.memory() - before < 8 * MIB


@pytest.mark.parametrize("half_closed", [False, True])
def test_a_client_that_does_not_read_holds_the_upstream_back(
        egress, upstream, half_closed):
    """Back-pressure: neither memory nor processor time is spent on it."""
    total = (2 if half_closed else 200) * MIB
    ticks = []
    stalled = threading.Event()

    def serve(connection):
        Request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MIB)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
                           % total)
        connection.settimeout(2)
        with contextlib.suppress(TimeoutError):
            for _ in range(total // MIB):
                connection.sendall(bytes(MIB))
                ticks.append(egress.processor_ticks())
        if half_closed:
            connection.shutdown(socket.SHUT_WR)
            ticks.append(egress.processor_ticks())
            with contextlib.suppress(TimeoutError):
                connection.recv(1)
        ticks.append(egress.processor_ticks())
        stalled.set()
        connection.settimeout(None)
        connection.recv(1)

    job, stream = egress.job(upstream(serve))
    send_request(job, stream, "", [])
    assert stalled.wait(60) and len(ticks) < 32
    assert ticks[-1] - ticks[-2] < 50
    if not half_closed:
        stream.close()
        assert egress.done(job)["clean"] == 0
        return
    answer = Answer(job, stream)
    answer.read()
    assert answer.length == total and answer.end["clean"] == 1
    assert egress.done(job)["clean"] == 1


def test_a_stream_that_has_room_again_costs_nothing(egress, upstream):
    """While the upstream thinks, there is nothing to do."""
    total, taken, ticks = 4 * MIB, threading.Event(), []

    def serve(connection):
        Request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
                           % (total + 1) + bytes(total))
        assert taken.wait(60)
        ticks.append(egress.processor_ticks())
        connection.settimeout(2)
        with contextlib.suppress(TimeoutError):
            connection.recv(1)
        ticks.append(egress.processor_ticks())
        connection.sendall(b"x")

    job, stream = egress.job(upstream(serve))
    send_request(job, stream, "", [])
    got = 0
    while got < total:
        name, fields = stream.receive()
        got += len(fields["data"]) if name == "RESPONSE_BODY" else 0
    taken.set()
    assert stream.receive() == ("RESPONSE_BODY", {"data": b"x"})
    assert stream.receive()[0] == "RESPONSE_END"
    assert egress.done(job)["clean"] == 1
    assert ticks[1] - ticks[0] < 50


# --- TLS --------------------------------------------------------------------

def test_a_private_ca_is_enough(egress, upstream, certificates):
    server = upstream(reply(), tls_context(certificates, "right"),
                      (certificates / "ca.pem").read_bytes())
    answer = egress.exchange(server)
    assert answer.status == 200
    assert server.seen[0].header("authorization") == f"Bearer {SECRET.decode()}"


@pytest.mark.skipif(os.geteuid() != 0, reason="binds a file as root")
def test_the_systems_certificates_are_trusted(upstream, certificates):
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    egress = Egress(wrapper=[
        "/usr/bin/unshare", "--mount", "/bin/sh", "-c",
        f'/usr/bin/mount --bind "$0" {bundle} && exec "$@"',
        str(certificates / "ca.pem")])
    server = upstream(reply(), tls_context(certificates, "right"))
    assert egress.exchange(server).status == 200
    # A credential's own CA stands in their place, not beside them.
    other = upstream(reply(), tls_context(certificates, "right"),
                     (certificates / "other.pem").read_bytes())
    egress.exchange(other).failed(502, "not trusted")
    egress.stop()


def test_an_unknown_issuer_is_not_trusted(egress, upstream, certificates):
    server = upstream(reply(), tls_context(certificates, "right"))
    answer = egress.exchange(server)
    answer.failed(502, f"localhost:{server.port}",
                  "certificate that is not trusted", "issuer")
    assert server.seen == []


def test_a_certificate_for_another_name_is_not_trusted(egress, upstream,
                                                       certificates):
    server = upstream(reply(), tls_context(certificates, "wrong"),
                      (certificates / "ca.pem").read_bytes())
    answer = egress.exchange(server)
    answer.failed(502, "certificate that is not trusted", "localhost")
    assert server.seen == []


def test_an_error_text_with_the_secret_is_withheld(egress, upstream,
                                                   certificates):
    """A certificate's name is an upstream's text too."""
    server = upstream(reply(), tls_context(certificates, "telltale"),
                      (certificates / "ca.pem").read_bytes())
    answer = egress.exchange(server, secret=TELLTALE)
    answer.failed(502, "why cannot be shown")
    # With another secret it is shown: so it was there.
    egress.exchange(server).failed(502, TELLTALE)


def test_a_trusted_connection_is_not_lent_to_one_without_the_ca(
        egress, upstream, certificates):
    server = upstream(reply(), tls_context(certificates, "right"),
                      (certificates / "ca.pem").read_bytes())
    assert egress.exchange(server).status == 200
    egress.exchange(server, ca=b"").failed(502, "not trusted")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_is_refused(egress, upstream, certificates):
    context = tls_context(certificates, "right")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    server = upstream(reply(), context,
                      (certificates / "ca.pem").read_bytes())
    egress.exchange(server).failed(502, "TLS")


# --- Addresses --------------------------------------------------------------

def test_a_loopback_address_is_not_public(egress, upstream, certificates):
    server = upstream(reply(), tls_context(certificates, "right"),
                      (certificates / "ca.pem").read_bytes())
    for network in (PUBLIC, PRIVATE):
        answer = egress.exchange(server, host="127.0.0.1", network=network)
        answer.failed(502, "a loopback address", '"network"', "127.0.0.1")
    assert server.accepted == 0


def test_a_kept_connection_is_vetted_for_each_credential(
        egress, upstream, certificates):
    server = upstream(reply(), tls_context(certificates, "right"),
                      (certificates / "ca.pem").read_bytes())
    assert egress.exchange(server).status == 200
    egress.exchange(server, network=PUBLIC).failed(502, "a loopback address")
    assert len(server.seen) == 1


def test_clear_text_leaves_this_host_never(egress, upstream):
    server = upstream(reply())
    for host in ("192.0.2.1", "10.255.255.1", "169.254.169.254"):
        for network in (PUBLIC, PRIVATE, LOOPBACK):
            egress.exchange(server, host=host, network=network).failed(
                502, "clear text", host)


@pytest.mark.parametrize("host", [
    "169.254.169.254", "2852039166", "0xa9.0xfe.0xa9.0xfe",
    "[::ffff:169.254.169.254]", "::1", "0.0.0.0", "0"])
def test_no_way_to_write_an_address_helps(egress, upstream, host):
    answer = egress.exchange(upstream(reply()), host=host, tls=1,
                             network=PRIVATE)
    answer.failed(502, "which the credential's parameter")


# --- Proxies ----------------------------------------------------------------

def proxy_for(seen, answer=b"HTTP/1.1 200 OK\r\n\r\n"):
    """One that connects to the port it is told, on this host."""
    def serve(connection):
        request = Request(connection)
        seen.append(request)
        connection.sendall(answer)
        if b" 200 " not in answer:
            return
        port = int(request.line.split()[1].rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as onward:
            def back():
                with contextlib.suppress(OSError):
                    while data := onward.recv(65536):
                        connection.sendall(data)
                    connection.shutdown(socket.SHUT_RDWR)
            threading.Thread(target=back, daemon=True).start()
            while data := connection.recv(65536):
                onward.sendall(data)

    return serve


def test_a_proxy_is_asked_for_a_tunnel_and_sees_no_secret(
        egress, upstream, certificates):
    server = upstream(reply(b"hello", "201 Created", "ETag: 1"),
                      tls_context(certificates, "right"),
                      (certificates / "ca.pem").read_bytes())
    seen = []
    proxy = upstream(proxy_for(seen))
    # It is the proxy that resolves: the target's address is not seen here.
    answer = egress.exchange(server, network=PUBLIC,
                             proxy=f"http://127.0.0.1:{proxy.port}")
    assert (answer.status, answer.headers) == (201, ["etag: 1"])
    assert len(server.seen) == 1
    request, = seen
    assert request.line == f"CONNECT localhost:{server.port} HTTP/1.1"
    assert request.header("authorization") is None
    assert SECRET.decode() not in "\n".join(request.headers)
    # Nor is the tunnel lent to a request that must go directly.
    egress.exchange(server, network=PUBLIC).failed(502, "a loopback address")


def test_what_stays_on_this_host_does_not_go_through_a_proxy(
        egress, upstream, certificates):
    server = upstream(reply())
    proxy = upstream(reply())
    url = f"http://127.0.0.1:{proxy.port}"
    assert egress.exchange(server, proxy=url).status == 200
    secure = upstream(reply(), tls_context(certificates, "right"),
                      (certificates / "ca.pem").read_bytes())
    assert egress.exchange(secure, proxy=url).status == 200
    egress.exchange(server, host="192.0.2.1", network=PUBLIC,
                    proxy=url).failed(502, "clear text")
    assert proxy.accepted == 0


def test_a_proxy_that_refuses_is_named(egress, upstream, certificates):
    server = upstream(reply(), tls_context(certificates, "right"))
    proxy = upstream(proxy_for([], reply(b"", "403 Forbidden")))
    url = f"http://127.0.0.1:{proxy.port}"
    egress.exchange(server, network=PUBLIC, proxy=url).failed(
        502, "the proxy does not let us through", "(HTTP 403)")
    proxy.listener.shutdown(socket.SHUT_RDWR)
    proxy.close()
    egress.exchange(server, network=PUBLIC, proxy=url).failed(
        502, "could not connect to the proxy")


# --- Answers ----------------------------------------------------------------

def test_only_headers_on_the_list_come_back(egress, upstream):
    answer = egress.exchange(upstream(reply(
        b"", "200 OK", "Content-Type: text/plain; charset=utf-8",
        "Set-Cookie: a=b", "WWW-Authenticate: Basic", "Connection: close",
        "ETag: \"x\"", "X-RateLimit-Remaining: 5", "X-Other: 1",
        "Link: <a>; rel=next", "Link: <b>", "Retry-After:   7  ",
        "Location: \xff", "Expires:")))
    assert answer.headers == [
        "content-type: text/plain; charset=utf-8", 'etag: "x"',
        "x-ratelimit-remaining: 5", "link: <a>; rel=next", "link: <b>",
        "retry-after: 7"]


def test_a_redirect_is_passed_and_not_followed(egress, upstream):
    elsewhere = upstream(reply())
    server = upstream(reply(
        b"", "302 Found", f"Location: http://localhost:{elsewhere.port}/"))
    answer = egress.exchange(server)
    assert answer.status == 302
    assert answer.headers == [f"location: http://localhost:{elsewhere.port}/"]
    assert elsewhere.accepted == 0


def test_interim_answers_are_skipped(egress, upstream):
    server = upstream(b"HTTP/1.1 100 Continue\r\n\r\n"
                      b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
                      + reply(b"ok", "201 Created", "ETag: 1"))
    answer = egress.exchange(server, body=[b"abc"])
    assert (answer.status, answer.headers) == (201, ["etag: 1"])


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_status_without_a_body_has_none(egress, upstream, status):
    server = upstream(f"HTTP/1.1 {status}\r\nContent-Length: 9\r\n\r\n"
                      .encode())
    first = egress.exchange(server)
    assert first.head["has_length"] and first.head["length"] == 0
    assert first.end["clean"] == 1 and first.length == 0


def test_an_answer_without_length_ends_with_the_connection(egress, upstream):
    def serve(connection):
        Request(connection)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nall of it")

    answer = egress.exchange(upstream(serve))
    assert not answer.head["has_length"]
    assert bytes(answer.body) == b"all of it" and answer.end["clean"] == 1


def test_a_stored_credential_that_is_refused_is_the_brokers_failure(
        egress, upstream):
    for status in ("401 Unauthorized", "407 Proxy Authentication Required"):
        server = upstream(reply(b"who are you?", status,
                                "WWW-Authenticate: Basic realm=x"))
        answer = egress.exchange(server)
        answer.failed(502, f"localhost:{server.port} refused the stored "
                      f"credential (HTTP {status[:3]})")
        assert answer.fail["code"] == b"upstream_failed"
        assert answer.done["status"] == int(status[:3])


@pytest.mark.parametrize("data,word", [
    (b"", "without an answer"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1"),
    (b"\x16\x03\x01\x00", "HTTP/1"),
    (b"HTTP/2 200\r\n\r\n", "HTTP/1"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "closed"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
     "closed"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", ""),
    (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40000 + b"\r\n\r\n", "too long"),
    (b"HTTP/1.1 200 OK\r\n" + b"Link: <a>\r\n" * 65 + b"\r\n", "too many"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 4000, "too long"),
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "101"),
    (b"HTTP/1.1 999 Odd\r\n\r\n", "HTTP/1"),
    (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "Encoding"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
     "Encoding"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     ""),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked"
     b"\r\n\r\n", "at once"),
    (b"HTTP/1.1 200 OK\r\nLink: a\r\n folded\r\n\r\n", "malformed"),
    (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1"),
    (b"HTTP/1.1 200 OK\r\nLink : a\r\n\r\n", "malformed"),
])
def test_an_upstream_that_talks_nonsense_is_a_502(egress, upstream, data,
                                                  word):
    def serve(connection):
        Request(connection)
        connection.sendall(data)

    answer = egress.exchange(upstream(serve))
    answer.failed(502, word)
    if answer.head is not None:
        assert answer.end is None
    # It goes on with the next.
    assert egress.exchange(upstream(reply())).status == 200


def test_nobody_listens(egress, upstream):
    server = upstream(reply())
    server.listener.shutdown(socket.SHUT_RDWR)
    server.close()
    egress.exchange(server).failed(
        502, f"localhost:{server.port} refused the connection")


def test_a_name_that_nobody_has(egress, upstream):
    answer = egress.exchange(upstream(reply()), host="nobody.invalid")
    answer.failed(502, "could not resolve nobody.invalid")


def test_an_upstream_that_says_nothing_times_out(upstream):
    egress = Egress("--idle-timeout", "1s")
    answer = egress.exchange(upstream(lambda c: (Request(c), c.recv(1))))
    answer.failed(504, "did not answer in time")
    assert answer.fail["code"] == b"timeout"
    egress.stop()


def test_a_head_that_dribbles_in_times_out(upstream):
    def serve(connection):
        Request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"Link: <a>\r\n")
            if threading.Event().wait(0.1):
                return

    egress = Egress("--head-timeout", "1s")
    egress.exchange(upstream(serve)).failed(504, "in time")
    egress.stop()


def test_a_client_that_says_nothing_times_out(upstream):
    egress = Egress("--head-timeout", "1s")
    job, stream = egress.job(upstream(reply()))
    name, fields = stream.receive()
    assert name == "RESPONSE_FAIL" and fields["status"] == 504
    assert egress.done(job)["outcome"] == b"timeout"
    egress.stop()


# --- Early ends -------------------------------------------------------------

def test_an_answer_before_the_body_ends_the_stream_but_arrives(egress,
                                                               upstream):
    def serve(connection):
        Request(connection)
        connection.sendall(reply(b"too much", "413 Content Too Large"))
        connection.recv(1)

    job, stream = egress.job(upstream(serve), method="POST", body=LENGTH,
                             length=LARGE)
    stream.send("REQUEST_HEAD", job=job, headers="")
    stream.send("REQUEST_BODY", data=b"only a little")
    answer = Answer(job, stream)
    answer.read()
    assert answer.status == 413 and bytes(answer.body) == b"too much"
    assert answer.end == {"clean": 0}
    assert stream.receive() == (None, None)
    done = egress.done(job)
    assert (done["clean"], done["outcome"], done["status"]) == (0, b"ok", 413)


def test_a_body_that_is_still_coming_does_not_hide_the_answer(egress,
                                                              upstream):
    """The last message is read although the client has sent on."""
    def serve(connection):
        Request(connection)
        connection.sendall(reply(b"", "401 Unauthorized"))
        connection.recv(1)

    server = upstream(serve)
    for _ in range(10):
        answer = egress.exchange(server, body=pieces(8 * MIB))
        assert answer.fail["status"] == 502


def test_a_client_that_goes_away_ends_the_job(egress, upstream):
    started, gone = threading.Event(), threading.Event()

    def serve(connection):
        Request(connection)
        started.set()
        while connection.recv(65536):
            continue
        gone.set()

    job, stream = egress.job(upstream(serve), method="POST", body=CHUNKED)
    stream.send("REQUEST_HEAD", job=job, headers="")
    stream.send("REQUEST_BODY", data=b"abc")
    assert started.wait(30)
    stream.close()
    done = egress.done(job)
    assert done["clean"] == 0 and done["outcome"] == b"invalid_request"
    assert gone.wait(30)


def test_a_cancelled_job_ends_and_its_connection_is_closed(egress, upstream):
    started, gone = threading.Event(), threading.Event()

    def serve(connection):
        Request(connection)
        started.set()
        connection.recv(1)
        gone.set()

    job, stream = egress.job(upstream(serve))
    send_request(job, stream, "", [])
    assert started.wait(30)
    egress.core.send("JOB_CANCEL", job=job, detail="for a reason")
    name, fields = stream.receive()
    assert name == "RESPONSE_FAIL"
    assert fields["detail"] == b"for a reason"
    assert egress.done(job)["clean"] == 0
    assert gone.wait(30)


def test_a_dropped_session_leaves_nothing_open(egress, upstream):
    started = threading.Event()

    def serve(connection):
        if Request(connection).line.startswith("GET /quick"):
            connection.sendall(reply())
        started.set()
        connection.recv(1)

    server = upstream(serve)
    egress.exchange(server, target="/quick", session="s0")
    started.clear()
    egress.core.send("SESSION_DROP", request=6, session="s0")
    assert egress.core.receive()[0] == "SESSION_DROPPED"
    before = egress.descriptors()
    kept = egress.exchange(server, target="/quick")
    started.clear()
    job, stream = egress.job(server)
    send_request(job, stream, "", [])
    assert started.wait(30)
    egress.core.send("SESSION_DROP", request=7, session="s1")
    assert egress.done(job)["outcome"] == b"policy_denied"
    assert egress.core.receive() == (
        "SESSION_DROPPED", {"request": 7, "session": b"s1"})
    assert stream.receive()[0] == "RESPONSE_FAIL"
    assert kept.stream.receive() == (None, None)
    assert egress.descriptors() == before


def test_a_session_has_a_bound(egress, upstream):
    server = upstream(lambda c: c.recv(1))
    open_jobs = [egress.job(server) for _ in range(64)]
    job, stream = egress.job(server)
    assert egress.done(job)["outcome"] == b"limit"
    # Another session still has its own.
    other = upstream(reply())
    assert egress.exchange(other, session="s2").status == 200
    assert len(open_jobs) == 64


def test_a_core_that_says_nonsense_is_not_obeyed(upstream):
    egress = Egress()
    egress.core.sock.send(b"\xff\xff nonsense")
    assert egress.core.receive() == (None, None)
    egress.stop()


# --- The secret comes back --------------------------------------------------

ENCODED = {
    "as it is": SECRET,
    "base64": base64.b64encode(SECRET),
    "base64, offset 1": base64.b64encode(b"u" + SECRET),
    "base64, offset 2": base64.b64encode(b"u:" + SECRET),
    "base64, url": base64.urlsafe_b64encode(SECRET),
    "percent": b"tok_4f8c%2FZb%2B19%3DQx",
    "percent, lower": b"tok_4f8c%2fZb%2b19%3dQx",
    "json": b"tok_4f8c\\/Zb+19=Qx",
    "header": b"Bearer " + SECRET,
}


@pytest.mark.parametrize("form", ENCODED)
def test_a_secret_that_comes_back_is_covered(egress, upstream, form):
    text = ENCODED[form]
    for cut in range(len(text) + 1):
        parts = [b"<" + text[:cut], text[cut:] + b">"]
        body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts)
        answer = egress.exchange(upstream(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
            + b"0\r\n\r\n"))
        got = bytes(answer.body)
        assert len(got) == len(text) + 2 and got[:1] + got[-1:] == b"<>"
        # Of base64 with something in front, the first character or two stay.
        assert got.count(b"*") >= len(text) - 7
        assert answer.done["scrubbed"] == 1


def test_basic_credentials_that_come_back_are_covered(egress, upstream):
    basic = base64.b64encode(b"user:" + SECRET)
    answer = egress.exchange(
        upstream(reply(b"[" + basic + b"]")),
        params={"auth": "basic", "username": "user"})
    assert bytes(answer.body) == b"[" + b"*" * len(basic) + b"]"


def test_a_header_with_the_secret_is_left_out(egress, upstream):
    answer = egress.exchange(upstream(reply(
        b"", "302 Found", f"Location: /?t={SECRET.decode()}", "ETag: 1")))
    assert answer.headers == ["etag: 1"]
    assert answer.done["scrubbed"] == 1
