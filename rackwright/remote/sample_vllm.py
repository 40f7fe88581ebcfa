"""vLLM serves a model of one layer; see ``sampling``. It runs in the release's own Python."""

from __future__ import annotations

import json
import os
from pathlib import Path

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "vocab_size": 1024,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "float16",  # older GPUs have no bfloat16
}
TOKENS = 4
SHARE = 0.01
"""Of the GPU's memory: it may serve, and nearly all of it be taken."""


def sample(folder: Path) -> int:
    """Draw tokens, by top-k and top-p and the likeliest; returns how many."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # errors are raised here, not elsewhere
    os.environ["VLLM_CACHE_ROOT"] = str(folder)
    from vllm import LLM, SamplingParams

    (folder / "config.json").write_text(json.dumps(CONFIG))
    engine = LLM(
        model=str(folder),
        load_format="dummy",
        skip_tokenizer_init=True,
        enforce_eager=True,
        max_model_len=128,
        max_num_seqs=4,
        max_num_batched_tokens=128,
        gpu_memory_utilization=SHARE,
        kv_cache_memory_bytes=32 << 20,
        generation_config="vllm",
    )
    usual = {"max_tokens": TOKENS, "ignore_eos": True, "detokenize": False}
    ways = ({"temperature": 1.0, "top_k": 20, "top_p": 0.9}, {"temperature": 0.0})
    answers = engine.generate(
        [{"prompt_token_ids": [3, 4, 5]} for _ in ways],
        [SamplingParams(**usual, **way) for way in ways],
        use_tqdm=False,
    )
    drawn = [len(answer.outputs[0].token_ids) for answer in answers]
    if drawn != [TOKENS] * len(ways):
        raise RuntimeError(f"asked for {TOKENS} tokens in each of {len(ways)} ways, got {drawn}")
    return sum(drawn)
