"""Policies with the real processes: each tier decides at issue, at every mint
and at every request, live sessions follow, and the audit log says why."""

import contextlib
import grp
import json
import os
import pathlib
import pwd
import shlex
import sys

import pytest

from conftest import LiveSandbox, add_git_credential
from test_git import IDENTITY, PUSH, clone
from test_lease import GRANT, add_credential, ask, keys
from test_policy_limits import refused

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
fake = pytest.importorskip("sts", reason="the fake needs python3-boto3")

TIERS = {"organization": "the organization's policy",
         "team": "the team's policy", "local": "the local policy"}
ALL = {"id": "all", "effect": "allow"}
FETCH = "forge:repository=acme/api,git=fetch"


def write(broker, tier, *rules):
    """A policy of a tier; without rules, none."""
    folder = broker.folder / "policy"
    folder.mkdir(exist_ok=True, mode=0o700)
    path = folder / f"{tier}.json"
    if not rules:
        path.unlink(missing_ok=True)
        return
    more = {"serial": 1} if tier == "organization" else {}
    path.write_text(json.dumps({"tier": tier, "name": f"our-{tier}",
                                "rules": list(rules), **more}))
    path.chmod(0o600)


def enforce(broker, tier, *rules):
    write(broker, tier, *rules)
    broker.call("policy.reload")


def deny(**matchers):
    return {"id": "no-way", "effect": "deny", "reason": "we said so",
            **matchers}


@pytest.fixture
def governed(broker, git_server):
    """A broker with every tier, each of which allows everything."""
    broker.configure({"policy_folder": str(broker.folder / "policy")})
    for tier in TIERS:
        write(broker, tier, ALL)
    broker.stop()
    broker.start()
    add_git_credential(broker, git_server)
    return broker


@pytest.fixture
def leased(governed):
    with fake.Sts({"AKIDLEASECANARY00001":
                   "canary/lease/secret+which+stays+inside"}) as service:
        add_credential(governed, service)
        governed.sts = service
        yield governed


def issue(broker, *grants, **params):
    return broker.call("session.issue", task="fix-1", grants=list(grants),
                       **params)["session"]


def last(broker, event, **having):
    events = [e for e in broker.call("audit.show", event=event)["events"]
              if all(e.get(key) == value for key, value in having.items())]
    return events[-1]


def names_the_rule(event, tier):
    assert event["decision"] == "deny"
    assert event["tier"] == tier
    assert event["rule"] == "no-way"


@pytest.mark.parametrize("tier", TIERS)
def test_an_issue_that_a_tier_denies_is_refused(governed, tier):
    enforce(governed, tier, ALL, deny(scope={"git": ["push"]}))
    done = governed.run("issue", "--task", "fix-1", "--grant", PUSH,
                        check=False)
    assert done.returncode == 1
    assert (f"git=push: denied by rule no-way of {TIERS[tier]} our-{tier}: "
            "we said so") in done.stderr
    # What is proposed says the same of the same.
    see = done.stderr.split("see: credbroker ")[1].splitlines()[0]
    assert "--ask inject --scope repository=acme/api" in see
    explained, = governed.json(*shlex.split(see))["explained"]
    assert explained["verdict"]["rule"] == "no-way"
    assert governed.call("session.list", all=True)["sessions"] == []
    event = last(governed, "session.issue")
    names_the_rule(event, tier)
    assert event["credential"] == "forge"
    assert json.loads(event["asked"])["labels"] == {}
    issue(governed, FETCH)


@pytest.mark.parametrize("tier", TIERS)
def test_a_live_session_is_denied_at_its_next_request(
        governed, git_server, tier):
    before = git_server.head("acme/api")
    session = issue(governed, PUSH)
    refs = f"/git/{git_server.authority}/acme/api.git/info/refs?service="
    assert ask(session, refs + "git-receive-pack")[0] == 200
    enforce(governed, tier, ALL, deny(scope={"git": ["push"]}))
    served = git_server.requests()
    status, headers, body = ask(session, refs + "git-receive-pack")
    assert (status, headers["credbroker-error"]) == (403, "policy_denied")
    assert (f"push to acme/api by task fix-1 is denied by rule no-way of "
            f"{TIERS[tier]} our-{tier}: we said so") in body.decode()
    assert git_server.requests() == served
    assert git_server.head("acme/api") == before
    event = last(governed, "exchange.refused")
    names_the_rule(event, tier)
    question, = json.loads(event["asked"])
    assert question["kind"] == "request"
    assert question["at"]["git"] == ["push"]
    assert question["at"]["hosts"] == ["127.0.0.1"] or (
        question["at"]["hosts"] == ["localhost"])
    assert ask(session, refs + "git-upload-pack")[0] == 200
    enforce(governed, tier, ALL)
    assert ask(session, refs + "git-receive-pack")[0] == 200


@pytest.mark.parametrize("tier", TIERS)
def test_a_live_session_is_denied_at_its_next_mint(leased, tier):
    session = issue(leased, GRANT, mint="later")
    enforce(leased, tier, ALL, deny(delivery=["mint"]))
    status, _, body = ask(session, "/v1/aws/aws")
    assert status == 403
    assert f"denied by rule no-way of {TIERS[tier]}" in body.decode()
    assert leased.sts.requests == []
    event = last(leased, "lease.mint")
    names_the_rule(event, tier)
    question, = json.loads(event["asked"])
    assert (question["kind"], question["delivery"]) == ("mint", "mint")
    assert question["at"]["actions"] == ["s3:GetObject"]
    assert question["seconds"] > 0
    assert "denied by rule no-way" in refused(
        leased, "session.issue", task="fix-1", grants=[GRANT])


def test_keys_that_are_denied_now_are_not_handed_out_any_more(leased):
    session = issue(leased, GRANT)
    keys(session)
    enforce(leased, "team", ALL, deny(scope={"actions": ["s3:Get*"]}))
    assert ask(session, "/v1/aws/aws")[0] == 403
    assert len(leased.sts.requests) == 1


def test_what_the_organization_denies_nobody_below_allows(governed):
    enforce(governed, "organization", ALL, deny(scope={"git": ["push"]}))
    for tier in ("team", "local"):
        enforce(governed, tier,
                {"id": "push", "effect": "allow", "scope": {"git": ["push"]}},
                ALL)
    assert "no-way of the organization's policy" in refused(
        governed, "session.issue", task="fix-1", grants=[PUSH])
    session = issue(governed, FETCH)
    assert "no-way of the organization's policy" in refused(
        governed, "session.grant", session=session["id"], grant=PUSH)
    names_the_rule(last(governed, "session.grant"), "organization")
    grants = governed.call("session.show", session=session["id"])[
        "session"]["grants"]
    assert [grant["number"] for grant in grants] == [1]


def test_each_tier_narrows_the_others(governed):
    enforce(governed, "team", {"id": "ours", "effect": "allow",
                               "scope": {"repository": ["acme/*"]}})
    enforce(governed, "local", {"id": "reads", "effect": "allow",
                                "scope": {"git": ["fetch"]}})
    issue(governed, FETCH)
    assert "rule ours comes closest, and its \"repository\"" in refused(
        governed, "session.issue", task="fix-1",
        grants=["forge:repository=other/api"])
    assert "rule reads comes closest, and its \"git\"" in refused(
        governed, "session.issue", task="fix-1", grants=[PUSH])


def test_the_users_and_groups_of_who_issues_it(governed):
    user = pwd.getpwuid(os.getuid()).pw_name
    group = grp.getgrgid(os.getgid()).gr_name
    for matcher in ({"users": [user]}, {"groups": [group]}):
        enforce(governed, "team", ALL, deny(**matcher))
        assert "no-way" in refused(governed, "session.issue", task="fix-1",
                                   grants=[FETCH])
        enforce(governed, "team", {"id": "ours", "effect": "allow",
                                   **matcher})
        issue(governed, FETCH)
    facts = json.loads(last(governed, "session.issue",
                            decision="allow")["asked"])
    assert facts["user"] == user
    assert group in facts["groups"]


@pytest.mark.parametrize("matcher", [{"labels": {"env": ["prod"]}},
                                     {"tasks": ["fix-*"]}])
def test_the_labels_and_the_task_of_a_session(governed, git_server, matcher):
    session = issue(governed, FETCH, labels={"env": "prod"})
    refs = (f"/git/{git_server.authority}/acme/api.git/info/refs"
            "?service=git-upload-pack")
    assert ask(session, refs)[0] == 200
    enforce(governed, "team", ALL, deny(**matcher))
    assert ask(session, refs)[0] == 403
    governed.call("session.issue", task="other", grants=[FETCH],
                  labels={"env": "test"})


def test_who_issued_it_is_known_after_a_restart(governed, git_server):
    session = issue(governed, FETCH)
    governed.stop()
    write(governed, "team", ALL,
          deny(users=[pwd.getpwuid(os.getuid()).pw_name]))
    governed.start()
    status, _, body = ask(session, f"/git/{git_server.authority}/acme/api.git"
                          "/info/refs?service=git-upload-pack")
    assert status == 403
    assert "no-way" in body.decode()


def test_what_is_allowed_says_by_which_rule(governed, git_server):
    session = issue(governed, FETCH)
    assert ask(session, f"/git/{git_server.authority}/acme/api.git/info/refs"
               "?service=git-upload-pack")[0] == 200
    event = last(governed, "exchange.begin")
    assert (event["tier"], event["rule"]) == ("organization", "all")


def test_git_tells_the_user_which_rule_it_was(governed, git_server):
    before = git_server.head("acme/api")
    with contextlib.closing(LiveSandbox(governed, [PUSH])) as sandbox:
        status, output = sandbox(
            f"{clone(git_server.url + '/acme/api')} && cd api && "
            f"git {IDENTITY} commit --quiet --allow-empty -m work && "
            "git push --dry-run")
        assert status == 0, output
        enforce(governed, "organization", ALL, deny(scope={"git": ["push"]}))
        status, output = sandbox("cd api && git push")
        assert status != 0
        assert ("denied by rule no-way of the organization's policy "
                "our-organization: we said so") in output
        assert "on the host" in output
        assert sandbox("cd api && git fetch")[0] == 0
    assert git_server.head("acme/api") == before


def test_a_profile_that_a_policy_denies(governed):
    governed.run("profile", "add", "prod", "--grant", PUSH)
    enforce(governed, "organization", ALL, deny(credentials=["forge"]))
    done = governed.run("issue", "--task", "ci-993", "--profile", "prod",
                        check=False)
    assert done.returncode == 1
    assert "denied by rule no-way of the organization's policy" in done.stderr
    assert "policy explain --task ci-993 --credential forge" in done.stderr
