"""A configuration that the supervisor does not even open: `status` says that
it was not taken, as it does of one that the core cannot read."""

import json
import os
import signal
import subprocess

import pytest

from conftest import CREDBROKER, wait_until


def config_shown(broker):
    # The command would refuse the file, too.
    env = dict(broker.environment(),
               CREDBROKER_ADMIN_SOCKET=str(broker.runtime / "admin.sock"))
    done = subprocess.run([CREDBROKER, "status", "--json", "--config", ""],
                          env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["config"]


@pytest.mark.parametrize("spoil", ["writable", "gone", "pipe", "folder"])
def test_status_says_what_was_not_opened(broker, spoil):
    good = broker.config.read_text()
    if spoil == "writable":
        broker.config.chmod(0o622)
    else:
        broker.config.unlink()
    if spoil == "pipe":
        os.mkfifo(broker.config, 0o600)
    if spoil == "folder":
        broker.config.mkdir()
    supervisor = broker.process.pid
    os.kill(supervisor, signal.SIGHUP)
    said = wait_until(lambda: config_shown(broker).get("problem"), "told")
    assert str(broker.config) in said and "log" in said

    if spoil == "folder":
        broker.config.rmdir()
    elif spoil != "gone":
        broker.config.unlink()
    broker.config.write_text(good)
    broker.config.chmod(0o600)
    os.kill(supervisor, signal.SIGHUP)
    wait_until(lambda: "problem" not in config_shown(broker), "taken")
