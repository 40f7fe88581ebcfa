"""What of a model's files an engine loads: not layers for drafts, not what it makes itself.

Sources: the weight loaders of vLLM 0.32 skip ``rotary_emb.inv_freq``, masks and position ids
(models/utils.py, model_executor/models), layers beyond ``num_hidden_layers`` and ``mtp``
(get_spec_layer_idx_from_weight_name), and a head that is tied (``tie_word_embeddings``); weights in
float32 take the model's own dtype.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rackwright.models.tensors.headers import HeldTensor

LAYER = re.compile(r"(?:^|\.)(?:layers|layer|blocks|block|h)\.(\d+)\.")
TOWER = re.compile(
    r"(?:^|\.)(?:visual|vision\w*|vit|img_processor|image_newline|audio\w*|speech\w*|sound\w*"
    r"|whisper\w*|multi_modal\w*|mm_(?!whisper_embeddings\.tok_embeddings)\w+|mlp1|embed_vision|embed_audio|patch_merger|merger"
    r"|connector|aligner|image_\w+|view_seperator|vae\w*|talker|code2wav|token2wav)\."
)
"""Names of what sees, hears or speaks, as checkpoints have them; Voxtral has its words there."""
_DRAFTS = re.compile(r"(?:^|\.)(?:mtp\w*|nextn\w*|eagle\w*|medusa\w*|draft\w*)\.")
_MADE = re.compile(r"(?:^|[._])(?:inv_freq|position_ids|masked_bias|cos_cached|sin_cached)$")
HEAD = re.compile(r"(?:^|\.)(?:lm_head|embed_out|output)\.weight$")
TABLE = re.compile(r"(?:^|\.)(?:embed_tokens|wte|word_embeddings|tok_embeddings|embed_in)\.weight$")


def layer_of(name: str) -> int | None:
    """The number of the layer that a tensor of the text model is of; None beside the layers."""
    found = None if TOWER.search(name) else LAYER.search(name)
    return int(found[1]) if found else None


def loaded(tensors: Iterable[HeldTensor], layers: int, tied: bool) -> Iterator[HeldTensor]:
    """The tensors that an engine loads of a model with so many layers, drafts left out."""
    held = list(tensors)
    has_table = any(TABLE.search(tensor.name) for tensor in held)
    for tensor in held:
        number = layer_of(tensor.name)
        drafted = _DRAFTS.search(tensor.name) or (number is not None and number >= layers)
        mask = tensor.name.endswith("attn.bias") and len(tensor.shape) == 4
        second = tied and has_table and HEAD.search(tensor.name) and not TOWER.search(tensor.name)
        if not (drafted or mask or second or _MADE.search(tensor.name)):
            yield tensor


def text_half(tensors: Iterable[HeldTensor]) -> Iterator[HeldTensor]:
    """Those of the text model inside one that sees or hears."""
    return (tensor for tensor in tensors if not TOWER.search(tensor.name))


def held_bytes(tensor: HeldTensor, dtype_bytes: int = 2) -> int:
    """Bytes of all copies once loaded: float32 weights take ``dtype_bytes`` an element."""
    if tensor.dtype in ("F32", "F64") and tensor.name.endswith((".weight", ".bias")):
        return tensor.elements * tensor.copies * dtype_bytes
    return tensor.total_bytes
