#!/usr/bin/env python3
"""Measure credbroker against its goals, and print a table."""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import leases  # noqa: E402
import measures  # noqa: E402
import world as w  # noqa: E402

PAGE = w.ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: scripts/bench --write -->", "<!-- end of figures -->"
HEAD = ("what", "ours", "peer or floor", "ratio (spread)", "goal", "met")

MEASURES = {**leases.MEASURES, **measures.MEASURES}


def parse(words):
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__,
        epilog=f"NAME is one of: {', '.join(MEASURES)}")
    parser.add_argument("--quick", action="store_true",
                        help="less of everything: does it run at all?")
    parser.add_argument("--only", metavar="NAME[,NAME]", default="",
                        help="only these")
    parser.add_argument("--json", action="store_true",
                        help="print JSON, not a table")
    parser.add_argument("--write", action="store_true",
                        help=f"put the figures into {PAGE.name}, too")
    parser.add_argument("--folder", default=None,
                        help="where brokers and files are made (default: "
                        "the temporary folder)")
    options = parser.parse_args(words)
    options.only = [n for n in options.only.split(",") if n]
    for name in options.only:
        if name not in MEASURES:
            parser.error(f"no measurement is called {name}")
    return options


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def version(*args):
    """The first number that a program says about itself."""
    try:
        done = subprocess.run(args, capture_output=True, text=True,
                              check=False)
    except OSError:
        return "absent"
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "?"


def first(path, pattern):
    found = re.search(pattern, pathlib.Path(path).read_text(), re.M)
    return found[1].strip() if found else "?"


def library(name):
    return version("pkg-config", "--modversion", name)


def machine(folder):
    kib = int(first("/proc/meminfo", r"^MemTotal:\s+(\d+)"))
    disk = subprocess.run(["stat", "-f", "-c", "%T", str(folder)],
                          capture_output=True, text=True, check=False)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime(
            "%Y-%m-%d %H:%M UTC"),
        "commit": subprocess.run(
            ["git", "-C", str(w.ROOT), "rev-parse", "--short", "HEAD"],
            capture_output=True, text=True, check=False).stdout.strip(),
        "processor": first("/proc/cpuinfo", r"^model name\s*:\s*(.*)$"),
        "cores": os.cpu_count(),
        "memory_gib": round(kib / w.MIB, 1),
        "kernel": re.match(r"[\d.]+", platform.release())[0],
        "system": first("/etc/os-release", r'^PRETTY_NAME="(.*)"$'),
        "disk": disk.stdout.strip(),
        "nginx": version("/usr/sbin/nginx", "-v"),
        "libmicrohttpd": library("libmicrohttpd"),
        "libcurl": library("libcurl"),
        "sqlite": library("sqlite3"),
        "git": version("git", "--version"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def warn(facts):
    if facts["load_before"] > 0.5 * facts["cores"]:
        say(f"the load average is {facts['load_before']} on "
            f"{facts['cores']} cores: the figures will be worse than they are")
    if facts["disk"] == "tmpfs":
        say("the folder is in memory: fsync costs nothing there; use --folder")


def short(number):
    return f"{number:.2f}" if abs(number) < 10 else f"{number:,.1f}"


def cells(row):
    ratio = "" if row.ratio is None else short(row.ratio)
    if row.low is not None:
        ratio += (f" ({short(row.low)} to {short(row.high)}; "
                  f"best {short(row.best)})")
    goal = row.goal or ("" if row.bound is None else
                        f"{'≥' if row.at_least else '≤'} {row.bound:g}")
    met = {None: "", True: "yes", False: "no"}[row.met]
    return [row.what, row.ours, row.peer, ratio, goal, met]


def table(rows):
    """For people: aligned, with the notes below."""
    lines = [list(HEAD)] + [cells(r) for r in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    text = []
    for at, line in enumerate(lines):
        text.append("  ".join(c.ljust(n) for c, n in zip(line, widths)).rstrip())
        if at == 0:
            text.append("  ".join("-" * n for n in widths))
        elif rows[at - 1].note:
            text.append(f"    {rows[at - 1].note}")
    return "\n".join(text)


def markdown(rows, facts, command):
    lines = [
        f"`{command}`, {facts['date']}, commit {facts['commit']}. "
        f"{facts['processor']}, {facts['cores']} cores, "
        f"{facts['memory_gib']} GiB, {facts['system']}, kernel "
        f"{facts['kernel']}, {facts['disk']}; nginx {facts['nginx']}, "
        f"libmicrohttpd {facts['libmicrohttpd']}, libcurl "
        f"{facts['libcurl']}, SQLite {facts['sqlite']}, git {facts['git']}. "
        f"Load average {facts['load_before']} before, "
        f"{facts['load_after']} after.", "",
        "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cells(r)) + " |" for r in rows]
    lines += [""] + [f"- {r.what}: {r.note}" for r in rows if r.note]
    return "\n".join(lines)


def write(text):
    """Between the marks; what is around them is written by people."""
    page = PAGE.read_text() if PAGE.exists() else f"{BEGIN}\n{END}\n"
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    say(f"wrote {PAGE}")


def measure(options):
    made = w.World(options.folder, options.quick)
    facts = machine(made.folder)
    warn(facts)
    rows, failed = [], []
    try:
        for name in options.only or MEASURES:
            say(f"{name} ...")
            try:
                rows += list(MEASURES[name](made))
            except (RuntimeError, AssertionError, OSError,
                    subprocess.SubprocessError) as error:
                say(f"{name} failed: {error}")
                failed.append(name)
    finally:
        made.close()
    facts["load_after"] = round(os.getloadavg()[0], 2)
    return rows, facts, failed


def main(words):
    options = parse(words)
    # Whoever ends it gets its servers ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not (w.PROGRAMS / "bench_load").exists():
        say(f"{w.BUILD} has no bench programs: cmake -DCRB_BENCH=ON")
        return 5
    rows, facts, failed = measure(options)
    command = " ".join(["scripts/bench", *words])
    if options.json:
        print(json.dumps({"machine": facts, "command": command, "rows": [
            {**dataclasses.asdict(r), "met": r.met} for r in rows]},
            indent=1, ensure_ascii=False))
    else:
        print(table(rows))
    if options.write:
        write(markdown(rows, facts, command))
    return 5 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
