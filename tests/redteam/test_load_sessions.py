"""Sessions by the thousand: up to the limit and no further, each with an
endpoint that answers, and what they took is given back."""

import concurrent.futures
import contextlib

import pytest

from attack import SANITIZED, e2e, wait_until
from load import all_descriptors, answers, fetch, issue_many, loaded

# The soak test has more (scripts/soak).
MOST = 1200
BEYOND = 200
# A session's memory in all four processes, and what an allocator keeps.
KIB_EACH = 64 if SANITIZED else 12
KIB_KEPT = 64 << 10


@pytest.fixture(scope="module")
def broker():
    with loaded({"sessions_max": MOST + 1}) as made:
        yield made


def memory(broker):
    return sum(e2e.memory_kib(pid) for pid in broker.pids().values())


def test_a_burst_of_sessions(broker):
    neighbour, refused = issue_many(broker, 1, task="neighbour")
    assert fetch(neighbour[0], broker.upstream) == 200
    before, size = all_descriptors(broker), memory(broker)
    pids = broker.pids()

    sessions, refused = issue_many(broker, MOST + BEYOND)
    assert len(sessions) == MOST
    assert len(refused) == BEYOND
    assert {(r.data["code"], r.data["exit"]) for r in refused} == \
        {("limit", 5)}
    assert all("sessions_max" in str(r) for r in refused)
    assert len({s.id for s in sessions}) == MOST

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(answers, sessions)) == {200}
    assert fetch(neighbour[0], broker.upstream) == 200
    assert memory(broker) - size < MOST * KIB_EACH + KIB_KEPT
    held = all_descriptors(broker)

    done = broker.json("revoke", "--task", "load")
    assert len(done["revoked"]) == MOST
    # Each socket still says why, for ten minutes; nothing else is held.
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(answers, sessions[:100])) == {403}
    assert answers(neighbour[0]) == 200

    def as_before():
        now = all_descriptors(broker)
        return all(now[name] is None or
                   now[name] <= min(held[name], before[name] + MOST)
                   for name in ("core", "gateway")) and \
            all(now[name] is None or now[name] <= before[name]
                for name in ("supervisor", "egress"))
    wait_until(as_before, "descriptors")
    assert memory(broker) - size < MOST * KIB_EACH + KIB_KEPT
    assert broker.pids() == pids


def test_sessions_that_have_ended_make_room(broker):
    """They answer with the reason for a while, but nobody has to wait."""
    sessions, refused = issue_many(broker, 50, task="again")
    assert not refused, refused[0]
    assert {answers(s) for s in sessions} == {200}
    broker.run("revoke", "--task", "again")


def test_issue_and_revoke_in_a_row(broker):
    """Nothing is left of a session that has come and gone."""
    pids = broker.pids()
    sizes = []
    for round_ in range(3):
        sessions, refused = issue_many(broker, 150, task=f"row-{round_}")
        assert not refused
        assert fetch(sessions[0], broker.upstream) == 200
        broker.run("revoke", "--task", f"row-{round_}")
        sizes.append(memory(broker))
    assert sizes[-1] - sizes[0] < KIB_KEPT
    assert broker.pids() == pids


def test_a_restart_brings_the_live_ones_back_and_buries_the_others(broker):
    sessions, _ = issue_many(broker, 100, task="stay")
    broker.stop()
    broker.start()

    def back():
        with contextlib.suppress(ConnectionRefusedError):
            return {answers(s) for s in sessions} == {200}
    wait_until(back, "sessions are back")
    listed = broker.json("session", "list", "--all")["sessions"]
    assert {s["state"] for s in listed} == {"live"}
    broker.run("revoke", "--all")
