"""gpu2 alone, with weights from a repository: the hub's stand-in on the lab's bridge."""

_services = {
    "repo": {
        "model": "tiny-repo",
        "engine": "vllm",
        "servers": ["gpu2"],
        "max_model_len": 1024,
        "objective": "latency",
    },
}

_models = {
    "tiny-repo": {
        "repo": "lab/tiny-llama",
        "revision": "0123456789abcdef0123456789abcdef01234567",
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
        "@rackwright/gpu2",
        {
            "server": {
                "address": "198.18.0.12",
                "gpus": {"type": "h200-sxm-141gb", "count": 1},
                "interconnect": "none",
            },
            "gateway": {"server_name": "llm.lab.example"},
            "engine_environment": {"HF_ENDPOINT": "http://198.18.0.1:8900"},
        },
    ),
]

all = (lab, {"services": _services, "models": _models})
