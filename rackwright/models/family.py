"""What sets one decoder family apart from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

MlpKind = Literal["gated", "plain"]
Answer = Literal[
    "",
    "pooled",
    "classified",
    "labelled",
    "headed",
    "scored",
    "score",
    "rewarded",
    "judged",
    "masked",
    "worded",
    "threefold",
    "projected",
    "valued",
    "ranked",
]
Windows = Literal["", "all", "alternate", "pattern", "from_first", "upper", "chunks"]


class Projection(NamedTuple):
    """What makes a vector of each token: a product, or two where it ``narrows`` by half before.

    ``keys`` say how many numbers a vector has, the first that is there; else there are ``usual``.
    Without either the engine looks at the files: ``guessed`` many are counted.
    """

    keys: tuple[str, ...] = ()
    usual: int = 0
    guessed: int = 0
    bias: bool = False
    narrows: bool = False


@dataclass(frozen=True)
class Family:
    """How the layers of an architecture are built, where ``config.json`` does not say.

    Attention: ``qkv_bias`` and ``output_bias`` name the default of ``bias_key``; ``qk_norm``
    is the width of query and key norms: one head, or all heads. ``windows`` says which layers look
    back ``sliding_window`` tokens only, where ``layer_types`` does not: all, every second one from
    the first, all but each ``pattern``-th (or the first and each ``pattern``-th from there), those
    from ``max_window_layers`` on, or all but each fourth, in chunks of ``attention_chunk_size``.
    ``linear`` models have linear attention where not every ``full_attention_interval``-th layer;
    ``gated_query`` doubles queries by a gate on the output. ``indexer``: a small attention of its
    own picks the tokens that ``latent`` attention sees. ``positions`` is a table of them instead of
    rotations, with ``positions_skip`` rows that no token uses; ``types`` and ``embedding_norm``
    stand beside it.

    Norms and MLP: ``norms`` a layer are of hidden size, and with ``norm_bias`` they also shift.
    ``mlp_width`` is the key of an MLP's width, ``mlp_times`` the hidden size where it is left out;
    ``mlp_bias`` names the default of that key, ``activation`` is how many figures of its own an
    activation has.

    Experts: ``experts``, ``active``, ``expert_width`` are their keys, ``shared_gate`` is a gate on
    the shared one. ``experts_beside`` an MLP that every token passes, in models that may have none;
    of those that ``may_be_dense`` whole models are.
    ``padded_experts`` have widths that kernels pad; of those with a ``least_width`` a rank holds
    so much at least.

    The whole: ``headless`` models answer with a vector, or a score by their ``answer``, or with a
    vector of each token by their ``projection``; of those with ``keeps_head`` the engine makes the
    table of outputs too, which their files may not have and nobody uses. An
    ``encoder`` reads a text at once, and what ``hears`` answers with transcripts.
    Where rotations are in sections the table reaches ``section_reach`` times as far as a text
    (mrope_positions_factor of get_rope in vllm/model_executor/layers/rotary_embedding, 0.32).
    ``scaled_context``: ``max_position_embeddings`` counts the scaling of positions already.
    ``float16`` is False where engines refuse that for its numbers (vLLM's
    _FLOAT16_NOT_SUPPORTED_MODELS).
    """

    mlp: MlpKind = "gated"
    qkv_bias: bool = False
    output_bias: bool = False
    reads_attention_bias: bool = True
    bias_key: str = "attention_bias"
    output_follows_bias: bool = True
    qk_norm: Literal["", "head", "all"] = ""
    qk_norm_key: str = ""
    norms: int = 2
    norm_bias: bool = False
    final_norm: bool = True
    head_bias: bool = False
    mlp_bias: bool = False
    activation: int = 0
    windows: Windows = ""
    pattern: int = 6
    tied: bool = False
    latent: bool = False
    indexer: bool = False
    linear: bool = False
    gated_query: bool = False
    experts: str = ""
    active: str = "num_experts_per_tok"
    expert_width: str = "moe_intermediate_size"
    shared_width: str = ""
    shared_count: str = ""
    shared_gate: bool = False
    router_bias: bool = False
    expert_bias: bool = False
    experts_beside: bool = False
    may_be_dense: bool = False
    score_bias: bool = False
    sinks: bool = False
    dense_first: str = ""
    padded_experts: bool = False
    least_width: int = 0
    positions: bool = False
    positions_skip: int = 0
    types: bool = False
    embedding_norm: bool = False
    mlp_times: int = 0
    mlp_width: str = "intermediate_size"
    encoder: bool = False
    headless: bool = False
    hears: bool = False
    answer: Answer = ""
    projection: Projection | None = None
    keeps_head: bool = False
    section_reach: int = 4
    scaled_context: bool = False
    float16: bool = True

    @property
    def answers(self) -> Literal["text", "vectors", "transcripts"]:
        """What a request gets."""
        if self.hears:
            return "transcripts"
        return "vectors" if self.headless else "text"
