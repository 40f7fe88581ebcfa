"""Lists of modules that stay as they are, as each method of vLLM 0.32 reads its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property

from rackwright.errors import InputError
from rackwright.models.quantization.names import Linear, spellings, usual_name


class RefusedProduct(InputError):
    """A product is to be held in a way that the engine refuses."""


class SplitProduct(RefusedProduct):
    """Some of the products that the engine merges are quantized, others not: it refuses that."""

    def __init__(self, linear: Linear) -> None:
        """``linear`` is the merged one."""
        parts = ", ".join(shard.rpartition(".")[2] for shard in linear.shards)
        super().__init__(f"quantizes {linear.module} in part: the engine needs {parts} to be alike")


def all_alike(linear: Linear, judge: Callable[[str], bool]) -> bool:
    """What is said of a merged product, from what is said of its shards."""
    said = {judge(shard) for shard in linear.shards}
    if len(said) > 1:
        raise SplitProduct(linear)
    return said.pop()


class Names:
    """Names in their usual spelling; ``re:`` marks patterns, matched from the start of a name.

    ``below``: a name stands for all modules inside it too, as transformers' own lists do. ``parts``
    are what is looked for inside names.
    """

    def __init__(self, names: Iterable[str], below: bool = False) -> None:
        """Raises ValueError for a pattern that cannot be read."""
        listed = tuple(dict.fromkeys(names))
        self.below = below
        plain = [usual_name(name) for name in listed if not name.startswith("re:")]
        self.exact = frozenset(name for name in plain if "*" not in name)
        starred = [re.escape(name).replace(r"\*", r"[^.]+") for name in plain if "*" in name]
        self.parts = self.exact | {name for name in listed if not set(".*:") & set(name)}
        end = r"(\..*)?$" if below else "$"
        self._starred = [re.compile(name + end) for name in starred]
        self._patterns = [pattern(name[3:]) for name in listed if name.startswith("re:")]

    def __eq__(self, other: object) -> bool:
        """By what they match."""
        return isinstance(other, Names) and self._key == other._key

    def __hash__(self) -> int:
        """As equality has it."""
        return hash(self._key)

    def __repr__(self) -> str:
        """For a test that fails."""
        return f"Names({self._key})"

    @cached_property
    def _key(self) -> tuple[object, ...]:
        starred = tuple(each.pattern for each in self._starred)
        return self.exact, starred, tuple(each.pattern for each in self._patterns), self.below

    def have(self, name: str) -> bool:
        """Whether a name in its usual spelling is meant."""
        if self._exactly(name) or any(each.match(name) for each in self._starred):
            return True
        return any(each.match(other) for each in self._patterns for other in spellings(name))

    def _exactly(self, name: str) -> bool:
        if name in self.exact:
            return True
        if not self.below:
            return False
        parts = name.split(".")
        starts = range(len(parts))
        ends = range(1, len(parts) + 1)
        return any(".".join(parts[a:b]) in self.exact for a in starts for b in ends if a < b)

    def have_linear(self, linear: Linear) -> bool:
        """The merged product by its own name, else by those of all its shards."""
        return self.have(linear.module) or all_alike(linear, self.have)


def pattern(text: str) -> re.Pattern[str]:
    """A pattern of a config. Raises ValueError for one that cannot be read."""
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"has a pattern that cannot be read: {error}") from None


NONE = Names(())
"""No exception."""
