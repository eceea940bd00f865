"""AWS's real clients against a session's endpoint: what was observed of each
(which requests it makes, what it believes, when it gives up), held against our
server and our environment."""

import contextlib
import datetime
import json
import re

import pytest

import aws_relay
from aws_world import (READ_ALPHA, Tools, add_aws_credential, aws_grant,
                       need_javascript)
from conftest import wait_until

GRANT = aws_grant(READ_ALPHA)
MODES = ("container", "imds", "process")
ALL_MODES = (*MODES, "inject")
TOKEN_PATH = "/latest/api/token"
ROLES_PATH = "/latest/meta-data/iam/security-credentials/"
BELIEVED = """
    from datetime import datetime, timezone
    from botocore.session import Session
    found = Session().get_credentials()
    keys = found.get_frozen_credentials()
    left = found._expiry_time - datetime.now(timezone.utc)
    print(int(left.total_seconds()), keys.access_key, found.method,
          int(found._expiry_time.timestamp()))
"""
# What says that it found nothing, rather than failing for another reason.
FOUND = """
    from botocore.session import Session
    print(Session().get_credentials())
"""


@pytest.fixture
def tools(cloud):
    """Make sessions; they are closed at the end."""
    made = []

    def make(*grants, **terms):
        made.append(Tools(cloud, *(grants or [GRANT]), **terms))
        return made[-1]
    yield make
    for session in made:
        session.close()


@pytest.fixture
def brief(broker, ceph):
    """A broker whose keys live for as many seconds as a test says."""
    relay = aws_relay.BriefCeph(ceph, 3600)
    add_aws_credential(broker, ceph, url=relay.url)
    broker.relay = relay
    yield broker
    relay.close()


# The clients, in each way in which they can be given keys.

@pytest.mark.parametrize("mode", ALL_MODES)
def test_aws_reads_what_it_may(tools, mode):
    session = tools(aws=mode)
    done = session.aws("s3", "cp", "s3://alpha/x", "-")
    assert done.stdout == "alpha/x\n"
    done = session.aws("s3", "ls", "s3://alpha/")
    assert set(re.findall(r"\S+$", done.stdout, re.M)) == {"x", "y", "sub/"}
    done = session.aws("s3", "cp", "s3://beta/x", "-", check=False)
    assert done.returncode != 0 and "403" in done.stderr


@pytest.mark.parametrize("mode", ALL_MODES)
def test_boto3_reads_what_it_may(tools, mode):
    done = tools(aws=mode).python("""
        s3 = boto3.client("s3", endpoint_url=url)
        print(s3.get_object(Bucket="alpha", Key="x")["Body"].read())
        try:
            s3.put_object(Bucket="alpha", Key="new", Body=b"x")
        except s3.exceptions.ClientError as error:
            print(error.response["Error"]["Code"])
    """)
    assert done.stdout == "b'alpha/x\\n'\nAccessDenied\n"


@pytest.mark.parametrize("mode", ALL_MODES)
def test_javascript_reads_what_it_may(tools, mode):
    done = tools(aws=mode).javascript("""
        const client = new s3.S3Client({forcePathStyle: true});
        const got = await client.send(
            new s3.GetObjectCommand({Bucket: "alpha", Key: "x"}));
        console.log(JSON.stringify(await got.Body.transformToString()));
        await client.send(new s3.PutObjectCommand(
            {Bucket: "alpha", Key: "new", Body: "x"}))
            .catch((e) => console.log(e.name));
    """)
    assert done.stdout == '"alpha/x\\n"\nAccessDenied\n'


@pytest.mark.parametrize("provider,mode", [
    ("fromHttp", "container"), ("fromContainerMetadata", "container"),
    ("fromInstanceMetadata", "imds"), ("fromProcess", "process"),
    ("fromNodeProviderChain", "container")])
def test_providers_of_javascript_get_keys_that_end(tools, provider, mode):
    session = tools(aws=mode)
    done = session.javascript(f"""
        const got = await providers.{provider}()();
        console.log(JSON.stringify(got));
    """)
    got = json.loads(done.stdout)
    assert got["accessKeyId"] and got["secretAccessKey"]
    assert got["sessionToken"] and got["expiration"].endswith("Z")


# 1 to 4: how a client asks for a token of IMDSv2, and what it makes of no.

def test_botocore_asks_the_metadata_service_three_times(tools):
    session = tools(aws="imds")
    done = session.python(BELIEVED)
    assert done.stdout.split()[2] == "iam-role"
    put, roles, role = session.wire.exchanges
    assert session.wire.asked() == [
        f"PUT {TOKEN_PATH} 200", f"GET {ROLES_PATH} 200",
        f"GET {ROLES_PATH}{roles.answer.decode()} 200"]
    assert put.headers["content-length"] == "0"
    assert put.answer_headers["x-aws-ec2-metadata-token-ttl-seconds"] == \
        put.headers["x-aws-ec2-metadata-token-ttl-seconds"]
    assert roles.headers["x-aws-ec2-metadata-token"] == put.answer.decode()
    # The whole of it becomes a part of the next URL.
    assert re.fullmatch(rb"[\w+=,.@-]+", roles.answer)
    said = json.loads(role.answer)
    assert said["Code"] == "Success" and said["Type"] == "AWS-HMAC"
    # botocore reads exactly this.
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
                        said["Expiration"])


def test_a_forwarded_client_stops_at_once(tools):
    """400 is the one answer after which no client tries without a token."""
    session = tools(aws="imds")
    session.wire.before = lambda exchange: exchange.headers.update(
        {"x-forwarded-for": "192.0.2.1"})
    assert session.python(FOUND).stdout == "None\n"
    assert session.wire.asked() == [f"PUT {TOKEN_PATH} 400"]


@pytest.mark.parametrize("status", [401, 403, 404, 405, 500])
def test_without_a_token_there_are_no_keys(tools, status):
    """What is between answers the PUT: the client goes on without one."""
    session = tools(aws="imds")

    def refuse(exchange):
        if exchange.method == "PUT":
            exchange.status = status
    session.wire.before = refuse
    assert session.python(FOUND).stdout == "None\n"
    asked = session.wire.asked()
    assert asked[0] == f"PUT {TOKEN_PATH} {status}"
    # Debian's botocore does not know AWS_EC2_METADATA_V1_DISABLED.
    assert all(line == f"GET {ROLES_PATH} 401" for line in asked[1:])


def test_a_session_without_the_metadata_service_has_no_keys_there(tools):
    session = tools(aws="container")
    done = session.python(FOUND, env={
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": None,
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": session.wire.url})
    assert done.stdout == "None\n"
    assert session.wire.exchanges
    assert all(exchange.status in (401, 403) and
               b"SecretAccessKey" not in exchange.answer
               for exchange in session.wire.exchanges)


def test_javascript_never_goes_on_without_a_token(tools):
    session = tools(aws="imds")

    def refuse(exchange):
        if exchange.method == "PUT":
            exchange.status = 403
    session.wire.before = refuse
    done = session.javascript("await providers.fromInstanceMetadata()();",
                              check=False)
    assert "InstanceMetadataV1FallbackError" in done.stderr
    assert session.wire.asked() == [f"PUT {TOKEN_PATH} 403"]


# 5 to 7: what a client believes of an expiry, and how often it comes.

def expires(exchange):
    return json.loads(exchange.answer)["Expiration"]


def test_botocore_believes_an_hour_of_the_metadata_service(tools):
    session = tools(aws="imds")
    assert 3000 < int(session.python(BELIEVED).stdout.split()[0]) <= 3600


def test_the_metadata_service_gives_nothing_that_dies_while_it_is_believed(
        brief):
    """botocore takes what has less than 900 s left for good for up to 1500 s,
    and asks again at the latest 600 s after it got it."""
    brief.relay.life = 632      # and no STS is asked each half minute
    session = Tools(brief, GRANT, aws="imds")
    assert len(brief.relay.minted) == 1
    brief.relay.life = 3600
    with session.wire:
        believed = int(session.python(BELIEVED).stdout.split()[0])
        assert 1000 <= believed <= 1500
        ask = ["--silent", "--show-error", "--fail", "--noproxy", "*"]
        token = session.run(
            "curl", *ask, "--request", "PUT", "--header",
            "x-aws-ec2-metadata-token-ttl-seconds: 60",
            session.wire.url + TOKEN_PATH).stdout
        ask += ["--header", f"x-aws-ec2-metadata-token: {token}"]
        role = session.run("curl", *ask, session.wire.url + ROLES_PATH).stdout
        left = 0
        while left < 1500:
            asked = datetime.datetime.now(datetime.timezone.utc)
            said = json.loads(session.run(
                "curl", *ask, session.wire.url + ROLES_PATH + role).stdout)
            left = seconds_from(asked, said["Expiration"])
            assert left >= 599      # 600, and the part of a second cut off
    assert len(brief.relay.minted) == 2


def seconds_from(moment, said):
    """From before the answer was made: a slow curl takes nothing off it."""
    when = datetime.datetime.strptime(said, "%Y-%m-%dT%H:%M:%S%z")
    return (when - moment).total_seconds()


def test_botocore_believes_the_container_endpoint_to_the_second(brief):
    brief.relay.life = 300
    session = Tools(brief, GRANT, aws="container")
    with session.wire:
        _, key_id, method, until = session.python(BELIEVED).stdout.split()
        assert method == "container-role"
        # It asks at once again for what lasts less than its window of 15
        # minutes, and gets the same.
        path = "/v1/aws/aws-dev"
        assert session.wire.asked() == [f"GET {path} 200"] * 2
        assert [(key_id, int(until))] == brief.relay.minted


@pytest.mark.parametrize("life", [300, 900, 960, 1200])
def test_a_process_that_is_run_for_each_call_mints_once(brief, life):
    """botocore runs it six times for five accesses to keys of 300 or 900 s,
    and once for those of 960 or 1200 s."""
    brief.relay.life = life
    session = Tools(brief, GRANT, aws="process")
    with session.wire:
        done = session.python("""
            from botocore.session import Session
            found = Session().get_credentials()
            print(*{found.get_frozen_credentials().access_key
                    for _ in range(5)})
        """)
    assert done.stdout.split() == [minted[0] for minted in brief.relay.minted]


# 8 to 10: what the environment has to be for a client to ask at all.

def test_the_token_file_has_one_line_without_its_end(tools):
    need_javascript()
    session = tools(aws="container")
    path = session.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    text = session.run("cat", path).stdout
    assert text and not re.search(r"\s", text)
    # Debian's boto3 is older than the file, and takes what is no secret.
    session.python(BELIEVED)
    no_secret = session.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    assert no_secret == "Credbroker-Session"
    session.javascript("await providers.fromHttp()();",
                       env={"AWS_CONTAINER_AUTHORIZATION_TOKEN": None})
    # Verbatim, as clients send it.
    assert [exchange.headers["authorization"]
            for exchange in session.wire.exchanges] == [no_secret, text]


@pytest.mark.parametrize("mode", ["container", "imds"])
def test_a_proxy_is_asked_for_nothing_of_ours(tools, mode):
    session = tools(aws=mode)
    proxies = {name: "http://127.0.0.1:1" for name in (
        "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
        "ALL_PROXY", "all_proxy")}
    assert session.python(BELIEVED, env=proxies).stdout
    assert session.wire.exchanges
    done = session.aws("sts", "get-caller-identity", "--no-verify-ssl",
                       env=proxies, check=False)
    assert "Unable to locate credentials" not in done.stderr


def test_the_endpoint_is_named_as_every_client_accepts_it(tools):
    session = tools(aws="container")
    url = session.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    assert url == f"{session.wire.url}/v1/aws/aws-dev"
    for name in session.environment:
        assert not name.startswith("AWS_CONTAINER_") or name in (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    for refused in ("172.17.0.1", "host.docker.internal", "0.0.0.0"):
        done = session.python(FOUND, check=False, env={
            "AWS_CONTAINER_CREDENTIALS_FULL_URI":
            f"http://{refused}:{session.wire.port}/v1/aws/aws-dev"})
        assert done.stdout in ("", "None\n")
        assert f"Unsupported host '{refused}'" in done.stderr
    assert session.wire.exchanges == []


def test_nothing_but_our_endpoint_is_offered(tools):
    """Exactly one way, and none of the host's."""
    for mode in MODES:
        env = tools(aws=mode).environment
        ways = {"container": "AWS_CONTAINER_CREDENTIALS_FULL_URI" in env,
                "imds": "AWS_EC2_METADATA_SERVICE_ENDPOINT" in env,
                "process": env["AWS_CONFIG_FILE"] != "/dev/null"}
        assert [way for way, is_so in ways.items() if is_so] == [mode]
        assert (env.get("AWS_EC2_METADATA_DISABLED") == "true") == \
            (mode != "imds")
        assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == "us-east-1"
        assert env["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
        assert "AWS_ACCESS_KEY_ID" not in env


def by_aws(session):
    return session.aws("s3", "ls", "s3://alpha/", check=False)


def by_boto3(session):
    return session.python("""
        s3 = boto3.client("s3", endpoint_url=url)
        print([e["Key"] for e in s3.list_objects(Bucket="alpha")["Contents"]])
    """, check=False)


def by_javascript(session):
    """With a provider of its own: the chain of all of them says nothing."""
    return session.javascript("""
        const own = {container: providers.fromHttp,
                     process: providers.fromProcess}[process.env.MODE];
        const client = new s3.S3Client(
            {forcePathStyle: true, credentials: own && own()});
        try {
            const told = await client.send(
                new s3.ListObjectsCommand({Bucket: "alpha"}));
            console.log(told.Contents.map((e) => e.Key));
        } catch (e) {
            console.error(e.Code, e.Message || e.message);
            process.exitCode = 1;
        }
    """, env={"MODE": session.mode}, check=False)


def deny(exchange):
    exchange.status = 403
    exchange.answer_headers = {"content-type": "text/xml"}
    exchange.answer = (
        b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
        b"<Message>User broker is not authorized to perform: sts:AssumeRole"
        b"</Message></Error><RequestId>9f3c-1</RequestId></ErrorResponse>")


@pytest.mark.parametrize("mode", ["container", "process", "inject"])
@pytest.mark.parametrize("call", [by_aws, by_boto3, by_javascript],
                         ids=lambda f: f.__name__)
def test_clients_show_what_ails_the_sts(brief, call, mode):
    """Who uses a tool reads the STS's own words in what the tool says, and the
    tool works again when the STS does."""
    with contextlib.closing(Tools(brief, GRANT, aws=mode,
                                  mint="later")) as session:
        session.mode = mode
        brief.relay.before = deny
        done = call(session)
        assert done.returncode != 0 and done.stdout == ""
        assert "AccessDenied (request 9f3c-1)" in done.stderr, done.stderr
        assert "not authorized to perform: sts:AssumeRole" in done.stderr
        del brief.relay.before
        wait_until(lambda: "sub/" in call(session).stdout, "keys")


def test_clients_say_why_there_are_no_keys(cloud):
    """What a client shows when the broker refuses: our words."""
    session = Tools(cloud, GRANT)
    session.mode = "container"
    with session.wire:
        cloud.run("revoke", session.session)
        for call in (by_aws, by_boto3, by_javascript):
            done = call(session)
            assert done.returncode != 0 and "was revoked at" in done.stderr


# What tools ask a machine about itself.

def test_botocore_finds_the_region_of_the_metadata_service(tools):
    session = tools(aws="imds")
    done = session.python("""
        from botocore.session import Session
        from botocore.utils import IMDSRegionProvider
        print(IMDSRegionProvider(Session()).provide())
    """)
    assert done.stdout == "us-east-1\n"
    assert session.wire.asked("placement") == [
        "GET /latest/meta-data/placement/availability-zone/ 200"]


def test_the_identity_document_says_region_and_account(broker, ceph):
    add_aws_credential(
        broker, ceph, region="eu-west-3",
        role="arn:aws:iam::123456789012:role/logs")
    session = Tools(broker, GRANT, aws="imds", mint="later")
    with session.wire:
        token = session.run(
            "curl", "--silent", "--fail", "--noproxy", "*", "--request", "PUT",
            "--header", "x-aws-ec2-metadata-token-ttl-seconds: 60",
            session.wire.url + TOKEN_PATH).stdout
        said = json.loads(session.run(
            "curl", "--silent", "--fail", "--noproxy", "*", "--header",
            f"x-aws-ec2-metadata-token: {token}", session.wire.url +
            "/latest/dynamic/instance-identity/document").stdout)
    assert said["region"] == "eu-west-3"
    assert said["accountId"] == "123456789012"
