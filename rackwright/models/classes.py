"""What a config leaves out, as the class has it by which the engine reads the file.

vLLM 0.32 reads a ``config.json`` by transformers' class for its ``model_type``, or by one of its
own (``_CONFIG_REGISTRY`` in vllm/transformers_utils/config.py): what the file does not name is what
the class has then, seldom what other models of that build have. Source: the fields of the classes,
transformers 5.19 (which vLLM 0.32 is locked with here; 5.24 has the same but for A.X K1's dense
layer and MiMo-V2's window) and vllm/transformers_utils/configs, 0.32. A type that 5.19 has not is
read by the code in its repository, which is not known. Of the sizes that every model has
(width, layers, heads, words, experts) nothing is taken for granted: a file without them was cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULTS: dict[str, dict[str, Any]] = {
    "afmoe": {
        "head_dim": 128,
        "max_position_embeddings": 16384,
        "num_dense_layers": 1,
        "num_shared_experts": 2,
        "sliding_window": 1024,
    },
    "apertus": {"max_position_embeddings": 65536},
    "arcee": {"max_position_embeddings": 4096},
    "aria_text": {"max_position_embeddings": 2048, "moe_num_shared_experts": 2},
    "axk1": {
        "first_k_dense_replace": 1,
        "max_position_embeddings": 32768,
        "n_shared_experts": 1,
        "q_lora_rank": 1536,
    },
    "bert": {"max_position_embeddings": 512},
    "chatglm": {"multi_query_group_num": 1, "seq_length": 2048},
    "cohere": {"max_position_embeddings": 8192},
    "cohere2": {"max_position_embeddings": 8192, "sliding_window": 4096},
    "cohere2_moe": {"head_dim": 128, "max_position_embeddings": 8192, "sliding_window": 4096},
    "cohere_compass_text": {"max_position_embeddings": 8192, "sliding_window": 4096},
    "cosmos3_edge_text": {
        "head_dim": 128,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 8,
    },
    "cwm": {
        "head_dim": 128,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 8,
        "sliding_window": 8192,
    },
    "deepseek_v2": {"max_position_embeddings": 2048, "n_shared_experts": 2, "q_lora_rank": 1536},
    "deepseek_v3": {
        "first_k_dense_replace": 3,
        "max_position_embeddings": 4096,
        "n_shared_experts": 1,
        "q_lora_rank": 1536,
    },
    "deepseek_v32": {
        "first_k_dense_replace": 3,
        "max_position_embeddings": 4096,
        "n_shared_experts": 1,
    },
    "deepseek_v4": {"max_position_embeddings": 1048576},
    "diffusion_gemma_text": {
        "head_dim": 256,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 4,
        "sliding_window": 512,
    },
    "emu3_text_model": {"max_position_embeddings": 9216, "num_key_value_heads": 8},
    "ernie4_5": {"head_dim": 128, "max_position_embeddings": 131072, "num_key_value_heads": 2},
    "ernie4_5_moe": {
        "max_position_embeddings": 131072,
        "moe_layer_start_index": 1,
        "moe_num_shared_experts": 2,
        "num_key_value_heads": 4,
    },
    "ernie4_5_vl_moe_text": {
        "max_position_embeddings": 131072,
        "moe_num_shared_experts": 2,
        "num_key_value_heads": 4,
    },
    "exaone4": {"max_position_embeddings": 2048, "num_key_value_heads": 32, "sliding_window": 4096},
    "exaone_moe": {
        "first_k_dense_replace": 1,
        "max_position_embeddings": 2048,
        "num_key_value_heads": 32,
        "num_shared_experts": 1,
        "sliding_window": 4096,
    },
    "falcon": {"max_position_embeddings": 2048},
    "falcon_h1": {"max_position_embeddings": 8192, "num_key_value_heads": 8},
    "flex_olmo": {"max_position_embeddings": 4096},
    "gemma": {"head_dim": 256, "max_position_embeddings": 8192, "num_key_value_heads": 16},
    "gemma2": {
        "head_dim": 256,
        "max_position_embeddings": 8192,
        "num_key_value_heads": 4,
        "sliding_window": 4096,
    },
    "gemma3_text": {
        "head_dim": 256,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 4,
        "sliding_window": 4096,
    },
    "gemma3n_text": {
        "head_dim": 256,
        "max_position_embeddings": 32768,
        "num_key_value_heads": 2,
        "num_kv_shared_layers": 15,
        "sliding_window": 512,
    },
    "gemma4_text": {
        "head_dim": 256,
        "hidden_size_per_layer_input": 256,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 4,
        "sliding_window": 512,
    },
    "gemma4_unified_text": {
        "head_dim": 256,
        "max_position_embeddings": 262144,
        "num_key_value_heads": 4,
        "sliding_window": 1024,
    },
    "glm": {"head_dim": 128, "max_position_embeddings": 131072, "num_key_value_heads": 2},
    "glm4": {"attention_bias": True, "max_position_embeddings": 131072, "num_key_value_heads": 2},
    "glm4_moe": {
        "first_k_dense_replace": 1,
        "max_position_embeddings": 131072,
        "n_shared_experts": 1,
        "num_key_value_heads": 8,
    },
    "glm4_moe_lite": {"max_position_embeddings": 202752, "n_shared_experts": 1, "q_lora_rank": 768},
    "glm4v_moe_text": {
        "attention_bias": True,
        "first_k_dense_replace": 1,
        "max_position_embeddings": 65536,
        "n_shared_experts": 1,
        "num_key_value_heads": 8,
    },
    "glm4v_text": {"max_position_embeddings": 32768, "num_key_value_heads": 2},
    "glm5_next_text": {"max_position_embeddings": 1048576, "n_shared_experts": 1},
    "glm_moe_dsa": {
        "first_k_dense_replace": 3,
        "max_position_embeddings": 202752,
        "n_shared_experts": 1,
    },
    "glm_ocr_text": {"max_position_embeddings": 131072, "num_key_value_heads": 8},
    "gpt2": {"n_positions": 1024},
    "gpt_bigcode": {"n_positions": 1024},
    "gpt_neox": {"max_position_embeddings": 2048},
    "gpt_oss": {
        "head_dim": 64,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 8,
        "sliding_window": 128,
    },
    "gptj": {"n_positions": 2048},
    "granite": {"max_position_embeddings": 2048},
    "granite4_vision_text": {"max_position_embeddings": 2048},
    "granite_swa": {
        "max_position_embeddings": 8192,
        "num_key_value_heads": 4,
        "sliding_window": 128,
    },
    "granitemoe": {"max_position_embeddings": 2048},
    "granitemoe_swa": {"max_position_embeddings": 2048, "sliding_window": 128},
    "granitemoehybrid": {
        "max_position_embeddings": 2048,
        "num_experts_per_tok": 2,
        "num_local_experts": 8,
        "shared_intermediate_size": 1024,
    },
    "granitemoeshared": {"max_position_embeddings": 2048},
    "gte": {"max_position_embeddings": 8192},
    "hrm_text": {"head_dim": 128, "max_position_embeddings": 2048},
    "hunyuan_v1_dense": {"max_position_embeddings": 2048},
    "hunyuan_v1_moe": {"max_position_embeddings": 2048},
    "hunyuan_vl_text": {"max_position_embeddings": 2048, "tie_word_embeddings": True},
    "hy_v3": {
        "head_dim": 128,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 8,
        "num_shared_experts": 1,
    },
    "hy_v4": {"max_position_embeddings": 262144, "n_shared_experts": 1},
    "hyperclovax": {"max_position_embeddings": 2048, "use_post_norm": True},
    "inkling_text": {"num_key_value_heads": 4},
    "jais2": {"max_position_embeddings": 8192},
    "jamba": {
        "attn_layer_offset": 4,
        "expert_layer_offset": 1,
        "max_position_embeddings": 262144,
        "num_key_value_heads": 8,
    },
    "kimi_k2": {
        "first_k_dense_replace": 3,
        "max_position_embeddings": 4096,
        "n_shared_experts": 1,
        "q_lora_rank": 1536,
    },
    "kimi_linear": {"max_position_embeddings": 4096},
    "laguna": {
        "max_position_embeddings": 131072,
        "num_key_value_heads": 8,
        "shared_expert_intermediate_size": 512,
        "sliding_window": 512,
    },
    "lfm2": {"max_position_embeddings": 128000, "num_key_value_heads": 8},
    "lfm2_moe": {
        "max_position_embeddings": 128000,
        "num_dense_layers": 2,
        "num_key_value_heads": 8,
    },
    "llama": {"max_position_embeddings": 2048},
    "llama4_text": {
        "attention_chunk_size": 8192,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 8,
    },
    "longcat_flash": {
        "max_position_embeddings": 131072,
        "q_lora_rank": 1536,
        "zero_expert_num": 256,
    },
    "mellum": {"head_dim": 128, "max_position_embeddings": 131072, "num_key_value_heads": 4},
    "mimo_v2_flash": {
        "head_dim": 192,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 4,
        "sliding_window": 128,
        "v_head_dim": 128,
    },
    "minicpm3": {"max_position_embeddings": 32768, "q_lora_rank": 768},
    "minimax_m2": {"head_dim": 128, "max_position_embeddings": 196608, "num_key_value_heads": 8},
    "minimax_m3_vl_text": {
        "head_dim": 128,
        "max_position_embeddings": 524288,
        "n_shared_experts": 1,
        "num_key_value_heads": 4,
        "rotary_dim": 64,
        "use_routing_bias": True,
    },
    "ministral3": {"head_dim": 128, "max_position_embeddings": 262144, "num_key_value_heads": 8},
    "mistral": {
        "max_position_embeddings": 131072,
        "num_key_value_heads": 8,
        "sliding_window": 4096,
    },
    "mixtral": {"max_position_embeddings": 131072, "num_key_value_heads": 8},
    "modernbert": {"max_position_embeddings": 8192},
    "muse_glimmer_text": {
        "head_dim": 128,
        "max_position_embeddings": 16384,
        "num_key_value_heads": 2,
        "sliding_window": 2048,
    },
    "nemotron": {"max_position_embeddings": 4096},
    "nemotron_h": {
        "head_dim": 128,
        "max_position_embeddings": 4096,
        "moe_shared_expert_intermediate_size": 7688,
        "n_shared_experts": 1,
        "num_key_value_heads": 8,
    },
    "nomic_bert": {"max_position_embeddings": 2048},
    "olmo": {"max_position_embeddings": 2048},
    "olmo2": {"max_position_embeddings": 2048},
    "olmo3": {"max_position_embeddings": 2048, "sliding_window": 4096},
    "olmo_hybrid": {"max_position_embeddings": 65536},
    "olmoe": {"max_position_embeddings": 4096},
    "opt": {"max_position_embeddings": 2048},
    "paddleocr_vl_text": {
        "head_dim": 128,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 2,
    },
    "phi": {"max_position_embeddings": 2048},
    "phi3": {"max_position_embeddings": 4096},
    "phimoe": {"max_position_embeddings": 131072, "num_key_value_heads": 8},
    "qwen2": {"max_position_embeddings": 32768, "num_key_value_heads": 32},
    "qwen2_5_omni_text": {
        "max_position_embeddings": 32768,
        "num_key_value_heads": 4,
        "tie_word_embeddings": True,
    },
    "qwen2_5_vl_text": {"max_position_embeddings": 32768, "num_key_value_heads": 8},
    "qwen2_moe": {
        "max_position_embeddings": 32768,
        "num_key_value_heads": 16,
        "shared_expert_intermediate_size": 5632,
    },
    "qwen2_vl_text": {"max_position_embeddings": 32768, "num_key_value_heads": 8},
    "qwen3": {"head_dim": 128, "max_position_embeddings": 32768, "num_key_value_heads": 32},
    "qwen3_5_moe_text": {
        "head_dim": 256,
        "max_position_embeddings": 32768,
        "num_key_value_heads": 2,
        "shared_expert_intermediate_size": 512,
    },
    "qwen3_5_text": {"head_dim": 256, "max_position_embeddings": 32768, "num_key_value_heads": 4},
    "qwen3_moe": {"max_position_embeddings": 32768, "num_key_value_heads": 4},
    "qwen3_next": {
        "head_dim": 256,
        "max_position_embeddings": 32768,
        "num_key_value_heads": 2,
        "shared_expert_intermediate_size": 512,
    },
    "qwen3_omni_moe_text": {"max_position_embeddings": 32768, "num_key_value_heads": 4},
    "qwen3_vl_moe_text": {"max_position_embeddings": 128000, "num_key_value_heads": 16},
    "qwen3_vl_text": {
        "head_dim": 128,
        "max_position_embeddings": 128000,
        "num_key_value_heads": 32,
    },
    "qwen4_exp_text": {
        "head_dim": 256,
        "max_position_embeddings": 32768,
        "num_key_value_heads": 2,
        "shared_expert_intermediate_size": 512,
    },
    "roberta": {"max_position_embeddings": 512},
    "seed_oss": {
        "attention_bias": True,
        "head_dim": 128,
        "max_position_embeddings": 524288,
        "num_key_value_heads": 8,
    },
    "smollm3": {"max_position_embeddings": 32768, "num_key_value_heads": 4},
    "solar_open": {
        "head_dim": 128,
        "max_position_embeddings": 131072,
        "n_shared_experts": 1,
        "num_key_value_heads": 8,
    },
    "stablelm": {"max_position_embeddings": 4096, "num_key_value_heads": 32},
    "starcoder2": {"max_position_embeddings": 4096, "num_key_value_heads": 2},
    "step3_text": {"head_dim": 256, "share_expert_dim": 5120, "share_q_dim": 2048},
    "vaultgemma": {
        "head_dim": 256,
        "max_position_embeddings": 8192,
        "num_key_value_heads": 4,
        "sliding_window": 4096,
    },
    "xlm-roberta": {"max_position_embeddings": 512},
    "zamba2": {"max_position_embeddings": 4096},
}
"""By ``model_type``: keys that decide tensors, keys and values, or the longest text."""
ALIASES: dict[str, dict[str, str]] = {
    "bloom": {"n_embed": "hidden_size"},
    "chatglm": {"n_head_kv": "multi_query_group_num"},
    "ernie4_5_vl_moe_text": {"num_experts": "moe_num_experts"},
    "falcon": {"n_embed": "hidden_size"},
    "granitemoehybrid": {"layers_block_type": "layer_types"},
    "hunyuan_vl_text": {"org_vocab_size": "vocab_size"},
    "lfm2": {"tie_embedding": "tie_word_embeddings"},
    "lfm2_moe": {"tie_embedding": "tie_word_embeddings"},
    "nemotron_h": {"layer_types": "layers_block_type", "num_local_experts": "n_routed_experts"},
    "zamba2": {"layer_types": "layers_block_type"},
}
"""Other names of keys, by what the class reads them as (``attribute_map``, ``__post_init__``); what
readers know under every name is left out.
"""
COUNTS_FIRST = ("n_embed", "tie_embedding")
"""Other names that count also where the file has the key itself."""
NEEDED: dict[str, tuple[str, ...]] = {
    "deepseek_v4": ("n_shared_experts", "num_hash_layers"),
    "glm4_moe_lite": ("first_k_dense_replace",),
    "hy_v3": ("first_k_dense_replace",),
    "mimo_v2_flash": ("swa_num_attention_heads", "swa_num_key_value_heads", "swa_head_dim"),
}
"""What the engine's model asks of the file though the class has no figure of it."""
INSTEAD = "mlp_layer_types"
"""Which says as much as ``first_k_dense_replace``."""
POSITIONS = ("max_position_embeddings", "n_positions", "model_max_length", "seq_length")
"""Keys of the longest text."""
ONE_LENGTH = ("chatglm", "gpt2", "gpt_bigcode", "gptj")
"""Types whose class has it once, under any of these names."""
TEXT_TYPES = {
    "aria": "aria_text",
    "cohere_compass": "cohere_compass_text",
    "diffusion_gemma": "diffusion_gemma_text",
    "emu3": "emu3_text_model",
    "ernie4_5_vl_moe": "ernie4_5_vl_moe_text",
    "exaone4_5": "exaone4",
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "gemma4_unified": "gemma4_unified_text",
    "glm4v": "glm4v_text",
    "glm4v_moe": "glm4v_moe_text",
    "glm5_next": "glm5_next_text",
    "glm_ocr": "glm_ocr_text",
    "granite4_vision": "granite4_vision_text",
    "hunyuan_vl": "hunyuan_vl_text",
    "inkling_mm_model": "inkling_text",
    "kimi_k25": "deepseek_v3",
    "kimi_k3": "kimi_linear",
    "llama4": "llama4_text",
    "minimax_m3_vl": "minimax_m3_vl_text",
    "muse_glimmer": "muse_glimmer_text",
    "paddleocr_vl": "paddleocr_vl_text",
    "qwen2_5_vl": "qwen2_5_vl_text",
    "qwen2_vl": "qwen2_vl_text",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "qwen3_omni_moe": "qwen3_omni_moe_text",
    "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text",
    "qwen4_exp": "qwen4_exp_text",
    "voxtral": "llama",
}
"""Types of text models by those of the whole, where the text model does not name its own."""


def class_of(values: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """The type whose class reads a text model's keys, which may be the whole file's own."""
    for kind in (values.get("model_type"), whole.get("model_type")):
        if isinstance(kind, str) and (kind in DEFAULTS or kind in TEXT_TYPES):
            return TEXT_TYPES.get(kind, kind)
    kind = values.get("model_type")
    return kind if isinstance(kind, str) else ""


def renamed(values: Mapping[str, Any], kind: str) -> dict[str, str]:
    """Keys as readers know them, by the file's own names of them."""
    found = {}
    for other, key in ALIASES.get(kind, {}).items():
        if values.get(other) is not None and (key not in values or other in COUNTS_FIRST):
            found[key] = other
    return found


def left_out(values: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What the class has of keys that are not there; one that is null is there.

    Of several keys of the longest text the engine takes the least (_get_and_verify_max_len), the
    class's own among them.
    """
    found = {key: usual for key, usual in DEFAULTS.get(kind, {}).items() if key not in values}
    for key in set(found) & set(POSITIONS):
        given = [values[other] for other in POSITIONS if values.get(other) is not None]
        if given and (kind in ONE_LENGTH or not all(type(one) is int and one > 0 for one in given)):
            del found[key]  # what is wrong with it is said by its own name
        elif given:
            found[key] = min(found[key], *given)
    return found


def missing(values: Mapping[str, Any], kind: str) -> list[str]:
    """Keys that the engine's model needs and that nothing else says."""
    needed = (key for key in NEEDED.get(kind, ()) if key not in values)
    return [key for key in needed if key != "first_k_dense_replace" or INSTEAD not in values]
