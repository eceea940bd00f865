"""AWS as an ordinary user, whose broker confines its processes by namespaces,
and for an ordinary user, whose sandbox a broker of root serves."""

import os
import pathlib
import subprocess

import pytest

from aws_world import AWS, add_aws_credential, aws_grant
from test_user import ORDINARY, UsersBroker


@pytest.fixture
def users(folder, ceph):
    broker = UsersBroker(folder, {})
    try:
        broker.run("init", input="correct horse\n")
        broker.start(unlock=False)
        broker.run("unlock", input="correct horse\n")
        add_aws_credential(broker, ceph)
        workspace = broker.home / "work"
        subprocess.run([*broker.become, "mkdir", str(workspace)], check=True)
        broker.workspace = workspace
        yield broker
    finally:
        broker.stop()


@pytest.mark.parametrize("options", [
    [], ["--network", "host"], ["--network", "host", "--aws", "imds"],
    ["--network", "host", "--aws", "process"]],
    ids=["inject", "container", "imds", "process"])
def test_an_ordinary_user_reads_what_was_granted(users, options):
    def copy(bucket):
        return users.run(
            "run", "--task", "t", "--grant", aws_grant(), "--workspace",
            users.workspace, *options, "--", "sh", "-c",
            f'exec {AWS} --endpoint-url "$AWS_ENDPOINT_URL" s3 cp '
            f"s3://{bucket}/x -", check=False)
    done = copy("alpha")
    assert done.stdout == "alpha/x\n", done.stderr
    assert copy("beta").returncode != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's broker has users")
def test_the_profiles_of_a_users_session_are_the_users(cloud):
    issued = cloud.json("issue", "--task", "t", "--grant", aws_grant(),
                        "--owner", ORDINARY, "--aws", "process")
    folder = pathlib.Path(issued["session"]["folder"])
    for name in ("token", "aws-config"):
        status = (folder / name).stat()
        assert (status.st_uid, status.st_mode & 0o777) == (ORDINARY, 0o400)
    assert folder.stat().st_uid == ORDINARY
