"""`credential add` on a terminal asks for what is missing; off a terminal it
asks nothing."""

import pexpect
import pytest


def spawn(broker, *args):
    words = broker.command("credential", "add", *args)
    return pexpect.spawn(words[0], words[1:], env=broker.environment(),
                         encoding="utf-8", timeout=30, dimensions=(40, 200))


def finish(child):
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def stored(broker):
    return {c["name"]: c["params"] for c in broker.json(
        "credential", "list")["credentials"]}


def answer(child, *pairs):
    for prompt, text in pairs:
        child.expect(prompt)
        child.sendline(text)


def test_a_service_by_its_number(broker):
    child = spawn(broker)
    child.expect("1  github +GitHub")
    answer(child, (r"Service \[other\]: ", "1"), (r"Name \[github\]: ", ""),
           (r"Token \(fine-grained or classic\)", "canary-typed"))
    child.expect("Stored github: static, only ever injected on the way out "
                 "to github.com, api.github.com")
    child.expect("Try: credbroker run --task hello --grant "
                 "github:repository=OWNER/REPO -- "
                 "git ls-remote https://github.com/OWNER/REPO")
    assert finish(child) == 0
    assert list(stored(broker)) == ["github"]


def test_a_secret_is_not_echoed(broker):
    child = spawn(broker)
    child.logfile_read = open(broker.folder / "terminal", "w",
                              encoding="utf-8")
    answer(child, ("Service", "gitlab"), ("Name", "work"),
           ("Token", "canary-typed"))
    child.expect("Stored work")
    assert finish(child) == 0
    child.logfile_read.close()
    assert "canary" not in (broker.folder / "terminal").read_text()


def test_another_host_and_what_its_way_needs(broker):
    child = spawn(broker, "forge")
    answer(child, ("Service", "other"),
           ("hosts: where the secret may be sent, and nowhere else",
            "git.example.com"),
           (r"auth: .*\(basic, bearer, header, query\) \[bearer\]: ",
            "basic"),
           (r"network: .*\[public\]: ", "private"),
           ("username: the user name that goes with it", "robot"),
           ("Secret", "canary"))
    child.expect("Stored forge")
    assert finish(child) == 0
    params = stored(broker)["forge"]
    assert params["auth"] == "basic" and params["username"] == "robot"
    assert params["network"] == "private"


def test_a_wrong_answer_is_explained_and_asked_again(broker):
    child = spawn(broker, "forge")
    answer(child, ("Service", "9"), ("A number or a name.*Service", "other"),
           ("hosts", "https://a@b"), ("auth", ""), ("network", ""))
    child.expect("must not have a user name")
    answer(child, ("Once more:.*hosts", "git.example.com"), ("auth", ""),
           ("network", ""), ("Secret", "canary"))
    child.expect("Stored forge")
    assert finish(child) == 0


def test_a_token_pasted_into_the_wrong_question_is_refused(broker):
    child = spawn(broker)
    answer(child, ("Service", "ghp_" + "a1B2" * 9))
    child.expect("looks like a secret")
    assert finish(child) == 2
    assert stored(broker) == {}


@pytest.mark.parametrize("args", [
    ["c", "-p", "hosts=git.example.com"], ["c", "--preset", "github"]])
def test_what_was_given_is_not_asked(broker, args):
    child = spawn(broker, *args)
    assert child.expect(["Service", "hosts", "Secret|Token"]) == 2
    child.sendline("canary")
    child.expect("Stored c")
    assert finish(child) == 0


def test_the_end_of_input_stores_nothing(broker):
    child = spawn(broker)
    child.expect("Service")
    child.sendeof()
    child.expect("nothing was stored")
    assert finish(child) == 2
    assert stored(broker) == {}


def test_off_a_terminal_nothing_is_asked(broker):
    done = broker.run("credential", "add", check=False, input="canary")
    assert done.returncode == 2 and "NAME is missing" in done.stderr
    assert done.stdout == ""
    done = broker.run("credential", "add", "c", check=False, input="canary")
    assert done.returncode == 2 and "hosts" in done.stderr
    assert done.stdout == ""
