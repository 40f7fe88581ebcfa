"""When a replica is asked what: it may span servers, tell little of itself, or have no load."""

from __future__ import annotations

from rackwright.checks.check import When
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedReplica


def _answers(planned: PlannedReplica, seen: Observation) -> bool:
    return planned.answers


def _writes(planned: PlannedReplica, seen: Observation) -> bool:
    return planned.answers and planned.task is None


def _says_what_it_holds(planned: PlannedReplica, seen: Observation) -> bool:
    return planned.answers and planned.asked


def _had_a_burst(planned: PlannedReplica, seen: Observation) -> bool:
    return planned.answers and planned.burst


ANSWERS = When("that answers requests", _answers)
"""Of a replica on several servers the first does, for all of them."""
WRITES = When("that answers requests with text", _writes)
"""Vectors and scores come whole: there is no stream of tokens to be timed."""
SAYS_WHAT_IT_HOLDS = When("of an engine that says what it holds", _says_what_it_holds)
HAD_A_BURST = When("on GPUs that had a burst of requests", _had_a_burst)
