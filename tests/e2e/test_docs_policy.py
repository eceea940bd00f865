"""docs/policy.md and the policies in examples/policy: what they say is so."""

import json
import re
import subprocess

import pytest

from conftest import CREDBROKER, PATH, ROOT

EXAMPLES = ROOT / "examples" / "policy"
CASES = sorted(EXAMPLES.glob("*.cases.json"))
PAGE = (ROOT / "docs" / "policy.md").read_text()
SCHEMA = json.loads((ROOT / "docs" / "policy.schema.json").read_text())
POLICIES = sorted(set(EXAMPLES.glob("*.json")) - set(CASES))


def names(paths):
    return [path.name.split(".")[0] for path in paths]


def policy(*args):
    # Nobody's broker: whose credentials it has is not what is tested.
    done = subprocess.run(
        [CREDBROKER, "policy", *args, "--json"],
        env={"PATH": PATH, "CREDBROKER_ADMIN_SOCKET": "/nonexistent/socket"},
        capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_each_example_has_its_cases():
    assert len(POLICIES) == 10
    assert names(POLICIES) == names(CASES)


@pytest.mark.parametrize("path", POLICIES, ids=names(POLICIES))
def test_an_example_has_no_error_and_no_warning(path):
    code, out = policy("check", "--strict", str(path))
    assert code == 0
    assert [file["findings"] for file in out["files"]] == [[]]


@pytest.mark.parametrize("path", CASES, ids=names(CASES))
def test_an_example_decides_its_cases_as_they_say(path):
    code, out = policy("test", str(path))
    wrong = [case for file in out["files"] for case in file["cases"]
             if not case["as_expected"]]
    assert not wrong and code == 0, wrong


@pytest.mark.parametrize("path", POLICIES, ids=names(POLICIES))
def test_each_rule_of_an_example_decides_a_case(path):
    rules = {rule["id"] for rule in json.loads(path.read_text())["rules"]}
    _, out = policy("test", str(path.with_suffix(".cases.json")))
    decided = {case["verdict"].get("rule") for file in out["files"]
               for case in file["cases"]}
    # Of two rules that ask alike the first by its id is told.
    assert rules - decided <= {"tags-are-for-security-too"}


def test_the_page_shows_each_example_as_it_is():
    shown = re.findall(r"```json\n(\{.*?\n\})\n```", PAGE, re.S)
    files = [path.read_text().rstrip("\n") for path in POLICIES]
    assert sorted(shown) == sorted(files)


def test_the_page_names_all_that_the_language_has():
    rule = SCHEMA["properties"]["rules"]["items"]["properties"]
    words = [*SCHEMA["properties"], *rule, *rule["scope"]["properties"],
             *rule["during"]["properties"],
             *SCHEMA["properties"]["limits"]["properties"]]
    missing = [word for word in words if f"`{word}`" not in PAGE]
    assert not missing


def table(mark):
    """The rows of a table of the page, each a list of lists of its words."""
    lines = PAGE.split(f"<!-- {mark} -->\n")[1].split("\n\n")[0].splitlines()
    return [[re.findall(r"`([^`]*)`", cell) or [cell.strip()]
             for cell in line.strip("|").split("|")] for line in lines[2:]]


def rule_of(effect, attribute, pattern):
    return {"id": "it", "effect": effect, "scope": {attribute: [pattern]}}


EVERYTHING = {"id": "everything", "effect": "allow"}


def decide(folder, rules, case):
    """What a policy of these rules says: its effect, and by which rule."""
    (folder / "t.json").write_text(json.dumps(
        {"tier": "local", "name": "t", "rules": rules}))
    (folder / "t.cases.json").write_text(json.dumps({"cases": [{
        "name": "x", "credential": "c", "task": "t", "expect": "deny",
        **case}]}))
    _, out = policy("test", str(folder / "t.cases.json"))
    verdict = out["files"][0]["cases"][0]["verdict"]
    return verdict["effect"], verdict.get("rule")


PATTERNS = [
    (attribute[0], pattern[0], name, matches)
    for attribute, pattern, yes, no in table("patterns")
    for names, matches in ((yes, True), (no, False))
    for name in names if name]


def test_the_page_has_patterns():
    assert len(PATTERNS) > 45


@pytest.mark.parametrize("attribute, pattern, name, matches", PATTERNS)
def test_a_pattern_matches_what_the_page_says(
        tmp_path, attribute, pattern, name, matches):
    effect, _ = decide(tmp_path, [rule_of("allow", attribute, pattern)],
                       {"scope": {attribute: [name]}})
    assert (effect == "allow") == matches


@pytest.mark.parametrize("asked, pattern, allow, deny", table("containment"))
def test_keys_lie_inside_as_the_page_says(
        tmp_path, asked, pattern, allow, deny):
    attribute, value = asked[0].split("=")
    case = {"ask": "mint", "scope": {attribute: [value]}}
    said = {"matches": True, "does not match": False}
    effect, _ = decide(
        tmp_path, [rule_of("allow", attribute, pattern[0])], case)
    assert (effect == "allow") == said[allow[0]]
    effect, _ = decide(
        tmp_path, [rule_of("deny", attribute, pattern[0]), EVERYTHING], case)
    assert (effect == "deny") == said[deny[0]]


# "What matches depends on the effect": each row, for each kind of question.
# What is asked, whether an allow matches, whether a deny does.
STATES = {
    "one value, in it": (
        "request", {"scope": {"repository": ["acme/api"]}}, True, True),
    "one value, outside": (
        "request", {"scope": {"repository": ["other/api"]}}, False, False),
    "a pattern inside, asked about again": (
        "inject", {"scope": {"repository": ["acme/x-*"]}}, True, True),
    "a pattern across, asked about again": (
        "inject", {"scope": {"repository": ["*/api"]}}, False, False),
    "a pattern inside, of keys": (
        "mint", {"scope": {"repository": ["acme/x-*"]}}, True, True),
    "a pattern across, of keys": (
        "mint", {"scope": {"repository": ["*/api"]}}, False, True),
    "a pattern apart, of keys": (
        "mint", {"scope": {"repository": ["other/*"]}}, False, False),
    "nothing that narrows it, of keys": (
        "mint", {"open": ["repository"]}, False, True),
    "nothing that narrows it, of a request": (
        "request", {"open": ["repository"]}, False, True),
    "nothing that narrows it, asked about again": (
        "inject", {"open": ["repository"]}, False, False),
    "later, of a request": (
        "request", {"later": ["repository"]}, True, False),
    "later, of a grant": (
        "inject", {"later": ["repository"]}, True, False),
    "no such attribute": ("request", {}, False, False),
    "no such attribute, of keys": ("mint", {}, False, False),
}


@pytest.mark.parametrize("state", STATES)
def test_each_row_of_what_matches_is_so(tmp_path, state):
    kind, case, allow, deny = STATES[state]
    case = {"ask": kind, **case}
    rule = {"scope": {"repository": ["acme/*"]}}
    only = [{"id": "it", "effect": "allow", **rule}]
    assert (decide(tmp_path, only, case)[0] == "allow") == allow
    both = [{"id": "it", "effect": "deny", **rule}, EVERYTHING]
    assert (decide(tmp_path, both, case)[0] == "deny") == deny
    # An ask allows as an allow does, and asks as a deny denies.
    only[0]["effect"] = both[0]["effect"] = "ask"
    assert (decide(tmp_path, only, case)[0] != "deny") == allow
    assert (decide(tmp_path, both, case)[0] == "ask") == deny


@pytest.mark.parametrize("fact", ["users", "groups"])
def test_facts_that_nobody_knows_deny_and_do_not_allow(tmp_path, fact):
    rule = {"id": "it", fact: ["ann"]}
    assert decide(tmp_path, [{**rule, "effect": "allow"}], {})[0] == "deny"
    assert decide(
        tmp_path, [{**rule, "effect": "deny"}, EVERYTHING], {})[0] == "deny"
    known = {"user": "bob", "groups": ["staff"]}
    assert decide(
        tmp_path, [{**rule, "effect": "deny"}, EVERYTHING], known)[0] == "allow"


@pytest.mark.parametrize("effect", ["allow", "ask", "deny"])
def test_an_empty_list_matches_nothing_whatever_is_asked(tmp_path, effect):
    rule = {"id": "it", "effect": effect, "scope": {"repository": []}}
    for kind, case, _, _ in STATES.values():
        assert decide(tmp_path, [rule], {"ask": kind, **case})[0] == "deny"
        assert decide(tmp_path, [rule, EVERYTHING], {"ask": kind, **case}) == (
            "allow", "everything")


@pytest.mark.parametrize("effect, repository, matches", [
    ("allow", "acme/api", True), ("allow", "Acme/API", False),
    ("deny", "acme/api", True), ("deny", "Acme/API", True)])
def test_a_deny_matches_a_repository_in_any_case(
        tmp_path, effect, repository, matches):
    rules = [rule_of(effect, "repository", "acme/*")]
    if effect == "deny":
        rules.append(EVERYTHING)
    got, _ = decide(tmp_path, rules, {"scope": {"repository": [repository]}})
    assert (got == effect) == matches


def test_a_grant_may_be_allowed_by_several_rules_together(tmp_path):
    rules = [{"id": git, "effect": "allow", "scope": {"git": [git]}}
             for git in ("fetch", "push")]
    case = {"ask": "inject", "scope": {"git": ["fetch", "push"]}}
    assert decide(tmp_path, rules, case)[0] == "allow"
    assert decide(tmp_path, rules[:1], case)[0] == "deny"
    wide = [rule_of("allow", "repository", "a/*")]
    wide[0]["scope"]["repository"].append("b/*")
    assert decide(tmp_path, wide, {
        "ask": "inject", "scope": {"repository": ["*/x"]}})[0] == "deny"
