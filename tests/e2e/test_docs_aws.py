"""docs/aws.md: its commands as they stand there, against Ceph; its policies;
its links, and those that errors name."""

import json
import re
import shlex
import subprocess

import pytest

from aws_world import AWS, PATH
from conftest import ROOT
from test_docs_agents import BLOCK

PAGE = (ROOT / "docs" / "aws.md").read_text()
JSON_BLOCK = re.compile(r"^```json\n(.*?)^```$", re.M | re.S)


@pytest.fixture
def desk(broker, ceph):
    """A home with an `aws` and a `credbroker` for this page's AWS: Ceph."""
    programs = broker.home / ".local/bin"
    programs.mkdir(parents=True)
    (broker.home / "work").mkdir()
    (broker.home / "accessKeys.csv").write_text(
        "Access key ID,Secret access key\r\n"
        f"{ceph.broker_keys.id},{ceph.broker_keys.secret}\r\n")
    real = [shlex.quote(word) for word in broker.command("status")]
    (programs / "credbroker").write_text(
        "#!/bin/sh\n"
        "case $1 in credential | session) verb=$2 ;; *) verb= ;; esac\n"
        'first=$1; shift; [ -z "$verb" ] || shift\n'
        f'exec {real[0]} "$first" ${{verb:+"$verb"}} --config {real[3]} '
        '"$@"\n')
    # Debian's is older than AWS_ENDPOINT_URL, as the page says.
    (programs / "aws").write_text(
        f'#!/bin/sh\nexec {AWS} --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    here = (f"--param role-arn={ceph.role} --param endpoint-url={ceph.url} "
            "--param network=loopback")

    def run(text):
        text = text.replace(
            "--param role-arn=arn:aws:iam::123456789012:role/agent", here)
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], cwd=broker.home,
            env=dict(broker.environment(), PATH=f"{programs}:{PATH}"),
            capture_output=True, text=True, timeout=120,
            stdin=subprocess.DEVNULL)
    return run


@pytest.mark.limit(500)
def test_the_page_does_what_it_says(desk, broker, ceph):
    said = []
    for match in BLOCK.finditer(PAGE):
        done = desk(match[3])
        said.append(done.stdout)
        assert (done.returncode == 0) == (match[1] == "run"), (
            f"{match[3]}\n{done.stdout}{done.stderr}")
        assert ceph.broker_keys.secret not in done.stdout + done.stderr
    assert said[1] == "alpha/x\n" and "sub/" in said[3]
    assert json.loads((broker.home / "deny.json").read_text()) \
        == json.loads(JSON_BLOCK.findall(PAGE)[2])


def test_its_policies_are_ones():
    for text in JSON_BLOCK.findall(PAGE):
        policy = json.loads(text)
        assert policy["Version"] == "2012-10-17"
        assert {s["Effect"] for s in policy["Statement"]} <= {"Allow", "Deny"}


def test_its_anchors_are_there():
    heads = {re.sub(r"[^a-z0-9 -]", "", line.lower()).strip()
             .replace(" ", "-")
             for line in re.findall(r"^#+ (.*)$", PAGE, re.M)}
    for anchor in re.findall(r"\]\(#([^)]+)\)", PAGE):
        assert anchor in heads
    # And those that messages name.
    named = set()
    for folder in ("backends", "broker"):
        for path in (ROOT / folder).rglob("*.[ch]"):
            named |= set(re.findall(r"docs/aws\.md#([a-z-]+)",
                                    path.read_text()))
    assert named and named <= heads
