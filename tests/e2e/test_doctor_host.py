"""`doctor` on hosts that this one is not: what /proc and /sys say is put there
in a mount namespace of the test's own."""

import json
import os
import subprocess

import pytest

from conftest import Broker

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="takes root to mount")
HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


class Host:
    """A broker's doctor, and what it will see."""

    def __init__(self, broker):
        self.broker = broker
        self.folder = broker.folder / "host"
        self.folder.mkdir()
        self.lines = ["mount --make-rprivate /"]

    def file(self, path, text):
        """`path` says this."""
        fake = self.folder / path.strip("/").replace("/", "-")
        fake.write_text(text)
        self.lines.append(f"mount --bind {fake} {path}")

    def tree(self, path, files):
        """In the folder `path` are these, and nothing else."""
        self.lines.append(f"mount -t tmpfs none {path}")
        for name, text in files.items():
            self.lines.append(f"mkdir -p $(dirname {path}/{name})")
            self.lines.append(f"echo '{text}' > {path}/{name}")

    def doctor(self):
        script = " && ".join(self.lines) + ' || exit 77; exec "$@"'
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh",
             *self.broker.command("doctor", "--json")],
            env=self.broker.environment(), capture_output=True, text=True,
            timeout=120, stdin=subprocess.DEVNULL)
        if done.returncode in (1, 77):
            pytest.skip(f"mounts cannot be made here: {done.stderr}")
        return json.loads(done.stdout)["findings"]

    def found(self, check):
        """(level, text) of the check's findings."""
        return [(f["level"], f["text"]) for f in self.doctor()
                if f["check"] == check]


@pytest.fixture
def host(folder):
    return Host(Broker(folder))


def swap_on(host, kind, files):
    """A swap file whose file system is on a device that sysfs describes."""
    swap = host.folder / "swap"
    swap.write_bytes(b"")
    device = swap.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    host.file("/proc/swaps",
              f"{HEAD}{swap}\t\t\t{kind}\t\t1024\t\t0\t\t-2\n")
    host.tree("/sys/dev/block", {f"{number}/{name}": text
                                 for name, text in files.items()})
    (level, text), = host.found("swap")
    assert str(swap) in text
    return level


def test_swap_in_the_clear(host):
    assert swap_on(host, "file", {"size": "8"}) == "warn"


def test_swap_on_a_volume_that_is_not_encrypted(host):
    assert swap_on(host, "file", {"dm/uuid": "LVM-x",
                                  "slaves/sda1/size": "8"}) == "warn"


def test_swap_on_dm_crypt(host):
    assert swap_on(host, "file", {"dm/uuid": "CRYPT-LUKS2-x"}) == "ok"


def test_swap_on_a_volume_on_dm_crypt(host):
    assert swap_on(host, "file", {
        "dm/uuid": "LVM-x",
        "slaves/dm-0/dm/uuid": "CRYPT-LUKS2-x"}) == "ok"


@pytest.mark.parametrize("plain", ["dm-0", "dm-9"])
def test_swap_of_which_a_part_is_in_the_clear(host, plain):
    files = {"dm/uuid": "LVM-x"}
    for name in ("dm-0", "dm-9"):
        files[f"slaves/{name}/dm/uuid"] = (
            "LVM-y" if name == plain else "CRYPT-LUKS2-x")
    assert swap_on(host, "file", files) == "warn"


def test_swap_that_is_memory(host):
    host.file("/proc/swaps",
              f"{HEAD}/dev/zram0\tpartition\t1024\t0\t100\n")
    assert host.found("swap") == [("ok", "swap /dev/zram0 is memory")]


def test_no_swap_and_several(host):
    host.file("/proc/swaps", HEAD)
    assert host.found("swap") == [("ok", "no swap")]
    host.file("/proc/swaps", HEAD + "/dev/zram0 partition 1 0 100\n"
              "/nonexistent/swap file 1 0 -2\n")
    assert [level for level, _ in host.found("swap")] == ["ok", "warn"]


def test_a_setting_that_forbids_user_namespaces(host):
    host.file("/proc/sys/user/max_user_namespaces", "0\n")
    # It works all the same here: what is tried counts for more.
    (level, text), = host.found("namespaces")
    assert level == "warn" and "max_user_namespaces is 0" in text


def test_where_cores_go(host):
    host.file("/proc/sys/kernel/core_pattern", "|/usr/lib/dump %P\n")
    (level, text), = host.found("core_pattern")
    assert level == "ok" and "/usr/lib/dump %P" in text


def test_a_disk_that_is_full(host):
    host.broker.init()
    state = host.broker.state
    host.lines.append(f"mount -t tmpfs -o size=1m,mode=0700 none {state}")
    (level, text), = host.found("disk")
    assert level == "fail" and "full" in text


def test_a_disk_with_little_room(host):
    host.broker.init()
    state = host.broker.state
    host.lines.append(f"mount -t tmpfs -o size=200m,mode=0700 none {state}")
    (level, text), = host.found("disk")
    assert level == "warn" and "200.0 MiB" in text
