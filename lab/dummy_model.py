"""Makes a folder that an engine serves as a real model of the catalog, without its weights.

    python -m lab.dummy_model llama-3.1-8b-instruct /srv/models/llama-3.1-8b-instruct

``config.json`` has the real shape; weights are the engine's own random ones, which take the memory
and the time of real ones (``"extra_args": {"load-format": "dummy"}`` in the service). The tokenizer
knows a made-up word for every token, so that each answer is text.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.tiny_model import (
    BEGIN,
    CHAT_TEMPLATE,
    END,
    FIRST_WORD,
    PAD,
    SPECIAL,
    byte_letters,
    safetensors,
    tokenizer,
)
from rackwright import catalog
from rackwright.errors import nearest
from rackwright.exits import exits

IDS = {"bos_token_id": BEGIN, "eos_token_id": END, "pad_token_id": PAD}
NAMES = {key.removesuffix("_id"): SPECIAL[number - PAD] for key, number in IDS.items()}


def make(name: str, folder: Path) -> None:
    """Write the folder, replacing what is there, whole or not at all; LabError for no model.

    10 MB at most; takes a second.
    """
    config = config_of(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".dummy-") as scratch:
        fresh = Path(scratch) / "fresh"
        fresh.mkdir(mode=0o755)
        for file, value in _files(config).items():
            (fresh / file).write_text(json.dumps(value, ensure_ascii=False) + "\n")
        (fresh / "model.safetensors").write_bytes(safetensors({}))
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        fresh.rename(folder)


def config_of(name: str) -> dict[str, Any]:
    """A catalog model's ``config.json``; what it leaves out does not decide size or speed."""
    entries = catalog.model_entries()
    if name not in entries:
        raise LabError(f"{name!r} {nearest(name, entries, 'model')}")
    if not (config := entries[name].get("config")):
        raise LabError(f"{name} has no config in the catalog, only figures")
    return {"torch_dtype": "bfloat16", **config, **IDS}


def _files(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    text = config.get("text_config", config)
    space, words = byte_letters()[0x20], range(text["vocab_size"] - FIRST_WORD)
    return {
        "config.json": config,
        "generation_config.json": IDS,
        "tokenizer.json": tokenizer([f"{space}w{number}" for number in words]),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": text["max_position_embeddings"],
            "clean_up_tokenization_spaces": False,
            "chat_template": CHAT_TEMPLATE,
            **NAMES,
        },
        "special_tokens_map.json": NAMES,
    }


def main() -> None:
    """Make the folder that the command line names."""
    name, folder = sys.argv[1:]
    with exits():
        make(name, Path(folder))


if __name__ == "__main__":
    main()
