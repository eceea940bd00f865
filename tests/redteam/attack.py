"""What the attacks stand on: the broker of the end-to-end tests, an upstream
that records every byte it got and answers what a test tells it to, and a
client that sends bytes rather than requests."""

import contextlib
import importlib.util
import json
import pathlib
import secrets
import shutil
import socket
import tempfile
import threading

import pytest

# By path: there are several files of that name.
_spec = importlib.util.spec_from_file_location(
    "e2e_conftest",
    pathlib.Path(__file__).resolve().parents[1] / "e2e" / "conftest.py")
e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(e2e)

for _name in dir(e2e):
    if not _name.startswith("__"):
        globals().setdefault(_name, getattr(e2e, _name))

HOST = "127.0.0.1:9169"
REFS = "info/refs?service=git-upload-pack"


class Recorder:
    """An upstream on loopback, in clear text, that keeps what it was sent."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.authority = f"localhost:{self.port}"
        self.requests = []      # [head, body] as bytes, those that were whole
        self.answer = None      # bytes, or a function of (head, connection)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,),
                             daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError, ValueError), connection:
            file = connection.makefile("rb")
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = file.readline()
                    if not line:
                        return
                    head += line
                entry = [head, b""]
                self.read_body(head.lower(), file, entry)
                self.requests.append(entry)
                answer = self.answer or reply()
                if callable(answer):
                    if answer(head, connection) is False:
                        return
                else:
                    connection.sendall(answer)

    @staticmethod
    def read_body(head, file, entry):
        if b"transfer-encoding: chunked" in head:
            while size := int(file.readline(), 16):
                entry[1] += file.read(size)
                file.readline()
            file.readline()     # it fails, when the body was cut off
        elif b"content-length:" in head:
            size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            entry[1] += file.read(size)
            if len(entry[1]) < size:
                raise ValueError("cut off")

    def taken(self):
        """What came since the last time."""
        taken, self.requests = self.requests, []
        return taken

    def close(self):
        self.listener.close()


def reply(body=b"hello", status="200 OK", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Endpoint:
    """A session, seen from its socket."""

    def __init__(self, broker, grants, task="red"):
        self.broker = broker
        args = ["issue", "--task", task, "--ttl", "2h"]
        for grant in grants:
            args += ["--grant", grant]
        self.issued = broker.json(*args)
        self.session = self.issued["session"]
        self.id = self.session["id"]
        self.folder = pathlib.Path(self.session["folder"])

    def connect(self, timeout=60):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(timeout)
        client.connect(str(self.folder / "endpoint.sock"))
        return client

    def send(self, data, half_close=True):
        """All that comes back for these bytes."""
        client = self.connect()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(data)
            if half_close:
                client.shutdown(socket.SHUT_WR)
        answer = b""
        with client, contextlib.suppress(ConnectionResetError):
            while piece := client.recv(1 << 16):
                answer += piece
        return answer

    def ask(self, method, target, *headers, body=None):
        """A well-formed request; its status and the whole answer."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {HOST}",
                 "Connection: close", *headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        answer = self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
                           + (body or b""), half_close=False)
        return status_of(answer), answer


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else None


def add_credential(broker, name, upstream, secret, *params):
    args = ["credential", "add", name, "-p",
            f"hosts=http://{upstream.authority}", "-p", "network=loopback"]
    for param in params:
        args += ["-p", param]
    broker.run(*args, input=secret + "\n")


@pytest.fixture(scope="module")
def red():
    """One broker and one recording upstream for a file's attacks."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    # Its rate would end most attacks before they begin.
    broker = e2e.Broker(path, {"requests_per_minute": 6000000})
    broker.init()
    broker.start()
    broker.upstream = Recorder()
    broker.secret = "canary-" + secrets.token_hex(16)
    add_credential(broker, "forge", broker.upstream, broker.secret,
                   "auth=basic", "username=robot")
    yield broker
    broker.upstream.close()
    broker.stop()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def endpoint(red):
    return Endpoint(red, ["forge:repository=acme/api,git=fetch"])


@pytest.fixture
def upstream(red):
    """Clean for each attack."""
    red.upstream.answer = None
    red.upstream.taken()
    return red.upstream
