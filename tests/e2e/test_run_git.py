"""git in a workspace whose .git/config and hooks are read-only: what an agent
does all day works, and what does not says so."""

import subprocess

import pytest

from conftest import PATH

GRANT = "forge:repository=acme/api,git=fetch+push"


@pytest.fixture
def clone(forge, git_server):
    """A clone as a person made it, with the real URL in its configuration."""
    path = forge.folder / "clone"
    subprocess.run(
        ["git", "clone", "-q", str(git_server.repository("acme/api")), path],
        check=True, env={"PATH": PATH, "HOME": str(forge.home)})
    subprocess.run(["git", "-C", path, "remote", "set-url", "origin",
                    f"{git_server.url}/acme/api.git"], check=True)
    (forge.home / ".gitconfig").write_text(
        "[user]\n\tname = A Person\n\temail = person@example.com\n"
        "[credential]\n\thelper = store\n")
    return path


def run(forge, clone, script, *options, check=True):
    done = subprocess.run(
        forge.command("run", "--task", "t", "--grant", GRANT, "--workspace",
                      clone, *options, "--", "sh", "-c", "set -e\n" + script),
        env=forge.environment(), capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, (done.stdout, done.stderr)
    return done


def test_fetch_branch_commit_and_push(forge, clone, git_server):
    before = (clone / ".git/config").read_text()
    run(forge, clone, "git fetch -q; git checkout -q -b agent/one "
        "origin/main; echo x > x; git add x; git commit -qm one; git push -q;"
        " git stash list; git gc -q; git rebase -q origin/main; git status")
    assert git_server.head("acme/api", "agent/one") is not None
    assert (clone / ".git/config").read_text() == before


def test_commits_are_the_persons(forge, clone):
    """Name and address come in, and nothing else of the configuration."""
    done = run(forge, clone, "git commit -q --allow-empty -m two; "
               "git log -1 --format='%an <%ae>'; cat ~/.gitconfig")
    assert done.stdout.startswith("A Person <person@example.com>\n")
    assert "helper" not in done.stdout


def test_push_with_upstream_pushes_and_says_what_it_could_not_write(
        forge, clone, git_server):
    done = run(forge, clone, "git checkout -q -b agent/two; git commit -q "
               "--allow-empty -m two; git push -u origin agent/two || true; "
               "git push && echo again")
    assert git_server.head("acme/api", "agent/two") is not None
    assert "could not write config file" in done.stderr
    assert "again" in done.stdout


def test_with_open_the_upstream_is_written(forge, clone, git_server):
    run(forge, clone, "git checkout -q -b agent/three; git commit -q "
        "--allow-empty -m three; git push -q -u origin agent/three",
        "--open", ".git/config")
    assert "agent/three" in (clone / ".git/config").read_text()
    assert git_server.head("acme/api", "agent/three") is not None


def test_a_configuration_of_the_agents_own_is_its_homes(forge, clone):
    done = run(forge, clone, "git config --global alias.x status; git x")
    assert "On branch" in done.stdout


def test_nothing_is_left_in_the_workspace(forge, clone):
    def listing():
        return sorted(str(p.relative_to(clone)) for p in clone.rglob("*")
                      if "objects" not in p.parts)
    before = listing()
    run(forge, clone, "true")
    assert listing() == before
