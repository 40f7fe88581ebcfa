"""The first that was changed, watched beside the others before the next is; put back if worse."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import gevent

from rackwright.runner.steps import canary
from rackwright.runner.steps.changing import as_before
from rackwright.runner.steps.order import Pending
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.step import Step
from rackwright.runner.steps.terms import StepFailed, Terms

if TYPE_CHECKING:
    from rackwright.runner.steps.taking import Taking

POLL_S = 2.0
TermsOf = Mapping[str, Terms]


def watch(taking: Taking, group: Sequence[Pending], ranks: Sequence[Rank], terms: TermsOf) -> None:
    """For ``canary_s``. Raises StepFailed once it is put back."""
    canary_s = taking.fleet.settings(group[0].hosts[0]).canary_s
    for one in group:
        taking.view.say(one.name, f"is watched for {canary_s} s before the next")
    before, until = taking.gates.states(), time.monotonic() + canary_s
    while time.monotonic() < until:
        gevent.sleep(POLL_S)
        now = taking.gates.states()
        for one in group:
            if why := canary.fault(before, now, one.name, _others(taking, one, group)):
                _back(taking, one, ranks, terms, why)


def _others(taking: Taking, one: Pending, group: Sequence[Pending]) -> set[str]:
    """Each of its processes is a replica of the plan, so it is none of these."""
    replicas = taking.fleet.plan.replicas
    return {r.name for r in replicas if r.service.name == one.service} - {o.name for o in group}


def _back(taking: Taking, one: Pending, ranks: Sequence[Rank], terms: TermsOf, why: str) -> None:
    ways = [(rank, rank.way_back()) for rank in ranks]
    back = [rank.listening((way or {}).get("listens")) for rank, way in ways]
    terms_of = {name: replace(its, why="rollback") for name, its in terms.items()}
    own = terms_of[one.name]
    Step(ranks, taking.gates, taking.view, own, as_before, back=back, terms_of=terms_of).run()
    words = f"{one.name} was worse than the others and runs what it ran before: {why}"
    raise StepFailed(words, why)
