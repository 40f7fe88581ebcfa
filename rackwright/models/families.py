"""What sets one decoder family apart from another. A new architecture is one line here.

Traits are read off the engine's own model code (vllm/model_executor/models, vLLM 0.26 and 0.32)
and proven by the parameter counts that the catalog's models publish.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MlpKind = Literal["gated", "plain"]
Windows = Literal["", "all", "alternate", "pattern", "upper"]


@dataclass(frozen=True)
class Family:
    """How the layers of an architecture are built, where ``config.json`` does not say.

    ``qkv_bias`` and ``output_bias`` name the default of ``attention_bias``; ``qk_norm`` is the
    width of query and key norms: one head, or all heads. ``norms`` a layer are of hidden size.
    ``windows`` says which layers look back ``sliding_window`` tokens only, where ``layer_types``
    does not: all, every second one from the first, all but each n-th, or those from
    ``max_window_layers`` on. ``linear`` models have linear attention where not every
    ``full_attention_interval``-th layer, and ``gated_query`` doubles their queries by a gate on
    the output. ``experts`` and ``expert_width`` are the keys of a mixture of
    experts; ``shared_gate`` is a gate on its shared expert. ``padded_experts`` have widths that
    kernels pad. ``second_runner`` is given where the rule for it does not hold. ``scaled_context``:
    ``max_position_embeddings`` counts the scaling of positions already. ``float16`` is False where
    engines refuse that for its numbers (vLLM's _FLOAT16_NOT_SUPPORTED_MODELS).
    """

    mlp: MlpKind = "gated"
    qkv_bias: bool = False
    output_bias: bool = False
    reads_attention_bias: bool = True
    output_follows_bias: bool = True
    qk_norm: Literal["", "head", "all"] = ""
    qk_norm_key: str = ""
    norms: int = 2
    norm_bias: bool = False
    windows: Windows = ""
    tied: bool = False
    latent: bool = False
    linear: bool = False
    gated_query: bool = False
    experts: str = ""
    expert_width: str = "moe_intermediate_size"
    shared_width: str = ""
    shared_count: str = ""
    shared_gate: bool = False
    router_bias: bool = False
    expert_bias: bool = False
    score_bias: bool = False
    sinks: bool = False
    dense_first: str = ""
    padded_experts: bool = False
    second_runner: bool | None = None
    scaled_context: bool = False
    float16: bool = True

    @property
    def on_second_runner(self) -> bool:
        """Whether vLLM serves it with its newer model runner: dense models, and some others.

        Source: _is_default_v2_model_runner_model in vllm/config/vllm.py, 0.26.
        """
        if self.second_runner is not None:
            return self.second_runner
        return not (self.experts or self.linear)


FAMILIES: dict[str, Family] = {
    "LlamaForCausalLM": Family(),
    "MistralForCausalLM": Family(windows="all"),
    "Qwen2ForCausalLM": Family(
        qkv_bias=True, reads_attention_bias=False, output_follows_bias=False, windows="upper"
    ),
    "Qwen3ForCausalLM": Family(qk_norm="head", windows="upper"),
    "Phi3ForCausalLM": Family(),
    "GraniteForCausalLM": Family(),
    "Olmo2ForCausalLM": Family(qk_norm="all"),
    "Olmo3ForCausalLM": Family(qk_norm="all", windows="pattern"),
    "Gemma2ForCausalLM": Family(norms=4, tied=True, windows="alternate", float16=False),
    "Gemma3ForCausalLM": Family(
        norms=4,
        tied=True,
        qk_norm="head",
        windows="pattern",
        scaled_context=True,
        float16=False,
    ),
    "Glm4ForCausalLM": Family(norms=4, output_follows_bias=False, float16=False),
    "CohereForCausalLM": Family(norms=1, tied=True, qk_norm="all", qk_norm_key="use_qk_norm"),
    "SeedOssForCausalLM": Family(output_follows_bias=False),
    "MixtralForCausalLM": Family(
        experts="num_local_experts", expert_width="intermediate_size", windows="all"
    ),
    "Qwen2MoeForCausalLM": Family(
        qkv_bias=True,
        reads_attention_bias=False,
        output_follows_bias=False,
        experts="num_experts",
        shared_width="shared_expert_intermediate_size",
        shared_gate=True,
        second_runner=True,
    ),
    "Qwen3MoeForCausalLM": Family(qk_norm="head", experts="num_experts"),
    "Qwen3NextForCausalLM": Family(
        qk_norm="head",
        output_follows_bias=False,
        linear=True,
        gated_query=True,
        experts="num_experts",
        shared_width="shared_expert_intermediate_size",
        shared_gate=True,
    ),
    "Qwen3_5ForCausalLM": Family(
        qk_norm="head", output_follows_bias=False, linear=True, gated_query=True
    ),
    "Qwen3_5MoeForCausalLM": Family(
        qk_norm="head",
        output_follows_bias=False,
        linear=True,
        gated_query=True,
        experts="num_experts",
        shared_width="shared_expert_intermediate_size",
        shared_gate=True,
    ),
    "OlmoeForCausalLM": Family(
        qk_norm="all", experts="num_experts", expert_width="intermediate_size"
    ),
    "GptOssForCausalLM": Family(
        qkv_bias=True,
        output_bias=True,
        windows="alternate",
        experts="num_local_experts",
        expert_width="intermediate_size",
        router_bias=True,
        expert_bias=True,
        sinks=True,
        padded_experts=True,
    ),
    "DeepseekV2ForCausalLM": Family(
        latent=True,
        experts="n_routed_experts",
        shared_count="n_shared_experts",
        dense_first="first_k_dense_replace",
        second_runner=True,
    ),
    "DeepseekV3ForCausalLM": Family(
        latent=True,
        experts="n_routed_experts",
        shared_count="n_shared_experts",
        dense_first="first_k_dense_replace",
        score_bias=True,
    ),
    "Glm4MoeForCausalLM": Family(
        output_follows_bias=False,
        qk_norm="head",
        qk_norm_key="use_qk_norm",
        experts="n_routed_experts",
        shared_count="n_shared_experts",
        dense_first="first_k_dense_replace",
        score_bias=True,
    ),
    "MiniMaxM2ForCausalLM": Family(
        qk_norm="all",
        experts="num_local_experts",
        expert_width="intermediate_size",
        score_bias=True,
    ),
}
