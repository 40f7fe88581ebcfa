"""Which layers each GPU has of a model that llama.cpp deals out, and how it is told so.

`--tensor-split` are proportions, of which llama.cpp makes float32 shares of layers and output head,
the head being one layer more behind the last. Told whole numbers of layers, it deals just those.
Source: ``load_tensors`` in src/llama-model.cpp (``get_layer_buft_list``), the same in b10434 and
b11434. What is kept of a request lies on the GPU of its layer (src/llama-kv-cache.cpp).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from struct import pack, unpack
from typing import NamedTuple

from rackwright.sizing.vram import GpuMemory


class Dealt(NamedTuple):
    """What one GPU has: layers from ``first`` up to ``end``, maybe the output ``head``, and memory.

    ``share`` is what llama.cpp is told of it.
    """

    share: int
    first: int
    end: int
    head: bool
    memory: GpuMemory


def fullest(dealt: Iterable[Dealt]) -> GpuMemory:
    """Memory of the GPU that holds the fewest slots, or has the least left."""
    memories = (one.memory for one in dealt)
    return min(memories, key=lambda memory: (memory.sequences, memory.free_bytes))


def dealt_layers(shares: Sequence[int], layers: int) -> list[range]:
    """The layers of each GPU as llama.cpp deals them; the output head is with the last of them."""
    whole, items = sum(shares), layers + 1
    ends = [_float32(end / whole) for end in accumulate(shares)]
    owners = [bisect_right(ends, _float32(item / items)) for item in range(items)]
    starts = [bisect_right(owners, gpu - 1) for gpu in range(len(shares))]
    stops = [bisect_right(owners, gpu) for gpu in range(len(shares))]
    return [range(min(a, layers), min(b, layers)) for a, b in zip(starts, stops, strict=True)]


def _float32(value: float) -> float:
    """As a C ``float``. A quotient of floats that is rounded twice is the one rounded once."""
    return float(unpack("<f", pack("<f", value))[0])


def fitted_shares(costs: Sequence[int], rooms: Sequence[int]) -> tuple[int, ...]:
    """Whole layers for each GPU, so that the fullest has as small a part of its room as can be.

    ``costs`` are bytes of each layer in order and of the head behind them, ``rooms`` what each GPU
    has for these, above 0. Every GPU gets one at least; whether all fit is for who asks to judge.
    """
    sums = [0, *accumulate(costs)]
    # By layers that are dealt: how full the fullest GPU is so far, and how many each of them has.
    worst: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for gpu, room in enumerate(rooms):
        later = len(rooms) - 1 - gpu
        ends = range(gpu + 1, len(costs) - later + 1) if later else (len(costs),)
        worst = {
            end: min(
                (max(full, (sums[end] - sums[start]) / room), (*counts, end - start))
                for start, (full, counts) in worst.items()
                if start < end
            )
            for end in ends
        }
    return worst[len(costs)][1]
