"""The first replica that was changed is put back when it does worse than the others."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.runner.steps.canary import fault

NONE = (0, 0)


def states(own: tuple[int, int], other: tuple[int, int], state: str = "in") -> dict[str, Any]:
    """Requests and failures of chat-gpu1-0, which was changed, and of chat-gpu2-0."""
    rows = {"chat-gpu1-0": own, "chat-gpu2-0": other}
    replicas = {
        name: {"state": "in", "why": "", "requests": requests, "failures": failures}
        for name, (requests, failures) in rows.items()
    }
    replicas["chat-gpu1-0"] |= {"state": state, "why": "its health is 500"}
    return {"gw1": {"services": {"chat": {"replicas": replicas}}}}


def told(own: tuple[int, int], other: tuple[int, int], state: str = "in") -> str:
    before = states((100, 5), (100, 5))
    now = states((100 + own[0], 5 + own[1]), (100 + other[0], 5 + other[1]), state)
    return fault(before, now, "chat-gpu1-0", ["chat-gpu2-0"])


@pytest.mark.parametrize(
    ("own", "other", "worse"),
    [
        (NONE, NONE, False),
        ((50, 0), (50, 0), False),
        ((50, 1), (50, 0), False),  # one may fail by itself
        ((50, 2), (50, 0), True),
        ((50, 4), (50, 4), False),  # as the others
        ((50, 10), (50, 4), True),
    ],
)
def test_failures_beside_those_of_the_others(
    own: tuple[int, int], other: tuple[int, int], worse: bool
) -> None:
    assert bool(told(own, other)) == worse


def test_what_failed_before_is_not_counted() -> None:
    assert told((10, 0), (10, 0)) == ""


def test_one_that_a_gateway_has_put_out_is_worse() -> None:
    assert told(NONE, NONE, "ejected") == "a gateway has put it out: its health is 500"
    assert told(NONE, NONE, "drained") == ""
