"""`run --network host` and `run --no-sandbox`: a port of the host's, and what
is said of what they give up."""

import http.server
import json
import os
import subprocess
import threading

import pytest

from conftest import LiveSandbox, wait_until

GRANT = "forge:repository=acme/api"
HOST = ("--network", "host")


def run(broker, script, *options, env=None, check=True):
    workspace = broker.folder / "workspace"
    workspace.mkdir(exist_ok=True)
    done = subprocess.run(
        broker.command("run", "--task", "t", "--grant", GRANT, "--workspace",
                       workspace, *options, "--", "sh", "-c", script),
        env=dict(broker.environment(), **(env or {})), capture_output=True,
        text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, (done.stdout, done.stderr)
    return done


@pytest.fixture
def local_server():
    """What listens on the host's loopback."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"of the host\n")

        def log_message(self, *_):
            pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_hosts_network_is_there_only_when_asked_for(forge, local_server):
    script = f"curl -s -m 5 {local_server} || echo none"
    assert run(forge, script).stdout == "none\n"
    assert run(forge, script, *HOST).stdout == "of the host\n"


def test_git_works_over_a_port_of_the_hosts(forge, git_server):
    done = run(forge, f"git ls-remote {git_server.url}/acme/api.git >/dev/null"
               " && echo ok; echo $CREDBROKER_ENDPOINT; curl -s "
               "-o /dev/null -w '%{http_code}' -H 'Credbroker-Session: 1' "
               "$CREDBROKER_ENDPOINT/v1/session", *HOST)
    ok, endpoint, status = done.stdout.split("\n")
    assert ok == "ok" and status == "200"
    port = int(endpoint.rpartition(":")[2])
    assert endpoint == f"http://127.0.0.1:{port}"
    assert port != 9169


def test_each_session_has_a_port_of_its_own(forge):
    one, two = (LiveSandbox(forge, [GRANT], options=HOST) for _ in range(2))
    try:
        ends = {s("echo $CREDBROKER_ENDPOINT")[1] for s in (one, two)}
        assert len(ends) == 2
        shown = forge.json("session", "show", one.session)["session"]
        assert f":{shown['port']}\n" in "".join(ends)
    finally:
        one.close()
        two.close()


def test_the_port_survives_a_restart_of_the_broker(forge, git_server):
    sandbox = LiveSandbox(forge, [GRANT], options=HOST)
    try:
        script = ("curl -s -o /dev/null -w '%{http_code}' -H "
                  "'Credbroker-Session: 1' $CREDBROKER_ENDPOINT/v1/session")
        assert sandbox(script)[1] == "200"
        forge.stop()
        forge.start()
        assert sandbox(script)[1] == "200"
    finally:
        sandbox.close()


def test_another_port_as_host_is_refused(forge):
    done = run(forge, "curl -s -o /dev/null -w '%{http_code}' -H "
               "'Credbroker-Session: 1' -H 'Host: 127.0.0.1:1' "
               "$CREDBROKER_ENDPOINT/v1/session", *HOST)
    assert done.stdout == "403"


def test_what_is_given_up_is_said(forge):
    said = run(forge, "true", *HOST).stderr
    assert "network: the host's" in said
    assert "given up" in said and "metadata" in said
    assert "given up" not in run(forge, "true").stderr


def test_the_rest_of_the_sandbox_is_as_before(forge):
    (forge.home / ".ssh").mkdir()
    done = run(forge, "ls -A ~; ls /run; ls -d /proc/[0-9]* | wc -l; "
               "test -e /etc/resolv.conf && echo names", *HOST)
    words = done.stdout.split()
    assert ".ssh" not in words
    assert words[:2] == ["credbroker", "credbroker-bin"]
    assert int(words[2]) < 12
    assert os.path.exists("/etc/resolv.conf") == ("names" in words)


BARE = ("--no-sandbox",)


def test_no_sandbox_is_refused_for_ones_own_broker(forge):
    done = run(forge, "true", *BARE, check=False)
    assert done.returncode == 1
    assert "allow_no_sandbox" in done.stderr
    assert forge.json("session", "list", "--all")["sessions"] == []


@pytest.fixture
def allowed(forge):
    forge.configure({"allow_no_sandbox": True})
    return forge


def test_no_sandbox_gives_a_clean_environment_and_the_grants(allowed,
                                                             git_server):
    done = run(allowed, f"env; git ls-remote {git_server.url}/acme/api.git "
               "> /dev/null && echo ok", *BARE,
               env={"GITHUB_TOKEN": "leak", "SSH_AUTH_SOCK": "leak"})
    assert "leak" not in done.stdout
    assert done.stdout.endswith("ok\n")
    values = dict(line.split("=", 1) for line in done.stdout.splitlines()
                  if "=" in line)
    assert values["CREDBROKER_TOKEN_FILE"].startswith(str(allowed.runtime))
    assert "127.0.0.1" in values["CREDBROKER_ENDPOINT"]


def test_no_sandbox_says_what_does_not_hold(allowed):
    said = run(allowed, "true", *BARE).stderr
    assert "NO SANDBOX" in said and "reads your files" in said
    assert "network: the host's" in said


def test_no_sandbox_runs_in_the_workspace_with_its_status(allowed):
    done = run(allowed, "pwd; exit 7", *BARE, check=False)
    assert done.returncode == 7
    assert done.stdout == f"{allowed.folder}/workspace\n"
    assert allowed.json("session", "list")["sessions"] == []


def test_no_sandbox_has_no_mounts(allowed):
    done = run(allowed, "true", *BARE, "--ro-bind", "/usr", check=False)
    assert done.returncode == 2
    assert "make no sense" in done.stderr


def test_no_sandbox_runs_nothing_of_the_workspaces_by_accident(allowed):
    tool = allowed.folder / "workspace" / "bin" / "tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho planted\n")
    tool.chmod(0o755)
    done = subprocess.run(
        allowed.command("run", "--task", "t", "--grant", GRANT, "--workspace",
                        allowed.folder / "workspace", *BARE, "--", "tool"),
        env=dict(allowed.environment(),
                 PATH=f"{tool.parent}:{allowed.environment()['PATH']}"),
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "name it by its path" in done.stderr


def test_banner_and_summary(forge, git_server):
    link = forge.folder / "link"
    (forge.folder / "workspace").mkdir()
    link.symlink_to(forge.folder / "workspace")
    done = subprocess.run(
        forge.command("run", "--task", "fix-123", "--grant", GRANT,
                      "--workspace", link, "--", "sh", "-c",
                      f"git ls-remote {git_server.url}/acme/api.git; "
                      f"git ls-remote {git_server.url}/acme/infra.git"),
        env=forge.environment(), capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL)
    lines = done.stderr.splitlines()
    assert "task fix-123 · 1 grant · ends with the command or in" in lines[0]
    assert lines[0].endswith("network: none but the broker")
    assert lines[1] == f"workspace {forge.folder}/workspace (named by a link)"
    end = lines[-1]
    assert "ended · " in end and " 1 refused (" in end
    assert "acme/infra" in end and "audit show --session" in end


def test_quiet_says_nothing(forge):
    done = run(forge, "true", "--quiet")
    assert done.stderr == ""


def test_json_lines(forge):
    done = run(forge, "exit 3", "--json", *HOST, check=False)
    begin, end = map(json.loads, done.stderr.splitlines())
    assert begin["network"] == "host" and begin["port"] > 0
    assert begin["sandbox"] is True
    assert begin["session"]["workspace"] == f"{forge.folder}/workspace"
    assert begin["command"].endswith("/sh")
    assert end["exit"] == 3 and end["how"] == "ended"


def test_signals_reach_a_command_without_a_sandbox(allowed):
    (allowed.folder / "workspace").mkdir()
    process = subprocess.Popen(
        allowed.command("run", "--task", "t", "--grant", GRANT, "--workspace",
                        allowed.folder / "workspace", *BARE, "--", "sh", "-c",
                        "trap 'exit 9' TERM; echo ready; "
                        "while :; do sleep 0.05; done"),
        env=allowed.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.wait(timeout=30) == 9
    process.stdout.close()
    wait_until(lambda: not allowed.json("session", "list")["sessions"],
               "the session's end")
