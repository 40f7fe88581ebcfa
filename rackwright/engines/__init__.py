"""What runs a model. An engine is one module here and one line in ``ENGINES``."""

from __future__ import annotations

from rackwright.engines.answers import Ask, Loaded
from rackwright.engines.keys import service_faults
from rackwright.engines.llamacpp import LLAMACPP
from rackwright.engines.ollama import OLLAMA
from rackwright.engines.protocol import Engine
from rackwright.engines.release import Archive, Download, Release, Venv
from rackwright.engines.sglang import SGLANG
from rackwright.engines.vllm import VLLM

__all__ = [
    "ENGINES",
    "Archive",
    "Ask",
    "Download",
    "Engine",
    "Loaded",
    "Release",
    "Venv",
    "service_faults",
]

ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        VLLM,
        SGLANG,
        LLAMACPP,
        OLLAMA,
    )
}
