"""What a credential costs that was minted: fetched again and again, and by
many at once when it is not there yet.  The token service is a stand-in on
this machine: what is measured is ours."""

import pathlib
import secrets
import sys
import time

import measures as m
import world as w

sys.path.append(str(pathlib.Path(__file__).parent.parent / "fakes"))

KEY = "AKIDBENCHBENCHBENCH1"
GRANT = "bench-aws:actions=s3:GetObject,resources=arn:aws:s3:::bench/*"
FETCHES = (
    ("GET /v1/aws/NAME, a minted credential", "/v1/aws/bench-aws"),
)
AT_ONCE = 50


class Service:
    """The token service, and the credential that is minted by it."""

    def __init__(self, broker):
        import sts  # wants botocore, which the rest of the benchmark does not
        secret = secrets.token_hex(20)
        self.sts = sts.Sts({KEY: secret})
        self.sts.__enter__()
        broker.run("credential", "add", "bench-aws", "--backend", "aws-sts",
                   "-p", "role-arn=arn:aws:iam::123456789012:role/bench",
                   "-p", "region=eu-central-1", "-p", "network=loopback",
                   "-p", f"endpoint-url={self.sts.url}",
                   input=f"{KEY}\n{secret}")

    def mints(self):
        return len(self.sts.requests)

    def stop(self):
        self.sts.__exit__(None, None, None)


def service(world):
    return world.once("sts", lambda: Service(world.broker))


def issue(world, *more):
    folder = world.broker.json("issue", "--task", "bench", "--grant", GRANT,
                               *more)["session"]["folder"]
    return pathlib.Path(folder, "endpoint.sock")


def fetch(at, target, **how):
    return w.load(target, at=at, headers=(w.HOST, w.SESSION), **how)


def body_bytes(at, target):
    """Of an answer, with its head."""
    return int(w.get(at, target, (w.HOST, w.SESSION))["content-length"])


def measure_fetches(world):
    """Keys that the gateway has, and libmicrohttpd's own answer of that size.
    """
    service(world)
    endpoint = issue(world)
    pids = {n: p for n, p in world.broker.pids().items()
            if n in ("core", "gateway")}
    for number, (what, target) in enumerate(FETCHES):
        floor = world.folder / f"floor-{number}.sock"
        child = w.Child([w.program("floor"), floor,
                         body_bytes(endpoint, target)],
                        world.folder / f"floor-{number}")
        try:
            child.wait_for(lambda at=floor: w.connects(at), "floor")
            cpu, floor_cpu = m.Cpu(pids), m.Cpu({"floor": child.pid})
            both = {"connections": 16, "seconds": m.seconds(world)}
            ours, peer = m.alternate(
                m.rounds(world),
                lambda t=target: cpu.measure(
                    lambda: fetch(endpoint, t, **both)),
                lambda t=target: floor_cpu.measure(
                    lambda: fetch(floor, t, **both)))
            yield m.Row(
                "fetch", what, m.rate_text(ours), m.rate_text(peer),
                bound=0.85,
                note=f"{cpu.text()}; {floor_cpu.text().split(': ')[1]}",
                **m.rates(ours, peer))
        finally:
            child.stop()


def first_fetch(world, clients):
    """Seconds until all clients of a new session have keys, and how often the
    service was asked for them."""
    made = service(world)
    endpoint = issue(world, "--mint", "later")
    before, start = made.mints(), time.monotonic()
    fetch(endpoint, FETCHES[0][1], connections=clients, count=clients)
    return {"seconds": time.monotonic() - start,
            "mints": made.mints() - before}


def measure_mint(world):
    """Many clients ask at once for what is not minted yet."""
    many, one = m.alternate(
        m.rounds(world), lambda: first_fetch(world, AT_ONCE),
        lambda: first_fetch(world, 1))
    mints = max(r["mints"] for r in many)
    yield m.Row(
        "mint", f"{AT_ONCE} clients at once, until all have the keys",
        f"{1e3 * w.median([r['seconds'] for r in many]):.1f} ms",
        f"{1e3 * w.median([r['seconds'] for r in one]):.1f} ms",
        note=f"beside one client; the service was asked {mints} "
             f"time{'' if mints == 1 else 's'}",
        **m.compared([r["seconds"] for r in many],
                     [r["seconds"] for r in one], min))
    yield m.Row(
        "mint", f"mints for {AT_ONCE} clients at once", str(mints), "1",
        ratio=float(mints), bound=1, at_least=False)


MEASURES = {"fetch": measure_fetches, "mint": measure_mint}
