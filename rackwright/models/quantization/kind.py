"""A quantization: its method, how products are held, and which of them."""

from __future__ import annotations

from dataclasses import dataclass

from rackwright.models.quantization.choices import EVERY, Choice, Experts
from rackwright.models.quantization.names import Linear
from rackwright.models.quantization.scheme import FP8, INT8_ROWS, MXFP4, Scheme, in_groups


@dataclass(frozen=True)
class Quantization:
    """``method`` is vLLM's name of it; ``usual`` how most products are held.

    ``choice`` says which are, and which in another way. ``kv_cache`` is the dtype that the
    checkpoint asks of the KV cache. ``online``: made while loading, by the engine's flag.
    """

    method: str
    usual: Scheme
    choice: Choice = EVERY
    kv_cache: str | None = None
    online: bool = False

    @property
    def compute(self) -> str:
        """The dtype products run in on hardware that has it."""
        return self.usual.compute

    def scheme(self, linear: Linear) -> Scheme | None:
        """How this product is held; None where it stays in the model's dtype.

        Raises ValueError where the engine would end: products it merges are not alike.
        """
        found = self.choice.scheme(linear, self.usual)
        return found.for_experts() if found and linear.routed else found


NAMED = {
    "fp8": Quantization("fp8", FP8, online=True),
    "int8": Quantization("compressed-tensors", INT8_ROWS),
    "awq": Quantization("awq", in_groups(4, 128, zeros=True)),
    "gptq": Quantization("gptq", in_groups(4, 128)),
    "mxfp4": Quantization("mxfp4", MXFP4, Experts()),
}
"""Quantizations by the names an operator gives, in their usual form."""
