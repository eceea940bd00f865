"""The gateway is the attacker's, and it is what shows the core the commands of
a push and the bodies that somebody approves: what it shows is all that can go
upstream, whatever it sends."""

import hashlib
import json
import pathlib
import shutil
import tempfile

import pytest

from attack import Endpoint, wait_until
from test_turned_gateway import World, pytestmark  # noqa: F401
from test_turned_gateway_leases import Skies

COMMANDS, BODY = 1, 2
LENGTH, CHUNKED = 1, 2
MIB = 1 << 20
ZERO, ONE = "0" * 40, "1" * 40
AGENT = "refs/heads/agent/fix"


def pkt(text):
    return b"%04x" % (len(text) + 4) + text.encode()


def push_of(*refs, capabilities="report-status"):
    lines = [f"{ZERO} {ONE} {ref}" for ref in refs]
    lines[0] += f"\0 {capabilities}"
    return b"".join(map(pkt, lines)) + b"0000"


PACK = b"PACK" + bytes(range(256)) * 600
GRANTED = push_of(AGENT)
OTHER = push_of("refs/heads/main")


class Pushers(World):
    """A session that may push to some branches, with a policy above it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.sessions["push"] = Endpoint(self.broker, [
            "one:repository=acme/api,git=push,ref=refs/heads/agent/*"],
            task="push")

    def begin(self, turned, sent, **more):
        """Ask for a push; the number of its exchange, when it is to show."""
        values = dict(exchange=int.from_bytes(hashlib.sha256(
            sent + repr(more).encode()).digest()[:6], "big"),
            session=self.sessions["push"].id, route=1, method="POST",
            target=self.target("one", path="git-receive-pack"), query="",
            has_query=0, body=LENGTH, length=len(sent))
        values.update(more)
        turned.send("EXCHANGE", **values)
        need, _ = turned.expect("NEED")
        assert need["exchange"] == values["exchange"]
        assert need["what"] == COMMANDS
        return values["exchange"]

    def verdict(self, turned, exchange):
        verdict, stream = turned.expect("VERDICT")
        assert verdict["exchange"] == exchange
        if verdict["allowed"]:
            turned.open.append(verdict)
        return verdict, stream

    def push(self, turned, shown, sent, **more):
        exchange = self.begin(turned, sent, **more)
        show(turned, exchange, shown)
        return self.verdict(turned, exchange)


def show(turned, exchange, text, size=65536, **more):
    for at in range(0, max(len(text), 1), size):
        turned.send("SHOWN", **{**dict(
            exchange=exchange, what=COMMANDS, data=text[at:at + size],
            last=int(at + size >= len(text))), **more})


def send(turned, verdict, stream, body, size=60000, headers=""):
    """As much of it as the stream takes; what comes back first."""
    turned.send("REQUEST_HEAD", stream, job=verdict["job"], headers=headers)
    for at in range(0, len(body), size):
        turned.send("REQUEST_BODY", stream, data=body[at:at + size])
    turned.send("REQUEST_END", stream)
    name, fields, _ = turned.receive(stream)
    return name, fields


def is_refused(world, name, fields, upstream="one"):
    assert name in (None, "RESPONSE_FAIL"), name
    if name is not None:
        assert fields["status"] == 403
    assert world.upstreams[upstream].taken() == []


@pytest.fixture(scope="module")
def module_pushers():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    made = Pushers(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def pushers(module_pushers):
    before = wait_until(module_pushers.all_up, "all processes are there")
    for upstream in module_pushers.upstreams.values():
        upstream.taken()
    yield module_pushers
    module_pushers.check(before)


# --- The commands of a push -------------------------------------------------

@pytest.mark.parametrize("body", [LENGTH, CHUNKED])
def test_what_was_shown_goes_through(pushers, body):
    turned = pushers.attacker()
    verdict, stream = pushers.push(turned, GRANTED, GRANTED + PACK, body=body)
    assert verdict["allowed"] == 1, verdict
    name, _ = send(turned, verdict, stream, GRANTED + PACK)
    assert name == "RESPONSE_HEAD"
    (head, sent), = pushers.upstreams["one"].taken()
    assert sent == GRANTED + PACK
    assert b"application/x-git-receive-pack-request" in head


@pytest.mark.parametrize("framing", [LENGTH, CHUNKED])
@pytest.mark.parametrize("sent", [
    OTHER + PACK, b"0000" + GRANTED + PACK, push_of(AGENT, "refs/heads/main"),
    GRANTED[:-4] + pkt(f"{ZERO} {ONE} refs/heads/main") + b"0000" + PACK,
    GRANTED.replace(b"report-status", b"report-Status") + PACK,
    GRANTED[:-1], PACK, b"0000" + PACK], ids=range(8))
def test_other_commands_than_were_shown(pushers, sent, framing):
    """Also where they are of the same length, or hold those that were."""
    turned = pushers.attacker()
    verdict, stream = pushers.push(turned, GRANTED, sent, body=framing)
    # Of a known length that cannot be, the core itself may say so.
    if verdict["allowed"]:
        is_refused(pushers, *send(turned, verdict, stream, sent))
        is_refused(pushers, *send(turned, verdict, stream, GRANTED + PACK))
    assert pushers.upstreams["one"].taken() == []


def test_commands_that_are_packed(pushers):
    turned = pushers.attacker()
    verdict, stream = pushers.push(turned, GRANTED, GRANTED + PACK)
    is_refused(pushers, *send(turned, verdict, stream, GRANTED + PACK,
                              headers="content-encoding: gzip\n"))


@pytest.mark.parametrize("shown", [
    OTHER, push_of(AGENT, "refs/heads/main"), push_of("refs/heads/agent/x/y"),
    push_of("refs/heads/agent/../main"), push_of(AGENT + "\n"),
    push_of(AGENT, capabilities="report-status push-options") + pkt("ci.skip")
    + b"0000",
    GRANTED + PACK, GRANTED + b"0000", GRANTED[:-4], b"", b"0", PACK,
    push_of("refs/heads/agent/\udc80".encode(
        "utf-8", "surrogateescape").decode("latin-1"))], ids=range(13))
def test_what_is_not_granted_is_not_granted_by_showing_it(pushers, shown):
    turned = pushers.attacker()
    verdict, stream = pushers.push(turned, shown, shown + PACK)
    assert verdict["allowed"] == 0 and stream == -1, verdict
    assert pushers.upstreams["one"].taken() == []


def test_a_probe_is_good_for_a_probe(pushers):
    """No commands are nobody's to refuse, and nothing may follow them."""
    turned = pushers.attacker()
    verdict, stream = pushers.push(turned, b"0000", b"0000")
    assert verdict["allowed"] == 1
    assert send(turned, verdict, stream, b"0000")[0] == "RESPONSE_HEAD"
    assert [body for _, body in pushers.upstreams["one"].taken()] == [b"0000"]
    for sent, framing in ((b"0000" + OTHER + PACK, CHUNKED), (OTHER, CHUNKED),
                          (b"0001", LENGTH)):
        verdict, stream = pushers.push(turned, b"0000", sent, body=framing)
        assert verdict["allowed"] == 1
        is_refused(pushers, *send(turned, verdict, stream, sent))


@pytest.mark.parametrize("body", [LENGTH, CHUNKED])
def test_a_push_is_not_whole_without_its_body(pushers, body):
    turned = pushers.attacker()
    verdict, stream = pushers.push(turned, GRANTED, GRANTED + PACK, body=body)
    assert verdict["allowed"] == 1, verdict
    turned.send("REQUEST_WHOLE", stream, job=verdict["job"], headers="")
    turned.send("REQUEST_BODY", stream, data=OTHER + PACK)
    turned.send("REQUEST_END", stream)
    name, fields, _ = turned.receive(stream)
    assert name in (None, "RESPONSE_FAIL"), name
    assert pushers.upstreams["one"].taken() == []


def test_shown_for_what_was_not_asked(pushers):
    """Out of order, of another kind, of another's, again: one verdict each."""
    turned = pushers.attacker()
    exchange = pushers.begin(turned, OTHER + PACK)
    other = pushers.begin(turned, GRANTED + PACK)
    # Another kind of thing; of an exchange that nobody knows.
    turned.send("SHOWN", exchange=exchange, what=BODY, last=1, length=1,
                hash=bytes(32), type="")
    turned.send("SHOWN", exchange=exchange, what=7, last=1)
    show(turned, 12345, GRANTED)
    turned.send("WITHDRAWN", exchange=12345, code="", detail="")
    # Each has what was shown of it.
    show(turned, other, GRANTED)
    verdict, _ = pushers.verdict(turned, other)
    assert verdict["allowed"] == 1
    show(turned, exchange, OTHER)
    verdict, _ = pushers.verdict(turned, exchange)
    assert verdict["allowed"] == 0
    # And once there is a verdict, nothing changes it.
    for number in (exchange, other):
        show(turned, number, GRANTED)
        turned.send("WITHDRAWN", exchange=number, code="", detail="")
    turned.send("QUERY", exchange=1, session=pushers.sessions["push"].id,
                what=0)
    name = None
    while name != "ANSWER":
        name, _, _ = turned.receive()
        assert name != "VERDICT"


@pytest.mark.parametrize("code", ["", "limit", "nonsense\n", "policy_denied"])
def test_withdrawn_is_refused_and_not_more(pushers, code):
    turned = pushers.attacker()
    exchange = pushers.begin(turned, GRANTED + PACK)
    show(turned, exchange, GRANTED[:20], last=0)
    turned.send("WITHDRAWN", exchange=exchange, code=code,
                detail="\x1b[0m" * 50)
    verdict, _ = pushers.verdict(turned, exchange)
    assert verdict["allowed"] == 0 and verdict["status"] >= 400
    show(turned, exchange, GRANTED)
    assert pushers.upstreams["one"].taken() == []


def test_commands_without_an_end_are_bounded(pushers):
    """What is shown and never finished: the core stays up, and bounded."""
    turned = pushers.attacker()
    exchange = pushers.begin(turned, GRANTED, length=1 << 40)
    piece = pkt(f"{ZERO} {ONE} refs/heads/agent/" + "x" * 900)
    text = (piece * 80)[:65536]
    for _ in range(2 * MIB // len(text)):
        # A queue that is full takes nothing: it is to come, all of it.
        wait_until(lambda: turned.send(
            "SHOWN", exchange=exchange, what=COMMANDS, data=text)[0] == 0,
            "room in the queue")
    verdict, _ = pushers.verdict(turned, exchange)
    assert verdict["allowed"] == 0


# --- A body that somebody approves ------------------------------------------

ALL = {"id": "all", "effect": "allow"}
ASK = {"id": "look", "effect": "ask", "scope": {"methods": ["PUT", "POST"]}}
APPROVED = b"approved" * 1000


class Approvers(Skies):
    """Whatever is put has to be approved."""

    def __init__(self, folder):
        super().__init__(folder)
        policy = folder / "policy"
        policy.mkdir(mode=0o700)
        (policy / "team.json").write_text(json.dumps(
            {"tier": "team", "name": "ours", "rules": [ALL, ASK]}))
        (policy / "team.json").chmod(0o600)
        self.broker.configure({"policy_folder": str(policy),
                               "requests_per_minute": 6000000})
        self.broker.stop()
        self.broker.start()

    def ask(self, turned, body, number):
        """Show the body, and have it approved; the verdict."""
        turned.send("EXCHANGE", exchange=number,
                    session=self.sessions["inject"].id, route=2, method="PUT",
                    target="cloud/alpha/key", service="s3", region="us-east-1",
                    body=LENGTH, length=len(body))
        need, _ = turned.expect("NEED")
        assert (need["exchange"], need["what"]) == (number, BODY)
        turned.send("SHOWN", exchange=number, what=BODY, last=1,
                    length=len(body), hash=hashlib.sha256(body).digest(),
                    type="text/plain", headers=object_headers(body))

        def approve():
            for asked in self.broker.call("approval.list")["approvals"]:
                if asked["state"] == "waiting":
                    return self.broker.call("approval.approve",
                                            approval=asked["id"])
            return None
        wait_until(approve, "approved")
        verdict, stream = turned.expect("VERDICT")
        assert verdict["exchange"] == number and verdict["allowed"], verdict
        turned.open.append(verdict)
        return verdict, stream


@pytest.fixture(scope="module")
def module_approvers():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    made = Approvers(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def approvers(module_approvers):
    before = wait_until(module_approvers.all_up, "all processes are there")
    module_approvers.upstream.taken()
    yield module_approvers
    module_approvers.check(before)


def object_headers(body):
    return f"x-amz-content-sha256: {hashlib.sha256(body).hexdigest()}\n"


def taken(approvers):
    """What came that was put."""
    return [(head, body) for head, body in approvers.upstream.taken()
            if head.startswith(b"PUT")]


def test_an_approved_body_goes_through(approvers):
    turned = approvers.attacker()
    verdict, stream = approvers.ask(turned, APPROVED, 1 << 33)
    name, _ = send(turned, verdict, stream, APPROVED,
                   headers=object_headers(APPROVED))
    assert name == "RESPONSE_HEAD"
    (head, body), = taken(approvers)
    assert body == APPROVED
    assert b"content-type: text/plain\r\n" in head.lower()


@pytest.mark.parametrize("said", [APPROVED, None])
@pytest.mark.parametrize("sent", [
    APPROVED[:-1] + b"!", APPROVED + b"!", APPROVED[:-1], b"", b"x" * 300000],
    ids=range(5))
def test_another_body_than_was_approved(approvers, sent, said):
    turned = approvers.attacker()
    verdict, stream = approvers.ask(turned, APPROVED, 1 << 34 | len(sent))
    name, fields = send(turned, verdict, stream, sent,
                        headers=object_headers(said or sent))
    assert name in (None, "RESPONSE_FAIL"), fields
    assert taken(approvers) == []
    # It was used up all the same: the stream is of no use for another try.
    turned.send("REQUEST_HEAD", stream, job=verdict["job"], headers="")
    assert turned.receive(stream)[0] is None


def test_another_type_than_was_approved(approvers):
    turned = approvers.attacker()
    verdict, stream = approvers.ask(turned, APPROVED, 1 << 35)
    name, _ = send(turned, verdict, stream, APPROVED, headers=(
        "content-type: text/html\n" + object_headers(APPROVED)))
    assert name in (None, "RESPONSE_FAIL")
    assert taken(approvers) == []


def test_an_approval_is_for_what_was_shown_first(approvers):
    """To show another body meanwhile changes nothing."""
    turned = approvers.attacker()
    evil = b"evil" * 2000
    exchange = 1 << 36

    def confuse():
        turned.send("SHOWN", exchange=exchange, what=BODY, last=1,
                    length=len(evil), hash=hashlib.sha256(evil).digest(),
                    type="text/plain", headers=object_headers(evil))
    original = turned.send
    calls = []

    def sending(kind, fd=3, /, **values):
        result = original(kind, fd, **values)
        if kind == "SHOWN" and not calls:
            calls.append(kind)
            confuse()
        return result
    turned.send = sending
    verdict, stream = approvers.ask(turned, APPROVED, exchange)
    turned.send = original
    name, _ = send(turned, verdict, stream, evil, headers=object_headers(evil))
    assert name in (None, "RESPONSE_FAIL")
    assert taken(approvers) == []
