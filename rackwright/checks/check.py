"""A check as one value: when it is asked, how it judges, and faults that make it fire.

Whatever lists checks is derived from these values: what a run asks, the tests of a fleet
(``tests/fleet``), and the tables of ``docs/checks.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from rackwright.checks.observed import Observation
from rackwright.checks.planned import Planned
from rackwright.checks.results import CheckResult, Finding, Status

P = TypeVar("P", bound=Planned)
_GARBLED = (
    *(AttributeError, LookupError, TypeError, ValueError),
    *(ArithmeticError, RecursionError),  # numbers that no float holds, lists without end
)
"""What a judgement ends with that reads an observation of another shape."""


@dataclass(frozen=True)
class When(Generic[P]):
    """When a check is asked, by plan and observation; ``words`` say it after what it is about."""

    words: str
    holds: Callable[[P, Observation], bool]


ALWAYS = When[Any]("", lambda planned, seen: True)


@dataclass(frozen=True)
class Example:
    """A fault that a check must find, as a small change of what is healthy.

    ``seen`` maps paths in the observation (``gpus.0.pcie.width``) to what stands there instead,
    ``planned`` fields of the plan to other values. ``fault`` is what people call it. ``also`` names
    checks that cannot tell then; any other is not disturbed.
    """

    fault: str
    status: Status
    seen: Mapping[str, Any] = field(default_factory=dict)
    planned: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample(Generic[P]):
    """What is planned, and an observation of it."""

    planned: P
    seen: Observation

    def having(self, **parts: Any) -> Sample[P]:
        """The same with more that was observed: what a check reads and no other does."""
        return replace(self, seen={**self.seen, **parts})

    def changed(self, example: Example) -> Sample[P]:
        """The same with a fault. Raises LookupError for a path that leads nowhere."""
        seen = deepcopy(dict(self.seen))
        for path, value in example.seen.items():
            _put(seen, path, value)
        return Sample(replace(self.planned, **example.planned), seen)  # type: ignore[type-var]


@dataclass(frozen=True, eq=False)
class Check(Generic[P]):
    """What is looked at, and how it is judged. Pure: plan and observation in, a finding out.

    ``fine`` says what is so where it is OK. ``healthy`` is a sample that is, of the kind of thing
    that this check is about; ``examples`` are faults of it. What is missing or garbled is to be
    UNKNOWN, never OK.
    """

    name: str
    fine: str
    judge: Callable[[P, Observation], Finding]
    healthy: Sample[P]
    examples: tuple[Example, ...]
    applies: When[P] = ALWAYS

    @property
    def about(self) -> type[P]:
        """The kind of thing that this check is about."""
        return type(self.healthy.planned)

    def is_asked(self, planned: Planned, seen: Observation) -> bool:
        """Whether there is anything to ask of this."""
        return isinstance(planned, self.about) and self.applies.holds(planned, seen)

    def ask(self, planned: P, seen: Observation) -> CheckResult:
        """The answer; UNKNOWN where the observation is not of the shape that is read."""
        try:
            finding = self.judge(planned, seen)
        except _GARBLED as error:
            evidence = f"the observation is garbled: {type(error).__name__}: {error}"
            finding = Finding(Status.UNKNOWN, evidence, "run the deploy again")
        return CheckResult(self.name, planned.host, planned.name, *finding)


def _put(seen: Any, path: str, value: Any) -> None:
    """Replace what stands at a path; keys of lists are numbers."""
    *outer, last = path.split(".")
    for key in outer:
        seen = seen[int(key) if isinstance(seen, list) else key]
    seen[int(last) if isinstance(seen, list) else last] = value
