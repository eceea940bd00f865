"""What STS would be asked is what AWS's own model of STS takes, for thousands of
generated grants, tasks and parameters; and services are where an SDK says.

CRB_ORDERS_SEED repeats a run, CRB_ORDERS_COUNT makes it longer.
"""

import json
import os
import random
import re
import string
import subprocess
import urllib.parse

import pytest

from conftest import BUILD

session = pytest.importorskip("botocore.session")
validate = pytest.importorskip("botocore.validate")

ORDER_KEYS = BUILD / "tests" / "contract" / "order_keys"
SEED = int(os.environ.get("CRB_ORDERS_SEED", random.randrange(1 << 32)))
COUNT = int(os.environ.get("CRB_ORDERS_COUNT", 1500))

WORD = string.ascii_letters + string.digits
TASK = WORD + "._-"
POLICY_CHARACTERS = re.compile(r"[\t\n\r\x20-\xff]+\Z")


def run(cases):
    done = subprocess.run([ORDER_KEYS], text=True, capture_output=True,
                          input="".join(json.dumps(c) + "\n" for c in cases),
                          timeout=150)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    return answers


def word(rng, least, most, letters=WORD):
    return "".join(rng.choice(letters)
                   for _ in range(rng.randint(least, most)))


def resource(rng):
    return rng.choice(("*", f"arn:aws:s3:::{word(rng, 1, 20)}",
                       f"arn:aws:s3:::{word(rng, 1, 20)}/{word(rng, 0, 60)}*",
                       f"arn:aws:dynamodb:eu-west-1:1:table/{word(rng, 1, 9)}"))


def escaped(value):
    return value.replace("%", "%25").replace("+", "%2B").replace(",", "%2C")


def joined(rng, make, most):
    return "+".join(sorted({escaped(make()) for _ in range(
        rng.randint(1, most))}))


def scope_of(rng, kind):
    if kind == "session-token":
        return "actions=*,resources=*"
    way = rng.randrange(5)
    if way == 0:
        return "policy-arns=" + joined(
            rng, lambda: f"arn:aws:iam::1:policy/{word(rng, 1, 40)}", 10)
    if way == 1:
        policy = {"Version": "2012-10-17", "Statement": {
            "Sid": word(rng, 1, 9), "Effect": rng.choice(("Allow", "Deny")),
            "Action": ["s3:*"], "Resource": resource(rng),
            "Condition": {"StringLike": {"s3:prefix": "é" + word(rng, 1, 9)}}}}
        return "policy=" + escaped(json.dumps(policy, indent=rng.choice(
            (None, 2)), ensure_ascii=rng.random() < 0.5))
    text = "actions=" + joined(
        rng, lambda: f"s3:{word(rng, 1, 9)}", rng.choice((1, 3, 12)))
    text += ",resources=" + joined(
        rng, lambda: resource(rng), rng.choice((1, 3, 30)))
    if rng.random() < 0.3:
        text += ",conditions=" + joined(
            rng, lambda: f"StringLike(s3:prefix)={word(rng, 0, 9)}+,%", 4)
    return text


def generated(rng):
    kind = rng.choice(("assume-role", "federation", "session-token"))
    params = {"call": kind, "region": "eu-west-1",
              "tags": rng.choice(("yes", "no"))}
    hours = 12 if kind == "assume-role" else 36
    params["duration"] = f"{rng.randint(900, hours * 3600)}s"
    if kind == "assume-role":
        params["role-arn"] = f"arn:aws:iam::123456789012:role/{word(rng, 1, 64)}"
        if rng.random() < 0.5:
            params["external-id"] = word(rng, 2, 200, WORD + "_+=,.@:/-")
        if rng.random() < 0.5:
            params["source-identity"] = rng.choice(
                ("task", word(rng, 2, 64, WORD + "_+=,.@-")))
    return {"params": params,
            "scopes": [scope_of(rng, kind)
                       for _ in range(rng.choice((1, 1, 2, 5)))],
            "task": word(rng, 1, rng.choice((3, 30, 128)), TASK),
            "session": word(rng, 8, 8),
            "seconds": rng.choice((0, 60, 899, 900, 901, 30000, 200000))}


def parameters_of(form):
    """The form as an SDK would have been told it."""
    out = {}
    for key, value in urllib.parse.parse_qsl(form, strict_parsing=True):
        if key in ("Action", "Version"):
            continue
        match = re.fullmatch(r"(\w+)\.member\.(\d+)\.(\w+)", key)
        if match is None:
            assert key not in out
            out[key] = int(value) if key == "DurationSeconds" else value
            continue
        items = out.setdefault(match[1], [])
        if len(items) < int(match[2]):
            items.append({})
        assert len(items) == int(match[2])
        items[-1][match[3]] = value
    return out


def patterns(shape, value, path):
    """botocore knows the patterns and checks only lengths."""
    if shape.type_name == "structure":
        for name, inner in value.items():
            patterns(shape.members[name], inner, f"{path}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            patterns(shape.member, inner, path)
    elif "pattern" in shape.metadata and "\\u" not in shape.metadata["pattern"]:
        pattern = shape.metadata["pattern"]
        if "\\p{" not in pattern:
            assert re.fullmatch(pattern, value), (path, value)


def check(case, answer, model):
    form = dict(urllib.parse.parse_qsl(answer["form"]))
    assert form["Version"] == model.metadata["apiVersion"]
    shape = model.operation_model(form["Action"]).input_shape
    parameters = parameters_of(answer["form"])
    report = validate.ParamValidator().validate(parameters, shape)
    assert not report.has_errors(), (case, report.generate_report())
    patterns(shape, parameters, form["Action"])

    policy = parameters.get("Policy", "")
    arns = [a["arn"] for a in parameters.get("PolicyArns", [])]
    assert len(policy) + sum(map(len, arns)) <= 2048
    assert len(arns) <= 10 and len(arns) == len(set(arns))
    if case["params"]["call"] == "session-token":
        assert set(parameters) == {"DurationSeconds"}
        return
    assert policy or arns
    if policy:
        assert POLICY_CHARACTERS.match(policy)
        assert json.loads(policy)["Statement"]
        least = json.dumps(json.loads(policy), separators=(",", ":"))
        assert least.lower() == policy.lower()
    name = parameters.get("RoleSessionName", parameters.get("Name"))
    assert name.endswith("-" + case["session"])
    tags = {t["Key"]: t["Value"] for t in parameters.get("Tags", [])}
    wanted = {"credbroker:task": case["task"],
              "credbroker:session": case["session"]}
    assert tags == (wanted if case["params"]["tags"] == "yes" else {})


def test_what_sts_is_asked_is_what_it_takes():
    rng = random.Random(SEED)
    print(f"CRB_ORDERS_SEED={SEED}")
    model = session.get_session().get_service_model("sts")
    cases = [generated(rng) for _ in range(COUNT)]
    taken = 0
    for case, answer in zip(cases, run(cases)):
        if "error" in answer:
            assert re.search(r"STS takes \d+|the scope|more than \d+ values|"
                             r"policies by ARN", answer["error"]), (case, answer)
            continue
        check(case, answer, model)
        taken += 1
    assert taken > COUNT / 2


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "cn-north-1",
                                    "us-gov-west-1"])
def test_services_are_where_an_sdk_says(region):
    """Those that have one host; the others can only be given by endpoint-url."""
    sdk = session.get_session()
    hosts = {}
    for service in sdk.get_available_services():
        if region not in sdk.get_available_regions(
                service, sdk.get_partition_for_region(region)):
            continue
        client = sdk.create_client(service, region_name=region,
                                   aws_access_key_id="a",
                                   aws_secret_access_key="b")
        name = client.meta.service_model.signing_name
        host = urllib.parse.urlsplit(client.meta.endpoint_url).hostname
        hosts.setdefault(name, set()).add(host)
    assert len(hosts) > 50
    # They have a host each that the service tells first, or several.
    other = {"awsssooidc", "awsssoportal", "execute-api", "iotdata", "sts",
             "iam", "AWSMobileHubService", "IoTSecuredTunneling"}
    names = [name for name, found in sorted(hosts.items())
             if len(found) == 1 and name not in other]
    answers = run([{"service": name, "region": region} for name in names])
    wrong = {name: (answer, hosts[name])
             for name, answer in zip(names, answers)
             if "error" not in answer and answer["host"] not in hosts[name]}
    common = {"s3", "dynamodb", "sqs", "sns", "lambda", "ec2", "kms", "logs",
              "secretsmanager", "ssm", "ecr", "monitoring", "kinesis",
              "states", "events", "ses", "cloudformation", "athena", "glue"}
    assert not common & set(wrong), wrong
    print(f"not told apart: {sorted(wrong)}")
