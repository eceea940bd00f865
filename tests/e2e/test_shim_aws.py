"""The shim as credbroker-aws, an AWS profile's credential_process; and how far
a reply of the forwarder can go."""

import contextlib
import os
import socket
import subprocess

import pytest

from test_shim import (PATIENCE, Forwarder, environment, folder, http_peer,
                       patience, programs, reply, shim)

__all__ = ["folder", "patience", "shim"]

NAME = "credbroker-aws"
KEYS = (b'{"Version":1,"AccessKeyId":"AKIAQ","SecretAccessKey":"s3cr3t",'
        b'"SessionToken":"t0ken","Expiration":"2026-11-21T19:00:00Z"}')


def run(shim, folder, *args, name=NAME):
    """Under its own name, as a link beside the program is."""
    return subprocess.run(
        [name, "--socket", os.path.join(folder, "s"), "--retry", "0", *args],
        executable=shim, capture_output=True, env=environment(),
        timeout=PATIENCE)


def test_keys_are_printed_as_the_broker_gives_them(shim, folder):
    with http_peer(os.path.join(folder, "s"), reply(200, KEYS)) as peer:
        done = run(shim, folder, "aws-dev")
    assert (done.returncode, done.stdout, done.stderr) == (0, KEYS, b"")
    lines = peer.requests[0][0].split(b"\r\n")
    assert lines[0] == b"GET /v1/helper/aws/aws-dev HTTP/1.1"
    assert b"Credbroker-Session: 1" in lines


def test_a_link_and_a_command_have_the_same_name(shim, folder):
    link = os.path.join(folder, NAME)
    os.symlink(shim, link)
    with http_peer(os.path.join(folder, "s"), reply(200, KEYS)):
        for command in ([link], [shim, NAME]):
            done = subprocess.run(
                [*command, "--socket", os.path.join(folder, "s"), "dev"],
                capture_output=True, env=environment(), timeout=PATIENCE)
            assert (done.returncode, done.stdout) == (0, KEYS)


@pytest.mark.parametrize("status, code, wanted", [
    (403, "policy_denied", 1), (404, "not_found", 5), (502, "upstream", 4),
    (503, "broker_locked", 3), (503, "limit", 5), (500, "internal_error", 5)])
def test_a_refusal_is_said_where_the_tool_shows_it(shim, folder, status, code,
                                                   wanted):
    answer = reply(status, b"credbroker: STS said no\nask again\n",
                   f"Credbroker-Error: {code}")
    with http_peer(os.path.join(folder, "s"), answer):
        done = run(shim, folder, "dev")
    assert done.returncode == wanted
    assert done.stdout == b""
    assert b"credbroker: STS said no\nask again\n" == done.stderr


def test_keys_never_reach_standard_error(shim, folder):
    """Not even where standard output takes nothing, or the answer is cut."""
    with http_peer(os.path.join(folder, "s"), reply(200, KEYS)):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [NAME, "--socket", os.path.join(folder, "s"), "dev"],
                executable=shim, stdout=full, stderr=subprocess.PIPE,
                env=environment(), timeout=PATIENCE)
    assert done.returncode == 5 and b"standard output" in done.stderr
    assert b"s3cr3t" not in done.stderr and b"AKIA" not in done.stderr
    for cut in (len(reply(200, KEYS)) - 5, 30):
        with http_peer(os.path.join(folder, "s"), reply(200, KEYS)[:cut]):
            done = run(shim, folder, "dev")
        assert done.returncode == 5 and done.stdout == b""
        assert b"s3cr3t" not in done.stderr and b"AKIA" not in done.stderr


def test_without_a_broker_it_is_not_reachable(shim, folder):
    done = run(shim, folder, "dev")
    assert done.returncode == 3 and done.stdout == b""
    assert b"no broker answers" in done.stderr


@pytest.mark.parametrize("args", [[], ["a", "b"], ["--json", "a"], ["a b"],
                                  ["a#b"], ["a" * 5000], ["a\n"]])
def test_a_name_that_cannot_be_asked_for_is_a_usage_error(shim, folder, args):
    with http_peer(os.path.join(folder, "s"), reply(200, KEYS)) as peer:
        done = run(shim, folder, *args)
    assert done.returncode == 2 and done.stdout == b""
    assert peer.requests == []


# --- The hop limit of instance metadata -------------------------------------

def answered(address, least_ttl, patience=PATIENCE):
    """A client that drops packets with fewer hops left than this."""
    with socket.socket() as sock:
        sock.setsockopt(socket.IPPROTO_IP, 21, least_ttl)  # IP_MINTTL
        sock.settimeout(patience)
        with contextlib.suppress(socket.timeout):
            sock.connect(address)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return sock.recv(1 << 16) != b""
    return False


def test_a_reply_of_the_forwarder_does_not_leave_the_host(shim, folder):
    path = os.path.join(folder, "s")
    with http_peer(path, reply(200, b"x")), \
            Forwarder(shim, path) as forwarder:
        assert answered(forwarder.address, 1)
        assert not answered(forwarder.address, 2, patience=1)


def test_the_program_fits_its_size():
    static = programs()[0]
    if not static.endswith("credbroker-shim"):
        pytest.skip("the static program is not built")
    assert os.stat(static).st_size <= 102400
