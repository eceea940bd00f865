"""`policy trust`: another organization's key for a vault, with keys and
signatures of a real minisign."""

import base64
import json
import os
import re
import shlex
import subprocess

import pexpect
import pytest

from conftest import ROOT, admin_connect
from test_policy_tiers import (document, keys, place)  # noqa: F401

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="an organization's policy is root's")

NOTHING = "is issued, minted or injected"


def key_id(place, key="pinned"):
    """As the broker has it: minisign leaves zeros in front away."""
    comment = (place.keys / f"{key}.pub").read_text().splitlines()[0]
    return comment.split()[-1].rjust(16, "0")


def trust(place, key="other", *args, check=True, yes=True):
    return place.broker.run("policy", "trust", place.keys / f"{key}.pub",
                            *args, *(["--yes"] if yes else []), check=check)


def replaces(place, key="pinned"):
    return ("--replaces", key_id(place, key))


def refused(done, *words, status=5):
    assert done.returncode == status, done.stdout + done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert done.stdout == ""


def pinned_key(place):
    return place.broker.call("policy.show")["pin"]


@pytest.fixture
def sealed(place):
    """A key sealed by init; a policy of serial 5 that it has signed."""
    place.put_signed(document(serial=5))
    place.start("--organization-key", place.keys / "pinned.pub")
    place.add_credential()
    place.issues()
    return place


def test_another_key_takes_over_with_its_policy_in_place(sealed):
    sealed.put_signed(document(serial=6), key="other")
    done = trust(sealed, "other", *replaces(sealed))
    old, new = key_id(sealed), key_id(sealed, "other")
    assert f"key {new}, sealed in the vault in place of {old}" in done.stdout
    assert "organization policy serial 6" in done.stdout
    sealed.issues()
    assert sealed.tier()["key"] == new
    assert pinned_key(sealed)["key"] == new
    # What the former one signs is nothing any more, also after a restart.
    sealed.put_signed(document(serial=7))
    sealed.hup()
    assert "minisig" in sealed.tier()["problem"]
    sealed.broker.kill()
    sealed.broker.start()
    sealed.refuses("organization", "minisig")
    sealed.put_signed(document(serial=7), key="other")
    sealed.hup()
    sealed.issues()


def test_it_is_in_the_audit_log_before_what_comes_of_it(sealed):
    sealed.put_signed(document(serial=6), key="other")
    trust(sealed, "other", *replaces(sealed))
    [event] = sealed.events("policy.trust")
    assert event["who"].startswith("uid 0")
    assert event["tier"] == "organization"
    assert event["detail"] == (f"key {key_id(sealed, 'other')} in place of "
                               f"{key_id(sealed)}")
    load = sealed.events("policy.load")[-1]
    assert load["n"] > event["n"] and "serial 6" in load["detail"]
    assert load["who"] == event["who"]
    assert sealed.broker.json("audit", "verify")["lines"] > 0


def test_without_a_policy_of_its_own_nothing_is_allowed(sealed):
    """Not even what was in force, and it is said, with what to do."""
    done = trust(sealed, "other", *replaces(sealed))
    assert NOTHING in done.stderr and "policy install" in done.stderr
    sealed.refuses("organization", "minisig")
    assert sealed.tier()["state"] == "refused"
    # A team's policy, nor a lower serial, is a way around it.
    sealed.put(document("team"), "team")
    sealed.put_signed(document(serial=4), key="other")
    sealed.hup()
    sealed.refuses("organization", "its serial 4 is lower than 5")
    sealed.broker.stop()
    sealed.broker.start()
    sealed.refuses("organization", "its serial 4 is lower than 5")
    new = sealed.broker.folder / "organization.json"
    new.write_text(json.dumps(document(serial=6)))
    subprocess.run(["minisign", "-S", "-m", new, "-s",
                    sealed.keys / "other.key"], check=True,
                   capture_output=True)
    sealed.broker.run("policy", "install", new)
    sealed.issues()


def test_the_same_policy_signed_anew_is_enough(sealed):
    sealed.sign("other")
    assert "serial 5" in trust(sealed, "other", *replaces(sealed)).stdout
    sealed.issues()
    assert sealed.broker.call("policy.show")["seen"] == {
        "serial": 5, "sha256": sealed.tier()["sha256"],
        "key": key_id(sealed, "other")}


def test_no_key_is_replaced_that_was_not_named(sealed):
    old = key_id(sealed)
    refused(trust(sealed, check=False), old, "--replaces", status=2)
    refused(trust(sealed, "other", "--replaces", "0123456789ABCDEF",
                  check=False), old)
    refused(trust(sealed, "other", "--replaces", "", check=False), old)
    refused(trust(sealed, "other", "--replaces", key_id(sealed, "other"),
                  check=False), old)
    # And by whoever speaks to the broker himself.
    key = (sealed.keys / "other.pub").read_text()
    with pytest.raises(AssertionError, match=old):
        sealed.broker.call("policy.trust", key=key)
    refused(trust(sealed, "pinned", *replaces(sealed), check=False),
            "is the one that is sealed")
    assert pinned_key(sealed)["key"] == old
    assert sealed.events("policy.trust") == []
    sealed.issues()


def test_an_id_may_be_typed_as_people_do(sealed):
    sealed.sign("other")
    trust(sealed, "other", "--replaces", key_id(sealed).lower().lstrip("0"))
    sealed.issues()


def test_another_key_with_the_same_id_is_not_taken(sealed):
    """Nobody could tell them apart."""
    lines = [(sealed.keys / f"{name}.pub").read_text().splitlines()
             for name in ("pinned", "other")]

    raw = [base64.b64decode(line[1]) for line in lines]
    twin = base64.b64encode(raw[0][:10] + raw[1][10:]).decode()
    with pytest.raises(AssertionError, match="another key with the id"):
        sealed.broker.call("policy.trust", key=twin,
                           replaces=key_id(sealed))
    assert pinned_key(sealed)["public_key"] != twin


def test_a_first_key_is_sealed_in_a_vault_without_one(place):
    place.put_signed(document(serial=3))
    place.start()
    place.add_credential()
    place.issues()
    assert "pin" not in place.broker.call("policy.show")
    refused(trust(place, "pinned", *replaces(place), check=False),
            "no key is sealed")
    done = trust(place, "pinned")
    assert "in place of" not in done.stdout and "serial 3" in done.stdout
    assert pinned_key(place)["from"] == "vault"
    [event] = place.events("policy.trust")
    assert event["detail"] == f"key {key_id(place)}"
    # From now on it has to be there.
    place.path().unlink()
    place.broker.stop()
    place.broker.start()
    place.refuses("organization", "it is missing")


def test_a_first_key_puts_an_end_to_what_nobody_signed(place):
    place.put(document(serial=3))
    place.start()
    place.add_credential()
    place.issues()
    assert NOTHING in trust(place, "pinned").stderr
    place.refuses("organization", "not signed")


def test_a_key_in_the_folder_is_changed_together_with_it(sealed):
    sealed.pin()
    sealed.hup()
    assert pinned_key(sealed)["from"] == "both"
    # Only one of the two: nothing.
    sealed.sign("other")
    done = trust(sealed, "other", *replaces(sealed))
    assert "organization.pub" in done.stderr and NOTHING in done.stderr
    sealed.refuses("organization", "organization.pub")
    sealed.pin("other")
    sealed.hup()
    sealed.issues()
    assert pinned_key(sealed)["from"] == "both"


def test_a_key_of_the_folder_alone_stays_as_strict(place):
    """Sealing another one than it is no way to be rid of it."""
    place.pin()
    place.put_signed(document(serial=1))
    place.start()
    place.add_credential()
    place.put_signed(document(serial=2), key="other")
    assert NOTHING in trust(place, "other").stderr
    place.refuses("organization", "organization.pub")


def test_in_json_all_of_it_is_said(sealed):
    def said(*args):
        return json.loads(trust(sealed, *args, "--json").stdout)

    blocked = said("other", *replaces(sealed))
    assert blocked["key"] == key_id(sealed, "other")
    assert blocked["replaced"] == key_id(sealed)
    assert blocked["ready"] is False and blocked["state"] == "refused"
    assert "minisig" in blocked["problem"]
    back = said("pinned", *replaces(sealed, "other"))
    assert back["ready"] is True and back["serial"] == 5
    assert back["problem"] is None


def test_only_a_public_key_is_one(sealed):
    bad = sealed.broker.folder / "bad.pub"
    bad.write_text("nothing\n")
    done = sealed.broker.run("policy", "trust", bad, *replaces(sealed),
                             "--yes", check=False)
    assert done.returncode != 0 and "bad.pub" in done.stderr
    with pytest.raises(AssertionError, match="key"):
        sealed.broker.call("policy.trust", key="nothing",
                           replaces=key_id(sealed))
    assert pinned_key(sealed)["key"] == key_id(sealed)


def test_two_at_once_leave_one_that_was_said(sealed):
    """The second names what the first has replaced."""
    key = (sealed.keys / "other.pub").read_text()
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "policy.trust",
                       "params": {"key": key, "replaces": key_id(sealed)}})
    clients = [admin_connect(sealed.broker) for _ in range(4)]
    for client in clients:
        client.sendall(line.encode() + b"\n")
    answers = []
    for client in clients:
        with client, client.makefile("rb") as lines:
            answers.append(json.loads(lines.readline()))
    good = [answer for answer in answers if "result" in answer]
    assert len(good) == 1, answers
    assert len(sealed.events("policy.trust")) == 1


# --- Asking -------------------------------------------------------------------

def test_without_a_terminal_it_has_to_be_meant(sealed):
    refused(trust(sealed, "other", *replaces(sealed), check=False,
                  yes=False), "--yes", status=2)
    assert pinned_key(sealed)["key"] == key_id(sealed)


@pytest.mark.parametrize("answer,done", [("n", False), ("", False),
                                         ("y", True)])
def test_on_a_terminal_it_is_asked_for(sealed, answer, done):
    words = sealed.broker.command(
        "policy", "trust", sealed.keys / "other.pub", *replaces(sealed))
    child = pexpect.spawn(words[0], words[1:], timeout=60,
                          encoding="utf-8", dimensions=(40, 200),
                          env=sealed.broker.environment())
    child.expect_exact(f"is to replace key {key_id(sealed)}")
    child.expect_exact("not signed by it")
    child.expect_exact("Go on? [y/N] ")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus == 0) == done
    assert (pinned_key(sealed)["key"] == key_id(sealed, "other")) == done


def test_what_is_asked_says_what_stands_in_the_folder(sealed):
    sealed.sign("other")
    sealed.pin()
    words = sealed.broker.command(
        "policy", "trust", sealed.keys / "other.pub", *replaces(sealed))
    child = pexpect.spawn(words[0], words[1:], timeout=60,
                          encoding="utf-8", dimensions=(40, 200),
                          env=sealed.broker.environment())
    child.expect_exact("organization.json: signed by it")
    child.expect_exact("organization.pub: another key")
    child.sendline("n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2


# --- The page -----------------------------------------------------------------

def page_commands():
    page = (ROOT / "docs" / "operations.md").read_text()
    part = page.split("### Rotating the organization's key", 1)[1]
    part = re.split(r"^#{2,3} ", part, maxsplit=1, flags=re.M)[0]
    return "\n".join(line[4:] for line in part.splitlines()
                     if line.startswith("    "))


def test_the_page_s_commands_rotate_both_keys(sealed, tmp_path):
    sealed.pin()
    sealed.hup()
    wrapper = tmp_path / "bin" / "credbroker"
    wrapper.parent.mkdir()
    words = sealed.broker.command("policy", "trust")
    wrapper.write_text(
        f"#!/bin/sh\nverb=$1; noun=$2; shift 2\nexec {shlex.quote(words[0])} "
        f"$verb $noun --config {shlex.quote(str(sealed.broker.config))} "
        '"$@"\n')
    wrapper.chmod(0o755)
    (tmp_path / "organization.json").write_text(
        json.dumps(document(serial=9)))
    text = page_commands()
    for old, new in (("minisign -G", "minisign -G -W"),
                     ("/etc/credbroker/policy", str(sealed.folder)),
                     ("5153CA215988AE0F", key_id(sealed))):
        assert old in text, text
        text = text.replace(old, new)
    environment = sealed.broker.environment()
    environment["PATH"] = f"{wrapper.parent}:{environment['PATH']}"
    done = subprocess.run(["sh", "-eu", "-c", text], cwd=tmp_path,
                          env=environment, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sealed.tier()["serial"] == 9
    assert pinned_key(sealed)["from"] == "both"
    sealed.issues()
    sealed.broker.stop()
    sealed.broker.start()
    sealed.issues()
