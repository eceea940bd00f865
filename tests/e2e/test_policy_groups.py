"""Names of users and groups of the host as policies see them: those that came
after the broker's start count after a reload."""

import json
import os
import pathlib
import subprocess

import pytest

from test_policy_tiers import document, keys, place  # noqa: F401

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can show a broker another /etc/group")

GROUP = 54399


@pytest.fixture
def host(place):
    """A broker that has an /etc/passwd and /etc/group of its own, which can be
    written, and a team's policy for the group contractors only."""
    files = {}
    for name in ("passwd", "group"):
        files[name] = place.broker.folder / name
        files[name].write_text(pathlib.Path("/etc", name).read_text())
    usual = place.broker.command

    def command(*args):
        words = usual(*args)
        if args[0] != "serve":
            return words
        return ["unshare", "--mount", "sh", "-ec", "".join(
            f"mount --bind {path} /etc/{name}\n"
            for name, path in files.items()) + 'exec "$@"', "sh", *words]
    place.broker.command = command
    place.files = files
    place.put(document("team", rules=[
        {"id": "contractors", "effect": "allow", "groups": ["contractors"]}]),
        "team")
    place.start()
    place.add_credential()
    return place


def add(host, name, line):
    with open(host.files[name], "a") as file:
        file.write(line + "\n")


def issue(host, **who):
    words = host.broker.command("issue", "--task", "t", "--grant",
                                "forge:git=fetch,repository=a/b", "--json")
    return subprocess.run(words, env=host.broker.environment(), text=True,
                          capture_output=True, timeout=60,
                          stdin=subprocess.DEVNULL, **who)


@pytest.mark.parametrize("how", ["reload", "SIGHUP", "install"])
def test_a_new_group_counts_after_a_reload(host, how):
    member = {"extra_groups": [0, GROUP]}
    done = issue(host, **member)
    assert done.returncode == 1 and "contractors" in done.stderr
    add(host, "group", f"contractors:x:{GROUP}:")
    # Not before: what a policy sees does not change by itself.
    assert issue(host, **member).returncode == 1
    if how == "SIGHUP":
        host.hup()
    elif how == "reload":
        host.broker.call("policy.reload")
    else:
        new = host.broker.folder / "new.json"
        new.write_text(host.path("team").read_text() + " ")
        host.broker.run("policy", "install", new)
    done = issue(host, **member)
    assert done.returncode == 0, done.stderr
    assert issue(host).returncode == 1
    [event] = [e for e in host.events("session.issue")
               if e["decision"] == "allow"]
    assert "contractors" in json.loads(event["asked"])["groups"]


def test_a_group_that_is_gone_counts_no_more(host):
    member = {"extra_groups": [0, GROUP]}
    before = host.files["group"].read_text()
    add(host, "group", f"contractors:x:{GROUP}:")
    host.broker.call("policy.reload")
    assert issue(host, **member).returncode == 0
    host.files["group"].write_text(before)
    host.broker.call("policy.reload")
    assert issue(host, **member).returncode == 1


def test_a_user_s_new_name_is_in_the_audit_log(host):
    text = host.files["passwd"].read_text()
    host.files["passwd"].write_text(text.replace("root:", "chief:", 1))
    host.broker.call("policy.reload")
    host.put(document("team"), "team")
    host.broker.call("policy.reload")
    assert host.events("policy.load")[-1]["who"] == "uid 0 (chief)"
