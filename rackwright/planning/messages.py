"""What the ranks of a stage say to one another in a step, and how long that takes."""

from __future__ import annotations

from typing import NamedTuple

from rackwright.catalog import Link
from rackwright.models import DTYPE_BYTES, Shape
from rackwright.planning.work import Work
from rackwright.sizing import Split

CAPTURED_TOKENS = 512
"""Steps of more tokens run outside CUDA graphs (vLLM's largest capture size)."""
LSE_BYTES = 4
"""Of a head's attention, what it is weighed by against the other ranks' parts."""


class Wires(NamedTuple):
    """What the ranks of a stage talk over, and what pipeline stages do; None for one GPU."""

    ranks: Link | None = None
    stages: Link | None = None


class Sent(NamedTuple):
    """Tokens of a step: of a data parallel group, of all of them, and of the first those that look
    back at a KV cache. The rest are prompts, of which nothing is kept yet.
    """

    own: int
    all: int
    looking_back: int


def messages_s(shape: Shape, split: Split, link: Link | None, work: Work, sent: Sent) -> float:
    """Seconds that one stage's ranks wait for one another."""
    if link is None:
        return 0.0
    us = _sums_us(shape, split, link, work, sent)
    if split.data > 1:
        us += work.expert_layers * _dealing_us(shape, split, link, sent)
    if split.context > 1:
        us += work.latent_layers * _joining_us(shape, split, link, sent.looking_back)
    return us * 1e-6


def _sums_us(shape: Shape, split: Split, link: Link, work: Work, sent: Sent) -> float:
    """Two all-reduces of the hidden states a layer (Megatron-LM, arXiv:1909.08053).

    Data parallel groups have none behind experts: what comes back from there is summed up.
    """
    size = sent.own * shape.hidden_size * DTYPE_BYTES[shape.dtype]
    sums = 2 * work.layers - (work.expert_layers if split.data > 1 else 0)
    return sums * link.all_reduce_us(size, split.tensor, sent.own <= CAPTURED_TOKENS)


def _dealing_us(shape: Shape, split: Split, link: Link, sent: Sent) -> float:
    """A layer's experts are given the tokens of all groups, and sum up what goes back to each.

    Ranks of one group share its tokens before, and have all of them again behind. Source: the
    backend allgather_reducescatter, which is vLLM's default (all2all_backend in
    vllm/config/parallel.py, AgRsAll2AllManager in distributed/device_communicators/all2all.py,
    0.32).
    """
    token = shape.hidden_size * DTYPE_BYTES[shape.dtype]
    dealt = 2 * link.gather_us(sent.all * token, split.expert_ranks)
    return dealt + link.gather_us(sent.own * token, split.tensor)


def _joining_us(shape: Shape, split: Split, link: Link, tokens: int) -> float:
    """A layer's heads of all ranks look at each rank's part of the KV cache.

    Queries are gathered, then what each head found is weighed and summed up, each rank keeping its
    own heads (MLADCPManager and cp_lse_ag_out_rs in vllm/v1/attention/ops/dcp.py, 0.32).
    """
    if not tokens:
        return 0.0
    wide = max(layer.kv.elements for layer in shape.kinds) * DTYPE_BYTES[shape.dtype]
    heads = tokens * shape.heads * split.context // split.tensor
    weights = split.context * heads * LSE_BYTES
    sizes = (heads * wide, weights, heads * wide)
    return sum(link.gather_us(size, split.context) for size in sizes)
