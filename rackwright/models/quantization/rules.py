"""Rules by pattern: GPTQ's ``dynamic`` and AutoRound's ``extra_config``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rackwright.models.quantization.lists import SplitProduct
from rackwright.models.quantization.names import Linear, spellings
from rackwright.models.quantization.scheme import Scheme


@dataclass(frozen=True)
class Rules:
    """GPTQ's ``dynamic``: the first pattern that matches counts (get_dynamic_override).

    A rule without a scheme leaves the product as it is. ``only`` names what is quantized at all,
    by parts of names (modules_in_block_to_quantize).
    """

    rules: tuple[tuple[str, Scheme | None], ...]
    only: tuple[str, ...] = ()
    head: bool = False

    def scheme(self, linear: Linear, usual: Scheme) -> Scheme | None:
        """By the merged product's name, which patterns are matched with from its start."""
        if linear.head and not self.head:
            return None
        if self.only and not self._named(linear):
            return None
        names = spellings(linear.module)
        for text, scheme in self.rules:
            if any(re.match(text, name) for name in names):
                return scheme
        return usual

    def _named(self, linear: Linear) -> bool:
        if linear.routed or any(part in linear.module for part in self.only):
            return True
        said = {any(part in shard for part in self.only) for shard in linear.shards}
        if len(said) > 1:
            raise SplitProduct(linear)
        return said.pop()


SIGNS = frozenset("*+?^$()[]{}|\\")
"""A key of AutoRound's with one of these is a pattern."""


@dataclass(frozen=True)
class Extra:
    """AutoRound's ``extra_config``: by name, by the end of it, or by a pattern found in it.

    A rule without a scheme has 16 bits. ``blocks`` are what is quantized besides, by how names
    start. Source: INCConfigParser in quantization/inc/config_parser.py.
    """

    rules: tuple[tuple[str, Scheme | None], ...] = ()
    blocks: tuple[str, ...] = ()

    def scheme(self, linear: Linear, usual: Scheme) -> Scheme | None:
        """The rule's of the merged product or of all its shards, else the usual one."""
        own = self._rule(linear.module)
        if own is not None:
            return own[0]
        base = None if linear.head or not self._in_blocks(linear) else usual
        rules = [self._rule(shard) for shard in linear.shards]
        if not any(rules):
            return base
        found = {rule[0] if rule else base for rule in rules}
        if len(found) > 1:
            raise SplitProduct(linear)
        return found.pop()

    def _in_blocks(self, linear: Linear) -> bool:
        return not self.blocks or any(linear.module.startswith(each) for each in self.blocks)

    def _rule(self, name: str) -> tuple[Scheme | None] | None:
        names = spellings(name)
        for key, scheme in self.rules:
            if key in names or any(each.endswith(f".{key}") for each in names):
                return (scheme,)
        for key, scheme in self.rules:
            if SIGNS & set(key) and any(re.search(key, each) for each in names):
                return (scheme,)
        return None
