"""Tensor headers that lie on this machine: in a folder of weights, or in a file of ours."""

from __future__ import annotations

import json
from pathlib import Path

from rackwright.models.tensors.headers import Headers, headers_of
from rackwright.remote.tensor_headers import of_folder
from rackwright.schema.files import text_of


def read_headers(path: Path) -> Headers:
    """Of a folder with safetensors files, or of what `rackwright tensors --save` wrote.

    Raises ValueError with one reason.
    """
    try:
        return folder_headers(path) if path.is_dir() else headers_of(json.loads(text_of(path)))
    except OSError as error:
        raise ValueError(f"must be readable tensor headers ({error.strerror})") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("must be readable tensor headers (no JSON)") from None


def folder_headers(folder: Path) -> Headers:
    """Of a folder's files. Raises ValueError with one reason, OSError where it is not readable."""
    values = of_folder(folder)
    return headers_of({**values, "tensors": [list(entry) for entry in values["tensors"]]})


def has_weights(folder: Path) -> bool:
    """Whether a folder has safetensors files, or an index that names some."""
    try:
        return any(file.name.endswith((".safetensors", ".safetensors.index.json"))
                   for file in folder.iterdir())  # fmt: skip
    except OSError:
        return False
