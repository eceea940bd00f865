"""What the gateway hands out by itself: keys of a live lease in each client's
form, and EC2 instance metadata.  The test plays the core on the gateway's bus;
requests are written as bytes, so that what is told is what was on the wire."""

import json
import re
import time

import pytest

from conftest import wait_until
from test_gateway import (GATEWAY, HOST, TOKEN, V1, Response, ask, closed,
                          gateway, head, problem_code)

__all__ = ["gateway"]

pytestmark = pytest.mark.skipif(not GATEWAY.exists(),
                                reason=f"{GATEWAY} is not built")

ID = "AKIA" + "Q" * 16
SECRET = 's3cr\\et"' + "x" * 32
KEYS_TOKEN = "FwoGZXIvYXdzE" + "y" * 300
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
    if method == "HEAD":
        assert response.file.peek(1)[:0] == b""
        return response
    response.bytes = response.body()
    return response


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


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
