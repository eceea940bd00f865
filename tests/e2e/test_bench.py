"""The benchmark still runs.  What it says of time is asserted nowhere."""

import json
import os
import subprocess

import pytest

from conftest import BUILD, PATH, ROOT

pytestmark = pytest.mark.skipif(
    not (BUILD / "bench" / "bench_load").exists(),
    reason="this build has no programs of the benchmark")


def bench(*words):
    return subprocess.run(
        [str(ROOT / "scripts" / "bench"), *words], capture_output=True,
        text=True, check=False, timeout=150,
        env={"PATH": PATH, "CRB_BUILD_DIR": str(BUILD),
             "HOME": os.environ.get("HOME", "/")})


def test_the_benchmark_measures_what_it_is_asked_for():
    done = bench("--quick", "--only", "idle,status,policy", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [r["name"] for r in said["rows"]] == ["idle", "status",
                                               "policy", "policy"]
    assert all(r["ratio"] > 0 for r in said["rows"])
    assert said["machine"]["cores"] > 0


def test_the_benchmark_prints_a_table():
    done = bench("--quick", "--only", "inject")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("what")
    assert "injected small request" in done.stdout


def test_many_clients_at_once_are_one_mint():
    pytest.importorskip("botocore", reason="the fake needs python3-boto3")
    done = bench("--quick", "--only", "fetch,mint", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [r["name"] for r in rows] == ["fetch", "mint", "mint"]
    assert all(r["ratio"] > 0 for r in rows)
    # Not a time: it is a count.
    assert rows[2]["ratio"] == 1


def test_the_benchmark_refuses_what_it_does_not_know():
    done = bench("--only", "luck")
    assert done.returncode == 2
    assert "luck" in done.stderr
