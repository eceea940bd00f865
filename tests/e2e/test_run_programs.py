"""Which programs `credbroker run` finds on the host, and what of their
installation its sandbox sees: in a home with really built trees."""

import os
import subprocess

import pytest

from conftest import PATH

GRANT = "forge:repository=acme/api"


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def run(broker, *command, path=(), options=(), env=None, check=True,
        workspace=None):
    workspace = workspace or broker.folder / "workspace"
    workspace.mkdir(exist_ok=True)
    full = ":".join([*(str(p) for p in path), PATH])
    done = subprocess.run(
        broker.command("run", "--task", "t", "--grant", GRANT, "--workspace",
                       workspace, *options, "--", *command),
        env=dict(broker.environment(), PATH=full, **(env or {})),
        capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, done.stderr
    return done


def test_an_unknown_command_opens_no_session(forge):
    done = run(forge, "no-such-command", check=False)
    assert done.returncode == 127
    assert "no-such-command: not on PATH" in done.stderr
    assert forge.json("session", "list", "--all")["sessions"] == []


def test_a_file_that_is_no_program_opens_no_session(forge):
    plain = forge.folder / "plain"
    plain.write_text("x")
    done = run(forge, plain, check=False)
    assert done.returncode == 126
    assert "not a program" in done.stderr
    assert forge.json("session", "list", "--all")["sessions"] == []


def test_a_missing_interpreter_is_said_before_there_is_a_session(forge):
    tool = script(forge.home / ".local/bin/tool",
                  "#!/usr/bin/env no-such-runtime\n")
    done = run(forge, "tool", path=[tool.parent], check=False)
    assert done.returncode == 126
    assert "no-such-runtime" in done.stderr and "tool" in done.stderr
    assert forge.json("session", "list", "--all")["sessions"] == []


def test_a_binary_behind_a_link_in_local_bin(forge):
    """As native installers do: ~/.local/bin/x -> ~/.local/share/x/versions/1."""
    real = script(forge.home / ".local/share/agent/versions/1/agent",
                  "#!/bin/sh\necho agent of ${0##*/} \"$@\"\n"
                  "ls -A ~ ~/.local ~/.local/share\n")
    link = forge.home / ".local/bin/agent"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    (forge.home / ".local/share/other").mkdir()
    (forge.home / "private").write_text("mine")
    done = run(forge, "agent", "one", "two", path=[link.parent])
    lines = done.stdout.splitlines()
    assert lines[0] == "agent of agent one two"
    assert "private" not in lines and "other" not in lines
    assert "agent" in lines


def test_its_install_root_is_read_only(forge):
    tool = script(forge.home / ".local/bin/tool",
                  "#!/bin/sh\necho x >> \"$0\" && echo written\n"
                  "touch ~/.local/bin/new && echo made\nexit 0\n")
    done = run(forge, "tool", path=[tool.parent])
    assert "written" not in done.stdout and "made" not in done.stdout
    assert not (tool.parent / "new").exists()


def test_a_python_virtual_environment(forge):
    venv = forge.home / ".local/share/pipx/venvs/tool"
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", venv],
                   check=True)
    package = next((venv / "lib").glob("python*")) / "site-packages/tool.py"
    package.write_text("import sys\n"
                       "def main(): print('tool', sys.prefix, sys.argv[1:])\n")
    entry = script(venv / "bin/tool",
                   f"#!{venv}/bin/python\nimport tool\ntool.main()\n")
    link = forge.home / ".local/bin/tool"
    link.parent.mkdir(parents=True)
    link.symlink_to(entry)
    done = run(forge, "tool", "a", path=[link.parent])
    assert done.stdout == f"tool {venv} ['a']\n"


def npm_like(prefix, runtime="node"):
    """What `npm install -g` leaves: bin/x -> ../lib/node_modules/pkg/cli.js,
    with the runtime beside it that a `#!/usr/bin/env` line asks for."""
    script(prefix / "bin" / runtime, "#!/bin/sh\n"
           "echo runtime $# ; . \"$(dirname \"$(readlink -f \"$1\")\")\""
           "/lib/module.sh\n")
    script(prefix / "lib/node_modules/@acme/agent/cli.js",
           f"#!/usr/bin/env {runtime}\n")
    module = prefix / "lib/node_modules/@acme/agent/lib/module.sh"
    module.parent.mkdir()
    module.write_text("echo module\n")
    link = prefix / "bin/agent"
    link.symlink_to("../lib/node_modules/@acme/agent/cli.js")
    return link


@pytest.mark.parametrize("prefix", [
    ".nvm/versions/node/v20.1.0", ".npm-global", ".local", "apps/npm"])
def test_an_npm_prefix(forge, prefix):
    link = npm_like(forge.home / prefix)
    (forge.home / ".npmrc").write_text("//registry/:_authToken=canary\n")
    done = run(forge, "agent", path=[link.parent])
    assert done.stdout == "runtime 1\nmodule\n"


def test_an_interpreter_elsewhere_on_path(forge):
    """The package in one prefix, its runtime in another."""
    link = npm_like(forge.home / ".npm-global")
    (link.parent / "node").rename(forge.home / "runtime")
    script(forge.home / ".nvm/versions/node/v1/bin/node",
           (forge.home / "runtime").read_text())
    done = run(forge, "agent", path=[
        link.parent, forge.home / ".nvm/versions/node/v1/bin"])
    assert done.stdout == "runtime 1\nmodule\n"


@pytest.mark.skipif(not os.path.exists("/usr/bin/node"), reason="needs node")
def test_a_package_of_real_node(forge):
    package = forge.home / ".npm-global/lib/node_modules/agent"
    script(package / "cli.js", "#!/usr/bin/env node\n"
           "console.log(require('./lib/say.js')(process.argv[2]))\n")
    (package / "lib").mkdir()
    (package / "lib/say.js").write_text("module.exports = x => 'say ' + x\n")
    link = forge.home / ".npm-global/bin/agent"
    link.parent.mkdir()
    link.symlink_to("../lib/node_modules/agent/cli.js")
    done = run(forge, "agent", "hello", path=[link.parent])
    assert done.stdout == "say hello\n"


def test_pyenv_shims(forge):
    """A shim is a script that asks its manager, which looks for versions."""
    root = forge.home / ".pyenv"
    script(root / "shims/tool", "#!/usr/bin/env bash\nset -e\n"
           f'export PYENV_ROOT="{root}"\n'
           f'exec "{root}/libexec/pyenv" exec "${{0##*/}}" "$@"\n')
    script(root / "libexec/pyenv", "#!/usr/bin/env bash\nshift\n"
           'version=$(cat "$PYENV_ROOT/version"); name=$1; shift\n'
           'exec "$PYENV_ROOT/versions/$version/bin/$name" "$@"\n')
    (root / "version").write_text("3.9.9\n")
    script(root / "versions/3.9.9/bin/tool",
           "#!/bin/sh\necho version 3.9.9 \"$@\"\n")
    done = run(forge, "tool", "x", path=[root / "shims"])
    assert done.stdout == "version 3.9.9 x\n"


def test_cargo_with_its_toolchains(forge):
    home = forge.home
    script(home / ".rustup/toolchains/stable/bin/cargo",
           "#!/bin/sh\necho toolchain\n")
    script(home / ".cargo/bin/rustup", "#!/bin/sh\nexec "
           f"{home}/.rustup/toolchains/stable/bin/${{0##*/}}\n")
    (home / ".cargo/bin/cargo").symlink_to("rustup")
    (home / ".cargo/credentials.toml").write_text("canary")
    done = run(forge, "cargo", path=[home / ".cargo/bin"])
    assert done.stdout == "toolchain\n"


def test_folders_that_are_links_are_links_inside(forge):
    """~/.nvm -> /somewhere/else, and a script that names the link."""
    elsewhere = forge.folder / "disk/nvm"
    link = npm_like(elsewhere / "versions/node/v1")
    (forge.home / ".nvm").symlink_to(elsewhere)
    named = forge.home / ".nvm/versions/node/v1/bin"
    script(elsewhere / "versions/node/v1/bin/direct",
           f"#!{named}/node\n")
    assert link.exists()
    assert run(forge, "agent", path=[named]).stdout == "runtime 1\nmodule\n"
    done = run(forge, "direct", path=[named], check=False)
    assert done.stdout.startswith("runtime 1\n"), done.stderr


def test_a_program_alone_in_a_home_shows_nothing_else_of_it(forge):
    tool = script(forge.home / "tool", "#!/bin/sh\nls -A ~\n")
    (forge.home / "private").write_text("mine")
    assert run(forge, tool).stdout == "tool\n"


def test_a_program_of_another_project_shows_only_itself(forge):
    tool = script(forge.home / "project/tool.sh", "#!/bin/sh\nls -A ${0%/*}\n")
    (forge.home / "project/.env").write_text("KEY=canary\n")
    assert run(forge, tool).stdout == "tool.sh\n"


def test_a_command_of_the_workspace_is_said_to_be_one(forge):
    workspace = forge.folder / "workspace"
    script(workspace / ".venv/bin/tool", "#!/bin/sh\necho from the project\n")
    done = run(forge, "tool", path=[workspace / ".venv/bin"])
    assert done.stdout == "from the project\n"
    assert "which is in the workspace" in done.stderr
    # Named by its path it is meant.
    done = run(forge, "./.venv/bin/tool")
    assert done.stdout == "from the project\n"
    assert "which is in the workspace" not in done.stderr


def test_relative_entries_of_path_are_passed_over(forge):
    workspace = forge.folder / "workspace"
    script(workspace / "env", "#!/bin/sh\necho planted\n")
    done = run(forge, "env", path=[".", ""])
    assert "planted" not in done.stdout


def test_the_path_of_a_command_below_a_mount(forge):
    script(forge.folder / "tools/bin/tool", "#!/bin/sh\necho mounted\n")
    done = run(forge, "/t/bin/tool",
               options=["--ro-bind", f"{forge.folder}/tools:/t"])
    assert done.stdout == "mounted\n"


def test_the_shim_is_a_command(forge):
    done = run(forge, "/run/credbroker-bin/credbroker-shim", "status")
    assert "acme/api" in done.stdout


@pytest.mark.parametrize("place", ["state", "run"])
def test_no_program_of_the_brokers_folders(forge, place):
    tool = script(forge.folder / place / "tool", "#!/bin/sh\necho ran\n")
    done = run(forge, tool, check=False)
    assert done.returncode == 126
    assert "broker's own" in done.stderr
    assert forge.json("session", "list", "--all")["sessions"] == []
