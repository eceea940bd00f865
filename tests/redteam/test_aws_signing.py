"""Requests that the broker signs, made by who would have it sign others, and
upstreams that would have the keys arrive in the sandbox: nothing reaches an
upstream but what was judged, signed as it stands, by the session's own keys."""

import base64
import datetime
import json
import os
import secrets
import signal
import threading
import urllib.parse
import zlib

import pytest

from attack import HOST, Endpoint, reply, status_of, wait_until
from attack import *  # noqa: F401,F403 (fixtures)

for part in ("auth", "awsrequest", "credentials"):
    pytest.importorskip(f"botocore.{part}")
import botocore  # noqa: E402

LONG_LIVED = ("AKIDLONGLIVED0000", "canary/" + secrets.token_hex(16))
GRANT = ("cloud:actions=s3:*,resources=arn:aws:s3:::alpha+arn:aws:s3:::alpha/*,"
         "delivery=inject")
SIGNATURE = "0" * 64
UNSIGNED = "UNSIGNED-PAYLOAD"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def authorization(region="us-east-1", service="s3", identity="none"):
    return (f"Authorization: AWS4-HMAC-SHA256 Credential={identity}/20261121/"
            f"{region}/{service}/aws4_request, SignedHeaders=host, "
            f"Signature={SIGNATURE}")


class Cloud:
    """What an upstream is to the broker: it mints, and then gets requests."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.minted = []
        self.answer = None
        self.hold = None        # an event for which a mint waits
        self.asked = threading.Event()
        upstream.answer = self.serve

    def serve(self, head, connection):
        _, body = self.upstream.requests[-1]
        if head.startswith(b"POST / ") and b"Action=AssumeRole" in body:
            self.upstream.requests.pop()
            self.asked.set()
            if self.hold:
                self.hold.wait(20)
            asked = dict(urllib.parse.parse_qsl(body.decode()))
            connection.sendall(self.mint(int(asked["DurationSeconds"])))
            return None
        answer = self.answer or reply(b"object")
        if callable(answer):
            return answer(head, connection)
        connection.sendall(answer)
        return None

    def mint(self, seconds):
        keys = (f"ASIA{secrets.token_hex(8).upper()}",
                "leased/" + base64.b64encode(secrets.token_bytes(24)).decode(),
                "token+" + base64.b64encode(secrets.token_bytes(90)).decode())
        self.minted.append(keys)
        until = (datetime.datetime.now(datetime.timezone.utc) +
                 datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return reply(f"""<AssumeRoleResponse
 xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>{keys[0]}</AccessKeyId>
<SecretAccessKey>{keys[1]}</SecretAccessKey>
<SessionToken>{keys[2]}</SessionToken><Expiration>{until}</Expiration>
</Credentials><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/a/b
</Arn><AssumedRoleId>AROA:b</AssumedRoleId></AssumedRoleUser>
</AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId>
</ResponseMetadata></AssumeRoleResponse>""".encode(), "200 OK",
                     "Content-Type: text/xml")


@pytest.fixture(scope="module")
def cloudy(red):
    red.run("credential", "add", "cloud", "--backend", "aws-sts",
            "--param", "role-arn=arn:aws:iam::123456789012:role/agent",
            "--param", f"endpoint-url=http://{red.upstream.authority}",
            "--param", "region=us-east-1", "--param", "network=loopback",
            "--param", "services=s3,dynamodb",
            input="\n".join(LONG_LIVED))
    return red


@pytest.fixture
def cloud(cloudy, upstream):
    return Cloud(upstream)


@pytest.fixture
def box(cloudy, cloud):
    return Endpoint(cloudy, [GRANT])


def parse(head):
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = [tuple(l.split(": ", 1)) for l in lines[1:] if l]
    return method, target, headers


def check_signed(entry, keys, authority, service="s3"):
    """As a service would, by botocore's own signer."""
    method, target, headers = parse(entry[0])
    told = {}
    for name, value in headers:
        assert name.lower() not in told, f"{name} twice"
        told[name.lower()] = value
    given = told["authorization"]
    _, _, fields = given.partition(" ")
    parts = dict(p.split("=", 1) for p in fields.split(", "))
    identity, day, region, named, _ = parts["Credential"].split("/")
    assert identity == keys[0] and named == service
    assert told["host"] == authority
    assert told["x-amz-security-token"] == keys[2]
    covered = parts["SignedHeaders"].split(";")
    free = {"authorization", "accept", "accept-language", "user-agent",
            "content-length", "transfer-encoding"}
    assert set(covered) == set(told) - free
    request = botocore.awsrequest.AWSRequest(
        method=method, url=f"http://{authority}{target}",
        headers={n: told[n] for n in covered if n != "host"},
        data=entry[1])
    request.context["timestamp"] = told["x-amz-date"]
    kind = botocore.auth.S3SigV4Auth if service == "s3" else \
        botocore.auth.SigV4Auth
    signer = kind(botocore.credentials.Credentials(*keys), service, region)
    if service == "s3":
        request.context["payload_signing_enabled"] = True
    payload = told.get("x-amz-content-sha256")
    if payload:
        signer.payload = lambda request: payload
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert signer.signature(text, request) == parts["Signature"]
    assert told["x-amz-date"].startswith(day)
    return told


def get(box, path="/alpha/key", *headers, method="GET", body=None, **scope):
    return box.ask(method, "/http/cloud" + path, authorization(**scope),
                   *headers, body=body)


def reached(upstream):
    return [entry for entry in upstream.taken()
            if b"Action=AssumeRole" not in entry[1]]


def test_what_is_sent_is_signed_as_it_stands(box, cloud, upstream):
    status, _ = get(box, "/alpha/a%20key/%E2%82%AC//x%2By?versionId=1%2F&acl",
                    "X-Amz-Meta-Odd:  two   words ", "Range: bytes=1-2",
                    "Content-Type: a/b", "X-Amz-Acl: private",
                    "User-Agent: me/1", "Accept: */*")
    assert status == 200
    entry, = reached(upstream)
    told = check_signed(entry, cloud.minted[0], upstream.authority)
    assert entry[0].startswith(
        b"GET /alpha/a%20key/%E2%82%AC//x%2By?versionId=1%2F&acl HTTP/1.1\r\n")
    assert told["range"] == "bytes=1-2" and told["user-agent"] == "me/1"
    assert told["x-amz-content-sha256"].startswith("e3b0c442")


def test_another_service_is_signed_with_the_hash_of_its_body(box, cloud,
                                                              upstream):
    body = b'{"TableName": "t"}' * 1000
    status, _ = get(box, "/", "X-Amz-Target: DynamoDB.GetItem", method="POST",
                    body=body, service="dynamodb")
    assert status == 200
    entry, = reached(upstream)
    told = check_signed(entry, cloud.minted[0], upstream.authority, "dynamodb")
    assert entry[1] == body and told["x-amz-target"] == "DynamoDB.GetItem"
    assert "x-amz-content-sha256" not in told
    for size in (1 << 20, (1 << 20) + 1):
        status, said = get(box, "/", method="POST", body=b"x" * size,
                           service="dynamodb")
        assert status == (200 if size == 1 << 20 else 413), said
        assert len(reached(upstream)) == (size == 1 << 20)


def test_a_body_of_unknown_length_is_collected_no_further(box, upstream):
    for size, fits in ((1 << 20, True), ((1 << 20) + 1, False)):
        body = b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
        said = box.send("\r\n".join([
            "POST /http/cloud/ HTTP/1.1", f"Host: {HOST}",
            authorization(service="dynamodb"), "Connection: close",
            "Transfer-Encoding: chunked", "", ""]).encode() + body,
            half_close=False)
        assert status_of(said) == (200 if fits else 413), said
        assert [len(e[1]) for e in reached(upstream)] == [size] * fits


# --- Headers ----------------------------------------------------------------

HARMLESS = [
    "X-Amz-Security-Token: stolen", "X-Amz-Date: 20000101T000000Z",
    "Cookie: a=b", "Proxy-Authorization: Basic x", "X-Api-Key: k",
    "Date: now", "TE: trailers", "Keep-Alive: 5", "Proxy-Connection: close",
    "X-Amzn-Anything: 1", "Amz-Sdk-Request: 1", "Content-Range: bytes 1-2/3",
    "X-Amz-S3session-Token: x", "Accept-Encoding: gzip", "Upgrade: h2c",
    "HTTP2-Settings: AAA", "X-Custom: y", "Transfer-encoding-x: chunked",
]


@pytest.mark.parametrize("header", HARMLESS)
def test_a_header_that_is_not_listed_ends_here(box, cloud, upstream, header):
    status, said = get(box, "/alpha/key", header)
    assert status == 200, said
    entry, = reached(upstream)
    check_signed(entry, cloud.minted[0], upstream.authority)
    name, value = header.split(": ")
    _, _, headers = parse(entry[0])
    assert value not in [v for _, v in headers]
    assert name.lower() not in {n.lower() for n, _ in headers} - {
        "x-amz-date", "x-amz-security-token"}


REFUSED = [
    ["Authorization: Bearer x"],
    [authorization(identity="second")],
    ["X-Amz-Content-SHA256: " + UNSIGNED, "X-Amz-Content-SHA256: " + "0" * 64],
    ["X-Amz-Acl: private", "x-amz-acl: public-read"],
    ["Connection: close, x-amz-acl"],
    ["Connection: X-Amz-Content-SHA256"],
    ["Connection: range"],
    ["x_amz_acl: public-read"],
    ["X-Amz_Acl: public-read"],
    ["X-HTTP-Method-Override: DELETE"],
    ["X-Forwarded-Host: evil.example"],
    ["X-Forwarded-For: 1.2.3.4"],
    ["X-Rewrite-URL: /beta"],
    ["Origin: http://evil.example"],
    ["Referer: http://evil.example/"],
    ["Sec-Fetch-Site: cross-site"],
    ["Host: evil.example"],
    ["Content-Length: 3", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: gzip, chunked"],
    ["X-Amz-Meta-A: caf\xe9"],
    ["X-Amz-Meta-A: a\x01b"],
    ["X-Amz-Meta-(: a"],
    ["X-Amz-Meta-A: "],
    ["X-Amz-Decoded-Content-Length: 5"],
    ["X-Amz-Trailer: x-amz-checksum-crc32"],
    ["Content-Encoding: aws-chunked"],
]


@pytest.mark.parametrize("headers", REFUSED, ids=lambda h: h[0][:40])
def test_headers_that_could_be_read_in_two_ways_are_refused(
        box, cloud, upstream, headers):
    status, said = get(box, "/alpha/key", *headers)
    assert status is not None and 400 <= status < 500, said
    assert reached(upstream) == []


def test_a_folded_or_bare_line_hides_nothing(box, cloud, upstream):
    for text in (b"X-Amz-Meta-A: a\r\n X-Amz-Acl: public-read\r\n",
                 b"X-Amz-Meta-A: a\nX-Amz-Acl: public-read\r\n",
                 b"X-Amz-Meta-A: a\rX-Amz-Acl: public-read\r\n",
                 b"X-Amz-Meta-A : a\r\n"):
        said = box.send(
            b"GET /http/cloud/alpha/key HTTP/1.1\r\nHost: " + HOST.encode() +
            b"\r\n" + authorization().encode() + b"\r\n" + text +
            b"Connection: close\r\n\r\n", half_close=False)
        for entry in reached(upstream):
            check_signed(entry, cloud.minted[0], upstream.authority)
            assert b"X-Amz-Acl: p" not in entry[0]
        assert said.startswith(b"HTTP/1.1 ")


# --- Where it goes ----------------------------------------------------------

PATHS = [
    "/http/cloud//evil.example/x", "/http/cloud/%2F%2Fevil.example/",
    "/http/cloud/alpha/../beta/x", "/http/cloud/alpha/%2E%2E/beta/x",
    "/http/cloud/alpha/%2e%2e/beta/x", "/http/cloud/alpha%2Fx",
    "/http/cloud/alpha/./x", "/http/cloud/alpha\\x", "/http/cloud/alpha/x;y",
    "/http/cloud/alpha/%0d%0aHost:%20evil", "/http/cloud/alpha/%0D%0AX:%20y",
    "/http/cloud/alpha/%00", "/http/cloud/alpha/x#y", "/http/cloud/alpha/%zz",
    "/http/cloud@evil.example/x", "/http/cloud:80/x", "/http/cloud%2Falpha/x",
    "/http/Cloud/alpha/x", "/http/other/alpha/x", "/http/../http/cloud/alpha",
    "/http//cloud/alpha", "/http/", "/http", "http://evil.example/http/cloud/x",
    "//evil.example/http/cloud/alpha/x", "/http/forge/acme/api",
    "/http/cloud/alpha/x?X-Amz-Signature=0", "/http/cloud/alpha?a=b=c",
    "/http/cloud/alpha?x=%0D%0A", "/http/cloud?Action=AssumeRole",
    "/http/cloud/alpha?x=\xe9", "/http/cloud/?action=GetSessionToken",
    "/HTTP/cloud/alpha/x", "/git/cloud/alpha",
]


@pytest.mark.parametrize("target", PATHS)
def test_a_path_that_leads_elsewhere_is_refused(box, cloud, upstream, target):
    status, said = box.ask("GET", target, authorization())
    assert status is not None and 400 <= status < 500, said
    assert reached(upstream) == []


SCOPES = [
    {"service": "sts"}, {"service": "iam"}, {"service": "ec2"},
    {"service": "S3"}, {"service": "s3/x"}, {"service": ""},
    {"service": "s3express"}, {"service": "s3-outposts"}, {"service": "s3."},
    {"service": "localhost"}, {"service": "s" * 65},
    {"region": ""}, {"region": "us-east-1/x"}, {"region": "evil@host"},
    {"region": "us-east-1.evil.example"}, {"region": "eu-west-1#"},
    {"region": "x" * 65}, {"region": "us east"}, {"region": "US-EAST-1"},
]


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_a_scope_that_leads_elsewhere_is_refused(box, cloud, upstream, scope):
    status, said = get(box, "/alpha/key", **scope)
    if status == 200:
        # Some other region of the same origin: that is where it went.
        entry, = reached(upstream)
        check_signed(entry, cloud.minted[0], upstream.authority)
        assert "evil" not in entry[0].split(b"\r\n")[0].decode()
        return
    assert status is not None and 400 <= status < 500, said
    assert reached(upstream) == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_keys_are_not_asked_of_the_services_own_address(box, cloud, upstream,
                                                        method):
    """Where S3 and STS share one, as Ceph's do."""
    for path in ("", "/", "/?", "/?x=y"):
        status, said = get(
            box, path, f"x-amz-content-sha256: {UNSIGNED}", method=method,
            body=b"Action=AssumeRole&RoleArn=a&RoleSessionName=b")
        assert status == 403, said
    assert reached(upstream) == []


def test_no_redirect_is_followed(box, cloud, upstream):
    for location, seen in (
            ("http://evil.example/x", b"location: http://evil.example/x"),
            ("/beta/x", b"location: /http/cloud/beta/x"),
            (f"http://{upstream.authority}/beta/x",
             b"location: /http/cloud/beta/x")):
        cloud.answer = reply(b"", "307 Temporary Redirect",
                             f"Location: {location}")
        status, said = get(box)
        assert status == 307 and seen in said, said
        assert len(reached(upstream)) == 1


# --- Sessions ---------------------------------------------------------------

def test_each_session_has_keys_of_its_own(cloudy, cloud, upstream):
    boxes = [Endpoint(cloudy, [GRANT]) for _ in range(2)]
    for _ in range(2):
        for at, box in enumerate(boxes):
            assert get(box)[0] == 200
            entry, = reached(upstream)
            check_signed(entry, cloud.minted[at], upstream.authority)
    assert len(cloud.minted) == 2


def test_a_session_that_ends_while_it_waits_sends_nothing(cloudy, cloud,
                                                          upstream):
    cloud.hold = threading.Event()
    box = Endpoint(cloudy, [GRANT])
    answers = []
    thread = threading.Thread(target=lambda: answers.append(get(box)))
    thread.start()
    assert cloud.asked.wait(20)
    cloudy.run("revoke", box.id)
    cloud.hold.set()
    thread.join()
    status, said = answers[0]
    assert status == 403 and b"revoked" in said, said
    assert reached(upstream) == []
    cloud.hold = None


def test_a_gateway_that_dies_while_one_waits_leaves_nothing(cloudy, cloud,
                                                           upstream):
    cloud.hold = threading.Event()
    box = Endpoint(cloudy, [GRANT])
    answers = []
    thread = threading.Thread(target=lambda: answers.append(get(box)))
    thread.start()
    assert cloud.asked.wait(20)
    os.kill(cloudy.pids()["gateway"], signal.SIGKILL)
    thread.join()
    cloud.hold.set()
    cloud.hold = None
    wait_until(lambda: get(box)[0] == 200, "served again")
    for entry in reached(upstream):
        check_signed(entry, cloud.minted[-1], upstream.authority)


# --- Chunks -----------------------------------------------------------------

def aws_chunked(*pieces, trailer=b""):
    text = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces)
    return text + b"0\r\n" + trailer + b"\r\n"


def crc(body):
    return b"x-amz-checksum-crc32:" + base64.b64encode(
        zlib.crc32(body).to_bytes(4, "big")) + b"\r\n"


GOOD = b"good body of an object"
GAMES = {
    "a negative size": b"-5\r\n" + GOOD,
    "a size with a sign": b"+16\r\n" + GOOD,
    "a size in 0x": b"0x16\r\n" + GOOD,
    "a size too large for anything": b"f" * 17 + b"\r\n" + GOOD,
    "a size that wraps": b"10000000000000016\r\n" + GOOD,
    "no size": b"\r\n" + GOOD,
    "blanks before the size": b" 16\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "an extension": b"16;evil=1\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "an extension without end": b"16;" + b"x" * 100000,
    "a bare line feed": b"16\n" + GOOD + b"\n0\n\n",
    "data longer than its size": b"10\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "another checksum": aws_chunked(GOOD, trailer=crc(b"other")),
    "no checksum": aws_chunked(GOOD),
    "two checksums": aws_chunked(GOOD, trailer=crc(GOOD) * 2),
    "a checksum of another kind": aws_chunked(
        GOOD, trailer=b"x-amz-checksum-sha1:" + b"A" * 27 + b"=\r\n"),
    "a header in the trailer": aws_chunked(
        GOOD, trailer=crc(GOOD) + b"x-amz-acl:public-read\r\n"),
    "a request behind": aws_chunked(GOOD, trailer=crc(GOOD)) +
    b"DELETE /alpha/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "cut off": aws_chunked(GOOD, trailer=crc(GOOD))[:-1],
    "nothing": b"",
    "chunks of nothing": b"0\r\n" * 50,
}


# The same of an object of no bytes, which has no last one to hold back.
GAMES_OF_NOTHING = {
    "nothing, another checksum": aws_chunked(trailer=crc(b"x")),
    "nothing, no checksum": aws_chunked(),
    "nothing, and something": aws_chunked(GOOD, trailer=crc(GOOD)),
    "nothing, cut off": aws_chunked(trailer=crc(b""))[:-1],
}


@pytest.mark.parametrize("transfer", [False, True])
@pytest.mark.parametrize("name", [*GAMES, *GAMES_OF_NOTHING])
def test_chunks_that_are_none_complete_nothing(box, cloud, upstream, name,
                                               transfer):
    body = GAMES.get(name, GAMES_OF_NOTHING.get(name))
    length = len(GOOD) if name in GAMES else 0
    framing = [f"Content-Length: {len(body)}"]
    if transfer:
        framing = ["Transfer-Encoding: chunked"]
        body = (b"%x\r\n" % len(body) + body + b"\r\n" if body else b"") + \
            b"0\r\n\r\n"
    lines = ["PUT /http/cloud/alpha/key HTTP/1.1", f"Host: {HOST}",
             authorization(), f"x-amz-content-sha256: {TRAILER}",
             "x-amz-trailer: x-amz-checksum-crc32",
             f"x-amz-decoded-content-length: {length}",
             "Content-Encoding: aws-chunked", "Connection: close", *framing]
    said = box.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body,
                    half_close=False)
    assert status_of(said) is not None and status_of(said) >= 400, said
    # The recorder keeps only requests that were whole.
    assert reached(upstream) == []
    assert get(box)[0] == 200


def test_good_chunks_pass_and_say_nothing_of_chunks(box, cloud, upstream):
    body = aws_chunked(GOOD[:9], GOOD[9:], trailer=crc(GOOD))
    status, said = get(
        box, "/alpha/key", f"x-amz-content-sha256: {TRAILER}",
        "x-amz-trailer: x-amz-checksum-crc32",
        "x-amz-sdk-checksum-algorithm: CRC32",
        f"x-amz-decoded-content-length: {len(GOOD)}",
        "Content-Encoding: aws-chunked, gzip", method="PUT", body=body)
    assert status == 200, said
    entry, = reached(upstream)
    told = check_signed(entry, cloud.minted[0], upstream.authority)
    assert entry[1] == GOOD and told["content-length"] == str(len(GOOD))
    assert told["x-amz-content-sha256"] == UNSIGNED
    assert told["content-encoding"] == "gzip"
    assert not {"x-amz-trailer", "x-amz-decoded-content-length",
                "x-amz-sdk-checksum-algorithm",
                "transfer-encoding"} & set(told)


# --- What comes back --------------------------------------------------------

def forms(text):
    raw = text.encode()
    return [raw, base64.b64encode(raw), base64.b64encode(b"x" + raw)[4:-4],
            base64.b64encode(b"xy" + raw)[4:-4],
            base64.urlsafe_b64encode(raw), urllib.parse.quote(text).encode(),
            urllib.parse.quote(text, safe="").encode(),
            json.dumps(text).encode()[1:-1]]


ECHOES = {
    "as it is": lambda s: reply(s),
    "in base64": lambda s: reply(base64.b64encode(s)),
    "in base64, further on": lambda s: reply(base64.b64encode(b"a" + s)),
    "percent-encoded": lambda s: reply(
        urllib.parse.quote(s, safe="").encode()),
    "in JSON": lambda s: reply(json.dumps({"k": s.decode()}).encode()),
    "in an error of S3's": lambda s: reply(
        b"<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>"
        b"x-amz-security-token:" + s + b"</CanonicalRequest></Error>",
        "403 Forbidden"),
    "in pieces": lambda s: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
        b"".join(b"1\r\n%c\r\n" % c for c in s * 5) + b"0\r\n\r\n"),
    "in a header": lambda s: reply(b"", "200 OK",
                                   f"x-amz-meta-k: {s.decode()}"),
    "in a name": lambda s: reply(b"", "200 OK", f"x-amz-{s.decode()}: 1"),
    "in the reason": lambda s: reply(b"", "200 " + s.decode()),
    "in a location": lambda s: reply(b"", "307 x", "Location: /" + s.decode()),
    "in a 401": lambda s: reply(s, "401 " + s.decode()),
    "in a broken head": lambda s: b"HTTP/1.1 200 OK\r\n" + s + b"\r\n\r\n",
    "at the end of a megabyte": lambda s: reply(b"x" * (1 << 20) + s),
    "where less was announced": lambda s: (
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + s),
}


@pytest.mark.parametrize("name", ECHOES)
@pytest.mark.parametrize("part", [1, 2], ids=["secret", "token"])
def test_the_keys_do_not_come_back(cloudy, box, cloud, upstream, name, part):
    assert get(box)[0] == 200
    keys = cloud.minted[0]

    def serve(head, connection):
        connection.sendall(ECHOES[name](keys[part].encode()))
        return False
    cloud.answer = serve
    for method in ("GET", "HEAD", "PUT"):
        headers = [f"x-amz-content-sha256: {UNSIGNED}"]
        status, said = get(box, "/alpha/key", *headers, method=method,
                           body=b"x" if method == "PUT" else None)
        assert status is not None
        for form in forms(keys[part]):
            assert form not in said, said
    places = [cloudy.log_text().encode()]
    places += [p.read_bytes() for p in cloudy.state.rglob("*.jsonl")]
    for text in places:
        for form in forms(keys[part]) + forms(LONG_LIVED[1]):
            assert form not in text


def test_the_table_is_long():
    assert len(PATHS) > 30 and len(GAMES) > 15 and len(ECHOES) > 10
