"""Requests to an API are approved with the headers that say what they ask for:
nobody gets one through that differs in them from what somebody has seen."""

import json
import pathlib
import shutil
import tempfile

import pytest

import attack
from attack import Endpoint, wait_until
from attack import *  # noqa: F401,F403 (fixtures)
from test_aws_signing import GRANT as OBJECTS
from test_aws_signing import Cloud, get, reached

TABLES = "cloud:actions=dynamodb:*,resources=*,delivery=inject"
BODY = b'{"TableName": "t"}'
LOOK, DROP = ("X-Amz-Target: DynamoDB_20120810.DescribeTable",
              "X-Amz-Target: DynamoDB_20120810.DeleteTable")


@pytest.fixture(scope="module")
def red():
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    broker = attack.e2e.Broker(path, {
        "approval_wait": "0s", "policy_folder": str(path / "policy")})
    (path / "policy").mkdir(mode=0o700)
    policy = path / "policy" / "team.json"
    policy.write_text(json.dumps({
        "tier": "team", "name": "ours",
        "rules": [{"id": "look", "effect": "ask"}]}))
    policy.chmod(0o600)
    broker.init()
    broker.start()
    broker.upstream = attack.Recorder()
    broker.run("credential", "add", "cloud", "--backend", "aws-sts",
               "--param", "role-arn=arn:aws:iam::123456789012:role/agent",
               "--param", f"endpoint-url=http://{broker.upstream.authority}",
               "--param", "region=us-east-1", "--param", "network=loopback",
               "--param", "services=s3,dynamodb",
               input="AKIDLONGLIVED0000\ncanary/not-to-be-seen")
    yield broker
    broker.upstream.close()
    broker.stop()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def cloud(red, upstream):
    return Cloud(upstream)


def code(answer):
    lines = answer[1].split(b"\r\n\r\n")[0].decode().split("\r\n")
    return next((line.split(": ")[1] for line in lines
                 if line.lower().startswith("credbroker-error:")), None)


def approve(red, box):
    def those():
        return [a for a in red.call("approval.list", session=box.id)[
            "approvals"] if a["state"] == "waiting"]
    approval = wait_until(those, "an approval")[-1]
    red.call("approval.approve", approval=approval["id"])
    return approval


def test_what_a_request_asks_for_is_not_changed(red, cloud, upstream):
    box = Endpoint(red, [TABLES])

    def ask(*headers):
        return code(get(box, "/", *headers, method="POST", body=BODY,
                        service="dynamodb"))
    assert ask(LOOK, "Content-Type: application/x-amz-json-1.0") == \
        "approval_pending"
    approval = approve(red, box)
    assert LOOK.lower().split(": ")[0] + ": " + LOOK.split(": ")[1] in \
        approval["details"]["headers"]
    for headers in ([DROP], [LOOK, "X-Amz-Copy-Source: /beta/x"], []):
        assert ask(*headers, "Content-Type: application/x-amz-json-1.0") == \
            "approval_pending"
    assert reached(upstream) == []
    # Who asks, and how, is not what is asked for.
    assert ask(LOOK, "Content-Type: application/x-amz-json-1.0",
               "User-Agent: another") is None
    entry, = reached(upstream)
    assert LOOK.split(": ")[1].encode() in entry[0] and entry[1] == BODY


@pytest.mark.parametrize("method,body", [("PUT", b""), ("GET", None)])
def test_a_request_without_a_body_is_bound_to_its_headers(
        red, cloud, upstream, method, body):
    box = Endpoint(red, [OBJECTS])

    def ask(*headers):
        return code(get(box, "/alpha/key", *headers, method=method, body=body))
    assert ask("X-Amz-Acl: private") == "approval_pending"
    approval = approve(red, box)
    assert "x-amz-acl: private" in approval["details"]["headers"]
    for headers in ((), ("X-Amz-Acl: public-read",),
                    ("X-Amz-Acl: private", "X-Amz-Copy-Source: /alpha/b")):
        assert ask(*headers) == "approval_pending"
    assert reached(upstream) == []
    assert ask("X-Amz-Acl: private") is None
    entry, = reached(upstream)
    assert b"x-amz-acl: private" in entry[0].lower()
    assert ask("X-Amz-Acl: private") == "approval_pending"
