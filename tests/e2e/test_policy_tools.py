"""The commands with which an administrator writes policies: what they say of a
document before it is in force, and of what was decided after."""

import getpass
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from conftest import CREDBROKER, PATH, add_git_credential

FETCH = {"id": "read", "effect": "allow",
         "scope": {"git": ["fetch"], "repository": ["acme/**"]}}
PUSH = {"id": "push-agent", "effect": "allow",
        "scope": {"git": ["push"], "repository": ["acme/**"],
                  "ref": ["refs/heads/agent/**"]}}
NO_PROD = {"id": "no-prod", "effect": "deny", "credentials": ["aws-prod"],
           "reason": "production is off limits for agents"}
ASK_DELETE = {"id": "ask-delete", "effect": "ask", "approvers": "leads",
              "four_eyes": True,
              "scope": {"git": ["push"], "change": ["delete"]}}
PAST = "2020-01-01T00:00:00Z"


def document(*rules, tier="organization", name="acme", **more):
    if tier == "organization":
        more.setdefault("serial", 3)
    return {"tier": tier, "name": name, **more, "rules": list(rules)}


def case(name, expect, credential="github", task="fix-1", **more):
    return {"name": name, "credential": credential, "task": task,
            "expect": expect, **more}


def push(ref, change="update", repository="acme/api"):
    return {"repository": [repository], "git": ["push"], "ref": [ref],
            "change": [change]}


def write(path, value):
    """A line for each rule or case, so that their numbers are known."""
    text = json.dumps(value)
    for mark in ('{"id"', '{"name": "'):
        text = text.replace(", " + mark, ",\n" + mark)
        text = text.replace("[" + mark, "[\n" + mark)
    path.write_text(text + "\n")
    return path


class Tools:
    """credbroker policy, where there is no broker."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, *args, status=0):
        done = subprocess.run(
            [str(CREDBROKER), "policy", *(str(a) for a in args)],
            cwd=self.folder, text=True, capture_output=True, timeout=60,
            stdin=subprocess.DEVNULL, check=False,
            env={"PATH": PATH, "HOME": str(self.folder), "LANG": "C.UTF-8",
                 "CREDBROKER_ADMIN_SOCKET": str(self.folder / "none.sock"),
                 "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")})
        assert done.returncode == status, done.stdout + done.stderr
        assert "Sanitizer" not in done.stderr, done.stderr
        self.error = done.stderr
        return done.stdout

    def json(self, *args, **kwargs):
        return json.loads(self(*args, "--json", **kwargs))

    def write(self, name, value):
        return write(self.folder / name, value)

    def rows(self, *args):
        """RULE -> (matches, why) of an explanation, and the verdict."""
        rules, verdict = {}, None
        for line in self("explain", *args).splitlines():
            cells = line.split("\t")
            if len(cells) == 7:
                rules[cells[3]] = (cells[5], cells[6])
            elif line.startswith("verdict"):
                verdict = line.removeprefix("verdict").strip()
        return rules, verdict


@pytest.fixture
def tools(folder):
    return Tools(folder)


# --- check -------------------------------------------------------------------

def test_a_sound_policy_is_clean(tools):
    tools.write("o.json", document(NO_PROD, FETCH))
    assert tools("check", "o.json") == "o.json: 2 rules, 0 errors, 0 warnings\n"
    [file] = tools.json("check", "o.json")["files"]
    assert file["findings"] == [] and file["tier"] == "organization"


def test_what_cannot_be_meant_is_a_warning_with_its_line(tools):
    tools.write("o.json", document(
        FETCH, {**FETCH, "id": "again"}, {**PUSH, "id": "none", "tasks": []}))
    said = tools("check", "o.json").splitlines()
    assert said == [
        "o.json: 3 rules, 0 errors, 2 warnings",
        "  line 3: rule again adds nothing: read allows all of that already",
        "  line 4: rule none can never match: tasks is an empty list"]
    [file] = tools.json("check", "o.json")["files"]
    assert [f["line"] for f in file["findings"]] == [3, 4]
    assert file["findings"][0]["rule"] == "again"


def test_a_warning_ends_a_strict_check_with_1(tools):
    tools.write("o.json", document(FETCH, {**FETCH, "id": "again"}))
    assert "1 warning\n" in tools("check", "o.json")
    assert "1 warning\n" in tools("check", "--strict", "o.json", status=1)
    tools.write("o.json", document(FETCH))
    tools("check", "--strict", "o.json")


def test_a_policy_that_has_run_out_is_a_warning(tools):
    tools.write("o.json", document(FETCH, expires=PAST))
    assert "it has run out: expires is 2020" in tools("check", "o.json")


def test_what_the_broker_would_not_read_says_file_line_and_key(tools):
    bad = {**FETCH, "id": "bad", "scope": {"git": ["pull"]}}
    tools.write("o.json", document(FETCH, bad))
    tools("check", "o.json", status=2)
    assert tools.error.startswith(
        'credbroker: o.json:3: rules[1].scope.git: "pull" is not one of fetch')


def test_a_time_zone_that_there_is_not_is_an_error(tools):
    tools.write("o.json", document(
        {**FETCH, "during": {"zone": "Europe/Berlln"}}))
    tools("check", "o.json", status=2)
    assert "rules[0].during.zone" in tools.error


def test_an_error_in_one_of_several_is_an_error(tools):
    tools.write("o.json", document(FETCH, {**FETCH, "id": "again"}))
    (tools.folder / "bad.json").write_text("{")
    tools("check", "o.json", "bad.json", status=2)
    assert tools.error.startswith("credbroker: bad.json:1")
    tools("check", "missing.json", status=5)


# --- test --------------------------------------------------------------------

@pytest.mark.parametrize("ending", ["test", "cases"])
def test_cases_are_of_the_policy_beside_them(tools, ending):
    tools.write("o.json", document(FETCH, PUSH, NO_PROD))
    tools.write(f"o.{ending}.json", {"cases": [
        case("fetch", "allow", rule="read",
             scope={"repository": ["acme/api"], "git": ["fetch"]}),
        case("production", "deny", "aws-prod", ask="mint", rule="no-prod"),
        case("main", "deny", scope=push("refs/heads/main"))]})
    name = f"o.{ending}.json"
    assert tools("test", name) == f"{name}: 3 cases, 3 as expected\n"


def test_a_case_that_is_decided_otherwise_says_by_what(tools):
    tools.write("o.json", document(FETCH, PUSH, NO_PROD, ASK_DELETE))
    tools.write("o.test.json", {"cases": [
        case("production", "allow", "aws-prod", ask="mint"),
        case("main", "allow", scope=push("refs/heads/main")),
        case("delete", "allow", scope=push("refs/heads/agent/x", "delete")),
        case("other rule", "allow", rule="read",
             scope=push("refs/heads/agent/x"))]})
    assert tools("test", "o.test.json", status=1).splitlines() == [
        "o.test.json: 4 cases, 0 as expected",
        "  line 2: production: expected allow, is deny by rule no-prod, tier "
        "organization: production is off limits for agents",
        "  line 3: main: expected allow, is deny by tier organization: no "
        "rule allows it; closest is push-agent, whose ref does not match "
        "refs/heads/main",
        "  line 4: delete: expected allow, is ask by rule ask-delete, tier "
        "organization; to be approved by a member of leads, not by who issued "
        "the session",
        "  line 5: other rule: expected allow by rule read, is allow by rule "
        "push-agent, tier organization"]
    cases = tools.json("test", "o.test.json", status=1)["files"][0]["cases"]
    assert [c["verdict"]["effect"] for c in cases] == ["deny", "deny", "ask",
                                                      "allow"]
    assert cases[1]["verdict"]["closest"] == "push-agent"
    assert cases[2]["verdict"]["four_eyes"] is True
    assert not any(c["as_expected"] for c in cases)


def test_cases_of_several_tiers_ask_them_all(tools):
    tools.write("o.json", document(FETCH, PUSH))
    tools.write("team.json", document(FETCH, tier="team"))
    cases = tools.write("cases.json", {"cases": [
        case("push", "deny", scope=push("refs/heads/agent/x"))]})
    tools("test", cases, "-p", "o.json", "-p", "team.json")
    tools("test", cases, "-p", "o.json", status=1)
    tools("test", cases, "-p", "o.json", "-p", "o.json", status=2)
    assert "and so is o.json" in tools.error
    tools("test", cases, status=2)
    assert "of which policy?" in tools.error


def test_cases_know_time_zones(tools):
    tools.write("o.json", document({**FETCH, "during": {
        "zone": "Europe/Berlin", "days": ["mon-fri"],
        "hours": ["09:00-17:00"]}}))
    fetch = {"repository": ["acme/api"], "git": ["fetch"]}
    tools.write("o.test.json", {"cases": [
        # Eight o'clock in UTC is nine in winter and ten in summer.
        case("winter", "allow", scope=fetch, at="2027-01-04T08:00:00Z"),
        case("too early", "deny", scope=fetch, at="2027-01-04T07:59:00Z"),
        case("summer", "allow", scope=fetch, at="2027-07-05T07:00:00Z"),
        case("Sunday", "deny", scope=fetch, at="2027-01-03T10:00:00Z"),
        case("no time", "deny", scope=fetch)]})
    tools("test", "o.test.json")


# --- explain -----------------------------------------------------------------

def test_each_rule_says_what_became_of_it(tools):
    tools.write("o.json", document(NO_PROD, FETCH, PUSH, ASK_DELETE))
    rules, verdict = tools.rows(
        "-t", "fix-1", "-c", "github", "-p", "o.json", "-s",
        "repository=acme/api,git=push,ref=refs/heads/agent/x,change=delete")
    assert rules == {
        "no-prod": ("no", "credentials: github"),
        "read": ("no", "git: push"),
        "push-agent": ("yes", "-"),
        "ask-delete": ("decides", "-")}
    assert verdict == ("ask by rule ask-delete, tier organization; to be "
                       "approved by a member of leads, not by who issued the "
                       "session")


def test_a_denied_one_is_explained_and_no_failure(tools):
    tools.write("o.json", document(NO_PROD, FETCH))
    rules, verdict = tools.rows(
        "-t", "t", "-c", "aws-prod", "--ask", "mint", "-p", "o.json")
    assert rules["no-prod"] == ("decides",
                                "production is off limits for agents")
    assert verdict == ("deny by rule no-prod, tier organization: production "
                       "is off limits for agents")


def test_what_is_not_known_yet_waits(tools):
    tools.write("o.json", document(FETCH, PUSH, ASK_DELETE))
    rules, verdict = tools.rows("-t", "t", "-c", "github", "-p", "o.json",
                                "-s", "repository=acme/api,git=push")
    assert rules["ask-delete"] == (
        "later", "change: not known yet; each request is asked about")
    assert verdict == "allow by rule push-agent, tier organization"


def test_a_grant_that_may_not_lie_inside_is_unproved(tools):
    tools.write("o.json", document(PUSH))
    rules, verdict = tools.rows(
        "-t", "t", "-c", "github", "-p", "o.json", "--ask", "inject", "-s",
        "repository=acme/api,git=push,ref=refs/heads/**")
    assert rules["push-agent"] == (
        "unproved", "ref: refs/heads/** may not lie inside wholly")
    assert "cannot be shown to cover all of refs/heads/**" in verdict


def test_every_tier_has_its_verdict(tools):
    tools.write("o.json", document(FETCH))
    tools.write("team.json", document(
        {"id": "nobody", "effect": "deny", "reason": "holidays"},
        tier="team"))
    told = tools.json("explain", "-t", "t", "-c", "github", "-p", "o.json",
                      "-p", "team.json", "-s", "repository=acme/a,git=fetch")
    [one] = told["explained"]
    assert [(v["tier"], v["effect"]) for v in one["tiers"]] == [
        ("organization", "allow"), ("team", "deny")]
    assert one["verdict"] == {
        "effect": "deny", "tier": "team", "policy": "acme", "rule": "nobody",
        "reason": "holidays"}
    assert [r["decides"] for r in one["rules"]] == [True, True]
    assert one["asked"]["repository"] == "acme/a"


def test_user_groups_labels_and_time_can_be_said(tools):
    tools.write("o.json", document(
        {**FETCH, "users": ["ann"], "groups": ["dev"],
         "labels": {"team": ["core"]}, "during": {"zone": "UTC",
                                                  "days": ["mon"]}}))
    asked = ["-t", "t", "-c", "github", "-p", "o.json", "-s",
             "repository=acme/a,git=fetch", "--at", "2027-01-04T09:00:00Z"]
    who = ["-u", "ann", "--group", "dev", "-l", "team=core"]
    assert tools.rows(*asked, *who)[1].startswith("allow")
    assert tools.rows(*asked, *who[:4])[0]["read"] == ("no", "labels: none")
    assert tools.rows(*asked, "-u", "bob", *who[2:])[0]["read"] == (
        "no", "users: bob")
    assert tools.rows(*asked[:-1], "2027-01-05T09:00:00Z", *who)[0][
        "read"] == ("no", "during: 2027-01-05T09:00:00Z")


@pytest.mark.parametrize("args,says", [
    (["-c", "github"], "--task and --credential"),
    (["-t", "t"], "--task and --credential"),
    (["-t", "t", "-c", "github", "-s", "git=pull"], 'scope.git: "pull"'),
    (["-t", "t", "-c", "github", "-s", "git"], "--scope: wants KEY=VALUE"),
    (["-t", "t", "-c", "github", "-s", "git=push,git=fetch"], "each key once"),
    (["-t", "t", "-c", "github", "--at", "noon"], 'at: '),
    (["-t", "t", "-c", "github", "--lasts", "1"], "lasts: "),
])
def test_a_question_that_cannot_be_is_refused(tools, args, says):
    tools.write("o.json", document(FETCH))
    tools("explain", *args, "-p", "o.json", status=2)
    assert says in tools.error


def test_without_a_broker_the_policies_have_to_be_named(tools):
    tools("explain", "-t", "t", "-c", "github", "-e", "7", status=3)
    tools("show", status=3)
    tools.write("o.json", document(FETCH))
    tools("install", "o.json", status=3)


# --- diff --------------------------------------------------------------------

def test_cases_that_would_change_are_listed(tools):
    tools.write("old.json", document(FETCH, PUSH))
    tools.write("new.json", document(
        {**FETCH, "effect": "ask"}, PUSH, limits={"session_lifetime": "4h"}))
    tools.write("new.test.json", {"cases": [
        case("fetch", "ask", scope={"repository": ["acme/a"],
                                    "git": ["fetch"]}),
        case("push", "allow", scope=push("refs/heads/agent/x"))]})
    assert tools("diff", "old.json", "new.json").splitlines() == [
        "1 of 2 cases would change:",
        "line 2\tfetch\tallow\task\tread\torganization",
        "limit\tsession_lifetime\tno limit\t4h\t-\t-"]
    assert "no broker" in tools.error
    told = tools.json("diff", "old.json", "new.json", "-n", "0")
    assert told["notes"] == [] and told["changed_cases"] == 1
    assert tools("diff", "old.json", "old.json", "-c", "new.test.json", "-n",
                 "0") == (
        "0 of 2 cases would change.\n")


def test_only_policies_of_one_tier_are_compared(tools):
    tools.write("o.json", document(FETCH))
    tools.write("team.json", document(FETCH, tier="team"))
    tools("diff", "o.json", "team.json", status=2)
    assert "not of the same tier" in tools.error


def test_other_tiers_hold_before_and_after(tools):
    tools.write("old.json", document(FETCH, PUSH))
    tools.write("new.json", document(FETCH))
    tools.write("team.json", document(FETCH, tier="team"))
    tools.write("new.cases.json", {"cases": [
        case("push", "deny", scope=push("refs/heads/agent/x"))]})
    args = ["diff", "old.json", "new.json", "-n", "0"]
    assert tools(*args).startswith("1 of 1 cases")
    assert tools(*args, "-p", "team.json").startswith("0 of 1 cases")


# --- With a broker -----------------------------------------------------------

@pytest.fixture(scope="module")
def keys():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    for name in ("pinned", "other"):
        subprocess.run([str(CREDBROKER), "policy", "keygen", f"{name}.key",
                        "--unencrypted"], cwd=folder, check=True,
                       capture_output=True)
    yield folder
    shutil.rmtree(folder)


class Place:
    """A broker with a folder of policies, and one where they are written."""

    def __init__(self, broker, keys):
        self.broker = broker
        self.keys = keys
        self.folder = broker.folder / "policy"
        self.folder.mkdir(mode=0o755)
        self.drafts = broker.folder / "drafts"
        self.drafts.mkdir()
        broker.configure({"policy_folder": str(self.folder)})

    def start(self):
        self.broker.init()
        self.broker.start()
        return self

    def draft(self, *rules, name="o.json", sign=None, **more):
        path = write(self.drafts / name, document(*rules, **more))
        path.with_name(path.name + ".minisig").unlink(missing_ok=True)
        if sign:
            self.broker.run("policy", "sign", path, "-k",
                            self.keys / f"{sign}.key")
        return path

    def files(self):
        return {p.name: p.read_bytes() for p in self.folder.iterdir()}

    def install(self, path, check=True):
        return self.broker.run("policy", "install", path, check=check)

    def refuses(self, path, *says, status=1):
        """Nothing has changed by it, and it is said why."""
        before = self.files(), self.tier("organization"), self.tier("team")
        done = self.install(path, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        for words in says:
            assert words in done.stderr, done.stderr
        # Before a file was touched.
        assert "former file" not in done.stderr
        assert (self.files(), self.tier("organization"),
                self.tier("team")) == before

    def tier(self, name):
        shown = self.broker.json("policy", "show")
        return next(t for t in shown["tiers"] if t["tier"] == name)

    def event(self, **filters):
        return self.broker.call("audit.show", newest=True, most=1,
                                **filters)["events"][0]


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="an organization's policy is root's")


@pytest.fixture
def place(bare, keys):
    return Place(bare, keys)


@pytest.fixture
def team(place):
    """A team's policy in force, and a credential for a git server."""
    place.start()
    place.broker.run("credential", "add", "github", "-p", "hosts=github.com",
                     "-p", "auth=bearer", input="secret\n")
    place.install(place.draft(FETCH, PUSH, tier="team"))
    return place


def test_check_asks_the_broker_what_it_has(team):
    team.broker.run("profile", "add", "web", "-g",
                    "github:repository=acme/api", "-g",
                    "github:repository=other/api")
    path = team.draft(FETCH, {**NO_PROD, "credentials": ["github", "githbu",
                                                         "aws-*"]},
                      name="c.json", tier="team")
    check = ["policy", "check", path]
    done = team.broker.run(*check, "--strict", check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == [
        "  line 3: rule no-prod names credential githbu, which the broker "
        "does not have",
        "  line 1: grant github:repository=acme/api,git=fetch of profile web "
        "can never be allowed",
        "  line 1: grant github:repository=other/api,git=fetch of profile "
        "web can never be allowed"]
    assert team.broker.run(*check, "--offline").stdout.endswith(
        " 0 warnings\n")
    path = team.draft(FETCH, name="d.json", tier="team")
    done = team.broker.run("policy", "check", path, check=False)
    [warning] = done.stdout.splitlines()[1:]
    assert "repository=other/api,git=fetch of profile web" in warning


@needs_root
def test_a_policy_is_installed_and_shown(place):
    place.start()
    assert place.broker.run("policy", "show").stdout.split("\n")[0].split(
        "\t")[:2] == ["organization", "none"]
    said = place.install(place.draft(FETCH)).stdout
    assert said == ("Installed organization policy serial 3, in force for 0 "
                    "live sessions.\n")
    said = place.install(place.draft(
        FETCH, NO_PROD, serial=4, limits={"session_lifetime": "4h"})).stdout
    assert "serial 4 (was 3)" in said
    shown = place.broker.run("policy", "show").stdout
    path = place.folder / "organization.json"
    assert shown.splitlines()[0].split("\t") == [
        "organization", "in force", "acme", "4", "-", "2", "-", str(path)]
    assert "session_lifetime at most 4h, tier organization" in shown
    assert place.broker.run("policy", "show", "organization").stdout == (
        "2\tread\tallow\t-\t-\n"
        "3\tno-prod\tdeny\tproduction is off limits for agents\t-\n")
    assert place.broker.run("policy", "show", "team",
                            check=False).returncode == 5
    assert path.stat().st_mode & 0o777 == 0o644


@needs_root
def test_a_signed_policy_is_installed_with_its_signature(place):
    shutil.copy(place.keys / "pinned.pub", place.folder / "organization.pub")
    place.start()
    place.install(place.draft(FETCH, sign="pinned"))
    assert place.tier("organization")["signed"]
    place.install(place.draft(FETCH, serial=5, sign="pinned"))
    for serial, rules, key, says in (
            (6, [FETCH], None, "not signed"),
            (6, [FETCH], "other", "and not with key"),
            (4, [FETCH], "pinned", "lower than 5"),
            (5, [FETCH, PUSH], "pinned", "another content")):
        place.refuses(place.draft(*rules, serial=serial, sign=key), says)
    path = place.draft(FETCH, serial=7, sign="pinned")
    path.write_text(path.read_text().replace("fetch", "push"))
    place.refuses(path, "not what was signed")


@needs_root
def test_what_would_not_be_read_touches_nothing(place):
    place.start()
    place.install(place.draft(FETCH))
    place.refuses(place.draft(FETCH, serial=4, expires=PAST), "ran out")
    path = place.draft(FETCH, serial=4)
    path.write_text("{")
    place.refuses(path, "o.json:1", status=2)
    place.refuses(place.drafts / "missing.json", "no such file", status=5)


@needs_root
def test_what_the_broker_does_not_take_is_put_back(place):
    """Its key is another one by now, and it has not read that yet."""
    pin = place.folder / "organization.pub"
    shutil.copy(place.keys / "pinned.pub", pin)
    place.start()
    place.install(place.draft(FETCH, sign="pinned"))
    shutil.copy(place.keys / "other.pub", pin)
    before = place.files()
    done = place.install(place.draft(FETCH, PUSH, serial=9, sign="pinned"),
                         check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "not installed, the former file is back: " in done.stderr
    assert "and not with key" in done.stderr
    assert place.files() == before
    assert place.tier("organization")["serial"] == 3


def test_what_the_broker_cannot_read_is_put_back(team):
    """Here, since the folder is not safe; the command does not look."""
    team.folder.chmod(0o777)
    done = team.install(team.draft(FETCH, tier="team", name="t.json"),
                        check=False)
    team.folder.chmod(0o755)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "not installed, the former file is back" in done.stderr
    assert "can be written by others" in done.stderr
    assert b"push-agent" in team.files()["team.json"]
    assert set(team.files()) == {"team.json"}
    assert team.tier("team")["rules"] == 2


def test_another_tier_that_is_not_in_order_is_no_hindrance(team):
    (team.folder / "local.json").write_text("{")
    done = team.install(team.draft(FETCH, tier="team", name="t.json"))
    assert "local.json:1" in done.stderr
    assert team.tier("team")["rules"] == 1


def test_a_locked_broker_installs_nothing(place):
    place.broker.init()
    place.broker.start(unlock=False)
    done = place.install(place.draft(FETCH, tier="team"), check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert place.files() == {}


def test_the_grant_is_explained_as_issue_decides(team):
    team.install(team.draft(FETCH, NO_PROD, tier="team"))
    for scope, effect in (("repository=acme/api", "allow"),
                          ("repository=acme/api,git=push", "deny"),
                          ("repository=other/api", "deny"),
                          ("repository=*/api", "deny")):
        told = team.broker.json(
            "policy", "explain", "-t", "t", "-c", "github", "-s", scope,
            "--ask", "inject")
        done = team.broker.run("issue", "-t", "t", "-g", f"github:{scope}",
                               check=False)
        assert told["explained"][0]["verdict"]["effect"] == effect, scope
        assert done.returncode == (effect == "deny"), done.stderr
        assert told["notes"] == []


def test_a_file_that_is_not_what_is_in_force_is_said(team):
    ask = ["policy", "explain", "-t", "t", "-c", "github", "-s",
           "repository=acme/api,git=fetch"]
    assert team.broker.run(*ask).stderr == ""
    write(team.folder / "team.json", document(
        {**FETCH, "effect": "deny"}, tier="team"))
    done = team.broker.run(*ask)
    assert "has changed since the broker read it" in done.stderr
    assert "deny by rule read, tier team" in done.stdout


def test_a_session_is_asked_with_its_grants(team):
    session = team.broker.json(
        "issue", "-t", "fix-9", "-g", "github:repository=acme/api",
        "-l", "team=core")["session"]["id"]
    ask = ["policy", "explain", "--session", session, "-c", "github", "-s"]
    [one] = team.broker.json(*ask, "repository=acme/api,git=fetch")[
        "explained"]
    assert one["verdict"]["effect"] == "allow"
    assert one["asked"]["tasks"] == "fix-9"
    assert one["asked"]["labels"] == "team=core"
    assert one["asked"]["hosts"] == "github.com"
    [one] = team.broker.json(*ask, "repository=acme/web,git=fetch")[
        "explained"]
    assert one["verdict"] == {"effect": "deny", "tier": "session",
                              "matcher": "repository"}
    assert one["tiers"][0]["effect"] == "allow"


@pytest.fixture
def forge_events(bare, keys, git_server):
    """Numbers of audited decisions: a fetch, and a push that was refused."""
    place = Place(bare, keys).start()
    add_git_credential(place.broker, git_server)
    place.install(place.draft(FETCH, tier="team"))
    url = f"https://{git_server.authority}/acme/api"
    place.broker.sandbox(
        f"git clone -q {url} api", "cd api",
        "git push -q origin HEAD:refs/heads/x || true",
        grants=["forge:repository=acme/api,git=fetch"], task="fix-7",
        options=["--label", "team=core"])
    place.fetch = place.event(event="exchange.begin", decision="allow")
    return place


def test_a_past_decision_is_explained(forge_events):
    place = forge_events
    number = place.fetch["n"]
    said = place.broker.run("policy", "explain", "--event", number).stdout
    assert "decision     allow" in said
    assert "tasks        fix-7" in said
    assert "labels       team=core" in said
    assert f"users        {getpass.getuser()}" in said
    assert "groups       not known" not in said
    assert "repository   acme/api" in said
    assert "verdict      allow by rule read, tier team" in said
    place.install(place.draft(
        {"id": "over", "effect": "deny", "reason": "frozen"}, tier="team"))
    told = place.broker.json("policy", "explain", "-e", number)
    assert told["event"]["decision"] == "allow"
    assert told["explained"][0]["verdict"]["rule"] == "over"
    issued = place.event(event="session.issue")["n"]
    for other, status in ((issued, 5), (10 ** 6, 5)):
        done = place.broker.run("policy", "explain", "-e", other, check=False)
        assert done.returncode == status, done.stderr


def test_audited_decisions_that_would_change_are_counted(forge_events):
    place = forge_events
    path = place.draft({"id": "over", "effect": "deny"}, tier="team")
    told = place.broker.json("policy", "diff", "installed", path)
    assert told["events"] > 0 and told["notes"] == []
    assert 0 < told["changed_events"] <= told["events"]
    change = next(c for c in told["changes"] if "git=fetch" in c["what"])
    assert (change["old"], change["new"]) == ("allow", "deny")
    assert change["new_verdict"]["rule"] == "over"
    same = place.draft(FETCH, tier="team", name="same.json")
    assert place.broker.json("policy", "diff", "installed", same)[
        "changes"] == []


# --- sign --------------------------------------------------------------------

def test_what_is_no_policy_is_not_signed(tools, keys):
    tools.write("o.json", document({**FETCH, "effect": "perhaps"}))
    tools("sign", "o.json", "-k", keys / "pinned.key", status=2)
    assert 'o.json:2: rules[0].effect: "perhaps"' in tools.error
    assert not (tools.folder / "o.json.minisig").exists()
