"""Users of the host with roles at root's broker: each may do what its role
says, to what is its own, and is told which role it lacks."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import attack
from attack import Recorder, add_credential

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="only root has other users to play")

ISSUER, OTHER_ISSUER, APPROVER, AUDITOR, NOBODY, ADMIN = range(54330, 54336)
DEV, OPS = 54340, 54341
FETCH = "git=fetch,repository=acme/api"
ROLES = {
    "admin": [f"gid:{OPS}"],
    "issuer": [
        {"who": [f"uid:{ISSUER}"], "profiles": ["web"],
         "credentials": ["forge"]},
        {"who": [f"gid:{DEV}"], "profiles": ["web", "infra"]}],
    "approver": [f"uid:{APPROVER}"],
    "auditor": [f"uid:{AUDITOR}"],
}

# Reads {method, params} lines, answers each with a line.
CLIENT = """
import json, os, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
own = [os.open("/proc/self/ns/" + kind, 0) for kind in ("user", "pid")]
try:
    socket.send_fds(client, [b" "], own)
except OSError:
    pass
answers = client.makefile("rb")
for line in sys.stdin:
    try:
        client.sendall(line.encode())
    except OSError:
        pass
    answer = answers.readline()
    print(answer.decode().strip() or "null", flush=True)
"""


class User:
    """A user of the host, at the admin socket."""

    def __init__(self, broker, uid, gids=()):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-c", CLIENT,
             str(broker.runtime / "admin.sock")],
            user=uid, group=uid, extra_groups=list(gids), cwd="/",
            env={"PATH": attack.e2e.PATH}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.uid, self.pid = uid, self.process.pid

    def ask(self, method, **params):
        self.process.stdin.write(json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
            + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def call(self, method, **params):
        answer = self.ask(method, **params)
        assert "error" not in answer, (self.uid, method, answer)
        return answer["result"]

    def refused(self, method, code="denied", **params):
        """The message of the refusal."""
        answer = self.ask(method, **params)
        assert "error" in answer, (self.uid, method, answer)
        data = answer["error"]["data"]
        assert data["code"] == code, (method, answer)
        assert data["exit"] == (1 if code == "denied" else data["exit"])
        return answer["error"]["message"]

    def issue(self, **params):
        return self.call("session.issue", **{"task": "t", **params})["session"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def shared():
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    path.chmod(0o755)
    broker = attack.e2e.Broker(path, {"roles": ROLES})
    broker.init()
    broker.start()
    broker.upstream = Recorder()
    for name in ("forge", "cloud"):
        add_credential(broker, name, broker.upstream, "secret-" + name,
                       "auth=bearer")
    broker.run("profile", "add", "web", "--grant", "forge:" + FETCH)
    broker.run("profile", "add", "infra", "--grant", "cloud:" + FETCH)
    yield broker
    broker.upstream.close()
    broker.stop()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def users(shared):
    with contextlib.ExitStack() as stack:
        def make(uid, gids=()):
            user = User(shared, uid, gids)
            stack.callback(user.close)
            return user
        yield make


CREDENTIAL = {"name": "x", "backend": "static", "secret": "s",
              "params": {"hosts": ["a.example"]}}
# method, params that are in order, who may: (i)ssuer, a(p)prover, a(u)ditor
METHODS = [
    ("status", {}, "ipu"),
    ("unlock", {"passphrase": "x"}, ""),
    ("lock", {}, ""),
    ("credential.add", CREDENTIAL, ""),
    ("credential.set", {"name": "forge", "secret": "s"}, ""),
    ("credential.list", {}, "u"),
    ("credential.show", {"name": "forge"}, "u"),
    ("credential.remove", {"name": "cloud", "force": True}, ""),
    ("credential.test", {"name": "cloud"}, ""),
    ("profile.add", {"name": "x", "grants": ["forge:" + FETCH]}, ""),
    ("profile.list", {}, "iu"),
    ("profile.show", {"name": "web"}, "iu"),
    ("profile.remove", {"name": "infra"}, ""),
    ("session.issue", {"task": "t", "profile": "web"}, "i"),
    ("session.list", {}, "ipu"),
    ("session.show", {"session": "SESSION"}, "ipu"),
    ("session.grant", {"session": "SESSION", "grant": "forge:" + FETCH}, "i"),
    ("session.extend", {"session": "SESSION", "ttl": 60}, "i"),
    ("session.drop", {"session": "SESSION", "grant": 2}, "i"),
    ("revoke", {"session": "SESSION"}, "i"),
    ("approval.list", {}, "ipu"),
    ("approval.show", {"approval": "NONE"}, "ipu"),
    ("approval.approve", {"approval": "NONE"}, "p"),
    ("approval.deny", {"approval": "NONE", "reason": "x"}, "p"),
    ("audit.show", {}, "u"),
    ("audit.verify", {}, "u"),
    ("policy.show", {}, "ipu"),
    ("policy.reload", {}, ""),
    ("policy.trust", {"key": "x"}, ""),
]


@pytest.mark.parametrize("uid,letter,role", [
    (ISSUER, "i", "issuer"), (APPROVER, "p", "approver"),
    (AUDITOR, "u", "auditor")])
def test_each_method_is_for_its_roles(shared, users, uid, letter, role):
    user = users(uid)
    session = users(ISSUER).issue(profile="web")["id"]
    for method, params, who in METHODS:
        params = {k: session if v == "SESSION" else v
                  for k, v in params.items()}
        if letter in who and "NONE" in params.values():
            user.refused(method, "not_found", **params)
        elif letter in who:
            user.call(method, **params)
        else:
            message = user.refused(method, **params)
            assert f"uid {uid}" in message and f"has {role}" in message
            needed = {"i": "issuer", "p": "approver", "u": "auditor"}
            for other in who or ["admin"]:
                assert needed.get(other, "admin") in message, message
    assert shared.json("status")["state"] == "unlocked"
    assert len(shared.json("credential", "list")["credentials"]) == 2


def test_the_table_has_every_method(shared):
    """One that is added has to say here whose it is."""
    text = (attack.e2e.ROOT / "broker/core/rpc.c").read_text()
    names = [line.split('"')[1] for line in text.splitlines()
             if line.startswith('\t{ "')]
    assert sorted(names) == sorted(m for m, _, _ in METHODS)


def test_an_admin_by_group_may_all(users):
    user = users(NOBODY, [OPS])
    assert user.call("status")["state"] == "unlocked"
    assert user.call("credential.list")["credentials"]
    session = user.issue(grants=["cloud:" + FETCH])
    assert (session["owner"], session["issuer"]) == (0, NOBODY)
    given = user.issue(profile="infra", owner=ISSUER)
    assert given["owner"] == ISSUER
    assert len(user.call("revoke", session=session["id"])["revoked"]) == 1
    user.call("revoke", session=given["id"])


def test_what_an_issuer_may_not_use_is_as_if_it_were_not_there(users):
    """Neither by what is refused nor by a hint: clod is nearly cloud."""
    user = users(ISSUER)
    mine = user.issue(profile="web")["id"]

    def said(method, there, not_there, **params):
        key = next(k for k, v in params.items() if v == "NAME")
        says = [user.refused(method, **{**params, key: name})
                .replace(name.split(":")[0], "NAME")
                for name in (there, not_there)]
        assert says[0] == says[1]
        return says[0]
    for text in [said("session.issue", "infra", "infro", profile="NAME",
                      task="t"),
                 said("profile.show", "infra", "infro", name="NAME")]:
        assert "not listed" in text
    for method, params in [("session.grant", {"session": mine,
                                              "grant": "NAME"})]:
        text = said(method, "cloud:" + FETCH, "clod:" + FETCH, **params)
        assert "cloud" not in text and "not listed" in text
    for name in ("cloud", "clod"):
        text = user.refused("session.issue", task="t",
                            grants=[f"{name}:repo=nonsense"])
        assert "not listed" in text and "did you mean" not in text


def test_who_has_no_role_is_told_and_closed(shared, users):
    user = users(NOBODY)
    message = user.refused("status")
    assert f"uid {NOBODY}" in message and "no role" in message
    assert user.ask("status") is None
    last = shared.json("audit", "show", "--event", "admin.refused")["events"]
    assert any(e["who"] == f"uid {NOBODY}" and e["decision"] == "deny"
               and e["outcome"] == "denied" for e in last)


def test_the_command_says_so_too(shared):
    program = shutil.copy(attack.e2e.BUILD / "bin/credbroker", shared.folder)
    os.chmod(program, 0o755)

    def run(uid, *args):
        return subprocess.run(
            [program, *args], user=uid, group=uid, extra_groups=[], cwd="/",
            env={"PATH": attack.e2e.PATH, "HOME": "/nonexistent",
                 "CREDBROKER_ADMIN_SOCKET": str(shared.runtime /
                                                "admin.sock")},
            capture_output=True, text=True, timeout=60)
    done = run(NOBODY, "status")
    assert done.returncode == 1, done.stderr
    assert "refused" in done.stderr and "no role" in done.stderr
    done = run(AUDITOR, "audit", "verify")
    assert done.returncode == 0, done.stderr
    done = run(AUDITOR, "revoke", "--all")
    assert done.returncode == 1 and "issuer" in done.stderr
    done = run(ISSUER, "issue", "--task", "x", "--profile", "web", "--json")
    assert done.returncode == 0, done.stderr
    session = json.loads(done.stdout)["session"]
    assert session["issuer"] == session["owner"] == ISSUER
    assert run(ISSUER, "revoke", session["id"]).returncode == 0


def test_an_issuer_has_only_what_is_listed(users):
    """By profile or by credential: not one by the other."""
    first, second = users(ISSUER), users(OTHER_ISSUER, [DEV])
    for user, params, ok in [
            (first, {"profile": "web"}, True),
            (first, {"profile": "infra"}, False),
            (first, {"grants": ["forge:" + FETCH]}, True),
            (first, {"grants": ["cloud:" + FETCH]}, False),
            (first, {"profile": "web", "grants": ["cloud:" + FETCH]}, False),
            (first, {"grants": ["forge:" + FETCH, "cloud:" + FETCH]}, False),
            (second, {"profile": "web"}, True),
            (second, {"profile": "infra"}, True),
            (second, {"grants": ["forge:" + FETCH]}, False),
            (second, {"profile": "infra", "grants": ["cloud:" + FETCH]},
             False)]:
        if ok:
            user.call("revoke", session=user.issue(**params)["id"])
        else:
            assert "not listed" in user.refused("session.issue", task="t",
                                                **params)
    session = first.issue(profile="web")["id"]
    first.refused("session.grant", session=session, grant="cloud:" + FETCH)
    first.call("session.grant", session=session,
               grant="forge:git=push,repository=acme/web")
    session = second.issue(profile="infra")["id"]
    second.refused("session.grant", session=session, grant="cloud:" + FETCH)
    assert [p["name"] for p in first.call("profile.list")["profiles"]
            ] == ["web"]
    assert [p["name"] for p in second.call("profile.list")["profiles"]
            ] == ["infra", "web"]
    first.refused("profile.show", name="infra")
    first.call("revoke", all=True)
    second.call("revoke", all=True)


def test_an_issuer_cannot_act_for_another(users):
    first, second = users(ISSUER), users(OTHER_ISSUER, [DEV])
    for owner in (0, OTHER_ISSUER, NOBODY):
        first.refused("session.issue", task="t", profile="web", owner=owner)
    for pid in (1, os.getpid(), second.pid):
        first.refused("session.issue", task="t", profile="web", bind_pid=pid)
    session = first.issue(profile="web", owner=ISSUER, bind_pid=first.pid)
    assert session["owner"] == ISSUER and session["pid"] == first.pid
    first.call("revoke", session=session["id"])


def test_sessions_of_another_are_not_there(shared, users):
    """Neither by id, by a part of it, by task, nor all at once."""
    # Refusals are counted anew: each is to be found in the log.
    shared.stop()
    shared.start()
    first, second = users(ISSUER), users(OTHER_ISSUER, [DEV])
    shared.run("revoke", "--all")
    mine, his = first.issue(profile="web"), second.issue(profile="web")
    roots = shared.json("issue", "--task", "t", "--grant",
                        "forge:" + FETCH)["session"]
    for session in (his, roots):
        for name in (session["id"], session["id"][:4]):
            for method, more in [
                    ("session.show", {}), ("session.extend", {"ttl": 60}),
                    ("session.grant", {"grant": "forge:" + FETCH}),
                    ("session.drop", {"grant": 1}), ("revoke", {})]:
                first.refused(method, "not_found", session=name, **more)
    assert [s["id"] for s in first.call("session.list")["sessions"]
            ] == [mine["id"]]
    assert first.call("session.list", task="t", all=True)["sessions"]
    assert first.call("revoke", task="t")["revoked"] == [mine["id"]]
    assert first.call("revoke", all=True)["revoked"] == []
    # An auditor sees them all, and changes none.
    auditor = users(AUDITOR)
    seen = {s["id"]: s["issuer"]
            for s in auditor.call("session.list")["sessions"]}
    assert seen == {his["id"]: OTHER_ISSUER, roots["id"]: 0}
    auditor.refused("revoke", session=his["id"])
    assert second.call("session.show", session=his["id"])["session"][
        "state"] == "live"
    tried = shared.json("audit", "show", "--event", "admin.refused",
                        "--session", his["id"])["events"]
    assert tried and tried[0]["who"] == f"uid {ISSUER}"
    second.call("revoke", all=True)
    shared.run("revoke", roots["id"])


def test_whose_it_is_survives_a_restart(shared, users):
    session = users(ISSUER).issue(profile="web")
    shared.stop()
    shared.start()
    user = users(ISSUER)
    assert user.call("session.show", session=session["id"])["session"][
        "issuer"] == ISSUER
    users(OTHER_ISSUER, [DEV]).refused(
        "session.show", "not_found", session=session["id"])
    user.call("revoke", session=session["id"])


def test_the_audit_log_says_who(shared, users):
    session = users(ISSUER).issue(profile="web", task="whose")
    users(ISSUER).call("revoke", session=session["id"])
    events = shared.json("audit", "show", "--task", "whose")["events"]
    assert {e["who"] for e in events} == {f"uid {ISSUER}"}
    shared.run("session", "list")
    roots = shared.json("audit", "show", "--event", "profile.add")["events"]
    assert roots[0]["who"] == "uid 0 (root)"


def test_refusals_do_not_fill_the_disk(shared, users):
    user = users(APPROVER)
    before = audit_lines(shared)
    for _ in range(2000):
        user.refused("lock")
    assert audit_lines(shared) - before < 60
    shared.run("audit", "verify")


def audit_lines(broker):
    return sum(p.read_bytes().count(b'"admin.refused"')
               for p in broker.state.rglob("*.jsonl"))


def test_one_user_does_not_take_all_connections(shared, users):
    with contextlib.ExitStack() as stack:
        codes = []
        for _ in range(20):
            user = User(shared, AUDITOR)
            stack.callback(user.close)
            answer = user.ask("status")
            codes.append(answer["error"]["data"]["code"]
                         if "error" in answer else "")
        assert codes[:16] == [""] * 16
        assert codes[16:] == ["limit"] * 4
        users(ISSUER).call("status")
        shared.run("status")


def test_the_socket_is_open_to_others_only_with_roles(shared):
    mode = (shared.runtime / "admin.sock").stat().st_mode & 0o777
    assert mode == 0o666
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    broker = attack.e2e.Broker(path, {"roles": {"admin": ["uid:0"]}})
    try:
        broker.init()
        broker.start()
        mode = (broker.runtime / "admin.sock").stat().st_mode & 0o777
        assert mode == 0o600
    finally:
        broker.stop()
        shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("roles,says", [
    ({"admin": ["user:no-such-user"]}, "roles.admin: no user has this name"),
    ({"auditor": ["carol"]}, "roles.auditor[0]: must be"),
    ({"issuer": [{"who": ["uid:1"]}]}, "neither profiles nor credentials"),
    ({"admins": []}, "unknown key")])
def test_a_broker_does_not_start_with_roles_that_are_none(roles, says):
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    broker = attack.e2e.Broker(path)
    try:
        broker.init()
        broker.configure({"roles": roles})
        done = broker.run("serve", "--key-file", broker.key, check=False)
        assert done.returncode == 2, done.stderr
        assert says in done.stderr and "credbroker.json:1: " in done.stderr
    finally:
        shutil.rmtree(path, ignore_errors=True)
