"""Leases with the real processes, and a token service that checks what it is
asked: from issue to the sandbox's hands, across refusals, restarts and ends."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import socket
import sys
import time

import pytest

from conftest import wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
fake = pytest.importorskip("sts", reason="the fake needs python3-boto3")

KEY, SECRET = "AKIDLEASECANARY00001", "canary/lease/secret+which+stays+inside"
ROLE = "arn:aws:iam::123456789012:role/agent"
GRANT = "aws:actions=s3:GetObject,resources=arn:aws:s3:::alpha/*"


@pytest.fixture
def sts():
    with fake.Sts({KEY: SECRET}) as service:
        yield service
        assert service.problems == []


def add_credential(broker, sts, name="aws", **params):
    given = {"role-arn": ROLE, "region": "eu-west-1", "network": "loopback",
             "endpoint-url": sts.url, **params}
    words = [word for key, value in given.items()
             for word in ("--param", f"{key}={value}")]
    broker.run("credential", "add", name, "--backend", "aws-sts", *words,
               input=f"{KEY}\n{SECRET}")


@pytest.fixture
def leased(broker, sts):
    add_credential(broker, sts)
    broker.sts = sts
    return broker


def issue(broker, *grants, **params):
    return broker.call("session.issue", task="fix-1",
                       grants=list(grants or [GRANT]), **params)["session"]


def ask(session, path, timeout=60):
    """(status, headers, body) of a request at the session's endpoint."""
    folder = pathlib.Path(session["folder"])
    token = (folder / "token").read_text()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        client.connect(str(folder / "endpoint.sock"))
        client.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:9169\r\n"
                        f"Authorization: {token}\r\n"
                        "Connection: close\r\n\r\n").encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in
               (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, body


def keys(session, name="aws"):
    status, _, body = ask(session, f"/v1/aws/{name}")
    assert status == 200, body
    return json.loads(body)


def events(broker, name):
    return broker.call("audit.show", event=name)["events"]


def leases(broker, session):
    return broker.call("session.show", session=session["id"])["session"][
        "leases"]


def test_an_issue_mints_and_the_sandbox_fetches(leased):
    session = issue(leased)
    assert len(leased.sts.requests) == 1
    first = keys(session)
    assert first["AccessKeyId"].startswith("ASIA")
    assert first["SecretAccessKey"] != SECRET
    assert keys(session) == first
    assert len(leased.sts.requests) == 1
    asked = leased.sts.requests[0].parameters
    assert json.loads(asked["Policy"])["Statement"][0]["Resource"] in (
        "arn:aws:s3:::alpha/*", ["arn:aws:s3:::alpha/*"])
    [shown] = leases(leased, session)
    assert shown["state"] == "live"
    assert shown["id"] == first["AccessKeyId"]
    assert shown["order"]["policy"] == asked["Policy"]
    begin, = events(leased, "lease.mint.begin")
    done, = events(leased, "lease.mint")
    assert begin["n"] < done["n"]
    assert json.loads(begin["order"])["policy"] == asked["Policy"]
    assert first["AccessKeyId"] in done["detail"]
    for secret in (first["SecretAccessKey"], first["Token"], SECRET):
        assert secret not in json.dumps([shown, begin, done])


def test_nothing_is_minted_before_it_is_asked_for(leased):
    session = issue(leased, mint="later")
    assert leased.sts.requests == []
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: keys(session), range(20)))
    assert len({answer["AccessKeyId"] for answer in answers}) == 1
    assert len(leased.sts.requests) == 1


@pytest.mark.parametrize("fault, says", [
    ("denied", "AccessDenied"), ("packed", "PackedPolicyTooLarge")])
def test_a_refusal_fails_the_issue(leased, fault, says):
    leased.sts.fault = fault
    done = leased.run("issue", "--task", "fix-1", "--grant", GRANT,
                      check=False)
    assert done.returncode == 4
    assert says in done.stderr
    assert len(leased.sts.requests) == 1
    assert leased.json("session", "list")["sessions"] == []
    failed, = leased.json("session", "list", "--all")["sessions"]
    assert failed["state"] == "failed"
    assert len(events(leased, "session.fail")) == 1


def test_a_refusal_is_told_to_the_sandbox(leased):
    session = issue(leased, mint="later")
    leased.sts.fault = "denied"
    since = time.monotonic()
    status, headers, body = ask(session, "/v1/aws/aws")
    # Not 502, of which the SDK for JavaScript shows no words.
    assert status == json.loads(body)["status"] == 403
    assert "AccessDenied" in json.loads(body)["Message"]
    assert json.loads(body)["Code"] == headers["credbroker-error"]
    # Asked again at once, which is within a second, nobody asks upstream.
    count = len(leased.sts.requests)
    assert ask(session, "/v1/aws/aws")[0] == 403
    assert len(leased.sts.requests) == count or time.monotonic() - since > 1
    leased.sts.fault = None
    wait_until(lambda: ask(session, "/v1/aws/aws")[0] == 200, "a lease")


def test_a_restart_mints_anew_and_remembers_the_old(leased):
    session = issue(leased)
    first = keys(session)
    leased.kill()
    leased.start()
    old, = leases(leased, session)
    assert (old["state"], old["id"]) == ("issued", first["AccessKeyId"])
    second = keys(session)
    assert second["AccessKeyId"] != first["AccessKeyId"]
    assert [lease["state"] for lease in leases(leased, session)] == [
        "issued", "live"]


def test_a_lost_egress_leaves_what_nobody_knows(leased):
    session = issue(leased, mint="later")
    leased.sts.fault = "slow-head"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, session, "/v1/aws/aws")
        wait_until(lambda: leased.sts.requests, "the service is asked")
        os.kill(leased.pids()["egress"], signal.SIGKILL)
        assert answer.result()[0] == 503
    unknown, = leases(leased, session)
    assert unknown["state"] == "unknown" and "id" not in unknown
    leased.sts.fault = None
    wait_until(lambda: ask(session, "/v1/aws/aws")[0] == 200, "a lease")
    assert [lease["state"] for lease in leases(leased, session)] == [
        "unknown", "live"]


def test_a_revoke_takes_the_lease_away_and_says_what_works_on(leased):
    session = issue(leased)
    first = keys(session)
    result = leased.call("revoke", session=session["id"])
    lease, = result["leases"]
    assert lease["id"] == first["AccessKeyId"]
    assert lease["session"] == session["id"]
    status, _, body = ask(session, "/v1/aws/aws")
    assert status == 403
    assert first["SecretAccessKey"].encode() not in body


def test_a_dropped_grant_takes_the_lease_away(leased):
    session = issue(leased)
    keys(session)
    leased.call("session.drop", session=session["id"], grant="aws")
    assert ask(session, "/v1/aws/aws")[0] in (403, 404)


def test_two_sessions_have_their_own(leased):
    one, other = issue(leased), issue(leased)
    assert keys(one)["AccessKeyId"] != keys(other)["AccessKeyId"]
    leased.call("revoke", session=one["id"])
    assert ask(one, "/v1/aws/aws")[0] == 403
    keys(other)


def test_a_lock_takes_leases_away(leased):
    session = issue(leased)
    first = keys(session)
    leased.run("lock")
    assert ask(session, "/v1/aws/aws")[0] == 403
    leased.run("unlock", "--key-file", leased.key)
    wait_until(lambda: ask(session, "/v1/aws/aws")[0] == 200, "a lease")
    assert keys(session)["AccessKeyId"] != first["AccessKeyId"]


def test_a_new_gateway_knows_the_lease(leased):
    session = issue(leased)
    first = keys(session)
    os.kill(leased.pids()["gateway"], signal.SIGKILL)

    def again():
        # Until it is there, there is no answer, or none with keys.
        with contextlib.suppress(OSError, IndexError):
            status, _, body = ask(session, "/v1/aws/aws")
            return status == 200 and json.loads(body) == first
    wait_until(again, "the same lease")
    assert len(leased.sts.requests) == 1


def test_fetches_are_counted(leased):
    session = issue(leased)
    for _ in range(5):
        keys(session)
    leased.call("revoke", session=session["id"])
    wait_until(lambda: leases(leased, session)[0]["fetched"] == 5,
               "the count of fetches")
    assert len(events(leased, "lease.fetch")) >= 1


def test_what_is_wrong_with_keys_is_said_without_them(broker, sts):
    done = broker.run("credential", "add", "aws", "--backend", "aws-sts",
                      "--param", f"role-arn={ROLE}", "--param",
                      "region=eu-west-1", input="nonsense-canary", check=False)
    assert done.returncode == 2
    assert "nonsense-canary" not in done.stderr + broker.log_text()


def test_keys_are_stored_in_their_own_form(leased):
    leased.run("credential", "set", "aws", input=json.dumps(
        {"AccessKey": {"AccessKeyId": KEY, "SecretAccessKey": SECRET}}))
    keys(issue(leased))
