"""What the gateway hands out by itself: keys of a live lease in each client's
form, and EC2 instance metadata.  The test plays the core on the gateway's bus;
requests are written as bytes, so that what is told is what was on the wire."""

import json
import os
import re
import secrets
import socket
import time

import pytest

from conftest import SANITIZED, wait_until
from test_gateway import (GATEWAY, HOST, TOKEN, V1, Response, ask, closed,
                          gateway, head, problem_code)
from test_memory import places, shown as shown_places

__all__ = ["gateway"]

pytestmark = pytest.mark.skipif(not GATEWAY.exists(),
                                reason=f"{GATEWAY} is not built")

ID = "AKIA" + "Q" * 16
SECRET = 's3cr\\et"' + "x" * 32
KEYS_TOKEN = "FwoGZXIvYXdzE" + "y" * 300
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
ROLES = "/latest/meta-data/iam/security-credentials"


def keys(mark="", token=KEYS_TOKEN):
    parts = [ID + mark, SECRET + mark] + ([token + mark] if token else [])
    return "\n".join(parts)


def lease(gateway, name="dev", left=3600, text=None, session="s1", **more):
    fields = dict(session=session, name=name, form="aws-keys",
                  expires=int(time.time()) + left, keys=text or keys())
    fields.update(more)
    gateway.core.send("LEASE", **fields)


def imds(gateway, name="dev", region="eu-central-1", account="123456789012",
         session="s1"):
    gateway.core.send("SESSION_IMDS", session=session, name=name,
                      region=region, account=account)


def get(client, path, headers="", host=HOST, method="GET"):
    ask(client, f"{method} {path}", host + headers)
    response = Response(client)
    response.bytes = b"" if method == "HEAD" else response.body()
    return response


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def token_of(client, seconds=60):
    response = get(client, "/latest/api/token", f"{TTL}: {seconds}\r\n"
                   "Content-Length: 0\r\n", method="PUT")
    assert response.status == 200, response.bytes
    return response.bytes.decode()


def shown(token):
    return f"X-aws-ec2-metadata-token: {token}\r\n"


@pytest.fixture
def client(gateway):
    """Of a session that has metadata and a lease."""
    gateway.session()
    imds(gateway)
    lease(gateway)
    return gateway.connect()


def drop(gateway, name="dev", session="s1"):
    gateway.requests += 1
    gateway.core.send("LEASE_DROP", request=gateway.requests, session=session,
                      name=name)
    while True:
        kind, fields = gateway.core.receive()
        if kind != "LEASE_FETCHED":
            break
    assert (kind, fields) == ("LEASE_DROPPED",
                              {"request": gateway.requests})


# --- Keys of a lease --------------------------------------------------------

def test_container_keys_come_without_asking_the_core(gateway):
    gateway.session()
    until = int(time.time()) + 3600
    lease(gateway, expires=until)
    client = gateway.connect()
    for _ in range(3):
        response = get(client, "/v1/aws/dev", f"Authorization: {TOKEN.decode()}"
                       "\r\n")
        assert response.status == 200
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"
        assert json.loads(response.bytes) == {
            "AccessKeyId": ID, "SecretAccessKey": SECRET,
            "Token": KEYS_TOKEN, "Expiration": stamp(until)}
    gateway.end()
    told = gateway.expect("LEASE_FETCHED")
    assert told == {"session": b"s1", "name": b"dev", "count": 3}
    gateway.expect("SESSION_ENDED")


@pytest.mark.parametrize("value, status", [
    (f"Authorization: {TOKEN.decode()}", 200),
    (f"Authorization: Bearer {TOKEN.decode()}", 200),
    (f"authorization: bearer {TOKEN.decode()}", 200),
    ("Credbroker-Session: 1", 200),
    ("Authorization: Credbroker-Session", 200),
    ("Authorization: Bearer Credbroker-Session", 401),
    ("Authorization: credbroker-session", 401),
    (f"Authorization: Basic {TOKEN.decode()}", 401),
    (f"Authorization: {TOKEN.decode()[:-1]}", 401),
    (f"Authorization: {TOKEN.decode()}x", 401),
    (f"Authorization: x{TOKEN.decode()}", 401),
    ("Authorization: Bearer", 401),
    (f"Authorization: {TOKEN.decode()[:-1]}\r\nCredbroker-Session: 1", 401),
    ("X-Nothing: 1", 403),
])
def test_keys_are_for_who_shows_the_session_s_token(client, value, status):
    response = get(client, "/v1/aws/dev", value + "\r\n")
    assert response.status == status
    assert (ID.encode() in response.bytes) == (status == 200)
    if status != 200:
        problem = json.loads(response.bytes)
        assert problem["Code"] == problem_code(response)
        assert problem["Message"] == problem["detail"]


def test_the_bare_token_opens_nothing_else(gateway, client):
    for value in (TOKEN.decode(), "Credbroker-Session"):
        for path in ("/v1/session", "/v1/helper/aws/dev"):
            response = get(client, path, f"Authorization: {value}\r\n")
            assert response.status == 401


def test_process_keys_have_their_own_form(client):
    response = get(client, "/v1/helper/aws/dev", "Credbroker-Session: 1\r\n")
    keys = json.loads(response.bytes)
    assert keys.pop("Expiration").endswith("Z")
    assert keys == {"Version": 1, "AccessKeyId": ID,
                    "SecretAccessKey": SECRET, "SessionToken": KEYS_TOKEN}


def test_process_errors_are_text(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET /v1/helper/aws/dev", V1)
    query = gateway.expect("QUERY")
    assert query["plain"] == 1
    gateway.core.send("ANSWER", exchange=query["exchange"], status=502,
                      code="upstream_failed", type="text/plain",
                      body="credbroker: STS said no\n")
    response = Response(client)
    assert response.status == 502
    assert response.body() == b"credbroker: STS said no\n"


def test_head_of_keys_has_no_body(client):
    response = get(client, "/v1/aws/dev", "Credbroker-Session: 1\r\n",
                   method="HEAD")
    assert response.status == 200
    assert int(response.headers["content-length"]) > 100
    # The next answer follows at once.
    assert get(client, "/v1/aws/dev", "Credbroker-Session: 1\r\n").status == 200


@pytest.mark.parametrize("left", [None, -5, 5, 58])
def test_keys_that_do_not_last_are_asked_for(gateway, left):
    gateway.session()
    if left is not None:
        lease(gateway, left=left)
    client = gateway.connect()
    ask(client, "GET /v1/aws/dev", V1)
    query = gateway.expect("QUERY")
    assert (query["what"], query["name"], query["body"]) == (5, b"dev", b"")
    lease(gateway, text=keys("2"))
    gateway.core.send("ANSWER", exchange=query["exchange"], status=200)
    response = Response(client)
    assert response.status == 200
    assert json.loads(response.body())["AccessKeyId"] == ID + "2"
    assert get(client, "/v1/aws/dev", "Credbroker-Session: 1\r\n").status == 200


def test_a_lease_that_was_not_sent_is_a_503_that_says_when(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET /v1/aws/dev", V1)
    query = gateway.expect("QUERY")
    gateway.core.send("ANSWER", exchange=query["exchange"], status=200)
    response = Response(client)
    assert response.status == 503 and response.headers["retry-after"] == "1"
    assert response.problem()["Code"] == "limit"
    # It is asked again for the next one, not in a circle for this one.
    ask(client, "GET /v1/aws/dev", V1)
    assert gateway.expect("QUERY")["exchange"] != query["exchange"]


def test_the_core_s_refusal_says_what_clients_of_aws_show(gateway):
    gateway.session()
    client = gateway.connect()
    ask(client, "GET /v1/aws/dev", V1)
    query = gateway.expect("QUERY")
    body = {"type": "urn:x", "status": 403, "detail": 'no "such" role'}
    gateway.core.send("ANSWER", exchange=query["exchange"], status=403,
                      code="upstream_denied", type="application/problem+json",
                      body=json.dumps(body))
    response = Response(client)
    assert response.status == 403
    assert response.headers["credbroker-error"] == "upstream_denied"
    assert json.loads(response.body()) == {
        **body, "Code": "upstream_denied", "Message": 'no "such" role'}


def test_a_busy_upstream_is_to_be_asked_again_later(gateway):
    gateway.session()
    imds(gateway)
    client = gateway.connect()
    token = token_of(client)
    ask(client, f"GET {ROLES}/dev", HOST + shown(token))
    query = gateway.expect("QUERY")
    gateway.core.send("ANSWER", exchange=query["exchange"], status=503,
                      code="limit", type="text/plain", body="later\n",
                      retry=7)
    response = Response(client)
    assert response.status == 503 and response.headers["retry-after"] == "7"


def test_many_who_wait_are_all_answered(gateway):
    gateway.session()
    clients = [gateway.connect() for _ in range(50)]
    for one in clients:
        ask(one, "GET /v1/aws/dev", V1)
    queries = [gateway.expect("QUERY") for _ in clients]
    lease(gateway)
    for query in queries:
        gateway.core.send("ANSWER", exchange=query["exchange"], status=200)
    for one in clients:
        response = Response(one)
        assert response.status == 200
        assert json.loads(response.body())["AccessKeyId"] == ID
    gateway.end()
    assert gateway.expect("LEASE_FETCHED")["count"] == 50


def test_new_keys_replace_the_old_ones_in_every_form(client, gateway):
    token = token_of(client)
    for path, headers in (("/v1/aws/dev", V1), ("/v1/helper/aws/dev", V1),
                          (f"{ROLES}/dev", HOST + shown(token))):
        for mark in ("", "2"):
            lease(gateway, text=keys(mark))
            wait_until(lambda: json.loads(get(client, path, host=headers).bytes)
                       ["AccessKeyId"] == ID + mark, "the new keys")


@pytest.mark.parametrize("text", [
    "", "\n", ID, f"{ID}\n", f"{ID}\n{SECRET}\n", f"{ID}\n{SECRET}\nt\n",
    f"{ID}\n{SECRET}\nt\nmore", f"{ID} \n{SECRET}", f"{ID}\n{SECRET} x",
    f"{ID}\r\n{SECRET}", f"x y\n{SECRET}", f"{ID}\n{'s' * 257}"])
def test_malformed_keys_are_worse_than_none(gateway, client, text):
    assert get(client, "/v1/aws/dev", host=V1).status == 200
    lease(gateway, keys=text)
    ask(client, "GET /v1/aws/dev", V1)
    assert gateway.expect("LEASE_FETCHED")["count"] == 1
    gateway.expect("QUERY")


def test_keys_of_another_form_are_not_handed_out(gateway, client):
    lease(gateway, form="token")
    ask(client, "GET /v1/aws/dev", V1)
    gateway.expect("QUERY")


def test_sessions_never_see_each_other_s_keys(gateway):
    other = b"crbs_" + b"u" * 49
    gateway.session("s1")
    gateway.session("s2", token=other)
    lease(gateway, session="s1", text=keys("1"))
    lease(gateway, session="s2", text=keys("2"))
    lease(gateway, session="s2", name="more", text=keys("3"))
    imds(gateway, session="s1")
    imds(gateway, session="s2")
    one, two = gateway.connect("s1"), gateway.connect("s2")
    bearer = f"Authorization: {TOKEN.decode()}\r\n"
    assert json.loads(get(one, "/v1/aws/dev", bearer).bytes)[
        "AccessKeyId"] == ID + "1"
    assert get(two, "/v1/aws/dev", bearer).status == 401
    ask(one, "GET /v1/aws/more", V1)
    assert gateway.expect("QUERY")["session"] == b"s1"
    token = token_of(two)
    assert get(gateway.connect("s1"), f"{ROLES}/dev",
               shown(token)).status == 401
    assert json.loads(get(two, f"{ROLES}/dev", shown(token)).bytes)[
        "AccessKeyId"] == ID + "2"


@pytest.mark.parametrize("path", [
    "/v1/aws", "/v1/aws/", "/v1/aws/dev/", "/v1/aws/DEV", "/v1/aws/d%65v",
    "/v1/aws//dev", "/v1/helper/aws/"])
def test_other_paths_have_no_keys(client, path):
    assert get(client, path, host=V1).status == 404


def test_keys_take_no_query_and_no_other_method(client):
    assert get(client, "/v1/aws/dev?x", host=V1).status == 400
    for method in ("POST", "PUT", "DELETE"):
        response = get(client, "/v1/aws/dev", "Content-Length: 0\r\n",
                       host=V1, method=method)
        assert response.status == 405
        assert response.headers["allow"] == "GET, HEAD"


def test_http_1_0_and_close_get_whole_keys_and_an_end(gateway, client):
    for version, more in (("1.0", ""), ("1.0", "Connection: keep-alive\r\n"),
                          ("1.1", "Connection: close\r\n")):
        one = gateway.connect()
        one.sendall(f"GET /v1/aws/dev HTTP/{version}\r\n{V1}{more}\r\n"
                    .encode())
        response = Response(one)
        assert json.loads(response.body())["SecretAccessKey"] == SECRET
        assert closed(one)
    # Others are still kept: the shared response has not learnt it.
    assert "connection" not in get(client, "/v1/aws/dev", host=V1).headers
    assert get(client, "/v1/aws/dev", host=V1).status == 200


# --- Counts -----------------------------------------------------------------

@pytest.mark.limit(60)
def test_fetches_are_told_every_ten_seconds_together(gateway, client):
    before = time.monotonic()
    for _ in range(3):
        assert get(client, "/v1/aws/dev", host=V1).status == 200
    assert gateway.expect("LEASE_FETCHED")["count"] == 3
    assert 7 < time.monotonic() - before < 25
    # Nothing was fetched, so nothing is told.
    assert get(client, "/v1/aws/dev", host=V1).status == 200
    drop_fields = []
    gateway.core.send("LEASE_DROP", request=9, session="s1", name="dev")
    for _ in range(2):
        drop_fields.append(gateway.core.receive())
    assert [kind for kind, _ in drop_fields] == ["LEASE_FETCHED",
                                                 "LEASE_DROPPED"]
    assert drop_fields[0][1]["count"] == 1


def test_refusals_are_no_fetches(gateway, client):
    assert get(client, "/v1/aws/dev").status == 403
    assert get(client, f"{ROLES}/dev").status == 401
    token = token_of(client)
    assert get(client, ROLES, shown(token)).bytes == b"dev"
    gateway.end()
    gateway.expect("SESSION_ENDED")


# --- A dropped lease --------------------------------------------------------

def test_a_dropped_lease_is_handed_out_no_more(gateway, client):
    token = token_of(client)
    assert get(client, "/v1/aws/dev", host=V1).status == 200
    drop(gateway)
    for path, headers in (("/v1/aws/dev", V1), ("/v1/helper/aws/dev", V1),
                          (f"{ROLES}/dev", HOST + shown(token))):
        ask(client, f"GET {path}", headers)
        query = gateway.expect("QUERY")
        gateway.core.send("ANSWER", exchange=query["exchange"], status=403,
                          code="revoked", type="text/plain", body="gone\n")
        response = Response(client)
        assert response.status == 403 and response.body() == b"gone\n"


def test_what_is_dropped_need_not_be_there(gateway):
    gateway.session()
    drop(gateway)
    drop(gateway, session="unknown")
    lease(gateway, session="unknown")
    gateway.end()
    gateway.expect("SESSION_ENDED")
    # It came too late.
    lease(gateway)
    imds(gateway)
    client = gateway.connect()
    assert get(client, "/v1/aws/dev", host=V1).status == 403
    assert get(client, ROLES).status == 403


def test_an_ended_session_has_no_keys(gateway, client):
    token = token_of(client)
    gateway.end()
    gateway.expect("SESSION_ENDED")
    for path in ("/v1/aws/dev", "/v1/helper/aws/dev", f"{ROLES}/dev",
                 "/latest/api/token"):
        response = get(client, path, V1[len(HOST):] + shown(token))
        assert response.status == (405 if path.endswith("token") else 403)
        assert ID.encode() not in response.bytes


def unread(gateway, name="s1"):
    """A client that asks on and on, and reads nothing."""
    client = gateway.connect(name)
    client.setblocking(False)
    request = head("GET /v1/aws/dev", V1)
    try:
        while True:
            client.send(request)
    except BlockingIOError:
        pass
    return client


def test_who_is_in_the_midst_of_reading_is_cut_off(gateway, client):
    slow = unread(gateway)
    wait_until(lambda: gateway.state() == "S", "nothing moves")
    drop(gateway)
    slow.settimeout(10)
    got = b""
    try:
        while piece := slow.recv(1 << 16):
            got += piece
    except ConnectionResetError:
        pass
    # What was on its way came; then there was an end, and no zeroes.
    assert b"\0" not in got
    assert get(client, "/v1/nothing", host=V1).status == 404


GUARDED = pytest.mark.skipif(
    os.geteuid() != 0, reason="another process's memory is read by root only")


@GUARDED
@pytest.mark.parametrize("how", ["drop", "replace", "end", "close"])
def test_the_keys_of_a_lease_that_is_gone_are_nowhere(gateway, how):
    mark = secrets.token_hex(12)
    text = "\n".join((f"AKIA{mark}", f"secret{mark}", f"token{mark}"))
    gateway.session()
    gateway.session("s2")
    imds(gateway)
    lease(gateway, text=text)
    client = gateway.connect()
    token = token_of(client)
    for path, headers in (("/v1/aws/dev", V1), ("/v1/helper/aws/dev", V1),
                          (f"{ROLES}/dev", HOST + shown(token))):
        assert mark.encode() in get(client, path, host=headers).bytes
    found = places(gateway.process.pid, mark)
    assert found
    if not SANITIZED:
        assert shown_places(m for m in found if not m.guarded) == []
    slow = unread(gateway)
    wait_until(lambda: gateway.state() == "S", "nothing moves")
    if how == "drop":
        drop(gateway)
    elif how == "replace":
        slow.close()
        lease(gateway)
    elif how == "end":
        gateway.end()
    else:
        gateway.core.send("SESSION_CLOSE", session="s1")
    wait_until(lambda: not places(gateway.process.pid, mark),
               "the keys are gone", seconds=10)
    assert get(gateway.connect("s2"), "/v1/nothing", host=V1).status == 404


@GUARDED
@pytest.mark.parametrize("how", ["drop", "end", "close"])
def test_keys_that_the_core_answered_with_go_with_the_lease(gateway, how):
    mark = secrets.token_hex(12)
    gateway.session()
    gateway.session("s2")
    lease(gateway)
    body = json.dumps({"keys": {"secret_access_key": f"secret{mark}"},
                       "padding": "x" * 60000})

    def answered(client):
        ask(client, "GET /v1/credentials/dev", V1)
        query = gateway.expect("QUERY")
        gateway.core.send("ANSWER", exchange=query["exchange"], status=200,
                          type="application/json", body=body)

    fast = gateway.connect()
    answered(fast)
    assert mark.encode() in Response(fast).body()
    slow = gateway.connect()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _ in range(8):  # more than the sockets hold
        answered(slow)
        if places(gateway.process.pid, mark):
            break
    wait_until(lambda: gateway.state() == "S", "nothing moves")
    if how == "drop":
        drop(gateway)
    elif how == "end":
        gateway.end()
    else:
        gateway.core.send("SESSION_CLOSE", session="s1")
    wait_until(lambda: not places(gateway.process.pid, mark),
               "the keys are gone", seconds=10)
    assert get(gateway.connect("s2"), "/v1/nothing", host=V1).status == 404


@GUARDED
def test_a_metadata_token_is_kept_as_its_hash_only(gateway, client):
    token = token_of(client)
    assert get(client, ROLES, shown(token)).status == 200
    # libmicrohttpd clears a request's memory with the next one.
    wait_until(lambda: get(client, "/v1/nothing", host=V1).status == 404 and
               not places(gateway.process.pid, token),
               "the token is gone", seconds=10)


# --- The metadata's token ---------------------------------------------------

def test_a_token_is_text_of_its_own_and_says_how_long_it_lasts(client):
    response = get(client, "/latest/api/token", f"{TTL}: 21600\r\n"
                   "Content-Length: 0\r\n", method="PUT")
    assert response.status == 200
    assert re.fullmatch(rb"[A-Za-z0-9]{43}", response.bytes)
    assert response.headers["content-type"] == "text/plain"
    assert response.headers[TTL.lower()] == "21600"
    assert response.headers["content-length"] == "43"
    assert token_of(client) != token_of(client)


@pytest.mark.parametrize("value", [
    None, "", "0", "00", "-1", "+1", "21601", "4294967297", "1.5", "0x10",
    "60s", "60, 60", "6 0"])
def test_a_token_s_time_must_be_1_to_21600(client, value):
    headers = "Content-Length: 0\r\n"
    if value is not None:
        headers += f"{TTL}: {value}\r\n"
    response = get(client, "/latest/api/token", headers, method="PUT")
    assert response.status == 400
    # The client stops here, and the connection serves on.
    assert get(client, ROLES, shown(token_of(client, 1))).status == 200


def test_two_times_for_a_token_are_none(gateway, client):
    response = get(client, "/latest/api/token",
                   f"{TTL}: 60\r\n{TTL}: 60\r\nContent-Length: 0\r\n",
                   method="PUT")
    assert response.status == 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PATCH"])
def test_only_put_makes_a_token(client, method):
    response = get(client, "/latest/api/token", f"{TTL}: 60\r\n"
                   "Content-Length: 0\r\n", method=method)
    assert response.status == 405
    assert response.headers["allow"] == "PUT"


def test_options_and_trace_are_never_allowed(gateway, client):
    for method in ("OPTIONS", "TRACE"):
        one = gateway.connect()
        response = get(one, "/latest/api/token", method=method)
        assert response.status == 405
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("path", ["/latest/api/token", ROLES,
                                  "/latest/meta-data/"])
def test_put_is_for_the_token_only(client, path):
    response = get(client, path, f"{TTL}: 60\r\nContent-Length: 0\r\n",
                   method="PUT")
    assert response.status == (200 if path.endswith("token") else 405)


@pytest.mark.parametrize("framing", ["Content-Length: 3\r\n",
                                     "Transfer-Encoding: chunked\r\n"])
def test_a_request_for_a_token_has_no_body(gateway, client, framing):
    one = gateway.connect()
    one.sendall(head("PUT /latest/api/token", HOST + f"{TTL}: 60\r\n" + framing)
                + (b"abc" if "Length" in framing else b"3\r\nabc\r\n0\r\n\r\n"))
    assert Response(one).status == 413


FORWARDED = ["X-Forwarded-For: 1.2.3.4", "x-forwarded-for:", "Forwarded: for=x",
             "X-Forwarded-Host: a", "X-Real-IP: 1.2.3.4", "Via: 1.1 proxy"]


@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD", "POST"])
@pytest.mark.parametrize("header", FORWARDED)
def test_what_was_forwarded_is_refused_with_what_stops_clients(
        gateway, client, method, header):
    token = token_of(client)
    path = "/latest/api/token" if method == "PUT" else ROLES
    response = get(gateway.connect(), path, f"{header}\r\n{TTL}: 60\r\n"
                   + shown(token) + "Content-Length: 0\r\n", method=method)
    assert response.status == 400
    if method != "HEAD":
        assert b"dev" != response.bytes and len(response.bytes) != 43


def test_forwarded_requests_for_keys_are_refused(gateway, client):
    for header in FORWARDED:
        response = get(gateway.connect(), "/v1/aws/dev", header + "\r\n",
                       host=V1)
        assert response.status == 403, header
        assert problem_code(response) == "forwarded_request"


# --- What wants a token -----------------------------------------------------

EVERYTHING = [ROLES, f"{ROLES}/", f"{ROLES}/dev", f"{ROLES}/other", "/latest",
              "/latest/", "/latest/meta-data/", "/latest/nothing",
              "/latest/meta-data?x=y", "/latest/user-data",
              "/latest/dynamic/instance-identity/document",
              "/latest/api/", "/latest/api/token/", "/latest//",
              "/latest/meta-data/placement/region"]


@pytest.mark.parametrize("path", EVERYTHING)
def test_without_a_good_token_there_is_one_answer(gateway, client, path):
    elsewhere = gateway
    elsewhere.session("s2")
    imds(elsewhere, session="s2")
    foreign = token_of(elsewhere.connect("s2"))
    short = token_of(client, 1)
    wait_until(lambda: get(client, ROLES, shown(short)).status == 401,
               "a token is over")
    answers = set()
    for headers in ("", shown(""), shown("x"), shown("A" * 43), shown(foreign),
                    shown(short), shown(TOKEN.decode()),
                    f"Authorization: Bearer {TOKEN.decode()}\r\n",
                    "Credbroker-Session: 1\r\n"):
        response = get(client, path, headers)
        response.headers.pop("date")
        answers.add((response.status, response.bytes,
                     tuple(sorted(response.headers.items()))))
    assert len(answers) == 1
    assert answers.pop()[0] == 401


def test_a_token_given_twice_is_none(client):
    token = token_of(client)
    assert get(client, ROLES, shown(token) + shown(token)).status == 400


def test_the_role_is_bare_text(client):
    token = token_of(client)
    for path in (ROLES, f"{ROLES}/"):
        response = get(client, path, shown(token))
        assert (response.status, response.bytes) == (200, b"dev")
        assert response.headers["content-type"] == "text/plain"


def test_keys_of_the_role_say_success(client):
    token = token_of(client)
    keys = json.loads(get(client, f"{ROLES}/dev", shown(token)).bytes)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
                        keys.pop("LastUpdated"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
                        keys.pop("Expiration"))
    assert keys == {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": ID,
                    "SecretAccessKey": SECRET, "Token": KEYS_TOKEN}


def test_head_is_answered_as_get(client):
    token = token_of(client)
    for path, length in ((ROLES, "3"), ("/latest/meta-data/instance-id",
                                        "19")):
        response = get(client, path, shown(token), method="HEAD")
        assert response.status == 200
        assert response.headers["content-length"] == length
    assert get(client, ROLES, shown(token)).bytes == b"dev"


def test_documents_and_the_region(gateway, client):
    token = shown(token_of(client))
    zone = "/latest/meta-data/placement/availability-zone"
    document = "/latest/dynamic/instance-identity/document"
    assert get(client, zone, token).bytes == b"eu-central-1a"
    assert get(client, zone + "/", token).bytes == b"eu-central-1a"
    told = get(client, document, token)
    assert told.headers["content-type"] == "application/json"
    assert json.loads(told.bytes)["region"] == "eu-central-1"
    info = get(client, "/latest/meta-data/iam/info", token)
    assert json.loads(info.bytes)["Code"] == "Success"
    # The same session, told again, now without a region; its tokens stay.
    imds(gateway, region="", account="")
    wait_until(lambda: get(client, zone, token).status == 404, "no region")
    assert get(client, document, token).status == 404
    assert get(client, ROLES, token).status == 200


@pytest.mark.parametrize("path", [
    f"{ROLES}/other", f"{ROLES}/dev/", f"{ROLES}/dev?x", "/latest/user-data",
    "/latest/meta-data//iam", "/latest/meta-data/iam/%73ecurity-credentials/",
    "/latest/api/", "/latest/api/token/"])
def test_other_metadata_is_not_there(client, path):
    assert get(client, path, shown(token_of(client))).status == 404


def test_without_imds_everything_of_it_is_disabled(gateway):
    gateway.session()
    lease(gateway)
    client = gateway.connect()
    for method, path in (("PUT", "/latest/api/token"), ("GET", ROLES),
                         ("GET", "/latest/"), ("GET", "/latest/nothing")):
        response = get(client, path, f"{TTL}: 60\r\nContent-Length: 0\r\n",
                       method=method)
        assert response.status == 403
        assert problem_code(response) == "imds_disabled"
        assert b"--aws imds" in response.bytes


@pytest.mark.parametrize("fields", [
    dict(name=""), dict(name="a/b"), dict(region='eu"'), dict(account="12x")])
def test_metadata_that_is_malformed_is_not_served(gateway, fields):
    gateway.session()
    imds(gateway, **fields)
    assert get(gateway.connect(), ROLES).status == 403


def test_only_256_tokens_are_good_and_the_first_due_goes(client):
    first = token_of(client, 50)
    kept = [token_of(client, 1000 + i) for i in range(255)]
    assert get(client, ROLES, shown(first)).status == 200
    newest = token_of(client, 10)
    assert get(client, ROLES, shown(first)).status == 401
    assert all(get(client, ROLES, shown(token)).status == 200
               for token in kept)
    assert get(client, ROLES, shown(newest)).status == 200


# --- The role's keys must last ----------------------------------------------

@pytest.mark.parametrize("left", [61, 300, 598])
def test_keys_with_less_than_ten_minutes_are_not_for_metadata(gateway, left):
    gateway.session()
    imds(gateway)
    lease(gateway, left=left)
    client = gateway.connect()
    token = token_of(client)
    # Container clients do not extend what they are told.
    assert get(client, "/v1/aws/dev", host=V1).status == 200
    ask(client, f"GET {ROLES}/dev", HOST + shown(token))
    query = gateway.expect("QUERY")
    assert (query["what"], query["name"]) == (5, b"dev")
    lease(gateway, text=keys("2"), left=900)
    gateway.core.send("ANSWER", exchange=query["exchange"], status=200)
    response = Response(client)
    assert json.loads(response.body())["AccessKeyId"] == ID + "2"


def test_keys_that_came_and_are_short_too_are_not_served(gateway):
    gateway.session()
    imds(gateway)
    client = gateway.connect()
    token = token_of(client)
    ask(client, f"GET {ROLES}/dev", HOST + shown(token))
    query = gateway.expect("QUERY")
    lease(gateway, left=599)
    gateway.core.send("ANSWER", exchange=query["exchange"], status=200)
    response = Response(client)
    assert response.status == 503 and response.headers["retry-after"] == "1"
    assert ID.encode() not in response.body()


# --- Host -------------------------------------------------------------------

@pytest.mark.parametrize("value, status", [
    ("169.254.169.254", 200), ("127.0.0.1:9169", 200), ("127.0.0.1", 200),
    ("localhost:9169", 200), ("[::1]:9169", 200), ("127.0.0.1:4711", 200),
    ("169.254.169.254:80", 403), ("169.254.169.254.", 403),
    ("169.254.169.2541", 403), ("169.254.170.2", 403),
    ("127.0.0.1:80", 403), ("LOCALHOST", 403), ("localhost.", 403),
    ("evil.example", 403), ("[fd00:ec2::254]", 403), ("", 403)])
def test_the_metadata_s_host_is_on_a_short_list(gateway, value, status):
    gateway.session(port=4711)
    imds(gateway)
    client = gateway.connect()
    response = get(client, "/latest/api/token", f"{TTL}: 60\r\n"
                   "Content-Length: 0\r\n", host=f"Host: {value}\r\n",
                   method="PUT")
    assert response.status == status


@pytest.mark.parametrize("path", ["/v1/aws/dev", "/v1/session", "/latestx",
                                  "/latest.", "/v1/latest/"])
def test_the_metadata_s_address_names_nothing_else(client, path):
    response = get(client, path, host="Host: 169.254.169.254\r\n"
                   "Credbroker-Session: 1\r\n")
    assert response.status == 403
    assert problem_code(response) == "host_not_allowed"
