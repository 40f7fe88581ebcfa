"""The typed errors of Rackwright, and the one place that formats them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from rackwright.printable import printable

_SHOWN_CHARACTERS = 80
_SHOWN_VALUES = 10_000
_HOSTS_NAMED = 3  # more hosts with the same fault are counted, not listed


@dataclass(frozen=True)
class Fault:
    """One thing wrong with what the operator wrote: where, which rule, which value.

    ``path`` is written as the operator would find it: ``servers[gpu1].gpus.count``.
    ``value`` may be anything, a list or dict too; None means there is no value to show.
    """

    path: str
    rule: str
    value: Any = None

    def __hash__(self) -> int:
        """By the value's text, since a value need not be hashable."""
        return hash((self.path, self.rule, _shown(self.value)))

    def __str__(self) -> str:
        """``path: rule (got value)``, all in one line that can be printed, the value cut short."""
        return printable(f"{self.path}: {self.rule}{self._got()}")

    def _got(self) -> str:
        if self.value is None:
            return ""
        shown = _shown(self.value)
        if len(shown) > _SHOWN_CHARACTERS:
            shown = f"{shown[: _SHOWN_CHARACTERS - 3]}..."
        return f" (got {shown})"


def _shown(value: Any) -> str:
    """A value's text; what cannot be printed (a number of 5,000 digits) is named by its type.

    So is what has too many values inside: nine lines of YAML may be a list of billions, by aliases.
    """
    if _many(value):
        return f"<{type(value).__name__} of more than {_SHOWN_VALUES:,} values>"
    try:
        return repr(value)
    except Exception:  # what the operator wrote may be of a class of their own
        return f"<{type(value).__name__} that cannot be printed>"


def _many(value: Any) -> bool:
    left, met = [value], 0
    while left and met <= _SHOWN_VALUES:
        inner, met = left.pop(), met + 1
        if isinstance(inner, dict):
            left.extend(inner.values())
        elif isinstance(inner, (list, tuple)):
            left.extend(inner)
    return met > _SHOWN_VALUES


class RackwrightError(Exception):
    """Anything that is said as one message, never as a traceback; each kind is a class below.

    ``exit_code`` is that of the command line (``exits``; docs/operations.md has the table). 0 to 3
    are what checks say (``Status``), so no error has one of those.
    """

    exit_code = 70


class InputError(RackwrightError):
    """What was given cannot be read or written: an inventory that does not run, a report's path."""

    exit_code = 65


class SpecError(InputError):
    """The inventory or group data is wrong. Carries every fault found, sorted by path."""

    def __init__(
        self, faults: Iterable[Fault], heading: str = "in the inventory; no host was touched"
    ) -> None:
        """``faults`` in any order; the same one twice is kept once."""
        self.faults = tuple(sorted(set(faults), key=lambda fault: (fault.path, str(fault))))
        super().__init__(format_faults(self.faults, heading))


class PlanError(SpecError):
    """What is asked for is well formed but cannot be placed on the servers it names."""

    exit_code = 66


class RefusedError(RackwrightError):
    """What was asked for is well formed, and is not done: a replica that is not planned."""

    exit_code = 67


class HostError(RackwrightError):
    """A host could not answer, or said no; the message is in its own words."""

    exit_code = 69


class RenderError(RackwrightError):
    """A template names something the plan does not have: our own fault."""


def nearest(name: str, known: Iterable[str], kind: str = "", unlisted: Iterable[str] = ()) -> str:
    """A rule text for an unknown name, naming the closest of ``known`` when one is close.

    ``kind`` says what the name should have been: ``key`` gives "is not a known key, ...".
    ``unlisted`` are known as well, and said only where one is close.
    """
    names = sorted(known)
    unknown = f"is not a known {kind}" if kind else "is not known"
    by_letters = {one.lower(): one for one in reversed([*names, *sorted(unlisted)])}
    if close := get_close_matches(str(name).lower(), by_letters, n=1, cutoff=0.5):
        return f"{unknown}, did you mean {by_letters[close[0]]!r}?"
    return f"{unknown}, expected one of {', '.join(names)}" if names else unknown


def gathered(found: Iterable[tuple[str, Fault]]) -> Iterable[Fault]:
    """One fault where many hosts share one: group data is written once, so it is said once."""
    hosts: dict[Fault, list[str]] = defaultdict(list)
    for name, fault in found:
        if name not in hosts[fault]:
            hosts[fault].append(name)
    for fault, names in hosts.items():
        if len(names) > _HOSTS_NAMED:
            names = [*names[:_HOSTS_NAMED], f"and {len(names) - _HOSTS_NAMED} more"]
        kind, dot, key = fault.path.partition(".")
        yield Fault(f"{kind}[{', '.join(names)}]{dot}{key}", fault.rule, fault.value)


def format_faults(faults: Iterable[Fault], heading: str) -> str:
    """All faults, one a line, under a line that counts them."""
    lines = [f"  {fault}" for fault in faults]
    noun = "fault" if len(lines) == 1 else "faults"
    return "\n".join([f"{len(lines)} {noun} {heading}", *lines])
