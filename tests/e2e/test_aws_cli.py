"""What a person types for AWS and reads of it, and what a sandbox is given:
the token service is one that believes nothing."""

import contextlib
import json
import pathlib
import re
import subprocess
import sys

import pexpect
import pytest

from aws_relay import UnixConnection
from aws_world import (AWS, READ_ALPHA, READ_BETA, Tools, add_aws_credential,
                       aws_grant)
from conftest import wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
fake = pytest.importorskip("sts", reason="the fake needs python3-boto3")

KEY = "AKIDCANARYCANARY0003"
SECRET = "canary/secret+of/a+person=============="
ROLE = "arn:aws:iam::123456789012:role/logs"
SCOPE = "actions=s3:GetObject,resources=arn:aws:s3:::alpha/*"
GRANT = f"aws-dev:{SCOPE}"
PORT = 9169
TOKEN = "/run/credbroker/token"
CONFIG = "/run/credbroker/aws-config"
NO_PROXY = "127.0.0.1,localhost,::1,[::1],169.254.169.254,169.254.170.2"
COMMON = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1",
          "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
HOST = ["--network", "host"]


def add(broker, sts, name="aws-dev", **params):
    given = {"endpoint-url": sts.url, "network": "loopback",
             "region": "eu-west-1", "role-arn": ROLE,
             **{k.replace("_", "-"): v for k, v in params.items()}}
    words = [w for k, v in given.items() if v for w in ("-p", f"{k}={v}")]
    return broker.run("credential", "add", name, "--backend", "aws-sts",
                      *words, input=f"{KEY}\n{SECRET}\n")


@pytest.fixture
def sts():
    with fake.Sts({KEY: SECRET}) as server:
        yield server
        assert server.problems == []


@pytest.fixture
def aws(broker, sts):
    add(broker, sts)
    broker.sts = sts
    return broker


def issue(broker, *words, grants=(GRANT,), **kwargs):
    grants = [word for grant in grants for word in ("--grant", grant)]
    return broker.json("issue", "--task", "logs", *grants, *words, **kwargs)


def aws_of(issued):
    return {k: v for k, v in issued["environment"].items()
            if k.startswith("AWS_")}


def folder_of(issued):
    return pathlib.Path(issued["session"]["folder"])


def get(issued, path):
    connection = UnixConnection(folder_of(issued) / "endpoint.sock")
    with contextlib.closing(connection):
        connection.request("GET", path, headers={
            "Host": "127.0.0.1:9169",
            "Authorization": (folder_of(issued) / "token").read_text()})
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def last(requests):
    return requests[-1].parameters


# What the sandbox is offered: one way, and nothing that wins over it.

def test_container_is_the_way_by_itself(aws):
    issued = issue(aws)
    assert aws_of(issued) == {
        **COMMON,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI":
            f"http://127.0.0.1:{PORT}/v1/aws/aws-dev",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": TOKEN,
        # For clients that are older than the file: it is no secret.
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Credbroker-Session",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_ENDPOINT_URL": aws.sts.url}
    assert issued["environment"]["NO_PROXY"] == NO_PROXY
    assert issued["environment"]["no_proxy"] == NO_PROXY
    assert issued["session"]["aws"] == {
        "mode": "container", "credential": "aws-dev"}
    assert not (folder_of(issued) / "aws-config").exists()
    status, keys = get(issued, "/v1/aws/aws-dev")
    assert status == 200 and keys["AccessKeyId"] == aws.sts.issued[-1].id


def test_imds(aws):
    issued = issue(aws, "--aws", "imds")
    assert aws_of(issued) == {
        **COMMON,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{PORT}/",
        "AWS_EC2_METADATA_V1_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_ENDPOINT_URL": aws.sts.url}


def test_process(aws):
    issued = issue(aws, "--aws", "process")
    assert aws_of(issued) == {
        **COMMON, "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": CONFIG, "AWS_ENDPOINT_URL": aws.sts.url}
    config = folder_of(issued) / "aws-config"
    assert config.stat().st_mode & 0o777 == 0o400
    assert config.read_text() == (
        "[default]\nregion = eu-west-1\n"
        "credential_process = sh -c 'PATH=$PATH:/run/credbroker-bin exec "
        "credbroker-aws aws-dev'\n"
        f"endpoint_url = {aws.sts.url}\n")
    shims = [m["target"] for m in issued["mounts"]
             if m["target"].startswith("/run/credbroker-bin/")]
    assert shims == ["/run/credbroker-bin/credbroker-shim",
                     "/run/credbroker-bin/credbroker-aws"]


INJECTED = {
    **COMMON, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": CONFIG,
    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}/http/aws-dev",
    "AWS_ACCESS_KEY_ID": "credbroker0injected",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}


@pytest.mark.parametrize("words, grant", [
    (["--aws", "inject"], GRANT), ([], GRANT + ",delivery=inject")])
def test_inject(aws, words, grant):
    issued = issue(aws, *words, grants=[grant])
    assert aws_of(issued) == INJECTED
    assert (folder_of(issued) / "aws-config").read_text() == (
        "[default]\nregion = eu-west-1\n"
        f"endpoint_url = http://127.0.0.1:{PORT}/http/aws-dev\n"
        "aws_access_key_id = credbroker0injected\n"
        "aws_secret_access_key = not-a-secret\n"
        "request_checksum_calculation = when_required\n"
        "s3 =\n    addressing_style = path\n")
    assert issued["session"]["grants"][0]["delivery"] == "inject"
    # The keys are not to be had.
    status, answer = get(issued, "/v1/aws/aws-dev")
    assert status == 403, answer
    for keys in aws.sts.issued:
        assert keys.secret not in json.dumps(answer)


def test_more_than_one_credential_are_profiles(aws, sts):
    add(aws, sts, "aws-b", region="eu-west-3")
    add(aws, sts, "aws-c", endpoint_url=None, network=None,
        region="eu-north-1")
    issued = issue(aws, "--mint", "later", grants=[
        GRANT, f"aws-b:{SCOPE},delivery=inject", f"aws-c:{SCOPE}",
        "aws-c:actions=s3:ListBucket,resources=arn:aws:s3:::alpha"])
    given = aws_of(issued)
    # It would win over a profile's own.
    assert "AWS_ENDPOINT_URL" not in given
    assert given["AWS_CONFIG_FILE"] == CONFIG
    assert given["AWS_CONTAINER_CREDENTIALS_FULL_URI"].endswith("/aws-dev")
    assert (folder_of(issued) / "aws-config").read_text() == (
        f"[default]\nregion = eu-west-1\nendpoint_url = {sts.url}\n"
        "\n[profile aws-b]\nregion = eu-west-3\n"
        f"endpoint_url = http://127.0.0.1:{PORT}/http/aws-b\n"
        "aws_access_key_id = credbroker0injected\n"
        "aws_secret_access_key = not-a-secret\n"
        "request_checksum_calculation = when_required\n"
        "s3 =\n    addressing_style = path\n"
        "\n[profile aws-c]\nregion = eu-north-1\n"
        "credential_process = sh -c 'PATH=$PATH:/run/credbroker-bin exec "
        "credbroker-aws aws-c'\n")
    assert [n for n in issued["notes"] if "profile" in n] == [
        f"{name} is a profile of AWS's tools there: --profile {name}"
        for name in ("aws-b", "aws-c")]


@pytest.mark.parametrize("aws", [None, "process", "inject"])
def test_a_real_client_takes_the_profiles(cloud, ceph, aws):
    add_aws_credential(cloud, ceph, "aws-b")
    with contextlib.closing(Tools(
            cloud, aws_grant(READ_ALPHA), aws_grant(READ_BETA, "aws-b"),
            aws=aws)) as tools:
        for words, name, bucket, works in (
                ([], "aws-dev", "alpha", True),
                ([], "aws-dev", "beta", False),
                (["--profile", "aws-b"], "aws-b", "beta", True),
                (["--profile", "aws-b"], "aws-b", "alpha", False)):
            # Debian's is older than a profile's endpoint_url.
            url = (f"http://127.0.0.1:{tools.wire.port}/http/{name}"
                   if aws == "inject" else ceph.url)
            done = tools.run(AWS, *words, "--endpoint-url", url, "s3", "ls",
                             f"s3://{bucket}/", check=False)
            assert (done.returncode == 0) == works, (words, bucket, done)


def test_a_session_without_aws_is_offered_nothing(aws, forge):
    issued = issue(forge, grants=["forge:repository=acme/api"])
    assert aws_of(issued) == {}
    assert "aws" not in issued["session"]
    assert issued["environment"]["NO_PROXY"] == "127.0.0.1,localhost"


def test_the_port_of_a_sandbox_on_the_hosts_network(aws):
    done = aws.sandbox('echo "$CREDBROKER_ENDPOINT"',
                       'echo "$AWS_CONTAINER_CREDENTIALS_FULL_URI"',
                       grants=[GRANT], options=HOST)
    endpoint, uri = done.stdout.split()
    assert uri == f"{endpoint}/v1/aws/aws-dev"
    assert endpoint != f"http://127.0.0.1:{PORT}"


@pytest.mark.parametrize("words, grant, says", [
    (["--aws", "container"], GRANT + ",delivery=inject", "delivery=inject"),
    (["--aws", "inject"], GRANT + ",delivery=mint", "delivery=mint"),
    (["--aws", "imds"], "forge:repository=acme/api", "no grant"),
    (["--aws", "magic"], GRANT, "container"),
    (["--mint", "never"], GRANT, "later"),
])
def test_a_way_that_cannot_be_had(aws, forge, words, grant, says):
    done = aws.run("issue", "--task", "t", "--grant", grant, *words,
                   check=False)
    assert done.returncode == 2 and says in done.stderr
    assert aws.json("session", "list")["sessions"] == []


# `run` chooses by the network.

def test_without_a_network_the_broker_sends(aws):
    done = aws.sandbox("env | grep ^AWS_ | sort", "cat $AWS_CONFIG_FILE",
                       "credbroker-aws aws-dev", grants=[GRANT], check=False)
    assert done.returncode != 0
    for name, value in INJECTED.items():
        assert f"{name}={value}\n" in done.stdout
    assert "addressing_style = path" in done.stdout
    assert ("note: aws-dev: the broker signs and sends the requests (--aws "
            "inject), since the sandbox has no network") in done.stderr
    for keys in aws.sts.issued:
        assert keys.secret not in done.stdout + done.stderr


@pytest.mark.parametrize("grant, words", [
    (GRANT + ",delivery=mint", []), (GRANT, ["--aws", "container"])])
def test_keys_without_a_network_are_warned_of(aws, grant, words):
    done = aws.sandbox("credbroker-aws aws-dev", grants=[grant],
                       options=words)
    assert json.loads(done.stdout)["AccessKeyId"] == aws.sts.issued[-1].id
    assert "--network host" in done.stderr and "--aws inject" in done.stderr


def test_with_the_hosts_network_keys_are_handed_out(aws):
    done = aws.sandbox("credbroker-aws aws-dev", grants=[GRANT], options=HOST)
    assert json.loads(done.stdout)["SecretAccessKey"] \
        == aws.sts.issued[-1].secret
    assert "note: aws-dev" not in done.stderr


def test_a_profile_program_works_in_a_sandbox(aws):
    done = aws.sandbox(
        "command=$(sed -n 's/^credential_process = //p' $AWS_CONFIG_FILE)",
        'PATH=/usr/bin:/bin eval "$command"', grants=[GRANT],
        options=[*HOST, "--aws", "process"])
    said = json.loads(done.stdout)
    assert said["Version"] == 1
    assert said["SessionToken"] == aws.sts.issued[-1].token


def test_without_a_sandbox_its_files_are_in_the_sessions_folder(aws):
    aws.stop()
    aws.configure({"allow_no_sandbox": True})
    aws.start()
    done = aws.sandbox(
        "cat $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "echo",
        "echo $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", grants=[GRANT],
        options=["--no-sandbox"])
    token, path = done.stdout.split()
    assert token.startswith("crbs_")
    assert path.startswith(str(aws.runtime))


def test_notes_are_in_the_json_of_run(aws):
    workspace = aws.folder / "workspace"
    workspace.mkdir()
    done = aws.run("run", "--json", "--task", "t", "--grant", GRANT,
                   "--workspace", workspace, "--", "true")
    begin, end = [json.loads(line) for line in done.stderr.splitlines()]
    assert any("--aws inject" in note for note in begin["notes"])
    assert end["event"] == "end"


@pytest.mark.parametrize("options", [
    [], HOST, [*HOST, "--aws", "process"], [*HOST, "--aws", "imds"]])
def test_inventory_finds_nothing_of_ours(aws, options):
    done = aws.sandbox(
        "/run/credbroker-bin/credbroker-shim inventory --no-network --json",
        grants=[GRANT], options=options, check=False)
    assert json.loads(done.stdout)["findings"] == []


# A grant that comes later.

def test_a_later_grant_keeps_to_the_sessions_way(aws, sts):
    issued = issue(aws, "--aws", "inject")
    add(aws, sts, "aws-b")
    shown = aws.json("session", "grant", issued["session"]["id"],
                     "--grant", f"aws-b:{SCOPE}")["session"]
    assert [g["delivery"] for g in shown["grants"]] == ["inject", "inject"]


def test_the_way_survives_a_restart(aws):
    issued = issue(aws, "--aws", "imds")
    aws.stop()
    aws.start()
    shown = aws.json("session", "show", issued["session"]["id"])["session"]
    assert shown["aws"] == {"mode": "imds", "credential": "aws-dev"}


# Options of issue.

def test_minted_later_is_minted_at_the_first_fetch(aws):
    before = len(aws.sts.requests)
    issued = issue(aws, "--mint", "later")
    assert len(aws.sts.requests) == before
    assert get(issued, "/v1/aws/aws-dev")[0] == 200
    assert len(aws.sts.requests) == before + 1


@pytest.mark.parametrize("way", ["container", "imds", "process", "inject"])
def test_a_shell_forgets_what_would_win(aws, way):
    done = aws.run("issue", "--task", "t", "--grant", GRANT, "--aws", way,
                   "--format", "shell")
    mine = {name: "mine" for name in (
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE",
        "AWS_SESSION_TOKEN", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_DISABLED",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE", "AWS_REGION")}
    shown = subprocess.run(
        ["sh", "-c", done.stdout + 'env | grep "^AWS_" | sort'], text=True,
        capture_output=True, check=True,
        env={"PATH": "/usr/bin:/bin", **mine}).stdout
    issued = aws_of(issue(aws, "--aws", way))
    assert shown == "".join(f"{k}={v}\n" for k, v in sorted(issued.items()))


def test_notes_go_to_standard_error(aws):
    done = aws.run("issue", "--task", "t", "--grant", GRANT, "--ttl", "5m",
                   "--format", "shell")
    assert "note: credential aws-dev: the keys work for 15m" in done.stderr
    assert "note:" not in done.stdout


def test_the_config_goes_with_the_session(aws):
    issued = issue(aws, "--aws", "process")
    assert (folder_of(issued) / "aws-config").exists()
    aws.run("revoke", issued["session"]["id"])
    aws.stop()
    aws.start()
    wait_until(lambda: not folder_of(issued).exists(), "the folder to go")


# A policy as a file.

POLICY = """{
    "Version": "2012-10-17",
    "Statement": [ { "Effect": "Allow", "Action": ["s3:GetObject", "s3:List*"],
        "Resource": "arn:aws:s3:::a+b/100%/*" } ]
}
"""


@pytest.mark.parametrize("way", ["issue", "profile", "session grant"])
def test_a_policy_is_read_from_a_file(aws, way):
    path = aws.folder / "policy.json"
    path.write_text(POLICY)
    grant = f"aws-dev:policy=@{path}"
    if way == "issue":
        issue(aws, grants=[grant])
    elif way == "profile":
        aws.run("profile", "add", "p", "--grant", grant)
        issue(aws, "--profile", "p", grants=[])
    else:
        add(aws, aws.sts, "aws-b")
        issued = issue(aws, grants=[f"aws-b:{SCOPE}"])
        aws.run("session", "grant", issued["session"]["id"], "--grant", grant)
        assert get(issued, "/v1/aws/aws-dev")[0] == 200
    sent = last(aws.sts.requests)["Policy"]
    assert json.loads(sent) == json.loads(POLICY)
    assert " " not in sent.replace("2012-10-17", "")


@pytest.mark.parametrize("text, says", [
    ("{", "policy.json"), (None, "policy.json"), ('["a"]', "policy")])
def test_a_policy_that_is_none(aws, text, says):
    path = aws.folder / "policy.json"
    if text is not None:
        path.write_text(text)
    done = aws.run("issue", "--task", "t", "--grant",
                   f"aws-dev:policy=@{path}", check=False)
    assert done.returncode in (2, 5) and says in done.stderr
    assert "--grant aws-dev" in done.stderr or "aws-dev" in done.stderr


# Storing keys.

GIVEN = {
    "text": f"{KEY}\n{SECRET}\n",
    "json": json.dumps({"AccessKey": {
        "UserName": "x", "AccessKeyId": KEY, "SecretAccessKey": SECRET}}),
    "ini": f"[default]\naws_access_key_id = {KEY}\n"
           f"aws_secret_access_key = {SECRET}\n",
    "shell": f'export AWS_ACCESS_KEY_ID="{KEY}"\n'
             f"AWS_SECRET_ACCESS_KEY='{SECRET}'\n",
    "csv": f"Access key ID,Secret access key\r\n{KEY},{SECRET}\r\n",
}


@pytest.mark.parametrize("form", GIVEN)
def test_keys_are_taken_as_a_person_has_them(broker, sts, form):
    done = broker.run(
        "credential", "add", "aws-dev", "-b", "aws-sts", "-p",
        f"endpoint-url={sts.url}", "-p", "network=loopback", "-p",
        f"role-arn={ROLE}", input=GIVEN[form])
    assert f"Stored aws-dev: aws-sts, used only to ask STS at {sts.url} " \
        f"for keys of the role {ROLE}" in done.stdout
    assert "1h at most" in done.stdout and "--grant 'aws-dev:" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    issue(broker)
    assert sts.requests[-1].access_key == KEY


def test_keys_that_are_none_are_not_repeated(broker):
    done = broker.run("credential", "add", "aws-dev", "-b", "aws-sts", "-p",
                      "region=eu-west-1", input=f"canary {SECRET}\n",
                      check=False)
    assert done.returncode != 0
    assert "canary" not in done.stdout + done.stderr


def spawn(broker, *words):
    words = broker.command(*words)
    return pexpect.spawn(words[0], words[1:], env=broker.environment(),
                         encoding="utf-8", timeout=30, dimensions=(40, 200))


def test_a_person_is_asked_for_role_region_and_keys(broker):
    child = spawn(broker, "credential", "add")
    seen = open(broker.folder / "terminal", "w", encoding="utf-8")
    child.logfile_read = seen
    for prompt, text in [("Service", "aws-sts"), (r"Name \[aws-sts\]: ", "x"),
                         ("Role.*: ", ROLE), ("Region.*: ", "eu-west-1"),
                         ("Access key id: ", KEY),
                         (r"Secret access key \(not shown\): ", SECRET)]:
        child.expect(prompt)
        child.sendline(text)
    child.expect("Stored x: aws-sts, used only to ask STS for keys of the")
    child.expect(pexpect.EOF)
    seen.close()
    text = (broker.folder / "terminal").read_text()
    assert KEY in text and SECRET not in text
    shown = broker.json("credential", "show", "x")["credential"]
    assert shown["params"] == {"role-arn": ROLE, "region": "eu-west-1"}
    assert shown["delivery"] == ["mint", "inject"]


def test_keys_are_replaced_in_the_same_way(aws):
    child = spawn(aws, "credential", "set", "aws-dev")
    child.expect("Access key id: ")
    child.sendline(KEY)
    child.expect("Secret access key")
    child.sendline(SECRET)
    child.expect("Changed aws-dev")
    child.expect(pexpect.EOF)
    issue(aws)


def test_a_session_token_is_asked_for_with_an_id_that_needs_one(broker):
    child = spawn(broker, "credential", "add", "x", "-b", "aws-sts", "-p",
                  f"role-arn={ROLE}", "-p", "region=eu-west-1")
    for prompt, text in [("Access key id: ", "ASIACANARYCANARY0003"),
                         ("Secret access key", SECRET),
                         ("Session token", "canary-token")]:
        child.expect(prompt)
        child.sendline(text)
    child.expect("Stored x")
    child.expect(pexpect.EOF)


def test_a_secret_at_the_question_for_the_id_is_refused(broker):
    child = spawn(broker, "credential", "add", "x", "-b", "aws-sts", "-p",
                  f"role-arn={ROLE}", "-p", "region=eu-west-1")
    child.expect("Access key id: ")
    child.sendline("c" * 40)
    child.expect("that is no id")
    child.expect(pexpect.EOF)
    assert broker.json("credential", "list")["credentials"] == []


def test_it_is_listed_with_both_ways(aws):
    row = aws.run("credential", "list").stdout.split("\t")
    assert row[:3] == ["aws-dev", "aws-sts", "mint or inject"]
    shown = aws.run("credential", "show", "aws-dev").stdout
    assert ROLE in shown and "stored; never shown" in shown
    assert KEY not in shown and SECRET not in shown


# Until when keys work, and how they are ended.

def test_show_says_until_when_keys_work(aws):
    issued = issue(aws)
    shown = aws.run("session", "show", issued["session"]["id"]).stdout
    assert re.search(r"^lease +aws-dev  issued keys work until "
                     r"\S+Z \(\S+\)  " + aws.sts.issued[-1].id + "$", shown,
                     re.M), shown
    assert re.search(r"^aws +container  aws-dev$", shown, re.M)


def test_revoke_says_what_it_cannot(aws):
    issue(aws, "--mint", "later")
    assert "lease" not in aws.run("revoke", "--all").stdout
    issued = issue(aws)
    done = aws.run("revoke", issued["session"]["id"])
    assert re.search(r"^1 AWS lease cannot be revoked upstream: keys work "
                     r"until (\d\d:\d\d|\d{4}-)", done.stdout, re.M), done.stdout
    assert ("credbroker revoke --print-deny " + issued["session"]["id"]) \
        in done.stdout
    issue(aws)
    # What was issued before works on, too.
    done = aws.run("revoke", "--task", "logs")
    assert "2 AWS leases cannot be revoked upstream" in done.stdout
    assert "--print-deny --task logs" in done.stdout


def test_a_sandbox_is_told_what_it_has_and_how(aws):
    done = aws.sandbox("credbroker-shim status", grants=[GRANT], options=HOST)
    assert re.search(r"^aws-dev +actions s3:.*; resources .* minted$",
                     done.stdout, re.M), done.stdout
    done = aws.sandbox("credbroker-shim status",
                       "credbroker-shim get /v1/aws/aws-dev",
                       grants=[GRANT], check=False)
    assert re.search(r"^aws-dev +actions s3:.*; resources .* injected$",
                     done.stdout, re.M), done.stdout
    assert "Send requests to /http/aws-dev" in done.stderr + done.stdout


def test_run_says_at_its_end_what_goes_on(aws):
    done = aws.sandbox("true", grants=[GRANT], options=HOST)
    assert re.search(r"^1 AWS lease cannot be revoked upstream: keys work "
                     r"until .*--print-deny", done.stderr, re.M), done.stderr


def test_keys_that_only_sign_are_no_ones_to_worry_about(cloud):
    """They never left the broker."""
    with contextlib.closing(Tools(cloud, aws_grant(READ_ALPHA),
                                  aws="inject")) as tools:
        assert "x" in tools.aws("s3", "ls", "s3://alpha/").stdout
        shown = cloud.run("session", "show", tools.session).stdout
        assert re.search(r"^lease +aws-dev  never handed out, works until ",
                         shown, re.M), shown
        done = cloud.run("revoke", tools.session)
        assert "Revoked 1 session" in done.stdout
        assert "lease" not in done.stdout


def deny(broker, *words, **kwargs):
    done = broker.run("revoke", "--print-deny", *words, **kwargs)
    # Whom it is about is no secret of the JSON.
    assert "that were issued before now, whoever has them" in done.stderr \
        or "the keys of that " in done.stderr, done.stderr
    policy = json.loads(done.stdout)
    assert ("DateLessThan" in done.stdout) == ("whoever" in done.stderr)
    assert policy["Version"] == "2012-10-17"
    [statement] = policy["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Resource"]) \
        == ("Deny", "*", "*")
    return statement["Condition"]


def test_the_deny_names_the_tags_that_keys_carry(aws):
    issued = issue(aws)
    tags = {t["Key"]: t["Value"] for t in last(aws.sts.requests)["Tags"]}
    assert deny(aws, "--task", "logs") == {"StringEquals": {
        "aws:PrincipalTag/credbroker:task": tags["credbroker:task"]}}
    id_ = issued["session"]["id"]
    assert deny(aws, id_[:4]) == {"StringEquals": {
        "aws:PrincipalTag/credbroker:session": tags["credbroker:session"]}}
    [(operator, condition)] = deny(aws).items()
    assert operator == "DateLessThan"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
                        condition["aws:TokenIssueTime"])
    # Nothing was ended.
    assert aws.json("session", "show", id_)["session"]["state"] == "live"
    assert get(issued, "/v1/aws/aws-dev")[0] == 200


def test_the_deny_of_a_task_needs_no_broker(bare):
    assert deny(bare, "--task", "logs") == {"StringEquals": {
        "aws:PrincipalTag/credbroker:task": "logs"}}
    assert "DateLessThan" in deny(bare, "--all")


@pytest.mark.parametrize("words", [
    ["--task", "a b"], ["--task", "x", "--all"], ["abc", "--task", "x"]])
def test_a_deny_for_what_is_none(bare, words):
    done = bare.run("revoke", "--print-deny", *words, check=False)
    assert done.returncode == 2 and done.stdout == ""
