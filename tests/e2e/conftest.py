"""What every end-to-end test stands on: a broker with a vault of its own in a
temporary folder, and a real git server with Basic authentication over TLS."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CRB_BUILD_DIR", ROOT / "build" / "dev"))
CREDBROKER = BUILD / "bin" / "credbroker"
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
LIMIT_SECONDS = 300

# What is beside this file is found from the red team's folder, too.
sys.path.append(str(pathlib.Path(__file__).parent))


def built_with(option):
    """Whether the build under test has an option of its preset."""
    cache = BUILD / "CMakeCache.txt"
    return cache.exists() and re.search(
        rf"^{option}:\w+=ON$", cache.read_text(), re.M) is not None


# A sanitizer's own memory and time are no measure of ours.
SANITIZED = built_with("CRB_SANITIZE")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", f"limit(seconds): longer than {LIMIT_SECONDS} s at most")


@contextlib.contextmanager
def time_limit(item, phase):
    """A test that hangs fails, says where, and is cleaned up after."""
    marker = item.get_closest_marker("limit")
    seconds = marker.args[0] if marker else LIMIT_SECONDS

    def late(*_):
        pytest.fail(f"{phase}: not over within {seconds} s")
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    with time_limit(item, "setup"):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    with time_limit(item, "test"):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    with time_limit(item, "teardown"):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the brokers of the test said."""
    report = (yield).get_result()
    if report.failed:
        for broker in Broker.made:
            report.sections.append((f"{broker.log}", broker.log_text()))
    if call.when == "teardown":
        Broker.made.clear()


def descendants(pid):
    """A process's children, and theirs."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = stat.read_text().rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found, left = [], [pid]
    while left:
        born = children.get(left.pop(), [])
        found += born
        left += born
    return found


def end_process(process, seconds=30):
    """SIGTERM; what is left of it and below it after that is killed."""
    if process.poll() is None:
        process.terminate()
    below = descendants(process.pid)
    try:
        return process.wait(timeout=seconds)
    finally:
        if process.poll() is None:
            below = descendants(process.pid)
            process.kill()
            process.wait()
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                if is_ours(pid):
                    os.kill(pid, signal.SIGKILL)


def is_ours(pid):
    """Not a process that has got the number since."""
    with contextlib.suppress(OSError):
        name = pathlib.Path(f"/proc/{pid}/comm").read_text()
        return name.startswith(("credbroker", "bwrap"))
    return False


def wait_until(condition, what, seconds=30):
    """Wait for a condition, with a bound that only a failure reaches."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


class Broker:
    """A vault, a configuration and `credbroker serve` in a folder."""

    made = []   # in the test that runs, for its report

    def __init__(self, folder, config=None):
        Broker.made.append(self)
        self.folder = pathlib.Path(folder)
        self.home = self.folder / "home"
        self.state = self.folder / "state"
        self.runtime = self.folder / "run"
        self.log = self.folder / "serve.log"
        self.key = self.folder / "key"
        self.home.mkdir(mode=0o700)
        self.process = None
        self.config = self.folder / "credbroker.json"
        self.configure(config or {})

    def configure(self, extra):
        settings = {"state": str(self.state), "runtime": str(self.runtime)}
        settings.update(extra)
        self.config.write_text(json.dumps(settings))
        self.config.chmod(0o600)

    def environment(self):
        return {"PATH": PATH, "HOME": str(self.home), "LANG": "C.UTF-8",
                "TERM": "xterm",
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}

    def command(self, *args):
        """credbroker's command line, with this broker's configuration."""
        words = [str(a) for a in args]
        verbs = 2 if words[0] in ("credential", "backend", "profile",
                                  "session", "audit", "policy") else 1
        return [str(CREDBROKER), *words[:verbs], "--config", str(self.config),
                *words[verbs:]]

    def run(self, *args, check=True, input=None, cwd=None, timeout=120):
        done = subprocess.run(self.command(*args), input=input, cwd=cwd,
                              env=self.environment(), capture_output=True,
                              text=True, timeout=timeout,
                              stdin=None if input is not None
                              else subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise AssertionError(
                f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
                f"\n--- serve:\n{self.log_text()}")
        return done

    def json(self, *args, **kwargs):
        return json.loads(self.run(*args, "--json", **kwargs).stdout)

    def call(self, method, **params):
        """The result of a call at the admin socket."""
        with admin_connect(self) as client:
            client.sendall(json.dumps(
                {"jsonrpc": "2.0", "id": 1, "method": method,
                 "params": params}).encode() + b"\n")
            with client.makefile("rb") as lines:
                answer = json.loads(lines.readline())
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def log_text(self):
        return self.log.read_text() if self.log.exists() else ""

    def init(self):
        self.run("init", "--key-file", self.key)

    def launch(self, *, unlock=True):
        """`credbroker serve`, whatever becomes of it."""
        args = ["--key-file", self.key] if unlock else []
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command("serve", *args), env=self.environment(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self, *, unlock=True):
        self.launch(unlock=unlock)
        state = "unlocked" if unlock else "locked"
        try:
            wait_until(lambda: self.state_is(state), f"broker {state}")
        except BaseException:
            self.stop(check=False)
            raise

    def state_is(self, state):
        if self.process.poll() is not None:
            raise AssertionError(f"serve ended:\n{self.log_text()}")
        done = self.run("status", "--json", check=False)
        return done.returncode == 0 and json.loads(done.stdout)["state"] == state

    def stop(self, check=True):
        """SIGTERM, and nothing is left behind."""
        if self.process is None:
            return
        process, self.process = self.process, None
        status = end_process(process)
        if check:
            assert status == 0, f"serve: exit {status}\n{self.log_text()}"
            assert "Sanitizer" not in self.log_text(), self.log_text()

    def kill(self):
        """As a crash of the machine would: no chance to tidy up."""
        self.process.kill()
        end_process(self.process)
        self.process = None

    def pids(self):
        """name -> pid of the four processes."""
        status = self.json("status")
        return {p["name"]: p["pid"] for p in status["processes"]}

    def sandbox(self, *script, grants=(), task="test", workspace=None,
                check=True, options=(), timeout=300):
        """Run a shell script in `credbroker run`."""
        workspace = workspace or tempfile.mkdtemp(dir=self.folder)
        args = ["run", "--task", task, "--workspace", workspace, *options]
        for grant in grants:
            args += ["--grant", grant]
        return self.run(*args, "--", "sh", "-c", "\n".join(script),
                        check=check, timeout=timeout)


class GitServer:
    """tests/services/git-server: nginx, fcgiwrap, git-http-backend."""

    user = "robot"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        # Unmistakable, so that a sweep for it has no false alarm.
        self.password = "canary-" + secrets.token_hex(16)
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [str(ROOT / "tests/services/git-server"), str(self.folder),
             self.password],
            env={"PATH": PATH, "HOME": "/nonexistent"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        env = self.folder / "env"

        def ready():
            assert self.process.poll() is None, "git-server ended"
            return env.exists()
        wait_until(ready, "git server")
        values = dict(line.split("=", 1)
                      for line in env.read_text().splitlines())
        self.url = values["GIT_SERVER_URL"]
        self.authority = self.url.removeprefix("https://")

    def stop(self):
        if self.process is not None:
            end_process(self.process)

    @property
    def ca(self):
        return self.folder / "ca.pem"

    def repository(self, name):
        return self.folder / "repos" / f"{name}.git"

    def log(self):
        """A line for each request that was answered so far.  The server writes
        it after its answer, so one of ours goes behind all of them."""
        mark = f"/mark-{secrets.token_hex(8)}"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.ca)
        with contextlib.closing(http.client.HTTPSConnection(
                self.authority, context=context, timeout=30)) as connection:
            connection.request("GET", mark)
            connection.getresponse().read()
        log = self.folder / "access.log"
        lines = wait_until(lambda: mark in (text := log.read_text()) and text,
                           "the log").splitlines()
        return [line for line in lines if "GET /mark-" not in line]

    def requests(self):
        """How many the server has answered so far."""
        return len(self.log())

    def head(self, name, ref="main"):
        done = subprocess.run(
            ["git", "-C", str(self.repository(name)), "rev-parse", ref],
            capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None


@pytest.fixture
def folder():
    # Not pytest's own: a socket's path has to fit into 107 bytes.
    path = tempfile.mkdtemp(prefix="crb-")
    yield pathlib.Path(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def broker(folder):
    """Initialised, unlocked by key file, running."""
    made = Broker(folder)
    made.init()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def bare(folder):
    """A configuration and no vault; whatever is started is stopped."""
    made = Broker(folder)
    yield made
    made.stop(check=False)


@pytest.fixture(scope="session")
def git_server():
    path = tempfile.mkdtemp(prefix="crb-git-")
    server = GitServer(path)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def ceph(request):
    """A real STS and S3: one for the whole run, started when first asked."""
    import aws_world
    return aws_world.start_ceph(request.config)


@pytest.fixture
def cloud(broker, ceph):
    """A broker that has keys for Ceph's role as credential "aws-dev"."""
    import aws_world
    aws_world.add_aws_credential(broker, ceph)
    broker.ceph = ceph
    return broker


def add_git_credential(broker, server, name="forge", ca=None):
    broker.run("credential", "add", name,
               "-p", f"hosts={server.authority}", "-p", "auth=basic",
               "-p", f"username={server.user}", "-p", "network=loopback",
               "-p", f"ca=@{ca or server.ca}", input=server.password + "\n")


@pytest.fixture
def forge(broker, git_server):
    """A broker that has the git server's password as credential "forge"."""
    add_git_credential(broker, git_server)
    broker.server = git_server
    return broker


class LiveSandbox:
    """A shell in `credbroker run` that is told what to do line by line."""

    def __init__(self, broker, grants, task="live", options=(),
                 workspace=None):
        self.broker = broker
        self.workspace = pathlib.Path(
            workspace or tempfile.mkdtemp(dir=broker.folder))
        args = ["run", "--task", task, "--workspace", self.workspace]
        for grant in grants:
            args += ["--grant", grant]
        self.errors = open(self.workspace.with_suffix(".err"), "w+b")
        self.process = subprocess.Popen(
            broker.command(*args, *options, "--", "sh", "-s"),
            env=broker.environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.errors)
        self.counter = 0

    def start(self, script):
        """Begin a script; finish() waits for it."""
        self.counter += 1
        # In a subshell, so that it may exit.
        text = f"( {script}\n) 2>&1 </dev/null; echo \"=end{self.counter}=$?\"\n"
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def finish(self):
        """(exit status, output) of the script begun last."""
        mark = f"=end{self.counter}=".encode()
        lines = []
        for line in self.process.stdout:
            if mark in line:
                before, status = line.split(mark)
                lines.append(before)
                return int(status), b"".join(lines).decode(errors="replace")
            lines.append(line)
        raise AssertionError(
            f"the sandbox ended: {b''.join(lines)!r} {self.error_text()}")

    def __call__(self, script):
        self.start(script)
        return self.finish()

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    @property
    def session(self):
        """The session's id, as the banner says it."""
        wait_until(lambda: "session " in self.error_text(), "banner")
        return self.error_text().split("session ")[1].split()[0]

    def close(self):
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        finally:
            end_process(self.process)
            self.process.stdout.close()
        self.errors.close()


@pytest.fixture
def live(forge):
    """Make live sandboxes; they are closed at the end."""
    made = []

    def make(*grants, **kwargs):
        sandbox = LiveSandbox(forge, grants, **kwargs)
        made.append(sandbox)
        return sandbox
    yield make
    with contextlib.ExitStack() as stack:
        for sandbox in made:
            stack.callback(sandbox.close)


def admin_connect(broker, *, proof=True, first=b" "):
    """A connection to the admin socket; with the proof that the client is on
    this host, which is what credbroker sends with the first byte."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(20)
    client.connect(str(broker.runtime / "admin.sock"))
    if proof:
        send_proof(client, first)
    return client


def send_proof(client, first=b" "):
    own = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
           for kind in ("user", "pid")]
    try:
        socket.send_fds(client, [first], own)
    finally:
        for fd in own:
            os.close(fd)


def memory_kib(pid):
    """Anonymous memory of a process that is really there; anyone may ask."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^RssAnon:\s+(\d+) kB", status, re.M)[1])


def descriptors(pid):
    """What the descriptors of a process lead to."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except PermissionError:
        pytest.skip("only root sees descriptors of what is not dumpable")
    paths = []
    for name in names:
        with contextlib.suppress(FileNotFoundError):    # closed meanwhile
            paths.append(os.readlink(f"{folder}/{name}"))
    return sorted(paths)
