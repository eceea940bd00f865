"""The egress alone, asked whether upstreams can be reached: the test plays the
core and the upstreams."""

import socket
import threading

import pytest

from conftest import wait_until
from test_egress import (EGRESS, LOOPBACK, PRIVATE, PUBLIC, Request, Upstream,
                         certificates, egress, proxy_for, reply, tls_context,
                         upstream)  # noqa: F401

pytestmark = pytest.mark.skipif(not EGRESS.exists(),
                                reason=f"{EGRESS} is not built")
AT_ONCE = 64


def send(process, number, port, **changes):
    probe = dict(request=number, tls=0, host="127.0.0.1", port=port,
                 network=LOOPBACK)
    probe.update(changes)
    process.core.send("PROBE", **probe)


def answers(process, count):
    """By number."""
    found = {}
    for _ in range(count):
        name, fields = process.core.receive()
        assert name == "PROBED"
        assert fields["request"] not in found
        found[fields["request"]] = fields
    return found


def probe(process, port, **changes):
    send(process, 7, port, **changes)
    fields = answers(process, 1)[7]
    return bool(fields["ok"]), fields["detail"].decode()


def test_clear_text_is_connected_to_and_let_go(egress, upstream):
    came = []
    server = upstream(lambda connection: came.append(connection.recv(65536)))
    assert probe(egress, server.port)[0]     # it has started
    wait_until(lambda: came.pop() == b"" if came else False, "the end")
    before = egress.descriptors()
    ok, detail = probe(egress, server.port)
    assert ok and detail == "127.0.0.1, clear text"
    wait_until(lambda: came, "the end of the connection")
    assert came == [b""]
    wait_until(lambda: egress.descriptors() == before,
               f"{before}, and not {egress.descriptors()}")


def test_certificates_are_verified(egress, upstream, certificates):
    ca = (certificates / "ca.pem").read_bytes()
    right = upstream(reply(), tls_context(certificates, "right"))
    wrong = upstream(reply(), tls_context(certificates, "wrong"))
    ok, detail = probe(egress, right.port, host="localhost", tls=1, ca=ca)
    assert ok and detail.endswith("TLS with a trusted certificate")
    for server, trusted in ((right, b""), (wrong, ca)):
        ok, detail = probe(egress, server.port, host="localhost", tls=1,
                           ca=trusted)
        assert not ok and "certificate that is not trusted" in detail
    assert right.seen == [] and wrong.seen == []


@pytest.mark.parametrize("network, host", [
    (PUBLIC, "127.0.0.1"), (PRIVATE, "localhost"), (LOOPBACK, "192.0.2.1"),
    (PUBLIC, "169.254.169.254"), (PRIVATE, "169.254.169.254")])
def test_addresses_are_vetted_as_for_a_request(egress, upstream, network,
                                               host):
    server = upstream(reply())
    ok, detail = probe(egress, server.port, host=host, network=network, tls=1)
    assert not ok and "does not allow" in detail
    assert server.accepted == 0


def test_clear_text_leaves_this_host_never(egress):
    ok, detail = probe(egress, 80, host="192.0.2.1", network=PUBLIC)
    assert not ok and "clear text" in detail


@pytest.mark.parametrize("change", [
    {"host": ""}, {"host": "a/b"}, {"host": "user@host"}, {"host": "a b"},
    {"port": 0}, {"tls": 2}, {"network": 9}, {"ca": b"none", "tls": 1}])
def test_one_that_makes_no_sense_is_refused(egress, upstream, change):
    server = upstream(lambda connection: connection.recv(65536))
    ok, detail = probe(egress, **{"port": server.port, **change})
    assert not ok and detail
    assert server.accepted == 0 or "ca" in change
    # And the next is served.
    assert probe(egress, server.port)[0]


def test_a_proxy_is_asked_for_a_tunnel(egress, upstream, certificates):
    server = upstream(reply(), tls_context(certificates, "right"))
    seen = []
    proxy = upstream(proxy_for(seen))
    ok, detail = probe(
        egress, server.port, host="localhost", tls=1, network=PUBLIC,
        ca=(certificates / "ca.pem").read_bytes(),
        proxy=f"http://127.0.0.1:{proxy.port}")
    assert ok and detail.startswith("through the proxy at 127.0.0.1")
    assert seen[0].line == f"CONNECT localhost:{server.port} HTTP/1.1"
    refusing = upstream(proxy_for([], reply(b"", "403 Forbidden")))
    ok, detail = probe(
        egress, server.port, host="localhost", tls=1, network=PUBLIC,
        proxy=f"http://127.0.0.1:{refusing.port}")
    assert not ok and "(HTTP 403)" in detail


def test_so_many_at_once_and_each_for_so_long(egress):
    """The others are refused at once; those that got a place end in time."""
    mute = Upstream(lambda connection: connection.recv(1 << 20))
    held = []
    mute.serve = lambda c: (held.append(c), threading.Event().wait(60))
    assert not probe(egress, 1)[0]     # it has started
    before = egress.descriptors()
    for number in range(AT_ONCE + 6):
        send(egress, number, mute.port, host="localhost", tls=1)
    found = answers(egress, AT_ONCE + 6)
    mute.close()
    texts = [f["detail"].decode() for f in found.values()]
    assert sum("too many upstreams" in t for t in texts) == 6
    assert sum("in time" in t for t in texts) == AT_ONCE
    assert max(f["ms"] for f in found.values()) < 10_000
    wait_until(lambda: egress.descriptors() == before,
               f"{before}, and not {egress.descriptors()}")


def test_a_core_that_goes_away_meanwhile(egress, upstream):
    server = upstream(lambda connection: threading.Event().wait(30))
    send(egress, 1, server.port, host="localhost", tls=1)
    wait_until(lambda: server.accepted, "the connection")
    # The fixture hangs up, and wants an end in good order.
