"""The one way out: all that a lock is resolved by and that neither inventory nor project says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rackwright.errors import HostError

Value = TypeVar("Value")

Answer = Mapping[str, Any]
"""What a host says; ``{"error": why}`` of one that says nothing."""


@dataclass(frozen=True)
class Wanted:
    """What a host is asked for: apt packages by name, and what is in folders of models.

    Files that are known there, name to SHA-256 and bytes, are read again only at another size.
    """

    packages: Sequence[str]
    models: Mapping[str, Mapping[str, tuple[str, int | None]]] = field(default_factory=dict)


class Outside(Protocol):
    """Indexes, hubs and hosts. Each method raises HostError where it has no answer."""

    def uv(self, *arguments: str) -> str:
        """What uv prints: it asks the indexes that this machine's uv is set to, as it is set to."""

    def get(self, url: str) -> bytes:
        """The content at a URL, of at most some MB."""

    def size_bytes(self, url: str) -> int | None:
        """How large the content at a URL is, without fetching it; None where nobody says."""

    def hosts(self, wanted: Mapping[str, Wanted]) -> dict[str, Answer]:
        """The answer of each host to what is wanted of it, its driver's packages included."""


class Problems:
    """What could not be had, gathered: an operator is told all of it at once."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._said: list[str] = []

    def add(self, what: str) -> None:
        """One more; the same twice is one."""
        if what not in self._said:
            self._said.append(what)

    def heard(self, ask: Callable[[], Value], otherwise: Value) -> Value:
        """An answer; where it is a HostError that is kept, and ``otherwise`` stands for it."""
        try:
            return ask()
        except HostError as error:
            self.add(str(error))
            return otherwise

    def end(self) -> None:
        """Raise HostError where anything could not be had."""
        if self._said:
            lines = "".join(f"\n  {what}" for what in self._said)
            raise HostError(f"the lock is left as it was; not to be had:{lines}")


def located(path: str | Path) -> str:
    """A path as an argument: of a file, never an option."""
    return str(Path(path).resolve())
