"""A second user of the host: beside a broker that is not his, and in the folder
of a session that is his and that root's broker works in."""

import json
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest

import attack
from attack import REFS, Endpoint, Recorder, add_credential

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="only root has other users to play")
OTHER = 54321
GRANT = "forge:repository=acme/api,git=fetch"


def as_other(text, *args, uid=OTHER):
    """Run a script as the other user; what it printed as JSON."""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", text, *map(str, args)], user=uid, group=uid,
        extra_groups=[], cwd="/", env={"PATH": attack.e2e.PATH},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def shared():
    """Root's broker where other users can get at it, as below /run."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    path.chmod(0o755)
    broker = attack.e2e.Broker(path)
    broker.init()
    broker.start()
    broker.upstream = Recorder()
    add_credential(broker, "forge", broker.upstream, "other-users-secret",
                   "auth=bearer")
    yield broker
    broker.upstream.close()
    broker.stop()
    shutil.rmtree(path, ignore_errors=True)


def issue(broker, task, owner=None):
    args = ["issue", "--task", task, "--grant", GRANT]
    if owner is not None:
        args += ["--owner", owner]
    return broker.json(*args)["session"]


TOUCH = """
import json, os, signal, socket, sys
state, runtime, key, config, folder, *pids = sys.argv[1:]
won = []

def attempt(name, call):
    try:
        call()
        won.append(name)
    except OSError:
        pass

def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)

for path in (state, runtime, runtime + "/sessions", folder):
    attempt("list " + path, lambda: os.listdir(path))
    attempt("write " + path, lambda: open(path + "/x", "w"))
    attempt("link " + path, lambda: os.symlink("/", path + "/y"))
    attempt("rename " + path, lambda: os.rename(path, path + "z"))
    attempt("chmod " + path, lambda: os.chmod(path, 0o777))
for path in (key, config, folder + "/token", state + "/vault",
             state + "/store.db", state + "/generation", runtime + "/lock"):
    attempt("read " + path, lambda: open(path).read())
    attempt("append " + path, lambda: open(path, "a"))
attempt("admin", lambda: connect(runtime + "/admin.sock"))
attempt("endpoint", lambda: connect(folder + "/endpoint.sock"))
for pid in pids:
    for name in ("mem", "environ", "maps", "auxv", "syscall", "stack", "io"):
        attempt(f"{pid} {name}", lambda: open(f"/proc/{pid}/{name}").read(1))
    for name in ("fd", "map_files"):
        attempt(f"{pid} {name}", lambda: os.listdir(f"/proc/{pid}/{name}"))
    attempt(f"{pid} root", lambda: os.listdir(f"/proc/{pid}/root"))
    attempt(f"{pid} kill", lambda: os.kill(int(pid), signal.SIGKILL))
print(json.dumps(won))
"""


def test_nothing_of_the_brokers_is_for_others(shared):
    session = issue(shared, "roots")
    assert as_other(TOUCH, shared.state, shared.runtime, shared.key,
                    shared.config, session["folder"],
                    *shared.pids().values()) == []


def test_a_users_session_is_not_for_a_third(shared):
    session = issue(shared, "his", OTHER)
    won = as_other(TOUCH, shared.state, shared.runtime, shared.key,
                   shared.config, session["folder"], uid=OTHER + 1)
    assert won == []
    # And it is for him.
    won = as_other(TOUCH, shared.state, shared.runtime, shared.key,
                   shared.config, session["folder"])
    folder = session["folder"]
    assert set(won) == {f"list {folder}", f"write {folder}", f"link {folder}",
                        f"chmod {folder}", f"read {folder}/token", "endpoint"}


def test_no_process_gains_privileges_or_leaves_a_core(shared):
    for pid in shared.pids().values():
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        core = next(l for l in limits.splitlines() if "core file" in l)
        assert core.split()[4:6] == ["0", "0"]


class HisBroker(attack.e2e.Broker):
    """As an ordinary user's, with programs that he can reach."""

    def __init__(self, folder):
        super().__init__(folder)
        build = attack.e2e.BUILD
        (folder / "usr" / "libexec").mkdir(parents=True)
        shutil.copytree(build / "bin", folder / "usr" / "bin")
        shutil.copytree(build / "libexec" / "credbroker", folder / "usr" /
                        "libexec" / "credbroker", symlinks=True)
        for path in (folder, self.home, self.config):
            os.chown(path, OTHER, OTHER)

    def command(self, *args):
        words = super().command(*args)
        return ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}",
                "--clear-groups", "--",
                str(self.folder / "usr/bin/credbroker"), *words[1:]]


TRACE = """
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
won = []
for pid in sys.argv[1:]:
    for name in ("mem", "environ", "maps", "auxv", "syscall", "io"):
        try:
            open(f"/proc/{pid}/{name}", "rb").read(1)
            won.append(f"{pid} {name}")
        except OSError:
            pass
    for name in ("fd", "map_files", "root", "cwd"):
        try:
            os.listdir(f"/proc/{pid}/{name}")
            won.append(f"{pid} {name}")
        except OSError:
            pass
    for request in (16, 0x4206):
        if libc.ptrace(request, int(pid), None, None) == 0:
            won.append(f"{pid} ptrace {request:x}")
            libc.ptrace(17, int(pid), None, None)
print(json.dumps(won))
"""


def test_his_own_programs_cannot_read_the_memory():
    """Not dumpable: neither a debugger of his nor /proc gets at a secret."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    broker = HisBroker(path)
    try:
        broker.init()
        broker.start()
        pids = broker.pids()
        assert all(os.stat(f"/proc/{p}").st_uid in (0, OTHER)
                   for p in pids.values())
        assert as_other(TRACE, *pids.values()) == []
    finally:
        broker.stop(check=False)
        shutil.rmtree(path, ignore_errors=True)


SPOIL = """
import json, os, sys
folder, kind, target = sys.argv[1:]
os.chdir(folder)

def replace(name, make):
    if os.path.lexists(name):
        os.unlink(name)
    make(name)

def full_folder(name):
    os.mkdir(name)
    open(name + "/inside", "w").close()

make = {"link": lambda n: os.symlink(target, n),
        "dangling": lambda n: os.symlink(target + ".new", n),
        "folder": os.mkdir, "full folder": full_folder,
        "fifo": os.mkfifo, "loop": lambda n: os.symlink(n, n),
        "file": lambda n: open(n, "w").close()}[kind]
for name in ("endpoint.sock", "endpoint.sock.new", "token"):
    replace(name, make)
os.chmod(".", 0o777)
print(json.dumps(sorted(os.listdir("."))))
"""


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "full folder",
                                  "fifo", "loop", "file"])
def test_what_a_user_puts_into_his_folder_traps_nobody(shared, kind):
    """Root works in it at a restart and at the end: it must not be led to
    another file, and other sessions must not suffer."""
    his = issue(shared, "his", OTHER)
    other = Endpoint(shared, [GRANT])
    target = shared.folder / "precious"
    target.write_text("precious")
    target.chmod(0o600)
    as_other(SPOIL, his["folder"], kind, target)
    shared.stop()
    shared.start()
    done = shared.run("revoke", his["id"], check=False)
    assert done.returncode in (0, 1, 5), done.stderr
    assert target.read_text() == "precious"
    about = target.stat()
    assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (0, 0o600)
    assert not target.with_name("precious.new").exists()
    got, _ = other.ask("GET", f"/git/{shared.upstream.authority}/acme/api/"
                       + REFS)
    assert got == 200
    # A new one for the same user comes out well.
    again = issue(shared, "again", OTHER)
    folder = pathlib.Path(again["folder"])
    assert folder.stat().st_uid == OTHER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


RACE = """
import json, os, sys, time
folder, target, stop = sys.argv[1:]
os.chdir(folder)
won = 0
print("ready", file=sys.stderr, flush=True)
end = time.monotonic() + 30
while not os.path.exists(stop) and time.monotonic() < end:
    for name in ("endpoint.sock.new", "endpoint.sock", "token"):
        try:
            os.rename(name, "mine")
            won += 1
        except OSError:
            pass
        try:
            os.symlink(target, name)
        except OSError:
            pass
print(json.dumps(won))
"""


def test_who_swaps_files_during_a_restart_wins_nothing(shared):
    his = issue(shared, "his", OTHER)
    target = shared.folder / "precious"
    target.write_text("precious")
    target.chmod(0o600)
    stop = shared.folder / "stop"
    process = subprocess.Popen(
        ["/usr/bin/python3", "-c", RACE, his["folder"], str(target),
         str(stop)], user=OTHER, group=OTHER, extra_groups=[], cwd="/",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stderr.readline() == b"ready\n"
        for _ in range(3):
            shared.stop()
            shared.start()
        shared.run("revoke", his["id"], check=False)
    finally:
        stop.touch()
        process.communicate(timeout=40)
    about = target.stat()
    assert target.read_text() == "precious"
    assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (0, 0o600)


def test_a_token_is_of_no_use_at_another_socket(shared):
    first, second = Endpoint(shared, [GRANT]), Endpoint(shared, [GRANT])
    token = (first.folder / "token").read_text()
    got, _ = first.ask("GET", "/v1/session", f"Authorization: Bearer {token}")
    assert got == 200
    for wrong in (token, token[:-1], token + "x", token.swapcase(), "",
                  token.replace("crbs_", "")):
        got, said = second.ask("GET", "/v1/session",
                               f"Authorization: Bearer {wrong}")
        assert got == 401 and token.encode() not in said
    # Nor is the header enough when the token beside it is wrong.
    got, _ = second.ask("GET", "/v1/session", "Credbroker-Session: 1",
                        f"Authorization: Bearer {token}")
    assert got == 401
