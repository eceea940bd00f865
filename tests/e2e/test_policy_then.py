"""A past event is explained with the grants that the session had then, and as
of a session that asks for everything where it was one."""

import contextlib
import json
import pathlib
import socket

import pytest

from conftest import add_git_credential
from test_policy_past import enforce, event, governed  # noqa: F401 (a fixture)

API = "forge:repository=acme/api,git=fetch"
WEB = "forge:repository=acme/web,git=fetch"


@pytest.fixture
def forge(governed, git_server):  # noqa: F811
    add_git_credential(governed, git_server)
    governed.authority = git_server.authority
    enforce(governed, {"id": "all", "effect": "allow"})
    return governed


def issue(broker, *grants, **more):
    return broker.call("session.issue", task="fix-1", grants=list(grants),
                       **more)["session"]


def ask(broker, session, repository):
    """Look what refs there are; the line of the decision."""
    folder = pathlib.Path(session["folder"])
    path = f"/git/{broker.authority}/{repository}.git/info/refs"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(folder / "endpoint.sock"))
        client.sendall((
            f"GET {path}?service=git-upload-pack HTTP/1.1\r\n"
            "Host: 127.0.0.1:9169\r\n"
            f"Authorization: {(folder / 'token').read_text()}\r\n"
            "Connection: close\r\n\r\n").encode())
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(65536):
                answer += data
    refused = b" 403 " in answer.split(b"\r\n")[0]
    name = "exchange.refused" if refused else "exchange.begin"
    return refused, event(broker, name, session=session["id"])


def verdict(broker, line, notes=()):
    told = broker.json("policy", "explain", "--event", line["n"])
    assert told["notes"] == list(notes)
    [one] = told["explained"]
    return one["verdict"]


def test_what_was_granted_later_was_not_there_then(forge):
    session = issue(forge, API)
    refused, line = ask(forge, session, "acme/web")
    assert refused
    assert verdict(forge, line)["effect"] == "deny"
    forge.call("session.grant", session=session["id"], grant=WEB)
    then = verdict(forge, line)
    assert (then["effect"], then["tier"]) == ("deny", "session")
    refused, line = ask(forge, session, "acme/web")
    assert not refused
    assert verdict(forge, line)["effect"] == "allow"


@pytest.mark.parametrize("drop", [1, "forge"])
def test_what_was_dropped_later_was_there_then(forge, drop):
    session = issue(forge, API, WEB)
    refused, line = ask(forge, session, "acme/api")
    assert not refused
    forge.call("session.drop", session=session["id"], grant=drop)
    assert verdict(forge, line)["effect"] == "allow"
    if drop == "forge":
        return      # without any grant nothing is asked
    refused, line = ask(forge, session, "acme/api")
    assert refused
    # Granted again under another number, that one is still refused.
    forge.call("session.grant", session=session["id"], grant=API)
    assert verdict(forge, line)["effect"] == "deny"
    refused, line = ask(forge, session, "acme/api")
    assert not refused
    assert verdict(forge, line)["effect"] == "allow"
    forge.call("session.drop", session=session["id"], grant=3)
    assert verdict(forge, line)["effect"] == "allow"


def test_a_session_that_is_over_is_explained_too(forge):
    session = issue(forge, API)
    refused, line = ask(forge, session, "acme/web")
    _, allowed = ask(forge, session, "acme/api")
    forge.call("session.grant", session=session["id"], grant=WEB)
    forge.call("revoke", session=session["id"])
    assert verdict(forge, line)["effect"] == "deny"
    assert verdict(forge, allowed)["effect"] == "allow"


def test_grants_that_the_log_has_cut_are_not_asked(forge):
    """Half of them would be a wrong answer."""
    many = [f"forge:repository=acme/{name * 40},git=fetch"
            for name in "abcdefghijkl"]
    session = issue(forge, API, *many)
    refused, line = ask(forge, session, "acme/api")
    assert not refused
    assert verdict(forge, line)["effect"] == "allow"
    forge.call("session.grant", session=session["id"], grant=WEB)
    assert verdict(forge, line, notes=[
        "the audit log does not have all of the session's grants of then: "
        "they are not asked"])["effect"] == "allow"


def test_a_session_that_asks_for_everything_is_explained_so(forge):
    forge.configure({"policy_folder": str(forge.folder / "policy"),
                     "approval_wait": "1s"})
    forge.stop()
    forge.start()
    session = issue(forge, API, ask_always=True)
    refused, line = ask(forge, session, "acme/api")
    assert refused
    for change in ((), (WEB,)):
        for grant in change:
            forge.call("session.grant", session=session["id"], grant=grant)
        then = verdict(forge, line)
        assert (then["effect"], then["tier"], then["rule"]) == (
            "ask", "session", "ask-always")
    shown = forge.run("policy", "explain", "--event", line["n"]).stdout
    assert "ask by rule ask-always, tier session" in shown
    # A deny stays one.
    enforce(forge, {"id": "no", "effect": "deny"})
    assert verdict(forge, line)["rule"] == "no"
    # It asked before, and would: another policy that asks changes nothing.
    path = forge.folder / "new.json"
    enforce(forge, {"id": "all", "effect": "allow"})
    path.write_text(json.dumps({
        "tier": "team", "name": "n",
        "rules": [{"id": "look", "effect": "ask"}]}))
    told = forge.json("policy", "diff", "installed", path)
    assert told["changes"] == []


def test_a_question_may_be_asked_as_of_such_a_session(forge):
    def effect(*options):
        told = forge.json(
            "policy", "explain", "--task", "t", "--credential", "forge",
            "--scope", "repository=acme/api,git=fetch", *options)
        return told["explained"][0]["verdict"]["effect"]
    assert effect() == "allow"
    assert effect("--ask-always") == "ask"
    session = issue(forge, API, ask_always=True)
    assert effect("--session", session["id"]) == "ask"
    enforce(forge)
    assert effect("--ask-always") == "deny"
