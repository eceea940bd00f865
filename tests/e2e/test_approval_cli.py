"""What people see of approvals, and what they answer: the commands approvals,
approve and deny, against a stand-in that says what the broker would, and
against the broker."""

import json
import pathlib
import subprocess
import sys
import threading

import pexpect
import pytest

from conftest import CREDBROKER, wait_until
from test_client_answers import StandIn, reply
from test_lease import ask

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "redteam"))
attack = pytest.importorskip("attack")

SOON = "2999-01-01T00:00:00Z"
SHA = "ab" * 32


def approval(**over):
    return {"id": "7Kq2Ab", "state": "waiting", "kind": "request",
            "session": "7Kq2WxYz", "task": "fix-123", "user": "alice",
            "credential": "github", "summary": "DELETE api.example/repos/x",
            "details": {"method": "DELETE", "origin": "https://api.example",
                        "path": "/repos/x", "query": "a=1",
                        "content_type": "application/json",
                        "body_length": 312, "body_sha256": SHA},
            "tier": "team", "policy": "acme", "rule": "ask-delete",
            "reason": "somebody looks at it", "approvers": ["leads"],
            "four_eyes": True, "asked": "2026-11-21T20:00:00Z",
            "expires": SOON, "held": 1, **over}


PUSH = approval(
    id="Push01", kind="push", summary="push 2 refs to acme/api",
    details={"origin": "https://github.com", "repository": "acme/api",
             "refs": [{"ref": "refs/heads/main", "change": "update",
                       "old": "1" * 40, "new": "2" * 40},
                      {"ref": "refs/heads/old", "change": "delete",
                       "old": "3" * 40, "new": "0" * 40}],
             "more": 3, "commands_sha256": SHA})
MINT = approval(
    id="Mint01", kind="mint", summary="mint aws-dev for 1h",
    details={"order": {"call": "AssumeRole", "duration": 3600,
                       "policy": {"Version": "2012-10-17"}}})


class Broker(StandIn):
    """Answers the four methods out of `states`, one after the other."""

    def __init__(self, path, states):
        self.states = list(states)
        self.version = 0
        self.refused = None
        super().__init__(path, self.say)

    def say(self, request):
        method, params = request["method"], request.get("params", {})
        if self.refused is not None:
            return json.dumps({
                "jsonrpc": "2.0", "id": request["id"], "error": {
                    "code": -32000, "message": "needs the group leads",
                    "data": {"code": self.refused}}})
        if method == "approval.list":
            self.version += 1
            if not self.states:
                return None
            listed = self.states[0] if "wait" not in params else (
                self.states.pop(0))
            return reply(request, {"version": self.version,
                                   "approvals": listed})
        return reply(request, {"approval": approval()})


@pytest.fixture
def made(bare):
    made = []

    def make(*states):
        bare.runtime.mkdir(mode=0o700)
        made.append(Broker(bare.runtime / "admin.sock", states))
        return made[0]
    yield make
    for one in made:
        one.close()


def run(bare, *args, code=0):
    done = subprocess.run(
        bare.command(*args), env=bare.environment(), capture_output=True,
        text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert "Sanitizer" not in done.stderr, done.stderr
    assert done.returncode == code, done.stderr
    return done


def on_terminal(bare, *args):
    command = bare.command(*args)
    child = pexpect.spawn(
        str(command[0]), [str(c) for c in command[1:]], timeout=30,
        env=dict(bare.environment(), TERM="dumb"), encoding="utf-8",
        dimensions=(40, 300))
    child.expect(pexpect.EOF)
    child.close()
    assert "Sanitizer" not in child.before, child.before
    assert child.exitstatus == 0, child.before
    return child.before.replace("\r\n", "\n")


def test_a_pipe_gets_a_line_for_each(bare, made):
    made([approval(), PUSH])
    lines = run(bare, "approvals").stdout.splitlines()
    assert lines[0].split("\t") == [
        "7Kq2Ab", "waiting", "fix-123", "7Kq2WxYz", "alice", "github",
        "DELETE api.example/repos/x", "team", "ask-delete", SOON]
    assert len(lines) == 2


def test_a_terminal_shows_all_that_is_bound(bare, made):
    made([approval(), PUSH, MINT])
    seen = on_terminal(bare, "approvals")
    for text in ("DELETE https://api.example/repos/x?a=1",
                 "application/json", f"312 bytes, SHA-256 {SHA}",
                 "alice", "fix-123", "7Kq2WxYz", "github",
                 "ask-delete of acme (team): somebody looks at it",
                 "in leads, and not the user who issued the session",
                 "acme/api at https://github.com",
                 f"refs/heads/main  update  {'1' * 40} -> {'2' * 40}",
                 f"refs/heads/old  delete  {'3' * 40}",
                 "and 3 more", '"duration": 3600', '"Version": "2012-10-17"'):
        assert text in seen, text


def test_nothing_is_cut_and_nothing_moves_the_cursor(bare, made):
    """Whoever approves would otherwise approve what he has not seen."""
    path = "/a\x1b[2K\r" + "b" * 9000 + "\u202etxt.live"
    made([approval(details={"method": "PUT", "origin": "https://x",
                            "path": path})])
    seen = on_terminal(bare, "approvals")
    assert "b" * 9000 + "\\xe2\\x80\\xaetxt.live" in seen
    assert "\x1b" not in seen and "/a\\x1b[2K\\x0dbbb" in seen
    assert "\x1b" not in run(bare, "approvals").stdout


def test_nothing_to_approve(bare, made):
    made([])
    assert run(bare, "approvals").stdout == ""
    assert "Nothing waits" in on_terminal(bare, "approvals")


def test_json_is_the_broker_s(bare, made):
    made([approval()])
    assert json.loads(run(bare, "approvals", "--json").stdout) == {
        "version": 1, "approvals": [approval()]}
    one = json.loads(run(bare, "approvals", "7Kq2Ab", "--json").stdout)
    assert one == {"approval": approval()}


def test_one_by_its_id(bare, made):
    fake = made([])
    assert "ask-delete" in run(bare, "approvals", "7Kq2Ab").stdout
    assert fake.requests[0][1]["params"] == {"approval": "7Kq2Ab"}
    run(bare, "approvals", "7Kq2Ab", "--follow", code=2)


def test_only_a_session_s(bare, made):
    fake = made([])
    run(bare, "approvals", "--session", "7Kq2")
    assert fake.requests[0][1]["params"] == {"session": "7Kq2"}


def test_follow_shows_what_comes_and_what_becomes_of_it(bare, made):
    fake = made([approval()], [approval(), PUSH],
                [approval(state="approved"), PUSH], [PUSH])
    # The broker goes, which ends it.
    done = run(bare, "approvals", "--follow", code=3)
    lines = [line.split("\t")[:2] for line in done.stdout.splitlines()]
    assert lines == [["7Kq2Ab", "waiting"], ["Push01", "waiting"],
                     ["7Kq2Ab", "approved"], ["7Kq2Ab", "gone"]]
    asked = [r["params"] for _, r in fake.requests]
    assert asked[0] == {}
    assert [p["after"] for p in asked[1:]] == list(range(1, len(asked)))
    assert all(0 < p["wait"] <= 30 for p in asked[1:])


def test_follow_in_json_is_an_object_a_line(bare, made):
    made([approval()], [])
    done = run(bare, "approvals", "-f", "--json", code=3)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines == [approval(), approval(state="gone")]


def test_follow_says_each_at_once(bare, made):
    fake = made(*[[approval()]] * 1000000)
    with subprocess.Popen(
            bare.command("approvals", "--follow"), env=bare.environment(),
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as child:
        assert child.stdout.readline().startswith(b"7Kq2Ab\t")
        wait_until(lambda: len(fake.requests) > 5, "it asks again")
        # Nobody reads any more.
        fake.states = [[PUSH], [approval()]] * 5
        child.stdout.close()
        assert child.wait(timeout=30) != 0


def test_approve_and_deny(bare, made):
    fake = made([])
    done = run(bare, "approve", "7Kq2Ab")
    assert done.stdout == (
        "Approved once, exactly this: DELETE api.example/repos/x.\n")
    done = run(bare, "deny", "7Kq2Ab", "--reason", "not today")
    assert done.stdout == "Denied: DELETE api.example/repos/x.\n"
    assert [(r["method"], r["params"]) for _, r in fake.requests] == [
        ("approval.approve", {"approval": "7Kq2Ab"}),
        ("approval.deny", {"approval": "7Kq2Ab", "reason": "not today"})]
    assert json.loads(run(bare, "approve", "7Kq2Ab", "--json").stdout) == {
        "approval": approval()}


def test_a_deny_says_why(bare, made):
    made([])
    assert "--reason" in run(bare, "deny", "7Kq2Ab", code=2).stderr


@pytest.mark.parametrize("code, level", [("denied", 1), ("not_found", 5),
                                         ("broker_locked", 3)])
def test_refusals_are_told(bare, made, code, level):
    made([]).refused = code
    for args in (["approve", "x"], ["deny", "x", "--reason", "y"],
                 ["approvals"], ["approvals", "x"], ["approvals", "-f"]):
        assert "needs the group leads" in run(
            bare, *args, code=level).stderr


def test_ids_are_completed(bare, made):
    made([approval(), PUSH])
    done = subprocess.run(
        [CREDBROKER, "completions", "words"], input="approve\0\0",
        env=dict(bare.environment(), CREDBROKER_ADMIN_SOCKET=str(
            bare.runtime / "admin.sock")),
        capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines() == [
        "7Kq2Ab\tDELETE api.example/repos/x",
        "Push01\tpush 2 refs to acme/api"]


# --- With the real broker ---------------------------------------------------

@pytest.fixture
def asking(broker):
    """A broker whose team wants to see each request, and an upstream."""
    folder = broker.folder / "policy"
    folder.mkdir(mode=0o700)
    (folder / "team.json").write_text(json.dumps({
        "tier": "team", "name": "acme", "rules": [
            {"id": "all", "effect": "allow"},
            {"id": "look", "effect": "ask", "reason": "somebody looks at it",
             "credentials": ["forge"]}]}))
    (folder / "team.json").chmod(0o600)
    broker.configure({"policy_folder": str(folder), "approval_wait": 30})
    broker.stop()
    broker.start()
    broker.upstream = attack.Recorder()
    attack.add_credential(broker, "forge", broker.upstream, "canary")
    yield broker
    broker.upstream.listener.close()


class Held(threading.Thread):
    """A request that waits for somebody, and its answer."""

    def __init__(self, broker, *options):
        super().__init__()
        self.session = broker.json(
            "issue", "--task", "fix-1", "-g", "forge:repository=acme/api",
            *options)["session"]
        self.path = (f"/git/{broker.upstream.authority}/acme/api.git/info/refs"
                     "?service=git-upload-pack")
        self.start()

    def run(self):
        self.status, self.headers, self.body = ask(self.session, self.path)


def waiting(broker):
    def one():
        found = broker.json("approvals")["approvals"]
        return [a for a in found if a["state"] == "waiting"]
    return wait_until(one, "it is asked for")[0]


def test_a_request_is_seen_approved_and_gone(asking):
    with subprocess.Popen(
            asking.command("approvals", "--follow"), text=True,
            env=asking.environment(), stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL) as follow:
        held = Held(asking)
        first = follow.stdout.readline().rstrip("\n").split("\t")
        assert first[1:4] == ["waiting", "fix-1", held.session["id"]]
        assert first[5] == "forge" and first[7:9] == ["team", "look"]
        seen = on_terminal(asking, "approvals")
        assert f"request      GET http://{asking.upstream.authority}" in seen
        assert "/acme/api.git/info/refs" in seen
        assert "look of acme (team): somebody looks at it" in seen
        assert "canary" not in seen
        done = run(asking, "approve", first[0])
        assert done.stdout.startswith("Approved once, exactly this: ")
        held.join()
        assert held.status == 200
        states = [first[1]]
        while states[-1] != "gone":
            states.append(follow.stdout.readline().split("\t")[1])
        follow.terminate()
    assert states in (["waiting", "gone"], ["waiting", "approved", "gone"])
    assert len(asking.upstream.requests) == 1
    assert run(asking, "approvals").stdout == ""
    # Used up.
    run(asking, "approve", first[0], code=5)


def test_a_request_is_denied_and_told_why(asking):
    held = Held(asking)
    run(asking, "deny", waiting(asking)["id"], "--reason", "not today")
    held.join()
    assert held.status == 403 and b"not today" in held.body
    assert asking.upstream.requests == []


def test_a_session_that_asks_for_everything(asking):
    (asking.folder / "policy" / "team.json").unlink()
    asking.call("policy.reload")
    held = Held(asking, "--ask-always")
    one = waiting(asking)
    assert (one["tier"], one["rule"]) == ("session", "ask-always")
    assert one["session"] == held.session["id"]
    run(asking, "approve", one["id"])
    held.join()
    assert held.status == 200
    other = Held(asking)
    other.join()
    assert other.status == 200
