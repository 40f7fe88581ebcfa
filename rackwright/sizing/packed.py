"""The KV cache of layers that keep several things, each in blocks of its own bytes.

Caches with blocks of equal tokens and one window are a bucket, and a bucket of mixed pages stays
whole. Where such a bucket has as many of every page, buckets that have so too are dealt to groups
about as large. What a request has one block of, and windows where nothing is dealt so, is dealt to
groups that fit into the block that the others need. One block of the pool holds the widest group:
so it is for layouts whose blocks lie outermost, as the indexer of DeepSeek V4 asks. Source:
_get_packed_kv_cache_groups and _get_kv_cache_bytes_per_block in vllm/v1/core/kv_cache_utils.py,
0.32.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from rackwright.models import Shape
from rackwright.sizing.split import Limits, Split, stage_range


class Bucket(NamedTuple):
    """Caches that need as many blocks as one another: for each page's bytes, their layers."""

    tokens: int
    window: int | None
    once: bool
    layers: dict[int, list[int]]

    @property
    def most(self) -> int:
        """Layers of the page that most have."""
        return max(map(len, self.layers.values()))

    @property
    def balanced(self) -> bool:
        """Whether as many layers have each of its pages."""
        return len({len(layers) for layers in self.layers.values()}) == 1

    @property
    def caches(self) -> int:
        """Caches in it."""
        return sum(map(len, self.layers.values()))

    def widest(self, groups: int) -> int:
        """Bytes of the largest of so many groups."""
        return sum(-(-len(layers) // groups) * size for size, layers in self.layers.items())


def is_packed(shape: Shape) -> bool:
    """Whether its layers keep several things."""
    return any(layer.kv.pages for layer in shape.kinds)


def packed_block_bytes(shape: Shape, split: Split, stage: int) -> int:
    """Bytes of one block of a stage: the pages of its widest group."""
    own = stage_range(len(shape.layers), split.pipeline, stage)
    widest = 1
    for bucket, groups in _dealt(shape):
        for group in range(groups):
            pages = bucket.layers.items()
            held = (size * sum(i in own for i in layers[group::groups]) for size, layers in pages)
            widest = max(widest, sum(held))
    return widest


def packed_blocks(shape: Shape, split: Split, limits: Limits, tokens: int) -> int:
    """Blocks that one request of so many tokens holds at most, of all groups.

    A windowed group keeps its window and what is in flight, and begins inside a block
    (SlidingWindowSpec.max_admission_blocks_per_request in vllm/v1/kv_cache_interface.py).
    """
    in_flight = (split.pipeline + 1) * limits.max_num_batched_tokens
    needed = 0
    for bucket, groups in _dealt(shape):
        if bucket.once:
            needed += groups
            continue
        kept, begun = tokens, 0
        if bucket.window:
            kept, begun = min(bucket.window - 1 + in_flight, tokens), 1
        needed += groups * (-(-kept // bucket.tokens) + begun)
    return needed


@lru_cache(maxsize=1024)
def _dealt(shape: Shape) -> tuple[tuple[Bucket, int], ...]:
    """Every bucket, and how many groups it is dealt to."""
    found = _buckets(shape)
    if len({size for bucket in found for size in bucket.layers}) == 1:
        return tuple((bucket, 1) for bucket in found)
    even = [bucket for bucket in found if bucket.balanced]
    least = max((bucket.most for bucket in even if len(bucket.layers) > 1), default=0)
    repeats = _chunk([bucket.most for bucket in even], least) if least else 0
    dealt = [(bucket, _groups(bucket, repeats)) for bucket in found]
    room = max(
        bucket.widest(bucket.caches if _is_state(bucket, repeats) else groups)
        for bucket, groups in dealt
    )
    return tuple(
        (bucket, _fitting(bucket, groups, room) if _is_state(bucket, repeats) else groups)
        for bucket, groups in dealt
    )


def _is_state(bucket: Bucket, repeats: int) -> bool:
    """Whether it may be dealt to as many groups as it has caches."""
    return bucket.once or bool(bucket.window and not repeats)


def _groups(bucket: Bucket, repeats: int) -> int:
    return -(-bucket.most // repeats) if bucket.balanced and repeats else 1


def _fitting(bucket: Bucket, groups: int, room: int) -> int:
    """Groups of such a bucket so that none is wider than the block of the others."""
    each = max(room // next(iter(bucket.layers)), 1)
    return max(groups, -(-bucket.caches // each))


def _buckets(shape: Shape) -> list[Bucket]:
    made: dict[tuple[int, int | None, bool], dict[int, list[int]]] = {}
    numbered = ((i, page) for i, layer in enumerate(shape.layers) for page in layer.kv.pages)
    for layer, page in numbered:
        key = page.tokens, page.window, page.once
        made.setdefault(key, defaultdict(list))[page.size_bytes].append(layer)
    return [Bucket(*key, pages) for key, pages in made.items()]


def _chunk(counts: Sequence[int], least: int) -> int:
    """The size of groups that leaves the fewest places empty, the larger where two do."""
    sizes = range(least, max(chain(counts, (least,))) + 1)
    return min(sizes, key=lambda size: (sum(-count % size for count in counts), -size))
