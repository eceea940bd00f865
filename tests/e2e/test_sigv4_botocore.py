"""Our signer against another hand's: thousands of generated requests are signed
by both, and the Authorization headers are the same to the byte.

CRB_SIGV4_SEED repeats a run, CRB_SIGV4_COUNT makes it longer.
"""

import datetime
import hashlib
import json
import os
import random
import subprocess
import urllib.parse

import pytest

from conftest import BUILD

auth = pytest.importorskip("botocore.auth")
awsrequest = pytest.importorskip("botocore.awsrequest")
credentials = pytest.importorskip("botocore.credentials")

SIGN_REQUESTS = BUILD / "tests" / "contract" / "sign_requests"
SEED = int(os.environ.get("CRB_SIGV4_SEED", random.randrange(1 << 32)))
COUNT = int(os.environ.get("CRB_SIGV4_COUNT", 4000))
UNSIGNED = "UNSIGNED-PAYLOAD"

S3 = ("s3", "s3-outposts", "s3-object-lambda")
OTHERS = ("sts", "iam", "lambda", "execute-api", "dynamodb", "ec2", "logs")
REGIONS = ("us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1",
           "default")
METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS")
HOSTS = ("alpha.s3.amazonaws.com", "sts.eu-west-1.amazonaws.com",
         "127.0.0.1:8443", "storage.example", "localhost:9000")
# Names that sort differently with and without their encoding or their "=".
NAMES = ("prefix", "list-type", "a", "a-b", "a.b", "A", "aa", "a b", "a+b",
         "a=b", "a&b", "ä", "~", "_", "X-Amz-Meta", "uploads", "acl", "%", "")
HEADERS = ("x-amz-meta-a", "x-amz-meta-a-b", "x-amz-meta-ab", "content-type",
           "content-md5", "x-amz-acl", "range", "if-none-match", "accept",
           "x-amz-target", "amz-sdk-request", "x-amz-storage-class")
AWKWARD = " +%/=&?#()!*'\"~:@,;$[]{}|\\^`<>_-."
LETTERS = "abcxyzABCXYZ0129"
UNICODE = "éßñ€漢字😀\u00a0\u200b\u0301"


def words(rng, longest):
    """Any text, awkward more often than not."""
    pools = (LETTERS, AWKWARD, UNICODE)
    return "".join(rng.choice(rng.choice(pools))
                   for _ in range(rng.randrange(longest + 1)))


def quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "~")


def respelt(rng, text):
    """The same to a service: other bytes escaped, in either case of hex."""
    out = []
    at = 0
    while at < len(text):
        if text[at] == "%":
            piece, at = text[at:at + 3], at + 3
            plain = chr(int(piece[1:], 16))
            kind = rng.randrange(3)
            if kind == 0:
                piece = piece.lower()
            elif kind == 1 and plain in "!$'()*,:;@":
                piece = plain
        else:
            piece, at = text[at], at + 1
            if piece.isalnum() and rng.random() < 0.2:
                piece = f"%{ord(piece):02x}"
        out.append(piece)
    return "".join(out)


def path_of(rng, service):
    if service in S3:
        # S3 normalises nothing: empty and dotted segments are names.
        count = rng.randrange(5)
        segments = [rng.choice((words(rng, 12), words(rng, 3), "", ".", ".."))
                    for _ in range(count)]
    else:
        segments = [words(rng, 12).replace("/", "")
                    for _ in range(rng.randrange(4))]
        segments = [s for s in segments if s not in ("", ".", "..")]
        if segments and rng.random() < 0.3:
            segments.append("")
    return "/" + "/".join(quote(s.replace("/", "")) for s in segments)


def parameters_of(rng):
    pairs = []
    for _ in range(rng.choice((0, 0, 1, 2, 3, 8))):
        name = rng.choice((rng.choice(NAMES), words(rng, 6)))
        pairs.append((name, rng.choice(("", words(rng, 10), words(rng, 2)))))
        if rng.random() < 0.3:
            pairs.append((name, words(rng, 4)))
    return pairs


def header_value(rng):
    inner = LETTERS + "  \t,;:=\"'/+%()é"
    text = "".join(rng.choice(inner) for _ in range(rng.randrange(24)))
    return rng.choice(("", " ", "  ")) + text + rng.choice(("", " ", "\t "))


def generated(rng):
    """One request, as both signers are told it."""
    service = rng.choice((rng.choice(S3), rng.choice(OTHERS)))
    path = path_of(rng, service)
    pairs = parameters_of(rng)
    query = "&".join(f"{quote(k)}={quote(v)}" for k, v in pairs)
    body = words(rng, 30).encode() if rng.random() < 0.5 else b""
    headers = [(rng.choice(HEADERS), header_value(rng))
               for _ in range(rng.choice((0, 1, 2, 5)))]
    return {
        "method": rng.choice(METHODS),
        "host": rng.choice(HOSTS),
        "path": path,
        "query": query,
        "pairs": pairs,
        "service": service,
        "region": rng.choice(REGIONS),
        "body": body,
        "unsigned": service in S3 and rng.random() < 0.3,
        "headers": headers,
        "now": rng.randrange(0, 4102444800),
        "id": "".join(rng.choice(LETTERS) for _ in range(20)),
        "secret": "".join(rng.choice(LETTERS + "/+=") for _ in range(40)),
        "token": rng.choice((None, "".join(
            rng.choice(LETTERS + "/+=") for _ in range(rng.randrange(1, 900))))),
    }


def ask_us(cases):
    """What sign_requests answers to each, parsed."""
    lines = []
    for case in cases:
        payload = hashlib.sha256(case["body"]).hexdigest()
        lines.append(json.dumps({
            "method": case["method"],
            "host": case["host"],
            "target": case["target"],
            "service": case["service"],
            "region": case["region"],
            "payload": UNSIGNED if case["unsigned"] else payload,
            "headers": "".join(f"{k}: {v}\n" for k, v in case["headers"]),
            "now": case["now"],
            "id": case["id"],
            "secret": case["secret"],
            "token": case["token"],
        }))
    done = subprocess.run([SIGN_REQUESTS], input="\n".join(lines) + "\n",
                          text=True, capture_output=True, timeout=150)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    return answers


def headers_of(answer):
    assert "error" not in answer, answer["error"]
    return dict(line.split(": ", 1) for line in answer["headers"].splitlines())


class Clock(datetime.datetime):
    """botocore signs at the time that it asks for itself."""
    at = 0

    @classmethod
    def utcnow(cls):
        return cls.utcfromtimestamp(cls.at)


@pytest.fixture
def ask_botocore(monkeypatch):
    monkeypatch.setattr(auth.datetime, "datetime", Clock)

    def ask(case):
        Clock.at = case["now"]
        # Chosen so that botocore signs the body's hash or not as we were told.
        url = f"https://{case['host']}{case['path']}"
        request = awsrequest.AWSRequest(
            method=case["method"], url=url, data=case["body"])
        if case["query_in_url"] and case["query"]:
            request.url += "?" + case["query"]
        else:
            request.params = case["pairs"]
        for name, value in case["headers"]:
            request.headers.add_header(name, value)
        if case["unsigned"]:
            request.context["payload_signing_enabled"] = False
            request.context["client_config"] = UnsignedConfig
        kind = auth.S3SigV4Auth if case["service"] in S3 else auth.SigV4Auth
        kind(credentials.Credentials(case["id"], case["secret"],
                                     case["token"]),
             case["service"], case["region"]).add_auth(request)
        return request.headers
    return ask


class UnsignedConfig:
    s3 = {"payload_signing_enabled": False}


def cases_of(rng, spelling):
    cases = []
    for _ in range(COUNT):
        case = generated(rng)
        case["query_in_url"] = rng.random() < 0.5
        spell = spelling(rng, case)
        case["target"] = spell[0] + ("?" + spell[1] if spell[1] else "")
        cases.append(case)
    return cases


def compare(cases, ask_botocore):
    for number, (case, answer) in enumerate(zip(cases, ask_us(cases))):
        ours, theirs = headers_of(answer), ask_botocore(case)
        for name in ("authorization", "x-amz-date", "x-amz-security-token"):
            assert ours.get(name) == theirs.get(name), (
                f"seed {SEED}, case {number}: {name} differs: {case}")
        if case["service"] in S3:
            assert (ours["x-amz-content-sha256"]
                    == theirs["x-amz-content-sha256"]), (SEED, number)


def as_it_stands(rng, case):
    return case["path"], case["query"]


def as_another_client_spells_it(rng, case):
    """What a service reads is the same, and it is all that is signed of S3 and
    of queries; a path of other services is signed as it stands."""
    path = case["path"]
    if case["service"] in S3:
        path = respelt(rng, path)
    pairs = [f"{respelt(rng, quote(k))}"
             f"{'=' if v or rng.random() < 0.5 else ''}"
             f"{respelt(rng, quote(v, safe='/?'))}"
             for k, v in case["pairs"]]
    pairs = [p.replace("%20", "+") if rng.random() < 0.5 else p for p in pairs]
    # A name that is empty and without a value is no parameter.
    case["pairs"] = [p for p in case["pairs"] if p != ("", "")]
    pairs = [p for p in pairs if p not in ("", "=")]
    case["query_in_url"] = False
    return path, "&".join(pairs)


@pytest.mark.parametrize("spelling", [
    as_it_stands, as_another_client_spells_it])
def test_botocore_signs_the_same(spelling, ask_botocore):
    print(f"CRB_SIGV4_SEED={SEED} CRB_SIGV4_COUNT={COUNT}")
    rng = random.Random(f"{SEED} {spelling.__name__}")
    compare(cases_of(rng, spelling), ask_botocore)


@pytest.mark.parametrize("target, same", [
    ("/alpha?uploads", "/alpha?uploads="),
    ("/alpha/a+b", "/alpha/a%2Bb"),
    ("/alpha/a%2bb", "/alpha/a%2Bb"),
    ("/alpha?prefix=a+b", "/alpha?prefix=a%20b"),
    ("/alpha?prefix=a/b&delimiter=/", "/alpha?delimiter=%2F&prefix=a%2Fb"),
    ("/alpha/(x)", "/alpha/%28x%29"),
])
def test_two_spellings_have_one_signature(target, same):
    case = generated(random.Random(SEED))
    case["service"] = "s3"
    one, other = ask_us([dict(case, target=target), dict(case, target=same)])
    assert headers_of(one) == headers_of(other)


@pytest.mark.parametrize("path", ["/a//b", "/./a", "/a/..", "/a/../b"])
def test_what_botocore_would_normalise_is_refused(path):
    case = generated(random.Random(SEED))
    case.update(service="lambda", unsigned=False, target=path)
    assert "segment" in ask_us([case])[0]["error"]
