"""Relays that stand before an HTTP server and keep what goes through them: one
before a session's endpoint, and one before Ceph that lets keys die young."""

import dataclasses
import datetime
import http.client
import http.server
import re
import socket
import threading
import time
import urllib.parse


@dataclasses.dataclass
class Exchange:
    """A request, and how it was answered."""

    method: str
    path: str
    headers: dict           # lower-case name -> value
    body: bytes
    status: int = None
    answer_headers: dict = None
    answer: bytes = b""

    def __str__(self):
        return f"{self.method} {self.path} -> {self.status}"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Relay:
    """Passes requests to what connect() is connected to, as they are."""

    def __init__(self, connect):
        self.connect = connect
        self.exchanges = []
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Two writes for an answer, and no 40 ms between them.
            disable_nagle_algorithm = True

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return lambda: relay.handle(self)
                raise AttributeError(name)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def before(self, exchange):
        """May change the request, or answer it by setting the status."""

    def after(self, exchange):
        """May change the answer."""

    def handle(self, handler):
        exchange = Exchange(
            handler.command, handler.path,
            {name.lower(): value for name, value in handler.headers.items()},
            self.read_body(handler), answer_headers={})
        self.exchanges.append(exchange)
        self.before(exchange)
        if exchange.status is None:
            self.pass_on(exchange)
            self.after(exchange)
        handler.send_response_only(exchange.status)
        for name, value in exchange.answer_headers.items():
            if name.lower() not in ("content-length", "transfer-encoding",
                                    "connection"):
                handler.send_header(name, value)
        length = exchange.answer_headers.get("content-length") \
            if handler.command == "HEAD" else len(exchange.answer)
        handler.send_header("Content-Length", length or 0)
        handler.end_headers()
        handler.wfile.write(exchange.answer)

    @staticmethod
    def read_body(handler):
        if handler.headers.get("Expect", "").lower() == "100-continue":
            handler.send_response_only(100)
            handler.end_headers()
        if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return handler.rfile.read(
                int(handler.headers.get("Content-Length", 0)))
        body = b""
        while True:
            size = int(handler.rfile.readline().split(b";")[0], 16)
            body += handler.rfile.read(size)
            handler.rfile.readline()
            if size == 0:
                return body

    def pass_on(self, exchange):
        upstream = self.connect()
        try:
            upstream.putrequest(exchange.method, exchange.path,
                                skip_host=True, skip_accept_encoding=True)
            for name, value in exchange.headers.items():
                if name not in ("connection", "expect"):
                    upstream.putheader(name, value)
            chunked = "transfer-encoding" in exchange.headers
            upstream.endheaders([exchange.body] if chunked
                                else exchange.body or None,
                                encode_chunked=chunked)
            answer = upstream.getresponse()
            exchange.status = answer.status
            exchange.answer_headers = {name.lower(): value for name, value
                                       in answer.getheaders()}
            exchange.answer = answer.read()
        finally:
            upstream.close()

    def asked(self, part=""):
        """What was asked for, of what has this in its path: "GET /x 200"."""
        return [f"{e.method} {e.path} {e.status}" for e in self.exchanges
                if part in e.path]


class BriefCeph(Relay):
    """Ceph whose keys live as many seconds as a test wants, instead of the 900
    at least that it gives: the answers of its STS say so, and requests that
    are signed with keys whose time is over are refused as AWS does."""

    def __init__(self, ceph, life):
        self.ceph = ceph
        self.life = life    # seconds; of the next keys, too, when changed
        self.minted = []    # (access key id, when it dies)
        self.refused = 0
        super().__init__(
            lambda: http.client.HTTPConnection(ceph.authority, timeout=60))

    def is_sts(self, exchange):
        return (exchange.method == "POST" and
                urllib.parse.urlsplit(exchange.path).path == "/" and
                b"Action=" in exchange.body)

    def before(self, exchange):
        if self.is_sts(exchange):
            return
        key_id = re.search(r"Credential=([^/]+)/",
                           exchange.headers.get("authorization", ""))
        dies = dict(self.minted).get(key_id[1]) if key_id else None
        if dies is not None and time.time() >= dies:
            self.refused += 1
            exchange.status = 400
            exchange.answer_headers = {"content-type": "application/xml"}
            exchange.answer = (b"<?xml version=\"1.0\"?><Error><Code>"
                               b"ExpiredToken</Code><Message>The provided "
                               b"token has expired.</Message></Error>")

    def after(self, exchange):
        if not self.is_sts(exchange) or exchange.status != 200:
            return
        dies = int(time.time()) + self.life
        text = exchange.answer.decode()
        said = datetime.datetime.fromtimestamp(dies, datetime.timezone.utc)
        text = re.sub(r"(<Expiration>)[^<]*",
                      rf"\g<1>{said:%Y-%m-%dT%H:%M:%SZ}", text)
        key_id = re.search(r"<AccessKeyId>([^<]*)", text)[1]
        self.minted.append((key_id, dies))
        exchange.answer = text.encode()
