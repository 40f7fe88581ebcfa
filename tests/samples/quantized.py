"""Configs of quantized models, and how much of one stays as it is."""

from __future__ import annotations

from typing import Any

from rackwright.models import read_shape
from tests.samples.configs import config
from tests.samples.sizes import F, H, K, L, Q

Config = dict[str, Any]
ATTENTION, MLP = 2 * Q * H + 2 * K * H, 3 * F * H
ATTENTION_NAMES = tuple(f"self_attn.{kind}_proj" for kind in "qkvo")
MLP_NAMES = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
LLAMA_70B: Config = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}
QWEN3_30B: Config = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "hidden_size": 2048,
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 768,
}
QWEN35_27B: Config = {
    "hidden_size": 5120,
    "intermediate_size": 17408,
    "num_hidden_layers": 64,
    "num_attention_heads": 24,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "vocab_size": 248320,
    "max_position_embeddings": 8192,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 48,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_conv_kernel_dim": 4,
}


def scheme(bits: int, kind: str = "int", group: int | None = None, inputs: bool = True) -> Config:
    """A compressed-tensors entry with one group of layers."""
    weights = {"num_bits": bits, "type": kind, "group_size": group, "strategy": "channel"}
    activations = {"num_bits": 8, "type": kind} if inputs else None
    return {
        "quant_method": "compressed-tensors",
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": weights,
                "input_activations": activations,
            }
        },
    }


def named(
    *names: str, layers: range | tuple[int, ...] = range(L), before: str = "model"
) -> list[str]:
    """Names of the small Llama's modules in these layers."""
    return [f"{before}.layers.{layer}.{name}" for layer in layers for name in names]


def left(entry: Config, architecture: str = "LlamaForCausalLM", **more: Any) -> int:
    """Elements of the small model's products that stay in its own dtype."""
    shape = read_shape(config(architecture, **more, quantization_config=entry))
    pairs = [
        (tensor, scheme)
        for layer, schemes in zip(shape.layers, shape.schemes, strict=True)
        for tensor, scheme in zip(layer.tensors, schemes, strict=True)
    ]
    return sum(tensor.elements for tensor, scheme in pairs if tensor.quantizable and not scheme)
