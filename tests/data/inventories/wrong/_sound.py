"""A sound fleet, of which each inventory beside this has one thing wrong; see test_wrong.py."""

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Any

CHAT = {
    "model": "llama-3.1-8b-instruct",
    "revision": "0e9e39f249a16976918f6564b8830bc894c89659",
    "engine": "vllm",
    "servers": ["gpu1"],
    "max_model_len": 8192,
    "objective": "throughput",
}
CONFIG = {
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
}
GPUS = {"type": "h100-sxm-80gb", "count": 8}


def server(number: int = 11, **more: Any) -> dict[str, Any]:
    return {"address": f"192.0.2.{number}", "gpus": GPUS, "interconnect": "nvswitch", **more}


def host(**more: Any) -> tuple[str, dict[str, Any]]:
    """The GPU server; ``more`` is data of it, settings too."""
    return ("gpu1", {"ssh_hostname": "203.0.113.11", "server": server(), **more})


def fleet(
    *hosts: tuple[str, dict[str, Any]],
    chat: dict[str, Any] | None = None,
    gateway: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[list[Any], dict[str, Any]]:
    """The group ``all``: hosts (the one server) and a gateway; keys of the service over its own.

    A key that is ``...`` is left out. ``more`` is shared data: services, models.
    """
    service = {key: value for key, value in (CHAT | (chat or {})).items() if value is not ...}
    door = {"server_name": "llm.example.com", **(gateway or {})}
    gw1 = ("@rackwright/gw1", {"ssh_hostname": "198.51.100.10", "gateway": door})
    return [*(hosts or (host(),)), gw1], {"services": {"chat": service}, "models": {}, **more}


def own_model(config: Any, **more: Any) -> tuple[list[Any], dict[str, Any]]:
    """The fleet with a model of its own, whose config this is."""
    models = {"own": {"path": "/srv/models/own", "config": config, **more}}
    return fleet(chat={"model": "own", "revision": ...}, models=models)


def folder() -> Path:
    """A new folder, which goes when the program ends."""
    path = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, path)
    return path
