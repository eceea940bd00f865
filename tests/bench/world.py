"""What the measurements stand on: a broker of its own, the programs of this
folder, nginx as upstream and as peer, and numbers from /proc."""

import base64
import contextlib
import http.client
import importlib.util
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

# The broker and the git server of the end-to-end tests.
_spec = importlib.util.spec_from_file_location(
    "e2e_conftest",
    pathlib.Path(__file__).resolve().parents[1] / "e2e" / "conftest.py")
e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(e2e)

ROOT = e2e.ROOT
BUILD = e2e.BUILD
PROGRAMS = BUILD / "bench"
LIBEXEC = BUILD / "libexec" / "credbroker"
HOST = "Host: 127.0.0.1:9169"
SESSION = "Credbroker-Session: 1"
ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
MIB = 1 << 20
GIB = 1 << 30


def program(name):
    return str(PROGRAMS / f"bench_{name}")


def run_json(args, **kwargs):
    """A program of this folder; it prints one object."""
    done = subprocess.run([str(a) for a in args], capture_output=True,
                          text=True, check=False, **kwargs)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(str(a) for a in args[:6])} ...: "
                           f"exit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def load(target, *, at, connections=1, seconds=None, count=None, headers=(),
         method="GET", body=None, pad=0, under_way=None):
    """Requests to a socket's path, a list of them, or a port."""
    args = [program("load"), "--connections", connections, "--method", method]
    if isinstance(at, int):
        args += ["--port", at]
    elif str(at).endswith(".list"):
        args += ["--sockets", at]
    else:
        args += ["--socket", at]
    if seconds is not None:
        args += ["--seconds", seconds]
    if count is not None:
        args += ["--count", count]
    if under_way is not None:
        args += ["--under-way", under_way]
    for header in headers:
        args += ["--header", header]
    if body is not None:
        args += ["--body", body]
    if pad:
        args += ["--pad", pad]
    return run_json([*args, target])


def spawn(count, *args, env=None, input=None):
    """How long a program takes, so many times."""
    environment = dict(env or {"PATH": e2e.PATH})
    if input is not None:
        environment["SPAWN_INPUT"] = str(input)
    return run_json([program("spawn"), count, *args], env=environment)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pids):
    """Of all threads of processes, so far."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def status_kib(pid, key):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M)[1])


def anonymous_kib(pid):
    """Pss_Anon; RssAnon for who may not ask for it."""
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError:
        return status_kib(pid, "RssAnon")
    return int(re.search(r"^Pss_Anon:\s+(\d+) kB", text, re.M)[1])


def reset_peak(pid):
    """From now on VmHWM is counted anew."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


class Child:
    """A process that is stopped with the world."""

    def __init__(self, args, log, **kwargs):
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [str(a) for a in args], stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
                **kwargs)
        self.log = log

    @property
    def pid(self):
        return self.process.pid

    def wait_for(self, condition, what):
        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"{what} ended: {pathlib.Path(self.log).read_text()}")
            return condition()
        e2e.wait_until(ready, what)

    def stop(self):
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def connects(at):
    """Whether somebody listens at a path or a port."""
    family = socket.AF_INET if isinstance(at, int) else socket.AF_UNIX
    with socket.socket(family) as probe:
        try:
            probe.connect(("127.0.0.1", at) if isinstance(at, int)
                          else str(at))
        except OSError:
            return False
    return True


def get(at, target, headers):
    """The headers of an answer of a socket, which has to be a good one."""
    lines = "".join(f"{header}\r\n" for header in headers)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(at))
        client.sendall(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode())
        answer = http.client.HTTPResponse(client)
        answer.begin()
        body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{target}: {answer.status}: {body!r}")
    return {k.lower(): v for k, v in answer.getheaders()}


UPSTREAM = """
    types {{ }}
    server {{
        listen 127.0.0.1:{port} ssl;
        listen unix:{folder}/direct.sock;
        server_name localhost;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        location ~ /info/refs$ {{
            if ($http_authorization != "{authorization}") {{ return 403; }}
            default_type {advertisement};
            alias {folder}/refs;
        }}
        location ~ /git-upload-pack$ {{
            default_type application/x-git-upload-pack-result;
            alias {folder}/pack;
            error_page 405 =200 /whole;
        }}
        location = /whole {{
            default_type application/x-git-upload-pack-result;
            alias {folder}/pack;
        }}
        location ~ /git-receive-pack$ {{
            proxy_pass http://unix:{folder}/sink.sock;
            proxy_http_version 1.1;
            proxy_request_buffering off;
        }}
    }}
"""

# The same job in nginx: a header is added, the certificate is verified,
# connections are kept, nothing is written to a disk.
PEER = """
    upstream up {{ server 127.0.0.1:{port}; keepalive 64; }}
    server {{
        listen unix:{folder}/peer.sock;
        location /git/localhost:{port}/ {{
            proxy_pass https://up/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host localhost:{port};
            proxy_set_header Authorization "{authorization}";
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {folder}/ca.pem;
            proxy_ssl_name localhost;
            proxy_ssl_server_name on;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
        }}
    }}
"""

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log {folder}/{name}.log;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 10000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/tmp;
    proxy_temp_path {folder}/tmp;
    fastcgi_temp_path {folder}/tmp;
    uwsgi_temp_path {folder}/tmp;
    scgi_temp_path {folder}/tmp;
{server}
}}
"""


class Nginx:
    """One worker; `name` is "upstream" or "peer"."""

    def __init__(self, name, server, values):
        folder = values["folder"]
        conf = folder / f"{name}.conf"
        conf.write_text(NGINX.format(
            name=name, server=server.format(**values), folder=folder,
            user="user root;" if os.geteuid() == 0 else ""))
        self.child = Child(["nginx", "-p", folder, "-c", conf],
                           folder / f"{name}.out",
                           env={"PATH": e2e.PATH})

    def pids(self):
        return [self.child.pid, *e2e.descendants(self.child.pid)]

    def stop(self):
        self.child.stop()


def make_certificates(folder):
    """A CA of our own, and "localhost" under it."""
    def openssl(*args, **kwargs):
        subprocess.run(["openssl", *args], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       **kwargs)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
            "-out", "ca.pem", "-days", "2", "-subj", "/CN=Bench CA",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/CN=localhost")
    (folder / "server.ext").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey",
            "ca.key", "-CAcreateserial", "-days", "2", "-out", "server.pem",
            "-extfile", "server.ext")


def write_pack(path, size):
    """A fetch's response in pkt-lines on the side band, of that size."""
    line = b"fff0\x01" + bytes(0xfff0 - 5)
    with open(path, "wb") as file:
        for _ in range(size // len(line)):
            file.write(line)
        file.write(b"0000")


class Services:
    """Upstream, peer and sink."""

    def __init__(self, folder, body):
        self.folder = folder
        self.password = secrets.token_hex(16)
        self.port = free_port()
        make_certificates(folder)
        (folder / "tmp").mkdir()
        (folder / "refs").write_bytes(
            b"001e# service=git-upload-pack\n0000" +
            b"003d" + b"0" * 40 + b" refs/heads/main\n"[:17] + b"0000")
        write_pack(folder / "pack", body)
        self.children = [Child(
            [program("sink"), folder / "sink.sock",
             "application/x-git-receive-pack-result", "000eunpack ok\n0000"],
            folder / "sink.out")]
        basic = base64.b64encode(f"robot:{self.password}".encode()).decode()
        self.authorization = f"Basic {basic}"
        values = {"folder": folder, "port": self.port,
                  "authorization": self.authorization,
                  "advertisement": ADVERTISEMENT}
        self.upstream = Nginx("upstream", UPSTREAM, values)
        self.peer = Nginx("peer", PEER, values)
        self.children += [self.upstream, self.peer]
        for child, at in ((self.upstream.child, self.port),
                          (self.peer.child, folder / "peer.sock"),
                          (self.children[0], folder / "sink.sock")):
            child.wait_for(lambda at=at: connects(at), str(at))

    def target(self, rest):
        return f"/git/localhost:{self.port}/{rest}"

    def stop(self):
        for child in self.children:
            child.stop()


def unlimited(**more):
    """A configuration in whose limits nothing is measured."""
    return {"requests_per_minute": 6000000, "connections_max": 1024,
            "exchanges_max": 256, "sessions_max": 1000000, **more}


class World:
    """Everything is made when it is first asked for, and stopped at the end.
    """

    def __init__(self, folder, quick):
        self.folder = pathlib.Path(
            tempfile.mkdtemp(prefix="crb-bench-", dir=folder))
        self.quick = quick
        self.stack = contextlib.ExitStack()
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.made = {}

    def close(self):
        self.stack.close()

    def once(self, name, make):
        """What is made when it is first asked for."""
        if name not in self.made:
            self.made[name] = make()
            stop = getattr(self.made[name], "stop", None)
            if stop is not None:
                self.stack.callback(stop)
        return self.made[name]

    def new_broker(self, name, **config):
        """Another one, of which the caller disposes."""
        folder = self.folder / name
        folder.mkdir()
        broker = e2e.Broker(folder, unlimited(**config))
        broker.init()
        broker.start()
        broker.run("credential", "add", "nowhere", "-p",
                   "hosts=nowhere.example", "-p", "auth=bearer",
                   input=secrets.token_hex(16) + "\n")
        return broker

    @property
    def body(self):
        return 128 * MIB if self.quick else GIB

    @property
    def services(self):
        def make():
            folder = self.folder / "services"
            folder.mkdir()
            return Services(folder, self.body)
        return self.once("services", make)

    @property
    def broker(self):
        return self.once("broker", lambda: self.new_broker("broker"))

    @property
    def forge(self):
        """The broker with the upstream's password as credential "forge"."""
        def make():
            services = self.services
            self.broker.run(
                "credential", "add", "forge",
                "-p", f"hosts=localhost:{services.port}", "-p", "auth=basic",
                "-p", "username=robot", "-p", "network=loopback",
                "-p", f"ca=@{services.folder}/ca.pem",
                input=services.password + "\n")
            return self.broker
        return self.once("forge", make)

    @property
    def endpoint(self):
        """Of a session that may fetch and push."""
        return self.once("endpoint", lambda: issue(
            self.forge, "forge:repository=acme/*,git=fetch+push"))

    @property
    def plain_endpoint(self):
        """Of a session that goes nowhere."""
        return self.once("plain_endpoint", lambda: issue(self.broker))


NOWHERE = "nowhere:repository=acme/*"


def issue(broker, grant=NOWHERE):
    args = ["issue", "--task", "bench", "--grant", grant]
    return pathlib.Path(broker.json(*args)["session"]["folder"],
                        "endpoint.sock")


def issue_many(broker, count, clients):
    """Over the admin socket, as an orchestrator would."""
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "session.issue",
                       "params": {"task": "bench", "grants": [NOWHERE]}})
    return run_json([program("load"), "--socket", broker.runtime / "admin.sock",
                     "--proof", "--connections", clients, "--count", count,
                     "--line", line])


class Fsyncs:
    """How many fsync and fdatasync a process does meanwhile: perf, which costs
    it nearly nothing; else strace, which slows it down."""

    def __init__(self, pid, folder):
        self.pid, self.out = pid, folder / "fsyncs"
        self.count = None

    def __enter__(self):
        events = "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync"
        works = shutil.which("perf") and subprocess.run(
            ["perf", "stat", "-e", events, "true"], capture_output=True,
            check=False).returncode == 0
        if works:
            args = ["perf", "stat", "-x", ",", "-o", str(self.out), "-e",
                    events, "-p", str(self.pid)]
        else:
            args = ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync",
                    "-o", str(self.out), "-p", str(self.pid)]
        self.how = args[0]
        self.process = subprocess.Popen(args, stderr=subprocess.DEVNULL)
        time.sleep(0.5)     # it does not say when it has attached
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)
        text = self.out.read_text() if self.out.exists() else ""
        pattern = (r"^(\d+),.*sys_enter_f" if self.how == "perf"
                   else r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s.*sync$")
        found = re.findall(pattern, text, re.M)
        self.count = sum(int(n) for n in found) if found else None


def median(values):
    return statistics.median(values)
