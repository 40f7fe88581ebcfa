"""What tensor parallelism does to a tensor, by the name that checkpoints have for it.

The names are those of transformers and of common remote code; the rules those of vLLM's parallel
layers (model_executor/layers/linear.py, 0.32): what reads hidden states splits by rows, what writes
them by columns, keys and values as far as there are KV heads, latent projections not at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rackwright.models.config import Config
from rackwright.models.shape import Sharding, Tensor
from rackwright.models.tensors.headers import HeldTensor
from rackwright.models.tensors.loaded import TOWER, held_bytes

_START = r"(?:^|\.)(?:"
ATTENTION = re.compile(
    _START + r"k_proj|v_proj|kv_proj|wk|wv|key|value|w?qkv\w*|Wqkv|kv_[ab]_proj\w*|wkv_\w"
    r"|query_key_value|c_attn|query|wq_\w)\."
)
"""A layer that keeps something of each token has one of them."""
STATE = re.compile(r"(?:^|\.)(?:A_log|dt_bias|conv1d|ssm\w*|mamba\w*|short_conv|conv)(?:\.|$)")
"""One that keeps something of each request."""
KEYS = re.compile(r"(?:self_attn|attn|attention|self)\.(?:[kv]_proj|w[kv]|key|value)\.weight$")
"""Whose rows are what attention keeps of a token; packed weights are called otherwise."""
_KEYS = re.compile(_START + r"k_proj|v_proj|kv_proj|key|value|wk|wv)\.")
_WHOLE = re.compile(
    _START + r"q_a_proj|kv_a_proj\w*|wq_a|wkv_a|fused_qkv_a_proj\w*|gate|router|\w*norm\w*)\."
)
_DIVIDED = re.compile(
    _START + r"\w*proj\w*|w?qkv\w*|Wqkv|query|w[qo]\w*|Wi|Wo|w[123]|fc\w*|c_attn|c_fc|dense\w*"
    r"|query_key_value|conv1d|feed_forward|up|down|out|in)\."
    r"|(?:^|\.)(?:A_log|dt_bias|D)$"
)
_ROUTED = re.compile(r"(?:^|\.)experts\.")
_LAST = re.compile(r"(?:^|\.)(?:norm|ln_f|final_norm|final_layer_?norm)\.(?:weight|bias)$")
_HALVED = ("BF16", "F16")

_STATES = ("mamba_d_state", "ssm_state_size", "state_size", "d_state", "linear_key_head_dim")
_USUAL_STATE, _STATE_ELEMENT_BYTES = 128, 4


def state_bytes(held: Sequence[HeldTensor], config: Config) -> int:
    """What a layer without attention keeps of a request: for each of its channels a state.

    Channels are what its ``out_proj`` reads, states float32; beside them what a convolution has yet
    to see. 0 where it has neither: an MLP alone.
    """
    if not any(STATE.search(tensor.name) for tensor in held):
        return 0
    states = next((config.count(key) for key in _STATES if config.values.get(key)), _USUAL_STATE)
    out = (t for t in held if re.search(r"(?:out_proj|o_proj)\.weight$", t.name))
    channels = max((one.shape[-1] for one in out if len(one.shape) == 2), default=0)
    seen = max((t.elements for t in held if re.search(r"conv\w*\.weight$", t.name)), default=0)
    return channels * states * _STATE_ELEMENT_BYTES + 2 * seen


def is_routed(tensor: HeldTensor) -> bool:
    """Whether it is of the experts that a router chooses from."""
    return bool(_ROUTED.search(tensor.name)) and not TOWER.search(tensor.name)


def is_last(tensor: HeldTensor) -> bool:
    """Whether it is the norm behind all layers, which the last stage has."""
    return bool(_LAST.search(tensor.name)) and not TOWER.search(tensor.name)


def as_tensor(tensor: HeldTensor) -> Tensor:
    """A tensor as sizing takes it: of so many bytes once loaded, divided as its name says."""
    rows, columns = _form(tensor)
    plain = tensor.dtype in _HALVED or held_bytes(tensor) != tensor.total_bytes
    sharding, copies, dtype = _sharding(tensor), tensor.copies, None if plain else "fp8"
    if sharding is Sharding.EXPERTS and copies == 1 and len(tensor.shape) == 3:
        copies, rows = tensor.shape[0], max(1, rows // max(1, tensor.shape[0]))
    return Tensor(tensor.name, rows, columns, sharding, copies, dtype=dtype)


def _form(tensor: HeldTensor) -> tuple[int, int]:
    """Rows and columns of one copy: elements of two bytes, else bytes."""
    whole = held_bytes(tensor) // max(1, tensor.copies)
    plain = tensor.dtype in _HALVED or held_bytes(tensor) != tensor.total_bytes
    count = tensor.elements if plain else whole
    rows = tensor.shape[0] if tensor.shape else 1
    if len(tensor.shape) == 3:
        rows *= tensor.shape[1]
    return (rows, count // rows) if rows and count % rows == 0 else (count, 1)


def _sharding(tensor: HeldTensor) -> Sharding:
    name = tensor.name
    if TOWER.search(name) or tensor.elements <= 1:
        return Sharding.REPLICATED
    if is_routed(tensor):
        return Sharding.EXPERTS
    if _WHOLE.search(name):
        return Sharding.REPLICATED
    if _KEYS.search(name):
        return Sharding.KV_HEADS
    return Sharding.RANKS if _DIVIDED.search(name) else Sharding.REPLICATED
