"""An option of a command line as one value: argv and refused flags follow from an engine's table.

``Option("quantization", key="quantization")`` gives vLLM ``--quantization=fp8`` where a service
says so, refuses the same flag in ``extra_args``, and makes the key one that vLLM understands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from rackwright.errors import nearest
from rackwright.spec import ServiceSpec

if TYPE_CHECKING:
    from rackwright.plan import Replica, Span
    from rackwright.sizing import Limits, Split
    from rackwright.spec import Settings


class Launch(NamedTuple):
    """What one process is started with: its replica, its weights, and the settings of its host."""

    replica: Replica
    model_path: str
    settings: Settings

    @property
    def service(self) -> ServiceSpec:
        """What the operator says of the replica's service."""
        return self.replica.service

    @property
    def split(self) -> Split:
        """The ranks and stages that were planned."""
        return self.replica.split

    @property
    def limits(self) -> Limits:
        """What bounds the engine, as planned."""
        return self.replica.limits

    @property
    def span(self) -> Span | None:
        """Which process it is of a replica that takes several servers."""
        return self.replica.span


class Form(Enum):
    """How a value follows its flag: ``--flag=value``, or ``--flag value`` as two words."""

    EQUALS = auto()
    WORDS = auto()


class Kind(Enum):
    """Whose an option is. Only ``SHARED`` may be an extra flag too: the operator's one comes last.

    ``PLAN`` is set or left out by the plan, ``SECRET`` would show a secret to every user of the
    host, ``UNJUDGED`` changes memory or placement in a way that cannot be judged yet.
    """

    PLAN = auto()
    SECRET = auto()
    UNJUDGED = auto()
    SHARED = auto()


@dataclass(frozen=True)
class Option:
    """One option, by its ``flag`` without the leading dashes.

    ``key`` is the service key it carries, None where it comes from the plan. ``of`` is its value: a
    bare flag if True, its ``--no-`` form if False, not given if None, a word each of a tuple; left
    out, it is what the service says for ``key``. With neither, the option is never given: it is
    only refused. ``aliases`` are other names of the flag. ``compiles`` is False of one that says
    where a process is, or as whom it answers: nothing that it compiles depends on it.
    """

    flag: str
    key: str | None = None
    of: Callable[[Launch], object] | None = None
    kind: Kind = Kind.PLAN
    form: Form = Form.EQUALS
    aliases: tuple[str, ...] = ()
    compiles: bool = True

    def __post_init__(self) -> None:
        """Raises ValueError for a key that no service has: it would silently say nothing."""
        known = ServiceSpec.model_fields
        if self.key is not None and self.key not in known:
            raise ValueError(
                f"Option({self.flag!r}): correct key={self.key!r}, or declare it in ServiceSpec "
                f"(rackwright/spec/services.py): it {nearest(self.key, known, 'key')}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The flag by all its names."""
        return (self.flag, *self.aliases)

    @property
    def can_be_given(self) -> bool:
        """Whether a command line may carry it; else it is in the table to be refused."""
        return self.of is not None or self.key is not None

    def value(self, launch: Launch) -> object:
        """What it says for a process; None where it is not given."""
        if self.of is not None:
            return self.of(launch)
        return getattr(launch.service, self.key) if self.key else None

    def words(self, launch: Launch) -> tuple[str, ...]:
        """Its part of the command line."""
        value = self.value(launch)
        return () if value is None else _written(self.flag, value, self.form)


def refused(kind: Kind, *flags: str) -> tuple[Option, ...]:
    """Options that no plan gives, and no operator may."""
    return tuple(Option(flag, kind=kind) for flag in flags)


def command_line(options: Sequence[Option], launch: Launch, extra_form: Form) -> tuple[str, ...]:
    """The options that are given, in the order of their table, then the operator's by name."""
    extra = sorted(launch.service.extra_args.items())
    return (
        *(word for option in options for word in option.words(launch)),
        *(word for flag, value in extra for word in _extra(flag, value, extra_form)),
    )


def compiling(options: Sequence[Option], launch: Launch, extra_form: Form) -> tuple[str, ...]:
    """The part of a command line that decides what is compiled."""
    return command_line([one for one in options if one.compiles], launch, extra_form)


def _extra(flag: str, value: object, form: Form) -> tuple[str, ...]:
    return _written(flag.replace("_", "-"), True if value is None else value, form)


def _written(flag: str, value: object, form: Form) -> tuple[str, ...]:
    if isinstance(value, tuple):
        return (f"--{flag}", *map(str, value))
    if isinstance(value, bool):
        return (f"--{flag}" if value else f"--no-{flag}",)
    return (f"--{flag}={value}",) if form is Form.EQUALS else (f"--{flag}", str(value))


FLAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[!-<>-~]+)?")
"""A name, and of a value inside it the path: one word, for it becomes one of a command line."""


def flag_faults(
    options: Sequence[Option], extra_args: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    """Extra flags that are not the operator's, by any prefix that a parser would take."""
    for given in extra_args:
        flag = given.replace("_", "-").partition(".")[0]
        if not FLAG.fullmatch(given):
            yield given, "must be a flag's name without its leading dashes"
        elif rule := _refusal(flag.removeprefix("no-"), options):
            yield given, rule
    yield from _given_twice(extra_args)


def _given_twice(extra_args: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """One flag by two spellings: which of them counts is for the engine's parser to say."""
    first: dict[str, str] = {}
    for given in extra_args:
        flag = given.replace("_", "-").removeprefix("no-")
        if first.setdefault(flag, given) != given:
            yield given, f"is the flag that {first[flag]} is already"


def _refusal(prefix: str, options: Sequence[Option]) -> str:
    meant = [o for o in options if any(name.startswith(prefix) for name in o.names)]
    kinds = {option.kind for option in meant}
    if kinds & {Kind.PLAN, Kind.SECRET}:
        return "is set by Rackwright, use the service's own keys"
    if Kind.UNJUDGED in kinds:
        return "changes memory or placement in a way that cannot be judged yet"
    return ""
