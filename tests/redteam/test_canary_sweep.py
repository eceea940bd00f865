"""Secrets of every kind are stored, every command is run, a sandbox reads all
that it can, every process is crashed.  Then everything that was said, written
or kept is searched for each of the secrets, in each form."""

import base64
import contextlib
import json
import os
import pathlib
import platform
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import pytest

from attack import (CREDBROKER, HOST, Broker, Endpoint, GitServer, LiveSandbox,
                    Recorder, add_git_credential, descendants, memory_kib,
                    wait_until)
from sweep import Sweep, Watcher, encodings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
fake = pytest.importorskip("sts", reason="the fake needs python3-boto3")

SEED = 20261121
KEY = "AKIDCANARYCANARY0004"
SCOPE = "actions=s3:GetObject,resources=arn:aws:s3:::alpha/*"
ODD_REQUESTS = 500
pytestmark = pytest.mark.limit(900)     # the scene's setup is all of it
CORE_PATTERN = pathlib.Path("/proc/sys/kernel/core_pattern")
WAYS = {
    "basic": ["auth=basic", "username=robot"],
    "bearer": ["auth=bearer"],
    "header": ["auth=header", "header=X-Api-Key", "prefix=Key "],
    "query": ["auth=query", "parameter=api_key"],
}


def canary(name):
    """No two alike, and different in every form."""
    odd = '/+"\\%&=<'
    return f"{name}{secrets.token_hex(8)}{odd}{secrets.token_hex(8)}"


def echo(head, connection):
    """An upstream that says all that it heard, in its head too."""
    line = head.split(b"\r\n")[0]
    auth = re.search(rb"(?im)^(authorization|x-api-key): (.*)\r$", head)
    value = auth[2] if auth else line.split(b" ")[1]
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: " + value +
        b"\r\nLink: <" + value + b">\r\nContent-Length: %d\r\n\r\n" % len(head)
        + head)
    return True


class Scene:
    """What happens once, and what was seen of it."""

    def __init__(self, folder):
        self.folder = folder
        self.canaries = {
            "signing": canary("signing"),
            **{way: canary(way) for way in WAYS},
            **{name: canary(name) for name in (
                "replaced", "removed", "refused", "inherited", "home",
                "passphrase", "mistyped", "descriptor", "aws",
                "aws-import")},
            **{name: name + secrets.token_hex(16) for name in (
                "netrc", "github", "docker")}}
        self.sts = fake.Sts({KEY: self.canaries["aws"]})
        self.git = GitServer(folder / "git")
        self.canaries["git"] = self.git.password
        self.sweep = Sweep({name: text.encode()
                            for name, text in self.canaries.items()})
        self.signing = folder / "signing"
        self.signing.mkdir()
        self.sweep.needles += self.signing_key()
        self.ran = set()
        self.cores = folder / "cores"
        self.cores.mkdir()
        self.upstreams = {}

    def signing_key(self):
        """A secret key, not encrypted, as it is and as its file has it."""
        file = self.signing / "plain.key"
        subprocess.run([str(CREDBROKER), "policy", "keygen", str(file),
                        "--unencrypted"], check=True, capture_output=True)
        line = file.read_text().splitlines()[1]
        seed = base64.b64decode(line)[62:94]
        # Where base64 starts anew with it, and in the midst of it.
        inner = [base64.b64encode(bytes(before) + seed)[4:-4]
                 for before in range(3)]
        for form, needle in {"raw": seed, "hex": seed.hex().encode(),
                             "HEX": seed.hex().upper().encode(),
                             "line": line[80:160].encode(),
                             **dict(enumerate(inner))}.items():
            yield "signing key", str(form), needle

    def cli(self, broker, command, *args, **kwargs):
        self.ran.add(command)
        done = broker.run(*command.split(), *args, **kwargs)
        self.sweep.look(f"out {command}", done.stdout)
        self.sweep.look(f"out {command}", done.stderr)
        return done

    def open(self):
        self.git.start()
        self.sts.__enter__()
        self.broker = self.make_broker("broker")
        self.cli(self.broker, "init", "--key-file", self.broker.key)
        self.ran.add("serve")
        self.broker.start()

    def make_broker(self, name):
        folder = self.folder / name
        folder.mkdir()
        broker = Broker(folder, {"requests_per_minute": 6000000,
                                 "policy_folder": str(folder / "policy")})
        clean = broker.environment
        broker.environment = lambda: {
            **clean(), "AWS_SECRET_ACCESS_KEY": self.canaries["inherited"],
            "OPENAI_API_KEY": self.canaries["inherited"],
            "LC_ALL": "C.UTF-8"}
        for path in (".aws/credentials", ".ssh/id_ed25519", ".env",
                     ".config/gh/hosts.yml", ".git-credentials"):
            self.plant(broker, path, self.canaries["home"])
        return broker

    @staticmethod
    def plant(broker, path, text):
        file = broker.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o600)

    def store(self):
        cli, broker = self.cli, self.broker
        for way, params in WAYS.items():
            upstream = self.upstreams[way] = Recorder()
            upstream.answer = echo
            args = [f"hosts=http://{upstream.authority}", "network=loopback",
                    *params]
            cli(broker, "credential add", way,
                *[word for arg in args for word in ("-p", arg)],
                input=self.canaries[way] + "\n")
        add_git_credential(broker, self.git)
        host = ("-p", "hosts=https://replaced.example")
        cli(broker, "credential add", "changing", *host,
            input=self.canaries["replaced"] + "\n")
        cli(broker, "credential set", "changing", input="another\n")
        cli(broker, "credential add", "going", *host,
            input=self.canaries["removed"] + "\n")
        cli(broker, "credential remove", "going")
        # Refused for its name, its backend, its form, the one that is there.
        refused = self.canaries["refused"]
        for args, text in ((["a/b", *host], refused), (["x"], refused),
                           (["x", *host, "-b", "nope"], refused),
                           (["x", *host], refused + "\n\n" + refused),
                           (["basic", *host], refused),
                           (["x", "-p", "hosts="], refused)):
            cli(broker, "credential add", *args, input=text, check=False)
        read, write = os.pipe()
        os.write(write, self.canaries["descriptor"].encode())
        os.close(write)
        subprocess.run(
            broker.command("credential", "add", "fd", *host, "--secret-fd",
                           str(read)), env=broker.environment(), check=True,
            pass_fds=[read], capture_output=True)
        os.close(read)

    def store_aws(self):
        """Keys in each form that they are taken in; and those that are none."""
        broker, secret = self.broker, self.canaries["aws"]
        params = [word for pair in (
            f"endpoint-url={self.sts.url}", "network=loopback",
            "role-arn=arn:aws:iam::123456789012:role/logs")
            for word in ("-p", pair)]
        forms = (f"{KEY}\n{secret}\n", json.dumps(
            {"AccessKeyId": KEY, "SecretAccessKey": secret}),
            f"[x]\naws_access_key_id={KEY}\naws_secret_access_key={secret}\n")
        for number, form in enumerate(forms):
            self.cli(broker, "credential add", f"aws-{number}", "-b",
                     "aws-sts", *params, input=form)
        self.cli(broker, "credential set", "aws-0", input=forms[1])
        for form in (secret, f"{KEY} {secret}", f"{KEY}\n{secret}\n\nx",
                     forms[1][:-1], forms[2] + "[y]", f"x,y\n{KEY},{secret}"):
            self.cli(broker, "credential add", "aws-no", "-b", "aws-sts",
                     *params, input=form, check=False)

    def administer_aws(self):
        cli, broker = self.cli, self.broker
        grants = ["-g", f"aws-0:{SCOPE}"]
        policy = self.folder / "policy.json"
        policy.write_text('{"Version": "2012-10-17", "Statement": []}')
        for way in ("container", "imds", "process", "inject"):
            for form in ("text", "shell", "docker", "json"):
                cli(broker, "issue", "--task", "aws", *grants, "--aws", way,
                    "--format", form)
        for fault in ("denied", "echo", "garbage"):
            self.sts.faults = [fault]
            cli(broker, "issue", "--task", "aws", *grants, check=False)
        cli(broker, "issue", "--task", "aws", "-g", f"aws-0:policy=@{policy}",
            check=False)
        issued = json.loads(cli(broker, "issue", "--task", "aws", *grants,
                                "--mint", "later", "--json").stdout)
        session = issued["session"]["id"]
        cli(broker, "session grant", session, "-g", f"aws-1:{SCOPE}")
        for json_too in ((), ("--json",)):
            cli(broker, "session show", session, *json_too)
            cli(broker, "credential show", "aws-0", *json_too)
            cli(broker, "revoke", "--print-deny", session, *json_too)
        cli(broker, "revoke", "--print-deny")
        cli(broker, "revoke", "--task", "aws", "--json")
        cli(broker, "backend show", "aws-sts")

    def run_aws(self):
        """Keys that are handed out, and requests that are signed."""
        workspace = self.folder / "aws"
        workspace.mkdir()
        script = "\n".join([
            "env; cat $AWS_CONFIG_FILE", "credbroker-aws aws-0",
            "credbroker-shim get /v1/aws/aws-0; credbroker-shim status",
            "credbroker-shim get /latest/meta-data/",
            "u=$CREDBROKER_ENDPOINT", "curl -si $u/http/aws-0/alpha/x",
            "for s in s3 sts; do curl -si --aws-sigv4 aws:amz:us-east-1:$s "
            "--user a:b $u/http/aws-0/alpha/x; done"])
        for options in ([], ["--network", "host"],
                        ["--network", "host", "--aws", "imds"]):
            self.cli(self.broker, "run", "--task", "aws", *options,
                     "--workspace", workspace, "-g", f"aws-0:{SCOPE}", "--",
                     "sh", "-c", script, check=False)

    def take_in(self):
        """What lies about is stored, and cut out of its files."""
        canaries, broker = self.canaries, self.broker
        netrc = "machine netrc.example login me password %s\n"
        docker = base64.b64encode(f"me:{canaries['docker']}".encode()).decode()
        self.plant(broker, ".netrc", netrc % canaries["netrc"])
        self.plant(broker, ".git-credentials",
                   f"https://me:{canaries['github']}@github.com\n")
        self.plant(broker, ".docker/config.json", json.dumps(
            {"auths": {"registry.example": {"auth": docker}}}))
        self.plant(broker, "taken/credentials",
                   f"[default]\naws_access_key_id={KEY}\n"
                   f"aws_secret_access_key={canaries['aws-import']}\n")
        self.plant(broker, "taken/config",
                   "[profile agent]\nsource_profile=default\n"
                   "role_arn=arn:aws:iam::123456789012:role/agent\n")
        sources = ("netrc", "git-credentials", "docker",
                   f"aws:{broker.home}/taken/credentials")
        for args in (["--dry-run", "--all"], ["--dry-run", "--all", "--json"],
                     ["--all", "--remove-original"], ["--all"]):
            self.cli(broker, "credential import", *sources, *args, check=False)
        for source in (*sources[:3], "aws"):
            self.cli(broker, "credential import", f"{source}:/etc/passwd",
                     "--all", check=False)

    def administer(self):
        cli, broker = self.cli, self.broker
        for json_too in ((), ("--json",)):
            for command in ("status", "credential list", "backend list",
                            "profile list", "session list", "audit show",
                            "audit verify"):
                cli(broker, command, *json_too)
            cli(broker, "credential show", "basic", *json_too)
            cli(broker, "backend show", "static", *json_too)
        cli(broker, "profile add", "web", "-g", "forge:repository=acme/web")
        cli(broker, "profile show", "web")
        issued = json.loads(cli(broker, "issue", "--task", "admin", "-p",
                                "web", "--json").stdout)
        session = issued["session"]["id"]
        for format in ("text", "shell", "docker"):
            cli(broker, "issue", "--task", "admin", "-p", "web", "--format",
                format)
        cli(broker, "session show", session, "--json")
        cli(broker, "session grant", session, "-g", "basic:repository=a/b",
            check=False)
        cli(broker, "session drop", session, "1", check=False)
        cli(broker, "session extend", session, "--ttl", "1h", check=False)
        cli(broker, "revoke", session)
        cli(broker, "revoke", "--all")
        cli(broker, "profile remove", "web")

    def enforce(self, *rules, name="team.json"):
        """Rules of the team, behind one that allows all; none: no policy."""
        folder = self.folder / "broker" / "policy"
        folder.mkdir(exist_ok=True, mode=0o700)
        file = folder / name
        file.unlink(missing_ok=True)
        if rules:
            file.write_text(json.dumps({
                "tier": "team", "name": "acme",
                "rules": [{"id": "all", "effect": "allow"}, *rules]}))
            file.chmod(0o600)
        self.broker.call("policy.reload")
        return file

    def approve(self):
        """What is asked for, seen and answered in each way."""
        cli, broker = self.cli, self.broker
        file = self.enforce({
            "id": "look", "effect": "ask", "reason": "look at it",
            "credentials": [*WAYS, "aws-0"]})
        endpoint = Endpoint(broker, [
            *(f"{way}:repository=acme/api" for way in WAYS),
            f"aws-0:{SCOPE}"], task="asked")
        asked = [threading.Thread(
            target=lambda data=data: self.sweep.look(
                "response", endpoint.send(data, half_close=False)))
            for data in self.held(endpoint)]
        for thread in asked:
            thread.start()
        waiting = wait_until(lambda: len(found := json.loads(cli(
            broker, "approvals", "--json").stdout)["approvals"]) >= len(asked)
            and found, "all are asked for")
        cli(broker, "approvals")
        cli(broker, "approvals", "--session", endpoint.id)
        for number, one in enumerate(waiting):
            for json_too in ((), ("--json",)):
                cli(broker, "approvals", one["id"], *json_too)
            answer = (("approve", one["id"]) if number % 2 else
                      ("deny", one["id"], "--reason", "not now"))
            cli(broker, *answer)
            cli(broker, *answer, check=False)
        for thread in asked:
            thread.join()
        cli(broker, "issue", "--task", "asked", "-g",
            "basic:repository=acme/api", "--ask-always", "--json")
        cli(broker, "revoke", "--task", "asked")
        for json_too in ((), ("--json",)):
            cli(broker, "policy check", file, *json_too)
            cli(broker, "policy show", *json_too)
            cli(broker, "policy explain", "--task", "x", "--credential",
                "basic", *json_too, check=False)
            cli(broker, "policy diff", file, file, *json_too, check=False)
            cli(broker, "policy install", file, *json_too, check=False)
            cli(broker, "policy test", file, *json_too, check=False)
        self.enforce()

    def held(self, endpoint):
        """Requests that wait, with a token and a body that nobody shows."""
        secret = self.canaries["inherited"].encode()
        token = (endpoint.folder / "token").read_text()
        for upstream in self.upstreams.values():
            target = f"/git/{upstream.authority}/acme/api.git/git-upload-pack"
            yield (f"POST {target} HTTP/1.1\r\nHost: {HOST}\r\n"
                   "Content-Type: application/x-git-upload-pack-request\r\n"
                   f"Authorization: Bearer {token}\r\n"
                   "Connection: close\r\n"
                   f"Content-Length: {len(secret)}\r\n\r\n").encode() + secret
        yield (f"GET /v1/aws/aws-0 HTTP/1.1\r\nHost: {HOST}\r\n"
               f"Authorization: {token}\r\n"
               "Connection: close\r\n\r\n").encode()

    def others(self):
        """Commands that need no broker of this kind, or none at all."""
        for command, args in OTHERS.items():
            if command in commands():
                self.cli(self.broker, command, *args, check=False)

    def sign(self):
        """Policies, with a key that has a passphrase and one that has none."""
        cli, broker = self.cli, self.broker
        words = self.canaries["signing"] + "\n"
        sealed, plain = broker.home / "acme.key", self.signing / "plain.key"
        file = broker.home / "organization.json"
        file.write_text(json.dumps({
            "tier": "organization", "name": "acme", "serial": 1,
            "rules": []}))
        cli(broker, "policy keygen", sealed, input=words)
        cli(broker, "policy keygen", sealed, input=words, check=False)
        cli(broker, "policy sign", file, "--key", sealed, input=words)
        cli(broker, "policy sign", file, "--key", sealed, check=False,
            input=self.canaries["mistyped"] + "\n")
        # Where a public key, a signature or a policy belongs.
        for key in (plain, sealed):
            cli(broker, "policy verify", file, "-p", key, check=False)
            cli(broker, "policy verify", file, "-p", sealed.with_suffix(
                ".pub"), "-x", key, check=False)
            cli(broker, "policy sign", file, "-k", plain, "-x", key,
                check=False)
        for json_too in ((), ("--json",)):
            cli(broker, "policy sign", file, "-k", plain, *json_too)
            cli(broker, "policy verify", file, "-p",
                plain.with_suffix(".pub"), *json_too)
        damaged = self.signing / "damaged.key"
        comment, line = plain.read_text().splitlines()
        for text in (line, f"{comment}\n{line[:-8]}\n",
                     f"{comment}\n{line}\n{line}\n"):
            damaged.write_text(text)
            damaged.chmod(0o600)
            cli(broker, "policy sign", file, "-k", damaged, check=False)

    def exchange(self):
        """With git, by every way of injecting, and what is refused."""
        grants = [f"{way}:repository=acme/api,git=fetch+push" for way in WAYS]
        self.ran.add("run")
        sandbox = LiveSandbox(self.broker, [*grants, "forge:repository="
                                            "acme/api,git=fetch+push"])
        # By a file: what is found holds the marks of the sandbox's shell.
        found = sandbox.workspace / "found"
        try:
            for script in self.scripts():
                sandbox(f"( {script}\n) >found 2>&1 </dev/null")
                self.sweep.look("sandbox", found.read_bytes())
        finally:
            sandbox.close()
        self.sweep.look("out run",
                        sandbox.workspace.with_suffix(".err").read_bytes())

    def scripts(self):
        git = f"{self.git.url}/acme"
        yield (f"git clone {git}/api.git; cd api && git -c user.name=a -c "
               "user.email=a@b commit --allow-empty -qm x && git push; "
               "GIT_TRACE=1 GIT_TRACE_CURL=1 GIT_CURL_VERBOSE=1 git fetch; "
               f"git ls-remote {git}/infra.git; git ls-remote {git}/no.git")
        for upstream in self.upstreams.values():
            url = f"http://127.0.0.1:9169/git/{upstream.authority}/acme/api.git"
            yield f"curl -si '{url}/info/refs?service=git-upload-pack'"
            yield (f"curl -si -H 'Content-Type: application/x-git-upload-pack"
                   f"-request' --data-binary 0000 {url}/git-upload-pack")
            yield f"git ls-remote http://{upstream.authority}/acme/api.git"
        yield "env; export; mount; ps -ef; id; cat /proc/keys; ulimit -a"
        yield ("for p in /proc/[0-9]*; do for f in environ cmdline maps status "
               "mountinfo cgroup limits net/unix; do cat $p/$f; done; "
               "ls -l $p/fd $p/cwd $p/root; done")
        yield READ_MEMORY
        yield ("find / \\( -path /proc -o -path /sys -o -path /usr -o "
               "-path /dev -o -name found \\) -prune -o -type f -size -4096k -print "
               "-exec cat {} + ; find / -type s -o -type p; ls -laR /run /tmp "
               "$HOME")
        yield ("for p in / /v1/session /v1/credentials /v1/credentials/basic "
               "/v1/credentials/no /latest/meta-data; do credbroker-shim get "
               "$p; done; credbroker-shim status")
        yield ("for h in localhost github.com " +
               " ".join(u.authority for u in self.upstreams.values()) +
               "; do printf 'protocol=https\\nhost='$h'\\n\\n' | "
               "git credential fill; done")

    def ask_oddly(self):
        endpoint = Endpoint(self.broker, [
            *(f"{way}:repository=acme/api" for way in WAYS),
            f"aws-0:{SCOPE}", f"aws-1:{SCOPE},delivery=inject"], task="odd")
        odd = random.Random(SEED)
        for _ in range(ODD_REQUESTS):
            data = odd_request(odd, self.upstreams, endpoint)
            self.sweep.look("response", endpoint.send(data))
        self.cli(self.broker, "audit show", "--task", "odd", "-n", "2000",
                 "--json")
        self.token = (endpoint.folder / "token").read_bytes()

    def lock_and_unlock(self):
        """A vault that a passphrase opens."""
        cli = self.cli
        sealed = self.sealed = self.make_broker("sealed")
        cli(sealed, "init", input=self.canaries["passphrase"] + "\n")
        sealed.start(unlock=False)
        cli(sealed, "unlock", input=self.canaries["mistyped"] + "\n",
            check=False)
        cli(sealed, "unlock", input=self.canaries["passphrase"] + "\n")
        cli(sealed, "credential add", "x", "-p", "hosts=https://x.example",
            input=self.canaries["refused"] + "\n")
        cli(sealed, "credential remove", "x")
        self.trust(sealed)
        cli(sealed, "lock")
        cli(sealed, "credential list", check=False)

    def trust(self, broker):
        """A secret key where a public one belongs, and then that."""
        cli = self.cli
        keys = [self.broker.home / "acme.key", self.signing / "plain.key"]
        for key in keys:
            cli(broker, "policy trust", key, "--yes", check=False)
            with contextlib.suppress(AssertionError):
                broker.call("policy.trust", key=key.read_text())
        public = [key.with_suffix(".pub") for key in keys]
        cli(broker, "policy trust", public[0], "--yes")
        cli(broker, "policy trust", public[1], "--yes", check=False)
        shown = json.loads(cli(broker, "policy show", "--json").stdout)
        cli(broker, "policy trust", public[1], "--yes", "--json",
            "--replaces", shown["pin"]["key"])
        cli(broker, "policy trust", public[0], "--yes", check=False,
            input=self.canaries["signing"])

    # --- Crashes, with core files allowed from outside ----------------------

    def crash(self):
        # To a program: then no process's own limit keeps it from one.
        keeper = self.folder / "keep"
        keeper.write_text(f'#!/bin/sh\ncat >"{self.cores}/$1"\n')
        keeper.chmod(0o755)
        kept = CORE_PATTERN.read_text()
        CORE_PATTERN.write_text(f"|{keeper} %P.%e")
        try:
            self.crash_control()
            self.crash_command()
            self.crash_kdf()
            self.crash_signer()
            for name in ("gateway", "egress", "core", "supervisor"):
                self.crash_process(name)
        finally:
            CORE_PATTERN.write_text(kept)

    def crash_control(self):
        """A process like any other does leave one."""
        process = subprocess.Popen(["sleep", "infinity"],
                                   env={"CONTROL": "core-" + "x" * 20})
        os.kill(process.pid, signal.SIGABRT)
        process.wait()
        self.control = wait_until(
            lambda: list(self.cores.glob(f"{process.pid}.*")), "core file")[0]

    def crash_command(self):
        """The command that holds a secret, and waits for its broker."""
        core = self.broker.pids()["core"]
        os.kill(core, signal.SIGSTOP)
        try:
            process = subprocess.Popen(
                self.broker.command("credential", "add", "crash", "-p",
                                    "hosts=https://crash.example"),
                env=self.broker.environment(), stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            process.stdin.write(self.canaries["refused"].encode() + b"\n")
            process.stdin.close()
            wait_until(lambda: "poll" in wchan(process.pid) or
                       "unix" in wchan(process.pid) or
                       "wait_for" in wchan(process.pid), "it waits")
            os.kill(process.pid, signal.SIGABRT)
            process.wait()
        finally:
            os.kill(core, signal.SIGCONT)

    def crash_kdf(self):
        while not self.crashed_kdf():
            self.sealed.run("lock")     # it was over before it was seen

    def crashed_kdf(self):
        process = subprocess.Popen(
            self.sealed.command("unlock"), env=self.sealed.environment(),
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        process.stdin.write(self.canaries["passphrase"].encode() + b"\n")
        process.stdin.close()
        while process.poll() is None:
            kdf = pid_of("credbroker-kdf",
                         descendants(self.sealed.process.pid))
            if kdf is not None and stopped_in_the_midst(kdf):
                crash(kdf)
                assert process.wait() != 0
                return True
        return False

    def crash_signer(self):
        """While it computes, it holds the passphrase."""
        home = self.broker.home
        process = subprocess.Popen(
            self.broker.command("policy", "sign", home / "organization.json",
                                "--key", home / "acme.key"),
            env=self.broker.environment(), stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        process.stdin.write(self.canaries["signing"].encode() + b"\n")
        process.stdin.close()
        wait_until(lambda: stopped_in_the_midst(process.pid), "it computes")
        crash(process.pid)
        assert process.wait() != 0

    def crash_process(self, name):
        """In the midst of an exchange, where it takes part in one."""
        broker = self.broker
        pid = broker.pids()[name]
        sandbox = LiveSandbox(broker, ["forge:repository=acme/api"])
        try:
            sandbox("true")
            crash(pid)
            sandbox.start(f"git clone {self.git.url}/acme/api.git; true")
            if name == "supervisor":
                broker.process.wait()
            else:
                wait_until(lambda: alive(broker) and
                           broker.pids()[name] != pid, f"{name} again")
            _, output = sandbox.finish()
            self.sweep.look("sandbox", output)
        finally:
            sandbox.close()

    def collect(self):
        """Everything that is left on disks."""
        brokers = (self.broker, self.sealed)
        planted = [
            file for broker in brokers for file in broker.home.rglob("*")
            if file.is_file() and
            file.read_text().startswith(self.canaries["home"])]
        for broker in brokers:
            self.sweep.look("log", broker.log_text())
            self.sweep.look_at_files(broker.folder, but=planted)
        # Leased keys are in no file at all, whoever they were handed out to.
        self.leased = Sweep({
            f"{what} {number}": text.encode()
            for number, keys in enumerate(self.sts.issued)
            for what, text in (("secret", keys.secret),
                               ("token", keys.token))})
        self.leased.look("log", self.broker.log_text())
        self.leased.look_at_files(self.broker.folder)
        # A session's token is for its own folder, and nowhere else.
        self.tokens = Sweep({"token": self.token})
        self.tokens.look_at_files(self.broker.folder)
        for core in self.cores.iterdir():
            self.sweep.look(f"core {core.name}", core.read_bytes())

    def close(self):
        with contextlib.ExitStack() as stack:
            for name in ("broker", "sealed"):
                if hasattr(self, name):
                    stack.callback(getattr(self, name).stop, check=False)
            stack.callback(self.git.stop)
            if self.sts.server is not None:
                stack.callback(self.sts.__exit__)
            for upstream in self.upstreams.values():
                stack.callback(upstream.close)


# What the others leave out, with arguments that take it far.
OTHERS = {
    "doctor": ["--network"],
    "inventory": [],
    "credential test": ["basic"],
    "completions": ["bash"],
}

READ_MEMORY = """python3 - <<'END'
import os, sys
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        memory = open(f"/proc/{pid}/mem", "rb", 0)
        for line in open(f"/proc/{pid}/maps"):
            first, last = (int(x, 16) for x in line.split()[0].split("-"))
            if int(pid) == os.getpid() or last - first > 1 << 26:
                continue
            try:
                memory.seek(first)
                sys.stdout.buffer.write(memory.read(last - first))
            except (OSError, ValueError, OverflowError):
                pass
    except OSError as error:
        print(pid, error)
END"""


def odd_request(odd, upstreams, endpoint):
    """Something of a request, rarely all of it."""
    authority = odd.choice(list(upstreams.values())).authority
    targets = ["/", "/v1/session", "/v1/credentials", "/v1/credentials/basic",
               "/v1/helper/git/get", "/v1/aws/basic", "/latest/api/token",
               "/latest/meta-data/iam/security-credentials/",
               "/computeMetadata/v1/instance/service-accounts/default/token",
               "/msi/token", "/metadata/identity/oauth2/token",
               "/http/basic/user", "/v1/admin", "/v1/aws/aws-0",
               "/v1/helper/aws/aws-0", "/http/aws-0/alpha/x", "/http/aws-1/", "/../state/vault",
               f"/git/{authority}/acme/api.git/info/refs"
               "?service=git-upload-pack",
               f"/git/{authority}/acme/api.git/git-upload-pack",
               f"/git/{authority}/acme/other.git/HEAD"]
    target = odd.choice(targets)
    for _ in range(odd.choice((0, 0, 1, 2))):
        at = odd.randrange(len(target) + 1)
        target = (target[:at] + odd.choice(
            ("%2f", "..", "%00", "?", "#", "//", ";a", "\\", "%", "é", "\t",
             "&api_key=x", "@", ":", "A" * 3000)) + target[at:])
    token = (endpoint.folder / "token").read_text()
    headers = odd.sample([
        "Credbroker-Session: 1", f"Authorization: Bearer {token}",
        "Authorization: Basic eDp5", "Accept: text/plain",
        "Authorization: AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/s3/"
        "aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
        "x-amz-content-sha256: UNSIGNED-PAYLOAD", "Accept: */*",
        "X-aws-ec2-metadata-token-ttl-seconds: 60", "Metadata: true",
        "Metadata-Flavor: Google", "Origin: http://evil.example",
        "X-Forwarded-For: 127.0.0.1", "Expect: 100-continue",
        "Range: bytes=0-", "Content-Type: application/json",
        "X-Api-Key: x", "Cookie: a=b", "TE: trailers",
        "User-Agent: " + "u" * odd.choice((1, 200, 9000))],
        odd.randrange(6))
    host = odd.choice((HOST, HOST, HOST, HOST, "localhost", "evil", ""))
    method = odd.choice(("GET", "GET", "GET", "POST", "PUT", "HEAD", "OPTIONS",
                         "TRACE", "DELETE", "PATCH", "get", "X" * 40))
    body = odd.choice((b"", b"", b"0000", b'{"a":1}', os.urandom(100)))
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    if body or odd.random() < 0.1:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def commands():
    text = subprocess.run([str(CREDBROKER), "--help"], capture_output=True,
                          text=True, check=True).stdout
    return re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)  +\S", text, re.M)


def wchan(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/wchan").read_text()
    return ""


def pid_of(name, pids):
    for pid in pids:
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/comm").read_text() == name + "\n":
                return pid
    return None


def stopped_in_the_midst(pid):
    """Whether it computes a key; then it gets no further."""
    with contextlib.suppress(OSError, TypeError):   # it is over already
        os.kill(pid, signal.SIGSTOP)
        if memory_kib(pid) > 64 << 10:
            return True
        os.kill(pid, signal.SIGCONT)
    return False


def crash(pid):
    """Its next instruction is none: the first process of a pid namespace does
    not die of signals that it has no handler for."""
    if platform.machine() != "x86_64":
        os.kill(pid, signal.SIGABRT)
        return
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: state(pid) == "T", "stopped")
    at = int(pathlib.Path(f"/proc/{pid}/syscall").read_text().split()[-1], 16)
    with open(f"/proc/{pid}/mem", "r+b", 0) as memory:
        memory.seek(at)
        memory.write(b"\x0f\x0b")     # ud2
    os.kill(pid, signal.SIGCONT)


def state(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0]


def alive(broker):
    done = broker.run("status", "--json", check=False)
    status = json.loads(done.stdout) if done.returncode == 0 else {}
    return status.get("state") == "unlocked" and all(
        process.get("up", True) for process in status["processes"])


@pytest.fixture(scope="module")
def scene():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    made = Scene(folder)
    try:
        made.open()
        with Watcher(made.sweep, but=[os.getpid()]) as watcher:
            made.store()
            made.store_aws()
            made.take_in()
            made.administer()
            made.administer_aws()
            made.approve()
            made.others()
            made.sign()
            made.exchange()
            made.run_aws()
            made.ask_oddly()
            made.lock_and_unlock()
        made.watched = watcher
        if os.geteuid() == 0 and os.access(CORE_PATTERN, os.W_OK):
            made.crash()
        made.collect()
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


# Where a secret of the user's own may be: in what the user put it.
def expected(hit):
    name, _, where = hit
    # The command's own, given by its caller.
    return (name == "inherited" and
            where in ("environ credbroker", "environ inventory"))


def test_no_canary_is_anywhere(scene):
    assert sorted(hit for hit in scene.sweep.found if not expected(hit)) == []


def test_a_sessions_token_is_in_its_folder_only(scene):
    where = {pathlib.Path(hit[2]).name for hit in scene.tokens.found}
    assert where == {"token"}


def test_leased_keys_are_nowhere_on_the_disk(scene):
    assert len(scene.sts.issued) > 10
    assert scene.leased.found == set()
    assert scene.leased.seen["file"] > 1 << 20


def test_everything_was_looked_at(scene):
    seen = scene.sweep.seen
    assert set(seen) >= {"out", "sandbox", "response", "argv", "environ",
                         "file", "name", "log"}, seen
    assert seen["sandbox"] > 1 << 20 and seen["response"] > 100 << 10, seen
    names = set(scene.watched.processes.values())
    assert {"credbroker", "credbroker-core", "bwrap", "git"} <= names, names


def test_every_command_was_run(scene):
    assert sorted(set(commands()) - scene.ran) == []


def test_the_upstreams_got_the_secrets(scene):
    """Otherwise there was nothing to come back."""
    for way, upstream in scene.upstreams.items():
        heads = b"".join(head for head, _ in upstream.requests)
        forms = encodings(scene.canaries[way].encode()).values()
        assert any(form in heads for form in forms), way
    assert scene.git.requests() > 5


def test_no_process_leaves_a_core_file(scene):
    if not hasattr(scene, "control"):
        pytest.skip("core files are allowed by root, where /proc/sys can be "
                    "written")
    left = [core for core in scene.cores.iterdir()
            if core.suffix.startswith((".credbroker", ".git-cred", ".bwrap"))]
    assert left == []
    assert b"core-" + b"x" * 20 in scene.control.read_bytes()


def plants():
    """Where each form can be planted: a NUL ends an argument, and no name has
    a slash or is long."""
    for form, needle in encodings(canary("planted").encode()).items():
        yield "file", form
        yield "out", form
        if b"\0" not in needle:
            yield "argv", form
            yield "environ", form
        if not {0, ord("/")} & set(needle) and len(needle) < 200:
            yield "name", form


@pytest.mark.parametrize("place,form", plants())
def test_what_is_planted_is_found(folder, place, form):
    secret = canary("planted").encode()
    sweep = Sweep({"planted": secret})
    needle = b"before" + encodings(secret)[form] + b"after"
    if place == "file":
        (folder / "log").write_bytes(needle)
        sweep.look_at_files(folder)
    elif place == "name":
        (folder / os.fsdecode(needle)).touch()
        sweep.look_at_files(folder)
    elif place == "out":
        sweep.look("out status", needle)
    else:
        argv = [needle] if place == "argv" else []
        process = subprocess.Popen(["sh", "-c", "read line", *argv],
                                   env={b"A": needle} if not argv else {},
                                   stdin=subprocess.PIPE)
        with Watcher(sweep, but=[os.getpid()]):
            wait_until(lambda: sweep.found, "found", seconds=5)
        process.communicate(b"\n")
    assert ("planted", form) in {hit[:2] for hit in sweep.found}
