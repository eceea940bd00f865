"""Policies signed by us and verified by minisign, and the other way round."""

import base64
import json
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pexpect
import pytest

from conftest import CREDBROKER, PATH

PASSPHRASE = "correct horse battery staple"
POLICY = json.dumps({"tier": "organization", "name": "acme", "serial": 8,
                     "rules": []}) + "\n"
# scrypt with 1 GiB takes a while on a machine that is busy.
SLOW = 300


def environment(folder):
    return {"PATH": PATH, "HOME": str(folder), "LANG": "C.UTF-8",
            "TERM": "xterm",
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}


def run(folder, *args, input="", **kwargs):
    return subprocess.run([str(a) for a in args], cwd=folder, text=True,
                          env=environment(folder), input=input,
                          capture_output=True, timeout=SLOW, check=False,
                          **kwargs)


def policy(folder, *args, **kwargs):
    done = run(folder, CREDBROKER, "policy", *args, **kwargs)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done


def minisign(folder, *args, **kwargs):
    return run(folder, "minisign", *args, **kwargs)


def good(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(done, *says, status=1):
    text = done.stdout + done.stderr
    assert done.returncode == status, text
    for words in says:
        assert words in done.stderr, text
    assert done.stdout == ""


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def keys():
    """ours, theirs: encrypted; plain.ours, plain.theirs: not."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    good(policy(folder, "keygen", "ours.key", input=PASSPHRASE + "\n"))
    good(minisign(folder, "-G", "-s", "theirs.key", "-p", "theirs.pub",
                  input=f"{PASSPHRASE}\n{PASSPHRASE}\n"))
    good(policy(folder, "keygen", "plain.ours.key", "--unencrypted"))
    good(minisign(folder, "-G", "-W", "-s", "plain.theirs.key", "-p",
                  "plain.theirs.pub"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def place(folder, keys):
    """A policy, and every key beside it."""
    for path in keys.iterdir():
        shutil.copy2(path, folder)
    (folder / "organization.json").write_text(POLICY)
    return folder


@pytest.fixture
def signed(place):
    good(policy(place, "sign", "organization.json", "-k", "plain.ours.key"))
    return place


def verify(place, key="plain.ours.pub", file="organization.json", **kwargs):
    return policy(place, "verify", file, "--public-key", key, **kwargs)


# --- Both ways ---------------------------------------------------------------

@pytest.mark.limit(SLOW)
@pytest.mark.parametrize("key", ["ours", "theirs", "plain.ours",
                                 "plain.theirs"])
def test_minisign_verifies_what_we_sign(place, key):
    given = PASSPHRASE + "\n" if "." not in key else ""
    good(policy(place, "sign", "organization.json", "--key", f"{key}.key",
                "--comment", "serial 8", input=given))
    said = good(minisign(place, "-V", "-m", "organization.json", "-p",
                         f"{key}.pub"))
    assert "Trusted comment: serial 8" in said
    # -H: it takes no signature of the older kind.
    good(minisign(place, "-V", "-H", "-m", "organization.json", "-p",
                  f"{key}.pub"))
    good(verify(place, f"{key}.pub"))


@pytest.mark.limit(SLOW)
@pytest.mark.parametrize("key", ["ours", "theirs", "plain.ours",
                                 "plain.theirs"])
def test_we_verify_what_minisign_signs(place, key):
    given = PASSPHRASE + "\n" if "." not in key else ""
    good(minisign(place, "-S", "-m", "organization.json", "-s", f"{key}.key",
                  "-t", "serial 8", input=given))
    said = json.loads(good(policy(place, "verify", "organization.json", "-p",
                                  f"{key}.pub", "--json")))
    assert said["verified"] is True and said["prehashed"] is True
    assert said["trusted_comment"] == "serial 8"
    comment = (place / f"{key}.pub").read_text().splitlines()[0]
    # minisign leaves zeros in front away.
    assert comment.split()[-1].zfill(16) == said["key_id"]


def test_we_verify_signatures_of_the_older_kind(place):
    good(minisign(place, "-S", "-l", "-m", "organization.json", "-s",
                  "plain.theirs.key"))
    said = json.loads(good(policy(place, "verify", "organization.json", "-p",
                                  "plain.theirs.pub", "--json")))
    assert said["prehashed"] is False


def test_a_key_that_lost_its_passphrase_signs(place):
    """minisign -C -W leaves salt, cost and checksum where they were."""
    good(minisign(place, "-C", "-W", "-s", "ours.key",
                  input=PASSPHRASE + "\n"))
    good(policy(place, "sign", "organization.json", "-k", "ours.key"))
    good(verify(place, "ours.pub"))
    good(minisign(place, "-V", "-m", "organization.json", "-p", "ours.pub"))


def public_key(path):
    """Its id and the key; minisign leaves zeros in front of an id away."""
    comment, key = path.read_text().splitlines()
    *words, number = comment.split()
    return words, int(number, 16), key


def test_minisign_makes_our_public_key_of_our_secret_one(place):
    for name, given in (("ours", PASSPHRASE + "\n"), ("plain.ours", "")):
        good(minisign(place, "-R", "-s", f"{name}.key", "-p", "again.pub",
                      "-f", input=given))
        assert (public_key(place / "again.pub") ==
                public_key(place / f"{name}.pub"))
        (place / "again.pub").unlink()


@pytest.mark.parametrize("size", [64, 128, 4 << 20])
def test_any_policy_up_to_the_bound_is_signed(place, size):
    file = place / "data"
    file.write_text(POLICY.strip() + " " * (size - len(POLICY) - 1) + "\n\n")
    assert file.stat().st_size == max(size, len(POLICY) + 1)
    good(policy(place, "sign", "data", "-k", "plain.ours.key"))
    good(minisign(place, "-V", "-m", "data", "-p", "plain.ours.pub"))
    good(verify(place, file="data"))


@pytest.mark.parametrize("size", [0, 1, 64, 16 << 20])
def test_any_content_up_to_the_bound_is_verified(place, size):
    file = place / "data"
    file.write_bytes(os.urandom(size))
    good(minisign(place, "-S", "-m", "data", "-s", "plain.ours.key"))
    good(verify(place, file="data"))


def test_over_the_bound_is_refused(place):
    with open(place / "data", "wb") as file:
        file.truncate((16 << 20) + 1)
    refused(policy(place, "sign", "data", "-k", "plain.ours.key"),
            "data: more than", status=5)
    assert not (place / "data.minisig").exists()


# --- What does not hold ------------------------------------------------------

def test_another_key_is_refused_and_both_are_named(signed):
    ids = [(signed / f"plain.{who}.pub").read_text().split()[5].zfill(16)
           for who in ("ours", "theirs")]
    refused(verify(signed, "plain.theirs.pub"),
            f"signed with key {ids[0]}, and not with key {ids[1]}")


def test_another_key_that_claims_the_same_id_is_refused(signed):
    theirs = bytearray(base64.b64decode(
        (signed / "plain.theirs.pub").read_text().splitlines()[1]))
    ours = base64.b64decode(
        (signed / "plain.ours.pub").read_text().splitlines()[1])
    theirs[2:10] = ours[2:10]
    (signed / "forged.pub").write_text(
        base64.b64encode(theirs).decode() + "\n")
    refused(verify(signed, "forged.pub"), "does not fit")


def test_a_tampered_policy_is_refused(signed):
    (signed / "organization.json").write_text(POLICY.replace("8", "9"))
    refused(verify(signed), "organization.json", "not what was signed")
    for text in (POLICY[:-1], POLICY + "\n", ""):
        (signed / "organization.json").write_text(text)
        refused(verify(signed), "not what was signed")


def test_a_tampered_trusted_comment_is_refused(signed):
    file = signed / "organization.json.minisig"
    text = file.read_text()
    file.write_text(text.replace("\thashed", "\thashed "))
    refused(verify(signed), "trusted comment")
    # The first comment is nobody's word, and may be another.
    file.write_text(text.replace("credbroker policy sign", "x"))
    good(verify(signed))


def test_the_signature_of_another_file_is_refused(signed):
    (signed / "other.json").write_text(POLICY.replace("8", "9"))
    good(policy(signed, "sign", "other.json", "-k", "plain.ours.key"))
    done = policy(signed, "verify", "organization.json", "-p",
                  "plain.ours.pub", "-x", "other.json.minisig")
    refused(done, "not what was signed")


def test_lines_of_two_signatures_do_not_mix(signed):
    first = (signed / "organization.json.minisig").read_text().splitlines()
    good(policy(signed, "sign", "organization.json", "-k", "plain.ours.key",
                "-c", "another"))
    second = (signed / "organization.json.minisig").read_text().splitlines()
    assert first[1] == second[1]
    file = signed / "organization.json.minisig"
    file.write_text("\n".join([*first[:3], second[3]]) + "\n")
    refused(verify(signed), "trusted comment")


def test_a_signature_cut_short_is_refused(signed):
    file = signed / "organization.json.minisig"
    text = file.read_text()
    for lines in range(4):
        file.write_text("".join(text.splitlines(True)[:lines]))
        refused(verify(signed), f"line {lines + 1} is missing", status=2)
    file.write_text(text[:-10])
    refused(verify(signed), "line 4", status=2)
    file.unlink()
    refused(verify(signed), "organization.json.minisig: no such file",
            status=5)


def openpgp():
    return "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----"


def signify():
    return ("untrusted comment: verify with x.pub\n" +
            base64.b64encode(b"Ed" + bytes(72)).decode() + "\n")


def with_more(place):
    return (place / "organization.json.minisig").read_text() + "more\n"


def key_of(place):
    return (place / "plain.ours.pub").read_text()


@pytest.mark.parametrize("make, says", [
    (lambda place: openpgp(), "this is of OpenPGP"),
    (lambda place: signify(), "line 3 is missing"),
    (lambda place: POLICY, "this is JSON"),
    (with_more, "something behind line 4"),
    (key_of, "line 2 is not a signature, but a public key"),
    (lambda place: "x" * 20000, "more than 16384 bytes"),
])
def test_other_formats_are_named(signed, make, says):
    file = signed / "organization.json.minisig"
    file.write_text(make(signed))
    done = verify(signed)
    assert done.returncode in (2, 5) and says in done.stderr, done.stderr


def test_a_secret_key_is_no_public_one_and_is_not_shown(signed):
    done = verify(signed, "plain.ours.key")
    refused(done, "line 2 is not a public key, but a secret key", status=2)
    assert (signed / "plain.ours.key").read_text().split()[-1][:8] \
        not in done.stderr


def test_ssh_keys_are_named(signed):
    (signed / "id.pub").write_text("ssh-ed25519 AAAA me\n")
    refused(verify(signed, "id.pub"), "a key of ssh-keygen", status=2)


# --- Keys --------------------------------------------------------------------

def test_files_have_the_modes_that_they_should(keys):
    for name in ("ours", "plain.ours"):
        assert mode(keys / f"{name}.key") == 0o600
        assert mode(keys / f"{name}.pub") == 0o644


def test_modes_do_not_depend_on_the_umask(place):
    done = subprocess.run(
        ["sh", "-c", "umask 777; exec \"$@\"", "sh", str(CREDBROKER),
         "policy", "sign", "organization.json", "-k", "plain.ours.key"],
        cwd=place, env=environment(place), capture_output=True, timeout=60,
        check=False)
    assert done.returncode == 0, done.stderr
    assert mode(place / "organization.json.minisig") == 0o644


@pytest.mark.parametrize("there", ["new.key", "new.pub"])
def test_a_key_is_never_overwritten(folder, there):
    (folder / there).write_text("precious")
    done = policy(folder, "keygen", "new.key", "--unencrypted")
    refused(done, f"{there}: exists already; nothing was changed", status=5)
    assert (folder / there).read_text() == "precious"
    assert len(list(folder.iterdir())) == 1
    (folder / there).unlink()
    (folder / there).symlink_to("elsewhere")
    refused(policy(folder, "keygen", "new.key", "--unencrypted"),
            "exists already", status=5)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("there", ["new.key", "new.pub"])
def test_what_exists_is_refused_before_a_passphrase_is_asked(folder, there):
    (folder / there).write_text("precious")
    refused(policy(folder, "keygen", "new.key", input=""),
            f"{there}: exists already", status=5)


def test_a_pair_is_made_whole_or_not_at_all(folder):
    """The public key cannot be written: the secret one is not left."""
    done = policy(folder, "keygen", "new.key", "--unencrypted", "-p",
                  "missing/new.pub")
    refused(done, "missing/new.pub", status=5)
    assert list(folder.iterdir()) == []
    done = policy(folder, "keygen", "new.key", "--unencrypted", "-p",
                  "new.key")
    refused(done, "exists already", status=5)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("there", ["plain.theirs.key", "organization.json"])
def test_a_signature_replaces_nothing_but_a_signature(place, there):
    before = (place / there).read_bytes()
    done = policy(place, "sign", "organization.json", "-k", "plain.ours.key",
                  "-x", there)
    refused(done, "is no signature; nothing was changed", status=5)
    assert (place / there).read_bytes() == before
    assert not list(place.glob(".crb-*"))


def test_a_signature_gives_way_to_the_next(signed):
    (signed / "organization.json").write_text(POLICY.replace("8", "9"))
    refused(verify(signed))
    good(policy(signed, "sign", "organization.json", "-k", "plain.ours.key"))
    good(verify(signed))


def test_a_key_that_others_can_read_is_refused(place):
    (place / "plain.ours.key").chmod(0o640)
    refused(policy(place, "sign", "organization.json", "-k",
                   "plain.ours.key"), "chmod 600", status=2)
    (place / "link.key").symlink_to("plain.theirs.key")
    refused(policy(place, "sign", "organization.json", "-k", "link.key"),
            "symbolic link", status=2)
    os.mkfifo(place / "pipe.key", 0o600)
    refused(policy(place, "sign", "organization.json", "-k", "pipe.key"),
            "not a regular file", status=2)
    assert not (place / "organization.json.minisig").exists()


def test_a_damaged_key_is_refused(place):
    """Were its halves not compared, its signature would give it away."""
    comment, line = (place / "plain.ours.key").read_text().splitlines()
    record = bytearray(base64.b64decode(line))
    record[100] ^= 1
    (place / "plain.ours.key").write_text(
        f"{comment}\n{base64.b64encode(record).decode()}\n")
    refused(policy(place, "sign", "organization.json", "-k",
                   "plain.ours.key"), "damaged", status=2)


def test_a_key_that_costs_too_much_is_refused_at_once(place):
    comment, line = (place / "ours.key").read_text().splitlines()
    record = bytearray(base64.b64decode(line))
    record[46:54] = (1 << 40).to_bytes(8, "little")
    (place / "ours.key").write_text(
        f"{comment}\n{base64.b64encode(record).decode()}\n")
    refused(policy(place, "sign", "organization.json", "-k", "ours.key",
                   input=PASSPHRASE), "more than minisign", status=2)


# --- Passphrases -------------------------------------------------------------

@pytest.mark.limit(SLOW)
def test_a_wrong_passphrase_is_refused(place):
    refused(policy(place, "sign", "organization.json", "-k", "ours.key",
                   input=PASSPHRASE + "x\n"),
            "ours.key: the passphrase is wrong")
    assert not (place / "organization.json.minisig").exists()


def test_an_empty_passphrase_is_refused(folder):
    refused(policy(folder, "keygen", "new.key", input="\n"), "it is empty",
            status=2)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("words", ["two\nlines\n", "x" * 1023])
def test_a_passphrase_that_minisign_cannot_be_told_is_refused(folder, words):
    refused(policy(folder, "keygen", "new.key", input=words), "one line",
            status=2)
    assert list(folder.iterdir()) == []


def test_no_passphrase_and_one_contradict(folder):
    (folder / "words").write_text("x")
    refused(policy(folder, "keygen", "new.key", "--unencrypted",
                   "--passphrase-file", "words"), "takes no passphrase",
            status=2)


@pytest.mark.limit(SLOW)
def test_passphrases_come_from_a_file_or_a_descriptor(place):
    (place / "words").write_text(PASSPHRASE + "\n")
    good(policy(place, "sign", "organization.json", "-k", "ours.key",
                "--passphrase-file", "words"))
    read, write = os.pipe()
    os.write(write, PASSPHRASE.encode())
    os.close(write)
    good(policy(place, "sign", "organization.json", "-k", "ours.key",
                "--passphrase-fd", read, pass_fds=[read]))
    os.close(read)
    good(verify(place, "ours.pub"))


@pytest.mark.limit(SLOW)
def test_prompts_do_not_echo(place):
    def spawn(*args):
        return pexpect.spawn(str(CREDBROKER), ["policy", *args], cwd=place,
                             env=environment(place), timeout=SLOW)
    child = spawn("keygen", "new.key")
    child.expect("Passphrase for the new key: ")
    child.sendline("hunter2")
    child.expect("Again: ")
    child.sendline("hunter3")
    child.expect("not the same")
    child.expect(pexpect.EOF)
    assert b"hunter" not in child.before
    child.close()
    assert child.exitstatus == 2 and not (place / "new.key").exists()
    child = spawn("sign", "organization.json", "--key", "ours.key")
    child.expect("Passphrase of the secret key: ")
    child.sendline(PASSPHRASE)
    child.expect(pexpect.EOF)
    assert b"Signed with key" in child.before
    assert PASSPHRASE.encode() not in child.before
    child.close()
    assert child.exitstatus == 0


# --- What is said ------------------------------------------------------------

def test_json_of_all_three(place):
    made = json.loads(good(policy(place, "keygen", "new.key",
                                  "--unencrypted", "--json")))
    line = (place / "new.pub").read_text().splitlines()[1]
    assert made == {"key_id": made["key_id"], "secret_key": "new.key",
                    "public_key_file": "new.pub", "public_key": line,
                    "encrypted": False}
    done = json.loads(good(policy(place, "sign", "organization.json", "-k",
                                  "new.key", "--json")))
    assert done == {"file": "organization.json", "key_id": made["key_id"],
                    "signature": "organization.json.minisig"}
    done = json.loads(good(policy(place, "verify", "organization.json", "-p",
                                  "new.pub", "--json")))
    assert done["key_id"] == made["key_id"]
    assert done["trusted_comment"].endswith("\tfile:organization.json\thashed")
    (place / "organization.json").write_text("{}")
    failed = policy(place, "verify", "organization.json", "-p", "new.pub",
                    "--json")
    refused(failed, "not what was signed")
    assert "message" in json.loads(failed.stderr)["error"]


def test_names_and_comments_are_escaped(place):
    """A trusted comment is its author's; a file's name may be anybody's."""
    name = "a\x1b]0;x\x07\t\n.json"
    shutil.copy(place / "organization.json", place / name)
    said = good(policy(place, "sign", name, "-k", "plain.ours.key"))
    assert "\x1b" not in said
    said = good(verify(place, file=name))
    assert "\x1b" not in said and "\\x1b" in said
    good(minisign(place, "-V", "-m", name, "-p", "plain.ours.pub"))
    refused(policy(place, "sign", name, "-k", "plain.ours.key", "-c",
                   "a\nb"), "trusted comment", status=2)
    good(minisign(place, "-S", "-m", name, "-s", "plain.ours.key", "-t",
                  "é"))
    assert "\\xc3\\xa9" in good(verify(place, file=name))


def test_no_broker_and_no_configuration_is_needed(place):
    """Keys may be kept on a machine where nothing else is."""
    (place / "broken.json").write_text("no")
    for config in ("broken.json", "missing.json"):
        good(policy(place, "sign", "organization.json", "-k",
                    "plain.ours.key", "--config", config))
        good(verify(place))
