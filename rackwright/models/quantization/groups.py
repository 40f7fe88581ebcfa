"""Products in groups with a scheme each: compressed-tensors, ModelOpt's mixed precision."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rackwright.models.quantization.lists import NONE, Names, SplitProduct
from rackwright.models.quantization.names import Linear
from rackwright.models.quantization.scheme import Scheme

CLASSES = (
    "columnparallellinear mergedcolumnparallellinear qkvparallellinear rowparallellinear "
    "replicatedlinear"
)
"""What the engine's products are called, in small letters; a target names a class by part of it."""


@dataclass(frozen=True)
class Groups:
    """compressed-tensors' ``config_groups``: names and patterns before classes, groups in order.

    Source: find_matched_target in compressed_tensors/utils.py and get_moe_method in
    compressed_tensors_moe.py: experts go by the names of the first one's products.
    """

    groups: tuple[tuple[tuple[str, ...], Names, Scheme], ...]
    ignored: Names = NONE

    def scheme(self, linear: Linear, usual: Scheme) -> Scheme | None:
        """That of the target that matches first; none where none does."""
        if self._ignored(linear):
            return None
        for _, names, scheme in self.groups:
            if not linear.routed and names.have(linear.module):
                return scheme
        for _, names, scheme in self.groups:
            if all(names.have(shard) for shard in linear.shards):
                return scheme
        for targets, _, scheme in self.groups:
            if any(_is_class(target, linear) for target in targets):
                return scheme
        return None

    def _ignored(self, linear: Linear) -> bool:
        if not linear.routed:
            return self.ignored.have_linear(linear)
        said = {self.ignored.have(shard) for shard in linear.shards}
        if len(said) > 1:
            raise SplitProduct(linear)
        return said.pop()


def _is_class(target: str, linear: Linear) -> bool:
    """Experts are targeted as ``Linear`` is, or by their own class; the head by neither."""
    small = target.lower()
    if linear.routed:
        return target == "Linear" or small in "routedexperts"
    return small in ("parallellmhead" if linear.head else CLASSES)


@dataclass(frozen=True)
class Listed:
    """ModelOpt's mixed precision: only what ``quantized_layers`` names, each in its own way.

    Source: _resolve_quant_algo of ModelOptMixedPrecisionConfig, quantization/modelopt.py.
    """

    layers: tuple[tuple[str, Scheme], ...]
    kept: Names = NONE

    def scheme(self, linear: Linear, usual: Scheme) -> Scheme | None:
        """By its name, those of its shards, or for experts any below or beside them."""
        if self.kept.have_linear(linear):
            return None
        if linear.module in self._named:
            return self._named[linear.module]
        found = {self._named[shard] for shard in linear.shards if shard in self._named}
        if len(found) > 1:
            raise SplitProduct(linear)
        if found or not linear.routed:
            return next(iter(found), None)
        above = linear.module.removesuffix(".experts")
        return self._below.get(linear.module) or self._below.get(above)

    @cached_property
    def _named(self) -> dict[str, Scheme]:
        return dict(self.layers)

    @cached_property
    def _below(self) -> dict[str, Scheme]:
        """For every module that holds some of them, how the first one is held."""
        found: dict[str, Scheme] = {}
        for name, scheme in self.layers:
            while name:
                name = name.rpartition(".")[0]
                found.setdefault(name, scheme)
        return found
