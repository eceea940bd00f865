"""What a granted path can be made to look like.  The session may fetch
acme/api from one host.  Whatever else is asked for has a defined answer, and
the recording upstream has seen none of it."""

import re

import pytest

from attack import REFS, Endpoint

# Status and code, and what gets them.  AUTH is the granted authority, PORT its
# port, {R} discovery for a fetch.
REFUSED = {
    (400, 'invalid_request'): """
        /git/AUTH/acme/api.git/{R}
        /git/AUTH/acme/api.GIT{R}
        /git/AUTH/acme/api.git.git{R}
        /git/AUTH/acme/api%00{R}
        /git/AUTH/acme/api%0a{R}
        /git/AUTH/acme/api%0d%0aX:y{R}
        /git/AUTH/acme/../acme/api{R}
        /git/AUTH/acme/./api{R}
        /git/AUTH/x/../../acme/api{R}
        /git/AUTH/acme/api/../../evil/repo{R}
        /git/AUTH/acme/api/%2e%2e/secret{R}
        /git/AUTH/acme/api/%2E%2E/secret{R}
        /git/AUTH/acme/api/..%2fsecret{R}
        /git/AUTH/acme/api/..%2Fsecret{R}
        /git/AUTH/acme%2Fapi{R}
        /git/AUTH/acme%2fapi{R}
        /git/AUTH/acme%5Capi{R}
        /git/AUTH/acme\api{R}
        /git/AUTH//acme/api{R}
        /git/AUTH/acme//api{R}
        /git//AUTH/acme/api{R}
        /git/AUTH/acme/api;x=y{R}
        /git/AUTH/acme;/api{R}
        /git/AUTH/acme/api%3bx{R}
        /git/AUTH/acme/api%3Bx{R}
        /git/AUTH/acme/api#{R}
        /git/AUTH/acme/api%23{R}
        /git/AUTH/acme/api%3F{R}
        /git/AUTH/acme/%61pi{R}
        /git/AUTH/%61cme/api{R}
        /git/AUTH/acme/api%252e{R}
        /git/AUTH/acme/ap%C0%AFi{R}
        /git/AUTH/acme/ap%ED%A0%80i{R}
        /git/AUTH/acme/ap%FFi{R}
        /git/AUTH/acme/ap%c3%a9i{R}
        /git/AUTH/acme/api*{R}
        /git/AUTH/acme/*{R}
        /git/AUTH/**{R}
        /git/AUTH/acme/**{R}
        /git/AUTH/acme/api?{R}
        /git/AUTH{R}
        /git/AUTH/{R}
        /git/AUTH/acme/api.git/acme/other{R}
        /git/AUTH/-acme/api{R}
        /git/AUTH/acme/--upload-pack=x{R}
        /git/AUTH/acme/api/git-upload-pack{R}
        /git/AUTH/acme/api.git/info/lfs{R}
        /git/AUTH/acme/api{R}&service=git-receive-pack
        /git/AUTH/acme/api/info/refs?service=git-receive-pack&service=git-upload-pack
        /git/AUTH/acme/api{R}&x=y
        /git/AUTH/acme/api/info/refs?x=y&service=git-upload-pack
        /git/AUTH/acme/api/info/refs?service=git%2Dupload-pack
        /git/AUTH/acme/api{R}%00
        /git/AUTH/acme/api{R}%26service=git-receive-pack
        /git/AUTH/acme/api{R};service=git-receive-pack
        /git/AUTH/acme/api/info/refs?Service=git-upload-pack
        /git/AUTH/acme/api/info/refs?service=GIT-UPLOAD-PACK
        /git/AUTH/acme/api/info/refs?service[]=git-upload-pack
        /git/AUTH/acme/api{R}#
        /git/AUTH/acme/api/info/refs??service=git-upload-pack
        /git/AUTH/acme/api{R}?service=git-receive-pack
        /git/AUTH/acme/api/info/refs?&service=git-upload-pack
        /git/AUTH/acme/api{R}&
        /git/AUTH/acme/api/INFO/refs?service=git-upload-pack
        /git/AUTH/acme/api/info/refs/?service=git-upload-pack
        /git/AUTH/acme/api/info%2Frefs?service=git-upload-pack
        /git/AUTH/acme/api/config
        /git/AUTH/acme/api/git-upload-pack
        /git/AUTH/acme/api/git-receive-pack
        /git/AUTH/acme/api/archive/main.tar.gz
        /git/AUTH/acme/api/raw/main/x
        /git/AUTH/api/v4/projects/1/repository/files{R}
        /git/LOCALHOST:PORT/acme/api{R}
        /git/localhost.:PORT/acme/api{R}
        /git/localhost:PORT./acme/api{R}
        /git/localhost:0PORT/acme/api{R}
        /git/localhost:PORT@evil.example/acme/api{R}
        /git/evil.example@localhost:PORT/acme/api{R}
        /git/user:pw@localhost:PORT/acme/api{R}
        /git/[::1]:PORT/acme/api{R}
        /git/[::ffff:127.0.0.1]:PORT/acme/api{R}
        /git/2130706433:PORT/acme/api{R}
        /git/0x7f.1:PORT/acme/api{R}
        /git/127.1:PORT/acme/api{R}
        /git/http:/localhost:PORT/acme/api{R}
        /git/http://localhost:PORT/acme/api{R}
        /git/https:/localhost:PORT/acme/api{R}
        /git/localhost%3APORT/acme/api{R}
        /git/localhost:PORT%2Facme/api{R}
        /git/localhost:PORT%00/acme/api{R}
        /git/:PORT/acme/api{R}
        /git/localhost:/acme/api{R}
        /git/localhost:99999/acme/api{R}
        /git/localhost:-1/acme/api{R}
        /git/%6cocalhost:PORT/acme/api{R}
        /git/..
        /git/../v1/session
        /v1/credentials/forge?x
        *
        http://AUTH/acme/api{R}
        http://127.0.0.1:9169/git/AUTH/acme/api{R}
        AUTH
        /http/forge/acme
        /http/forge/
        /http/forge/git/AUTH/acme/api{R}
        /http/forge/../git/AUTH/acme/api
        """,
    (403, 'policy_denied'): """
        /git/AUTH/acme/API{R}
        /git/AUTH/Acme/api{R}
        /git/AUTH/acme/api.gi{R}
        /git/AUTH/acme/api.git%20{R}
        /git/AUTH/acme/api%20{R}
        /git/AUTH/acme/ap%C3%A9i{R}
        /git/AUTH/acme/api/extra{R}
        /git/AUTH/extra/acme/api{R}
        /git/AUTH/acme{R}
        /git/AUTH/api{R}
        /git/AUTH/acme/api.wiki{R}
        /git/AUTH/evil/x/acme/api{R}
        /git/AUTH/~acme/api{R}
        /git/AUTH/acme/api/info/refs
        /git/AUTH/acme/api/info/refs?
        /git/AUTH/acme/api/info/refs?service=git-receive-pack
        /git/AUTH/acme/api/info/refs?service=git-upload-archive
        /git/AUTH/acme/api/HEAD
        /git/AUTH/acme/api/objects/info/packs
        /git/AUTH/acme/api/objects/info/alternates
        /git/AUTH/acme/api/objects/info/http-alternates
        /git/AUTH/acme/api/info/lfs/objects/batch
        /git/localhost/acme/api{R}
        /git/127.0.0.1:PORT/acme/api{R}
        /git/169.254.169.254/acme/api{R}
        /git/metadata.google.internal/acme/api{R}
        /git/github.com/acme/api{R}
        /v1/credentials/forge
        /v1/aws/forge
        """,
    (405, 'method_not_allowed'): """
        /latest/api/token
        """,
    (404, 'not_found'): """
        //git/AUTH/acme/api{R}
        /./git/AUTH/acme/api{R}
        /x/../git/AUTH/acme/api{R}
        /GIT/AUTH/acme/api{R}
        /%67it/AUTH/acme/api{R}
        /git
        /git/
        /git/?{R}
        /v1/../git/AUTH/acme/api{R}
        /http/
        /computeMetadata/v1/instance
        /msi/token
        /metadata/identity/oauth2/token
        /v1/credentials/other
        /v1/credentials/../session
        /favicon.ico
        """,
}
R = "/" + REFS
LONG = {
    "a long host": ("/git/" + "a" * 300 + "/acme/api" + R, 413, "too_large"),
    "a long path": ("/git/AUTH/" + "a" * 600 + R, 413, "too_large"),
    "many segments": ("/git/AUTH/" + "a/" * 600 + R, 400, "invalid_request"),
    "a target over the bound": ("/git/AUTH/" + "a" * 9000 + R, 414,
                                "target_too_long"),
}


def table():
    for (status, code), targets in REFUSED.items():
        for target in targets.split():
            yield target.replace("{R}", R), status, code
    yield from LONG.values()


@pytest.mark.parametrize("target, status, code", list(table()))
def test_no_way_around_the_grant(red, endpoint, upstream, target, status,
                                 code):
    target = target.replace("AUTH", upstream.authority).replace(
        "PORT", str(upstream.port))
    got, answer = endpoint.ask("GET", target, "Credbroker-Session: 1")
    said = re.search(rb"Credbroker-Error: (\S+)\r\n", answer)
    assert (got, said and said.group(1).decode()) == (status, code), answer
    assert red.secret.encode() not in answer
    assert upstream.taken() == []


def test_the_table_is_long():
    assert len(list(table())) >= 120


@pytest.mark.parametrize("path", ["acme/api", "acme/api.git"])
def test_what_is_granted_is_reached(endpoint, upstream, path):
    """Or the table above would show nothing."""
    got, _ = endpoint.ask("GET", f"/git/{upstream.authority}/{path}{R}")
    assert got == 200
    (head, body), = upstream.taken()
    assert head.startswith(f"GET /{path}{R} HTTP/1.1\r\n".encode())


# Under repository=**, what a forge might take for something else.
ANYTHING = [
    "api/v4/projects/1/repository/files", "api/v3/repos/acme/api/contents",
    "API/../api/v4/x", "api/v1/repos/acme/api/contents", "-/graphql",
    "acme/api/-/settings", "acme/api.git/info/lfs/locks",
    "acme/api/info/lfs", "acme/api.git/hooks", "..", "acme/..",
    "acme/api/git-receive-pack", "acme/.git", "acme/.git/config", "*", "**",
]


@pytest.fixture(scope="module")
def wide(red):
    return Endpoint(red, ["forge:repository=**,git=fetch"], task="wide")


@pytest.mark.parametrize("path", ANYTHING)
@pytest.mark.parametrize("method, ending", [
    ("GET", R), ("POST", "/git-upload-pack")])
def test_a_wide_grant_is_one_of_repositories(wide, upstream, path, method,
                                             ending):
    got, answer = wide.ask(
        method, f"/git/{upstream.authority}/{path}{ending}",
        "Content-Type: application/x-git-upload-pack-request",
        body=b"0000" if method == "POST" else None)
    assert b"Credbroker-Error: " in answer, answer
    assert upstream.taken() == []


TYPES = ["application/json", "application/x-www-form-urlencoded",
         "application/x-git-receive-pack-request", "text/xml",
         "multipart/form-data; boundary=x", None]


@pytest.mark.parametrize("type", TYPES)
def test_a_body_is_git_to_the_upstream_whatever_it_is_called(wide, upstream,
                                                             type):
    """A forge's API behind a path that ends like git's reads JSON."""
    headers = [f"Content-Type: {type}"] if type else []
    got, _ = wide.ask("POST", f"/git/{upstream.authority}/x/git-upload-pack",
                      *headers, body=b'{"admin": true}')
    assert got == 200
    (head, body), = upstream.taken()
    types = [l for l in head.lower().split(b"\r\n")
             if l.startswith(b"content-type:")]
    assert types == [b"content-type: application/x-git-upload-pack-request"]


@pytest.mark.parametrize("method, ending", [
    ("GET", "/info/refs?service=git-receive-pack"),
    ("POST", "/git-receive-pack")])
def test_a_fetch_grant_never_pushes(wide, upstream, method, ending):
    """Also without the discovery that git would make first."""
    body = None
    if method == "POST":
        line = (b"0" * 40 + b" " + b"1" * 40 +
                b" refs/heads/x\0report-status\n")
        body = b"%04x" % (len(line) + 4) + line + b"0000PACK"
    got, answer = wide.ask(method, f"/git/{upstream.authority}/acme/api"
                           + ending, body=body)
    assert b"Credbroker-Error: policy_denied\r\n" in answer
    assert upstream.taken() == []
