"""A first sweep: the stored password is nowhere it should not be, and the
sweep finds one that is planted.  test_memory.py sweeps the memory."""

import base64
import os
import pathlib
import subprocess
import urllib.parse

from conftest import wait_until

GRANT = "forge:repository=acme/api,git=fetch+push"


def forms(secret):
    """The secret as it could show up."""
    raw = secret.encode()
    found = {raw, raw.hex().encode(), urllib.parse.quote(secret).encode(),
             raw[::-1]}
    for prefix in (b"", b"x", b"xx", b"robot:"):
        encoded = base64.b64encode(prefix + raw)
        # Without what the neighbours decide.
        found.add(encoded[4:-4])
    return found


def hits(data, secret):
    return [form for form in forms(secret) if form in data]


def sweep_files(folder, secret):
    found = []
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file() and not path.is_symlink():
            if hits(path.read_bytes(), secret):
                found.append(str(path))
    return found


def sweep_processes(pids, secret):
    found = []
    for pid in pids:
        for name in ("cmdline", "environ"):
            try:
                data = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
            except OSError:
                continue
            if hits(data, secret):
                found.append(f"{pid}/{name}")
    return found


def test_the_sweep_finds_what_is_planted(folder):
    secret = "planted-0123456789-secret"
    for number, form in enumerate(forms(secret)):
        (folder / f"plant-{number}").write_bytes(b"before" + form + b"after")
    assert len(sweep_files(folder, secret)) == len(forms(secret))
    sleeper = subprocess.Popen(["sh", "-c", "read line", secret],
                               env={"PLANTED": f"x{secret}x"},
                               stdin=subprocess.PIPE)
    try:
        # Popen() is back a moment before the kernel shows them.
        wait_until(lambda: sweep_processes([sleeper.pid], secret) == [
            f"{sleeper.pid}/cmdline", f"{sleeper.pid}/environ"], "both hits")
    finally:
        sleeper.communicate(b"\n")


def test_the_sweep_finds_a_response_that_holds_it(live, forge, git_server):
    """What goes through the broker unsealed is seen by the same eyes."""
    planted = "planted-0123456789-secret"
    sandbox = live("forge:repository=acme/web,git=fetch+push")
    status, output = sandbox(
        f"git clone --quiet {git_server.url}/acme/web.git && cd web && "
        f"echo {planted[:12]}''{planted[12:]} >README.md && git -c "
        "user.name=a -c user.email=a@b commit -qam x && git show HEAD")
    assert status == 0, output
    assert hits(output.encode(), planted)
    assert sweep_files(sandbox.workspace, planted)


def test_the_password_is_nowhere(live, forge, git_server):
    secret = git_server.password
    url = f"{git_server.url}/acme/api.git"
    sandbox = live(GRANT)
    outputs = [
        sandbox("set -e; git clone --quiet " + url + "; cd api; "
                "git -c user.name=a -c user.email=a@b commit --allow-empty "
                "-qm x; git push -q; GIT_TRACE_CURL=1 GIT_CURL_VERBOSE=1 "
                "git fetch"),
        sandbox(f"git ls-remote {git_server.url}/acme/infra.git"),
        sandbox("env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'"),
        sandbox("find / -xdev -type f -path '/run/*' -exec cat {} +"),
        sandbox("for p in /v1/session /v1/credentials /v1/credentials/forge "
                "/v1/credentials/nope /v1/helper/git/get /latest/meta-data "
                "/; do credbroker-shim get $p; done"),
        sandbox("printf 'protocol=https\\nhost=" + git_server.authority +
                "\\n\\n' | /run/credbroker-bin/git-credential-credbroker get"),
        # Every byte of answers, heads included.
        *(sandbox("curl -sik -H 'Credbroker-Session: 1' -H 'Authorization: "
                  "Bearer '$(cat /run/credbroker/token) "
                  f"'http://127.0.0.1:9169{path}'")
          for path in ("/v1/session", "/v1/credentials",
                       f"/git/{git_server.authority}/acme/api.git/info/refs"
                       "?service=git-upload-pack",
                       f"/git/{git_server.authority}/acme/api.git/HEAD",
                       f"/git/{git_server.authority}/acme/infra.git/info/refs"
                       "?service=git-upload-pack",
                       f"/git/{git_server.authority}/nothing", "/../..")),
    ]
    assert outputs[0][0] == 0, outputs[0][1]
    for _, output in outputs:
        assert not hits(output.encode(), secret)

    # The sandbox's files, the state (sealed), the runtime folder, the log.
    assert sweep_files(forge.folder, secret) == []
    audit = forge.run("audit", "show", "--json").stdout
    assert "exchange" in audit
    assert not hits(audit.encode(), secret)
    shown = forge.run("credential", "show", "forge", "--json").stdout
    assert not hits(shown.encode(), secret)

    pids = [p for p in os.listdir("/proc") if p.isdigit()]
    server = {str(git_server.process.pid)}
    assert [f for f in sweep_processes(set(pids) - server, secret)] == []

    # And it is found where it is planted: the sweep is awake.
    (forge.state / "planted").write_text(secret)
    assert sweep_files(forge.folder, secret) == [str(forge.state / "planted")]
