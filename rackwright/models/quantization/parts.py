"""Exceptions by parts of names: AWQ's, and ModelOpt's with wildcards."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from rackwright.models.quantization.lists import Names, all_alike
from rackwright.models.quantization.names import Linear, usual_name


class Substrings(Names):
    """AWQ's: a module stays whose name has one of these anywhere (match_mode, auto_awq.py)."""

    def have(self, name: str) -> bool:
        """Whether one of them is in it."""
        return any(each in name for each in self.parts)

    def have_linear(self, linear: Linear) -> bool:
        """Experts are one module: ``gate`` means the router, not their gate_proj."""
        return self.have(linear.module) if linear.routed else super().have_linear(linear)


class Wildcards(Names):
    """ModelOpt's: exact, then anywhere in the name, then with wildcards (is_layer_excluded).

    Source: ModelOptQuantConfigBase in quantization/modelopt.py. A star at the end of a word stands
    for the module and all inside it (apply_vllm_mapper, the same place).
    """

    def __init__(self, names: Iterable[str]) -> None:
        """``names`` as ``exclude_modules`` or ``ignore`` has them."""
        listed = tuple(names)
        ended = [each for each in listed if len(each) > 1 and each[-1] == "*" and each[-2] != "."]
        plain = [each for each in listed if each not in set(ended)]
        super().__init__([*plain, *(each[:-1] for each in ended)])
        starred = [*(each for each in plain if "*" in each), *(f"{each[:-1]}.*" for each in ended)]
        self._wild = tuple(dict.fromkeys(map(usual_name, starred)))

    def have_linear(self, linear: Linear) -> bool:
        """Shards count by their whole names only, the merged product in every way."""
        if linear.module in self.exact or self._shards(linear):
            return True
        if any(each in linear.module for each in self.parts):
            return True
        return any(fnmatchcase(linear.module, each) for each in self._wild)

    def _shards(self, linear: Linear) -> bool:
        if linear.routed:
            return any("experts" in each and linear.module in each for each in self.exact)
        return all_alike(linear, self.exact.__contains__)
