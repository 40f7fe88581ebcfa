#!/usr/bin/python3
"""ollama-model ADDRESS PORT NAME SOURCE SHA256 CONTEXT: have a model in Ollama, pinned and loaded.

Run by systemd as ExecStartPost, once Ollama answers. SOURCE is a GGUF file, or ``pull:MODEL`` of
Ollama's registry; SHA256 is of the file, or what `ollama list` shows of the pulled model. A model
that is there as pinned is only loaded. Names, bodies and answers: Ollama's docs/api.md.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BATCH_TOKENS = 512
"""Tokens of one step, as planned; Ollama takes more where it finds memory."""
LOAD_TIMEOUT_S = 3600
BLOCK_BYTES, MOST_BYTES = 1 << 22, 8 << 20
"""Of a file in one piece, and of an answer: a model's templates and licences are some 100 kB."""
HOST = "localhost"
"""On a loopback address, a host name that Ollama does not know is answered with 403."""
SAY_EVERY_S = 10.0

Values = dict[str, Any]


def say(text: str) -> None:
    """A line for the unit's journal."""
    print(text, flush=True)


def parsed(text: str | bytes) -> Values:
    """An answer that is a JSON object. Raises ValueError for any other."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"an answer that is no object: {str(text)[:300]}")
    return found


class OllamaApi:
    """One instance, asked over HTTP."""

    def __init__(self, address: str, port: int) -> None:
        """Where it listens."""
        self.address, self.port = address, port

    def request(self, method: str, path: str, body: Any = None, size: int | None = None) -> Any:
        """The open answer, whatever its status. ``body`` is JSON, or blocks of ``size`` bytes."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=LOAD_TIMEOUT_S)
        headers = {"Host": HOST, "Content-Type": "application/json"}
        if size is not None:
            headers = {"Host": HOST, "Content-Length": str(size)}
        elif body is not None:
            body = json.dumps(body)
        connection.request(method, path, body, headers)
        return connection.getresponse()

    def ask(self, method: str, path: str, body: Any = None) -> Values | None:
        """A JSON answer; None where there is no such thing. Exits with Ollama's own words."""
        answer = self.request(method, path, body)
        text = answer.read(MOST_BYTES).decode(errors="replace")
        if answer.status == 404:
            return None
        if answer.status != 200:
            sys.exit(f"{method} {path}: HTTP {answer.status}: {text[:300]}")
        return parsed(text) if text else {}

    def stream(self, path: str, body: Values) -> None:
        """Follow a long answer, line by line; exits where it tells of an error."""
        answer, said, status = self.request("POST", path, body), 0.0, ""
        while line := answer.readline(MOST_BYTES):
            event = parsed(line)
            if "error" in event:
                sys.exit(f"{path}: {event['error']}")
            done, total = event.get("completed"), event.get("total")
            fresh = event.get("status", "") != status
            if fresh or (total and time.monotonic() - said > SAY_EVERY_S):
                said, status = time.monotonic(), event.get("status", "")
                share = f" {(done or 0) >> 20} of {total >> 20} MiB" if total else ""
                say(f"{status}{share}")
        if answer.status != 200:
            sys.exit(f"{path}: HTTP {answer.status}")

    def weights_of(self, name: str) -> str:
        """Digest of the file a model runs from; empty where it is not there."""
        shown = self.ask("POST", "/api/show", {"model": name})
        for line in str((shown or {}).get("modelfile", "")).splitlines():
            if line.startswith("FROM ") and "sha256-" in line:
                return line.rpartition("sha256-")[2].strip().strip('"')
        return ""

    def parameters_of(self, name: str) -> dict[str, float]:
        """The numbers a model was created with. Go prints large ones as in ``1.048576e+06``."""
        shown = self.ask("POST", "/api/show", {"model": name})
        lines = str((shown or {}).get("parameters", "")).splitlines()
        pairs = (line.split() for line in lines)
        return {pair[0]: _number(pair[1]) for pair in pairs if len(pair) == 2}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def have(ollama: OllamaApi, name: str, source: str, sha256: str, context: int) -> None:
    """Create the model unless it is there as pinned; exits where it cannot be."""
    wanted = {"num_ctx": context, "num_batch": BATCH_TOKENS}
    pulled = source[len("pull:") :] if source.startswith("pull:") else None
    if pulled:
        _pull(ollama, pulled, sha256)
    weights = ollama.weights_of(pulled) if pulled else sha256
    if _is_there(ollama, name, weights, wanted):
        return
    body: Values = {"model": name, "parameters": wanted}
    if pulled:
        body["from"] = pulled
    else:
        _upload(ollama, Path(source), sha256)
        body["files"] = {Path(source).name: f"sha256:{sha256}"}
    say(f"creating {name}")
    ollama.stream("/api/create", body)
    if not _is_there(ollama, name, weights, wanted):
        sys.exit(f"{name} was created, and still is not as planned: see `ollama show {name}`")


def _is_there(ollama: OllamaApi, name: str, weights: str, wanted: dict[str, int]) -> bool:
    if not weights or ollama.weights_of(name) != weights:
        return False
    found = ollama.parameters_of(name)
    return all(found.get(key) == value for key, value in wanted.items())


def _pull(ollama: OllamaApi, model: str, sha256: str) -> None:
    """Pull a model unless it is there; one of another digest is removed and never served."""
    if _digest(ollama, model) == sha256:
        return
    say(f"pulling {model}")
    ollama.stream("/api/pull", {"model": model})
    found = _digest(ollama, model)
    if found != sha256:
        ollama.ask("DELETE", "/api/delete", {"model": model})
        sys.exit(f"{model} is now {found} in the registry, not {sha256}: it was removed")


def _digest(ollama: OllamaApi, model: str) -> str:
    for row in (ollama.ask("GET", "/api/tags") or {}).get("models") or []:
        if row.get("name") == model:
            return str(row.get("digest", "")).replace("sha256:", "")
    return ""


def _upload(ollama: OllamaApi, file: Path, sha256: str) -> None:
    path = f"/api/blobs/sha256:{sha256}"
    if ollama.request("HEAD", path).status == 200:
        return
    size = file.stat().st_size
    answer = ollama.request("POST", path, _blocks(file, size), size)
    text = answer.read(MOST_BYTES).decode(errors="replace")
    if answer.status not in (200, 201):
        sys.exit(f"{file}: HTTP {answer.status}: {text[:300]}")


def _blocks(file: Path, size: int) -> Iterator[bytes]:
    done, said = 0, time.monotonic()
    with file.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            yield block
            done += len(block)
            if time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                say(f"uploading {file.name}: {done >> 20} of {size >> 20} MiB")


def main() -> None:
    """Exit 0 once the model is loaded, and stays so."""
    address, port, name, source, sha256, context = sys.argv[1:]
    ollama = OllamaApi(address, int(port))
    try:
        have(ollama, name, source, sha256, int(context))
        say(f"loading {name}")
        ollama.ask("POST", "/api/generate", {"model": name, "keep_alive": -1, "stream": False})
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
