"""Which products of a model are quantized, and how: one value for each way configs say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rackwright.models.quantization.lists import NONE, Names
from rackwright.models.quantization.names import Linear
from rackwright.models.quantization.scheme import Scheme


class Choice(Protocol):
    """Says how one product is held."""

    def scheme(self, linear: Linear, usual: Scheme) -> Scheme | None:
        """None for one that stays in the model's dtype. Raises SplitProduct."""


@dataclass(frozen=True)
class Every:
    """All products but those that are ``kept``; the table of outputs where ``head`` says so."""

    kept: Names = NONE
    head: bool = False

    def scheme(self, linear: Linear, usual: Scheme) -> Scheme | None:
        """The usual one, or none."""
        if linear.head and not self.head:
            return None
        return None if self.kept.have_linear(linear) else usual


EVERY = Every()
"""All of them, save the table of outputs."""


@dataclass(frozen=True)
class Experts:
    """Routed experts alone."""

    def scheme(self, linear: Linear, usual: Scheme) -> Scheme | None:
        """The usual one for experts."""
        return usual if linear.routed else None


@dataclass(frozen=True)
class RoutedApart:
    """As ``choice`` says, but routed experts that are quantized are held as ``routed``."""

    choice: Choice
    routed: Scheme

    def scheme(self, linear: Linear, usual: Scheme) -> Scheme | None:
        """The one for experts, or what is said of all others."""
        found = self.choice.scheme(linear, usual)
        return self.routed if found and linear.routed else found
