"""An organization's policy in force, signed and verified by minisign and by
the broker's own commands in each combination."""

import os
import shutil
import subprocess

import pytest

from conftest import CREDBROKER
from test_policy_tools import FETCH, Place, document, write

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0,
                       reason="an organization's policy is root's"),
    pytest.mark.skipif(not shutil.which("minisign"),
                       reason="minisign is not installed")]


@pytest.fixture
def keys(folder):
    """A pair that our command has made, and one that minisign has."""
    subprocess.run([str(CREDBROKER), "policy", "keygen", "ours.key",
                    "--unencrypted"], cwd=folder, check=True,
                   capture_output=True)
    subprocess.run(["minisign", "-G", "-W", "-s", "theirs.key", "-p",
                    "theirs.pub"], cwd=folder, check=True,
                   capture_output=True)
    return folder


def sign(place, tool, path, key):
    if tool == "ours":
        place.broker.run("policy", "sign", path, "-k", key)
    else:
        subprocess.run(["minisign", "-S", "-m", path, "-s", key], check=True,
                       capture_output=True)


@pytest.mark.parametrize("made_by", ["ours", "theirs"])
def test_what_either_signs_is_in_force_and_verified_by_both(
        bare, keys, made_by):
    place = Place(bare, keys)
    key, public = keys / f"{made_by}.key", place.folder / "organization.pub"
    shutil.copy(keys / f"{made_by}.pub", public)
    place.start()
    place.broker.run("credential", "add", "github", "-p", "hosts=github.com",
                     "-p", "auth=bearer", input="secret\n")
    issue = ["issue", "-t", "t", "-g", "github:repository=acme/a,git=fetch"]
    # Nothing is signed yet.
    assert place.broker.run(*issue, check=False).returncode == 1
    for serial, tool in enumerate(("ours", "theirs", "ours"), start=1):
        path = write(place.drafts / "o.json", document(FETCH, serial=serial))
        sign(place, tool, path, key)
        place.install(path)
        tier = place.tier("organization")
        assert (tier["state"], tier["serial"]) == ("in force", serial)
        assert tier["signed"]
        place.broker.run(*issue)
        installed = place.folder / "organization.json"
        for verify in (["minisign", "-V", "-m", installed, "-p", public],
                       [CREDBROKER, "policy", "verify", installed, "-p",
                        public]):
            done = subprocess.run(list(map(str, verify)), text=True,
                                  capture_output=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        path.with_name("o.json.minisig").unlink()
