"""The main job as an ordinary user, with the programs as they are installed
and in the places that a user has."""

import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import BUILD, PATH, Broker, add_git_credential

IDENTITY = "-c user.name=Agent -c user.email=agent@localhost"
GRANT = "forge:repository=acme/web,git=fetch+push"
# Debian's "games": it owns nothing, and is not the one that the kernel shows
# for users who are not there.
ORDINARY = 5


class UsersBroker(Broker):
    """No configuration file: XDG folders decide."""

    def __init__(self, folder, variables):
        super().__init__(folder)
        self.config.unlink()
        self.variables = variables
        self.programs = self.folder / "usr"
        (self.programs / "libexec").mkdir(parents=True)
        shutil.copytree(BUILD / "bin", self.programs / "bin")
        shutil.copytree(BUILD / "libexec/credbroker",
                        self.programs / "libexec/credbroker", symlinks=True)
        self.become = []
        if os.geteuid() == 0:
            self.become = ["setpriv", f"--reuid={ORDINARY}",
                           f"--regid={ORDINARY}", "--clear-groups", "--"]
            for path in (self.folder, self.home):
                os.chown(path, ORDINARY, ORDINARY)

    def environment(self):
        return {"PATH": PATH, "HOME": str(self.home), "LANG": "C.UTF-8",
                **self.variables}

    def command(self, *args):
        return [*self.become, str(self.programs / "bin/credbroker"),
                *map(str, args)]


@pytest.mark.parametrize("xdg", [True, False], ids=["xdg", "home-only"])
def test_an_ordinary_user_clones_and_pushes(folder, git_server, xdg):
    variables = {}
    if xdg:
        for name in ("state", "runtime", "config"):
            (folder / name).mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(folder / name, ORDINARY, ORDINARY)
        variables = {"XDG_STATE_HOME": str(folder / "state"),
                     "XDG_RUNTIME_DIR": str(folder / "runtime"),
                     "XDG_CONFIG_HOME": str(folder / "config")}
    broker = UsersBroker(folder, variables)
    ca = shutil.copy(git_server.ca, folder / "ca.pem")
    workspace = broker.home / "work"
    url = f"{git_server.url}/acme/web.git"
    before = git_server.head("acme/web")
    try:
        broker.run("init", input="correct horse\n")
        broker.start(unlock=False)
        broker.run("unlock", input="correct horse\n")
        add_git_credential(broker, git_server, ca=ca)
        subprocess.run([*broker.become, "mkdir", str(workspace)], check=True)
        done = broker.run(
            "run", "--task", "t", "--grant", GRANT, "--workspace", workspace,
            "--", "sh", "-ec",
            f"git clone --quiet {url}; cd web; echo agent >>README.md\n"
            f"git {IDENTITY} commit --quiet -am work; git push --quiet\n"
            "git rev-parse HEAD; id -u; ls /run/credbroker")
        head, uid, *listing = done.stdout.split()
        assert git_server.head("acme/web") == head != before
        assert listing == ["endpoint.sock", "token"]
        assert int(uid) == (ORDINARY if broker.become else os.geteuid())
        owner = (workspace / "web/README.md").stat().st_uid
        assert owner == int(uid)

        state = pathlib.Path(broker.json("status")["state_folder"])
        runtime = pathlib.Path(broker.json("status")["runtime_folder"])
        if xdg:
            assert state == folder / "state/credbroker"
            assert runtime == folder / "runtime/credbroker"
        else:
            assert state == broker.home / ".local/state/credbroker"
            assert runtime == state / "run"
        for path in (state, runtime, state / "vault", state / "store.db"):
            assert path.stat().st_mode & 0o077 == 0, path
        # Root's and another user's broker are elsewhere.
        assert [s["state"] for s in
                broker.json("session", "list", "--all")["sessions"]] == [
                    "revoked"]
    finally:
        broker.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="playing another user needs root")
def test_another_user_is_not_served(broker):
    """Neither through the folder nor, where that is open, by the core."""
    def status_of_another():
        return subprocess.run(
            ["setpriv", "--reuid=9", "--regid=9", "--clear-groups", "--",
             shutil.copy(BUILD / "bin/credbroker", broker.folder), "status"],
            env=dict(broker.environment(), CREDBROKER_ADMIN_SOCKET=str(
                broker.runtime / "admin.sock"), HOME="/nonexistent"),
            capture_output=True, text=True, timeout=60)
    broker.folder.chmod(0o711)
    done = status_of_another()
    assert done.returncode == 3
    assert "another user's broker" in done.stderr
    broker.runtime.chmod(0o755)
    (broker.runtime / "admin.sock").chmod(0o666)
    done = status_of_another()
    assert done.returncode == 1, done.stdout
    assert "has no role at this broker" in done.stderr
