"""Limits of policies, with the real processes: how long sessions and keys may
last, how many there may be, and what one session may ask for."""

import contextlib
import json
import pathlib
import sys
import threading

import pytest

from conftest import wait_until
from test_lease import GRANT, add_credential, ask, keys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "redteam"))
fake = pytest.importorskip("sts", reason="the fake needs python3-boto3")
attack = pytest.importorskip("attack")

REFS = "/git/{}/acme/api.git/info/refs?service=git-upload-pack"


def write(broker, tier="team", **limits):
    """A policy that allows everything, within limits."""
    folder = broker.folder / "policy"
    folder.mkdir(exist_ok=True, mode=0o700)
    (folder / f"{tier}.json").write_text(json.dumps({
        "tier": tier, "name": "limited", "limits": limits,
        "rules": [{"id": "all", "effect": "allow"}]}))
    (folder / f"{tier}.json").chmod(0o600)


def enforce(broker, tier="team", **limits):
    write(broker, tier, **limits)
    broker.call("policy.reload")


@pytest.fixture
def limited(broker):
    broker.configure({"policy_folder": str(broker.folder / "policy"),
                      "requests_per_minute": 100000, "ttl": "2h"})
    write(broker)
    broker.stop()
    broker.start()
    return broker


@pytest.fixture
def sts():
    with fake.Sts({"AKIDLEASECANARY00001":
                   "canary/lease/secret+which+stays+inside"}) as service:
        yield service


@pytest.fixture
def leased(limited, sts):
    add_credential(limited, sts)
    limited.sts = sts
    return limited


@pytest.fixture
def upstream(limited):
    upstream = attack.Recorder()
    attack.add_credential(limited, "forge", upstream, "canary")
    yield upstream
    upstream.listener.close()


def issue(broker, task="fix-1", grant="forge:repository=**", **params):
    return broker.call("session.issue", task=task, grants=[grant],
                       **params)["session"]


def refused(broker, method, **params):
    with attack.e2e.admin_connect(broker) as client:
        client.sendall(json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": method,
             "params": params}).encode() + b"\n")
        with client.makefile("rb") as lines:
            error = json.loads(lines.readline())["error"]
    assert error["data"]["exit"] == 1, error
    return error["message"]


def refused_issue(broker, task="fix-1", grant="forge:repository=**",
                  **params):
    return refused(broker, "session.issue", task=task, grants=[grant],
                   **params)


def git(session, upstream):
    return ask(session, REFS.format(upstream.authority))


def left(broker, session, limit, what="left"):
    return broker.call("session.show", session=session["id"])["session"][
        "limits"][limit][what]


def lifetime(session):
    from datetime import datetime
    return (datetime.fromisoformat(session["expires"]) -
            datetime.fromisoformat(session["created"])).total_seconds()


def test_a_session_is_as_long_as_the_policy_allows(limited, upstream):
    enforce(limited, session_lifetime="30m")
    answer = limited.call("session.issue", task="t",
                          grants=["forge:repository=**"])
    assert lifetime(answer["session"]) == 1800
    assert any("session_lifetime, tier team" in note
               for note in answer["notes"])
    # What was wished for by name is not made less behind one's back.
    assert "session_lifetime, tier team" in refused_issue(
        limited, ttl=1801)
    assert lifetime(issue(limited, ttl=1800)) == 1800
    assert "session_lifetime" in refused(
        limited, "session.extend", session=answer["session"]["id"],
        ttl=1900)
    limited.call("session.extend", session=answer["session"]["id"], ttl=1700)


def test_a_new_policy_ends_a_session_that_is_too_old(limited, upstream):
    upstream.answer = None
    session = issue(limited)
    assert git(session, upstream)[0] == 200
    enforce(limited, session_lifetime="1h")
    shown = limited.call("session.show", session=session["id"])["session"]
    assert lifetime(shown) == 3600 and shown["state"] == "live"
    # Given back before it was over.
    enforce(limited)
    shown = limited.call("session.show", session=session["id"])["session"]
    assert lifetime(shown) == 7200
    enforce(limited, session_lifetime="1s")
    wait_until(lambda: limited.call("session.show", session=session["id"])[
        "session"]["state"] == "expired", "it ends")
    status, _, body = git(session, upstream)
    assert status == 403 and b"expired" in body


def test_sessions_of_a_user(limited, upstream):
    enforce(limited, sessions_per_user=2)
    first = issue(limited, task="a")
    issue(limited, task="b")
    assert "sessions_per_user, tier team" in refused_issue(
        limited, task="c")
    limited.call("revoke", session=first["id"])
    issue(limited, task="c")
    # A restart counts those that come back.
    limited.stop()
    limited.start()
    assert "sessions_per_user" in refused_issue(limited, task="d")


def test_sessions_of_a_task(limited, upstream):
    enforce(limited, sessions_per_task=1)
    session = issue(limited, task="a")
    assert "sessions_per_task" in refused_issue(limited, task="a")
    issue(limited, task="b")
    limited.call("revoke", session=session["id"])
    issue(limited, task="a")
    event, = limited.call("audit.show", event="session.issue",
                          decision="deny")["events"]
    assert (event["task"], event["tier"], event["rule"]) == (
        "a", "team", "limits.sessions_per_task")


def test_several_at_once_are_not_more_than_there_may_be(limited, upstream):
    enforce(limited, sessions_per_user=3)
    done = []

    def one():
        with contextlib.suppress(AssertionError):
            done.append(issue(limited))

    threads = [threading.Thread(target=one) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 3


def test_requests_of_a_session(limited, upstream):
    enforce(limited, requests_per_session=3)
    session = issue(limited)
    for number in range(3):
        assert left(limited, session, "requests_per_session") == 3 - number
        assert git(session, upstream)[0] == 200
    status, headers, body = git(session, upstream)
    assert status == 403 and "retry-after" not in headers
    assert b"requests_per_session, tier team" in body
    assert headers["credbroker-error"] == "policy_denied"
    # It is no way out to be refused, nor to wait for a restart.
    limited.stop()
    limited.start()
    assert git(session, upstream)[0] == 403
    assert left(limited, session, "requests_per_session", "used") == 3
    # Another policy binds the session that is there.
    enforce(limited, requests_per_session=4)
    assert git(session, upstream)[0] == 200
    assert git(session, upstream)[0] == 403
    assert len(upstream.requests) == 4
    events = limited.call("audit.show", event="exchange.refused")["events"]
    assert {(e["tier"], e["rule"]) for e in events} == {
        ("team", "limits.requests_per_session")}


def test_refusals_do_not_use_up_requests(limited, upstream):
    enforce(limited, requests_per_session=1)
    session = issue(limited, grant="forge:repository=acme/api")
    other = REFS.replace("acme/api", "acme/web").format(upstream.authority)
    assert ask(session, other)[0] == 403
    assert git(session, upstream)[0] == 200
    assert git(session, upstream)[0] == 403


def test_requests_a_minute(limited, upstream):
    # So few that no machine is so slow that another one is due meanwhile.
    enforce(limited, requests_per_minute=2)
    session = issue(limited)
    for _ in range(2):
        assert git(session, upstream)[0] == 200
    status, headers, body = git(session, upstream)
    assert status == 429 and 1 <= int(headers["retry-after"]) <= 30
    assert b"requests_per_minute, tier team" in body
    # The lesser of a policy and the configuration.
    enforce(limited, requests_per_minute=1000000)
    assert git(session, upstream)[0] == 200


def test_requests_at_once(limited, upstream):
    enforce(limited, concurrent_requests=2)
    session = issue(limited)
    go = threading.Event()

    def wait(head, connection):
        assert go.wait(60)
        connection.sendall(attack.reply())
        return True

    upstream.answer = wait
    status = []
    threads = [threading.Thread(
        target=lambda: status.append(git(session, upstream)[0]))
        for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(upstream.requests) == 2, "two are under way")
    refusal = git(session, upstream)
    go.set()
    for thread in threads:
        thread.join()
    assert status == [200, 200]
    assert refusal[0] == 429 and refusal[1]["retry-after"] == "1"
    assert b"concurrent_requests, tier team" in refusal[2]
    wait_until(lambda: left(limited, session, "concurrent_requests",
                            "used") == 0, "they are over")
    assert git(session, upstream)[0] == 200


def big(size):
    return (b"HTTP/1.1 200 OK\r\nContent-Type: "
            b"application/x-git-upload-pack-advertisement\r\n"
            b"Content-Length: %d\r\n\r\n" % size + b"x" * size)


def test_bytes_of_a_session(limited, upstream):
    enforce(limited, bytes_per_session="64KiB")
    session = issue(limited)
    upstream.answer = big(40000)
    assert git(session, upstream)[2].count(b"x") == 40000
    wait_until(lambda: left(limited, session, "bytes_per_session") ==
               65536 - 40000, "it is counted")
    # Cut off where the bound is, and not at the end of the request.
    assert git(session, upstream)[2].count(b"x") <= 65536 - 40000
    wait_until(lambda: left(limited, session, "bytes_per_session") == 0,
               "it is counted")
    status, headers, body = git(session, upstream)
    assert status == 403 and "retry-after" not in headers
    assert b"bytes_per_session, tier team" in body


def test_requests_at_once_draw_on_the_same_bytes(limited, upstream):
    enforce(limited, bytes_per_session="64KiB")
    session = issue(limited)
    go = threading.Event()

    def wait(head, connection):
        assert go.wait(60)
        connection.sendall(big(40000))
        return True

    upstream.answer = wait
    got = []
    threads = [threading.Thread(
        target=lambda: got.append(git(session, upstream)[2].count(b"x")))
        for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(upstream.requests) == 3, "three are under way")
    go.set()
    for thread in threads:
        thread.join()
    assert sum(got) <= 65536
    wait_until(lambda: left(limited, session, "bytes_per_session") == 0,
               "they are counted")
    # More is allowed at once when a policy says so.
    enforce(limited, bytes_per_session="128KiB")
    assert git(session, upstream)[2].count(b"x") == 40000


def test_a_body_that_is_too_long_is_refused_before_it_is_sent(limited,
                                                              upstream):
    enforce(limited, bytes_per_session="64KiB")
    session = issue(limited)
    endpoint = attack.Endpoint(limited, ["forge:repository=**"])
    path = f"/git/{upstream.authority}/acme/api.git/git-upload-pack"
    kind = "Content-Type: application/x-git-upload-pack-request"
    status, answer = endpoint.ask("POST", path, kind, body=b"x" * 65537)
    assert b"a body of 65537 bytes, and 65536 are left" in answer
    assert upstream.requests == []
    endpoint.ask("POST", path, kind, body=b"x" * 65000)
    assert len(upstream.requests) == 1
    assert left(limited, session, "bytes_per_session") == 65536


def test_keys_last_no_longer_than_the_policy_allows(leased):
    enforce(leased, credential_lifetime="20m")
    session = issue(leased, grant=GRANT)
    order = leased.call("session.show", session=session["id"])["session"][
        "leases"][0]["order"]
    assert order["duration"] == 1200
    assert keys(session)
    # What was handed out for longer is handed out no more.
    before = keys(session)
    enforce(leased, credential_lifetime="16m")
    after = keys(session)
    assert before["AccessKeyId"] != after["AccessKeyId"]
    assert before["Expiration"] > after["Expiration"]
    # No service gives them for so little.
    enforce(leased, credential_lifetime="10m")
    assert "credential_lifetime, tier team" in refused_issue(
        leased, grant=GRANT)


def test_mints_of_a_session(leased):
    enforce(leased, mints_per_session=1)
    session = issue(leased, grant=GRANT, mint="later")
    assert left(leased, session, "mints_per_session") == 1
    assert keys(session)
    # Those that are there are handed out on.
    assert keys(session)
    assert left(leased, session, "mints_per_session") == 0
    # A restart keeps no keys: new ones would be minted.
    leased.stop()
    leased.start()
    status, _, body = ask(session, "/v1/aws/aws")
    assert status == 403
    assert b"mints_per_session, tier team" in body
    assert leased.call("session.show", session=session["id"])["session"][
        "state"] == "live"
    denied = leased.call("audit.show", event="lease.mint",
                         decision="deny")["events"]
    assert denied and {(e["tier"], e["rule"]) for e in denied} == {
        ("team", "limits.mints_per_session")}
    enforce(leased, mints_per_session=0)
    for when in ("now", "later"):
        assert "mints_per_session" in refused_issue(leased, grant=GRANT,
                                                    mint=when)


def test_a_crash_forgets_no_mint(leased):
    enforce(leased, mints_per_session=1)
    session = issue(leased, grant=GRANT)
    assert left(leased, session, "mints_per_session") == 0
    leased.kill()
    leased.start()
    assert left(leased, session, "mints_per_session") == 0
    assert ask(session, "/v1/aws/aws")[0] == 403


def test_what_was_certainly_not_minted_does_not_count(leased, sts):
    enforce(leased, mints_per_session=1)
    session = issue(leased, grant=GRANT, mint="later")
    sts.fault = "denied"
    assert ask(session, "/v1/aws/aws")[0] != 200
    sts.fault = None
    assert left(leased, session, "mints_per_session") == 1


def test_the_least_of_all_tiers_holds(limited, upstream):
    write(limited, requests_per_session=5)
    enforce(limited, "local", requests_per_session=2)
    session = issue(limited)
    for _ in range(2):
        assert git(session, upstream)[0] == 200
    status, _, body = git(session, upstream)
    assert status == 403
    assert b"requests_per_session, tier local" in body


def test_what_is_left_is_shown(limited, upstream):
    session = issue(limited)
    assert "limits" not in session
    enforce(limited, requests_per_session=10, session_lifetime="1h",
            bytes_per_session="1MiB")
    git(session, upstream)
    text = limited.run("session", "show", session["id"]).stdout
    assert "requests_per_session  9 left of 10 (tier team)" in text
    assert "session_lifetime  at most 1h (tier team)" in text
    assert "bytes_per_session  " in text and "left of 1.0 MiB" in text
