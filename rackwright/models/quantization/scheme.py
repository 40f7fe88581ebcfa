"""How the weights of one product are held: bits an element, scales beside them, what must be whole.

Sizes of scales are the formats' own: NVFP4 a byte (e4m3) for 16 elements and three float32 a
tensor, MXFP4 and MXFP8 a byte (e8m0) for 32 (OCP Microscaling Formats v1.0), FP8 a float32 a
tensor, a row, or a block. Whole numbers with zeros keep a 16-bit scale and a packed zero a group,
and the zeros a second time in 16 bits for Hopper's kernel of single products, which takes groups of
64 and 128 and none (qwen2.5-32b-awq of tests/data/h200x1; MacheteLinearKernel and
quantization/utils/machete_utils.py, 0.32). Kernels for experts take the packed ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import lcm


@dataclass(frozen=True, slots=True)
class Scheme:
    """``bits`` an element; ``scale_bytes`` for each ``group`` elements of ``group_rows`` rows.

    ``row_bytes`` stand beside each row of outputs, ``tensor_bytes`` beside the matrix. ``compute``
    is the dtype that products run in on hardware that has it. What a rank holds of the inputs must
    be a multiple of ``inputs``, of the outputs one of ``outputs``, where ``merged`` also of each
    product that the engine makes one of several; an expert's width one of ``widths``. Of
    ``scale_bytes`` experts do without ``again``.
    """

    bits: int
    group: int = 0
    scale_bytes: float = 0.0
    group_rows: int = 1
    row_bytes: int = 0
    tensor_bytes: int = 0
    compute: str = "bf16"
    inputs: int = 1
    outputs: int = 1
    widths: int = 1
    merged: bool = False
    again: float = 0.0

    def for_experts(self) -> Scheme:
        """The same for routed experts, whose kernels keep zeros once."""
        if not self.again:
            return self
        return replace(self, scale_bytes=self.scale_bytes - self.again, again=0.0)

    def bytes_of(self, rows: int, columns: int) -> int:
        """Bytes of a matrix of so many outputs and inputs, with its scales."""
        groups = -(-columns // self.group) * -(-rows // self.group_rows) if self.group else 0
        beside = round(groups * self.scale_bytes) + rows * self.row_bytes + self.tensor_bytes
        return rows * columns * self.bits // 8 + beside


SCALE_BYTES = 2.0
AGAIN_BYTES = 2.0
HOPPER_GROUPS = (0, 64, 128)
"""Groups for which zeros are kept again."""


def in_groups(bits: int, group: int, zeros: bool = False) -> Scheme:
    """Whole numbers with a scale for each ``group`` inputs of an output; 0: for all of them.

    A rank must hold whole groups: verify_group_size_divides_partition (vllm/distributed/utils.py),
    check_marlin_supports_layer (quantization/utils/marlin_utils.py, 0.32).
    """
    again = AGAIN_BYTES if zeros and group in HOPPER_GROUPS else 0.0
    beside = SCALE_BYTES + (bits / 8 + again if zeros else 0.0)
    if not group:
        return Scheme(bits, row_bytes=int(beside))
    return Scheme(bits, group, beside, inputs=group, widths=group, again=again)


def fp8_blocks(rows: int, columns: int, merged: bool = False, compute: str = "fp8") -> Scheme:
    """FP8 with a float32 scale a block.

    What ranks must hold: validate_fp8_block_shape and validate_fp8_block_shape_moe
    (quantization/utils/fp8_utils.py). Products that the engine merges are let through where the
    method is ``fp8`` itself (_maybe_allow_fp8_block_shape_mismatch, layers/linear.py), not where it
    is compressed-tensors: ``merged``.
    """
    return Scheme(
        8,
        columns,
        4.0,
        rows,
        compute=compute,
        inputs=columns,
        outputs=rows,
        widths=lcm(rows, columns),
        merged=merged,
    )


FP8 = Scheme(8, tensor_bytes=4, compute="fp8")
"""A scale for the whole tensor."""
FP8_STATIC = Scheme(8, tensor_bytes=8, compute="fp8")
"""One more for what goes in."""
FP8_ROWS = Scheme(8, row_bytes=4, compute="fp8")
INT8_ROWS = Scheme(8, row_bytes=4, compute="int8")
NVFP4 = Scheme(4, 16, 1.0, tensor_bytes=12, inputs=16, widths=16)
MXFP4 = Scheme(4, 32, 1.0)
"""The engine pads its widths itself (fused_moe/oracle/mxfp4.py), so it may be cut anywhere."""
MXFP4_GROUPS = Scheme(4, 32, 1.0, inputs=32, widths=32)
"""The same where nothing is padded: of compressed-tensors and AutoRound."""
MXFP6 = Scheme(6, 32, 1.0, inputs=32, widths=32)
MXFP8 = Scheme(8, 32, 1.0, inputs=32, widths=32)
