"""How a step may be taken, what it fails with, and what is observed of its processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rackwright.checks.results import CheckResult
from rackwright.errors import HostError
from rackwright.runner.steps.rank import Rank

Observed = tuple[dict[tuple[str, str], Mapping[str, Any]], list[CheckResult]]
"""By replica and server what each process answered; and what the checks say."""


class StepFailed(HostError):
    """A step did not come to its end; ``remedy`` is what to do, ``what`` the cause in short."""

    def __init__(self, words: str, what: str, remedy: str = "") -> None:
        """``words`` say also what became of the replica."""
        super().__init__(words)
        self.what, self.remedy = what, remedy


@dataclass(frozen=True)
class Terms:
    """How a step may be taken. ``alone``: not while another replica of the service is out.

    ``hold_s``: how long requests wait for the only replica; ``drain_timeout_s`` how long the
    step waits for those that it has.
    """

    owner: str
    drain_timeout_s: int
    alone: bool = True
    hold_s: int = 0
    why: str = "rollout"


def firsts(ranks: Sequence[Rank]) -> list[Rank]:
    """Of each replica the process that answers first."""
    return list({rank.replica.name: rank for rank in reversed(ranks)}.values())[::-1]


def observed(ranks: Sequence[Rank], *, load: bool) -> Observed:
    """What all processes of a step answer, and what the checks say of them."""
    seen: dict[tuple[str, str], Mapping[str, Any]] = {}
    results: list[CheckResult] = []
    for rank in ranks:
        own, judged = rank.observe(load=load)
        seen[rank.replica.name, rank.host.name] = own
        results += judged
    return seen, results


def short(error: BaseException) -> str:
    """What went wrong, in few words."""
    return str(getattr(error, "what", "") or error or type(error).__name__)
