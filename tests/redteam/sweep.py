"""Looking for a secret wherever it could have gone, in every form in which it
could have gone there."""

import base64
import json
import os
import pathlib
import threading
import urllib.parse


def encodings(raw):
    """Form -> bytes.  Of base64 what the neighbours decide is left out."""
    text = raw.decode()
    percent = "".join(f"%{byte:02X}" for byte in raw)
    found = {
        "raw": raw,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "percent": percent.encode(),
        "percent, lower": percent.lower().encode(),
        "URL": urllib.parse.quote(text, safe="").encode(),
        "URL, path": urllib.parse.quote(text).encode(),
        "form": urllib.parse.quote_plus(text).encode(),
        "JSON": json.dumps(text)[1:-1].encode(),
        "JSON, slashes": json.dumps(text)[1:-1].replace("/", "\\/").encode(),
        "JSON, \\u": "".join(f"\\u{ord(c):04x}" for c in text).encode(),
        "UTF-16LE": text.encode("utf-16-le"),
        "UTF-16BE": text.encode("utf-16-be"),
        "UTF-16LE, reversed": text[::-1].encode("utf-16-le"),
        "UTF-16BE, reversed": text[::-1].encode("utf-16-be"),
    }
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + raw)
        inner = encoded[4 if offset else 0:-4]
        found[f"base64, {offset}"] = inner
        found[f"base64url, {offset}"] = inner.translate(
            bytes.maketrans(b"+/", b"-_"))
    return found


class Sweep:
    """What is looked for (name -> secret), and what was looked at."""

    def __init__(self, canaries):
        self.needles = [(name, form, needle)
                        for name, secret in canaries.items()
                        for form, needle in encodings(secret).items()]
        self.found = set()      # (canary, form, where)
        self.seen = {}          # kind of place -> how many bytes

    def look(self, where, data):
        """`where` is "KIND NAME"."""
        if isinstance(data, str):
            data = data.encode(errors="replace")
        kind = where.split(" ", 1)[0]
        self.seen[kind] = self.seen.get(kind, 0) + len(data)
        for name, form, needle in self.needles:
            if needle in data:
                self.found.add((name, form, where))

    def look_at_files(self, folder, but=()):
        but = {pathlib.Path(path) for path in but}
        for path in sorted(pathlib.Path(folder).rglob("*")):
            self.look("name", str(path))
            if path.is_symlink():
                self.look(f"file {path}", os.readlink(path))
            elif path.is_file() and path not in but:
                self.look(f"file {path}", path.read_bytes())


class Watcher:
    """Arguments and environments of every process that comes by."""

    def __init__(self, sweep, but=()):
        self.sweep = sweep
        self.but = set(but)     # pids
        self.processes = {}     # (pid, start) -> name
        self.known = set()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def run(self):
        while not self.done.wait(0.005):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                if int(pid) not in self.but:
                    self.look_at(pid)

    @staticmethod
    def read(pid):
        """Arguments, environment and name, of one program: in the middle of
        an exec they are of two, or the arguments are not there yet."""
        folder = pathlib.Path("/proc", pid)
        for _ in range(100):
            seen = tuple((folder / name).read_bytes()
                         for name in ("cmdline", "environ"))
            name = (folder / "comm").read_text().strip()
            if ((folder / "cmdline").read_bytes() == seen[0] and
                    (seen[0] or not seen[1])):
                break
        return seen, name

    def look_at(self, pid):
        try:
            seen, name = self.read(pid)
        except OSError:
            return
        # Between fork and exec, and after it, it is not the same.
        if (pid, seen) in self.known:
            return
        self.known.add((pid, seen))
        if b"\0inventory" in seen[0]:
            name = "inventory"      # of its caller's environment
        self.processes[pid] = name
        # The git server is told its password, and its programs what git sent.
        if (b"tests/services/git-server" in seen[0] or
                b"GATEWAY_INTERFACE=" in seen[1]):
            return
        for what, data in zip(("argv", "environ"), seen):
            self.sweep.look(f"{what} {name}", data)
