"""The commands of a push are read here as git's own server reads them: what it
would do is never more, nor anything else, than what is decided on."""

import hashlib
import os
import pathlib
import random
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("CRB_BUILD_DIR", "build/dev"))
READER = BUILD / "tests/contract/push_commands"
ZERO = b"0" * 40
PACK = b"PACK\0\0\0\2\0\0\0\0"
PACK += hashlib.sha1(PACK).digest()
CASES = int(os.environ.get("CRB_PUSH_CASES", "400"))


def pkt(text):
    return b"%04x" % (len(text) + 4) + text


class Server:
    def __init__(self, folder):
        self.path = folder / "repo.git"
        self.seen = folder / "seen"
        self.git("init", "--quiet", "--bare", str(self.path))
        tree = self.git("-C", str(self.path), "mktree", input=b"").strip()
        self.commit = self.git(
            "-C", str(self.path), "-c", "user.name=o", "-c", "user.email=o@o",
            "commit-tree", "-m", "x", tree.decode()).strip()
        for name in ("main", "old"):
            self.git("-C", str(self.path), "update-ref", f"refs/heads/{name}",
                     self.commit.decode())
        for key in ("receive.certNonceSeed=x", "receive.advertisePushOptions=1",
                    "receive.unpackLimit=1"):
            self.git("-C", str(self.path), "config", *key.split("="))
        hook = self.path / "hooks/pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ncat >{self.seen}\nexit 1\n")
        hook.chmod(0o755)

    @staticmethod
    def git(*args, input=None):
        return subprocess.run(["git", *args], input=input, check=True,
                              capture_output=True).stdout

    def reads(self, body):
        """What git would do; it is kept from doing it."""
        self.seen.unlink(missing_ok=True)
        subprocess.run(
            ["git", "receive-pack", "--stateless-rpc", str(self.path)],
            input=body, capture_output=True, check=False, timeout=30,
            env={"PATH": os.environ["PATH"], "HOME": str(self.path)})
        if not self.seen.exists():
            return set()
        return set(self.seen.read_bytes().splitlines())


def ours(body):
    """What is decided on; None: it is refused."""
    done = subprocess.run([str(READER)], input=body, capture_output=True,
                          check=False, timeout=30)
    assert done.returncode in (0, 1), done.stderr
    return set(done.stdout.splitlines()) if done.returncode == 0 else None


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    return Server(tmp_path_factory.mktemp("receive"))


def pushes(commit):
    """Lists that git's client makes, as lines; None is a flush."""
    caps = b"\0 report-status-v2 side-band-64k object-format=sha1 agent=git/2"
    create = b"%s %s refs/heads/new" % (ZERO, commit)
    update = b"%s %s refs/heads/main" % (commit, commit)
    delete = b"%s %s refs/heads/old" % (commit, ZERO)
    cert = [b"certificate version 0.1\n", b"pusher k <a@b> 1 +0\n",
            b"pushee http://h/r\n", b"nonce 1-2\n", b"\n", create + b"\n",
            delete + b"\n", b"-----BEGIN SSH SIGNATURE-----\n",
            b"U1NIU0lHAAAAAQ==\n", b"-----END SSH SIGNATURE-----\n",
            b"push-cert-end\n"]
    return [
        [create + caps, None],
        [create + caps, update, delete + b"\n", None],
        [delete + caps, None],
        [b"shallow " + commit, create + caps, update, None],
        [create + caps + b" push-options", update, None, b"ci.skip", None],
        [b"push-cert" + caps, *cert, None],
        [b"push-cert" + caps + b" push-options", *cert[:4],
         b"push-option o\n", *cert[4:], None, b"o", None],
        [None],
    ]


def written(lines):
    return b"".join(b"0000" if line is None else pkt(line)
                    for line in lines) + PACK


def test_what_git_sends_is_read_as_git_reads_it(server):
    for lines in pushes(server.commit):
        body = written(lines)
        assert ours(body) == server.reads(body), body


PIECES = [b"\0", b"\n", b" ", b"\t", b"\0 push-options", b"push-cert\0 x",
          b"push-cert-end\n", b"\n\n", b"shallow ", b"refs/heads/other",
          b"-----BEGIN PGP SIGNATURE-----\n", b"\0object-format=sha1",
          b"-----BEGIN SSH SIGNATURE-----\n", b"../", b".lock", b"\r\n",
          b"push-options", b"ERR x", b"nonce 1\n", b"push-option o\n"]


def change(chance, lines, commit):
    lines = list(lines)
    at = chance.randrange(len(lines))
    line = lines[at] or b""
    kind = chance.randrange(8)
    extra = b"%s %s refs/heads/extra" % (ZERO, commit)
    if kind == 0:
        lines.insert(at, chance.choice(lines))
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        lines.insert(at, extra + chance.choice([b"", b"\n", b"\0x"]))
    elif kind == 3:
        lines.insert(at, None)
    elif kind == 4:
        lines.insert(at, chance.choice(PIECES))
    elif kind == 5:
        place = chance.randrange(len(line) + 1)
        lines[at] = line[:place] + chance.choice(PIECES) + line[place:]
    elif kind == 6:
        lines[at] = line + chance.choice([b"\n", b"\0"]) + extra
    else:
        place = chance.randrange(len(line) + 1)
        lines[at] = line[:place] + bytes([chance.randrange(256)]) + line[
            place + 1:]
    return lines or [None]


def test_git_never_does_more_than_what_is_read(server):
    seed = int(os.environ.get("CRB_PUSH_SEED", random.randrange(1 << 32)))
    print(f"CRB_PUSH_SEED={seed}")
    chance = random.Random(seed)
    accepted = done = 0
    for _ in range(CASES):
        lines = chance.choice(pushes(server.commit))
        for _ in range(chance.randrange(1, 4)):
            lines = change(chance, lines, server.commit)
        body = written(lines)
        if (read := ours(body)) is None:
            continue
        accepted += 1
        git = server.reads(body)
        done += bool(git)
        assert git <= read, (body, git, read)
    assert accepted and done
