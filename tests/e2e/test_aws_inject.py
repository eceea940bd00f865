"""Requests to S3 that the broker signs on their way: real clients, with keys
that are none, against Ceph, which checks the signatures and the scope."""

import base64
import contextlib
import gzip
import hashlib
import http.client
import json
import pathlib
import socket
import threading
import zlib

import pytest

from aws_world import (READ_ALPHA, Keys, Tools, add_aws_credential,
                       aws_grant)
from conftest import SANITIZED, wait_until

NONE = Keys("credbroker0injected", "not-a-secret")
WRITE = ("actions=s3:*,resources=arn:aws:s3:::alpha/*+arn:aws:s3:::alpha,"
         "delivery=inject")
MIB = 1 << 20
AWKWARD = ["a key", "a+b", "a%2Bb", "100%", "%", "%25", "ü/ñ/€/🐙", "a//b",
           "a/b/", "tilde~", "(x)!'*", "a=b&c;d?e#f", "semi;colon", "back\\",
           "<&>\"'", "a:b@c,$d", ". dot", "...", ".hidden", "日本語 キー",
           "trailing ", "plus + space", "a[1]{2}|^`", "x" * 900]
UNSIGNED = "UNSIGNED-PAYLOAD"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNATURE = ("AWS4-HMAC-SHA256 Credential=none/20261121/us-east-1/{service}/"
             "aws4_request, SignedHeaders=host, Signature=" + "0" * 64)


@contextlib.contextmanager
def injected(broker, scope=WRITE, name="aws-dev", **terms):
    """A session whose requests are signed, and a client of its endpoint."""
    with contextlib.closing(
            Tools(broker, aws_grant(scope, name), **terms)) as tools:
        tools.url = f"http://127.0.0.1:{tools.wire.port}/http/{name}"
        tools.s3 = NONE.client("s3", tools.url)
        tools.endpoint = tools.folder / "endpoint.sock"
        yield tools


@pytest.fixture
def session(cloud):
    with injected(cloud) as tools:
        yield tools


@pytest.fixture
def bucket(session):
    """Of this test alone, as far as it cleans up."""
    made = []

    def put(key, body=b"", **more):
        made.append(key)
        return session.s3.put_object(Bucket="alpha", Key=key, Body=body,
                                     **more)
    yield put
    for key in made:
        session.s3.delete_object(Bucket="alpha", Key=key)


class Raw:
    """One connection to the endpoint, without a relay or an SDK."""

    def __init__(self, endpoint):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(endpoint))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, method, path, *headers, service="s3", signed=True):
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1:9169"]
        if signed:
            lines.append("Authorization: " + SIGNATURE.format(service=service))
        self.sock.sendall("\r\n".join([*lines, *headers, "", ""]).encode())

    def answer(self):
        response = http.client.HTTPResponse(self.sock)
        response.begin()
        response.text = response.read()
        return response


def ask(session, method, path, *headers, body=b"", **how):
    with Raw(session.endpoint) as raw:
        raw.send(method, path, *headers, **how)
        if body:
            raw.sock.sendall(body)
        return raw.answer()


def resident(broker):
    """What gateway, egress and core have, in bytes."""
    total = 0
    for name, pid in broker.pids().items():
        if name in ("gateway", "egress", "core"):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            line = next(l for l in status.splitlines()
                        if l.startswith("VmRSS"))
            total += int(line.split()[1]) << 10
    return total


# --- What S3 can do ---------------------------------------------------------

def test_an_object_is_written_read_and_removed(session, ceph):
    session.s3.put_object(Bucket="alpha", Key="one", Body=b"first")
    got = session.s3.get_object(Bucket="alpha", Key="one")
    assert got["Body"].read() == b"first"
    assert "one" in ceph.keys("alpha")
    session.s3.delete_object(Bucket="alpha", Key="one")
    assert "one" not in ceph.keys("alpha")


@pytest.mark.parametrize("key", AWKWARD, ids=lambda k: k[:20])
def test_a_key_may_be_any_text(session, bucket, ceph, key):
    body = key.encode()
    bucket(key, body)
    assert key in ceph.keys("alpha")
    got = session.s3.get_object(Bucket="alpha", Key=key)
    assert got["Body"].read() == body
    session.s3.copy_object(Bucket="alpha", Key="copy",
                           CopySource={"Bucket": "alpha", "Key": key})
    assert session.s3.head_object(
        Bucket="alpha", Key="copy")["ContentLength"] == len(body)
    session.s3.delete_object(Bucket="alpha", Key="copy")


def test_lists_with_awkward_queries(session, bucket):
    keys = sorted([f"l/{key}" for key in AWKWARD[:14]], key=str.encode)
    for key in keys:
        bucket(key)
    list_objects = session.s3.list_objects_v2
    for prefix in ("l/", "l/a ", "l/a+", "l/ü", "l/%", "l/a=b&", "l/a/"):
        for delimiter in ("", "/", " ", "+", "%", "&", "="):
            more = {"Delimiter": delimiter} if delimiter else {}
            found = list_objects(Bucket="alpha", Prefix=prefix, **more)
            # Ceph says a "+" as it is, which botocore reads as a space.
            assert found["Prefix"] == prefix.replace("+", " ")
            got = [entry["Key"] for entry in found.get("Contents", ())]
            assert got == [k for k in keys if k.startswith(prefix) and (
                not delimiter or delimiter not in k[len(prefix):])]
    pages, start = [], {}
    while True:
        found = list_objects(Bucket="alpha", Prefix="l/", MaxKeys=3, **start)
        pages += [entry["Key"] for entry in found["Contents"]]
        if not found["IsTruncated"]:
            break
        start = {"ContinuationToken": found["NextContinuationToken"]}
    assert pages == keys
    assert len(list_objects(Bucket="alpha", Prefix="l/",
                            StartAfter="l/a+b")["Contents"]) < len(keys)
    uploads = session.s3.list_multipart_uploads(Bucket="alpha", Prefix="a+ b/")
    assert uploads["Prefix"].replace("+", " ") == "a  b/"


def test_what_is_said_of_an_object_comes_back(session, bucket):
    packed = gzip.compress(b"many words " * 100)
    bucket("told", packed, ContentType="text/x-odd; charset=utf-8",
           ContentEncoding="gzip", ContentLanguage="de, en",
           CacheControl="max-age=60", ContentDisposition='attachment; x="y"',
           Metadata={"colour": "dark  blue", "my_key": "1", "a-b": "a, b"})
    for read in (session.s3.head_object, session.s3.get_object):
        told = read(Bucket="alpha", Key="told")
        assert told["ContentType"] == "text/x-odd; charset=utf-8"
        assert told["ContentEncoding"] == "gzip"
        assert told["ContentLanguage"] == "de, en"
        assert told["CacheControl"] == "max-age=60"
        assert told["ContentDisposition"] == 'attachment; x="y"'
        # Ceph makes a hyphen of an underscore.
        assert told["Metadata"]["my-key"] == "1"
        assert told["Metadata"]["a-b"] == "a, b"
        assert told["ContentLength"] == len(packed)
        assert told["LastModified"] and told["AcceptRanges"] == "bytes"
    assert told["Body"].read() == packed


def test_parts_conditions_and_objects_of_nothing(session, bucket):
    etag = bucket("parts", b"0123456789")["ETag"]
    get = session.s3.get_object
    part = get(Bucket="alpha", Key="parts", Range="bytes=2-4")
    assert part["Body"].read() == b"234"
    assert part["ContentRange"] == "bytes 2-4/10"
    with pytest.raises(session.s3.exceptions.ClientError, match="304"):
        get(Bucket="alpha", Key="parts", IfNoneMatch=etag)
    with pytest.raises(session.s3.exceptions.ClientError,
                       match="PreconditionFailed"):
        get(Bucket="alpha", Key="parts", IfMatch='"other"')
    bucket("nothing", b"")
    assert session.s3.head_object(
        Bucket="alpha", Key="nothing")["ContentLength"] == 0
    empty = get(Bucket="alpha", Key="nothing")
    assert empty["ContentLength"] == 0 and empty["Body"].read() == b""
    with pytest.raises(session.s3.exceptions.NoSuchKey):
        get(Bucket="alpha", Key="not there")
    with pytest.raises(session.s3.exceptions.ClientError, match="404"):
        session.s3.head_object(Bucket="alpha", Key="not there")


def test_an_upload_in_parts_and_a_removal_of_many(session, ceph):
    s3 = session.s3
    upload = s3.create_multipart_upload(Bucket="alpha", Key="big one")
    parts = []
    for number, size in ((1, 5 * MIB), (2, 100)):
        done = s3.upload_part(
            Bucket="alpha", Key="big one", UploadId=upload["UploadId"],
            PartNumber=number, Body=b"%d" % number * size)
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
    s3.complete_multipart_upload(
        Bucket="alpha", Key="big one", UploadId=upload["UploadId"],
        MultipartUpload={"Parts": parts})
    assert s3.head_object(Bucket="alpha", Key="big one")[
        "ContentLength"] == 5 * MIB + 100
    # A POST with a body, which Ceph takes; it lets no role remove so.
    many = s3.delete_objects(Bucket="alpha", Delete={
        "Objects": [{"Key": "big one"}, {"Key": "none & more"}]})
    told = [entry["Key"] for part in ("Deleted", "Errors")
            for entry in many.get(part, ())]
    assert sorted(told) == ["big one", "none & more"]
    s3.delete_object(Bucket="alpha", Key="big one")
    assert "big one" not in ceph.keys("alpha")


# --- Who says what may be done ----------------------------------------------

def test_the_service_enforces_the_scope(cloud, ceph):
    with injected(cloud, READ_ALPHA + ",delivery=inject") as session:
        s3 = session.s3
        assert s3.get_object(Bucket="alpha", Key="x")["Body"].read() == \
            b"alpha/x\n"
        for call in (lambda: s3.get_object(Bucket="beta", Key="x"),
                     lambda: s3.put_object(Bucket="alpha", Key="x", Body=b""),
                     lambda: s3.delete_object(Bucket="alpha", Key="x"),
                     lambda: s3.list_objects_v2(Bucket="beta"),
                     lambda: s3.copy_object(Bucket="alpha", Key="stolen",
                                            CopySource="beta/x")):
            with pytest.raises(s3.exceptions.ClientError,
                               match="AccessDenied") as caught:
                call()
            # The service's own answer, not one of the broker's.
            assert "credbroker-error" not in caught.value.response[
                "ResponseMetadata"]["HTTPHeaders"]


def test_what_is_minted_is_not_injected_and_the_other_way_round(cloud):
    with injected(cloud, READ_ALPHA) as session:
        with pytest.raises(session.s3.exceptions.ClientError,
                           match="delivery=mint") as caught:
            session.s3.get_object(Bucket="alpha", Key="x")
        assert caught.value.response["ResponseMetadata"]["HTTPHeaders"][
            "credbroker-error"] == "policy_denied"
    with injected(cloud, READ_ALPHA + ",delivery=inject") as session:
        session.s3.get_object(Bucket="alpha", Key="x")
        for path in ("/v1/aws/aws-dev", "/v1/helper/aws/aws-dev",
                     "/v1/credentials/aws-dev"):
            told = ask(session, "GET", path, "Credbroker-Session: 1",
                       signed=False)
            assert told.status == 403, (path, told.text)


def test_the_keys_are_nowhere_in_the_sandbox(session, cloud):
    session.s3.get_object(Bucket="alpha", Key="x")
    token = (session.folder / "token").read_text()
    seen = json.dumps(session.environment) + "".join(
        str(e.answer_headers) + e.answer.decode("latin-1")
        for e in session.wire.exchanges)
    for path in session.folder.iterdir():
        if path.is_file():
            seen += path.read_text(errors="replace")
    assert cloud.ceph.broker_keys.secret not in seen
    assert cloud.ceph.broker_keys.id not in seen
    leases = cloud.call("session.show", session=session.session)
    shown = json.dumps(leases)
    assert cloud.ceph.broker_keys.secret not in shown
    assert "secret" not in shown.lower() or "SecretAccessKey" not in shown
    assert token not in shown


def test_each_request_is_in_the_audit_log(session, cloud, bucket):
    bucket("a key", b"12345")
    session.s3.list_objects_v2(Bucket="alpha", Prefix="a/b")

    def lines():
        shown = cloud.json("audit", "show", "--session", session.session)
        events = shown["events"] if isinstance(shown, dict) else shown
        ends = [e for e in events if e["event"] == "exchange.end"]
        return events if len(ends) >= 2 else None
    events = wait_until(lines, "the audit lines")
    begins = [e for e in events if e["event"] == "exchange.begin"]
    authority = cloud.ceph.authority
    assert begins[0]["request"] == \
        f"PUT {authority}/alpha/a%20key (s3 us-east-1)"
    assert "/alpha?" in begins[1]["request"]
    assert "prefix=a%2Fb" in begins[1]["request"]
    assert {b["credential"] for b in begins} == {"aws-dev"}
    assert all(b["rule"] == "grant 1" for b in begins)
    end = next(e for e in events if e["event"] == "exchange.end")
    assert end["status"] == 200 and end["up"] == 5 and end["outcome"] == "ok"


def test_many_first_requests_wait_for_one_lease(cloud):
    with injected(cloud) as session:
        failures = []

        def get():
            try:
                told = ask(session, "GET", "/http/aws-dev/alpha/x")
                assert told.status == 200 and told.text == b"alpha/x\n"
            except BaseException as error:
                failures.append(error)
        threads = [threading.Thread(target=get) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures
        shown = cloud.json("audit", "show", "--session", session.session)
        events = shown["events"] if isinstance(shown, dict) else shown
        assert len([e for e in events
                    if e["event"] == "lease.mint.begin"]) == 1


# --- Bodies -----------------------------------------------------------------

def put_stream(session, key, size, payload, *headers, piece=b"0123456789abcdef"
               * 4096):
    with Raw(session.endpoint) as raw:
        raw.send("PUT", f"/http/aws-dev/alpha/{key}",
                 f"Content-Length: {size}", f"x-amz-content-sha256: {payload}",
                 *headers)
        for _ in range(size // len(piece)):
            raw.sock.sendall(piece)
        return raw.answer()


@pytest.mark.limit(500)
@pytest.mark.parametrize("signed", [True, False],
                         ids=["signed", "unsigned"])
def test_a_hundred_megabytes_stream_with_flat_memory(session, cloud, signed):
    piece = b"0123456789abcdef" * 4096
    size = 100 * MIB
    digest = hashlib.sha256()
    for _ in range(size // len(piece)):
        digest.update(piece)
    payload = digest.hexdigest() if signed else UNSIGNED
    put_stream(session, "warm", MIB, UNSIGNED)
    before = resident(cloud)
    told = put_stream(session, "large", size, payload, piece=piece)
    assert told.status == 200, told.text
    grown = resident(cloud) - before
    assert grown < (64 if SANITIZED else 8) * MIB, grown
    with Raw(session.endpoint) as raw:
        raw.send("GET", "/http/aws-dev/alpha/large")
        response = http.client.HTTPResponse(raw.sock)
        response.begin()
        back = hashlib.sha256()
        while data := response.read(MIB):
            back.update(data)
    assert back.hexdigest() == digest.hexdigest()
    assert resident(cloud) - before < (64 if SANITIZED else 8) * MIB
    for key in ("warm", "large"):
        session.s3.delete_object(Bucket="alpha", Key=key)


def test_a_body_with_another_hash_is_refused_by_the_service(session, ceph):
    told = ask(session, "PUT", "/http/aws-dev/alpha/wrong",
               "Content-Length: 4", "x-amz-content-sha256: " + "0" * 64,
               body=b"body")
    assert told.status in (400, 403), told.text
    assert "wrong" not in ceph.keys("alpha")


def test_the_client_is_told_to_continue(session):
    with Raw(session.endpoint) as raw:
        raw.send("PUT", "/http/aws-dev/alpha/later", "Content-Length: 5",
                 f"x-amz-content-sha256: {UNSIGNED}", "Expect: 100-continue")
        assert raw.sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sock.sendall(b"later")
        assert raw.answer().status == 200
    session.s3.delete_object(Bucket="alpha", Key="later")


def chunked(body, size, end=b"", signature=b""):
    """A body in aws-chunked."""
    pieces = [body[i:i + size] for i in range(0, len(body), size)] + [b""]
    text = b""
    for piece in pieces:
        text += b"%x%s\r\n" % (len(piece), signature) + piece
        if piece:
            text += b"\r\n"
    return text + end + b"\r\n"


def crc32(body):
    return b"x-amz-checksum-crc32:" + base64.b64encode(
        zlib.crc32(body).to_bytes(4, "big")) + b"\r\n"


def put_chunked(session, key, body, length, payload=TRAILER, *headers,
                transfer=False):
    if payload == TRAILER:
        headers += ("x-amz-trailer: x-amz-checksum-crc32",)
    framing = "Content-Length: %d" % len(body)
    if transfer:
        framing = "Transfer-Encoding: chunked"
        body = b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    return ask(session, "PUT", f"/http/aws-dev/alpha/{key}", framing,
               "Content-Encoding: aws-chunked",
               f"x-amz-content-sha256: {payload}",
               f"x-amz-decoded-content-length: {length}", *headers, body=body)


@pytest.mark.parametrize("transfer", [False, True])
@pytest.mark.parametrize("size", [0, 1, 65536, 3 * MIB + 1])
def test_chunks_are_undone_on_the_way(session, transfer, size):
    body = bytes(i * 7 % 251 for i in range(size))
    told = put_chunked(session, "chunks", chunked(body, 65536, crc32(body)),
                       size, TRAILER, "x-amz-sdk-checksum-algorithm: CRC32",
                       transfer=transfer)
    assert told.status == 200, told.text
    got = session.s3.get_object(Bucket="alpha", Key="chunks")
    assert got["Body"].read() == body
    assert "aws-chunked" not in got.get("ContentEncoding", "")
    session.s3.delete_object(Bucket="alpha", Key="chunks")


def test_signed_chunks_are_undone_too(session):
    body = b"a" * 100000
    told = put_chunked(
        session, "signed", chunked(body, 65536, signature=b";chunk-signature="
                                   + b"0" * 64), len(body), SIGNED_CHUNKS)
    assert told.status == 200, told.text
    got = session.s3.get_object(Bucket="alpha", Key="signed")
    assert got["Body"].read() == body
    session.s3.delete_object(Bucket="alpha", Key="signed")


@pytest.mark.parametrize("what", [
    "checksum", "too long", "too short", "size", "no end", "behind"])
@pytest.mark.parametrize("size", [0, 5, 200000])
def test_a_body_that_is_not_what_was_said_is_not_stored(session, ceph, what,
                                                        size):
    body = b"z" * size
    length, text = size, chunked(body, 65536, crc32(body))
    if what == "checksum":
        text = chunked(body, 65536, crc32(body + b"y"))
    elif what == "too long":
        length = size - 1 if size else 1
    elif what == "too short":
        length = size + 1
    elif what == "size":
        text = text.replace(b"\r\n", b"x\r\n", 1)
    elif what == "no end":
        text = text[:-2]
    elif what == "behind":
        text += b"more"
    told = put_chunked(session, "bad", text, length)
    assert told.status >= 400, told.text
    assert "bad" not in ceph.keys("alpha")


# --- What is refused, and how it is told ------------------------------------

REFUSED = {
    "presigned": ("GET", "/alpha/x?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
                  "X-Amz-Signature=00", [], 400, "presigned"),
    "presigned and signed": ("GET", "/alpha/x?x-amz-signature=00", [None],
                             403, "presigned"),
    "4A": ("GET", "/alpha/x", ["Authorization: AWS4-ECDSA-P256-SHA256 x"],
           400, "4A"),
    "version 2": ("GET", "/alpha/x", ["Authorization: AWS id:c2ln"], 400,
                  "Version 2"),
    "unsigned": ("GET", "/alpha/x", ["Credbroker-Session: 1"], 400,
                 "has to be signed"),
    "nothing": ("GET", "/alpha/x", [], 403, "session's header"),
    "ECDSA chunks": ("PUT", "/alpha/x", [
        None, "x-amz-content-sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "Content-Length: 0"], 400, "4A"),
    "an unknown payload": ("PUT", "/alpha/x", [
        None, "x-amz-content-sha256: 00", "Content-Length: 0"], 400,
        "x-amz-content-sha256"),
    "no payload": ("PUT", "/alpha/x", [None, "Content-Length: 1"], 400,
                   "x-amz-content-sha256"),
    "another checksum": ("PUT", "/alpha/x", [
        None, f"x-amz-content-sha256: {TRAILER}", "Content-Length: 1",
        "x-amz-trailer: x-amz-checksum-crc64nvme",
        "x-amz-decoded-content-length: 1"], 400, "crc64nvme"),
    "the service itself": ("POST", "/", [None, "Content-Length: 0"], 403,
                           "name a bucket"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_says_why(session, what):
    method, path, headers, status, says = REFUSED[what]
    signed = None in headers
    body = b"x" if "Content-Length: 1" in headers else b""
    told = ask(session, method, "/http/aws-dev" + path,
               *[h for h in headers if h], signed=signed, body=body)
    assert told.status == status, told.text
    assert told.getheader("Credbroker-Error")
    assert says in told.text.decode(), told.text
    if signed:
        assert told.getheader("Content-Type") == "application/xml"
        assert b"<Error><Code>" in told.text
    else:
        assert json.loads(told.text)["status"] == status


def test_other_services_and_credentials_are_refused(session):
    for service, says in (("sts", "sts"), ("ec2", "ec2")):
        told = ask(session, "POST", "/http/aws-dev/", "Content-Length: 0",
                   service=service)
        assert told.status == 403, told.text
        assert says in json.loads(told.text)["Message"]
    told = ask(session, "GET", "/http/other/alpha/x")
    assert told.status == 403 and b"other is not granted" in told.text


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded",
                                  "text/plain", None])
def test_keys_are_not_asked_of_another_service(broker, ceph, kind):
    """Ceph has STS at the address of all that it has."""
    name = f"topics-{(kind or 'none')[:4]}"
    add_aws_credential(broker, ceph, name, services="s3,sns")
    types = [f"Content-Type: {kind}"] if kind else []
    with injected(broker, "actions=*,resources=*,delivery=inject",
                  name) as session:
        for query, body in (
                ("", f"Action=AssumeRole&Version=2011-06-15&RoleArn={ceph.role}"
                     "&RoleSessionName=stolen"),
                ("", "Action=GetSessionToken&Version=2011-06-15"),
                ("", "Action=%47etSessionToken&Version=2011-06-15"),
                ("?Action=GetSessionToken&Version=2011-06-15", ""),
                ("", "Action=ListTopics&Action=GetSessionToken")):
            told = ask(session, "POST", f"/http/{name}/{query}",
                       f"Content-Length: {len(body)}", *types,
                       body=body.encode(), service="sns")
            assert b"SecretAccessKey" not in told.text
            assert told.status == 403, told.text
            assert b"whose answer is credentials" in told.text
        body = b"Action=ListTopics&Version=2010-03-31"
        told = ask(session, "POST", f"/http/{name}/",
                   f"Content-Length: {len(body)}", *types, body=body,
                   service="sns")
        assert told.status == 200 and b"ListTopics" in told.text, told.text


def test_an_upstream_that_is_gone_is_told(broker, ceph):
    add_aws_credential(broker, ceph, "gone", url="http://127.0.0.1:1")
    with injected(broker, name="gone") as session:
        with pytest.raises(session.s3.exceptions.ClientError) as caught:
            session.s3.get_object(Bucket="alpha", Key="x")
        told = caught.value.response
        assert told["ResponseMetadata"]["HTTPStatusCode"] in (502, 503, 504)
        assert "127.0.0.1:1" in told["Error"]["Message"]


# --- Clients ----------------------------------------------------------------

def test_the_command_line(session, tmp_path):
    text = tmp_path / "a file.txt"
    text.write_text("from the command line\n")
    aws = ["s3", "--endpoint-url", session.url]
    env = {"AWS_ACCESS_KEY_ID": NONE.id, "AWS_SECRET_ACCESS_KEY": NONE.secret,
           "AWS_ENDPOINT_URL": session.url, "AWS_REGION": "us-east-1"}
    session.environment.pop("AWS_ENDPOINT_URL", None)
    session.aws(*aws, "cp", str(text), "s3://alpha/dir/a file+1.txt", env=env)
    listed = session.aws(*aws, "ls", "s3://alpha/dir/", env=env)
    assert "a file+1.txt" in listed.stdout
    read = session.aws(*aws, "cp", "s3://alpha/dir/a file+1.txt", "-", env=env)
    assert read.stdout == "from the command line\n"
    session.aws(*aws, "rm", "--recursive", "s3://alpha/dir/", env=env)
    refused = session.aws(
        "s3api", "--endpoint-url", session.url, "get-object", "--bucket",
        "beta", "--key", "x", "/dev/null", env=env, check=False)
    assert refused.returncode != 0
    last = session.wire.exchanges[-1]
    assert last.status == 403 and b"AccessDenied" in last.answer


@pytest.mark.parametrize("checksums", ["when_required", "when_supported"])
def test_javascript(session, checksums):
    """As the session has it, and as the SDK does it by itself: a checksum in a
    header, or behind a streamed body in aws-chunked."""
    env = {"URL": session.url,
           "AWS_REQUEST_CHECKSUM_CALCULATION": checksums}
    assert session.environment["AWS_REQUEST_CHECKSUM_CALCULATION"] == \
        "when_required"
    done = session.javascript("""
      const { Readable } = require("stream");
      const client = new s3.S3Client({ endpoint: process.env.URL,
          region: "us-east-1", forcePathStyle: true, credentials: {
          accessKeyId: "credbroker0injected", secretAccessKey: "none" } });
      const at = { Bucket: "alpha", Key: "from js +ü.txt" };
      await client.send(new s3.PutObjectCommand({ ...at, Body: "text" }));
      const got = await client.send(new s3.GetObjectCommand(at));
      console.log(await got.Body.transformToString());
      await client.send(new s3.PutObjectCommand({ ...at, ContentLength: 300000,
          Body: Readable.from([Buffer.alloc(300000, "s")]) }));
      const head = await client.send(new s3.HeadObjectCommand(at));
      console.log(head.ContentLength);
      const list = await client.send(new s3.ListObjectsV2Command(
          { Bucket: "alpha", Prefix: "from js +" }));
      console.log(list.KeyCount);
      await client.send(new s3.DeleteObjectCommand(at));
      try {
        await client.send(new s3.GetObjectCommand({ Bucket: "beta",
                                                    Key: "x" }));
      } catch (e) { console.log(e.name); }
      """, env=env)
    assert done.stdout.split() == ["text", "300000", "1", "AccessDenied"]
    sent = [e.headers.get("x-amz-content-sha256")
            for e in session.wire.exchanges if e.method == "PUT"]
    assert (TRAILER in sent) == (checksums == "when_supported"), sent
