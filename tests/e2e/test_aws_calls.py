"""What STS is asked, from the command line to the keys in the sandbox: each of
its calls with all that may be said in it, and what is refused before anything
is asked.  The token service checks signatures and parameters with botocore."""

import contextlib
import json
import pathlib
import re
import sys

import pytest

from aws_relay import UnixConnection
from test_lease import keys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
fake = pytest.importorskip("sts", reason="the fake needs python3-boto3")

KEY, SECRET = "AKIDCANARYCANARY0004", "canary/secret+of/each+call==============="
TOKEN = "canaryTokenOfTheStoredKeys" * 4
ROLE = "arn:aws:iam::123456789012:role/logs"
SCOPE = "actions=s3:GetObject,resources=arn:aws:s3:::alpha/*"
POLICY = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::alpha/*"}]}
ARNS = [f"arn:aws:iam::123456789012:policy/p{n}" for n in range(10)]


@pytest.fixture
def sts():
    with fake.Sts({KEY: SECRET}) as service:
        yield service
        assert service.problems == []


def add(broker, sts, name="aws", secret=f"{KEY}\n{SECRET}", **params):
    given = {"endpoint-url": sts.url, "network": "loopback",
             "region": "eu-west-1", "role-arn": ROLE,
             **{k.replace("_", "-"): v for k, v in params.items()}}
    words = [w for k, v in given.items() if v for w in ("-p", f"{k}={v}")]
    return broker.run("credential", "add", name, "--backend", "aws-sts",
                      *words, input=secret)


def issue(broker, *grants, task="logs", options=()):
    words = [word for grant in grants or [f"aws:{SCOPE}"]
             for word in ("--grant", grant)]
    return broker.json("issue", "--task", task, *words, *options)


def tags(session, task="logs"):
    return [{"Key": "credbroker:task", "Value": task},
            {"Key": "credbroker:session", "Value": session}]


def get(issued, path):
    folder = pathlib.Path(issued["session"]["folder"])
    connection = UnixConnection(folder / "endpoint.sock")
    with contextlib.closing(connection):
        connection.request("GET", path, headers={
            "Host": "127.0.0.1:9169", "Credbroker-Session": "1"})
        response = connection.getresponse()
        body = response.read()
    assert response.status == 200, body
    return json.loads(body)


def assert_handed_out(issued, sts):
    """What was minted last is what the sandbox gets."""
    got, minted = keys(issued["session"]), sts.issued[-1]
    assert (got["AccessKeyId"], got["SecretAccessKey"], got["Token"]) == (
        minted.id, minted.secret, minted.token)
    assert got["Expiration"] == minted.expires.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_role_is_assumed_with_all_that_may_be_said(broker, sts):
    add(broker, sts, duration="2h", external_id="acme:1/x",
        source_identity="task")
    issued = issue(broker)
    [asked] = sts.requests
    id_ = issued["session"]["id"]
    assert asked.action == "AssumeRole"
    policy = asked.parameters.pop("Policy")
    assert json.loads(policy) == POLICY and " " not in policy
    assert asked.parameters == {
        "RoleArn": ROLE, "RoleSessionName": f"logs-{id_}",
        "DurationSeconds": 7200, "ExternalId": "acme:1/x",
        "SourceIdentity": "logs", "Tags": tags(id_)}
    assert_handed_out(issued, sts)


def test_anything_can_ask_for_keys_by_their_name(broker, sts):
    add(broker, sts)
    issued = issue(broker, options=["--mint", "later"])
    got, minted = get(issued, "/v1/credentials/aws"), sts.issued[-1]
    assert len(sts.requests) == 1
    assert got["form"] == "aws-keys" and got["keys"] == {
        "access_key_id": minted.id, "secret_access_key": minted.secret,
        "session_token": minted.token}
    listed = json.dumps(get(issued, "/v1/credentials"))
    assert minted.secret not in listed and '"aws"' in listed


def test_a_credential_is_tested_without_a_mint(broker, sts):
    add(broker, sts)
    done = broker.run("credential", "test", "aws", check=False)
    assert done.returncode == 0, done
    assert sts.requests == []


def test_a_user_is_federated_where_there_is_no_role(broker, sts):
    add(broker, sts, role_arn=None, duration="36h")
    issued = issue(broker, options=["--ttl", "2h"])
    [asked] = sts.requests
    id_ = issued["session"]["id"]
    assert asked.action == "GetFederationToken"
    assert json.loads(asked.parameters.pop("Policy")) == POLICY
    assert 7100 <= asked.parameters.pop("DurationSeconds") <= 7200
    assert asked.parameters == {"Name": f"logs-{id_}", "Tags": tags(id_)}
    assert_handed_out(issued, sts)


def test_a_session_token_is_for_who_says_everything(broker, sts):
    add(broker, sts, role_arn=None, call="session-token")
    done = broker.run("issue", "--task", "logs", "--grant", f"aws:{SCOPE}",
                      check=False)
    assert done.returncode == 2 and "only actions=*,resources=*" in done.stderr
    assert sts.requests == []
    issued = issue(broker, "aws:actions=*,resources=*")
    [asked] = sts.requests
    assert (asked.action, asked.parameters) == (
        "GetSessionToken", {"DurationSeconds": 3600})
    assert_handed_out(issued, sts)


def test_policies_are_named_and_tags_left_out(broker, sts):
    add(broker, sts, tags="no")
    issued = issue(broker, "aws:policy-arns=" + "+".join(ARNS))
    [asked] = sts.requests
    assert sorted(p["arn"] for p in asked.parameters["PolicyArns"]) == ARNS
    assert {"Policy", "Tags", "SourceIdentity"}.isdisjoint(asked.parameters)
    assert_handed_out(issued, sts)


def test_grants_and_conditions_are_statements(broker, sts):
    add(broker, sts)
    issue(broker, f"aws:{SCOPE}",
          "aws:actions=s3:ListBucket,resources=arn:aws:s3:::alpha,"
          "conditions=StringLike(s3:prefix)=a/*+StringLike(s3:prefix)=b/*")
    statements = json.loads(sts.requests[0].parameters["Policy"])["Statement"]
    assert sorted(statements, key=lambda s: s["Action"]) == [
        POLICY["Statement"][0],
        {"Effect": "Allow", "Action": "s3:ListBucket",
         "Resource": "arn:aws:s3:::alpha",
         "Condition": {"StringLike": {"s3:prefix": ["a/*", "b/*"]}}}]


def test_keys_of_a_session_are_asked_for_an_hour(broker):
    """Chaining: with the stored keys' own token, whatever the duration."""
    with fake.Sts({KEY: (SECRET, TOKEN)}) as sts:
        add(broker, sts, secret=f"{KEY}\n{SECRET}\n{TOKEN}", duration="4h")
        issued = issue(broker)
        assert sts.problems == []
        [asked] = sts.requests
        assert asked.token == TOKEN
        assert asked.parameters["DurationSeconds"] == 3600
        assert_handed_out(issued, sts)
    assert TOKEN[:30] not in json.dumps(issued) + broker.log_text()


@pytest.mark.parametrize("ttl, seconds", [
    ("5m", 900), ("15m", 900), ("30m", 1800), ("2h", 3600)])
def test_keys_get_the_rest_of_a_session(broker, sts, ttl, seconds):
    add(broker, sts)
    issued = issue(broker, options=["--ttl", ttl])
    asked = sts.requests[0].parameters["DurationSeconds"]
    assert max(900, seconds - 100) <= asked <= seconds
    told = [note for note in issued["notes"] if "15m" in note]
    assert len(told) == (ttl == "5m")
    assert_handed_out(issued, sts)


@pytest.mark.parametrize("role", [ROLE, None])
def test_names_are_valid_and_never_the_same(broker, sts, role):
    add(broker, sts, role_arn=role)
    names, ids = [], []
    for task in ("t", "t", "a.b_c-9", "x" * 120, "x" * 120):
        issued = issue(broker, task=task)
        asked = sts.requests[-1].parameters
        names.append(asked["RoleSessionName" if role else "Name"])
        ids.append(issued["session"]["id"])
        assert names[-1].endswith(f"-{ids[-1]}")
        assert {t["Key"]: t["Value"] for t in asked["Tags"]}[
            "credbroker:task"] == task
    assert len(set(names)) == len(names)
    most = 64 if role else 32
    assert all(re.fullmatch(r"[\w+=,.@-]{2,%d}" % most, n) for n in names)


LONG = "+".join(f"arn:aws:s3:::{'b' * 60}{n:02}" for n in range(30))
REFUSED = {
    "": "an empty list is never \"everything\"",
    "actions=s3:GetObject": "resources are missing",
    "resources=arn:aws:s3:::alpha": "actions are missing",
    "actions=,resources=*": "actions",
    "actions=*,resources=": "resources",
    "delivery=mint": "actions and resources are missing",
    "conditions=Bool(aws:x)=true": "actions and resources are missing",
    "policy-arns=": "policy-arns",
    "policy-arns=" + "+".join([*ARNS, ARNS[0] + "x"]): "may have 10",
    "actions=s3:*,resources=" + LONG: "STS takes 2048",
    "actions=s3:*,resources=*,sizes=10": "sizes",
}


@pytest.mark.parametrize("scope", REFUSED, ids=lambda s: s[:30])
@pytest.mark.parametrize("way", ["issue", "session grant"])
def test_a_grant_that_says_too_little_or_too_much(broker, sts, scope, way):
    add(broker, sts)
    grant = f"aws:{scope}" if scope else "aws"
    words = ["issue", "--task", "logs"]
    if way == "session grant":
        add(broker, sts, "other")
        id_ = issue(broker, f"other:{SCOPE}")["session"]["id"]
        words = ["session", "grant", id_]
    before = len(sts.requests)
    done = broker.run(*words, "--grant", grant, check=False)
    assert done.returncode == (5 if "STS takes" in REFUSED[scope] else 2)
    assert REFUSED[scope] in done.stderr, done.stderr
    assert len(sts.requests) == before
    live = broker.json("session", "list")["sessions"]
    assert [len(s["grants"]) for s in live] == (
        [1] if way == "session grant" else [])


def test_a_policy_that_is_too_large_packed_is_explained(broker, sts):
    add(broker, sts)
    sts.fault = "packed"
    done = broker.run("issue", "--task", "logs", "--grant", f"aws:{SCOPE}",
                      check=False)
    assert done.returncode == 4 and len(sts.requests) == 1
    for words in ("PackedPolicyTooLarge", "132%", sts.last_id,
                  "smaller policy. Name fewer resources",
                  "docs/aws.md#limits"):
        assert words in done.stderr, done.stderr
