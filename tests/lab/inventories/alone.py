"""The lab's box, which deploys to itself: what inventories/local.py is, with the CPU build."""

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["@local"],
        "max_model_len": 1024,
        "objective": "throughput",
        "enforce_eager": True,
    },
}

_models = {
    "tiny-llama": {
        "path": "/srv/models/tiny-llama",
        "config": {
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": 256,
            "intermediate_size": 688,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": 512,
            "tie_word_embeddings": False,
            "max_position_embeddings": 2048,
        },
    },
}

lab = [
    (
        "@local",
        {
            "server": {
                "address": "127.0.0.1",
                "gpus": {"type": "h200-sxm-141gb", "count": 1},
            },
            "gateway": {"server_name": "llm.lab.example"},
        },
    ),
]

all = (lab, {"services": _services, "models": _models})
