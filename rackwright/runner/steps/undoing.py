"""A step that failed after its change: what ran before is put back, and what became of it said."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from rackwright.errors import HostError
from rackwright.runner.steps import proof
from rackwright.runner.steps.changing import stop_all
from rackwright.runner.steps.marks import TROUBLE
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.terms import Observed, StepFailed, observed, short

if TYPE_CHECKING:
    from rackwright.runner.steps.step import Step


def left(step: Step, error: Exception) -> NoReturn:
    """Nothing was changed that could be put back: gateways try it until it works."""
    step.marks.end()
    if isinstance(error, StepFailed):  # of another step, taken within this one
        raise error
    words = f"{step.name} was started anew and does not work as before: {error}"
    raise StepFailed(words, short(error), getattr(error, "remedy", "")) from error


def undo(step: Step, before: Observed, error: Exception, *, back: bool) -> None:
    """Put back what ran before, where that served. Raises StepFailed in any case."""
    remedy, what = getattr(error, "remedy", ""), short(error)
    if not back:
        step.marks.end()
        words = f"{step.name} does not work, and did not before: it is left as planned"
        raise StepFailed(f"{words}\n{error}", what, remedy) from error
    step.view.say(step.name, f"{error}")
    try:
        step.marks.enter(Stage.UNDO)
        _put_back(step, before)
    except TROUBLE as second:
        words = f"{step.name} was changed, failed ({what}), and could not be put back: {second}"
        raise StepFailed(f"{words}\n{error}", what, remedy) from error
    step.marks.end()
    words = f"{step.name} runs what it ran before: what is planned failed"
    raise StepFailed(f"{words}\n{error}", what, remedy) from error


def _put_back(step: Step, before: Observed) -> None:
    was = _before_the_dead_run(step) if step.marks.resumed else step.marks.was
    stop_all(step.ranks)
    for rank in step.ranks:
        rank.restore()
    for rank in step.ranks:
        rank.wait()
    if step.entries:
        step.gates.put_back(step.service, step.name, step.entries)
    elif step.marks.resumed:  # that run may have told them of another place
        step.gates.put(was[0].replica, {}, was[0].key_id())
    _, again = observed(was, load=False)
    found = proof.worse(before[1], again)
    if found or not proof.served(again):
        raise HostError(f"it is not as it was: {'; '.join(found) or 'it does not answer'}")


def _before_the_dead_run(step: Step) -> list[Rank]:
    """The processes where those listened that are put back: it may have moved them."""
    ways = [(rank, rank.way_back()) for rank in step.ranks]
    return [rank.listening((way or {}).get("listens")) for rank, way in ways]
