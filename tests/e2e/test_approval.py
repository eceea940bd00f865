"""Approvals with the real processes: one exact thing, once, by the right
person, and never anything else.  All of it is in the audit log."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import socket
import sys
import time

import pytest

from conftest import add_git_credential, wait_until
from team_policy import enforce, write_policy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))

FETCH = "forge:repository=acme/*,git=fetch"
PUSH = "forge:repository=acme/*,git=fetch+push"
TYPE = "application/x-git-upload-pack-request"
ASK = {"id": "look", "effect": "ask", "reason": "somebody looks at it"}
# A want of nothing: short, and answered by the server in some way.
BODY = b"00000009done\n"


@pytest.fixture
def asking(broker, git_server):
    """A broker whose every request has to be approved, within seconds."""
    def configure(**more):
        broker.configure({"policy_folder": str(broker.folder / "policy"),
                          "approval_wait": "20s", **more})
        broker.stop()
        broker.start()
    broker.reconfigure = configure
    write_policy(broker, ASK)
    configure()
    add_git_credential(broker, git_server)
    broker.server = git_server
    return broker


def issue(broker, grant=FETCH, **params):
    return broker.call("session.issue", task="fix-1", grants=[grant],
                       **params)["session"]


class Asked:
    """A request of a session's sandbox, sent and waited for in a thread."""

    def __init__(self, session, path, *, body=BODY, kind=TYPE, method="POST"):
        folder = pathlib.Path(session["folder"])
        self.head = "\r\n".join(
            [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1:9169",
             f"Authorization: {(folder / 'token').read_text()}",
             f"Content-Length: {len(body)}",
             *([f"Content-Type: {kind}"] if kind else []),
             "Connection: close", "", ""]).encode()
        self.headers = {}
        self.body, self.address = body, str(folder / "endpoint.sock")
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.answer = self.pool.submit(self.send)
        self.pool.shutdown(wait=False)

    def send(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(90)
            client.connect(self.address)
            client.sendall(self.head + self.body)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while part := client.recv(65536):
                    answer += part
        if not answer:
            return 0, ""    # nobody is there any more
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.headers = {name.lower(): value.strip() for name, _, value in
                        (line.partition(":") for line in lines[1:])}
        return int(lines[0].split()[1]), body.decode(errors="replace")

    def result(self):
        return self.answer.result(timeout=100)

    @property
    def code(self):
        self.result()
        return self.headers.get("credbroker-error")


def upload_pack(broker, repository="acme/api"):
    return f"/git/{broker.server.authority}/{repository}.git/git-upload-pack"


def waiting(broker, count=1):
    def those():
        found = [a for a in broker.call("approval.list")["approvals"]
                 if a["state"] == "waiting"]
        return found if len(found) == count else None
    return wait_until(those, f"{count} approvals")


def events(broker, name):
    return broker.call("audit.show", event=name)["events"]


def upstream(broker):
    return broker.server.requests()


def went_up(broker, count):
    """The server writes its log after its answer."""
    wait_until(lambda: upstream(broker) >= count, f"{count} requests")
    assert upstream(broker) == count


def refusals(broker):
    """Requests that were refused for want of an approval, as recorded."""
    return [e["outcome"] for e in events(broker, "exchange.refused")]


def denied(broker, method, **params):
    """A call that is refused: its code and message."""
    with pytest.raises(AssertionError) as error:
        broker.call(method, **params)
    return str(error.value)


def test_what_was_approved_goes_through_once(asking):
    session = issue(asking)
    before = upstream(asking)
    first = Asked(session, upload_pack(asking))
    [approval] = waiting(asking)
    assert upstream(asking) == before
    assert approval["kind"] == "request"
    assert approval["task"] == "fix-1"
    assert approval["session"] == session["id"]
    assert approval["credential"] == "forge"
    assert approval["rule"] == "look" and approval["tier"] == "team"
    assert approval["reason"] == "somebody looks at it"
    assert approval["held"] == 1
    details = approval["details"]
    assert details["method"] == "POST"
    assert details["origin"] == f"https://{asking.server.authority}"
    assert details["path"] == "/acme/api.git/git-upload-pack"
    assert details["content_type"] == TYPE
    assert details["body_length"] == len(BODY)
    answer = asking.call("approval.approve", approval=approval["id"])
    assert answer["approval"]["state"] == "approved"
    assert first.code is None
    went_up(asking, before + 1)
    # The same again is asked about again.
    second = Asked(session, upload_pack(asking))
    [other] = waiting(asking)
    assert other["id"] != approval["id"]
    assert "not_found" in denied(asking, "approval.approve",
                                 approval=approval["id"])
    asking.call("approval.deny", approval=other["id"], reason="enough")
    assert second.code == "approval_denied"
    assert "enough" in second.result()[1]
    went_up(asking, before + 1)
    wait_until(lambda: events(asking, "exchange.refused"), "a line")
    [line] = events(asking, "exchange.refused")
    assert (line["tier"], line["rule"]) == ("team", "look")
    assert [e["decision"] for e in events(asking, "approval.deny")] == ["deny"]
    names = [e["event"] for e in asking.call("audit.show", most=1000)["events"]
             if e["event"].startswith(("approval.", "exchange.begin"))]
    ask, approve, use = (names.index(f"approval.{name}")
                         for name in ("ask", "approve", "use"))
    assert ask < approve < use
    assert names.count("approval.use") == 1
    assert names.count("approval.deny") == 1


@pytest.mark.parametrize("change", ["path", "body", "type", "session"])
def test_it_is_good_for_nothing_else(asking, change):
    asking.reconfigure(approval_wait="0s")
    session, other = issue(asking), issue(asking)
    before = upstream(asking)
    first = Asked(session, upload_pack(asking))
    assert first.code == "approval_pending"
    [approval] = waiting(asking)
    assert approval["id"] in first.result()[1]
    asking.call("approval.approve", approval=approval["id"])
    path, more, who = upload_pack(asking), {}, session
    if change == "path":
        path = upload_pack(asking, "acme/web")
    elif change == "body":
        more["body"] = BODY[:-1] + b" "
    elif change == "type":
        more["kind"] = "application/x-something"
    else:
        who = other
    second = Asked(who, path, **more)
    assert second.code == "approval_pending"
    assert upstream(asking) == before
    # Both are in the audit log, and so is that it was asked about anew.
    wait_until(lambda: refusals(asking) == 2 * ["approval_pending"], "a line")
    wait_until(lambda: len(events(asking, "approval.ask")) == 2, "a line")
    assert events(asking, "approval.use") == []
    # And the one that was approved still is.
    third = Asked(session, upload_pack(asking))
    assert third.code is None
    went_up(asking, before + 1)
    [used] = events(asking, "approval.use")
    assert approval["id"] in used["detail"]


def test_one_approval_lets_one_of_two_through(asking):
    session = issue(asking)
    before = upstream(asking)
    both = [Asked(session, upload_pack(asking)) for _ in range(2)]
    wait_until(lambda: waiting(asking)[0]["held"] == 2, "both are held")
    [approval] = waiting(asking)
    asking.call("approval.approve", approval=approval["id"])
    [again] = waiting(asking)
    assert again["id"] != approval["id"]
    assert upstream(asking) <= before + 1
    asking.call("approval.deny", approval=again["id"], reason="one is enough")
    assert sorted(one.code or "" for one in both) == ["", "approval_denied"]
    went_up(asking, before + 1)
    assert len(events(asking, "approval.use")) == 1


def test_it_is_good_for_minutes(asking):
    asking.reconfigure(approval_wait="0s", approval_ttl="10s")
    session = issue(asking)
    before = upstream(asking)
    assert Asked(session, upload_pack(asking)).code == "approval_pending"
    [approval] = waiting(asking)
    asking.call("approval.approve", approval=approval["id"])
    wait_until(lambda: events(asking, "approval.expire"), "its end")
    assert Asked(session, upload_pack(asking)).code == "approval_pending"
    assert upstream(asking) == before
    wait_until(lambda: refusals(asking) == 2 * ["approval_pending"], "a line")
    [expired] = events(asking, "approval.expire")
    assert expired["outcome"] == "not used"


def test_a_restart_forgets_it(asking):
    asking.reconfigure(approval_wait="0s")
    session = issue(asking)
    before = upstream(asking)
    assert Asked(session, upload_pack(asking)).code == "approval_pending"
    [approval] = waiting(asking)
    asking.call("approval.approve", approval=approval["id"])
    asking.stop()
    asking.start()
    assert asking.call("approval.list")["approvals"] == []
    assert Asked(session, upload_pack(asking)).code == "approval_pending"
    assert upstream(asking) == before
    wait_until(lambda: refusals(asking) == 2 * ["approval_pending"], "a line")
    wait_until(lambda: len(events(asking, "approval.ask")) == 2, "a line")
    assert events(asking, "approval.use") == []


def test_a_core_that_crashes_forgets_it(asking):
    session = issue(asking)
    before = upstream(asking)
    held = Asked(session, upload_pack(asking))
    waiting(asking)
    os.kill(asking.pids()["core"], 9)
    held.result()
    wait_until(lambda: asking.state_is("unlocked"), "the core")
    assert asking.call("approval.list")["approvals"] == []
    assert upstream(asking) == before


def test_whoever_is_not_in_the_group_does_not_approve(asking):
    enforce(asking, {**ASK, "approvers": "nobody-is-in-this"})
    session = issue(asking)
    before = upstream(asking)
    held = Asked(session, upload_pack(asking))
    [approval] = waiting(asking)
    assert approval["approvers"] == ["nobody-is-in-this"]
    for method in ("approval.approve", "approval.deny"):
        assert "nobody-is-in-this" in denied(asking, method,
                                             approval=approval["id"])
    refused = events(asking, "approval.refused")
    assert len(refused) == 2
    assert refused[0]["decision"] == "deny"
    assert refused[0]["rule"] == "look"
    asking.call("revoke", session=session["id"])
    assert held.code == "session_revoked"
    assert upstream(asking) == before


def test_whoever_issued_it_is_not_the_second_pair_of_eyes(asking):
    enforce(asking, {**ASK, "four_eyes": True})
    session = issue(asking)
    before = upstream(asking)
    held = Asked(session, upload_pack(asking))
    [approval] = waiting(asking)
    assert approval["four_eyes"] is True
    assert "not for the user" in denied(asking, "approval.approve",
                                        approval=approval["id"])
    assert len(events(asking, "approval.refused")) == 1
    asking.call("approval.deny", approval=approval["id"])
    assert held.code == "approval_denied"
    assert upstream(asking) == before


def test_a_policy_that_denies_meanwhile_is_final(asking):
    session = issue(asking)
    before = upstream(asking)
    held = Asked(session, upload_pack(asking))
    [approval] = waiting(asking)
    enforce(asking, ASK, {"id": "never", "effect": "deny"})
    assert held.code == "policy_denied"
    assert "never" in held.result()[1]
    # Too late, and of no use.
    asking.call("approval.approve", approval=approval["id"])
    assert Asked(session, upload_pack(asking)).code == "policy_denied"
    assert upstream(asking) == before


def test_a_policy_that_allows_meanwhile_lets_it_through(asking):
    session = issue(asking)
    before = upstream(asking)
    held = Asked(session, upload_pack(asking))
    waiting(asking)
    enforce(asking, {"id": "all", "effect": "allow"})
    assert held.code is None
    went_up(asking, before + 1)


def test_a_session_can_be_made_to_ask_for_everything(asking):
    enforce(asking, {"id": "all", "effect": "allow"})
    session = issue(asking, ask_always=True)
    before = upstream(asking)
    held = Asked(session, upload_pack(asking))
    [approval] = waiting(asking)
    assert approval["tier"] == "session"
    assert approval["rule"] == "ask-always"
    asking.call("approval.approve", approval=approval["id"])
    assert held.code is None
    went_up(asking, before + 1)
    # What is denied is not asked for.
    enforce(asking, {"id": "never", "effect": "deny"})
    assert Asked(session, upload_pack(asking)).code == "policy_denied"
    assert asking.call("approval.list")["approvals"] == []


def test_a_revoke_ends_what_is_held(asking):
    session = issue(asking)
    before = upstream(asking)
    held = Asked(session, upload_pack(asking))
    [approval] = waiting(asking)
    asking.call("revoke", session=session["id"])
    assert held.code == "session_revoked"
    assert "not_found" in denied(asking, "approval.approve",
                                 approval=approval["id"])
    assert upstream(asking) == before


def test_a_client_that_went_away_finds_it_approved(asking):
    session = issue(asking)
    path = upload_pack(asking)
    before = upstream(asking)
    folder = pathlib.Path(session["folder"])
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "endpoint.sock"))
        client.sendall((
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:9169\r\n"
            f"Authorization: {(folder / 'token').read_text()}\r\n"
            f"Content-Type: {TYPE}\r\nContent-Length: {len(BODY)}\r\n"
            "\r\n").encode() + BODY)
        waiting(asking)
    wait_until(lambda: waiting(asking)[0]["held"] == 0, "nobody is held")
    [approval] = waiting(asking)
    asking.call("approval.approve", approval=approval["id"])
    assert upstream(asking) == before
    assert Asked(session, path).code is None
    went_up(asking, before + 1)


def test_a_session_cannot_flood_the_people(asking):
    asking.reconfigure(approval_wait="0s")
    session, other = issue(asking), issue(asking)
    codes = [Asked(session, upload_pack(asking), body=b"%04d" % i * 3).code
             for i in range(12)]
    assert codes == ["approval_pending"] * 8 + ["limit"] * 4
    assert len(waiting(asking, 8)) == 8
    assert Asked(other, upload_pack(asking)).code == "approval_pending"


def test_a_body_that_cannot_be_held_cannot_be_asked_for(asking):
    session = issue(asking)
    before = upstream(asking)
    large = Asked(session, upload_pack(asking), body=b"x" * ((1 << 20) + 1))
    assert large.code == "approval_too_large"
    assert asking.call("approval.list")["approvals"] == []
    assert upstream(asking) == before


GRANT = "aws:actions=s3:GetObject,resources=arn:aws:s3:::alpha/*"


@pytest.fixture
def minting(asking):
    import test_lease
    with test_lease.fake.Sts({test_lease.KEY: test_lease.SECRET}) as sts:
        test_lease.add_credential(asking, sts)
        asking.sts = sts
        yield asking
        assert sts.problems == []


def fetch(session):
    return Asked(session, "/v1/aws/aws", body=b"", kind=None, method="GET")


def test_keys_are_minted_once_for_each_approval(minting):
    done = minting.run("issue", "--task", "fix-1", "--grant", GRANT)
    assert "rule look of the team's policy" in done.stderr + done.stdout
    [session] = minting.call("session.list")["sessions"]
    assert minting.sts.requests == []
    held = fetch(session)
    [approval] = waiting(minting)
    assert approval["kind"] == "mint"
    assert "s3:GetObject" in approval["summary"]
    order = approval["details"]["order"]
    assert order["duration"] > 0
    [statement] = json.loads(order["policy"])["Statement"]
    assert "s3:GetObject" in statement["Action"]
    # All of it is shown to people, the session policy, too.
    shown = minting.run("approvals", approval["id"]).stdout
    for key in ("policy", "role_arn", "session_name"):
        assert json.dumps(order[key]) in shown, shown
    assert minting.sts.requests == []
    minting.call("approval.approve", approval=approval["id"])
    assert held.code is None and "ASIA" in held.result()[1]
    assert len(minting.sts.requests) == 1
    # While they live nobody is asked, and nothing is minted.
    assert fetch(session).result() == held.result()
    assert len(minting.sts.requests) == 1
    assert len(events(minting, "approval.ask")) == 1
    [begin] = events(minting, "lease.mint.begin")
    [use] = events(minting, "approval.use")
    assert approval["id"] in begin["detail"] and approval["id"] in use["detail"]


def test_keys_that_were_denied_are_not_minted(minting):
    session = issue(minting, GRANT)
    held = fetch(session)
    [approval] = waiting(minting)
    minting.call("approval.deny", approval=approval["id"], reason="not today")
    assert held.code == "approval_denied"
    assert "not today" in held.result()[1]
    again = fetch(session)
    assert again.code == "approval_denied"
    assert minting.sts.requests == []
    assert len(events(minting, "approval.ask")) == 1


def test_whoever_does_not_wait_for_keys_comes_again(minting):
    minting.reconfigure(approval_wait="0s")
    session = issue(minting, GRANT)
    assert fetch(session).code == "approval_pending"
    [approval] = waiting(minting)
    minting.call("approval.approve", approval=approval["id"])
    assert fetch(session).code is None
    assert len(minting.sts.requests) == 1


def test_a_list_that_waits_says_what_is_new(asking):
    session = issue(asking)
    version = asking.call("approval.list")["version"]
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        changed = pool.submit(asking.call, "approval.list", after=version,
                              wait=30)
        held = Asked(session, upload_pack(asking))
        answer = changed.result(timeout=60)
    assert time.monotonic() - began < 28
    assert answer["version"] != version
    [approval] = answer["approvals"]
    asking.call("approval.deny", approval=approval["id"], reason="no")
    assert held.code == "approval_denied"
