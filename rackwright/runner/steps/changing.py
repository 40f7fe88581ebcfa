"""What a step does to the processes of its replica while no gateway sends it anything."""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.runner.steps.rank import Rank


def stop_all(ranks: Sequence[Rank]) -> None:
    """Where a replica has several processes: all of them end before one is started."""
    if len(ranks) > 1:
        for rank in ranks:
            rank.stop()


def as_planned(ranks: Sequence[Rank]) -> None:
    """Have every process be what it is planned to be."""
    stop_all(ranks)
    for rank in ranks:
        rank.apply()


def as_before(ranks: Sequence[Rank]) -> None:
    """Have every process be what it was before; what it is becomes the way back from there."""
    stop_all(ranks)
    for rank in ranks:
        rank.restore(swap=True)


def anew(ranks: Sequence[Rank]) -> None:
    """Have every process started anew, as it is."""
    stop_all(ranks)
    for rank in ranks:
        rank.restart()
