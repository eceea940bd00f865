"""Every state that a tier's policy and its signature can be in, with a real
minisign: what is in force then, and what status and errors say."""

import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from conftest import LiveSandbox, add_git_credential, wait_until
from test_user import ORDINARY, UsersBroker

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="an organization's policy is root's")

ALLOW = {"id": "all", "effect": "allow"}
PAST = "2020-01-01T00:00:00Z"
NO_PUSH = {"id": "no-push", "effect": "deny", "scope": {"git": ["push"]},
           "reason": "nobody pushes"}


def in_seconds(seconds):
    when = datetime.datetime.now(datetime.timezone.utc)
    when += datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def document(tier="organization", name="acme", rules=(ALLOW,), **more):
    if tier == "organization":
        more.setdefault("serial", 1)
    return {"tier": tier, "name": name, **more, "rules": list(rules)}


@pytest.fixture(scope="module")
def keys():
    """pinned.key and .pub, other.key and .pub, made by minisign."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crb-"))
    for name in ("pinned", "other"):
        subprocess.run(["minisign", "-G", "-W", "-s", f"{name}.key", "-p",
                        f"{name}.pub"], cwd=folder, check=True,
                       capture_output=True)
    yield folder
    shutil.rmtree(folder)


class Policies:
    """A broker, and the folder that its policies are in."""

    def __init__(self, broker, keys):
        self.broker = broker
        self.keys = keys
        self.folder = broker.folder / "policy"
        self.folder.mkdir(mode=0o755)
        broker.configure({"policy_folder": str(self.folder)})

    def path(self, tier="organization"):
        return self.folder / f"{tier}.json"

    @property
    def signature(self):
        return self.folder / "organization.json.minisig"

    def put(self, policy, tier="organization"):
        self.path(tier).write_text(json.dumps(policy))

    def sign(self, key="pinned", legacy=False):
        subprocess.run(
            ["minisign", "-S", *(["-l"] if legacy else []), "-m",
             self.path(), "-s", self.keys / f"{key}.key"],
            check=True, capture_output=True)

    def put_signed(self, policy, key="pinned", **kwargs):
        self.put(policy)
        self.sign(key, **kwargs)

    def pin(self, key="pinned"):
        shutil.copy(self.keys / f"{key}.pub",
                    self.folder / "organization.pub")

    def start(self, *init):
        self.broker.run("init", "--key-file", self.broker.key, *init)
        self.broker.start()

    def add_credential(self):
        self.broker.run("credential", "add", "forge", "-p",
                        "hosts=git.test", "-p", "auth=bearer",
                        input="secret\n")

    def tier(self, tier="organization"):
        shown = self.broker.json("status")["policies"]
        return next(t for t in shown["tiers"] if t["tier"] == tier)

    def issue(self, grant="forge:git=fetch,repository=a/b", check=True):
        return self.broker.run("issue", "--task", "t", "--grant", grant,
                               check=check)

    def issues(self, **kwargs):
        self.issue(**kwargs)

    def refuses(self, *words, **kwargs):
        """Nothing is issued, and it is said why; status says the same."""
        done = self.issue(check=False, **kwargs)
        assert done.returncode == 1, done.stdout + done.stderr
        text = self.broker.run("status").stdout
        for word in words:
            assert word in done.stderr, done.stderr
            assert word in text, text
        assert not self.broker.json("status")["policies"]["ready"]
        return done.stderr

    def hup(self):
        """Read again, and wait until that was done."""
        before = self.read
        # Its clock has seconds.
        while time.time() < before + 1:
            time.sleep(0.05)
        self.broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.read > before, "policies read again")

    @property
    def read(self):
        text = self.broker.json("status")["policies"]["read"]
        return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(
            tzinfo=datetime.timezone.utc).timestamp()

    def events(self, event):
        return self.broker.call("audit.show", event=event)["events"]


@pytest.fixture
def place(bare, keys):
    return Policies(bare, keys)


@pytest.fixture
def pinned(place):
    """A signed policy with serial 5 in force, a key pinned by its file."""
    place.pin()
    place.put_signed(document(serial=5))
    place.start()
    place.add_credential()
    return place


# --- Without a pinned key -----------------------------------------------------

def test_without_policies_nothing_is_narrowed(place):
    place.start()
    place.add_credential()
    place.issues()
    assert place.tier()["state"] == "none"
    assert place.events("policy.load") == []


def test_an_unsigned_policy_is_in_force_where_no_key_is_pinned(place):
    place.put(document(rules=[ALLOW, NO_PUSH]))
    place.start()
    place.add_credential()
    place.issues()
    tier = place.tier()
    assert (tier["state"], tier["signed"]) == ("in force", False)
    assert "organization: acme, serial 1, not signed" in place.broker.run("status").stdout
    assert "nobody pushes" in place.issue(
        "forge:git=push,repository=a/b,ref=refs/heads/x,change=create",
        check=False).stderr
    [event] = place.events("policy.load")
    assert event["tier"] == "organization"
    assert "acme" in event["detail"] and tier["sha256"] in event["detail"]


@pytest.mark.parametrize("tier", ["organization", "team", "local"])
@pytest.mark.parametrize("text,says", [
    ("{", ":1"),
    ('{"tier": "TIER", "name": "x", "rulez": []}', "rulez"),
    ("RUN OUT", "ran out at 2020"),
    ("OTHER", "its tier is"),
], ids=["syntax", "unknown-key", "run-out", "of-another-tier"])
def test_a_bad_file_at_start_allows_nothing(place, tier, text, says):
    other = "local" if tier == "team" else "team"
    text = {"RUN OUT": json.dumps(document(tier, expires=PAST)),
            "OTHER": json.dumps(document(other)),
            }.get(text, text.replace("TIER", tier))
    place.path(tier).write_text(text)
    place.start()
    place.add_credential()
    place.refuses(tier, str(place.path(tier)), says)
    # Put right, it is read again.
    place.put(document(tier), tier)
    place.broker.call("policy.reload")
    place.issues()


def test_a_bad_new_version_never_replaces_a_good_one(place):
    place.put(document("team", rules=[ALLOW, NO_PUSH]), "team")
    place.start()
    place.add_credential()
    was = place.tier("team")
    place.path("team").write_text("{}")
    place.hup()
    now = place.tier("team")
    assert now["state"] == "in force" and now["sha256"] == was["sha256"]
    assert "team.json" in now["problem"]
    status = place.broker.run("status").stdout
    assert "team not taken" in status
    # A team's never is.
    assert "not signed" not in status
    place.issues()
    assert place.issue("forge:git=push,repository=a/b", check=False).returncode == 1
    [event] = place.events("policy.refuse")
    assert event["decision"] == "deny" and "team.json" in event["detail"]
    # Said once for each version, and not at each look.
    place.hup()
    assert len(place.events("policy.refuse")) == 1
    # At a restart nothing is in force that could stay.
    place.broker.stop()
    place.broker.start()
    place.refuses("team", "team.json")


def test_a_file_that_is_deleted_takes_the_tier_away(place):
    place.put(document("local", rules=[]), "local")
    place.start()
    place.add_credential()
    assert place.issue(check=False).returncode == 1
    place.path("local").unlink()
    place.hup()
    assert place.tier("local")["state"] == "none"
    place.issues()
    assert len(place.events("policy.remove")) == 1


def test_sighup_and_a_restart_take_a_new_version(place):
    place.put(document("team", rules=[]), "team")
    place.start()
    place.add_credential()
    assert place.issue(check=False).returncode == 1
    place.put(document("team"), "team")
    place.hup()
    place.issues()
    place.put(document("team", rules=[]), "team")
    place.broker.stop()
    place.broker.start()
    assert place.issue(check=False).returncode == 1


def test_a_file_that_others_can_write_is_not_taken(place):
    place.put(document("team"), "team")
    place.path("team").chmod(0o666)
    place.start()
    place.add_credential()
    place.refuses("team.json", "others can write it")
    place.path("team").chmod(0o644)
    place.folder.chmod(0o777)
    place.broker.run("status")
    with pytest.raises(AssertionError, match=str(place.folder)):
        place.broker.call("policy.reload")
    place.folder.chmod(0o755)
    place.broker.call("policy.reload")
    place.issues()


def test_a_link_that_leads_nowhere_is_not_no_policy(place):
    place.path("local").symlink_to(place.folder / "nothing")
    place.start()
    place.add_credential()
    place.refuses("local.json")


def test_what_is_no_plain_file_is_not_taken(place):
    os.mkfifo(place.path("local"))
    place.start()
    place.add_credential()
    place.refuses("local.json", "not a regular file")


@pytest.mark.parametrize("text", ["[" * (10 << 20), "[" * (3 << 20),
                                  '{"rules": [' * (300 << 10)],
                         ids=["too-long", "deep", "nested"])
def test_a_file_that_is_made_to_be_costly_is_refused_at_once(place, text):
    place.put(document("team"), "team")
    place.start()
    place.add_credential()
    place.path("team").write_text(text)
    start = time.monotonic()
    place.hup()
    # With sanitizers, on a busy machine.
    assert time.monotonic() - start < 25
    assert "team.json" in place.tier("team")["problem"]
    place.issues()


# --- With a pinned key --------------------------------------------------------

@pytest.mark.parametrize("legacy", [False, True], ids=["prehashed", "legacy"])
def test_a_signed_policy_is_in_force(place, legacy):
    place.pin()
    place.put_signed(document(serial=1), legacy=legacy)
    place.start()
    place.add_credential()
    place.issues()
    tier = place.tier()
    assert tier["signed"] and tier["serial"] == 1
    comment = (place.keys / "pinned.pub").read_text().splitlines()[0]
    # minisign leaves zeros in front away.
    assert int(comment.split()[-1], 16) == int(tier["key"], 16)
    shown = place.broker.call("policy.show")
    assert shown["pin"]["key"] == tier["key"]
    assert shown["pin"]["from"] == "file"
    assert shown["seen"]["serial"] == 1


def missing(place):
    place.path().unlink()
    return "it is missing"


def unsigned(place):
    place.signature.unlink()
    return "not signed"


def tampered(place):
    place.path().write_text(place.path().read_text() + " ")
    return "organization.json.minisig"


def tampered_comment(place):
    lines = place.signature.read_text().splitlines()
    lines[2] += "x"
    place.signature.write_text("\n".join(lines) + "\n")
    return "trusted comment"


def run_out(place):
    place.put_signed(document(serial=9, expires=PAST))
    return "ran out at 2020-01-01T00:00:00Z"


def of_another_key(place):
    place.put_signed(document(serial=9), key="other")
    return "organization.json.minisig"


def without_serial(place):
    policy = document()
    del policy["serial"]
    place.put_signed(policy)
    return "serial"


def no_signature_file(place):
    place.signature.write_text("nothing\n")
    return "organization.json.minisig"


def damaged_key(place):
    (place.folder / "organization.pub").write_text("nothing\n")
    return "organization.pub"


def of_the_wrong_tier(place):
    place.put_signed(document("team", serial=9))
    return "its tier is team"


BAD = [missing, unsigned, tampered, tampered_comment, run_out, of_another_key,
       without_serial, no_signature_file, damaged_key, of_the_wrong_tier]


@pytest.mark.parametrize("spoil", BAD, ids=lambda f: f.__name__)
def test_at_start_nothing_is_issued_without_the_signed_policy(place, spoil):
    place.pin()
    place.put_signed(document(serial=5))
    says = spoil(place)
    place.start()
    place.add_credential()
    place.refuses("organization", says)
    assert place.tier()["state"] == "refused"
    [event] = place.events("policy.refuse")
    assert says in event["detail"] and event["tier"] == "organization"
    # Another tier's policy is no way around it.
    place.put(document("team"), "team")
    place.hup()
    place.refuses("organization", says)


@pytest.mark.parametrize("spoil", BAD, ids=lambda f: f.__name__)
def test_at_a_reload_the_good_one_stays(pinned, spoil):
    was = pinned.tier()
    says = spoil(pinned)
    pinned.hup()
    now = pinned.tier()
    assert now["state"] == "in force"
    assert now["sha256"] == was["sha256"] and now["serial"] == 5
    assert says in now["problem"]
    assert says in pinned.broker.run("status").stdout
    assert says in pinned.broker.run("doctor", check=False).stdout
    pinned.issues()
    # And after a restart there is no good one.
    pinned.broker.stop()
    pinned.broker.start()
    pinned.refuses("organization", says)


def test_a_lower_serial_is_refused_also_after_a_restart(pinned):
    pinned.put_signed(document(serial=4))
    pinned.hup()
    assert "its serial 4 is lower than 5" in pinned.tier()["problem"]
    pinned.issues()
    pinned.broker.stop()
    pinned.broker.start()
    pinned.refuses("organization", "its serial 4 is lower than 5")
    pinned.put_signed(document(serial=6))
    pinned.hup()
    assert pinned.tier()["serial"] == 6
    pinned.issues()


def test_the_same_serial_is_the_same_content(pinned):
    pinned.put_signed(document(serial=5, name="acme-too"))
    pinned.hup()
    assert "another content with its serial 5" in pinned.tier()["problem"]
    pinned.broker.stop()
    pinned.broker.start()
    pinned.refuses("organization", "another content with its serial 5")
    # What was in force is taken again, signed anew or not.
    pinned.put_signed(document(serial=5))
    pinned.hup()
    pinned.issues()


def test_the_serial_is_remembered_before_it_is_in_force(pinned):
    pinned.put_signed(document(serial=7))
    pinned.broker.call("policy.reload")
    assert pinned.broker.call("policy.show")["seen"]["serial"] == 7
    pinned.broker.kill()
    pinned.put_signed(document(serial=6))
    pinned.broker.start()
    pinned.refuses("organization", "its serial 6 is lower than 7")


def test_another_key_in_the_folder_takes_over_with_a_policy_of_its_own(pinned):
    pinned.pin("other")
    pinned.hup()
    assert pinned.tier()["problem"]
    pinned.put_signed(document(serial=6), key="other")
    pinned.hup()
    assert pinned.tier()["serial"] == 6
    pinned.issues()


def test_who_reloads_is_in_the_log(pinned):
    pinned.put_signed(document(serial=6))
    pinned.broker.call("policy.reload")
    first, second = pinned.events("policy.load")
    assert first["who"] == "broker" and "serial 5" in first["detail"]
    assert second["who"].startswith("uid 0") and "serial 6" in second["detail"]
    assert pinned.broker.json("audit", "verify")["lines"] > 0


# --- A key that was pinned as the vault was made ------------------------------

def test_a_key_can_be_pinned_by_init(place):
    place.put_signed(document(serial=1))
    place.start("--organization-key", place.keys / "pinned.pub")
    place.add_credential()
    place.issues()
    assert place.broker.call("policy.show")["pin"]["from"] == "vault"
    place.put_signed(document(serial=2), key="other")
    place.hup()
    assert "minisig" in place.tier()["problem"]
    place.pin()
    place.put_signed(document(serial=2))
    place.hup()
    assert place.broker.call("policy.show")["pin"]["from"] == "both"
    assert place.tier()["serial"] == 2
    place.issues()


def test_a_key_that_was_pinned_by_init_wants_its_policy(place):
    place.start("--organization-key", place.keys / "pinned.pub")
    place.add_credential()
    place.refuses("organization", "it is missing")
    place.put(document(serial=1))
    place.hup()
    place.refuses("organization", "not signed")


def test_two_keys_that_differ_allow_nothing(place):
    place.pin()
    place.put_signed(document(serial=1))
    place.start("--organization-key", place.keys / "pinned.pub")
    place.add_credential()
    place.issues()
    # Not even what was good before.
    place.pin("other")
    place.put_signed(document(serial=2), key="other")
    place.hup()
    place.refuses("organization", "organization.pub")
    place.pin()
    place.put_signed(document(serial=2))
    place.hup()
    place.issues()


def test_init_takes_only_a_key(place):
    bad = place.broker.folder / "bad.pub"
    bad.write_text("nothing\n")
    done = place.broker.run("init", "--key-file", place.broker.key,
                            "--organization-key", bad, check=False)
    assert done.returncode != 0 and "bad.pub" in done.stderr
    assert not (place.broker.state / "vault").exists()


# --- Time, and live sessions --------------------------------------------------

@pytest.fixture
def sandbox(place, git_server):
    """A live session that may fetch from the git server, with a policy that
    runs out soon and a key pinned."""
    place.pin()
    place.put_signed(document(serial=1, expires=in_seconds(3600)))
    place.start()
    add_git_credential(place.broker, git_server)
    made = LiveSandbox(place.broker, ["forge:git=fetch,repository=acme/*"])
    made.url = f"{git_server.url}/acme/api.git"
    yield made
    made.close()


def test_a_live_session_follows_what_is_in_force(place, sandbox):
    assert sandbox(f"git ls-remote {sandbox.url}")[0] == 0
    place.put_signed(document(serial=2, rules=[]))
    place.hup()
    status, text = sandbox(f"git ls-remote {sandbox.url}")
    assert status != 0 and "organization" in text, text
    place.put_signed(document(serial=3))
    place.hup()
    assert sandbox(f"git ls-remote {sandbox.url}")[0] == 0


def test_from_the_second_on_that_it_runs_out_nothing_is_allowed(place,
                                                               sandbox):
    # Time enough to be read and used before it is over.
    place.put_signed(document(serial=2, expires=in_seconds(15)))
    place.hup()
    assert sandbox(f"git ls-remote {sandbox.url}")[0] == 0
    wait_until(lambda: place.tier()["state"] == "run out", "end of policy")
    place.refuses("organization", "ran out at",
                  grant="forge:git=fetch,repository=acme/api")
    status, text = sandbox(f"git ls-remote {sandbox.url}")
    assert status != 0 and "ran out at" in text, text
    wait_until(lambda: place.events("policy.expire"), "event")
    # A newer one puts it right.
    place.put_signed(document(serial=3, expires=in_seconds(3600)))
    place.hup()
    assert sandbox(f"git ls-remote {sandbox.url}")[0] == 0


def test_a_session_from_before_a_restart_waits_for_a_good_policy(place,
                                                                 sandbox):
    assert sandbox(f"git ls-remote {sandbox.url}")[0] == 0
    place.broker.stop()
    place.signature.unlink()
    place.broker.start()
    status, text = sandbox(f"git ls-remote {sandbox.url}")
    assert status != 0 and "not signed" in text, text
    place.sign()
    place.hup()
    assert sandbox(f"git ls-remote {sandbox.url}")[0] == 0


def test_a_locked_broker_has_no_policies_in_force(pinned):
    pinned.broker.run("lock")
    shown = pinned.broker.json("status")["policies"]
    assert not shown["ready"]
    assert {t["state"] for t in shown["tiers"]} == {"not read"}
    pinned.put_signed(document(serial=4))
    pinned.broker.run("unlock", "--key-file", pinned.broker.key)
    pinned.refuses("organization", "its serial 4 is lower than 5")
    pinned.put_signed(document(serial=5))
    pinned.broker.run("lock")
    pinned.broker.run("unlock", "--key-file", pinned.broker.key)
    pinned.issues()


# --- A user's broker ----------------------------------------------------------

def give(path):
    for name in (path, *path.rglob("*")):
        os.chown(name, ORDINARY, ORDINARY)


@pytest.mark.parametrize("moved", [False, True], ids=["usual", "moved"])
def test_a_user_narrows_and_has_no_say_in_the_organization_s(folder, moved):
    broker = UsersBroker(folder, {})
    config = broker.home / ".config"
    policies = broker.home / "mine" if moved else config / "credbroker/policy"
    policies.mkdir(parents=True)
    (config / "credbroker").mkdir(parents=True, exist_ok=True)
    if moved:
        (config / "credbroker/credbroker.json").write_text(
            json.dumps({"policy_folder": str(policies)}))
    team = policies / "team.json"
    team.write_text(json.dumps(document("team", rules=[])))
    # As if it were the organization's: it is not looked at.
    (policies / "organization.json").write_text("{")
    (policies / "organization.pub").write_text("nothing")
    give(broker.home)
    try:
        broker.run("init", input="correct horse\n")
        broker.start(unlock=False)
        broker.run("unlock", input="correct horse\n")
        broker.run("credential", "add", "forge", "-p", "hosts=git.test",
                   "-p", "auth=bearer", input="secret\n")
        issue = ("issue", "--task", "t", "--grant",
                 "forge:git=fetch,repository=a/b")
        done = broker.run(*issue, check=False)
        assert done.returncode == 1 and "team" in done.stderr, done.stderr
        shown = broker.json("status")["policies"]["tiers"]
        assert shown[0]["path"] == "/etc/credbroker/policy/organization.json"
        assert shown[0]["state"] in ("none", "in force")
        assert shown[1]["path"] == str(team)
        team.unlink()
        broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: broker.json("status")["policies"]["tiers"][1][
            "state"] == "none", "team gone")
        broker.run(*issue)
    finally:
        broker.stop()
