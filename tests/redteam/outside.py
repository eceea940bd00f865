"""Run in a sandbox into which somebody bound the admin socket: every way that
the turned agent has to pass for a client on the host.  Prints, as JSON, which
ways were served.

    outside.py SOCKET SECRET-FREE-HINTS...   (inodes of the host's namespaces)
"""

import array
import ctypes
import fcntl
import glob
import json
import os
import socket
import struct
import sys

PATH, *HINTS = sys.argv[1:]
LINE = b'{"jsonrpc":"2.0","id":1,"method":"status"}\n'
NS_GET_USERNS, NS_GET_PARENT = 0xB701, 0xB702
PIDFD_GET_PID, PIDFD_GET_PID_CHILDREN, PIDFD_GET_USER = (
    0xFF06, 0xFF07, 0xFF09)
SO_PEERPIDFD = 77
libc = ctypes.CDLL(None, use_errno=True)
won, answers = [], {}


def connect():
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(PATH)
    return client


def served(client):
    """Whether the connection is: what it was told is kept."""
    told = b""
    try:
        client.sendall(LINE)
    except OSError:
        pass
    try:
        while not told.endswith(b"\n"):
            piece = client.recv(65536)
            if not piece:
                break
            told += piece
    except OSError:
        pass
    client.close()
    return told


def note(name, told):
    if b'"result"' in told:
        won.append(name)
    answers[name] = told.decode(errors="replace")


def attempt(name, fds, first=b" "):
    client = connect()
    try:
        socket.send_fds(client, [first], fds)
    except OSError:
        pass
    note(name, served(client))


def opened(path, flags=os.O_RDONLY):
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except OSError:
        return None


def own(kind):
    return os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)


def pairs(name, users, pids):
    """Every combination of what was found."""
    for i, user in enumerate(users):
        for k, pid in enumerate(pids):
            attempt(f"{name} {i} {k}", [user, pid])


# A name that begins with "own" is what a client on the host does too.
note("nothing", served(connect()))
attempt("own", [own("user"), own("pid")])
attempt("own, swapped", [own("pid"), own("user")])
attempt("user only", [own("user")])
attempt("pid only", [own("pid")])
attempt("files", [opened("/dev/null"), opened("/etc/passwd")])

# Other processes that can be seen, from the first of this pid namespace on.
found = {"user": [], "pid": []}
for kind in found:
    for path in glob.glob(f"/proc/[0-9]*/ns/{kind}*") + glob.glob(
            f"/proc/[0-9]*/task/*/ns/{kind}*"):
        fd = opened(path)
        if fd is not None and len(found[kind]) < 16:
            found[kind].append(fd)
pairs("of other processes", found["user"][:6], found["pid"][:6])

# What the kernel says is behind the own ones.
for kind in ("user", "pid", "mnt", "net", "uts", "ipc", "cgroup", "time"):
    for call in (NS_GET_USERNS, NS_GET_PARENT):
        fd = own(kind)
        for _ in range(4):
            try:
                fd = fcntl.ioctl(fd, call)
            except OSError:
                break
            found["user"].append(fd)
            found["pid"].append(fd)
pairs("parents", found["user"][-6:], found["pid"][-6:])

# The broker's own process, by the socket.
client = connect()
peers = []
try:
    peers.append(client.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD))
except OSError:
    pass
pid = struct.unpack("3i", client.getsockopt(
    socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
for number in {pid, 1, os.getppid()}:
    if number > 0:
        try:
            peers.append(os.pidfd_open(number))
        except OSError:
            pass
stolen = {"user": [], "pid": []}
for peer in peers:
    for kind, call in (("user", PIDFD_GET_USER), ("pid", PIDFD_GET_PID),
                       ("pid", PIDFD_GET_PID_CHILDREN)):
        try:
            stolen[kind].append(fcntl.ioctl(peer, call, 0))
        except OSError:
            pass
    for fd in range(32):
        got = libc.syscall(438, peer, fd, 0)     # pidfd_getfd
        if got >= 0:
            stolen["user"].append(got)
            stolen["pid"].append(got)
    for kind in (0x10000000, 0x20000000):        # setns
        if os.fork() == 0:
            os._exit(0 if libc.setns(peer, kind) == 0 and False else 1)
        os.wait()
client.close()
pairs("of the broker", stolen["user"][:6] + [own("user")],
      stolen["pid"][:6] + [own("pid")])

# Descriptors that were left open for us.
left = []
for name in os.listdir("/proc/self/fd"):
    try:
        if ":[" in os.readlink(f"/proc/self/fd/{name}"):
            left.append(int(name))
    except OSError:
        pass
pairs("left open", left[:6], left[:6])

# By a handle, made up for what the host's namespaces are.
handle = (ctypes.c_ubyte * 136)()
struct.pack_into("Ii", handle, 0, 128, 0)
mount = ctypes.c_int()
by_handle = {"user": [], "pid": []}
for kind in by_handle:
    fd = own(kind)
    struct.pack_into("I", handle, 0, 128)
    if libc.name_to_handle_at(fd, b"", handle, ctypes.byref(mount),
                              0x1000) != 0:
        continue
    size = struct.unpack_from("I", handle, 0)[0]
    for inode in {int(h) for h in HINTS} | set(range(0xEFFFFFF8, 0xF0000000)):
        for number in (*range(12), None):
            forged = (ctypes.c_ubyte * 136)(*handle)
            if size < 16 or inode >= 1 << 32:
                continue
            if number is not None:
                struct.pack_into("Q", forged, 8, number)
            struct.pack_into("I", forged, 8 + 12, inode)
            for at in (fd, -10003, -10002):
                got = libc.open_by_handle_at(at, forged, os.O_RDONLY)
                if got >= 0:
                    by_handle[kind].append(got)
pairs("by handle", by_handle["user"][:6], by_handle["pid"][:6])

# Files that are called what the host's namespaces are called.
for hint in HINTS or ["4026531837"]:
    fake = os.memfd_create(f"user:[{hint}]")
    attempt(f"a memory file {hint}", [fake, fake])
    try:
        path = f"/tmp/pid:[{hint}]"
        fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        attempt(f"a file {hint}", [fd, fd])
    except OSError:
        pass

# Deeper in.
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    done = libc.unshare(0x10000000 | 0x20000000)
    try:
        attempt("nested", [own("user"), os.open(
            "/proc/self/ns/pid_for_children", os.O_RDONLY)])
        attempt("nested, half", [own("user"), own("pid")])
    except OSError:
        pass
    os.write(writer, json.dumps(won).encode())
    os._exit(0)
os.close(writer)
inner = b""
while piece := os.read(reader, 65536):
    inner += piece
os.waitpid(child, 0)
won.extend(n for n in json.loads(inner or b"[]") if n not in won)

# More of them, later, twice, in pieces, with other things beside them.
for count in (0, 3, 4, 17, 100, 253):
    pair = [own("user"), own("pid")]
    fds = (pair * 127)[:count]
    if count:
        attempt(f"{count} of them", fds)
    for fd in pair:
        os.close(fd)
for name, sends in {
        "late": [(b"{", None), (b" ", 2)],
        "later": [(LINE, None), (b" ", 2)],
        "twice": [(b" ", 2), (b" ", 2)],
        "in pieces": [(b" ", 1), (b" ", 1)],
        "behind a line": [(LINE + b" ", 2)],
        "with each byte": [(bytes([c]), 2) for c in LINE[:20]]}.items():
    client = connect()
    try:
        for data, count in sends:
            if count:
                socket.send_fds(client, [data],
                                [own("user"), own("pid")][:count])
            else:
                client.sendall(data)
    except OSError:
        pass
    note(name, served(client))
for name, beside in {
        "credentials": [(socket.SOL_SOCKET, 2, struct.pack(
            "3i", os.getpid(), os.getuid(), os.getgid()))],
        "credentials of another": [(socket.SOL_SOCKET, 2, struct.pack(
            "3i", 1, 0, 0))],
        "two records": [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array(
            "i", [own("user")])), (socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                   array.array("i", [own("pid")]))]}.items():
    client = connect()
    try:
        client.sendmsg([b" "], beside)
    except OSError:
        pass
    note(name, served(client))

# By a process that connects and is gone when it is looked at.
client = socket.socket(socket.AF_UNIX)
client.settimeout(10)
child = os.fork()
if child == 0:
    client.connect(PATH)
    os._exit(0)
os.waitpid(child, 0)
try:
    socket.send_fds(client, [b" "], [own("user"), own("pid")])
except OSError:
    pass
note("own, by one that is gone", served(client))

# Claims.
for name, line in {
        "a claim": b'{"jsonrpc":"2.0","id":1,"method":"status","params":'
                   b'{"uid":0}}\n',
        "a batch": b"[" + LINE.strip() + b"]\n"}.items():
    client = connect()
    try:
        client.sendall(line)
    except OSError:
        pass
    note(name, served(client))

print(json.dumps({"won": won, "tried": len(answers), "answers": answers}))
