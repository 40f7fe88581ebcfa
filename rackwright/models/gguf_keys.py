"""Metadata of a GGUF file by the keys of its architecture, with every fault at once."""

from __future__ import annotations

from typing import Any

from rackwright.errors import Fault, SpecError
from rackwright.models.gguf_header import GgufHeader

MOST = 2**31
"""No figure of an architecture is larger; llama.cpp reads 32 bits."""


class Keys:
    """``metadata`` under ``general.architecture``; what is wrong is kept until ``settle``."""

    def __init__(self, header: GgufHeader) -> None:
        """Raises SpecError where the file does not say what it is, or is only a projector."""
        self._header, self._faults = header, list[Fault]()
        named = header.metadata.get("general.architecture")
        if not isinstance(named, str) or not named:
            raise SpecError([Fault(str(header.path), "says no general.architecture")])
        if named == "clip":
            rule = "is a projector of images or sound (mmproj): name the file of the model"
            raise SpecError([Fault(str(header.path), rule)])
        self.architecture = named

    def has(self, start: str) -> bool:
        """Whether there is any key of this name, or below it."""
        begins = f"{self.architecture}.{start}"
        return any(key.startswith(begins) for key in self._header.metadata)

    def raw(self, key: str) -> Any:
        """The value as it stands; None where there is none."""
        return self._header.metadata.get(f"{self.architecture}.{key}")

    def count(self, key: str) -> int:
        """A required figure above 0."""
        value = self.raw(key)
        if not _is_count(value) or value == 0:
            self.fault(key, "is required, a number above 0", value)
            return 1
        return int(value)

    def number(self, key: str, usual: int) -> int:
        """A figure that may be left out."""
        value = self.raw(key)
        if value is None:
            return usual
        if not _is_count(value):
            self.fault(key, "must be a number, not below 0", value)
            return usual
        return int(value)

    def first(self, key: str) -> int:
        """The largest of a list of layers, or the one of all."""
        value = self.raw(key)
        if isinstance(value, list):
            return max((int(item) for item in value if _is_count(item)), default=0)
        return self.number(key, 0)

    def each(self, key: str, layers: int, usual: int) -> list[int]:
        """A figure of each layer: one for all, or a list (llama.cpp's ``get_key_or_arr``)."""
        value = self.raw(key)
        if not isinstance(value, list):
            return [self.number(key, usual)] * layers
        if len(value) < layers or not all(_is_count(item) or item is False for item in value):
            self.fault(key, f"must be a number, or one of each of {layers} layers", value)
            return [usual] * layers
        return [int(item) for item in value[:layers]]

    @property
    def key_length(self) -> int:
        """Elements of a head's key: as it says, else the hidden size by the heads."""
        return self.number("attention.key_length", self._by_heads())

    @property
    def value_length(self) -> int:
        """Elements of a head's value, likewise."""
        return self.number("attention.value_length", self._by_heads())

    def _by_heads(self) -> int:
        heads = self.first("attention.head_count")
        return self.number("embedding_length", 0) // heads if heads else 0

    def fault(self, key: str, rule: str, value: Any = None) -> None:
        """One thing that is wrong with the file."""
        path = f"{self._header.path}: {self.architecture}.{key}"
        self._faults.append(Fault(path, rule, value))

    def settle(self) -> None:
        """Raises SpecError with all that was found."""
        if self._faults:
            raise SpecError([*dict.fromkeys(self._faults)])


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= MOST
