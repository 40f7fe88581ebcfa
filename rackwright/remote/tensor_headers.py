"""On the host, or on the controller: the headers of the safetensors files of one folder."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from rackwright.remote.tensors import index
from rackwright.remote.tensors.header import LENGTH_BYTES, length_of, parse
from rackwright.remote.tensors.summary import File, summary

ONLY_LOOKS = True
MOST_CONFIG_BYTES = 4 << 20
MOST_NAMED = 5
"""Files that are named of many that cannot be read."""

Values = dict[str, Any]


def main(path: str) -> Values:
    """``files``, ``tensors`` and ``config`` of a folder; ``error`` says why there is no such thing.

    ``config`` is None where its config.json is absent; ``hf_quant_config`` likewise.
    """
    folder = Path(path)
    try:
        found = of_folder(folder)
        for key in ("config", "hf_quant_config"):
            found[key] = _json_beside(folder, f"{key}.json")
    except ValueError as error:
        return {"error": f"{folder}: {error}"}
    except OSError as error:
        return {"error": f"{folder}: {error.strerror or type(error).__name__}"}
    return found


def of_folder(folder: Path) -> Values:
    """The summary of all its files. Raises OSError, and ValueError with one reason."""
    files, wrong = [], []
    for name in _names(folder):
        try:
            files.append(_file(folder, name))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("; ".join([*wrong[:MOST_NAMED], *_more(len(wrong) - MOST_NAMED)]))
    return summary(files)


def _more(left: int) -> list[str]:
    return [f"and {left} more files"] if left > 0 else []


def _names(folder: Path) -> list[str]:
    """As engines choose: those that the index names, else every file (vLLM's weight loader)."""
    if (folder / index.NAME).is_file():
        return index.files_of(_text(folder / index.NAME, index.MOST_BYTES))
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".safetensors"))
    if not names:
        raise ValueError("has no safetensors files")
    return names


def _file(folder: Path, name: str) -> File:
    try:
        with _open(folder / name) as file:
            size = os.fstat(file.fileno()).st_size
            length = length_of(file.read(LENGTH_BYTES), size)
            return File(name, size, parse(file.read(length), size))
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be read ({error.strerror})") from None


def _text(path: Path, most: int) -> bytes:
    with _open(path) as file:
        content: bytes = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path.name} has more than {most} bytes")
    return content


def _open(path: Path) -> Any:
    """A regular file, never waited for: a pipe has no end."""
    handle = os.open(str(path), os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError(f"{path.name} is no regular file")
    return os.fdopen(handle, "rb")


def _json_beside(folder: Path, name: str) -> Any:
    if not (folder / name).is_file():
        return None
    try:
        return json.loads(_text(folder / name, MOST_CONFIG_BYTES).decode())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError(f"{name} is no JSON") from None
