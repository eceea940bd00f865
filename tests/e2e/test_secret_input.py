"""How secrets come in: prompt, standard input, file, descriptor."""

import os
import subprocess

import pexpect
import pytest

from conftest import Broker

HOSTS = ["-p", "hosts=github.com"]


def spawn(broker, *args):
    words = broker.command(*args)
    return pexpect.spawn(words[0], words[1:], env=broker.environment(),
                         timeout=30)


def names(broker):
    return [c["name"] for c in broker.json("credential", "list")[
        "credentials"]]


def test_a_prompt_does_not_echo(broker):
    child = spawn(broker, "credential", "add", "c", *HOSTS)
    child.expect("Secret")
    child.sendline("hunter2-and-more")
    child.expect("Stored c")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert b"hunter2" not in child.before
    assert names(broker) == ["c"]


def test_init_asks_twice_and_refuses_two_different_ones(folder):
    broker = Broker(folder)
    child = spawn(broker, "init")
    child.expect("Passphrase for the new vault")
    child.sendline("one")
    child.expect("Again")
    child.sendline("two")
    child.expect("not the same")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2
    assert not (broker.state / "vault").exists()
    child = spawn(broker, "init")
    for word in ("Passphrase", "Again"):
        child.expect(word)
        child.sendline("the same")
    child.expect("Vault created")
    child.expect(pexpect.EOF)
    child.close()
    assert (broker.state / "vault").exists()


def test_a_passphrase_that_nobody_could_type_is_refused(folder):
    broker = Broker(folder)
    done = broker.run("init", input="one\ntwo\n", check=False)
    assert done.returncode != 0 and "more than one line" in done.stderr
    assert "two" not in done.stderr
    assert not (broker.state / "vault").exists()


def test_an_interrupt_at_the_prompt_gives_the_terminal_back(broker):
    words = " ".join(f"'{w}'" for w in
                     broker.command("credential", "add", "c", *HOSTS))
    child = pexpect.spawn("/bin/sh", ["-c", words + "; stty -a; echo done"],
                          env=broker.environment(), timeout=30)
    child.expect("Secret")
    child.sendintr()
    child.expect("interrupted")
    child.expect("done")
    assert b" echo " in child.before
    child.close()
    assert names(broker) == []


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_one_line_end_is_not_part_of_a_secret(folder, ending):
    """Shown with a passphrase: the vault opens with the bare words."""
    broker = Broker(folder)
    broker.run("init", input="pass phrase" + ending)
    broker.start(unlock=False)
    try:
        broker.run("unlock", input="pass phrase")
    finally:
        broker.stop()


def test_from_a_file_and_from_a_descriptor(broker):
    secret = broker.folder / "secret"
    secret.write_text("from-a-file\n")
    broker.run("credential", "add", "file", *HOSTS, "--secret-file", secret)
    read, write = os.pipe()
    os.write(write, b"from-a-descriptor")
    os.close(write)
    done = subprocess.run(
        broker.command("credential", "add", "descriptor", *HOSTS,
                       "--secret-fd", read),
        env=broker.environment(), pass_fds=[read], capture_output=True,
        text=True, timeout=30)
    os.close(read)
    assert done.returncode == 0, done.stderr
    assert set(names(broker)) == {"file", "descriptor"}


@pytest.mark.parametrize("args, says", [
    (["--secret-file", "/nonexistent"], "/nonexistent"),
    (["--secret-fd", "199"], "secret"),
    (["--secret-file", "/etc/hostname", "--secret-fd", "0"], "one of them"),
])
def test_sources_that_do_not_work(broker, args, says):
    done = broker.run("credential", "add", "c", *HOSTS, *args, check=False)
    assert done.returncode in (2, 5)
    assert says in done.stderr
    assert names(broker) == []


def test_a_secret_that_cannot_be_injected_is_refused(broker):
    done = broker.run("credential", "add", "c", *HOSTS, input="two\nlines",
                      check=False)
    assert done.returncode == 2
    assert "two" not in done.stderr
    assert names(broker) == []


def test_no_secret_in_the_arguments_of_any_process(broker):
    child = spawn(broker, "credential", "add", "c", *HOSTS)
    child.expect("Secret")
    child.send("typed-but-not-sent")
    with open(f"/proc/{child.pid}/cmdline", "rb") as file:
        assert b"typed" not in file.read()
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
