"""Pushes by ref, with real git in the sandbox and a real server: what is
granted goes through, and of what is not nothing is updated, with the reason in
git's own output."""

import contextlib
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import socket
import subprocess

import pytest

from conftest import LiveSandbox, wait_until
from team_policy import enforce, govern

ZERO = "0" * 40
ALL = {"id": "all", "effect": "allow"}
IDENTITY = ("git config user.name Agent; git config user.email a@localhost; "
            "git config commit.gpgSign false")


class Repository:
    """A bare repository at the server, of one test."""

    def __init__(self, server, name):
        self.name, self.server = f"acme/{name}", server
        self.path = server.repository(self.name)
        self.url = f"{server.url}/{self.name}.git"
        shutil.copytree(server.repository("acme/api"), self.path)
        for ref in self.refs():
            if ref != "refs/heads/main":
                self.git("update-ref", "-d", ref)

    def git(self, *args):
        return subprocess.run(["git", "-C", str(self.path), *args], check=True,
                              capture_output=True, text=True).stdout.strip()

    def refs(self):
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split() for line in lines.splitlines())

    def hook(self, name, script):
        hook = self.path / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{script}\n")
        hook.chmod(0o755)

    def remove(self):
        shutil.rmtree(self.path)


@pytest.fixture
def repository(git_server, request):
    made = Repository(git_server, f"t{abs(hash(request.node.name)):x}")
    yield made
    made.remove()


@pytest.fixture
def governed(broker, git_server):
    return govern(broker, git_server, ALL)


@pytest.fixture
def agent(governed, repository):
    """Make sandboxes that may fetch, and push what their grants say."""
    with contextlib.ExitStack() as stack:
        def make(*scopes):
            name = f"forge:repository={repository.name}"
            sandbox = LiveSandbox(
                governed, [name, *(f"{name},{scope}" for scope in scopes)])
            stack.callback(sandbox.close)
            status, output = sandbox(
                f"git clone --quiet {repository.url} work && cd work && "
                f"{IDENTITY}; git commit --quiet --allow-empty -m work")
            assert status == 0, output
            return sandbox
        yield make


AGENT = "git=push,ref=refs/heads/agent/**"


def push(sandbox, *args):
    return sandbox(f"cd work && git push {' '.join(args)}")


def refused(sandbox, repository, *args):
    """A push of which nothing is done; its output."""
    before, served = repository.refs(), repository.server.requests()
    status, output = push(sandbox, *args)
    assert status != 0, output
    assert repository.refs() == before
    log = repository.server.log()[served:]
    # The probe of a large push, which is answered with a flush, may pass.
    assert not [line for line in log if "POST" in line
                and "receive-pack" in line
                and int(line.split('"')[2].split()[1]) > 5], log
    return output


def requests(broker, event):
    return [line["request"] for line in
            broker.call("audit.show", event=event)["events"]]


def test_a_push_to_a_granted_branch_goes_through(
        governed, repository, agent):
    sandbox = agent(AGENT)
    status, output = push(sandbox, "origin", "HEAD:refs/heads/agent/fix")
    assert status == 0, output
    refs = repository.refs()
    assert refs["refs/heads/agent/fix"] != refs["refs/heads/main"]
    # What was pushed is in the audit log.
    new = refs["refs/heads/agent/fix"][:12]
    assert any(request.endswith(
        f"git-receive-pack create refs/heads/agent/fix {ZERO[:12]}..{new}")
        for request in requests(governed, "exchange.begin"))


def test_a_push_to_another_branch_says_why_not(governed, repository, agent):
    sandbox = agent(AGENT)
    output = refused(sandbox, repository, "origin", "HEAD:main")
    assert "! [remote rejected] HEAD -> main (update is not allowed" in output
    assert '"ref" does not match' in output
    assert any("update refs/heads/main " in request
               for request in requests(governed, "exchange.refused"))


def test_what_is_proposed_to_look_into_it_says_the_same(
        governed, repository, agent):
    """Also of a ref that a shell would read otherwise."""
    sandbox = agent(AGENT)
    output = refused(sandbox, repository, "origin",
                     "'HEAD:refs/heads/a$(id),b+c'")
    see = output.split("see: credbroker ")[1].split(" (on the host)")[0]
    explained, = governed.json(*shlex.split(see))["explained"]
    assert explained["verdict"]["effect"] == "deny"
    assert explained["verdict"]["tier"] == "session"
    assert explained["asked"]["ref"] == "refs/heads/a$(id),b+c"
    # One that cannot be quoted is not in it.
    output = refused(sandbox, repository, "origin",
                     '"HEAD:refs/heads/it\'s"')
    assert "see: credbroker" in output and "--scope" not in output


def test_of_several_with_one_that_is_refused_nothing_is_updated(
        repository, agent):
    sandbox = agent(AGENT)
    output = refused(sandbox, repository, "origin", "HEAD:agent/one",
                     "HEAD:refs/heads/agent/two", "HEAD:main")
    assert "HEAD -> main (update is not allowed" in output
    assert "HEAD -> agent/two (not pushed: another ref was refused)" in output
    status, output = push(sandbox, "origin", "HEAD:refs/heads/agent/one",
                          "HEAD:refs/heads/agent/two")
    assert status == 0, output
    assert {"refs/heads/agent/one", "refs/heads/agent/two"} < set(
        repository.refs())


def test_an_atomic_push_is_as_any_other(repository, agent):
    sandbox = agent(AGENT)
    refused(sandbox, repository, "--atomic", "origin",
            "HEAD:refs/heads/agent/one", "HEAD:main")
    status, output = push(sandbox, "--atomic", "origin",
                          "HEAD:refs/heads/agent/one",
                          "HEAD:refs/heads/agent/two")
    assert status == 0, output


def test_what_a_push_does_to_a_ref_is_granted_apart(repository, agent):
    sandbox = agent("git=push,change=create")
    status, output = push(sandbox, "origin", "HEAD:refs/heads/new")
    assert status == 0, output
    assert "HEAD -> main (update is not allowed" in refused(
        sandbox, repository, "origin", "HEAD:main")
    # A forced one looks like any update.
    assert "(update is not allowed" in refused(
        sandbox, repository, "--force", "origin", "HEAD~1:refs/heads/new")
    assert "new (delete is not allowed" in refused(
        sandbox, repository, "origin", ":refs/heads/new")


def test_rules_of_a_policy_are_about_refs(governed, repository, agent):
    enforce(governed, ALL,
            {"id": "no-main", "effect": "deny", "reason": "main is released",
             "scope": {"git": ["push"], "ref": ["refs/heads/main"]}},
            {"id": "no-tags", "effect": "deny",
             "scope": {"git": ["push"], "ref": ["refs/tags/**"]}},
            {"id": "keep", "effect": "deny", "reason": "nothing is deleted",
             "scope": {"git": ["push"], "change": ["delete"]}})
    sandbox = agent("git=push")
    output = refused(sandbox, repository, "origin", "HEAD:main")
    assert ("HEAD -> main (update is denied by rule no-main of the team's "
            "policy ours: main is released)") in output
    assert sandbox("cd work && git tag v1")[0] == 0
    assert "v1 -> v1 (create is denied by rule no-tags" in refused(
        sandbox, repository, "origin", "v1")
    status, output = push(sandbox, "origin", "HEAD:refs/heads/other")
    assert status == 0, output
    assert "(delete is denied by rule keep" in refused(
        sandbox, repository, "origin", "--delete", "other")
    event = governed.call("audit.show", event="exchange.refused")["events"][-1]
    assert (event["tier"], event["rule"]) == ("team", "keep")
    question, = json.loads(event["asked"])
    assert question["at"]["ref"] == ["refs/heads/other"]
    assert question["at"]["change"] == ["delete"]


def test_a_tag_is_pushed_and_deleted_as_it_is_granted(repository, agent):
    sandbox = agent("git=push,ref=refs/tags/*,change=create+delete")
    assert sandbox("cd work && git tag v1 && git tag -a -m two v2")[0] == 0
    status, output = push(sandbox, "origin", "v1", "v2")
    assert status == 0, output
    assert {"refs/tags/v1", "refs/tags/v2"} < set(repository.refs())
    assert sandbox("cd work && git tag -f v1 HEAD~1")[0] == 0
    refused(sandbox, repository, "--force", "origin", "v1")
    status, output = push(sandbox, "origin", ":refs/tags/v1")
    assert status == 0, output
    assert "refs/tags/v1" not in repository.refs()


@pytest.mark.limit(400)
def test_a_push_of_200_mb(repository, agent):
    """It comes in chunks behind a probe, and is never held as a whole."""
    sandbox = agent(AGENT)
    status, output = sandbox(
        "cd work && head -c 200000000 /dev/urandom >big && git add big && "
        "git -c core.compression=0 -c core.bigFileThreshold=1m commit "
        "--quiet -m big && git config core.compression 0 && "
        "git config core.bigFileThreshold 1m")
    assert status == 0, output
    assert "HEAD -> main (update is not allowed" in refused(
        sandbox, repository, "origin", "HEAD:main")
    status, output = push(sandbox, "origin", "HEAD:refs/heads/agent/big")
    assert status == 0, output
    assert repository.git("cat-file", "-s", "agent/big:big") == "200000000"


def test_a_policy_that_changes_between_discovery_and_push(
        governed, repository, agent):
    sandbox = agent("git=push")
    for name in ("ready", "go"):
        os.mkfifo(sandbox.workspace / name)
    hook = sandbox.workspace / "work/.git/hooks/pre-push"
    status, output = sandbox(
        "cat >work/.git/hooks/pre-push <<END\n#!/bin/sh\n"
        "echo here >$PWD/ready; read line <$PWD/go\nEND\n"
        "chmod +x work/.git/hooks/pre-push")
    assert status == 0, (output, hook)
    before, served = repository.refs(), repository.server.requests()
    sandbox.start("cd work && git push origin HEAD:main")
    assert (sandbox.workspace / "ready").read_text() == "here\n"
    assert repository.server.requests() > served, "discovered already"
    enforce(governed, ALL,
            {"id": "frozen", "effect": "deny", "reason": "we are at it",
             "scope": {"git": ["push"], "ref": ["refs/heads/main"]}})
    (sandbox.workspace / "go").write_text("on\n")
    status, output = sandbox.finish()
    assert status != 0
    assert ("HEAD -> main (update is denied by rule frozen of the team's "
            "policy ours: we are at it)") in output
    assert repository.refs() == before


def test_push_options_pass_where_they_are_granted(repository, agent):
    repository.git("config", "receive.advertisePushOptions", "true")
    repository.hook("post-receive", "echo $GIT_PUSH_OPTION_0 >options")
    sandbox = agent("git=push")
    output = refused(sandbox, repository, "-o", "ci.skip", "origin",
                     "HEAD:refs/heads/a")
    assert "a (a push with options is not allowed" in output
    assert '"git" does not match' in output
    sandbox = agent("git=push+push-options")
    status, output = push(sandbox, "-o", "ci.skip", "origin",
                          "HEAD:refs/heads/a")
    assert status == 0, output
    assert (repository.path / "options").read_text() == "ci.skip\n"


SSH_KEY = ("ssh-keygen -q -t ed25519 -N '' -f ../key && "
           "git config gpg.format ssh && git config user.signingKey ../key")
# In a folder of its own; the agent that it starts ends with the sandbox.
GPG_KEY = """
mkdir -m 700 ../gpg && cat >../gpg/sign <<END && chmod +x ../gpg/sign &&
#!/bin/sh
exec gpg --homedir $PWD/../gpg --batch "\\$@"
END
../gpg/sign --quiet --passphrase '' --quick-gen-key a@localhost ed25519 sign &&
git config gpg.program $PWD/../gpg/sign &&
git config user.signingKey a@localhost
"""


@pytest.mark.parametrize("key, kind", [(SSH_KEY, "SSH"), (GPG_KEY, "PGP")],
                         ids=["ssh", "gpg"])
def test_a_signed_push_passes_where_it_is_granted(
        repository, agent, key, kind):
    repository.git("config", "receive.certNonceSeed", "seed")
    repository.hook("post-receive", "echo $GIT_PUSH_CERT >cert")
    sandbox = agent("git=push")
    status, output = sandbox(f"cd work && {key}")
    assert status == 0, output
    output = refused(sandbox, repository, "--signed", "origin",
                     "HEAD:refs/heads/a")
    assert "a (a signed push is not allowed" in output
    sandbox = agent("git=push+push-signed,ref=refs/heads/a")
    status, output = sandbox(f"cd work && {key}")
    assert status == 0, output
    assert "(update is not allowed" in refused(
        sandbox, repository, "--signed", "origin", "HEAD:refs/heads/main")
    status, output = push(sandbox, "--signed", "origin", "HEAD:refs/heads/a")
    assert status == 0, output
    cert = repository.git("cat-file", "blob",
                          (repository.path / "cert").read_text().strip())
    assert "refs/heads/a" in cert and f"BEGIN {kind} SIGNATURE" in cert


def test_a_mirror_of_many_refs(governed, repository, agent):
    sandbox = agent("git=push,ref=refs/heads/**+refs/remotes/**")
    status, output = sandbox(
        "cd work && for i in $(seq 500); do echo create refs/heads/many/$i "
        "HEAD; done | git update-ref --stdin && git tag v1")
    assert status == 0, output
    output = refused(sandbox, repository, "--mirror", "origin")
    assert "v1 -> v1 (create is not allowed" in output
    assert output.count("(not pushed: another ref was refused)") >= 500
    assert sandbox("cd work && git tag -d v1")[0] == 0
    status, output = push(sandbox, "--quiet", "--mirror", "origin")
    assert status == 0, output
    assert len([r for r in repository.refs() if "many/" in r]) == 500
    # Too many to be written down one by one; how many there were is.
    request = [r for r in requests(governed, "exchange.begin")
               if "create refs/heads/many/" in r][-1]
    assert request.split(", and ")[1].split()[0].isdigit()


# What git would not send.

def pkt(text):
    return b"%04x" % (len(text) + 4) + text


def post(session, repository, body, chunked=False):
    """A push's POST as a client of our own sends it: status and answer."""
    folder = pathlib.Path(session["folder"])
    path = f"/git/{repository.server.authority}/{repository.name}.git"
    length = (["Transfer-Encoding: chunked"] if chunked else
              [f"Content-Length: {len(body)}"])
    if chunked:
        body = b"".join(b"1\r\n%c\r\n" % c for c in body) + b"0\r\n\r\n"
    head = "\r\n".join(
        [f"POST {path}/git-receive-pack HTTP/1.1", "Host: 127.0.0.1:9169",
         f"Authorization: {(folder / 'token').read_text()}", *length,
         "Content-Type: application/x-git-receive-pack-request",
         "Connection: close", "", ""]).encode()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(folder / "endpoint.sock"))
        client.sendall(head + body)
        answer = b""
        while part := client.recv(65536):
            answer += part
    return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2]


@pytest.fixture
def session(governed, repository):
    name = f"forge:repository={repository.name}"
    return governed.call("session.issue", task="fix-1", grants=[
        name, f"{name},{AGENT}"])["session"]


def test_a_client_that_reads_no_report_is_refused_all_the_same(
        repository, session):
    before, served = repository.refs(), repository.server.requests()
    new = before["refs/heads/main"]
    body = pkt(f"{new} {ZERO} refs/heads/main".encode()) + b"0000"
    status, answer = post(session, repository, body)
    assert repository.refs() == before
    assert repository.server.requests() == served
    assert status in (200, 403)
    assert b"unpack ok" not in answer or b"ng " in answer


@pytest.mark.parametrize("chunked", [False, True])
def test_the_probe_of_a_large_push_passes(repository, session, chunked):
    status, answer = post(session, repository, b"0000", chunked)
    assert status == 200, answer


@pytest.mark.parametrize("chunked", [False, True])
def test_nothing_is_behind_a_probe(repository, session, chunked):
    """The server would stop at the flush; no other server has to."""
    before, served = repository.refs(), repository.server.requests()
    main = before["refs/heads/main"]
    status, answer = post(
        session, repository,
        b"0000" + pkt(f"{main} {ZERO} refs/heads/main".encode()) + b"0000",
        chunked)
    assert repository.server.requests() == served
    assert repository.refs() == before
    assert status != 200 or answer == b"0000"


@pytest.mark.parametrize("lines", [
    [b"hello"],
    [b"%s %s refs/heads/agent/../main"],
    [b"%s %s refs/heads/agent/a\0 push-options=1"],
    [b"%s %s refs/heads/agent/a\0 a\tpush-options"],
    [b"%s %s refs/heads/agent/a", b"%s %s refs/heads/main\0 x"],
    [b"%s %s refs/heads/agent/a\n%s %s refs/heads/main"],
    [b"push-cert\0", b"%s %s refs/heads/agent/a\n", b"push-cert-end\n"],
])
def test_what_may_be_read_in_two_ways_goes_nowhere(
        repository, session, lines):
    before, served = repository.refs(), repository.server.requests()
    main = before["refs/heads/main"].encode()
    ids = (ZERO.encode(), main)
    body = b"".join(pkt(line % (ids * (line.count(b"%s") // 2)))
                    for line in lines)
    status, answer = post(session, repository, body + b"0000PACK")
    assert repository.refs() == before
    assert repository.server.requests() == served
    assert status == 400 or b"unpack" in answer, (status, answer)


# A push that somebody has to approve.

LOOK = {"id": "look", "effect": "ask", "reason": "main is released",
        "scope": {"git": ["push"], "ref": ["refs/heads/main"]}}


def approvals(broker, count=1):
    def waiting():
        found = [a for a in broker.call("approval.list")["approvals"]
                 if a["state"] == "waiting"]
        return found if len(found) == count else None
    return wait_until(waiting, "approvals")


def test_a_push_is_asked_about_once_with_its_refs(
        governed, repository, agent):
    enforce(governed, ALL, LOOK)
    sandbox = agent("git=push")
    old = repository.refs()["refs/heads/main"]
    new = sandbox("cd work && git rev-parse HEAD")[1].strip()
    sandbox.start("cd work && git push origin HEAD:main HEAD:other")
    [approval] = approvals(governed)
    assert repository.refs()["refs/heads/main"] == old
    assert approval["kind"] == "push"
    assert approval["rule"] == "look"
    details = approval["details"]
    assert details["repository"] == repository.name
    assert {"ref": "refs/heads/main", "change": "update", "old": old,
            "new": new} in details["refs"]
    assert len(details["refs"]) == 2
    governed.call("approval.approve", approval=approval["id"])
    status, output = sandbox.finish()
    assert status == 0, output
    assert repository.refs()["refs/heads/main"] == new
    # The next one is another one.
    assert sandbox("cd work && git commit --quiet --allow-empty -m more")[0] == 0
    sandbox.start("cd work && git push origin HEAD:main")
    [approval] = approvals(governed)
    governed.call("approval.deny", approval=approval["id"],
                  reason="not on a Saturday")
    status, output = sandbox.finish()
    assert status != 0
    assert "not on a Saturday" in output
    assert repository.refs()["refs/heads/main"] == new


def test_a_push_without_such_a_ref_is_not_asked_about(
        governed, repository, agent):
    enforce(governed, ALL, LOOK)
    status, output = push(agent("git=push"), "origin", "HEAD:refs/heads/other")
    assert status == 0, output
    assert governed.call("approval.list")["approvals"] == []


def test_a_rule_about_every_push_asks_once(governed, repository, agent):
    """Not for the discovery, nor for the probe of a large one."""
    enforce(governed, ALL, {"id": "look", "effect": "ask",
                            "scope": {"git": ["push"]}})
    sandbox = agent("git=push")
    assert sandbox("cd work && head -c 3000000 /dev/urandom >big && "
                   "git add big && git commit --quiet -m big")[0] == 0
    sandbox.start("cd work && git push origin HEAD:main")
    [approval] = approvals(governed)
    governed.call("approval.approve", approval=approval["id"])
    status, output = sandbox.finish()
    assert status == 0, output
    events = governed.call("audit.show", event="approval.ask")["events"]
    assert len(events) == 1


def raw_push(session, repository, body, *headers):
    path = f"/git/{repository.server.authority}/{repository.name}.git"
    token = (pathlib.Path(session["folder"]) / "token").read_text()
    return "\r\n".join(
        [f"POST {path}/git-receive-pack HTTP/1.1", "Host: 127.0.0.1:9169",
         f"Authorization: {token}", f"Content-Length: {len(body)}", *headers,
         "", ""]).encode() + body


def test_what_comes_behind_a_held_push_is_judged_alone(
        governed, repository, session):
    enforce(governed, ALL, {
        "id": "look", "effect": "ask",
        "scope": {"ref": ["refs/heads/agent/held"]}})
    main = repository.refs()["refs/heads/main"]
    bodies = [pkt(f"{ZERO} {main} refs/heads/{name}\0 report-status".encode())
              + b"0000" for name in ("agent/held", "other", "agent/free")]
    pack = b"PACK\0\0\0\2\0\0\0\0"
    bodies = [body + pack + hashlib.sha1(pack).digest() for body in bodies]
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(pathlib.Path(session["folder"]) / "endpoint.sock"))
        client.sendall(
            raw_push(session, repository, bodies[0], "Expect: 100-continue")
            + raw_push(session, repository, bodies[1])
            + raw_push(session, repository, bodies[2], "Connection: close"))
        approval, = approvals(governed)
        assert list(repository.refs()) == ["refs/heads/main"]
        governed.call("approval.approve", approval=approval["id"])
        answer = b""
        while part := client.recv(65536):
            answer += part
    # The one in the middle is not granted, and says so to git.
    assert answer.count(b"HTTP/1.1 200 OK") == 3, answer
    assert answer.count(b"ng refs/heads/other") == 1, answer
    assert sorted(repository.refs()) == [
        "refs/heads/agent/free", "refs/heads/agent/held", "refs/heads/main"]
    assert governed.call("approval.list")["approvals"] == []


def test_who_goes_away_while_it_is_asked_leaves_nothing_behind(
        governed, repository, agent):
    enforce(governed, ALL, LOOK)
    sandbox = agent("git=push")
    sandbox.start("cd work; setsid git push origin HEAD:main & pid=$!; "
                  "while [ ! -e ../go ]; do sleep 0.05; done; "
                  "kill -KILL -$pid; wait $pid")
    approvals(governed)
    (sandbox.workspace / "go").touch()
    assert sandbox.finish()[0] != 0
    wait_until(lambda: requests(governed, "exchange.refused"), "its end")
    before = repository.refs()
    status, output = push(sandbox, "origin", "HEAD:refs/heads/other")
    assert status == 0, output
    assert repository.refs()["refs/heads/main"] == before["refs/heads/main"]
