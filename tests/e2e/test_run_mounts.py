"""Mounts and variables that somebody asks for, and those that nobody gets."""

import json
import os
import socket
import subprocess

import pytest

GRANT = "forge:repository=acme/api"


def run(broker, script, *options, env=None, check=True, workspace=None):
    workspace = workspace or broker.folder / "workspace"
    workspace.mkdir(exist_ok=True)
    done = subprocess.run(
        broker.command("run", "--task", "t", "--grant", GRANT, "--workspace",
                       workspace, *options, "--", "sh", "-c", script),
        env=dict(broker.environment(), **(env or {})), capture_output=True,
        text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, done.stderr
    return done


def refused(broker, *options, says, status=2):
    done = run(broker, "true", *options, check=False)
    assert done.returncode == status, done.stderr
    assert says in done.stderr, done.stderr
    assert broker.json("session", "list", "--all")["sessions"] == []


def test_bind_is_writable_and_ro_bind_is_not(forge):
    data = forge.folder / "data"
    data.mkdir()
    (data / "file").write_text("content\n")
    done = run(forge, f"cat {data}/file; echo new > {data}/new; cat /n/file; "
               "touch /n/x 2>/dev/null || echo refused",
               "--bind", data, "--ro-bind", f"{data}:/n")
    assert done.stdout == "content\ncontent\nrefused\n"
    assert (data / "new").read_text() == "new\n"
    assert f"mounted {data}, writable" in done.stderr
    assert f"mounted {data} at /n, read-only" in done.stderr


def test_a_file_can_be_mounted(forge):
    file = forge.folder / "notes"
    file.write_text("hello\n")
    assert run(forge, "cat /n", "--ro-bind",
               f"{file}:/n").stdout == "hello\n"


def test_the_source_may_be_a_link(forge):
    data = forge.folder / "data"
    data.mkdir()
    link = forge.folder / "link"
    link.symlink_to(data)
    run(forge, f"echo x > {data}/x", "--bind", link)
    assert (data / "x").exists()


@pytest.mark.parametrize("option", ["--bind", "--ro-bind"])
@pytest.mark.parametrize("place, says", [
    ("/", "too much"), ("/run", "host's own"), ("/proc", "host's own"),
    ("/dev", "host's own"), ("/sys/kernel", "host's own"),
    ("/etc", "too much"), ("/tmp", "too much"),
    ("home", "your home"), (".", "your home"),
    ("state", "broker's own"), ("run", "broker's own"),
    ("run/sessions", "broker's own"), ("state/audit", "broker's own"),
    ("credbroker.json", "broker's own"),
    ("home/.ssh", "credentials"), ("home/.config/gh/hosts.yml",
                                   "credentials"),
    ("missing", "No such file")])
def test_places_that_no_mount_gives(forge, option, place, says):
    (forge.home / ".ssh").mkdir()
    (forge.home / ".config/gh").mkdir(parents=True)
    (forge.home / ".config/gh/hosts.yml").write_text("canary")
    path = place if place.startswith("/") else forge.folder / place
    status = 5 if place == "missing" else 2
    refused(forge, option, path, says=says, status=status)


def test_the_key_file_of_the_configuration(forge):
    forge.configure({"key_file": str(forge.key)})
    refused(forge, "--ro-bind", forge.key, says="broker's own")


def test_a_link_to_such_a_place_is_no_way_around(forge):
    link = forge.folder / "innocent"
    link.symlink_to(forge.runtime)
    refused(forge, "--bind", link, says="broker's own")


@pytest.mark.parametrize("whole", [True, False])
def test_a_socket_that_somebody_listens_on(forge, whole):
    """An agent's or a daemon's: read-only keeps nobody from connecting."""
    folder = forge.folder / "agent/deep/below"
    folder.mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "agent.sock"))
    listener.listen()
    path = forge.folder / "agent" if whole else folder / "agent.sock"
    refused(forge, "--ro-bind", path, says="socket" if not whole
            else "listens on")
    listener.close()


def test_a_socket_in_the_workspace_is_hidden(forge):
    workspace = forge.folder / "workspace"
    workspace.mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(workspace / "db.sock"))
    listener.listen()
    script = ("python3 -c \"import socket; s = socket.socket(1); "
              "s.connect('db.sock'); print('reached')\" 2>/dev/null || "
              "echo hidden")
    try:
        done = run(forge, script)
        assert done.stdout == "hidden\n"
        assert "db.sock" in done.stderr
        assert run(forge, script, "--open", "db.sock").stdout == "reached\n"
    finally:
        listener.close()


@pytest.mark.parametrize("target, says", [
    ("/", "no place"), ("/proc", "no place"), ("/usr/lib", "no place"),
    ("/run/credbroker", "no place"), ("relative", "PATH"),
    ("/a/../b", '".."'), ("workspace", "workspace"), ("home", "no place")])
def test_targets_that_would_hide_what_is_needed(forge, target, says):
    data = forge.folder / "data"
    data.mkdir()
    target = {"workspace": forge.folder / "workspace",
              "home": forge.home}.get(target, target)
    (forge.folder / "workspace").mkdir()
    if target == "relative":
        refused(forge, "--bind", f"{data}:relative", says="No such file",
                status=5)
    else:
        refused(forge, "--bind", f"{data}:{target}", says=says)


def test_a_second_way_to_the_workspace_is_refused(forge):
    workspace = forge.folder / "workspace"
    (workspace / "sub").mkdir(parents=True)
    refused(forge, "--bind", f"{workspace}/sub:/w", says="overlaps")
    refused(forge, "--bind", f"{workspace}:/w", says="overlaps")


def test_ro_bind_makes_a_part_of_the_workspace_read_only(forge):
    workspace = forge.folder / "workspace"
    (workspace / "a/kept").mkdir(parents=True)
    done = run(forge, "touch a/kept/x; mv a b; mkdir a/other && echo made; "
               "true", "--ro-bind", workspace / "a/kept")
    assert done.stdout == "made\n"
    assert not (workspace / "a/kept/x").exists()
    assert not (workspace / "b").exists()


def test_env_passes_a_variable_and_sets_one(forge):
    done = run(forge, "echo $EDITOR $MODE; printenv OTHER || echo none",
               "--env", "EDITOR", "--env", "MODE=fast",
               env={"EDITOR": "vi", "OTHER": "x"})
    assert done.stdout == "vi fast\nnone\n"


def test_a_secret_on_the_command_line_is_refused(forge):
    secret = "ghp_" + "a1B2c3D4e5" * 4
    for item in (f"GITHUB_TOKEN={secret}", f"X={secret}", "MY_PASSWORD=x"):
        refused(forge, "--env", item, says="looks like a secret")
        done = run(forge, "true", "--env", item, check=False)
        assert secret not in done.stderr


def test_a_secret_that_is_passed_on_is_said_to_be_readable(forge):
    done = run(forge, "echo $ANTHROPIC_API_KEY", "--env",
               "ANTHROPIC_API_KEY", env={"ANTHROPIC_API_KEY": "value"})
    assert done.stdout == "value\n"
    assert "can read and keep" in done.stderr


@pytest.mark.parametrize("item, says", [
    ("CREDBROKER_ENDPOINT=x", "sets that itself"),
    ("GIT_CONFIG_COUNT=0", "sets that itself"), ("HOME=/x", "sets that"),
    ("NOT_THERE", "not set here"), ("=x", "NAME=VALUE"),
    ("a b=x", "NAME=VALUE")])
def test_variables_that_cannot_be_given(forge, item, says):
    refused(forge, "--env", item, says=says)


def test_variables_do_not_reach_bubblewrap(forge):
    """It runs outside: a library of the workspace's would be loaded there."""
    workspace = forge.folder / "workspace"
    workspace.mkdir()
    bwrap = forge.folder / "bin"
    bwrap.mkdir()
    (bwrap / "bwrap").write_text(
        "#!/bin/sh\nenv > \"${0%/*}/seen\"\nexec /usr/bin/bwrap \"$@\"\n")
    (bwrap / "bwrap").chmod(0o755)
    done = run(forge, "echo $LD_LIBRARY_PATH", "--env",
               f"LD_LIBRARY_PATH={workspace}",
               env={"PATH": f"{bwrap}:{forge.environment()['PATH']}"})
    assert done.stdout == f"{workspace}\n"
    assert "LD_LIBRARY_PATH" not in (bwrap / "seen").read_text()


def test_a_profile_has_mounts(forge):
    data, notes = forge.folder / "data", forge.folder / "notes"
    data.mkdir()
    notes.write_text("notes\n")
    stored = forge.json("profile", "add", "web", "-g", GRANT, "--mount", data,
                        "--mount-ro", f"{notes}:/notes")["profile"]
    assert stored["mounts"] == [
        {"source": str(data), "target": str(data), "read_only": False},
        {"source": str(notes), "target": "/notes", "read_only": True}]
    shown = forge.run("profile", "show", "web").stdout
    assert f"{notes} at /notes, read-only" in shown
    workspace = forge.folder / "workspace"
    workspace.mkdir()
    forge.run("run", "--task", "t", "--profile", "web", "--workspace",
              workspace, "--", "sh", "-c", f"cat /notes > {data}/copy")
    assert (data / "copy").read_text() == "notes\n"
    issued = json.loads(forge.run(
        "issue", "--task", "u", "--profile", "web", "--format",
        "json").stdout)
    assert stored["mounts"][1] in issued["mounts"]


def test_mounts_of_a_profile_survive_a_restart(forge):
    data = forge.folder / "data"
    data.mkdir()
    forge.run("profile", "add", "web", "-g", GRANT, "--mount", data)
    forge.stop()
    forge.start()
    shown = forge.json("profile", "show", "web")["profile"]
    assert shown["mounts"][0]["source"] == str(data)


@pytest.mark.parametrize("place", ["/", "/run", "state", "run/sessions", "."])
def test_a_profile_cannot_mount_the_brokers_folders(forge, place):
    path = place if place[0] == "/" else forge.folder / place
    done = forge.run("profile", "add", "bad", "-g", GRANT, "--mount", path,
                     check=False)
    assert done.returncode != 0
    assert "mounts:" in done.stderr


def test_a_profiles_mount_of_a_home_opens_no_sandbox(forge):
    """What the broker cannot judge is judged where the sandbox is made."""
    home = forge.home / "real"
    home.mkdir()
    forge.run("profile", "add", "bad", "-g", GRANT, "--mount", home)
    workspace = forge.folder / "workspace"
    workspace.mkdir()
    done = subprocess.run(
        forge.command("run", "--task", "t", "--profile", "bad", "--workspace",
                      workspace, "--", "touch", "ran"),
        env=dict(forge.environment(), HOME=str(home)), capture_output=True,
        text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "your home" in done.stderr
    assert not (workspace / "ran").exists()
    assert forge.json("session", "list")["sessions"] == []


def test_many_mounts(forge):
    options = []
    for i in range(60):
        (forge.folder / f"m{i}").mkdir()
        options += ["--ro-bind", f"{forge.folder}/m{i}:/m/{i}"]
    done = run(forge, "ls /m | wc -l", *options)
    assert done.stdout.strip() == "60"
    assert os.path.isdir(forge.folder / "m0")
