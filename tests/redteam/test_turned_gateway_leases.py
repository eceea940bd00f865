"""The gateway is the attacker's, and there are leases: it hears the keys that
are due to live sessions, and none of those that only requests are signed with;
what it asks to have signed is what a sandbox could ask for, or nothing."""

import pathlib
import shutil
import tempfile

import pytest

from attack import Endpoint, Recorder, wait_until
from test_aws_signing import LONG_LIVED, Cloud, check_signed
from test_turned_gateway import POST, World, pytestmark  # noqa: F401

ALPHA = ("cloud:actions=s3:*,resources=arn:aws:s3:::alpha+arn:aws:s3:::alpha/*,"
         "delivery=")
CREDENTIAL, LEASE = 2, 5


class Skies(World):
    """A session with keys, one whose requests are signed, and one without."""

    def __init__(self, folder):
        super().__init__(folder)
        self.upstream = Recorder()
        self.cloud = Cloud(self.upstream)
        self.broker.run(
            "credential", "add", "cloud", "--backend", "aws-sts",
            "--param", "role-arn=arn:aws:iam::123456789012:role/agent",
            "--param", f"endpoint-url=http://{self.upstream.authority}",
            "--param", "region=us-east-1", "--param", "network=loopback",
            "--param", "services=s3,dynamodb", input="\n".join(LONG_LIVED))
        self.secrets["stored"] = LONG_LIVED[1]
        for how in ("mint", "inject"):
            self.sessions[how] = Endpoint(self.broker, [ALPHA + how], task=how)

    def signed(self, turned, target="cloud/alpha/key", query="", **more):
        values = dict(route=2, service="s3", region="us-east-1",
                      session=self.sessions["inject"].id)
        values.update(more)
        return turned.exchange(self.sessions["inject"], target, query,
                               **values)

    def ask(self, turned, session, name="cloud", what=LEASE, number=[1 << 40]):
        number[0] += 1
        turned.send("QUERY", exchange=number[0], name=name, what=what,
                    session=session)
        while True:
            answer, _ = turned.expect("ANSWER")
            if answer["exchange"] == number[0]:
                return answer

    def close(self):
        self.upstream.close()
        super().close()


@pytest.fixture(scope="module")
def module_skies():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    made = Skies(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def skies(module_skies):
    before = wait_until(module_skies.all_up, "all processes are there")
    module_skies.upstream.taken()
    yield module_skies
    module_skies.check(before)


def heard(skies):
    return b"".join(p for turned in skies.turned for p in turned.heard)


def sign_one(skies, turned, headers="accept: */*\n", **more):
    """(what came back, what the upstream got)"""
    verdict, stream = skies.signed(turned, **more)
    assert verdict["allowed"] == 1, verdict
    turned.send("REQUEST_HEAD", stream, job=verdict["job"], headers=headers)
    turned.send("REQUEST_END", stream)
    name, _, _ = turned.receive(stream)
    return name, skies.upstream.taken()


def test_keys_that_only_sign_are_never_heard(skies):
    turned = skies.attacker()
    name, got = sign_one(skies, turned)
    assert name == "RESPONSE_HEAD" and len(got) == 1
    keys = [k for k in skies.cloud.minted if k[0].encode() in got[0][0]]
    assert len(keys) == 1
    check_signed(got[0], keys[0], skies.upstream.authority)
    session = skies.sessions["inject"].id
    for what in (CREDENTIAL, LEASE):
        for credential in ("cloud", "", "one", "cloud\n", "cloud/x"):
            answer = skies.ask(turned, session, credential, what)
            assert answer["status"] in (403, 404), answer
    turned.send("LEASE_FETCHED", session=session, name="cloud", count=1 << 31)
    assert skies.ask(turned, session)["status"] == 403
    for part in keys[0][1:]:
        assert part.encode() not in heard(skies)


def test_keys_are_heard_of_the_session_that_they_are_due_to(skies):
    turned = skies.attacker()
    for name in ("one", "inject", "nosuch00"):
        session = (skies.sessions[name].id if name in skies.sessions else name)
        assert skies.ask(turned, session)["status"] in (403, 404)
    answer = skies.ask(turned, skies.sessions["mint"].id, what=CREDENTIAL)
    assert answer["status"] == 200 and b"secret_access_key" in answer["body"]


def test_lies_about_fetches_mint_nothing(skies):
    turned = skies.attacker()
    minted = len(skies.cloud.minted)
    for name in ("mint", "inject"):
        for _ in range(300):
            turned.send("LEASE_FETCHED", session=skies.sessions[name].id,
                        name="cloud", count=(1 << 32) - 1)
    for _ in range(300):
        assert skies.ask(turned, skies.sessions["mint"].id)["status"] == 200
    assert len(skies.cloud.minted) == minted
    said = skies.broker.call("audit.show", event="lease.fetch")["events"]
    assert len(said) < 60


NOT_ASKED = [
    {"service": "sts"}, {"service": "iam"}, {"service": "S3"}, {"service": ""},
    {"service": "s3/x"}, {"service": "s3\n"}, {"service": "ec2"},
    {"service": "s3express"}, {"service": "s3", "region": ""},
    {"region": "us-east-1/evil"}, {"region": "us-east-1.evil"},
    {"region": "\x1b[0m"}, {"region": "us east"},
    {"target": "one/alpha/key"}, {"target": "cloud/../alpha"},
    {"target": "cloud//alpha"}, {"target": "cloud/alpha/%2E%2E/beta"},
    {"target": "cloud/alpha%2Fkey"}, {"target": "cloud/alpha/\r\nx: y"},
    {"target": "cloud/alpha?acl"}, {"target": "/cloud/alpha"},
    {"target": "CLOUD/alpha"}, {"target": ""}, {"target": "http://evil/x"},
    {"query": "X-Amz-Signature=0"}, {"query": "x-amz-security-token=0"},
    {"query": "Signature=0"}, {"query": "Action=AssumeRole"},
    {"query": "session"}, {"query": "a=b c"}, {"query": "%41ction=AssumeRole"},
    {"target": "cloud/", **POST}, {"target": "cloud", **POST},
    {"target": "cloud/", "method": "PUT"},
    {"method": "OPTIONS"}, {"method": "get"}, {"method": "CONNECT"},
    {"method": "TRACE"}, {"method": "POST\r\n"}, {"method": ""},
    {"method": "GET", "body": 1, "length": 5}, {"body": 9},
    {"service": "dynamodb", **POST, "length": (1 << 20) + 1},
    {"service": "dynamodb", "target": "cloud/a/../b"},
    {"route": 0}, {"route": 3},
]


@pytest.mark.parametrize("change", NOT_ASKED, ids=repr)
def test_what_may_not_be_signed_is_not(skies, change):
    turned = skies.attacker()
    verdict, stream = skies.signed(turned, **change)
    assert verdict["allowed"] == 0 and verdict["status"] >= 400, verdict
    assert stream == -1
    assert skies.upstream.taken() == []


@pytest.mark.parametrize("name", ["one", "mint"])
def test_a_grant_of_another_kind_signs_nothing(skies, name):
    turned = skies.attacker()
    verdict, _ = skies.signed(turned, session=skies.sessions[name].id)
    assert verdict["allowed"] == 0
    assert skies.upstream.taken() == []


@pytest.mark.parametrize("line", [
    "authorization: AWS4-HMAC-SHA256 x", "x-amz-security-token: stolen",
    "x-amz-security_token: stolen", "x-amz_security-token: stolen",
    "x-amz-date: 20000101T000000Z", "x-amz-s3session-token: x", "host: evil",
    "content-length: 5", "transfer-encoding: chunked", "connection: close",
    "expect: 100-continue", "X-Amz-Acl: private", "x-amz-acl : private",
    "x-amz-acl: a\r\nx: y", "cookie: a=b", "x-http-method-override: DELETE",
    "x-amz-acl: a\nx-amz-acl: b", "x-amz-content-sha256: " + "0" * 63,
    "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "content-encoding: aws-chunked", "x-amz-decoded-content-length: 5",
    "x-amz-trailer: x-amz-checksum-crc32"])
def test_headers_that_the_gateway_makes_up_end_the_request(skies, line):
    turned = skies.attacker()
    name, got = sign_one(skies, turned, line + "\n")
    assert name in (None, "RESPONSE_FAIL"), line
    assert got == []
