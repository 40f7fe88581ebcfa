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

JOINED_LAYER_US = 26
"""Of a layer whose ranks join what they found in their parts of the cache, beside what they send:
the kernels that weigh and sum it. Rows: DeepSeek V2-Lite on two H100 took 45 us a layer more with
decode context parallel 2 than without it, at one request; its three gathers are 19 of them."""
JOINED_PROMPTS_US = 30_000
"""Of a step that reads prompts where tokens are dealt over ranks. The same rows: 34 ms for 512
tokens, 24 a step of 8,192. Nothing is joined there, and what takes it was not found: whether it
grows with the layers is not known."""


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
        us += _joined_us(shape, split, link, work, sent)
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


def _joined_us(shape: Shape, split: Split, link: Link, work: Work, sent: Sent) -> float:
    """In each layer the heads of all ranks look at each rank's part of the KV cache.

    Queries are gathered, then what each head found is weighed and summed up, each rank keeping its
    own heads (MLADCPManager and cp_lse_ag_out_rs in vllm/v1/attention/ops/dcp.py, 0.32).
    """
    if not sent.looking_back:
        return JOINED_PROMPTS_US
    wide = max(layer.kv.elements for layer in shape.kinds) * DTYPE_BYTES[shape.dtype]
    heads = sent.looking_back * shape.heads * split.context // split.tensor
    weights = split.context * heads * LSE_BYTES
    sizes = (heads * wide, weights, heads * wide)
    gathers = sum(link.gather_us(size, split.context) for size in sizes)
    return work.latent_layers * (gathers + JOINED_LAYER_US)
