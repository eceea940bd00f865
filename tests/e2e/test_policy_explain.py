"""What is explained is what the broker does, also where no policy of a tier can
be used, and once one has run out; and the commands of docs/policy.md."""

import json
import re

import pytest

from conftest import ROOT
from test_docs_policy import EXAMPLES, PAGE
from test_policy_tools import (FETCH, Place, case, document, keys, needs_root,
                               place, tools, write)

assert Place and keys and place and tools     # fixtures, and what they are of
ASK = ["-t", "fix-1", "-c", "github", "-s", "repository=acme/api,git=fetch"]
BEFORE, AFTER = "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"


@pytest.fixture
def ending(tools):
    """A policy that ends with the year."""
    tools.write("o.json", document(FETCH, expires=AFTER))
    return tools


def test_from_its_end_on_a_policy_denies(ending):
    ask = ["explain", "-p", "o.json", *ASK, "--at"]
    assert "verdict      allow by rule read" in ending(*ask, BEFORE)
    assert "verdict      deny: the organization's policy has run out" in \
        ending(*ask, AFTER)
    [one] = ending.json(*ask, AFTER)["explained"]
    assert one["verdict"]["effect"] == "deny"
    assert one["verdict"]["tier"] == "organization"


def test_cases_know_the_end_of_a_policy(ending):
    scope = {"repository": ["acme/api"], "git": ["fetch"]}
    ending.write("o.cases.json", {"cases": [
        case("before", "allow", scope=scope, at=BEFORE),
        case("after", "deny", scope=scope, at=AFTER),
        case("some time", "allow", scope=scope)]})
    assert "3 cases, 3 as expected" in ending("test", "o.cases.json")


def test_a_policy_that_runs_out_sooner_changes_cases(ending):
    ending.write("later.json", document(FETCH))
    ending.write("c.json", {"cases": [case(
        "after", "deny", at=AFTER,
        scope={"repository": ["acme/api"], "git": ["fetch"]})]})
    args = ["--cases", "c.json", "--events", "0"]
    [change] = ending.json("diff", "later.json", "o.json", *args)["changes"]
    assert (change["old"], change["new"]) == ("allow", "deny")


@needs_root
def test_where_the_broker_allows_nothing_nothing_is_explained_as_allowed(place):
    """With a key that is pinned, and no policy that it has signed."""
    place.start()
    place.broker.run("credential", "add", "github", "-p", "hosts=github.com",
                     "-p", "auth=bearer", input="secret\n")
    place.install(place.draft(FETCH, tier="team"))
    ask = ["policy", "explain", *ASK]
    assert "verdict      allow" in place.broker.run(*ask).stdout
    place.broker.stop()
    (place.folder / "organization.pub").write_bytes(
        (place.keys / "pinned.pub").read_bytes())
    place.broker.start()
    done = place.broker.run(*ask)
    assert "verdict      deny: the organization's policy cannot be used" in \
        done.stdout
    assert "it is missing" in done.stdout
    [one] = place.broker.json(*ask)["explained"]
    assert one["verdict"]["effect"] == "deny"
    # Of files that are named it is said what they say.
    path = place.draft(FETCH, tier="team")
    assert "verdict      allow" in place.broker.run(*ask, "-p", path).stdout


def test_the_page_shows_what_is_explained(tools):
    [block] = re.findall(r"```\n\$ credbroker policy (explain .*?)\n```", PAGE,
                         re.S)
    command, shown = block.split("\n...\n")
    words = command.replace("\\\n", " ").split()
    words[words.index("-p") + 1] = str(EXAMPLES / "agent-branches.json")
    said = tools(*words)
    assert shown.splitlines()
    for line in shown.splitlines():
        assert re.sub(r"\s+", " ", line) in re.sub(r"[ \t]+", " ", said), line


def test_the_rule_of_the_readme_is_that_of_the_example():
    text = (ROOT / "README.md").read_text()
    [rule] = re.findall(r'^    (\{ "id".*?\} \})$', text, re.M | re.S)
    rule = json.loads(rule)
    rules = json.loads((EXAMPLES / "agent-branches.json").read_text())["rules"]
    [whole] = [r for r in rules if r["id"] == rule["id"]]
    assert rule.items() <= whole.items()
