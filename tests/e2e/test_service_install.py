"""What is installed, where, and how; the units with the programs they name; and
what they ask of a service manager, as far as it can be had without one."""

import configparser
import ctypes
import os
import pathlib
import re
import resource
import shutil
import signal
import stat
import subprocess

import pytest

from conftest import BUILD, PATH, ROOT, Broker, end_process, wait_until

IS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """`cmake --install` into a folder, as a package is made."""
    if not os.access(BUILD, os.W_OK):
        pytest.skip("cmake writes a list into the build folder")
    folder = tmp_path_factory.mktemp("dest")
    done = subprocess.run(["cmake", "--install", str(BUILD)],
                          env=os.environ | {"DESTDIR": str(folder)},
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


def prefix():
    cache = (BUILD / "CMakeCache.txt").read_text()
    line = next(x for x in cache.splitlines()
                if x.startswith("CMAKE_INSTALL_PREFIX:"))
    return line.partition("=")[2]


def below(installed, path):
    return installed / prefix().lstrip("/") / path


PROGRAMS = ["bin/credbroker"] + [
    f"libexec/credbroker/credbroker-{name}" for name in
    ("core", "egress", "gateway", "kdf", "supervisor", "shim")]
UNITS = ["lib/systemd/system/credbroker.service",
         "lib/systemd/user/credbroker.service"]
FILES = UNITS + ["lib/sysusers.d/credbroker.conf",
                 "lib/tmpfiles.d/credbroker.conf"]


def test_programs_and_files_are_where_they_belong(installed):
    for path in PROGRAMS:
        mode = below(installed, path).stat().st_mode
        assert stat.S_ISREG(mode) and mode & 0o777 == 0o755, path
    for path in FILES:
        mode = below(installed, path).stat().st_mode
        assert stat.S_ISREG(mode) and mode & 0o777 == 0o644, path


def test_every_man_page_is_installed(installed):
    pages = sorted((ROOT / "docs" / "man").glob("*.[1-8]"))
    assert len(pages) >= 5
    for page in pages:
        there = below(installed, f"share/man/man{page.suffix[1]}/{page.name}")
        assert there.read_bytes() == page.read_bytes()


def test_nothing_installed_is_writable_by_others_or_privileged(installed):
    for path in [installed, *installed.rglob("*")]:
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and path != installed:
            assert mode & (stat.S_ISUID | stat.S_ISGID | 0o022) == 0, path


def read_unit(path):
    parser = configparser.ConfigParser(strict=False, interpolation=None,
                                       comment_prefixes="#",
                                       delimiters=["="])
    parser.optionxform = str
    parser.read(path)
    return parser["Service"]


@pytest.mark.parametrize("unit", UNITS)
def test_units_name_what_is_installed(installed, unit):
    text = below(installed, unit).read_text()
    assert "@" not in text.replace("@system-service", "")
    service = read_unit(below(installed, unit))
    program, *words = service["ExecStart"].split()
    assert program == f"{prefix()}/bin/credbroker" and words == ["serve"]
    assert (installed / program.lstrip("/")).exists()
    for key, value in {"Type": "notify", "NotifyAccess": "main",
                       "KillMode": "mixed", "Restart": "on-failure",
                       "RuntimeDirectory": "credbroker",
                       "RuntimeDirectoryPreserve": "yes",
                       "LimitCORE": "0", "LimitMEMLOCK": "64M",
                       "NoNewPrivileges": "yes"}.items():
        assert service[key] == value, key
    assert "HUP" in service["ExecReload"]
    # These would take the namespaces away that the processes make, or put the
    # core into another than its clients.
    for key in ("PrivateUsers", "RestrictNamespaces", "ProtectProc",
                "ProcSubset", "ProtectKernelTunables", "StateDirectory"):
        assert key not in service, key


@pytest.mark.parametrize("unit, more", [(UNITS[0], []),
                                        (UNITS[1], ["--user"])])
def test_systemd_finds_nothing_wrong_with_the_units(installed, folder, unit,
                                                    more):
    tool = shutil.which("systemd-analyze", path=PATH)
    if tool is None:
        pytest.skip("no systemd-analyze (package systemd)")
    # It looks for the program, which is in the other folder.
    text = below(installed, unit).read_text().replace(
        f"ExecStart={prefix()}/bin",
        f"ExecStart={installed}{prefix()}/bin")
    copy = folder / "credbroker.service"
    copy.write_text(text)
    done = subprocess.run(
        [tool, "verify", "--man=no", *more, str(copy)],
        env={"PATH": PATH, "HOME": str(folder), "LANG": "C",
             "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True, text=True, timeout=60)
    ours = [line for line in (done.stdout + done.stderr).splitlines()
            if "credbroker" in line]
    assert done.returncode == 0 and ours == [], done.stdout + done.stderr


def systemd_tool(name):
    tool = shutil.which(name, path=PATH)
    if tool is None:
        pytest.skip(f"no {name} (package systemd)")
    if not IS_ROOT:
        pytest.skip("takes root")
    return tool


def test_sysusers_makes_the_users(installed, folder):
    tool = systemd_tool("systemd-sysusers")
    (folder / "etc").mkdir()
    subprocess.run([tool, f"--root={folder}",
                    str(below(installed, FILES[2]))], check=True, timeout=60,
                   capture_output=True)
    users = {line.split(":")[0]: line.split(":")
             for line in (folder / "etc/passwd").read_text().splitlines()}
    numbers = set()
    for name in ("credbroker", "credbroker-gateway", "credbroker-egress"):
        assert users[name][6].endswith("nologin")
        numbers.add(users[name][2])
    assert len(numbers) == 3 and "0" not in numbers


def test_tmpfiles_makes_the_folders_and_leaves_the_core_s_alone(installed,
                                                                folder):
    tool = systemd_tool("systemd-tmpfiles")
    folder.chmod(0o755)

    def create():
        subprocess.run([tool, "--create", f"--root={folder}",
                        str(below(installed, FILES[3]))], check=True,
                       timeout=60, capture_output=True)
    create()
    state = folder / "var/lib/credbroker"
    found = state.stat()
    assert (found.st_uid, found.st_mode & 0o777) == (0, 0o700)
    assert (folder / "etc/credbroker").stat().st_mode & 0o777 == 0o755
    os.chown(state, 4242, 4242)
    create()
    assert state.stat().st_uid == 4242


class Installed(Broker):
    """A broker out of the installed tree."""

    def __init__(self, folder, installed):
        self.program = str(below(installed, "bin/credbroker"))
        super().__init__(folder)

    def command(self, *args):
        return [self.program, *super().command(*args)[1:]]


def test_the_installed_programs_find_each_other(installed, folder):
    broker = Installed(folder, installed)
    broker.init()
    broker.start()
    try:
        for pid in broker.pids().values():
            if not IS_ROOT:
                break   # only root sees what is not dumpable
            program = os.readlink(f"/proc/{pid}/exe")
            assert program.startswith(str(installed))
    finally:
        broker.stop()


def capabilities(installed):
    return [name.removeprefix("CAP_").lower() for name in
            read_unit(below(installed, UNITS[0]))[
                "CapabilityBoundingSet"].split()]


# Everything is read-only but the places: ProtectSystem=strict.
READ_ONLY = """mount --make-rprivate / && mount --bind "$1" "$1" &&
mount -o remount,bind,ro / || exit 77
shift; exec "$@" """
MDWE = 65   # PR_SET_MDWE, Linux 6.3: MemoryDenyWriteExecute=


def deny_write_execute():
    ctypes.CDLL(None).prctl(MDWE, 1, 0, 0, 0)


@pytest.mark.skipif(not IS_ROOT, reason="the system unit is root's")
def test_it_serves_with_no_more_than_the_unit_gives(installed, folder):
    """Its capabilities, limits and view of the file system, as its main
    process; then SIGTERM to that one only."""
    service = read_unit(below(installed, UNITS[0]))
    assert service["ProtectSystem"] == "strict"
    assert service["MemoryDenyWriteExecute"] == "yes"
    broker = Installed(folder, installed)
    broker.init()
    most = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    memlock = 64 << 20 if most in (-1, resource.RLIM_INFINITY) else min(
        64 << 20, most)
    bounding = ",".join(["-all"] + [f"+{c}" for c in capabilities(installed)])
    with open(broker.log, "ab") as log:
        broker.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(folder),
             "prlimit", f"--memlock={memlock}", "--core=0", "--",
             "setpriv", "--no-new-privs", f"--bounding-set={bounding}",
             f"--inh-caps={bounding}", "--",
             *broker.command("serve", "--key-file", broker.key)],
            env=broker.environment(), stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, preexec_fn=deny_write_execute)
    try:
        def unlocked():
            if broker.process.poll() in (1, 77):
                pytest.skip("mounts cannot be made here")
            return broker.state_is("unlocked")
        wait_until(unlocked, "unlocked")
        main = pathlib.Path(f"/proc/{broker.process.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in main
        assert broker.json("status")["memory"]["locked"] > 0
        mounts = pathlib.Path(
            f"/proc/{broker.process.pid}/mountinfo").read_text()
        assert re.search(r"^\S+ \S+ \S+ / / ro,", mounts, re.M), mounts
        assert broker.json("doctor", check=False)["fail"] == 0
    finally:
        process, broker.process = broker.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert end_process(process) == 0
    # What sandboxes have mounted stays.
    assert (broker.runtime / "sessions").is_dir()
    assert not (broker.runtime / "admin.sock").exists()
