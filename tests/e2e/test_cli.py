"""The command line: help, JSON, exit statuses, the examples of the docs."""

import json
import re
import shlex
import subprocess

import pytest

from conftest import BUILD, CREDBROKER, PATH, ROOT, wait_until

GRANT = "forge:repository=acme/api"


def help_of(*words):
    return subprocess.run([str(CREDBROKER), *words, "--help"],
                          capture_output=True, text=True,
                          env={"PATH": PATH}, timeout=30)


def commands():
    text = subprocess.run([str(CREDBROKER), "--help"], capture_output=True,
                          text=True, env={"PATH": PATH}, timeout=30).stdout
    return [m.split() for m in
            re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", text, re.M)]


def test_every_command_has_help_and_json():
    found = commands()
    assert len(found) >= 26
    for words in found:
        done = help_of(*words)
        assert done.returncode == 0, words
        assert "usage: credbroker " + " ".join(words) in done.stdout
        assert "--json" in done.stdout


def test_what_lists_prints_json_and_a_table(forge):
    forge.run("profile", "add", "web", "-g", GRANT, "-l", "team=core")
    forge.run("issue", "--task", "t", "--profile", "web")
    for words, key in ((("credential", "list"), "credentials"),
                       (("profile", "list"), "profiles"),
                       (("session", "list"), "sessions"),
                       (("audit", "show"), "events")):
        found = json.loads(forge.run(*words, "--json").stdout)[key]
        assert len(found) >= 1, words
        lines = forge.run(*words).stdout.splitlines()
        # In a pipe: no head, one line each, tabs between.
        assert len(lines) == len(found), words
        assert "\t" in lines[0]


def test_issue_for_shell_json_and_docker(forge):
    shell = forge.run("issue", "--task", "t", "-g", GRANT, "--format",
                      "shell").stdout
    done = subprocess.run(["sh", "-eu", "-c", shell + "\n"
                           'test -S "$CREDBROKER_SESSION_FOLDER/endpoint.sock"'
                           '\nprintf %s "$CREDBROKER_TASK"'],
                          capture_output=True, text=True, env={"PATH": PATH})
    assert done.stdout == "t", done.stderr
    issued = forge.json("issue", "--task", "t", "-g", GRANT)
    targets = {m["target"] for m in issued["mounts"]}
    assert "/run/credbroker" in targets
    assert all(m["read_only"] for m in issued["mounts"])
    docker = forge.run("issue", "--task", "t", "-g", GRANT, "--format",
                       "docker").stdout
    words = shlex.split(docker)
    assert words.count("--mount") == len(issued["mounts"])
    assert "CREDBROKER_TASK=t" in words


def test_profiles_keep_grants_labels_and_ttl(forge):
    forge.run("profile", "add", "web", "-g", GRANT, "-l", "team=core",
              "--ttl", "30m")
    again = forge.run("profile", "add", "web", "-g", GRANT, check=False)
    assert again.returncode == 5
    issued = forge.json("issue", "--task", "t", "--profile", "web")["session"]
    assert issued["labels"] == {"team": "core"}
    assert [g["credential"] for g in issued["grants"]] == ["forge"]
    forge.run("profile", "add", "web", "-g", GRANT + ",git=fetch+push",
              "--replace")
    forge.run("profile", "remove", "web")
    assert forge.json("profile", "list")["profiles"] == []


def test_grant_and_drop_on_a_live_session(live, forge, git_server):
    sandbox = live(GRANT)
    web = f"git ls-remote {git_server.url}/acme/web.git"
    assert sandbox(web)[0] != 0
    forge.run("session", "grant", sandbox.session, "-g",
              "forge:repository=acme/web")
    assert sandbox(web)[0] == 0
    number = forge.json("session", "show", sandbox.session)["session"][
        "grants"][1]["number"]
    forge.run("session", "drop", sandbox.session, "-g", number)
    assert sandbox(web)[0] != 0


def test_a_new_secret_is_used_from_the_next_request(live, forge, git_server):
    sandbox = live(GRANT)
    command = f"git ls-remote {git_server.url}/acme/api.git"
    assert sandbox(command)[0] == 0
    forge.run("credential", "set", "forge", input="wrong now")
    assert sandbox(command)[0] != 0
    forge.run("credential", "set", "forge", input=git_server.password)
    assert sandbox(command)[0] == 0


def test_revoke_by_session_by_task_and_all(forge):
    ids = [forge.json("issue", "--task", task, "-g", GRANT)["session"]["id"]
           for task in ("a", "b", "b", "c")]
    assert forge.json("revoke", ids[0][:5])["revoked"] == [ids[0]]
    assert set(forge.json("revoke", "--task", "b")["revoked"]) == set(ids[1:3])
    assert forge.json("revoke", "--all")["revoked"] == [ids[3]]
    assert forge.json("session", "list")["sessions"] == []
    nothing = forge.run("revoke", "--task", "nobody", check=False)
    assert nothing.returncode == 5


def test_the_audit_log_says_who_did_what(forge, git_server):
    forge.sandbox(f"git ls-remote {git_server.url}/acme/api.git",
                  f"git ls-remote {git_server.url}/acme/web.git",
                  grants=[GRANT], task="audited", check=False)
    events = forge.json("audit", "show", "--task", "audited")["events"]
    names = [e["event"] for e in events]
    assert names[0] == "session.issue"
    assert "revoke" in names[-1] or "session.end" in names[-1]
    allowed = [e for e in events if e.get("decision") == "allow"
               and "acme/api" in e.get("request", "")]
    refused = [e for e in events if e.get("decision") == "deny"]
    assert allowed and allowed[0]["credential"] == "forge"
    assert any("acme/web" in e.get("request", "") for e in refused)
    assert forge.json("audit", "verify")["lines"] >= len(events)


def test_a_tampered_audit_line_is_found(forge):
    forge.run("issue", "--task", "t", "-g", GRANT)
    forge.stop()
    log = next((forge.state / "audit").glob("*.jsonl"))
    text = log.read_text()
    log.write_text(text.replace('"task":"t"', '"task":"u"'))
    with open(forge.log, "wb") as out:
        process = subprocess.Popen(
            forge.command("serve", "--key-file", forge.key),
            env=forge.environment(), stdin=subprocess.DEVNULL, stdout=out,
            stderr=out)
    try:
        from conftest import wait_until
        wait_until(lambda: ".jsonl" in forge.log_text(), "the error")
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_errors_are_json_where_json_was_asked_for(forge):
    done = forge.run("session", "show", "nope", "--json", check=False)
    assert json.loads(done.stderr)["error"]["code"] == "not_found"


def test_status_says_what_runs(broker):
    status = broker.json("status")
    assert status["state"] == "unlocked"
    assert {p["name"] for p in status["processes"]} == {
        "supervisor", "core", "gateway", "egress"}
    assert status["audit"]["healthy"] is True


def test_processes_have_clean_environments_and_no_dump(broker):
    import os
    if os.geteuid() != 0:
        pytest.skip("a process that is not dumpable hides from its own user")
    for name, pid in broker.pids().items():
        environ = open(f"/proc/{pid}/environ", "rb").read()
        names = {v.split(b"=")[0] for v in environ.split(b"\0") if v}
        assert names <= {b"LANG", b"TZ", b"ASAN_OPTIONS",
                         b"LD_BIND_NOW"}, name
        limits = open(f"/proc/{pid}/limits").read()
        assert re.search(r"Max core file size +0 +0", limits), name
        status = open(f"/proc/{pid}/status").read()
        assert "NoNewPrivs:\t1" in status, name
        # Not dumpable: its files in /proc belong to root whoever runs it.
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0


def documented_commands():
    for page in ("README.md", "docs/man/credbroker.1", "docs/sandboxes.md"):
        text = (ROOT / page).read_text().replace("\\e\n", " ")
        text = re.sub(r"\\\n\s*", " ", text)
        for line in text.splitlines():
            if page.endswith(".md") and not line.startswith("    "):
                continue   # prose
            line = line.strip().removeprefix("$ ")
            for inner in re.findall(r"\$\((credbroker [^|)]*)", line):
                yield page, inner
            if line.startswith("credbroker "):
                yield page, line


def test_the_commands_in_the_documents_exist():
    """Each documented example parses: its command and its options are there."""
    known = {" ".join(c) for c in commands()}
    seen = 0
    for page, line in documented_commands():
        words = shlex.split(line.split(" < ")[0].split(" & ")[0]
                            .removesuffix("&"))
        name = next((n for n in (" ".join(words[1:3]), words[1])
                     if n in known), None)
        assert name, f"{page}: {line}"
        text = help_of(*name.split()).stdout
        for word in words:
            if word == "--":
                break
            if re.fullmatch(r"--?[a-z][a-z-]*", word):
                assert re.search(rf"(^|[ ,]){word}\b", text, re.M), \
                    f"{page}: {word} in {line}"
        seen += 1
    assert seen >= 17


def documented_script(section, broker):
    """The first block of a section of docs/sandboxes.md, for this broker."""
    text = (ROOT / "docs" / "sandboxes.md").read_text()
    text = text.split(f"\n## {section}\n")[1]
    block = re.search(r"\n\n((?:    .*\n)+)", text).group(1)
    return (f'credbroker() {{ verb=$1; shift; "{CREDBROKER}" $verb --config '
            f'"{broker.config}" "$@"; }}\n' +
            block.replace("github:repository", "forge:repository"))


def run_script(script, words, broker, tmp_path):
    path = tmp_path / "sandbox.sh"
    path.write_text(script)
    env = dict(broker.environment(), SHIM=str(
        BUILD / "libexec" / "credbroker" / "credbroker-shim"))
    return subprocess.run(["sh", "-eu", str(path), *words], env=env,
                          cwd=tmp_path, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)


def test_the_bubblewrap_of_the_documents_is_a_sandbox(forge, git_server,
                                                      folder):
    workspace = folder / "workspace"
    workspace.mkdir()
    script = documented_script("Bubblewrap", forge)
    done = run_script(script, ["git", "ls-remote",
                               f"{git_server.url}/acme/api.git"],
                      forge, workspace)
    assert "refs/heads/main" in done.stdout, done.stderr
    done = run_script(script, ["sh", "-c", "ls -A ~; ls /run; pwd"],
                      forge, workspace)
    assert done.stdout.split() == ["credbroker", "credbroker-bin",
                                   str(workspace)], done.stderr
    # The sessions have ended with their sandboxes.
    wait_until(lambda: forge.json("session", "list")["sessions"] == [],
               "no session is live")


def test_the_docker_of_the_documents_gets_its_arguments(forge, folder):
    words = folder / "words"
    script = (f"docker() {{ printf '%s\\n' \"$@\" >{words}; }}\n" +
              documented_script("Docker, Podman", forge))
    done = run_script(script, [], forge, folder)
    assert done.returncode == 0, done.stderr
    given = words.read_text().splitlines()
    assert given[:4] == ["run", "--rm", "--network", "none"]
    assert sum("target=/run/credbroker" in word for word in given) == 2
    assert "CREDBROKER_TASK=ci-991" in given
    assert given[-4:] == ["IMAGE", "exec", "--", "COMMAND"]
    assert forge.json("session", "list")["sessions"] == []
