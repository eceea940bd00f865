"""A security token service that believes nothing: signatures are checked with
botocore's signer, parameters against botocore's model of the service.  It can
be told to misbehave.

    with Sts({"AKIDEXAMPLE": "secret"}) as sts:
        ... sts.url ...
        sts.fault = "denied"            # from now on
        sts.faults = ["throttled"]      # so many times, then as before

What was asked is in `sts.requests`; `sts.problems` says what was wrong with
it, and stays empty when all was well."""

import base64
import collections
import contextlib
import datetime
import gzip
import json
import re
import secrets
import socket
import socketserver
import ssl
import threading
import urllib.parse
import uuid
import xml.sax.saxutils

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import botocore.validate

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
CLOCK_SKEW = datetime.timedelta(minutes=5)
REQUEST_MAX = 1 << 20
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

Request = collections.namedtuple(
    "Request", "action parameters access_key token head status")
Keys = collections.namedtuple("Keys", "id secret token expires")


class Refused(Exception):
    """What the real one would answer to a bad request."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


# --- Parameters ---------------------------------------------------------------

class Query:
    """AWS's query protocol, read by a shape of botocore's model."""

    def __init__(self, body):
        pairs = urllib.parse.parse_qsl(body, keep_blank_values=True,
                                       strict_parsing=True)
        self.values = dict(pairs)
        if len(self.values) != len(pairs):
            raise Refused(400, "MalformedQueryString", "repeated parameter")
        self.left = set(self.values)

    def take(self, name):
        self.left.discard(name)
        return self.values[name]

    def has(self, prefix):
        return any(name == prefix or name.startswith(prefix + ".")
                   for name in self.values)

    def read(self, shape, prefix):
        if shape.type_name == "structure":
            return {name: self.read(member, f"{prefix}.{name}" if prefix
                                    else name)
                    for name, member in shape.members.items()
                    if self.has(f"{prefix}.{name}" if prefix else name)}
        if shape.type_name == "list":
            items = []
            while self.has(f"{prefix}.member.{len(items) + 1}"):
                items.append(self.read(
                    shape.member, f"{prefix}.member.{len(items) + 1}"))
            return items
        text = self.take(prefix)
        if shape.type_name == "integer":
            if not re.fullmatch(r"\d{1,9}", text):
                raise Refused(400, "MalformedInput", f"{prefix}: {text}")
            return int(text)
        return text


def check_bounds(shape, value, name):
    """What botocore's own validator leaves to the service."""
    if shape.type_name == "structure":
        for key, item in value.items():
            check_bounds(shape.members[key], item, f"{name}.{key}")
        return
    if shape.type_name == "list":
        for item in value:
            check_bounds(shape.member, item, name)
    size = value if shape.type_name == "integer" else len(value)
    # Java's classes: letters, numbers, spaces.
    pattern = shape.metadata.get("pattern", "")
    for java, python in ((r"\p{L}", r"\w"), (r"\p{N}", r"\d"),
                         (r"\p{Z}", " ")):
        pattern = pattern.replace(java, python)
    if not (shape.metadata.get("min", size) <= size <=
            shape.metadata.get("max", size)):
        raise Refused(400, "ValidationError", f"{name}: {size}")
    if pattern and shape.type_name == "string" and not re.fullmatch(
            pattern, value):
        raise Refused(400, "ValidationError", f"{name}: not {pattern}")


def check_policy(parameters):
    """A session policy, as far as it can be told without AWS."""
    policy = parameters.get("Policy", "")
    arns = [entry["arn"] for entry in parameters.get("PolicyArns", [])]
    if len(policy) + sum(map(len, arns)) > 2048:
        raise Refused(400, "ValidationError", "policies over 2048 characters")
    if len(arns) > 10:
        raise Refused(400, "LimitExceeded", "over 10 policies")
    if not policy:
        return
    try:
        document = json.loads(policy)
    except ValueError:
        raise Refused(400, "MalformedPolicyDocument", "not JSON") from None
    statements = document.get("Statement")
    if document.get("Version") != "2012-10-17" or not statements:
        raise Refused(400, "MalformedPolicyDocument", "version, statements")
    if policy != json.dumps(document, separators=(",", ":"),
                            ensure_ascii=False):
        raise Refused(400, "MalformedPolicyDocument", "white space")
    for statement in statements:
        if not statement.get("Action") or not statement.get("Resource"):
            raise Refused(400, "MalformedPolicyDocument", "an empty list")


def read_parameters(model, body):
    query = Query(body)
    action = query.values.get("Action", "")
    if action not in ("AssumeRole", "GetFederationToken", "GetSessionToken"):
        raise Refused(400, "InvalidAction", action)
    query.take("Action")
    if not query.has("Version") or query.take("Version") != model.api_version:
        raise Refused(400, "InvalidVersion", "Version")
    shape = model.operation_model(action).input_shape
    parameters = query.read(shape, "")
    if query.left:
        raise Refused(400, "ValidationError", f"unknown: {sorted(query.left)}")
    report = botocore.validate.ParamValidator().validate(parameters, shape)
    if report.has_errors():
        raise Refused(400, "ValidationError", report.generate_report())
    check_bounds(shape, parameters, action)
    check_policy(parameters)
    return action, parameters


# --- Signatures ---------------------------------------------------------------

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/(\d{8})/([a-z0-9-]+)/sts/"
    r"aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})")


def check_signature(scheme, method, target, headers, body, keys):
    """The access key that a request was signed with."""
    found = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not found:
        raise Refused(403, "IncompleteSignature", "Authorization")
    key, day, region, signed, signature = found.groups()
    signed = signed.split(";")
    if key not in keys:
        raise Refused(403, "InvalidClientTokenId",
                      "The security token included in the request is invalid.")
    credentials = keys[key]
    must = {"host", "x-amz-date", "content-type"} & {"host", *headers}
    if credentials.token:
        must.add("x-amz-security-token")
    if not must <= set(signed) or signed != sorted(signed):
        raise Refused(403, "SignatureDoesNotMatch", f"signed are {signed}")
    if headers.get("x-amz-security-token") != credentials.token:
        raise Refused(403, "InvalidClientTokenId", "the session token")
    date = headers.get("x-amz-date", "")
    when = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(
        tzinfo=datetime.timezone.utc)
    now = datetime.datetime.now(datetime.timezone.utc)
    if not date.startswith(day) or abs(now - when) > CLOCK_SKEW:
        raise Refused(403, "SignatureDoesNotMatch", f"signed at {date}")
    request = botocore.awsrequest.AWSRequest(
        method=method, url=f"{scheme}://{headers['host']}{target}", data=body,
        headers={name: headers[name] for name in signed if name in headers})
    request.context["timestamp"] = date
    signer = botocore.auth.SigV4Auth(credentials, "sts", region)
    canonical = signer.canonical_request(request)
    if signer.signature(signer.string_to_sign(request, canonical),
                        request) != signature:
        raise Refused(403, "SignatureDoesNotMatch",
                      "The request signature we calculated does not match "
                      "the signature you provided.")
    return key


# --- Replies ------------------------------------------------------------------

def escape(text):
    return xml.sax.saxutils.escape(str(text))


def error_text(code, message, request_id, status, namespace=NAMESPACE):
    return (f'<ErrorResponse xmlns="{namespace}">\n  <Error>\n'
            f"    <Type>{'Sender' if status < 500 else 'Receiver'}</Type>\n"
            f"    <Code>{escape(code)}</Code>\n"
            f"    <Message>{escape(message)}</Message>\n  </Error>\n"
            f"  <RequestId>{request_id}</RequestId>\n</ErrorResponse>\n")


def result_text(action, parameters, keys, request_id, namespace=NAMESPACE):
    expires = keys.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    who = ""
    if action == "AssumeRole":
        arn = parameters["RoleArn"].replace(":role/", ":assumed-role/")
        name = parameters["RoleSessionName"]
        who = (f"    <AssumedRoleUser>\n"
               f"      <AssumedRoleId>AROAEXAMPLE:{escape(name)}"
               f"</AssumedRoleId>\n"
               f"      <Arn>{escape(arn)}/{escape(name)}</Arn>\n"
               f"    </AssumedRoleUser>\n"
               f"    <PackedPolicySize>6</PackedPolicySize>\n")
        if "SourceIdentity" in parameters:
            who += (f"    <SourceIdentity>"
                    f"{escape(parameters['SourceIdentity'])}"
                    f"</SourceIdentity>\n")
    elif action == "GetFederationToken":
        name = escape(parameters["Name"])
        who = (f"    <FederatedUser>\n      <FederatedUserId>123456789012:"
               f"{name}</FederatedUserId>\n      <Arn>arn:aws:sts::"
               f"123456789012:federated-user/{name}</Arn>\n"
               f"    </FederatedUser>\n"
               f"    <PackedPolicySize>6</PackedPolicySize>\n")
    return (f'<{action}Response xmlns="{namespace}">\n  <{action}Result>\n'
            f"{who}    <Credentials>\n"
            f"      <AccessKeyId>{keys.id}</AccessKeyId>\n"
            f"      <SecretAccessKey>{escape(keys.secret)}"
            f"</SecretAccessKey>\n"
            f"      <SessionToken>{escape(keys.token)}</SessionToken>\n"
            f"      <Expiration>{expires}</Expiration>\n"
            f"    </Credentials>\n  </{action}Result>\n"
            f"  <ResponseMetadata>\n    <RequestId>{request_id}</RequestId>\n"
            f"  </ResponseMetadata>\n</{action}Response>\n")


def new_keys(seconds):
    now = datetime.datetime.now(datetime.timezone.utc)
    return Keys("ASIA" + "".join(secrets.choice(ALPHABET) for _ in range(16)),
                base64.b64encode(secrets.token_bytes(30)).decode(),
                base64.b64encode(secrets.token_bytes(300)).decode(),
                now + datetime.timedelta(seconds=seconds))


# Faults that are an error of the service's own: status, code, message.
ERRORS = {
    "denied": (403, "AccessDenied",
               "User: arn:aws:iam::123456789012:user/broker is not authorized "
               "to perform: sts:AssumeRole"),
    "throttled": (400, "Throttling", "Rate exceeded"),
    "slow-down": (503, "SlowDown", "Please reduce your request rate."),
    "500": (500, "InternalFailure", "The request processing has failed."),
    "packed": (400, "PackedPolicyTooLarge",
               "Packed policy consumes 132% of allotted space, please use "
               "smaller policy."),
    "region": (403, "RegionDisabledException",
               "STS is not activated in the requested region"),
}


class Handler(socketserver.StreamRequestHandler):
    """One connection, one request."""

    timeout = 60

    def handle(self):
        with contextlib.suppress(OSError):
            self.serve()

    def serve(self):
        sts = self.server.sts
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.do_handshake()
        line = self.rfile.readline(8192).decode("latin-1")
        if not line:
            return
        method, target, _ = line.split(" ")
        head, headers = line, {}
        while (line := self.rfile.readline(16384).decode("latin-1")).strip():
            name, _, value = line.partition(":")
            assert name.lower() not in headers, "a header came twice"
            headers[name.lower()] = value.strip()
            head += line
        length = int(headers.get("content-length", 0))
        assert length <= REQUEST_MAX
        body = self.rfile.read(length)
        fault = sts.begin()
        try:
            self.answer(fault, *sts.decide(method, target, head, headers, body,
                                           fault))
        finally:
            # What is still to come would become a reset.
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)

    def send(self, text, status=200, *headers, length=None):
        body = text if isinstance(text, bytes) else text.encode()
        lines = [f"HTTP/1.1 {status} X", "Content-Type: text/xml",
                 "Connection: close", f"x-amzn-RequestId: {self.request_id}", *headers]
        if length != -1:
            lines.append(f"Content-Length: "
                         f"{len(body) if length is None else length}")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)

    def hang(self):
        """Until the client goes, or the test ends."""
        self.connection.settimeout(0.1)
        while not self.server.sts.ended.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue

    def answer(self, fault, status, text, request_id):
        self.request_id = request_id
        how = getattr(self, "fault_" + (fault or "").replace("-", "_"), None)
        if how is not None:
            how(text, status)
        else:
            self.send(text, status)

    def fault_cut_off(self, text, status):
        """The connection is closed without a word."""

    def fault_slow_head(self, text, status):
        self.hang()

    def fault_slow_body(self, text, status):
        self.send(text[:40], length=len(text))
        self.hang()

    def fault_garbage(self, text, status):
        self.send(secrets.token_bytes(300).replace(b"<", b"x"))

    def fault_html(self, text, status):
        self.send("<!DOCTYPE html><html><body>Welcome to the hotel's network"
                  "</body></html>")

    def fault_entities(self, text, status):
        bomb = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">'
                       for i in range(9))
        self.send(f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{bomb}'
                  f"]>" + text.replace("6</Packed", "&e9;</Packed"))

    def fault_not_http(self, text, status):
        self.wfile.write(b"220 mail.example ESMTP\r\n")

    def fault_empty(self, text, status):
        self.send("")

    def fault_huge(self, text, status):
        filler = f"<!--{'x' * (1 << 20)}-->"
        self.send(text.replace("<Credentials>", filler + "<Credentials>"))

    def fault_endless(self, text, status):
        self.send("<AssumeRoleResponse>", length=-1)
        while not self.server.sts.ended.is_set():
            self.wfile.write(b"<a>" * 10000)

    def fault_truncated(self, text, status):
        self.send(text[:len(text) // 2], length=len(text))

    def fault_half(self, text, status):
        """Half of the text, and it is said to be all."""
        self.send(text[:len(text) // 2])

    def fault_redirect(self, text, status):
        self.send("", 307, f"Location: {self.server.sts.url}/elsewhere")

    def fault_gzip(self, text, status):
        self.send(gzip.compress(text.encode()), 200, "Content-Encoding: gzip")

    def fault_chunked(self, text, status):
        body = text.encode()
        pieces = [body[i:i + 100] for i in range(0, len(body), 100)]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces)
        self.send(chunks + b"0\r\n\r\n", status, "Transfer-Encoding: chunked",
                  length=-1)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        import traceback
        self.sts.problems.append(traceback.format_exc())


class Sts:
    def __init__(self, keys, tls=None):
        """`keys` is {access key id: secret, or (secret, session token)};
        `tls` a folder with right.pem and right.key, for localhost."""
        self.keys = {}
        for key, value in keys.items():
            secret, token = value if isinstance(value, tuple) else (value, None)
            self.keys[key] = botocore.credentials.Credentials(
                key, secret, token)
        self.model = botocore.session.Session().get_service_model("sts")
        self.tls = tls
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.fault, self.faults = None, []
        self.requests, self.problems, self.issued = [], [], []
        self.last_id = None    # of the last answer
        self.server = None

    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.sts = self
        self.port = self.server.server_address[1]
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{self.tls}/right.pem",
                                    f"{self.tls}/right.key")
            # The handshake is the handler's, so that none waits for another.
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True,
                do_handshake_on_connect=False)
        self.url = (f"https://localhost:{self.port}" if self.tls
                    else f"http://127.0.0.1:{self.port}")
        self.thread = threading.Thread(
            target=self.server.serve_forever,
            kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def count(self):
        return len(self.requests)

    def begin(self):
        with self.lock:
            return self.faults.pop(0) if self.faults else self.fault

    def decide(self, method, target, head, headers, body, fault):
        """(status, text, request id): what an honest one would say, unless
        the fault is in what is said."""
        request_id = str(uuid.uuid4())
        action = parameters = key = None
        try:
            if method != "POST" or target != "/":
                raise Refused(400, "InvalidAction", f"{method} {target}")
            key = check_signature("https" if self.tls else "http", method,
                                  target, headers, body, self.keys)
            action, parameters = read_parameters(self.model, body.decode())
            if fault in ERRORS:
                raise Refused(*ERRORS[fault])
            if fault == "echo":
                raise Refused(403, "AccessDenied", "you said " +
                              " ".join(filter(None, (
                                  key, self.keys[key].token))))
            status, text = 200, self.grant(action, parameters, request_id,
                                           fault)
        except Refused as refused:
            status = refused.status
            text = error_text(refused.code, refused.message, request_id, status)
            if fault not in ERRORS and fault != "echo":
                self.problems.append(f"{refused.code}: {refused.message}")
        with self.lock:
            self.last_id = request_id
            self.requests.append(Request(
                action, parameters, key, headers.get("x-amz-security-token"),
                head, status))
        return status, text, request_id

    def grant(self, action, parameters, request_id, fault):
        seconds = parameters.get("DurationSeconds", 3600)
        seconds = {"past": -60, "future": 10 * 366 * 86400,
                   "short": 30}.get(fault, seconds)
        keys = new_keys(seconds)
        self.issued.append(keys)
        namespace = NAMESPACE
        if fault == "namespace":
            namespace = "https://sts.example/doc/2011-06-15/"
        text = result_text(action, parameters, keys, request_id, namespace)
        if fault == "no-token":
            text = re.sub(r"\s*<SessionToken>.*</SessionToken>", "", text)
        if fault == "other-action":
            text = text.replace(action, "GetCallerIdentity")
        if fault == "twice":
            text = text.replace("</Credentials>", "</Credentials>" +
                                re.search("<Credentials>.*</Credentials>", text,
                                          re.S).group())
        return text
