"""A ``config.json`` read key by key; whatever is wrong with it is said at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rackwright.errors import Fault, SpecError
from rackwright.models.classes import left_out, missing, renamed

MOST = 1_000_000_000
"""No figure of a model is larger; what is, was mistyped."""
LAYERS = ("num_hidden_layers", "num_layers", "n_layer")
HEADS = ("num_attention_heads", "n_head")
HIDDEN = ("hidden_size", "n_embd")
"""The keys of three figures that others are judged by, whatever a family calls them."""


class Config:
    """The keys of a decoder's ``config.json``. ``path`` names it in faults.

    Wrong or missing keys are noted and read as 1, so that all of them are found in one pass;
    ``settle`` then raises SpecError. ``called`` are the file's own names of keys that are
    read by others, ``assumed`` what it leaves out and the engine's class for it has.
    """

    def __init__(
        self, values: Mapping[str, Any], path: str, places: Mapping[str, str] | None = None
    ) -> None:
        """``values`` is the dict itself; ``places`` say of keys that stand elsewhere where."""
        self.values = values
        self.path = path
        self.places = places or {}
        self.faults: list[Fault] = []
        self.broken: set[str] = set()
        self.called: dict[str, str] = {}
        self.assumed: dict[str, Any] = {}

    def read_as(self, kind: str) -> None:
        """Read keys by the names and with what is left out that the class of this type has.

        What the engine's model needs and no class has is a fault.
        """
        for key in missing(self.values, kind):
            rule = f"is required: the class of {kind} has none, and vLLM 0.32 asks for it"
            self.fault(key, rule)
        self.called = renamed(self.values, kind)
        own = {key: self.values[other] for key, other in self.called.items()}
        self.assumed = left_out({**self.values, **own}, kind)
        if own or self.assumed:
            self.values = {**self.values, **own, **self.assumed}

    def fault(self, key: str, rule: str, value: object = None, by: Iterable[str] = ()) -> None:
        """Note what is wrong with ``key``, unless a key it is judged ``by`` is at fault itself."""
        if not self.broken.isdisjoint(by):
            return
        self.broken.add(key)
        path = self.places.get(key.partition(".")[0], self.path)
        if self.assumed.get(key, ...) == value:
            rule += f"; left out, it is {value}, as the class has it that the engine reads it by"
        key = self.called.get(key, key)
        self.faults.append(Fault(f"{path}.{key}" if key else path, rule, value))

    def count(self, *keys: str, default: int | None = None, most: int = MOST) -> int:
        """The first of these keys that is there: a whole number, 1 to ``most``."""
        for key in keys:
            value = self.values.get(key)
            if value is None:
                continue
            if type(value) is int and 1 <= value <= most:
                return value
            self.fault(key, f"must be a whole number, 1 to {most:,}", value)
            return 1
        if default is None:
            self.fault(keys[0], "is required")
        return default or 1

    def first(self, *keys: str) -> str:
        """Whichever of these keys is there; the first where none is."""
        return next((key for key in keys if self.values.get(key) is not None), keys[0])

    def optional(self, key: str) -> int | None:
        """A whole number, or None where the key is absent, null or 0."""
        return self.count(key) if self.values.get(key) else None

    def layer(self, key: str) -> int:
        """A layer's number, counted from 0; 0 where the key is absent or null."""
        value = self.values.get(key)
        if value is None or (type(value) is int and 0 <= value <= MOST):
            return value or 0
        self.fault(key, "must be a layer's number, from 0", value)
        return 0

    def flag(self, key: str, default: bool = False) -> bool:
        """A boolean; anything else is a fault."""
        value = self.values.get(key, default)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.fault(key, "must be true or false", value)
        return default

    def text(self, key: str, default: str = "") -> str:
        """A string; ``default`` where it is absent or null."""
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            self.fault(key, "must be a string", value)
            return default
        return value

    def names(self, key: str, length: int) -> tuple[str, ...] | None:
        """A list of one string a layer; None where the key is absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
            if len(value) == length:
                return tuple(value)
            rule = f"must have one entry for each of {length} layers"
            self.fault(key, rule, len(value), by=LAYERS)
        else:
            self.fault(key, "must be a list of names", value)
        return None

    def indexes(self, key: str) -> frozenset[int]:
        """A list of layer numbers; empty where the key is absent."""
        value = self.values.get(key)
        if value is None:
            return frozenset()
        if isinstance(value, (list, tuple)) and all(type(each) is int for each in value):
            return frozenset(value)
        self.fault(key, "must be a list of layer numbers", value)
        return frozenset()

    def inside(self, key: str) -> Config:
        """The dict under ``key``; what is wrong with it is noted here. Empty where it is none."""
        value = self.values.get(key)
        if not isinstance(value, Mapping):
            self.fault(key, "must be a dict", value)
            return Config({}, f"{self.path}.{key}")  # what it lacks besides is no fault more
        inner = Config(value, f"{self.path}.{key}")
        inner.faults, inner.broken = self.faults, self.broken
        return inner

    def settle(self) -> None:
        """Raise SpecError with every fault noted; nothing where there is none."""
        if self.faults:
            raise SpecError(self.faults)
