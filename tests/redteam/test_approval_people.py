"""Who may approve: users of the host with roles at root's broker, and the
groups and the four eyes that a rule asks for."""

import json
import os
import pathlib
import shutil
import tempfile

import pytest

import attack
from attack import Recorder, add_credential
from test_roles import User

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="only root has other users to play")

ISSUER, OTHER, LEAD, APPROVER, BOTH = range(54350, 54355)
# A group that every host has, by its number.
GROUP, GID = "users", 100
ROLES = {
    "issuer": [{"who": [f"uid:{ISSUER}", f"uid:{OTHER}",
                         f"uid:{BOTH}"],
                "credentials": ["forge"]}],
    "approver": [f"uid:{APPROVER}", f"uid:{LEAD}", f"uid:{BOTH}"],
}
GRANT = "forge:git=fetch,repository=acme/api"


@pytest.fixture
def broker():
    path = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    path.chmod(0o755)
    made = attack.e2e.Broker(path, {
        "roles": ROLES, "policy_folder": str(path / "policy"),
        "approval_wait": "0s"})
    (path / "policy").mkdir(mode=0o755)
    made.init()
    made.start()
    made.upstream = Recorder()
    add_credential(made, "forge", made.upstream, "secret", "auth=bearer")
    yield made
    made.upstream.close()
    made.stop()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def users(broker):
    made = []

    def make(uid, gids=()):
        made.append(User(broker, uid, gids))
        return made[-1]
    yield make
    for user in made:
        user.close()


def enforce(broker, **rule):
    path = broker.folder / "policy" / "team.json"
    path.write_text(json.dumps({"tier": "team", "name": "ours", "rules": [
        {"id": "look", "effect": "ask", **rule}]}))
    path.chmod(0o600)
    broker.call("policy.reload")


def asked(broker, session):
    """A request of the session, which waits for nobody: its code."""
    from test_approval import Asked
    authority = broker.upstream.authority
    return Asked(session, f"/git/{authority}/acme/api.git/git-upload-pack").code


def approval_of(broker):
    [approval] = attack.e2e.wait_until(
        lambda: broker.call("approval.list")["approvals"], "an approval")
    return approval["id"]


def refusals(broker):
    return [e["who"].split(" (")[0] for e in broker.call(
        "audit.show", event="approval.refused")["events"]]


def test_the_role_is_needed(broker, users):
    enforce(broker)
    issuer, approver = users(ISSUER), users(APPROVER)
    session = issuer.issue(grants=[GRANT])
    assert asked(broker, session) == "approval_pending"
    approval = approval_of(broker)
    # Whoever issued it sees it, and may not answer.
    assert issuer.call("approval.show", approval=approval)
    for method in ("approval.approve", "approval.deny"):
        assert "needs the role approver" in issuer.refused(
            method, approval=approval)
    assert approver.call("approval.approve", approval=approval)
    assert asked(broker, session) is None
    assert len(broker.upstream.requests) == 1
    refused = broker.call("audit.show", event="admin.refused")["events"]
    assert {e["request"] for e in refused} == {"approval.approve",
                                               "approval.deny"}


def test_the_group_is_needed_by_admins_too(broker, users):
    enforce(broker, approvers=GROUP)
    session = users(ISSUER).issue(grants=[GRANT])
    assert asked(broker, session) == "approval_pending"
    approval = approval_of(broker)
    assert GROUP in users(APPROVER).refused(
        "approval.approve", approval=approval)
    if GID not in os.getgroups():
        with pytest.raises(AssertionError, match=GROUP):
            broker.call("approval.approve", approval=approval)
    assert f"uid {APPROVER}" in refusals(broker)
    assert asked(broker, session) == "approval_pending"
    assert broker.upstream.requests == []
    users(LEAD, [GID]).call("approval.approve", approval=approval)
    assert asked(broker, session) is None
    assert len(broker.upstream.requests) == 1


def test_four_eyes_are_of_two_people(broker, users):
    enforce(broker, four_eyes=True)
    both = users(BOTH)
    session = both.issue(grants=[GRANT])
    assert asked(broker, session) == "approval_pending"
    approval = approval_of(broker)
    assert "not for the user" in both.refused(
        "approval.approve", approval=approval)
    assert refusals(broker) == [f"uid {BOTH}"]
    assert asked(broker, session) == "approval_pending"
    assert broker.upstream.requests == []
    users(APPROVER).call("approval.approve", approval=approval)
    assert asked(broker, session) is None
    assert len(broker.upstream.requests) == 1


def test_another_users_approvals_are_not_there(broker, users):
    enforce(broker)
    session = users(ISSUER).issue(grants=[GRANT])
    assert asked(broker, session) == "approval_pending"
    approval = approval_of(broker)
    other = users(OTHER)
    assert other.call("approval.list")["approvals"] == []
    other.refused("approval.show", "not_found", approval=approval)
    # An approver sees all.
    [shown] = users(APPROVER).call("approval.list")["approvals"]
    assert shown["id"] == approval
