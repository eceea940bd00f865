"""The egress alone, asked to mint: the test plays the core, and the token
service.  It runs confined, as it does for a broker."""

import json
import pathlib
import sys
import time

import pytest

from conftest import SANITIZED, wait_until
from test_egress import EGRESS, LOOPBACK, certificates, egress  # noqa: F401

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
fake = pytest.importorskip("sts", reason="the fake needs python3-boto3")

pytestmark = pytest.mark.skipif(not EGRESS.exists(),
                                reason=f"{EGRESS} is not built")

KEY, SECRET = "AKIDCANARYCANARY0001", "canary/secret+of/the+credential=========="
TOKEN = "canaryToken/+=" * 20
ROLE = "arn:aws:iam::123456789012:role/logs"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["s3:GetObject"],
     "Resource": ["arn:aws:s3:::alpha/*"]}]}, separators=(",", ":"))
TRIES = 3


@pytest.fixture
def sts():
    with fake.Sts({KEY: SECRET}) as service:
        yield service


@pytest.fixture
def tls_sts(certificates):
    with fake.Sts({KEY: (SECRET, TOKEN)}, tls=certificates) as service:
        yield service


def mint(egress, sts, number=7, *, secret=None, url=None, ca=b"",
         session="s1", call="assume-role", duration=900, **changes):
    params = {"endpoint-url": url or sts.url, "network": "loopback",
              "region": "eu-west-1", "role-arn": ROLE}
    order = {"call": call, "duration": duration, "policy": POLICY,
             "session_name": "fix-123-7Kq2a9Zx", "role_arn": ROLE,
             "tags": {"credbroker:task": "fix-123"}}
    if call != "assume-role":
        del params["role-arn"], order["role_arn"], order["tags"]
        params["call"] = call
    egress.core.send("MINT", **{**dict(
        request=number, session=session, backend="aws-sts",
        params=json.dumps(params), order=json.dumps(order), ca=ca,
        secret=secret or f"{KEY}\n{SECRET}"), **changes})


def minted(egress):
    name, fields = egress.core.receive()
    assert name == "MINTED"
    return {key: value.decode() if isinstance(value, bytes) else value
            for key, value in fields.items()}


def answer(egress, sts, **changes):
    mint(egress, sts, **changes)
    return minted(egress)


def assert_keys(told, sts):
    issued = sts.issued[-1]
    assert told["outcome"] == "ok", told
    assert told["keys"] == f"{issued.id}\n{issued.secret}\n{issued.token}"
    assert told["id"] == issued.id and told["status"] == 200
    assert told["expires"] == int(issued.expires.timestamp())


def assert_discreet(text, sts):
    """Neither stored keys nor issued ones are told."""
    for issued in sts.issued:
        assert issued.secret not in text and issued.token not in text
    assert SECRET not in text and KEY not in text
    assert TOKEN[:28] not in text


def test_a_role_is_assumed(egress, sts):
    told = answer(egress, sts)
    assert sts.problems == []
    assert_keys(told, sts)
    asked = sts.requests[0]
    assert (asked.action, asked.access_key) == ("AssumeRole", KEY)
    assert asked.parameters == {
        "RoleArn": ROLE, "RoleSessionName": "fix-123-7Kq2a9Zx",
        "Policy": POLICY, "DurationSeconds": 900,
        "Tags": [{"Key": "credbroker:task", "Value": "fix-123"}]}


def test_a_user_is_federated(egress, sts):
    told = answer(egress, sts, call="federation")
    assert sts.problems == []
    assert_keys(told, sts)
    assert sts.requests[0].action == "GetFederationToken"


def test_over_tls_with_a_ca_of_its_own(egress, tls_sts, certificates):
    secret = f"{KEY}\n{SECRET}\n{TOKEN}"
    told = answer(egress, tls_sts, secret=secret,
                  ca=(certificates / "ca.pem").read_bytes())
    assert tls_sts.problems == []
    assert_keys(told, tls_sts)
    assert tls_sts.requests[0].token == TOKEN
    # Nobody else's, and not the system's.
    for ca in ((certificates / "other.pem").read_bytes(), b""):
        told = answer(egress, tls_sts, secret=secret, ca=ca)
        assert told["outcome"] == "upstream_failed"
        assert "not trusted" in told["detail"]
        assert told["keys"] == ""
    assert tls_sts.count == 1


# fault: (outcome, requests, words of the detail)
FAULTS = {
    "denied": ("upstream_failed", 1, "403 AccessDenied"),
    "packed": ("upstream_failed", 1, "PackedPolicyTooLarge"),
    "region": ("upstream_failed", 1, "RegionDisabledException"),
    "throttled": ("limit", TRIES, "400 Throttling"),
    "slow-down": ("limit", TRIES, "503 SlowDown"),
    "500": ("upstream_failed", TRIES, "500 InternalFailure"),
    "cut-off": ("upstream_failed", TRIES, "without an answer"),
    "truncated": ("upstream_failed", TRIES, "closed the connection early"),
    "garbage": ("upstream_failed", 1, ""),
    "html": ("upstream_failed", 1, ""),
    "entities": ("upstream_failed", 1, ""),
    "empty": ("upstream_failed", 1, ""),
    "half": ("upstream_failed", 1, ""),
    "not-http": ("upstream_failed", 1, "did not answer in HTTP/1"),
    "huge": ("upstream_failed", 1, "more than 256 KiB"),
    "endless": ("upstream_failed", 1, "more than 256 KiB"),
    "redirect": ("upstream_failed", 1, "307"),
    "gzip": ("upstream_failed", 1, "Content-Encoding"),
    "past": ("upstream_failed", 1, "keys that work until"),
    "future": ("upstream_failed", 1, "keys that work until"),
    "no-token": ("upstream_failed", 1, "SessionToken"),
    "other-action": ("upstream_failed", 1, ""),
    "twice": ("upstream_failed", 1, ""),
    "echo": ("upstream_failed", 1, "403 AccessDenied"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told(egress, sts, fault):
    outcome, requests, words = FAULTS[fault]
    sts.fault = fault
    told = answer(egress, sts)
    assert told["outcome"] == outcome, told
    assert words in told["detail"] and told["detail"].isprintable()
    assert (told["keys"], told["id"], told["expires"]) == ("", "", 0)
    assert sts.count == requests
    assert sts.problems == []
    assert_discreet(told["detail"], sts)
    # And then all is well again.
    sts.fault = None
    assert_keys(answer(egress, sts), sts)


@pytest.mark.parametrize("fault", ["throttled", "500", "cut-off", "truncated"])
def test_bad_luck_is_not_told(egress, sts, fault):
    sts.faults = [fault] * (TRIES - 1)
    assert_keys(answer(egress, sts), sts)
    assert sts.count == TRIES
    # Each is signed anew, and asks for the same.
    assert len({str(r.parameters) for r in sts.requests}) == 1


def test_errors_have_the_request_id(egress, sts):
    sts.fault = "denied"
    told = answer(egress, sts)
    assert told["status"] == 403
    assert sts.last_id in told["detail"]


def test_chunks_and_any_namespace_are_read(egress, sts):
    for fault in ("chunked", "namespace"):
        sts.fault = fault
        assert_keys(answer(egress, sts), sts)


def test_what_the_service_says_back_is_not_passed_on(egress, certificates):
    with fake.Sts({KEY: (SECRET, TOKEN)}) as sts:
        sts.fault = "echo"
        told = answer(egress, sts, secret=f"{KEY}\n{SECRET}\n{TOKEN}")
    assert "403" in told["detail"]
    assert_discreet(told["detail"], sts)


def test_nobody_there(egress, sts):
    told = answer(egress, sts, url="http://127.0.0.1:1")
    assert told["outcome"] == "upstream_failed" and told["status"] == 0
    assert "refused the connection" in told["detail"]


def test_the_network_of_a_credential_binds_it(egress, sts):
    params = {"endpoint-url": sts.url.replace("http", "https"),
              "network": "public", "region": "eu-west-1", "role-arn": ROLE}
    told = answer(egress, sts, params=json.dumps(params))
    assert told["outcome"] == "upstream_failed"
    assert 'parameter "network"' in told["detail"]
    assert sts.count == 0


def test_one_that_hangs_keeps_nobody_waiting(egress, sts):
    sts.fault = "slow-head"
    for number in range(10):
        mint(egress, sts, number)
    wait_until(lambda: sts.count >= 3, "three requests")
    with fake.Sts({KEY: SECRET}) as other:
        for number in range(100, 120):
            mint(egress, other, number, session="s2")
        told = [minted(egress) for _ in range(20)]
    assert {t["request"] for t in told} == set(range(100, 120))
    assert all(t["outcome"] == "ok" for t in told)
    assert sts.count == 3


def test_a_stop_does_not_wait(egress, sts):
    """The fixture's own stop finds it ended."""
    sts.fault = "slow-head"
    for number in range(10):
        mint(egress, sts, number)
    wait_until(lambda: sts.count >= 3, "three requests")
    since = time.monotonic()
    egress.core.close()
    assert egress.process.wait(timeout=30) == 0
    assert time.monotonic() - since < 20


def test_what_waits_is_dropped_with_its_session(egress, sts):
    sts.fault = "slow-body"
    for number in range(5):
        mint(egress, sts, number)
    wait_until(lambda: sts.count == 3, "three requests")
    egress.core.send("SESSION_DROP", request=1, session="s1")
    name, _ = egress.core.receive()
    assert name == "SESSION_DROPPED"
    assert [minted(egress)["outcome"] for _ in range(2)] == ["not_found"] * 2
    assert sts.count == 3


def test_nothing_grows(egress, sts):
    def many(count):
        for first in range(0, count, 50):
            for number in range(first, first + 50):
                mint(egress, sts, number)
            assert all(minted(egress)["outcome"] == "ok" for _ in range(50))
    many(100)
    memory, descriptors = egress.memory(), egress.descriptors()
    many(100 if SANITIZED else 400)
    sts.fault = "huge"
    for _ in range(20):
        assert answer(egress, sts)["outcome"] == "upstream_failed"
    wait_until(lambda: egress.descriptors() == descriptors, "descriptors")
    assert egress.memory() - memory < (16 << 20 if SANITIZED else 2 << 20)
    assert sts.problems == []
