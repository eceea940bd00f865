"""The admin socket as somebody would use it who should not be there, or who
does not know how: every line has a defined answer, and nothing that others
chose steers a log, an audit line or a terminal."""

import contextlib
import json
import os
import pathlib
import pty
import re
import socket
import subprocess
import tempfile

import pytest

from attack import (REFS, ROOT, Endpoint, admin_connect, descriptors,
                    wait_until)

PARSE, REQUEST, METHOD, PARAMS, FAILED = -32700, -32600, -32601, -32602, -32000
SECRET = "s3cr3t-that-no-answer-repeats"
GRANTS = ["forge:repository=a/b,git=fetch"]
HOSTS = {"hosts": ["a.example"]}


def line(method, **params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                       "params": params}).encode()


def envelope(**changes):
    whole = {"jsonrpc": "2.0", "id": 1, "method": "status"}
    whole.update(changes)
    return json.dumps(whole).encode()


def add(**changes):
    whole = {"name": "x", "backend": "static", "params": HOSTS,
             "secret": SECRET}
    whole.update(changes)
    return line("credential.add", **whole)


def issue(**changes):
    whole = {"task": "x", "grants": GRANTS}
    whole.update(changes)
    return line("session.issue", **whole)


HOSTILE = {
    PARSE: [
        b"", b"null", b"1", b'"x"', b"{", b"\x00", b"\xff", b"{}{}", b"\xef\xbb\xbf{}",
        b"[" * 100000, b'{"a":' * 50000, b"{'a':1}", b"{\"a\":01}", b"\x1b[2J",
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"status"}',
        b'{"jsonrpc":"2.0","id":1,"method":"status","method":"lock"}',
        b'{"jsonrpc":"2.0","id":1,"method":"status"} trailing',
        b'{"jsonrpc":"2.0","id":1,"method":"sta\\u0000tus"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}',
        b'{"jsonrpc":"2.0","id":1e400,"method":"status"}',
        b'{"jsonrpc":"2.0","id":99999999999999999999,"method":"status"}',
        line("profile.show", name="p\0q"), b"GET / HTTP/1.1\r",
    ],
    REQUEST: [
        b"{}", b"[]", envelope(id=None), envelope(id=1.5), envelope(id={"a": 1}),
        envelope(id=[1]), envelope(id=True), envelope(jsonrpc="1.0"),
        envelope(jsonrpc=2.0), envelope(method=5), envelope(method=None),
        envelope(x=1), b'{"jsonrpc":"2.0","method":"status"}',
        b'[' + envelope() + b"," + envelope() + b"]",
    ],
    METHOD: [
        line("statu"), line("../status"), line("rpc.discover"), line("STATUS"),
        line(""), line("x" * 100000), line("\x1b[31m"), line("status "),
        line("credential.get"), line("credential.secret"),
    ],
    PARAMS: [
        envelope(params=[]), envelope(params=None), envelope(params="x"),
        envelope(params=[SECRET]), line("status", x=1), line("audit.verify", x=1),
        line("credential.show", name="forge", secret=True),
        line("session.issue", uid=0), line("unlock", fd=3),
    ],
    FAILED: [
        line("unlock"), line("unlock", key_file=5), line("unlock", passphrase=["x"]),
        line("unlock", passphrase="x", key_file="y"),
        line("unlock", passphrase="x", slot=-1),
        line("unlock", passphrase="x", slot=1.5),
        line("unlock", passphrase="x", slot=256),
        add(name=5), add(name="../x"), add(name="X"), add(name="x" * 65),
        add(name=""), add(name="x\n"), add(name="forge"),
        add(backend="nope"), add(backend="../static"), add(backend=None),
        add(params=[]), add(params={}), add(params={**HOSTS, "auth": 5}),
        add(params={**HOSTS, "auth": "evil"}), add(params={**HOSTS, "zzz": "1"}),
        add(params={"hosts": {"a": 1}}), add(params={"hosts": ["a.example\n"]}),
        add(params={"hosts": ["http://a.example"]}),
        add(params={"hosts": ["a.example/x"]}),
        add(params={"hosts": ["user:" + SECRET + "@a.example"]}),
        add(params={"hosts": ["*.example"]}), add(params={"hosts": []}),
        add(params={"hosts": ["a.example"] * 5000}),
        add(params={**HOSTS, "auth": "header", "header": "Host"}),
        add(params={**HOSTS, "auth": "header", "header": "X\r\nY"}),
        add(params={**HOSTS, "auth": "header", "header": "Content-Length"}),
        add(params={**HOSTS, "auth": "header", "header": "Git-Protocol"}),
        add(params={**HOSTS, "ca": SECRET}), add(params={**HOSTS, "network": "all"}),
        add(secret=[SECRET]), add(secret=""), add(secret=SECRET + "\r\nX-Evil: 1"),
        add(secret="s" * 70000), add(secret=None),
        line("credential.show", name="nope\x1b[2J"), line("credential.show"),
        line("credential.set", name="forge", params={"hosts": None}),
        line("credential.set", name="forge", params={"auth": "evil"}),
        line("credential.remove", name="forge", force="yes"),
        line("credential.remove", name="forge"), line("credential.remove"),
        issue(grants=None), issue(grants=[]), issue(grants="forge"), issue(grants=[5]),
        issue(grants=["forge"]), issue(grants=GRANTS * 1000), issue(task=""),
        issue(grants=["forge:repository=**,git=admin"]), issue(task=None),
        issue(grants=["forge:repository=a//b,git=fetch"]),
        issue(grants=["nope:repository=a/b"]), issue(task="a\nb"),
        issue(task="\x1b[2J"), issue(task="x" * 129), issue(task="../x"),
        issue(ttl=-1), issue(ttl=0), issue(ttl=1e300), issue(ttl="1h"), issue(ttl=2**31 - 1),
        issue(bind_pid=0), issue(bind_pid=-1), issue(bind_pid=2**40),
        issue(bind_pid=2**31 - 1), issue(owner=-1), issue(owner=2**32 - 1),
        issue(owner=2**32), issue(owner="root"), issue(workspace="\x1b[2J"),
        issue(workspace="w" * 100000), issue(labels={"a\n": "b"}),
        issue(labels={"a": "b\n"}), issue(labels={"a": "\x1b["}),
        issue(labels=["a"]), issue(labels={"a": 5}), issue(profile="nope"),
        issue(labels={f"a{i}": "b" for i in range(1000)}),
        line("session.show", session=""), line("session.show", session="%s%n"),
        line("session.show", session="../.."), line("session.show", session="ab"),
        line("session.show", session="nosuchid"), line("session.show", session=7),
        line("session.extend", session="nosuchid", ttl=5),
        line("session.drop", session="nosuchid", grant="x" * 1000),
        line("revoke"), line("revoke", all=1), line("revoke", all=True, task="x"),
        line("revoke", session=""), line("revoke", session=[]), line("revoke", task=5),
        line("revoke", all=False),
        line("audit.show", since=-1), line("audit.show", since="x"),
        line("audit.show", most=10**9), line("audit.show", most=0),
        line("audit.show", session={}), line("audit.show", newest="yes"),
        line("profile.add", name="p", grants=[]), line("profile.remove", name=""),
        line("profile.add", name="p", grants=["nope:x=y"]),
        line("profile.add", name="p\n", grants=GRANTS),
        line("profile.add", name="p", grants=GRANTS * 100),
        line("policy.trust"), line("policy.trust", key=""),
        line("policy.trust", key="RW" + SECRET),
        line("policy.trust", key="RW" * 5000),
        line("policy.trust", key=["x"]), line("policy.trust", replaces="x"),
        line("policy.trust", key="untrusted comment: " + SECRET),
        line("policy.trust", replaces="0" * 16, key="RWQ" + "A" * 53),
    ],
}
ROWS = [(code, text) for code, texts in HOSTILE.items() for text in texts]


def call(broker, text):
    """The answer to a line; b"" when the connection is closed."""
    answer = b""
    with admin_connect(broker) as client, contextlib.suppress(ConnectionError):
        client.sendall(text + b"\n")
        while not answer.endswith(b"\n") and (piece := client.recv(1 << 16)):
            answer += piece
    return answer


@pytest.mark.parametrize("at", range(len(ROWS)))
def test_every_line_has_its_answer(red, endpoint, at):
    # The session keeps its credential in use.
    code, text = ROWS[at]
    answer = call(red, text)
    reply = json.loads(answer)
    assert reply["error"]["code"] == code, (text[:200], answer)
    message = reply["error"]["message"]
    assert SECRET not in answer.decode()
    assert not re.search(r"[\x00-\x1f\x7f]", message), message
    assert len(message) < 1100


def test_the_table_is_long():
    assert len(ROWS) >= 120


# One call of each method in which everything is of the right type.
IN_ORDER = {
    "unlock": {"passphrase": "x", "key_file": "/x", "slot": 1},
    # Any text may be a secret, so these fail by their name at the last.
    "credential.add": {"name": "forge", "backend": "static", "params": HOSTS,
                       "secret": SECRET},
    "credential.set": {"name": "nope", "params": {}, "secret": SECRET},
    "credential.show": {"name": "forge"},
    "credential.remove": {"name": "forge", "force": False},
    "credential.test": {"name": "forge"},
    "profile.add": {"name": "p", "grants": ["nope:x=y"], "labels": {},
                    "ttl": 60, "mounts": [], "replace": False},
    "profile.show": {"name": "p"},
    "profile.remove": {"name": "p"},
    "session.issue": {"task": "x", "grants": GRANTS, "profile": "p",
                      "labels": {}, "ttl": 60, "bind_pid": 1, "owner": 0,
                      "workspace": "/x", "port": 1024, "aws": "imds",
                      "mint": "later", "network": "none",
                      "ask_always": False},
    "session.list": {"task": "x", "all": False},
    "session.show": {"session": "nosuchid"},
    "session.grant": {"session": "nosuchid", "grant": GRANTS[0]},
    "session.drop": {"session": "nosuchid", "grant": 1},
    "session.extend": {"session": "nosuchid", "ttl": 60},
    "revoke": {"session": "nosuchid", "task": "x", "all": False},
    "approval.list": {"session": "nosuchid", "after": 0, "wait": 0},
    "approval.show": {"approval": "nosuch"},
    "approval.approve": {"approval": "nosuch"},
    "approval.deny": {"approval": "nosuch", "reason": "x"},
    "audit.show": {"session": "x", "task": "x", "credential": "x",
                   "event": "x", "decision": "x", "since": 0, "after": 0,
                   "most": 1, "newest": False},
    "policy.trust": {"key": "x", "replaces": "x"},
}
WRONG = [True, 1.5, -1, 1e300, 2**63 - 1, 2**63, "", "A B\n", "\x1b[2J",
         "\u202e", "x" * 5000, "../../etc/passwd", [], [[]], [{}], [None],
         ["x"] * 5000, {"": ""}, {"x": {"y": []}}, {"\x1b": "\n"}]


def wrong_calls():
    """Each parameter, of each wrong type, the rest in order."""
    for method, params in IN_ORDER.items():
        for key, value in params.items():
            for wrong in WRONG:
                if isinstance(value, bool) and wrong is True:
                    continue
                yield method, key, {**params, key: wrong}


def test_every_parameter_of_a_wrong_type_has_its_answer(red, endpoint):
    """None changes anything: the next test but one looks."""
    count, done = 0, {}
    with admin_connect(red) as client:
        answers = client.makefile("rb")
        for method, key, params in wrong_calls():
            client.sendall(line(method, **params) + b"\n")
            answer = answers.readline()
            reply = json.loads(answer)
            assert reply["jsonrpc"] == "2.0"
            assert ("error" in reply) != ("result" in reply)
            assert SECRET.encode() not in answer
            if "result" in reply:
                done.setdefault(method, []).append(key)
            else:
                assert reply["error"]["code"] in (PARSE, REQUEST, PARAMS,
                                                  FAILED)
                assert not re.search(r"[\x00-\x1f\x7f]",
                                     reply["error"]["message"])
            count += 1
    assert count > 900
    # Texts and numbers that are no more than odd are fit to look for.
    assert set(done) <= {"audit.show", "session.list", "unlock"}, done


def test_the_table_of_calls_has_every_parameter():
    text = (ROOT / "broker/core/rpc.c").read_text()
    table = text[text.index("crb_methods[] = {"):text.index("{ NULL, 0")]
    for row in table.split("\t{ ")[1:]:
        names = re.findall(r'"([a-z_.]+)"', row)
        assert set(names[1:]) == set(IN_ORDER.get(names[0], {})), names


@pytest.mark.parametrize("data", [
    b"", b"{", b'{"jsonrpc":"2.0","id":1,"method":"sta', b"\xff\xfe",
    envelope()[:-1], b"x" * (1 << 19)],
    ids=["nothing", "a brace", "half", "no text", "all but the end", "long"])
def test_half_a_line_harms_nobody(red, data):
    clients = []
    for _ in range(20):
        client = admin_connect(red)
        client.sendall(data)
        clients.append(client)
    assert json.loads(call(red, envelope()))["result"]["state"] == "unlocked"
    for number, client in enumerate(clients):
        if number % 2 == 0:
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        client.close()
    red.run("status")


def test_the_sixty_fifth_is_told(red):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(admin_connect(red))
                   for _ in range(64)]
        for client in clients:
            client.sendall(envelope() + b"\n")
            assert b'"result"' in client.recv(1 << 16)
        with admin_connect(red, proof=False) as one:
            error = json.loads(one.recv(1 << 16))["error"]
            assert error["data"]["code"] == "limit"
            assert one.recv(1) == b""
    wait_until(lambda: red.run("status", check=False).returncode == 0,
               "there is room")


@pytest.mark.parametrize("first", [b"", b" "], ids=["first", "behind a proof"])
def test_floods_of_descriptors_are_closed(red, first):
    """253 a packet, as many as there may be, in every connection."""
    core = red.pids()["core"]
    before = len(descriptors(core))
    flood = [os.open("/dev/null", os.O_RDONLY)] * 253
    told = []
    for _ in range(200):
        with admin_connect(red, proof=bool(first)) as client:
            with contextlib.suppress(OSError):
                for _ in range(3):
                    socket.send_fds(client, [b"x"], flood)
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_WR)
                told.append(client.recv(1 << 16))
    os.close(flood[0])
    if not first:
        assert all(b"outside_host" in text for text in told) and told
    wait_until(lambda: len(descriptors(core)) <= before, "all are closed")
    assert red.pids()["core"] == core


def test_it_is_as_it_was_afterwards(red, endpoint):
    assert [c["name"] for c in red.json("credential", "list")["credentials"]
            ] == ["forge"]
    assert [s["id"] for s in red.json("session", "list")["sessions"]
            ] == [endpoint.id]
    red.run("audit", "verify")
    log = red.log_text()
    assert SECRET not in log
    assert not re.search(r"[^\n\x20-\x7e]", log)


@pytest.mark.parametrize("text", [
    b"x" * (3 << 20), b'{"a":"' + b"y" * (2 << 20), b"\n" * 5000,
    b"{}\n" * 2000, (b" " * 1000 + b"\n") * 1000],
    ids=["a line", "a text", "empty lines", "objects", "blanks"])
def test_floods_end_and_cost_little(red, text):
    pids = red.pids()
    with admin_connect(red) as client:
        client.settimeout(0.5)
        with contextlib.suppress(OSError):
            client.sendall(text)
        with contextlib.suppress(OSError):
            while client.recv(1 << 16):
                pass
    assert red.pids() == pids


def test_who_does_not_read_does_not_hold_up_others(red):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(admin_connect(red))
            client.settimeout(0.1)
            with contextlib.suppress(OSError):
                client.sendall(line("audit.show", most=10000) * 1 + b"\n")
                client.sendall((line("status") + b"\n") * 5000)
        for _ in range(20):
            client = stack.enter_context(admin_connect(red))
            client.sendall(b'{"jsonrpc":')
        assert red.json("status")["state"] == "unlocked"


@pytest.fixture
def locked(red):
    red.run("lock")
    yield red
    red.run("unlock", "--key-file", red.key)


def test_a_key_file_may_be_named_anywhere(locked):
    """Whatever is there, the core neither hangs nor says what is in it."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=locked.folder))
    os.mkfifo(folder / "fifo", 0o600)
    (folder / "short").write_bytes(SECRET.encode())
    (folder / "right-size").write_bytes(b"k" * 32)
    (folder / "large").write_bytes(b"k" * (1 << 20))
    (folder / "link").symlink_to(locked.key)
    (folder / "loop").symlink_to("loop")
    for path in folder.iterdir():
        if not path.is_symlink():
            path.chmod(0o600)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "sock"))
        for path in [*folder.iterdir(), folder, "/dev/zero", "/dev/tty",
                     "/dev/stdin", "/proc/self/mem", "/proc/self/fd/3",
                     "/etc/shadow", "relative", "", "/" + "a" * 5000,
                     "/nonexistent/\x1b[2J"]:
            if str(path) == str(folder / "link"):
                continue    # an administrator may link to the right one
            answer = call(locked, line("unlock", key_file=str(path)))
            assert json.loads(answer)["error"]["code"] == FAILED, path
            assert SECRET.encode() not in answer
            assert b"root:" not in answer
    assert locked.json("status")["state"] == "locked"


EVIL = ["\x1b]0;owned\x07", "\x1b[2J", "\x9b2J", "\r\nfake line",
        "\u202egnp.exe", "\x00", "\x08\x08\x08"]


def test_what_a_sandbox_sends_cannot_forge_a_line(red):
    """In the audit log, in its table, in the log of serve."""
    endpoint = Endpoint(red, ["forge:repository=acme/api,git=fetch"],
                        task="forger")
    before = len(red.log_text())
    for text in ['x"},{"event":"forged', "x%1b[2J", "x%0Aforged", "x%22",
                 "x\\u001b", "x'", "x%E2%80%AE"]:
        endpoint.ask("GET", f"/git/{red.upstream.authority}/{text}/{REFS}",
                     "User-Agent: \"}\nforged")
        endpoint.ask("GET", f"/git/{text}/acme/api/{REFS}")
        endpoint.ask("GET", f"/v1/credentials/{text}",
                     "Credbroker-Session: 1")
    for byte in (b"\x1b", b"\n", b"\x80", b"\x7f"):
        endpoint.send(b"GET /git/" + byte + b" HTTP/1.1\r\nHost: 127.0.0.1"
                      b"\r\n\r\n")
    events = red.json("audit", "show", "--task", "forger")["events"]
    assert {e["event"] for e in events} <= {"session.issue",
                                            "exchange.refused"}
    lines = [l for p in red.state.rglob("*.jsonl")
             for l in p.read_bytes().splitlines()]
    assert all(json.loads(l) for l in lines)
    raw = b"\n".join(lines)
    shown = red.run("audit", "show", "--task", "forger").stdout
    for text in (raw.decode(), shown, red.log_text()[before:]):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    red.run("audit", "verify")
    red.run("revoke", endpoint.id)


@pytest.mark.parametrize("args", [
    ["session", "show", "{}"], ["credential", "show", "{}"],
    ["revoke", "{}"], ["issue", "--task", "{}", "--grant", GRANTS[0]],
    ["issue", "--task", "x", "--grant", "{}"], ["profile", "show", "{}"],
    ["audit", "show", "--task", "{}"], ["credential", "add", "{}"],
    ["backend", "show", "{}"], ["{}"], ["status", "--{}"]])
def test_errors_do_not_steer_the_terminal(red, args):
    for evil in EVIL[:4]:
        words = [a.replace("{}", evil) for a in args]
        ours, theirs = pty.openpty()
        try:
            done = subprocess.run(
                red.command(*words), env=red.environment(), stdin=subprocess
                .DEVNULL, stdout=theirs, stderr=theirs, timeout=30)
            os.close(theirs)
            output = b""
            with contextlib.suppress(OSError):
                while piece := os.read(ours, 65536):
                    output += piece
        finally:
            os.close(ours)
        assert done.returncode >= 0
        for byte in (b"\x1b", b"\x07", b"\xc2\x9b"):
            assert byte not in output, (words, output)
        assert b"\nfake line" not in output, (words, output)
