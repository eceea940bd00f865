"""What the core has to see of a request before it decides: the test plays the
core and the egress of one gateway.  The commands of a push are shown byte for
byte and nothing behind them is read; a body is held and said what it is; both
go upstream first, count against bounds, and end with exactly one verdict."""

import contextlib
import hashlib
import threading

import pytest

from conftest import wait_until
from test_gateway import (CHUNKED, COMMANDS, GATEWAY, HOST, MIB, RECEIVE_PACK,
                          REFS, RESULT, Response, ZERO, ask,
                          gateway, is_idle, pkt, pkts, post,  # noqa: F401
                          problem_code, take_request)

SEE_COMMANDS, SEE_BODY = 1, 2
API = "/http/aws/s3.eu-west-1.amazonaws.com/alpha/key"
SIGNED = ("Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/"
          "eu-west-1/s3/aws4_request, SignedHeaders=host, Signature="
          + "0" * 64 + "\r\n")
HELD_MAX = MIB

pytestmark = pytest.mark.skipif(not GATEWAY.exists(),
                                reason=f"{GATEWAY} is not built")


def need(gateway, exchange, what, most=MIB):
    gateway.core.send("NEED", exchange=exchange["exchange"], what=what,
                      most=most)


def commands_of(gateway, exchange):
    """All that is shown of them."""
    text = b""
    while True:
        shown = gateway.expect("SHOWN")
        assert shown["exchange"] == exchange["exchange"]
        assert shown["what"] == SEE_COMMANDS
        text += shown["data"]
        if shown["last"]:
            return text


def put(client, body, headers="", path=API):
    ask(client, "PUT " + path, HOST + SIGNED + headers
        + f"Content-Length: {len(body)}\r\n", body)


def is_quiet(gateway, seconds=0.2):
    gateway.core.sock.settimeout(seconds)
    try:
        with pytest.raises(TimeoutError):
            gateway.core.receive()
    finally:
        gateway.core.sock.settimeout(60)


def chunks(body, size):
    return b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size])
                    for i in range(0, len(body), size)) + b"0\r\n\r\n"


# --- The commands of a push -------------------------------------------------

SIGNED_PUSH = (pkt("push-cert\0 report-status push-options")
               + pkt("certificate version 0.1\n") + pkt("pusher a <a@b> 1 +0\n")
               + pkt("\n") + pkt(f"{ZERO} {'1' * 40} refs/heads/m\n")
               + pkt("-----BEGIN PGP SIGNATURE-----\n")
               + pkt("-----END PGP SIGNATURE-----\n") + pkt("push-cert-end\n")
               + b"0000" + pkt("ci.skip") + b"0000")
WITH_OPTIONS = (pkt(f"{ZERO} {'1' * 40} refs/heads/m\0 report-status "
                    "push-options") + b"0000" + pkt("a=b\n") + b"0000")
MANY = pkt(f"{ZERO} {'1' * 40} refs/heads/b-0\0 report-status") + b"".join(
    pkt(f"{ZERO} {'1' * 40} refs/heads/b-{i}") for i in range(1, 5000)
) + b"0000"


@pytest.mark.parametrize("pack", [b"", b"PACK" + b"x" * 100, b"x" * 300000])
@pytest.mark.parametrize("commands", [
    COMMANDS, b"0000", SIGNED_PUSH, WITH_OPTIONS, MANY],
    ids=["two", "none", "signed", "options", "many"])
def test_commands_are_shown_as_they_are_and_go_first(gateway, commands, pack):
    gateway.session()
    client = gateway.connect()
    sender = threading.Thread(target=post, args=(client, RECEIVE_PACK, "",
                                                 commands + pack))
    sender.start()
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_COMMANDS)
    assert commands_of(gateway, exchange) == commands
    stream = gateway.allow(exchange)
    _, body = take_request(stream)
    assert body == commands + pack
    sender.join()
    stream.send("RESPONSE_HEAD", job=stream.job, status=200, headers=RESULT)
    stream.send("RESPONSE_END", clean=1)
    assert Response(client).status == 200
    assert gateway.expect("EXCHANGE_DONE")["up"] == len(body)


@pytest.mark.parametrize("size", [1, 3, 100, 1 << 20])
@pytest.mark.parametrize("commands", [COMMANDS, SIGNED_PUSH, WITH_OPTIONS])
def test_commands_end_wherever_the_body_is_cut(gateway, commands, size):
    gateway.session()
    client = gateway.connect()
    body = commands + b"PACKxyz"
    ask(client, "POST " + RECEIVE_PACK, HOST
        + "Transfer-Encoding: chunked\r\n", chunks(body, size))
    exchange = gateway.expect("EXCHANGE")
    assert exchange["body"] == CHUNKED
    need(gateway, exchange, SEE_COMMANDS)
    assert commands_of(gateway, exchange) == commands
    assert take_request(gateway.allow(exchange))[1] == body


def test_need_may_come_before_the_body(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "POST " + RECEIVE_PACK, HOST
        + f"Content-Length: {len(COMMANDS)}\r\nExpect: 100-continue\r\n")
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_COMMANDS)
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(COMMANDS[:50])
    is_quiet(gateway)
    client.sendall(COMMANDS[50:])
    assert commands_of(gateway, exchange) == COMMANDS
    assert take_request(gateway.allow(exchange))[1] == COMMANDS


def test_nothing_of_the_pack_is_read_while_the_core_thinks(gateway):
    gateway.session()
    client = gateway.connect(timeout=120)
    gateway.settle()
    before = gateway.memory()
    total = 20 * MIB
    sent = [0]

    def send():
        ask(client, "POST " + RECEIVE_PACK, HOST
            + f"Content-Length: {len(COMMANDS) + total}\r\n", COMMANDS)
        for _ in range(total // 65536):
            client.sendall(b"p" * 65536)
            sent[0] += 65536

    sender = threading.Thread(target=send)
    sender.start()
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_COMMANDS)
    assert commands_of(gateway, exchange) == COMMANDS
    # What the kernel and libmicrohttpd hold, and no more.
    wait_until(lambda: sent[0] > 0, "begun")
    assert is_idle(gateway)
    assert sent[0] < 2 * MIB
    assert gateway.memory() - before < 2 * MIB
    _, body = take_request(gateway.allow(exchange))
    sender.join()
    assert len(body) == len(COMMANDS) + total and body.startswith(COMMANDS)


@pytest.mark.parametrize("body,code", [
    (b"PACK" + b"x" * 100, b"invalid_request"),
    (COMMANDS[:-4], b"invalid_request"), (b"", b"invalid_request"),
    (b"00", b"invalid_request"), (b"fff1" + b"x" * 70000, b"invalid_request"),
    (WITH_OPTIONS[:-4], b"invalid_request"),
    (MANY * 4, None), (MANY[:-4] * 4 + b"0000", b"too_large")])
def test_what_cannot_be_shown_is_withdrawn(gateway, body, code):
    gateway.session()
    client = gateway.connect()
    sender = threading.Thread(target=post, args=(client, RECEIVE_PACK, "",
                                                 body))
    sender.start()
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_COMMANDS)
    if code is None:
        assert commands_of(gateway, exchange) == MANY
    else:
        withdrawn = gateway.expect("WITHDRAWN")
        assert withdrawn["exchange"] == exchange["exchange"]
        assert withdrawn["code"] == code and withdrawn["detail"]
    # Nothing more is said until the verdict is there, and that is passed on.
    is_quiet(gateway, 0.1)
    gateway.refuse(exchange)
    assert Response(client).status in (200, 403)
    sender.join()


def test_the_core_may_want_fewer_commands(gateway):
    gateway.session()
    client = gateway.connect()
    post(client, body=COMMANDS + b"PACK")
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_COMMANDS, most=len(COMMANDS) - 1)
    assert gateway.expect("WITHDRAWN")["code"] == b"too_large"
    gateway.refuse(exchange)
    assert Response(client).status == 200


@pytest.mark.parametrize("side_band", [False, True])
def test_refused_push_says_why_ref_by_ref(gateway, side_band):
    gateway.session()
    client = gateway.connect()
    names = ["refs/heads/a", "refs/heads/a-b", "refs/tags/v1", "refs/heads/z"]
    commands = b"".join(
        pkt(f"{ZERO} {'1' * 40} {name}"
            + ("\0report-status" + " side-band-64k" * side_band
               if name == names[0] else "")) for name in names) + b"0000"
    post(client, body=commands + b"PACK" + b"x" * 200000)
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_COMMANDS)
    assert commands_of(gateway, exchange) == commands
    gateway.refuse(exchange, refs=(
        "refs/heads/a-b not granted: agents push to agent/*\n"
        "refs/tags/v1 tags are denied\x1b[0m\n"))
    response = Response(client)
    assert response.status == 200
    lines = pkts(response.body())
    if side_band:
        assert lines[0].startswith(b"\2credbroker: push to acme/api")
        lines = pkts(lines[1][1:])
    other = b" not pushed: another ref was refused\n"
    assert lines == [
        b"unpack ok\n", b"ng refs/heads/a" + other,
        b"ng refs/heads/a-b not granted: agents push to agent/*\n",
        b"ng refs/tags/v1 tags are denied?[0m\n",
        b"ng refs/heads/z" + other, None]
    # The rest of the body was read.
    ask(client, "GET " + REFS)
    gateway.refuse(gateway.expect("EXCHANGE"))
    assert Response(client).status == 403


# --- A body that is held ----------------------------------------------------

@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [0, 1, 70000, HELD_MAX])
def test_a_body_is_held_and_described(gateway, size, framing):
    gateway.session()
    client = gateway.connect()
    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)

    def send():
        if framing == "length":
            put(client, body, "Content-Type: text/x;  charset=a \r\n")
            return
        ask(client, "PUT " + API, HOST + SIGNED
            + "Content-Type: text/x;  charset=a \r\n"
            "Transfer-Encoding: chunked\r\n",
            chunks(body, 5000) if body else b"0\r\n\r\n")

    sender = threading.Thread(target=send)
    sender.start()
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_BODY)
    shown = gateway.expect("SHOWN")
    assert (shown["exchange"], shown["what"], shown["last"]) == (
        exchange["exchange"], SEE_BODY, 1)
    assert shown["length"] == size and shown["data"] == b""
    assert shown["hash"] == hashlib.sha256(body).digest()
    assert shown["type"] == b"text/x;  charset=a"
    sender.join()
    is_quiet(gateway, 0.1)
    headers, sent = take_request(gateway.allow(exchange))
    assert sent == body
    assert b"content-type: text/x;  charset=a" in headers.splitlines()


def test_headers_that_go_upstream_are_shown(gateway):
    """All that could say what is asked for, in the order of the request."""
    gateway.session()
    client = gateway.connect()
    put(client, b"abc", "X-Amz-Copy-Source: /a/b\r\nUser-Agent: me\r\n"
        "Cookie: x\r\nContent-Type: text/x\r\nAccept: */*\r\n"
        "X-Amz-Meta-A:  b \r\n")
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_BODY)
    shown = gateway.expect("SHOWN")
    assert shown["headers"].splitlines() == [
        b"x-amz-copy-source: /a/b", b"content-type: text/x",
        b"x-amz-meta-a: b"]
    sent, _ = take_request(gateway.allow(exchange))
    assert [line for line in sent.splitlines() if not line.startswith(
        (b"user-agent", b"accept"))] == shown["headers"].splitlines()


def test_a_request_without_a_body_is_one_of_nothing(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "DELETE " + API, HOST + SIGNED)
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_BODY)
    shown = gateway.expect("SHOWN")
    assert (shown["length"], shown["type"]) == (0, b"")
    assert shown["hash"] == hashlib.sha256(b"").digest()
    assert take_request(gateway.allow(exchange))[1] == b""


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_larger_body_is_not_held(gateway, framing):
    gateway.session()
    client = gateway.connect()
    body = b"x" * (HELD_MAX + 1)
    if framing == "length":
        # Its length alone says so: nothing of it has to come.
        ask(client, "PUT " + API, HOST + SIGNED
            + f"Content-Length: {len(body)}\r\n")
        sender = threading.Thread(target=client.sendall, args=(body,))
    else:
        sender = threading.Thread(target=ask, args=(
            client, "PUT " + API, HOST + SIGNED
            + "Transfer-Encoding: chunked\r\n", chunks(body, 9999)))
        sender.start()
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_BODY, most=1 << 30)
    withdrawn = gateway.expect("WITHDRAWN")
    assert withdrawn["code"] == b"approval_too_large"
    assert b"1048576" in withdrawn["detail"]
    if framing == "length":
        sender.start()
    gateway.refuse(exchange, code="approval_too_large")
    response = Response(client)
    assert response.status == 403
    assert problem_code(response) == "approval_too_large"
    sender.join()


@pytest.mark.parametrize("retry,status", [(0, 403), (7, 403), (0, 429),
                                          (30, 429), (2, 503)])
def test_refusal_says_when_to_come_again(gateway, retry, status):
    gateway.session()
    client = gateway.connect()
    put(client, b"abc")
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_BODY)
    gateway.expect("SHOWN")
    gateway.refuse(exchange, status=status, retry=retry)
    response = Response(client)
    assert response.status == status
    expected = str(retry) if retry else "1" if status != 403 else None
    assert response.headers.get("retry-after") == expected


# --- Who waits no more ------------------------------------------------------

def held_body(gateway, client):
    put(client, b"abc" * 1000)
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_BODY)
    gateway.expect("SHOWN")
    return exchange


def half_body(gateway, client):
    ask(client, "PUT " + API, HOST + SIGNED + "Content-Length: 99\r\n", b"x")
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_BODY)
    is_quiet(gateway, 0.1)
    return exchange


def held_commands(gateway, client):
    post(client, body=COMMANDS + b"x" * 5000)
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_COMMANDS)
    commands_of(gateway, exchange)
    return exchange


def half_commands(gateway, client):
    ask(client, "POST " + RECEIVE_PACK, HOST + "Content-Length: 999\r\n",
        COMMANDS[:60])
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_COMMANDS)
    is_quiet(gateway, 0.1)
    return exchange


WAITING = pytest.mark.parametrize("wait", [
    held_body, half_body, held_commands, half_commands],
    ids=lambda f: f.__name__)


@WAITING
@pytest.mark.parametrize("allowed", [False, True])
def test_client_that_leaves_is_withdrawn_once(gateway, wait, allowed):
    gateway.session()
    gateway.settle()
    before = gateway.descriptors()
    client = gateway.connect()
    exchange = wait(gateway, client)
    client.close()
    withdrawn = gateway.expect("WITHDRAWN")
    assert withdrawn["exchange"] == exchange["exchange"]
    assert withdrawn["code"] == b""
    wait_until(lambda: gateway.descriptors() == before, "closed")
    # What the core has asked meanwhile is answered, too.
    need(gateway, exchange, SEE_BODY)
    assert gateway.expect("WITHDRAWN")["exchange"] == exchange["exchange"]
    if allowed:
        stream = gateway.allow(exchange)
        assert stream.receive()[0] is None
        assert gateway.expect("EXCHANGE_DONE")["clean"] == 0
    else:
        gateway.refuse(exchange)
    is_quiet(gateway, 0.1)
    # Another one is served.
    other = gateway.connect()
    held_body(gateway, other)


@WAITING
def test_end_of_the_session_is_said_to_who_waits(gateway, wait):
    gateway.session()
    client = gateway.connect()
    exchange = wait(gateway, client)
    gateway.end()
    assert gateway.expect("WITHDRAWN")["code"] == b""
    gateway.expect("SESSION_ENDED")
    client.settimeout(30)
    if wait is half_body:
        client.sendall(b"x" * 98)
    if wait is half_commands:
        client.sendall(COMMANDS[60:] + b"x" * (999 - len(COMMANDS)))
    response = Response(client)
    body = response.body()
    assert problem_code(response) == "session_revoked"
    if wait in (held_commands, half_commands):
        assert body.count(b"credbroker: session s1 was") == 1
        assert b"ng refs/heads/main credbroker: " in body
    # The verdict that is still due ends it, and says nothing more.
    gateway.refuse(exchange)
    is_quiet(gateway, 0.1)


def test_verdict_without_waiting_for_all_of_it(gateway):
    gateway.session()
    client = gateway.connect()
    exchange = half_commands(gateway, client)
    stream = gateway.allow(exchange)
    rest = COMMANDS[60:] + b"x" * (999 - len(COMMANDS))
    client.sendall(rest)
    assert take_request(stream)[1] == COMMANDS[:60] + rest


def test_need_for_nobody_and_of_nothing_known(gateway):
    gateway.session()
    gateway.core.send("NEED", exchange=12345, what=SEE_BODY, most=1)
    client = gateway.connect()
    put(client, b"abc")
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, 9)
    assert gateway.expect("WITHDRAWN")["code"] == b"internal_error"
    gateway.refuse(exchange)
    assert Response(client).status == 403


# --- Bounds -----------------------------------------------------------------

def hold(gateway, name, count):
    """So many bodies of the largest size; whether each is held.  The clients
    stay as long as what is returned."""
    def send(client):
        with contextlib.suppress(OSError):
            put(client, b"x" * HELD_MAX)

    held = []
    for _ in range(count):
        client = gateway.connect(name)
        sender = threading.Thread(target=send, args=(client,))
        sender.start()
        exchange = gateway.expect("EXCHANGE")
        need(gateway, exchange, SEE_BODY)
        kind, fields = gateway.core.receive()
        assert kind == "SHOWN" or fields["code"] == b"limit", fields
        held.append((client, exchange, kind == "SHOWN", sender))
    return held


def test_a_session_holds_a_bounded_amount(gateway):
    gateway.session()
    gateway.session("s2")
    gateway.settle()
    before = gateway.memory()
    held = hold(gateway, "s1", 12)
    assert [h[2] for h in held] == [True] * 8 + [False] * 4
    # Grown by doubling, and what the sanitizers add.
    assert gateway.memory() - before < 40 * MIB
    # Another's are held as before, and so are its own when one is done.
    other = hold(gateway, "s2", 1)
    assert other[0][2]
    for client, exchange, _, sender in held[7:9]:
        gateway.refuse(exchange)
        assert Response(client).status == 403
        sender.join()
    held += hold(gateway, "s1", 1)
    assert held[-1][2]


def test_no_session_gets_more_than_half_of_what_is_left(gateway):
    counts, all_held = [], []
    for name in [f"s{i}" for i in range(1, 12)]:
        gateway.session(name)
        held = hold(gateway, name, 9)
        counts.append(sum(h[2] for h in held))
        all_held.append(held)
    assert counts[:5] == [8] * 5
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] <= 1 and sum(counts) < 64


def test_what_nobody_waits_for_is_given_back(gateway):
    gateway.session()
    for turn in range(3):
        clients = hold(gateway, "s1", 8)
        assert all(h[2] for h in clients)
        for client, exchange, _, sender in clients:
            sender.join()
            client.close()
            assert gateway.expect("WITHDRAWN")["code"] == b""
            gateway.refuse(exchange)


def test_many_small_pieces_cost_no_more_than_they_are(gateway):
    """A byte at a time, the end is still looked for only once."""
    gateway.session()
    client = gateway.connect()
    body = MANY + b"PACK"
    ticks = gateway.ticks()
    sender = threading.Thread(target=ask, args=(
        client, "POST " + RECEIVE_PACK, HOST
        + "Transfer-Encoding: chunked\r\n", chunks(body, 1)))
    sender.start()
    exchange = gateway.expect("EXCHANGE")
    need(gateway, exchange, SEE_COMMANDS)
    assert commands_of(gateway, exchange) == MANY
    assert gateway.ticks() - ticks < 2000
    gateway.refuse(exchange)
    assert Response(client).status == 200
    sender.join()
