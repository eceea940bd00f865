"""The measurements, in the order of the design's table.  Each yields rows."""

import dataclasses
import json
import resource
import shutil
import subprocess
import time

import world as w


@dataclasses.dataclass
class Row:
    """One line of the table.  `ratio` is what the goal is about; `bound` is
    the goal, at least or at most that."""

    name: str
    what: str
    ours: str
    peer: str
    ratio: float = None
    low: float = None       # of the rounds
    high: float = None
    best: float = None      # of the best round of each
    bound: float = None
    at_least: bool = True
    goal: str = ""          # in words; made from `bound` otherwise
    note: str = ""

    @property
    def met(self):
        if self.bound is None or self.ratio is None:
            return None
        return (self.ratio >= self.bound if self.at_least
                else self.ratio <= self.bound)


def rounds(world):
    return 3 if world.quick else 7


def seconds(world):
    return 0.4 if world.quick else 1.5


def alternate(count, *measures):
    """A B A B ...: what else this machine does hits both.  A list of results
    for each, after a round that is not counted."""
    for measure in measures:
        measure()
    results = [[] for _ in measures]
    for _ in range(count):
        for measure, into in zip(measures, results):
            into.append(measure())
    return results


def compared(ours, peers, best=max):
    """What a Row wants: the ratio of each pair of rounds, its median and its
    spread; and that of the best rounds, which other work disturbed least."""
    pairs = [a / b for a, b in zip(ours, peers)]
    return {"ratio": w.median(pairs), "low": min(pairs), "high": max(pairs),
            "best": best(ours) / best(peers)}


def rates(ours, peers):
    return compared([r["rate"] for r in ours], [r["rate"] for r in peers])


def times(ours, peers):
    return compared([r["p50_us"] for r in ours], [r["p50_us"] for r in peers],
                    min)


def rate_text(results):
    return f"{w.median([r['rate'] for r in results]):,.0f}/s"


def time_text(results):
    return f"{w.median([r['p50_us'] for r in results]):,.0f} µs"


class Cpu:
    """Microseconds of each process a request, over all calls of measure()."""

    def __init__(self, pids):
        self.pids = pids
        self.spent = dict.fromkeys(pids, 0.0)
        self.count = 0

    def measure(self, measure):
        before = {n: w.cpu_seconds([p]) for n, p in self.pids.items()}
        result = measure()
        for name, pid in self.pids.items():
            self.spent[name] += w.cpu_seconds([pid]) - before[name]
        self.count += result["count"]
        return result

    def text(self):
        each = ", ".join(f"{name} {1e6 * spent / self.count:.1f}"
                         for name, spent in self.spent.items())
        return f"µs of CPU a request: {each}"


# Other small answers than minted credentials, which leases.py measures.
FETCHES = (
    ("GET /v1/session (the core answers)", "GET", "/v1/session", None,
     {"core", "gateway"}),
    ("POST /v1/helper/git/store (the gateway alone)", "POST",
     "/v1/helper/git/store", b"protocol=https\n\n", {"gateway"}),
)


def measure_answer(world):
    """Small answers of the endpoint, and libmicrohttpd's own."""
    endpoint = world.plain_endpoint
    pids = {n: p for n, p in world.broker.pids().items()
            if n in ("core", "gateway")}
    floor = world.folder / "floor.sock"
    child = w.Child([w.program("floor"), floor, 300], world.folder / "floor")
    try:
        child.wait_for(lambda: w.connects(floor), "floor")
        for what, method, target, body, _ in FETCHES:
            file = None
            if body is not None:
                file = world.folder / "fetch.body"
                file.write_bytes(body)
            cpu = Cpu(pids)

            def fetch(at):
                return w.load(target, at=at, connections=16, method=method,
                              seconds=seconds(world), body=file,
                              headers=(w.HOST, w.SESSION))
            floor_cpu = Cpu({"floor": child.pid})
            ours, peer = alternate(
                rounds(world), lambda: cpu.measure(lambda: fetch(endpoint)),
                lambda: floor_cpu.measure(lambda: fetch(floor)))
            yield Row(
                "answer", what, rate_text(ours), rate_text(peer),
                note=f"{cpu.text()}; {floor_cpu.text().split(': ')[1]}",
                **rates(ours, peer))
    finally:
        child.stop()


def measure_issue(world):
    """Audited, durable changes."""
    count = 200 if world.quick else 1000
    broker = world.new_broker("issue")
    try:
        core = broker.pids()["core"]
        w.issue_many(broker, 50, 16)
        with w.Fsyncs(core, world.folder) as fsyncs:
            many = w.issue_many(broker, 2 * count, 16)
        if fsyncs.count:
            yield Row("issue", "`issue`, 16 clients: issues per fsync",
                      f"{many['rate']:,.0f}/s", f"{fsyncs.count} fsyncs",
                      ratio=2 * count / fsyncs.count, bound=6,
                      note=f"{2 * count} issues; counted with {fsyncs.how}; "
                      f"median {many['p50_us']:,.0f} µs")
        database = world.folder / "txn.db"
        ours, peer = alternate(
            rounds(world),
            lambda: w.issue_many(broker, count // 4, 1),
            lambda: w.run_json([w.program("sqlite_txn"), database,
                                count // 4, 1200]))
        yield Row("issue", "`issue`, one client, against a bare SQLite "
                  "transaction", rate_text(ours), rate_text(peer),
                  bound=0.8, note=f"median {time_text(ours)} against "
                  f"{time_text(peer)}",
                  **rates(ours, peer))
    finally:
        broker.stop(check=False)


REFS = "acme/api.git/info/refs?service=git-upload-pack"


def measure_inject(world):
    """A git discovery, with the password added on its way."""
    services, endpoint = world.services, world.endpoint
    pids = {n: p for n, p in world.broker.pids().items()
            if n != "supervisor"}
    peer_at = services.folder / "peer.sock"
    direct_at = services.folder / "direct.sock"

    def fetch(at, connections):
        headers = [w.HOST]
        if at == direct_at:
            headers.append(f"Authorization: {services.authorization}")
        return w.load(services.target(REFS), at=at, connections=connections,
                      seconds=seconds(world), headers=headers)

    cpu = Cpu(pids)
    peer_cpu = Cpu({"nginx": services.peer.pids()[-1]})
    ours, peer = alternate(
        rounds(world), lambda: cpu.measure(lambda: fetch(endpoint, 16)),
        lambda: peer_cpu.measure(lambda: fetch(peer_at, 16)))
    yield Row("inject", "injected small request, 16 connections",
              rate_text(ours), f"nginx {rate_text(peer)}", bound=0.25,
              note=f"{cpu.text()}; {peer_cpu.text().split(': ')[1]}",
              **rates(ours, peer))
    ours_rate = w.median([r["rate"] for r in ours])

    ours, peer, direct = alternate(
        rounds(world), lambda: fetch(endpoint, 1), lambda: fetch(peer_at, 1),
        lambda: fetch(direct_at, 1))
    added = [[r["p50_us"] - d["p50_us"] for r, d in zip(side, direct)]
             for side in (ours, peer)]
    yield Row("inject", "... one connection: added median latency",
              f"+{w.median(added[0]):.0f} µs",
              f"nginx +{w.median(added[1]):.0f} µs", bound=8, at_least=False,
              note=f"medians {time_text(ours)}, {time_text(peer)}, direct "
              f"without TLS {time_text(direct)}",
              **compared(*added, min))
    yield from measure_mitmproxy(world, ours_rate)


def measure_mitmproxy(world, ours_rate):
    """When it is installed."""
    services = world.services
    if shutil.which("mitmdump") is None:
        return
    port = w.free_port()
    child = w.Child(
        ["mitmdump", "-q", "--mode", f"reverse:https://localhost:{services.port}",
         "--listen-host", "127.0.0.1", "--listen-port", port,
         "--set", f"confdir={world.folder}/mitm", "--set",
         f"modify_headers=/~q/Authorization/{services.authorization}",
         "--set", f"ssl_verify_upstream_trusted_ca={services.folder}/ca.pem"],
        world.folder / "mitm.log",
        env={"PATH": w.e2e.PATH, "HOME": str(world.folder), "LANG": "C.UTF-8"})
    try:
        child.wait_for(lambda: w.connects(port), "mitmdump")
        results = [w.load(f"/{REFS}", at=port, connections=16, headers=[w.HOST],
                          seconds=2 * seconds(world)) for _ in range(3)]
        rate = w.median([r["rate"] for r in results])
        yield Row("inject", "... 16 connections, against mitmproxy",
                  f"{ours_rate:,.0f}/s", f"mitmproxy {rate:,.0f}/s",
                  ratio=ours_rate / rate, bound=15)
    finally:
        child.stop()


PUSH_LINE = (b"%s %s refs/heads/topic\0 report-status side-band-64k\n" %
             (b"0" * 40, b"1" * 40))


def measure_body(world):
    """A large body each way, and what memory that takes."""
    services, endpoint = world.services, world.endpoint
    peer_at = services.folder / "peer.sock"
    push = world.folder / "push.body"
    push.write_bytes(b"%04x" % (len(PUSH_LINE) + 4) + PUSH_LINE + b"0000PACK")
    fetch = world.folder / "fetch.body"
    fetch.write_bytes(b"00000009done\n")
    pids = {n: p for n, p in world.broker.pids().items()
            if n != "supervisor"}

    def down(at):
        return w.load(services.target("acme/api.git/git-upload-pack"), at=at,
                      method="POST", body=fetch, count=1, headers=[
                          w.HOST, "Content-Type: "
                          "application/x-git-upload-pack-request"])

    def up(at):
        return w.load(services.target("acme/api.git/git-receive-pack"), at=at,
                      method="POST", body=push, count=1, pad=world.body,
                      headers=[w.HOST, "Content-Type: "
                               "application/x-git-receive-pack-request"])

    size = world.body / w.MIB
    for what, move in (("down", down), ("up", up)):
        cpu = Cpu(pids)
        w.load(services.target(REFS), at=endpoint, count=100, headers=[w.HOST])
        for pid in pids.values():
            w.reset_peak(pid)
        before = {p: w.status_kib(p, "VmRSS") for p in pids.values()}
        ours, peer = alternate(
            3, lambda: cpu.measure(lambda: move(endpoint)),
            lambda: move(peer_at))
        grown = {n: w.status_kib(p, "VmHWM") - before[p]
                 for n, p in pids.items()}
        speeds = [[size / r["seconds"] for r in side]
                  for side in (ours, peer)]
        each = ", ".join(f"{name} {1e3 * spent / cpu.count:.0f}"
                         for name, spent in cpu.spent.items())
        yield Row("body", f"injected body of {size:.0f} MiB {what}",
                  f"{w.median(speeds[0]):,.0f} MiB/s",
                  f"nginx {w.median(speeds[1]):,.0f} MiB/s", bound=0.9,
                  note=f"ms of CPU: {each}", **compared(*speeds))
        yield Row("body", f"... memory growth {what}",
                  f"{max(grown.values()) / 1024:.1f} MiB", "",
                  ratio=sum(grown.values()) / 1024, bound=4, at_least=False,
                  goal="≤ 4 MiB", note="all processes together, from small "
                  "requests to the highest peak; the worst of them before")


def make_repository(path, mib):
    """So much of what does not compress, in a hundred files."""
    work = path.with_suffix(".work")
    git = ["git", "-c", "user.name=Bench", "-c", "user.email=bench@localhost",
           "-c", "core.compression=0"]
    env = {"PATH": w.e2e.PATH, "HOME": "/nonexistent"}

    def run(*args, cwd=None):
        subprocess.run([*git, *map(str, args)], cwd=cwd, env=env, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run("init", "--initial-branch=main", work)
    with open("/dev/urandom", "rb") as random:
        for i in range(100):
            (work / f"file{i}").write_bytes(random.read(mib * w.MIB // 100))
    run("add", ".", cwd=work)
    run("commit", "-m", "Much", cwd=work)
    run("clone", "--bare", work, path)
    run("repack", "-adq", cwd=path)
    shutil.rmtree(work)


def measure_clone(world):
    """git itself, in a sandbox and without one, from the same server."""
    mib = 40 if world.quick else 200
    path = world.folder / "git"
    server = w.e2e.GitServer(path)
    broker = world.broker
    try:
        server.start()
        make_repository(path / "repos" / "acme" / "big.git", mib)
        w.e2e.add_git_credential(broker, server, name="gitserver")
        clone = ("rm -rf clone; begun=$(date +%s%N); "
                 "git {} clone --quiet {} clone && "
                 "echo took $(($(date +%s%N) - begun)); rm -rf clone")
        workspace = world.folder / "clones"
        workspace.mkdir()
        direct_url = server.url.replace(
            "https://", f"https://{server.user}:{server.password}@")

        def took(text):
            return int(text.split("took ")[1].split()[0]) / 1e9

        def ours():
            done = broker.sandbox(
                clone.format("", f"{server.url}/acme/big"),
                grants=["gitserver:repository=acme/big"], workspace=workspace)
            return took(done.stdout)

        def direct():
            done = subprocess.run(
                ["sh", "-c", clone.format(
                    f"-c http.sslCAInfo={server.ca} -c credential.helper=",
                    f"{direct_url}/acme/big")], cwd=workspace,
                env={"PATH": w.e2e.PATH, "HOME": str(world.folder)},
                capture_output=True, text=True, check=True)
            return took(done.stdout)

        through, without = alternate(3 if world.quick else 5, ours, direct)
        yield Row("clone", f"`git clone` of {mib} MiB, in a sandbox against "
                  "direct", f"{w.median(through):.2f} s",
                  f"{w.median(without):.2f} s", bound=1.05, at_least=False,
                  **compared(through, without, min))
    finally:
        server.stop()


def session_limit(broker):
    """As many as the broker says that its descriptors allow."""
    most = broker.json("status").get("limits", {}).get("sessions", 4096)
    return min(100000, most - 1)


def measure_sessions(world):
    """Many live ones: what an answer then takes, and what each weighs."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    broker = world.new_broker("sessions")
    count = 500 if world.quick else session_limit(broker)
    alone = world.new_broker("alone")
    lists = {n: world.folder / f"{n}.list" for n in ("alone", "one", "many")}

    def fetch(name):
        """Through 64 connections, one request at a time."""
        return w.load("/v1/session", at=lists[name], connections=64,
                      under_way=1, seconds=seconds(world),
                      headers=(w.HOST, w.SESSION))
    try:
        lists["alone"].write_text(f"{w.issue(alone)}\n")
        lists["one"].write_text(f"{w.issue(broker)}\n")
        # The slabs and pools that even a few sessions touch.
        w.issue_many(broker, 64, 16)
        pids = broker.pids().values()
        memory = sum(w.anonymous_kib(p) for p in pids)
        w.issue_many(broker, count - 65, 16)
        grown = sum(w.anonymous_kib(p) for p in pids) - memory
        sockets = sorted(broker.runtime.glob("sessions/*/endpoint.sock"))
        step = max(1, len(sockets) // 64)
        lists["many"].write_text("".join(f"{s}\n" for s in sockets[::step]))
        cpus = {n: Cpu({n: pid for n, pid in of.pids().items()
                        if n in ("core", "gateway")})
                for n, of in (("alone", alone), ("one", broker),
                              ("many", broker))}
        results = alternate(rounds(world), *(
            lambda n=n: cpus[n].measure(lambda: fetch(n)) for n in lists))
        for name, what, found in (("one", "one of them", results[1]),
                                  ("many", "64 of them in turn", results[2])):
            yield Row("sessions", f"`GET /v1/session` beside {count:,} live "
                      f"sessions: {what}", time_text(found),
                      f"alone {time_text(results[0])}", bound=1.2,
                      at_least=False, note=f"{cpus[name].text()}; alone "
                      f"{cpus['alone'].text().split(': ')[1]}",
                      **times(found, results[0]))
        yield Row("sessions", "user memory a session (Pss_Anon)",
                  f"{grown * 1024 / (count - 65):,.0f} B", "",
                  ratio=grown / (count - 65), bound=2, at_least=False,
                  goal="≤ 2 KiB", note=f"the descriptor limit of {limit:,} "
                  f"lets {session_limit(broker) + 1:,} be open at once")
    finally:
        broker.kill()
        alone.stop(check=False)


def measure_idle(world):
    """Unlocked, and nothing to do."""
    broker = world.new_broker("idle")
    try:
        time.sleep(1)
        each = {n: w.anonymous_kib(p) for n, p in broker.pids().items()}
        total = sum(each.values()) / 1024
        yield Row("idle", "the four processes, idle (Pss_Anon)",
                  f"{total:.2f} MiB", "", ratio=total, bound=8,
                  at_least=False, goal="≤ 8 MiB",
                  note=", ".join(f"{n} {k} KiB" for n, k in each.items()))
    finally:
        broker.stop(check=False)


def measure_shim(world):
    """The programs that tools in a sandbox call."""
    endpoint = world.plain_endpoint
    count = 50 if world.quick else 300
    echo = world.folder / "echo.sock"
    child = w.Child([w.program("roundtrip"), "--serve", echo],
                    world.folder / "echo.log")
    question = world.folder / "question"
    question.write_text("protocol=https\nhost=github.com\n\n")
    helpers = (
        ("credbroker-shim get /v1/session",
         [w.LIBEXEC / "credbroker-shim", "get", "--socket", endpoint,
          "/v1/session"]),
        ("git-credential-credbroker get",
         [w.LIBEXEC / "git-credential-credbroker", "--socket", endpoint,
          "get"]),
    )
    try:
        child.wait_for(lambda: w.connects(echo), "echo")
        for what, args in helpers:
            ours, peer = alternate(
                rounds(world), lambda: w.spawn(count, *args, input=question),
                lambda: w.spawn(count, w.program("roundtrip"), echo))
            yield Row("shim", f"`{what}`", time_text(ours),
                      f"empty static program {time_text(peer)}", bound=1.5,
                      at_least=False,
                      **times(ours, peer))
    finally:
        child.stop()


def measure_status(world):
    """A command, against a program with its libraries that does nothing."""
    broker = world.broker
    count = 30 if world.quick else 200
    ours, peer = alternate(
        rounds(world),
        lambda: w.spawn(count, *broker.command("status"),
                        env=broker.environment()),
        lambda: w.spawn(count, w.program("same_libs")))
    yield Row("status", "`credbroker status`", time_text(ours),
              f"same libraries {time_text(peer)}", bound=2, at_least=False,
              **times(ours, peer))


def measure_policy(world):
    """A decision over three tiers, with few rules and with many; the peer is
    the same with few."""
    runs = []
    for _ in range(rounds(world)):
        lines = subprocess.run([w.program("policy")], check=True, text=True,
                               capture_output=True).stdout.splitlines()
        runs.append({line["rules"]: line for line in map(json.loads, lines)})
    few = [run[100] for run in runs]
    for rules in (1000, 10000):
        many = [run[rules] for run in runs]
        load = w.median([run["load_ms"] for run in many])
        yield Row("policy", f"a decision, {rules:,} rules in each of 3 tiers",
                  f"{w.median([run['decide_us'] for run in many]):.1f} µs",
                  "100 rules "
                  f"{w.median([run['decide_us'] for run in few]):.1f} µs",
                  bound=4, at_least=False, note=f"a tier read in {load:.0f} ms",
                  **compared([run["decide_us"] for run in many],
                             [run["decide_us"] for run in few], min))


MEASURES = {
    "idle": measure_idle,
    "answer": measure_answer,
    "issue": measure_issue,
    "inject": measure_inject,
    "body": measure_body,
    "clone": measure_clone,
    "sessions": measure_sessions,
    "shim": measure_shim,
    "status": measure_status,
    "policy": measure_policy,
}
