"""A sandbox that has the broker's uid, and its admin socket bound into it,
administers nothing: what shows that a client is on the host cannot be had in
there."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import attack
from attack import admin_connect, descriptors, wait_until

BWRAP = shutil.which("bwrap")
pytestmark = pytest.mark.skipif(BWRAP is None, reason="needs bubblewrap")
SCRIPT = pathlib.Path(__file__).with_name("outside.py")
BASE = ["--ro-bind", "/usr", "/usr", "--ro-bind", "/etc/passwd",
        "/etc/passwd", "--symlink", "usr/lib", "/lib", "--symlink",
        "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin", "--dev",
        "/dev", "--tmpfs", "/tmp"]
# What a sandbox has of its own, from the usual to one that is hardly any.
SANDBOXES = {
    "all of its own": ["--unshare-all", "--proc", "/proc"],
    "no nesting": ["--unshare-all", "--unshare-user", "--disable-userns",
                   "--cap-drop", "ALL", "--proc", "/proc"],
    "users of its own": ["--unshare-user", "--proc", "/proc"],
    "users of its own, and the host's /proc": [
        "--unshare-user", "--unshare-pid", "--ro-bind", "/proc", "/proc"],
    "processes of its own": ["--unshare-pid", "--proc", "/proc",
                             "--cap-drop", "ALL"],
}


def inodes():
    return [str(os.stat(f"/proc/self/ns/{kind}").st_ino)
            for kind in ("user", "pid")]


def in_sandbox(broker, kind, *command, socket=True):
    binds = ["--ro-bind", str(SCRIPT), "/outside.py",
             "--ro-bind", str(attack.e2e.BUILD / "bin"), "/programs"]
    if socket:
        binds += ["--bind", str(broker.runtime / "admin.sock"), "/admin.sock"]
    return subprocess.run(
        [BWRAP, *BASE, *SANDBOXES[kind], *binds, "--", *command],
        env={"PATH": attack.e2e.PATH, "HOME": "/tmp",
             "CREDBROKER_ADMIN_SOCKET": "/admin.sock",
             "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=170)


def core_descriptors(broker):
    return len(descriptors(broker.pids()["core"]))


def test_on_the_host_it_is_served(red):
    """Or what follows would show nothing."""
    done = subprocess.run(
        ["/usr/bin/python3", str(SCRIPT), str(red.runtime / "admin.sock"),
         *inodes()], capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr
    won = json.loads(done.stdout)["won"]
    assert "own" in won
    # Nor is anything served there but the very two, by whatever way.
    assert set(won) <= {"twice", "behind a line", "two records"} | {
        w for w in won if w.startswith(("own", "of other", "of the broker",
                                        "parents", "left open",
                                        "by handle"))}


@pytest.mark.parametrize("kind", SANDBOXES)
def test_no_trick_is_served_in_a_sandbox(red, kind):
    before = core_descriptors(red)
    pids = red.pids()
    done = in_sandbox(red, kind, "/usr/bin/python3", "/outside.py",
                      "/admin.sock", *inodes())
    if "Creating new namespace failed" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["won"] == []
    assert said["tried"] >= 25
    for name, answer in said["answers"].items():
        # Sent before it was told, what it sent may have reset the connection.
        error = json.loads(answer)["error"]
        assert error["data"]["code"] == "outside_host", (name, answer)
        assert error["data"]["exit"] == 1
        assert "Run credbroker there" in error["message"]
    assert red.pids() == pids
    wait_until(lambda: core_descriptors(red) <= before, "all are closed")


@pytest.mark.parametrize("kind", SANDBOXES)
def test_the_command_is_told_where_to_run(red, kind):
    for words in (["status"], ["credential", "list"], ["audit", "show"],
                  ["revoke", "--all"], ["lock"],
                  ["issue", "--task", "x", "--grant",
                   "forge:repository=a/b,git=fetch"]):
        done = in_sandbox(red, kind, "/programs/credbroker", *words)
        if "Creating new namespace failed" in done.stderr:
            pytest.skip(done.stderr)
        assert done.returncode == 1, (words, done.stdout, done.stderr)
        assert done.stdout == ""
        assert "Run credbroker there, not in a sandbox" in done.stderr
    done = in_sandbox(red, kind, "/programs/credbroker", "status", "--json")
    assert json.loads(done.stderr)["error"]["code"] == "outside_host"
    assert red.json("status")["state"] == "unlocked"
    assert red.json("session", "list")["sessions"] == []


LENT = """
import os, socket, sys, time
path, pid = sys.argv[1:]
client = socket.socket(socket.AF_UNIX)
client.connect(path)
fds = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
       for kind in ("user", "pid")]
try:
    socket.send_fds(client, [b" "], fds)
    client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"status"}\\n')
except OSError:
    pass
print(client.recv(65536).decode())
"""


def test_the_hosts_own_namespaces_are_of_no_use_from_a_deeper_one(red):
    """Docker's way, with the host's /proc bound into it: the descriptors are
    right, and the process that shows them is not."""
    kind = ["--unshare-pid", "--ro-bind", "/proc", "/proc"]
    done = subprocess.run(
        [BWRAP, *BASE, *kind, "--bind", str(red.runtime / "admin.sock"),
         "/admin.sock", "--", "/usr/bin/python3", "-c", LENT, "/admin.sock",
         str(os.getpid())], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=60)
    if "namespace failed" in done.stderr or "Permission" in done.stderr:
        pytest.skip(done.stderr)    # an ordinary user's has users of its own
    assert done.returncode == 0, done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["data"]["code"] == "outside_host"
    assert "process that connected" in error["message"]


def test_what_run_starts_does_not_see_it_at_all(red):
    done = red.sandbox(
        f"test -e {red.runtime}/admin.sock && echo there",
        "find / -xdev -name admin.sock 2>/dev/null",
        "credbroker status 2>/dev/null && echo administers", "true",
        check=False)
    assert done.stdout == ""


def test_it_is_audited_and_does_not_fill_the_log(red):
    count = len(refusals(red))
    in_sandbox(red, "all of its own", "/usr/bin/python3", "-c", """
import socket
for _ in range(3000):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("/admin.sock")
        client.sendall(b"x")
        while client.recv(65536):
            pass
""")
    lines = refusals(red)
    assert lines and all(
        (e["outcome"], e["decision"]) == ("outside_host", "deny")
        for e in lines if e["outcome"] != "invalid_request")
    assert len(lines) - count < 60
    assert red.log_text().count("admin call refused") < 400
    # The log says how many it left out.
    wait_until(lambda: red.run("audit", "verify"), "the log is whole")


def refusals(broker):
    return broker.json("audit", "show", "--event", "admin.refused", "--most",
                       "10000")["events"]


def test_a_connection_is_shown_once_and_for_all(red):
    """A byte with descriptors, and no second one: also not of the right ones,
    and also where the kernel does not refuse them."""
    with admin_connect(red) as client:
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"status"}\n')
        assert b'"result"' in client.recv(65536)
        try:
            attack.e2e.send_proof(client)
        except PermissionError:
            return    # Linux 6.16 and later
        assert b"invalid_request" in client.recv(65536)
        assert client.recv(1) == b""


def test_a_client_of_an_older_version_is_told(red):
    with admin_connect(red, proof=False) as client:
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"status"}\n')
        error = json.loads(client.recv(65536))["error"]
        assert error["data"]["code"] == "outside_host"
        assert client.recv(1) == b""
