"""The main job: an unchanged git in the sandbox, the real server behind."""

import contextlib
import os
import socket
import subprocess
import threading
import time

import pytest

from conftest import SANITIZED, memory_kib, wait_until

API = "forge:repository=acme/api"
PUSH = "forge:repository=acme/api+acme/web+acme/big,git=fetch+push"
IDENTITY = "-c user.name=Agent -c user.email=agent@localhost"
# Random bytes do not compress: git need not try.
STORED = "-c core.compression=0 -c core.bigFileThreshold=1m"
MORE_KIB = 4096


def clone(url, into="", options=""):
    return f"git clone --quiet {options} {url}.git {into}"


def test_clone_commit_push_by_the_ordinary_url(forge, git_server):
    api = f"{git_server.url}/acme/api"
    before = git_server.head("acme/api")
    done = forge.sandbox(
        "set -e", clone(api), "cd api", "echo agent >>README.md",
        f"git {IDENTITY} commit --quiet -am work", "git push --quiet",
        "git fetch --quiet", "git rev-parse HEAD", "git config remote.origin.url",
        grants=[PUSH])
    head, remote = done.stdout.split()[-2:]
    assert git_server.head("acme/api") == head != before
    # The rewriting is git's: the remote on disk stays the real one.
    assert remote == f"{api}.git"


def owner(git_server, name):
    """Commands in a clone of somebody who works at the server itself."""
    work = git_server.folder / f"owner-{name.replace('/', '-')}"
    environment = dict(os.environ, GIT_AUTHOR_NAME="O",
                       GIT_AUTHOR_EMAIL="o@localhost", GIT_COMMITTER_NAME="O",
                       GIT_COMMITTER_EMAIL="o@localhost")

    def git(*args):
        return subprocess.run(["git", "-C", str(work), *args], check=True,
                              env=environment, capture_output=True,
                              text=True).stdout
    if not work.exists():
        work.mkdir()
        git("clone", "--quiet", str(git_server.repository(name)), ".")
    return git


def test_fetch_brings_what_another_has_pushed(live, forge, git_server):
    sandbox = live("forge:repository=acme/web")
    assert sandbox(clone(f"{git_server.url}/acme/web"))[0] == 0
    git = owner(git_server, "acme/web")
    git("pull", "--quiet")
    git("commit", "--quiet", "--allow-empty", "-m", "by another")
    git("push", "--quiet", "origin", "HEAD:main")
    status, output = sandbox(
        "cd web && git pull --quiet && git log -1 --format='%H %s'")
    assert status == 0, output
    assert output.split(maxsplit=1) == [git_server.head("acme/web"),
                                        "by another\n"]


@pytest.mark.parametrize("version", [0, 2])
def test_a_fetch_whose_request_git_compresses(forge, git_server, version):
    git = owner(git_server, "acme/web")
    for number in range(60):
        git("commit", "--quiet", "--allow-empty", "-m", f"n{number}")
        git("branch", "--force", f"many/{number}")
    git("push", "--quiet", "--force", "origin", "refs/heads/many/*")
    done = forge.sandbox(
        f"GIT_TRACE_CURL=$PWD/curl git -c protocol.version={version} clone "
        f"--quiet {git_server.url}/acme/web.git",
        "grep -ci 'send header: content-encoding: gzip' curl",
        "git -C web branch -r --list 'origin/many/*' | wc -l",
        grants=["forge:repository=acme/web"])
    compressed, branches = map(int, done.stdout.split())
    assert compressed >= 1
    assert branches == 60


def test_a_redirect_is_passed_on_and_not_followed_with_the_credential(
        forge, git_server):
    """It leads to what was not granted; the broker does not go there."""
    before = git_server.requests()
    done = forge.sandbox(
        "curl -s -o /dev/null -w '%{http_code} %{redirect_url}' "
        f"'http://127.0.0.1:9169/git/{git_server.authority}/redirect/acme/"
        "infra.git/info/refs?service=git-upload-pack'; echo",
        f"git ls-remote {git_server.url}/redirect/acme/infra.git",
        grants=["forge:repository=redirect/acme/infra"], check=False)
    assert done.returncode != 0
    status, where = done.stdout.split()
    assert status == "302"
    assert "/acme/infra.git/info/refs" in where
    assert "redirect" not in where
    asked = git_server.log()[before:]
    assert asked and all("/redirect/" in line for line in asked)
    assert "acme/infra" in done.stderr and "not granted" in done.stderr


def test_protocol_version_2_reaches_the_server(forge, git_server):
    done = forge.sandbox(
        f"GIT_TRACE_PACKET=1 git -c protocol.version=2 ls-remote "
        f"{git_server.url}/acme/api.git", grants=[API])
    assert "version 2" in done.stderr
    assert "refs/heads/main" in done.stdout


@pytest.mark.parametrize("version", [0, 1])
def test_older_protocols_work(forge, git_server, version):
    done = forge.sandbox(
        f"git -c protocol.version={version} clone --quiet "
        f"{git_server.url}/acme/api.git", "git -C api log --oneline",
        grants=[API])
    assert "Start acme/api" in done.stdout


def test_shallow_clone_and_deepening(forge, git_server):
    done = forge.sandbox(
        "set -e", clone(f"{git_server.url}/acme/api", options="--depth 1"),
        "cd api", "git rev-list --count HEAD", "git fetch --unshallow --quiet",
        "git rev-parse --is-shallow-repository", grants=[API])
    assert done.stdout.split() == ["1", "false"]


def test_ssh_and_scp_like_urls_of_a_granted_host(forge, git_server):
    """A host with a port has no ssh form; that of the plain host is not it."""
    done = forge.sandbox(
        "git config --get-regexp 'url.*insteadof' || true", grants=[API])
    assert f"/git/{git_server.authority}/" in done.stdout


def test_submodule_with_a_relative_url(forge, git_server, folder):
    work = folder / "super"
    env = dict(os.environ, GIT_SSL_CAINFO=str(git_server.ca))
    for args in (
            ["git", "init", "--quiet", "--initial-branch=main", str(work)],
            ["git", "-C", str(work), "-c", "protocol.file.allow=always",
             "submodule", "--quiet", "add",
             str(git_server.repository("acme/web")), "web"],
            ["git", "-C", str(work), "config", "-f", ".gitmodules",
             "submodule.web.url", "../web.git"],
            ["git", "-C", str(work), "add", "-A"],
            ["git", "-C", str(work), "-c", "user.name=O", "-c",
             "user.email=o@localhost", "commit", "--quiet", "-m", "super"],
            ["git", "-C", str(work), "push", "--quiet", "--force",
             str(git_server.repository("acme/infra")), "HEAD:with-submodule"]):
        subprocess.run(args, check=True, env=env, capture_output=True)
    done = forge.sandbox(
        "set -e",
        clone(f"{git_server.url}/acme/infra",
              options="--recurse-submodules --branch with-submodule"),
        "cat infra/web/README.md",
        grants=["forge:repository=acme/infra+acme/web"])
    assert "# acme/web" in done.stdout


def test_a_repository_that_is_not_granted_is_refused_readably(forge,
                                                              git_server):
    done = forge.sandbox(clone(f"{git_server.url}/acme/infra"),
                         grants=[API], check=False)
    assert done.returncode != 0
    assert "remote: credbroker: " in done.stderr
    assert "acme/infra" in done.stderr
    assert "acme/api" in done.stderr, "it says what is granted"


def test_push_is_refused_where_fetch_was_granted(forge, git_server):
    before = git_server.head("acme/api")
    done = forge.sandbox(
        clone(f"{git_server.url}/acme/api"), "cd api",
        f"git {IDENTITY} commit --quiet --allow-empty -m no",
        "git push origin HEAD:main", grants=[API], check=False)
    assert done.returncode != 0
    assert "remote: credbroker: " in done.stderr
    assert "push" in done.stderr
    assert git_server.head("acme/api") == before


def test_a_host_without_a_grant_is_not_reachable(forge):
    done = forge.sandbox(
        "curl -s -o /dev/null -w '%{http_code}' "
        "http://127.0.0.1:9169/git/example.com/a/b.git/info/refs"
        "?service=git-upload-pack; git ls-remote https://example.com/a/b.git",
        grants=[API], check=False)
    assert done.stdout.startswith("403")
    assert done.returncode != 0


def test_git_never_asks_for_a_password(forge, git_server):
    done = forge.sandbox(
        f"git ls-remote {git_server.url}/acme/infra.git", grants=[API],
        check=False)
    assert "Username" not in done.stderr
    assert "401" not in done.stderr


def test_authentication_of_the_sandbox_is_stripped(forge, git_server):
    """What it sends instead of the secret does not reach the server."""
    done = forge.sandbox(
        "git -c http.extraHeader='Authorization: Basic bm86bm8=' ls-remote "
        f"{git_server.url}/acme/api.git", grants=[API])
    assert "refs/heads/main" in done.stdout


def big_file(path, megabytes=200):
    with open("/dev/urandom", "rb") as source, open(path, "wb") as to:
        for _ in range(megabytes):
            to.write(source.read(1 << 20))


@pytest.fixture(scope="module")
def big_repository(git_server):
    """acme/big: 200 MB that do not compress."""
    path = git_server.repository("acme/big")
    work = git_server.folder / "big-work"
    env = dict(os.environ, GIT_AUTHOR_NAME="O", GIT_AUTHOR_EMAIL="o@localhost",
               GIT_COMMITTER_NAME="O", GIT_COMMITTER_EMAIL="o@localhost")
    run = lambda *args: subprocess.run(args, check=True, env=env,
                                       capture_output=True)
    run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(path))
    run("git", "-C", str(path), "config", "http.receivepack", "true")
    for setting in STORED.replace("-c ", "").split():
        run("git", "-C", str(path), "config", *setting.split("="))
    run("git", "init", "--quiet", "--initial-branch=main", str(work))
    big_file(work / "big.bin")
    run("git", *STORED.split(), "-C", str(work), "add", "-A")
    run("git", "-C", str(work), "commit", "--quiet", "-m", "big")
    run("git", *STORED.split(), "-C", str(work), "push", "--quiet", str(path),
        "main")
    run("rm", "-rf", str(work))
    return "acme/big"


class Peaks:
    """The most anonymous memory of each process that parses or relays, while
    the block runs; and how much more that is than before it."""

    def __init__(self, broker):
        self.pids = {name: pid for name, pid in broker.pids().items()
                     if name in ("core", "gateway", "egress")}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def sample(self):
        return {name: memory_kib(pid) for name, pid in self.pids.items()}

    def watch(self):
        while not self.over.wait(0.02):
            for name, kib in self.sample().items():
                self.most[name] = max(self.most[name], kib)

    def __enter__(self):
        self.before = self.sample()
        self.most = dict(self.before)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    @property
    def grown(self):
        return {name: self.most[name] - self.before[name]
                for name in self.before}


@pytest.mark.limit(400)
def test_200_mb_clone_and_push_leave_memory_flat(live, forge, git_server,
                                                 big_repository):
    sandbox = live(PUSH)
    url = f"{git_server.url}/acme/big.git"
    assert sandbox(f"git ls-remote --quiet {url}")[0] == 0

    with Peaks(forge) as clone:
        status, output = sandbox(
            f"git clone --quiet {url} && du -sm big/.git")
    assert status == 0, output
    assert int(output.split()[0]) >= 200

    # Chunked: git does not know a pack's length beforehand.
    status, output = sandbox(
        "cd big && head -c 209715200 /dev/urandom >more.bin && "
        f"git {STORED} add -A && git {IDENTITY} commit --quiet -m more")
    assert status == 0, output
    with Peaks(forge) as push:
        status, output = sandbox(
            f"cd big && GIT_TRACE_CURL=$PWD/../curl git {STORED} "
            "-c http.postBuffer=65536 push --quiet && "
            "grep -ci 'header: transfer-encoding: chunked' ../curl; "
            "rm -f ../curl")
    assert status == 0, output
    assert int(output) >= 1
    assert git_server.head("acme/big") == sandbox(
        "git -C big rev-parse HEAD")[1].strip()
    sandbox("rm -rf big")
    print(f"KiB more than before: clone {clone.grown}, push {push.grown}")
    if not SANITIZED:
        assert all(kib < MORE_KIB for kib in clone.grown.values()), clone.grown
        assert all(kib < MORE_KIB for kib in push.grown.values()), push.grown


def test_revoked_in_mid_clone_is_said_by_git(live, forge, git_server,
                                             big_repository):
    sandbox = live(PUSH)
    # Slow enough to be in the middle: the reader stops after the first bytes.
    sandbox.start(
        f"GIT_TRACE=0 git clone {git_server.url}/acme/big.git & pid=$!; "
        "for i in $(seq 500); do "
        "[ -n \"$(find big -name 'tmp_pack*' -size +1M 2>/dev/null)\" ] && "
        "break; sleep 0.02; done; kill -STOP $pid; "
        "pkill -STOP -f index-pack; touch started; "
        "while [ ! -e go ]; do sleep 0.05; done; "
        "pkill -CONT -f index-pack; kill -CONT $pid; wait $pid")
    wait_until(lambda: (sandbox.workspace / "started").exists(), "clone begun")
    revoked = forge.json("revoke", sandbox.session)
    (sandbox.workspace / "go").touch()
    status, output = sandbox.finish()
    assert revoked["cancelled"] == 1
    assert status != 0
    assert "credbroker" in output and "revoked" in output, output
    status, output = sandbox(f"git ls-remote {git_server.url}/acme/api.git")
    assert status != 0
    assert "revoked" in output


@pytest.mark.limit(400)
def test_revoked_in_mid_push_is_said_by_git(live, forge, git_server,
                                            big_repository):
    sandbox = live(PUSH)
    before = git_server.head(big_repository)
    status, output = sandbox(
        clone(f"{git_server.url}/acme/api", "mid-push") + " && cd mid-push && "
        "head -c 104857600 /dev/urandom >more.bin && "
        f"git {STORED} add -A && git {IDENTITY} commit --quiet -m more")
    assert status == 0, output
    # Stopped when some of the pack has left it.
    sandbox.start(
        f"cd mid-push; git {STORED} -c http.postBuffer=65536 push "
        f"{git_server.url}/acme/big.git HEAD:refs/heads/mid-push & pid=$!; "
        "for i in $(seq 1000); do sender=$(pgrep -x git-remote-http) && "
        "[ $(sed -n 's/rchar: //p' /proc/$sender/io) -gt 4000000 ] && break; "
        "sleep 0.01; done; kill -STOP $sender; touch ../started; "
        "while [ ! -e ../go ]; do sleep 0.05; done; kill -CONT $sender; "
        "wait $pid")
    wait_until(lambda: (sandbox.workspace / "started").exists(), "push begun")
    revoked = forge.json("revoke", sandbox.session)
    (sandbox.workspace / "go").touch()
    status, output = sandbox.finish()
    assert revoked["cancelled"] == 1
    assert status != 0
    assert "credbroker" in output and "revoked" in output, output
    assert git_server.head(big_repository, "mid-push") is None
    assert git_server.head(big_repository) == before


def test_expired_session_says_so(live, forge, git_server):
    sandbox = live(API)
    url = f"{git_server.url}/acme/api.git"
    assert sandbox(f"git ls-remote {url}")[0] == 0
    forge.run("session", "extend", sandbox.session, "--ttl", "1s")
    wait_until(lambda: forge.json("session", "show", sandbox.session)
               ["session"]["state"] == "expired", "expiry")
    status, output = sandbox(f"git ls-remote {url}")
    assert status != 0
    assert "credbroker" in output and "expired" in output


def test_upstream_down_is_said_by_git(broker, folder, git_server):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))     # bound, never listening
        port = held.getsockname()[1]
        broker.run("credential", "add", "forge", "-p",
                   f"hosts=localhost:{port}", "-p", "auth=basic", "-p",
                   "username=u", "-p", "network=loopback",
                   "-p", f"ca=@{git_server.ca}", input="secret-of-it")
        done = broker.sandbox(
            f"git ls-remote https://localhost:{port}/acme/api.git",
            grants=[API], check=False)
    assert done.returncode != 0
    assert "remote: credbroker: " in done.stderr
    assert "connect" in done.stderr.lower()


def test_upstream_with_a_certificate_of_another_ca(broker, git_server):
    broker.run("credential", "add", "forge", "-p",
               f"hosts={git_server.authority}", "-p", "auth=basic", "-p",
               "username=robot", "-p", "network=loopback",
               input=git_server.password)
    done = broker.sandbox(
        f"git ls-remote {git_server.url}/acme/api.git", grants=[API],
        check=False)
    assert done.returncode != 0
    assert "remote: credbroker: " in done.stderr
    assert "certificate" in done.stderr
    # Nothing was asked of the server with the credential.
    assert git_server.password not in done.stderr


def test_a_wrong_password_is_an_upstream_error_not_a_prompt(broker,
                                                            git_server):
    broker.run("credential", "add", "forge", "-p",
               f"hosts={git_server.authority}", "-p", "auth=basic", "-p",
               "username=robot", "-p", "network=loopback", "-p",
               f"ca=@{git_server.ca}", input="not the password")
    done = broker.sandbox(
        f"git ls-remote {git_server.url}/acme/api.git", grants=[API],
        check=False)
    assert done.returncode != 0
    assert "refused the stored credential" in done.stderr
    assert "Username" not in done.stderr


def test_loopback_is_refused_unless_the_credential_allows_it(broker,
                                                             git_server):
    broker.run("credential", "add", "forge", "-p",
               f"hosts={git_server.authority}", "-p", "auth=basic", "-p",
               "username=robot", "-p", f"ca=@{git_server.ca}",
               input=git_server.password)
    done = broker.sandbox(
        f"git ls-remote {git_server.url}/acme/api.git", grants=[API],
        check=False)
    assert done.returncode != 0
    assert "network" in done.stderr and "loopback" in done.stderr


class SlowProxy:
    """Relays TCP a few bytes at a time."""

    def __init__(self, authority):
        host, port = authority.rsplit(":", 1)
        self.target = host, int(port)

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        # close() alone would not end a thread that is in accept().
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self.relay, args=pair,
                                     daemon=True).start()

    @staticmethod
    def relay(source, to):
        with contextlib.suppress(OSError):
            while data := source.recv(256):
                to.sendall(data)
                time.sleep(0.005)   # what makes it slow; nothing waits on it
        for end in (source, to):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_upstream_slow_is_waited_for(broker, git_server, folder):
    """A server that thinks before it answers is no error."""
    slow = SlowProxy(git_server.authority)
    with slow:
        broker.run("credential", "add", "forge", "-p",
                   f"hosts=localhost:{slow.port}", "-p", "auth=basic", "-p",
                   "username=robot", "-p", "network=loopback", "-p",
                   f"ca=@{git_server.ca}", input=git_server.password)
        done = broker.sandbox(
            f"git ls-remote https://localhost:{slow.port}/acme/api.git",
            grants=[API])
    assert "refs/heads/main" in done.stdout
