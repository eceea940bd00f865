"""Where secrets are in the memory of the processes: the core has them in the
memory that is locked, left out of dumps and wiped when freed, and nowhere else;
the others do not have them, or no longer.  Read as root, from outside."""

import base64
import fcntl
import os
import re
import secrets
import socket
import sys
import termios

import pytest

from conftest import Broker, admin_connect, wait_until

GRANT = "forge:repository=acme/api,git=fetch+push"
LARGEST = 1 << 30   # the sanitizer's shadow is terabytes of nothing
PAGE = os.sysconf("SC_PAGE_SIZE")

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="another process's memory is read by root only")


class Mapping:
    def __init__(self, line):
        span, self.mode, _, _, inode = line.split()[:5]
        self.first, self.last = (int(x, 16) for x in span.split("-"))
        self.name = "".join(line.split(maxsplit=5)[5:]).strip()
        self.file = inode != "0"
        self.flags = set()

    @property
    def guarded(self):
        """Neither dumped nor inherited: the memory for secrets."""
        return {"dd", "wf"} <= self.flags

    def __str__(self):
        return f"{self.first:x} {self.mode} {self.name} {sorted(self.flags)}"


def mappings(pid):
    found = []
    with open(f"/proc/{pid}/smaps") as smaps:
        for line in smaps:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                found.append(Mapping(line))
            elif line.startswith("VmFlags:"):
                found[-1].flags = set(line.split()[1:])
    return found


def pieces(secret):
    """Of each form, both ends: a part that is left behind is found too."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    forms = [raw]
    for prefix in (b"", b"x", b"xx", b"robot:"):
        # Without what the neighbours decide.
        forms.append(base64.b64encode(prefix + raw)[4:-4])
    return [part for form in forms for part in (form[:16], form[-16:])]


def runs(pagemap, mapping):
    """Its parts that are in memory, or swapped out: nothing was ever written
    to the rest, of which a sanitizer has a lot."""
    pagemap.seek(8 * (mapping.first // PAGE))
    count = (mapping.last - mapping.first) // PAGE
    pages = memoryview(pagemap.read(8 * count)).cast("Q")
    begun = None
    for at, page in enumerate([*pages, 0]):
        if page >> 62 and begun is None:
            begun = at
        elif not page >> 62 and begun is not None:
            yield mapping.first + begun * PAGE, (at - begun) * PAGE
            begun = None


def places(pid, *wanted, within=""):
    """The mappings of a process in which one of the secrets is; all of them,
    or those of a name."""
    parts = [part for secret in wanted for part in pieces(secret)]
    found = []
    with open(f"/proc/{pid}/mem", "rb", 0) as memory, \
            open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap:
        for mapping in mappings(pid):
            if mapping.file and "w" not in mapping.mode:
                continue
            if within not in mapping.name:
                continue
            if mapping.last - mapping.first > LARGEST:
                continue
            try:
                for first, length in runs(pagemap, mapping):
                    memory.seek(first)
                    data = memory.read(length)
                    if any(part in data for part in parts):
                        found.append(mapping)
                        break
            except (OSError, OverflowError, ValueError):
                continue
    return found


def shown(found):
    return [str(mapping) for mapping in found]


def test_the_search_finds_what_is_in_memory():
    secret = secrets.token_hex(16)
    held = bytearray(("xxxx" + secret).encode())
    assert places(os.getpid(), secret)
    assert not any(mapping.guarded for mapping in mappings(os.getpid()))
    del held


def use(forge, sandbox, server):
    """Exchanges of many kinds, then one that holds all open."""
    url = f"{server.url}/acme/api.git"
    status, output = sandbox(
        f"set -e; git clone --quiet {url}; cd api; "
        "git -c user.name=a -c user.email=a@b commit --allow-empty -qm x; "
        "git push -q; git fetch -q; "
        f"! git ls-remote {server.url}/acme/infra.git; "
        f"! git ls-remote {server.url}/acme/nothing.git")
    assert status == 0, output


def test_a_stored_secret_is_in_the_guarded_memory_only(forge, git_server,
                                                       live):
    secret = git_server.password
    pids = forge.pids()
    sandbox = live(GRANT)
    use(forge, sandbox, git_server)
    forge.run("credential", "set", "forge", input=secret + "\n")
    forge.run("credential", "add", "forge", input=secret + "\n", check=False)
    forge.run("credential", "list")
    use(forge, live(GRANT, task="other"), git_server)

    found = places(pids["core"], secret)
    assert found, "the core has it somewhere"
    assert shown(m for m in found if not m.guarded) == []
    for name in ("gateway", "supervisor"):
        assert shown(places(pids[name], secret)) == [], name
    # The jobs have ended; the connections to the upstream may still stand.
    wait_until(lambda: not places(pids["egress"], secret),
               "the egress has forgotten the secret", seconds=10)

    forge.run("lock")
    for name, pid in pids.items():
        assert shown(places(pid, secret)) == [], name


def test_a_secret_that_was_replaced_or_removed_is_gone(forge):
    before, after = (f"canary-{secrets.token_hex(16)}" for _ in range(2))
    core = forge.pids()["core"]
    forge.run("credential", "set", "forge", input=before + "\n")
    assert places(core, before)
    forge.run("credential", "set", "forge", input=after + "\n")
    assert shown(places(core, before)) == []
    assert places(core, after)
    forge.run("credential", "remove", "forge")
    assert shown(places(core, after)) == []


ADD = '{"jsonrpc":"2.0","id":1,"method":"credential.add","params":%s}\n'
FAILING = [
    ADD % '{"name":"x","backend":"static","secret":"S","secret":"S"}',
    ADD % '{"name":"x","backend":"nope","params":{},"secret":"S"}',
    ADD % '{"name":"S","backend":"static","params":{},"secret":"S"}',
    ADD % '{"name":"x","backend":"static","params":{},"secret":["S"]}',
    ADD % '{"name":"x","backend":"static","params":{"hosts":"a b"},'
          '"secret":"S"}',
    ADD % '{"name":"x","backend":"static","params":{"hosts":"a.example"},'
          '"secret":"S\\n"}',
    '{"jsonrpc":"2.0","id":1,"method":"unlock","params":{"slot":"S"}}\n',
    '{"jsonrpc":"2.0","id":1,"method":"S"}\n',
    '"S"\n',
    'S\n',
    '{"S"\n',
]


def unread(client):
    """Bytes that were sent and that the other end has not taken."""
    count = fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(count, sys.byteorder)


@pytest.mark.limit(600)
def test_a_secret_in_a_request_that_fails_is_gone(broker):
    """It is in no answer either, nor in the log."""
    held, pids = [], broker.pids()

    def ask(text):
        held.append(f"canary-{secrets.token_hex(16)}")
        admin.sendall(text.replace("S", held[-1]).encode())

    for text in FAILING:
        with admin_connect(broker) as admin:
            ask(text)
            answer = admin.recv(65536).decode()
            assert '"error"' in answer and held[-1] not in answer, text
            # At once: the next request would write over it.
            assert not places(pids["core"], held[-1], within="[stack]"), text
    # A line that never ends.
    with admin_connect(broker) as admin:
        ask(FAILING[0].rstrip())
        wait_until(lambda: unread(admin) == 0, "it has come")
        assert places(pids["core"], held[-1])
        admin.shutdown(socket.SHUT_WR)
        assert admin.recv(65536) == b""
    for name, pid in pids.items():
        assert shown(places(pid, *held)) == [], name
    written = broker.log_text() + broker.run("audit", "show", "--json").stdout
    assert [secret for secret in held if secret in written] == []


def test_what_unlocks_the_vault_is_gone_when_it_has(broker):
    key = broker.key.read_bytes()
    for name, pid in broker.pids().items():
        assert shown(places(pid, key)) == [], name


def test_a_passphrase_is_gone_when_it_was_used(folder):
    right, wrong = (f"canary-{secrets.token_hex(16)}" for _ in range(2))
    broker = Broker(folder)
    broker.run("init", input=right + "\n")
    broker.start(unlock=False)
    try:
        pids = broker.pids()
        assert broker.run("unlock", input=wrong + "\n",
                          check=False).returncode != 0
        broker.run("unlock", input=right + "\n")
        for name, pid in pids.items():
            assert shown(places(pid, right, wrong)) == [], name
    finally:
        broker.stop()


def test_a_session_token_is_kept_as_its_hash_only(forge):
    issued = forge.json("issue", "--task", "token", "--grant", GRANT)
    folder = forge.runtime / "sessions" / issued["session"]["id"]
    token = (folder / "token").read_text()
    for name, pid in forge.pids().items():
        assert shown(places(pid, token)) == [], name


def test_the_memory_for_secrets_is_locked_where_the_limit_allows(broker):
    for name in ("core", "egress"):
        arena = [m for m in mappings(broker.pids()[name]) if m.guarded]
        assert arena, name
        assert all("lo" in m.flags for m in arena), name


def test_no_process_may_be_dumped_or_traced(broker):
    """Their files in /proc are root's, whoever runs them, and no core file
    has a size."""
    for name, pid in broker.pids().items():
        with open(f"/proc/{pid}/limits") as limits:
            line = next(x for x in limits if x.startswith("Max core file"))
        assert line.split()[4:6] == ["0", "0"], name
