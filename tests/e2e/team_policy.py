"""The policy of a team: for a broker whose `policy_folder` is in its folder."""

import json

from conftest import add_git_credential


def write_policy(broker, *rules):
    folder = broker.folder / "policy"
    folder.mkdir(exist_ok=True, mode=0o700)
    path = folder / "team.json"
    path.write_text(json.dumps({"tier": "team", "name": "ours",
                                "rules": list(rules)}))
    path.chmod(0o600)


def enforce(broker, *rules):
    write_policy(broker, *rules)
    broker.call("policy.reload")


def govern(broker, git_server, *rules):
    """It has them in force from its start, and a credential of the server."""
    broker.configure({"policy_folder": str(broker.folder / "policy"),
                      "approval_wait": "60s"})
    write_policy(broker, *rules)
    broker.stop()
    broker.start()
    add_git_credential(broker, git_server)
    return broker
