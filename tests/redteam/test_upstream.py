"""An upstream that has been turned, or that only echoes what it is sent: it has
the secret, and tries to have it arrive in the sandbox, or to bring the broker
down on the way."""

import base64
import contextlib
import gzip
import json
import pathlib
import threading
import urllib.parse

import pytest

from attack import (REFS, SANITIZED, Endpoint, Recorder, add_credential,
                      reply)

# AddressSanitizer keeps up to 256 MiB of what was freed.
GROWTH = (300 if SANITIZED else 24) << 20


def basic(secret):
    return base64.b64encode(b"robot:" + secret)


def chunks(body, size):
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces)


def chunked(body, size, trailers=b"", extension=b""):
    text = chunks(body, size).replace(b"\r\n", extension + b"\r\n", 1)
    return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + text
            + b"0\r\n" + trailers + b"\r\n")


# What comes back, made of the secret; None: whatever, but not the secret.
ECHOES = {
    "as it is": lambda s: reply(s),
    "many times": lambda s: reply(s * 5000),
    "many times, apart": lambda s: reply((s + b"-") * 5000),
    "in the header that was sent": lambda s: reply(
        b"Authorization: Basic " + basic(s)),
    "in base64": lambda s: reply(base64.b64encode(s)),
    "in base64, one byte on": lambda s: reply(base64.b64encode(b"a" + s)),
    "in base64, two bytes on": lambda s: reply(base64.b64encode(b"ab" + s)),
    "in base64 with a line behind": lambda s: reply(
        base64.b64encode(s + b"\n")),
    "in base64url": lambda s: reply(base64.urlsafe_b64encode(b"x" + s)),
    "percent-encoded": lambda s: reply(urllib.parse.quote(s).encode()),
    "in JSON": lambda s: reply(json.dumps({"t": s.decode()}).encode()),
    "overlapping itself": lambda s: reply(s[:10] + s + s[-10:]),
    "begun twice": lambda s: reply(s[:19] + s),
    "in chunks of one byte": lambda s: chunked(s * 20, 1),
    "in chunks of seven": lambda s: chunked(b"x" * 65530 + s + b"y", 7),
    "over the edge of a buffer": lambda s: reply(b"x" * (65536 - 20) + s),
    "over the edge of a packet": lambda s: reply(b"x" * (32768 - 9) + s),
    "at the end of a megabyte": lambda s: reply(b"x" * (1 << 20) + s),
    "in a trailer": lambda s: chunked(b"x", 1, b"X-Echo: " + s + b"\r\n"),
    "in a trailer that passes": lambda s: chunked(
        b"x", 1, b"ETag: " + s + b"\r\n"),
    "in a chunk extension": lambda s: chunked(b"x", 1, extension=b";e=" + s),
    "in the reason": lambda s: reply(b"x", "200 " + s.decode()),
    "in a 500's reason": lambda s: reply(b"x", "500 " + s.decode()),
    "in a location": lambda s: reply(
        b"", "302 Found", "Location: https://evil.example/" + s.decode()),
    "in a location, encoded": lambda s: reply(
        b"", "302 Found", "Location: /x?" + basic(s).decode()),
    "in a location's user": lambda s: reply(
        b"", "302 Found", f"Location: http://robot:{s.decode()}@localhost/"),
    "in headers that pass": lambda s: reply(
        b"x", "200 OK", *[f"{n}: {s.decode()}" for n in (
            "ETag", "Link", "Content-Type", "Retry-After", "Expires",
            "Last-Modified", "Content-Language", "Cache-Control", "Pragma",
            "X-RateLimit-Limit", "X-Ratelimit-Anything")]),
    "in a header's name": lambda s: reply(
        b"x", "200 OK", f"X-RateLimit-{s.decode()}: 1"),
    "in headers that do not pass": lambda s: reply(
        b"x", "200 OK", f"Set-Cookie: {s.decode()}",
        f"WWW-Authenticate: Basic realm={s.decode()}", f"X: {s.decode()}"),
    "in an interim answer": lambda s: (
        b"HTTP/1.1 103 Early Hints\r\nLink: " + s + b"\r\n\r\n" + reply(b"x")),
    "in two interim answers": lambda s: (
        b"HTTP/1.1 102 " + s + b"\r\n\r\nHTTP/1.1 103 " + s +
        b"\r\nETag: " + s + b"\r\n\r\n" + reply(b"x")),
    "in a 401": lambda s: reply(s, "401 " + s.decode(),
                                f"WWW-Authenticate: Basic realm={s.decode()}"),
    "in a 407": lambda s: reply(s, "407 " + s.decode()),
    "in a 403": lambda s: reply(b"denied for " + s, "403 Forbidden"),
    "in a 404": lambda s: reply(b"no repository of " + basic(s), "404 No"),
    "in HTTP/0.9": lambda s: s + b"\r\n",
    "in HTTP/2": lambda s: b"HTTP/2 200\r\nETag: " + s + b"\r\n\r\n",
    "in a broken status line": lambda s: b"HTTP/1.1 " + s + b"\r\n\r\n",
    "in a broken header": lambda s: (
        b"HTTP/1.1 200 OK\r\n" + s + b"\r\n\r\n"),
    "in a folded header": lambda s: (
        b"HTTP/1.1 200 OK\r\nETag: x\r\n " + s +
        b"\r\nContent-Length: 0\r\n\r\n"),
    "in a length": lambda s: (
        b"HTTP/1.1 200 OK\r\nContent-Length: " + s + b"\r\n\r\n"),
    "in a chunk's size": lambda s: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + s +
        b"\r\n"),
    "in an encoding's name": lambda s: reply(
        b"x", "200 OK", f"Content-Encoding: {s.decode()}"),
    "in a transfer encoding": lambda s: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + s + b"\r\n\r\n"),
    "behind the answer": lambda s: reply(b"x") + s + reply(s),
    "packed with gzip": lambda s: reply(
        gzip.compress(s), "200 OK", "Content-Encoding: gzip"),
    "packed twice": lambda s: reply(
        gzip.compress(s), "200 OK", "Content-Encoding: identity, gzip"),
    "with a NUL in front": lambda s: reply(b"\0" + s),
    "with NUL in a header": lambda s: (
        b"HTTP/1.1 200 OK\r\nETag: \0" + s + b"\r\nContent-Length: 0\r\n\r\n"),
    "in a redirect to another port": lambda s: reply(
        s, "307 Temporary Redirect", "Location: http://localhost:1/" +
        s.decode()),
    "in a switch of protocols": lambda s: (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: " + s +
        b"\r\nConnection: Upgrade\r\n\r\n" + s),
    "in pkt-lines": lambda s: reply(
        b"%04x%s0000" % (len(s) + 4, s), "200 OK",
        "Content-Type: application/x-git-upload-pack-advertisement"),
    "where less was announced": lambda s: (
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + s),
    "where more was announced": lambda s: (
        b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + s),
    "without a length": lambda s: b"HTTP/1.1 200 OK\r\n\r\n" + s,
}


def says(answer, secret):
    """The secret, or what could be turned into it."""
    forms = [secret, basic(secret), base64.b64encode(secret),
             base64.b64encode(b"x" + secret)[4:-4],
             base64.b64encode(b"xx" + secret)[4:-4],
             urllib.parse.quote(secret).encode()]
    # A long piece of it is as bad.
    forms += [secret[i:i + 20] for i in range(0, len(secret) - 19, 3)]
    return [f for f in forms if f in answer]


@pytest.mark.parametrize("name", ECHOES)
def test_the_secret_does_not_come_back(red, endpoint, upstream, name):
    secret = red.secret.encode()
    answer = ECHOES[name](secret)

    def serve(head, connection):
        connection.sendall(answer)
        return False
    upstream.answer = serve
    target = f"/git/{upstream.authority}/acme/api/{REFS}"
    for method, path, body in (
            ("GET", target, None),
            ("POST", f"/git/{upstream.authority}/acme/api/git-upload-pack",
             b"0000")):
        got, said = endpoint.ask(method, path, body=body)
        assert not says(said, secret), said
        assert got is not None and got not in (401, 407)
    # Neither here: the log of serve, the audit log, what the operator sees.
    places = [red.log_text().encode()]
    places += [p.read_bytes() for p in red.state.rglob("*.jsonl")]
    places.append(red.run("audit", "show", "--json").stdout.encode())
    for text in places:
        assert not says(text, secret)
    # And the next one is served, on a connection without anything left on it.
    upstream.answer = reply(b"clean")
    got, said = endpoint.ask("GET", target)
    assert got == 200 and said.endswith(b"\r\n\r\nclean")


def test_the_table_is_long():
    assert len(ECHOES) >= 50


def test_the_audit_log_is_where_it_was_looked_for(red):
    assert list(pathlib.Path(red.state).rglob("*.jsonl"))


# What an upstream may send without end or measure.
def flood(*start, piece=b"", count=1 << 30):
    def serve(head, connection):
        connection.settimeout(20)
        with contextlib.suppress(OSError):
            for text in start:
                connection.sendall(text)
            for _ in range(count if piece else 0):
                connection.sendall(piece)
        return False
    return serve


OK = b"HTTP/1.1 200 OK\r\n"
FLOODS = {
    "headers without end": flood(OK, piece=b"X-Evil: abc\r\n" * 100),
    "listed headers without end": flood(OK, piece=b"Link: <a>\r\n" * 100),
    "one header without end": flood(OK + b"ETag: ", piece=b"a" * 4096),
    "a header name without end": flood(OK, piece=b"a" * 4096),
    "a status line without end": flood(b"HTTP/1.1 200 ", piece=b"a" * 4096),
    "interim answers without end": flood(
        piece=b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "trailers without end": flood(
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
        piece=b"X: a\r\n" * 500),
    "a long chunk extension": flood(
        OK + b"Transfer-Encoding: chunked\r\n\r\n1;", piece=b"a" * 4096,
        count=1024),
    "a chunk size without end": flood(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", piece=b"0" * 4096),
    "zeros instead of HTTP": flood(piece=bytes(4096)),
    "line ends without end": flood(piece=b"\r\n" * 2000),
}


def memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(l for l in status
                        if l.startswith("VmRSS")).split()[1]) << 10


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_has_an_end(red, endpoint, upstream, name):
    upstream.answer = FLOODS[name]
    pids = red.pids()
    before = {n: memory(p) for n, p in pids.items()}
    got, said = endpoint.ask("GET", f"/git/{upstream.authority}/acme/api/"
                             + REFS)
    # Trailers come behind an answer that began well: it is broken off.
    assert got in (200, 502, 503, 504), said
    assert len(said) < 1 << 16
    assert red.pids() == pids
    for process, pid in pids.items():
        assert memory(pid) - before[process] < GROWTH, process


@pytest.mark.parametrize("kind", ["length", "chunks", "close"])
def test_a_body_without_end_waits_for_its_reader(red, endpoint, upstream,
                                                 kind):
    """Nobody reads it: then it is not read from the upstream either."""
    sent = [0]
    stopped = threading.Event()

    def serve(head, connection):
        start = {"length": b"Content-Length: 9000000000000\r\n\r\n",
                 "chunks": b"Transfer-Encoding: chunked\r\n\r\n",
                 "close": b"\r\n"}[kind]
        piece = b"x" * 65536
        if kind == "chunks":
            piece = b"10000\r\n" + piece + b"\r\n"
        connection.settimeout(0.5)
        with contextlib.suppress(OSError):
            connection.sendall(OK + start)
            while True:
                connection.sendall(piece)
                sent[0] += len(piece)
        stopped.set()
        return False
    upstream.answer = serve
    pids = red.pids()
    before = {n: memory(p) for n, p in pids.items()}
    client = endpoint.connect()
    with client:
        client.sendall(f"GET /git/{upstream.authority}/acme/api/{REFS} "
                       "HTTP/1.1\r\nHost: 127.0.0.1:9169\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 200"
        assert stopped.wait(20)
        assert sent[0] < 32 << 20
        for process, pid in pids.items():
            assert memory(pid) - before[process] < GROWTH, process
        got, _ = endpoint.ask("GET", "/v1/session", "Credbroker-Session: 1")
        assert got == 200


REDIRECTS = ["http://127.0.0.1:{other}/", "http://localhost:{other}/acme/api",
             "//localhost:{other}/", "https://localhost:{other}/",
             "http://localhost:{other}@localhost:{port}/",
             "http://localhost:{port}/../evil", "http://localhost:{port}/evil/x",
             "file:///etc/passwd", "gopher://localhost:{other}/", "/evil/x",
             "\\\\localhost:{other}\\x", "?service=git-receive-pack", "",
             "http://LOCALHOST:{port}/evil", "javascript:alert(1)"]


@pytest.mark.parametrize("location", REDIRECTS)
@pytest.mark.parametrize("status", [301, 307, 308, 300, 305])
def test_no_redirect_is_followed(endpoint, upstream, status, location):
    other = Recorder()
    try:
        location = location.format(other=other.port, port=upstream.port)
        upstream.answer = reply(b"", f"{status} Elsewhere",
                                f"Location: {location}",
                                f"Refresh: 0; url={location}")
        got, said = endpoint.ask(
            "GET", f"/git/{upstream.authority}/acme/api/{REFS}")
        assert got == status
        assert len(upstream.taken()) == 1
        assert other.taken() == []
        assert said.lower().count(b"\r\nlocation:") <= 1
        assert b"Refresh" not in said
    finally:
        other.close()


def test_a_name_that_turns_into_another_address(red, upstream):
    """Loopback is for credentials that say so, whatever name it hides in."""
    secret = "rebound-0123456789abcdef"
    for at, (host, network) in enumerate([
            ("localhost", "public"), ("localhost", "private"),
            ("127.0.0.1", "public"), ("localhost", None)]):
        name = f"rebind{at}"
        args = ["credential", "add", name, "-p",
                f"hosts={host}:{upstream.port}"]
        if network:
            args += ["-p", f"network={network}"]
        done = red.run(*args, input=secret + "\n", check=False)
        if done.returncode != 0:
            continue
        endpoint = Endpoint(red, [f"{name}:repository=**,git=fetch"],
                            task=name)
        got, said = endpoint.ask("GET", f"/git/{host}:{upstream.port}/a/b/"
                                 + REFS)
        assert got in (403, 502), said
        assert upstream.taken() == []


def test_credentials_of_two_hosts_are_not_exchanged(red, upstream):
    """The same session, two upstreams: each gets its own secret only."""
    other = Recorder()
    secret = "second-0123456789abcdef"
    try:
        add_credential(red, "second", other, secret, "auth=bearer")
        both = Endpoint(red, ["forge:repository=acme/api,git=fetch",
                              "second:repository=acme/api,git=fetch"],
                        task="both")
        for at in (upstream, other) * 3:
            both.ask("GET", f"/git/{at.authority}/acme/api/{REFS}")
        firsts, seconds = upstream.taken(), other.taken()
        assert len(firsts) == len(seconds) == 3
        assert all(secret.encode() not in h for h, _ in firsts)
        assert all(b"Bearer " + secret.encode() in h for h, _ in seconds)
        assert not any(basic(red.secret.encode()) in h for h, _ in seconds)
    finally:
        other.close()
