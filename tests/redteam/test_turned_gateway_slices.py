"""A turned gateway shows the core pushes that are long to judge: between their
slices others are served, as the order of the audit log shows."""

import json
import pathlib
import shutil
import tempfile

import pytest

from attack import Endpoint, wait_until
from test_turned_gateway import World, pytestmark  # noqa: F401
from test_turned_gateway_push import push_of, show

RULES, REFS = 1000, 4000
LENGTH = 1


class Governed(World):
    """Every ref of a push is held against every rule of a policy."""

    def __init__(self, folder):
        super().__init__(folder)
        policy = folder / "policy"
        policy.mkdir(mode=0o700)
        (policy / "team.json").write_text(json.dumps(
            {"tier": "team", "name": "ours", "rules": [
                {"id": "all", "effect": "allow"}, *(
                    {"id": f"no-{i}", "effect": "deny",
                     "scope": {"ref": [f"refs/heads/*-no-{i}"]}}
                    for i in range(RULES))]}))
        (policy / "team.json").chmod(0o600)
        self.broker.configure({"policy_folder": str(policy),
                               "requests_per_minute": 6000000})
        self.broker.stop()
        self.broker.start()
        self.sessions["push"] = Endpoint(
            self.broker, ["one:repository=acme/api,git=push"], task="push")

    def begun(self):
        """The tasks whose requests were let through, in their order."""
        return [line["task"] for line in self.broker.call(
            "audit.show", event="exchange.begin")["events"]]


@pytest.fixture(scope="module")
def governed():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    made = Governed(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


def test_others_are_served_while_a_large_push_is_judged(governed):
    before = wait_until(governed.all_up, "all processes are there")
    turned = governed.attacker("push")
    turned.send("EXCHANGE", exchange=1, session=governed.sessions["push"].id,
                route=1, method="POST", query="", has_query=0, body=LENGTH,
                target=governed.target("one", path="git-receive-pack"),
                length=1 << 20)
    turned.expect("NEED")
    show(turned, 1, push_of(*(f"refs/heads/{i}" for i in range(REFS))))
    turned.send("EXCHANGE", exchange=2, session=governed.sessions["two"].id,
                route=1, method="GET", target=governed.target("two"),
                query="service=git-upload-pack", has_query=1, body=0)
    heard = []
    while len(heard) < 2:
        verdict, _ = turned.expect("VERDICT")
        assert verdict["allowed"] == 1, verdict
        turned.open.append(verdict)
        heard.append(verdict["exchange"])
    assert heard == [2, 1]
    assert governed.begun() == ["two", "push"]
    governed.check(before)
