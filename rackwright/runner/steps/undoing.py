"""A step that failed after its change: what ran before is put back, and what became of it said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from rackwright.errors import HostError
from rackwright.runner.steps import proof
from rackwright.runner.steps.changing import stop_all
from rackwright.runner.steps.marks import TROUBLE
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.terms import Observed, StepFailed, firsts, observed, short

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
    step.view.say(step.heads[0].replica.name, what)
    try:
        step.marks.enter(Stage.UNDO)
        _put_back(step, before)
    except TROUBLE as second:
        words = (
            f"{step.name} {step.was} changed, failed ({what}), and could not be put back: {second}"
        )
        raise StepFailed(f"{words}\n{error}", what, remedy) from error
    step.marks.end()
    again = "run what they ran" if len(step.heads) > 1 else "runs what it ran"
    words = f"{step.name} {again} before: what is planned failed"
    raise StepFailed(f"{words}\n{error}", what, remedy) from error


def _put_back(step: Step, before: Observed) -> None:
    """As it was on all servers; those that it came to only now lose it."""
    ranks = [*step.ranks, *step.former]
    ways = [(rank, rank.way_back()) for rank in ranks]
    fresh = [rank for rank, way in ways if way is None and not step.back]
    there = [(rank, way) for rank, way in ways if way is not None or step.back]
    stop_all(ranks)
    for rank in fresh:
        step.take_away(rank)
    for rank, _ in there:
        rank.restore()
    served = proof.serving(before[1]) or {rank.replica.name for rank in ranks}
    for rank, _ in there:
        if rank.replica.name in served:
            rank.wait()
    # A dead run may have moved them: they are where those listened that are put back.
    staying = [(rank, way) for rank, way in there if rank in step.ranks]
    back = [rank.listening((way or {}).get("listens")) for rank, way in staying]
    _back_at_gateways(step, was := back if step.marks.resumed else step.marks.was)
    again = observed(was, load=False)[1]
    if (found := proof.worse(before[1], again)) or not served <= proof.serving(again):
        raise HostError(f"it is not as it was: {'; '.join(found) or 'it does not answer'}")


def _back_at_gateways(step: Step, was: Sequence[Rank]) -> None:
    for rank in step.heads:
        service, name = rank.replica.service.name, rank.replica.name
        if entries := step.entries.get(name):
            step.gates.put_back(service, name, entries)
    if step.marks.resumed and not step.entries:  # that run may have told them of another place
        for rank in firsts(was):
            step.gates.put(rank.replica, {}, rank.key_id())
