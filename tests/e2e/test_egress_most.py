"""A job that may move so many bytes of bodies, both ways together, is cut off
where it would be more, and says that it has used them up."""

import pytest

from test_egress import (EGRESS, MIB, UNLIMITED, Request,  # noqa: F401
                         egress, reply, upstream)
from test_egress_judged import Echo, cut, send

pytestmark = pytest.mark.skipif(not EGRESS.exists(),
                                reason=f"{EGRESS} is not built")


def serve(size):
    def answer(connection):
        if Request(connection).line:
            connection.sendall(reply(b"x" * size, "200 OK",
                                     "Connection: close"))
    return answer


@pytest.fixture
def echo(upstream):
    return Echo(upstream)


@pytest.mark.parametrize("most", [UNLIMITED, 300000, MIB])
def test_as_many_as_there_may_be(egress, upstream, most):
    answer = egress.exchange(upstream(serve(300000)), most=most)
    assert answer.status == 200 and len(answer.body) == 300000
    assert answer.done["outcome"] == b"ok"
    assert answer.done["down"] == 300000


@pytest.mark.parametrize("most", [1, 100000, 299999])
def test_an_answer_is_cut_off(egress, upstream, most):
    answer = egress.exchange(upstream(serve(300000)), most=most)
    assert len(answer.body) <= most
    assert answer.done["outcome"] == b"policy_denied"
    assert b"bytes_per_session" in answer.done["detail"]
    assert answer.done["down"] == most and answer.done["clean"] == 0


def test_a_body_is_cut_off(egress, echo):
    answer = send(egress, echo, cut(b"y" * MIB, 50000), most=400000)
    assert answer.done["outcome"] == b"policy_denied"
    assert answer.done["up"] + answer.done["down"] >= 400000
    # Of what was cut off the upstream has not seen the end.
    assert all(len(body) <= 400000 for body in echo.bodies)


def test_both_ways_count_together(egress, echo):
    whole = [b"y" * 1000]
    assert send(egress, echo, whole, most=1004).status == 200
    answer = send(egress, echo, whole, most=1003)   # b"done" comes back
    assert answer.done["outcome"] == b"policy_denied"


def test_what_the_core_has_not_heard_of_is_not_used_twice(egress, upstream):
    """It says what is left without what has just ended, as when both cross."""
    answer = egress.exchange(upstream(serve(3000)), most=5000, bound=5000)
    assert answer.done["down"] == 3000
    answer = egress.exchange(upstream(serve(3000)), most=5000, bound=5000)
    assert answer.done["outcome"] == b"policy_denied"
    assert answer.done["down"] == 2000
    # Another bound is another policy: the core's word counts.
    answer = egress.exchange(upstream(serve(3000)), most=4000, bound=9000)
    assert answer.done["down"] == 3000
