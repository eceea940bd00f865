"""What tests of AWS stand on: Ceph as a real STS and S3, credentials for it,
and the clients that people use."""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import textwrap

import pytest

import aws_relay

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CRB_BUILD_DIR", ROOT / "build/dev"))
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
AWS = "/usr/bin/aws"            # version 2, Debian's; not another on PATH
PYTHON = "/usr/bin/python3"     # that has Debian's boto3
NODE_MODULES = ROOT / "build/js/node_modules"
READ_ALPHA = ("actions=s3:GetObject+s3:ListBucket,"
              "resources=arn:aws:s3:::alpha/*+arn:aws:s3:::alpha")
READ_BETA = READ_ALPHA.replace("alpha", "beta")


@dataclasses.dataclass(frozen=True)
class Keys:
    """Of an AWS user, or of a session of a role."""

    id: str
    secret: str
    token: str = None

    @classmethod
    def read(cls, text):
        return cls(*text.split("\n"))

    @property
    def text(self):
        return "\n".join(filter(None, (self.id, self.secret, self.token)))

    def client(self, service, url, ca=None):
        """A botocore client that takes nothing else from anywhere."""
        import botocore.config
        import botocore.session
        return botocore.session.Session().create_client(
            service, endpoint_url=url, region_name="us-east-1",
            aws_access_key_id=self.id, aws_secret_access_key=self.secret,
            aws_session_token=self.token, verify=ca,
            config=botocore.config.Config(
                proxies={}, retries={"max_attempts": 0}))


class Ceph:
    """tests/services/ceph; what its attributes mean stands there."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.process = None

    def start(self):
        """None, or why not."""
        with tempfile.TemporaryFile("w+") as errors:
            self.process = subprocess.Popen(
                [PYTHON, str(ROOT / "tests/services/ceph"), str(self.folder)],
                env={"PATH": PATH, "HOME": "/nonexistent"}, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=errors)
            if self.process.stdout.readline() != "ready\n":
                self.process.wait()
                errors.seek(0)
                return errors.read().strip() or "ceph: ended without a word"
        self.read_env()
        return None

    def read_env(self):
        text = (self.folder / "env").read_text()
        values = dict(line.split("=", 1) for line in text.splitlines())
        self.url = values["CEPH_URL"]
        self.tls_url = values["CEPH_TLS_URL"]
        self.role = values["CEPH_ROLE_ARN"]
        self.broker_keys = self.read_keys(values["CEPH_BROKER_KEYS"])
        self.owner_keys = self.read_keys(values["CEPH_OWNER_KEYS"])
        self.s3 = self.owner_keys.client("s3", self.url)

    @staticmethod
    def read_keys(path):
        return Keys.read(pathlib.Path(path).read_text())

    @property
    def ca(self):
        return self.folder / "ca.pem"

    @property
    def authority(self):
        return self.url.removeprefix("http://")

    def get(self, bucket, key):
        """An object, as its owner sees it; None where there is none."""
        with contextlib.suppress(self.s3.exceptions.NoSuchKey):
            return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return None

    def put(self, bucket, key, body):
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def keys(self, bucket):
        listed = self.s3.list_objects_v2(Bucket=bucket)
        return [entry["Key"] for entry in listed.get("Contents", ())]

    def answers(self):
        """The status of each answer so far, of STS and S3 alike."""
        log = (self.folder / "client.rgw.a.log").read_text()
        return [int(status) for status in re.findall(
            r'" (\d{3}) \d+ \S+ "[^"]*" - "?', log)]

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=30)
            self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_ceph(config):
    """Ceph of this run of pytest: started by who asks first, and stopped at
    the end; skips where it cannot start, saying why."""
    if not hasattr(config, "crb_ceph"):
        ceph = Ceph(tempfile.mkdtemp(prefix="crb-ceph-"))
        config.add_cleanup(ceph.stop)
        config.crb_ceph = (ceph, ceph.start())
    ceph, reason = config.crb_ceph
    if reason:
        pytest.skip(reason)
    return ceph


def add_aws_credential(broker, ceph, name="aws-dev", *, url=None, keys=None,
                       role=None, options=(), **params):
    """A credential of backend aws-sts with Ceph as its STS; further
    parameters by name, with "_" for "-", and None for "not at all"."""
    given = {"endpoint-url": url or ceph.url, "role-arn": role or ceph.role,
             "region": "us-east-1", "network": "loopback",
             **{key.replace("_", "-"): value for key, value in params.items()}}
    words = []
    for key, value in given.items():
        if value is not None:
            words += ["--param", f"{key}={value}"]
    return broker.run("credential", "add", name, "--backend", "aws-sts",
                      *words, *options, input=(keys or ceph.broker_keys).text)


def aws_grant(scope=READ_ALPHA, name="aws-dev"):
    return f"{name}:{scope}"


def need_javascript():
    if shutil.which("node", path=PATH) is None:
        pytest.skip("no node; scripts/setup installs it")
    if not (NODE_MODULES / "@aws-sdk/client-s3").is_dir():
        pytest.skip("no AWS SDK for JavaScript in build/js; scripts/setup "
                    "installs it where npm's registry can be reached")


class Tools:
    """A session whose tools run on the host's network, and reach its endpoint
    through a relay (`wire`) in place of a forwarder."""

    def __init__(self, broker, *grants, task="tools", aws=None, **terms):
        self.broker = broker
        self.wire = aws_relay.Relay(
            lambda: aws_relay.UnixConnection(self.folder / "endpoint.sock"))
        if aws:
            terms["aws"] = aws
        try:
            issued = broker.call("session.issue", task=task, network="host",
                          grants=list(grants), port=self.wire.port, **terms)
        except BaseException:
            self.wire.close()
            raise
        self.session = issued["session"]["id"]
        self.notes = issued.get("notes", [])
        self.mounts = issued["mounts"]
        self.folder = pathlib.Path(
            next(mount["source"] for mount in self.mounts
                 if mount["target"] == "/run/credbroker"))
        self.home = pathlib.Path(tempfile.mkdtemp(dir=broker.folder))
        self.environment = issued["environment"]

    def in_sandbox(self, command):
        """The host, but with the mounts that the session asks for."""
        words = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/run",
                 "--ro-bind", BUILD / "libexec/credbroker",
                 "/run/credbroker-bin"]
        for mount in self.mounts:
            words += ["--ro-bind", mount["source"], mount["target"]]
        words += ["--die-with-parent", "--", *command]
        return [str(word) for word in words]

    def run(self, *command, check=True, input=None, env=None, timeout=100):
        """With `env` added to the session's; None is for none of a name."""
        env = {"PATH": f"/run/credbroker-bin:{PATH}", "HOME": str(self.home),
               **self.environment, **(env or {})}
        done = subprocess.run(
            self.in_sandbox(command), input=input, text=True,
            env={k: v for k, v in env.items() if v is not None},
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True, timeout=timeout, cwd=self.home)
        assert not check or done.returncode == 0, (
            f"{command}\n{done.stdout}{done.stderr}\n" +
            "\n".join(str(e) for e in self.wire.exchanges))
        return done

    def aws(self, *words, **kwargs):
        """Debian's is older than AWS_ENDPOINT_URL."""
        url = self.environment.get("AWS_ENDPOINT_URL")
        return self.run(AWS, *(["--endpoint-url", url] if url else []),
                        *words, **kwargs)

    def python(self, script, *words, **kwargs):
        """Debian's boto3, which is older than that, too: `url` is it."""
        head = 'import os, sys, boto3\nurl = os.environ["AWS_ENDPOINT_URL"]\n'
        return self.run(PYTHON, "-c", head + textwrap.dedent(script), *words,
                        **kwargs)

    def javascript(self, script, env=None, **kwargs):
        """With `s3` (the package) and `providers`."""
        need_javascript()
        head = ('const s3 = require("@aws-sdk/client-s3");\n'
                'const providers = require("@aws-sdk/credential-providers");\n'
                "(async () => {\n")
        tail = ("\n})().catch((e) => { console.error(e.name, e.message); "
                "process.exit(1); });\n")
        return self.run("node", "-", input=head + script + tail,
                        env={"NODE_PATH": str(NODE_MODULES), **(env or {})},
                        **kwargs)

    def close(self):
        self.wire.close()
