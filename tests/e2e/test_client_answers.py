"""What the command line makes of a broker that answers late, or wrongly: an
answer counts for the request that it answers, and for no other."""

import contextlib
import json
import socket
import subprocess
import threading

import pytest

CANARY = "canary-5c1e77d0"
NETRC = (f"machine a.example.com login a password {CANARY}-a\n"
         f"machine b.example.com login b password {CANARY}-b\n")


class StandIn:
    """Listens where the broker would; `answer` makes a line of a request."""

    def __init__(self, path, answer):
        self.answer = answer
        self.requests = []      # (connection, request)
        self.connections = 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            with client, client.makefile("rb") as lines:
                self.connections += 1
                for line in lines:
                    if line == b"end\n":
                        return
                    request = json.loads(line)
                    self.requests.append((self.connections, request))
                    said = self.answer(request)
                    if said is None:
                        break
                    with contextlib.suppress(OSError):
                        client.sendall(said.encode() + b"\n")

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(self.listener.getsockname())
            client.sendall(b"end\n")
            self.thread.join()
        self.listener.close()


@pytest.fixture
def stand_in(bare):
    made = []

    def make(answer):
        bare.runtime.mkdir(mode=0o700)
        made.append(StandIn(bare.runtime / "admin.sock", answer))
        return made[0]
    yield make
    for one in made:
        one.close()


def reply(request, result, **over):
    return json.dumps({"jsonrpc": "2.0", "id": request["id"],
                       "result": result, **over})


def take_all(bare, *more):
    path = bare.home / ".netrc"
    path.write_text(NETRC)
    path.chmod(0o600)
    done = subprocess.run(
        bare.command("credential", "import", "netrc", "--all",
                     "--remove-original", *more),
        env=bare.environment(), capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=60)
    assert CANARY not in done.stdout + done.stderr
    assert "Sanitizer" not in done.stderr, done.stderr
    return done, path.read_text()


def test_an_answer_to_an_earlier_request_is_not_this_one_s(bare, stand_in):
    fake = stand_in(lambda request: reply(request, {}, id=1))
    done, left = take_all(bare)
    assert done.returncode == 5
    assert "another request" in done.stderr
    assert "Stored" not in done.stdout
    assert left == NETRC
    # Nor is anything more asked where such an answer came.
    adds = [c for c, r in fake.requests if r["method"] == "credential.add"]
    assert len(adds) == len(set(adds)) == 2


def test_what_was_stored_before_the_broker_went_is_told(bare, stand_in):
    def answer(request):
        if request.get("params", {}).get("name") == "b.example.com":
            return None
        return reply(request, {})

    stand_in(answer)
    done, left = take_all(bare, "--json")
    assert done.returncode == 3
    found = {f["name"]: f for f in json.loads(done.stdout)["found"]}
    assert found["a.example.com"]["stored"]
    assert not found["b.example.com"]["stored"]
    assert "closed the connection" in found["b.example.com"]["error"]
    # Nobody is there to ask: what was stored stays where it lies, too.
    assert left == NETRC


def refusal(request, code):
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": {
        "code": -32000, "message": "because", "data": {"code": code}}})


@pytest.mark.parametrize("code, level", [
    ("corrupt", "fail"), ("internal_error", "fail"), ("denied", "warn"),
    ("timeout", "warn"), ("broker_locked", "warn"), (None, "warn")])
def test_what_nobody_looked_at_is_not_called_damaged(bare, stand_in, code,
                                                     level):
    def answer(request):
        if request["method"] == "audit.verify":
            return refusal(request, code) if code else None
        return reply(request, {"state": "unlocked",
                               "audit": {"healthy": True}})

    stand_in(answer)
    done = subprocess.run(bare.command("doctor", "--json"),
                          env=bare.environment(), capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=60)
    audit = [f for f in json.loads(done.stdout)["findings"]
             if f["check"] == "audit"]
    assert [f["level"] for f in audit] == [level]
    assert ("who changed it" in audit[0].get("remedy", "")) == (
        level == "fail")
