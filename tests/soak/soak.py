"""A broker for minutes or hours: agents clone and push, sessions come and go by
the hundred, processes are killed, the broker stops, crashes and reads its
configuration again, all at random.  In the end it is as it was: no descriptor
more, memory bounded, the audit log whole, no secret in what was said.

Run by scripts/soak."""

import argparse
import contextlib
import os
import pathlib
import random
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "redteam"))

from attack import Endpoint, e2e, wait_until                   # noqa: E402
from load import (Admin, Issued, Refused, all_descriptors,     # noqa: E402
                  answers, connect_many, own_limit, room_for)

GRANT = "forge:repository=acme/api,git=fetch+push"
IDENTITY = "-c user.name=Agent -c user.email=agent@localhost"
AT_ONCE = 3
SESSIONS_MOST = 2000
KIB_KEPT = 128 << 10
KIB_A_TOMBSTONE = 16


class Failure(Exception):
    pass


class Soak:
    def __init__(self, seed, minutes):
        self.random = random.Random(seed)
        self.end = time.monotonic() + minutes * 60
        self.lock = threading.Lock()
        self.quiet = threading.Condition(self.lock)
        self.working = 0
        self.disturbing = False
        self.disturbed = 0      # how often; what it cut off may fail
        self.sessions = []
        self.done = {}
        self.failures = []

    def choose(self, weighted):
        with self.lock:
            return self.random.choices(list(weighted), weighted.values())[0]

    def number(self, low, high):
        with self.lock:
            return self.random.randint(low, high)

    def count(self, what):
        with self.lock:
            self.done[what] = self.done.get(what, 0) + 1

    # What agents do.

    def clone(self):
        where = f"{self.server.url}/acme/api.git"
        done = self.broker.sandbox(
            f"git clone --quiet {where} api && git -C api log --oneline -1",
            grants=[GRANT], task="clone", check=False)
        if done.returncode != 0:
            raise Failure(f"clone: {done.stderr[-400:]}")

    def push(self):
        branch = f"b{self.number(0, 40)}"
        where = f"{self.server.url}/acme/api.git"
        done = self.broker.sandbox(
            "set -e", f"git clone --quiet --depth 1 {where} api", "cd api",
            f"git checkout --quiet -B {branch}", "date +%N >>log",
            "git add log", f"git {IDENTITY} commit --quiet -m work",
            f"git push --quiet --force origin {branch}",
            grants=[GRANT], task="push", check=False)
        if done.returncode != 0:
            raise Failure(f"push: {done.stderr[-400:]}")

    def forbidden(self):
        done = self.broker.sandbox(
            f"git clone --quiet {self.server.url}/acme/infra.git",
            grants=[GRANT], task="forbidden", check=False)
        if done.returncode == 0:
            self.failures.append("a repository was cloned without a grant")

    def issue(self):
        count = self.number(1, 60)
        with Admin(self.broker) as admin:
            for _ in range(count):
                try:
                    issued = admin.call(
                        "session.issue", task=f"task-{self.number(0, 30)}",
                        grants=[GRANT], ttl=self.number(5, 600))
                except Refused as refused:
                    if refused.data["code"] != "limit":
                        raise
                    return
                with self.lock:
                    self.sessions.append(Issued(self.broker,
                                                issued["session"]))

    def ask(self):
        """Live, or ended and it says so, or long gone."""
        with self.lock:
            some = self.random.sample(self.sessions,
                                      min(20, len(self.sessions)))
        for session in some:
            with contextlib.suppress(FileNotFoundError,
                                     ConnectionRefusedError):
                got = answers(session)
                if got not in (200, 403):
                    raise Failure(f"session {session.id}: {got}")

    def revoke(self):
        with Admin(self.broker) as admin:
            with contextlib.suppress(Refused):
                admin.call("revoke", task=f"task-{self.number(0, 30)}")

    def flood(self):
        session = Endpoint(self.broker, [GRANT], task="flood")
        count = room_for(self.number(100, 3000), 4000)
        with own_limit(count), contextlib.ExitStack() as stack:
            connect_many([session.folder / "endpoint.sock"], count, stack,
                         b"GET /v1/session HT")
        self.broker.run("revoke", session.id, check=False)

    ACTIONS = {clone: 6, push: 4, forbidden: 2, issue: 6, ask: 8, revoke: 4,
               flood: 1}

    # What happens to the broker.

    def kill_one(self):
        name = self.choose({"gateway": 2, "egress": 2, "core": 1})
        pid = self.broker.pids()[name]
        os.kill(pid, signal.SIGKILL)

        def again():
            done = self.broker.run("status", check=False)
            return done.returncode == 0 and self.broker.pids()[name] != pid
        wait_until(again, f"another {name}")

    def restart(self):
        self.broker.stop()
        self.broker.start()

    def crash(self):
        self.broker.kill()
        self.broker.start()

    def lock_and_unlock(self):
        self.broker.run("lock", check=False)
        self.broker.run("unlock", "--key-file", self.broker.key)

    def reload(self):
        self.broker.configure(self.settings())
        self.broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.broker.run("status", check=False).returncode
                   == 0, "an answer")

    DISTURBANCES = {kill_one: 6, restart: 2, crash: 1, lock_and_unlock: 2,
                    reload: 3}

    def disturb(self):
        what = self.choose(self.DISTURBANCES)
        with self.lock:
            self.disturbing = True
            self.disturbed += 1
        try:
            what(self)
            wait_until(self.well, "the broker is well")
            self.count(what.__name__)
        except BaseException as why:     # pylint: disable=W0718
            self.failures.append(f"{what.__name__}: {why}")
            self.end = 0
        with self.lock:
            self.disturbing = False
            self.disturbed += 1
            self.quiet.notify_all()

    def well(self):
        """Unlocked, and a session can be issued and serves."""
        with contextlib.suppress(Exception):
            endpoint = Endpoint(self.broker, [GRANT], task="well")
            fine = answers(endpoint) == 200
            self.broker.run("revoke", endpoint.id)
            return fine
        return False

    def act(self):
        what = self.choose(self.ACTIONS)
        with self.lock:
            self.quiet.wait_for(lambda: not self.disturbing, 120)
            before = self.disturbed
        try:
            what(self)
            self.count(what.__name__)
        except Exception as why:         # pylint: disable=W0718
            with self.lock:
                cut_off = self.disturbed != before
            if not cut_off:
                self.failures.append(f"{what.__name__}: {why}")
                self.end = 0
            self.count(f"{what.__name__}, cut off")

    def work(self):
        while time.monotonic() < self.end:
            self.act()

    def settings(self):
        return {"sessions_max": SESSIONS_MOST,
                "requests_per_minute": 6000000}

    def memory(self):
        return {name: e2e.memory_kib(pid)
                for name, pid in self.broker.pids().items()}

    def sessions_known(self):
        with Admin(self.broker) as admin:
            return admin.call("session.list", all=True)["sessions"]

    def check_end(self, fresh, size):
        """After a restart nothing is left but what a fresh broker has; before
        it, no more than the sockets that say why their session has ended."""
        self.broker.run("revoke", "--all", check=False)
        wait_until(lambda: all(s["state"] != "live"
                               for s in self.sessions_known()), "all revoked")

        def as_before():
            tombstones = len(self.sessions_known())
            allowed = {"core": tombstones, "gateway": tombstones}
            return all(count is None or
                       count <= fresh[name] + allowed.get(name, 0) + 2
                       for name, count in all_descriptors(self.broker).items())
        # Streams and connections that wait are closed after half a minute.
        wait_until(as_before, f"descriptors: {all_descriptors(self.broker)}, "
                   f"at first {fresh}", 90)
        tombstones = len(self.sessions_known())
        for name, kib in self.memory().items():
            if kib > size[name] + KIB_KEPT + tombstones * KIB_A_TOMBSTONE:
                self.failures.append(
                    f"{name}: {kib} KiB, at first {size[name]}")
        print("memory in KiB, at first and at the end:", size, self.memory())
        self.broker.run("audit", "verify")
        self.broker.stop()
        said = self.broker.log_text()
        if self.server.password in said or "Sanitizer" in said:
            self.failures.append("the log has what it must not have")

    def run(self):
        path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
        self.server = e2e.GitServer(path / "git")
        self.broker = e2e.Broker(path, self.settings())
        try:
            self.server.start()
            self.broker.init()
            self.broker.start()
            e2e.add_git_credential(self.broker, self.server)
            self.clone()
            self.broker.run("revoke", "--all", check=False)
            fresh, size = all_descriptors(self.broker), self.memory()
            workers = [threading.Thread(target=self.work)
                       for _ in range(AT_ONCE)]
            for worker in workers:
                worker.start()
            while time.monotonic() < self.end:
                self.disturb()
                rest = time.monotonic() + self.number(2, 20)
                while time.monotonic() < min(rest, self.end):
                    time.sleep(0.2)
            for worker in workers:
                worker.join()
            if not self.failures:
                self.check_end(fresh, size)
        finally:
            with contextlib.suppress(Exception):
                self.broker.stop(check=False)
            self.server.stop()
            if self.failures:
                log = path / "serve.log"
                print(f"soak: the broker's log is {log}")
                print("\n".join(log.read_text().splitlines()[-30:]))
            else:
                shutil.rmtree(path, ignore_errors=True)
        for what, count in sorted(self.done.items()):
            print(f"{count:7} {what}")
        for failure in self.failures:
            print(f"soak: {failure}", file=sys.stderr)
        return 1 if self.failures else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("minutes", type=float)
    parser.add_argument("--seed", type=int)
    args = parser.parse_args()
    seed = secrets.randbits(32) if args.seed is None else args.seed
    print(f"seed {seed}, {args.minutes:g} minutes", flush=True)
    return Soak(seed, args.minutes).run()


sys.exit(main())
