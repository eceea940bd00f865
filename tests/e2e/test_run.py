"""The sandbox of `credbroker run`, seen from inside and from outside."""

import signal
import subprocess

import pexpect
import pytest

from conftest import wait_until

GRANT = "forge:repository=acme/api"


def test_environment_is_the_allow_list_and_nothing_else(forge):
    env = dict(forge.environment(), AWS_SECRET_ACCESS_KEY="leak",
               GITHUB_TOKEN="leak", SSH_AUTH_SOCK="/tmp/leak", TZ="UTC")
    done = subprocess.run(
        forge.command("run", "--task", "t", "--grant", GRANT, "--workspace",
                      make_workspace(forge), "--", "env"),
        env=env, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    names = {line.split("=", 1)[0] for line in done.stdout.splitlines()}
    assert "leak" not in done.stdout
    allowed = {"PATH", "HOME", "TERM", "LANG", "TZ", "PWD", "NO_PROXY",
               "no_proxy", "GIT_TERMINAL_PROMPT"}
    for name in names - allowed:
        assert name.startswith(("CREDBROKER_", "GIT_CONFIG_")), name
    assert "CREDBROKER_TOKEN_FILE=/run/credbroker/token" in done.stdout


def make_workspace(broker):
    path = broker.folder / "workspace"
    path.mkdir(exist_ok=True)
    return path


def test_exit_status_is_the_commands(forge):
    for status in (0, 1, 7, 255):
        assert forge.sandbox(f"exit {status}", grants=[GRANT],
                             check=False).returncode == status
    assert forge.sandbox("kill -TERM $$", grants=[GRANT],
                         check=False).returncode == 128 + signal.SIGTERM


def test_a_command_that_is_not_there(forge):
    done = forge.run("run", "--task", "t", "--grant", GRANT, "--workspace",
                     make_workspace(forge), "--", "no-such-command",
                     check=False)
    assert done.returncode == 127
    assert "no-such-command" in done.stderr


def test_signals_are_passed_on(live, forge):
    process = subprocess.Popen(
        forge.command("run", "--task", "t", "--grant", GRANT, "--workspace",
                      make_workspace(forge), "--", "sh", "-c",
                      "trap 'echo got TERM; exit 9' TERM; echo ready; "
                      "while :; do sleep 0.05; done"),
        env=forge.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.stdout.readline() == "got TERM\n"
    assert process.wait(timeout=30) == 9
    process.stdout.close()


def test_the_session_ends_with_the_command(forge):
    forge.sandbox("true", grants=[GRANT])
    assert forge.json("session", "list")["sessions"] == []
    ended = forge.json("session", "list", "--all")["sessions"]
    assert [s["state"] for s in ended] == ["revoked"]


def test_the_session_ends_when_run_is_killed(live, forge):
    sandbox = live(GRANT)
    sandbox("true")
    sandbox.process.kill()
    wait_until(lambda: forge.json("session", "list")["sessions"] == [],
               "the session's end")
    ended = forge.json("session", "list", "--all")["sessions"]
    assert ended[0]["state"] == "process ended"


def test_the_terminal_is_the_commands(forge):
    args = forge.command("run", "--quiet", "--task", "t", "--grant", GRANT,
                         "--workspace", make_workspace(forge), "--", "sh",
                         "-c", "test -t 0 && test -t 1 && stty size && "
                         "trap 'echo interrupted; exit 3' INT; echo ready; "
                         "while :; do sleep 0.05; done")
    child = pexpect.spawn(args[0], args[1:], env=forge.environment(),
                          dimensions=(31, 97), timeout=30)
    child.expect("31 97")
    child.expect("ready")
    child.sendintr()
    child.expect("interrupted")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3


def test_nothing_can_be_typed_into_the_callers_terminal(forge):
    script = ("import fcntl,termios\n"
              "try:\n"
              "  fcntl.ioctl(0, termios.TIOCSTI, b'x')\n"
              "  print('typed')\n"
              "except OSError as e: print('errno', e.errno)\n")
    args = forge.command("run", "--quiet", "--task", "t", "--grant", GRANT,
                         "--workspace", make_workspace(forge), "--",
                         "/usr/bin/python3", "-c", script)
    child = pexpect.spawn(args[0], args[1:], env=forge.environment(),
                          timeout=30)
    child.expect("errno 1\r\n")
    child.expect(pexpect.EOF)
    child.close()


def test_home_is_empty_and_the_system_read_only(forge):
    (forge.home / ".ssh").mkdir()
    (forge.home / ".ssh" / "id").write_text("key")
    done = forge.sandbox(
        "ls -A \"$HOME\"; touch /usr/x 2>&1; touch /etc/x 2>&1; "
        "cat /etc/shadow 2>&1; ls /run", grants=[GRANT], check=False)
    assert "id" not in done.stdout.split()
    assert ".ssh" not in done.stdout
    assert "Read-only" in done.stdout or "Permission" in done.stdout
    assert "root:" not in done.stdout
    assert set(done.stdout.split("\n")[-3:-1]) == {"credbroker",
                                                   "credbroker-bin"}


def test_the_network_is_empty(forge):
    done = forge.sandbox(
        "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '; "
        "cat /proc/net/route | tail -n +2", grants=[GRANT])
    assert done.stdout.split() == ["lo"]


def test_no_namespaces_no_capabilities_no_processes_of_the_host(forge):
    done = forge.sandbox(
        "unshare -U true 2>&1; grep CapEff /proc/self/status; "
        "ls -d /proc/[0-9]* | wc -l", grants=[GRANT], check=False)
    assert "unshare" in done.stdout
    assert "CapEff:\t0000000000000000" in done.stdout
    assert int(done.stdout.split()[-1]) < 12


def test_the_token_opens_only_its_own_session(live, forge):
    one, two = live(GRANT, task="one"), live(GRANT, task="two")
    token_one = one("cat /run/credbroker/token")[1].strip()
    status, output = two(
        "curl -s -w ' %{http_code}' -H 'Authorization: Bearer "
        f"{token_one}' http://127.0.0.1:9169/v1/session")
    assert output.endswith(" 401")
    status, output = one(
        "curl -s -H \"Authorization: Bearer $(cat /run/credbroker/token)\" "
        "http://127.0.0.1:9169/v1/session")
    assert '"one"' in output and '"two"' not in output


def test_two_sessions_reach_only_their_own_grants(live, forge, git_server):
    one = live("forge:repository=acme/api", task="one")
    two = live("forge:repository=acme/web", task="two")
    api, web = (f"git ls-remote {git_server.url}/acme/{name}.git"
                for name in ("api", "web"))
    assert one(api)[0] == 0 and two(web)[0] == 0
    assert one(web)[0] != 0 and two(api)[0] != 0
    # The other's folder is not there to be found.
    folder = forge.json("session", "show", one.session)["session"]["folder"]
    assert two(f"ls {folder}")[0] != 0
    assert two("ls -A /run/credbroker")[1].split() == ["endpoint.sock",
                                                       "token"]


@pytest.mark.parametrize("workspace, says", [
    ("/", "must not reach"), ("home", "must not reach"),
    ("state", "must not reach"), (".", "must not reach"), ("missing", "No such file")])
def test_workspaces_that_would_give_too_much(forge, workspace, says):
    path = workspace if workspace == "/" else forge.folder / workspace
    done = forge.run("run", "--task", "t", "--grant", GRANT, "--workspace",
                     path, "--", "true", check=False)
    assert done.returncode in (2, 5)
    assert says in done.stderr
    assert forge.json("session", "list", "--all")["sessions"] == []


def test_without_bubblewrap_it_says_how_to_get_it(forge):
    bin_only = forge.folder / "bin"
    bin_only.mkdir()
    done = subprocess.run(
        forge.command("run", "--task", "t", "--grant", GRANT, "--workspace",
                      make_workspace(forge), "--", "true"),
        env=dict(forge.environment(), PATH=str(bin_only)),
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 5
    assert "apt install bubblewrap" in done.stderr


def test_status_inside_says_what_is_granted(forge):
    done = forge.sandbox("credbroker-shim status", grants=[GRANT],
                         task="fix-123")
    assert "fix-123" in done.stdout
    assert "acme/api" in done.stdout
