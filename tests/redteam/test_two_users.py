"""Two users of one host, each with sessions at root's broker and a broker of
his own: neither reaches anything of the other's, by folder, socket, token,
process, signal, debugger, or by asking the broker."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

import pytest

import attack
from attack import Recorder, add_credential
from test_other_user import TOUCH, TRACE, as_other

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="only root has other users to play")
ALICE, BOB = 54351, 54352
FETCH = "forge:repository=acme/api,git=fetch"
ROLES = {"issuer": [{"who": [f"uid:{uid}"], "credentials": ["forge"]}
                    for uid in (ALICE, BOB)]}

CALL = """
import json, os, socket, sys
path, *lines = sys.argv[1:]
client = socket.socket(socket.AF_UNIX)
try:
    client.connect(path)
except OSError as error:
    print(json.dumps([type(error).__name__] * len(lines)))
    sys.exit()
own = [os.open("/proc/self/ns/" + kind, 0) for kind in ("user", "pid")]
try:
    socket.send_fds(client, [b" "], own)
except OSError:
    pass
answers = client.makefile("rb")
said = []
for line in lines:
    try:
        client.sendall(line.encode() + b"\\n")
    except OSError:
        pass
    said.append(json.loads(answers.readline() or b"null"))
print(json.dumps(said))
"""


def ask(path, uid, *calls):
    """The answers to calls that the user makes on one connection."""
    lines = [json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                         "params": params}) for method, params in calls]
    return as_other(CALL, path, *lines, uid=uid)


@pytest.fixture(scope="module")
def shared():
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    path.chmod(0o755)
    broker = attack.e2e.Broker(path, {"roles": ROLES})
    broker.init()
    broker.start()
    broker.upstream = Recorder()
    add_credential(broker, "forge", broker.upstream, "two-users-secret",
                   "auth=bearer")
    broker.admin = broker.runtime / "admin.sock"
    yield broker
    broker.upstream.close()
    broker.stop()
    shutil.rmtree(path, ignore_errors=True)


def issue(broker, uid):
    answer, = ask(broker.admin, uid, ("session.issue", {
        "task": f"of-{uid}", "grants": [FETCH]}))
    return answer["result"]["session"]


@pytest.fixture
def sessions(shared):
    made = {uid: issue(shared, uid) for uid in (ALICE, BOB)}
    yield made
    shared.run("revoke", "--all")


def test_each_has_his_own(shared, sessions):
    for uid, session in sessions.items():
        folder = pathlib.Path(session["folder"])
        for path in (folder, folder / "token", folder / "endpoint.sock"):
            about = path.stat()
            assert about.st_uid == uid and about.st_mode & 0o077 == 0
        won = as_other(TOUCH, shared.state, shared.runtime, shared.key,
                       shared.config, folder, uid=uid)
        assert {f"read {folder}/token", "endpoint", "admin"} <= set(won)


def test_neither_reaches_the_others_folder_token_or_socket(shared, sessions):
    for uid, other in ((ALICE, BOB), (BOB, ALICE)):
        won = as_other(TOUCH, shared.state, shared.runtime, shared.key,
                       shared.config, sessions[other]["folder"],
                       *shared.pids().values(), uid=uid)
        # To connect is all that a role lets him do.
        assert won == ["admin"]


def test_neither_sees_or_changes_the_others_session(shared, sessions):
    for uid, other in ((ALICE, BOB), (BOB, ALICE)):
        his, its = sessions[uid]["id"], sessions[other]["id"]
        listed, = ask(shared.admin, uid, ("session.list", {"all": True}))
        assert [s["issuer"] for s in listed["result"]["sessions"]
                if s["issuer"] != uid] == []
        for name in (its, its[:3], its[:7]):
            for answer in ask(
                    shared.admin, uid,
                    ("session.show", {"session": name}),
                    ("session.extend", {"session": name, "ttl": 60}),
                    ("session.grant", {"session": name, "grant": FETCH}),
                    ("session.drop", {"session": name, "grant": 1}),
                    ("revoke", {"session": name})):
                assert answer["error"]["data"]["code"] == "not_found", answer
        for target in ({"task": f"of-{other}"},
                       {"task": f"of-{uid}"}, {"all": True}):
            answer, = ask(shared.admin, uid, ("revoke", target))
            assert its not in answer["result"]["revoked"]
        assert shared.json("session", "show", its)["session"][
            "state"] == "live"
        with contextlib.suppress(AssertionError):
            shared.run("revoke", his)
        sessions[uid] = issue(shared, uid)


def test_neither_takes_a_session_in_the_others_name(shared):
    for uid, other in ((ALICE, BOB), (BOB, ALICE)):
        for owner in (other, 0):
            answer, = ask(shared.admin, uid, ("session.issue", {
                "task": "x", "grants": [FETCH], "owner": owner}))
            assert answer["error"]["data"]["code"] == "denied"
        sleeper = subprocess.Popen(["sleep", "60"], user=other, group=other,
                                   extra_groups=[])
        try:
            answer, = ask(shared.admin, uid, ("session.issue", {
                "task": "x", "grants": [FETCH], "bind_pid": sleeper.pid}))
            assert answer["error"]["data"]["code"] == "denied"
        finally:
            sleeper.kill()
            sleeper.wait()


def test_a_token_of_the_other_opens_nothing(shared, sessions):
    token = (pathlib.Path(sessions[BOB]["folder"]) / "token").read_text()
    said = as_other("""
import json, socket, sys
folder, token = sys.argv[1:]
client = socket.socket(socket.AF_UNIX)
client.connect(folder + "/endpoint.sock")
client.sendall((f"GET /v1/session HTTP/1.1\\r\\nHost: 127.0.0.1:9169\\r\\n"
                f"Authorization: Bearer {token}\\r\\n"
                "Connection: close\\r\\n\\r\\n").encode())
answer = b""
while piece := client.recv(65536):
    answer += piece
print(json.dumps(answer.decode()))
""", sessions[ALICE]["folder"], token, uid=ALICE)
    assert said.startswith("HTTP/1.1 401 ")


class OwnBroker(attack.e2e.Broker):
    """A broker that a user runs himself, with programs that he can reach."""

    def __init__(self, folder, uid):
        super().__init__(folder)
        self.uid = uid
        build = attack.e2e.BUILD
        (folder / "usr" / "libexec").mkdir(parents=True)
        shutil.copytree(build / "bin", folder / "usr" / "bin")
        shutil.copytree(build / "libexec" / "credbroker", folder / "usr" /
                        "libexec" / "credbroker", symlinks=True)
        for path in (folder, self.home, self.config):
            os.chown(path, uid, uid)

    def command(self, *args):
        words = super().command(*args)
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}",
                "--clear-groups", "--",
                str(self.folder / "usr/bin/credbroker"), *words[1:]]


@pytest.fixture(scope="module")
def own():
    made = {}
    try:
        for uid in (ALICE, BOB):
            path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
            made[uid] = OwnBroker(path, uid)
            made[uid].init()
            made[uid].start()
        yield made
    finally:
        for broker in made.values():
            broker.stop(check=False)
            shutil.rmtree(broker.folder, ignore_errors=True)


SIGNALS = """
import json, os, signal, sys
won = []
for pid in map(int, sys.argv[1:]):
    for number in (0, signal.SIGTERM, signal.SIGSTOP, signal.SIGHUP,
                   signal.SIGKILL, signal.SIGUSR1):
        try:
            os.kill(pid, number)
            won.append(f"{pid} {number}")
        except PermissionError:
            pass
    try:
        fd = os.pidfd_open(pid)
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        won.append(f"{pid} pidfd")
    except (PermissionError, AttributeError):
        pass
print(json.dumps(won))
"""


def test_neither_reaches_the_others_own_broker(own):
    for uid, other in ((ALICE, BOB), (BOB, ALICE)):
        theirs = own[other]
        pids = list(theirs.pids().values())
        assert as_other(TOUCH, theirs.state, theirs.runtime, theirs.key,
                        theirs.config, theirs.folder, *pids, uid=uid) == []
        assert as_other(TRACE, *pids, uid=uid) == []
        assert as_other(SIGNALS, *pids, uid=uid) == []
        assert theirs.pids() and list(theirs.pids().values()) == pids


def test_nor_when_the_folders_are_open(own):
    """The uid is looked at, not only the mode of what leads there."""
    for uid, other in ((ALICE, BOB), (BOB, ALICE)):
        theirs = own[other]
        opened = [theirs.folder, theirs.runtime,
                  theirs.runtime / "admin.sock"]
        modes = [path.stat().st_mode & 0o777 for path in opened]
        try:
            for path in opened:
                path.chmod(0o777)
            answers = ask(theirs.runtime / "admin.sock", uid,
                          ("status", {}), ("lock", {}))
            assert answers[0]["error"]["data"]["code"] == "denied"
            assert answers[1] is None
        finally:
            for path, mode in zip(opened, modes):
                path.chmod(mode)
        assert theirs.json("status")["state"] == "unlocked"


def test_roots_broker_is_not_stopped_by_its_issuers(shared):
    pids = list(shared.pids().values())
    for uid in (ALICE, BOB):
        assert as_other(SIGNALS, *pids, uid=uid) == []
        assert as_other(TRACE, *pids, uid=uid) == []
    assert list(shared.pids().values()) == pids


def lingering():
    """A socket that, once nobody has it, takes a minute to close."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            client.send(b"x" * 65536)
    client.setblocking(True)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                      struct.pack("ii", 1, 60))
    return client, other


@pytest.mark.limit(50)
def test_what_is_slow_to_close_holds_up_nobody(shared, sessions):
    """At the admin socket whatever the kernel; at an endpoint where it lets
    the gateway refuse descriptors."""
    held = []

    def send(sock, data):
        """Whether it went; nobody here has it then."""
        client, other = lingering()
        held.append(other)
        try:
            socket.send_fds(sock, [data], [client.fileno()])
            return True
        except OSError:
            return False
        finally:
            # Should the broker be the first to close it, this waits; and so
            # would a process that is started before it has begun.
            closing = threading.Thread(target=client.close, daemon=True)
            closing.start()
            closing.join(0.3)
    try:
        for number in range(8):
            with socket.socket(socket.AF_UNIX) as admin:
                admin.connect(str(shared.admin))
                if number % 2:
                    attack.e2e.send_proof(admin)
                if send(admin, b"{") and number % 4 < 2:
                    with contextlib.suppress(OSError):
                        admin.recv(1 << 16)
        shared.run("status", timeout=20)
        with socket.socket(socket.AF_UNIX) as endpoint:
            endpoint.connect(sessions[ALICE]["folder"] + "/endpoint.sock")
            if send(endpoint, b"G"):
                pytest.skip("this kernel is older than 6.16")
    finally:
        for other in held:
            other.close()
