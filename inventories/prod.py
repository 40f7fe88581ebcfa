"""A production fleet, and the manual of the inventory: copy it and change it.

    pyinfra inventories/prod.py deploy.py

Every list is a group of hosts, every host a tuple of its name and its data. The prefix
`@rackwright/` chooses the faster SSH connector; the host is called `gpu1`. Keys starting with
`ssh_` or `_` are pyinfra's own (docs/access.md: a user with sudo, jump hosts). A key or name that
is not known is refused before any host is touched. Every key there is stands here, in an entry or
in a comment; settings (versions, paths, time limits) stand in group_data/all.py. Another value of
one goes into a host's data here, or into group_data/prod.py for all hosts of this file; not into
`all` below, where group data would replace it, so that it is refused. Addresses here are
documentation addresses.
"""

# Servers with GPUs.
gpu_servers = [
    (
        "@rackwright/gpu1",
        {
            "ssh_hostname": "203.0.113.11",
            "server": {
                # Where the gateway reaches it. Replicas listen on this address only, so make it
                # a private one. A host name too, if both know it by the same address.
                "address": "192.0.2.11",
                # A type from rackwright/catalog/gpus.yaml, or from `gpu_types` below, and how many
                # of it (1 to 16).
                # "power_limit_w": 600, "ecc": True and "mig": False are set at every boot if given,
                # and verified. Of GDDR6 cards ECC takes a sixteenth of the memory: what is declared
                # is planned with. "pcie_lanes": 8 or [16, 8] (one for each GPU) and
                # "pcie_generation": 3 say what their slots give where that is less than the cards
                # can; the checks then hold the link to that.
                # "indexes": [1, 2, 3] are theirs where not all GPUs are meant, as nvidia-smi counts
                # them: a card for the display, one that is lost. What is not named is left alone.
                "gpus": {"type": "h100-sxm-80gb", "count": 8},
                # How they are joined: "nvswitch" (each to each), "nvlink" (bridged pairs 0-1,
                # 2-3, ... or a four-GPU board), "pcie". Leave it out for a single GPU.
                "interconnect": "nvswitch",
                # In a virtual machine that holds some of its host's GPUs, the host runs NVSwitch
                # and its fabric manager: "fabric_manager": "host". "own" if left out.
                # GPUs of other types in the same server; a service names those that it wants:
                # "other_gpus": [{"type": "l40s-48gb", "count": 2, "indexes": [8, 9],
                #                 "interconnect": "pcie"}],
                # Where that is not as usual for the type: which GPUs NVLink joins, and which share
                # a NUMA node. `rackwright discover` prints both.
                # "nvlink_islands": [[0, 1], [2, 3]], "numa_nodes": [[0, 1, 2, 3], [4, 5, 6, 7]],
                # For a replica on several servers: how fast the network between them is (10 if
                # left out), the interface it goes over, and InfiniBand or RoCE devices if there are
                # some ([]: none is used; left out: NCCL chooses).
                # "network_gbit_per_s": 100, "network_interface": "bond0",
                # "rdma_devices": ["mlx5_0", "mlx5_1"],
            },
        },
    ),
    (
        "@rackwright/gpu2",
        {
            "ssh_hostname": "203.0.113.12",
            "server": {
                "address": "192.0.2.12",
                "gpus": {"type": "h100-sxm-80gb", "count": 8},
                "interconnect": "nvswitch",
            },
        },
    ),
    (
        "@rackwright/gpu3",
        {
            "ssh_hostname": "203.0.113.13",
            "server": {
                "address": "192.0.2.13",
                "gpus": {"type": "l40s-48gb", "count": 4},
                "interconnect": "pcie",
            },
        },
    ),
    (
        "@rackwright/gpu4",
        {
            "ssh_hostname": "203.0.113.14",
            "server": {
                "address": "192.0.2.14",
                # These cards have no NVLink: an inventory that claims it is told so.
                "gpus": {"type": "rtx-pro-6000-server-96gb", "count": 2},
                "interconnect": "pcie",
            },
        },
    ),
    (
        "@rackwright/gpu5",
        {
            "ssh_hostname": "203.0.113.15",
            "server": {
                "address": "192.0.2.15",
                "gpus": {"type": "rtx-4090-24gb", "count": 1},
            },
        },
    ),
]

# Nginx, the only door. A host may have `server` and `gateway` both: see local.py.
gateways = [
    (
        "@rackwright/gw1",
        {
            "ssh_hostname": "198.51.100.10",
            "gateway": {
                "server_name": "llm.example.com",
                # More that clients may call it by, if the certificate has them; by others it does
                # not answer.
                "other_names": ["llm.internal.example.com"],
                "port": 443,
                # Where servers see it come from, for their firewall (docs/gateway.md). Left out,
                # the gateway itself is asked which address it takes to reach them.
                "address": "192.0.2.10",
                # PEM files that are on the gateway already. Leave both out and the first run
                # makes a self-signed certificate.
                "certificate": "/etc/ssl/llm.example.com/fullchain.pem",
                "certificate_key": "/etc/ssl/llm.example.com/privkey.pem",
                # Whether each client must send a key of its own (docs/gateway.md). Left out:
                # everybody may ask; it must be said where engines ask for a key.
                "ask_keys": True,
                # The service of requests that name no model; where there is one alone, that.
                "default": "chat",
                # Or have a CA issue and renew one for all names (ACME): Let's Encrypt, or what
                # "directory" names. Port 80 is then open for its challenge; "agree_to_terms" is
                # your word on the CA's terms of service.
                # "acme": {"email": "ops@example.com", "agree_to_terms": True,
                #          "directory": "https://acme-v02.api.letsencrypt.org/directory"},
            },
        },
    ),
    (
        "@rackwright/gw2",
        {
            "ssh_hostname": "198.51.100.11",
            # Alike in all that clients notice.
            "gateway": {
                "server_name": "llm.example.com",
                "other_names": ["llm.internal.example.com"],
                "certificate": "/etc/ssl/llm.example.com/fullchain.pem",
                "certificate_key": "/etc/ssl/llm.example.com/privkey.pem",
                "ask_keys": True,
                "default": "chat",
            },
        },
    ),
]

# Gateways that clients see as one: while one is down, another answers. Leave it out with one.
_failover = {
    # Where each is reached, an address of its own or one of IPv4 and one of IPv6; the first of them
    # is preferred where both start at the same time.
    "gateways": {"gw1": "198.51.100.10", "gw2": "198.51.100.11"},
    # keepalived gives it to one of them at a time, in a network that all of them are in. Left out,
    # DNS names each gateway instead. The plan says which records are wanted.
    "addresses": ["198.51.100.100"],
    # Of VRRP, 1 to 255: another for each group in the same network.
    "router_id": 51,
}

# What is served. The plan decides how each model is split over GPUs; `rackwright plan` shows it.
_services = {
    "chat": {
        # A model from rackwright/catalog/models/, or from `models` below.
        "model": "llama-3.3-70b-instruct",
        # The commit of the model's Hugging Face repository: weights never change by themselves.
        "revision": "6f6073b423013f6a7d4d9f39144961bfbfbc386b",
        "engine": "vllm",
        "servers": ["gpu1", "gpu2"],
        # The longest prompt and answer together, in tokens.
        "max_model_len": 32768,
        # "latency": each answer fast, so as many GPUs to a replica as NVLink joins.
        # "throughput": most tokens of all answers while the GPUs are full, so mostly as many
        # replicas as fit; with "concurrency": 32, of so many requests at once on a server.
        # {"sequences": 64, "tokens": 4096, "tpot_ms": 50}: so many requests of so many tokens at
        # once on a server, each token in at most so many milliseconds.
        "objective": "latency",
        # The name clients ask for; the model's name if it is left out.
        "served_model_name": "chat",
        # More names for it, which clients have in their settings already.
        "aliases": ["gpt-4o"],
        # Host names of its own: who asks by one need not name a model. DNS leads them to the
        # gateway, and its certificate must have them.
        # "host_names": ["chat.example.com"],
        # Pages whose browsers may ask (CORS); ["*"] is every page.
        # "browser_origins": ["https://app.example.com"],
        # Prompts that begin alike go to one replica, whose cache has the beginning, while it has
        # room. False: always to the least busy.
        # "sticky": False,
        # Another chooser of replicas, on each gateway between Nginx and them (docs/gateway.md).
        # "router": "vllm-router",
        # How many requests wait while all replicas are full, and for how long, in seconds; group
        # data has what is left out. Then clients are told to come again (429).
        # "queue": {"length": 64, "wait_s": 10},
        # Its replicas are changed one after another, so that the others serve; or all at once:
        # "rollout": "all",
        # What the replicas cannot take goes to an outside API: when no replica is well, and from
        # "in_flight" requests on if that is given. A budget a day of requests, tokens or both.
        # "overflow": {"url": "https://api.example.com/v1", "model": "large-chat",
        #              "key_env": "OVERFLOW_KEY",  # a variable of the machine that runs pyinfra
        #              "in_flight": 64, "requests_a_day": 1000, "tokens_a_day": 1000000},
    },
    "quick": {
        "model": "llama-3.1-8b-instruct",
        "revision": "0e9e39f249a16976918f6564b8830bc894c89659",
        "engine": "vllm",
        "servers": ["gpu3"],
        "max_model_len": 16384,
        "objective": "throughput",
        # Services that share a server say which GPUs are theirs.
        "gpus": {"gpu3": [0, 1]},
    },
    "support": {
        "model": "support-8b",
        "engine": "vllm",
        "servers": ["gpu3"],
        "gpus": {"gpu3": [2, 3]},
        "max_model_len": 8192,
        "objective": "throughput",
        # Ports count up from group data's base_port; this one starts where you say.
        "port": 8100,
        # LoRA adapters of the model (vllm): the name clients ask for, and its folder on the server.
        "adapters": {"support-sql": "/srv/models/support-sql"},
        # Use fewer GPUs than could run a replica, to keep one in reserve.
        "replicas": 1,
        # At most so many requests at a time in one replica; the rest wait.
        "max_num_seqs": 128,
        # At most so many tokens in one step of the engine; its own choice if left out.
        # "max_num_batched_tokens": 8192,
        # The share of each GPU's memory the engine may take.
        "gpu_memory_utilization": 0.85,
    },
    "reason": {
        "model": "qwen3-32b",
        "revision": "9216db5781bf21249d130ec9da846c4624c16137",
        "engine": "vllm",
        "servers": ["gpu4"],
        "max_model_len": 32768,
        "objective": "throughput",
        # The plan never puts one replica across PCIe unless you ask for it. What it chose not to
        # do can be forced: how many GPUs to a group, how many groups in a row.
        "tensor_parallel_size": 2,
        "pipeline_parallel_size": 1,
        # "tensor_parallel_size": {"gpu4": 2} says it for one server. "servers_per_replica": 2 makes
        # one replica of two servers. "expert_parallel": True splits a mixture of experts by expert.
        # "data_parallel_size": 8 gives 8 groups of ranks attention and a KV cache of their own, and
        # "decode_context_parallel_size": 8 deals a latent cache over 8 ranks; 1 forbids either.
        # "enforce_eager": True leaves CUDA graphs out: it starts sooner, and decodes at half speed.
        # "images": 4 serves a model that sees with four images a prompt, "audios": 1 one that hears
        # with a sound (docs/inventory.md); without either, as text alone.
        # "quantization": "fp8" makes FP8 of the weights while they are loaded.
        # "load_format": "instanttensor" or "fastsafetensors" reads weights otherwise than vLLM's
        # usual way: measure which is fastest from your disk (docs/start.md).
        # More flags for the engine, without dashes. Those that the plan sets are refused.
        "extra_args": {"reasoning-parser": "qwen3", "enable-log-requests": True},
    },
    "notes": {
        "model": "qwen3-8b",
        # "vllm", "sglang", "llamacpp" or "ollama": see docs/engines.md. The latter two serve a GGUF
        # file, here one that is on the server; `repo`, `revision` and `file` name one to download,
        # and "pull": "qwen3:8b" one of Ollama's registry. A model in several files is named by its
        # first (x-00001-of-00003.gguf) and has "parts" instead of digest and size, one a file:
        # "parts": [{"sha256": "...", "size_bytes": ...}, ...]; llama.cpp loads such, Ollama not.
        # "mmproj": {"repo": ..., "revision": ..., "file": "mmproj-F16.gguf", "sha256": ...,
        # "size_bytes": ...} beside it is the projector of a model that sees (llama.cpp).
        "engine": "ollama",
        "gguf": {
            "path": "/srv/models/qwen3-8b-q4_k_m.gguf",
            # `sha256sum` and `stat --format %s` of the file.
            "sha256": "3c1f0a5b7d9e2f4861a3b5c7d9e1f30527496b8dafc1e3051728394a5b6c7d8e",
            "size_bytes": 5027783488,
            "quantization": "Q4_K_M",
        },
        "servers": ["gpu5"],
        "max_model_len": 16384,
        "objective": "latency",
        # Requests at a time; each has the whole context, so each takes its own KV cache.
        "max_num_seqs": 4,
        # "q8_0" and "q4_0" take about a half and a quarter of "f16".
        "kv_cache_dtype": "q8_0",
    },
    # A model that answers with vectors or scores (bge-m3, qwen3-embedding-8b, bge-reranker-v2-m3)
    # is a service like "quick", of vLLM: docs/planner.md says what clients ask of it. So is
    # one with transcripts (whisper-large-v3), where vllm_requirements have what decodes sound.
}

# Your own models: `config` is the model's config.json, as a dict or as the path of the file on the
# machine you run this from; `path` a directory on each server that serves it, or `repo` with
# `revision`. An architecture that cannot be judged is refused; docs/planner.md says how to give
# its `figures` by hand: "weights_gib", "replicated_gib", "kv_bytes_per_token", "latent_kv",
# "activation_gib", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
# "hidden_size", "vocab_size", "max_position_embeddings"; of a GGUF file "header" is enough, its
# path on this machine. A model may have its "gguf" and "mmproj" as a service has, its "tensors"
# (the path of what `rackwright tensors` wrote of its files' headers: an unknown architecture is
# planned by them, a known one checked), a "max_model_len" below what its config says, another
# "dtype" ("float16"), "answers": "vectors" of one whose config names a model that writes though it
# was trained to embed, and for the record a "source" of its figures, "published_parameters" and
# "published_extra".
_models = {
    "support-8b": {
        # In nobody's home, and readable for `engine_user`.
        "path": "/srv/models/support-8b",
        "config": {
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 128256,
            "tie_word_embeddings": False,
            "max_position_embeddings": 131072,
            "torch_dtype": "bfloat16",
        },
    },
}

# GPU types that rackwright/catalog/gpus.yaml lacks: the same keys, judged alike; that file says
# what each figure means. `rackwright size` and `discover` know them too, with --inventory.
_gpu_types = {
    "rtx-4090-48gb": {
        # As NVML calls it. The catalog may have the name: then their memory tells which it is.
        "name": "NVIDIA GeForce RTX 4090",
        # "aliases": ["4090-48gb"] are other names for it.
        # Of `nvidia-smi`, MiB. "unified_memory": True where CPU and GPU share it, and NVML tells
        # none: then MemTotal of /proc/meminfo.
        "memory_mib": 49140,
        # Whether that is with ECC on, where ECC takes a sixteenth of it; else left out.
        "inline_ecc": False,
        "memory_bandwidth_gb_per_s": 1008,
        "compute_capability": [8, 9],
        # "max_power_w": 450 is the highest power limit it takes.
        # Dense, summing in 32 bits; "fp16" before compute capability 8.0, "fp4" from 10.0 on.
        "dense_tflops": {"bf16": 165.2, "fp8": 330.3, "int8": 660.6},
        "pcie_generation": 4,
        "pcie_lanes": 16,
        "pcie_peer_access": False,
        # "nvlink": {"generation": 4, "links": 18, "island": 4, "bandwidth_gb_per_s": 900}
        "interconnects": ["none", "pcie"],
        "sources": {"memory": "nvidia-smi", "compute": "as of the card with 24 GB"},
    },
}

# Findings of `rackwright verify` that you know of: they stay in every report, and a deploy does not
# fail for them (docs/operations.md). `host` and `check` as the report has them.
_accepted = (
    # {"host": "gpu3", "check": "PCIe", "until": "2026-12-31", "why": "the riser is ordered"},
    # "subject" is the row's WHAT, where that is not any: a replica, a service.
    # {"host": "gw1", "subject": "chat", "check": "upstream", "until": "2026-12-31",
    #  "why": "gpu2 comes back in December"},
)

all = (
    gpu_servers + gateways,
    {
        "services": _services,
        "models": _models,
        "gpu_types": _gpu_types,
        "failover": _failover,
        "accepted": _accepted,
    },
)
