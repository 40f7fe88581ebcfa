"""Whether the first replica that was changed does worse than those that were not."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rackwright.runner.steps.gates import States, failures, replicas_in

FEWEST_FAILURES = 2
"""One may fail by itself."""
TIMES = 2.0
"""So many times the share of the others is worse, not chance."""


class Counts(NamedTuple):
    """Requests of a replica, and those of them that failed, as all gateways count them."""

    requests: int
    failures: int

    def since(self, before: Counts) -> Counts:
        """What came since then."""
        return Counts(self.requests - before.requests, self.failures - before.failures)

    @property
    def share(self) -> float:
        """Failures of all; none of none."""
        return self.failures / self.requests if self.requests > 0 else 0.0


def counts(states: States, names: Collection[str]) -> Counts:
    """Of all these replicas together."""
    requests = [int(o.get("requests") or 0) for name in names for o in replicas_in(states, name)]
    return Counts(sum(requests), sum(failures(states, name) for name in names))


def fault(before: States, now: States, name: str, others: Collection[str]) -> str:
    """Why the changed one is to be put back; empty where it does as well as the others."""
    out = [one for one in replicas_in(now, name) if one.get("state") == "ejected"]
    if out:
        return f"a gateway has put it out: {out[0].get('why')}"
    own = counts(now, [name]).since(counts(before, [name]))
    theirs = counts(now, others).since(counts(before, others))
    if own.failures >= FEWEST_FAILURES and own.share > TIMES * theirs.share:
        return (
            f"{own.failures} of its {own.requests} requests failed, and {theirs.failures} of "
            f"{theirs.requests} of the others"
        )
    return ""
