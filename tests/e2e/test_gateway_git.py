"""What a real git says when the gateway refuses or cuts: the test plays the
core, and an egress that runs git http-backend."""

import contextlib
import os
import pathlib
import socket
import subprocess
import threading

import pytest

from conftest import PATH
from test_gateway import Gateway, GATEWAY, wait_until  # noqa: F401

pytestmark = pytest.mark.skipif(not GATEWAY.exists(),
                                reason=f"{GATEWAY} is not built")
ORIGIN = "https://example.com"


def run(*args, cwd=None, **more):
    return subprocess.run(
        args, cwd=cwd, check=True, capture_output=True, text=True,
        env={"PATH": PATH, "HOME": "/nonexistent",
             "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a",
             "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
             "GIT_COMMITTER_EMAIL": "a@b"}, **more)


class Forwarder:
    """Loopback to the endpoint's socket, as the shim does it."""

    def __init__(self, path):
        self.path = str(path)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def stop(self):
        # Closed alone, it would go on accepting: the thread is in accept(),
        # and the number soon is another test's listener.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.path)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self.copy, args=pair,
                                     daemon=True).start()

    @staticmethod
    def copy(source, to):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                # Read to the end all the same: who closes with bytes unread
                # resets, and takes the answer along.
                with contextlib.suppress(OSError):
                    to.sendall(data)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)


class Stage:
    """The core and egress in one: every exchange is judged and carried out."""

    def __init__(self, folder):
        self.gateway = Gateway(folder)
        self.gateway.session()
        self.repositories = folder / "srv"
        self.repositories.mkdir()
        self.judge = lambda exchange: None      # a refusal, or None
        self.pass_on = lambda stream, data: True    # False: no more
        self.seen = []
        self.forwarder = Forwarder(folder / "s1.sock")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                name, fields = self.gateway.core.receive()
                if name is None:
                    return
                if name != "EXCHANGE":
                    continue
                self.seen.append(fields)
                refusal = self.judge(fields)
                if refusal is not None:
                    self.gateway.refuse(fields, **refusal)
                    continue
                stream = self.gateway.allow(fields)
                threading.Thread(target=self.carry, args=(fields, stream),
                                 daemon=True).start()

    def carry(self, exchange, stream):
        with contextlib.suppress(OSError):
            self.backend(exchange, stream)
        stream.close()

    def backend(self, exchange, stream):
        name, request = stream.receive()
        assert name == "REQUEST_HEAD"
        headers = dict(line.split(": ", 1) for line in
                       request["headers"].decode().splitlines())
        environment = {
            "PATH": PATH, "GIT_PROJECT_ROOT": str(self.repositories),
            "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "agent",
            "REQUEST_METHOD": exchange["method"].decode(),
            "PATH_INFO": exchange["target"].decode().removeprefix(
                "example.com"),
            "QUERY_STRING": exchange["query"].decode(),
            "CONTENT_TYPE": headers.get("content-type", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        }
        process = subprocess.Popen(["git", "http-backend"], env=environment,
                                   stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        feeder = threading.Thread(target=self.feed, args=(stream, process))
        feeder.start()
        self.respond(process.stdout, stream)
        process.kill()
        process.wait()
        feeder.join()

    def feed(self, stream, process):
        with contextlib.suppress(OSError):
            while True:
                name, fields = stream.receive()
                if name != "REQUEST_BODY":
                    break
                process.stdin.write(fields["data"])
            process.stdin.close()

    def respond(self, output, stream):
        status, headers = 200, ""
        for line in iter(output.readline, b"\r\n"):
            name, value = line.decode().rstrip().split(": ", 1)
            if name == "Status":
                status = int(value.split()[0])
            elif name.lower() == "content-type":
                headers += f"content-type: {value}\n"
        stream.send("RESPONSE_HEAD", job=stream.job, status=status,
                    headers=headers)
        while data := output.read1(8192):
            if not self.pass_on(stream, data):
                return
            stream.send("RESPONSE_BODY", data=data)
        stream.send("RESPONSE_END", clean=0)

    def repository(self, name="r.git", size=0):
        path = self.repositories / name
        work = self.repositories.parent / "seed"
        run("git", "init", "-q", "-b", "main", str(work))
        (work / "a").write_bytes(os.urandom(size or 100))
        run("git", "add", "a", cwd=work)
        run("git", "commit", "-qm", "a", cwd=work)
        run("git", "clone", "-q", "--bare", str(work), str(path))
        run("git", "config", "http.receivepack", "true", cwd=path)

    def git(self, *args, cwd=None, version=2):
        url = f"http://127.0.0.1:{self.forwarder.port}/git/example.com/"
        return subprocess.run(
            ["git", "-c", "protocol.version=%d" % version,
             # The endpoint's own port is not to be had on the host.
             "-c", "http.extraHeader=Host: 127.0.0.1:9169",
             "-c", f"url.{url}.insteadOf={ORIGIN}/", *args],
            cwd=cwd, capture_output=True, text=True, timeout=120,
            env={"PATH": PATH, "HOME": "/nonexistent",
                 "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
                 "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
                 "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
                 "GIT_ASKPASS": "/bin/false"})

    def commit(self, work, size=100):
        (work / "b").write_bytes(os.urandom(size))
        run("git", "add", "b", cwd=work)
        run("git", "commit", "-qm", "b", cwd=work)

    def stop(self):
        self.forwarder.stop()
        self.gateway.core.sock.shutdown(socket.SHUT_RDWR)
        assert self.gateway.process.wait(timeout=30) == 0


@pytest.fixture
def stage(tmp_path):
    it = Stage(tmp_path)
    yield it
    try:
        it.stop()
    finally:
        it.gateway.process.kill()
        it.gateway.process.wait()


DENIED = dict(detail="push to acme/api is not granted to task fix-1",
              rule="", tier="", next="ask for more")


def is_post(service):
    return lambda e: (dict(DENIED) if e["target"].endswith(service)
                      and e["method"] == b"POST" else None)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_clone_fetch_and_push_work(stage, tmp_path, version):
    stage.repository(size=3 << 20)
    work = tmp_path / "w"
    done = stage.git("clone", f"{ORIGIN}/r.git", str(work), version=version)
    assert done.returncode == 0, done.stderr
    stage.commit(work, size=5 << 20)
    done = stage.git("push", "origin", "HEAD:refs/heads/new", cwd=work,
                     version=version)
    assert done.returncode == 0, done.stderr
    # A large push is chunked, behind a probe.
    assert any(e["body"] == 2 for e in stage.seen)
    done = stage.git("fetch", "--depth=1", "origin", cwd=work,
                     version=version)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", [0, 2])
def test_refused_discovery(stage, tmp_path, version):
    stage.judge = lambda e: dict(DENIED)
    done = stage.git("ls-remote", f"{ORIGIN}/r.git", version=version)
    assert done.returncode == 128
    assert ("remote: credbroker: push to acme/api is not granted to task "
            "fix-1") in done.stderr
    assert "remote: ask for more" in done.stderr
    assert "Username" not in done.stderr


@pytest.mark.parametrize("version", [0, 2])
def test_refused_fetch(stage, tmp_path, version):
    stage.repository()
    stage.judge = is_post(b"/git-upload-pack")
    done = stage.git("clone", f"{ORIGIN}/r.git", str(tmp_path / "w"),
                     version=version)
    assert done.returncode == 128
    assert ("fatal: remote error: credbroker: push to acme/api is not "
            "granted to task fix-1") in done.stderr


@pytest.mark.parametrize("size", [100, 5 << 20])
def test_refused_push(stage, tmp_path, size):
    stage.repository()
    work = tmp_path / "w"
    assert stage.git("clone", f"{ORIGIN}/r.git", str(work)).returncode == 0
    stage.commit(work, size)
    stage.judge = is_post(b"/git-receive-pack")
    done = stage.git("push", "origin", "HEAD:refs/heads/new", cwd=work)
    assert done.returncode == 1
    assert "remote: credbroker: push to acme/api is not granted" in done.stderr
    assert "remote: ask for more" in done.stderr
    assert done.stderr.count("push to acme/api is not granted") == 1
    assert ("! [remote rejected] HEAD -> new (credbroker: Denied by policy, "
            "as said above)") in done.stderr


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("how", ["revoked", "lost"])
def test_cut_in_the_middle_of_a_clone(stage, tmp_path, version, how):
    stage.repository(size=20 << 20)
    seen = [0]

    def pass_on(stream, data):
        seen[0] += len(data)
        if seen[0] < 5 << 20:
            return True
        if how == "revoked":
            stage.gateway.end(detail="session s1 was revoked by admin")
            return wait_until(lambda: not alive(stream), "cut") and False
        return False

    stage.pass_on = pass_on
    done = stage.git("clone", f"{ORIGIN}/r.git", str(tmp_path / "w"),
                     version=version)
    assert done.returncode == 128
    what = ("session s1 was revoked by admin" if how == "revoked" else
            "the connection to the upstream service was lost")
    assert f"remote: credbroker: {what}" in done.stderr, done.stderr
    stage.pass_on = lambda stream, data: True
    done = stage.git("ls-remote", f"{ORIGIN}/r.git", version=version)
    assert (done.returncode == 128) == (how == "revoked"), done.stderr


def alive(stream):
    try:
        stream.send("RESPONSE_BODY", data=b"")
        return True
    except OSError:
        return False


def test_revoked_in_the_middle_of_a_push(stage, tmp_path):
    stage.repository()
    work = tmp_path / "w"
    assert stage.git("clone", f"{ORIGIN}/r.git", str(work)).returncode == 0
    stage.commit(work, 20 << 20)
    held = stage.backend

    def backend(exchange, stream):
        if exchange["body"] != 2:
            return held(exchange, stream)
        for _ in range(20):
            stream.receive()
        stage.gateway.end(detail="session s1 was revoked by admin")
        while stream.receive()[0] is not None:
            pass

    stage.backend = backend
    done = stage.git("push", "origin", "HEAD:refs/heads/new", cwd=work)
    assert done.returncode == 1
    assert "remote: credbroker: session s1 was revoked by admin" in done.stderr
    assert "[remote rejected] HEAD -> new" in done.stderr
