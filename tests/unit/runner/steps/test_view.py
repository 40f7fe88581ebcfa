"""What a step does is said as it does it, with its seconds."""

from __future__ import annotations

from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.summary import summary
from rackwright.runner.steps.view import View


def viewed() -> tuple[View, list[str]]:
    """A step of 60 s: ten each for draining, waiting, change, start and proof."""
    said: list[str] = []
    now = iter(range(0, 1000, 10))
    view = View(lambda name, words: said.append(f"{name}: {words}"), lambda: float(next(now)))
    for stage in (Stage.DRAIN, Stage.WAIT, Stage.CHANGE, Stage.START, Stage.PROVE, Stage.RETURN):
        view.enter("chat-gpu1-0", stage)
    view.done("chat-gpu1-0")
    return view, said


def test_a_line_a_stage_with_seconds() -> None:
    _, said = viewed()
    assert said[0] == "chat-gpu1-0: is being drained at the gateways (0 s)"
    assert said[2] == "chat-gpu1-0: is being changed (20 s)"
    assert said[-1] == "chat-gpu1-0: done in 60 s, away for 30 s"


def test_requests_in_flight_are_said_when_they_change() -> None:
    view, said = viewed()
    view.enter("chat-gpu2-0", Stage.WAIT)
    for count in (2, 2, 1, 0, 0):
        view.in_flight("chat-gpu2-0", count)
    assert said[-2:] == [
        "chat-gpu2-0: 2 requests in flight",
        "chat-gpu2-0: 1 request in flight",
    ]


def test_a_terminal_sees_what_is_under_way_in_one_line() -> None:
    now = [0.0]
    view = View(lambda name, words: None, lambda: now[0])
    view.enter("chat-gpu1-0", Stage.DRAIN)
    now[0] = 5.0
    view.enter("chat-gpu1-0", Stage.WAIT)
    view.in_flight("chat-gpu1-0", 3)
    view.enter("code-gpu2-0", Stage.START)
    now[0] = 7.0
    waits = "chat-gpu1-0 its requests are waited for, 3 in flight, 2 s of 7"
    assert view.line() == f"{waits} | code-gpu2-0 starts, 2 s of 2"
    view.over("chat-gpu1-0")
    assert view.line() == "code-gpu2-0 starts, 2 s of 2"


def test_the_summary_has_seconds_and_what_was_lost() -> None:
    view, _ = viewed()

    def states(failures: int) -> dict[str, dict[str, object]]:
        return {
            "gw1": {"services": {"chat": {"replicas": {"chat-gpu1-0": {"failures": failures}}}}}
        }

    lines = summary(view, states(3), states(5), (), ["chat-gpu2-0"]).splitlines()
    assert lines[1].split() == ["chat-gpu1-0", "done", "60", "30", "2"]
    assert lines[2].split() == ["chat-gpu2-0", "not", "touched", "-", "-", "-"]
    (_, row, _) = summary(view, states(0), {}, ["chat-gpu1-0"], ["x"]).splitlines()
    assert row.split() == ["chat-gpu1-0", "failed", "60", "30", "-"]
