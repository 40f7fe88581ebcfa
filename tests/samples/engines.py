"""What the engines other than vLLM load and are installed from, as a spec has it."""

from __future__ import annotations

from typing import Any

DIGEST = "0123456789abcdef" * 4
GGUF = {
    "repo": "bartowski/Llama-3.3-70B-Instruct-GGUF",
    "revision": "c" * 40,
    "file": "Llama-3.3-70B-Instruct-Q4_K_M.gguf",
    "sha256": DIGEST,
    "size_bytes": 42_520_395_584,
    "quantization": "Q4_K_M",
}
MMPROJ = {
    **{key: GGUF[key] for key in ("repo", "revision")},
    "file": "mmproj-F16.gguf",
    "sha256": "e" * 64,
    "size_bytes": 900_000_000,
}
SPLIT = {
    **{key: GGUF[key] for key in ("repo", "revision", "quantization")},
    "file": "Q4_K_M/big-00001-of-00003.gguf",
    "parts": [
        {"sha256": digit * 64, "size_bytes": size}
        for digit, size in (("a", 20_000_000_000), ("b", 20_000_000_000), ("c", 2_520_395_584))
    ],
}
"""The same in three files."""
SETTINGS: dict[str, Any] = {
    "llamacpp_version": "10434",
    "llamacpp_url": "https://files.example.com/llama-{version}-{arch}.tar.gz",
    "llamacpp_sha256": DIGEST,
    "ollama_version": "0.32.7",
    "ollama_url": "https://files.example.com/v{version}/ollama-linux-{arch}.tar.zst",
    "ollama_sha256": {"amd64": DIGEST, "arm64": "f" * 64},
    "sglang_version": "0.5.23",
    "sglang_requirements": "rackwright/engines/requirements/sglang-0.5.23-cu130.txt",
}
