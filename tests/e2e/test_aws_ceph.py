"""Keys that a real STS mints for a task, against a real S3 that says what they
may do."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest

import aws_relay
from aws_world import (AWS, PYTHON, READ_ALPHA, READ_BETA, Keys, Tools,
                       add_aws_credential, aws_grant, need_javascript)
from conftest import LiveSandbox, descendants, wait_until

GRANT = aws_grant(READ_ALPHA)
# Debian's aws is older than the variable.
CLI = f'{AWS} --endpoint-url "$AWS_ENDPOINT_URL"'
HOST_NETWORK = ["--network", "host"]


def run_aws(broker, *words, grant=GRANT, options=HOST_NETWORK, check=False):
    """`credbroker run ... -- aws WORDS`, as the manual has it."""
    workspace = broker.folder / "workspace"
    workspace.mkdir(exist_ok=True)
    (workspace / "new").write_text("new\n")
    return broker.run("run", "--task", "logs", "--workspace", workspace,
                      *options, "--grant", grant, "--", "sh", "-c",
                      f'exec {CLI} "$@"', "aws", *words, check=check)


def opened(broker, *grants, **terms):
    return contextlib.closing(Tools(broker, *(grants or [GRANT]), **terms))


def keys_of(session):
    """What the endpoint hands out now."""
    done = session.run("credbroker-aws", "aws-dev")
    said = json.loads(done.stdout)
    assert said["Version"] == 1
    return Keys(said["AccessKeyId"], said["SecretAccessKey"],
                said["SessionToken"]), said["Expiration"]


def may_read(ceph, keys, bucket, key="x"):
    s3 = keys.client("s3", ceph.url)
    try:
        s3.get_object(Bucket=bucket, Key=key)
        return True
    except s3.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        return False


@pytest.fixture
def brief(broker, ceph):
    """A broker whose keys live for as many seconds as a test says."""
    with aws_relay.BriefCeph(ceph, 3600) as relay:
        add_aws_credential(broker, ceph, url=relay.url)
        broker.relay = relay
        broker.ceph = ceph
        yield broker


# The scope, and who enforces it.

@pytest.mark.parametrize("options", [HOST_NETWORK, []],
                         ids=["minted", "injected"])
def test_a_bucket_is_read_and_nothing_else(cloud, ceph, options):
    done = run_aws(cloud, "s3", "cp", "s3://alpha/x", "-", options=options)
    assert done.stdout == "alpha/x\n", done.stderr
    before = {bucket: ceph.keys(bucket) for bucket in ("alpha", "beta")}
    for words in (["cp", "s3://beta/x", "-"], ["ls", "s3://beta/"],
                  ["cp", "new", "s3://alpha/new"],
                  ["cp", "new", "s3://alpha/x"],
                  ["cp", "s3://alpha/x", "s3://alpha/y"],
                  ["rm", "s3://alpha/x"], ["mb", "s3://gamma"], ["ls"]):
        refused = ceph.answers().count(403)
        done = run_aws(cloud, "s3", *words, options=options)
        assert done.returncode != 0, words
        # Ceph says it without a message, over which Debian's aws stumbles.
        assert ceph.answers().count(403) > refused, (words, done.stderr)
    assert {bucket: ceph.keys(bucket)
            for bucket in ("alpha", "beta")} == before
    assert ceph.get("alpha", "x") == b"alpha/x\n"
    assert ceph.get("alpha", "y") == b"alpha/y\n"


@pytest.mark.parametrize("way", ["container", "imds", "process", "inject"])
def test_each_way_works_in_a_sandbox(cloud, way):
    """Through the forwarder that stands in it."""
    done = run_aws(cloud, "s3", "cp", "s3://alpha/x", "-",
                   options=[*HOST_NETWORK, "--aws", way])
    assert done.stdout == "alpha/x\n", done.stderr
    done = run_aws(cloud, "s3", "cp", "s3://beta/x", "-",
                   options=[*HOST_NETWORK, "--aws", way])
    assert done.returncode != 0 and "403" in done.stderr, done.stderr


def test_the_long_lived_keys_may_what_no_session_may(cloud, ceph):
    """So that the test above shows the session policy, and not the user."""
    with opened(cloud, aws_grant("actions=s3:*,resources=*")) as session:
        keys, _ = keys_of(session)
    s3 = keys.client("s3", ceph.url)
    s3.put_object(Bucket="beta", Key="n", Body=b"n")
    assert s3.get_object(Bucket="beta", Key="n")["Body"].read() == b"n"
    s3.delete_object(Bucket="beta", Key="n")


def test_conditions_are_enforced(cloud, ceph):
    grant = aws_grant("actions=s3:ListBucket,resources=arn:aws:s3:::alpha,"
                      "conditions=StringLike(s3:prefix)=sub/*")
    with opened(cloud, grant) as session:
        keys, _ = keys_of(session)
    s3 = keys.client("s3", ceph.url)
    found = s3.list_objects_v2(Bucket="alpha", Prefix="sub/")
    assert [entry["Key"] for entry in found["Contents"]] == ["sub/z"]
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket="alpha")


def test_grants_of_a_credential_are_one_set_of_keys(cloud, ceph):
    with opened(cloud, GRANT, aws_grant(
            "actions=s3:PutObject,resources=arn:aws:s3:::beta/in/*")
            ) as session:
        keys, _ = keys_of(session)
    s3 = keys.client("s3", ceph.url)
    assert may_read(ceph, keys, "alpha")
    assert not may_read(ceph, keys, "beta")
    s3.put_object(Bucket="beta", Key="in/a", Body=b"a")
    ceph.s3.delete_object(Bucket="beta", Key="in/a")
    for bucket, key in (("alpha", "in/a"), ("beta", "a")):
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            s3.put_object(Bucket=bucket, Key=key, Body=b"a")


def test_over_tls_with_a_ca_of_its_own(broker, ceph):
    add_aws_credential(broker, ceph, url=ceph.tls_url, ca=f"@{ceph.ca}")
    with opened(broker) as session:
        keys, _ = keys_of(session)
    assert may_read(ceph, keys, "alpha") and not may_read(ceph, keys, "beta")


def test_without_its_ca_nothing_is_sent(broker, ceph):
    add_aws_credential(broker, ceph, url=ceph.tls_url)
    done = broker.run("issue", "--task", "t", "--grant", GRANT, check=False)
    assert done.returncode == 4 and "certificate" in done.stderr.lower()


def test_keys_of_get_session_token(broker, ceph):
    add_aws_credential(broker, ceph, role="", role_arn=None,
                       call="session-token")
    with opened(broker, aws_grant("actions=*,resources=*")) as session:
        keys, _ = keys_of(session)
        assert keys.token and keys.id != ceph.broker_keys.id
    assert may_read(ceph, keys, "own") and not may_read(ceph, keys, "alpha")
    done = broker.run("issue", "--task", "t", "--grant", GRANT, check=False)
    assert done.returncode != 0
    assert "session-token" in done.stderr, done.stderr


# What the STS refuses.

def sessions(broker):
    return broker.json("session", "list")["sessions"]


@pytest.mark.parametrize("params,keys", [
    ({"duration": "3h"}, None),
    ({"role": "arn:aws:iam:::role/nobody"}, None),
    ({}, Keys("NOBODYSKEYS", "x" * 40)), ({}, "wrong secret")])
def test_what_the_sts_refuses_is_said_and_leaves_nothing(
        broker, ceph, params, keys):
    if keys == "wrong secret":
        keys = Keys(ceph.broker_keys.id, "canarywrong" + "x" * 30)
    add_aws_credential(broker, ceph, keys=keys, **params)
    done = broker.run("issue", "--task", "t", "--grant", GRANT, check=False)
    assert done.returncode == 4, done.stderr
    assert "403" in done.stderr or "400" in done.stderr or \
        "AccessDenied" in done.stderr or "NoSuch" in done.stderr or \
        "Signature" in done.stderr or "InvalidAccessKeyId" in done.stderr, \
        done.stderr
    for secret in (ceph.broker_keys.secret, keys and keys.secret):
        assert not secret or secret not in done.stderr + broker.log_text()
    assert sessions(broker) == []


# The keys that must not be seen.

def look_into(pid, needles):
    """Where in a process and in what it sees of files a needle is."""
    found = []
    proc = pathlib.Path("/proc", str(pid))

    def look(where, data):
        found.extend((where, needle) for needle in needles if needle in data)
    for name in ("environ", "cmdline"):
        look(name, (proc / name).read_bytes())
    with open(proc / "mem", "rb", buffering=0) as memory:
        for line in (proc / "maps").read_text().splitlines():
            span, mode = line.split()[:2]
            if mode[0] != "r" or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            begin, end = (int(part, 16) for part in span.split("-"))
            with contextlib.suppress(OSError):
                memory.seek(begin)
                look(f"memory {line}", memory.read(end - begin))
    root = proc / "root"
    for folder, folders, files in os.walk(root):
        if pathlib.Path(folder) == root:
            folders[:] = [name for name in folders
                          if name not in ("proc", "sys", "usr", "opt", "dev")]
        for name in files:
            path = pathlib.Path(folder, name)
            if path.is_file() and not path.is_symlink():
                with contextlib.suppress(OSError):
                    look(f"file {path}", path.read_bytes())
    return found


@pytest.mark.skipif(os.geteuid() != 0,
                    reason="only root looks into the memory of a sandbox")
@pytest.mark.parametrize("options", [HOST_NETWORK, []],
                         ids=["minted", "injected"])
def test_the_long_lived_keys_are_nowhere_in_a_sandbox(cloud, ceph, options):
    script = """
import os, sys, boto3
s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
print(s3.get_object(Bucket="alpha", Key="x")["Body"].read().decode())
print("ready", flush=True)
sys.stdin.read()
"""
    workspace = cloud.folder / "workspace"
    workspace.mkdir()
    process = subprocess.Popen(
        cloud.command("run", "--task", "t", "--workspace", workspace,
                      *options, "--grant", GRANT, "--", PYTHON, "-c", script),
        env=cloud.environment(), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "alpha/x\n"
        assert "ready\n" in (process.stdout.readline(),
                             process.stdout.readline())
        below = descendants(process.pid)
        own = os.readlink("/proc/self/ns/mnt")
        inside = [pid for pid in below
                  if os.readlink(f"/proc/{pid}/ns/mnt") != own]
        assert inside
        found, seen = [], []
        for pid in inside:
            found += look_into(pid, [ceph.broker_keys.id.encode(),
                                     ceph.broker_keys.secret.encode()])
            # A search that finds nothing has to be one that can.
            seen += look_into(pid, [b"s3.get_object(Bucket="])
        assert found == []
        assert any(where.startswith("memory") for where, _ in seen)
        assert any(where == "cmdline" for where, _ in seen)
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


def test_minted_keys_are_written_nowhere(cloud):
    with opened(cloud) as session:
        keys, _ = keys_of(session)
        text = cloud.run("session", "show", session.session).stdout
        text += cloud.run("session", "show", session.session, "--json").stdout
    cloud.run("audit", "show")
    text += cloud.run("audit", "show", "--json").stdout
    assert keys.secret not in text and keys.token not in text
    assert keys.id in text      # an admin has to find it in Amazon's log
    cloud.stop()
    for path in cloud.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert keys.secret.encode() not in data, path
            assert keys.token.encode() not in data, path


# Two sessions at once.

def test_two_sessions_have_keys_of_their_own(cloud, ceph):
    with opened(cloud, aws_grant(READ_ALPHA), task="one") as one, \
            opened(cloud, aws_grant(READ_BETA), task="two") as two:
        first, _ = keys_of(one)
        second, _ = keys_of(two)
        assert {first.id, first.secret, first.token}.isdisjoint(
            {second.id, second.secret, second.token})
        assert may_read(ceph, first, "alpha")
        assert not may_read(ceph, first, "beta")
        assert may_read(ceph, second, "beta")
        assert not may_read(ceph, second, "alpha")


def curl(session, path, *words):
    """(status, body) of a request to a session's endpoint."""
    done = session.run("curl", "--silent", "--noproxy", "*", "--write-out",
                       "\n%{http_code}", *words, session.wire.url + path)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def token_of(session):
    return session.run("cat", "/run/credbroker/token").stdout


def test_a_token_of_another_session_is_worth_nothing(cloud):
    with opened(cloud, task="one", aws="imds") as one, \
            opened(cloud, aws_grant(READ_BETA), task="two",
                   aws="imds") as two:
        own = curl(two, "/v1/aws/aws-dev", "--header",
                   f"Authorization: {token_of(two)}")
        assert own[0] == 200 and "SecretAccessKey" in own[1]
        for header in ("Authorization: ", "Authorization: Bearer "):
            status, body = curl(two, "/v1/aws/aws-dev", "--header",
                                header + token_of(one))
            assert status in (401, 403) and "SecretAccessKey" not in body
        status, token = curl(
            one, "/latest/api/token", "--request", "PUT", "--header",
            "x-aws-ec2-metadata-token-ttl-seconds: 600")
        assert status == 200
        path = "/latest/meta-data/iam/security-credentials/"
        header = f"x-aws-ec2-metadata-token: {token}"
        assert curl(one, path, "--header", header)[0] == 200
        assert curl(two, path, "--header", header)[0] == 401


def test_a_name_that_was_not_granted_has_no_keys(cloud, ceph):
    add_aws_credential(cloud, ceph, "other")
    with opened(cloud) as one, \
            opened(cloud, aws_grant(READ_BETA, "other")) as two:
        assert two.run("credbroker-aws", "other").returncode == 0
        for name in ("other", "nobody", "", "aws-dev/x", "../aws/aws-dev"):
            status, body = curl(one, f"/v1/aws/{name}", "--path-as-is",
                                "--header", f"Authorization: {token_of(one)}")
            assert 400 <= status < 500, name
            assert "SecretAccessKey" not in body
        done = one.run("credbroker-aws", "other", check=False)
        assert done.returncode != 0 and done.stdout == ""


@pytest.fixture
def sandboxes(cloud):
    made = []

    def make(grant, **kwargs):
        kwargs.setdefault("options", HOST_NETWORK)
        made.append(LiveSandbox(cloud, [grant], **kwargs))
        return made[-1]
    yield make
    with contextlib.ExitStack() as stack:
        for sandbox in made:
            stack.callback(sandbox.close)


def test_a_sandbox_is_not_served_at_anothers_endpoint(sandboxes):
    one = sandboxes(aws_grant(READ_ALPHA), task="one")
    two = sandboxes(aws_grant(READ_BETA), task="two")
    ask = ("curl --silent --show-error --max-time 20 --noproxy '*' "
           "--header \"Authorization: {token}\" {url}/v1/aws/aws-dev")
    own = ask.format(token="$(cat /run/credbroker/token)",
                     url="$CREDBROKER_ENDPOINT")
    status, out = one(own)
    assert status == 0 and "SecretAccessKey" in out
    # Even with the other's token, from where the other's endpoint is near.
    stolen = two("printf %s \"$(cat /run/credbroker/token)\"")[1]
    other = two("printf %s \"$CREDBROKER_ENDPOINT\"")[1]
    status, out = one(ask.format(token=stolen, url=other))
    assert "SecretAccessKey" not in out
    status, out = one(ask.format(token=stolen, url="$CREDBROKER_ENDPOINT"))
    assert "SecretAccessKey" not in out
    assert one("ls -A /run/credbroker")[1].split() == \
        two("ls -A /run/credbroker")[1].split()


# From one lease to the next.

LOOP = {
    "boto3": """
        import time
        s3 = boto3.client("s3", endpoint_url=url)
        calls = 0
        while time.time() < float(os.environ["UNTIL"]):
            assert s3.get_object(Bucket="alpha", Key="x")["Body"].read()
            calls += 1
            time.sleep(0.3)
        print(calls)
    """,
    "javascript": """
        const client = new s3.S3Client({forcePathStyle: true, maxAttempts: 1});
        let calls = 0;
        while (Date.now() < 1000 * Number(process.env.UNTIL)) {
            const got = await client.send(
                new s3.GetObjectCommand({Bucket: "alpha", Key: "x"}));
            await got.Body.transformToString();
            calls++;
            await new Promise((done) => setTimeout(done, 300));
        }
        console.log(calls);
    """,
}
# An STS whose keys last less than eleven minutes is asked every half minute,
# and nothing is handed out that lasts less than a minute.
LIFE = 95


@pytest.mark.limit(4 * LIFE)
def test_clients_call_on_across_the_end_of_their_keys(brief):
    """Each outlives the keys that it got first, by a call in each third of a
    second; and so do requests that the broker signs."""
    need_javascript()
    brief.relay.life = LIFE
    done, threads = {}, []
    with contextlib.ExitStack() as stack:
        made = {mode: stack.enter_context(opened(brief, aws=mode))
                for mode in ("container", "process", "inject")}
        first = {mode: keys_of(session)[0] for mode, session in made.items()
                 if mode != "inject"}
        # Its keys are minted by the first request.
        made["inject"].aws("s3", "ls", "s3://alpha/")
        until = str(max(dies for _, dies in brief.relay.minted) + 2)

        def run(mode, client):
            call = getattr(made[mode],
                           "python" if client == "boto3" else client)
            done[mode, client] = call(LOOP[client], env={"UNTIL": until},
                                      timeout=3 * LIFE)
        for mode in made:
            for client in LOOP:
                threads.append(threading.Thread(target=run,
                                                args=(mode, client)))
                threads[-1].start()
        for thread in threads:
            thread.join()
        assert len(done) == len(threads)
        for result in done.values():
            assert int(result.stdout) > 20
        assert brief.relay.refused == 0
        for session in made.values():
            ids = {lease["id"] for lease in brief.call(
                "session.show", session=session.session)["session"]["leases"]}
            assert len(ids & {key_id for key_id, _ in brief.relay.minted}) > 1
        # What had been handed out first is dead by now.
        for keys in first.values():
            s3 = keys.client("s3", brief.relay.url)
            with pytest.raises(s3.exceptions.ClientError, match="Expired"):
                s3.get_object(Bucket="alpha", Key="x")
        assert brief.relay.refused == len(first)


def test_many_who_wait_are_one_mint(brief):
    with opened(brief, mint="later") as session:
        assert brief.relay.minted == []
        answers = []

        def ask():
            answers.append(curl(session, "/v1/aws/aws-dev", "--header",
                                f"Authorization: {token}"))
        token = token_of(session)
        threads = [threading.Thread(target=ask) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [status for status, _ in answers] == [200] * 50
        assert len({body for _, body in answers}) == 1
        assert len(brief.relay.minted) == 1


def test_nothing_is_asked_of_the_sts_in_a_fetch(brief):
    with opened(brief) as session:
        assert len(brief.relay.minted) == 1
        first, _ = keys_of(session)
        for _ in range(5):
            assert keys_of(session)[0] == first
        assert len(brief.relay.minted) == 1


# What an admin does meanwhile.

def test_revoke_hands_out_no_more_and_says_what_still_works(cloud, ceph):
    with opened(cloud) as session:
        keys, expires = keys_of(session)
        assert cloud.json("session", "show", session.session)
        cloud.run("revoke", session.session)
        done = session.run("credbroker-aws", "aws-dev", check=False)
        assert done.returncode != 0 and done.stdout == ""
        shown = cloud.json("session", "show", session.session)
        assert expires in json.dumps(shown), shown
        # STS has no revocation; docs/aws.md says what an admin can do.
        assert may_read(ceph, keys, "alpha")


def test_granting_and_dropping_change_the_keys(cloud, ceph):
    with opened(cloud) as session:
        before, _ = keys_of(session)
        cloud.run("session", "grant", session.session, "--grant",
                  aws_grant(READ_BETA))
        both, _ = keys_of(session)
        assert both.id != before.id
        assert may_read(ceph, both, "alpha") and may_read(ceph, both, "beta")
        grants = cloud.json("session", "show",
                            session.session)["session"]["grants"]
        cloud.run("session", "drop", session.session, "--grant",
                  grants[0]["number"])
        rest, _ = keys_of(session)
        assert not may_read(ceph, rest, "alpha")
        assert may_read(ceph, rest, "beta")
        cloud.run("session", "drop", session.session, "--grant",
                  grants[1]["number"])
        done = session.run("credbroker-aws", "aws-dev", check=False)
        assert done.returncode != 0 and done.stdout == ""


def test_keys_that_an_admin_changes_are_used_from_the_next_mint(
        broker, ceph):
    add_aws_credential(broker, ceph, keys=Keys(
        ceph.broker_keys.id, "wrong" + ceph.broker_keys.secret[5:]))
    done = broker.run("issue", "--task", "t", "--grant", GRANT, check=False)
    assert done.returncode == 4
    broker.run("credential", "set", "aws-dev",
               input=ceph.broker_keys.text)
    with opened(broker) as session:
        assert may_read(ceph, keys_of(session)[0], "alpha")


# What ends meanwhile.

def fetched_again(session):
    """Keys, as soon as there are some."""
    def ask():
        done = session.run("credbroker-aws", "aws-dev", check=False)
        return done.stdout
    said = json.loads(wait_until(ask, "keys"))
    return Keys(said["AccessKeyId"], said["SecretAccessKey"],
                said["SessionToken"])


@pytest.mark.parametrize("name", ["gateway", "egress", "core"])
def test_a_session_lives_on_without_one_of_the_processes(brief, name):
    with opened(brief) as session:
        before, _ = keys_of(session)
        pid = brief.pids()[name]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: brief.run("status", "--json",
                                     check=False).returncode == 0 and
                   brief.pids().get(name) not in (None, pid), name)
        if brief.json("status")["state"] == "locked":
            brief.run("unlock", "--key-file", brief.key)
        after = fetched_again(session)
        assert may_read(brief.ceph, after, "alpha")
        assert not may_read(brief.ceph, after, "beta")
        # The gateway's table is filled again from the core's.
        assert (after == before) == (name != "core")
        assert len(brief.relay.minted) == (1 if name != "core" else 2)


def test_a_session_lives_on_after_a_restart(brief):
    with opened(brief) as session:
        before, _ = keys_of(session)
        brief.stop()
        brief.start()
        after = fetched_again(session)
        assert after != before      # keys are in memory only
        assert may_read(brief.ceph, after, "alpha")
        assert len(brief.relay.minted) == 2


def test_an_sts_that_was_down_is_asked_again(brief):
    """A session outlives what ails its STS."""
    with opened(brief, mint="later") as session:
        brief.relay.before = lambda exchange: setattr(exchange, "status", 503)
        done = session.run("credbroker-aws", "aws-dev", check=False)
        assert done.returncode != 0 and done.stdout == ""
        assert "503" in done.stderr, done.stderr
        del brief.relay.before
        assert may_read(brief.ceph, fetched_again(session), "alpha")


def test_keys_that_were_never_handed_out_are_not_said_to_go_on(cloud):
    done = run_aws(cloud, "s3", "cp", "s3://alpha/x", "-", options=[])
    assert done.stdout == "alpha/x\n"
    assert "work until" not in done.stderr, done.stderr
    session = cloud.json("session", "list", "--all")["sessions"][0]["id"]
    shown = cloud.run("session", "show", session).stdout
    assert "never handed out" in shown and "issued keys" not in shown
    done = run_aws(cloud, "s3", "cp", "s3://alpha/x", "-")
    assert "keys work until" in done.stderr
    run_aws(cloud, "s3", "cp", "s3://beta/x", "-", options=[])
    ends = [line.split("\t") for line in cloud.run(
        "audit", "show").stdout.splitlines() if "exchange.end" in line]
    assert [line[-1].split(",")[0] for line in ends] == ["200", "200", "403"]
    # As the vault keeps it, too.
    cloud.stop()
    cloud.start()
    assert "never handed out" in cloud.run("session", "show", session).stdout


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_url_is_refused_with_a_reason(cloud, version):
    with opened(cloud, aws="inject") as session:
        done = session.python("""
            from botocore.config import Config
            s3 = boto3.client("s3", endpoint_url=url, config=Config(
                signature_version=sys.argv[1]))
            print(s3.generate_presigned_url(
                "get_object", {"Bucket": "alpha", "Key": "x"}))
        """, version)
        signed = done.stdout.strip().removeprefix(session.wire.url)
        status, body = curl(session, signed)
        assert status == 400 and "presigned" in body, body
