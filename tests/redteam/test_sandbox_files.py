"""The turned agent at the files of its workspace that run code on the host
later, or steer the agents to come; and at what is masked."""

import json
import os
import pathlib
import subprocess
import tempfile

import pytest

import attack

GRANT = "forge:repository=acme/api,git=fetch"
GIT = {"GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "e@x",
       "GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "e@x",
       "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
       "PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def git(folder, *args):
    return subprocess.run(["git", "-C", str(folder), *map(str, args)],
                          env=GIT, check=True, capture_output=True,
                          text=True).stdout


def repository(path):
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    (path / "a").write_text("a\n")
    git(path, "add", "a")
    git(path, "commit", "-qm", "first")
    return path


@pytest.fixture
def red(folder):
    """A broker of its own for each: homes and projects differ."""
    broker = attack.e2e.Broker(folder)
    upstream = attack.Recorder()
    try:
        broker.init()
        broker.start()
        attack.add_credential(broker, "forge", upstream, "secret-of-files")
        yield broker
    finally:
        broker.stop(check=False)
        upstream.close()


@pytest.fixture
def live_in(red):
    """Shells in sandboxes of a workspace."""
    made = []

    def make(workspace):
        sandbox = attack.e2e.LiveSandbox(red, [GRANT], workspace=workspace)
        made.append(sandbox)
        sandbox("true")
        return sandbox
    yield make
    for sandbox in made:
        if not sandbox.errors.closed:
            sandbox.close()


@pytest.fixture
def project(red):
    return repository(red.folder / "project")


def run(broker, script, *options, workspace, check=True, extra=None):
    done = subprocess.run(
        broker.command("run", "--task", "turned", "--workspace", workspace,
                       "--grant", GRANT, *options, "--", "sh", "-c", script),
        env=broker.environment() | (extra or {}), timeout=60,
        capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, (done.stdout, done.stderr)
    return done


STEERING = [".envrc", ".cursorrules", "CLAUDE.md", "AGENTS.md", ".mcp.json",
            ".vscode/tasks.json", ".cursor/rules", ".claude/settings.json",
            ".github/copilot-instructions.md", ".husky/pre-commit",
            ".devcontainer/devcontainer.json"]

# Every way to a different content of a file that a shell has.
CHANGE = """
f=$1
echo evil > "$f" && echo "wrote $f"
echo evil >> "$f" && echo "appended $f"
rm -f "$f"; test -e "$f" || echo "removed $f"
mv "$f" "$f.old" && echo "moved $f"
echo evil > new; mv -f new "$f" && echo "replaced $f"
ln -sf /tmp/x "$f" && echo "linked $f"
ln "$f" other && echo evil > other && echo "other name of $f"
chmod 777 "$f" && echo "mode of $f"
truncate -s 0 "$f" && echo "cut $f"
python3 - "$f" <<'PY'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
f = sys.argv[1].encode()
open("new2", "w").write("evil")
# renameat2 RENAME_EXCHANGE, mount, umount2, remount
for name, args in {"exchange": (316, -100, b"new2", -100, f, 2),
                   "umount": (166, f, 2),
                   "remount": (165, None, f, None, 0x1020, None),
                   "bind": (165, b"new2", f, None, 4096, None)}.items():
    if libc.syscall(*args) == 0:
        print(name, f)
PY
d=$(dirname "$f")
while [ "$d" != . ]; do
    mv "$d" "$d.old" && echo "moved $d"
    rm -rf "$d"; test -e "$d" || echo "removed $d"
    rmdir "$d" && echo "rmdir $d"
    d=$(dirname "$d")
done
exit 0
"""


def attack_all(broker, workspace, names, *options):
    (workspace / "change.sh").write_text(CHANGE)
    before = {n: (workspace / n).read_bytes() for n in names}
    done = run(broker, "for f in " + " ".join(names) +
               "; do sh change.sh $f 2>/dev/null; done", *options,
               workspace=workspace)
    assert done.stdout == ""
    for name in names:
        assert (workspace / name).read_bytes() == before[name], name


def test_files_that_steer_agents(red, project):
    for name in STEERING:
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("as it was\n")
    attack_all(red, project, STEERING)


def test_git_files(red, project):
    (project / ".git/hooks/pre-commit").write_text("#!/bin/sh\n")
    attack_all(red, project, [".git/config", ".git/hooks/pre-commit"])


def test_git_itself_cannot_change_its_configuration(red, project):
    done = run(red, "echo evil > .git/hooks/post-checkout; "
               "git config core.fsmonitor 'touch /tmp/x'; exit 0",
               workspace=project)
    assert "could not write config file" in done.stderr
    assert "busy" in done.stderr
    assert not (project / ".git/hooks/post-checkout").exists()
    assert "fsmonitor" not in (project / ".git/config").read_text()


def test_names_of_the_configuration(red, project):
    red.configure({"read_only": ["Makefile", "tools/run.sh"]})
    (project / "tools").mkdir()
    for name in ("Makefile", "tools/run.sh"):
        (project / name).write_text("as it was\n")
    attack_all(red, project, ["Makefile", "tools/run.sh"])


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../b"])
def test_names_of_the_configuration_are_plain(red, project, name):
    red.configure({"read_only": [name]})
    done = run(red, "true", workspace=project, check=False)
    assert done.returncode == 2
    assert "read_only" in done.stderr
    assert red.json("session", "list", "--all")["sessions"] == []


def test_a_hooks_folder_of_the_projects(red, project):
    """core.hooksPath: hooks are then files of the project."""
    (project / "ci/hooks").mkdir(parents=True)
    (project / "ci/hooks/pre-commit").write_text("#!/bin/sh\n")
    git(project, "config", "core.hooksPath", "ci/hooks")
    attack_all(red, project, ["ci/hooks/pre-commit"])
    done = run(red, "touch ci/hooks/x 2>/dev/null || echo refused",
               workspace=project)
    assert done.stdout == "refused\n"


def test_a_hooks_folder_of_the_users(red, project):
    """The user's own configuration looks for hooks in every repository."""
    (red.home / ".gitconfig").write_text("[core]\n\thooksPath = .githooks\n")
    (project / ".githooks").mkdir()
    (project / ".githooks/pre-commit").write_text("#!/bin/sh\n")
    attack_all(red, project, [".githooks/pre-commit"])


def test_a_configuration_that_is_included(red, project):
    (project / "shared.gitconfig").write_text("[alias]\n")
    (project / "more.gitconfig").write_text("[alias]\n")
    git(project, "config", "include.path", "../shared.gitconfig")
    git(project, "config", "includeIf.onbranch:main.path",
        "../more.gitconfig")
    attack_all(red, project, ["shared.gitconfig", "more.gitconfig"])


def test_commondir_cannot_lead_git_elsewhere(red, project):
    """A file that need not be there, and from where git would take all its
    configuration and hooks."""
    script = """
mkdir evil; printf '[core]\\n\\tfsmonitor = touch pwned\\n' > evil/config
echo ../evil > .git/commondir && echo wrote
rm -f .git/commondir; test -e .git/commondir || echo removed
mv .git/commondir .git/x && echo moved
git status --short >/dev/null || echo broken
exit 0
"""
    done = run(red, script, workspace=project)
    assert done.stdout == ""
    # It is there while a session needs it, and no longer.
    assert not (project / ".git/commondir").exists()
    git(project, "status")
    assert not (project / "pwned").exists()


def test_commondir_stays_while_another_sandbox_needs_it(red, project, live_in):
    one = live_in(project)
    run(red, "true", workspace=project)
    assert (project / ".git/commondir").read_text() == ".\n"
    git(project, "status")
    status, output = one("echo ../evil > .git/commondir || echo refused")
    assert "refused" in output
    one.close()
    assert not (project / ".git/commondir").exists()


def test_submodules(red, project):
    inner = repository(red.folder / "inner")
    git(project, "-c", "protocol.file.allow=always", "submodule", "add", "-q",
        inner, "libs/sub")
    git(project, "commit", "-qm", "sub")
    names = [".git/modules/libs/sub/config", "libs/sub/.git"]
    attack_all(red, project, names)
    done = run(red, "cd libs/sub; git status --short; "
               "touch ../../.git/modules/libs/sub/hooks/x 2>/dev/null || "
               "echo refused; echo ../e > ../../.git/modules/libs/sub/commondir"
               " 2>/dev/null || echo refused", workspace=project)
    assert done.stdout == "refused\nrefused\n"


def test_a_worktree(red, project):
    tree = red.folder / "tree"
    git(project, "worktree", "add", "-q", "-b", "side", tree)
    done = run(red, """
git status --short && echo b > b && git add b && git commit -qm side && echo ok
for f in .git PROJECT/.git/config PROJECT/.git/worktrees/tree/commondir \
        PROJECT/.git/worktrees/tree/gitdir PROJECT/.git/hooks/x; do
    echo evil > $f && echo wrote $f
    rm -f $f && test ! -e $f && test $f != PROJECT/.git/hooks/x && echo removed $f
done 2>/dev/null
mv PROJECT/.git/worktrees PROJECT/.git/w 2>/dev/null && echo moved
ls PROJECT
""".replace("PROJECT", str(project)), workspace=tree,
        extra={k: GIT[k] for k in GIT if k.startswith("GIT_")} | {})
    # Of the other worktree nothing but the repository is there.
    assert done.stdout == "", done.stderr


def test_a_worktree_commits(red, project):
    tree = red.folder / "tree"
    git(project, "worktree", "add", "-q", "-b", "side", tree)
    done = run(red, "git config --global user.email a@b; "
               "git config --global user.name n; echo b > b; git add b; "
               "git commit -qm side && echo ok", workspace=tree)
    assert done.stdout == "ok\n"
    assert "side" in git(project, "log", "--oneline", "side")
    assert f"its repository {project}/.git" in done.stderr


def test_a_git_file_that_an_agent_wrote_gives_nothing(red, project):
    """It names somebody else's repository, which does not point back."""
    other = repository(red.folder / "other")
    git(other, "worktree", "add", "-q", red.folder / "tree")
    workspace = red.folder / "w"
    workspace.mkdir()
    for target in (other / ".git", other / ".git/worktrees/tree"):
        (workspace / ".git").write_text(f"gitdir: {target}\n")
        done = run(red, f"ls -A {other} 2>&1; git status 2>&1",
                   workspace=workspace, check=False)
        assert "HEAD" not in done.stdout and "main" not in done.stdout
        assert "does not see" in done.stderr


def test_a_file_behind_a_link(red, project):
    """CLAUDE.md -> AGENTS.md: the content is kept; that the link can be
    replaced is said, and whether it was."""
    (project / "docs").mkdir()
    (project / "docs/agents.md").write_text("as it was\n")
    (project / "CLAUDE.md").symlink_to("docs/agents.md")
    attack_all(red, project, ["docs/agents.md"])
    done = run(red, "rm CLAUDE.md; echo evil > CLAUDE.md", workspace=project)
    assert "CLAUDE.md is behind a symbolic link" in done.stderr
    end = done.stderr.splitlines()[-1]
    assert "look at it" in end and "CLAUDE.md" in end


def test_a_link_to_the_outside_gives_nothing(red, project):
    secret = red.folder / "secret"
    secret.write_text("canary-outside")
    for name in ("CLAUDE.md", ".envrc"):
        (project / name).symlink_to(secret)
    (project / ".vscode").symlink_to(red.folder)
    done = run(red, "cat CLAUDE.md .envrc .vscode/secret; exit 0",
               workspace=project)
    assert "canary" not in done.stdout


def test_another_name_of_a_file_is_said(red, project):
    (project / "AGENTS.md").write_text("as it was\n")
    os.link(project / "AGENTS.md", project / "spare")
    done = run(red, "true", workspace=project)
    assert "AGENTS.md has another name" in done.stderr


def test_what_appeared_is_said(red, project):
    done = run(red, "echo evil > .envrc; mkdir .claude; "
               "echo x > harmless.txt", workspace=project)
    end = done.stderr.splitlines()[-1]
    assert ".envrc" in end and ".claude" in end and "harmless" not in end
    done = run(red, "git init -q .", workspace=pathlib.Path(
        tempfile.mkdtemp(dir=red.folder)))
    assert ".git" in done.stderr.splitlines()[-1]


def test_open_leaves_one_writable_and_no_other(red, project):
    for name in (".envrc", "AGENTS.md"):
        (project / name).write_text("as it was\n")
    done = run(red, "echo new > .envrc; echo new > AGENTS.md; "
               "git config a.b c; exit 0", "--open", ".envrc", "--open",
               ".git/config", workspace=project)
    assert (project / ".envrc").read_text() == "new\n"
    assert (project / "AGENTS.md").read_text() == "as it was\n"
    assert "[a]" in (project / ".git/config").read_text(), done.stderr


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "no-such-file", "",
                                  ".vscode/../x", "./.envrc"])
def test_open_takes_plain_names_only(red, project, name):
    done = run(red, "true", "--open", name, workspace=project, check=False)
    assert done.returncode == 2
    assert red.json("session", "list", "--all")["sessions"] == []


def test_another_writable_folder_is_protected_too(red, project):
    other = repository(red.folder / "other")
    (other / "CLAUDE.md").write_text("as it was\n")
    done = run(red, "cd /o; echo x > CLAUDE.md; echo x > .git/hooks/x; "
               "git config a.b c; echo x > free && echo ok; exit 0",
               "--bind", f"{other}:/o", workspace=project)
    assert done.stdout == "ok\n"
    assert (other / "CLAUDE.md").read_text() == "as it was\n"
    assert not (other / ".git/hooks/x").exists()
    assert "[a]" not in (other / ".git/config").read_text()


# Where people keep credentials, and what a mount would show of them.
KEPT = [".ssh/id_ed25519", ".aws/credentials", ".netrc", ".docker/config.json",
        ".config/gh/hosts.yml", ".kube/config", ".npmrc", ".git-credentials",
        ".gnupg/private-keys-v1.d/key", ".pypirc",
        ".config/gcloud/credentials.db", ".local/share/keyrings/login.keyring",
        ".config/git/credentials"]
SWEEP = "grep -rl canary-of / --exclude-dir=proc " \
        "--exclude-dir=sys --exclude-dir=usr --exclude-dir=opt 2>/dev/null; exit 0"


@pytest.fixture
def kept(red):
    for name in KEPT:
        path = red.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("canary-of-" + name)
    return red.home


@pytest.mark.parametrize("option", ["--bind", "--ro-bind"])
@pytest.mark.parametrize("part, target", [
    (".config", ""), (".config", ":/c"), (".local/share", ":/s"),
    (".local", "")])
def test_a_mount_of_a_part_of_the_home_shows_none(red, project, kept, option,
                                                  part, target):
    (kept / part / "plain").write_text("plain")
    place = target[1:] or str(kept / part)
    done = run(red, f"cat {place}/plain; echo; {SWEEP}", option,
               f"{kept / part}{target}", workspace=project)
    assert done.stdout == "plain\n"


def test_a_link_to_credentials_shows_none(red, project, kept):
    """~/.config/gh kept in a folder of dotfiles that is mounted."""
    dotfiles = red.home / "dotfiles"
    dotfiles.mkdir()
    (kept / ".config/gh").rename(dotfiles / "gh")
    (kept / ".config/gh").symlink_to(dotfiles / "gh")
    (kept / ".netrc").rename(dotfiles / "netrc")
    (kept / ".netrc").symlink_to(dotfiles / "netrc")
    done = run(red, SWEEP, "--ro-bind", dotfiles, workspace=project)
    assert done.stdout == ""


def test_credentials_that_a_variable_moves(red, project, kept):
    moved = red.folder / "cloud"
    moved.mkdir()
    (moved / "kube").write_text("canary-of-kube")
    (moved / "aws").write_text("canary-of-aws")
    (moved / "gh").mkdir()
    (moved / "gh/hosts.yml").write_text("canary-of-gh")
    done = run(red, SWEEP, "--ro-bind", moved, workspace=project,
               extra={"KUBECONFIG": f"/x:{moved}/kube",
                      "AWS_SHARED_CREDENTIALS_FILE": f"{moved}/aws",
                      "XDG_CONFIG_HOME": str(moved)})
    assert done.stdout == ""


def test_a_workspace_of_dotfiles_shows_none(red, kept):
    """The workspace is a part of the home that has such in it."""
    done = run(red, SWEEP + "; ls -A", workspace=kept / ".config")
    assert "canary" not in done.stdout
    done = run(red, "ls", workspace=kept / ".ssh", check=False)
    assert done.returncode == 2 and "no sandbox sees" in done.stderr


def test_what_is_masked_cannot_be_uncovered(red, project, kept):
    done = run(red, f"cd {kept}/.config; rm -rf gh; mv gh x; rmdir gh; "
               "echo x > gh/hosts.yml && echo wrote; cat gh/hosts.yml; exit 0",
               "--bind", kept / ".config", workspace=project)
    assert done.stdout == ""
    assert (kept / ".config/gh/hosts.yml").read_text().startswith("canary")


def test_project_files_of_such_names_are_the_projects(red, project, kept):
    (project / ".npmrc").write_text("registry=http://localhost\n")
    done = run(red, "cat .npmrc", workspace=project)
    assert done.stdout == "registry=http://localhost\n"


@pytest.mark.parametrize("swap", ["ln -s {0} {1}", "cp {0} {1}"])
def test_a_mount_that_was_swapped_is_not_run(red, project, swap):
    """Between the look and the mount a link comes in: by a stand-in for
    bubblewrap, which is slow enough for it."""
    (project / "AGENTS.md").write_text("as it was\n")
    secret = red.folder / "secret"
    secret.write_text("canary-swapped")
    fake = red.folder / "bin"
    fake.mkdir()
    (fake / "bwrap").write_text(
        f"#!/bin/sh\nmv {project}/AGENTS.md {project}/old\n" +
        swap.format(secret, project / "AGENTS.md") +
        "\nexec /usr/bin/bwrap \"$@\"\n")
    (fake / "bwrap").chmod(0o755)
    done = run(red, "cat AGENTS.md; touch ran", workspace=project,
               check=False, extra={
                   "PATH": f"{fake}:{red.environment()['PATH']}"})
    # bubblewrap mounts nothing on a link that leads nowhere.
    assert done.returncode == 1
    assert swap.startswith("ln") or "replaced it" in done.stderr
    assert "canary" not in done.stdout
    assert not (project / "ran").exists()
    assert red.json("session", "list")["sessions"] == []


def test_what_is_mounted_is_told_as_json(red, project):
    (project / "CLAUDE.md").write_text("x")
    done = run(red, "true", "--json", workspace=project)
    begin, end = map(json.loads, done.stderr.splitlines())
    assert begin["event"] == "begin" and end["event"] == "end"
    assert begin["workspace"] == str(project)
    assert "CLAUDE.md" in begin["read_only"]
    assert end["session"]["state"] == "revoked" and end["exit"] == 0


def test_a_commondir_of_before_is_said(red, project):
    """Something that was not kept from it has led git elsewhere already."""
    (project / "evil").mkdir()
    (project / ".git/commondir").write_text("../evil\n")
    done = run(red, "echo x > .git/commondir; exit 0", workspace=project)
    assert "leads git to another configuration" in done.stderr
    assert (project / ".git/commondir").read_text() == "../evil\n"


def test_commondir_of_a_killed_run_goes_with_the_next(red, project, live_in):
    sandbox = live_in(project)
    sandbox.process.kill()
    sandbox.process.wait()
    assert (project / ".git/commondir").read_text() == ".\n"
    git(project, "status")
    run(red, "true", workspace=project)
    assert not (project / ".git/commondir").exists()
