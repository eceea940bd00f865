"""`run --network host`: its port is on the host's loopback, where others can
connect: other users, other sandboxes, other processes of the same user."""

import ctypes
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

import attack

GRANT = "forge:repository=acme/api,git=fetch"
HOST = ("--network", "host")
LANDLOCK = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)
ASK = (b"GET /v1/session HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
       b"Credbroker-Session: 1\r\nConnection: close\r\n\r\n")


@pytest.fixture
def served(red):
    """A live sandbox with the host's network, and its port."""
    sandbox = attack.e2e.LiveSandbox(red, [GRANT], options=HOST)
    status, output = sandbox("echo $CREDBROKER_ENDPOINT")
    sandbox.port = int(output.strip().rpartition(":")[2])
    yield sandbox
    sandbox.close()


ASK_IN = ("curl -s -m 10 -o /dev/null -w '%{{http_code}}' -H "
          "'Credbroker-Session: 1' http://127.0.0.1:{}/v1/session")


def answered(port):
    """What the port gives to this very process, which is of the host's."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        try:
            client.sendall(ASK % port)
            return client.recv(100)
        except ConnectionResetError:
            return b""


def test_its_own_processes_are_served(served):
    assert served(ASK_IN.format(served.port))[1] == "200"
    status, output = served(
        "python3 -c \"import socket; s = socket.socket(socket.AF_INET6); "
        f"s.connect(('::ffff:127.0.0.1', {served.port})); "
        f"s.sendall({ASK % served.port!r}); print(s.recv(12))\"")
    assert "200" in output


def test_a_process_of_the_same_user_is_not(served):
    assert answered(served.port) == b""
    # ... and the sandbox still is.
    assert served(ASK_IN.format(served.port))[1] == "200"


def test_another_sandbox_of_the_same_user_is_not(red, served):
    other = attack.e2e.LiveSandbox(red, [GRANT], task="other", options=HOST)
    try:
        assert other(ASK_IN.format(served.port))[1] == "000"
        assert served(ASK_IN.format(served.port))[1] == "200"
    finally:
        other.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_another_user_is_not(served):
    """Nor when its request is sent and its socket gone before we look: a
    socket without an owner has uid 0 in the kernel's table."""
    script = f"""
import socket, struct
def ask(s, how):
    s.sendall({ASK % served.port!r})
    if how == 1:
        s.shutdown(socket.SHUT_WR)
    if how == 2:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        return b""
    return s.recv(100)
for i in range(60):
    with socket.create_connection(("127.0.0.1", {served.port})) as s:
        try:
            got = ask(s, i % 3)
        except OSError:
            got = b""  # it was reset before we had done
        assert got == b"", got
"""
    before = served.broker.json(
        "session", "show", served.session)["session"]["requests"]
    subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534",
                    "--clear-groups", "/usr/bin/python3", "-c", script],
                   check=True, timeout=60)
    assert served(ASK_IN.format(served.port))[1] == "200"
    after = served.broker.json(
        "session", "show", served.session)["session"]["requests"]
    assert after - before <= 1


def test_the_sandbox_of_the_host_network_reaches_no_other_way(red, served):
    """The admin socket is a file, and so are the others' endpoints."""
    status, output = served(
        f"ls {red.runtime} 2>&1; cat /proc/net/unix | grep -c admin.sock; "
        "ls /run /run/user 2>&1; echo done")
    assert "done" in output
    assert "sessions" not in output.replace("No such file", "")
    done = served(f"python3 -c \"import socket; s = socket.socket(1); "
                  f"s.connect('{red.runtime}/admin.sock'); print('in')\"")
    assert "in\n" not in done[1]


def test_abstract_sockets_of_the_host(red, served):
    """They belong to the network namespace: out of reach where the kernel has
    Landlock scopes, and said to be in reach where it has not."""
    name = "\0crb-" + os.urandom(8).hex()
    scoped = "no Landlock scopes" not in served.error_text()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        status, output = served(
            "python3 -c \"import socket; s = socket.socket(1); "
            f"s.connect(chr(0) + '{name[1:]}'); print('reached')\"")
    assert ("reached" in output) == (not scoped), output
    assert scoped == (LANDLOCK >= 6)
    # Its own are its own.
    status, output = served(
        "python3 -c \"import socket; a = socket.socket(1); b = "
        "socket.socket(1); a.bind(chr(0) + 'own'); a.listen(); "
        "b.connect(chr(0) + 'own'); print('reached')\"")
    assert "reached" in output


def test_families_of_sockets_that_no_namespace_holds(red):
    """A virtual machine's host, or Bluetooth, is reached past the network."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=red.folder))
    (folder / "a.py").write_text(
        "import socket\n"
        "for family in (40, 31, 38, 17, 16, 2, 1):\n"
        "    try:\n"
        "        socket.socket(family, socket.SOCK_STREAM if family != 16\n"
        "                      else socket.SOCK_RAW).close()\n"
        "        print(family, 'made')\n"
        "    except OSError as e:\n"
        "        print(family, e.errno)\n")
    done = subprocess.run(
        red.command("run", "--task", "t", "--grant", GRANT, "--workspace",
                    folder, "--", "/usr/bin/python3", "a.py"),
        env=red.environment(), capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL)
    lines = done.stdout.split("\n")
    # 17, packets, every kernel has, and would refuse with another error.
    for family in (40, 31, 38, 17):
        assert f"{family} 97" in lines, done.stdout
    for family in (16, 2, 1):
        assert f"{family} made" in lines, done.stdout


def test_the_port_is_not_a_fixed_one(red):
    ports = set()
    for _ in range(3):
        with tempfile.TemporaryDirectory(prefix="crb-") as workspace:
            done = subprocess.run(
                red.command("run", "--task", "t", "--grant", GRANT,
                            "--workspace", workspace, *HOST, "--", "sh", "-c",
                            "echo $CREDBROKER_ENDPOINT"),
                env=red.environment(), capture_output=True, text=True,
                timeout=60, stdin=subprocess.DEVNULL)
        ports.add(re.search(r":(\d+)$", done.stdout.strip())[1])
    assert len(ports) > 1
    assert shutil.which("bwrap")
