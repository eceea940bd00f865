"""The commands of docs/agents, as they stand there, against a real broker and a
real git server; the products are played by tests/e2e/standins."""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

from conftest import PATH, ROOT, add_git_credential

DOCS = ROOT / "docs" / "agents"
STANDINS = pathlib.Path(__file__).parent / "standins"
PAGES = sorted(p.name for p in DOCS.glob("*.md") if p.name != "README.md")
BLOCK = re.compile(
    r"^<!-- (run|fails|file (\S+)) -->\n```\w+\n(.*?)^```$", re.M | re.S)


def blocks(page):
    """(what, file or None, text) of each marked block, in order."""
    return [(m[1].split()[0], m[2], m[3])
            for m in BLOCK.finditer((DOCS / page).read_text())]


class Desk:
    """A developer's home: a clone, products on PATH, things best not found."""

    def __init__(self, broker, server):
        self.broker, self.server = broker, server
        self.home = broker.home
        self.make_programs()
        self.make_clone()
        for place in (".ssh/id_ed25519", ".netrc", ".aws/credentials"):
            path = self.home / place
            path.parent.mkdir(exist_ok=True)
            path.write_text("canary-at-home\n")
        for place in (".claude/settings.json", ".codex/config.toml"):
            path = self.home / place
            path.parent.mkdir(exist_ok=True)
            path.write_text("{}\n")
        (self.home / ".claude.json").write_text("{}\n")

    def make_programs(self):
        programs = self.home / ".local/bin"
        programs.mkdir(parents=True)
        for name in ("claude", "codex", "aider"):
            (programs / name).write_text((STANDINS / "agent").read_text())
            (programs / name).chmod(0o755)
        for name in ("docker", "podman", "devcontainer"):
            (programs / name).symlink_to(STANDINS / "container")
        # The broker of the test, whichever words follow.
        real = self.broker.command("status")
        (programs / "credbroker").write_text(
            "#!/bin/sh\n"
            "case $1 in credential | session | audit | profile) verb=$2 ;;\n"
            "*) verb= ;; esac\n"
            'first=$1; shift; [ -z "$verb" ] || shift\n'
            f"exec {shlex.quote(real[0])} \"$first\" ${{verb:+\"$verb\"}} "
            f"--config {shlex.quote(real[3])} \"$@\"\n")
        (programs / "credbroker").chmod(0o755)
        self.path = f"{programs}:{PATH}"

    def make_clone(self):
        clone = self.home / "src/api"
        subprocess.run(["git", "clone", "--quiet",
                        str(self.server.repository("acme/api")), str(clone)],
                       check=True, capture_output=True)
        subprocess.run(["git", "-C", str(clone), "remote", "set-url", "origin",
                        f"{self.server.url}/acme/api"], check=True)
        for key, value in (("name", "Dev"), ("email", "dev@example.com")):
            subprocess.run(["git", "-C", str(clone), "config",
                            f"user.{key}", value], check=True)

    def here(self, text):
        """github.com of the page is the git server of the tests."""
        return text.replace("https://github.com", self.server.url)

    def environment(self):
        return dict(self.broker.environment(), PATH=self.path,
                    ANTHROPIC_API_KEY="canary-of-the-model")

    def run(self, text):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(text)],
            cwd=self.home, env=self.environment(), capture_output=True,
            text=True, timeout=120, stdin=subprocess.DEVNULL)


@pytest.fixture
def desk(broker, git_server):
    add_git_credential(broker, git_server, name="github")
    return Desk(broker, git_server)


@pytest.mark.limit(500)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(desk, page):
    ran = 0
    for what, name, text in blocks(page):
        if what == "file":
            path = desk.home / "src/api" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(desk.here(text))
            continue
        done = desk.run(text)
        said = f"{text}\n{done.stdout}{done.stderr}\n{desk.broker.log_text()}"
        assert (done.returncode == 0) == (what == "run"), said
        # What no page may show, whatever the agent prints.
        for secret in (desk.server.password, "canary-at-home"):
            assert secret not in done.stdout + done.stderr, said
        assert "found: " not in done.stdout, said
        if what == "fails":
            assert re.search("is not granted|Read-only|can't create",
                             done.stderr), said
        if re.search(r"^.*(-- |    )(claude|codex|aider)\b", text, re.M):
            assert "pushed: agent/fix-" in done.stdout, said
        check_agent(desk, done, said)
        ran += 1
    assert ran > 0, "a page without a marked block is not tested"


def check_agent(desk, done, said):
    """Where a stand-in ran, its push arrived and its environment was clean."""
    for branch in re.findall(r"^pushed: (\S+)$", done.stdout, re.M):
        assert desk.server.head("acme/api", branch), said
    if "stand-in:" not in done.stdout:
        return
    assert "pushed: agent/" in done.stdout, said
    given = {line[5:].partition("=")[0]
             for line in done.stdout.splitlines() if line.startswith("env: ")}
    assert "CREDBROKER_ENDPOINT" in given
    telling = {n for n in given if re.search("TOKEN|SECRET|PASSW|API_KEY", n)}
    assert telling <= {"CREDBROKER_TOKEN_FILE", "ANTHROPIC_API_KEY"}, said


def test_each_page_is_linked_and_says_what_is_not_tested():
    index = (DOCS / "README.md").read_text()
    for page in PAGES:
        assert f"({page})" in index
        text = (DOCS / page).read_text()
        assert "Tested in CI" in text and re.search("; not with ", text)


def test_every_block_of_commands_is_marked():
    """One that is not run would grow old unseen."""
    for page in PAGES:
        text = (DOCS / page).read_text()
        assert len(re.findall(r"^```sh$", text, re.M)) == len(
            [b for b in blocks(page) if b[0] != "file"]), page


def test_no_page_depends_on_the_machine():
    for page in PAGES:
        assert os.path.expanduser("~/") not in (DOCS / page).read_text()
