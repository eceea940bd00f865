"""docs/policy.md and the policies in examples/policy: what they say is so."""

import json
import subprocess

import pytest

from conftest import CREDBROKER, PATH, ROOT

EXAMPLES = ROOT / "examples" / "policy"
CASES = sorted(EXAMPLES.glob("*.cases.json"))
POLICIES = sorted(set(EXAMPLES.glob("*.json")) - set(CASES))


def names(paths):
    return [path.name.split(".")[0] for path in paths]


def policy(*args):
    done = subprocess.run(
        [CREDBROKER, "policy", *args, "--json"], env={"PATH": PATH},
        capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_each_example_has_its_cases():
    assert len(POLICIES) == 10
    assert names(POLICIES) == names(CASES)


@pytest.mark.parametrize("path", POLICIES, ids=names(POLICIES))
def test_an_example_has_no_error_and_no_warning(path):
    code, out = policy("check", str(path))
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
