"""Each kind of decision that the audit log has is explained by its number: a
push, keys, a request that the broker signs, and a grant that was refused."""

import contextlib
import getpass
import json
import pathlib
import socket

import pytest

from conftest import add_git_credential, wait_until
from test_lease import add_credential, ask, keys, sts  # noqa: F401 (a fixture)

KEYS = "aws:actions=s3:GetObject,resources=arn:aws:s3:::alpha/*"
SIGNED = "signed:actions=s3:*,resources=arn:aws:s3:::alpha/*,delivery=inject"
RULES = [{"id": "fetch", "effect": "allow", "scope": {"git": ["fetch"]}},
         {"id": "push", "effect": "allow",
          "scope": {"git": ["push"], "ref": ["refs/heads/agent/**"]}},
         {"id": "keys", "effect": "allow", "delivery": ["mint"]},
         {"id": "reads", "effect": "allow", "delivery": ["inject"],
          "scope": {"methods": ["GET"]}}]
SIGNATURE = ("AWS4-HMAC-SHA256 Credential=none/20261121/eu-west-1/s3/"
             "aws4_request, SignedHeaders=host, Signature=" + "0" * 64)


def enforce(broker, *rules):
    path = broker.folder / "policy" / "team.json"
    path.parent.mkdir(exist_ok=True, mode=0o700)
    path.write_text(json.dumps({"tier": "team", "name": "ours",
                                "rules": list(rules)}))
    path.chmod(0o600)
    broker.call("policy.reload")


@pytest.fixture
def governed(broker):
    broker.configure({"policy_folder": str(broker.folder / "policy")})
    broker.stop()
    broker.start()
    enforce(broker, *RULES)
    return broker


def event(broker, name, **having):
    """The newest line of an event, which may be written after its answer."""
    def newest():
        return [e for e in broker.call("audit.show", event=name)["events"]
                if all(e.get(key) == value for key, value in having.items())]
    return wait_until(newest, name)[-1]


def explain(broker, line):
    """What the same question would be answered now, and is printed as."""
    told = broker.json("policy", "explain", "--event", line["n"])
    assert told["event"]["n"] == line["n"]
    assert told["notes"] == []
    shown = broker.run("policy", "explain", "--event", line["n"]).stdout
    return told["explained"], shown


def test_a_push_is_explained_ref_by_ref(governed, git_server):
    add_git_credential(governed, git_server)
    url = f"https://{git_server.authority}/acme/api"
    session = governed.call("session.issue", task="fix-1", grants=[
        "forge:repository=acme/api,git=fetch+push"])["session"]
    folder = pathlib.Path(session["folder"])
    zero, some = b"0" * 40, b"1" * 40
    lines = [b"%s %s refs/heads/agent/a\0 report-status\n" % (zero, some),
             b"%s %s refs/heads/main\n" % (zero, some)]
    body = b"".join(b"%04x" % (len(line) + 4) + line for line in lines)
    body += b"0000PACK"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "endpoint.sock"))
        client.sendall((
            f"POST /git/{url[8:]}.git/git-receive-pack HTTP/1.1\r\n"
            "Host: 127.0.0.1:9169\r\n"
            f"Authorization: {(folder / 'token').read_text()}\r\n"
            "Content-Type: application/x-git-receive-pack-request\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        ).encode() + body)
        client.settimeout(60)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(65536):
                pass
    explained, shown = explain(
        governed, event(governed, "exchange.refused"))
    refused = [one for one in explained if one["verdict"]["effect"] == "deny"]
    assert [one["asked"]["ref"] for one in refused] == ["refs/heads/main"]
    assert refused[0]["asked"]["change"] == "create"
    assert refused[0]["verdict"]["tier"] == "team"
    assert "ref: refs/heads/main" in shown


def test_keys_are_explained(governed, sts):  # noqa: F811
    add_credential(governed, sts)
    session = governed.call("session.issue", task="fix-1",
                            grants=[KEYS])["session"]
    assert keys(session)
    minted = event(governed, "lease.mint.begin")
    [one], shown = explain(governed, minted)
    assert one["verdict"]["effect"] == "allow"
    assert one["verdict"]["rule"] == "keys"
    assert one["asked"]["actions"] == "s3:GetObject"
    assert one["asked"]["delivery"] == "mint"
    assert "verdict      allow by rule keys, tier team" in shown
    enforce(governed, *RULES, {"id": "no-keys", "effect": "deny",
                               "delivery": ["mint"]})
    assert ask(session, "/v1/aws/aws")[0] == 403
    for line in (minted, event(governed, "lease.mint", decision="deny")):
        [one], shown = explain(governed, line)
        assert one["verdict"]["rule"] == "no-keys"
        assert "deny by rule no-keys, tier team" in shown


def test_a_request_that_is_signed_is_explained(governed, sts):  # noqa: F811
    add_credential(governed, sts, name="signed")
    session = governed.call("session.issue", task="fix-1",
                            grants=[SIGNED])["session"]
    folder = pathlib.Path(session["folder"])
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(folder / "endpoint.sock"))
        client.sendall((
            "DELETE /http/signed/alpha/old HTTP/1.1\r\n"
            "Host: 127.0.0.1:9169\r\nCredbroker-Session: 1\r\n"
            f"Authorization: {SIGNATURE}\r\n"
            "Connection: close\r\n\r\n").encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert b" 403 " in answer.split(b"\r\n")[0], answer
    assert b"policy_denied" in answer
    [one], shown = explain(governed, event(governed, "exchange.refused"))
    assert one["verdict"]["effect"] == "deny"
    assert one["asked"]["methods"] == "DELETE"
    assert one["asked"]["paths"] == "/alpha/old"
    assert one["asked"]["service"] == "s3"
    assert one["asked"]["region"] == "eu-west-1"
    assert "methods: DELETE" in shown


@pytest.mark.parametrize("name, scope, shown", [
    ("forge", "repository=acme/api,git=push", "ref"),
    ("aws", KEYS.partition(":")[2], "resources")])
def test_a_grant_that_was_refused_is_explained(
        governed, git_server, sts, name, scope, shown):  # noqa: F811
    add_git_credential(governed, git_server)
    add_credential(governed, sts)
    never = {"id": "never", "effect": "deny", "labels": {"env": ["prod"]}}
    enforce(governed, *RULES, never)
    issue = ["issue", "-t", "fix-1", "-l", "env=prod", "-g", f"{name}:{scope}"]
    assert governed.run(*issue, check=False).returncode == 1
    line = event(governed, "session.issue", decision="deny")
    [one], _ = explain(governed, line)
    assert one["verdict"]["rule"] == "never"
    assert one["asked"]["labels"] == "env=prod"
    assert one["asked"]["tasks"] == "fix-1"
    assert one["asked"]["users"] == getpass.getuser()
    assert shown in one["asked"]
    # Another policy would allow it.
    enforce(governed, *RULES)
    [one], shown = explain(governed, line)
    assert one["verdict"]["effect"] == "allow"
    assert "decision     deny" in shown
    enforce(governed, *RULES, never)
    path = governed.folder / "new.json"
    path.write_text(json.dumps({"tier": "team", "name": "n", "rules": RULES}))
    told = governed.json("policy", "diff", "installed", path)
    assert [(c["old"], c["new"]) for c in told["changes"]] == [
        ("deny", "allow")]
