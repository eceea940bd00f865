"""The turned agent tries to get out of `credbroker run`: whatever of the host
it can touch, read, or still has a hand on."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import attack

GRANT = "forge:repository=acme/api,git=fetch"


def run(broker, script, *options, workspace=None, check=True, **more):
    workspace = workspace or tempfile.mkdtemp(dir=broker.folder)
    done = subprocess.run(
        broker.command("run", "--task", "escape", "--workspace", workspace,
                       "--grant", GRANT, *options, "--", "sh", "-c", script),
        env=broker.environment() | more.pop("extra", {}), timeout=60,
        capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    assert not check or done.returncode == 0, done.stderr
    return done


def python(broker, text, **more):
    """Run a script in Python inside; what it printed as JSON."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=broker.folder))
    (folder / "attack.py").write_text(text)
    return json.loads(run(broker, "exec python3 attack.py", workspace=folder,
                          **more).stdout)


DESCRIPTORS = """
import json, os
seen = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        fds = os.listdir(f"/proc/{pid}/fd")
    except PermissionError:
        continue
    for fd in fds:
        try:
            at = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        seen.append([int(fd), at])
print(json.dumps(seen))
"""


def test_descriptors_of_the_caller_do_not_come_in(red):
    """A folder's descriptor would be a way out: openat(fd, "../..")."""
    etc = os.open("/etc", os.O_RDONLY)
    reader, writer = os.pipe()
    try:
        seen = python(red, DESCRIPTORS, pass_fds=(etc, writer))
    finally:
        for fd in (etc, reader, writer):
            os.close(fd)
    assert all(fd <= 2 or path.startswith("/proc/") for fd, path in seen), seen


KERNEL = """
import json, os
taken = []
for top, folders, files in os.walk("/proc"):
    folders[:] = [f for f in folders if not f.isdigit()
                  and f not in ("self", "thread-self", "pressure")]
    for name in files:
        try:
            os.close(os.open(os.path.join(top, name),
                             os.O_WRONLY | os.O_NONBLOCK))
            taken.append(os.path.join(top, name))
        except OSError:
            pass
print(json.dumps(taken))
"""


def test_nothing_of_the_kernel_can_be_set(red):
    """/proc/sys/kernel/core_pattern runs a program as root on the host."""
    assert python(red, KERNEL) == []


SYSCALLS = """
import ctypes, json, os
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(number, *args)
    return "done" if result >= 0 else os.strerror(ctypes.get_errno())

print(json.dumps({
    "keyctl": call(250, 0, 0, 0, 0, 0),
    "add_key": call(248, b"user", b"x", b"y", 1, -3),
    "request_key": call(249, b"user", b"x", 0, -3),
    "unshare user": call(272, 0x10000000),
    "unshare net": call(272, 0x40000000),
    "mount": call(165, b"none", b"/tmp", b"tmpfs", 0, 0),
    "pivot_root": call(155, b"/tmp", b"/tmp"),
    "chroot": call(161, b"/tmp"),
    "ptrace 1": call(101, 16, 1, 0, 0),
    "init_module": call(175, 0, 0, b""),
    "bpf": call(321, 0, 0, 0),
    "TIOCSTI": call(16, 0, 0x5412, b"x"),
    "TIOCSTI, high bits": call(16, 0, 0x100005412, b"x"),
    "TIOCLINUX": call(16, 0, 0x541c, b"\\x02"),
    "ptrace 2": call(101, 16, 2, 0, 0),
    "open_by_handle_at": call(304, 3, b"\\0" * 16, 0),
    "mknod": call(133, b"/tmp/disk", 0o60600, (254 << 8)),
    "reboot": call(169, 0, 0, 0, 0),
    "swapoff": call(168, b"/x"),
    "sethostname": call(170, b"x", 1),
    "settimeofday": call(164, b"\\0" * 16, 0),
    "iopl": call(172, 3),
}))
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system calls are "
                    "called by number")
def test_system_calls_that_lead_out_are_refused(red):
    tried = python(red, SYSCALLS)
    # TIOCSTI and its like: refused before the kernel looks at the terminal.
    for name in ("keyctl", "add_key", "request_key", "TIOCSTI",
                 "TIOCSTI, high bits", "TIOCLINUX"):
        assert tried[name] == "Operation not permitted", (name, tried)
    assert "done" not in tried.values(), tried


LOOK = """
import json, os, socket
places = {}
for path in ["/etc/shadow", "/etc/credbroker", "/root/.ssh", "/var/lib",
             "/run/user", "/run/dbus", "/run/docker.sock", "/sys", "/dev/kmsg",
             "/dev/mem", "/dev/sda", "/dev/vda", "/dev/fuse", "/dev/kvm",
             "/dev/net/tun", "/mnt", "/srv", "/etc/ssh", "/etc/ssl/private",
             "/etc/pki/tls/private", STATE, RUNTIME, RUNTIME + "/admin.sock",
             RUNTIME + "/sessions", KEY, CONFIG]:
    places[path] = os.path.lexists(path)
print(json.dumps({
    "there": [p for p, there in places.items() if there],
    "processes": len([p for p in os.listdir("/proc") if p.isdigit()]),
    "sockets": open("/proc/net/unix").read().count("\\n") - 1,
    "interfaces": socket.if_nameindex(),
    "capabilities": [l for l in open("/proc/self/status")
                     if l.startswith("Cap") and int(l.split()[1], 16)],
    "environment": sorted(os.environ),
}))
"""


def test_what_can_be_seen_is_little(red):
    text = LOOK
    for name, path in (("STATE", red.state), ("RUNTIME", red.runtime),
                       ("KEY", red.key), ("CONFIG", red.config)):
        text = text.replace(name, repr(str(path)))
    seen = python(red, text, extra={"AWS_SECRET_ACCESS_KEY": "x",
                                    "LD_PRELOAD": "", "BASH_ENV": "/x"})
    assert seen["there"] == []
    assert seen["processes"] <= 4
    assert seen["sockets"] == 0
    assert [name for _, name in seen["interfaces"]] == ["lo"]
    assert seen["capabilities"] == []
    assert not {"AWS_SECRET_ACCESS_KEY", "LD_PRELOAD",
                "BASH_ENV"} & set(seen["environment"])


WRITE = """
import json, os
done = []
for path in ["/usr/x", "/opt/x", "/bin/x", "/lib/x", "/run/credbroker/x",
             "/run/credbroker/token", "/etc/passwd", "/etc/ssl/certs/x",
             "/run/credbroker-bin/credbroker-shim", "/usr/bin/git"]:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
        done.append(path)
    except OSError:
        pass
for name, call in {
        "unlink": lambda: os.unlink("/run/credbroker/endpoint.sock"),
        "rename": lambda: os.rename("/run/credbroker/endpoint.sock",
                                    "/run/credbroker/x"),
        "chmod": lambda: os.chmod("/run/credbroker", 0o777),
        "chmod socket": lambda: os.chmod("/run/credbroker/endpoint.sock",
                                         0o777),
        "chmod token": lambda: os.chmod("/run/credbroker/token", 0o777),
        "link": lambda: os.link("/run/credbroker/token", "token"),
        "remount": lambda: os.unlink("/run/credbroker")}.items():
    try:
        call()
        done.append(name)
    except OSError:
        pass
print(json.dumps(done))
"""


def test_only_the_workspace_is_written(red):
    assert python(red, WRITE) == []


@pytest.mark.skipif(os.geteuid() != 0 or not os.access("/opt", os.W_OK),
                    reason="needs a broker below /opt")
def test_a_broker_below_a_shown_folder_is_hidden():
    """A read-only mount does not keep anybody from connecting to a socket."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crb-", dir="/opt"))
    broker = attack.e2e.Broker(folder)
    try:
        broker.init()
        broker.start()
        upstream = attack.Recorder()
        attack.add_credential(broker, "forge", upstream, "secret-of-opt")
        with tempfile.TemporaryDirectory(prefix="crb-") as workspace:
            done = run(broker, f"ls -A {broker.state} {broker.runtime}; "
                       f"test -S {broker.runtime}/admin.sock && echo reached; "
                       "credbroker-shim status >/dev/null && echo served",
                       workspace=workspace, check=False)
        upstream.close()
        assert "admin.sock" not in done.stdout
        assert "store.db" not in done.stdout
        assert "reached" not in done.stdout
        assert "served" in done.stdout, done
    finally:
        broker.stop(check=False)
        shutil.rmtree(folder)


@pytest.mark.parametrize("place", ["state", "runtime", "audit", "sessions"])
def test_a_workspace_in_the_brokers_folders_is_refused(red, place):
    folder = {"state": red.state, "runtime": red.runtime,
              "audit": red.state / "audit",
              "sessions": red.runtime / "sessions"}[place]
    done = run(red, "true", workspace=folder, check=False)
    assert done.returncode == 2
    assert "workspace" in done.stderr


def test_a_workspace_behind_a_link_is_judged_where_it_is(red):
    link = red.folder / "innocent"
    link.symlink_to(red.state)
    try:
        done = run(red, "true", workspace=link, check=False)
    finally:
        link.unlink()
    assert done.returncode == 2


@pytest.mark.parametrize("linked", [False, True])
def test_a_bwrap_of_the_workspaces_is_not_run(red, linked):
    """PATH holds the project's own programs (a virtual environment's, say),
    and an agent can write there: for the next run."""
    workspace = pathlib.Path(tempfile.mkdtemp(dir=red.folder))
    planted = workspace / "bin" / "bwrap"
    planted.parent.mkdir()
    planted.write_text("#!/bin/sh\necho outside\n")
    planted.chmod(0o755)
    folder = planted.parent
    if linked:
        folder = pathlib.Path(tempfile.mkdtemp(dir=red.folder))
        (folder / "bwrap").symlink_to(planted)
    done = run(red, "echo inside", workspace=workspace,
               extra={"PATH": f"{folder}:{os.environ['PATH']}"})
    assert done.stdout == "inside\n"


def test_a_command_of_many_arguments(red):
    words = [str(i) for i in range(3000)]
    workspace = tempfile.mkdtemp(dir=red.folder)
    done = subprocess.run(
        red.command("run", "--task", "many", "--workspace", workspace,
                    "--grant", GRANT, "--", "echo", *words),
        env=red.environment(), capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL)
    assert done.stdout.split() == words, done.stderr


def test_what_is_left_running_ends_with_the_command(red):
    """A daemon of the agent's would keep the session's socket in reach."""
    mark = "88776655.4321"
    run(red, f"setsid sleep {mark} & sleep 0; exit 0")

    def left():
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if mark.encode() in path.read_bytes():
                    return True
            except OSError:
                pass
        return False
    attack.wait_until(lambda: not left(), "end")
